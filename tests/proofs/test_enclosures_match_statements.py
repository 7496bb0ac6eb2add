"""The audit side computes the formulas of record: each enclosure against `proofs/statements.py`, evaluated by other
code at exact points.

`certify.enclosures` and `proofs.replay` share no arithmetic beyond mpmath's interval field operations. Both
enclosures are narrower than 2⁻⁹⁰, so they overlap
only if they are about the same number: a changed constant, sign, count or index in a formula fails here.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from mpmath import mpf

from certify import elementary, enclosures
from certify.interval import Interval
from proofs import statements
from proofs.replay import enclosure, ends

NARROW = sp.Rational(1, 2**90)
ROWS = {
    "three keys": ([1.0, 0.0, -2.0], [True, False, False]),
    "not the top": ([0.25, 1.5, -0.5, 2.0, 0.0], [True, False, True, False, True]),
    "ties and a mask": ([0.5, 0.5, -np.inf, 0.5, -1.25, -1.25], [True, False, False, True, False, True]),
    "far apart": ([3.0, -20.0, -8.5, 1.0, -31.25, 2.0, -0.125], [True, False, False, True, False, False, True]),
}
TOP_ROWS = {
    "two and three": ([2.0, 1.25, 0.5, 0.0, -1.0], 2),
    "one": ([0.75, 0.5, 0.25, -3.0, -3.0, -4.5], 1),
    "tied": ([1.0, 1.0, 1.0, -1.0], 2),
}


def rational(value: float | Fraction) -> sp.Rational:
    exact = Fraction(value)
    return sp.Rational(exact.numerator, exact.denominator)


def weight(score: float) -> sp.Expr:
    return sp.S.Zero if score == -np.inf else sp.exp(rational(score))


def masses(scores: list[float], kept: list[bool]) -> tuple[sp.Expr, sp.Expr]:
    return tuple(sp.Add(*(weight(s) for s, k in zip(scores, kept, strict=True) if k is side)) for side in (True, False))


def fraction(value: mpf) -> sp.Rational:
    sign, mantissa, exponent, _ = value._mpf_
    return (-1) ** sign * sp.Integer(int(mantissa)) * sp.Rational(2) ** exponent


def assert_same(found: Interval, expected: sp.Expr) -> None:
    other = enclosure(expected, {})
    low, high = fraction(found.lower), fraction(found.upper)
    other_low, other_high = map(fraction, ends(other))
    size = max(abs(low), abs(high), sp.Rational(1, 2**40))
    assert high - low <= NARROW * size, f"not narrow: {found}"
    assert other_high - other_low <= NARROW * size, f"the replay is not narrow: {other}"
    assert low <= other_high, f"{found} lies above {other}"
    assert other_low <= high, f"{found} lies below {other}"


@pytest.mark.parametrize("name", ROWS)
def test_distribution_level(name: str) -> None:
    scores, kept = ROWS[name]
    H, T = masses(scores, kept)
    tau, kl = statements.tail_mass(H, T), statements.divergence_of_kept(H, T)
    assert_same(enclosures.tail_mass(scores, kept), tau)
    assert_same(enclosures.total_variation(scores, kept), tau)
    assert_same(enclosures.kl(scores, kept), kl)
    assert_same(enclosures.renyi(scores, kept), kl)
    assert_same(enclosures.chi_squared(scores, kept), tau / (1 - tau))
    assert_same(enclosures.squared_hellinger(scores, kept), 1 - sp.sqrt(1 - tau))
    assert_same(enclosures.f_divergence(scores, kept, lambda t: (t - 1).square(), 1), tau / (1 - tau))
    assert_same(enclosures.pinsker(enclosures.kl(scores, kept)), sp.sqrt(kl / 2))
    assert_same(enclosures.bretagnolle_huber(enclosures.kl(scores, kept)), sp.sqrt(1 - sp.exp(-kl)))


def test_log_sum_exp() -> None:
    kept_lse, all_lse, error = 1.25, 2.0, 2.0**-20
    assert_same(
        enclosures.tail_mass_from_log_sum_exp(kept_lse, all_lse), 1 - sp.exp(rational(kept_lse) - rational(all_lse))
    )
    found = enclosures.tail_mass_from_log_sum_exp(kept_lse, all_lse, error)
    for end, sign in ((found.lower, 1), (found.upper, -1)):
        assert_same(
            Interval(end, end, 128), 1 - sp.exp(rational(kept_lse) - rational(all_lse) + sign * 2 * rational(error))
        )


@pytest.mark.parametrize("name", TOP_ROWS)
def test_gap_bounds(name: str) -> None:
    scores, k = TOP_ROWS[name]
    n = len(scores)
    gap = scores[k - 1] - scores[k]
    assert_same(enclosures.gap_bound(gap, k=k, n=n), statements.gap_bound(k, n - k, rational(gap)))
    kept = [i < k for i in range(n)]
    assert_same(enclosures.gap_of(scores, kept) + 1, rational(gap) + 1)
    for eps in (Fraction(1, 100), Fraction(1, 3), Fraction(9, 10)):
        expected = statements.sufficient_gap(k, n - k, rational(eps))
        assert_same(enclosures.sufficient_gap(eps, k=k, n=n), expected)
    for known in range(k, n + 1):
        H, B = (sp.Add(*map(weight, part)) for part in (scores[:k], scores[k:known]))
        expected = statements.multi_gap_bound(H, B, n - known, weight(scores[known - 1]))
        assert_same(enclosures.multi_gap_bound(scores[:known], k=k, n=n), expected)
        lower = scores[known - 1] - 0.5
        expected = statements.multi_gap_bound(H, B, n - known, weight(lower))
        assert_same(enclosures.multi_gap_bound(scores[:known], k=k, n=n, unseen_upper=lower), expected)


BLOCK_ROW = [2.0, 0.5, -1.0, 1.0, 0.25, 0.0, -2.5, 1.5, -0.75]
BLOCK_KEPT = [True, False, False, True, False, False, False, True, False]
BLOCKS = [0, 0, 0, 1, 1, 1, 1, 2, 2]


def by_block() -> list[tuple[int, list[sp.Rational], sp.Rational, sp.Rational]]:
    """(kept keys, tail scores, lowest score, highest score) of each block."""
    result = []
    for label in sorted(set(BLOCKS)):
        places = [i for i, own in enumerate(BLOCKS) if own == label]
        inside = [rational(BLOCK_ROW[i]) for i in places]
        tail = [rational(BLOCK_ROW[i]) for i in places if not BLOCK_KEPT[i]]
        result.append((sum(BLOCK_KEPT[i] for i in places), tail, min(inside), max(inside)))
    return result


def test_block_bounds() -> None:
    found = enclosures.block_bound(BLOCK_ROW, BLOCK_KEPT, BLOCKS)
    blocks = by_block()
    kept_low, kept_high = (
        sp.Add(*(h * sp.exp(x) for h, _, low, up in blocks for x in (pick(low, up),))) for pick in (min, max)
    )
    assert_same(found.upper, statements.tail_mass(kept_low, sp.Add(*(len(t) * sp.exp(up) for _, t, _, up in blocks))))
    assert_same(
        found.lower, statements.tail_mass(kept_high, sp.Add(*(len(t) * sp.exp(low) for _, t, low, _ in blocks)))
    )

    means = [sp.Add(*tail) / len(tail) for _, tail, _, _ in blocks]
    jensen = sp.Add(*(statements.moment_lower(len(t), m) for (_, t, _, _), m in zip(blocks, means, strict=True)))
    chord = sp.Add(
        *(statements.moment_upper(len(t), m, low, up) for (_, t, low, up), m in zip(blocks, means, strict=True))
    )
    variances = [
        sp.Add(*((x - m) ** 2 for x in tail)) / len(tail) for (_, tail, _, _), m in zip(blocks, means, strict=True)
    ]
    bennett = sp.Add(
        *(
            statements.moment_upper_with_variance(len(t), m, var, up)
            for (_, t, _, up), m, var in zip(blocks, means, variances, strict=True)
        )
    )
    by_mean = enclosures.block_moment_bound(BLOCK_ROW, BLOCK_KEPT, BLOCKS)
    by_variance = enclosures.block_moment_bound(BLOCK_ROW, BLOCK_KEPT, BLOCKS, variance=True)
    assert_same(by_mean.lower, statements.tail_mass(kept_high, jensen))
    assert_same(by_variance.lower, statements.tail_mass(kept_high, jensen))
    assert_same(by_mean.upper, statements.tail_mass(kept_low, chord))
    assert_same(by_variance.upper, statements.tail_mass(kept_low, bennett))


VALUES = [[1.0, -0.5], [0.25, 2.0], [-1.5, 0.0], [0.0, 3.0], [2.5, 1.0]]


def squared_distance(a: list[float], b: list[float]) -> sp.Rational:
    return sp.Add(*((rational(x) - rational(y)) ** 2 for x, y in zip(a, b, strict=True)))


def test_output_level() -> None:
    scores, kept = ROWS["not the top"]
    H, T = masses(scores, kept)
    tau = statements.tail_mass(H, T)
    w = [weight(s) for s in scores]
    columns = [[rational(row[d]) for row in VALUES] for d in range(2)]

    def mean(column: list[sp.Rational], side: bool | None, mass: sp.Expr) -> sp.Expr:
        return sp.Add(*(a * b for a, b, k in zip(w, column, kept, strict=True) if side is None or k is side)) / mass

    error = sp.sqrt(sp.Add(*((mean(c, None, H + T) - mean(c, True, H)) ** 2 for c in columns)))
    assert_same(enclosures.output_error(scores, kept, VALUES), error)

    origin, centre = [0.0, 0.0], [0.5, 0.75]
    longest = sp.Max(*(sp.sqrt(squared_distance(v, origin)) for v in VALUES))
    assert_same(enclosures.norm_bound(scores, kept, VALUES), statements.norm_bound(tau, longest))
    radii = [
        sp.Max(*(sp.sqrt(squared_distance(v, centre)) for v, k in zip(VALUES, kept, strict=True) if k is side))
        for side in (True, False)
    ]
    recentred = statements.recentred_norm_bound(tau, *radii)
    assert_same(enclosures.norm_bound(scores, kept, VALUES, centre=centre), recentred)

    across = [
        squared_distance(a, b)
        for a, k in zip(VALUES, kept, strict=True)
        if k
        for b, other in zip(VALUES, kept, strict=True)
        if not other
    ]
    diameter = statements.diameter_bound(tau, sp.sqrt(sp.Max(*across)))
    assert_same(enclosures.diameter_bound(scores, kept, VALUES), diameter)

    deviations = [
        sp.Add(*((x - mean(c, None, H + T)) ** 2 for x, c in zip(row, columns, strict=True)))
        for row in zip(*columns, strict=True)
    ]
    variance = sp.Add(*(a * b for a, b in zip(w, deviations, strict=True))) / (H + T)
    spread = sp.sqrt(statements.variance_bound_squared(tau, variance))
    assert_same(enclosures.variance_bound(scores, kept, VALUES), spread)
    assert_same(
        enclosures.best_output_bound(scores, kept, VALUES),
        sp.Min(statements.norm_bound(tau, longest), diameter, spread),
    )


def test_each_output_bound_is_the_least_somewhere() -> None:
    """Otherwise dropping one from the minimum (T14) would go unnoticed."""
    cases = {
        "norm": ([0.0, 0.0], [True, False], [[1.0], [-1.0]]),
        "diameter": ([0.0, -1.0, -2.0], [True, False, False], [[5.0], [6.0], [6.5]]),
        "variance": ([3.0, 2.5, -2.0, -9.0], [True, True, False, False], [[0.0], [0.25], [0.0], [4.0]]),
    }
    for scores, kept, values in cases.values():
        bounds = [
            function(scores, kept, values)
            for function in (enclosures.norm_bound, enclosures.diameter_bound, enclosures.variance_bound)
        ]
        assert enclosures.best_output_bound(scores, kept, values).upper == min(bound.upper for bound in bounds)
    scores, kept, values = cases["diameter"]
    assert enclosures.best_output_bound(scores, kept, values).upper < enclosures.norm_bound(scores, kept, values).lower
    scores, kept, values = cases["variance"]
    assert (
        enclosures.best_output_bound(scores, kept, values).upper < enclosures.diameter_bound(scores, kept, values).lower
    )


def test_best_partition() -> None:
    rng = np.random.default_rng(1)
    for _ in range(12):
        n = int(rng.integers(2, 7))
        values = rng.integers(-8, 9, (n, 2)) / 4
        found = enclosures.best_partition(values)
        rows = values.tolist()

        def across(side: tuple[int, ...], rows: list[list[float]] = rows, n: int = n) -> sp.Rational:
            return max(squared_distance(rows[a], rows[b]) for a in side for b in range(n) if b not in side)

        best = min(across(side) for size in range(1, n) for side in combinations(range(n), size))
        assert_same(found.diameter + 1, sp.sqrt(best) + 1)
        assert across(tuple(np.flatnonzero(found.side).tolist())) == best


@pytest.mark.parametrize("name", ROWS)
def test_perturbation(name: str) -> None:
    scores, kept = ROWS[name]
    H, T = masses(scores, kept)
    for radius in (0.125, 1.0):
        delta = rational(radius)
        found = enclosures.perturbed_tail_mass(scores, kept, radius)
        assert_same(Interval(found.upper, found.upper, 128), statements.perturbed_tail_mass(H, T, delta))
        assert_same(Interval(found.lower, found.lower, 128), statements.perturbed_tail_mass(H, T, -delta))
        assert_same(enclosures.perturbation_total_variation(radius), statements.perturbation_distance(delta))


@pytest.mark.parametrize(
    ("accumulator", "unit", "least"),
    [("float32", 24, 149), ("float64", 53, 1074), ("float16", 11, 24), ("bfloat16", 8, 133)],
)
def test_dot_product_radius(accumulator: str, unit: int, least: int) -> None:
    query, key = [1.5, -2.0, 0.25], [[0.5, 1.0, -4.0], [3.0, 0.0, 1.0]]
    found = enclosures.dot_product_radius(query, key, accumulator=accumulator)
    for radius, own in zip(found, key, strict=True):
        size = sp.Add(*(abs(rational(a) * rational(b)) for a, b in zip(query, own, strict=True)))
        expected = statements.accumulated_rounding(3, sp.Rational(1, 2**unit)) * size + 6 * sp.Rational(1, 2**least)
        assert_same(radius, expected)


@pytest.mark.parametrize("scale", [None, 0.375])
@pytest.mark.parametrize(("stored", "stored_unit", "stored_least"), [("float16", 11, 24), ("float32", 24, 149)])
def test_score_radius(scale: float | None, stored: str, stored_unit: int, stored_least: int) -> None:
    query, key = [1.5, -2.0, 0.25], [[0.5, 1.0, -4.0], [3.0, 0.0, 1.0]]
    u, least = sp.Rational(1, 2**24), sp.Rational(1, 2**149)
    factor, error = (1 / sp.sqrt(3), 2 * u + 4 * u**2) if scale is None else (rational(scale), sp.S.Zero)
    for radius, own in zip(enclosures.score_radius(query, key, scale=scale, stored=stored), key, strict=True):
        products = [rational(a) * rational(b) for a, b in zip(query, own, strict=True)]
        gamma = statements.accumulated_rounding(3, u)
        dot_radius = gamma * sp.Add(*map(abs, products)) + 6 * least
        stored_format = sp.Rational(1, 2**stored_unit), sp.Rational(1, 2**stored_least)
        exact = abs(sp.Add(*products))
        expected = statements.stored_score_radius(exact, dot_radius, factor, error, u, least, *stored_format)
        assert_same(radius, expected)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 4.0])
def test_gaussian_scores(sigma: float) -> None:
    """κ = Φ_c(a) and ε = Φ(a) at rational thresholds a, where SymPy undoes Φ⁻¹ by itself."""
    for a in (Fraction(-1), Fraction(-1, 3), Fraction(7, 4)):
        share = statements.normal_cdf(rational(a))
        own = Interval.point(a, 200)
        kappa, eps = elementary.normal_survival(own, 200), elementary.normal_cdf(own, 200)
        tail = statements.gaussian_tail_mass(1 - share, rational(sigma))
        assert_same(enclosures.gaussian_tail_mass(kappa, sigma), tail)
        assert_same(enclosures.gaussian_fraction(sigma, eps), statements.design_fraction(share, rational(sigma)))
