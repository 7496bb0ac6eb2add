"""KL, χ² and squared Hellinger distance: enclosed, as narrow as the tail mass allows, and the logarithm verified."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

import float_kernels
from float_kernels.exponential import Grade
from float_kernels.f_divergences import log1p_lower, log1p_upper

from . import oracle
from .adversarial_rows import HANDMADE, Row, rows

GRADES: tuple[Grade, ...] = ("fast", "exact")
WIDTHS: dict[Grade, float] = {"fast": 2.0**-24, "exact": 2.0**-39}


def assert_sound(row: Row, grade: Grade) -> None:
    found = float_kernels.divergences(row.scores, row.kept, grade=grade)
    huge = np.abs(row.scores[row.scores > -np.inf].astype(np.float64)).max() > 1e300
    with oracle.precision(2100 if huge else oracle.BITS):
        values = {
            "kl": (oracle.kl(row.scores, row.kept), found.kl, np.inf),
            "chi_square": (oracle.odds(row.scores, row.kept), found.chi_square, np.inf),
            "hellinger": (oracle.hellinger_squared(row.scores, row.kept), found.hellinger_squared, 1.0),
        }
        tau = oracle.tail_mass(row.scores, row.kept)
        for name, (value, (lower, upper), largest) in values.items():
            case = f"{name} of {row}: {float(lower).hex()} … {float(upper).hex()}, value {value}"
            assert oracle.encloses(lower, upper, value, largest), case
            if arb(2) ** -900 <= tau <= 1 - arb(2) ** -900:
                assert arb(float(upper)) - arb(float(lower)) <= value * WIDTHS[grade], case


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("row", HANDMADE, ids=str)
def test_handmade_rows(row: Row, grade: Grade) -> None:
    assert_sound(row, grade)


@settings(max_examples=80, deadline=None)
@given(rows())
def test_drawn_rows(row: Row) -> None:
    for grade in GRADES:
        assert_sound(row, grade)


@settings(max_examples=300, deadline=None)
@given(st.floats(0.0, 2.0**990) | st.floats(0.0, 4.0) | st.floats(0.0, 1e-3) | st.sampled_from([5e-324, 0.6487212707]))
def test_verified_logarithm(x: float) -> None:
    """c⁻ ≤ ln(1 + x) ≤ c⁺ with a relative width below 2⁻⁴⁰, from subnormal x to the end of the range."""
    low, high = float(log1p_lower(np.array([x]))[0]), float(log1p_upper(np.array([x]))[0])
    with oracle.precision():
        value = arb(x).log1p()
        assert oracle.encloses(low, high, value), (x.hex(), low.hex(), high.hex())
        if x > 2.0**-900:
            assert arb(high) - arb(low) <= value * arb(2) ** -40, (x.hex(), low.hex(), high.hex())


def test_bad_proposal_is_never_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes back is proved: with a proposal that is 10 % off, bounds are wide, not wrong."""
    divergences = import_module("float_kernels.f_divergences")
    x = np.geomspace(1e-12, 1e12, 97)
    true = divergences._proposal
    for factor in (0.9, 1.1, 0.0, 3.0):
        monkeypatch.setattr(divergences, "_proposal", lambda value, factor=factor: true(value) * factor)
        low, high = log1p_lower(x), log1p_upper(x)
        with oracle.precision():
            for value, a, b in zip(x, low, high, strict=True):
                assert oracle.encloses(a, b, arb(float(value)).log1p()), (factor, value)


def test_kl_of_a_kept_set_far_below_is_finite() -> None:
    lower, upper = float_kernels.kl(np.array([1e30, 0.0, -5.0]), np.array([False, True, True]))
    assert 0.99e30 < lower <= upper < 1.01e30
