"""One statement for z3, and the only ways in which it may end.

proved   the hypotheses are satisfiable, every denominator is non-zero under them, and together with the negated
         conclusion they are unsatisfiable
refuted  a rational assignment satisfies the hypotheses and not the conclusion, checked again by exact rational
         arithmetic in SymPy
vacuous  the hypotheses contradict each other, or SymPy saw the conclusion to be true while it was written down:
         nothing was proved
unknown  anything else, a timeout above all
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sympy as sp
import z3

from proofs.smt.translate import Translation

TIMEOUT_MS = 10_000
SEED = 1

Ending = Literal["proved", "refuted", "vacuous", "unknown"]


@dataclass(frozen=True)
class Query:
    """`hypotheses ⇒ conclusion` for all real values of the symbols that satisfy their own assumptions (positive,
    non-negative).
    """

    theorem: str
    name: str
    hypotheses: tuple[Any, ...]
    conclusion: Any


@dataclass(frozen=True)
class Answer:
    """How a query ended, in how many seconds, and the counterexample if there is one."""

    ending: Ending
    seconds: float
    counterexample: Mapping[sp.Symbol, sp.Rational] | None = None


def answer(query: Query, timeout_ms: int = TIMEOUT_MS) -> Answer:
    """Decide a query; never "proved" unless all three checks succeeded within the time limit of each."""
    started = time.perf_counter()
    ending, model = _decide(query, timeout_ms)
    return Answer(ending, time.perf_counter() - started, model)


def _decide(query: Query, timeout_ms: int) -> tuple[Ending, Mapping[sp.Symbol, sp.Rational] | None]:
    if query.conclusion in (True, sp.true):
        return "vacuous", None
    translation = Translation()
    given = [translation.boolean(hypothesis) for hypothesis in query.hypotheses]
    meanings_of_given = list(translation.meanings)
    conclusion = translation.boolean(query.conclusion)
    assumed = [*translation.signs(), *given]

    satisfiable = _check([*assumed, *meanings_of_given], timeout_ms)[0]
    if satisfiable == z3.unsat:
        return "vacuous", None
    if satisfiable != z3.sat or not _obligations_met(translation, assumed, timeout_ms):
        return "unknown", None
    verdict, model = _check([*assumed, *translation.meanings, z3.Not(conclusion)], timeout_ms)
    if verdict == z3.unsat:
        return "proved", None
    if model is None:
        return "unknown", None
    candidate = {symbol: _rational(model, variable) for symbol, variable in translation.variables.items()}
    return ("refuted", candidate) if refutes(query, candidate) else ("unknown", None)


def _obligations_met(translation: Translation, assumed: Sequence[Any], timeout_ms: int) -> bool:
    """Denominators do not vanish, radicands are not negative. None may rely on its own inverse or root: that would be
    circular.
    """
    return all(
        _check([*assumed, *translation.meanings[:before], z3.Not(obligation)], timeout_ms)[0] == z3.unsat
        for obligation, before in translation.obligations
    )


def _check(constraints: Sequence[Any], timeout_ms: int) -> tuple[Any, Any]:
    solver = z3.SolverFor("QF_NRA")
    solver.set("timeout", timeout_ms)
    solver.set("random_seed", SEED)
    solver.add(*constraints)
    verdict = solver.check()
    return verdict, solver.model() if verdict == z3.sat else None


def _rational(model: Any, variable: Any) -> sp.Rational:
    value = model.eval(variable, model_completion=True)
    if z3.is_algebraic_value(value):
        value = value.approx(20)
    return sp.Rational(value.numerator_as_long(), value.denominator_as_long())


def refutes(query: Query, point: Mapping[sp.Symbol, sp.Rational]) -> bool:
    """True when, in exact rational arithmetic, the hypotheses hold at the point and the conclusion does not."""
    substitution = dict(point)
    signs = all(
        (value > 0 if symbol.is_positive else value >= 0 if symbol.is_nonnegative else True)
        for symbol, value in point.items()
    )
    holds = all(sp.sympify(hypothesis).subs(substitution) == sp.true for hypothesis in query.hypotheses)
    return bool(signs and holds and sp.sympify(query.conclusion).subs(substitution) == sp.false)
