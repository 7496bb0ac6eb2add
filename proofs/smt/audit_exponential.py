"""T23's budget once more, for the audit's own exponential: every constant of `certify/vector_interval.py`.

The bound is composed here from the symbolic Horner steps with a reach that is itself derived; `_exp_error` there is
what is being checked. The audit multiplies by the parts of ln 2 instead of by log₂ e and uses Taylor's coefficients,
so nothing but the theory is shared with the kernels' budget. All comparisons are of exact rational numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import factorial

import sympy as sp

from certify import vector_interval as audit
from proofs.smt.exact import Fact, ln2
from proofs.smt.query import Query
from proofs.symbolic import kernel

U = Fraction(1, 2**53)
LARGEST_K = 1022
TREES = (0, 1, 2, 17, 64, 4096)


def constants() -> tuple[Query | Fact, ...]:
    """T23: the constants of vector_interval.py."""
    r = sp.Symbol("r", positive=True)
    widening = Query(
        "T23", "1/(1 − r) ≤ 1 + r + 2r² for r ≤ ¼", (sp.Le(r, sp.Rational(1, 4)),), sp.Le(1 / (1 - r), 1 + r + 2 * r**2)
    )
    return (widening, *facts())


def facts() -> Iterator[Fact]:
    """The facts about concrete numbers."""
    yield Fact("T23", "audit: UNIT_ROUNDOFF is that of binary64", lambda: audit.UNIT_ROUNDOFF == U)
    yield Fact(
        "T23", "audit: LN2 encloses ln 2", lambda: Fraction(audit.LN2[0]) < ln2()[0] < ln2()[1] < Fraction(audit.LN2[1])
    )
    yield Fact("T23", "audit: |k| ≤ 1022 on the whole domain", _k_is_small)
    yield Fact("T23", "audit: k·LN2_HI is exact", _product_is_exact)
    yield Fact("T23", "audit: the result is normal, so scaling by 2^k is exact", _result_is_normal)
    yield Fact("T23", "audit: EXP_TINY ≥ e^−EXP_DOMAIN", _tiny_is_enough)
    yield Fact(
        "T23", "audit: EXP_ERROR covers the derived bound", lambda: exponential_bound() <= Fraction(audit.EXP_ERROR)
    )
    yield Fact("T23", "audit: widening by EXP_ERROR undoes it", _widening_covers)
    yield Fact("T23", "audit: growth covers m roundings either way", _growth_covers)


def exponential_bound() -> Fraction:
    """A bound on |ê − e^d|/e^d for |d| ≤ EXP_DOMAIN, composed step by step."""
    reach, argument = _reach_and_argument_error()
    e_reach = _exponential_upper(reach)
    remainder = reach ** len(audit.TAYLOR) / factorial(len(audit.TAYLOR)) / (1 - reach / (len(audit.TAYLOR) + 1))
    relative = (remainder + _horner_bound(audit.TAYLOR, reach)) * e_reach
    exponent = Fraction(str(kernel.exponential_factor(sp.Rational(str(argument)), sp.S.Zero)))
    return exponent * (1 + relative) - 1


def _reach_and_argument_error() -> tuple[Fraction, Fraction]:
    """(bound on |r| and |r̂|, bound on |r̂ − r|) for r = d − k ln 2."""
    low, high = ln2()
    inverse, domain = Fraction(audit.INVERSE_LN2), Fraction(audit.EXP_DOMAIN)
    inverse_error = max(abs(inverse - 1 / high), abs(inverse - 1 / low))
    distance = Fraction(1, 2) + domain * inverse_error + U * domain * inverse  # of d/ln 2 from k = rint(fl(d·inverse))
    real = distance * high
    high_part, low_part = Fraction(audit.LN2_HI), Fraction(audit.LN2_LO)
    missing = max(abs(low - high_part - low_part), abs(high - high_part - low_part))
    first = U * (real + LARGEST_K * (low_part + missing))  # fl(d − k·LN2_HI)
    second = U * LARGEST_K * low_part  # fl(k·LN2_LO)
    before = first + second + LARGEST_K * missing
    error = before + U * (real + before)  # the last subtraction
    return real + error, error


@cache
def _horner_bound(coefficients: tuple[float, ...], reach: Fraction) -> Fraction:
    numbers = {kernel.u: sp.Rational(1, 2**53), kernel.eta: sp.Rational(1, 2**1074)}
    limit = sp.Rational(reach.numerator, reach.denominator)
    magnitude, error = sp.S.Zero, sp.S.Zero
    for place in reversed(range(len(coefficients))):
        exact = Fraction(1, factorial(place))
        off = abs(Fraction(coefficients[place]) - exact)
        step = kernel.horner_step(magnitude, error, _rational(exact), limit, _rational(off))
        # 200 bits, rounded up, keep the numbers short
        magnitude, error = (_rounded_up(value.subs(numbers)) for value in step)
    return Fraction(int(error.p), int(error.q))


def _rational(value: Fraction) -> sp.Rational:
    return sp.Rational(value.numerator, value.denominator)


def _rounded_up(value: sp.Rational) -> sp.Rational:
    return sp.ceiling(value * 2**400) / sp.Integer(2) ** 400


def _exponential_upper(x: Fraction) -> Fraction:
    """≥ e^x for 0 ≤ x < 1, by Taylor and a geometric series for the rest."""
    terms = 30
    partial = sum((x**i / factorial(i) for i in range(terms)), Fraction(0))
    return partial + x**terms / factorial(terms) / (1 - x)


def _k_is_small() -> bool:
    largest = Fraction(audit.EXP_DOMAIN) * Fraction(audit.INVERSE_LN2) * (1 + U)
    return largest + Fraction(1, 2) < LARGEST_K + 1


def _product_is_exact() -> bool:
    mantissa = Fraction(audit.LN2_HI).numerator
    return (mantissa * LARGEST_K).bit_length() <= 53


def _result_is_normal() -> bool:
    """e^−domain (1 − ε) ≥ 2^−1022 and e^domain (1 + ε) < 2^1024, with a whole bit of room for 1 ± ε at the top."""
    low, _ = ln2()
    lowest, room = Fraction(audit.EXP_DOMAIN) / low, Fraction(1, 4)
    return lowest + room <= 1022 and exponential_bound() <= Fraction(1, 8)


def _tiny_is_enough() -> bool:
    _, high = ln2()
    numerator, denominator = Fraction(audit.EXP_TINY).as_integer_ratio()
    exponent = denominator.bit_length() - 1  # EXP_TINY = 2^−exponent
    return numerator == 1 and denominator == 2**exponent and Fraction(audit.EXP_DOMAIN) / high >= exponent


def _widening_covers() -> bool:
    one = audit.VectorInterval.point(1.0).widened(audit.EXP_ERROR)
    error = Fraction(audit.EXP_ERROR)
    return Fraction(float(one.lower)) <= 1 / (1 + error) and Fraction(float(one.upper)) >= 1 / (1 - error)


def _growth_covers() -> bool:
    return all(audit.growth(m) >= (1 + U) ** m - 1 and audit.growth(m) >= 1 / (1 - U) ** m - 1 for m in TREES)
