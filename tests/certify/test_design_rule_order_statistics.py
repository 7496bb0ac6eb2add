"""Binomial tails against exact sums; the identity behind the slack; the ladder on simulated rows."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from flint import arb

from certify.design_rule import order_statistics as room
from certify.design_rule.order_statistics import binomial_lower_tail, binomial_upper_tail, slack
from certify.interval import Interval
from tests.certify.arb_truth import end, number


def exact_upper_tail(n: int, m: int, p: Fraction) -> Fraction:
    return sum((comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(max(m, 0), n + 1)), Fraction(0))


@pytest.mark.parametrize("n", [1, 2, 7, 63, 64, 300])
@pytest.mark.parametrize("p", [Fraction(1, 1000), Fraction(1, 5), Fraction(1, 2), Fraction(15, 16)])
def test_tails_are_outward_and_close(n: int, p: Fraction) -> None:
    for m in sorted({0, 1, n // 5, n // 2, n - 1, n, n + 1, -1}):
        for made, truth in (
            (binomial_upper_tail(n, m, Interval.point(p, 80)), exact_upper_tail(n, m, p)),
            (binomial_lower_tail(n, m, Interval.point(p, 80)), 1 - exact_upper_tail(n, m + 1, p)),
        ):
            assert end(made) >= number(truth), (n, m, p)
        spread = float(n * p * (1 - p)) ** 0.5
        if n >= 63 and m > float(n * p) + 3 * spread + 1:
            assert end(binomial_upper_tail(n, m, Interval.point(p, 80))) <= arb(1.3) * number(exact_upper_tail(n, m, p))


def test_a_large_binomial() -> None:
    """Robbins' bounds on the factorials: 2^17 trials against the first 100 terms of the exact sum."""
    n, p = 131072, Fraction(1, 20)
    for m in (6850, 9000):
        direct = sum((arb(comb(n, j)) * number(p) ** j * number(1 - p) ** (n - j) for j in range(m, m + 100)), arb(0))
        made = end(binomial_upper_tail(n, m, Interval.point(p, 80)))
        assert made >= direct
        assert made <= direct * arb(1.3)


def test_forgetting_the_geometric_tail_would_be_unsound() -> None:
    p = Fraction(1, 5)
    first = comb(300, 80) * p**80 * (1 - p) ** 220
    assert first < exact_upper_tail(300, 80, p)


@pytest.mark.parametrize("seed", range(20))
def test_the_identity_behind_the_slack(seed: int) -> None:
    """Σ_{j≤k} w_(j) = k + Σ(w − 1)_+ − R with R as defined, in exact fractions."""
    r = np.random.default_rng(seed)
    weights = sorted((Fraction(float(x)) for x in np.exp(r.normal(0, 1, 12))), reverse=True)
    for k in range(1, 12):
        above = sum(w > 1 for w in weights)
        lost = sum((weights[j] - 1 for j in range(k, above)), Fraction(0)) + sum(
            (1 - weights[j] for j in range(above, k)), Fraction(0)
        )
        assert lost >= 0
        assert sum(weights[:k]) == k + sum((max(w - 1, Fraction(0)) for w in weights), Fraction(0)) - lost


def losses(n: int, k: int, sigma: float, z: float, draws: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    r = np.random.default_rng(n + k)
    found = np.empty(draws)
    for i in range(draws):
        w = np.exp(sigma * (np.sort(r.standard_normal(n))[::-1] - z))
        found[i] = k + np.maximum(w - 1, 0).sum() - w[:k].sum()
    return found


@pytest.mark.parametrize(
    ("n", "k", "sigma", "z"), [(128, 30, 2.0, 0.72), (1024, 50, 3.0, 1.656), (400, 390, 1.0, -1.96)]
)
def test_the_ladder_holds_on_draws_and_is_not_idle(n: int, k: int, sigma: float, z: float) -> None:
    made = slack(n, k, sigma, z, 0.02)
    assert made.risk <= 0.021
    lost = losses(n, k, sigma, z, 4000)
    missed = int((lost > float(made.amount)).sum())
    # 4000 draws, a risk of at most 0.021 each: more than 130 misses have a probability below 1e-5.
    assert missed <= 130
    assert float(made.amount) <= 12 * np.quantile(lost, 0.98)


def test_a_ladder_that_is_wrong_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts that never stray from their mean: the loss exceeds such a ladder in most draws."""
    monkeypatch.setattr(room, "_count_risk", lambda *_, **__: Interval.point(0.0, 80).upper)
    monkeypatch.setattr(room, "_stretches", lambda: iter([0.01]))
    made = slack(1024, 50, 3.0, 1.656, 0.02)
    assert (losses(1024, 50, 3.0, 1.656, 400) > float(made.amount)).mean() > 0.1


def test_a_wish_that_cannot_be_met_proves_nothing() -> None:
    """One key of two above a high threshold: every rung that fails costs its whole probability."""
    made = slack(2, 1, 1.0, 0.0, 1e-12)
    assert made.amount >= 0
    assert made.risk > 0
