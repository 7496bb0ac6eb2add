"""Intervals with exact endpoints and outward-rounded arithmetic.

The inclusion principle, to which everything in this module and in `enclosures/` is held:

    for every x in X and y in Y, the real number x ∘ y lies in X ∘ Y.

The four operations and the square root are those of mpmath's interval engine (`mpmath.libmp.libmpi`), which works on
integers and rounds each endpoint in its own direction; `tests/certify/test_interval.py` holds them to exact rational
arithmetic. mpmath's interval *exponential and logarithm are not used*: they round an approximation whose error nobody
bounded, and miss the true value about once in seven thousand calls
(`tests/certify/test_mpmath_iv_is_not_outward.py`). Ours are in `elementary/exponential.py`.

This room may not print verdicts, read files, or know what a score is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from mpmath import mp, mpf
from mpmath.libmp import (
    finf,
    fninf,
    fone,
    from_float,
    from_int,
    from_man_exp,
    fzero,
    mpf_add,
    mpf_cmp,
    mpf_mul,
    mpf_sqrt,
    mpi_add,
    mpi_div,
    mpi_mul,
    mpi_sub,
    round_ceiling,
    round_floor,
)

from certify.errors import BadInput, UndefinedOperation

__all__ = ["Interval", "Number", "Ternary", "total"]

Raw: TypeAlias = tuple[int, int, int, int]  # mpmath's (sign, mantissa, exponent, bit count); exact, of any size
Number: TypeAlias = "Interval | Fraction | float | int"

_DECIMALS_SHOWN_FROM = -100_000  # endpoints below 2**this print as 0 (lower) or as a power of ten above them (upper)


class Ternary(Enum):
    """The answer to a comparison of intervals. UNKNOWN is not a pass: using it as a bool raises."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        if self is Ternary.UNKNOWN:
            raise UndefinedOperation(
                "the intervals overlap, so the comparison is unknown; raise `bits` or ask `is Ternary.YES`"
            )
        return self is Ternary.YES


def _raw(value: mpf | float | int) -> Raw:
    if isinstance(value, np.generic):
        value = value.item() if isinstance(value, np.integer) else float(value)
    if isinstance(value, int):
        return from_int(value)  # type: ignore[no-any-return]
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise BadInput(f"{value} is not a finite number; an interval needs finite endpoints")
        return from_float(value)  # type: ignore[no-any-return]
    if not isinstance(value, mpf):
        raise BadInput(
            f"{value!r} is a {type(value).__name__}; an interval takes int, float, Fraction, mpf or a NumPy number"
        )
    return value._mpf_  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval [lower, upper] of real numbers; `bits` is the precision to which operations on it round
    outward.

    `lower` and `upper` are `mpmath.mpf` of whatever length is exact: they are values, not approximations. lower ≤
    upper always.
    """

    lower: mpf
    upper: mpf
    bits: int

    def __post_init__(self) -> None:
        if self.bits < 1:
            raise BadInput(f"bits = {self.bits} leaves no precision to work with; use 1 or more")
        if mpf_cmp(self.lower._mpf_, self.upper._mpf_) > 0:
            raise BadInput(f"an interval needs lower ≤ upper, not {self.lower} and {self.upper}")

    @staticmethod
    def from_raw(ends: tuple[Raw, Raw], bits: int) -> Interval:
        return Interval(mp.make_mpf(ends[0]), mp.make_mpf(ends[1]), bits)

    @staticmethod
    def point(value: mpf | Fraction | float | int, bits: int) -> Interval:
        """The thinnest interval that holds `value`: a point for a float or an int; for a Fraction, its quotient
        rounded outward.
        """
        if isinstance(value, Fraction):
            numerator, denominator = from_int(value.numerator), from_int(value.denominator)
            if value.denominator & (value.denominator - 1) == 0:
                raw = from_man_exp(value.numerator, 1 - value.denominator.bit_length())
                return Interval.from_raw((raw, raw), bits)
            return Interval.from_raw(mpi_div((numerator, numerator), (denominator, denominator), bits), bits)
        raw = _raw(value)
        return Interval.from_raw((raw, raw), bits)

    @staticmethod
    def between(lower: mpf | float | int, upper: mpf | float | int, bits: int) -> Interval:
        return Interval.from_raw((_raw(lower), _raw(upper)), bits)

    @property
    def raw(self) -> tuple[Raw, Raw]:
        return self.lower._mpf_, self.upper._mpf_

    @property
    def width(self) -> mpf:
        """upper − lower, exactly, or rounded up to 64 bits where the exact difference would be longer than that."""
        lower, upper = self.raw
        return mp.make_mpf(mpi_sub((upper, upper), (lower, lower), 64)[1])

    def _lift(self, other: Number) -> tuple[tuple[Raw, Raw], int]:
        if isinstance(other, Interval):
            return other.raw, max(self.bits, other.bits)
        return Interval.point(other, self.bits).raw, self.bits

    def __add__(self, other: Number) -> Interval:
        raw, bits = self._lift(other)
        return Interval.from_raw(mpi_add(self.raw, raw, bits), bits)

    def __sub__(self, other: Number) -> Interval:
        raw, bits = self._lift(other)
        return Interval.from_raw(mpi_sub(self.raw, raw, bits), bits)

    def __mul__(self, other: Number) -> Interval:
        raw, bits = self._lift(other)
        return Interval.from_raw(mpi_mul(self.raw, raw, bits), bits)

    def __truediv__(self, other: Number) -> Interval:
        (lower, upper), bits = self._lift(other)
        if mpf_cmp(lower, fzero) <= 0 <= mpf_cmp(upper, fzero):
            raise UndefinedOperation(f"division by {Interval.from_raw((lower, upper), bits)}, which holds zero")
        return Interval.from_raw(mpi_div(self.raw, (lower, upper), bits), bits)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Number) -> Interval:
        return Interval.from_raw(self._lift(other)[0], self.bits) - self

    def __rtruediv__(self, other: Number) -> Interval:
        return Interval.from_raw(self._lift(other)[0], self.bits) / self

    def __neg__(self) -> Interval:
        return Interval(_negated(self.upper), _negated(self.lower), self.bits)

    def square(self) -> Interval:
        """x² for every x here: never negative, unlike the product of an interval with itself."""
        magnitude = abs(self)
        return magnitude * magnitude

    def sqrt(self) -> Interval:
        lower, upper = self.raw
        if mpf_cmp(lower, fzero) < 0:
            raise UndefinedOperation(f"square root of {self}, which reaches below zero")
        bits = self.bits
        return Interval.from_raw((mpf_sqrt(lower, bits, round_floor), mpf_sqrt(upper, bits, round_ceiling)), bits)

    def __abs__(self) -> Interval:
        if self.lower >= 0:
            return self
        if self.upper <= 0:
            return -self
        return Interval.from_raw((fzero, max(_negated(self.lower), self.upper)._mpf_), self.bits)

    def maximum(self, other: Interval) -> Interval:
        """{max(x, y)}: the larger of two unknowns, not the larger of two intervals."""
        return Interval(max(self.lower, other.lower), max(self.upper, other.upper), max(self.bits, other.bits))

    def minimum(self, other: Interval) -> Interval:
        return Interval(min(self.lower, other.lower), min(self.upper, other.upper), max(self.bits, other.bits))

    def within(self, lower: float, upper: float) -> Interval:
        """The part of this interval in [lower, upper]: for a quantity known for other reasons to lie there."""
        low, high = mp.make_mpf(_raw(lower)), mp.make_mpf(_raw(upper))
        return Interval(min(max(self.lower, low), high), max(min(self.upper, high), low), self.bits)

    def __le__(self, other: Number) -> Ternary:
        (lower, upper), _ = self._lift(other)
        own_lower, own_upper = self.raw
        if mpf_cmp(own_upper, lower) <= 0:
            return Ternary.YES
        return Ternary.NO if mpf_cmp(own_lower, upper) > 0 else Ternary.UNKNOWN

    def __lt__(self, other: Number) -> Ternary:
        (lower, upper), _ = self._lift(other)
        own_lower, own_upper = self.raw
        if mpf_cmp(own_upper, lower) < 0:
            return Ternary.YES
        return Ternary.NO if mpf_cmp(own_lower, upper) >= 0 else Ternary.UNKNOWN

    def __ge__(self, other: Number) -> Ternary:
        return Interval.from_raw(self._lift(other)[0], self.bits) <= self

    def __gt__(self, other: Number) -> Ternary:
        return Interval.from_raw(self._lift(other)[0], self.bits) < self

    def contains(self, value: mpf | Fraction | float | int) -> bool:
        """Whether the exact real number `value` lies in here; decided exactly, whatever the exponents are."""
        if isinstance(value, Fraction):
            numerator, denominator = from_int(value.numerator), from_int(value.denominator)
        else:
            numerator, denominator = _raw(value), fone
        lower, upper = (mpf_mul(end, denominator) for end in self.raw)  # without a precision, mpf_mul is exact
        return bool(mpf_cmp(lower, numerator) <= 0 <= mpf_cmp(upper, numerator))

    def digits(self, count: int = 17) -> str:
        """ "[a, b]" with `count` significant decimal digits an endpoint, a rounded down and b rounded up."""
        if count < 1:
            raise BadInput(f"digits({count}) shows nothing; ask for 1 or more")
        lower, upper = self.raw
        return f"[{_decimal(lower, count, up=False)}, {_decimal(upper, count, up=True)}]"

    def __str__(self) -> str:
        return self.digits()


def total(terms: Iterable[Interval], bits: int) -> Interval:
    """The sum of intervals, each addition rounded outward to `bits`; [0, 0] for none."""
    lower, upper = fzero, fzero
    for term in terms:
        low, high = term.raw
        lower, upper = mpf_add(lower, low, bits, round_floor), mpf_add(upper, high, bits, round_ceiling)
    return Interval.from_raw((lower, upper), bits)


def _negated(value: mpf) -> mpf:
    """−value exactly; mpf's own minus rounds to whatever precision the global context has."""
    sign, mantissa, exponent, length = value._mpf_
    return mp.make_mpf((1 - sign if mantissa else sign, mantissa, exponent, length))


def _decimal(raw: Raw, count: int, *, up: bool) -> str:
    """`count` significant digits of an exact binary number, rounded towards +∞ (up) or −∞, from integers alone."""
    if raw in (finf, fninf):
        return "inf" if raw == finf else "-inf"
    sign, mantissa, exponent, length = raw
    if not mantissa:
        return "0"
    away = up != bool(sign)  # rounding up a positive number, or down a negative one, increases the magnitude
    if exponent + length < _DECIMALS_SHOWN_FROM:
        text = "1e-30000" if away else "0"
    elif exponent + length > -_DECIMALS_SHOWN_FROM:
        # Far beyond any quantity that is shown; name the power of two instead of a million digits.
        text = f"2**{exponent + length if away else exponent + length - 1}"
    else:
        size = Fraction(mantissa) * Fraction(2) ** exponent
        power = _decimal_exponent(size)
        scaled = size * Fraction(10) ** (count - 1 - power)
        whole = scaled.numerator // scaled.denominator
        if away and whole != scaled:
            whole += 1
        if whole == 10**count:
            whole, power = whole // 10, power + 1
        text = _layout(str(whole), power)
    return f"-{text}" if sign and text != "0" else text


def _decimal_exponent(size: Fraction) -> int:
    """The p with 10^p ≤ size < 10^(p+1)."""
    power = (size.numerator.bit_length() - size.denominator.bit_length()) * 30103 // 100000
    while Fraction(10) ** power > size:
        power -= 1
    while Fraction(10) ** (power + 1) <= size:
        power += 1
    return power


def _layout(digits: str, power: int) -> str:
    if -5 <= power < 0:
        return "0." + "0" * (-power - 1) + digits
    if 0 <= power < len(digits):
        head, tail = digits[: power + 1], digits[power + 1 :]
        return f"{head}.{tail}" if tail else head
    return f"{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{power:+03d}"
