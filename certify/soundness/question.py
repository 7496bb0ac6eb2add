"""What is asked of a kernel, and the rows that are put to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from certify.errors import BadInput
from certify.scores import Bools, Floats
from certify.soundness.float_formats import FloatFormat, exactly, format_named

__all__ = ["Array", "Bound", "Kept", "Quantity", "Question", "RowBatch"]

Quantity = Literal["tail", "kl", "output"]
Bound = Literal["auto", "upper", "lower", "both"]
Kept = Literal["any", "top_k"]
Array = Literal["numpy", "torch", "list"]

_LONGEST_ROW = 1 << 16


@dataclass(frozen=True)
class Question:
    """Which bound on which quantity a kernel claims, and for which rows.

    quantity: `tail` τ (T1), `kl` KL(P̂‖P) in nats (T2), `output` ‖o − ô‖₂ in the unit of the values (T10).
    bound: `auto` reads one number as an upper bound and a pair as (lower, upper).
    dtype: the format of scores and values; they are exact numbers of it. n: the least and the largest number of keys.
    kept: any set with weight, or true top-k sets only. values: their width dv, 0 where the kernel takes none.
    array: what the kernel is given. batched: whether it takes [rows, n] at once and answers [rows].
    """

    quantity: Quantity = "tail"
    bound: Bound = "auto"
    dtype: str = "float32"
    n: tuple[int, int] = (1, 64)
    kept: Kept = "any"
    values: int = 0
    array: Array = "numpy"
    batched: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("quantity", Quantity), ("bound", Bound), ("kept", Kept), ("array", Array)):
            if getattr(self, name) not in get_args(allowed):
                raise BadInput(f"{name} = {getattr(self, name)!r}; give one of {', '.join(get_args(allowed))}")
        format_named(self.dtype)
        if not (isinstance(self.n, tuple) and len(self.n) == 2 and all(isinstance(end, int) for end in self.n)):
            raise BadInput(f"n = {self.n!r}; give the least and the most keys of a row, as in (1, 64)")
        least, most = self.n
        if not 1 <= least <= most <= _LONGEST_ROW:
            raise BadInput(f"rows of {least} to {most} keys: give 1 ≤ least ≤ most ≤ {_LONGEST_ROW}")
        if not isinstance(self.values, int) or self.values < 0 or (self.quantity == "output" and self.values == 0):
            raise BadInput(
                f"values = {self.values!r}: give their width, 1 or more (0 only where the kernel takes none)"
            )

    @property
    def format(self) -> FloatFormat:
        return format_named(self.dtype)


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Rows of one length: scores [rows, n] and values [rows, n, dv] (or None) in the format asked for, kept bool
    [rows, n]. Every row is valid: finite scores or −∞, at least one kept key with a finite score, finite values.
    """

    scores: NDArray[Any]
    kept: Bools
    values: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def n(self) -> int:
        return int(self.scores.shape[-1])

    @property
    def exact_scores(self) -> Floats:
        return exactly(self.scores)

    @property
    def exact_values(self) -> Floats | None:
        return None if self.values is None else exactly(self.values)

    def rows(self, chosen: Any) -> RowBatch:
        """Some of the rows: an index array, a mask or a slice."""
        return RowBatch(self.scores[chosen], self.kept[chosen], None if self.values is None else self.values[chosen])

    def row(self, place: int) -> RowBatch:
        return self.rows(slice(place, place + 1))

    def with_kept(self, kept: Bools) -> RowBatch:
        return replace(self, kept=kept)

    def valid(self, question: Question) -> Bools:
        """Which rows may be put to the kernel: weight among the kept keys, and a true top-k where that is asked."""
        scores = self.exact_scores
        fine = (self.kept & (scores > -np.inf)).any(axis=-1) & (scores < np.inf).all(axis=-1)
        values = self.exact_values
        if values is not None:
            fine &= np.isfinite(values).all(axis=(-1, -2))
        if question.kept == "top_k":
            least = np.where(self.kept, scores, np.inf).min(axis=-1)
            fine &= least >= np.where(self.kept, -np.inf, scores).max(axis=-1)
        return np.asarray(fine)
