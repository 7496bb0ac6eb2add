"""From SymPy to z3: real arithmetic with division, square roots, absolute values, minima and maxima.

A quotient x/y becomes x·r with r·y = 1, which keeps z3's non-linear solver fast. That is faithful only where y ≠ 0,
so every denominator is
handed back as an obligation; likewise every radicand must be ≥ 0. Integer symbols become reals: what is proved is
more than what is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy as sp
import z3

_RELATIONS = {
    sp.Eq: lambda a, b: a == b,
    sp.Ne: lambda a, b: a != b,
    sp.Le: lambda a, b: a <= b,
    sp.Lt: lambda a, b: a < b,
    sp.Ge: lambda a, b: a >= b,
    sp.Gt: lambda a, b: a > b,
}


class UntranslatableError(ValueError):
    """The expression is outside real algebra (a logarithm, an unevaluated sum, …)."""


@dataclass
class Translation:
    """Collects z3 variables while expressions are translated, with the meaning of every auxiliary one."""

    variables: dict[sp.Symbol, Any] = field(default_factory=dict)
    meanings: list[Any] = field(default_factory=list)
    obligations: list[tuple[Any, int]] = field(default_factory=list)  # each with the number of meanings it may rely on
    _auxiliary: dict[sp.Expr, Any] = field(default_factory=dict)

    def signs(self) -> list[Any]:
        """The assumptions that the symbols carry, as hypotheses."""
        known = []
        for symbol, variable in self.variables.items():
            if symbol.is_positive:
                known.append(variable > 0)
            elif symbol.is_nonnegative:
                known.append(variable >= 0)
        return known

    def boolean(self, formula: Any) -> Any:
        """A relation, or and/or/not/implies of relations."""
        if formula in (True, False, sp.true, sp.false):
            return z3.BoolVal(bool(formula))
        if isinstance(formula, sp.And):
            return z3.And(*map(self.boolean, formula.args))
        if isinstance(formula, sp.Or):
            return z3.Or(*map(self.boolean, formula.args))
        if isinstance(formula, sp.Not):
            return z3.Not(self.boolean(formula.args[0]))
        if isinstance(formula, sp.Implies):
            return z3.Implies(*map(self.boolean, formula.args))
        if isinstance(formula, sp.Equivalent):
            left, right = map(self.boolean, formula.args)
            return left == right
        relation = _RELATIONS.get(type(formula))
        if relation is None:
            raise UntranslatableError(f"not a relation: {formula}")
        return relation(self.real(formula.lhs), self.real(formula.rhs))

    def real(self, expression: sp.Expr) -> Any:
        """A term of real arithmetic."""
        if isinstance(expression, sp.Symbol):
            if any(known != expression and known.name == expression.name for known in self.variables):
                raise UntranslatableError(f"two symbols are called {expression}: give one of them another name")
            return self.variables.setdefault(expression, z3.Real(expression.name))
        if isinstance(expression, sp.Rational):
            return z3.RealVal(f"{expression.p}/{expression.q}")
        if isinstance(expression, sp.Add):
            return z3.Sum(*map(self.real, expression.args))
        if isinstance(expression, sp.Mul):
            return z3.Product(*map(self.real, expression.args))
        if isinstance(expression, sp.Abs):
            value = self.real(expression.args[0])
            return z3.If(value >= 0, value, -value)
        if isinstance(expression, sp.Max | sp.Min):
            return self._extreme(expression)
        if isinstance(expression, sp.Pow):
            return self._power(expression)
        raise UntranslatableError(f"not real algebra: {expression}")

    def _extreme(self, expression: sp.Expr) -> Any:
        first, *others = map(self.real, expression.args)
        for other in others:
            better = other > first if isinstance(expression, sp.Max) else other < first
            first = z3.If(better, other, first)
        return first

    def _power(self, power: sp.Pow) -> Any:
        if power.exp.is_Integer and power.exp > 0:
            base = self.real(power.base)
            return z3.Product(*[base] * int(power.exp))
        if power.exp.is_Integer:
            inverse = self._inverse(power.base)
            return z3.Product(*[inverse] * -int(power.exp))
        if power.exp.is_Rational and power.exp.q == 2:
            factor = self._root(power.base) if power.exp > 0 else self._inverse(sp.sqrt(power.base))
            return z3.Product(*[factor] * abs(int(power.exp.p)))
        raise UntranslatableError(f"not real algebra: {power}")

    def _inverse(self, base: sp.Expr) -> Any:
        if 1 / base not in self._auxiliary:
            value, inverse = self.real(base), z3.Real(f"inverse_{len(self._auxiliary)}")
            self._auxiliary[1 / base] = inverse
            self.obligations.append((value != 0, len(self.meanings)))
            self.meanings.append(value * inverse == 1)
        return self._auxiliary[1 / base]

    def _root(self, base: sp.Expr) -> Any:
        if sp.sqrt(base) not in self._auxiliary:
            value, root = self.real(base), z3.Real(f"root_{len(self._auxiliary)}")
            self._auxiliary[sp.sqrt(base)] = root
            self.obligations.append((value >= 0, len(self.meanings)))
            self.meanings.append(z3.And(root * root == value, root >= 0))
        return self._auxiliary[sp.sqrt(base)]
