"""The quadrature rule: its defect bounds the error on functions that it never saw, and is not idle."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb

from certify.design_rule.quadrature import DISC, GRID, panels_between, rule


def test_nodes_are_exact_in_panels() -> None:
    made = rule()
    assert all(Fraction(float(x)).denominator <= 2**20 for x in made.nodes)
    half, centre = 2.0**-3 - 2.0**-21, 9.0 - 2.0**-21
    for x in made.nodes:
        assert Fraction(centre + half * float(x)) == Fraction(centre) + Fraction(half) * Fraction(float(x))


@pytest.mark.parametrize("rate", [0.0, 0.5, 2.0, 8.0, -3.0])
def test_the_defect_bounds_the_error_on_exponentials(rate: float) -> None:
    """∫_{−1}^{1} e^{rx}dx, with |e^{rζ}| ≤ e^{|r|ρ} on the disc."""
    made = rule()
    summed = sum(
        (arb(float(w)) * (rate * arb(float(x))).exp() for w, x in zip(made.weights, made.nodes, strict=True)), arb(0)
    )
    truth = arb(2) if rate == 0 else ((arb(rate).exp() - (-arb(rate)).exp()) / rate)
    assert abs(summed - truth) <= arb(made.defect) * arb(abs(rate) * DISC).exp()


def test_the_defect_is_small() -> None:
    assert 0 < rule().defect < 1e-14
    assert (rule().weights > 0).all()


def test_the_worst_function_is_nearly_reached() -> None:
    """Not a bound that nothing comes near: the moments alone make up half of it."""
    made = rule()
    worst = Fraction(0)
    for power in range(20):
        integral = Fraction(2, power + 1) if power % 2 == 0 else Fraction(0)
        moment = sum(
            (Fraction(float(w)) * Fraction(float(x)) ** power for w, x in zip(made.weights, made.nodes, strict=True)),
            Fraction(0),
        )
        worst = max(worst, abs(integral - moment) / DISC**power)
    assert worst <= Fraction(made.defect) <= 40 * worst


def test_panels_cover_and_lie_on_the_grid() -> None:
    for low, high, slope in ((-9.0, 0.5, 0.0), (-9.0, -1.25, 300.0), (1.0, 1.0 + 4 * GRID, 1.0)):
        ends = panels_between(low, high, 0.25, slope, 2.0, high)
        assert ends[0] == low
        assert ends[-1] == high
        assert (np.diff(ends) > 0).all()
        assert (np.diff(ends) <= 0.25).all()
        assert all((Fraction(float(end)) / Fraction(GRID)).denominator == 1 for end in ends)
