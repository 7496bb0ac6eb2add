"""No drift of the order of operations: the kernel's own exponential is run on a symbol, and Coq finds that the
operations it performed are, one for one, those of Exponential.v.

A symbol stands in for a float and records each operation as a Coq term. What it cannot pass is replaced: the bit
pattern of 2^k by its Coq name, and the comparison with the clamp by the assumption that the clamp does nothing. The
order of summation is in Order.v, and the bits of the whole kernel in Vectors.v.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from float_kernels import exponential
from float_kernels.exponential import Grade
from proofs.coq.check import compile_text
from proofs.coq.export import GRADES, coq_dyadic

HEADER = """From Coq Require Import ZArith List.
From Flocq Require Import BinarySingleNaN.
From TopK Require Import Binary64 Horner Constants Exponential.
Open Scope Z_scope.
"""


@dataclass(frozen=True)
class Symbol:
    """A Coq term in the place of a float."""

    term: str

    def _applied(self, operation: str, left: Symbol | float, right: Symbol | float) -> Symbol:
        return Symbol(f"({operation} {_term(left)} {_term(right)})")

    def __add__(self, other: Symbol | float) -> Symbol:
        return self._applied("add", self, other)

    def __radd__(self, other: Symbol | float) -> Symbol:
        return self._applied("add", other, self)

    def __sub__(self, other: Symbol | float) -> Symbol:
        return self._applied("subtract", self, other)

    def __rsub__(self, other: Symbol | float) -> Symbol:
        return self._applied("subtract", other, self)

    def __mul__(self, other: Symbol | float) -> Symbol:
        return self._applied("multiply", self, other)

    def __rmul__(self, other: Symbol | float) -> Symbol:
        return self._applied("multiply", other, self)

    def __ge__(self, other: float) -> bool:
        assert other == exponential.CLAMP
        return True


def _term(x: Symbol | float) -> str:
    return x.term if isinstance(x, Symbol) else f"(constant_float {coq_dyadic(x)})"


def traced_exponential(grade: Grade, monkeypatch: pytest.MonkeyPatch) -> str:
    """The operations of exponential.exponential on one number d above the clamp, as a Coq term."""

    def power_of_two(b: NDArray[Any]) -> NDArray[Any]:
        return np.array([Symbol(f"(power_of_two {b[0].term})")], dtype=object)

    monkeypatch.setattr(exponential, "_power_of_two", power_of_two)
    traced: Any = exponential.exponential(np.array([Symbol("d")], dtype=object), grade)
    return str(traced[0].term)


def question(grade: Grade, term: str) -> str:
    """A file that compiles only if the traced operations are those of Exponential.v, as terms and not only in value."""
    return f"""{HEADER}
Goal forall d, larger d clamp_float = d -> exponential coefficients_{grade} d = {term}.
Proof.
  intros d E. unfold exponential. rewrite E. unfold log2e_float, magic_float, log2e, magic, coefficients_{grade}.
  cbn [horner]. cbv zeta.
  match goal with |- ?x = ?y => constr_eq x y end. reflexivity.
Qed.
"""


@pytest.mark.parametrize("grade", GRADES)
def test_the_exponential_performs_the_operations_of_the_proof(
    built: Path, monkeypatch: pytest.MonkeyPatch, grade: Grade
) -> None:
    term = traced_exponential(grade, monkeypatch)
    code, output = compile_text(question(grade, term))
    assert code == 0, output


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("(multiply d ", "(add d "), ("(subtract (multiply d", "(add (multiply d"), ("(constant_float (1, 0))", "d")],
)
def test_another_operation_is_noticed(built: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str) -> None:
    term = traced_exponential("fast", monkeypatch)
    assert right in term
    code, output = compile_text(question("fast", term.replace(right, wrong, 1)))
    assert code != 0
    assert "Not equal" in output
