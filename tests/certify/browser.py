"""A real browser for pages that people read: Debian's Chromium, headless, driven by Playwright, with axe for
accessibility.

`check_page` is what every page must pass, in both themes and on a phone: it draws, fetches nothing, logs no error,
has no accessibility fault that axe can find, and does not scroll sideways. It yields the open page for what is special
about this one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1200, "height": 900}


def chromium() -> str:
    """Where the browser is. `.ci/run` installs one, so that nothing is left out there."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("Chromium is not installed, so no page was opened here: apt-get install chromium")


@contextmanager
def open_page(path: Path, *, theme: str = "light", size: dict[str, int] = DESKTOP) -> Iterator[Page]:
    """The page in a fresh browser. Ends in an AssertionError where it logged an error or asked for anything but
    itself.
    """
    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport=size, color_scheme=theme)
        page.on("console", lambda message: troubles.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url) if request.url != path.as_uri() else None)
        page.goto(path.as_uri())
        yield page
        browser.close()
    assert not troubles, troubles


@contextmanager
def check_page(path: Path) -> Iterator[Page]:
    """Hold `path` to what every page promises; yields it open, on a desktop in the light theme, with every
    `details` open.
    """
    with open_page(path) as page:
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme=theme)
            for opened in (False, True):
                page.evaluate("open => document.querySelectorAll('details').forEach(d => d.open = open)", opened)
                found = Axe().run(page)
                assert found.violations_count == 0, f"{theme}: {found.generate_report()}"
        page.set_viewport_size(PHONE)
        excess = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert excess <= 0, f"on a phone the page is {excess} px too wide"
        page.set_viewport_size(DESKTOP)
        yield page
