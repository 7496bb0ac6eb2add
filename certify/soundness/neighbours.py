"""Local search: the rows on which claims came closest to the truth, and rows that differ from them by a few bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from certify.scores import Floats
from certify.soundness.float_formats import exactly
from certify.soundness.kept_sets import with_weight
from certify.soundness.question import Question, RowBatch

__all__ = ["NEIGHBOURS", "TightRows"]

NEIGHBOURS = "bit flips around the tightest"
_HELD_A_FAMILY = 6
_TAKEN_A_BATCH = 2


class TightRows:
    """The tightest rows seen so far in each family, and batches of their neighbours."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._held: dict[str, list[tuple[float, RowBatch]]] = {}

    def offer(self, family: str, batch: RowBatch, slack: Floats) -> None:
        """Keep the batch's few tightest rows, `slack` [rows] being the measure; infinite ones are passed over."""
        held = self._held.setdefault(family, [])
        worst = held[-1][0] if len(held) == _HELD_A_FAMILY else np.inf
        for place in np.argsort(slack, kind="stable")[:_TAKEN_A_BATCH].tolist():
            if slack[place] < worst:
                held.append((float(slack[place]), batch.row(place)))
        held.sort(key=lambda one: one[0])
        del held[_HELD_A_FAMILY:]

    def __bool__(self) -> bool:
        return any(self._held.values())

    def neighbours(self, rows: int, seed: int) -> RowBatch:
        """Rows that differ from one tight row in a few places: a score moved by some units in the last place, a bit
        of it flipped, a score copied to another key, a key kept or dropped, all scores moved together, a value's bit.
        """
        rng = np.random.default_rng([seed, rows])
        families = [held for held in self._held.values() if held]
        held = families[int(rng.integers(len(families)))]
        _, chosen = held[int(rng.integers(len(held)))]
        form = self._question.format
        scores = np.repeat(chosen.scores, rows, axis=0)
        kept = np.repeat(chosen.kept, rows, axis=0)
        n = scores.shape[1]
        kind = rng.integers(0, 6, size=(rows, 1))
        place = np.arange(n) == rng.integers(0, n, size=(rows, 1))
        other = rng.integers(0, n, size=rows)
        steps = np.where(kind == 0, place * rng.integers(-4, 5, size=(rows, 1)), 0)
        steps = np.where(kind == 1, rng.integers(-4, 5, size=(rows, 1)), steps)
        moved = form.stepped(scores, steps)
        bits = rng.integers(0, form.digits - 1, size=(rows, 1))
        flips = np.broadcast_to((kind == 2) & place, scores.shape)
        moved = np.where(flips, form.flipped(moved, np.broadcast_to(bits, scores.shape)), moved)
        moved = np.where((kind == 3) & place, scores[np.arange(rows), other][:, None], moved)
        kept = kept ^ ((kind == 4) & place)
        batch = RowBatch(moved, with_weight(exactly(moved), kept), self._values(chosen, rows, kind, rng))
        fine = batch.valid(self._question)
        original = RowBatch(scores, np.repeat(chosen.kept, rows, axis=0), batch.values)
        return RowBatch(
            np.where(fine[:, None], batch.scores, original.scores),
            np.where(fine[:, None], batch.kept, original.kept),
            batch.values,
        )

    def _values(
        self, chosen: RowBatch, rows: int, kind: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[Any] | None:
        if chosen.values is None:
            return None
        values = np.repeat(chosen.values, rows, axis=0)
        form = self._question.format
        flat = np.ascontiguousarray(values.reshape(rows, -1))
        place = np.arange(flat.shape[1]) == rng.integers(0, flat.shape[1], size=(rows, 1))
        bits = np.broadcast_to(rng.integers(0, form.digits - 1, size=(rows, 1)), flat.shape)
        return np.asarray(np.where((kind == 5) & place, form.flipped(flat, bits), flat).reshape(values.shape))
