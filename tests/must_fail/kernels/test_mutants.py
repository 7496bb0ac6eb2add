"""Broken kernels, and the check that catches each: the check passes on the real code and must fail on the mutant.

A mutant replaces one name in one module of the NumPy specification (the compiled kernel is held to it bit by bit).
MUTANTS is the list of which check catches which; checks are functions of tests/float_kernels, on the rows named here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import float_kernels
from float_kernels import compiled_selection, exponential
from float_kernels.exponential import CLAMP, COEFFICIENTS
from tests.float_kernels import (
    test_bounds,
    test_compiled,
    test_environment,
    test_exponential,
    test_f_divergences,
    test_output_errors,
    test_rounding,
    test_selection,
    test_tails,
)
from tests.float_kernels.adversarial_rows import HANDMADE, Row

ROWS = {row.name: row for row in HANDMADE}
RANDOM = np.random.default_rng(12)
MANY_KEYS = Row("many keys", RANDOM.normal(size=40000), np.arange(40000) < 10000)


# The checks: each passes on the real code and raises AssertionError on what it catches.
def no_violation(*names: str, grade: Any = "fast") -> Callable[[], None]:
    """Bounds against Arb, soundness and width: test_tails.assert_sound."""

    def check() -> None:
        for name in names:
            test_tails.assert_sound(ROWS.get(name, MANY_KEYS), grade, "numpy")

    return check


def same_bits() -> None:
    """NumPy against Numba: test_compiled.assert_same_sums."""
    for name in ("n = 127", "n = 4111", "Gaussian scores, σ = 6.0"):
        for grade in ("fast", "exact"):
            test_compiled.assert_same_sums(ROWS[name], grade)  # type: ignore[arg-type]


def budget_of_exponential() -> None:
    for grade in ("fast", "exact"):
        test_exponential.test_error_budget_derived_again(grade)  # type: ignore[arg-type]


def budget_of_sums() -> None:
    for shifted in (False, True):
        test_rounding.test_inflation_undoes_its_units(131072, "exact", shifted)


def divergences_sound() -> None:
    for name in ("n = 127", "Gaussian scores, σ = 1.0"):
        test_f_divergences.assert_sound(ROWS[name], "exact")


def log_verified() -> None:
    test_f_divergences.test_verified_logarithm.hypothesis.inner_test(0.5)
    test_f_divergences.test_verified_logarithm.hypothesis.inner_test(1e-5)
    test_f_divergences.test_verified_logarithm.hypothesis.inner_test(1e5)


def output_sound() -> None:
    for name in ("n = 127", "two equal keys", "Gaussian scores, σ = 0.01"):
        row = ROWS[name]
        test_output_errors.assert_sound(row, test_output_errors.values_for(row.scores.size, 1))


# The mutants.
def libm_exponential(d: Any, grade: Any = "fast") -> Any:
    return np.exp(np.maximum(d, CLAMP))


def unclamped(d: Any, grade: Any = "fast") -> Any:
    """exponential.exponential without its first line."""
    t = d * exponential.LOG2E
    b = t + exponential.MAGIC
    f = t - (b - exponential.MAGIC)
    q = np.full_like(f, COEFFICIENTS["exact"][-1])
    for coefficient in reversed(COEFFICIENTS["exact"][:-1]):
        q = q * f + coefficient
    return (q * f + 1.0) * (b.view(np.uint64) << np.uint64(52)).view(np.float64)


REAL_EXPONENTIAL = exponential.exponential
REAL_TOP_K = compiled_selection.top_k_rows


def clamped_to_nothing(d: Any, grade: Any = "fast") -> Any:
    return np.where(d > CLAMP, REAL_EXPONENTIAL(d, grade), 0.0)


def one_minus_kept(sums: Any) -> Any:
    """τ as 1 − Σ_H p: cancels where τ is small."""
    kept = sums.kept_upper / (sums.kept_upper + sums.tail_lower)
    return 1.0 - kept, np.minimum(1.0, 1.0 - kept + 2.0**-53)


def float32_sum(weights: Any) -> Any:
    total = np.float32(0)
    for weight in weights[0].astype(np.float32):
        total += weight
    return np.array([float(total)])


@dataclass(frozen=True)
class Mutant:
    """name: what was broken. where: module and name replaced, each with its replacement. check: what catches it."""

    name: str
    where: tuple[tuple[str, str, Any], ...]
    check: Callable[[], None]
    caught_by: str

    def __str__(self) -> str:
        return self.name


def constant(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def mutant(name: str, place: str, replacement: Any, check: Callable[[], None], caught_by: str) -> Mutant:
    module, attribute = place.rsplit(".", 1)
    return Mutant(name, ((f"float_kernels.{module}", attribute, replacement),), check, caught_by)


MUTANTS = [
    mutant("no inflation", "enclosure.inflation", constant(0.0), no_violation("ties", "n = 127"), "violation"),
    mutant(
        "inflation without the exponential's share",
        "rounding.EXPONENTIAL_UNITS",
        {"fast": 1, "exact": 1},
        budget_of_exponential,
        "the budget derived again",
    ),
    mutant(
        "inflation that forgets half its units", "rounding.ceil", lambda x: int(x) // 2, budget_of_sums, "the budget"
    ),
    mutant("libm's exp", "lane_sums.exponential", libm_exponential, same_bits, "bit identity"),
    mutant("sum in another order", "lane_sums.ordered_sum", lambda w: np.sum(w, axis=-1), same_bits, "bit identity"),
    mutant("float32 sums", "lane_sums.ordered_sum", float32_sum, no_violation("many keys", grade="exact"), "violation"),
    mutant("no clamp", "lane_sums.exponential", unclamped, no_violation("spread 1e5"), "violation"),
    Mutant(
        "clamped keys count as nothing, and no floor",
        (
            ("float_kernels.lane_sums", "exponential", clamped_to_nothing),
            ("float_kernels.enclosure", "FLOOR", 0.0),
            ("float_kernels.tails", "CLAMP_SHARE", -1.0),
        ),
        no_violation("weights that underflow in float64"),
        "violation",
    ),
    mutant(
        "no running maximum",
        "tails.row_shift",
        np.zeros_like,
        no_violation("maximum last", "one logit 1e30"),
        "violation",
    ),
    mutant(
        "1 − Σ_H p",
        "tails.tail_mass_bounds",
        one_minus_kept,
        no_violation("weights that underflow in float32"),
        "violation",
    ),
    mutant(
        "[0, 1]",
        "tails.tail_mass_bounds",
        lambda sums: (np.zeros_like(sums.tail_upper), np.ones_like(sums.tail_upper)),
        no_violation("n = 127"),
        "width",
    ),
    mutant(
        "a coefficient changed in its 30th bit",
        "exponential.COEFFICIENTS",
        COEFFICIENTS | {"exact": (COEFFICIENTS["exact"][0] + 2.0**-31, *COEFFICIENTS["exact"][1:])},
        same_bits,
        "bit identity",
    ),
    mutant(
        "a logarithm that is not verified",
        "f_divergences._outward",
        lambda x, proposal, direction: proposal,
        log_verified,
        "violation",
    ),
    mutant(
        "odds not rounded",
        "f_divergences.odds",
        lambda sums: (sums.tail_upper / sums.kept_upper,) * 2,
        divergences_sound,
        "violation",
    ),
    mutant(
        "no radius around the means",
        "output_errors._WEIGHT_UNITS",
        -(10**6),
        output_sound,
        "violation",
    ),
    mutant(
        "a block counts once, not once per key",
        "bounds._counts",
        lambda values: np.minimum(np.asarray(values, dtype=np.float64), 1.0),
        test_bounds.test_multiplicity_counts,
        "violation",
    ),
    mutant(
        "ties to the higher index",
        "compiled_selection.top_k_rows",
        lambda bits, k: REAL_TOP_K(np.ascontiguousarray(bits[:, ::-1]), k)[:, ::-1],
        lambda: test_selection.assert_top(ROWS["ties"], 5),
        "the order of ties",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_mutant_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.check()
    for module, name, replacement in mutant.where:
        monkeypatch.setattr(import_module(module), name, replacement)
    with np.errstate(all="ignore"), pytest.raises(AssertionError):
        mutant.check()


def test_unguarded_thread_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the probe a flushing thread computes on in silence: what test_environment would then report."""
    if not test_environment.X86:
        pytest.skip("the control register is switched by x86 instructions; other machines have no such stub here")
    register = test_environment.ControlRegister()
    call = lambda: float_kernels.tail_mass(np.zeros(3), np.ones(3, np.bool_))  # noqa: E731 - the thing under test
    with register.switched(test_environment.FTZ):
        guarded = test_environment.captured(call)
    monkeypatch.setattr("float_kernels.streaming.require_ieee", lambda: None)
    with register.switched(test_environment.FTZ):
        unguarded = test_environment.captured(call)
    assert (unguarded, "FTZ" in guarded) == ("nothing was raised", True)


def test_names_of_the_mutated_modules_exist() -> None:
    """A renamed function would make a mutant harmless and its test meaningless."""
    for mutant in MUTANTS:
        for module, name, _ in mutant.where:
            assert hasattr(import_module(module), name), (module, name)
