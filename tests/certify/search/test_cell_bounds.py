"""Every bound on a cell, against Arb: largest score, mass, mean and deviation of real scores q·k·scale; and mutants."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from certify.errors import BadInput
from certify.search.cell_bounds import BOUNDS, CellBound, CellMasses, bound_named
from certify.search.cells import KeyCells, build_cells
from certify.search.inputs import Scale, read_queries, read_scale
from certify.search.opened import _arrays
from float_kernels.cell_masses import maximum_mass
from float_kernels.compiled_walk import MEAN, SPREAD, walk

from .. import arb_truth as truth
from .adversarial_keys import keys_and_queries

METHODS = ["kmeans", "bisecting", "ward"]
Mutant = Callable[[KeyCells, Any, Scale], tuple[Any, Scale]]


def looked_at(query: Any, cells: KeyCells, bound: CellBound, scale: Scale, linearity: bool) -> tuple[Any, ...]:
    """(norm, products, error) after a walk that opens everything."""
    queries = read_queries(query, cells.key, 1, None)
    norm = queries.norm[0]
    nobody = np.zeros((0, len(cells.key)), np.bool_)
    state, products, error, _ = walk(
        queries.exact[0],
        norm,
        scale.near,
        cells.key,
        cells.key_error,
        _arrays(cells, bound),
        nobody,
        bound.key,
        False,
        linearity,
        False,
        -1.0,  # a share that is never reached
        2**62,
    )
    assert (state > 0).all(), "the walk left a node unseen, so its products mean nothing"
    return norm, products, error


def masses_of(query: Any, cells: KeyCells, bound: CellBound, scale: Scale, mutant: Mutant | None = None) -> CellMasses:
    norm, products, error = looked_at(query, cells, bound, scale, True)
    n = len(cells.key)
    near = products[:, :n, MEAN] * scale.near
    inside, mutated = products[:, n:], scale
    if mutant is not None:
        inside, mutated = mutant(cells, inside.copy(), scale)
    return bound.masses(cells, inside, error[:, n:], norm[:, None], mutated, near.max(axis=1, keepdims=True))


def scores_of(query: Any, key: Any, scale: float | None) -> list[arb]:
    return [truth.logit(query.astype(np.float64), row.astype(np.float64), scale) for row in key]


def violations(query: Any, cells: KeyCells, scale: float | None, found: CellMasses, near: Any) -> list[str]:
    """What does not hold for the real scores, row by row and cell by cell."""
    wrong = []
    ends = np.append(cells.start, len(cells.members))
    for row, q in enumerate(query):
        scores = scores_of(q, cells.key, scale)
        shift = truth.number(float(near[row]))
        weights = [(score - shift).exp() for score in scores]
        for cell in range(len(cells.start)):
            members = cells.members[ends[cell] : ends[cell + 1]]
            inside = [scores[i] for i in members]
            mass, mean = truth.total([weights[i] for i in members]), truth.total(inside) / len(inside)
            around = (mean - shift).exp() * len(inside)
            claims = {
                "top": truth.largest(inside) > float(found.top[row, cell]),
                "upper": mass > truth.number(float(found.upper[row, cell])),
                "lower": mass < truth.number(float(found.lower[row, cell])),
                "around": around > truth.number(float(found.around_upper[row, cell])),
                "around lower": around < truth.number(float(found.lower[row, cell])),
            }
            if found.deviation is not None:
                variance = truth.total([truth.square(s - mean) for s in inside]) / len(inside)
                claims["deviation"] = variance > truth.square(truth.number(float(found.deviation[row, cell])))
            wrong += [f"{name}, row {row}, cell {cell}" for name, broken in claims.items() if broken]
    return wrong


def check(
    query: Any, cells: KeyCells, bound: CellBound, scale: float | None, mutant: Mutant | None = None
) -> list[str]:
    real = read_scale(scale, cells.key.shape[-1])
    _, products, _ = looked_at(query, cells, bound, real, True)
    near = (products[:, : len(cells.key), MEAN] * real.near).max(axis=1)
    return violations(query, cells, scale, masses_of(query, cells, bound, real, mutant), near)


@settings(max_examples=60, deadline=None)
@given(keys_and_queries(most_keys=16), st.sampled_from(METHODS), st.sampled_from(sorted(BOUNDS)))
def test_bounds_hold_for_the_real_scores(data: Any, method: Any, name: str) -> None:
    key, query, scale = data
    assert not check(query, build_cells(key, method).groups[0], BOUNDS[name], scale)


@settings(max_examples=60, deadline=None)
@given(keys_and_queries(most_keys=16), st.sampled_from(METHODS), st.booleans())
def test_products_are_within_their_error(data: Any, method: Any, linearity: bool) -> None:
    """Of keys and of means, whether computed or found by linearity."""
    key, query, _ = data
    cells = build_cells(key, method).groups[0]
    _, products, error = looked_at(query, cells, BOUNDS["ball"], read_scale(1.0, key.shape[-1]), linearity)
    ends = np.append(cells.start, len(cells.members))
    groups = [[i] for i in range(len(key))] + [cells.members[a:b] for a, b in pairwise(ends)]
    for row, q in enumerate(query):
        dots = [truth.dot(q, one) for one in key]
        for node, members in enumerate(groups):
            real = truth.number(sum(dots[i] for i in members) / len(members))
            off = abs(real - truth.number(float(products[row, node, MEAN])))
            assert not off > truth.number(float(error[row, node])), (node, linearity)


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_bounds_are_attained(name: str) -> None:
    """Two keys on either side of their mean, the query along them: the ball, the box and Samuelson's bound are sharp,
    and so is the mass of two scores with that mean and that variance.
    """
    key, query = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0, 0.0]])
    cells = build_cells(key, "kmeans", count=1).groups[0]
    found = masses_of(query, cells, BOUNDS[name], read_scale(1.0, 2))
    assert found.top[0, 0] == pytest.approx(1.0, abs=1e-13)
    if name not in ("ball", "box", "ball_box"):
        assert found.upper[0, 0] == pytest.approx(1.0 + np.exp(-2.0), rel=1e-12)
    assert found.lower[0, 0] == pytest.approx(2.0 * np.exp(-1.0), rel=1e-12)


def mean_as_the_top(cells: KeyCells, products: Any, scale: Scale) -> Any:
    cells.__dict__["radius"] = np.zeros_like(cells.radius)
    return products, scale


def radius_in_float32(cells: KeyCells, products: Any, scale: Scale) -> Any:
    cells.__dict__["radius"] = cells.radius.astype(np.float32).astype(np.float64)
    return products, scale


def scale_dropped(cells: KeyCells, products: Any, scale: Scale) -> Any:
    return products, Scale(1.0, 1.0, 1.0)


def components_as_independent(cells: KeyCells, products: Any, scale: Scale) -> Any:
    products[..., SPREAD] = np.sqrt(np.sum(cells.deviation**2, axis=-1))  # the query is all ones
    return products, scale


def average_eigenvalue(cells: KeyCells, products: Any, scale: Scale) -> Any:
    cells.__dict__["spectral"] = np.sqrt(np.sum(cells.deviation**2, axis=-1) / cells.key.shape[-1])
    return products, scale


def covariance_forgotten(cells: KeyCells, products: Any, scale: Scale) -> Any:
    products[..., SPREAD] *= 0.25
    return products, scale


MUTANTS: list[tuple[str, Mutant]] = [
    ("ball", mean_as_the_top),
    ("ball", radius_in_float32),
    ("ball_box", scale_dropped),
    ("bennett_diagonal", components_as_independent),
    ("bennett_spectral", average_eigenvalue),
    ("bennett", covariance_forgotten),
]


@pytest.mark.parametrize(("name", "mutant"), MUTANTS, ids=[mutant.__name__ for _, mutant in MUTANTS])
def test_must_fail(name: str, mutant: Mutant) -> None:
    """Keys on a line along the query of all ones, where every bound is nearly attained."""
    broken: list[str] = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        d = 4
        key = random.normal(size=(6, 1)) + np.zeros((6, d))
        query, scale = np.ones((1, d)), 2.0
        good = build_cells(key, "kmeans", count=1).groups[0]
        assert not check(query, good, BOUNDS[name], scale)
        broken += check(query, build_cells(key, "kmeans", count=1).groups[0], BOUNDS[name], scale, mutant)
    assert broken


def test_must_fail_without_multiplicity(monkeypatch: pytest.MonkeyPatch) -> None:
    """e^top once a cell instead of once a key."""
    key, query = np.ones((3, 2)), np.ones((1, 2))
    assert not check(query, build_cells(key, count=1).groups[0], BOUNDS["ball"], 1.0)

    def once(count: Any, upper: Any, shift: Any) -> Any:
        return maximum_mass(np.ones_like(count), upper, shift)

    monkeypatch.setattr("certify.search.cell_bounds.maximum_mass", once)
    assert any(
        wrong.startswith("upper") for wrong in check(query, build_cells(key, count=1).groups[0], BOUNDS["box"], 1.0)
    )


def test_an_unknown_bound_is_named() -> None:
    with pytest.raises(BadInput, match="bound = 'cone'; use one of ball, box"):
        bound_named("cone")
