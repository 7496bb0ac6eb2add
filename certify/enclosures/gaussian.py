"""What Gaussian scores cost in the limit of many keys: tail mass of a kept fraction (T16) and the design rule (T17).

The scores are i.i.d. N(μ, σ²) in nats; μ cancels. Both numbers are limits as n → ∞ and promise nothing about a finite
row: half of all rows or more need a larger share of the keys than T17 says. The finite-n guarantee is `certify.plan`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from certify import elementary
from certify.errors import BadInput
from certify.interval import Interval, Number

__all__ = ["gaussian_fraction", "gaussian_tail_mass"]


def gaussian_tail_mass(kappa: Number, sigma: Number, bits: int = 128) -> Interval:
    """T16. Φ(Φ_c⁻¹(κ) − σ), the tail mass that remains as n → ∞ when the top κ·n of n scores N(μ, σ²) are kept.

    κ in (0, 1], σ > 0; 0 at κ = 1. Relative width about 2^−bits. Source: arXiv 2512.07647.
    """
    fraction, spread = _lift(kappa, bits), _spread(sigma, bits)
    if fraction.lower <= 0 or fraction.upper > 1:
        raise BadInput(f"kappa = {_shown(kappa)} is outside (0, 1]; it is the kept share k/n of the keys")
    if fraction.upper == 1:
        if fraction.lower == 1:
            return Interval.point(0, bits)
        most = gaussian_tail_mass(Interval(fraction.lower, fraction.lower, bits), sigma, bits)
        return Interval(Interval.point(0, bits).lower, most.upper, bits)
    return _survival_of(
        lambda more: _at(spread, more) - elementary.normal_survival_quantile(_at(fraction, more), more), bits
    )


def gaussian_fraction(sigma: Number, eps: Number, bits: int = 128) -> Interval:
    """T17. Φ_c(σ + Φ⁻¹(ε)), the limit of k_ε/n as n → ∞: the smallest share of the keys whose tail mass is ε.

    σ > 0, ε in (0, 1). Relative width about 2^−bits. *A limit, not a guarantee*: at finite n it lies at or below the
    median of k_ε/n, and half of all rows or more miss ε with so few keys. Source: abstract and T6.4 of arXiv
    2512.07647.
    """
    budget, spread = _lift(eps, bits), _spread(sigma, bits)
    if budget.lower <= 0 or budget.upper >= 1:
        raise BadInput(f"eps = {_shown(eps)} is outside (0, 1); it is the softmax mass that may be dropped")
    return _survival_of(lambda b: _at(spread, b) + elementary.normal_quantile(_at(budget, b), b), bits)


def _survival_of(threshold: Callable[[int], Interval], bits: int) -> Interval:
    """Φ_c of a threshold: its relative error is about |z|² times that of z, so that many more bits go into z."""
    rough = threshold(bits + 16)
    magnitude = abs(rough).upper._mpf_
    more = bits + 16 + 2 * max(0, magnitude[2] + magnitude[3])
    tail = elementary.normal_survival(threshold(more), more)
    return Interval(tail.lower, tail.upper, bits)


def _at(x: Interval, bits: int) -> Interval:
    return Interval(x.lower, x.upper, bits)


def _lift(value: Number, bits: int) -> Interval:
    return value if isinstance(value, Interval) else Interval.point(value, 2 * bits + 64)


def _spread(sigma: Number, bits: int) -> Interval:
    spread = _lift(sigma, bits)
    if spread.lower <= 0:
        raise BadInput(f"sigma = {_shown(sigma)} is not positive; it is the standard deviation of the scores, in nats")
    return spread


def _shown(value: Number) -> str:
    return str(float(value)) if isinstance(value, Fraction) else str(value)
