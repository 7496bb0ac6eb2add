"""Rounding a real number that is known only by enclosures, and being certain of every bit (Ziv's strategy).

A rounding is a monotone function on the reals. Where both ends of an enclosure round to the same result, so does the
number; otherwise the precision is raised. That never ends on a number that lies exactly on a boundary, so the boundary
is put to the exact test of T24 where the quantity has one. Where it has none, a limit of bits ends it with its own
error.

Two kinds of result: to nearest, ties to even, in the four binary formats (gradual underflow; overflow is infinity, as
IEEE 754 says) or in decimals of N significant digits; and downward and upward to 113 bits with unbounded exponent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import inf

from mpmath import mp, mpf
from mpmath.libmp import from_man_exp, mpf_pos, round_ceiling, round_floor

from certify.errors import BadInput, UndecidedRounding
from certify.interval import Interval

__all__ = [
    "DIRECTED_BITS",
    "FORMATS",
    "MAX_DIGITS",
    "BinaryFormat",
    "Real",
    "decimal",
    "directed",
    "nearest_binary",
    "rounded",
]

DIRECTED_BITS = 113
MAX_DIGITS = 4000  # Python refuses to write whole numbers of more than 4300 digits
_FIRST_BITS = 192  # above DIRECTED_BITS, so that the first enclosure decides nearly always
_LARGEST_EXPONENT = 1 << 17  # beyond 2^±this a number is no longer written out as a fraction


@dataclass(frozen=True, slots=True)
class BinaryFormat:
    """`precision` bits of significand; finite numbers are multiples of 2^`least` and smaller than 2^`beyond`."""

    name: str
    precision: int
    least: int
    beyond: int


FORMATS = {
    "binary64": BinaryFormat("binary64", 53, -1074, 1024),
    "binary32": BinaryFormat("binary32", 24, -149, 128),
    "binary16": BinaryFormat("binary16", 11, -24, 16),
    "bfloat16": BinaryFormat("bfloat16", 8, -133, 128),
}


@dataclass(frozen=True)
class Real:
    """A real number: `enclose(bits)` holds it and narrows as bits grow; `against(c)` is the exact sign of number − c,
    or None where that cannot be told.
    """

    name: str
    enclose: Callable[[int], Interval]
    against: Callable[[Fraction], int | None]
    max_bits: int
    _enclosed: dict[int, Interval] = field(default_factory=dict, repr=False)

    def enclosures(self, first_bits: int = _FIRST_BITS) -> Iterator[Interval]:
        bits = min(first_bits, self.max_bits)
        while True:
            if bits not in self._enclosed:
                self._enclosed[bits] = self.enclose(bits)
            yield self._enclosed[bits]
            if bits == self.max_bits:
                return
            bits = min(2 * bits, self.max_bits)

    @cached_property
    def exact(self) -> Fraction | None:
        """The number itself where it is a rational of moderate size, proved by the exact test; None where it is not, or
        where nobody can tell.
        """
        for enclosure in self.enclosures():
            if enclosure.lower == enclosure.upper and _moderate(enclosure.lower):
                return _fraction(enclosure.lower)
            ends = [end for end in (enclosure.lower, enclosure.upper) if _moderate(end)]
            if len(ends) < 2:
                # One end may be 0 and the other tiny: then 0 is the only candidate that is moderate.
                return Fraction(0) if enclosure.contains(0) and self.against(Fraction(0)) == 0 else None
            candidate = _simplest(_fraction(enclosure.lower), _fraction(enclosure.upper))
            size = candidate.numerator.bit_length() + candidate.denominator.bit_length()
            if candidate and size > enclosure.bits * 3 // 4:
                return None  # no simple number is near; the simplest one is an artefact of the width
            return candidate if self.against(candidate) == 0 else None
        return None


def rounded(number: Real, target: BinaryFormat) -> float:
    """`number` rounded to nearest, ties to even, in `target`; every result is a binary64 number or ±inf. Raises
    UndecidedRounding.
    """
    found = _nearest(number, lambda x: _nearest_unbounded(x, target), target.name)
    return _overflowed(found, target)


def nearest_binary(x: Fraction, target: BinaryFormat) -> float:
    """An exact rational rounded to nearest, ties to even, in `target`; ±inf on overflow."""
    return _overflowed(_nearest_unbounded(x, target), target)


def decimal(number: Real, digits: int) -> str | None:
    """`number` rounded to `digits` significant decimal digits, to nearest, ties to even, as d.ddd…e±x; 0 is "0".

    None for a number beyond 2^±131072, whose digits nobody wants to wait for. Raises BadInput for digits outside
    1..MAX_DIGITS, and UndecidedRounding.
    """
    if not 1 <= digits <= MAX_DIGITS:
        raise BadInput(f"digits = {digits} is outside 1..{MAX_DIGITS}; ask for fewer")
    if number.exact is None:
        first = next(number.enclosures())
        if not (_moderate(first.lower) and _moderate(first.upper)):
            return None
    first_bits = max(_FIRST_BITS, digits * 3322 // 1000 + 64)
    found = _nearest(number, lambda x: _nearest_decimal(x, digits), f"{digits} digits", first_bits)
    return _decimal_text(found, digits)


def directed(number: Real) -> tuple[mpf, mpf]:
    """(largest 113-bit number ≤ the number, smallest ≥ it), exponent unbounded: neighbours, or equal where it is one.

    So whoever holds an answer of at most 113 bits can compare it with the truth, by these two alone.
    """
    return _directed(number, round_floor), _directed(number, round_ceiling)


def _directed(number: Real, way: str) -> mpf:
    if (exact := number.exact) is not None:
        enclosure = Interval.point(exact, 2 * DIRECTED_BITS + exact.denominator.bit_length())
        end = enclosure.lower if way == round_floor else enclosure.upper
        return mp.make_mpf(mpf_pos(end._mpf_, DIRECTED_BITS, way))
    for enclosure in number.enclosures():
        low, high = (mp.make_mpf(mpf_pos(end, DIRECTED_BITS, way)) for end in enclosure.raw)
        if low == high:
            return low
        # The results change at a 113-bit number: going down at the upper one of two neighbours, going up at the lower.
        boundary = high if way == round_floor else low
        if _moderate(boundary) and _neighbours(low, high):
            side = number.against(_fraction(boundary))
            if side is not None:
                return boundary if side == 0 else low if side < 0 else high
    raise _undecided(number, f"{DIRECTED_BITS} bits")


def _neighbours(low: mpf, high: mpf) -> bool:
    """Whether no 113-bit number lies between two of them."""
    if not (_moderate(low) and _moderate(high)):
        return False
    middle = _raw((_fraction(low) + _fraction(high)) / 2)
    below, above = (mpf_pos(middle, DIRECTED_BITS, way) for way in (round_floor, round_ceiling))
    return bool(mp.make_mpf(below) == low and mp.make_mpf(above) == high)


def _raw(dyadic: Fraction) -> tuple[int, int, int, int]:
    return from_man_exp(dyadic.numerator, 1 - dyadic.denominator.bit_length())  # type: ignore[no-any-return]


def _nearest(
    number: Real, rounding: Callable[[Fraction], Fraction], target: str, first_bits: int = _FIRST_BITS
) -> Fraction:
    if (exact := number.exact) is not None:
        return rounding(exact)
    for enclosure in number.enclosures(first_bits):
        low, high = rounding(_clipped(enclosure.lower)), rounding(_clipped(enclosure.upper))
        if low == high:
            return low
        middle = (low + high) / 2
        if rounding((low + middle) / 2) == low and rounding((middle + high) / 2) == high:  # neighbours
            side = number.against(middle)
            if side is not None:
                return rounding(middle) if side == 0 else low if side < 0 else high
    raise _undecided(number, target)


def _undecided(number: Real, target: str) -> UndecidedRounding:
    return UndecidedRounding(
        f"{number.name} is so near a rounding boundary of {target} that {number.max_bits} bits do not tell its side, "
        "and no exact test applies; raise max_bits"
    )


def _nearest_unbounded(x: Fraction, target: BinaryFormat) -> Fraction:
    """To nearest even as if the exponent had no upper limit, except that nothing is larger than 2^beyond."""
    if not x:
        return x
    if abs(x) >= Fraction(2) ** target.beyond:
        return Fraction(2) ** target.beyond * (1 if x > 0 else -1)
    length = x.numerator.bit_length() - x.denominator.bit_length()  # 2^(length−1) < |x| < 2^(length+1)
    top = length if abs(x) >= Fraction(2) ** length else length - 1
    unit = Fraction(2) ** max(top + 1 - target.precision, target.least)
    return round(x / unit) * unit  # Python rounds a Fraction to nearest, ties to even


def _overflowed(found: Fraction, target: BinaryFormat) -> float:
    if abs(found) >= Fraction(2) ** target.beyond:
        return inf if found > 0 else -inf
    return float(found)


def _nearest_decimal(x: Fraction, digits: int) -> Fraction:
    if not x:
        return x
    power = _decimal_exponent(abs(x)) + 1 - digits
    unit = Fraction(10) ** power
    return round(x / unit) * unit


def _decimal_exponent(size: Fraction) -> int:
    """The p with 10^p ≤ size < 10^(p+1)."""
    power = (size.numerator.bit_length() - size.denominator.bit_length()) * 30103 // 100_000
    while Fraction(10) ** power > size:
        power -= 1
    while Fraction(10) ** (power + 1) <= size:
        power += 1
    return power


def _decimal_text(x: Fraction, digits: int) -> str:
    if not x:
        return "0"
    power = _decimal_exponent(abs(x))
    whole = str(int(abs(x) / Fraction(10) ** (power + 1 - digits)))
    return f"{'-' if x < 0 else ''}{whole[0]}{'.' + whole[1:] if digits > 1 else ''}e{power:+03d}"


def _moderate(end: mpf) -> bool:
    _, _, exponent, length = end._mpf_
    return bool(abs(exponent) + length < _LARGEST_EXPONENT)


def _fraction(end: mpf) -> Fraction:
    sign, mantissa, exponent, _ = end._mpf_
    size = Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)
    return -size if sign else size


def _clipped(end: mpf) -> Fraction:
    """An end as a fraction; one beyond 2^±131072 is replaced by one that every format rounds alike (0 or overflow)."""
    if _moderate(end):
        return _fraction(end)
    sign, _, exponent, length = end._mpf_
    far = _LARGEST_EXPONENT if exponent + length > 0 else -_LARGEST_EXPONENT
    return Fraction(2) ** far * (-1 if sign else 1)


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of least denominator in [low, high], by continued fractions; 0 where that is inside."""
    if low <= 0 <= high:
        return Fraction(0)
    if high < 0:
        return -_simplest(-high, -low)
    whole: list[int] = []
    while True:
        floor = low.numerator // low.denominator
        if floor == low or floor + 1 <= high:
            result = Fraction(floor if floor == low else floor + 1)
            break
        whole.append(floor)
        low, high = 1 / (high - floor), 1 / (low - floor)
    for part in reversed(whole):
        result = part + 1 / result
    return result
