"""Certificates of every search pass the audit, for random and adversarial keys in every dtype; counts are honest."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

import certify
from certify.errors import BadInput, BadScores, BadValues
from certify.examples import example
from certify.search import BOUNDS, SearchResult, build_cells, delta_k_search, mass_search

from .adversarial_keys import keys_and_queries


def accepted(result: SearchResult) -> None:
    audit = certify.audit(result.certificate)
    assert audit.all_valid, next(audit.worst_first())
    assert result.kept.any(axis=-1).all()
    if result.eps is not None and result.l1_upper is None:
        assert (result.tv_upper <= result.eps).all()
    assert not (result.fires & result.fell_back).any()


@settings(max_examples=60, deadline=None)
@given(
    keys_and_queries(),
    st.sampled_from(sorted(BOUNDS)),
    st.sampled_from(["kmeans", "bisecting", "ward"]),
    st.sampled_from([0.3, 0.01, 1e-6]),
    st.booleans(),
)
def test_mass_search_passes_the_audit(data: Any, bound: Any, method: Any, eps: float, linearity: bool) -> None:
    key, query, scale = data
    cells = build_cells(key, method)
    accepted(mass_search(query, key, eps=eps, scale=scale, cells=cells, bound=bound, linearity=linearity))


@settings(max_examples=40, deadline=None)
@given(keys_and_queries(), st.sampled_from(["ball", "box", "ball_box"]), st.sampled_from([0.3, 0.01]))
def test_delta_k_search_passes_the_audit(data: Any, bound: Any, eps: float) -> None:
    key, query, scale = data
    accepted(delta_k_search(query, key, eps=eps, scale=scale, bound=bound))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.dtype(">f4")])
def test_grouped_heads_masks_and_dtypes(dtype: Any) -> None:
    r = np.random.default_rng(3)
    query = r.normal(size=(2, 4, 5, 8)).astype(dtype)
    key = r.normal(size=(2, 2, 30, 8)).astype(dtype)
    mask = r.random((2, 4, 5, 30)) < 0.7
    mask[..., 0] = True
    for method in ("kmeans", "ward"):
        cells = build_cells(key, method)  # type: ignore[arg-type]
        for bound in ("ball", "bennett"):
            result = mass_search(query, key, eps=0.1, cells=cells, bound=bound, mask=mask, kv_groups=2)  # type: ignore[arg-type]
            accepted(result)
            assert not (result.kept & ~mask).any()
            assert result.kept.shape == (2, 4, 5, 30)


def test_a_single_query_gives_single_answers() -> None:
    r = np.random.default_rng(4)
    key, query = r.normal(size=(20, 4)), r.normal(size=4)
    result = mass_search(query, key, eps=0.1)
    assert result.kept.shape == (20,)
    assert result.tv_upper.shape == result.scored_keys.shape == ()
    accepted(result)


@pytest.mark.parametrize("search", [mass_search, delta_k_search])
def test_what_has_nothing_to_search(search: Any) -> None:
    """One key; a query of norm 0 and keys all equal, where every key counts the same; an ε that needs every key."""
    random = np.random.default_rng(5)
    for key, query, eps, fewest in (
        (random.normal(size=(1, 3)), random.normal(size=3), 0.1, 1),
        (random.normal(size=(10, 3)), np.zeros(3), 0.25, 8),
        (np.ones((10, 3)), np.ones(3), 0.25, 8),
        (random.normal(size=(10, 3)), random.normal(size=3), 1e-300, 10),
    ):
        result = search(query, key, eps=eps)
        accepted(result)
        assert result.k == fewest
        assert result.fell_back
        if fewest == len(key):
            assert result.tv_upper == 0.0
            assert result.kl_upper == 0.0


def test_a_budget_ends_in_dense_scoring() -> None:
    random = np.random.default_rng(6)
    key, query = random.normal(size=(64, 4)), random.normal(size=(3, 4))
    result = mass_search(query, key, eps=0.05, budget=10)
    accepted(result)
    assert result.fell_back.all()
    assert (result.scored_keys >= 64).all()


def test_the_search_saves_scores_on_the_real_example() -> None:
    tensors = load_file(example("minilm-attention-query-key.safetensors"))
    query, key, value = tensors["query"], tensors["key"], tensors["value"]
    n = key.shape[-2]
    cells = build_cells(key, "ward")
    dropped = mass_search(query, key, eps=0.1, cells=cells, bound="bennett")
    kept = mass_search(query, key, eps=0.1, cells=cells, bound="bennett", keep_means=True, values=value)
    accepted(dropped)
    accepted(kept)
    assert n / np.mean(dropped.scored_keys + dropped.cell_scores) > 1.5
    assert n / np.mean(kept.scored_keys + kept.cell_scores) > 2.5
    assert kept.l1_upper is not None
    assert (kept.l1_upper <= 0.2).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"eps": 0.0}, BadInput, "eps = 0.0"),
        ({"eps": 1.0}, BadInput, "eps = 1.0"),
        ({"eps": float("nan")}, BadInput, "eps = nan"),
        ({"scale": 0.0}, BadInput, "scale = 0.0"),
        ({"scale": -1.0}, BadInput, "turn the query round"),
        ({"scale": float("inf")}, BadInput, "scale = inf"),
        ({"bound": "cone"}, BadInput, "bound = 'cone'"),
        ({"keep_means": True}, BadInput, "knows no variance"),
        ({"values": np.ones((6, 2))}, BadInput, "keep_means"),
        ({"keep_means": True, "bound": "bennett", "values": np.ones((5, 2))}, BadValues, r"\(5, 2\)"),
        ({"budget": 0}, BadInput, "budget = 0"),
        ({"kv_groups": 2}, BadScores, "kv_groups = 2 do not fit"),
        ({"kv_groups": 0}, BadInput, "kv_groups = 0"),
        ({"query": np.ones(3)}, BadScores, r"query \(3,\)"),
        ({"query": np.ones((2, 0))}, BadScores, r"\(2, 0\)"),
        ({"query": np.array([1.0, np.nan, 0, 0])}, BadScores, "nan"),
        ({"query": np.ones(4, int)}, BadScores, "int64"),
        ({"query": np.full(4, 1e200)}, BadScores, "overflow"),
        ({"key": np.full((6, 4), np.inf)}, BadScores, "inf"),
        ({"key": np.ones((0, 4))}, BadScores, "at least one key"),
        ({"mask": np.zeros(6, bool)}, BadScores, "attends no key"),
        ({"mask": np.ones(5, bool)}, BadScores, "true = attended"),
        ({"cells": build_cells(np.ones((6, 4)))}, BadScores, "built from other keys"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[Exception], message: str) -> None:
    good: dict[str, Any] = {"query": np.ones(4), "key": np.arange(24.0).reshape(6, 4), "eps": 0.1}
    with pytest.raises(error, match=message):
        mass_search(**(good | change))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count = 0"),
        ({"count": 7}, "7 cells for 6 keys"),
        ({"count": 2.0}, "whole number"),
        ({"method": "ward", "count": 2}, "leave count out"),
        ({"method": "cut"}, "method = 'cut'"),
    ],
)
def test_bad_cells(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build_cells(np.ones((6, 4)), **arguments)
