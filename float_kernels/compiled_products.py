"""Dot products of single rows in Numba: classical sums in float64, so that γ_d of T22 holds for each.

Sixteen partial sums run side by side and are halved pairwise; what is left of d is added one by one. Components of
float32 keys are widened first, which is exact.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from .compiled import OPTIONS
from .rounding import LANES
from .vectors import halved_sum, load, splat, widen


@njit(**OPTIONS)
def product(left: Any, row: int, right: Any, column: int) -> float:
    """Σ_l left[row, l]·right[column, l] for left [*, d] float64 and right [*, d] float32 or float64, contiguous."""
    d = left.shape[1]
    whole = d // LANES * LANES
    total = 0.0
    if whole > 0:
        lanes = splat(0.0)
        for start in range(0, whole, LANES):
            lanes = lanes + widen(load(right, column, start)) * widen(load(left, row, start))
        total = halved_sum(lanes)
    for index in range(whole, d):
        total += left[row, index] * right[column, index]
    return total
