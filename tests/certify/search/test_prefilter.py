"""The certified prefilter: what it keeps is audited, by codes or densely, with eps or k; counts are honest."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import certify
from certify.errors import BadInput, BadScores, BadValues
from certify.search import SearchResult, prefilter_search, prefiltered_rows, quantize_keys

from .adversarial_keys import keys_and_queries


def accepted(result: SearchResult) -> None:
    audit = certify.audit(result.certificate)
    assert audit.all_valid, next(audit.worst_first())
    if result.eps is not None:
        assert (result.tv_upper <= result.eps).all()


@settings(max_examples=80, deadline=None)
@given(keys_and_queries(), st.sampled_from([8, 4]), st.sampled_from([0.3, 0.01, 1e-6]))
def test_eps_passes_the_audit(data: Any, bits: Any, eps: float) -> None:
    key, query, scale = data
    accepted(prefilter_search(query, quantize_keys(key, bits), eps=eps, scale=scale))


@settings(max_examples=80, deadline=None)
@given(keys_and_queries(), st.sampled_from([8, 4]), st.integers(1, 40))
def test_k_passes_the_audit_and_is_the_true_top_k(data: Any, bits: Any, k: int) -> None:
    key, query, scale = data
    k = min(k, len(key))
    result = prefilter_search(query, quantize_keys(key, bits), k=k, scale=scale)
    accepted(result)
    assert (result.k == k).all()
    exact = query.astype(np.float64) @ key.astype(np.float64).T
    for scores, kept in zip(exact, result.kept, strict=True):
        if not kept.all():
            assert scores[kept].min() >= scores[~kept].max() - 1e-9 * np.abs(scores).max()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.dtype(">f4")])
@pytest.mark.parametrize("choice", [{"eps": 0.1}, {"k": 5}])
def test_grouped_heads_masks_and_dtypes(dtype: Any, choice: dict[str, Any]) -> None:
    r = np.random.default_rng(3)
    query = r.normal(size=(2, 4, 5, 8)).astype(dtype)
    key = r.normal(size=(2, 2, 30, 8)).astype(dtype)
    mask = r.random((2, 4, 5, 30)) < 0.7
    mask[..., :6] = True
    result = prefilter_search(query, quantize_keys(key), mask=mask, kv_groups=2, **choice)
    accepted(result)
    assert not (result.kept & ~mask).any()
    assert result.kept.shape == (2, 4, 5, 30)


def long_context(spread: float) -> tuple[Any, Any]:
    r = np.random.default_rng(5)
    return (spread * r.normal(size=32)).astype(np.float32), r.normal(size=(20000, 32)).astype(np.float32)


def test_few_keys_are_scored_where_few_matter() -> None:
    query, key = long_context(5.0)
    index = quantize_keys(key)
    result = prefilter_search(query, index, eps=0.01)
    accepted(result)
    assert result.fires
    assert result.scored_keys == result.k < 0.1 * len(key)
    assert result.bytes_read < 0.5 * key.nbytes
    weights = np.sort(np.exp(key @ query / np.sqrt(32)).astype(np.float64))[::-1]
    fewest = 1 + np.count_nonzero(np.cumsum(weights) < 0.99 * weights.sum())
    assert fewest <= result.k < 1.3 * fewest


def test_diffuse_rows_are_scored_densely() -> None:
    query, key = long_context(0.3)
    result = prefilter_search(query, quantize_keys(key), eps=0.01)
    accepted(result)
    assert result.fell_back
    assert not result.fires
    assert result.scored_keys == result.k == len(key)
    assert result.tv_upper == 0.0
    assert result.bytes_read == key.nbytes
    stubborn = prefilter_search(query, quantize_keys(key), eps=0.01, adaptive=False)
    accepted(stubborn)
    assert stubborn.fires
    assert stubborn.scored_keys == stubborn.k > 0.5 * len(key)


def test_rows_are_decided_one_by_one() -> None:
    tight, key = long_context(5.0)
    diffuse, _ = long_context(0.3)
    index = quantize_keys(key)
    result = prefilter_search(np.stack([tight, diffuse, -tight]), index, eps=0.01)
    accepted(result)
    assert result.fell_back.tolist() == [False, True, False]
    for row, query in enumerate((tight, diffuse, -tight)):
        alone = prefilter_search(query, index, eps=0.01)
        assert (alone.tv_upper <= 0.01).all()
        assert alone.fell_back == result.fell_back[row]


def test_a_certificate_that_misses_eps_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the choice of keys, what comes back holds: here every choice is the single largest key."""

    def boldest(scores: Any, share: float, coefficients: Any) -> Any:
        return (scores == scores.max(axis=-1, keepdims=True), None, None)

    query, key = long_context(1.0)
    index = quantize_keys(key)
    monkeypatch.setattr(prefiltered_rows, "smallest_k_rows", boldest)
    result = prefilter_search(query, index, eps=0.01, adaptive=False)
    accepted(result)
    assert result.fell_back
    assert result.scored_keys > len(key)  # what the codes had it score in vain is counted too


def test_scores_beyond_the_range_of_float32() -> None:
    """The bounds by codes say nothing here, and every row is scored in float64."""
    key = np.random.default_rng(6).normal(size=(40, 2)) * 1e20
    index = quantize_keys(key)
    for choice in ({"eps": 0.3}, {"k": 3}):
        result = prefilter_search(np.array([1e20, 1e19]), index, scale=1.0, **choice)  # type: ignore[arg-type]
        accepted(result)


@pytest.mark.parametrize("choice", [{"eps": 0.01}, {"eps": 0.01, "adaptive": False}, {"k": 7}])
def test_the_output_is_that_of_the_kept_keys(choice: dict[str, Any]) -> None:
    for spread in (5.0, 0.3):
        query, key = long_context(spread)
        values = np.random.default_rng(7).normal(size=(20000, 6)).astype(np.float32)
        result = prefilter_search(np.stack([query, -query]), quantize_keys(key), values=values, **choice)
        for q, kept, output in zip((query, -query), result.kept, result.output_estimate, strict=True):
            scores = key[kept].astype(np.float64) @ q.astype(np.float64) / np.sqrt(32)
            weights = np.exp(scores - scores.max())
            assert np.allclose(output, weights @ values[kept] / weights.sum(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({}, BadInput, "neither"),
        ({"eps": 0.1, "k": 1}, BadInput, "both"),
        ({"eps": 2.0}, BadInput, "eps = 2.0"),
        ({"k": 0}, BadInput, "k = 0"),
        ({"k": 7}, BadInput, "the 6 keys"),
        ({"k": 1.5}, BadInput, "k = 1.5"),
        ({"k": 1, "scale": -2.0}, BadInput, "turn the query round"),
        ({"k": 1, "kv_groups": 3}, BadScores, "do not fit"),
        ({"k": 1, "query": np.ones(5)}, BadScores, r"query \(5,\)"),
        ({"k": 1, "values": np.ones((5, 2))}, BadValues, r"\(5, 2\)"),
        ({"k": 1, "mask": np.zeros(6, bool)}, BadScores, "attends no key"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[Exception], message: str) -> None:
    good: dict[str, Any] = {"query": np.ones(4), "index": quantize_keys(np.arange(24.0).reshape(6, 4))}
    with pytest.raises(error, match=message):
        prefilter_search(**(good | change))


@pytest.mark.parametrize(
    ("key", "bits", "message"),
    [
        (np.ones((2, 2)), 5, "bits is 5"),
        (np.ones((2, 2), int), 8, "int64"),
        (np.full((2, 2), np.nan), 8, "nan"),
        (np.ones(2), 8, "at least one key"),
    ],
)
def test_bad_keys(key: Any, bits: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        quantize_keys(key, bits)


def test_a_step_that_overflows_float32_over_tiny_keys_makes_every_key_a_candidate() -> None:
    """Scores stay in range while α = unit·scale does not; α·0 was NaN, and no key was kept."""
    query = np.array([-(2.0**150), 0.0])
    key = np.array([[2.0**-120, 1.0], [0.0, 2.0], [2.0**-121, 3.0]]) * 2.0**-100
    result = prefilter_search(query, quantize_keys(key), k=2, scale=1.0, mask=np.array([True, False, False]))
    assert result.certificate.kept.tolist() == [[True, False, False]]
    assert certify.audit(result.certificate).all_valid
