"""Break one formula on purpose, and see the named check fail. A check that cannot fail proves nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from mpmath.libmp import round_ceiling, round_floor

from certify.enclosures import blocks, output
from certify.errors import UndecidedRounding
from certify.interval import Interval
from certify.reference_values import comparisons, exact_signs, families, files, grading, rounding
from certify.reference_values.inputs import Inputs
from tests.certify.reference_values import test_families, test_files, test_grading, test_quantities, test_rounding

Terms = exact_signs.Terms


@dataclass(frozen=True)
class Break:
    """`name` of `home` is replaced by what `mutate` makes of it, and `check` must then fail."""

    home: Any
    name: str
    mutate: Callable[[Any], Any]
    check: Callable[[], None]


def compared(name: str) -> Callable[[], None]:
    return lambda: test_quantities.test_the_exact_comparison_agrees_with_the_enclosure(name)


def confirmed(name: str) -> Callable[[], None]:
    return lambda: test_quantities.test_arb_confirms_drawn_values(name)


def once_per_score(original: Callable[..., Any]) -> Callable[..., Any]:
    """Equal scores are counted once."""
    return lambda row, kept: tuple({x: Fraction(1) for x in part} for part in original(row, kept))


def shifted(original: Callable[..., Any]) -> Callable[..., Any]:
    """The comparison of KL forgets that c moves the kept sum too."""
    return lambda row, kept, c: original(row, kept, -c)


def half_up(original: Any) -> Callable[[Fraction], int]:
    return lambda x: math.floor(x + Fraction(1, 2))


BREAKS = {
    "ties go up": Break(rounding, "round", half_up, test_rounding.test_a_binary_number_is_rounded_as_integers_say),
    "towards zero": Break(
        rounding, "round", lambda _: math.trunc, test_rounding.test_each_format_rounds_as_its_arrays_do
    ),
    "no subnormal numbers": Break(
        rounding,
        "max",
        lambda _: lambda a, b: a,
        test_rounding.test_a_binary_number_is_rounded_as_integers_say,
    ),
    "overflow to the largest": Break(
        rounding,
        "_overflowed",
        lambda original: lambda x, f: math.copysign(min(abs(original(x, f)), 1e308), x),
        test_rounding.test_a_binary_number_is_rounded_as_integers_say,
    ),
    "down is up": Break(
        rounding,
        "round_floor",
        lambda _: round_ceiling,
        test_rounding.test_a_binary_number_is_rounded_as_integers_say,
    ),
    "up is down": Break(
        rounding, "round_ceiling", lambda _: round_floor, test_rounding.test_a_binary_number_is_rounded_as_integers_say
    ),
    "the first enclosure is enough": Break(
        rounding.Real,
        "enclosures",
        lambda original: lambda self, first=0: [next(iter(original(self)))],
        test_rounding.test_the_precision_is_raised_until_it_suffices,
    ),
    "the lower end is the simplest fraction": Break(
        rounding, "_simplest", lambda _: lambda low, high: low, test_rounding.test_exact_rationals_are_recognised
    ),
    "digits are cut off": Break(
        rounding,
        "_nearest_decimal",
        lambda _: lambda x, digits: rounding.Fraction(math.trunc(x * 10**digits), 10**digits),
        test_rounding.test_decimals_are_those_of_the_decimal_module,
    ),
    "equal scores once": Break(exact_signs, "sums", once_per_score, compared("chi_squared")),
    "KL compared with −c": Break(exact_signs, "kl", shifted, compared("pinsker")),
    "c is rounded": Break(
        exact_signs,
        "share",
        lambda original: lambda part, rest, c: original(part, rest, Fraction(float(c))),
        compared("squared_hellinger"),
    ),
    "the kept moments are dropped": Break(
        exact_signs,
        "moments",
        lambda original: lambda row, selected, columns: [{} for _ in original(row, selected, columns)],
        compared("output_error"),
    ),
    "block means by the lower end": Break(
        exact_signs,
        "_block_tail",
        lambda original: lambda dropped, low, high, kind, *, upper: original(dropped, low, high, kind, upper=False),
        compared("block_variance_bound_upper"),
    ),
    "the slack of the log-sum-exps is forgotten": Break(
        comparisons,
        "worst_difference",
        lambda _: lambda i, *, upper: Fraction(i["kept_lse"]) - 2 * Fraction(i["all_lse"]),
        confirmed("tail_mass_from_log_sum_exp_upper"),
    ),
    "one key fewer": Break(
        comparisons, "smallest_k", lambda original: lambda i: max(original(i) - 1, 1), confirmed("smallest_k")
    ),
    "the radius moves one side": Break(
        Inputs,
        "radii",
        lambda original: lambda self: original(self) * ~self.kept,
        confirmed("perturbed_tail_mass_upper"),
    ),
    "Jensen where Bennett is meant": Break(
        blocks,
        "_bennett",
        lambda _: blocks._jensen,
        confirmed("block_variance_bound_upper"),
    ),
    "a norm that is 2^-60 too large": Break(
        output,
        "_norm",
        lambda original: lambda vector, bits: original(vector, bits) * Interval.point(1 + Fraction(1, 2**60), bits),
        confirmed("output_error"),
    ),
    "equal is not below": Break(
        grading, "_below", lambda _: lambda x, truth: x < truth.lower, test_grading.test_exact_truths
    ),
    "above is below": Break(
        grading,
        "_below",
        lambda _: lambda x, truth: True,
        lambda: test_grading.test_verdicts({"lower": 1 / 3 + 2.0**-54, "upper": 1.0}, "unsound", 0),
    ),
    "a trap is never seen": Break(
        grading,
        "_fallen",
        lambda _: lambda answers, traps: (),
        test_grading.test_every_trap_catches_its_own_wrong_answer,
    ),
    "another generator": Break(families, "_GOLDEN", lambda golden: golden + 2, test_families.test_splitmix64),
    "a digest of the names only": Break(
        files,
        "digest",
        lambda original: lambda found: original({"cases": [entry["case"] for entry in found["cases"]]}),
        lambda: test_files.test_json(VALUES, files.document(VALUES, "a test")),
    ),
}
VALUES = [test_quantities.certify.reference("kl", **test_quantities.R)]


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_formula_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = BREAKS[name]
    original = getattr(case.home, case.name, getattr(__builtins__, case.name, None))
    monkeypatch.setattr(case.home, case.name, case.mutate(original), raising=False)
    with pytest.raises((AssertionError, ExceptionGroup, UndecidedRounding)):
        case.check()
