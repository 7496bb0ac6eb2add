"""Exact inputs: formats, exact integers, ranks, kept indices, and the messages of bad ones."""

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.errors import BadKept, BadScores
from certify.scores import check_kept, check_scores, exact_integers, row_of, rows_of_kept, widen

finite = st.floats(allow_nan=False, allow_infinity=False)


@settings(deadline=None, max_examples=200)
@given(st.lists(finite, min_size=1, max_size=6))
def test_exact_integers(numbers: list[float]) -> None:
    integers, exponent = exact_integers(np.array(numbers))
    for integer, x in zip(integers.tolist(), numbers, strict=True):
        assert isinstance(integer, int)
        assert integer * Fraction(2) ** exponent == Fraction(x)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, ">f2", ">f4", ">f8"])
def test_widening_is_exact(dtype: Any) -> None:
    narrow = np.array([0.1, -3.3, 6e-8, 0.0, -np.inf], dtype=dtype)[::-1]
    wide = widen(narrow)
    assert wide.dtype == np.dtype(np.float64)
    assert wide.tolist() == [float(x) for x in narrow]


@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.complex128, np.longdouble, object])
def test_other_formats_are_refused(dtype: Any) -> None:
    with pytest.raises(BadScores, match="have dtype"):
        widen(np.zeros(2, dtype=dtype))


def test_ranks_count_distinct_scores() -> None:
    row = row_of(np.array([1.0, -np.inf, 5e-324, 1.0, -0.0, 0.0]))
    assert row.rank.tolist() == [2, -1, 1, 2, 0, 0]
    assert [x.rational for x in row.exponents] == [0, Fraction(5e-324), 1]
    assert row.multiplicity(np.array([True, True, False, True, False, True])).tolist() == [1, 0, 2]


def test_ties_of_the_top_go_to_the_lower_index() -> None:
    row = row_of(np.array([1.0, 3.0, 1.0, 3.0, -np.inf]))
    assert np.flatnonzero(row.top(3)).tolist() == [0, 1, 3]
    for kept, expected in (([0, 1, 3], True), ([2, 1, 3], True), ([0, 1, 2], False), ([1], True), ([4], False)):
        assert row.is_top(np.isin(np.arange(5), kept)) is expected


def test_kept_indices() -> None:
    assert rows_of_kept(np.array([[0, 2, -1], [1, -1, -1]]), 3).tolist() == [[True, False, True], [False, True, False]]
    for wrong, words in (
        ([[0, 3]], "row 7: kept index 3 is out of range"),
        ([[-2, 0]], "kept index -2 is out of range"),
        ([[1, 1]], "kept index 1 is repeated"),
    ):
        with pytest.raises(BadKept, match=words):
            rows_of_kept(np.array(wrong), 3, first_row=7)
    with pytest.raises(BadKept, match="give integers"):
        rows_of_kept(np.array([[0.0]]), 3)


def test_messages_name_the_row() -> None:
    good = np.zeros((2, 3))
    for value, words in ((np.nan, "row 11: the score of key 2 is NaN"), (np.inf, r"row 11: .* \+inf")):
        bad = good.copy()
        bad[1, 2] = value
        with pytest.raises(BadScores, match=words):
            check_scores(bad, 10)
    bad = good.copy()
    bad[0] = -np.inf
    with pytest.raises(BadScores, match="row 10: every score is -inf"):
        check_scores(bad, 10)
    with pytest.raises(BadScores, match="zero keys"):
        check_scores(np.zeros((2, 0)))
    with pytest.raises(BadKept, match="row 1: the kept set is empty"):
        check_kept(np.array([[True] * 3, [False] * 3]), good)
    with pytest.raises(BadKept, match="row 0: the kept set holds masked keys alone"):
        check_kept(np.array([[True, False]]), np.array([[-np.inf, 0.0]]))
    with pytest.raises(BadKept, match="must be equal"):
        check_kept(np.ones((1, 3), dtype=bool), good)
