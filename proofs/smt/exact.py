"""Facts about numbers, decided by exact rational arithmetic: an enclosure of ln 2, and polynomials that are positive
on an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, comb, factorial, floor

LN2_TERMS = 260
LN2_BITS = 200  # the enclosure's ends are rounded outward to so many bits, which keeps the numbers short
TAYLOR_DEGREE = 26
DEEPEST_BISECTION = 12


@dataclass(frozen=True)
class Fact:
    """A statement about concrete numbers; `holds()` decides it without rounding."""

    theorem: str
    name: str
    holds: Callable[[], bool]


@cache
def ln2() -> tuple[Fraction, Fraction]:
    """(lower, upper) around ln 2 = Σ 1/(r 2^r); the terms after R sum to less than 1/((R + 1) 2^R)."""
    partial = sum((Fraction(1, r * 2**r) for r in range(1, LN2_TERMS + 1)), Fraction(0))
    rest = Fraction(1, (LN2_TERMS + 1) * 2**LN2_TERMS)
    unit = 2**LN2_BITS
    return Fraction(floor(partial * unit), unit), Fraction(ceil((partial + rest) * unit), unit)


@cache
def power_of_two_series() -> tuple[list[Fraction], Fraction]:
    """Coefficients of T(f) ≈ 2^f and a bound on |2^f − T(f)| for |f| ≤ ½.

    Taylor's remainder is below x^m/m!·(1 + x/(m+1) + …) ≤ 2x^m/m! for x = ln 2/2 < ½; using ln 2's lower end moves
    each coefficient by less than the width of its enclosure.
    """
    lower, upper = ln2()
    coefficients = [lower**r / factorial(r) for r in range(TAYLOR_DEGREE)]
    remainder = 2 * (upper / 2) ** TAYLOR_DEGREE / factorial(TAYLOR_DEGREE)
    moved = sum(((upper**r - lower**r) / factorial(r) for r in range(TAYLOR_DEGREE)), Fraction(0))
    return coefficients, remainder + moved


def is_nonnegative(coefficients: Sequence[Fraction], low: Fraction, high: Fraction, depth: int = 0) -> bool:
    """True only if Σ c_r x^r ≥ 0 on [low, high]: all Bernstein coefficients are ≥ 0, on the interval or on both of
    its halves.
    """
    if all(value >= 0 for value in _bernstein(_shifted(coefficients, low, high - low))):
        return True
    if depth == DEEPEST_BISECTION:
        return False
    middle = (low + high) / 2
    return is_nonnegative(coefficients, low, middle, depth + 1) and is_nonnegative(
        coefficients, middle, high, depth + 1
    )


def _shifted(coefficients: Sequence[Fraction], start: Fraction, width: Fraction) -> list[Fraction]:
    """Coefficients of x ↦ p(start + width·x), by Horner's rule on polynomials."""
    result: list[Fraction] = [Fraction(0)]
    for coefficient in reversed(coefficients):
        raised = [Fraction(0), *(value * width for value in result)]
        result = [a + b * start for a, b in zip(raised, [*result, Fraction(0)], strict=True)]
        result[0] += coefficient
    return result[: len(coefficients)]


def _bernstein(coefficients: Sequence[Fraction]) -> list[Fraction]:
    n = len(coefficients) - 1
    return [
        sum((Fraction(comb(i, j), comb(n, j)) * coefficients[j] for j in range(i + 1)), Fraction(0))
        for i in range(n + 1)
    ]


@cache
def is_close_to_power_of_two(coefficients: tuple[Fraction, ...], error: Fraction) -> bool:
    """|p(f) − 2^f| ≤ error·2^f for all |f| ≤ ½: both error·2^f ± (p − 2^f) are ≥ 0, with T(f) and its remainder for
    2^f.
    """
    series, remainder = power_of_two_series()
    polynomial = [*coefficients, *[Fraction(0)] * (len(series) - len(coefficients))]
    half = Fraction(1, 2)

    def room(sign: int) -> list[Fraction]:
        margin = [error * t - sign * (p - t) for t, p in zip(series, polynomial, strict=True)]
        margin[0] -= (1 + error) * remainder
        return margin

    return all(is_nonnegative(room(sign), -half, half) for sign in (-1, 1))
