"""Tail mass: no violation on adversarial rows, and bounds as narrow as promised."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings

import float_kernels
from float_kernels.exponential import Grade
from float_kernels.tails import Implementation

from . import oracle
from .adversarial_rows import HANDMADE, Row, numbers, rows

GRADES: tuple[Grade, ...] = ("fast", "exact")
# (τ_hi − τ_lo)/τ at n ≤ 131072, for τ ≥ 2⁻⁹⁰⁰: the targets of the design.
WIDTHS: dict[Grade, float] = {"fast": 2.0**-24, "exact": 2.0**-40}


def assert_sound(row: Row, grade: Grade, implementation: Implementation = "numba") -> None:
    lower, upper = float_kernels.tail_mass(row.scores, row.kept, grade=grade, implementation=implementation)
    huge = np.abs(row.scores[row.scores > -np.inf].astype(np.float64)).max() > 1e300
    with oracle.precision(2100 if huge else oracle.BITS):
        tau = oracle.tail_mass(row.scores, row.kept)
        case = f"{row}: {lower.tobytes().hex()} {float(lower).hex()} … {float(upper).hex()}, τ = {tau}"
        assert oracle.encloses(lower, upper, tau, largest=1.0), case
        if tau >= arb(2) ** -900:
            assert arb(float(upper)) - arb(float(lower)) <= tau * WIDTHS[grade], case


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("row", HANDMADE, ids=str)
def test_handmade_rows(row: Row, grade: Grade) -> None:
    assert_sound(row, grade)


@settings(max_examples=150, deadline=None)
@given(rows())
def test_drawn_rows(row: Row) -> None:
    for grade in GRADES:
        assert_sound(row, grade)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_every_16_bit_score(dtype: type) -> None:
    """Rows (x, 0) and (0, x), the second key kept, for every x of the format: τ = e^x/(1 + e^x) and its complement."""
    values = numbers(np.dtype(dtype))
    scores = np.stack([values, np.zeros_like(values)], axis=-1)
    kept = np.broadcast_to([False, True], scores.shape)
    lower, upper = float_kernels.tail_mass(scores, kept)
    other_lower, other_upper = float_kernels.tail_mass(scores[:, ::-1], kept)
    with oracle.precision(160):
        one = arb(1)
        for index, x in enumerate(values.astype(np.float64).tolist()):
            tau = one / (one + (-arb(x)).exp())
            rest = one / (one + arb(x).exp())
            assert oracle.encloses(lower[index], upper[index], tau, largest=1.0), x.hex()
            assert oracle.encloses(other_lower[index], other_upper[index], rest, largest=1.0), x.hex()


def test_width_at_the_longest_row_of_the_targets() -> None:
    """n = 131072, in all orders of magnitude of τ: sound against Arb, and narrower than the target."""
    random = np.random.default_rng(0)
    scores = (3 * random.normal(size=131072)).astype(np.float32)
    order = np.argsort(-scores)
    for grade in GRADES:
        for k in (1, 1000, 131071):
            kept = np.zeros(scores.size, dtype=np.bool_)
            kept[order[:k]] = True
            assert_sound(Row(f"k = {k}", scores, kept), grade)


def test_nothing_dropped_is_exactly_zero() -> None:
    scores = np.array([[1.0, -np.inf, 3.0], [0.0, -800.0, 0.0]])
    kept = np.array([[True, False, True], [True, False, True]])
    lower, upper = float_kernels.tail_mass(scores, kept)
    assert (lower[0], upper[0]) == (0.0, 0.0)
    assert lower[1] == 0.0 < upper[1] < 1e-280  # e^−800 is below the floor, but it is not nothing


def test_never_above_one() -> None:
    lower, upper = float_kernels.tail_mass(np.array([1000.0, 0.0]), np.array([False, True]))
    assert lower <= 1.0 == upper
