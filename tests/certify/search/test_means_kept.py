"""Cells kept as their mean: the ℓ₁ error of the weights and the output's error, against Arb; and mutants."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

import certify
from certify.search import CellIndex, SearchResult, build_cells, mass_search, opened

from .. import arb_truth as truth
from .adversarial_keys import keys_and_queries


def both_distributions(
    query: Any, key: Any, scale: float | None, index: CellIndex, result: SearchResult, row: int
) -> tuple[list[arb], list[arb]]:
    """(P, P̃) of a row: P̃ gives kept keys their weight, and every key of a cell kept as its mean that mean's weight."""
    cells = index.groups[0]
    ends = np.append(cells.start, len(cells.members))
    scores = [truth.logit(query[row].astype(np.float64), one.astype(np.float64), scale) for one in key]
    top = truth.largest(scores)
    approximate = [(s - top).exp() if keep else arb(0) for s, keep in zip(scores, result.kept[row], strict=True)]
    assert result.means_kept is not None
    for cell in np.flatnonzero(result.means_kept[row]):
        members = cells.members[ends[cell] : ends[cell + 1]]
        mean = truth.total([scores[i] for i in members]) / len(members)
        for i in members:
            assert not result.kept[row, i], "a key is kept and also stands in a cell"
            approximate[i] = (mean - top).exp()
    if not result.fell_back[row]:
        assert all(weight > 0 for weight in approximate), "a key is lost"
    exact = [(s - top).exp() for s in scores]
    return ([w / truth.total(exact) for w in exact], [w / truth.total(approximate) for w in approximate])


def errors(query: Any, key: Any, values: Any, scale: float | None, index: CellIndex, eps: float) -> list[bool]:
    """Whether each claim is broken, for every row."""
    result = mass_search(query, key, eps=eps, scale=scale, cells=index, bound="bennett", keep_means=True, values=values)
    assert result.l1_upper is not None
    assert result.output_error_upper is not None
    assert certify.audit(result.certificate).all_valid
    broken = []
    for row in range(len(query)):
        p, q = both_distributions(query, key, scale, index, result, row)
        apart = truth.total([abs(a - b) for a, b in zip(p, q, strict=True)])
        moved = [
            truth.total([(a - b) * truth.number(v) for a, b, v in zip(p, q, column, strict=True)])
            for column in values.T
        ]
        broken.append(bool(apart > truth.number(float(result.l1_upper[row]))))
        broken.append(bool(truth.norm(moved) > truth.number(float(result.output_error_upper[row]))))
        if result.fires[row]:
            assert result.l1_upper[row] <= 2 * eps
    return broken


@settings(max_examples=50, deadline=None)
@given(keys_and_queries(most_keys=14), st.sampled_from(["kmeans", "ward"]), st.sampled_from([0.5, 0.1, 0.01]))
def test_errors_hold_for_the_real_weights(data: Any, method: Any, eps: float) -> None:
    key, query, scale = data
    values = np.random.default_rng(len(key)).normal(size=(len(key), 3))
    assert not any(errors(query, key, values, scale, build_cells(key, method), eps))


def spread_keys(seed: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    return random.normal(size=(1, 2)), random.normal(size=(12, 2)), random.normal(size=(12, 2))


@pytest.mark.parametrize("forgotten", ["the spread within cells", "half of the distance"])
def test_must_fail(monkeypatch: pytest.MonkeyPatch, forgotten: str) -> None:
    """The mass that cells gain over their means is not the whole error: their keys' weights differ among themselves."""
    original = opened._l1

    def wrong(masses: Any, unopened: Any, key_lower: Any) -> Any:
        if forgotten == "half of the distance":
            return 0.5 * original(masses, unopened, key_lower)
        object.__setattr__(masses, "deviation", np.zeros_like(masses.deviation))
        return original(masses, unopened, key_lower)

    monkeypatch.setattr(opened, "_l1", wrong)
    broken = False
    for seed in range(10):
        query, key, values = spread_keys(seed)
        broken |= any(errors(query, key, values, 1.0, build_cells(key, count=4), 0.3))
    assert broken


def test_the_bound_is_of_the_right_size() -> None:
    """Small cells: within a factor of four of the truth."""
    random = np.random.default_rng(1)
    key = np.repeat(random.normal(size=(10, 4)), 4, axis=0) + 0.05 * random.normal(size=(40, 4))
    query = random.normal(size=(1, 4))
    index = build_cells(key, count=10)
    result = mass_search(query, key, eps=0.2, cells=index, bound="bennett", keep_means=True)
    p, q = both_distributions(query, key, None, index, result, 0)
    apart = truth.total([abs(a - b) for a, b in zip(p, q, strict=True)])
    assert result.l1_upper is not None
    assert result.means_kept is not None
    assert result.means_kept.sum() >= 8
    assert apart * 4 > truth.number(float(result.l1_upper[0]))
