"""Φ, Φ_c, their inverses, φ and π against Arb: inclusion and the documented width, at every change of series."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from flint import arb

from certify import elementary
from certify.elementary import normal
from certify.errors import BadInput, UndefinedOperation
from certify.interval import Interval
from tests.certify.arb_truth import encloses, end, is_tight
from tests.certify.normal_against_arb import (
    BITS,
    branch_points,
    branch_probabilities,
    check_quantile,
    check_tail,
    random_points,
    random_probabilities,
    survival,
)


@pytest.mark.parametrize("bits", [*BITS, 700])
def test_tails_where_the_series_change(bits: int) -> None:
    for x in branch_points(bits):
        check_tail(x, bits)


@pytest.mark.parametrize("bits", BITS)
def test_tails_at_random_points(bits: int) -> None:
    for x in random_points(900, bits):
        check_tail(x, bits)


@pytest.mark.parametrize("bits", [*BITS, 700])
def test_quantiles_where_the_guess_changes(bits: int) -> None:
    for p in branch_probabilities():
        check_quantile(p, bits)


@pytest.mark.parametrize("bits", BITS)
def test_quantiles_at_random_probabilities(bits: int) -> None:
    for p in random_probabilities(450, bits):
        check_quantile(p, bits)


@pytest.mark.parametrize("series", [normal._kummer, normal._asymptotic])
def test_both_series_hold_everywhere(series: object) -> None:
    """The choice between them is for width alone: each encloses the truth far into the other's domain."""
    for t in (1.1, 1.7, 2.3, 5.1, 9.7, 13.3, 37.9):
        for bits in (5, 20, 80, 200):
            raw = Interval.point(t, bits).lower._mpf_
            if series is normal._kummer:
                assert encloses(0.5 - normal._kummer(raw, bits), survival(arb(t)))
            else:
                assert encloses(normal._asymptotic(raw, bits), survival(arb(t)))


def test_wide_intervals_map_to_the_hull_of_their_ends() -> None:
    for low, high in ((-2.0, 3.0), (-40.0, -30.0), (-1e-300, 1e-3), (8.0, 60.0)):
        x = Interval.between(low, high, 80)
        for inside in (low, high, 0.5 * low + 0.5 * high):
            assert encloses(elementary.normal_survival(x, 80), survival(arb(inside)))
            assert encloses(elementary.normal_cdf(x, 80), survival(-arb(inside)))
            assert encloses(elementary.normal_density(x, 80), (-(arb(inside) ** 2) / 2).exp() / (2 * arb.pi()).sqrt())
    p = Interval.between(0.01, 0.6, 80)
    made = elementary.normal_survival_quantile(p, 80)
    assert not survival(end(made.lower)) < arb(0.6)
    assert not survival(end(made.upper)) > arb(0.01)


def test_complements_of_tiny_probabilities() -> None:
    """1 − 10^−k as a fraction, beyond what a float can say."""
    for k in (1, 16, 40, 300):
        p = Fraction(10**k - 1, 10**k)
        made = elementary.normal_quantile(p, 1200)
        other = elementary.normal_survival_quantile(Fraction(1, 10**k), 1200)
        assert max(made.lower, other.lower) <= min(made.upper, other.upper)
        assert is_tight(made, 190)


def test_probabilities_below_every_float() -> None:
    for power in (1100, 5000, 10**6):
        p = Interval.point(Fraction(1, 2**power), 64)
        x = elementary.normal_survival_quantile(p, 64)
        assert is_tight(x, 62)
        assert elementary.normal_survival(Interval(x.lower, x.lower, 200), 200).upper >= p.lower
        assert elementary.normal_survival(Interval(x.upper, x.upper, 200), 200).lower <= p.upper


def test_far_beyond_every_float() -> None:
    """Nothing overflows: Φ_c(10^308) is positive, and below every float."""
    tail = elementary.normal_survival(1e308, 64)
    assert 0 < tail.lower <= tail.upper < 5e-324
    assert elementary.normal_cdf(1e308, 64).upper <= 1


def test_more_bits_are_narrower() -> None:
    for function in (elementary.normal_survival, elementary.normal_density):
        widths = [function(3.25, bits).width for bits in (20, 60, 200, 1000)]
        assert all(b < a * 2.0**-30 for a, b in pairwise(widths))


def test_pi() -> None:
    for bits in (1, 8, 53, 300, 2000):
        assert encloses(elementary.pi(bits), arb.pi())
        assert is_tight(elementary.pi(bits), bits - 2)


def test_exact_values() -> None:
    half = Interval.point(0.5, 53)
    assert elementary.normal_survival(0, 53) == elementary.normal_cdf(0.0, 53) == half
    assert elementary.normal_quantile(half, 53) == Interval.point(0, 53)


@pytest.mark.parametrize("p", [0, 1, -0.25, 1.5])
def test_no_quantile_outside_the_open_unit_interval(p: float) -> None:
    with pytest.raises(UndefinedOperation, match="not inside"):
        elementary.normal_quantile(p, 53)
    with pytest.raises(UndefinedOperation, match="not inside"):
        elementary.normal_survival_quantile(Interval.between(0.5, 1, 53), 53)


@pytest.mark.parametrize("x", [math.nan, math.inf])
def test_no_value_at_what_is_no_number(x: float) -> None:
    with pytest.raises(BadInput, match="finite"):
        elementary.normal_cdf(x, 53)
