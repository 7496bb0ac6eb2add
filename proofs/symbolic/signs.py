"""When an expression cannot be negative by the assumptions on its symbols alone.

SymPy knows the sign of symbols, products and even powers. Added here: sums and integrals of what is non-negative, and
symbols of the open unit interval,
for which x = y/(1+y) with y > 0 makes 1 − x = 1/(1+y) visible. The answer False means "not seen", never "negative".
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp


def manifestly_nonnegative(expression: sp.Expr, unit_interval: Sequence[sp.Symbol] = ()) -> bool:
    """True only if the expression is ≥ 0 wherever its symbols' assumptions hold."""
    substituted = expression.subs({x: _as_ratio(x) for x in unit_interval})
    return _nonnegative(substituted) or _nonnegative(sp.factor(sp.together(substituted)))


def _as_ratio(symbol: sp.Symbol) -> sp.Expr:
    y = sp.Symbol(f"{symbol.name}_ratio", positive=True)
    return y / (1 + y)


def _nonnegative(expression: sp.Expr) -> bool:
    if expression.is_nonnegative:
        return True
    if isinstance(expression, sp.Add | sp.Mul):
        return all(_nonnegative(argument) for argument in expression.args)
    if isinstance(expression, sp.Pow):
        return bool(expression.exp.is_real) and _nonnegative(expression.base) and expression.exp.is_positive is True
    if isinstance(expression, sp.Sum):
        return _nonnegative(expression.function)
    if isinstance(expression, sp.Integral):
        return _nonnegative_integral(expression)
    return False


def _nonnegative_integral(integral: sp.Integral) -> bool:
    """Every variable runs over [0, 1]; the integrand is non-negative on the open cube."""
    if any(tuple(limits[1:]) != (0, 1) for limits in integral.limits):
        return False
    integrand = integral.function.subs({limits[0]: _as_ratio(limits[0]) for limits in integral.limits})
    return _nonnegative(sp.together(integrand)) or _nonnegative(sp.factor(sp.together(integrand)))
