"""T23 with the kernel's own numbers: every constant of float_kernels against the bound derived in `symbolic/kernel.py`.

The composed bound is evaluated from the symbolic steps with the kernel's coefficients, independently of
`float_kernels/rounding.py`,
which claims what is checked here. Inequalities between numbers are decided by exact rational arithmetic, those for
every N by z3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from typing import get_args

import numpy as np
import sympy as sp

from float_kernels import enclosure, exponential, lane_sums, rounding
from float_kernels.exponential import Float64
from proofs.smt.exact import Fact, is_close_to_power_of_two, ln2
from proofs.smt.query import Query
from proofs.symbolic import kernel

U = Fraction(1, 2**53)
ETA = Fraction(1, 2**1074)
ROUNDINGS_OF_THE_QUOTIENT = 3  # the denominator, the quotient, the outward factor
ROUNDINGS_OF_A_SUM = 3  # times 1 ± g, less the clamp's share, and one to spare
ROW_LENGTHS = (1, 2, 15, 16, 17, 100, 2047, 2048, 2049, 4096, 50_000, 131_072)
GRADES: tuple[exponential.Grade, ...] = get_args(exponential.Grade)


@dataclass(frozen=True)
class Depth:
    """Stands for a weight in the kernel's own summation: how many additions it has been through. Adding +0.0 counts,
    to be safe.
    """

    count: int = 0

    def __add__(self, other: object) -> Depth:
        return Depth(max(self.count, other.count if isinstance(other, Depth) else 0) + 1)

    __radd__ = __add__


def _exact(value: float) -> Fraction:
    return Fraction(value)


def polynomial(grade: exponential.Grade) -> tuple[Fraction, ...]:
    """Coefficients of p, constant term first."""
    return (Fraction(1), *map(Fraction, exponential.COEFFICIENTS[grade]))


def horner_bound(grade: exponential.Grade) -> Fraction:
    """The symbolic Horner steps, composed over the kernel's coefficients and evaluated at u = 2⁻⁵³, η = 2⁻¹⁰⁷⁴."""
    return _composed_horner(polynomial(grade))


@cache
def _composed_horner(polynomial: tuple[Fraction, ...]) -> Fraction:
    coefficients = [sp.Rational(c.numerator, c.denominator) for c in polynomial]
    numbers = {kernel.u: sp.Rational(1, 2**53), kernel.eta: sp.Rational(1, 2**1074)}
    magnitude, error = sp.Abs(coefficients[-1]), sp.S.Zero
    for coefficient in reversed(coefficients[:-1]):
        magnitude, error = (value.subs(numbers) for value in kernel.horner_step(magnitude, error, coefficient))
    return Fraction(int(error.p), int(error.q))


def exponential_bound(grade: exponential.Grade) -> Fraction:
    """ε of one weight: exponent error ρ from rounding t = d·LOG2E below 1024 and from LOG2E itself, polynomial,
    Horner.
    """
    reach = max(_exact(exponential.CEILING), -_exact(exponential.CLAMP))
    exponent_error = (Fraction(1, 2**44) + reach * rounding.LOG2E_ERROR) * ln2()[1]
    relative = rounding.POLYNOMIAL_ERROR[grade] + horner_bound(grade) * Fraction(99, 70)
    return Fraction(str(kernel.exponential_factor(sp.Rational(str(exponent_error)), sp.Rational(str(relative))))) - 1


def units_needed(depth: int, grade: exponential.Grade, *, shifted: bool) -> int:
    """Roundings by a factor 1 + u that one weight may be off by after `depth` additions, from the derived bounds."""
    shift = Fraction(1, 2**44)
    weight = -(-exponential_bound(grade) // U)
    return int(weight + depth + ROUNDINGS_OF_A_SUM + (-(-(shift + shift**2) // U) if shifted else 0))


@cache
def summation_depth(n: int) -> int:
    """Run the kernel's own summation on depths instead of weights."""
    through = lane_sums.ordered_sum(np.full((1, n), Depth(), dtype=object))
    return int(through[0].count)


def constants() -> tuple[Query | Fact, ...]:
    """T23: the constants of exponential.py, rounding.py, lane_sums.py and enclosure.py."""
    return (*numbers(), *_for_every_n())


def numbers() -> Iterator[Fact]:
    """The facts about concrete numbers, one after the other."""
    yield from _exponential_constants()
    yield from _quotient_constants()
    yield from _sum_constants()


def _exponential_constants() -> Iterator[Fact]:
    low, high = ln2()
    log2e = _exact(exponential.LOG2E)
    reach = max(_exact(exponential.CEILING), -_exact(exponential.CLAMP))
    extremes = (
        _exact(exponential.CLAMP) * log2e - Fraction(1, 2),
        _exact(exponential.CEILING) * log2e + Fraction(1, 2),
    )
    yield Fact(
        "T23", "LOG2E is within LOG2E_ERROR of log₂ e", lambda: _within(log2e, 1 / high, 1 / low, rounding.LOG2E_ERROR)
    )
    yield Fact("T23", "|t| < 1024, so half its spacing is at most 2⁻⁴⁴", lambda: reach * log2e < 1024)
    yield Fact("T23", "2^f > 70/99 for f ≥ −½", lambda: 2 * Fraction(70, 99) ** 2 < 1)
    yield Fact(
        "T23",
        "MAGIC rounds to integers and leaves k + 1023",
        lambda: _exact(exponential.MAGIC) == Fraction(3 * 2**51 + 1023),
    )
    yield Fact(
        "T23", "2^k is normal and finite on [CLAMP, CEILING]", lambda: extremes[0] - 1 > -1022 and extremes[1] < 1023
    )
    for grade in GRADES:
        yield Fact(
            "T23", f"{grade}: the polynomial is within POLYNOMIAL_ERROR of 2^f", partial(_polynomial_fits, grade)
        )
        yield Fact("T23", f"{grade}: horner_error covers the derived bound", partial(_horner_fits, grade))
        yield Fact("T23", f"{grade}: EXPONENTIAL_UNITS cover the derived ε", partial(_units_fit, grade))


def _polynomial_fits(grade: exponential.Grade) -> bool:
    return is_close_to_power_of_two(polynomial(grade), rounding.POLYNOMIAL_ERROR[grade])


def _horner_fits(grade: exponential.Grade) -> bool:
    return horner_bound(grade) <= rounding.horner_error(grade)


def _units_fit(grade: exponential.Grade) -> bool:
    return exponential_bound(grade) <= rounding.EXPONENTIAL_UNITS[grade] * U


def _within(value: Fraction, low: Fraction, high: Fraction, error: Fraction) -> bool:
    return value - low <= error and high - value <= error


def _sum_constants() -> Iterator[Fact]:
    low, high = ln2()
    shift = Fraction(1, 2**44)
    share_exponent = Fraction(_exact(rounding.CLAMP_SHARE).denominator.bit_length() - 1)
    weight = max(exponential_bound(grade) for grade in GRADES)
    yield Fact("T23", "U and TINIEST are those of binary64", lambda: rounding.U == U and rounding.TINIEST == ETA)
    yield Fact("T23", "SHIFT_UNITS cover e^σ − 1 for σ = 2⁻⁴⁴", lambda: shift + shift**2 <= rounding.SHIFT_UNITS * U)
    yield Fact("T23", "a shifted difference stays below 1024", lambda: -_exact(exponential.CLAMP) < 1024)
    yield Fact("T23", "OUTWARD_UNITS", lambda: rounding.OUTWARD_UNITS >= ROUNDINGS_OF_A_SUM)
    yield Fact(
        "T23",
        "CLAMP_SHARE is a power of two",
        lambda: _exact(rounding.CLAMP_SHARE) == Fraction(1, 2 ** int(share_exponent)),
    )
    yield Fact(
        "T23",
        "CLAMP_SHARE ≥ e^CLAMP (1 + ε): CLAMP + ε ≤ −share·ln 2",
        lambda: _exact(exponential.CLAMP) + weight <= -share_exponent * high,
    )
    yield Fact("T23", "n·CLAMP_SHARE is exact", lambda: rounding.padded(rounding.MAX_KEYS) < 2**53)
    yield Fact(
        "T23",
        "sums of MAX_KEYS weights up to e^UNSHIFTED_MAX do not overflow",
        lambda: _exact(lane_sums.UNSHIFTED_MAX) / low + 1 + rounding.MAX_KEYS.bit_length() < 1023,
    )
    yield Fact("T23", "unshifted rows stay below CEILING", lambda: lane_sums.UNSHIFTED_MAX <= exponential.CEILING)
    for n in ROW_LENGTHS:
        yield Fact("T23", f"sum_depth covers the replayed summation, n = {n}", partial(_depth_fits, n))
        for grade in GRADES:
            for shifted in (False, True):
                case = f"n = {n}, {grade}{', shifted' if shifted else ''}"
                yield Fact(
                    "T23", f"inflation covers the units, {case}", partial(_inflation_suffices, n, grade, shifted)
                )


def _depth_fits(n: int) -> bool:
    return summation_depth(n) <= rounding.sum_depth(n)


def _inflation_suffices(n: int, grade: exponential.Grade, shifted: bool) -> bool:
    units = units_needed(summation_depth(n), grade, shifted=shifted)
    g = _exact(rounding.inflation(n, grade, shifted=shifted))
    exact = _exact(1.0 + float(g)) == 1 + g and _exact(1.0 - float(g)) == 1 - g
    return exact and units <= 2**26 and units * U + (units * U) ** 2 <= g < 1


def _quotient_constants() -> Iterator[Fact]:
    growth = (1 + U) ** ROUNDINGS_OF_THE_QUOTIENT
    floor = _exact(rounding.FLOOR)
    yield Fact("T23", "OUTWARD_UP undoes three roundings", lambda: _exact(rounding.OUTWARD_UP) >= growth)
    yield Fact("T23", "OUTWARD_DOWN undoes three roundings", lambda: 0 < _exact(rounding.OUTWARD_DOWN) * growth <= 1)
    yield Fact(
        "T23",
        "below FLOOR nothing is claimed; above it no quotient has underflowed",
        lambda: floor / 2 >= Fraction(1, 2**1022),
    )
    yield Fact("T23", "FLOOR leaves the promised range of 2⁻⁹⁰⁰", lambda: floor <= Fraction(1, 2**900))
    yield Fact("T23", "sum_bounds, as shipped, cover the units of a row", _sum_bounds_cover)
    yield Fact("T23", "tail_mass_bounds, as shipped, cover the quotients of the sums", _quotients_are_covered)
    yield Fact("T23", "the longest row's units stay within 2²⁶", lambda: _most_units() <= 2**26)


def _sum_bounds_cover() -> bool:
    """Σ/(1 + u)^N … Σ(1 + u)^N around computed sums, less the clamp's share of all keys below."""
    tail, kept = np.array([0.3, 1.0, 2.0**-40]), np.array([1.0, 0.7, 3.0])
    cases = [(n, grade, shift) for n in (1, 300, 131_072) for grade in GRADES for shift in (0.0, 5.0)]
    return all(_covers(tail, kept, n, grade, shift) for n, grade, shift in cases)


def _covers(tail: Float64, kept: Float64, n: int, grade: exponential.Grade, shift: float) -> bool:
    found = enclosure.sum_bounds(tail, kept, np.full(tail.shape, shift), n, grade)
    units = units_needed(summation_depth(n), grade, shifted=shift != 0.0) - ROUNDINGS_OF_A_SUM
    factor = 1 + units * U + (units * U) ** 2  # ≥ (1 + u)^units
    share = n * _exact(rounding.CLAMP_SHARE)
    ends = ((tail, found.tail_lower, found.tail_upper), (kept, found.kept_lower, found.kept_upper))
    return all(
        _exact(float(low)) <= max(_exact(float(x)) / factor - share, Fraction(0))
        and _exact(float(up)) >= _exact(float(x)) * factor
        for computed, lower, upper in ends
        for x, low, up in zip(computed, lower, upper, strict=True)
    )


def _quotients_are_covered() -> bool:
    """At sums of very different sizes; where a quotient has underflowed the floor must stand."""
    sizes = [2.0**-1000, 2.0**-970, 2.0**-959, 0.1, 1.0, 3.0, 2.0**70]
    tail, kept = (grid.ravel() for grid in np.meshgrid(sizes, sizes))
    sums = enclosure.SumBounds(tail, tail * 1.25, kept, kept * 1.25)
    found = zip(*enclosure.tail_mass_bounds(sums), tail, kept, strict=True)
    return all(
        _exact(float(low)) <= _exact(float(t)) / (_exact(float(t)) + _exact(float(h)) * Fraction(5, 4))
        and _exact(float(up))
        >= _exact(float(t)) * Fraction(5, 4) / (_exact(float(t)) * Fraction(5, 4) + _exact(float(h)))
        for low, up, t, h in found
    )


def _most_units() -> int:
    return (
        rounding.sum_depth(rounding.MAX_KEYS)
        + max(rounding.EXPONENTIAL_UNITS.values())
        + rounding.SHIFT_UNITS
        + rounding.OUTWARD_UNITS
    )


def _for_every_n() -> Iterator[Query]:
    N, g = sp.Symbol("N", nonnegative=True), sp.Symbol("g", positive=True)
    u = sp.Rational(1, 2**53)
    few = (sp.Le(N, 2**26), sp.Ge(g, (N + 1) * u))
    yield Query("T23", "g = (N + 1)u covers Nu + (Nu)² for every N ≤ 2²⁶", few, sp.Ge(g, N * u + (N * u) ** 2))
    H, T, h_low, t_high = (sp.Symbol(name, positive=True) for name in ("H", "T", "h", "t"))
    bounds = (sp.Le(h_low, H), sp.Le(T, t_high))
    yield Query("T23", "the quotient of the bounds covers τ", bounds, sp.Le(T / (H + T), t_high / (h_low + t_high)))
