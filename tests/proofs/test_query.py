"""z3 queries end as they should: an untrue statement is refuted, an empty one is vacuous, a hard one is unknown, and
none of these is proved.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
import sympy as sp

from proofs.ledger import evidence_of, theorems
from proofs.smt.exact import Fact, is_close_to_power_of_two, is_nonnegative, ln2
from proofs.smt.query import Query, answer, refutes
from proofs.smt.translate import UntranslatableError

a, b = sp.Symbol("a", positive=True), sp.Symbol("b", positive=True)
x, y = sp.Symbol("x", real=True), sp.Symbol("y", real=True)


def ending(hypotheses: tuple[object, ...], conclusion: object, timeout_ms: int = 5000) -> str:
    return answer(Query("T1", "", hypotheses, conclusion), timeout_ms).ending


def test_a_true_statement_is_proved() -> None:
    assert ending((), sp.Le(a / (a + b), 1)) == "proved"
    assert ending((sp.Ge(x, 2),), sp.Ge(x**2, 4)) == "proved"
    assert ending((), sp.Le(sp.Min(x, y), sp.Max(x, y))) == "proved"
    assert ending((), sp.Le(x, sp.Abs(x))) == "proved"
    assert ending((sp.Le(x**2, a),), sp.Le(x, sp.sqrt(a))) == "proved"


def test_a_false_statement_is_refuted_at_an_exact_point() -> None:
    query = Query("T1", "", (sp.Ge(a, 1),), sp.Ge(a * b, 1))
    found = answer(query)
    assert found.ending == "refuted"
    assert found.counterexample is not None
    assert refutes(query, found.counterexample)
    assert not refutes(query, {a: sp.Integer(2), b: sp.Integer(2)})
    assert not refutes(query, {a: sp.Rational(1, 2), b: sp.Integer(1)})  # breaks the hypothesis
    assert not refutes(query, {a: sp.Integer(1), b: sp.Integer(-1)})  # breaks the symbol's own sign


def test_contradicting_hypotheses_prove_nothing() -> None:
    assert ending((sp.Ge(x, 1), sp.Le(x, 0)), sp.Eq(x, 7)) == "vacuous"
    assert ending((sp.Lt(a, 0),), sp.Eq(x, 7)) == "vacuous"  # against the symbol's own sign
    assert ending((sp.Eq(x * x, -1),), sp.Eq(x, 7)) == "vacuous"


def test_a_conclusion_that_sympy_already_knows_proves_nothing() -> None:
    assert ending((), sp.Eq(a + b, b + a)) == "vacuous"


def test_a_denominator_that_may_vanish_is_not_proved() -> None:
    assert ending((), sp.Ge(1 / x**2, 0)) == "unknown"
    assert ending((sp.Ne(x, 0),), sp.Ge(1 / x**2, 0)) == "proved"
    assert ending((), sp.Ge(sp.sqrt(x), 0)) == "unknown"


def test_a_timeout_is_unknown() -> None:
    n = 9
    w = [sp.Symbol(f"w{index}", positive=True) for index in range(n)]
    v = [sp.Symbol(f"v{index}", real=True) for index in range(n)]
    mean = sp.Add(*(p * q for p, q in zip(w, v, strict=True)))
    hard = sp.Le(mean**2, sp.Add(*w) * sp.Add(*(p * q**2 for p, q in zip(w, v, strict=True))))
    assert ending((), hard, timeout_ms=20) == "unknown"


def test_what_is_not_real_algebra_is_refused() -> None:
    with pytest.raises(UntranslatableError):
        ending((), sp.Ge(sp.exp(x), 0.5))
    with pytest.raises(UntranslatableError, match="two symbols"):
        ending((sp.Ge(a, 1),), sp.Ge(sp.Symbol("a", real=True), 1))


MUTABLE = [place for theorem in theorems() for place in theorem.evidence["smt"] if "kernel" not in place]


@pytest.mark.parametrize("place", MUTABLE)
def test_no_query_is_provable_with_its_negation(place: str) -> None:
    """If both a conclusion and its negation were "proved", the hypotheses would be empty after all."""
    for query in evidence_of(place):
        if isinstance(query, Fact):
            continue
        negated = Query(query.theorem, query.name, query.hypotheses, sp.Not(query.conclusion, evaluate=False))
        assert answer(negated, 2000).ending != "proved", query.name


def test_exact_arithmetic() -> None:
    low, high = ln2()
    assert low < high
    assert high - low < sp.Rational(1, 2**190)
    assert low <= sp.Rational(str(sp.log(2).evalf(40))) + sp.Rational(1, 10**38)
    square = [Fraction(1, 4), Fraction(-1), Fraction(1)]  # (x − ½)²
    assert is_nonnegative([square[0] + Fraction(1, 1000), *square[1:]], Fraction(0), Fraction(1))
    assert not is_nonnegative([square[0] - Fraction(1, 1000), *square[1:]], Fraction(0), Fraction(1))
    line = (Fraction(1), low)
    assert not is_close_to_power_of_two(line, Fraction(1, 100))
    assert is_close_to_power_of_two(line, Fraction(1, 10))
