"""Witnesses: inputs on which a bound equals what it bounds, both sides as cases. Whoever is tighter there is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from certify.reference_values.suite.case import Case, row

__all__ = ["witnesses"]


def _both(name: str, truth: str, bound: str, inputs: dict[str, Any], more: dict[str, Any]) -> Iterator[Case]:
    yield Case(f"{name}/{truth}", truth, inputs)
    yield Case(f"{name}/{bound}", bound, more if bound in ("gap_bound", "multi_gap_bound") else inputs | more)


def witnesses() -> Iterator[Case]:
    two_levels = row([1.5, 1.5, 0.0, 0.0, 0.0, 0.0], [0, 1])
    yield from _both("two-levels", "tail_mass", "gap_bound", two_levels, {"gap": 1.5, "k": 2, "n": 6})
    yield from _both(
        "unseen-all-equal", "tail_mass", "multi_gap_bound", row([3.0, 2.0, 1.0, 0.5, 0.5, 0.5], [0, 1]),
        {"top_scores": np.array([3.0, 2.0, 1.0]), "k": 2, "n": 6, "unseen_upper": 0.5},
    )  # fmt: skip
    ends = row([0.0, 1.5, 1.5, 1.5], [0])
    yield from _both("block-extremes", "tail_mass", "block_bound_upper", ends, {"blocks": np.zeros(4, dtype=int)})
    swapped = row([1.5, 0.0, 0.0, 0.0], [0])
    yield from _both(
        "block-extremes-swapped", "tail_mass", "block_bound_lower", swapped, {"blocks": np.zeros(4, dtype=int)}
    )
    chord, apart = row([4.0, 0.0, 2.0, 2.0, 0.0], [0]), {"blocks": np.array([0, 1, 1, 1, 1])}
    yield from _both("two-level-block", "tail_mass", "block_mean_bound_upper", chord, apart)
    yield Case("two-level-block/block_variance_bound_upper", "block_variance_bound_upper", chord | apart)
    jensen = {"blocks": np.array([0, 1, 1])}
    yield from _both("equal-block", "tail_mass", "block_mean_bound_lower", row([1.0, 0.25, 0.25], [0]), jensen)
    opposite = row([0.5, 0.0], [0], value=np.array([[1.0, 0.0], [-1.0, 0.0]]))
    for bound in ("norm_bound", "diameter_bound", "best_output_bound", "variance_bound"):
        yield Case(f"two-opposite-values/{bound}", bound, opposite)
    yield Case("two-opposite-values/output_error", "output_error", opposite)
    shifted = row([0.5, 0.0], [0], value=np.array([[5.0, 3.0], [3.0, 3.0]]), centre=np.array([4.0, 3.0]))
    yield Case("recentred/recentred_norm_bound", "recentred_norm_bound", shifted)
    yield Case("recentred/norm_bound", "norm_bound", {name: shifted[name] for name in ("scores", "kept", "value")})
    # ln 225, the gap that suffices for ε = 2^−4, rounded: its bound is ε to within that rounding.
    yield Case("sufficient/sufficient_gap", "sufficient_gap", {"eps": 0.0625, "k": 4, "n": 64})
    yield Case("sufficient/gap_bound", "gap_bound", {"gap": 5.41610040220442, "k": 4, "n": 64})
    radius = {"radius": 0.25}
    yield Case("perturbed/perturbed_tail_mass_upper", "perturbed_tail_mass_upper", two_levels | radius)
    yield Case("perturbed/perturbed_tail_mass_lower", "perturbed_tail_mass_lower", two_levels | radius)
    yield Case("perturbed/raised", "tail_mass", row([1.25, 1.25, 0.25, 0.25, 0.25, 0.25], [0, 1]))
    yield Case("perturbed/two-keys", "perturbed_tail_mass_upper", row([0.0, 0.0], [0], radius=0.5))
    yield Case("perturbed/two-keys-moved", "perturbation_total_variation", {"radius": 1.0})
    spread = np.array([[0.0, 0.0], [1.0, 0.0], [8.0, 0.0], [8.0, 1.0], [8.5, 0.5]])
    yield Case("two-clusters/best_partition", "best_partition", {"value": spread})
    yield Case(
        "best-of-all/optimal_tail_mass",
        "optimal_tail_mass",
        {"scores": np.array([0.5, 2.0, -np.inf, 1.0, 2.0]), "k": 2},
    )
