"""Bounds on the tail mass from partial knowledge of the scores: T6 single gap, T7 multi-gap, T8 blocks, T9 moments.

All arrays broadcast and are float64 or integers; nothing here streams, for what is known is short. Sums are taken in
the order of lane_sums.py and every exponential is our exact grade, relative to the largest exponent of the row.

Rounding, in units u = 2⁻⁵³ (rounding.py): each term of a sum is a product of counts, shares and one exponential of a
computed difference. TERM_UNITS covers the exponential, its difference, and twelve more roundings of factors and of the
result; sum_depth covers the additions. All terms are ≥ 0, so relative errors do not grow in sums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .enclosure import SumBounds, tail_mass_bounds
from .environment import require_ieee
from .errors import OutOfRangeError, ShapeError
from .exponential import Float64, exponential
from .lane_sums import ordered_sum
from .rounding import CLAMP_SHARE, EXPONENTIAL_UNITS, MAX_KEYS, SHIFT_UNITS, sum_depth

TERM_UNITS = EXPONENTIAL_UNITS["exact"] + SHIFT_UNITS + 12
# Bennett's second exponent, m − σ²/β, is computed in four roundings of numbers of at most 700 each.
BENNETT_UNITS = TERM_UNITS + 4 * SHIFT_UNITS


def gap_bound(kept_min: ArrayLike, tail_max: ArrayLike, n: ArrayLike, k: ArrayLike) -> Float64:
    """τ ≤ (n − k)e^−Δ / (k + (n − k)e^−Δ), Δ = kept_min − tail_max ≥ 0, rounded up. Theorem T6.

    Holds for a true top-k of n attended keys only: kept_min = s_(k), tail_max = s_(k+1). Attained by two levels.
    """
    require_ieee()
    low, high = _floats(kept_min), _floats(tail_max)
    if not np.all((high <= low) & (low > -np.inf)):
        raise OutOfRangeError("tail_max exceeds kept_min, or that is -inf: the single gap bound needs a true top-k")
    kept_count, tail_count = _counts(k), _counts(np.asarray(n) - np.asarray(k))
    if not np.all(kept_count >= 1):
        raise OutOfRangeError("k is 0: keep at least one key")
    with np.errstate(over="ignore"):  # a gap that overflows is clamped like any other
        tail = tail_count * exponential(high - low, "exact") * _up(TERM_UNITS)
    return np.where(tail > 0.0, tail_mass_bounds(SumBounds(tail, tail, kept_count, kept_count))[1], 0.0)


def multi_gap_bound(top_scores: ArrayLike, k: int, n: int, unknown_upper: ArrayLike | None = None) -> Float64:
    """The bound [*rows] of T7 from the largest M scores [*rows, M] of rows of n keys, k ≤ M ≤ n of which are kept.

    Every other score is ≤ unknown_upper [*rows], by default the smallest known one. Attained where all equal it.
    """
    top = -np.sort(-_floats(top_scores), axis=-1)
    known = top.shape[-1]
    if not 1 <= k <= known <= n:
        raise OutOfRangeError(f"k = {k}, M = {known}, n = {n}: the multi-gap bound needs 1 ≤ k ≤ M ≤ n")
    rest = top[..., -1:] if unknown_upper is None else _floats(unknown_upper)[..., None]
    scores = np.concatenate([top, np.broadcast_to(rest, (*top.shape[:-1], 1))], axis=-1)
    ones, counts = np.arange(known + 1) < k, np.append(np.ones(known), n - known)
    return block_bound(np.where(ones, counts, 0.0), np.where(ones, 0.0, counts), scores, scores)[1]


def block_bound(
    kept_counts: ArrayLike, tail_counts: ArrayLike, block_lower: ArrayLike, block_upper: ArrayLike
) -> tuple[Float64, Float64]:
    """(lower, upper) [*rows] of T8 for blocks [*rows, B] of h kept and t tail keys with scores in [lower, upper].

    Every key counts: e^u once per block instead of once per key would be unsound. Attained at the ends of the blocks.
    """
    kept, tail, low, high = _blocks(kept_counts, tail_counts, block_lower, block_upper)
    shift = _shift(high, kept + tail)
    with np.errstate(over="ignore"):  # a difference that overflows is clamped like any other
        low_weights, high_weights = _weights(low - shift), _weights(high - shift)
    total = np.sum(kept + tail, axis=-1)
    return _tail_mass(
        tail * low_weights, tail * high_weights, kept * low_weights, kept * high_weights, total, TERM_UNITS
    )


def block_moment_bound(
    kept_counts: ArrayLike,
    tail_counts: ArrayLike,
    block_lower: ArrayLike,
    block_upper: ArrayLike,
    tail_mean: ArrayLike,
    tail_variance: ArrayLike | None = None,
) -> tuple[Float64, Float64]:
    """(lower, upper) [*rows] of T9: block_bound with the mean (and variance, divided by t) of each block's tail scores.

    Jensen below, the chord above, with the variance Bennett above where it is smaller. mean and variance are taken as
    exact; round them outward before (the bound grows with both).
    """
    kept, tail, low, high = _blocks(kept_counts, tail_counts, block_lower, block_upper)
    mean = np.broadcast_to(_floats(tail_mean), high.shape)
    if not np.all((tail == 0) | ((low <= mean) & (mean <= high))):
        raise OutOfRangeError(
            "tail_mean lies outside [block_lower, block_upper]: it is the mean of scores in the block"
        )
    mean = np.where(tail == 0, high, mean)
    shift = _shift(high, kept + tail)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low_weights, high_weights, mean_weights = (_weights(x - shift) for x in (low, high, mean))
        chord = (high - mean) / (high - low) * low_weights + (mean - low) / (high - low) * high_weights
        # where the width is 0 or overflows, e^u for every tail key, which is sound anyway
        upper = np.where((high > low) & np.isfinite(high - low), chord, high_weights)
        if tail_variance is not None:
            variance = np.broadcast_to(_floats(tail_variance), high.shape)
            if not np.all((tail == 0) | (variance >= 0)):
                raise OutOfRangeError("tail_variance is negative")
            beta = high - mean
            ratio = variance / beta / beta
            far_weights = _weights((mean - shift) - variance / beta)
            bennett = (ratio * high_weights + far_weights) / (1.0 + ratio)
            usable = np.isfinite(bennett) & np.isfinite(mean)  # β = 0 or a masked key in the mean: the chord stands
            upper = np.where(usable, np.minimum(upper, bennett), upper)
    total = np.sum(kept + tail, axis=-1)
    return _tail_mass(tail * mean_weights, tail * upper, kept * low_weights, kept * high_weights, total, BENNETT_UNITS)


def _tail_mass(
    tail_low: Float64, tail_high: Float64, kept_low: Float64, kept_high: Float64, total: Float64, units: int
) -> tuple[Float64, Float64]:
    """The bounds on τ from terms [*rows, B] below and above the real ones, each off by at most `units`."""
    units += sum_depth(tail_low.shape[-1])
    # A clamped weight stands for anything down to 0: below, all of them are taken away.
    share = total * CLAMP_SHARE
    kept_upper = ordered_sum(kept_high) * _up(units)
    tail_upper = ordered_sum(tail_high) * _up(units)
    sums = SumBounds(
        tail_lower=np.maximum(ordered_sum(tail_low) * _down(units) - share, 0.0),
        tail_upper=tail_upper,
        kept_lower=np.maximum(ordered_sum(kept_low) * _down(units) - share, 0.0),
        kept_upper=kept_upper,
    )
    with np.errstate(invalid="ignore"):  # 0/0 where a row has no tail
        lower, upper = tail_mass_bounds(sums)
    return lower, np.where(tail_upper > 0.0, upper, 0.0)


def _weights(exponents: Float64) -> Float64:
    return exponential(exponents, "exact")


def _shift(high: Float64, counts: Float64) -> Float64:
    """The largest exponent [*rows, 1] of a block that has keys."""
    largest: Float64 = np.max(np.where(counts > 0, high, -np.inf), axis=-1, keepdims=True)
    if not np.all(largest > -np.inf):
        raise OutOfRangeError("every block of a row has the upper bound -inf: nothing in it is attended")
    return largest


def _blocks(*arrays: ArrayLike) -> tuple[Float64, ...]:
    """Counts and bounds as float64 of one shape, checked, in a thread that is checked too."""
    require_ieee()
    kept, tail, low, high = np.broadcast_arrays(*map(np.asarray, arrays))
    kept, tail = _counts(kept), _counts(tail)
    if high.ndim == 0:
        raise ShapeError("blocks need an axis: arrays are [*rows, B]")
    if np.any(np.sum(kept, axis=-1) == 0):
        raise OutOfRangeError("a row keeps no key: kept_counts are all 0")
    low, high = _floats(low), _floats(high)
    used = kept + tail > 0
    if not np.all(~used | (low <= high)):
        raise OutOfRangeError("block_lower exceeds block_upper")
    return kept, tail, np.where(used, low, 0.0), np.where(used, high, 0.0)


def _counts(values: ArrayLike) -> Float64:
    """Counts as float64 (exact)."""
    array = np.asarray(values)
    if not np.all((array >= 0) & (array <= MAX_KEYS) & (array == np.floor(array))):
        raise OutOfRangeError("counts of keys are whole numbers from 0 to 2**36")
    return array.astype(np.float64)


def _floats(values: ArrayLike) -> Float64:
    """Scores as float64, finite or −∞."""
    array = np.asarray(values, dtype=np.float64)
    if not np.all(array < np.inf):
        raise OutOfRangeError("a score or bound is NaN or +inf")
    return array


def _up(units: int) -> float:
    return 1.0 + (units + 1) // 2 * 2.0**-52 + 2.0**-52


def _down(units: int) -> float:
    return 1.0 - (units + 1) // 2 * 2.0**-52 - 2.0**-52
