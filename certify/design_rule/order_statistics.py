"""How far the k-th largest of n normal variables, and the count above a threshold, stray: outward binomial tails (T18).

The design rule counts keys above a fixed threshold t; the top k differ from those by the few keys next to it. In units
of t, with w_(1) ≥ w_(2) ≥ … the weights and N the number above 1,

    Σ_{j≤k} w_(j) = k + Σ_i (w_i − 1)_+ − R,   R = Σ_{k<j≤N} (w_(j) − 1)  or  Σ_{N<j≤k} (1 − w_(j)),

so R ≥ 0 is what is lost. `slack` bounds it by a ladder of thresholds 1 = t_0 < t_1 < … < t_G: if at most m_i keys
exceed t_i, and at most k exceed t_G, then R ≤ Σ_i (t_{i+1} − t_i)(m_i − k)_+, since a key of rank > k counts t_{i+1} −
t_i for each t_i below it; and the same downwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from mpmath import mpf

from certify import elementary
from certify.interval import Interval, Number, total

__all__ = ["Slack", "binomial_lower_tail", "binomial_upper_tail", "slack"]

BITS = 80
_RUNGS = 3
_NORMAL = NormalDist()


def binomial_upper_tail(n: int, m: int, p: Interval) -> mpf:
    """A number ≥ P(B ≥ m) for B binomial with n trials of a probability in p, p inside (0, 1).

    The probabilities of m, m + 1, … fall at least geometrically with the first ratio r; Σ ≤ P(B = m)/(1 − r). Where r
    ≥ 1 the answer is 1.
    """
    one = Interval.point(1, BITS)
    if m <= 0:
        return one.upper
    if m > n:
        return Interval.point(0, BITS).upper
    if m == n:
        return elementary.exp(elementary.log(p) * n).upper
    ratio = p * (n - m) / ((1 - p) * (m + 1))
    if ratio.upper >= 1:
        return one.upper
    first = _log_binomial(n, m) + elementary.log(p) * m + elementary.log(1 - p) * (n - m)
    return (elementary.exp(first) / (1 - ratio)).within(0.0, 1.0).upper


def binomial_lower_tail(n: int, m: int, p: Interval) -> mpf:
    """A number ≥ P(B ≤ m)."""
    return binomial_upper_tail(n, n - m, 1 - p)


def _log_binomial(n: int, m: int) -> Interval:
    """ln of n!/(m!(n−m)!) for 0 < m < n."""
    return _log_factorial(n) - _log_factorial(m) - _log_factorial(n - m)


def _log_factorial(n: int) -> Interval:
    """ln n! for n ≥ 1: exactly below 64, else by Robbins, ln √(2πn) + n ln n − n + r, 1/(12n + 1) < r < 1/(12n)."""
    if n < 64:
        product = 1
        for factor in range(2, n + 1):
            product *= factor
        return elementary.log(Interval.point(product, BITS))
    own = Interval.point(n, BITS)
    rest = Interval((1 / Interval.point(12 * n + 1, BITS)).lower, (1 / Interval.point(12 * n, BITS)).upper, BITS)
    return elementary.log(own) * n - n + elementary.log(elementary.pi(BITS) * 2 * own) / 2 + rest


@dataclass(frozen=True)
class Slack:
    """`amount` ≥ R, in units of the threshold's weight, except with probability at most `risk`."""

    amount: mpf
    risk: mpf


def slack(n: int, k: int, sigma: float, z: float, risk: float) -> Slack:
    """The ladder for threshold e^{σz} and 0 < k < n; `risk` is a wish, the returned risk is what is proved.

    A step of the ladder that no search finds costs its whole wish: then the returned risk exceeds 1 and proves nothing.
    """
    each = risk / (2 * (_RUNGS + 1))
    above, below = _ladder(n, k, z, each, up=True), _ladder(n, k, z, each, up=False)
    amounts: list[mpf] = []
    risks: list[Interval] = []
    for rungs, sign in ((above, 1), (below, -1)):
        weights = [elementary.exp((Interval.point(place, BITS) - z) * sigma) for place, _, _ in rungs]
        gaps = [abs(weights[i + 1] - weights[i]) * max(0, sign * (rungs[i][1] - k)) for i in range(_RUNGS)]
        amounts.append(total(gaps, BITS).upper)
        risks.extend(Interval(r, r, BITS) for _, _, r in rungs)
    return Slack(max(amounts), total(risks, BITS).upper)


def _ladder(n: int, k: int, z: float, each: float, *, up: bool) -> list[tuple[float, int, mpf]]:
    """(place, count, risk) of each rung: more (up) or fewer than `count` keys above `place` have at most that
    probability. The last rung's count is k.
    """
    sign = 1.0 if up else -1.0
    far = -_NORMAL.inv_cdf(min(0.4, each))
    step = sign * far * (sqrt(k * (1 - k / n)) + 0.5) / (n * _NORMAL.pdf(z))
    for stretch in _stretches():
        last = max(-12.0, min(12.0, z + step * stretch))
        last_risk = _count_risk(n, k, last, up=up)
        if last_risk <= each:
            break
    rungs = []
    for i in range(_RUNGS):
        place = z + (last - z) * i / _RUNGS
        mean = n * (1 - _NORMAL.cdf(place))
        deviation = sqrt(mean * max(0.0, 1 - mean / n)) + 0.5
        for stretch in _stretches():
            count = min(max(round(mean + sign * far * stretch * deviation), 0), n)
            found = _count_risk(n, count, place, up=up)
            if found <= each:
                break
        rungs.append((place, count, found))
    return [*rungs, (last, k, last_risk)]


def _stretches() -> Iterator[float]:
    """Multiples of the normal approximation's distance, tried in turn."""
    yield from (0.95 + 0.05 * i for i in range(60))


def _count_risk(n: int, count: int, place: Number, *, up: bool) -> mpf:
    """P(more than `count` keys above `place`), or P(fewer), from above."""
    p = elementary.normal_survival(place, BITS)
    return binomial_upper_tail(n, count + 1, p) if up else binomial_lower_tail(n, count - 1, p)
