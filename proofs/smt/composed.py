"""T23 for what is built on the kernel's exponential: divergences, bounds from partial knowledge, output errors, radii.

Each module states how many units u = 2⁻⁵³ it allows; here the units it needs are itemised again and compared exactly.
Weights are the exact grade's, within ε of e^d by `kernel.exponential_bound`, and σ = 2⁻⁴⁴ bounds the rounding of a
difference of scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import factorial

import ml_dtypes
import numpy as np
import sympy as sp

from certify.enclosures import perturbation
from float_kernels import bounds, dot_product, exponential, f_divergences, output_errors, rounding
from proofs.smt.exact import Fact
from proofs.smt.kernel import U, exponential_bound
from proofs.smt.query import Query

SIGMA = Fraction(1, 2**44)
# Roundings of one term of Bennett's bound (ratio·e^u + e^v)/(1 + ratio) · t, outward factor included, where the ratio's
# own four count once, because it stands above and below the bar (`ratio_counts_once`).
BENNETT_ROUNDINGS = {"ratio": 4, "ratio times weight": 1, "sum": 1, "1 + ratio": 1, "quotient": 1, "t": 1, "outward": 1}
CHORD_ROUNDINGS = {"two differences": 2, "quotient": 1, "times weight": 1, "sum": 1, "t": 1, "outward": 1}
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}


def constants() -> tuple[Query | Fact, ...]:
    """T23: the kernels' constants beyond the tail mass, and the audit's table of formats."""
    return (ratio_counts_once(), proved_logarithm(), *facts())


def ratio_counts_once() -> Query:
    """(rA + B)/(1 + r) moves by at most a factor 1 + e when r does, for A, B ≥ 0."""
    r, A, B, e = (sp.Symbol(name, positive=True) for name in ("r", "A", "B", "e"))
    moved = (r * (1 + e) * A + B) / (1 + r * (1 + e))
    return Query("T23", "the ratio's error counts once", (), sp.Le(moved, (1 + e) * (r * A + B) / (1 + r)))


def proved_logarithm() -> Query:
    """w(1 − s) ≥ y and w ≤ E(1 + ε) with s ≥ ε give E ≥ y: an accepted c is at least ln y."""
    w, s, y, E, e = (sp.Symbol(name, positive=True) for name in ("w", "s", "y", "E", "e"))
    accepted = (sp.Ge(w * (1 - s), y), sp.Le(w, E * (1 + e)), sp.Ge(s, e), sp.Lt(s, 1))
    return Query("T23", "an accepted logarithm is an upper bound", accepted, sp.Ge(E, y))


def facts() -> Iterator[Fact]:
    """The facts about concrete numbers."""
    yield Fact("T23", "divergences: _EXPONENTIAL_SLACK covers ε, 1 ± slack, the product, and 1 + x", _slack_covers)
    yield Fact("T23", "divergences: _SERIES_SLACK covers Horner's roundings and Taylor's remainder", _series_covers)
    yield Fact("T23", "divergences: LARGEST_KL is inside the exponential's domain", _largest_kl_is_inside)
    yield Fact("T23", "bounds: TERM_UNITS cover a chord's or a level's term", _term_units_cover)
    yield Fact("T23", "bounds: BENNETT_UNITS cover its term and its second exponent", _bennett_units_cover)
    yield Fact("T23", "bounds: the outward factors undo their units", _bound_factors_cover)
    yield Fact("T23", "output_error: _WEIGHT_UNITS cover one weight, _U is u", _weight_units_cover)
    yield Fact("T23", "output_error: the radius of a mean covers its items", _mean_radius_covers)
    yield Fact("T23", "dot: FORMATS are the formats", _formats_are_right)
    yield Fact("T23", "audit: ACCUMULATORS are the formats", _accumulators_are_right)


def _weight() -> Fraction:
    return exponential_bound("exact")


def _slack_covers() -> bool:
    """Accepting c needs s ≥ ε + 3u + …: fl(1 − s), the product and 1 + x round once each; ε ≥ u covers second order."""
    needed = (1 + _weight()) * (1 + U) ** 3 - 1
    slack = Fraction(f_divergences._EXPONENTIAL_SLACK)
    return needed <= slack < Fraction(1, 2**40)


def _series_covers() -> bool:
    """Each of the terms − 1 steps rounds three times a number in [1, 2) that is multiplied by c/term ≤ ¼ later."""
    terms: int = f_divergences._SERIES_TERMS
    limit = Fraction(f_divergences._SERIES_LIMIT)
    roundings = 3 * (terms - 1) + 1 + 2  # and total·c; then 1 ± slack and the product with it
    remainder = limit**terms / factorial(terms + 1) / (1 - limit / (terms + 2))
    slack = Fraction(f_divergences._SERIES_SLACK)
    return limit <= Fraction(1, 2) and (1 + U) ** roundings * (1 + remainder) - 1 <= slack < Fraction(1, 2**40)


def _largest_kl_is_inside() -> bool:
    return Fraction(f_divergences.LARGEST_KL) <= Fraction(exponential.CEILING)


def _term_units_cover() -> bool:
    roundings = max(sum(CHORD_ROUNDINGS.values()), sum(BENNETT_ROUNDINGS.values()))
    needed = (1 + _weight()) * (1 + SIGMA + SIGMA**2) * (1 + U) ** roundings - 1
    return needed <= bounds.TERM_UNITS * U


def _bennett_units_cover() -> bool:
    """The exponent (m − shift) − σ²/β: β and the quotient are off by u each, of at most 700; two differences by σ."""
    reach = -Fraction(exponential.CLAMP)
    exponent = reach * ((1 + U) ** 2 - 1) + 2 * SIGMA
    roundings = sum(BENNETT_ROUNDINGS.values())
    needed = (1 + _weight()) * (1 + exponent + exponent**2) * (1 + U) ** roundings - 1
    return needed <= bounds.BENNETT_UNITS * U


def _bound_factors_cover() -> bool:
    return all(
        (1 + U) ** units <= Fraction(bounds._up(units)) and Fraction(bounds._down(units)) * (1 + U) ** units <= 1
        for units in (1, 2, bounds.TERM_UNITS, bounds.BENNETT_UNITS, bounds.BENNETT_UNITS + rounding.sum_depth(4096))
    )


def _weight_units_cover() -> bool:
    needed = (1 + _weight()) * (1 + SIGMA + SIGMA**2) - 1
    return needed <= output_errors._WEIGHT_UNITS * U and Fraction(output_errors._U) == U


def _mean_radius_covers() -> bool:
    """The radius that `_mean_distance` reports for 1000 keys in 8 dimensions against the items of its module.

    For each mean: weights twice, product and additions of the numerator, additions of the divisor and the quotient;
    then the difference, at most 2M long, and its norm, off by d/2 + 2 units relative.
    """
    n, d, largest = 1000, 8, 1.0
    values = np.full((n, d), 0.25)
    scores, kept = np.zeros((1, n)), np.arange(n)[None, :] < n // 2
    (radius,) = output_errors._mean_distance(scores, kept, values, largest, "numpy", 1)[1]
    depth = min(n, rounding.KEYS_PER_BLOCK) + -(-n // rounding.KEYS_PER_BLOCK)
    weight = (1 + _weight()) * (1 + SIGMA + SIGMA**2) - 1
    needed = 2 * (2 * weight + (2 * depth + 2) * U) + (2 + 2 * (Fraction(d, 2) + 2)) * U
    return Fraction(float(radius)) >= needed * Fraction(largest)


def _format(name: str) -> tuple[Fraction, Fraction, Fraction]:
    """(unit roundoff, smallest subnormal, smallest normal) measured on the format's own numbers, without tables."""
    dtype = DTYPES[name]
    one, zero = dtype(1), dtype(0)
    above = np.nextafter(one, dtype(2))
    least = np.nextafter(zero, one)
    unit = (Fraction(float(above)) - 1) / 2
    return unit, Fraction(float(least)), Fraction(float(least)) / (2 * unit)


def _formats_are_right() -> bool:
    return all(dot_product.FORMATS[name] == _format(name) for name in dot_product.FORMATS)


def _accumulators_are_right() -> bool:
    return all(tuple(perturbation.ACCUMULATORS[name])[:2] == _format(name)[:2] for name in perturbation.ACCUMULATORS)
