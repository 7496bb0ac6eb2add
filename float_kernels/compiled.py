"""The sums of lane_sums.py in Numba: the same operations in the same order, so the same bits, in one pass.

A row is first summed as it is, while its maximum is found. If the maximum turns out to lie outside the range in which
that is allowed (lane_sums.row_shift), the sums are thrown away and taken again of s − maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from .exponential import CLAMP, COEFFICIENTS, LOG2E, MAGIC, Grade
from .lane_sums import UNSHIFTED_MAX, UNSHIFTED_MIN
from .rounding import LANES, STEPS_PER_BLOCK
from .vectors import (
    choose,
    halved_maximum,
    halved_sum,
    larger,
    load,
    load_mask,
    power_of_two,
    raised_to,
    splat,
    splat_like,
    widen,
)

# Division and overflow as in IEEE-754 instead of Python's exceptions; no fast-math flag, so nothing is contracted.
OPTIONS = {"nogil": True, "cache": True, "error_model": "numpy"}


# Module-level functions specialised by argument types, not closures over functions: those Numba's cache never finds.
@njit(**OPTIONS)
def weights(c: Any, coefficients: Any) -> Any:
    """exponential.exponential on clamped lanes; the grade is in the coefficients, a tuple of known length."""
    t = c * LOG2E
    b = t + MAGIC
    f = t - (b - MAGIC)
    q = splat(coefficients[len(coefficients) - 1])
    for index in range(len(coefficients) - 2, -1, -1):
        q = q * f + coefficients[index]
    q = q * f + 1.0
    return q * power_of_two(b)


@njit(**OPTIONS)
def _row_sum(scores: Any, kept: Any, row: int, last_scores: Any, last_kept: Any, shift: Any, coefficients: Any) -> Any:
    """(maximum, tail sum, kept sum) of a row, whose last partial step stands padded in last_scores, last_kept.

    shift: a float, or None for a row that is summed as it is; the maximum is found only then.
    """
    n = scores.shape[1]
    whole = n // LANES * LANES
    zero = splat(0.0)
    tail_row, kept_row, tail_block, kept_block = zero, zero, zero, zero
    maximum = splat_like(load(last_scores, 0, 0), -np.inf)
    block_end = 0
    for start in range(0, n, LANES):
        if start == block_end:
            tail_row, kept_row = tail_row + tail_block, kept_row + kept_block
            tail_block, kept_block = zero, zero
            block_end += LANES * STEPS_PER_BLOCK
        if start < whole:
            s, in_kept = load(scores, row, start), load_mask(kept, row, start)
        else:
            s, in_kept = load(last_scores, 0, 0), load_mask(last_kept, 0, 0)
        if shift is None:
            maximum = larger(s, maximum)
            c = widen(raised_to(s, CLAMP))  # the clamp is a float32 too, so it may come before the widening
        else:
            c = raised_to(widen(s) - shift, CLAMP)
        w = weights(c, coefficients)
        # Adding +0.0 to a sum that is never −0.0 keeps its bits, so leaving it alone is the same operation.
        tail_block = choose(in_kept, tail_block, tail_block + w)
        kept_block = choose(in_kept, kept_block + w, kept_block)
    tail_row, kept_row = tail_row + tail_block, kept_row + kept_block
    return halved_maximum(maximum), halved_sum(tail_row), halved_sum(kept_row)


@njit(**OPTIONS)
def _row_sums(scores: Any, kept: Any, coefficients: Any) -> Any:
    """(largest score, tail sum, kept sum) [rows] of scores [rows, n] float32 or float64 and kept [rows, n] bool."""
    rows, n = scores.shape
    maximum, tail, kept_sum = np.empty(rows), np.empty(rows), np.empty(rows)
    whole = n // LANES * LANES
    last_scores = np.full((1, LANES), -np.inf, dtype=scores.dtype)
    last_kept = np.zeros((1, LANES), dtype=np.bool_)
    for row in range(rows):
        for index in range(whole, n):
            last_scores[0, index - whole] = scores[row, index]
            last_kept[0, index - whole] = kept[row, index]
        maximum[row], tail[row], kept_sum[row] = _row_sum(scores, kept, row, last_scores, last_kept, None, coefficients)
        if not UNSHIFTED_MIN <= maximum[row] <= UNSHIFTED_MAX:
            _, tail[row], kept_sum[row] = _row_sum(
                scores, kept, row, last_scores, last_kept, maximum[row], coefficients
            )
    return maximum, tail, kept_sum


def _kernel(grade: Grade) -> Callable[..., Any]:
    return lambda scores, kept: _row_sums(scores, kept, COEFFICIENTS[grade])


ROW_SUMS: dict[Grade, Callable[..., Any]] = {"fast": _kernel("fast"), "exact": _kernel("exact")}
