"""How much attention mass a cell of keys can hold, from a few numbers about its scores: T9 and T20, rounded outward.

A cell is `count` keys of which only bounds are known: lower ≤ score ≤ upper, their mean within [mean_lower,
mean_upper], their variance (divided by count) at most `variance`. Each function bounds Σ_cell e^(s − shift). Every
line rounds outward, by one step after each operation, so a result is sound whatever the inputs; an exponent above
CEILING becomes +∞ above, one below CLAMP becomes 0 below. All arrays broadcast, float64.

    jensen     count·e^mean_lower                                    ≤ the mass   (T9)
    maximum    count·e^upper                                         ≥ the mass   (T20)
    chord      count·[(u − m)/(u − ℓ)·e^ℓ + (m − ℓ)/(u − ℓ)·e^u]      ≥ the mass   (T9)
    bennett    count·(σ²e^u + β²e^(m − σ²/β)) / (σ² + β²), β = u − m  ≥ the mass   (T9)

The last two grow with the mean, the upper end and the variance, and fall with the lower end, so bounds on those will
do: a distribution of scores may be pushed towards its upper end until it has the larger mean.
"""

from __future__ import annotations

import numpy as np

from .exponential import CEILING, CLAMP, Float64, exponential
from .lane_sums import ordered_sum
from .rounding import EXPONENTIAL_UNITS, sum_depth

# One more unit for the rounding of the product that gives the exponential's error back.
_UP = 1.0 + (EXPONENTIAL_UNITS["exact"] // 2 + 1) * 2.0**-52
_DOWN = 1.0 - (EXPONENTIAL_UNITS["exact"] // 2 + 1) * 2.0**-52


def up(x: Float64) -> Float64:
    """A float64 ≥ the real result that was rounded to x."""
    return np.nextafter(x, np.inf)


def down(x: Float64) -> Float64:
    """A float64 ≤ the real result that was rounded to x."""
    return np.nextafter(x, -np.inf)


def exp_upper(exponent: Float64) -> Float64:
    """≥ e^exponent; +∞ above CEILING, and never below the weight of CLAMP. Theorem T23."""
    weight = up(exponential(np.minimum(exponent, CEILING), "exact") * _UP)
    return np.where(exponent > CEILING, np.inf, weight)


def exp_lower(exponent: Float64) -> Float64:
    """≤ e^exponent; 0 below CLAMP, and never above the weight of CEILING. Theorem T23."""
    weight = down(exponential(np.minimum(exponent, CEILING), "exact") * _DOWN)
    return np.where(exponent < CLAMP, 0.0, weight)


def jensen_mass(count: Float64, mean_lower: Float64, shift: Float64) -> Float64:
    """≤ Σ e^(s − shift): no cell of this mean holds less (T9); attained where all scores are equal."""
    return np.maximum(down(count * exp_lower(down(mean_lower - shift))), 0.0)


def maximum_mass(count: Float64, upper: Float64, shift: Float64) -> Float64:
    """≥ Σ e^(s − shift), every key counted with the largest score that it can have (T20)."""
    return up(count * exp_upper(up(upper - shift)))


def chord_mass(count: Float64, lower: Float64, mean_upper: Float64, upper: Float64, shift: Float64) -> Float64:
    """≥ Σ e^(s − shift) by the chord of e^x over [lower, upper] (T9); attained by scores at the two ends.

    In this form e^ℓ + (m − ℓ)/(u − ℓ)·(e^u − e^ℓ) one quotient is rounded up, and nothing cancels that matters.
    """
    high = exp_upper(up(upper - shift))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = up(up(mean_upper - lower) / down(upper - lower))
        low = exp_upper(up(lower - shift))
        inside = up(low + up(share * np.maximum(up(high - low), 0.0)))
    usable = (mean_upper < upper) & (lower < mean_upper) & np.isfinite(inside)
    return up(count * np.where(usable, np.minimum(inside, high), high))


def bennett_mass(count: Float64, mean_upper: Float64, upper: Float64, variance: Float64, shift: Float64) -> Float64:
    """≥ Σ e^(s − shift) by Bennett's inequality (T9); attained by scores at u and at m − σ²/β."""
    high = exp_upper(up(upper - shift))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        beta_lower, beta_upper = down(upper - mean_upper), up(upper - mean_upper)
        ratio_upper = up(up(variance / beta_lower) / beta_lower)
        ratio_lower = np.maximum(down(down(variance / beta_upper) / beta_upper), 0.0)
        drop = np.maximum(down(variance / beta_upper), 0.0)
        far = exp_upper(up(up(mean_upper - shift) - drop))
        inside = up(up(up(ratio_upper * high) + far) / down(1.0 + ratio_lower))
    usable = (beta_lower > 0.0) & np.isfinite(inside)
    return up(count * np.where(usable, np.minimum(inside, high), high))


def sum_upper(masses: Float64) -> Float64:
    """≥ the sum over the last axis of masses ≥ 0."""
    depth = sum_depth(max(masses.shape[-1], 1))
    return up(ordered_sum(masses) * (1.0 + (depth + 1) * 2.0**-53 + 2.0**-52)) if masses.size else _none(masses)


def sum_lower(masses: Float64) -> Float64:
    """≤ the sum over the last axis of masses ≥ 0."""
    depth = sum_depth(max(masses.shape[-1], 1))
    total = down(ordered_sum(masses) * (1.0 - (depth + 1) * 2.0**-53 - 2.0**-52)) if masses.size else _none(masses)
    return np.maximum(total, 0.0)


def _none(masses: Float64) -> Float64:
    return np.zeros(masses.shape[:-1])
