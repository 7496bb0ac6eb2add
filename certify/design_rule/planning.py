"""How many keys to keep for scores N(μ, σ²): the large-n rule (T17) beside a guarantee at finite n (T18), and the
inverse questions. Every answer of the guarantee was verified by `guarantee.failure_upper`, whatever search found it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from certify.design_rule.guarantee import failure_upper
from certify.design_rule.search import least_passing
from certify.enclosures.gaussian import gaussian_fraction, gaussian_tail_mass
from certify.errors import BadInput
from certify.interval import Interval

__all__ = ["Plan", "failure_probability", "plan", "smallest_eps", "smallest_sigma"]

WARNING = (
    "the limit is no promise: at finite n about half of all rows or more need a larger share of the keys than that "
    "(up to nine in ten, measured). Keep k_guaranteed."
)
_EPS_STEP = 1 / 512  # of the grid of ln(ε/(1 − ε)) on which smallest_eps searches
_EPS_REACH = 20 * 512  # ε from e^−20 to 1 − e^−20
_SIGMA_STEP = 1 / 1024
_SIGMA_REACH = 40 * 1024


@dataclass(frozen=True)
class Plan:
    """How many of n keys to keep so that the dropped softmax mass is at most eps, for i.i.d. N(μ, sigma²) scores.

    `fraction` encloses T17's limit of k/n and `k_asymptotic` is that share of n, rounded up; see `warning`.
    `k_guaranteed` (T18): P(τ_k ≤ eps) ≥ 1 − delta is proved; `failure_upper` is the proved bound on P(τ_k > eps)
    there. k_guaranteed = n, which drops nothing, where no smaller k could be proved.
    """

    n: int
    sigma: float
    eps: float
    delta: float
    fraction: Interval
    k_asymptotic: int
    k_guaranteed: int
    failure_upper: float
    warning: str = WARNING


def plan(*, n: int, sigma: float, eps: float, delta: float = 0.05) -> Plan:
    """T17 and T18 for n scores of standard deviation sigma (nats), a tail mass of eps, and failure probability delta.

    Raises BadInput for n < 1, sigma ≤ 0, eps or delta outside (0, 1). Floats are taken as the exact numbers they are.
    """
    n, sigma, eps, delta = _count("n", n), _sigma(sigma), _share("eps", eps), _share("delta", delta)
    fraction = gaussian_fraction(sigma, eps, 128)
    asymptotic = min(n, max(1, _ceiling(fraction * n)))
    risks: dict[int, float] = {n: 0.0}

    def risk(k: int) -> float:
        if k not in risks:
            risks[k] = failure_upper(n, k, sigma, eps, delta)
        return risks[k]

    guaranteed = least_passing(risk, delta, asymptotic, n)
    return Plan(n, sigma, eps, delta, fraction, asymptotic, guaranteed, risks[guaranteed])


def failure_probability(*, n: int, k: int, sigma: float, eps: float) -> float:
    """T18. A float ≥ P(τ_k > eps) for the top k of n i.i.d. N(μ, sigma²) scores; 1.0 where nothing is known."""
    n, k = _budget(n, k)
    return failure_upper(n, k, _sigma(sigma), _share("eps", eps))


def smallest_eps(*, n: int, k: int, sigma: float, delta: float = 0.05) -> float | None:
    """The least ε on a grid (ratio 1.002) with P(τ_k ≤ ε) ≥ 1 − delta proved (T18); 0.0 for k = n, which drops nothing.
    None where no ε of the grid could be proved.
    """
    n, k = _budget(n, k)
    sigma, delta = _sigma(sigma), _share("delta", delta)
    if k == n:
        return 0.0

    def eps(i: int) -> float:
        return 1 / (1 + math.exp(-(i * _EPS_STEP - 20.0)))

    middle = float(gaussian_tail_mass(Fraction(k, n), sigma, 64).upper)
    start = round((math.log(max(middle, 1e-300) / max(1 - middle, 1e-16)) + 20.0) / _EPS_STEP)
    found = least_passing(lambda i: failure_upper(n, k, sigma, eps(i), delta), delta, start, 2 * _EPS_REACH)
    if found == 2 * _EPS_REACH and failure_upper(n, k, sigma, eps(found), delta) > delta:
        return None
    return eps(found)


def smallest_sigma(*, n: int, k: int, eps: float, delta: float = 0.05) -> float | None:
    """The least σ on a grid of 1/1024 for which the budget of k keys is proved enough: P(τ_k ≤ eps) ≥ 1 − delta (T18).

    The least, not the largest: the wider scores spread, the fewer keys carry the mass. For every draw d ln(T/H)/dσ =
    E_T Z − E_H Z ≤ 0, the tail's weighted mean score less the kept set's, so that τ_k falls as σ grows and the
    guarantee holds for every larger σ too. None where no σ ≤ 40 could be proved; 0.0 for k = n.
    """
    n, k = _budget(n, k)
    eps, delta = _share("eps", eps), _share("delta", delta)
    if k == n:
        return 0.0
    start = 1024
    for trial in range(1, 40):
        start = trial * 1024
        if gaussian_fraction(float(trial), eps, 64).upper * n <= k:
            break
    found = least_passing(lambda i: failure_upper(n, k, i * _SIGMA_STEP, eps, delta), delta, start, _SIGMA_REACH)
    if found == _SIGMA_REACH and failure_upper(n, k, found * _SIGMA_STEP, eps, delta) > delta:
        return None
    return found * _SIGMA_STEP


def _ceiling(x: Interval) -> int:
    """The least integer ≥ the upper end."""
    sign, mantissa, exponent, _ = x.upper._mpf_
    exact = Fraction(int(mantissa)) * Fraction(2) ** int(exponent) * (-1 if sign else 1)
    return math.ceil(exact)


def _budget(n: Any, k: Any) -> tuple[int, int]:
    keys, kept = _count("n", n), _count("k", k)
    if kept > keys:
        raise BadInput(f"k = {kept} exceeds n = {keys}; keep at most all keys")
    return keys, kept


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise BadInput(f"{name} = {value!r} is not a whole number; give how many keys there are or are kept")
    if value < 1:
        raise BadInput(f"{name} = {value} is below 1; a row has at least one key, and keeps one")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int | np.floating | np.integer):
        raise BadInput(f"{name} = {value!r} is not a number; give a float")
    return float(value)


def _sigma(value: Any) -> float:
    sigma = _number("sigma", value)
    if not 0 < sigma < math.inf:
        raise BadInput(f"sigma = {sigma} is not a positive number; it is the standard deviation of the scores, in nats")
    return sigma


def _share(name: str, value: Any) -> float:
    share = _number(name, value)
    if not 0 < share < 1:
        meaning = "the softmax mass that may be dropped" if name == "eps" else "the probability that may fail"
        raise BadInput(f"{name} = {share} is outside (0, 1); it is {meaning}")
    return share
