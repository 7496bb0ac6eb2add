"""A negative control: a wrong variant of a theorem, and how it is shown to be wrong.

The counterexample comes from z3, or, where logarithms and exponentials are involved, from a small grid of rational
points. Either way it counts only
after a replay in interval arithmetic: the hypotheses hold there, the wrong variant is certainly false there, and the
right statement is not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

import sympy as sp

from proofs.replay import Point, truth
from proofs.smt.query import Query, answer

Outcome = Literal["refuted", "survived"]


@dataclass(frozen=True)
class Control:
    """`wrong` is the mistaken variant of `right`; `mistake` says in words what went wrong. `grid` is searched instead
    of asking z3.
    """

    theorem: str
    mistake: str
    right: Any
    wrong: Any
    hypotheses: tuple[Any, ...] = ()
    grid: Mapping[sp.Symbol, tuple[sp.Rational, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Refutation:
    """The counterexample, who found it, and how long that and the replay took."""

    outcome: Outcome
    found_by: Literal["z3", "grid"]
    seconds: float
    counterexample: Point | None = None


def refute(control: Control) -> Refutation:
    """Find a counterexample and replay it; "survived" means that none was found or that the replay did not confirm
    it.
    """
    started = time.perf_counter()
    candidates = _grid_points(control) if control.grid else _solver_points(control)
    confirmed = next((point for point in candidates if confirms(control, point)), None)
    return Refutation(
        "survived" if confirmed is None else "refuted",
        "grid" if control.grid else "z3",
        time.perf_counter() - started,
        confirmed,
    )


def confirms(control: Control, point: Point) -> bool:
    """The replay: hypotheses certainly true, the wrong variant certainly false, the right statement not false."""
    signs = all(value > 0 for symbol, value in point.items() if symbol.is_positive)
    return (
        signs
        and all(truth(hypothesis, point) is True for hypothesis in control.hypotheses)
        and truth(control.wrong, point) is False
        and truth(control.right, point) is not False
    )


def _grid_points(control: Control) -> Iterator[Point]:
    symbols = list(control.grid)
    return (
        dict(zip(symbols, values, strict=True)) for values in product(*(control.grid[symbol] for symbol in symbols))
    )


def _solver_points(control: Control) -> Iterator[Point]:
    found = answer(Query(control.theorem, control.mistake, control.hypotheses, control.wrong))
    if found.counterexample is None:
        return
    missing = set().union(*(sp.sympify(f).free_symbols for f in (control.right, control.wrong))) - set(
        found.counterexample
    )
    yield {**found.counterexample, **dict.fromkeys(missing, sp.Integer(1))}
