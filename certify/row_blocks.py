"""Rows of a bundle, read block by block and checked, with everything that judges them: scores, kept set, values,
exact form on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.bundle import Bundle
from certify.errors import BadScores, BadValues
from certify.first_pass import FirstPass, ScoreBlock, dot_scores
from certify.scores import Bools, DotScores, ExactRow, Floats, check_kept, check_scores, row_of, widen

__all__ = ["RowBlock", "RowReader", "runs_of_rows"]

BLOCK = 1 << 15  # logits in a block: a few float64 arrays of this size stay in a core's cache


class RowBlock:
    """The rows of one block: their first pass, and their exact form one at a time when the first pass was not
    enough.
    """

    def __init__(
        self, scores: ScoreBlock, kept: Bools, values: Floats | None, exact: Callable[[int, Floats | None], ExactRow]
    ) -> None:
        self.kept = kept
        self.first_pass = FirstPass(scores, kept, values)
        self._values = values
        self._exact = exact
        self._rows: dict[int, ExactRow] = {}

    def exact(self, offset: int) -> ExactRow:
        if offset not in self._rows:
            value = None
            if self._values is not None:
                value = self._values[offset // (len(self.kept) // len(self._values))]
            self._rows[offset] = self._exact(offset, value)
        return self._rows[offset]


class RowReader:
    """Reads consecutive rows of a bundle with all that judges them, checked; holds on to the last key/value group."""

    def __init__(self, bundle: Bundle, with_values: bool) -> None:
        self._bundle = bundle
        self._with_values = with_values
        self._dots = bundle.header.level == "query-key"
        self.rows_per_block = max(1, BLOCK // bundle.layout.n)
        self.rows_per_group = bundle.layout.rows_per_group if self._dots or with_values else None
        self._held: tuple[tuple[int, int], dict[str, Floats]] = ((-1, -1), {})

    def read(self, start: int, stop: int) -> RowBlock:
        bundle, header = self._bundle, self._bundle.header
        kept = bundle.kept(start, stop)
        groups = self._groups(start, stop)
        values = groups.get("value")
        if not self._dots:
            centre = widen(bundle.tensors["scores"].read(start, stop, 1))
            check_scores(centre, start)
            check_kept(kept, centre, start)
            return RowBlock(
                ScoreBlock(centre, np.zeros(len(centre))), kept, values, lambda i, value: row_of(centre[i], value)
            )
        key = groups["key"]
        query = self._finite("query", bundle.tensors["query"].read(start, stop, 1), start)
        attended = bundle.tensors["mask"].read(start, stop, 1).astype(bool) if "mask" in bundle.tensors else None
        bias = self._bias(start, stop)
        grouped = query.reshape(len(key), -1, query.shape[-1])
        scores = dot_scores(grouped, key, scale=header.scale, attended=attended, bias=bias, softcap=header.softcap)
        check_scores(scores.centre, start)
        check_kept(kept, scores.centre, start)
        recipe = DotScores(
            None if header.scale is None else Fraction(header.scale),
            None if header.softcap is None else Fraction(header.softcap),
        )
        per_group = len(kept) // len(key)

        def exact(i: int, value: Floats | None) -> ExactRow:
            return recipe.row(
                query[i],
                key[i // per_group],
                None if attended is None else attended[i],
                None if bias is None else bias[i],
                value,
            )

        return RowBlock(scores, kept, values, exact)

    def _groups(self, start: int, stop: int) -> dict[str, Floats]:
        if self.rows_per_group is None:
            return {}
        wanted = start // self.rows_per_group, (stop - 1) // self.rows_per_group + 1
        if self._held[0] != wanted:
            names = [name for name, used in (("key", self._dots), ("value", self._with_values)) if used]
            self._held = (
                wanted,
                {name: self._finite(name, self._bundle.tensors[name].read(*wanted, 2), wanted[0]) for name in names},
            )
        return self._held[1]

    def _bias(self, start: int, stop: int) -> Floats | None:
        if "bias" not in self._bundle.tensors:
            return None
        bias = widen(self._bundle.tensors["bias"].read(start, stop, 1), "the bias")
        if not (bias < np.inf).all():
            row, key = (int(i) for i in np.argwhere(~(bias < np.inf))[0])
            raise BadScores(
                f"row {start + row}: the bias of key {key} is {bias[row, key]}; it is finite, or -inf for a masked key"
            )
        return bias

    def _finite(self, name: str, array: NDArray[np.generic], first: int) -> Floats:
        widened = widen(array, name)
        if not np.isfinite(widened).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(widened))[0])
            kind, error = (
                ("row", BadScores)
                if name == "query"
                else ("key/value group", BadScores if name == "key" else BadValues)
            )
            raise error(
                f"{kind} {first + place[0]}: {name} {list(place[1:])} is {widened[place]}; every entry must be "
                "finite (mask keys instead)"
            )
        return widened


def runs_of_rows(
    indices: NDArray[np.intp], most: int, per_group: int | None
) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """Runs of consecutive rows, at most `most` long; where key/value groups matter, several whole groups or a part of
    one.
    """
    position = 0
    while position < len(indices):
        start = int(indices[position])
        size = min(most, len(indices) - position)
        if per_group is not None:
            rest = per_group - start % per_group
            size = min(size, rest) if rest < per_group or size < per_group else size // per_group * per_group
        run = indices[position : position + size]
        gaps = np.flatnonzero(np.diff(run) != 1)
        if len(gaps):
            size = int(gaps[0]) + 1
            if per_group is not None and size > per_group:
                size = size // per_group * per_group
        yield slice(position, position + size), indices[position : position + size]
        position += size
