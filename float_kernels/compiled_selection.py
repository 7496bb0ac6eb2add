"""Which keys to keep, in Numba: a bracket from a sample, one pass, then partition. Chooses; certifies nothing.

A strided sample of the row guesses two scores between which the boundary lies. One pass counts (or weighs) what lies
outside and sets aside what lies between; the boundary is found among those, and a last pass writes the mask. Where the
guess was wrong everything is set aside: a guess costs time, never a key. Ties are kept from the lower index on.

Among those set aside, each step splits at a pivot, keeps the side that holds the boundary and drops the other, so that
all steps together cost a few passes. Ordinals are a float's bits as an integer that orders as the floats do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .compiled import OPTIONS, weights
from .exponential import CLAMP
from .lane_sums import UNSHIFTED_MAX, UNSHIFTED_MIN
from .rounding import LANES
from .vectors import (
    above,
    at_least,
    both,
    choose,
    count,
    halved_maximum,
    halved_sum,
    larger,
    load,
    opposite,
    raised_to,
    splat,
    splat_like,
    store,
    store_chosen,
    store_mask,
    widen,
)

_SAMPLED_FROM = 2048  # shorter rows are set aside whole
_LONG_FROM = 16384
_SAMPLE = (256, 1024)  # keys of shorter and of longer rows
_DEVIATIONS = 4.0  # of the sample's estimate, on either side


@njit(**OPTIONS)
def _ordinal(value: Any, cell: Any) -> Any:
    """An integer that orders as the float does; −0.0 comes just before 0.0. cell: room for one such float."""
    cell[0] = value
    if cell.itemsize == 4:
        bits = np.int64(cell.view(np.int32)[0])
        return bits if bits >= 0 else bits ^ np.int64(2**31 - 1)
    bits = cell.view(np.int64)[0]
    return bits if bits >= 0 else bits ^ np.int64(2**63 - 1)


@njit(**OPTIONS)
def _float_at(ordinal: Any, cell: Any) -> Any:
    """The float with this ordinal."""
    if cell.itemsize == 4:
        cell.view(np.int32)[0] = ordinal if ordinal >= 0 else ordinal ^ np.int64(2**31 - 1)
    else:
        cell.view(np.int64)[0] = ordinal if ordinal >= 0 else ordinal ^ np.int64(2**63 - 1)
    return cell[0]


@njit(**OPTIONS)
def _pivot(values: Any, size: int, step: int, first: Any, last: Any, cell: Any) -> Any:
    """A value to split values[0, :size] at: the median of three of them, every fourth time the middle of the range.

    The former is quick on most rows; the latter ends after 64 times on any.
    """
    if step % 4 == 3:
        return _float_at((first >> 1) + (last >> 1) + (first & last & 1), cell)
    a, b, c = values[0, 0], values[0, size // 2], values[0, size - 1]
    return max(min(a, b), min(max(a, b), c))


@njit(**OPTIONS)
def _kth_largest(values: Any, size: int, k: int, cell: Any) -> Any:
    """(t, ties, equal): the k-th largest of values[0, :size]; `ties` of the `equal` values t are among the k largest.

    1 ≤ k ≤ size; no NaN. values [1, ≥ size + LANES] is used up.
    """
    first, last = _ordinal(-np.inf, cell), _ordinal(np.inf, cell)
    step = 0
    while True:
        pivot = _pivot(values, size, step, first, last, cell)
        step += 1
        values[0, size : size + LANES] = -np.inf  # behind all others, and only at a pivot of −∞ not below it
        greater, not_less = 0, 0
        for start in range(0, size, LANES):
            lanes = load(values, 0, start)
            greater += count(above(lanes, pivot))
            not_less += count(at_least(lanes, pivot))
        if greater < k <= not_less:
            return pivot, k - greater, min(not_less, size) - greater
        keep_greater = k <= greater
        found = 0
        for start in range(0, size, LANES):
            lanes = load(values, 0, start)
            chosen = above(lanes, pivot) if keep_greater else opposite(at_least(lanes, pivot))
            store_chosen(values, 0, found, lanes, chosen)
            found += count(chosen)
        if keep_greater:
            first, size = _ordinal(pivot, cell), greater
        else:
            last, size, k = _ordinal(pivot, cell), size - not_less, k - not_less


@njit(**OPTIONS)
def _boundary(values: Any, masses: Any, size: int, allowed: float, cell: Any) -> Any:
    """(t, ties, equal): the lightest values that weigh `allowed` at most go; t is the smallest that stays, `ties` of
    the `equal` values t stay, at least one.

    masses[0, :size] are the weights of values[0, :size]: 0 at −∞, growing from there on, not all 0; no NaN, no +∞.
    Both arrays, [1, ≥ size + LANES], are used up.
    """
    first, last = _ordinal(-np.inf, cell), _ordinal(np.inf, cell)
    step = 0
    while True:
        pivot = _pivot(values, size, step, first, last, cell)
        step += 1
        values[0, size : size + LANES] = np.inf  # behind all others, and above every pivot
        masses[0, size : size + LANES] = 0.0
        less, at_pivot = splat(0.0), splat(0.0)
        greater, not_less = 0, 0
        for start in range(0, size, LANES):
            lanes, weight = load(values, 0, start), load(masses, 0, start)
            over, from_pivot = above(lanes, pivot), at_least(lanes, pivot)
            greater, not_less = greater + count(over), not_less + count(from_pivot)
            at_pivot = at_pivot + choose(both(from_pivot, opposite(over)), weight, splat(0.0))
            less = less + choose(from_pivot, splat(0.0), weight)
        fillers = -size % LANES
        greater, not_less = greater - fillers, not_less - fillers
        lighter, equal_weight = halved_sum(less), halved_sum(at_pivot)
        keep_greater = lighter + equal_weight <= allowed and greater > 0
        keep_less = lighter > allowed and not_less < size
        if not keep_greater and not keep_less and greater < not_less:
            equal = not_less - greater
            droppable = (allowed - lighter) / (equal_weight / equal)
            dropped = int(max(0.0, min(droppable, equal - 1.0)))
            return pivot, equal - dropped, equal
        found = 0
        for start in range(0, size, LANES):
            lanes, weight = load(values, 0, start), load(masses, 0, start)
            chosen = above(lanes, pivot) if keep_greater else opposite(at_least(lanes, pivot))
            store_chosen(values, 0, found, lanes, chosen)
            store_chosen(masses, 0, found, weight, chosen)
            found += count(chosen)
        if keep_greater:
            first, size, allowed = _ordinal(pivot, cell), greater, allowed - lighter - equal_weight
        else:
            last, size = _ordinal(pivot, cell), size - not_less


@njit(**OPTIONS)
def _partial_step(scores: Any, row: int, padded: Any) -> Any:
    """The row's last partial step, filled with −∞, into padded [1, LANES]; returns where it starts."""
    n = scores.shape[1]
    whole = n // LANES * LANES
    padded[0, :] = -np.inf
    for index in range(whole, n):
        padded[0, index - whole] = scores[row, index]
    return whole


@njit(**OPTIONS)
def _mark(scores: Any, row: int, padded: Any, whole: int, threshold: Any, surplus: int, kept: Any) -> None:
    """kept[row] = at the threshold or above it, but not the last `surplus` of those at it."""
    n = scores.shape[1]
    for start in range(0, whole, LANES):
        store_mask(kept, row, start, at_least(load(scores, row, start), threshold))
    for index in range(whole, n):
        kept[row, index] = padded[0, index - whole] >= threshold
    index = n - 1
    while surplus > 0:
        if scores[row, index] == threshold:
            kept[row, index] = False
            surplus -= 1
        index -= 1


@njit(**OPTIONS)
def _set_aside(scores: Any, row: int, padded: Any, whole: int, low: Any, high: Any, values: Any) -> Any:
    """(greater, found): how many scores of the row lie above high, and how many in [low, high], which go to values."""
    greater, found = 0, 0
    for start in range(0, scores.shape[1], LANES):
        s = load(scores, row, start) if start < whole else load(padded, 0, 0)
        over = above(s, high)
        between = both(at_least(s, low), opposite(over))
        greater += count(over)
        store_chosen(values, 0, found, s, between)
        found += count(between)
    fillers = -scores.shape[1] % LANES if low == -np.inf else 0
    return greater, found - fillers


@njit(**OPTIONS)
def _take_sample(scores: Any, row: int, size: int, sample: Any) -> None:
    """`size` scores of the row at equal distances, into sample[0]; NaN as −∞."""
    stride = scores.shape[1] // size
    for index in range(size):
        score = scores[row, index * stride]
        sample[0, index] = score if score == score else -np.inf


@njit(**OPTIONS)
def top_k_rows(scores: Any, k: int) -> Any:
    """kept [rows, n]: the k largest of each row of scores [rows, n] float32 or float64, ties to the lower index.

    A row that holds NaN gets some kept set or other.
    """
    rows, n = scores.shape
    kept = np.empty((rows, n), dtype=np.bool_)
    values = np.empty((1, n + 2 * LANES), dtype=scores.dtype)
    padded = np.empty((1, LANES), dtype=scores.dtype)
    cell = np.empty(1, dtype=scores.dtype)
    size = _SAMPLE[1] if n >= _LONG_FROM else _SAMPLE[0]
    sample = np.empty((1, size + LANES), dtype=scores.dtype)
    rank = k * size / n
    margin = _DEVIATIONS * math.sqrt(rank * (1.0 - rank / size)) + 1.0
    upper_rank, lower_rank = int(rank - margin), int(rank + margin) + 1
    for row in range(rows):
        whole = _partial_step(scores, row, padded)
        low, high = scores.dtype.type(-np.inf), scores.dtype.type(np.inf)
        if n >= _SAMPLED_FROM:
            if upper_rank >= 1:
                _take_sample(scores, row, size, sample)
                high = _kth_largest(sample, size, upper_rank, cell)[0]
            if lower_rank <= size:
                _take_sample(scores, row, size, sample)
                low = _kth_largest(sample, size, lower_rank, cell)[0]
        greater, found = _set_aside(scores, row, padded, whole, low, high, values)
        if not greater < k <= greater + found:  # the sample misled
            low, high = scores.dtype.type(-np.inf), scores.dtype.type(np.inf)
            greater, found = _set_aside(scores, row, padded, whole, low, high, values)
        if k <= found + greater:
            threshold, ties, equal = _kth_largest(values, found, k - greater, cell)
            _mark(scores, row, padded, whole, threshold, equal - ties, kept)
        else:  # NaN among the scores
            kept[row, :] = True
    return kept


@njit(**OPTIONS)
def _row_weights(scores: Any, row: int, padded: Any, whole: int, coefficients: Any, masses: Any) -> Any:
    """(largest score, total): masses[0, :n] = weight of every score, shifted as lane_sums.py says, 0 where masked.

    The filling of the last step is masked too. NaN leaves the maximum alone and makes the total NaN.
    """
    n = scores.shape[1]
    largest = splat_like(load(padded, 0, 0), -np.inf)
    for start in range(0, n, LANES):
        largest = larger(load(scores, row, start) if start < whole else load(padded, 0, 0), largest)
    maximum = halved_maximum(largest)
    shift = 0.0 if UNSHIFTED_MIN <= maximum <= UNSHIFTED_MAX else maximum
    masked = scores.dtype.type(-np.inf)
    total = splat(0.0)
    for start in range(0, n, LANES):
        s = load(scores, row, start) if start < whole else load(padded, 0, 0)
        w = weights(raised_to(widen(s) - shift, CLAMP), coefficients)
        w = choose(both(at_least(s, masked), opposite(above(s, masked))), splat(0.0), w)
        store(masses, 0, start, w)
        total = total + w
    return maximum, halved_sum(total)


@njit(**OPTIONS)
def _weigh_aside(
    scores: Any, row: int, padded: Any, whole: int, low: Any, high: Any, source: Any, values: Any, masses: Any
) -> Any:
    """(lighter, aside, found): the weight of the scores below low, and of those in [low, high], which go to values and
    their weights to masses; the weights of the row are in source. NaN goes nowhere.
    """
    lighter, aside = splat(0.0), splat(0.0)
    found = 0
    for start in range(0, scores.shape[1], LANES):
        s = load(scores, row, start) if start < whole else load(padded, 0, 0)
        w = load(source, 0, start)
        from_low = at_least(s, low)
        between = both(from_low, opposite(above(s, high)))
        lighter = lighter + choose(from_low, splat(0.0), w)
        aside = aside + choose(between, w, splat(0.0))
        store_chosen(values, 0, found, s, between)
        store_chosen(masses, 0, found, w, between)
        found += count(between)
    return halved_sum(lighter), halved_sum(aside), found


@njit(**OPTIONS)
def _weigh_sample(scores: Any, row: int, size: int, source: Any, values: Any, masses: Any) -> None:
    """`size` scores of the row at equal distances, and their weights from source, into values[0] and masses[0]."""
    stride = scores.shape[1] // size
    for index in range(size):
        values[0, index] = scores[row, index * stride]
        masses[0, index] = source[0, index * stride]


@njit(**OPTIONS)
def _square_mass(values: Any, masses: Any, size: int, threshold: Any) -> Any:
    """Σ w² over the values up to the threshold."""
    total = 0.0
    for index in range(size):
        if values[0, index] <= threshold:
            total += masses[0, index] * masses[0, index]
    return total


@njit(**OPTIONS)
def smallest_k_rows(scores: Any, share: float, coefficients: Any) -> Any:
    """(kept [rows, n], boundary [rows], maximum [rows]) of scores [rows, n] float32 or float64: the largest scores, few
    enough to leave an estimated `share` in the tail; the smallest kept score and the largest of each row.
    coefficients: the grade of the estimate.

    A row that holds NaN or an infinity, or nothing but −∞, gets some kept set or other.
    """
    rows, n = scores.shape
    kept = np.empty((rows, n), dtype=np.bool_)
    boundary, maximum = np.empty(rows), np.empty(rows)
    weight = np.empty((1, n + 2 * LANES))
    masses = np.empty((1, n + 2 * LANES))
    values = np.empty((1, n + 2 * LANES), dtype=scores.dtype)
    padded = np.empty((1, LANES), dtype=scores.dtype)
    cell = np.empty(1, dtype=scores.dtype)
    size = _SAMPLE[1] if n >= _LONG_FROM else _SAMPLE[0]
    for row in range(rows):
        whole = _partial_step(scores, row, padded)
        maximum[row], total = _row_weights(scores, row, padded, whole, coefficients, weight)
        if not (np.isfinite(maximum[row]) and np.isfinite(total)):
            kept[row, :] = True
            boundary[row] = maximum[row]
            continue
        allowed = share * total
        lowest, highest = scores.dtype.type(-np.inf), scores.dtype.type(maximum[row])
        low, high = lowest, highest
        if n >= _SAMPLED_FROM:
            expected = allowed * (size / n)
            _weigh_sample(scores, row, size, weight, values, masses)
            middle = _boundary(values, masses, size, expected, cell)[0]
            _weigh_sample(scores, row, size, weight, values, masses)
            margin = _DEVIATIONS * math.sqrt(_square_mass(values, masses, size, middle))
            if expected + margin < masses[0, :size].sum():  # else the boundary may lie above all of the sample
                high = _boundary(values, masses, size, expected + margin, cell)[0]
            _weigh_sample(scores, row, size, weight, values, masses)
            low = _boundary(values, masses, size, max(expected - margin, 0.125 * expected), cell)[0]
        lighter, aside, found = _weigh_aside(scores, row, padded, whole, low, high, weight, values, masses)
        if not lighter <= allowed < lighter + aside:  # the sample misled, or all is equal
            low, high = lowest, highest
            lighter, aside, found = _weigh_aside(scores, row, padded, whole, low, high, weight, values, masses)
        threshold, ties, equal = _boundary(values, masses, found, allowed - lighter, cell)
        boundary[row] = threshold
        _mark(scores, row, padded, whole, threshold, equal - ties, kept)
    return kept, boundary, maximum
