"""The output error and its bounds, against Arb from the definition and against the auditor's enclosures."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

import float_kernels
from certify import enclosures

from . import oracle
from .adversarial_rows import HANDMADE, Row, rows

SMALL = [row for row in HANDMADE if row.scores.size <= 300 and row.name != "the largest floats"]


def values_for(n: int, seed: int, scale: float = 1.0, d: int = 3) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(size=(n, d))


def assert_sound(row: Row, values: np.ndarray) -> None:
    lower, upper = float_kernels.output_error(row.scores, row.kept, values)
    with oracle.precision(2500):  # the definition cancels where τ is small
        value = oracle.output_error(row.scores, row.kept, values)
        tau = oracle.tail_mass(row.scores, row.kept)
        largest = max(oracle.total([v * v for v in oracle.balls(value)]).sqrt() for value in values)
        case = f"{row}: {float(lower).hex()} … {float(upper).hex()}, value {value}"
        nothing_dropped = not (row.scores[~row.kept] > -np.inf).any()
        assert oracle.encloses(lower, upper, value) or (nothing_dropped and lower == upper == 0.0), case
        tail, held = oracle.masses(row.scores, row.kept)
        if min(tail, held) > arb(2) ** -900 and largest < 1e300:  # far from the clamp: as narrow as promised
            assert arb(float(upper)) - arb(float(lower)) <= tau * largest * arb(2) ** -38 + arb(2) ** -900, case


@pytest.mark.parametrize("row", SMALL, ids=str)
def test_handmade_rows(row: Row) -> None:
    for seed, scale in enumerate((1.0, 1e-300, 1e300)):
        assert_sound(row, values_for(row.scores.size, seed, scale))
    same = np.full((row.scores.size, 2), 0.1)
    assert_sound(row, same)
    assert_sound(row, same * 0.0)
    spike = same.copy()
    spike[-1] = [1e15, -1e15]
    assert_sound(row, spike)


@settings(max_examples=60, deadline=None)
@given(rows(max_keys=20), st.integers(0, 2**31), st.sampled_from([1.0, 1e-30, 1e30]))
def test_drawn_rows(row: Row, seed: int, scale: float) -> None:
    assert_sound(row, values_for(row.scores.size, seed, scale))


@settings(max_examples=15, deadline=None)
@given(rows(max_keys=8), st.integers(0, 2**31))
def test_against_the_enclosures_of_the_auditor(row: Row, seed: int) -> None:
    """T10 is enclosed; T11 to T14 are above the error and above their own real values, T12 to T14 hardly."""
    values = values_for(row.scores.size, seed)
    lower, upper = float_kernels.output_error(row.scores, row.kept, values)
    value = enclosures.output_error(row.scores, row.kept, values, bits=256)
    assert lower == 0.0 or lower <= value.lower
    assert value.upper <= upper
    found = float_kernels.output_bounds(row.scores, row.kept, values)
    assert value.upper <= found.norm
    assert found.best == min(found.norm, found.diameter, found.variance)
    for bound, real in (
        (found.diameter, enclosures.diameter_bound(row.scores, row.kept, values, bits=256)),
        (found.variance, enclosures.variance_bound(row.scores, row.kept, values, bits=256)),
    ):
        assert real.lower <= bound
        tau = enclosures.tail_mass(row.scores, row.kept, bits=256)
        if real.lower > 2.0**-400 and tau.upper < 1 - 2.0**-30:  # beyond, the kept set may lie below the clamp
            assert bound <= real.lower * (1 + 2.0**-36) + 2.0**-40


def test_values_shared_by_rows_in_every_way() -> None:
    """[n, d] for all rows, [heads, 1, n, d] for the queries of a head, [rows, n, d] for each: the same numbers."""
    random = np.random.default_rng(4)
    scores = random.normal(size=(2, 3, 20)).astype(np.float32)
    kept = random.random((2, 3, 20)) < 0.6
    values = random.normal(size=(2, 1, 20, 4)).astype(np.float16)
    lower, upper = float_kernels.output_error(scores, kept, values)
    bounds = float_kernels.output_bounds(scores, kept, values)
    assert lower.shape == upper.shape == bounds.best.shape == (2, 3)
    for head in range(2):
        alone = float_kernels.output_error(scores[head], kept[head], values[head, 0])
        assert np.array_equal(alone, (lower[head], upper[head]))
        assert np.array_equal(
            float_kernels.output_bounds(scores[head], kept[head], values[head, 0]).best, bounds.best[head]
        )
    each = np.broadcast_to(values, (2, 3, 20, 4))
    assert np.array_equal(float_kernels.output_error(scores, kept, each), (lower, upper))
    assert np.array_equal(float_kernels.output_error(scores, kept, each.astype(np.float64)), (lower, upper))
    assert float_kernels.output_error(scores, kept, values.astype(ml_dtypes.bfloat16))[0].shape == (2, 3)


def test_masked_values_do_not_count() -> None:
    scores, kept = np.array([0.0, 1.0, -np.inf]), np.array([True, False, False])
    near: Any = np.array([[1.0], [2.0], [0.0]])
    far = near + np.array([[0.0], [0.0], [1e6]])
    assert np.array_equal(float_kernels.output_error(scores, kept, near)[0] > 0.7, True)
    tau = float_kernels.tail_mass(scores, kept, grade="exact")[1]
    assert float_kernels.output_bounds(scores, kept, far).diameter <= tau * (1 + 1e-12)


def test_long_rows() -> None:
    random = np.random.default_rng(8)
    scores, values = 3 * random.normal(size=4200), random.normal(size=(4200, 2))
    assert_sound(Row("long", scores, scores > 1.0), values)
