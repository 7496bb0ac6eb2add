"""Roundings against exact fractions: nearest and directed, ties, range ends; and the error where bits run out."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mpmath import mp

from certify import elementary
from certify.errors import BadInput, UndecidedRounding
from certify.interval import Interval
from certify.reference_values.files import long_hexadecimal
from certify.reference_values.rounding import FORMATS, Real, decimal, directed, nearest_binary, rounded
from tests.certify.reference_values.arb_oracle import FORMATS as INTEGERS
from tests.certify.reference_values.arb_oracle import from_hex, to_113_bits, to_decimal, to_nearest

DTYPES = {"binary64": np.float64, "binary32": np.float32, "binary16": np.float16, "bfloat16": ml_dtypes.bfloat16}
dyadics = st.tuples(st.integers(-(2**120), 2**120), st.integers(-1300, 1100))


def around(exact: Fraction, known: bool = True) -> Real:
    """A number that is enclosed on both sides at every precision, never as a point; `known` if it has an exact test."""

    def enclose(bits: int) -> Interval:
        scaled = exact * 2 ** (bits + 1400)
        low, high = math.floor(scaled) - 1, math.ceil(scaled) + 1
        ends = (Fraction(end, 2 ** (bits + 1400)) for end in (low, high))
        return Interval.between(*(Interval.point(end, bits).lower for end in ends), bits)

    return Real("x", enclose, lambda c: ((exact > c) - (exact < c)) if known else None, 4096)


@given(dyadics)
@example((2**53 + 1, -1))
@example((2**54 + 2, 0))
@example((1, -1075))
@example((3, -1075))
@example((2**54 - 1, 970))
@example((-(2**25) - 1, 100))
@example((0, 0))
def test_a_binary_number_is_rounded_as_integers_say(number: tuple[int, int]) -> None:
    mantissa, exponent = number
    exact = Fraction(mantissa) * Fraction(2) ** exponent
    real = around(exact)
    for name, target in FORMATS.items():
        expected = to_nearest(mantissa, exponent, INTEGERS[name])
        assert nearest_binary(exact, target) == expected
        assert rounded(real, target) == expected
    for found, way in zip(directed(real), ("lower", "upper"), strict=True):
        assert from_hex(long_hexadecimal(found)) == to_113_bits(mantissa, exponent, way)


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_each_format_rounds_as_its_arrays_do(x: float) -> None:
    """Against NumPy's and ml_dtypes' own conversion from float64."""
    for name, target in FORMATS.items():
        with np.errstate(over="ignore"):
            assert nearest_binary(Fraction(x), target) == float(np.float64(x).astype(DTYPES[name]))


@given(dyadics, st.integers(1, 60))
@example((2**80 + 2**79, -80), 1)  # 1.5 to one digit: 2
@example((5, -1), 1)  # 2.5: 2
@example((9995 * 2**4, -4), 3)
def test_decimals_are_those_of_the_decimal_module(number: tuple[int, int], digits: int) -> None:
    mantissa, exponent = number
    found = decimal(around(Fraction(mantissa) * Fraction(2) ** exponent), digits)
    assert found is not None
    assert to_decimal(mantissa, exponent, digits) == Decimal(found)
    if mantissa:
        assert len(found.lstrip("-").partition("e")[0].replace(".", "")) == digits


def test_a_tie_without_an_exact_test_is_an_error_and_a_third_is_not() -> None:
    tie = around(Fraction(2**53 + 1, 2), known=False)
    with pytest.raises(UndecidedRounding, match="binary64 that 4096 bits do not tell its side"):
        rounded(tie, FORMATS["binary64"])
    with pytest.raises(UndecidedRounding, match="113 bits"):
        directed(tie)
    with pytest.raises(UndecidedRounding, match="2 digits"):
        decimal(around(Fraction(5, 4), known=False), 2)
    assert rounded(around(Fraction(1, 3), known=False), FORMATS["binary64"]) == 1 / 3
    assert rounded(around(Fraction(2**53 + 1, 2)), FORMATS["binary64"]) == 2.0**52


def test_an_exact_test_that_errs_is_seen() -> None:
    """The tie goes to the even side only because the exact test says 0."""
    tie = Fraction(2**53 + 1, 2)
    below = Real("x", around(tie).enclose, lambda c: -1, 4096)
    above = Real("x", around(tie).enclose, lambda c: 1, 4096)
    assert rounded(above, FORMATS["binary64"]) == 2.0**52 + 1
    assert rounded(below, FORMATS["binary64"]) == 2.0**52


def test_the_precision_is_raised_until_it_suffices() -> None:
    """e^(10^-300) − 1 agrees with 0 and with 10^-300 for a thousand bits."""
    tiny = Fraction(1, 10**300)
    asked: list[int] = []

    def enclose(bits: int) -> Interval:
        asked.append(bits)
        return elementary.exp(Interval.point(tiny, bits)) - 1

    assert rounded(Real("x", enclose, lambda c: None, 8192), FORMATS["binary64"]) == 1e-300
    assert max(asked) > 1000


@pytest.mark.parametrize("digits", [0, -1, 4001])
def test_digits_beyond_the_limit(digits: int) -> None:
    with pytest.raises(BadInput, match=r"outside 1\.\.4000"):
        decimal(around(Fraction(1, 3)), digits)


def test_four_thousand_digits() -> None:
    found = decimal(around(Fraction(1, 3)), 4000)
    assert found == "3." + "3" * 3999 + "e-01"


def test_no_decimals_far_out() -> None:
    far = Real("x", lambda bits: elementary.exp(Interval.point(-(10**9), bits)), lambda c: 1, 4096)
    assert decimal(far, 5) is None
    assert rounded(far, FORMATS["binary64"]) == 0.0
    beyond = Real("x", lambda bits: elementary.exp(Interval.point(10**9, bits)), lambda c: 1, 4096)
    assert rounded(beyond, FORMATS["bfloat16"]) == math.inf


@given(dyadics)
def test_long_hexadecimal_is_read_back(number: tuple[int, int]) -> None:
    value = mp.make_mpf(Interval.point(Fraction(number[0]) * Fraction(2) ** number[1], 4000).lower._mpf_)
    text = long_hexadecimal(value)
    mantissa, exponent = from_hex(text)
    assert Fraction(mantissa) * Fraction(2) ** exponent == Fraction(number[0]) * Fraction(2) ** number[1]
    if abs(number[0]) < 2**53 and number[1] > -1000 and number[1] < 900:
        assert float.fromhex(text) == float(Fraction(number[0]) * Fraction(2) ** number[1])


def test_exact_rationals_are_recognised() -> None:
    for exact in (Fraction(0), Fraction(1, 3), Fraction(-7, 11), Fraction(2**60 + 1), Fraction(1, 2**90)):
        assert around(exact).exact == exact
        assert around(exact, known=False).exact is None
    irrational: Any = Real("√2", lambda bits: Interval.point(2, bits).sqrt(), lambda c: 1 if c * c < 2 else -1, 4096)
    assert irrational.exact is None
