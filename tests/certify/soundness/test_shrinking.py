"""Shrinking ends with the simplest row for predicates whose simplest row is known."""

from __future__ import annotations

import numpy as np
import pytest

from certify.scores import Bools
from certify.soundness.families import draw_batch, family_named
from certify.soundness.question import Question, RowBatch
from certify.soundness.shrinking import complexity, shrunk


def long_row(question: Question) -> RowBatch:
    return draw_batch(family_named("Gaussian"), question, 1, 40, seed=4)


def test_a_long_row_becomes_the_simplest() -> None:
    """Broken: at least three keys dropped, one of them above 100. None such is in the table of small rows."""
    question = Question()

    def broken(batch: RowBatch, seconds: float) -> Bools:
        dropped = np.where(batch.kept, -np.inf, batch.exact_scores)
        return np.asarray(((~batch.kept).sum(axis=-1) >= 3) & (dropped.max(axis=-1) > 100))

    row = long_row(question)
    row = RowBatch(row.scores, np.arange(40)[None] < 20)
    row.scores[0, 30] = 123.456
    assert broken(row, 1.0).all()
    found = shrunk(question, row, broken, 20.0)
    assert found.n == 4
    assert found.kept.tolist() == [[True, False, False, False]]
    assert sorted(found.scores[0].tolist())[:3] == [0.0, 0.0, 0.0]
    assert 100 < found.scores.max() <= 128
    assert float(found.scores.max()).is_integer()


def test_the_table_offers_the_simplest_row_first() -> None:
    question = Question(n=(1, 64))
    found = shrunk(question, long_row(question), lambda batch, seconds: np.ones(len(batch), dtype=bool), 20.0)
    assert (found.n, found.scores.tolist(), found.kept.tolist()) == (1, [[0.0]], [[True]])


def test_a_row_of_the_table_is_found_where_no_step_leads_to_it() -> None:
    """Broken: the row that was found, and one row of two keys; nothing between them."""
    row = long_row(Question())

    def broken(batch: RowBatch, seconds: float) -> Bools:
        if batch.n == 2:
            return np.asarray(
                (batch.exact_scores == [2.0, 0.0]).all(axis=-1) & (batch.kept == [True, False]).all(axis=-1)
            )
        return np.full(len(batch), batch.n == row.n) & (batch.scores == row.scores[:, : batch.n]).all(axis=-1)

    found = shrunk(Question(), row, broken, 20.0)
    assert (found.scores.tolist(), found.kept.tolist()) == ([[2.0, 0.0]], [[True, False]])


@pytest.mark.parametrize("kept", ["any", "top_k"])
def test_every_row_that_is_tried_answers_the_question(kept: str) -> None:
    question = Question("output", n=(5, 64), kept=kept, values=2)  # type: ignore[arg-type]
    tried = 0

    def broken(batch: RowBatch, seconds: float) -> Bools:
        nonlocal tried
        assert batch.valid(question).all()
        assert batch.n >= 5
        assert seconds > 0
        tried += len(batch)
        return np.asarray(np.abs(batch.exact_scores).max(axis=-1) > 1.5)

    found = shrunk(question, long_row(question), broken, 20.0)
    assert found.n == 5
    assert np.abs(found.exact_scores[0]).max() == 2.0
    assert (found.exact_scores[0] == 0).sum() == 4
    assert not found.values.any()  # type: ignore[union-attr]
    assert tried > 50


def test_no_time_means_no_change() -> None:
    row = long_row(Question())
    assert shrunk(Question(), row, lambda batch, seconds: np.ones(len(batch), dtype=bool), 0.0) is row


def test_complexity_orders_rows_as_a_reader_would() -> None:
    def row(scores: list[float], kept: list[bool]) -> RowBatch:
        return RowBatch(np.float32([scores]), np.array([kept]))

    ordered = [
        row([0], [True]),
        row([0, 0], [True, False]),
        row([1, 0], [True, False]),
        row([-1, 0], [True, False]),
        row([3, 0], [True, False]),
        row([0.1, 0], [True, False]),
        row([0, 0, 0], [True, False, False]),
        row([0, 0, 0], [False, True, False]),
    ]
    ranks = [complexity(one) for one in ordered]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
