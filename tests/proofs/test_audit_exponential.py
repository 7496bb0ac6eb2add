"""Every constant of the audit's own exponential, made unsound by a small step, turns a fact of T23 false."""

from __future__ import annotations

import numpy as np
import pytest

from certify import vector_interval as audit
from proofs.smt import audit_exponential
from proofs.smt.query import Query, answer


def false_fact() -> str | None:
    """The first fact that does not hold."""
    return next((fact.name for fact in audit_exponential.facts() if not fact.holds()), None)


def test_the_shipped_constants_hold() -> None:
    assert false_fact() is None
    assert all(answer(item).ending == "proved" for item in audit_exponential.constants() if isinstance(item, Query))


def test_the_bound_is_not_generous() -> None:
    """Two derivations that share only the theory agree to 1 %."""
    derived = float(audit_exponential.exponential_bound())
    assert 0.99 * audit.EXP_ERROR < derived <= audit.EXP_ERROR


BREAKS = {
    "EXP_ERROR 1 % less": ("EXP_ERROR", audit.EXP_ERROR * 0.99),
    "LN2_HI with one more bit": ("LN2_HI", float(np.nextafter(audit.LN2_HI, 1.0))),
    "LN2_LO off at its 20th bit": ("LN2_LO", audit.LN2_LO * (1 + 2.0**-20)),
    "LN2_LO left out": ("LN2_LO", 0.0),
    "INVERSE_LN2 off at its 9th bit": ("INVERSE_LN2", audit.INVERSE_LN2 * (1 + 2.0**-9)),
    "EXP_DOMAIN where results are subnormal": ("EXP_DOMAIN", 709.0),
    "EXP_TINY halved": ("EXP_TINY", audit.EXP_TINY / 2),
    "LN2 one ulp to the right": ("LN2", (audit.LN2[1], float(np.nextafter(audit.LN2[1], 1.0)))),
    "Taylor one term short": ("TAYLOR", audit.TAYLOR[:-1]),
    "Taylor with a wrong coefficient": (
        "TAYLOR",
        (*audit.TAYLOR[:5], audit.TAYLOR[5] * (1 + 2.0**-40), *audit.TAYLOR[6:]),
    ),
    "u of another format": ("UNIT_ROUNDOFF", audit.UNIT_ROUNDOFF / 2),
    "growth without its denominator": ("growth", lambda count: count * audit.UNIT_ROUNDOFF),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_constant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    constant, value = BREAKS[name]
    monkeypatch.setattr(audit, constant, value)
    assert false_fact() is not None, name


def test_a_widening_that_is_too_small_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.VectorInterval, "widened", lambda self, relative: self)
    assert false_fact() == "audit: widening by EXP_ERROR undoes it"
