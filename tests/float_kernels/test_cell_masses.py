"""Masses of cells from bounds on their scores, against Arb: sound at every extreme, attained, no part too many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from float_kernels.cell_masses import (
    bennett_mass,
    chord_mass,
    exp_lower,
    exp_upper,
    jensen_mass,
    maximum_mass,
    sum_lower,
    sum_upper,
)

from . import oracle


def one(x: float) -> np.ndarray:
    return np.array([x])


def float_below(x: arb) -> float:
    return float(np.nextafter(float(x.mid()), -np.inf))


def float_above(x: arb) -> float:
    return float(np.nextafter(float(x.mid()), np.inf))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.floats(-1500, 1500), min_size=1, max_size=12),
    st.floats(-1500, 1500),
    st.sampled_from([0.0, 1e-12, 1e-3, 5.0]),
)
def test_masses_hold_for_any_scores(scores: list[float], shift: float, slack: float) -> None:
    """Scores drawn at will, their own mean, variance and ends rounded outward, or looser by `slack`."""
    with oracle.precision():
        exact = oracle.balls(scores)
        n = len(exact)
        mean = oracle.total(exact) / n
        variance = oracle.total([(s - mean) * (s - mean) for s in exact]) / n
        mass = oracle.total([(s - arb(shift)).exp() for s in exact])
        count, move = one(float(n)), one(shift)
        low, high = one(min(scores) - slack), one(max(scores) + slack)
        mean_low, mean_high = one(float_below(mean) - slack), one(min(float_above(mean) + slack, high[0]))
        spread = one(float_above(variance) + slack)
        for upper in (
            maximum_mass(count, high, move),
            chord_mass(count, low, mean_high, high, move),
            bennett_mass(count, mean_high, high, spread, move),
        ):
            assert upper[0] == np.inf or bool(mass <= arb(float(upper[0])))
        assert bool(arb(float(jensen_mass(count, mean_low, move)[0])) <= mass)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e4, 1e4))
def test_exponentials_are_on_their_side(x: float) -> None:
    with oracle.precision():
        value = arb(x).exp()
        above, below = float(exp_upper(one(x))[0]), float(exp_lower(one(x))[0])
        assert above == np.inf or bool(value <= arb(above))
        assert bool(arb(below) <= value)
    if abs(x) < 690:
        assert above <= below * (1 + 2.0**-38)


def test_extremes() -> None:
    assert exp_upper(one(np.inf))[0] == np.inf
    assert exp_upper(one(-np.inf))[0] > 0.0
    assert exp_lower(one(-np.inf))[0] == 0.0
    assert np.isfinite(exp_lower(one(np.inf))[0])
    assert maximum_mass(one(3.0), one(np.inf), one(0.0))[0] == np.inf


@pytest.mark.parametrize("upper", [0.0, -1e-300, 5e-324])
def test_a_mean_at_the_upper_end_costs_nothing(upper: float) -> None:
    """β = 0, or as good as: every score is the mean, and both bounds are that of the maximum."""
    with np.errstate(all="raise", under="ignore"):
        for found in (
            chord_mass(one(2.0), one(upper), one(upper), one(upper), one(0.0)),
            bennett_mass(one(2.0), one(upper), one(upper), one(0.0), one(0.0)),
            bennett_mass(one(2.0), one(upper), one(upper), one(1e300), one(0.0)),
        ):
            assert found[0] == pytest.approx(2.0, rel=1e-11)


def test_two_point_witnesses() -> None:
    """Scores u and m − σ²/β in Bennett's shares, and the two ends in the chord's: both bounds are attained."""
    u, m = 2.0, 0.5
    for share in (0.25, 0.5, 0.75):
        far = m - share / (1 - share) * (u - m)
        variance = share * (u - m) ** 2 + (1 - share) * (m - far) ** 2
        mass = 4 * (share * np.exp(u) + (1 - share) * np.exp(far))
        assert bennett_mass(one(4.0), one(m), one(u), one(variance), one(0.0))[0] == pytest.approx(mass, rel=1e-11)
        assert chord_mass(one(4.0), one(far), one(m), one(u), one(0.0))[0] == pytest.approx(mass, rel=1e-11)


def test_bounds_order_as_they_should() -> None:
    """More knowledge, smaller bound: Jensen ≤ Bennett ≤ chord ≤ maximum where the variance is small."""
    args: dict[str, Any] = {"count": one(8.0), "shift": one(0.0)}
    least = jensen_mass(args["count"], one(0.0), args["shift"])
    bennett = bennett_mass(args["count"], one(0.0), one(2.0), one(0.1), args["shift"])
    chord = chord_mass(args["count"], one(-2.0), one(0.0), one(2.0), args["shift"])
    assert least < bennett < chord < maximum_mass(args["count"], one(2.0), args["shift"])


@pytest.mark.parametrize("size", [0, 1, 5, 3000])
def test_sums_are_outward(size: int) -> None:
    weights = np.exp(np.random.default_rng(size).normal(0, 8, size=(2, size)))
    with oracle.precision():
        for row, above, below in zip(weights, sum_upper(weights), sum_lower(weights), strict=True):
            real = oracle.total(oracle.balls(row))
            assert bool(arb(float(below)) <= real)
            assert bool(real <= arb(float(above)))
            assert above <= below * (1 + 1e-11)


def test_must_fail_without_the_far_point() -> None:
    """Bennett's formula without its second weight is no bound."""
    upper, mean, variance = 2.0, 0.0, 0.5
    ratio = variance / (upper - mean) ** 2
    short = ratio * np.exp(upper) / (1 + ratio)
    assert short < 1.0 < bennett_mass(one(1.0), one(mean), one(upper), one(variance), one(0.0))[0]
