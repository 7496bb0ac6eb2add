"""The exponential: its error bound derived again in Arb, and its values against Arb, exhaustively where possible."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from flint import arb

from float_kernels import rounding
from float_kernels.exponential import CEILING, CLAMP, COEFFICIENTS, LOG2E, MAGIC, Grade, exponential

from . import oracle
from .adversarial_rows import numbers

GRADES: tuple[Grade, ...] = ("fast", "exact")
U = arb(2) ** -53


def exact(number: Fraction) -> arb:
    return arb(number.numerator) / arb(number.denominator)


def horner(coefficients: list[arb], f: arb) -> arb:
    value = arb(0)
    for coefficient in reversed(coefficients):
        value = value * f + coefficient
    return value


def pieces(count: int) -> list[tuple[arb, arb]]:
    """(piece, its midpoint) of [−½, ½] cut into equal pieces."""
    radius = Fraction(1, 2 * count)
    middles = [Fraction(2 * i + 1, 2 * count) - Fraction(1, 2) for i in range(count)]
    return [(exact(m) + arb(0, float(radius) * 1.0000001), exact(m)) for m in middles]


def polynomial_error(p: list[arb], piece: arb, middle: arb) -> arb:
    """|p(f)/2^f − 1| for f in the piece, by the mean value theorem: the derivative is (p' − ln 2·p)/2^f."""
    ln2 = arb.const_log2()
    slope = [(i + 1) * p[i + 1] - ln2 * p[i] for i in range(len(p) - 1)] + [-ln2 * p[-1]]
    value = horner(p, middle) * (-middle * ln2).exp() - 1
    return abs(value + horner(slope, piece) * (-piece * ln2).exp() * (piece - middle))


def running_error(p: list[arb], piece: arb) -> arb:
    """|q − p(f)| for f in the piece and q by Horner's rule: every operation adds u times the size of its result."""
    value, error = p[-1], arb(0)
    for coefficient in reversed(p[:-1]):
        value, error = value * piece, error * abs(piece)
        error += U * (abs(value) + error) + arb(2) ** -1074
        value = value + coefficient
        error += U * (abs(value) + error)
    return error


@pytest.mark.parametrize("grade", GRADES)
def test_polynomial_error(grade: Grade) -> None:
    with oracle.precision():
        p = [arb(1), *oracle.balls(COEFFICIENTS[grade])]
        claimed = exact(rounding.POLYNOMIAL_ERROR[grade])
        errors = [polynomial_error(p, piece, middle) for piece, middle in pieces(4096)]
        assert all(error <= claimed for error in errors)
        # and the constant is not generous: seven eighths of it are exceeded somewhere
        assert any(error > claimed * 7 / 8 for error in errors)


@pytest.mark.parametrize("grade", GRADES)
def test_error_budget_derived_again(grade: Grade) -> None:
    """The units that the kernels inflate by cover reduction, polynomial and Horner's roundings, piece by piece of f."""
    with oracle.precision():
        ln2 = arb.const_log2()
        log2e_error = abs(arb(LOG2E) - 1 / ln2)
        assert log2e_error <= exact(rounding.LOG2E_ERROR)
        assert abs(arb(CLAMP) * arb(LOG2E)) < 1023  # so that the spacing of t is at most 2⁻⁴³
        drift = ((arb(2) ** -44 + arb(CEILING) * log2e_error) * ln2).exp()
        p = [arb(1), *oracle.balls(COEFFICIENTS[grade])]
        budget = rounding.EXPONENTIAL_UNITS[grade] * U
        largest = 0.0
        for piece, middle in pieces(4096):
            relative = polynomial_error(p, piece, middle) + running_error(p, piece) * (-piece * ln2).exp()
            error = drift / (1 - relative) - 1
            assert error <= budget
            largest = max(largest, float(error.mid()))
        assert largest > 0.9 * rounding.EXPONENTIAL_UNITS[grade] * 2.0**-53  # nothing generous was hidden in it


def test_reduction_is_exact() -> None:
    """b − MAGIC and t − (b − MAGIC) lose nothing, |f| ≤ ½, and the low bits of b are the exponent of 2^k."""
    d = np.concatenate([np.linspace(CLAMP, CEILING, 5001), (np.arange(-1009, 1010) + 0.5) * np.log(2)])
    d = d[(d >= CLAMP) & (d <= CEILING)]
    t = d * LOG2E
    b = t + MAGIC
    assert np.all((b >= 2.0**52) & (b < 2.0**53))
    for t_i, b_i in zip(t, b, strict=True):
        k = int(Fraction(float(b_i)) - Fraction(MAGIC))
        f = Fraction(float(t_i)) - k
        assert abs(f) <= Fraction(1, 2)
        assert float(b_i) - MAGIC == k
        assert float(t_i) - (float(b_i) - MAGIC) == f


def assert_accurate(d: np.ndarray, grade: Grade) -> None:
    """e^d ≤ w(1 + ε) and w ≤ e^d(1 + ε), certainly, for every d in the domain."""
    w = exponential(d, grade)
    with oracle.precision(160):
        allowed = 1 + exact(rounding.exponential_error(grade))
        for x, y in zip(d.tolist(), w.tolist(), strict=True):
            true, computed = arb(x).exp(), arb(y)
            assert true <= computed * allowed, (x.hex(), y.hex())
            assert computed <= true * allowed, (x.hex(), y.hex())


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_every_16_bit_number(dtype: type, grade: Grade) -> None:
    values = np.unique(numbers(np.dtype(dtype)).astype(np.float64))
    inside = (values >= CLAMP) & (values <= CEILING)
    assert_accurate(values[inside], grade)
    below = exponential(values[values < CLAMP], grade)
    assert np.all(below == exponential(np.array([CLAMP]), grade))


@pytest.mark.parametrize("grade", GRADES)
def test_every_float32_exponent(grade: Grade) -> None:
    exponents = np.ldexp(1.0, np.arange(-149, 128))
    fractions = np.array([1.0, 1.0 + 2.0**-23, 1.25, 1.5, np.float32(np.sqrt(2)), 1.75, 2.0 - 2.0**-23])
    d = np.unique((exponents[:, None] * fractions).ravel().astype(np.float32).astype(np.float64))
    d = np.concatenate([-d, d])
    assert_accurate(d[(d >= CLAMP) & (d <= CEILING)], grade)


@pytest.mark.parametrize("grade", GRADES)
def test_around_every_rounding_of_k(grade: Grade) -> None:
    """Where k changes, |f| is at its largest: the three floats around (k + ½)·ln 2, for every k of the domain."""
    with oracle.precision(160):
        middles = [float(((arb(k) + arb("0.5")) * arb.const_log2()).mid()) for k in range(-1009, 1009)]
    d = np.array(middles)
    d = np.concatenate([np.nextafter(d, -np.inf), d, np.nextafter(d, np.inf), np.array([CLAMP, CEILING])])
    assert_accurate(d[(d >= CLAMP) & (d <= CEILING)], grade)


def test_clamp_share_covers_the_clamped_weight() -> None:
    for grade in GRADES:
        (w,) = exponential(np.array([CLAMP]), grade)
        assert 2.0**-1022 <= w <= rounding.CLAMP_SHARE
    assert np.isnan(exponential(np.array([np.nan]), "fast"))[0]
