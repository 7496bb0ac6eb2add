"""Rigorous enclosures of exp, log, log1p and tanh on exact intervals, from integer arithmetic alone.

Inclusion: for every x in X, exp(x) is in exp(X), and so for the others. Each function is monotone, so an interval's
image is bounded by its endpoints' images. For a point x the exponential is enclosed with relative width below 2^(4 −
bits).

How exp is bounded. Write x = k·ln 2 + r with an integer k and 0 ≤ r < 0.70 (any k would be sound; this one is quick).
With w = bits + extra fraction bits, r is enclosed by integers, divided by 2^j without rounding, and summed as a
Taylor series of non-negative terms: flooring every term and dropping the rest can only lower it; rounding every term
up and adding twice the first dropped term (the ratio of successive terms is below ½) can only raise it. Squaring j
times, floored and rounded up respectively, keeps both directions.

The logarithm is a proposal by mpmath that is accepted only after our own exp has proved it from both sides.
"""

from __future__ import annotations

from functools import lru_cache

from mpmath.libmp import (
    fone,
    from_man_exp,
    fzero,
    mpf_add,
    mpf_cmp,
    mpf_log,
    mpf_sub,
    round_ceiling,
    round_floor,
    round_nearest,
)

from certify.errors import UndefinedOperation
from certify.interval import Interval, Raw

__all__ = ["exp", "log", "log1p", "tanh"]

_HALVINGS = 8  # r / 2^8 < 0.0028, so a term gains more than 8 bits on the one before


def exp(x: Interval) -> Interval:
    """{e^t : t in x}."""
    lower, upper = x.raw
    low, high = _exp_point(lower, x.bits)
    if lower != upper:
        high = _exp_point(upper, x.bits)[1]
    return Interval.from_raw((low, high), x.bits)


def log(x: Interval) -> Interval:
    """{ln t : t in x}; x must be positive. Relative accuracy also near 1."""
    lower, upper = x.raw
    if mpf_cmp(lower, fzero) <= 0:
        raise UndefinedOperation(f"logarithm of {x}, which reaches zero or below")
    low, high = _log_point(lower, x.bits)
    if lower != upper:
        high = _log_point(upper, x.bits)[1]
    return Interval.from_raw((low, high), x.bits)


def log1p(x: Interval) -> Interval:
    """{ln(1 + t) : t in x} for x ≥ 0, with relative accuracy however small t is."""
    if x.lower < 0:
        raise UndefinedOperation(f"log1p of {x}: only t ≥ 0 is supported; use log(1 + t)")
    lower, upper = x.raw
    return Interval.from_raw((_log1p_point(lower, x.bits)[0], _log1p_point(upper, x.bits)[1]), x.bits)


def tanh(x: Interval) -> Interval:
    """{tanh t : t in x} = 1 − 2/(e^{2t} + 1) at each end; the absolute width is about 2^−bits."""
    low = 1 - 2 / (exp(Interval(x.lower, x.lower, x.bits) * 2) + 1)
    high = 1 - 2 / (exp(Interval(x.upper, x.upper, x.bits) * 2) + 1)
    return Interval(low.lower, high.upper, x.bits).within(-1.0, 1.0)


@lru_cache(maxsize=256)
def _ln2(fraction_bits: int) -> tuple[int, int]:
    """Integers a < b with a ≤ ln 2 · 2^fraction_bits ≤ b, from ln 2 = 2·Σ 1/((2i+1)·3^(2i+1)), every term
    non-negative.
    """
    guard = 16
    one = 2 << (fraction_bits + guard)
    low = high = index = 0
    power = 3
    while (term := one // (power * (2 * index + 1))) > 0:
        low += term
        high += term + 1
        index += 1
        power *= 9
    high += 2  # what was dropped is below one unit, and the rest of the series below an eighth of that
    return low >> guard, (high >> guard) + 1


def _exp_point(x: Raw, bits: int) -> tuple[Raw, Raw]:
    """Exact binary numbers around e^x for one exact binary x."""
    sign, mantissa, exponent, length = x
    if not mantissa:
        return fone, fone
    magnitude = exponent + length  # |x| < 2^magnitude
    if magnitude < -bits:
        # For |x| ≤ ½: 1 + x ≤ e^x, and e^x ≤ 1 + 2x where x > 0, e^x ≤ 1 + x/2 where x < 0.
        beyond = (sign, mantissa, exponent + (-1 if sign else 1), length)
        return mpf_add(fone, x, bits + 8, round_floor), mpf_add(fone, beyond, bits + 8, round_ceiling)
    w = bits + 2 * _HALVINGS + max(magnitude, 0) + 8
    signed = -mantissa if sign else mantissa
    shift = exponent + w
    x_low = signed << shift if shift >= 0 else signed >> -shift
    x_high = x_low if shift >= 0 else x_low + 1
    ln2_low, ln2_high = _ln2(w)
    k = x_low // ln2_high
    # k·ln 2 in integers, k of either sign; r = x − k·ln 2 is then within [r_low, r_high] and r_low may be −1 unit at
    # worst.
    k_low, k_high = (k * ln2_low, k * ln2_high) if k >= 0 else (k * ln2_high, k * ln2_low)
    r_low, r_high = max(x_low - k_high, 0), x_high - k_low
    # A slightly negative r costs little: e^r ≥ 1 + r.
    lower = (1 << w) + x_low - k_high if x_low < k_high else _exp_series(r_low, w, up=False)
    return from_man_exp(lower, k - w), from_man_exp(_exp_series(r_high, w, up=True), k - w)


def _exp_series(r: int, w: int, *, up: bool) -> int:
    """A bound, from above or below, on e^(r/2^w)·2^w for an integer 0 ≤ r < 2^w."""
    # r / 2^j has w + j fraction bits and the same integer; the terms are kept with w fraction bits.
    scale = w + _HALVINGS
    result = term = 1 << w
    index = 1
    while True:
        if up:
            term = -(-(term * r) >> scale)
            term = -(-term // index)
        else:
            term = ((term * r) >> scale) // index
        if term <= 1:
            break
        result += term
        index += 1
    if up:
        result += 2 * term  # the first dropped term, and all after it, each less than half of the one before
        for _ in range(_HALVINGS):
            result = -(-(result * result) >> w)
    else:
        for _ in range(_HALVINGS):
            result = (result * result) >> w
    return result


def _log_point(x: Raw, bits: int) -> tuple[Raw, Raw]:
    """Exact binary numbers around ln x for one exact positive binary x."""
    if x == fone:
        return fzero, fzero
    working = bits + 16
    if x[2] + x[3] in (0, 1):
        # ½ ≤ x < 2, and near 1 the logarithm is about x − 1: that many more bits for the same relative accuracy.
        distance = mpf_sub(x, fone, 0, round_nearest)
        working += max(0, -(distance[2] + distance[3]))
    while True:
        proposal = mpf_log(x, working, round_nearest)
        slack = from_man_exp(1, proposal[2] + proposal[3] - bits - 4)
        low, high = mpf_sub(proposal, slack, 0, round_nearest), mpf_add(proposal, slack, 0, round_nearest)
        if mpf_cmp(_exp_point(low, working)[1], x) <= 0 and mpf_cmp(x, _exp_point(high, working)[0]) <= 0:
            return low, high
        working *= 2


def _log1p_point(x: Raw, bits: int) -> tuple[Raw, Raw]:
    if x == fzero:
        return fzero, fzero
    if x[2] + x[3] < -bits:
        # x − x²/2 ≤ ln(1 + x) ≤ x, and x²/2 < x·2^−bits: subtract that much.
        return mpf_sub(x, from_man_exp(x[1], x[2] - bits), bits + 8, round_floor), x
    if x[2] + x[3] > 8 * bits:
        # 1 + x would need that many bits; ln x ≤ ln(1 + x) ≤ ln x + 1/x, and 1/x < 2^(−8·bits).
        low, high = _log_point(x, bits)
        return low, mpf_add(high, from_man_exp(1, -8 * bits + 1), bits + 8, round_ceiling)
    return _log_point(mpf_add(fone, x, 0, round_nearest), bits)
