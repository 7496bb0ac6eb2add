"""What is known of a cell, against exact rational arithmetic; the cuts themselves; equal, single and far keys."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.search.cells import KeyCells, build_cells

from .adversarial_keys import keys_and_queries

METHODS = ["kmeans", "bisecting", "ward"]


def exact_keys(cells: KeyCells, members: Any) -> list[list[Fraction]]:
    return [[Fraction(float(x)) for x in cells.key[i]] for i in members]


def mean_of(keys: list[list[Fraction]]) -> list[Fraction]:
    return [sum(column, Fraction(0)) / len(keys) for column in zip(*keys, strict=True)]


def square(vector: list[Fraction]) -> Fraction:
    return sum((x * x for x in vector), Fraction(0))


def squared(x: Any) -> Fraction:
    return Fraction(float(x)) ** 2


def parts(cells: KeyCells) -> list[Any]:
    return [cells.members[a:b] for a, b in pairwise(np.append(cells.start, len(cells.members)))]


@settings(max_examples=50, deadline=None)
@given(keys_and_queries(most_keys=12), st.sampled_from(METHODS), st.integers(0, 2**31))
def test_summaries_hold_for_the_real_cells(data: Any, method: Any, seed: int) -> None:
    cells = build_cells(data[0], method).groups[0]
    random = np.random.default_rng(seed)
    for cell, members in enumerate(parts(cells)):
        keys = exact_keys(cells, members)
        mean = mean_of(keys)
        offsets = [[x - m for x, m in zip(key, mean, strict=True)] for key in keys]
        computed = [Fraction(float(x)) for x in cells.mean[cell]]
        assert square([a - b for a, b in zip(computed, mean, strict=True)]) <= squared(cells.mean_distance[cell])
        assert max(map(square, offsets)) <= squared(cells.radius[cell])
        columns = list(zip(*keys, strict=True))
        assert [min(c) for c in columns] == [Fraction(float(x)) for x in cells.low[cell]]
        assert [max(c) for c in columns] == [Fraction(float(x)) for x in cells.high[cell]]
        spread = [square(list(column)) / len(keys) for column in zip(*offsets, strict=True)]
        assert all(v <= squared(s) for v, s in zip(spread, cells.deviation[cell], strict=True))
        # The largest eigenvalue is the largest variance along a direction: the computed one, and one at random.
        d = cells.key.shape[1]
        for direction in (np.linalg.eigh(cells.covariance[cell])[1][:, -1], random.normal(size=d)):
            x = [Fraction(float(c)) for c in direction]
            along = [sum((a * b for a, b in zip(x, o, strict=True)), Fraction(0)) for o in offsets]
            variance = square(along) / len(keys)
            assert variance <= squared(cells.spectral[cell]) * square(x)
            form = sum(x[a] * x[b] * Fraction(float(cells.covariance[cell, a, b])) for a in range(d) for b in range(d))
            assert variance <= form + Fraction(float(cells.variance_excess[cell])) * square(x)
    everything = exact_keys(cells, range(len(cells.key)))
    assert all(square(key) <= squared(norm) for key, norm in zip(everything, cells.key_norm, strict=True))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_every_cut_is_a_partition(method: Any, n: int) -> None:
    cells = build_cells(np.random.default_rng(n).normal(size=(n, 3)), method).groups[0]
    reached, queue = [], list(cells.root)
    inside = parts(cells)
    while queue:
        node = int(queue.pop())
        if node < n:
            reached.append(node)
            continue
        children = cells.child[cells.child_start[node - n] : cells.child_start[node - n + 1]]
        assert all(child < node for child in children), "a cell comes after what is inside it"
        below = np.concatenate([[c] if c < n else inside[c - n] for c in children])
        assert sorted(below) == sorted(inside[node - n])
        queue += list(children)
    assert sorted(reached) == list(range(n))
    if method == "ward" and n > 1:
        assert len(cells.start) == n - 1


@pytest.mark.parametrize("method", METHODS)
def test_equal_keys_make_fewer_cells(method: Any) -> None:
    cells = build_cells(np.ones((50, 4)), method).groups[0]
    assert (cells.count >= 1).all()
    assert cells.radius.max() < 1e-12


def test_the_eigenvalue_is_hardly_too_large() -> None:
    key = np.random.default_rng(3).normal(size=(200, 24))
    cells = build_cells(key, count=4).groups[0]
    real = np.linalg.eigvalsh(cells.covariance)[:, -1]
    assert (cells.spectral**2 <= real * (1 + 1e-7)).all()


def test_must_fail_with_a_mean_taken_as_exact() -> None:
    """Without its own error the mean of three keys is wrong in the last place, and so is a radius around it."""
    broken = 0
    for seed in range(20):
        key = np.random.default_rng(seed).normal(size=(3, 1))
        cells = build_cells(key, count=1).groups[0]
        real = mean_of(exact_keys(cells, range(3)))[0]
        broken += Fraction(float(cells.mean[0, 0])) != real
    assert broken


@pytest.mark.parametrize("method", METHODS)
def test_any_keys_can_be_cut(method: Any) -> None:
    """Equal and tiny keys once left scikit-learn's bisection with a single key to cut; warnings are errors here."""
    random = np.random.default_rng(0)
    for dtype in (np.float16, np.float32, np.float64):
        for n in (1, 2, 3, 8, 47, 55):
            drawn = (random.normal(size=(n, 1)) * 2.0**-14).astype(dtype)
            for key in (drawn, drawn[random.integers(0, n, n)], np.tile(drawn[:1], (n, 3)), random.normal(size=(n, n))):
                for count in {1, n // 2 + 1, n} if method != "ward" else {None}:
                    (cells,) = build_cells(key, method, count=count).groups
                    assert set(cells.members) == set(range(n))
