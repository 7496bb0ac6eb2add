"""T18: how likely the top k of n Gaussian scores are to leave more than ε, from above and at finite n.

Scores are i.i.d. N(μ, σ²); weights in units of a threshold t = e^{μ+σz} are w_i = e^{σ(Z_i − z)}. The theorem:

1. `order_statistics`: Σ_{j≤k} w_(j) = k + Σ(w_i − 1)_+ − R with R ≥ 0. So τ_k > ε ⇔ (1 − ε)Σw_i − Σ_{j≤k} w_(j) > 0
   ⇔ Σ Y_i > k − R, where Y = (1 − ε)w − (w − 1)_+ : a sum of i.i.d. terms, no longer of order statistics. R ≤ r except
   with a probability that binomial tails bound.
2. Capping from below, W = max(Y, Y(z_cap)) ≥ Y, only makes the event likelier.
3. Smoothing. With G standard normal and independent, s, c > 0: P(ΣW > a)·Φ(c) ≤ P(D > 0), D = Σ(W_i − μ) + sG,
   provided nμ + cs ≤ a. (ΣW > a and G > −c imply D > 0.)
4. A square wave instead of an integral. For every D and period 2L,
       1{D > 0} ≤ q(D) + 1{D ≥ L},   q(x) = ½ + (2/π) Σ_{j≥1} sin((2j−1)πx/L)/(2j−1) ∈ [0, 1] almost everywhere,
   q being 1 on (0, L) and 0 on (−L, 0), and E q(D) = ½ + (2/π) Σ Im(ψ_j)/(2j−1), ψ_j = (E e^{iθ_j(W−μ)})^n
   e^{−s²θ_j²/2}, θ_j = (2j−1)π/L: a sum, not a quadrature, whose terms beyond J the smoothing bounds.
5. P(D ≥ L) by Bernstein's bound, whose algebra and moments the ledger proves.

Proved by this argument and computed outward: every number below. Nothing is assumed of k, so that a search may try
any k; a k that passes also proves every larger k, because τ_k falls as k grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, inf, log, pi, sqrt
from statistics import NormalDist

import numpy as np
from mpmath import mpf

from certify import elementary
from certify.design_rule.characteristic_function import LOWEST, Excess, Transform, transform
from certify.design_rule.order_statistics import slack
from certify.design_rule.quadrature import GRID
from certify.float_environment import default_float_environment
from certify.interval import Interval
from certify.scores import Floats
from certify.vector_interval import EXP_ERROR, exp_estimate

__all__ = ["bernstein", "capped_moments", "failure_upper"]

BITS = 80
U = 2.0**-53
_MORE = 1.0 + 2.0**-20  # covers the rounding of the error bounds themselves: positive floats, added and multiplied
_SLACK_SHARE = 0.06  # of δ, spent on the order statistics
_SMOOTHING = 0.015  # s in units of the spread of the sum
_MARGIN = 2.6  # c
_RESOLVED = 30.0  # θ in units of 1/spread up to which the characteristic function is computed accurately
_CAP = 8.0  # in units of the spread: a key worth more than that decides the row alone
_DECAY = 4.0  # the spread is that of a normal sum whose |characteristic function| is e^−4 at the same place
_LARGEST_N = 10**9
_NORMAL = NormalDist()


@dataclass(frozen=True)
class _Aim:
    """Choices that are sound whatever they are: threshold, cap, spread of the sum, half period L = π/step, J."""

    z: float
    z_cap: float
    spread: float
    step: float
    count: int


def failure_upper(n: int, k: int, sigma: float, eps: float, delta: float = 0.05) -> float:
    """T18. A float ≥ P(τ_k > ε) for n i.i.d. N(μ, σ²) scores; `delta` only guides how the work is divided.

    1 where nothing better is known: for thresholds beyond eight standard deviations, σ above 40, n above 10^9. σ > 0,
    ε in (0, 1) and k ≥ 1 are the caller's to check.
    """
    if k >= n:
        return 0.0
    with default_float_environment():
        aim = _aim(n, k, sigma, eps, delta)
        if aim is None:
            return 1.0
        lost = slack(n, k, sigma, aim.z, delta * _SLACK_SHARE)
        level = Fraction(k) - _exact(lost.amount)
        smoothing = _SMOOTHING * aim.spread
        margin = Fraction(_MARGIN) * Fraction(smoothing)
        shift = float((level - margin) / n)
        while n * Fraction(shift) + margin > level:
            shift = float(np.nextafter(shift, -inf))
        if abs(shift) > 1000 * aim.spread:  # the slack alone is beyond all that the sum does
            return 1.0
        excess = Excess(sigma, eps, aim.z, aim.z_cap, shift)
        moments = capped_moments(excess)
        wave = _square_wave(n, transform(excess, aim.step, aim.count, _RESOLVED / aim.spread), aim.step, smoothing)
        crossing = Interval.point(wave, BITS) + _beyond(n, excess, moments, aim.step, smoothing)
        crossing = (crossing / elementary.normal_cdf(_MARGIN, BITS)).minimum(_above(n, excess, moments, excess.shift))
        bound = crossing + Interval(lost.risk, lost.risk, BITS)
        return float(np.nextafter(min(1.0, float(bound.upper)), 2.0)) if bound.upper < 1 else 1.0


def _square_wave(n: int, transform: Transform, step: float, smoothing: float) -> float:
    """A float ≥ E q(D) = ½ + (2/π)Σ_{j≤J} Im(M_j^n) g_j/(2j − 1) + the rest, g_j = e^{−s²θ_j²/2}.

    With b = |M̂_j| + e_j (or 1 + e_j, if that is less: |M_j| ≤ 1), |M_j^n − M̂_j^n| ≤ n·e_j·b^{n−1}, and both powers are
    at most b^n: the less of the two counts. Powers that underflow are below 10^−300, which is added.
    """
    count = len(transform.real)
    odd = 2.0 * np.arange(count) + 1.0
    size = np.sqrt(transform.real * transform.real + transform.imaginary * transform.imaginary)
    reach = np.minimum(size + 1e-150, 1.0) * (1 + 8 * U) + transform.error
    known = reach <= 1 + 1 / n  # elsewhere |Im M_j^n| ≤ 1 is all that is used
    reach, own_error = np.where(known, reach, 1.0), np.where(known, transform.error, 0.0)
    rounded = 8 * n * U
    _, imaginary = _power(np.where(known, transform.real, 0.0), np.where(known, transform.imaginary, 0.0), n)
    scaled = smoothing * step * odd
    damping = exp_estimate(-np.minimum(scaled * scaled / 2, 700.0))  # relative error: EXP_ERROR, and 3u times 700
    before, _ = _power(reach * (1 + 8 * U), np.zeros(count), n - 1)
    largest = before * reach * (1 + rounded) + 1e-300
    error = np.minimum(n * own_error * before * (1 + rounded), np.abs(imaginary) + largest) + 1e-300
    error = np.where(known, error + (rounded + EXP_ERROR + 2200 * U) * np.maximum(largest, np.abs(imaginary)), 1.0)
    # Beyond J: terms at most g_j/(2J + 1) that fall at least geometrically, by e^{−2s²step²·2J} from one to the next.
    last = float(scaled[-1] + 2 * smoothing * step)
    fall = 4 * smoothing * smoothing * step * step * count
    rest = float(exp_estimate(np.array([-min(last * last / 2 * (1 - 8 * U), 700.0)]))[0]) * (1 + 1 / fall) / odd[-1]
    terms = imaginary * damping / odd
    spent = float(np.sum(np.abs(terms))) * (count + 8) * U  # any order of adding, and the factors' roundings
    slackness = (float(np.sum(error * damping / odd)) + spent + rest) * _MORE
    total = float(np.sum(terms))
    two_over_pi = 2 / elementary.pi(BITS)
    return float(np.nextafter(float((0.5 + two_over_pi * (Interval.point(total, BITS) + slackness)).upper), inf))


def _power(real: Floats, imaginary: Floats, n: int) -> tuple[Floats, Floats]:
    """(real + i·imaginary)^n by squaring. Each product adds at most 3u to the relative error and squaring doubles what
    there is, so that the result is within 8nu, relative to its modulus, for n ≤ 10^9.
    """
    result_real, result_imaginary = np.ones_like(real), np.zeros_like(real)
    left = n
    while left:
        if left & 1:
            result_real, result_imaginary = (
                result_real * real - result_imaginary * imaginary,
                result_real * imaginary + result_imaginary * real,
            )
        real, imaginary = real * real - imaginary * imaginary, 2.0 * real * imaginary
        left >>= 1
    return result_real, result_imaginary


def _beyond(n: int, excess: Excess, moments: tuple[Interval, Interval], step: float, smoothing: float) -> Interval:
    """A bound on P(D ≥ L), L = π/step: P(Σ(W − μ) ≥ 0.9L) + P(sG ≥ 0.1L)."""
    half_period = elementary.pi(BITS) / Interval.point(step, BITS)
    noise = elementary.normal_survival(half_period / 10 / smoothing, BITS)
    return _above(n, excess, moments, excess.shift + half_period * Fraction(9, 10) / n) + noise


def _above(n: int, excess: Excess, moments: tuple[Interval, Interval], level: Interval | float) -> Interval:
    """A bound on P(ΣW ≥ n·level) by Bernstein's inequality for W − level."""
    lift = level if isinstance(level, Interval) else Interval.point(level, BITS)
    lift = Interval(lift.lower, lift.lower, BITS)  # the lower level is the likelier one to be passed
    mean, second = moments
    return bernstein(n, mean - lift, second - 2 * lift * mean + lift.square(), 1 - Fraction(excess.eps) - lift)


def bernstein(n: int, mean: Interval, second: Interval, most: Interval) -> Interval:
    """T18. A bound on P(ΣY > 0) and P(ΣY ≥ 0) for n i.i.d. Y ≤ most with E Y = mean < 0 and E Y² = second:
    e^{−nd²/(2(v + bd/3))}, d = −mean, v = E Y². 1 where the mean may not be negative.
    """
    drift = -Interval(mean.upper, mean.upper, BITS)
    if drift.upper <= 0:
        return Interval.point(1, BITS)
    top = max(most.upper, Interval.point(0, BITS).upper)
    spread = Interval(second.upper, second.upper, BITS) + Interval(top, top, BITS) * drift / 3
    if spread.lower <= 0:
        return Interval.point(1, BITS)
    return elementary.exp(-(drift.square() * n / (spread * 2)))


def capped_moments(excess: Excess) -> tuple[Interval, Interval]:
    """(E W, E W²) for the capped excess before its shift, by E[w^p; Z ≤ x] = e^{p²σ²/2 − pσz}Φ(x − pσ)."""
    sigma, z = (Interval.point(value, BITS) for value in (excess.sigma, excess.z))
    eps, cap = (Interval.point(value, BITS) for value in (excess.eps, excess.z_cap))

    def moment(power: int, low: Interval | None, high: Interval) -> Interval:
        tilt = sigma * power
        inside = elementary.normal_cdf(high - tilt, BITS)
        if low is not None:
            inside = inside - elementary.normal_cdf(low - tilt, BITS)
        return elementary.exp(tilt.square() / 2 - tilt * z) * inside

    least = 1 - eps * elementary.exp(sigma * (cap - z))
    middle, far = moment(0, z, cap), elementary.normal_survival(cap, BITS)
    below = (1 - eps) * moment(1, None, z), (1 - eps).square() * moment(2, None, z)
    between = moment(1, z, cap), moment(2, z, cap)
    first = below[0] + middle - eps * between[0] + far * least
    second = below[1] + middle - 2 * eps * between[0] + eps.square() * between[1] + far * least.square()
    return first, second


def _aim(n: int, k: int, sigma: float, eps: float, delta: float) -> _Aim | None:
    """Good choices by plain floats; None where there are none. Nothing rests on them."""
    if n > _LARGEST_N or sigma > 40:
        return None
    z = _on_grid(-_NORMAL.inv_cdf(k / n))
    if not LOWEST + 1 < z < 8:
        return None
    places = np.linspace(-9.0, 9.0, 4001)
    mass = np.exp(-places * places / 2) * ((places[1] - places[0]) / sqrt(2 * pi))
    weight = np.exp(np.minimum(sigma * (places - z), 300.0))
    value = np.where(weight < 1, (1 - eps) * weight, 1 - eps * weight)
    centred = value - float(mass @ np.maximum(value, -1e6))

    def decay(theta: float) -> float:
        return -n * log(max(abs(complex(mass @ np.exp(1j * theta * centred))), 1e-300))

    low = high = 1e-60
    while decay(high) < _DECAY:
        low, high = high, 2 * high
        if high > 1e6:
            return None
    for _ in range(12):
        middle = sqrt(low * high)
        low, high = (middle, high) if decay(middle) < _DECAY else (low, middle)
    spread = sqrt(2 * _DECAY) / low
    z_cap = min(_on_grid(z + log((1 + _CAP * spread) / eps) / sigma), max(9.0, z + 1.0))
    if z_cap <= z or sigma * (z_cap - z) > 600:
        return None
    capped = np.maximum(value, 1 - eps * exp(sigma * (z_cap - z)))
    mean = float(mass @ capped)
    deviation = sqrt(n * max(float(mass @ capped**2) - mean**2, 0.0))
    # What falls below −L is counted as failing: leave it Bernstein's probability of δ/50 below the mean.
    rarity = log(50 / delta)
    below = max(0.0, k - n * mean) + sqrt(2 * rarity) * deviation + rarity * _CAP * spread / 3
    half_period = min(max(12 * spread, below), 100 * spread)
    step = pi / half_period
    damped = sqrt(2 * log(2000 / delta))  # sθ at which the smoothing has left nothing that matters beside δ
    return _Aim(z, z_cap, spread, step, ceil(damped / (_SMOOTHING * spread) / (2 * step)) + 1)


def _on_grid(z: float) -> float:
    return round(z / GRID) * GRID


def _exact(value: mpf) -> Fraction:
    sign, mantissa, exponent, _ = value._mpf_
    size = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -size if sign else size
