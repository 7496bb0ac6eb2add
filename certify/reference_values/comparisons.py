"""Which side of a rational c a quantity lies on, from its inputs: the exact column of the table in `quantities.py`.

Each answers as `exact_signs` does: terms of Σ c·e^x, a plain sign, or None where no exact form exists.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from certify import enclosures
from certify.errors import BadInput, UndecidedRounding
from certify.exponential_sum import Exponent, collect
from certify.interval import Interval
from certify.reference_values import exact_signs
from certify.reference_values.exact_signs import Comparison, combination, rational, side
from certify.reference_values.inputs import Inputs
from certify.scores import exact_integers

__all__ = [
    "best_output_bound",
    "best_partition",
    "blockwise",
    "diameter_bound",
    "gap",
    "gap_bound",
    "log_sum_exp",
    "multi_gap_bound",
    "norm_bound",
    "output_error",
    "perturbation_total_variation",
    "point",
    "recentred_norm_bound",
    "smallest_k",
    "sufficient_gap",
    "variance_bound",
    "worst_difference",
]

COMPARISON_BITS = 1 << 14
_ONE = {Exponent(Fraction(0)): Fraction(1)}


def _largest_square(i: Inputs, centre: Any, chosen: Any) -> Fraction:
    """max ‖v − c‖² over the chosen unmasked keys, exactly."""
    integers, unit = exact_integers(np.vstack([i.wide("value"), centre[None, :]]))
    offsets = (integers[:-1] - integers[-1])[chosen & (i.row.rank >= 0)]
    return Fraction(4) ** unit * max((offsets * offsets).sum(axis=1), default=0)


def norm_bound(i: Inputs, c: Fraction) -> Comparison:
    square = _largest_square(i, np.zeros(i["value"].shape[1]), np.ones(i.row.n, dtype=bool))
    return exact_signs.scaled_tail_mass(i.row, i.kept, 4 * square, c)


def recentred_norm_bound(i: Inputs, c: Fraction) -> Comparison:
    held, dropped = (_root(_largest_square(i, i.wide("centre"), chosen)) for chosen in (i.kept, ~i.kept))
    if held is None or dropped is None:
        return None  # the square of a sum of two roots is not rational
    return exact_signs.scaled_tail_mass(i.row, i.kept, (held + dropped) ** 2, c)


def _root(square: Fraction) -> Fraction | None:
    """√square where it is rational."""
    top, bottom = isqrt(square.numerator), isqrt(square.denominator)
    return Fraction(top, bottom) if top * top == square.numerator and bottom * bottom == square.denominator else None


def diameter_bound(i: Inputs, c: Fraction) -> Comparison:
    held, dropped = (np.flatnonzero(chosen & (i.row.rank >= 0)) for chosen in (i.kept, ~i.kept))
    integers, unit = exact_integers(i.wide("value"))
    widest = max((((integers[dropped] - integers[j]) ** 2).sum(axis=1).max(initial=0) for j in held), default=0)
    return exact_signs.scaled_tail_mass(i.row, i.kept, widest * Fraction(4) ** unit, c)


def variance_bound(i: Inputs, c: Fraction) -> Comparison:
    return exact_signs.variance_bound(i.row, i.kept, i.wide("value"), c)


def output_error(i: Inputs, c: Fraction) -> Comparison:
    return exact_signs.output_error(i.row, i.kept, i.wide("value"), c)


def best_output_bound(i: Inputs, c: Fraction) -> Comparison:
    """The least of three numbers is below c as soon as one is."""
    sides = [side(compare(i, c), COMPARISON_BITS) for compare in (norm_bound, diameter_bound, variance_bound)]
    if -1 in sides:
        return -1
    return None if None in sides else min(s for s in sides if s is not None)


def best_partition(i: Inputs, c: Fraction) -> Comparison:
    if c < 0:
        return 1
    one, other = enclosures.best_partition(i["value"]).edge
    integers, unit = exact_integers(i.wide("value"))
    offset = integers[one] - integers[other]
    return rational(int((offset * offset).sum()) * Fraction(4) ** unit, c * c)


def gap(i: Inputs, c: Fraction) -> Comparison:
    enclosures.gap_of(i.row, i.kept)  # raises where there is no gap
    high = i.row.exponents[int(i.row.rank[i.kept].min())]
    low = i.row.exponents[int(i.row.rank[~i.kept].max())]
    if any(x.surd or x.cap is not None for x in (high, low)):
        return None
    return rational(high.rational - low.rational, c)


def gap_bound(i: Inputs, c: Fraction) -> Comparison:
    k, n = i["k"], i["n"]
    return exact_signs.share({Exponent(-Fraction(i["gap"])): Fraction(n - k)}, {Exponent(Fraction(0)): Fraction(k)}, c)


def sufficient_gap(i: Inputs, c: Fraction) -> Comparison:
    """ln R > c as soon as R > e^c."""
    k, n, eps = i["k"], i["n"], Fraction(i["eps"])
    return combination(((n - k) * (1 - eps) / (k * eps), _ONE), (-1, {Exponent(c): Fraction(1)}))


def multi_gap_bound(i: Inputs, c: Fraction) -> Comparison:
    known, k, n = i.wide("top_scores").tolist(), i["k"], i["n"]
    unseen = known[-1] if i.get("unseen_upper") is None else i["unseen_upper"]
    counted = [(x, 1) for x in known] + [(unseen, n - len(known))]
    held, tail = (
        collect((Exponent(Fraction(x)), Fraction(m)) for x, m in part if m and x > -np.inf)
        for part in (counted[:k], counted[k:])
    )
    return exact_signs.share(tail, held, c)


def blockwise(kind: str, *, upper: bool) -> Callable[[Inputs, Fraction], Comparison]:
    """T8 (`kind` "extremes") and T9 ("mean", "variance")."""

    def compare(i: Inputs, c: Fraction) -> Comparison:
        found = exact_signs.block_sums(i.row, i.kept, i["blocks"], kind, upper=upper)
        return None if found is None else exact_signs.share(*found, c)

    return compare


def worst_difference(i: Inputs, *, upper: bool) -> Fraction:
    """The x ≤ 0 of 1 − e^x in T5: the difference of the log-sum-exps, as far off as their error allows."""
    slack = 2 * abs(Fraction(i.get("error", 0.0)))
    return min(Fraction(i["kept_lse"]) - Fraction(i["all_lse"]) + (-slack if upper else slack), Fraction(0))


def log_sum_exp(*, upper: bool) -> Callable[[Inputs, Fraction], Comparison]:
    def compare(i: Inputs, c: Fraction) -> Comparison:
        return combination((1 - c, _ONE), (-1, {Exponent(worst_difference(i, upper=upper)): Fraction(1)}))

    return compare


def perturbation_total_variation(i: Inputs, c: Fraction) -> Comparison:
    """tanh(δ/2) = (e^δ − 1)/(e^δ + 1) > c as soon as (1 − c)e^δ > 1 + c."""
    return combination((1 - c, {Exponent(Fraction(i["radius"])): Fraction(1)}), (-1 - c, _ONE))


def point(enclose: Callable[[Inputs, int], Interval]) -> Callable[[Inputs, Fraction], Comparison]:
    """For a quantity that may be rational: its enclosure at many bits is a point, or lies on one side of c."""

    def compare(i: Inputs, c: Fraction) -> Comparison:
        enclosure = enclose(i, COMPARISON_BITS)
        if not enclosure.contains(c):
            return 1 if enclosure > c else -1
        return 0 if enclosure.lower == enclosure.upper else None

    return compare


def smallest_k(i: Inputs) -> int:
    """The least k whose true top-k leaves at most ε (T24): bisection, for τ falls as k grows."""
    eps = Fraction(i["eps"])
    if not 0 < eps < 1:
        raise BadInput(f"eps = {i['eps']} is outside (0, 1)")
    too_few, enough = 0, int((i.row.rank >= 0).sum())
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        found = side(exact_signs.tail_mass(i.row, i.row.top(middle), eps), COMPARISON_BITS)
        if found is None:
            raise UndecidedRounding(
                f"{COMPARISON_BITS} bits do not tell whether the top {middle} keys leave at most {i['eps']}"
            )
        too_few, enough = (middle, enough) if found > 0 else (too_few, middle)
    return enough
