"""Draw the picture of the front page: one row of real attention, and why its certificate was rejected.

    python docs/row_17.py            writes docs/row-17.svg
    python docs/row_17.py --check    fails where the committed picture says something else

The picture has a light and a dark theme in one file. What it says is the audit's; its curve is an estimate in float64.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

import certify
from certify import web_page
from certify.examples import example
from certify.web_page import PALETTE

HERE = Path(__file__).parent
BUNDLE, ROW = "minilm-attention-wrong.safetensors", 17


def picture() -> str:
    """The SVG document."""
    bundle = certify.Certificate.load(example(BUNDLE))
    n = bundle.scores.shape[-1]
    scores = bundle.scores.reshape(-1, n)[ROW].astype(np.float64)
    kept = bundle.kept.reshape(-1, n)[ROW]
    row = certify.audit(bundle, rows=[ROW]).rows[0]
    claimed, truth = row.worst.claimed, row.enclosure
    assert claimed is not None
    assert row.verdict is certify.Verdict.INVALID
    order = np.argsort(-scores, kind="stable")
    floor = scores.min() - 0.3
    ranks, k = np.arange(1, n + 1), int(kept.sum())
    mass = np.cumsum(np.exp(scores[order] - scores.max())[::-1])[::-1]
    with web_page.plotting() as new_figure:
        figure = new_figure(figsize=(8.6, 3.1))
        left, right = figure.subplots(1, 2)
        for mask, colour, name in ((kept[order], "kept", f"{k} kept"), (~kept[order], "dropped", f"{n - k} dropped")):
            left.bar(ranks[mask], scores[order][mask] - floor, 1.0, floor, color=PALETTE[colour])
            left.plot([], [], "s", color=PALETTE[colour], label=name)
        left.legend(loc="upper right")
        left.set(
            xlabel="keys, from the best on", ylabel="score (natural log)", title=f"One row of real attention, {n} keys"
        )
        right.semilogy(ranks[:-1], mass[1:] / mass[0], color=PALETTE["quiet"])
        right.plot([k], [float(truth.lower)], "D", color=PALETTE["kept"], markersize=8)
        right.axhline(claimed, color=PALETTE["invalid"], linewidth=2)
        right.annotate(f"truth: in {truth.digits(6)}", (k, float(truth.lower)), (k + 8, 0.12), color=PALETTE["kept"])
        right.text(3, claimed * 2.2, f"claimed: at most {claimed!r}", color=PALETTE["invalid"])
        right.set(xlabel="keys kept, from the best on", ylabel="dropped softmax mass τ", ylim=(claimed / 3, 1.5))
        right.set_title(f"The claim of row {ROW}: {row.verdict}")
        drawing = str(web_page.svg(figure, f"Row {ROW}: the claim lies far below the enclosure of the truth."))
    return drawing.replace("<defs>", f"<style>{_themes()}</style>\n <defs>", 1) + "\n"


def _themes() -> str:
    """The colours of the pages, light and dark, taken from the template that has them."""
    template = (Path(web_page.__file__).parent / "templates" / "base.html.j2").read_text(encoding="utf-8")
    dark = re.findall(r"--(\w+): (#\w{6});", template.partition("prefers-color-scheme: dark")[2])
    light = " ".join(f"--{name}: {colour};" for name, colour in PALETTE.items())
    darker = " ".join(f"--{name}: {colour};" for name, colour in dark)
    in_the_dark = f"@media (prefers-color-scheme: dark) {{ :root {{ {darker} }} }}"
    return f":root {{ {light} }} {in_the_dark} text {{ fill: var(--ink); }}"


def words(drawing: str) -> list[str]:
    """All that is written in a picture; coordinates may differ from one version of matplotlib to the next."""
    return re.findall(r"<text[^>]*>(.*?)</text>", drawing, flags=re.DOTALL)


def main() -> int:
    path = HERE / "row-17.svg"
    drawing = picture()
    if sys.argv[1:] == ["--check"]:
        return int(words(drawing) != words(path.read_text(encoding="utf-8")))
    path.write_text(drawing, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
