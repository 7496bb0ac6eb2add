"""Selection: the true top-k with ties to the lower index, and the smallest k that a brute force in Arb agrees with."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

import float_kernels
from float_kernels.exponential import Grade

from . import oracle
from .adversarial_rows import DTYPES, HANDMADE, Row, rows

GRADES: tuple[Grade, ...] = ("fast", "exact")
EPSILONS = (1e-12, 0.001, 0.01, 0.1, 0.5, 0.999)


def order_of(scores: np.ndarray) -> np.ndarray:
    """Indices from the largest score to the smallest, ties by index."""
    return np.argsort(-scores.astype(np.float64), kind="stable")


def assert_top(row: Row, k: int) -> None:
    kept, lower, upper = float_kernels.top_k(row.scores, k)
    assert set(np.flatnonzero(kept)) == set(order_of(row.scores)[:k]), (str(row), k)
    assert (lower, upper) == float_kernels.tail_mass(row.scores, kept)


@pytest.mark.parametrize("row", HANDMADE, ids=str)
def test_top_k_of_handmade_rows(row: Row) -> None:
    n = row.scores.size
    for k in sorted({1, 2, n // 3 + 1, n - 1, n} & set(range(1, n + 1))):
        assert_top(row, k)


@settings(max_examples=80, deadline=None)
@given(rows(), st.data())
def test_top_k_of_drawn_rows(row: Row, data: st.DataObject) -> None:
    assert_top(row, data.draw(st.integers(1, row.scores.size)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_top_k_of_long_rows_with_many_ties(dtype: np.dtype) -> None:
    random = np.random.default_rng(11)
    scores = np.round(random.normal(size=(3, 3000)), 1).astype(dtype)
    for k in (1, 77, 1500, 2999):
        kept = float_kernels.top_k(scores, k).kept
        for row in range(3):
            assert set(np.flatnonzero(kept[row])) == set(order_of(scores[row])[:k])


def misleading(n: int) -> dict[str, np.ndarray]:
    """Long rows that a strided sample, or a median of three, says nothing true about."""
    random = np.random.default_rng(3)
    gaussian = (3 * random.normal(size=n)).astype(np.float32)
    comb = np.where(np.arange(n) % 4 == 0, 50.0, gaussian).astype(np.float32)  # every sampled key is a large one
    return {
        "ascending": np.sort(gaussian),
        "descending": np.sort(gaussian)[::-1].copy(),
        "constant": np.full(n, 2.5, np.float32),
        "comb": comb,
        "inverted comb": -comb,
        "organ pipe": np.concatenate([np.arange(n // 2), np.arange(n - n // 2)[::-1]]).astype(np.float32) / n,
        "mostly masked": np.where(random.random(n) < 0.9, -np.inf, gaussian).astype(np.float32),
        "one key": np.where(np.arange(n) == n - 1, 0.0, -np.inf).astype(np.float32),
        "signed zeros": np.where(random.random(n) < 0.5, -0.0, 0.0).astype(np.float32),
        "far apart": np.where(random.random(n) < 0.01, 300.0, -(10.0 ** random.uniform(-30, 30, n))).astype(np.float64),
    }


@pytest.mark.parametrize("n", [2048, 5001, 16384 + 7])
@pytest.mark.parametrize("name", misleading(2048))
def test_long_rows_that_mislead_the_sample(name: str, n: int) -> None:
    scores = misleading(n)[name]
    order = order_of(scores)
    for k in (1, 2, n // 16, n // 2, n - 1, n):
        assert set(np.flatnonzero(float_kernels.top_k(scores, k).kept)) == set(order[:k]), k
    for eps in (1e-300, 1e-9, 0.01, 0.5, 0.999):
        k, kept, upper, proved = float_kernels.smallest_k(scores, eps)
        assert set(np.flatnonzero(kept)) == set(order[:k])
        assert upper <= eps
        if k > 1:
            fewer = np.zeros(n, dtype=np.bool_)
            fewer[order[: k - 1]] = True
            left = float_kernels.tail_mass(scores, fewer, grade="exact")[1]
            assert left > eps if proved else left > eps * (1 - 2.0**-23)


def test_masked_keys_are_never_kept_for_their_weight() -> None:
    """Not even where eps is below what masked keys would weigh if each counted as the lightest weight there is."""
    scores = np.full(5001, -np.inf)
    scores[1234] = 0.0
    assert float_kernels.smallest_k(scores, 1e-307).k == 1


def test_long_rows_with_a_nan_are_refused() -> None:
    scores = np.zeros((2, 5000), np.float32)
    scores[1, ::3] = np.nan
    for select in (lambda: float_kernels.top_k(scores, 4000), lambda: float_kernels.smallest_k(scores, 0.1)):
        with pytest.raises(float_kernels.NaNScoreError, match="row"):
            select()


def assert_smallest(row: Row, eps: float, grade: Grade) -> None:
    """The kept set is the top-k, its certificate holds, and no smaller k would do (unless not claimed)."""
    k, kept, upper, proved = float_kernels.smallest_k(row.scores, eps, grade=grade)
    order = order_of(row.scores)
    assert set(np.flatnonzero(kept)) == set(order[:k]), (str(row), eps)
    assert upper <= eps
    with oracle.precision():
        assert oracle.tail_mass(row.scores, kept) <= arb(float(upper)) or upper == 0.0
        if k > 1:
            fewer = np.zeros_like(kept)
            fewer[order[: k - 1]] = True
            tau = oracle.tail_mass(row.scores, fewer)
            assert not proved or tau > arb(eps), (str(row), eps, int(k))
            # where no proof is claimed, the k − 1 largest are within rounding of eps
            assert proved or abs(tau - arb(eps)) <= arb(eps) * arb(2) ** (-23 if grade == "fast" else -38)


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize(
    "row", [row for row in HANDMADE if row.scores.size <= 400 and row.name != "the largest floats"], ids=str
)
def test_smallest_k_of_handmade_rows(row: Row, grade: Grade) -> None:
    for eps in EPSILONS:
        assert_smallest(row, eps, grade)


@settings(max_examples=60, deadline=None)
@given(rows(), st.sampled_from(EPSILONS) | st.floats(1e-9, 0.999))
def test_smallest_k_of_drawn_rows(row: Row, eps: float) -> None:
    assert_smallest(row, eps, "fast")


def test_eps_that_a_kept_set_meets_exactly() -> None:
    """Of four equal keys, dropping one leaves exactly ¼, which no rounding can tell from eps: k = 3 or a sound 4."""
    k, _, upper, proved = float_kernels.smallest_k(np.zeros(4), 0.25)
    assert k in (3, 4)
    assert upper <= 0.25
    assert k == 3 or not proved


def test_smallest_k_on_a_long_batch() -> None:
    random = np.random.default_rng(2)
    scores = (3 * random.normal(size=(3, 5000))).astype(np.float32)
    for row in range(3):
        assert_smallest(Row(f"row {row}", scores[row], np.zeros(5000, np.bool_)), 0.01, "fast")
    k, kept, upper, proved = float_kernels.smallest_k(scores, 0.01)
    assert k.shape == upper.shape == proved.shape == (3,)
    assert np.array_equal(k, kept.sum(axis=-1))
    assert proved.all()


@pytest.mark.parametrize("k", [2.5, True, "2"])
def test_k_is_a_whole_number(k: object) -> None:
    with pytest.raises(float_kernels.OutOfRangeError, match="whole number"):
        float_kernels.top_k(np.ones((2, 4)), k)  # type: ignore[arg-type]
