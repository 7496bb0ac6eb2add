"""The pass over quantised keys in Numba: the same bits as quantized_keys.py, and the exact scores of chosen keys.

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


@njit(**OPTIONS)
def _products(codes: Any, levels: Any, packed: bool, start: int, stop: int, out: Any) -> None:
    """out[: stop − start] = levels·code for the keys start … stop − 1."""
    width = codes.shape[1]
    for key in range(start, stop):
        total = np.int32(0)
        if packed:
            for index in range(width):
                byte = codes[key, index]
                total += np.int32(levels[index]) * np.int32(np.int8(byte << 4) >> 4)
                total += np.int32(levels[width + index]) * np.int32(byte >> 4)
        else:
            for index in range(width):
                total += np.int32(levels[index]) * np.int32(codes[key, index])
        out[key - start] = total


@njit(**OPTIONS)
def bounds_pass(
    codes: Any, step: Any, rest: Any, packed: bool, levels: Any, constants: Any, lower: Any, upper: Any
) -> None:
    """upper[row, key], and lower unless it has length 0, of levels [m, width] and constants [m, 4]: α, β, γ, offset."""
    n = codes.shape[0]
    products = np.empty(_KEYS_PER_BLOCK, dtype=np.int32)
    for start in range(0, n, _KEYS_PER_BLOCK):  # all queries look at a block of keys while it is in cache
        stop = min(start + _KEYS_PER_BLOCK, n)
        for row in range(levels.shape[0]):
            alpha, beta, gamma, offset = constants[row]
            _products(codes, levels[row], packed, start, stop, products)
            for key in range(start, stop):
                middle = offset + (alpha * step[key]) * np.float32(products[key - start])
                upper[row, key] = middle + (beta * rest[key] + gamma)
            if lower.shape[0] > 0:
                for key in range(start, stop):
                    middle = offset + (alpha * step[key]) * np.float32(products[key - start])
                    lower[row, key] = middle - (beta * rest[key] + gamma)


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
