"""The pass over quantised keys in Numba: the same bits as quantized_keys.py; and scores and outputs of chosen keys.

The inner loop is an integer product of int16 and int8, which LLVM turns into multiply-and-add instructions on whatever
vectors the processor has; integer sums are exact, so their order does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .compiled import OPTIONS
from .compiled_products import prefetch, product

_KEYS_PER_BLOCK = 1024
# Keys lie far apart in memory: ask for one so many keys before it is needed.
_AHEAD = 12
# Codes lie one after the other; asking for memory past their end does nothing.
_BYTES_AHEAD = 4096


# Blocks are handed on as slices that start at 0: an index that may be negative costs a quarter of the speed.
@njit(**OPTIONS)
def _products(codes: Any, levels: Any, out: Any) -> None:
    """out[i] = levels·code of key i, for codes int8 [keys, d]."""
    ahead = _BYTES_AHEAD // codes.shape[1]
    for key in range(codes.shape[0]):
        prefetch(codes, key + ahead)
        total = np.int32(0)
        for index in range(codes.shape[1]):
            total += np.int32(levels[index]) * np.int32(codes[key, index])
        out[key] = total


@njit(**OPTIONS)
def _packed_products(codes: Any, levels: Any, out: Any) -> None:
    """The same for two codes a byte; levels has twice as many components as codes has bytes."""
    width = codes.shape[1]
    low, high = levels[:width], levels[width:]
    ahead = _BYTES_AHEAD // width
    for key in range(codes.shape[0]):
        prefetch(codes, key + ahead)
        total = np.int32(0)
        for index in range(width):
            byte = codes[key, index]
            total += np.int32(low[index]) * np.int32(np.int8(byte << 4) >> 4)
            total += np.int32(high[index]) * np.int32(byte >> 4)
        out[key] = total


@njit(**OPTIONS)
def _bounds(products: Any, step: Any, rest: Any, constants: Any, sign: Any, out: Any) -> None:
    """out[i] = middle ± reach, sign +1 or −1, as quantized_keys.score_bounds has them; all float32."""
    alpha, beta, gamma, offset = constants
    for key in range(step.size):
        middle = offset + (alpha * step[key]) * np.float32(products[key])
        out[key] = middle + sign * (beta * rest[key] + gamma)


@njit(**OPTIONS)
def bounds_pass(
    codes: Any, step: Any, rest: Any, packed: bool, levels: Any, constants: Any, lower: Any, upper: Any
) -> None:
    """upper [m, n], and lower unless it has length 0, of levels [m, width] and constants [m, 4]: α, β, γ, offset."""
    n = codes.shape[0]
    products = np.empty(_KEYS_PER_BLOCK, dtype=np.int32)
    for start in range(0, n, _KEYS_PER_BLOCK):  # all queries look at a block of keys while it is in cache
        stop = min(start + _KEYS_PER_BLOCK, n)
        for row in range(levels.shape[0]):
            if packed:
                _packed_products(codes[start:stop], levels[row], products)
            else:
                _products(codes[start:stop], levels[row], products)
            four = (constants[row, 0], constants[row, 1], constants[row, 2], constants[row, 3])
            _bounds(products, step[start:stop], rest[start:stop], four, np.float32(1.0), upper[row, start:stop])
            if lower.shape[0] > 0:
                _bounds(products, step[start:stop], rest[start:stop], four, np.float32(-1.0), lower[row, start:stop])


@njit(**OPTIONS)
def score_chosen(query: Any, key: Any, scale: float, chosen: Any, radius: Any, scores: Any) -> None:
    """scores[row, i] = q·k_i·scale − radius[row] wherever chosen[row, i]: query [m, d] float64, key [n, d]."""
    m, n = chosen.shape
    places = np.empty(n, dtype=np.intp)
    for row in range(m):
        count = 0
        for index in range(n):
            places[count] = index
            count += chosen[row, index]
        for place in range(count):
            if place + _AHEAD < count:
                prefetch(key, places[place + _AHEAD])
            index = places[place]
            scores[row, index] = product(query, row, key, index) * scale - radius[row]


@njit(**OPTIONS)
def attend_chosen(scores: Any, chosen: Any, values: Any) -> Any:
    """Σ p̂ v [m, dv] float64, p̂ the softmax of scores [m, n] over the chosen keys, values [n, dv]. An estimate."""
    m, n = chosen.shape
    places = np.empty(n, dtype=np.intp)
    sums = np.zeros((m, values.shape[1]))
    for row in range(m):
        count, highest = 0, -np.inf
        for index in range(n):
            places[count] = index
            if chosen[row, index]:
                count += 1
                highest = max(highest, np.float64(scores[row, index]))
        total = 0.0
        for place in range(count):
            if place + _AHEAD < count:
                prefetch(values, places[place + _AHEAD])
            index = places[place]
            weight = np.exp(np.float64(scores[row, index]) - highest)
            total += weight
            for component in range(values.shape[1]):
                sums[row, component] += weight * np.float64(values[index, component])
        sums[row] /= total
    return sums
