"""`certify.plan`, the inverse questions, the search behind them, and what bad input is told."""

from typing import Any

import numpy as np
import pytest

import certify
from certify import design_rule, enclosures
from certify.design_rule import failure_probability, plan, smallest_eps, smallest_sigma
from certify.design_rule.guarantee import failure_upper
from certify.design_rule.search import least_passing
from certify.design_rule.simulation import kept_keys, quantile_interval
from certify.errors import BadInput


def test_a_plan() -> None:
    found = certify.plan(n=4096, sigma=3.0, eps=0.05)
    assert (found.n, found.sigma, found.eps, found.delta) == (4096, 3.0, 0.05, 0.05)
    assert found.fraction == enclosures.gaussian_fraction(3.0, 0.05, 128)
    assert found.k_asymptotic == 360
    assert found.failure_upper == failure_upper(4096, found.k_guaranteed, 3.0, 0.05) <= 0.05
    assert "half" in found.warning
    assert found.k_asymptotic < found.k_guaranteed < 600  # Bernstein alone keeps all 4096; see the next test


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("eps", [0.1, 0.05, 0.01, 0.001])
def test_the_guarantee_is_within_a_quarter_of_the_simulated_quantile(sigma: float, eps: float) -> None:
    keys = kept_keys(4096, sigma, [eps], 600, 7)[0]
    _, low, _ = quantile_interval(keys, 0.95)
    found = plan(n=4096, sigma=sigma, eps=eps)
    assert found.k_guaranteed <= 1.25 * low
    assert (keys > found.k_guaranteed).mean() <= 0.05


def test_the_asymptotic_rule_fails_in_half_of_the_draws_or_more() -> None:
    """What the warning says, measured."""
    for sigma, eps in ((1.0, 0.1), (2.0, 0.01), (3.0, 0.01), (4.0, 0.1)):
        found = plan(n=1024, sigma=sigma, eps=eps)
        keys = kept_keys(1024, sigma, [eps], 500, 5)[0]
        assert (keys > found.k_asymptotic).mean() > 0.42


def test_smaller_delta_keeps_more() -> None:
    kept = [plan(n=1024, sigma=2.0, eps=0.01, delta=delta).k_guaranteed for delta in (0.2, 0.05, 1e-3, 1e-9)]
    assert kept == sorted(kept)
    assert kept[0] < kept[-1] < 850


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_keys_are_all_kept(n: int) -> None:
    found = plan(n=n, sigma=1.0, eps=0.01)
    assert found.k_guaranteed == n
    assert found.failure_upper == 0.0


def test_the_smallest_eps_is_verified_and_near_the_plan() -> None:
    eps = smallest_eps(n=4096, k=581, sigma=3.0)
    assert eps is not None
    assert failure_probability(n=4096, k=581, sigma=3.0, eps=eps) <= 0.05
    assert failure_probability(n=4096, k=581, sigma=3.0, eps=eps * 0.99) > 0.05
    assert 0.045 < eps < 0.055
    assert smallest_eps(n=12, k=12, sigma=1.0) == 0.0
    assert smallest_eps(n=10**10, k=5, sigma=1.0) is None


def test_the_smallest_sigma_is_verified_and_near_the_plan() -> None:
    sigma = smallest_sigma(n=4096, k=581, eps=0.05)
    assert sigma is not None
    assert 2.9 < sigma < 3.1
    assert failure_probability(n=4096, k=581, sigma=sigma, eps=0.05) <= 0.05
    assert smallest_sigma(n=12, k=12, eps=0.1) == 0.0
    assert smallest_sigma(n=10**10, k=5, eps=0.01) is None


@pytest.mark.parametrize("seed", range(10))
def test_wider_scores_need_fewer_keys(seed: int) -> None:
    """Why there is a smallest σ for a budget and no largest: τ_k falls as σ grows, in every draw."""
    z = np.sort(np.random.default_rng(seed).standard_normal(200))
    for k in (1, 20, 150):
        tails = []
        for sigma in np.linspace(0.1, 6.0, 30):
            w = np.exp(sigma * (z - z[-1]))
            tails.append(w[:-k].sum() / w.sum())
        assert (np.diff(tails) <= 0).all()


@pytest.mark.parametrize("threshold", [1, 2, 17, 500, 999, 1000])
@pytest.mark.parametrize("start", [1, 100, 998])
def test_the_search_finds_the_least(threshold: int, start: int) -> None:
    asked: list[int] = []

    def risk(k: int) -> float:
        asked.append(k)
        return 0.01 if k >= threshold else 0.9

    assert least_passing(risk, 0.05, start, 1000) == threshold
    assert len(asked) == len(set(asked)) < 140


def test_the_search_trusts_no_shape() -> None:
    """Whatever the function does, what is returned was tested or is the last."""
    r = np.random.default_rng(1)
    for _ in range(50):
        values = r.random(100)
        found = least_passing(lambda k, values=values: float(values[k - 1]), 0.05, 30, 100)  # type: ignore[misc]
        assert found == 100 or values[found - 1] <= 0.05


def test_the_quantile_interval_covers() -> None:
    r = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        values = np.sort(r.integers(0, 10**6, 300))
        middle, low, high = quantile_interval(values, 0.9, 0.95)
        assert low <= middle <= high
        hits += low <= 900_000 <= high
    assert hits >= 370


GOOD = {"n": 100, "sigma": 1.0, "eps": 0.1}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "n = 0 is below 1; a row has at least one key"),
        ({"n": -5}, "n = -5 is below 1"),
        ({"n": 1.5}, "n = 1.5 is not a whole number"),
        ({"n": True}, "n = True is not a whole number"),
        ({"sigma": 0}, r"sigma = 0\.0 is not a positive number"),
        ({"sigma": -1.0}, "sigma = -1.0 is not a positive number"),
        ({"sigma": float("nan")}, "sigma = nan is not a positive number"),
        ({"sigma": float("inf")}, "sigma = inf is not a positive number"),
        ({"sigma": "3"}, "sigma = '3' is not a number"),
        ({"eps": 0.0}, r"eps = 0.0 is outside \(0, 1\); it is the softmax mass"),
        ({"eps": 1.0}, r"eps = 1.0 is outside \(0, 1\)"),
        ({"eps": float("nan")}, r"eps = nan is outside \(0, 1\)"),
        ({"delta": 0}, r"delta = 0.0 is outside \(0, 1\); it is the probability"),
        ({"delta": 2}, r"delta = 2.0 is outside \(0, 1\)"),
    ],
)
def test_bad_input(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        plan(**{**GOOD, **wrong})


@pytest.mark.parametrize(
    ("k", "message"), [(0, "k = 0 is below 1"), (101, "k = 101 exceeds n = 100"), (2.0, "not a whole")]
)
def test_bad_budgets(k: Any, message: str) -> None:
    for ask in (
        lambda: failure_probability(n=100, k=k, sigma=1.0, eps=0.1),
        lambda: smallest_eps(n=100, k=k, sigma=1.0),
        lambda: smallest_sigma(n=100, k=k, eps=0.1),
    ):
        with pytest.raises(BadInput, match=message):
            ask()


def test_what_the_room_offers() -> None:
    assert set(design_rule.__all__) <= set(dir(design_rule))
    assert certify.plan is plan
