"""Rigorous enclosures of the standard normal distribution: Φ, Φ_c = 1 − Φ, their inverses, the density φ, and π.

Inclusion: for every x in X, Φ(x) is in Φ(X), and so for the others. Φ and Φ_c are accurate relative to themselves in
both tails: for a point the relative width is below 2^(1 − bits) for every x, however far out. The quantiles are
accurate relative to themselves too, also next to p = ½, where they vanish.

For t ≥ 0 the survival Φ_c(t) is enclosed by one of two series; both are sound for every t, and the choice between them
only keeps the result narrow.

Asymptotic, where t² ≥ 7/5·(bits + 16). Integrating by parts N times,

    Φ_c(t) = φ(t)/t · [ Σ_{j<N} (−1)^j (2j−1)!!/t^{2j} ± R ],   0 ≤ R ≤ (2N−1)!!/t^{2N}:

the rest is (2N−1)!! ∫_t^∞ φ(u) u^{−2N} du, and φ(u) u^{−2N} ≤ t^{−2N−1}·uφ(u) there. The smallest of these terms is
about e^{−t²/2}.

Kummer's, elsewhere. Φ_c(t) = ½ − φ(t)·Σ_{j≥0} t^{2j+1}/(2j+1)!!, a series of non-negative terms, summed in integers:
rounding every term down and dropping the rest can only lower it; rounding every term up and adding the last one once
more, when each is at most half of the one before, can only raise it. The subtraction loses about t²/2·log₂ e bits,
which are carried from the start.

A quantile is a proposal by Newton's method that is accepted only after Φ_c has been evaluated on both sides of it.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

from mpmath import mp
from mpmath.libmp import (
    fhalf,
    fone,
    from_man_exp,
    fzero,
    mpf_abs,
    mpf_add,
    mpf_cmp,
    mpf_div,
    mpf_log,
    mpf_mul,
    mpf_neg,
    mpf_shift,
    mpf_sqrt,
    mpf_sub,
    round_nearest,
    to_float,
)

from certify.elementary.exponential import exp
from certify.errors import UndefinedOperation
from certify.interval import Interval, Number, Raw

__all__ = [
    "normal_cdf",
    "normal_density",
    "normal_quantile",
    "normal_survival",
    "normal_survival_quantile",
    "pi",
]

_GUARD = 16
_FLOAT_SAFE = -1000  # probabilities above 2^this are first inverted in float64


def normal_cdf(x: Number, bits: int = 128) -> Interval:
    """{Φ(t) : t in x}, the probability that a standard normal variable is ≤ t."""
    return normal_survival(-_lift(x, bits), bits)


def normal_survival(x: Number, bits: int = 128) -> Interval:
    """{Φ_c(t) : t in x} = {1 − Φ(t)}, without the cancellation that this formula would have."""
    lower, upper = _lift(x, bits).raw
    high = _survival_point(lower, bits)
    low = high if lower == upper else _survival_point(upper, bits)
    return Interval(low.lower, high.upper, bits)


def normal_density(x: Number, bits: int = 128) -> Interval:
    """{φ(t) : t in x}, φ(t) = e^{−t²/2}/√(2π)."""
    return _density(_lift(x, bits), bits)


def normal_quantile(p: Number, bits: int = 128) -> Interval:
    """{Φ⁻¹(q) : q in p} for p inside (0, 1). For p above ½ of which 1 − p is what is known, `normal_survival_quantile`
    keeps the digits.
    """
    return -normal_survival_quantile(p, bits)


def normal_survival_quantile(p: Number, bits: int = 128) -> Interval:
    """{Φ_c⁻¹(q) : q in p} = {−Φ⁻¹(q)} for p inside (0, 1)."""
    probability = _lift(p, bits)
    lower, upper = probability.raw
    if mpf_cmp(lower, fzero) <= 0 or mpf_cmp(upper, fone) >= 0:
        raise UndefinedOperation(f"normal quantile of {probability}, which is not inside (0, 1)")
    low, high = _survival_quantile_point(upper, bits)
    if lower != upper:
        high = _survival_quantile_point(lower, bits)[1]
    return Interval.from_raw((low, high), bits)


@lru_cache(maxsize=256)
def pi(bits: int) -> Interval:
    """An enclosure of π, from Machin's 16·arctan(1/5) − 4·arctan(1/239)."""
    width = bits + _GUARD
    fifth, small = _arctan_of_reciprocal(5, width), _arctan_of_reciprocal(239, width)
    low, high = 16 * fifth[0] - 4 * small[1], 16 * fifth[1] - 4 * small[0]
    return Interval.from_raw((from_man_exp(low, -width), from_man_exp(high, -width)), bits)


def _arctan_of_reciprocal(m: int, width: int) -> tuple[int, int]:
    """Integers around 2^width·arctan(1/m) = Σ (−1)^j 2^width/((2j+1) m^{2j+1}); the terms alternate and decrease."""
    low = high = index = 0
    power = m
    while (term := (1 << width) // (power * (2 * index + 1))) > 0:
        if index % 2 == 0:
            low, high = low + term, high + term + 1
        else:
            low, high = low - term - 1, high - term
        index += 1
        power *= m * m
    return low - 1, high + 1  # the rest is less than the first term left out, which is below one unit


def _lift(x: Number, bits: int) -> Interval:
    return Interval(x.lower, x.upper, bits) if isinstance(x, Interval) else Interval.point(x, bits)


@lru_cache(maxsize=256)
def _sqrt_two_pi(bits: int) -> Interval:
    return (2 * pi(bits)).sqrt()


def _density(x: Interval, bits: int) -> Interval:
    return exp(-Interval(x.lower, x.upper, bits).square() / 2) / _sqrt_two_pi(bits)


def _density_at(t: Raw, bits: int) -> Interval:
    """φ(t) at one exact binary t, whose square is exact whatever its length."""
    power = mpf_neg(mpf_shift(mpf_mul(t, t), -1))
    return exp(Interval.from_raw((power, power), bits)) / _sqrt_two_pi(bits)


def _survival_point(x: Raw, bits: int) -> Interval:
    """Φ_c at one exact binary number of either sign."""
    if x == fzero:
        return Interval.from_raw((fhalf, fhalf), bits)
    t = mpf_abs(x)
    if t[2] + t[3] < -bits - 4:
        # ½ − t/2 ≤ Φ_c(t) ≤ ½, since φ ≤ ½; and t < 2^(−bits − 4).
        near = from_man_exp(1, -bits - 5)
        ends = (mpf_sub(fhalf, near), fhalf) if x[0] == 0 else (fhalf, mpf_add(fhalf, near))
        return Interval.from_raw(ends, bits)
    twice_the_loss = _square_below(t)
    if 5 * twice_the_loss >= 7 * (bits + _GUARD):
        upper_tail = _asymptotic(t, bits + _GUARD)
    else:
        loss = twice_the_loss + 4  # > t²/2·log₂ e + log₂(t·√(2π)) wherever this branch is taken
        middle = _kummer(t, bits + _GUARD + loss)
        upper_tail = Interval.point(0.5, bits + _GUARD + loss) - middle
    return upper_tail if x[0] == 0 else 1 - upper_tail


def _square_below(t: Raw) -> int:
    """⌊t²⌋, or a smaller number, 2^64, where t² is larger than that."""
    if t[2] + t[3] > 32:
        return 1 << 64
    square = mpf_mul(t, t)
    shift = int(square[2])
    return int(square[1]) << shift if shift >= 0 else int(square[1]) >> -shift


def _kummer(t: Raw, width: int) -> Interval:
    """Φ(t) − ½ = φ(t)·Σ_{j≥0} t^{2j+1}/(2j+1)!! for one exact t > 0, each term to `width` fraction bits."""
    low, high = _fixed(t, width), _fixed(t, width, up=True)
    square = mpf_mul(t, t)
    square_low, square_high = _fixed(square, width), _fixed(square, width, up=True)
    lower, upper = low, high
    divisor = 1
    while True:
        divisor += 2
        low = (low * square_low >> width) // divisor
        high = -((-high * square_high >> width) // divisor)
        lower += low
        upper += high
        if high <= 1 and 2 * square_high <= (divisor + 2) << width:
            break
    upper += high  # each later term is at most half of the one before
    series = Interval.from_raw((from_man_exp(lower, -width), from_man_exp(upper, -width)), width)
    return _density_at(t, width) * series


def _fixed(x: Raw, width: int, *, up: bool = False) -> int:
    """⌊x·2^width⌋ or ⌈x·2^width⌉ of a positive binary number."""
    mantissa, shift = int(x[1]), int(x[2]) + width
    if shift >= 0:
        return mantissa << shift
    return -(-mantissa >> -shift) if up else mantissa >> -shift


def _asymptotic(t: Raw, bits: int) -> Interval:
    """φ(t)/t·Σ (−1)^j (2j−1)!!/t^{2j} for one exact t > 1, stopped at a term that bounds the rest."""
    width = bits + 8
    reciprocal = 1 / Interval.from_raw((mpf_mul(t, t),) * 2, width)
    y_low, y_high = (_fixed(end, width, up=up) for end, up in zip(reciprocal.raw, (False, True), strict=True))
    lower = upper = low = high = 1 << width
    index = 0
    while True:
        factor = 2 * index + 1
        next_low, next_high = low * y_low * factor >> width, -(-high * y_high * factor >> width)
        index += 1
        if next_high <= 1 or next_high >= high:
            break
        low, high = next_low, next_high
        lower, upper = (lower + low, upper + high) if index % 2 == 0 else (lower - high, upper - low)
    lower, upper = (lower, upper + next_high) if index % 2 == 0 else (lower - next_high, upper)
    series = Interval.from_raw((from_man_exp(lower, -width), from_man_exp(upper, -width)), width)
    return _density_at(t, width) * series / Interval.from_raw((t, t), width)


def _survival_quantile_point(p: Raw, bits: int) -> tuple[Raw, Raw]:
    """Exact binary numbers around Φ_c⁻¹(p) for one exact binary p in (0, 1)."""
    if p == fhalf:
        return fzero, fzero
    if mpf_cmp(p, fhalf) > 0:
        low, high = _survival_quantile_point(mpf_sub(fone, p), bits)
        return mpf_neg(high), mpf_neg(low)
    distance = mpf_sub(fhalf, p)  # near p = ½ the quantile is about √(2π)·(½ − p): that many more bits
    working = bits + _GUARD + max(0, -(distance[2] + distance[3]))
    x = _first_guess(p, distance, working)
    while True:
        x = _polished(x, p, working)
        slack = from_man_exp(1, x[2] + x[3] - bits - 4)
        low, high = mpf_sub(x, slack), mpf_add(x, slack)
        above, below = _survival_point(low, working), _survival_point(high, working)
        if mpf_cmp(above.lower._mpf_, p) >= 0 and mpf_cmp(below.upper._mpf_, p) <= 0:
            return low, high
        working *= 2


def _first_guess(p: Raw, distance: Raw, working: int) -> Raw:
    """Something near Φ_c⁻¹(p) for 0 < p < ½; no promise."""
    if distance[2] + distance[3] < -20:
        root = mpf_sqrt(mpf_shift(pi(working).lower._mpf_, 1), working, round_nearest)
        return mpf_mul(distance, root, working, round_nearest)  # type: ignore[no-any-return]
    if p[2] + p[3] > _FLOAT_SAFE:
        return mp.mpf(-NormalDist().inv_cdf(to_float(p)))._mpf_  # type: ignore[no-any-return]
    square = mpf_mul(from_man_exp(-2, 0), mpf_log(p, 64, round_nearest), 64, round_nearest)
    correction = mpf_log(mpf_mul(square, from_man_exp(6, 0), 64, round_nearest), 64, round_nearest)
    return mpf_sqrt(mpf_sub(square, correction, 64, round_nearest), 64, round_nearest)  # type: ignore[no-any-return]


def _polished(x: Raw, p: Raw, working: int) -> Raw:
    """Newton's method on ln Φ_c, whose slope is nearly linear, at precisions that double up to `working`."""
    precision = 40
    while True:
        precision = min(2 * precision, working)
        survival = _survival_point(x, precision).lower._mpf_
        density = _density_at(x, precision).lower._mpf_
        logarithm = mpf_log(mpf_div(survival, p, precision, round_nearest), precision, round_nearest)
        mills = mpf_div(survival, density, precision, round_nearest)
        x = mpf_add(x, mpf_mul(mills, logarithm, precision, round_nearest), precision, round_nearest)
        if precision == working:
            return x
