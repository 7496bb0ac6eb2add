"""The shell of every page that people read in a browser: one self-contained file, light and dark, nothing fetched.

A page is a template that extends `base.html.j2` in `certify/templates/` and fills its blocks; whoever has a result
writes one, and calls `render`:

    {% extends "base.html.j2" %}                       {# certify/templates/search.html.j2 #}
    {% import "parts.html.j2" as parts %}
    {% block body %}
    <section aria-labelledby="cost">
      <h2 id="cost">What it cost</h2>
      {{ parts.figure(picture, "Keys scored, by head.") }}
      {{ parts.table("Keys scored", ["head", "keys"], rows) }}
    </section>
    {% endblock %}

    with web_page.plotting() as Figure:                # raises MissingExtra where matplotlib is not installed
        figure = Figure(figsize=(4.2, 2.8))
        axes = figure.subplots()
        axes.bar(heads, keys, color=web_page.PALETTE["accent"])
        axes.set(xlabel="head", ylabel="keys scored")
        picture = web_page.svg(figure, "Keys scored in each of 12 heads; head 3 needs the most, 97 of 128.")
    path.write_text(web_page.render("search.html.j2", title="...", verdict="valid", headline="...", facts=[...],
                                    command="certify search ...", picture=picture, rows=rows), encoding="utf-8")

`base.html.j2` itself needs `title`, `verdict` (valid, invalid, undecided: the colour and the word of the banner),
`headline` (one sentence: what was found), `facts` (pairs: what it was found about), `command` (the shell line that
makes the page again) and `reproduce` (pairs: versions, digests); a name that a template uses and nobody gave raises.
Text is escaped, always; only `svg` gives markup. `parts.html.j2` holds the table (captioned, with scopes, scrolling
inside itself on a phone) and the figure.

How one picture serves two themes: figures are drawn in the colours of `PALETTE`, and `svg` replaces each by the
page's own CSS variable of that name, so that the browser recolours lines and letters with the page. Other colours,
such as a colour map's, stay as they are. A figure keeps its letters as text; draw it about 4 inches wide and it can
be read on a phone. The same figure is always the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import StringIO
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from certify.errors import MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PALETTE", "plotting", "render", "svg"]

# Light-theme colours; the dark ones are in base.html.j2 under the same names. Blue and orange stay apart in every
# kind of colour blindness; all reach a contrast of 4.5 on the page's background.
PALETTE = {
    "ink": "#1b2027",
    "quiet": "#59616c",
    "line": "#c9ced6",
    "page": "#fdfdfc",
    "valid": "#00677a",
    "invalid": "#b03a00",
    "undecided": "#755c00",
    "kept": "#0a5fb4",
    "dropped": "#b54700",
    "accent": "#5b3fa8",
}


def render(template: str, **data: Any) -> str:
    """The page of a template in `certify/templates/` as one HTML document. Raises jinja2.UndefinedError for a missing
    value.
    """
    environment = Environment(
        loader=PackageLoader("certify", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(palette=PALETTE, **data)


@contextmanager
def plotting() -> Iterator[type[Figure]]:
    """The class of figures, with the page's style in force until the block ends. Raises MissingExtra without
    matplotlib.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra(
            "a page with pictures needs matplotlib, which is not installed; pip install 'topk-certify[report]'"
        ) from None
    ink, line = PALETTE["ink"], PALETTE["line"]
    style: Any = {  # matplotlib types every key by name, and differs from version to version
        "axes.edgecolor": line,
        "axes.facecolor": "none",
        "axes.grid": False,
        "axes.labelcolor": ink,
        "axes.prop_cycle": _cycle("kept", "dropped", "accent", "quiet"),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.constrained_layout.use": True,
        "figure.facecolor": "none",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "grid.color": line,
        "legend.frameon": False,
        "lines.solid_capstyle": "round",
        "path.simplify": False,
        "savefig.facecolor": "none",
        "svg.fonttype": "none",
        "svg.hashsalt": "topk-certify",
        "text.color": ink,
        "xtick.color": line,
        "xtick.labelcolor": ink,
        "ytick.color": line,
        "ytick.labelcolor": ink,
    }
    with rc_context(style):
        yield Figure


def _cycle(*names: str) -> Any:
    from cycler import cycler

    return cycler(color=[PALETTE[name] for name in names])


def svg(figure: Figure, description: str) -> Markup:
    """The figure as an inline SVG element in the page's colours; `description` says what one sees, for those who do
    not.
    """
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"\s*<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    # Names repeat from figure to figure, and in a page each may stand for one thing only.
    own = sha256((description + drawing).encode()).hexdigest()[:8]
    drawing = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{own}-", drawing)
    # Coordinates, that is what stands inside tags, to a hundredth of a point; a letter drawn is not touched.
    drawing = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), drawing)
    for name, colour in PALETTE.items():
        drawing = re.sub(colour, f"var(--{name})", drawing, flags=re.IGNORECASE)
    return Markup(drawing.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1))
