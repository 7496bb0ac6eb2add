"""Break one formula of the audit on purpose, and see the named check fail. A check that cannot fail proves nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mpmath.libmp import mpf_pos

from certify import row_blocks, scores, vector_interval
from certify.elementary import exponential, normal
from certify.enclosures import blocks, gaps, gaussian, tail
from certify.exponential_sum import Exponent, Sign
from certify.interval import Interval
from certify.rules import output_error, total_variation, verdict
from certify.rules.verdict import Verdict
from certify.scores import DotScores
from tests.certify import (
    test_elementary,
    test_elementary_normal,
    test_enclosures_blocks,
    test_enclosures_gaps,
    test_enclosures_gaussian,
    test_enclosures_tail,
    test_first_pass,
    test_rules,
    test_vector_interval,
)


@dataclass(frozen=True)
class Break:
    """`name` of `home` is replaced by what `mutate` makes of it, and `check` must then fail."""

    home: Any
    name: str
    mutate: Callable[[Any], Any]
    check: Callable[[], None]


def once_per_score(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, selected: np.minimum(original(self, selected), 1)


def never_up(original: Callable[..., int]) -> Callable[..., int]:
    return lambda r, w, *, up: original(r, w, up=False)


def unknown_passes(original: Callable[..., Verdict]) -> Callable[..., Verdict]:
    return lambda sign, *, proved: Verdict.VALID if sign.value is None else original(sign, proved=proved)


def without_radius(original: Callable[..., Any]) -> Callable[..., Any]:
    def made(*args: Any, **options: Any) -> Any:
        found = original(*args, **options)
        return replace(found, radius=np.zeros_like(found.radius))

    return made


def lower_end_for_both(original: Callable[..., Any]) -> Callable[..., Any]:
    def made(x: Any) -> Any:
        found = original(x)
        return vector_interval.VectorInterval(found.lower, found.lower)

    return made


def same(x: Any) -> Any:
    return x


BREAKS = {
    "no multiplicity": Break(
        scores.ExactRow, "multiplicity", once_per_score, lambda: test_enclosures_tail.test_tail_mass("all equal", 128)
    ),
    "exp never rounds up": Break(exponential, "_exp_series", never_up, lambda: test_elementary.test_exp(53)),
    "the density at a rounded place": Break(
        normal,
        "_density_at",
        lambda original: lambda t, bits: original(mpf_pos(t, 24, "n"), bits),
        lambda: test_elementary_normal.test_both_series_hold_everywhere(normal._asymptotic),
    ),
    "√(2π) is a float": Break(
        normal,
        "_sqrt_two_pi",
        lambda _: lambda bits: Interval.point(math.sqrt(2 * math.pi), bits),
        lambda: test_elementary_normal.test_tails_at_random_points(64),
    ),
    "the asymptotic series everywhere": Break(
        normal,
        "_square_below",
        lambda _: lambda t: 1 << 64,
        lambda: test_elementary_normal.test_tails_where_the_series_change(53),
    ),
    "Kummer's subtraction loses nothing": Break(
        normal,
        "_kummer",
        lambda original: lambda t, width: original(t, 53),
        lambda: test_elementary_normal.test_tails_where_the_series_change(53),
    ),
    "a quantile's other side": Break(
        normal,
        "_survival_quantile_point",
        lambda original: lambda p, bits: (original(p, bits)[0],) * 2,
        lambda: test_elementary_normal.test_quantiles_at_random_probabilities(53),
    ),
    "the rule without σ": Break(
        gaussian,
        "_spread",
        lambda original: lambda sigma, bits: original(sigma, bits) * 0,
        lambda: test_enclosures_gaussian.test_tail_mass_and_fraction(1.0, 53),
    ),
    "EXP_ERROR is 0": Break(
        vector_interval,
        "EXP_ERROR",
        lambda _: 0.0,
        lambda: test_vector_interval.TestExponential().test_the_estimate_is_within_its_proved_error(),
    ),
    "growth is 0": Break(
        vector_interval,
        "growth",
        lambda _: lambda count, roundoff=Fraction(0): Fraction(0),
        lambda: test_vector_interval.TestSums().test_within_gamma_of_the_exact_sum(65),
    ),
    "no step outward": Break(
        vector_interval,
        "_up1",
        lambda _: same,
        lambda: test_vector_interval.TestOperations().test_every_pair_of_special_points(),
    ),
    "one end of log1p": Break(
        vector_interval, "_log1p_ends", lower_end_for_both, lambda: test_vector_interval.TestLog1p().test_against_arb()
    ),
    "dot products are exact": Break(
        test_first_pass,
        "dot_scores",
        without_radius,
        lambda: test_first_pass.test_dot_scores_hold_the_real_logits("ordinary", None, None, False),
    ),
    "unknown is a pass": Break(
        total_variation,
        "judge_sign",
        unknown_passes,
        lambda: test_rules.TestBudgets().test_too_few_bits_leave_a_near_tie_undecided("tv_upper"),
    ),
    "an upper claim judged as a lower one": Break(
        total_variation,
        "judge",
        lambda original: lambda enclosure, claim, *, upper: original(enclosure, claim, upper=not upper),
        lambda: test_rules.TestNextToTheTruth().test_far_claims_are_settled_by_the_first_pass(),
    ),
    "no expansion of an output error": Break(
        output_error,
        "sign",
        lambda _: lambda terms, max_bits: Sign(None, "budget: not looked at"),
        lambda: test_rules.TestOutputErrorTies().test_an_error_that_is_rational_though_its_weights_are_not(),
    ),
    "1/√d is forgotten": Break(
        row_blocks,
        "DotScores",
        lambda _: lambda scale, softcap: DotScores(Fraction(1), softcap),
        lambda: test_rules.TestNextToTheTruth().test_query_key(3, None, None, False),
    ),
    "surds are not compared": Break(
        Exponent,
        "exceeds",
        lambda _: lambda self, other: self.rational > other.rational,
        lambda: test_rules.TestTopK().test_dot_products_that_float64_cannot_tell_apart(None),
    ),
    "a block counts once": Break(
        blocks,
        "share",
        lambda original: lambda part, rest: original(part / 4, rest),
        lambda: test_enclosures_blocks.test_the_extremes_attain_the_block_bound(),
    ),
    "unseen keys count once": Break(
        gaps,
        "share",
        lambda original: lambda part, rest: original(part / 2, rest),
        lambda: test_enclosures_gaps.test_forgetting_the_unseen_keys_is_another_number(),
    ),
    "τ is [0, 1]": Break(
        tail,
        "share",
        lambda _: lambda part, rest: Interval.between(0.0, 1.0, part.bits),
        lambda: test_enclosures_tail.test_tail_mass("random", 128),
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_check_passes_and_fails_when_broken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BREAKS[name]
    broken.check()
    monkeypatch.setattr(broken.home, broken.name, broken.mutate(getattr(broken.home, broken.name)))
    with pytest.raises(AssertionError):
        broken.check()


def test_verdicts_are_ordered_by_severity() -> None:
    """The worst finding speaks for a row: invalid over undecided over valid."""
    assert verdict.Verdict.VALID < verdict.Verdict.UNDECIDED < verdict.Verdict.INVALID
