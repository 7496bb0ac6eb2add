"""Selecting keys and certifying the selection: the k largest scores, or as few of them as leave at most ε behind.

The selection itself is not trusted: whatever set it returns is certified by tails.py, so a claim depends on the row
and the kept set alone. Ties go to the lower index, NaN and +∞ are refused by the certification.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .enclosure import SumBounds, tail_mass_bounds
from .errors import OutOfRangeError
from .exponential import CLAMP, COEFFICIENTS, Float64, Grade, exponential
from .lane_sums import row_shift
from .rounding import EXPONENTIAL_UNITS, SHIFT_UNITS
from .streaming import Mask, as_scores, row_at, stream
from .tails import tail_and_kept_sums, tail_mass


class TopK(NamedTuple):
    """The k largest scores of every row, and the tail mass they leave: lower ≤ τ ≤ upper."""

    kept: Mask
    lower: Float64
    upper: Float64


class SmallestK(NamedTuple):
    """As few of the largest scores as were certified to leave at most ε.

    k int64 [*rows]; kept bool [*rows, n]; upper float64 [*rows], τ ≤ upper ≤ ε.
    proved_smallest bool [*rows]: that the k − 1 largest leave more than ε is certified too. False only where τ of the
    k − 1 largest lies within rounding of ε; then a smaller k may do.
    """

    k: NDArray[np.int64]
    kept: Mask
    upper: Float64
    proved_smallest: Mask


def top_k(scores: ArrayLike, k: int, *, grade: Grade = "fast", threads: int | None = None) -> TopK:
    """The true top-k of every row of scores [*rows, n] (any dtype, strides, byte order), certified by tail_mass (T23).

    Keys with equal scores are kept from the lower index on; masked keys come last. Errors: those of tail_mass, and
    OutOfRangeError for k outside 1..n.
    """
    array = as_scores(scores)
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        raise OutOfRangeError(f"k is {k!r}: give a whole number of keys")
    if not 1 <= k <= array.shape[-1]:
        raise OutOfRangeError(f"k is {k}, but the rows have {array.shape[-1]} keys: give 1 to {array.shape[-1]}")
    from .compiled_selection import top_k_rows

    (kept,) = stream(lambda chunk: (top_k_rows(chunk, k),), array, threads=threads)
    kept = kept.reshape(array.shape)
    return TopK(kept, *tail_mass(array, kept, grade=grade, threads=threads))


def smallest_k(scores: ArrayLike, eps: float, *, grade: Grade = "fast", threads: int | None = None) -> SmallestK:
    """The smallest k whose top-k is certified to leave a tail mass of at most eps, for every row of scores [*rows, n].

    A row for which the fast grade cannot decide between k and k − 1 is taken again in the exact grade.
    Errors: those of tail_mass, and OutOfRangeError for eps outside (0, 1). Theorems T4, T23.
    """
    array = as_scores(scores)
    if not 0.0 < eps < 1.0:
        raise OutOfRangeError(f"eps is {eps!r}: a tail mass to allow lies strictly between 0 and 1")
    n = array.shape[-1]
    rows = array.shape[:-1]
    kept, upper, proved = _smallest(array, eps, grade, threads)
    if grade == "fast":
        for row in np.flatnonzero(~proved):
            values = row_at(array, int(row))
            kept[row : row + 1], upper[row : row + 1], proved[row : row + 1] = _smallest(values, eps, "exact", 1)
    k = np.count_nonzero(kept, axis=-1)
    return SmallestK(k.reshape(rows), kept.reshape(*rows, n), upper.reshape(rows), proved.reshape(rows))


def _smallest(
    scores: NDArray[Any], eps: float, grade: Grade, threads: int | None, shrink: float | None = None
) -> tuple[Mask, Float64, Mask]:
    """(kept [rows, n], upper [rows], proved smallest [rows]) with the rows of scores in C order.

    The share aimed at is eps, less the error of the estimates. A row whose certificate still comes out above eps is
    taken again with a smaller share; at share 0 the tail is empty and τ = 0, so this ends.
    """
    from .compiled_selection import smallest_k_rows

    if shrink is None:
        shrink = 4 * (EXPONENTIAL_UNITS[grade] + SHIFT_UNITS) * 2.0**-53
    share = eps / (1.0 + shrink)

    kept, lightest, maximum = stream(
        lambda chunk: smallest_k_rows(chunk, share, COEFFICIENTS[grade]), scores, threads=threads
    )
    sums, empty = tail_and_kept_sums(scores, kept.reshape(scores.shape), grade, "numba", threads)
    upper = np.where(empty, 0.0, tail_mass_bounds(sums)[1])
    proved = _without_the_lightest(sums, lightest - row_shift(maximum), grade) > eps
    proved |= np.count_nonzero(kept, axis=-1) == 1
    for row in np.flatnonzero(upper > eps):
        again = _smallest(row_at(scores, int(row)), eps, grade, 1, 16.0 * shrink)
        kept[row], upper[row], proved[row] = (part[0] for part in again)
    return kept, upper, proved


def _without_the_lightest(sums: SumBounds, lightest: Float64, grade: Grade) -> Float64:
    """A lower bound on τ after the lightest kept key, at e^lightest, has moved to the tail: (T + w)/(T + H).

    It grows with T and w and falls with H. The bound on w gives back the error of the exponential and of the shift, and
    is 0 below the clamp; the four roundings are given back at the end.
    """
    units = EXPONENTIAL_UNITS[grade] + SHIFT_UNITS + 1
    weight = np.where(lightest >= CLAMP, exponential(lightest, grade) * (1.0 - units * 2.0**-53), 0.0)
    quotient: Float64 = (sums.tail_lower + weight) / (sums.tail_lower + sums.kept_upper) * (1.0 - 2.0**-50)
    return quotient
