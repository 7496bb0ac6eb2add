"""T18's bound against exact probabilities where there are any, and against simulation where there are not."""

import math

import numpy as np
import pytest
from flint import arb

from certify.design_rule import guarantee as room
from certify.design_rule.characteristic_function import Transform
from certify.design_rule.guarantee import failure_upper
from certify.design_rule.order_statistics import Slack
from certify.design_rule.simulation import kept_keys
from certify.interval import Interval
from tests.certify.normal_against_arb import survival


def two_keys(sigma: float, eps: float) -> arb:
    """P(τ_1 > ε) for two keys: the gap σ|Z_1 − Z_2|, of standard deviation σ√2, is below ln((1 − ε)/ε)."""
    gap = ((1 - arb(eps)) / arb(eps)).log()
    return arb(0) if gap <= 0 else 1 - 2 * survival(gap / (arb(sigma) * arb(2).sqrt()))


@pytest.mark.parametrize("sigma", [0.25, 1.0, 4.0, 12.0])
@pytest.mark.parametrize("eps", [0.001, 0.1, 0.4, 0.49, 0.6, 0.99])
def test_two_keys_exactly(sigma: float, eps: float) -> None:
    assert arb(failure_upper(2, 1, sigma, eps)) >= two_keys(sigma, eps)


MODELS = [
    (n, sigma, eps)
    for n in (16, 128, 1024, 4096)
    for sigma in (0.5, 1.0, 2.0, 3.0, 4.0)
    for eps in (0.1, 0.01, 0.001)
    if n * eps > 0.5
]
DRAWS = {16: 20000, 128: 8000, 1024: 2000, 4096: 700}


def binomial_score(failures: int, draws: int, bound: float) -> float:
    """Standard deviations by which the failures exceed what the bound allows."""
    return (failures - draws * bound) / math.sqrt(draws * max(bound * (1 - bound), 1 / draws))


@pytest.mark.parametrize(("n", "sigma", "eps"), MODELS)
def test_no_simulation_fails_more_often_than_the_bound_allows(n: int, sigma: float, eps: float) -> None:
    """At several k between the median and beyond the 95 % quantile. Five standard deviations, about 200 comparisons."""
    keys = kept_keys(n, sigma, [eps], DRAWS[n], 11)[0]
    for level in (0.5, 0.9, 0.97):
        k = min(int(np.quantile(keys, level)), n - 1)
        bound = failure_upper(n, k, sigma, eps)
        assert binomial_score(int((keys > k).sum()), len(keys), bound) < 5, (k, bound)


class TestSquareWave:
    """E q(D) where the distribution is known: a sum of n normal variables, whose powers are exact in float64."""

    def gaussian(self, mean: float, deviation: float, n: int, step: float, count: int, error: float) -> Transform:
        theta = (2 * np.arange(count) + 1) * step
        size = np.exp(-((deviation * theta) ** 2) / (2 * n))
        return Transform(size * np.cos(mean * theta / n), size * np.sin(mean * theta / n), np.full(count, error))

    @pytest.mark.parametrize("mean", [-3.0, -1.6, 0.0, 0.7, 2.0])
    def test_holds_and_is_close(self, mean: float) -> None:
        n, step, smoothing = 64, math.pi / 14, 0.02
        found = room._square_wave(n, self.gaussian(mean, 1.0, n, step, 900, 1e-15), step, smoothing)
        truth = survival(-arb(mean) / (1 + arb(smoothing) ** 2).sqrt())
        assert arb(found) >= truth - arb(1e-9)  # the wave itself, 14 standard deviations away
        assert arb(found) <= truth + arb(1e-9)

    def test_errors_are_paid_for(self) -> None:
        n, step, smoothing = 64, math.pi / 14, 0.02
        exact = room._square_wave(n, self.gaussian(-1.6, 1.0, n, step, 900, 1e-15), step, smoothing)
        blurred = self.gaussian(-1.6, 1.0, n, step, 900, 1e-6)
        off = Transform(blurred.real, blurred.imaginary - 1e-6, blurred.error)
        assert room._square_wave(n, off, step, smoothing) >= exact - 1e-9
        assert room._square_wave(n, Transform(off.real, off.imaginary, off.error * 0), step, smoothing) < exact - 1e-6

    def test_what_is_not_known_counts_in_full(self) -> None:
        n, step, smoothing = 64, math.pi / 14, 0.02
        known = self.gaussian(-8.0, 1.0, n, step, 900, 1e-15)
        unknown = Transform(known.real, known.imaginary, np.where(np.arange(900) < 3, 1.0, 1e-15))
        assert room._square_wave(n, unknown, step, smoothing) > 0.5

    def test_too_few_terms_are_paid_for(self) -> None:
        n, step, smoothing = 64, math.pi / 14, 0.02
        few = room._square_wave(n, self.gaussian(-1.6, 1.0, n, step, 3, 1e-15), step, smoothing)
        assert arb(few) >= survival(arb("1.6") / (1 + arb(smoothing) ** 2).sqrt())


def test_without_the_slack_simulation_fails_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Order statistics taken for a fixed threshold: nearly exact at large n, and refuted at 16 keys."""
    nothing = Interval.point(0, 80).upper
    monkeypatch.setattr(room, "slack", lambda *_: Slack(nothing, nothing))
    keys = kept_keys(16, 2.0, [0.1], 20000, 11)[0]
    k = int(np.quantile(keys, 0.9))
    assert binomial_score(int((keys > k).sum()), len(keys), failure_upper(16, k, 2.0, 0.1)) > 10


def test_all_keys_never_fail() -> None:
    assert failure_upper(7, 7, 1.0, 0.5) == 0.0


@pytest.mark.parametrize(
    ("n", "k", "sigma", "eps"), [(10**10, 10**9, 1.0, 0.1), (100, 50, 41.0, 0.1), (10**9, 1, 1e-9, 1e-9)]
)
def test_where_nothing_is_known(n: int, k: int, sigma: float, eps: float) -> None:
    assert failure_upper(n, k, sigma, eps) == 1.0


@pytest.mark.parametrize("eps", [1e-300, 1e-12, 1 - 2.0**-53])
@pytest.mark.parametrize("sigma", [1e-300, 1e-6, 20.0])
def test_extreme_models_give_a_probability(sigma: float, eps: float) -> None:
    for n, k in ((2, 1), (300, 7), (5000, 4900)):
        assert 0 <= failure_upper(n, k, sigma, eps) <= 1
