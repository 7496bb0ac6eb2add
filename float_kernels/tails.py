"""τ, the attention mass of the keys that are not kept, between a lower and an upper bound that survive rounding.

By T1 it is the total variation distance between the attention distribution and its renormalised restriction to the
kept keys. This room checks the input and puts the pieces together: streaming.py cuts the rows, lane_sums.py (or
compiled.py, same bits) sums their weights, enclosure.py turns the sums into bounds.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .enclosure import SumBounds, sum_bounds, tail_mass_bounds
from .exponential import Float64, Grade
from .lane_sums import lane_sums, row_maximum, row_shift
from .rounding import CLAMP_SHARE, padded
from .streaming import Mask, as_kept, as_scores, refuse_bad_row, refuse_empty_kept, row_at, stream

Implementation = Literal["numba", "numpy"]


def tail_mass(
    scores: ArrayLike,
    kept: ArrayLike,
    *,
    grade: Grade = "fast",
    implementation: Implementation = "numba",
    threads: int | None = None,
) -> tuple[Float64, Float64]:
    """(lower, upper) float64 [*rows] with lower ≤ τ ≤ upper for the real τ = Σ_tail e^s / Σ e^s of every row.

    scores: [*rows, n], nats, float16, bfloat16, float32 or float64, any strides and byte order; −∞ is a masked key.
    kept: bool [*rows, n]; any set that holds a key with a finite score.
    grade: "fast" (relative width about 2⁻²⁶·⁹ · (1 − τ)) or "exact" (about 2⁻⁴¹·⁶ · (1 − τ) at n = 131072).
    implementation: the compiled kernel, or its NumPy specification; the bits are the same.
    Where no tail key is attended the bounds are exactly (0, 0). Theorem T23; widths hold for τ ≥ 2⁻⁹⁰⁰.
    Errors: DtypeError, ShapeError, NaNScoreError, InfiniteScoreError, AllMaskedError, EmptyKeptError,
    FloatEnvironmentError.
    """
    array = as_scores(scores)
    mask = as_kept(kept, array)
    sums, empty_tail = tail_and_kept_sums(array, mask, grade, implementation, threads)
    lower, upper = tail_mass_bounds(sums)
    upper = np.where(empty_tail, 0.0, upper)
    rows = array.shape[:-1]
    return lower.reshape(rows), upper.reshape(rows)


def tail_and_kept_sums(
    scores: NDArray[Any], kept: Mask, grade: Grade, implementation: Implementation, threads: int | None
) -> tuple[SumBounds, Mask]:
    """Bounds on the sums of every row, flat in C order, and where the tail holds no attended key at all."""
    n = scores.shape[-1]
    maximum, tail, kept_sum = stream(_row_sums(grade, implementation), scores, kept, threads=threads)
    # A NaN anywhere in a row is in one of its sums; a comparison with NaN is false, hence the form of the test.
    for row in np.flatnonzero(~(np.isfinite(maximum) & (tail + kept_sum < np.inf))):
        refuse_bad_row(scores, int(row))
    share = padded(n) * CLAMP_SHARE
    for row in np.flatnonzero(kept_sum <= share):
        refuse_empty_kept(scores, kept, int(row))
    empty_tail = tail <= share
    for row in np.flatnonzero(empty_tail):
        empty_tail[row] = not np.any(~row_at(kept, int(row)) & (row_at(scores, int(row)) > -np.inf))
    return sum_bounds(tail, kept_sum, row_shift(maximum), n, grade), empty_tail


def _row_sums(grade: Grade, implementation: Implementation) -> Any:
    """kernel(scores, kept) → (largest score, tail sum, kept sum), one value a row."""
    if implementation == "numpy":
        return partial(row_sums_specification, grade=grade)
    from .compiled import ROW_SUMS  # Numba loads only when it is used

    return ROW_SUMS[grade]


def row_sums_specification(scores: NDArray[Any], kept: Mask, *, grade: Grade) -> tuple[Float64, Float64, Float64]:
    """(largest score, tail sum, kept sum) [rows] of scores [rows, n]: what compiled.row_sums computes, in NumPy."""
    upcast = scores.astype(np.float64)
    maximum = row_maximum(upcast)
    with np.errstate(all="ignore"):  # NaN and +∞ run through to the sums, and are refused by the caller
        tail, kept_sum = lane_sums(upcast, kept, row_shift(maximum), grade)
    return maximum, tail, kept_sum
