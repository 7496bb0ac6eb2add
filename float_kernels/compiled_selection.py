"""Which keys to keep, in Numba: radix selection on an integer that orders floats. Chooses; certifies nothing.

A float's bits, with the sign bit flipped for positive numbers and all bits flipped for negative ones, order as the
floats do. Starting with the leading digit, one pass counts the keys (or adds up their weights) digit value by digit
value; only the digit value that holds the boundary is looked into further. Ties are kept from the lower index on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .compiled import OPTIONS
from .compiled_values import row_weights
from .rounding import LANES

# Digits of 11 bits make fewer passes, digits of 8 bits less to clear and to search: better for short rows.
_WIDE_DIGIT = 11
_NARROW_DIGIT = 8
_SHORT_ROW = 1024


@njit(**OPTIONS)
def _ordered(bits: Any) -> Any:
    """An unsigned integer that orders as the float with these bits does; −0.0 equals 0.0."""
    width = 8 * bits.itemsize
    top = bits.dtype.type(1) << bits.dtype.type(width - 1)
    ordered = np.empty_like(bits)
    for index in range(bits.size):
        value = bits[index]
        if value == top:
            value ^= top
        ordered[index] = ~value if value & top else value | top
    return ordered


@njit(**OPTIONS)
def _keep(ordered: Any, threshold: Any, ties: int, kept: Any) -> None:
    """kept = above the threshold, and the first `ties` of those at it."""
    for index in range(ordered.size):
        kept[index] = ordered[index] > threshold
    index = 0
    while ties > 0:
        if ordered[index] == threshold:
            kept[index] = True
            ties -= 1
        index += 1


@njit(**OPTIONS)
def top_k_rows(bits: Any, k: int) -> Any:
    """kept [rows, n]: the k largest of each row of float bits [rows, n], uint32 or uint64, ties to the lower index."""
    rows, n = bits.shape
    kept = np.empty((rows, n), dtype=np.bool_)
    digit = _WIDE_DIGIT if n >= _SHORT_ROW else _NARROW_DIGIT
    counts = np.empty(1 << digit, dtype=np.int64)
    inside = np.empty(n, dtype=bits.dtype)
    number = bits.dtype.type
    low = number((1 << digit) - 1)
    for row in range(rows):
        ordered = _ordered(bits[row])
        shift = 8 * bits.itemsize - digit
        source, size, missing = ordered, n, k
        while True:
            counts[:] = 0
            for index in range(size):
                counts[(source[index] >> number(shift)) & low] += 1
            value = counts.size - 1
            while counts[value] < missing:
                missing -= counts[value]
                value -= 1
            found = 0
            for index in range(size):
                candidate = source[index]
                inside[found] = candidate  # overwritten by the next one unless it belongs here
                found += (candidate >> number(shift)) & low == number(value)
            source, size = inside, found
            if shift == 0:
                break
            shift = max(shift - digit, 0)
        _keep(ordered, inside[0], missing, kept[row])
    return kept


@njit(**OPTIONS)
def smallest_k_rows(scores: Any, bits: Any, shift: Any, share: float) -> Any:
    """(kept [rows, n], boundary [rows]): the largest scores, few enough to leave an estimated `share` in the tail.

    boundary holds the bits of the smallest kept score of each row.
    scores [rows, n] float32 or float64, bits the same memory as unsigned integers, shift [rows] as in lane_sums.py.
    """
    rows, n = scores.shape
    kept = np.empty((rows, n), dtype=np.bool_)
    digit = _WIDE_DIGIT if n >= _SHORT_ROW else _NARROW_DIGIT
    counts = np.empty(1 << digit, dtype=np.int64)
    masses = np.empty(1 << digit)
    inside = np.empty(n, dtype=bits.dtype)
    weights = np.empty((1, n + LANES))
    padded = np.zeros((1, LANES), dtype=scores.dtype)
    boundary = np.empty(rows, dtype=bits.dtype)
    number = bits.dtype.type
    low = number((1 << digit) - 1)
    top = number(1) << number(8 * bits.itemsize - 1)
    for row in range(rows):
        row_weights(scores, row, shift[row], padded, weights)
        ordered = _ordered(bits[row])
        position = 8 * bits.itemsize - digit
        source, mass, size = ordered, weights[0], n
        allowed = -1.0  # tail mass still to give away; known once everything has been added up
        while True:
            counts[:] = 0
            masses[:] = 0.0
            for index in range(size):
                value = (source[index] >> number(position)) & low
                counts[value] += 1
                masses[value] += mass[index]
            if allowed < 0.0:
                allowed = share * masses.sum()
            value = 0
            last = counts.size - 1
            while counts[last] == 0:
                last -= 1
            while value < last and masses[value] <= allowed:
                allowed -= masses[value]
                value += 1
            found = 0
            for index in range(size):
                candidate, weight = source[index], mass[index]
                inside[found] = candidate
                weights[0, found] = weight
                found += (candidate >> number(position)) & low == number(value)
            source, mass, size = inside, weights[0], found
            if position == 0:
                break
            position = max(position - digit, 0)
        # Only equal scores are left: as many as fit go to the tail, the last ones first, but one key stays.
        dropped = min(int(allowed / weights[0, 0]), size - 1)
        _keep(ordered, inside[0], size - dropped, kept[row])
        boundary[row] = inside[0] ^ top if inside[0] & top else ~inside[0]
    return kept, boundary
