"""Rigorous evaluation of SymPy formulas at rational points, independent of the audit side.

Field operations, square roots and absolute values are those of mpmath.iv, whose endpoints are rounded outward. Its
exp and log round an
approximation and may miss the true value by an ulp or so (`certify/interval.py` says how that was seen); here their
results are computed with GUARD more bits and widened by
2^−PRECISION relative to their size, which leaves a factor 2^GUARD for that error. This slack is *assumed* to suffice,
and tested against Arb. Φ comes from erf's alternating series with its first omitted term as the remainder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from mpmath import iv, mp, mpf

PRECISION = 120
GUARD = 60
SERIES_TERMS = 400

Point = Mapping[sp.Symbol, sp.Rational]


class NotEvaluableError(ValueError):
    """The formula contains something that this module has no enclosure for, or leaves its domain."""


def enclosure(expression: sp.Expr, point: Point) -> Any:
    """An mpmath.iv interval that holds the value of the expression at the point."""
    iv.prec = PRECISION + GUARD
    return _interval(sp.sympify(expression).subs(dict(point)))


def ends(interval: Any) -> tuple[mpf, mpf]:
    """Both ends, exactly; `mpf(interval.a)` would round them to mpmath's working precision."""
    low, high = interval._mpi_
    return mp.make_mpf(low), mp.make_mpf(high)


def truth(formula: Any, point: Point) -> bool | None:
    """Whether a relation or a boolean combination of relations holds at the point; None when the enclosures cannot
    tell.
    """
    if formula in (True, False, sp.true, sp.false):
        return bool(formula)
    if isinstance(formula, sp.And | sp.Or):
        answers = [truth(argument, point) for argument in formula.args]
        decisive = isinstance(formula, sp.Or)
        if decisive in answers:
            return decisive
        return None if None in answers else not decisive
    if isinstance(formula, sp.Not):
        inner = truth(formula.args[0], point)
        return None if inner is None else not inner
    if isinstance(formula, sp.Implies):
        return truth(sp.Or(sp.Not(formula.args[0], evaluate=False), formula.args[1], evaluate=False), point)
    if isinstance(formula, sp.Equivalent):
        left, right = (truth(argument, point) for argument in formula.args)
        return None if left is None or right is None else left == right
    return _relation(formula, point)


def _relation(relation: Any, point: Point) -> bool | None:
    difference = enclosure(relation.lhs - relation.rhs, point)
    low, high = ends(difference)
    below, above, zero = high < 0, low > 0, low == 0 == high
    known: dict[type, tuple[bool, bool]] = {
        sp.Le: (below or high <= 0, above),
        sp.Lt: (below, above or low >= 0),
        sp.Ge: (above or low >= 0, below),
        sp.Gt: (above, below or high <= 0),
        sp.Eq: (zero, below or above),
        sp.Ne: (below or above, zero),
    }
    yes, no = known[type(relation)]
    return True if yes else False if no else None


def _widened(value: Any) -> Any:
    slack = iv.mpf(2) ** -PRECISION
    return value * iv.mpf([1 - slack.b, 1 + slack.b])


def _interval(expression: sp.Expr) -> Any:
    if isinstance(expression, sp.Rational):
        return iv.mpf(int(expression.p)) / iv.mpf(int(expression.q))
    if isinstance(expression, sp.Add):
        return sum((_interval(argument) for argument in expression.args), iv.mpf(0))
    if isinstance(expression, sp.Mul):
        product = iv.mpf(1)
        for argument in expression.args:
            product *= _interval(argument)
        return product
    if isinstance(expression, sp.Pow):
        return _power(expression)
    if expression == sp.pi:
        return _widened(iv.pi)
    if expression == sp.E:
        return _widened(iv.exp(iv.mpf(1)))
    return _function(expression)


def _power(power: sp.Pow) -> Any:
    base = _interval(power.base)
    if power.exp.is_Integer:
        exponent = int(power.exp)
        if exponent < 0 and base.a <= 0 <= base.b:
            raise NotEvaluableError(f"division by something that may be 0: {power}")
        result = iv.mpf(1)
        for _ in range(abs(exponent)):
            result *= base
        return result if exponent > 0 else 1 / result
    if power.exp in (sp.Rational(1, 2), sp.Rational(-1, 2)) and base.a >= 0:
        root = iv.sqrt(base)
        return root if power.exp > 0 else 1 / root
    if base.a > 0:
        return _widened(iv.exp(_interval(power.exp) * _widened(iv.log(base))))
    raise NotEvaluableError(f"no enclosure for {power}")


def _function(expression: sp.Expr) -> Any:
    arguments = [_interval(argument) for argument in expression.args]
    if isinstance(expression, sp.exp):
        return _widened(iv.exp(arguments[0]))
    if isinstance(expression, sp.log) and arguments[0].a > 0:
        return _log(arguments[0])
    if isinstance(expression, sp.erf):
        return _error_function(arguments[0])
    if isinstance(expression, sp.Abs):
        return abs(arguments[0])
    if isinstance(expression, sp.Max | sp.Min):
        pick = max if isinstance(expression, sp.Max) else min
        return iv.mpf([pick(ends(x)[0] for x in arguments), pick(ends(x)[1] for x in arguments)])
    raise NotEvaluableError(f"no enclosure for {expression}")


def _log(argument: Any) -> Any:
    """log, widened absolutely as well: near 1 its value is small and its error need not be."""
    slack = iv.mpf(2) ** -PRECISION
    return _widened(iv.log(argument)) + iv.mpf([-slack.b, slack.b])


def _error_function(argument: Any) -> Any:
    """erf x = 2/√π Σ (−1)^r x^{2r+1}/(r!(2r+1)); the terms fall once r > x², so the first one left out bounds the
    rest. Needs |x| < 12.
    """
    if max(map(abs, ends(argument))) >= 12:
        raise NotEvaluableError(f"erf of {argument}")
    square, term, total = argument * argument, argument, iv.mpf(0)
    for r in range(SERIES_TERMS):
        total += term / (2 * r + 1) * (1 if r % 2 == 0 else -1)
        term *= square / (r + 1)
    rest = abs(term).b
    return (total + iv.mpf([-rest, rest])) * 2 / iv.sqrt(_widened(iv.pi))
