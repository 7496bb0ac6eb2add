"""The few rules by which an equation may be verified: field algebra, finite sums, logarithms, calculus, limits.

Every rule but LIMIT rewrites `lhs − rhs` by identities and succeeds only when the result is the integer 0. The rule
for finite sums is written
out here because SymPy's own `simplify` does not split a sum at a symbolic place: a sum over 1…n is cut at the places
that the setting names, a condition
`i ≤ k` is decided on each piece, constants are taken out, and a sum with a name (Z_H, A_T, …) is replaced by that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import sympy as sp


class Rule(StrEnum):
    """How a step is verified."""

    ALGEBRA = "field algebra"
    SUMS = "finite sums"
    LOGARITHM = "logarithms and exponentials"
    CALCULUS = "differentiation and integration"
    LIMIT = "limit"
    ERROR_FUNCTION = "error function"


@dataclass(frozen=True)
class Setting:
    """What a derivation takes for granted about its symbols.

    definitions    a name and the sum that it stands for
    abbreviations  a name and the expression that it stands for: its sign is a hypothesis or another chain's conclusion
    length, cuts   sums over 1…length, or from cut to cut, are cut after each of these places
    unit_interval  symbols that lie strictly between 0 and 1
    """

    definitions: tuple[tuple[sp.Expr, sp.Expr], ...] = ()
    abbreviations: tuple[tuple[sp.Expr, sp.Expr], ...] = ()
    length: sp.Expr | None = None
    cuts: tuple[sp.Expr, ...] = ()
    unit_interval: tuple[sp.Symbol, ...] = ()


def holds(lhs: sp.Expr, rhs: sp.Expr, rule: Rule, setting: Setting) -> bool:
    """True when the rule verifies lhs = rhs; a False is "not verified", not "wrong"."""
    if rule is Rule.LIMIT:
        return bool(lhs.doit() == rhs)
    return bool(_reduced(unfolded(sums_in_normal_form(lhs - rhs, setting), setting), rule) == 0)


def unfolded(expression: sp.Expr, setting: Setting) -> sp.Expr:
    """The same value with every abbreviation written out; abbreviations may use those listed before them."""
    for name, value in reversed(setting.abbreviations):
        expression = expression.subs(name, value)
    return expression


def _reduced(difference: sp.Expr, rule: Rule) -> sp.Expr:
    if rule is Rule.ALGEBRA:
        return sp.simplify(sp.cancel(sp.together(difference)))
    if rule is Rule.SUMS:
        return _algebra_over_transcendentals(difference)
    if rule is Rule.LOGARITHM:
        return _algebra_over_transcendentals(difference)
    if rule is Rule.CALCULUS:
        return sp.simplify(sp.expand(_algebra_over_transcendentals(difference.doit())))
    return sp.simplify(sp.expand(difference.doit().rewrite(sp.erf), func=True))


def _algebra_over_transcendentals(expression: sp.Expr) -> sp.Expr:
    """Bring logarithms and exponentials to independent atoms, then simplify as a rational function of them."""
    tidied = _tidy(expression)
    rational = sp.cancel(sp.together(sp.powsimp(sp.expand_power_exp(tidied))))
    return sp.S.Zero if rational == 0 else sp.simplify(sp.expand(rational))


def _tidy(expression: sp.Expr) -> sp.Expr:
    """Factor inside absolute values, logarithms and square roots, so that assumptions on symbols can resolve them."""
    expression = expression.replace(sp.Abs, lambda a: sp.Abs(sp.factor(sp.cancel(a))))
    return expression.replace(sp.log, lambda a: sp.expand_log(sp.log(sp.factor(sp.cancel(sp.together(a))))))


def sums_in_normal_form(expression: sp.Expr, setting: Setting) -> sp.Expr:
    """The same value with every sum cut, linear, free of constants, and named where the setting has a name for it."""
    names = {_linear_sum(total, setting): name for name, total in setting.definitions}
    normal = expression.replace(lambda e: isinstance(e, sp.Sum), lambda e: _linear_sum(e, setting))
    return normal.subs(names)


def _linear_sum(total: sp.Sum, setting: Setting) -> sp.Expr:
    value = total.function
    for index, lower, upper in total.limits:
        value = sp.Add(*(_piece(value, index, a, b) for a, b in _pieces(lower, upper, setting)))
    return value


def _pieces(lower: sp.Expr, upper: sp.Expr, setting: Setting) -> list[tuple[sp.Expr, sp.Expr]]:
    if setting.length is None:
        return [(lower, upper)]
    ends = [sp.Integer(0), *setting.cuts, setting.length]
    if lower - 1 not in ends or upper not in ends:
        return [(lower, upper)]
    inside = ends[ends.index(lower - 1) : ends.index(upper) + 1]
    return [(a + 1, b) for a, b in pairwise(inside)]


def _piece(summand: sp.Expr, index: sp.Symbol, lower: sp.Expr, upper: sp.Expr) -> sp.Expr:
    """Sum one piece: conditions `index ≤ c` are decided by where the piece lies, then constants and plus signs are
    taken out.
    """

    def decided(condition: sp.Basic) -> sp.Basic:
        inside = (upper - condition.rhs).is_nonpositive
        outside = (lower - condition.rhs).is_positive
        return sp.true if inside else sp.false if outside else condition

    summand = summand.replace(lambda e: isinstance(e, sp.LessThan) and e.lhs == index, decided)
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(_tidy(sp.expand(summand)))):
        constant, rest = term.as_independent(index, as_Add=False)
        total += constant * (upper - lower + 1 if rest == 1 else _with_standard_index(rest, index, lower, upper))
    return total


def _with_standard_index(summand: sp.Expr, index: sp.Symbol, lower: sp.Expr, upper: sp.Expr) -> sp.Sum:
    """Equal sums must look equal: the bound index is called i unless that name is taken."""
    standard = sp.Symbol("i", integer=True, positive=True)
    if index == standard or standard in summand.free_symbols:
        return sp.Sum(summand, (index, lower, upper))
    return sp.Sum(summand.subs(index, standard), (standard, lower, upper))
