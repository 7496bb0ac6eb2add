"""KL and the other f-divergences of the truncated from the full distribution, by verified inversion (T2, T3).

All follow from the odds χ = Σ_T e^s / Σ_H e^s of leaving the kept set, never from 1 − τ, which cancels:

    KL(P̂‖P) = Rényi of every order = ln(1 + χ)      χ²(P̂‖P) = χ      H² = 1 − √(1 − τ) = τ/(1 + √(1 − τ))

The logarithm is not computed and trusted: a proposal c for ln(1 + χ) comes from a few steps of Halley's iteration and
is accepted as an upper bound only if e^c ≥ 1 + χ is proved, as a lower bound only if e^c ≤ 1 + χ is; otherwise it moves
outward. What proves it is our exponential with its error, or for c ≤ ½ a Taylor sum of e^c − 1 with its remainder.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .enclosure import SumBounds, tail_mass_bounds
from .exponential import Float64, Grade, exponential
from .rounding import EXPONENTIAL_UNITS, FLOOR, OUTWARD_DOWN, OUTWARD_UP
from .streaming import Mask, as_kept, as_scores, row_at
from .tails import Implementation, tail_and_kept_sums

# Our exponential is not defined much further: above, KL is bounded by the largest scores alone.
LARGEST_KL = 690.0
_LARGEST = float(np.finfo(np.float64).max)
_SERIES_LIMIT = 0.5
_SERIES_TERMS = 14
# The Horner sum below has 3 roundings a term of a quantity within [1, 2): fewer than 64 units together. Its remainder
# at c ≤ ½ is below c^14/15! · 1.04 < 2⁻⁵⁴ of the sum.
_SERIES_SLACK = 2.0**-46
_EXPONENTIAL_SLACK = (EXPONENTIAL_UNITS["exact"] + 4) * 2.0**-53


class Divergences(NamedTuple):
    """Pairs (lower, upper) float64 [*rows], in nats for kl. Every Rényi divergence of P̂ from P equals kl."""

    kl: tuple[Float64, Float64]
    chi_square: tuple[Float64, Float64]
    hellinger_squared: tuple[Float64, Float64]


def kl(
    scores: ArrayLike,
    kept: ArrayLike,
    *,
    grade: Grade = "fast",
    implementation: Implementation = "numba",
    threads: int | None = None,
) -> tuple[Float64, Float64]:
    """(lower, upper) [*rows] with lower ≤ KL(P̂‖P) ≤ upper, nats; arguments and errors as tail_mass. Theorem T2.

    The direction matters: KL(P‖P̂) is infinite as soon as the tail has weight.
    """
    return divergences(scores, kept, grade=grade, implementation=implementation, threads=threads).kl


def divergences(
    scores: ArrayLike,
    kept: ArrayLike,
    *,
    grade: Grade = "fast",
    implementation: Implementation = "numba",
    threads: int | None = None,
) -> Divergences:
    """Bounds on KL, χ² and squared Hellinger distance of P̂ from P; arguments and errors as tail_mass. Theorem T3."""
    array = as_scores(scores)
    rows = array.shape[:-1]
    mask = as_kept(kept, array)
    sums, empty = tail_and_kept_sums(array, mask, grade, implementation, threads)
    lower, upper = odds(sums)
    kl_lower, kl_upper = log1p_lower(lower), log1p_upper(upper)
    for row in np.flatnonzero(np.isinf(kl_upper)):
        least, kl_upper[row] = _kl_by_largest(row_at(array, int(row)), row_at(mask, int(row)))
        kl_lower[row] = max(kl_lower[row], least)
    pairs = (
        (kl_lower, kl_upper),
        (lower, upper),
        _hellinger_squared(sums),
    )
    return Divergences(*((a.reshape(rows), np.where(empty, 0.0, b).reshape(rows)) for a, b in pairs))


def _kl_by_largest(scores: NDArray[Any], kept: Mask) -> tuple[float, float]:
    """(lower, upper) of the KL of a row whose odds leave the range of the exponential, from its largest scores alone.

    With m the largest score and h the largest kept one, e^m ≤ Σ e^s ≤ n·e^m and e^h ≤ Σ_H e^s ≤ k·e^h, so
    m − h − ln k ≤ KL ≤ m − h + ln n. Here m − h is some hundreds, and ln n is at most 25.
    """
    m, h = np.float64(scores.max()), np.float64(scores[kept].max())
    slack = log1p_upper(np.array([np.count_nonzero(kept) - 1.0, scores.size - 1.0]))
    with np.errstate(over="ignore"):  # an infinite upper bound holds; the lower one stays finite
        return (
            max(0.0, np.nextafter(np.nextafter(m - h, 0.0) - slack[0], 0.0)),
            np.nextafter(np.nextafter(m - h, np.inf) + slack[1], np.inf),
        )


def odds(sums: SumBounds) -> tuple[Float64, Float64]:
    """(lower, upper) [rows] of χ = Σ_T/Σ_H; upper is ∞ where nothing positive is known of the kept sum.

    A lower quotient that overflows is rounded down, to the largest float: χ itself is never infinite.
    """
    with np.errstate(divide="ignore", over="ignore"):
        upper = sums.tail_upper / sums.kept_lower
        lower = np.minimum(sums.tail_lower / sums.kept_upper, _LARGEST)
        return np.where(lower >= FLOOR, lower * OUTWARD_DOWN, 0.0), np.maximum(upper * OUTWARD_UP, FLOOR)


def _hellinger_squared(sums: SumBounds) -> tuple[Float64, Float64]:
    """(lower, upper) of τ/(1 + √(1 − τ)): grows with τ. √ is one correctly rounded operation; 1 − τ is H/(T + H)."""
    tau_lower, tau_upper = tail_mass_bounds(sums)
    left_most = sums.kept_upper / (sums.kept_upper + sums.tail_lower) * OUTWARD_UP
    left_least = sums.kept_lower / (sums.kept_lower + sums.tail_upper) * OUTWARD_DOWN
    lower = tau_lower / (1.0 + np.sqrt(left_most)) * OUTWARD_DOWN * OUTWARD_DOWN
    upper = tau_upper / (1.0 + np.sqrt(left_least)) * OUTWARD_UP * OUTWARD_UP
    return np.where(lower >= FLOOR, lower, 0.0), np.minimum(np.maximum(upper, FLOOR), 1.0)


def log1p_upper(x: Float64) -> Float64:
    """c ≥ ln(1 + x) for x ≥ 0, float64 of any shape; at least FLOOR, and ∞ beyond LARGEST_KL."""
    above = np.maximum(x, FLOOR)  # below, the roundings of the proof would not be relative errors
    return _outward(above, _proposal(above), +1.0)


def log1p_lower(x: Float64) -> Float64:
    """0 ≤ c ≤ ln(1 + x) for x ≥ 0, float64 of any shape; 0 below FLOOR, and not beyond LARGEST_KL."""
    return np.where(x >= FLOOR, _outward(x, _proposal(x), -1.0), 0.0)


def _outward(x: Float64, proposal: Float64, direction: float) -> Float64:
    """The proposal moved in the direction until it is proved; ∞ above or 0 below where no proposal is."""
    result = np.full_like(proposal, np.inf if direction > 0 else 0.0)
    open_ = np.ones(proposal.shape, dtype=np.bool_)
    step = 2.0**-52
    while step < 1.0 and open_.any():
        candidate = np.minimum(proposal * (1.0 + direction * step), LARGEST_KL)
        proved = _proves_upper(x, candidate) if direction > 0 else _proves_lower(x, candidate)
        result = np.where(open_ & proved, candidate, result)
        open_ &= ~proved
        step *= 2.0
    return result


def _proves_upper(x: Float64, c: Float64) -> Mask:
    """Whether e^c ≥ 1 + x is proved."""
    series = _expm1_series(c) * (1.0 - _SERIES_SLACK) >= x
    # 1 + x is rounded: one unit of the slack
    direct = exponential(c, "exact") * (1.0 - _EXPONENTIAL_SLACK) >= 1.0 + x
    return np.where(c <= _SERIES_LIMIT, series, direct)


def _proves_lower(x: Float64, c: Float64) -> Mask:
    """Whether e^c ≤ 1 + x is proved."""
    series = _expm1_series(c) * (1.0 + _SERIES_SLACK) <= x
    direct = exponential(c, "exact") * (1.0 + _EXPONENTIAL_SLACK) <= 1.0 + x
    return np.where(c <= _SERIES_LIMIT, series, direct)


def _expm1_series(c: Float64) -> Float64:
    """c(1 + c/2(1 + c/3(1 + …))), the Taylor sum of e^c − 1 up to c^14/14!; meant for 0 ≤ c ≤ ½."""
    total = np.ones_like(c)
    for term in range(_SERIES_TERMS, 1, -1):
        total = total * c / term + 1.0
    return total * c


def _proposal(x: Float64) -> Float64:
    """An estimate of ln(1 + x) from our own operations: the exponent of 1 + x, then Halley's iteration."""
    finite = np.minimum(x, 2.0**990)
    fraction, exponent = np.frexp(1.0 + finite)
    large = exponent * 0.6931471805599453 + 2.0 * (fraction - 1.0) / (fraction + 1.0)
    small = finite / (1.0 + 0.5 * finite)
    for _ in range(3):
        value = exponential(large, "exact")
        large = large + 2.0 * ((1.0 + finite) - value) / ((1.0 + finite) + value)
        value = _expm1_series(np.minimum(small, _SERIES_LIMIT))
        small = small + 2.0 * (finite - value) / (2.0 + finite + value)
    return np.where(small <= _SERIES_LIMIT, small, large)
