"""No drift: the constants and vectors that Coq compiled are exactly the kernel's own, and a change is noticed."""

from __future__ import annotations

import math
import re
from fractions import Fraction

import numpy as np
import pytest

from float_kernels import lane_sums
from float_kernels.exponential import COEFFICIENTS, Grade
from proofs.coq import export


@pytest.mark.parametrize("x", [1.0, -0.0, 0.1, -700.0, 5e-324, 2.0**-960, 1.7976931348623157e308, math.pi])
def test_a_dyadic_is_the_float_itself(x: float) -> None:
    mantissa, exponent = export.dyadic(x)
    assert Fraction(mantissa) * Fraction(2) ** exponent == Fraction(x)
    assert mantissa % 2 == 1 or (mantissa, exponent) == (0, 0)


def test_coq_has_the_constants_of_the_kernel() -> None:
    assert (export.THEORIES / "Constants.v").read_text(encoding="utf-8") == export.constants()


def test_coq_has_the_kernels_order_of_summation() -> None:
    assert (export.THEORIES / "Order.v").read_text(encoding="utf-8") == export.order()


def test_another_order_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = export.order()
    monkeypatch.setattr(lane_sums, "STEPS_PER_BLOCK", lane_sums.STEPS_PER_BLOCK - 1)
    assert export.order() != before


def test_a_stray_constant_in_the_sum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ordered_sum", lambda terms: np.asarray(terms.sum() + 1.0))
    with pytest.raises(ValueError, match=r"adds the constant 1\.0"):
        export.order()


def test_coq_has_the_results_of_numpy() -> None:
    assert (export.THEORIES / "Vectors.v").read_text(encoding="utf-8") == export.vectors()


FLOATS = ("CLAMP", "LOG2E", "MAGIC", "CLAMP_SHARE", "FLOOR", "OUTWARD_UP", "OUTWARD_DOWN")
BOUNDARIES = ("UNSHIFTED_MIN", "UNSHIFTED_MAX")
UNITS = ("SHIFT_UNITS", "OUTWARD_UNITS", "STEPS_PER_BLOCK", "MAX_KEYS")


@pytest.mark.parametrize("name", [*FLOATS, *BOUNDARIES])
def test_one_ulp_in_a_constant_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = export.constants()
    monkeypatch.setattr(export, name, float(np.nextafter(getattr(export, name), math.inf)))
    assert export.constants() != before


@pytest.mark.parametrize("name", UNITS)
def test_one_unit_in_the_budget_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = export.constants()
    monkeypatch.setattr(export, name, getattr(export, name) + 1)
    assert export.constants() != before


def test_twice_the_lanes_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = export.constants()
    monkeypatch.setattr(export, "LANES", 2 * export.LANES)
    assert export.constants() != before


@pytest.mark.parametrize("grade", export.GRADES)
def test_one_unit_of_the_exponential_is_noticed(grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    before = export.constants()
    monkeypatch.setitem(export.EXPONENTIAL_UNITS, grade, export.EXPONENTIAL_UNITS[grade] - 1)
    assert export.constants() != before


@pytest.mark.parametrize(
    ("grade", "index"), [(grade, i) for grade in export.GRADES for i in range(len(COEFFICIENTS[grade]))]
)
def test_one_ulp_in_a_coefficient_is_noticed(grade: Grade, index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = export.constants()
    changed = list(COEFFICIENTS[grade])
    changed[index] = float(np.nextafter(changed[index], 1.0))
    monkeypatch.setitem(COEFFICIENTS, grade, tuple(changed))
    assert export.constants() != before


def test_the_exponents_reach_the_corners() -> None:
    d = export.exponents()
    assert {-math.inf, -701.0, -700.0, 0.0, 5e-324, -5e-324, 512.0, 700.0} <= set(d.tolist())
    assert (np.signbit(d) & (d == 0)).any()
    inside = d[np.abs(d) < 700]
    assert len(inside) > 250
    exact_ties = np.abs(np.abs(np.remainder(inside * export.LOG2E, 1.0)) - 0.5) == 0
    assert exact_ties.sum() >= 8


def test_the_vectors_reach_the_corners() -> None:
    rows = export.rows()
    assert any(np.isneginf(scores).any() for scores, _ in rows)
    assert any(scores.max() > 512 for scores, _ in rows)
    assert any(scores.max() < -32 for scores, _ in rows)
    assert any(len(scores) > 100 for scores, _ in rows)
    assert any(not np.isfinite(scores[~kept]).any() for scores, kept in rows)
    intervals = re.findall(r"\], \(\(-?\d+, -?\d+\), \(-?\d+, -?\d+\)\)\)", export.vectors())
    assert len(intervals) == len(export.GRADES) * len(rows)
    # not vacuous: most upper bounds are below 1
    assert sum("(1, 0)" in interval for interval in intervals) < len(intervals) / 4
