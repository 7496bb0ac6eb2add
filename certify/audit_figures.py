"""The pictures of an audited bundle: heat maps by layer and head, the spread of slack, one row's scores and tail mass.

Everything drawn is an estimate in float64; nothing here decides. All figures are made by matplotlib within
`web_page.plotting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from certify.auditor import Audit
from certify.rules import Verdict
from certify.scores import Bools, Floats
from certify.web_page import PALETTE, plotting, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Cells", "cells_of", "row_picture", "slack_map", "slack_spread", "truth_map", "verdict_map"]

MOST_CELLS = 48  # along either axis of a heat map; beyond, several rows or columns share one
_MOST_KEYS_DRAWN = 400
_SLACK_AROUND_ZERO = 1e-9  # slack below this is drawn as if it were linear, so that 0 and both signs fit one axis


@dataclass(frozen=True, eq=False)
class Cells:
    """Audited rows gathered into cells of a heat map: [height, width] arrays, NaN (or no rows) where nothing was
    audited.

    `truth` is the median of the quantity, `slack` the least, `severity` the worst verdict, `bad` how many rows are
    not valid, of `rows`.
    """

    vertical: tuple[str, tuple[str, ...]]
    horizontal: tuple[str, tuple[str, ...]]
    rows: NDArray[np.intp]
    bad: NDArray[np.intp]
    severity: NDArray[np.int8]
    truth: Floats
    slack: Floats


def cells_of(audit: Audit, truth: Floats, labels: dict[str, tuple[str, ...]]) -> Cells:
    """Gather rows [..., heads, queries] by head (across) and by what leads (down); a single axis of rows is cut into
    strips.

    `labels` may name the layers and heads, where their number fits.
    """
    shape = audit.shape
    if len(shape) == 1:
        down, across, per_cell = 1, shape[0], 1
        names = ("", [""]), ("row", [str(i) for i in range(across)])
    else:
        down, across, per_cell = int(np.prod(shape[:-2])), shape[-2], shape[-1]
        leading = {1: "", 2: "layer" if "layers" in labels else "leading index"}.get(len(shape) - 1, "leading indices")
        numbered = [",".join(map(str, np.unravel_index(i, shape[:-2]))) if len(shape) > 2 else "" for i in range(down)]
        names = (leading, list(labels.get("layers", numbered))), ("head", list(labels.get("heads", _counted(across))))
    tall, wide = -(-down // MOST_CELLS), -(-across // MOST_CELLS)
    height, width = -(-down // tall), -(-across // wide)
    flat = audit.indices // per_cell
    cell = (flat // across // tall) * width + flat % across // wide
    size = height * width
    rows = np.bincount(cell, minlength=size)
    severity = np.zeros(size, dtype=np.int8)
    np.maximum.at(severity, cell, audit.severity)
    slack = np.full(size, np.inf)
    np.minimum.at(slack, cell, audit.slack_estimate())
    order = np.lexsort((truth, cell))
    middle = np.cumsum(rows) - rows + (rows - 1) // 2  # the lower median: a value that some row has
    median = np.where(rows > 0, truth[order][np.minimum(middle, len(order) - 1)], np.nan)
    bad = np.bincount(cell, weights=audit.severity != Verdict.VALID, minlength=size).astype(np.intp)
    grid = (height, width)
    return Cells(
        (names[0][0], _shared(names[0][1], tall)),
        (names[1][0], _shared(names[1][1], wide)),
        rows.reshape(grid),
        bad.reshape(grid),
        severity.reshape(grid),
        median.reshape(grid),
        np.where(rows > 0, slack, np.nan).reshape(grid),
    )


def _counted(size: int) -> list[str]:
    return [str(i) for i in range(size)]


def _shared(names: list[str], size: int) -> tuple[str, ...]:
    if size == 1:
        return tuple(names)
    return tuple(f"{names[i]}–{names[min(i + size, len(names)) - 1]}" for i in range(0, len(names), size))


def _frame(axes: Axes, cells: Cells) -> None:
    """Names of rows and columns, as many as can be read."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    for axis, (title, names), most in ((axes.xaxis, cells.horizontal, 12), (axes.yaxis, cells.vertical, 16)):
        step = -(-len(names) // most)
        axis.set_ticks(range(0, len(names), step), names[::step])
        axis.set_label_text(title)
    axes.set_xlim(-0.5, len(cells.horizontal[1]) - 0.5)
    axes.set_ylim(len(cells.vertical[1]) - 0.5, -0.5)


def _height(cells: Cells) -> float:
    return 1.0 + min(4.0, 0.34 * len(cells.vertical[1]))


def verdict_map(cells: Cells) -> Markup:
    """Each cell in the colour of its worst row's verdict; where rows are not valid, how many of how many."""
    from matplotlib.patches import Patch, PathPatch
    from matplotlib.path import Path

    with plotting() as new_figure:
        figure = new_figure(figsize=(4.2, _height(cells)))
        axes = figure.subplots()
        shown = []
        for verdict in Verdict:
            places = np.argwhere((cells.severity == verdict) & (cells.rows > 0))
            if len(places):
                corners = [
                    [(x - 0.47, y - 0.47), (x + 0.47, y - 0.47), (x + 0.47, y + 0.47), (x - 0.47, y + 0.47)]
                    for y, x in places.tolist()
                ]
                squares = Path.make_compound_path(*[Path([*square, square[0]], closed=True) for square in corners])
                axes.add_patch(PathPatch(squares, facecolor=PALETTE[str(verdict)], edgecolor="none"))
                shown.append(Patch(facecolor=PALETTE[str(verdict)], label=str(verdict)))
        if cells.rows.shape[1] <= 12:
            for y, x in np.argwhere(cells.bad > 0).tolist():
                text = f"{cells.bad[y, x]}/{cells.rows[y, x]}"
                axes.text(x, y, text, ha="center", va="center", color=PALETTE["page"], fontsize=8)
        _frame(axes, cells)
        figure.legend(handles=shown, loc="outside upper left", ncols=3, handlelength=1, handleheight=1)
        total = int(cells.rows.sum())
        return svg(
            figure,
            f"Verdicts by cell: {int(cells.bad.sum())} of {total} rows are not valid, in "
            f"{int((cells.bad > 0).sum())} of {int((cells.rows > 0).sum())} cells.",
        )


def truth_map(cells: Cells, quantity: str) -> Markup:
    """The median of the quantity in each cell, on a logarithmic scale."""
    from matplotlib.colors import LogNorm

    positive = cells.truth[(cells.truth > 0) & np.isfinite(cells.truth)]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0)
    low = low if low < high else low / 2
    said = f"Median {quantity} by cell, from {low:.2g} to {high:.2g}."
    return _colour_map(
        cells,
        cells.truth,
        LogNorm(low, high),
        "cividis",
        f"median {quantity}",
        said,
        [low, (low * high) ** 0.5, high],
    )


def slack_map(cells: Cells) -> Markup:
    """The least slack of each cell, on a scale that is logarithmic to both sides of zero; violated claims are
    negative.
    """
    from matplotlib.colors import SymLogNorm

    finite = cells.slack[np.isfinite(cells.slack)]
    least = float(finite.min(initial=1.0))
    norm = SymLogNorm(_SLACK_AROUND_ZERO, linscale=0.5, vmin=-1, vmax=1)
    said = f"Least relative slack by cell; the least of all is {least:.2g}, and negative slack is a violated claim."
    return _colour_map(
        cells, cells.slack, norm, "PuOr", "least relative slack", said, [-1, -1e-4, -1e-8, 1e-8, 1e-4, 1]
    )


def _colour_map(
    cells: Cells, data: Floats, norm: Any, colours: str, title: str, said: str, ticks: list[float]
) -> Markup:
    with plotting() as new_figure:
        figure = new_figure(figsize=(4.2, _height(cells)))
        axes = figure.subplots()
        coloured = np.clip(data, norm.vmin, norm.vmax)
        image = axes.imshow(
            np.ma.masked_invalid(coloured), norm=norm, cmap=colours, aspect="auto", interpolation="none"
        )
        if data.shape[1] <= 6:
            for y, x in np.argwhere(cells.rows > 0).tolist():
                red, green, blue, _ = image.cmap(norm(coloured[y, x]))
                bright = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2 > 0.18
                axes.text(
                    x,
                    y,
                    _short(data[y, x]),
                    ha="center",
                    va="center",
                    color="#010101" if bright else "#fefefe",
                    fontsize=8,
                )
        _frame(axes, cells)
        bar = figure.colorbar(image, ax=axes, location="top", aspect=40, label=title)
        if bar.solids is not None:
            bar.solids.set_rasterized(True)
        bar.outline.set_visible(False)
        bar.set_ticks(ticks, labels=[_short(tick) for tick in ticks])
        bar.minorticks_off()
        return svg(figure, said)


def _short(value: float) -> str:
    return f"{value:.2g}".replace("e-0", "e-")


def slack_spread(audit: Audit) -> Markup:
    """For every kind of claim, which share of its rows has at most that much slack."""
    with plotting() as new_figure:
        figure = new_figure(figsize=(4.6, 3.0))
        axes = figure.subplots()
        shares = np.linspace(0.0, 1.0, 201)
        styles = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3))]
        colours = ["kept", "dropped", "accent", "quiet", "valid", "undecided"]
        for claim, style, colour in zip(audit.claims, styles, colours, strict=False):
            if claim.rule.claim != "top_k":
                points = np.clip(np.quantile(claim.slack_estimate(), shares, method="lower"), -1, 1)
                axes.step(points, shares, where="post", linestyle=style, color=PALETTE[colour], label=claim.rule.claim)
        axes.axvline(0, color=PALETTE["line"], linewidth=1)
        axes.set_xscale("symlog", linthresh=_SLACK_AROUND_ZERO, linscale=0.5)
        axes.set_xticks([-1, -1e-4, -1e-8, 1e-8, 1e-4, 1])
        axes.set(xlim=(-1.2, 1.2), ylim=(0, 1), ylabel="share of rows")
        axes.set_xlabel("at most this relative slack (negative: false)")
        figure.legend(loc="outside upper left", ncols=2)
        return svg(figure, "Share of rows against relative slack, one line for each kind of claim.")


def row_picture(
    scores: Floats, kept: Bools, truth: float | None, claimed: tuple[tuple[str, float, bool], ...]
) -> Markup:
    """One row [n]: its scores in falling order, kept or dropped; and the tail mass that the j best keys would leave,
    with what this kept set leaves and what was `claimed`: name, value, and whether it was refuted.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > -np.inf]
    s, held = scores[order], kept[order]
    mass = np.cumsum(np.exp(s - s[0])[::-1])[::-1]
    drawn = _ranks_drawn(held)
    floor = float(s[-1]) - 0.04 * float(s[0] - s[-1]) - 0.01
    with plotting() as new_figure:
        figure = new_figure(figsize=(4.6, 4.8))
        figure.set_layout_engine("none")  # fixed margins: twenty of these are drawn
        above, below = figure.subplots(
            2, 1, sharex=True, gridspec_kw={"left": 0.14, "right": 0.98, "top": 0.98, "bottom": 0.24, "hspace": 0.08}
        )
        at = drawn[held[drawn]]
        above.plot(*_segments(at + 1, floor, s[at]), color=PALETTE["kept"], linewidth=1.1, alpha=0.6)
        above.plot(*_dots(at + 1, s[at]), color=PALETTE["kept"], linewidth=4, label="kept")
        at = drawn[~held[drawn]]
        above.plot(*_dots(at + 1, s[at]), color=PALETTE["dropped"], linewidth=2.5, label="dropped")
        above.set(ylabel="score (natural log)", ylim=(floor, None))
        above.legend(loc="upper right", handlelength=0.6)
        curve = drawn[(drawn > 0) & (mass[drawn] > 0)]
        below.plot(curve, mass[curve] / mass[0], color=PALETTE["quiet"], label="left by the j best keys")
        if truth is not None and truth > 0:
            shown = {"color": PALETTE["kept"], "markeredgecolor": PALETTE["page"], "markersize": 7}
            below.plot([int(held.sum())], [truth], "D", label="left by this kept set", **shown)
        for name, value, refuted in claimed:
            if value > 0:
                colour, style = (PALETTE["invalid"], "-") if refuted else (PALETTE["accent"], "--")
                label = f"{name}{' (refuted)' if refuted else ''}"
                below.axhline(value, color=colour, linestyle=style, linewidth=1.6, label=label)
        below.set(yscale="log", xlabel="keys, from the best on", ylabel="tail mass τ")
        below.minorticks_off()
        figure.legend(*below.get_legend_handles_labels(), loc="lower left", bbox_to_anchor=(0.1, 0), ncols=2)
        return svg(
            figure,
            f"Scores of {len(s)} keys in falling order, {int(held.sum())} of the row's keys kept; and below the tail "
            "mass that the best keys leave out, with this kept set and the claims.",
        )


def _segments(x: NDArray[np.intp], low: float | Floats, high: Floats) -> tuple[Floats, Floats]:
    """Vertical segments as one line with gaps: a row's picture stays small."""
    gap = np.full(len(x), np.nan)
    return np.stack([x, x, gap], axis=1).ravel(), np.stack(np.broadcast_arrays(low, high, gap), axis=1).ravel()


def _dots(x: NDArray[np.intp], y: Floats) -> tuple[Floats, Floats]:
    """Points as segments of no length, which a round end turns into dots."""
    return _segments(x, y, y)


def _ranks_drawn(held: Bools) -> NDArray[np.intp]:
    """All ranks of a short row; of a long one the first, some of the kept, and evenly spaced others."""
    n = len(held)
    if n <= _MOST_KEYS_DRAWN:
        return np.arange(n)
    some = _MOST_KEYS_DRAWN // 4
    places = np.flatnonzero(held)
    spread = places[np.linspace(0, len(places) - 1, some).astype(np.intp)]
    even = np.linspace(0, n - 1, 2 * some).astype(np.intp)
    return np.unique(np.concatenate([np.arange(some), spread, even]))
