"""The weighted sums of values of output_errors.py in Numba: the same operations in the same order, so the same bits.

Plain loops are enough here: the inner one runs over the components of a value, which never mix, so that whatever
vectors the processor has, each component is added up in the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .compiled import OPTIONS, weights
from .exponential import CLAMP, COEFFICIENTS
from .rounding import KEYS_PER_BLOCK, LANES
from .vectors import load, raised_to, store, widen

_EXACT = COEFFICIENTS["exact"]


@njit(**OPTIONS)
def row_weights(scores: Any, row: int, shift: float, padded: Any, out: Any) -> None:
    """out[0, :n] = e^(score − shift) in the exact grade, the clamp's weight below it; padded: room for one step."""
    n = scores.shape[1]
    whole = n // LANES * LANES
    for start in range(0, whole, LANES):
        store(out, 0, start, weights(raised_to(widen(load(scores, row, start)) - shift, CLAMP), _EXACT))
    for index in range(whole, n):
        padded[0, index - whole] = scores[row, index]
    store(out, 0, whole, weights(raised_to(widen(load(padded, 0, 0)) - shift, CLAMP), _EXACT))


@njit(**OPTIONS)
def value_sums(scores: Any, kept: Any, shift: Any, values: Any) -> Any:
    """sums [rows, 2, d] float64: Σ w·v over the tail and over the kept keys, for scores [rows, n] and values [n, d]."""
    rows, n = scores.shape
    d = values.shape[1]
    sums = np.zeros((rows, 2, d))
    block = np.zeros((2, d))
    row_of_weights = np.empty((1, n + LANES))
    padded = np.zeros((1, LANES), dtype=scores.dtype)
    for row in range(rows):
        row_weights(scores, row, shift[row], padded, row_of_weights)
        for start in range(0, n, KEYS_PER_BLOCK):
            block[:] = 0.0
            for key in range(start, min(start + KEYS_PER_BLOCK, n)):
                if scores[row, key] > -np.inf:  # a masked key adds nothing at all
                    weight = row_of_weights[0, key]
                    part = block[1] if kept[row, key] else block[0]
                    for component in range(d):
                        part[component] += weight * values[key, component]
            sums[row] += block
    return sums
