"""T16 and T17 against Arb: inclusion and width; they undo each other; bad input."""

from fractions import Fraction

import pytest
from flint import arb

from certify import enclosures
from certify.errors import BadInput
from certify.interval import Interval
from tests.certify.arb_truth import encloses, is_tight, number
from tests.certify.normal_against_arb import survival

SIGMAS = (1e-9, 0.5, 1.0, 3.0, 4.0, 30.0, Fraction(7, 3))
SHARES = (1e-300, 1e-16, 0.001, 0.05, 0.5, Fraction(1, 3), 0.9, 1 - 2.0**-53)


def survival_quantile(p: arb) -> arb:
    """Φ_c⁻¹ by Arb's inverse of erf, or of erfc where that one is accurate."""
    return arb(2).sqrt() * ((1 - 2 * p).erfinv() if p > 1e-5 else (2 * p).erfcinv())


@pytest.mark.parametrize("bits", [5, 53, 200])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_tail_mass_and_fraction(sigma: float | Fraction, bits: int) -> None:
    for share in SHARES:
        z = survival_quantile(number(share))
        for made, truth in (
            (enclosures.gaussian_tail_mass(share, sigma, bits), survival(number(sigma) - z)),
            (enclosures.gaussian_fraction(sigma, share, bits), survival(number(sigma) - z)),
        ):
            assert encloses(made, truth), (share, sigma, bits)
            assert is_tight(made, bits - 2), (share, sigma, bits)


def test_the_rule_keeps_the_fraction_that_leaves_eps() -> None:
    """T16 of T17's fraction is ε again."""
    for sigma in (0.5, 2.0, 4.0):
        for eps in (0.3, 1e-2, 1e-9):
            fraction = enclosures.gaussian_fraction(sigma, eps, 120)
            assert enclosures.gaussian_tail_mass(fraction, sigma, 120).contains(eps)


def test_intervals_of_arguments() -> None:
    wide = enclosures.gaussian_fraction(Interval.between(1.0, 2.0, 60), Interval.between(0.01, 0.1, 60), 60)
    for sigma in (1.0, 1.5, 2.0):
        for eps in (0.01, 0.1):
            inner = enclosures.gaussian_fraction(sigma, eps, 100)
            assert wide.lower <= inner.lower <= inner.upper <= wide.upper
    up_to_all = enclosures.gaussian_tail_mass(Interval.between(0.5, 1.0, 60), 2.0, 60)
    assert up_to_all.lower == 0
    assert up_to_all.upper >= enclosures.gaussian_tail_mass(0.5, 2.0, 100).lower
    assert is_tight(Interval(up_to_all.upper, enclosures.gaussian_tail_mass(0.5, 2.0, 40).upper, 60), 38)


def test_everything_kept_leaves_nothing() -> None:
    assert enclosures.gaussian_tail_mass(1, 2.0) == Interval.point(0, 128)


@pytest.mark.parametrize("sigma", [0, -1.0, -1e-300])
def test_sigma_that_is_no_spread(sigma: float) -> None:
    with pytest.raises(BadInput, match=r"sigma = .* is not positive"):
        enclosures.gaussian_fraction(sigma, 0.01)
    with pytest.raises(BadInput, match=r"sigma = .* is not positive"):
        enclosures.gaussian_tail_mass(0.01, sigma)


@pytest.mark.parametrize("share", [0, 1, -0.5, 1.5, Fraction(-1, 3)])
def test_shares_outside_their_range(share: float | Fraction) -> None:
    with pytest.raises(BadInput, match=r"eps = .* is outside \(0, 1\)"):
        enclosures.gaussian_fraction(1.0, share)
    if share != 1:
        with pytest.raises(BadInput, match=r"kappa = .* is outside \(0, 1\]"):
            enclosures.gaussian_tail_mass(share, 1.0)
