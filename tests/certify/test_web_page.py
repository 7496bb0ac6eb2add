"""The shell of pages: escaped text, one file, figures that follow the theme; and in a browser, what every page must
pass.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from certify import web_page
from certify.errors import MissingExtra
from tests.certify.browser import PHONE, check_page, open_page

SHELL = {
    "title": "A page",
    "verdict": "invalid",
    "headline": "One <claim> & its truth",
    "facts": [("bundle", "a<b>.safetensors")],
    "command": "certify audit 'a<b>'",
    "reproduce": [("digest", "00ff")],
}


def drawing(description: str = 'A line that rises from 1 to 3 at "x" = 2 & falls.') -> Markup:
    with web_page.plotting() as figure_class:
        figure = figure_class(figsize=(4.2, 2.5))
        axes = figure.subplots()
        axes.plot([0, 1, 2, 3], [1, 2, 3, 0], color=web_page.PALETTE["kept"])
        axes.fill_between([0, 3], [0, 0], [1, 1], color=web_page.PALETTE["invalid"])
        axes.text(1, 2, "some text, 0.000125")
        axes.set(xlabel="time, s", ylabel="height, m")
        return web_page.svg(figure, description)


def test_text_is_escaped_and_a_missing_value_raises() -> None:
    page = web_page.render("base.html.j2", **SHELL)
    assert "One &lt;claim&gt; &amp; its truth" in page
    assert "a&lt;b&gt;.safetensors" in page
    assert "<claim>" not in page
    for name in SHELL:
        with pytest.raises(UndefinedError, match=name):
            web_page.render("base.html.j2", **{key: value for key, value in SHELL.items() if key != name})


def test_a_figure_has_the_colours_of_the_page_and_is_the_same_twice() -> None:
    picture = drawing()
    assert "var(--kept)" in picture
    assert "var(--invalid)" in picture
    assert not [colour for colour in web_page.PALETTE.values() if colour in picture.lower()]
    assert ">some text, 0.000125</text>" in picture
    assert 'aria-label="A line that rises from 1 to 3 at &#34;x&#34; = 2 &amp; falls."' in picture
    assert picture == drawing()


def test_names_in_two_figures_differ() -> None:
    names = [set(re.findall(r'\bid="([^"]*)"', drawing(text))) for text in ("one", "two")]
    assert names[0]
    assert not names[0] & names[1]
    for text in ("one", "two"):
        picture = drawing(text)
        used = set(re.findall(r'(?:href="#|url\(#)([^")]*)', picture))
        assert used <= set(re.findall(r'\bid="([^"]*)"', picture))


def test_without_matplotlib_the_error_names_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'topk-certify\[report\]'"), web_page.plotting():
        pass


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast of two #rrggbb colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dim = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def test_every_colour_of_words_can_be_read_in_both_themes() -> None:
    source = web_page.render("base.html.j2", **SHELL)
    dark = dict(re.findall(r"--(\w+): (#\w{6});", source.partition("prefers-color-scheme: dark")[2]))
    for theme in (web_page.PALETTE, dark):
        assert theme.keys() >= web_page.PALETTE.keys()
        for name in web_page.PALETTE.keys() - {"line", "page"}:
            assert contrast(theme[name], theme["page"]) >= 4.5, name
    assert dark.keys() == {*web_page.PALETTE, "panel"}


def test_the_shell_in_a_browser(tmp_path: Path) -> None:
    """The picture follows the theme; and every kind of fault in a page is seen: an error, a request, a fault of
    accessibility, a width.
    """
    path = tmp_path / "page.html"
    body = f'<h2 id="what">What</h2><figure>{drawing()}<figcaption>A line.</figcaption></figure>'
    page = web_page.render("base.html.j2", **SHELL).replace("<main>", f"<main>{body}")
    path.write_text(page, encoding="utf-8")
    with check_page(path) as shown:
        colour = "getComputedStyle(document.querySelector('figure svg text')).fill"
        shown.emulate_media(color_scheme="light")
        light = shown.evaluate(colour)
        shown.emulate_media(color_scheme="dark")
        assert shown.evaluate(colour) != light
    for fault, message in (
        ("<script>console.error('lost')</script>", "lost"),
        ("<script>nothing()</script>", "nothing"),
        ("<img alt='' src='https://example.org/x.png'>", "example.org"),
        ("<img src='data:,'>", "image-alt"),
        ("<p style='color: #ccc'>faint</p>", "color-contrast"),
        ("<p style='width: 1000px'>wide</p>", "too wide"),
    ):
        path.write_text(page.replace("<main>", f"<main>{fault}"), encoding="utf-8")
        with pytest.raises(AssertionError, match=message), check_page(path):
            pass
    with open_page(path, size=PHONE) as shown:
        assert shown.title() == "A page"
