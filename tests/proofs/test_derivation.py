"""The derivation engine refuses what it should, and every step of every derivation fails once it is mutated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sympy as sp

from proofs.ledger import evidence_of, theorems
from proofs.symbolic.derivation import (
    Chain,
    Derivation,
    Step,
    at_least,
    at_most,
    chain,
    equals,
    fault_of_chain,
    fault_of_step,
    faults,
)
from proofs.symbolic.rules import Rule, Setting
from proofs.symbolic.signs import manifestly_nonnegative

PLACES = [place for theorem in theorems() for place in theorem.evidence["symbolic"]]
a, b = sp.Symbol("a", positive=True), sp.Symbol("b", positive=True)
x = sp.Symbol("x", real=True)
i = sp.Symbol("i", integer=True, positive=True)
n = sp.Symbol("n", integer=True, positive=True)
w = sp.IndexedBase("w", positive=True)


def derivation(place: str) -> Derivation:
    found = evidence_of(place)
    assert isinstance(found, Derivation)
    return found


@pytest.mark.parametrize("place", PLACES)
def test_every_derivation_is_verified(place: str) -> None:
    assert faults(derivation(place)) == ()


def mutants(step: Step) -> Iterator[Step]:
    """Small mistakes of the kind one makes on paper: a sign, a factor, a term lost, something added, ≤ for ≥, half
    the surplus.
    """
    if step.relation == "=":
        candidates = [step.rhs + 1, 2 * step.rhs + 1, step.rhs - sp.Rational(1, 10**6)]
        if step.rhs not in (0, sp.oo):
            candidates.append(-step.rhs)
        if isinstance(step.rhs, sp.Add):
            candidates += [step.rhs - term for term in step.rhs.args]
        yield from (replace(step, rhs=candidate) for candidate in candidates if candidate != step.rhs)
        return
    yield replace(step, relation=">=" if step.relation == "<=" else "<=")
    yield replace(step, surplus=step.surplus / 2)
    yield replace(step, surplus=-step.surplus)
    yield replace(step, rhs=step.rhs + (-1 if step.relation == "<=" else 1) * 2 * step.surplus)


@pytest.mark.parametrize("place", PLACES)
def test_every_mutated_step_fails(place: str) -> None:
    page = derivation(place)
    for links in page.chains:
        for step in links.steps:
            for mutant in mutants(step):
                assert fault_of_step(mutant, page.setting) is not None, f"{links.name}: {step.reason}: {mutant}"


def test_a_trivial_step_is_refused() -> None:
    assert "trivial" in (fault_of_step(Step(a + b, "=", b + a, "", Rule.ALGEBRA), Setting()) or "")
    assert "trivial" in (fault_of_step(Step(a, "<=", a + 0, "", Rule.ALGEBRA, sp.S.Zero), Setting()) or "")
    assert "trivial" in (
        fault_of_step(Step(a * (a + b), "<=", a**2 + a * b, "", Rule.ALGEBRA, sp.S.Zero), Setting()) or ""
    )


def test_an_inequality_needs_a_surplus_that_cannot_be_negative() -> None:
    assert fault_of_step(at_most_step(a + b, b), Setting()) is None
    assert fault_of_step(at_most_step(a + x, x), Setting()) is not None
    assert "needs a surplus" in (fault_of_step(Step(a, "<=", a + b, "", Rule.ALGEBRA), Setting()) or "")


def at_most_step(rhs: sp.Expr, surplus: sp.Expr) -> Step:
    return chain("", a, at_most(rhs, surplus, "")).steps[0]


def test_a_chain_must_join() -> None:
    broken = Chain(
        "",
        (
            Step(a * (a + b), "=", a**2 + a * b, "", Rule.ALGEBRA),
            Step(a**2, "=", a * b * a / b + 0 * x, "", Rule.ALGEBRA),
        ),
    )
    assert "does not start" in (fault_of_chain(broken, Setting()) or "")
    both_ways = chain("", a + b, at_least(a, b, ""), at_most(a + b / 2, b / 2, ""))
    assert "in one chain" in (fault_of_chain(both_ways, Setting()) or "")
    assert fault_of_chain(Chain("", ()), Setting()) == "an empty chain"
    assert faults(Derivation("T1", "", Setting(), ())) == ("no chains",)


def test_a_sum_is_not_confused_with_another_range() -> None:
    whole, part = sp.Sum(w[i], (i, 1, n)), sp.Sum(w[i], (i, 2, n))
    assert fault_of_step(Step(whole, "=", part, "", Rule.SUMS), Setting()) is not None
    name = sp.Symbol("Z", positive=True)
    setting = Setting(definitions=((name, whole),))
    assert fault_of_step(Step(2 * whole, "=", 2 * name, "", Rule.SUMS), setting) is None
    assert fault_of_step(Step(part, "=", name, "", Rule.SUMS), setting) is not None


def test_the_bound_index_is_not_captured() -> None:
    j = sp.Symbol("j", integer=True, positive=True)
    inner = sp.Sum(w[i] * w[j], (j, 1, n))
    assert (
        fault_of_step(Step(sp.Sum(inner, (i, 1, n)), "=", sp.Sum(w[i] ** 2, (i, 1, n)), "", Rule.SUMS), Setting())
        is not None
    )
    assert (
        fault_of_step(Step(sp.Sum(inner, (i, 1, n)), "=", sp.Sum(w[i], (i, 1, n)) ** 2, "", Rule.SUMS), Setting())
        is None
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (a * b, True),
        (a - b, False),
        (x, False),
        (x**2, True),
        ((x - 1) ** 2 / a, True),
        (1 - a, False),
        (sp.Sum(w[i], (i, 1, n)), True),
        (-sp.Sum(w[i], (i, 1, n)), False),
        (sp.Integral((1 - a) * sp.exp(a * x), (a, 0, 1)), True),
        (sp.Integral((1 - 2 * a) * sp.exp(a * x), (a, 0, 1)), False),
        (sp.Integral(sp.exp(a), (a, 1, 0)), False),
    ],
)
def test_signs(expression: sp.Expr, expected: bool) -> None:
    assert manifestly_nonnegative(expression) is expected


def test_the_unit_interval_is_used_only_when_named() -> None:
    assert manifestly_nonnegative(1 - a, (a,))
    assert not manifestly_nonnegative(1 - 2 * a, (a,))
    assert not manifestly_nonnegative(1 - a)


def test_links_join() -> None:
    links = chain("", (a + b) ** 2, equals(a**2 + 2 * a * b + b**2, "expand"), at_least(a**2, 2 * a * b + b**2, "drop"))
    assert fault_of_chain(links, Setting()) is None
    assert links.conclusion == ((a + b) ** 2, ">=", a**2)
