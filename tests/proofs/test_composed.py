"""The constants of what is built on the exponential: made unsound by a small step, each turns a fact of T23 false."""

from __future__ import annotations

from fractions import Fraction
from types import ModuleType

import pytest
import sympy as sp

from certify.enclosures import perturbation
from float_kernels import bounds, dot_product, f_divergences, output_errors
from proofs.smt import composed
from proofs.smt.query import Query, answer


def false_fact() -> str | None:
    """The first fact that does not hold."""
    return next((fact.name for fact in composed.facts() if not fact.holds()), None)


def test_the_shipped_constants_hold() -> None:
    assert false_fact() is None
    assert all(answer(item).ending == "proved" for item in composed.constants() if isinstance(item, Query))


def test_the_ratio_does_not_count_for_nothing() -> None:
    """Without the factor 1 + e the inequality is false."""
    query = composed.ratio_counts_once()
    e = next(symbol for symbol in query.conclusion.free_symbols if symbol.name == "e")
    left, right = query.conclusion.lhs, query.conclusion.rhs
    assert answer(Query("T23", "", (), sp.Le(left, right / (1 + e)))).ending == "refuted"


BREAKS: dict[str, tuple[ModuleType, str, object]] = {
    "_EXPONENTIAL_SLACK without the roundings": (f_divergences, "_EXPONENTIAL_SLACK", 451 * 2.0**-53),
    "_SERIES_SLACK of one rounding": (f_divergences, "_SERIES_SLACK", 2.0**-53),
    "_SERIES_TERMS too few": (f_divergences, "_SERIES_TERMS", 8),
    "_SERIES_LIMIT too far": (f_divergences, "_SERIES_LIMIT", 0.75),
    "LARGEST_KL outside the domain": (f_divergences, "LARGEST_KL", 720.0),
    "TERM_UNITS without the difference": (bounds, "TERM_UNITS", bounds.TERM_UNITS - 520),
    "BENNETT_UNITS without the second exponent": (bounds, "BENNETT_UNITS", bounds.TERM_UNITS),
    "outward factors too small by a unit": (bounds, "_up", lambda units: 1.0 + (units - 1) // 2 * 2.0**-52),
    "inward factors too large by a unit": (bounds, "_down", lambda units: 1.0 - (units - 1) // 2 * 2.0**-52),
    "_WEIGHT_UNITS without the difference": (output_errors, "_WEIGHT_UNITS", 452),
    "_U of another format": (output_errors, "_U", 2.0**-54),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_constant_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, constant, value = BREAKS[name]
    monkeypatch.setattr(module, constant, value)
    assert false_fact() is not None, name


@pytest.mark.parametrize("table", [dot_product.FORMATS, perturbation.ACCUMULATORS], ids=["producer", "audit"])
@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_a_wrong_format_is_caught(
    table: dict[str, tuple[Fraction, Fraction, Fraction]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit, least, normal = table[name]
    monkeypatch.setitem(table, name, (unit / 2, least, normal))
    assert false_fact() is not None
    monkeypatch.setitem(table, name, (unit, least / 2, normal))
    assert false_fact() is not None
