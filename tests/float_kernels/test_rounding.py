"""The error budget: every constant checked in exact arithmetic against what its derivation says it does."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb

from float_kernels import OutOfRangeError
from float_kernels.exponential import Grade
from float_kernels.lane_sums import ordered_sum
from float_kernels.rounding import (
    CLAMP_SHARE,
    EXPONENTIAL_UNITS,
    FLOOR,
    LANES,
    MAX_KEYS,
    OUTWARD_DOWN,
    OUTWARD_UNITS,
    OUTWARD_UP,
    SHIFT_UNITS,
    STEPS_PER_BLOCK,
    U,
    inflation,
    padded,
    sum_depth,
)

from . import oracle

LENGTHS = (1, 15, 16, 17, 2048, 2049, 4096, 131072, 2**24, MAX_KEYS)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("grade", ["fast", "exact"])
@pytest.mark.parametrize("n", LENGTHS)
def test_inflation_undoes_its_units(n: int, grade: Grade, shifted: bool) -> None:
    g = inflation(n, grade, shifted=shifted)
    units = EXPONENTIAL_UNITS[grade] + sum_depth(n) + OUTWARD_UNITS + (SHIFT_UNITS if shifted else 0)
    assert Fraction(1.0 + g) == 1 + Fraction(g)
    assert Fraction(1.0 - g) == 1 - Fraction(g)
    with oracle.precision():
        factor = (1 + arb(2) ** -53) ** units
        assert factor <= 1 + arb(g)
        assert (1 - arb(g)) * factor <= 1
        assert arb(g) <= (factor - 1) * arb("1.01")  # and hardly more than that


def test_depth_counts_every_addition() -> None:
    """Each path from a weight to the sum, followed on symbols: none is deeper than the bound."""
    for n in (1, 16, 17, 160, 2048, 2049, 4100, 20000):
        deepest = depth(np.zeros(padded(n), dtype=np.int64))
        assert deepest <= sum_depth(n)
        assert sum_depth(n) <= deepest + 2


def depth(paths: np.ndarray) -> int:
    """The order of the module lane_sums, on depths instead of numbers: a sum is one deeper than its deeper operand."""
    row = np.zeros(LANES, dtype=np.int64)
    steps = paths.reshape(-1, LANES)
    for start in range(0, len(steps), STEPS_PER_BLOCK):
        block = np.zeros(LANES, dtype=np.int64)
        for step in steps[start : start + STEPS_PER_BLOCK]:
            block = np.maximum(block, step) + 1
        row = np.maximum(row, block) + 1
    while row.size > 1:
        row = np.maximum(row[: row.size // 2], row[row.size // 2 :]) + 1
    return int(row[0])


def test_worst_case_of_the_order_stays_within_its_depth() -> None:
    """Tiny weights behind a large one are all lost in lane 0: the error is large, and still within the budget."""
    for n in (17, 2049, 70000):
        weights = np.full(n, 1.0)
        weights[0::LANES] = 2.0**-53
        weights[0] = 1.0
        computed, real = Fraction(float(ordered_sum(weights))), sum(map(Fraction, weights.tolist()))
        assert computed != real
        assert abs(computed - real) <= sum_depth(n) * U * real


def test_shift_units() -> None:
    """A difference of at most 700 in magnitude is rounded by at most 2⁻⁴⁴, and e to that is within SHIFT_UNITS."""
    assert np.spacing(700.0) / 2 == 2.0**-44
    with oracle.precision():
        assert (arb(2) ** -44).exp() <= 1 + SHIFT_UNITS * arb(2) ** -53
        assert (arb(2) ** -44).exp() * (1 - SHIFT_UNITS * arb(2) ** -53) <= 1


def test_outward_factors_undo_three_roundings() -> None:
    assert Fraction(OUTWARD_UP) * (1 - U) ** 3 >= 1
    assert Fraction(OUTWARD_DOWN) * (1 + U) ** 3 <= 1


def test_floor_stands_above_underflow() -> None:
    """A quotient at the floor was formed of normal numbers, and clamped weights alone stay below it."""
    assert np.finfo(np.float64).smallest_normal * 2.0**50 < FLOOR
    assert MAX_KEYS * CLAMP_SHARE < FLOOR


def test_lengths_outside_the_budget_are_refused() -> None:
    for n in (0, MAX_KEYS + 1):
        with pytest.raises(OutOfRangeError, match=str(n)):
            inflation(n, "fast", shifted=False)
