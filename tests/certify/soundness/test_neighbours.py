"""Neighbours of tight rows: valid, near, reproducible, and of every kind; and only tight rows are held."""

from __future__ import annotations

import numpy as np
import pytest

from certify.soundness.families import draw_batch, family_named
from certify.soundness.float_formats import FORMATS
from certify.soundness.neighbours import TightRows
from certify.soundness.question import Question, RowBatch


def tight_rows(question: Question) -> tuple[TightRows, RowBatch]:
    """One row of six keys, held as tight."""
    form = question.format
    scores = form.rounded(np.array([[3.0, 2.0, 1.0, 0.5, -np.inf, -2.0]]))
    values = form.rounded(np.arange(12.0).reshape(1, 6, 2))
    row = RowBatch(scores, np.array([[True, True, False, False, False, False]]), values)
    held = TightRows(question)
    held.offer("masks", row, np.array([1e-9]))
    return held, row


@pytest.mark.parametrize("dtype", list(FORMATS))
@pytest.mark.parametrize("kept", ["any", "top_k"])
def test_neighbours_are_valid_and_near(dtype: str, kept: str) -> None:
    question = Question("output", dtype=dtype, kept=kept, values=2)  # type: ignore[arg-type]
    held, row = tight_rows(question)
    found = held.neighbours(600, seed=1)
    assert found.valid(question).all()
    assert found.values is not None
    assert row.values is not None
    moved = (found.scores != row.scores).sum(axis=-1)
    flipped = (found.kept != row.kept).sum(axis=-1)
    revalued = (found.values != row.values).sum(axis=(-1, -2))
    assert (flipped <= 2).all()
    assert (revalued <= 1).all()
    kinds = (moved == 1).sum(), (moved > 1).sum(), (revalued == 1).sum(), (flipped == 1).sum() if kept == "any" else 99
    assert min(kinds) > 10, kinds
    assert found.scores.tobytes() == held.neighbours(600, seed=1).scores.tobytes()


def test_only_the_tightest_rows_of_a_family_are_held() -> None:
    held = TightRows(Question())
    assert not held
    nothing = draw_batch(family_named("ties"), Question(), 4, 3, seed=0)
    held.offer("ties", nothing, np.full(4, np.inf))
    assert not held
    for place, slack in enumerate([5.0, 1.0, 4.0, 2.0, 3.0, 9.0, 8.0, 7.0]):
        row = RowBatch(np.full((1, 2), place, dtype=np.float32), np.array([[True, False]]))
        held.offer("ties", row, np.array([slack]))
    assert held
    assert [row.scores[0, 0] for _, row in held._held["ties"]] == [1, 3, 4, 2, 0, 7]
