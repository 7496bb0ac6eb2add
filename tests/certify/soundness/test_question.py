"""Which rows may be put to a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from certify.soundness.question import Question, RowBatch

INF = np.inf


@pytest.mark.parametrize(
    ("scores", "kept", "any_kept", "top_k"),
    [
        ([1.0, 0.0], [True, False], True, True),
        ([0.0, 1.0], [True, False], True, False),
        ([1.0, 1.0], [False, True], True, True),
        ([1.0, 0.0], [False, False], False, False),
        ([1.0, -INF], [False, True], False, False),
        ([-INF, -INF], [True, True], False, False),
        ([1.0, -INF], [True, True], True, True),
        ([INF, 0.0], [True, False], False, False),
        ([np.nan, 0.0], [True, False], False, False),
    ],
)
def test_valid_rows(scores: list[float], kept: list[bool], any_kept: bool, top_k: bool) -> None:
    batch = RowBatch(np.float32([scores]), np.array([kept]))
    assert batch.valid(Question(kept="any")).tolist() == [any_kept]
    assert batch.valid(Question(kept="top_k")).tolist() == [top_k]


@pytest.mark.parametrize(("value", "fine"), [(0.0, True), (np.inf, False), (np.nan, False)])
def test_values_are_finite(value: Any, fine: bool) -> None:
    batch = RowBatch(np.float32([[0.0, 1.0]]), np.array([[True, False]]), np.float32([[[0.0], [value]]]))
    assert batch.valid(Question(values=1)).tolist() == [fine]
