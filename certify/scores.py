"""Exact inputs of an attention row: what a float array may hold, and the exact real numbers that it stands for.

Scores are natural-log attention logits after scale, soft-cap and mask. −∞ is a masked key (weight 0). NaN and +∞ are
errors, never values. float16, bfloat16, float32 and float64 of any byte order and stride are taken; the widening to
float64 is exact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cmp_to_key
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from certify.errors import BadKept, BadScores, BadValues
from certify.exponential_sum import Exponent, exp_of
from certify.interval import Interval

__all__ = [
    "FLOAT_DTYPES",
    "Bools",
    "DotScores",
    "ExactRow",
    "Floats",
    "check_kept",
    "check_scores",
    "digest",
    "exact_integers",
    "row_of",
    "rows_of_kept",
    "widen",
]

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

FLOAT_DTYPES = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


def widen(array: ArrayLike, what: str = "scores") -> Floats:
    """The same numbers as native float64, exactly. Raises BadScores for any dtype that is not one of the four float
    formats.
    """
    found = np.asarray(array)
    if found.dtype.newbyteorder("=") not in FLOAT_DTYPES.values():
        raise BadScores(
            f"{what} have dtype {found.dtype}; give {', '.join(FLOAT_DTYPES)} (integers are not logits: convert on "
            "purpose)"
        )
    return np.ascontiguousarray(found, dtype=np.float64)


def check_scores(scores: Floats, first_row: int = 0) -> None:
    """Refuse NaN, +∞, zero keys and all-masked rows in scores [rows, n]; messages name the flat row, counted from
    `first_row`.
    """
    if scores.shape[-1] == 0:
        raise BadScores(f"the scores have shape {scores.shape}: zero keys; an attention row needs at least one")
    wrong = ~(scores < np.inf)  # NaN and +∞
    if wrong.any():
        row, key = (int(i) for i in np.argwhere(wrong)[0])
        value = "NaN" if np.isnan(scores[row, key]) else "+inf"
        raise BadScores(
            f"row {first_row + row}: the score of key {key} is {value}; scores are finite, or -inf for a masked key"
        )
    masked = np.max(scores, axis=-1) == -np.inf
    if masked.any():
        raise BadScores(
            f"row {first_row + int(np.argmax(masked))}: every score is -inf, so no key is attended; drop the row"
        )


def check_kept(kept: Bools, scores: Floats, first_row: int = 0) -> None:
    """Refuse kept sets [rows, n] that are empty or hold no weight."""
    if kept.shape != scores.shape:
        raise BadKept(f"the kept mask has shape {kept.shape}, the scores {scores.shape}; they must be equal")
    weightless = ~(kept & (scores > -np.inf)).any(axis=-1)
    if weightless.any():
        row = int(np.argmax(weightless))
        reason = "holds masked keys alone (all -inf)" if kept[row].any() else "is empty"
        raise BadKept(f"row {first_row + row}: the kept set {reason}; keep at least one key with a finite score")


def rows_of_kept(indices: NDArray[Any], n: int, first_row: int = 0) -> Bools:
    """The bool mask [rows, n] of kept indices [rows, k], −1 padded. Raises BadKept for an index out of range or
    repeated.
    """
    if not np.issubdtype(indices.dtype, np.integer):
        raise BadKept(f"kept indices have dtype {indices.dtype}; give integers")
    wrong = (indices < -1) | (indices >= n)
    if wrong.any():
        row, place = (int(i) for i in np.argwhere(wrong)[0])
        raise BadKept(
            f"row {first_row + row}: kept index {int(indices[row, place])} is out of range; the row has keys "
            f"0..{n - 1} (-1 pads)"
        )
    mask = np.zeros((len(indices), n + 1), dtype=bool)
    np.put_along_axis(mask, np.where(indices < 0, n, indices).astype(np.intp), True, axis=1)
    kept = mask[:, :n]
    repeated = kept.sum(axis=1) != (indices >= 0).sum(axis=1)
    if repeated.any():
        row = int(np.argmax(repeated))
        found, counts = np.unique(indices[row][indices[row] >= 0], return_counts=True)
        raise BadKept(
            f"row {first_row + row}: kept index {int(found[counts > 1][0])} is repeated; list each kept key once"
        )
    return kept


@dataclass(frozen=True, eq=False)
class ExactRow:
    """One attention row as exact numbers.

    `exponents` are the distinct finite scores in increasing order; `rank[i]` is the place of key i's score among
    them, −1 for a masked key. So equal scores are equal ranks, and the order of keys is the order of ranks. `value`
    is [n, dv] float64 (exact), or None.
    """

    exponents: tuple[Exponent, ...]
    rank: NDArray[np.intp]
    value: Floats | None = None

    @property
    def n(self) -> int:
        return len(self.rank)

    @property
    def algebraic(self) -> bool:
        """Whether T24 promises that every comparison ends."""
        return all(exponent.algebraic for exponent in self.exponents)

    def multiplicity(self, selected: Bools) -> NDArray[np.intp]:
        """How many of the selected keys have each exponent."""
        return np.bincount(self.rank[selected & (self.rank >= 0)], minlength=len(self.exponents))

    def weights(self, bits: int) -> tuple[Interval, ...]:
        """e^exponent for each distinct exponent."""
        return tuple(exp_of(exponent, bits) for exponent in self.exponents)

    def top(self, k: int) -> Bools:
        """The true top-k as a mask; ties go to the lower index."""
        mask = np.zeros(self.n, dtype=bool)
        mask[np.argsort(-self.rank, kind="stable")[:k]] = True
        return mask

    def is_top(self, kept: Bools) -> bool:
        """Whether `kept` is *a* true top-k: every kept score ≥ every other (T21). Ties may fall either way."""
        return bool(self.rank[kept].min() >= self.rank[~kept].max(initial=-1))


def row_of(scores: ArrayLike | ExactRow, value: ArrayLike | None = None) -> ExactRow:
    """The exact row of literal scores [n] (and values [n, dv]); a row already exact is returned as it is.

    Raises BadScores and BadValues.
    """
    if isinstance(scores, ExactRow):
        if value is None:
            return scores
        return ExactRow(scores.exponents, scores.rank, _checked_value(value, scores.n))
    widened = widen(scores)
    if widened.ndim != 1:
        raise BadScores(f"one row of scores is one-dimensional, not of shape {widened.shape}; pass one row at a time")
    check_scores(widened[None, :])
    finite = widened > -np.inf
    distinct, inverse = np.unique(widened[finite], return_inverse=True)
    rank = np.full(len(widened), -1, dtype=np.intp)
    rank[finite] = inverse
    exponents = tuple(Exponent(Fraction(x)) for x in distinct.tolist())
    return ExactRow(exponents, rank, None if value is None else _checked_value(value, len(widened)))


def _checked_value(value: ArrayLike, n: int) -> Floats:
    widened = widen(value, "values")
    if widened.ndim != 2 or len(widened) != n:
        raise BadValues(f"values have shape {widened.shape}; a row of {n} keys needs [{n}, dv]")
    if not np.isfinite(widened).all():
        key, column = (int(i) for i in np.argwhere(~np.isfinite(widened))[0])
        raise BadValues(f"value [{key}, {column}] is {widened[key, column]}; values must be finite")
    return widened


@dataclass(frozen=True)
class DotScores:
    """How scores come from queries and keys, as real numbers: softcap·tanh((q·k·scale + bias)/softcap), −∞ where
    masked.

    `scale` is an exact rational, or None for the real number 1/√d.
    """

    scale: Fraction | None = None
    softcap: Fraction | None = None

    def row(
        self, query: Floats, key: Floats, attended: Bools | None, bias: Floats | None, value: Floats | None = None
    ) -> ExactRow:
        """The exact row of query [d] and keys [n, d]; `attended` and `bias` are [n] or None. A bias of −∞ masks its
        key.
        """
        d = query.shape[-1]
        q_integers, q_exponent = exact_integers(query)
        k_integers, k_exponent = exact_integers(key)
        unit = Fraction(2) ** (q_exponent + k_exponent)
        dots = k_integers @ q_integers
        found: dict[Exponent, list[int]] = {}
        for i, dot in enumerate(dots.tolist()):
            if (attended is not None and not attended[i]) or (bias is not None and bias[i] == -np.inf):
                continue
            product = dot * unit
            added = Fraction(float(bias[i])) if bias is not None else Fraction(0)
            if self.scale is None:
                exponent = Exponent.of(added, product, d, self.softcap)
            else:
                exponent = Exponent.of(added + product * self.scale, cap=self.softcap)
            found.setdefault(exponent, []).append(i)
        ordered = sorted(found, key=cmp_to_key(_order))
        rank = np.full(len(key), -1, dtype=np.intp)
        for place, exponent in enumerate(ordered):
            rank[found[exponent]] = place
        return ExactRow(tuple(ordered), rank, value)


def _order(left: Exponent, right: Exponent) -> int:
    return int(left.exceeds(right)) - int(right.exceeds(left))


def exact_integers(array: Floats) -> tuple[NDArray[Any], int]:
    """An array of Python integers and one exponent e with array = integers·2^e, exactly; the array must be finite."""
    mantissa, exponent = np.frexp(array)
    smallest = int(exponent[array != 0].min(initial=0)) - 53 if array.size else 0
    whole = (mantissa * 2.0**53).astype(np.int64).astype(object)
    shifts = np.where(array == 0, 0, exponent - 53 - smallest).astype(object)
    return whole * 2**shifts if array.size else whole, smallest


def digest(tensors: Mapping[str, tuple[str, tuple[int, ...], Iterator[bytes]]]) -> str:
    """SHA-256 over name, dtype, shape and little-endian C-order bytes of each input tensor, in the order of their
    names.
    """
    state = hashlib.sha256()
    for name in sorted(tensors):
        dtype, shape, pieces = tensors[name]
        state.update(f"{name} {dtype} {'x'.join(map(str, shape))}\n".encode())
        for piece in pieces:
            state.update(piece)
    return state.hexdigest()
