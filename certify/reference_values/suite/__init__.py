"""The conformance suite: cases by name on which implementations of the theory differ, each with its certain value.

`suite()` computes it; the same file ships with the package (`shipped`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

from certify.reference_values.inputs import Inputs
from certify.reference_values.quantities import find
from certify.reference_values.record import Reference, evaluated
from certify.reference_values.rounding import FORMATS
from certify.reference_values.suite.case import Case
from certify.reference_values.suite.draws import draws
from certify.reference_values.suite.edges import edges
from certify.reference_values.suite.hard_rounding import FOUND, inputs
from certify.reference_values.suite.traps import traps
from certify.reference_values.suite.witnesses import witnesses

__all__ = ["ABOUT", "NAME", "shipped", "suite"]

NAME = "conformance-suite"
ABOUT = "Conformance suite for top-k sparse attention: edge cases, hard roundings, bound witnesses, traps, drawn rows"
_DIGITS = 40


def hard() -> Iterator[Case]:
    for name, target, x, bits in FOUND:
        number = float.fromhex(x)
        yield Case(f"{FORMATS[target].name}-{bits}-bits/{name}/{x}", name, inputs(name, number))


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "edge": edges,
    "hard rounding": hard,
    "witness": witnesses,
    "trap": traps,
    "draw": draws,
}


def suite(progress: Callable[[int, int], None] = lambda done, total: None) -> list[Reference]:
    """Every case with its value, in order; decimals have 40 digits where the number is not beyond them."""
    cases = [(group, case) for group, make in GROUPS.items() for case in make()]
    values = []
    for done, (group, case) in enumerate(cases):
        quantity = find(case.quantity)
        checked = Inputs.of(quantity.name, case.inputs, quantity.needs, quantity.optional)
        name = f"{group.replace(' ', '-')}/{case.name}"
        values.append(evaluated(quantity, checked, _DIGITS, case=name, group=group, traps=case.traps))
        progress(done + 1, len(cases))
    return values


def shipped() -> Path:
    """The suite that came with this installation."""
    return Path(str(files("certify.reference_values.suite"))) / f"{NAME}.json"
