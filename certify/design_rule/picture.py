"""k_ε/n against σ: the large-n rule, the finite-n guarantee, and simulated rows, in one picture. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from certify import web_page
from certify.design_rule.planning import plan
from certify.design_rule.simulation import kept_keys, quantile_interval
from certify.errors import BadInput

__all__ = ["picture"]

SIGMAS = tuple(0.5 * i for i in range(1, 10))
_SIMULATED_KEYS = 4_000_000  # of all draws of one point together


def picture(
    path: Path,
    *,
    panels: Sequence[tuple[int, float]],
    delta: float = 0.05,
    sigmas: Sequence[float] = SIGMAS,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write an SVG or PNG with one panel per (n, eps), up to 1000 simulated rows a point, fewer where n > 4000.

    Raises MissingExtra without matplotlib, BadInput for a name that is neither.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise BadInput(f"{path}: a picture is an .svg or a .png; name it so")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}; make it first")
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    colour = web_page.PALETTE
    with web_page.plotting() as Figure:
        figure = Figure(figsize=(1.2 + 3.1 * columns, (1.3 if columns == 1 else 0.8) + 2.6 * rows))
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for place, (n, eps) in enumerate(panels):
            axes = grid[place // columns][place % columns]
            plans = []
            simulated = []
            for i, sigma in enumerate(sigmas):
                plans.append(plan(n=n, sigma=sigma, eps=eps, delta=delta))
                draws = min(1000, max(200, _SIMULATED_KEYS // n))
                keys = kept_keys(n, sigma, [eps], draws, seed)[0]
                simulated.append((np.median(keys), *quantile_interval(keys, 1 - delta)))
                if progress is not None:
                    progress(place * len(sigmas) + i + 1, len(panels) * len(sigmas))
            median, quantile, low, high = np.array(simulated, dtype=np.float64).T / n
            axes.plot(sigmas, [p.k_guaranteed / n for p in plans], color=colour["kept"], label="guarantee (T18)")
            axes.errorbar(
                sigmas,
                quantile,
                yerr=[quantile - low, high - quantile],
                color=colour["dropped"],
                fmt="o",
                markersize=3,
                linewidth=1,
                label=f"simulated {100 * (1 - delta):g} % quantile, 99 % interval",
            )
            axes.plot(sigmas, median, ".", markersize=3, color=colour["quiet"], label="simulated median")
            rule = [float(p.fraction.upper) for p in plans]
            axes.plot(
                sigmas, rule, "--", color=colour["ink"], label="n → ∞ (T17): about half of the rows or more miss ε"
            )
            axes.set(title=f"n = {n}, ε = {eps:g}", yscale="log", ylim=(0.7 / n if n < 500 else 1e-3, 1.3))
            if place % columns == 0:
                axes.set_ylabel("keys kept, k/n")
            if place // columns == rows - 1:
                axes.set_xlabel("σ of the scores, nats")
        for place in range(len(panels), rows * columns):
            grid[place // columns][place % columns].set_visible(False)
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=1 if columns == 1 else 2, fontsize=8)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        figure.savefig(path, facecolor="white", dpi=150, metadata=metadata)
