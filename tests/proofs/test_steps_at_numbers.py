"""Every verified step once more, with numbers in the place of its symbols: sums are written out, nothing is
simplified symbolically.

This shares no rule with `proofs/symbolic/rules.py`, so a rule that reduced too much to 0 would show here.
"""

from __future__ import annotations

import random

import pytest
import sympy as sp

from proofs.ledger import evidence_of, theorems
from proofs.replay import enclosure, ends
from proofs.symbolic.derivation import Derivation, Step
from proofs.symbolic.rules import Rule, Setting, unfolded

PLACES = [place for theorem in theorems() for place in theorem.evidence["symbolic"]]
# Steps with an unknown function, or about limits, derivatives and integrals, have no value at a point.
NOT_NUMERIC = (sp.Limit, sp.Derivative, sp.Integral, sp.core.function.AppliedUndef, sp.factorial, sp.erfinv)


def written_out(expression: sp.Expr, rng: random.Random, values: dict[sp.Expr, sp.Expr], setting: Setting) -> sp.Expr:
    """Integers for lengths, every Σ expanded, every name replaced by what it stands for, a rational for every other
    symbol.
    """
    abbreviated = unfolded(expression, setting).subs(
        {name: total for name, total in setting.definitions if name not in constrained_names(setting)}
    )
    sizes = {s: values.setdefault(s, sp.Integer(rng.randint(1, 3))) for s in free(abbreviated) if s.is_integer}
    sums = abbreviated.subs(sizes).replace(lambda e: isinstance(e, sp.Sum), lambda e: e.doit())
    for item in sorted(sums.atoms(sp.Indexed), key=str):
        sums = sums.subs(item, values.setdefault(item, number(rng)))
    return sums.subs(
        {s: values.setdefault(s, small(rng) if s in setting.unit_interval else number(rng)) for s in free(sums)}
    )


def free(expression: sp.Expr) -> list[sp.Symbol]:
    labels = {base.label for base in expression.atoms(sp.IndexedBase)}
    return sorted((s for s in expression.free_symbols - labels if isinstance(s, sp.Symbol)), key=str)


def constrained_names(setting: Setting) -> set[sp.Expr]:
    """Names of sums whose value is a hypothesis (Σ q = 1, Σ s = t m): points chosen at random would break it."""
    return {name for name, _ in setting.definitions if name.is_number or name in dict(setting.abbreviations)}


def is_constrained(step: Step, setting: Setting) -> bool:
    names = constrained_names(setting)
    bases = set().union(*(total.atoms(sp.IndexedBase) for name, total in setting.definitions if name in names))
    return bool(bases & (step.lhs.atoms(sp.IndexedBase) | step.rhs.atoms(sp.IndexedBase)))


def number(rng: random.Random) -> sp.Rational:
    return sp.Rational(rng.randint(1, 30), rng.randint(7, 11))


def small(rng: random.Random) -> sp.Rational:
    return sp.Rational(rng.randint(1, 6), 7)


@pytest.mark.parametrize("place", PLACES)
def test_steps_hold_at_numbers(place: str) -> None:
    page = evidence_of(place)
    assert isinstance(page, Derivation)
    rng = random.Random(place)
    checked = 0
    for links in page.chains:
        for step in links.steps:
            expressions = (step.lhs, step.rhs)
            if (
                step.rule is Rule.LIMIT
                or any(e.has(*NOT_NUMERIC) for e in expressions)
                or is_constrained(step, page.setting)
            ):
                continue
            for _ in range(3):
                checked += holds_at_a_point(step, page.setting, rng)
    assert checked, "no step of this derivation was evaluated"


def holds_at_a_point(step: Step, setting: Setting, rng: random.Random) -> bool:
    """True if both sides were evaluated and agree (an inequality's surplus is added to its smaller side)."""
    surplus = sp.S.Zero if step.surplus is None else step.surplus if step.relation == "<=" else -step.surplus
    if surplus.has(*NOT_NUMERIC):
        return False
    values: dict[sp.Expr, sp.Expr] = {}
    difference = written_out(step.lhs + surplus, rng, values, setting) - written_out(step.rhs, rng, values, setting)
    if difference.is_real is False or difference.has(sp.I, sp.zoo, sp.nan, *NOT_NUMERIC):
        return False
    low, high = ends(enclosure(difference, {}))
    assert low <= 0 <= high, f"{step.reason}: {step.lhs} {step.relation} {step.rhs} at {values}: off by [{low}, {high}]"
    assert high - low < 2.0**-40, f"{step.reason}: not decided at {values}"
    return True
