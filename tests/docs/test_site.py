"""The site builds with warnings as errors, and reads in a browser without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.certify.browser import chromium

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 0, found.stderr
    return folder


def test_every_notebook_is_a_page_with_its_pictures(site: Path) -> None:
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = (site / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf-8")
        assert page.count("<img") == notebook.read_text(encoding="utf-8").count('"image/png"')
        assert f"{notebook.stem}.html" in (site / "notebooks" / "index.html").read_text(encoding="utf-8")


def test_formulas_are_drawn_without_a_script(site: Path) -> None:
    page = (site / "notebooks" / "1-identity.html").read_text(encoding="utf-8")
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in page
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert 'class="arithmatex"' not in text, path
        assert "&amp;</mi>" not in text, path  # an alignment that the converter does not know


def test_what_is_written_elsewhere_is_put_in(site: Path) -> None:
    assert "Head–tail factorisation" in (site / "proved.html").read_text(encoding="utf-8")
    assert "kept_indices" in (site / "doors" / "audit.html").read_text(encoding="utf-8")
    for path in site.rglob("*.html"):
        assert not re.search(r"<!-- the (table|format) of", path.read_text(encoding="utf-8"))


def test_the_reference_is_there(site: Path) -> None:
    for door, name in (
        ("audit", "certify.auditor.audit"),
        ("soundness", "certify.soundness.search.hunt"),
        ("reference", "certify.enclosures.tail_mass"),
        ("produce", "float_kernels.tail_mass"),
    ):
        assert f'id="{name}"' in (site / "doors" / f"{door}.html").read_text(encoding="utf-8"), name


def test_a_reader_needs_no_network(site: Path) -> None:
    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        for name in ("index", "verdicts", "notebooks/8-proofs", "doors/reference"):
            page.goto((site / f"{name}.html").as_uri(), wait_until="load")
            assert page.locator("h1").first.is_visible()
        browser.close()
    assert not troubles, troubles
