"""From the computed sums of a row to an interval that contains its tail mass: the last step of the kernel.

    T⁺ = T·(1 + g)          ≥ Σ_T e^d       T⁻ = max(0, T·(1 − g) − n·CLAMP_SHARE)  ≤ Σ_T e^d
    H⁺ = H·(1 + g)          ≥ Σ_H e^d       H⁻ = max(0, H·(1 − g) − n·CLAMP_SHARE)  ≤ Σ_H e^d
    upper = min(1, max(T⁺/(T⁺ + H⁻)·OUTWARD_UP, FLOOR))
    lower = T⁻/(T⁻ + H⁺)·OUTWARD_DOWN, or 0 below FLOOR

τ = Σ_T/(Σ_T + Σ_H) grows with the first sum and falls with the second. It is never computed as 1 − Σ_H p, which
cancels. The sums hold every clamped weight in full, so only the lower ones give the clamp's share back. Theorem T23.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .exponential import Float64, Grade
from .rounding import CLAMP_SHARE, FLOOR, OUTWARD_DOWN, OUTWARD_UP, inflation, padded


@dataclass(frozen=True)
class SumBounds:
    """Bounds [rows] on the real sums, in units of e^shift: tail_lower ≤ Σ_T e^d ≤ tail_upper, kept likewise."""

    tail_lower: Float64
    tail_upper: Float64
    kept_lower: Float64
    kept_upper: Float64


def sum_bounds(tail: Float64, kept: Float64, shift: Float64, n: int, grade: Grade) -> SumBounds:
    """Bounds on the real sums from the computed ones [rows] of rows of n keys."""
    g = np.where(shift != 0.0, inflation(n, grade, shifted=True), inflation(n, grade, shifted=False))
    share = padded(n) * CLAMP_SHARE  # exact: an integer below 2³⁷ times a power of two
    return SumBounds(
        tail_lower=np.maximum(tail * (1.0 - g) - share, 0.0),
        tail_upper=tail * (1.0 + g),
        kept_lower=np.maximum(kept * (1.0 - g) - share, 0.0),
        kept_upper=kept * (1.0 + g),
    )


def tail_mass_bounds(sums: SumBounds) -> tuple[Float64, Float64]:
    """(lower, upper) [rows] around τ. Needs tail_upper > 0 and kept_upper > 0."""
    upper = sums.tail_upper / (sums.tail_upper + sums.kept_lower)
    lower = sums.tail_lower / (sums.tail_lower + sums.kept_upper)
    return (
        np.where(lower >= FLOOR, lower * OUTWARD_DOWN, 0.0),
        np.minimum(np.maximum(upper * OUTWARD_UP, FLOOR), 1.0),
    )
