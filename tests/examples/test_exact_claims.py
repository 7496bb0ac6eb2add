"""`exact_claims` on rows whose truth is known by hand, and against its own refusal to guess."""

import importlib
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from flint import arb

TWO_LEVELS = np.array([0.0, 1.0, 0.0, 1.0], dtype=np.float32)
VALUE = np.array([[0.0], [1.0], [4.0], [4.0]], dtype=np.float32)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    return importlib.import_module("exact_claims")


def test_all_equal_scores(exact: ModuleType) -> None:
    """k of n equal scores: τ = (n − k)/n, which the sharpest claims equal; ties to the lower index."""
    row = exact.row_from_scores(np.zeros(8), np.arange(8.0)[:, None])
    kept = exact.top_k(row, 2)
    assert kept.tolist() == [True, True] + [False] * 6
    true = exact.truth(row, kept)
    assert true.tail_mass.contains(arb(3) / 4)
    assert true.kl.overlaps(arb(4).log())
    assert true.output_error.contains(3)  # mean of 0…7 is 3.5, of 0 and 1 is 0.5
    made = exact.claims(row, kept, None, 0.0)
    assert (made.tv_lower, made.tv_upper) == (0.75, 0.75)


def test_smallest_k(exact: ModuleType) -> None:
    """τ of the top 1, 2, 3 of (0, 1, 0, 1) is (e+2)/(2e+2), 1/(e+1) = .2689…, .1344…"""
    row = exact.row_from_scores(TWO_LEVELS, VALUE)
    assert [exact.smallest_k(row, eps) for eps in (0.9, 0.27, 0.26, 0.13, 0.0)] == [1, 2, 3, 4, 4]


def test_levels_agree_where_the_scale_is_rational(exact: ModuleType) -> None:
    """d = 4: q·k/√4 halves the dot product exactly."""
    query, key = np.array([1.0, 0, 0, 2.0]), np.array([[2.0, 5, 7, 0], [0, 1, 1, 1.0], [4.0, 0, 0, 1]])
    by_key = exact.row_from_query_key(query, key, VALUE[:3])
    by_score = exact.row_from_scores(key @ query / 2, VALUE[:3])
    kept = exact.top_k(by_key, 1)
    assert kept.tolist() == exact.top_k(by_score, 1).tolist() == [False, False, True]
    assert exact.claims(by_key, kept, None, 0.0) == exact.claims(by_score, kept, None, 0.0)


def test_floats_around_a_number(exact: ModuleType) -> None:
    for number in (arb(1) / 3, arb(2).sqrt(), -arb(10).exp(), arb(2) ** -1000 / 7):
        above, below = exact.float_above(number), exact.float_below(number)
        assert arb(below) < number < arb(above)
        assert math.nextafter(below, math.inf) == above
    assert exact.float_above(arb(0.5)) == exact.float_below(arb(0.5)) == 0.5


def test_each_false_claim_is_named(exact: ModuleType) -> None:
    row = exact.row_from_scores(TWO_LEVELS, VALUE)
    kept = exact.top_k(row, 2)
    made = exact.claims(row, kept, 0.27, 0.0)
    assert exact.false_claims(row, kept, made) == set()
    for name in ("tv_upper", "kl_upper", "output_error_upper"):
        lower = type(made)(**{**vars(made), name: math.nextafter(getattr(made, name), 0)})
        assert exact.false_claims(row, kept, lower) == {name}
    higher = type(made)(**{**vars(made), "tv_lower": math.nextafter(made.tv_lower, 1)})
    assert exact.false_claims(row, kept, higher) == {"tv_lower"}
    for eps in (0.26, 0.99):  # not met; already met by one key fewer
        other = type(made)(**{**vars(made), "smallest_k_for": eps})
        assert exact.false_claims(row, kept, other) == {"smallest_k_for"}
    assert "top_k" in exact.false_claims(row, np.array([True, True, False, False]), made)


def test_it_refuses_to_guess(exact: ModuleType) -> None:
    with pytest.raises(ArithmeticError, match="undecided"):
        exact.at_most(arb(0.5, 2.0**-60), 0.5)
    with pytest.raises(ArithmeticError, match="no float64"):
        exact.float_above(arb(-1).sqrt())
    with pytest.raises(ArithmeticError, match="smallest_k_for"):
        exact.claims(exact.row_from_scores(TWO_LEVELS, VALUE), np.array([True, True, True, False]), 0.27, 0.0)
