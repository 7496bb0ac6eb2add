"""Negative controls: the machinery lets true statements survive, and the replay that confirms counterexamples agrees
with Arb.
"""

from __future__ import annotations

import random

import pytest
import sympy as sp
from flint import arb, ctx, fmpq

from proofs.controls.control import Control, confirms, refute
from proofs.ledger import evidence_of, theorems
from proofs.replay import NotEvaluableError, enclosure, ends, truth

a, b = sp.Symbol("a", positive=True), sp.Symbol("b", positive=True)
PLACES = [place for theorem in theorems() for place in theorem.evidence["controls"]]


@pytest.mark.parametrize("place", PLACES)
def test_the_right_statement_survives_its_own_controls(place: str) -> None:
    """Put the right statement where the wrong one stands: no counterexample may be confirmed."""
    for control in evidence_of(place):
        if control.right == sp.true:
            continue
        again = Control(
            control.theorem, control.mistake, control.right, control.right, control.hypotheses, control.grid
        )
        assert refute(again).outcome == "survived", control.mistake


@pytest.mark.parametrize("place", PLACES)
def test_mistakes_have_different_names(place: str) -> None:
    names = [control.mistake for control in evidence_of(place)]
    assert len(names) == len(set(names)) >= 3


def test_a_true_statement_survives() -> None:
    assert refute(Control("T1", "", sp.true, sp.Ge(a * b, 0))).outcome == "survived"
    grid = {a: (sp.Integer(1), sp.Integer(2))}
    assert refute(Control("T1", "", sp.true, sp.Ge(sp.exp(a), 1 + a), grid=grid)).outcome == "survived"


def test_the_replay_needs_everything() -> None:
    control = Control("T1", "", sp.Ge(a, b), sp.Le(a, b), (sp.Ge(a, 1),))
    good = {a: sp.Integer(2), b: sp.Integer(1)}
    assert confirms(control, good)
    assert not confirms(control, {a: sp.Rational(1, 2), b: sp.Rational(1, 4)})  # hypothesis broken
    assert not confirms(control, {a: sp.Integer(1), b: sp.Integer(2)})  # the right statement is false there
    assert not confirms(control, {a: sp.Integer(2), b: sp.Integer(-1)})  # a positive symbol is not positive
    assert not confirms(control, {a: sp.Integer(2), b: sp.Integer(2)})  # the wrong one holds


def test_truth_is_three_valued() -> None:
    third = sp.exp(sp.log(a)) - a
    assert truth(sp.Ge(sp.log(a) + sp.log(b), sp.log(6), evaluate=False), {a: sp.Integer(2), b: sp.Integer(3)}) is None
    assert truth(sp.Eq(sp.log(a), 0, evaluate=False), {a: sp.Integer(2)}) is False
    assert truth(sp.Or(sp.Gt(a, 5), sp.Lt(a, 3)), {a: sp.Integer(2)}) is True
    assert truth(sp.And(sp.Gt(a, 5), sp.Lt(a, 3)), {a: sp.Integer(2)}) is False
    assert third == 0


def as_arb(expression: sp.Expr) -> arb:
    """The same formula in Arb, an independent library."""
    if isinstance(expression, sp.Rational):
        return arb(fmpq(int(expression.p), int(expression.q)))
    parts = [as_arb(argument) for argument in expression.args]
    if isinstance(expression, sp.Add):
        return sum(parts, arb(0))
    if isinstance(expression, sp.Mul):
        product = arb(1)
        for part in parts:
            product *= part
        return product
    if isinstance(expression, sp.Pow):
        return parts[0] ** parts[1]
    functions = {sp.exp: arb.exp, sp.log: arb.log, sp.erf: arb.erf, sp.Abs: abs}
    return functions[type(expression)](*parts)


def test_enclosures_meet_arb() -> None:
    """Arb's ball and ours hold the same number, ours is not wider than it has to be, and no widening hides a miss."""
    rng = random.Random(4)
    ctx.prec = 400
    for _ in range(600):
        x, y = (sp.Rational(rng.randint(1, 4000), rng.randint(1, 900)) for _ in range(2))
        near_one = 1 + sp.Rational(rng.randint(-50, 50), 10 ** rng.randint(2, 12))
        expression = rng.choice(
            [
                sp.exp(-x),
                sp.exp(x),
                sp.log(x),
                sp.log(near_one),
                sp.sqrt(x) + y,
                sp.exp(x - y) / (1 + y),
                sp.erf(x / 3000 * y / 1000 + 1),
                sp.erf(-y / 4500),
            ]
        )
        low, high = ends(enclosure(expression, {}))
        ball = as_arb(expression)
        assert not (ball < arb(low)), expression
        assert not (ball > arb(high)), expression
        assert high - low <= 2.0**-70 * max(1, abs(high)), expression


def test_outside_the_domain_is_refused() -> None:
    for expression in (
        1 / (sp.exp(sp.log(a)) - a + sp.log(b)),
        sp.log(a - 2),
        sp.erf(a * 100),
        sp.gamma(a + sp.Rational(1, 3)),
    ):
        with pytest.raises(NotEvaluableError):
            enclosure(
                expression, {a: sp.Integer(1), b: sp.Integer(1)} if not expression.has(sp.erf) else {a: sp.Integer(1)}
            )
