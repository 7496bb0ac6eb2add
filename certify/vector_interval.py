"""Interval arithmetic on float64 arrays, and a short exponential with a proved error bound, from plain NumPy
operations.

Inclusion: for every x in [lower, upper], entry by entry, f(x) lies in the returned interval. NaN is never produced
from finite input: a bound that leaves the float range becomes −∞ or +∞.

Assumed, and checked in the calling thread by `rounds_to_nearest()`: + − × ÷, comparisons, `rint` and the square root
on float64 arrays are IEEE 754 operations rounded to nearest, subnormals kept. Nothing else is trusted: no libm exp or
log, no BLAS, no reduction whose order NumPy chooses. Small arrays step outward with `nextafter`; whole blocks of
scores use the a-priori bounds derived beside each function.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import factorial
from typing import TypeAlias

import numpy as np

from certify.scores import Floats

__all__ = [
    "EXP_DOMAIN",
    "EXP_ERROR",
    "EXP_TINY",
    "UNIT_ROUNDOFF",
    "Operand",
    "VectorInterval",
    "exp_estimate",
    "exponential",
    "growth",
    "log1p",
    "rounds_to_nearest",
    "sum_estimate",
    "up",
]

UNIT_ROUNDOFF = Fraction(1, 2**53)

# ln 2 in two parts: 42 bits, so that k·LN2_HI is exact for |k| < 2^11, and the rest. Derived by
# tests/certify/test_vector_interval.py.
LN2_HI = float.fromhex("0x1.62e42fefa38p-1")
LN2_LO = float.fromhex("0x1.ef35793c7673p-45")
LN2 = (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.62e42fefa39f0p-1"))  # the floats below and above ln 2
INVERSE_LN2 = float.fromhex("0x1.71547652b82fep+0")
TAYLOR = tuple(float(Fraction(1, factorial(i))) for i in range(14))
EXP_DOMAIN = 708.0
EXP_TINY = float.fromhex("0x1p-1021")  # ≥ e^d for every d ≤ −708


def growth(count: int, roundoff: Fraction = UNIT_ROUNDOFF) -> Fraction:
    """γ_m = mu/(1 − mu) ≥ |Π(1 + δ_i)^{±1} − 1| for m factors with |δ_i| ≤ u."""
    return count * roundoff / (1 - count * roundoff)


def up(bound: Fraction) -> float:
    """The least float64 that is ≥ a non-negative fraction (in the normal range)."""
    nearest = float(bound)
    return nearest if Fraction(nearest) >= bound else float(np.nextafter(nearest, np.inf))


def _exp_error() -> float:
    """The relative error of `exp_estimate`, item by item, in units of u = 2^−53; R = 0.34674 bounds |r| and |r̂|.

    k = rint(d·INVERSE_LN2): |d/ln 2 − k| ≤ ½ + 3·1022u, so |d − k·ln 2| ≤ ½·ln 2 + 3·1022·0.7u < 0.346574 < R
    k·LN2_HI             exact: 42 bits times 10 bits
    d − k·LN2_HI         one rounding of a number ≤ R                                            R·u
    k·LN2_LO             one rounding of a number ≤ 1022·2^−44 < 2^−34                           2^−34·u
    ln 2 itself          |ln 2 − LN2_HI − LN2_LO| ≤ 2^−98, times 1022                            2^−35·u
    the last subtraction one rounding of a number ≤ R                                            R·u
        so |r̂ − r| ≤ a = (2R + 2^−33)u, and e^r̂ differs from e^r by a factor within 1 ± (a + a²)
    Taylor, 14 terms     remainder ≤ R^14/14!·1/(1 − R/15), relative to e^r̂ ≥ e^−R
    Horner               the running bound below, relative to e^r̂ ≥ e^−R
    2^k                  exact: the result is normal for |d| ≤ 708
    """
    u = UNIT_ROUNDOFF
    reach = Fraction(34674, 100000)
    argument = (2 * reach + Fraction(1, 2**33)) * u
    e_reach = Fraction(14145, 10000)  # ≥ e^R
    remainder = reach**14 / 87178291200 / (1 - reach / 15)
    relative = (remainder + _horner_error(reach)) * e_reach
    return up((1 + argument + argument**2) * (1 + relative) - 1)


def _horner_error(reach: Fraction) -> Fraction:
    """The absolute error of Horner's rule on TAYLOR for |r| ≤ `reach`, against the exact coefficients 1/i!.

    With |y| ≤ m and a computed ŷ within e of y: fl(ŷ·r) is within e·R + u(m + e)R + tiny of y·r, and adding ĉ_i, itself
    |ĉ_i − 1/i!| off, rounds once more. `tiny` covers underflow.
    """
    u, tiny = UNIT_ROUNDOFF, Fraction(1, 2**1074)
    magnitude, error = Fraction(0), Fraction(0)
    for place in reversed(range(len(TAYLOR))):
        exact = Fraction(1, factorial(place))
        product = (magnitude + error) * reach
        before = error * reach + u * product + tiny + abs(Fraction(TAYLOR[place]) - exact)
        magnitude = magnitude * reach + exact
        error = before + u * (magnitude + before)
    return error


EXP_ERROR = _exp_error()


def exp_estimate(d: Floats) -> Floats:
    """ê with |ê − e^d| ≤ EXP_ERROR·e^d for finite |d| ≤ 708; any float64 shape. The derivation is `_exp_error`."""
    k = np.rint(d * INVERSE_LN2)
    r = d - k * LN2_HI
    r -= k * LN2_LO
    result = np.full_like(r, TAYLOR[-1])
    for coefficient in reversed(TAYLOR[:-1]):
        result *= r
        result += coefficient
    power = k.astype(np.int64)
    power += 1023
    power <<= 52
    result *= power.view(np.float64)
    return result


def sum_estimate(terms: Floats) -> tuple[Floats, int]:
    """Sums over the last axis by halving it again and again, and the depth h of that tree.

    For non-negative terms the result is within a factor 1 ± γ_h of the true sum; for any signs within γ_h·Σ|terms|.
    The order depends on the length alone. Additions do not underflow inexactly.
    """
    depth = 0
    while (length := terms.shape[-1]) > 1:
        half = length // 2
        folded = terms[..., :half] + terms[..., half : 2 * half]
        if length % 2:
            folded = np.concatenate([folded, terms[..., 2 * half :]], axis=-1)
        terms, depth = folded, depth + 1
    return (terms[..., 0] if terms.shape[-1] else np.zeros(terms.shape[:-1])), depth


def _down1(x: Floats) -> Floats:
    return np.nextafter(x, -np.inf)


def _up1(x: Floats) -> Floats:
    return np.nextafter(x, np.inf)


def _without_nan(lower: Floats, upper: Floats) -> VectorInterval:
    return VectorInterval(np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper))


@dataclass(frozen=True, slots=True, eq=False)
class VectorInterval:
    """Closed intervals, one an entry: float64 arrays of one shape with lower ≤ upper; endpoints may be infinite."""

    lower: Floats
    upper: Floats

    @staticmethod
    def point(value: Floats | float) -> VectorInterval:
        array = np.asarray(value, dtype=np.float64)
        return VectorInterval(array, array)

    def __add__(self, other: Operand) -> VectorInterval:
        right = _lift(other)
        return _without_nan(_down1(self.lower + right.lower), _up1(self.upper + right.upper))

    def __sub__(self, other: Operand) -> VectorInterval:
        right = _lift(other)
        return _without_nan(_down1(self.lower - right.upper), _up1(self.upper - right.lower))

    def __mul__(self, other: Operand) -> VectorInterval:
        right = _lift(other)
        corners = [a * b for a in (self.lower, self.upper) for b in (right.lower, right.upper)]
        corners = [np.where(np.isnan(c), 0.0, c) for c in corners]  # 0·∞: the zero end contributes 0
        return VectorInterval(_down1(np.minimum.reduce(corners)), _up1(np.maximum.reduce(corners)))

    def __truediv__(self, other: Operand) -> VectorInterval:
        """Quotient; where the divisor may be zero or negative the result is (−∞, ∞). Dividends of any sign."""
        right = _lift(other)
        safe = right.lower > 0
        low, high = np.where(safe, right.lower, 1.0), np.where(safe, right.upper, 1.0)
        lower = _down1(np.where(self.lower >= 0, self.lower / high, self.lower / low))
        upper = _up1(np.where(self.upper >= 0, self.upper / low, self.upper / high))
        widened = _without_nan(lower, upper)
        return VectorInterval(np.where(safe, widened.lower, -np.inf), np.where(safe, widened.upper, np.inf))

    def __neg__(self) -> VectorInterval:
        return VectorInterval(-self.upper, -self.lower)

    def square(self) -> VectorInterval:
        far = np.maximum(np.abs(self.lower), np.abs(self.upper))
        near = np.where((self.lower <= 0) & (self.upper >= 0), 0.0, np.minimum(np.abs(self.lower), np.abs(self.upper)))
        return VectorInterval(np.maximum(_down1(near * near), 0.0), _up1(far * far))

    def sqrt(self) -> VectorInterval:
        """Square root of what is not negative in here."""
        lower, upper = np.maximum(self.lower, 0.0), np.maximum(self.upper, 0.0)
        return VectorInterval(np.maximum(_down1(np.sqrt(lower)), 0.0), _up1(np.sqrt(upper)))

    def clipped(self, lower: float, upper: float) -> VectorInterval:
        """For a quantity known to lie in [lower, upper]."""
        return VectorInterval(np.clip(self.lower, lower, upper), np.clip(self.upper, lower, upper))

    def where(
        self, condition: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], other: VectorInterval
    ) -> VectorInterval:
        """This interval where the condition holds, the other elsewhere."""
        return VectorInterval(
            np.where(condition, self.lower, other.lower), np.where(condition, self.upper, other.upper)
        )

    def widened(self, relative: Floats | float) -> VectorInterval:
        """Around every x ≥ 0 with |x̂ − x| ≤ relative·x, for x̂ in here and relative ≤ ¼.

        Then x̂·(1 − relative) ≤ x ≤ x̂/(1 − relative) ≤ x̂·(1 + relative + 2·relative²).
        """
        more = np.nextafter(1.0 + relative * (1.0 + 3.0 * relative), 2.0)
        less = np.nextafter(1.0 - relative, 0.0)
        return VectorInterval(np.maximum(_down1(self.lower * less), 0.0), _up1(self.upper * more))


Operand: TypeAlias = "VectorInterval | Floats | float"


def _lift(value: Operand) -> VectorInterval:
    return value if isinstance(value, VectorInterval) else VectorInterval.point(value)


def exponential(x: VectorInterval) -> VectorInterval:
    """{e^t : t in x}; below −708 the lower end is 0, above 708 the upper end is +∞."""
    inside = VectorInterval(
        exp_estimate(np.clip(x.lower, -EXP_DOMAIN, EXP_DOMAIN)), exp_estimate(np.clip(x.upper, -EXP_DOMAIN, EXP_DOMAIN))
    )
    proved = inside.widened(EXP_ERROR)
    return VectorInterval(
        np.where(x.lower < -EXP_DOMAIN, 0.0, proved.lower),
        np.where(x.upper > EXP_DOMAIN, np.inf, proved.upper),
    )


def log1p(x: VectorInterval) -> VectorInterval:
    """{ln(1 + t) : t in x ≥ 0}, to nearly full relative accuracy also for tiny t."""
    return VectorInterval(_log1p_ends(np.maximum(x.lower, 0.0)).lower, _log1p_ends(np.maximum(x.upper, 0.0)).upper)


def _log1p_ends(t: Floats) -> VectorInterval:
    """ln(1 + t) = k·ln 2 + 2·artanh((m − 1)/(m + 1)) with 1 + t = 2^k·m and m in [¾, 3/2]; k = 0 keeps t itself, so
    nothing cancels.
    """
    finite = np.where(t < np.inf, t, 1.0)
    small = finite <= 0.5
    total = VectorInterval.point(np.where(small, 1.0, finite)) + 1.0
    _, exponent = np.frexp(total.lower)
    m = VectorInterval(np.ldexp(total.lower, -exponent), np.ldexp(total.upper, -exponent))  # in [½, 1]; exact
    low = m.lower < 0.75
    m = VectorInterval(np.where(low, 2.0 * m.lower, m.lower), np.where(low, 2.0 * m.upper, m.upper))
    shift = np.asarray(exponent - low, dtype=np.float64)
    point = VectorInterval.point(np.where(small, finite, 0.0))
    ratio = (point / (point + 2.0)).where(small, (m - 1.0) / (m + 1.0))
    artanh = _twice_artanh(ratio)
    ln2 = VectorInterval(np.full(t.shape, LN2[0]), np.full(t.shape, LN2[1]))
    result = artanh.where(small, VectorInterval.point(shift) * ln2 + artanh)
    return VectorInterval(
        np.where(t < np.inf, np.maximum(result.lower, 0.0), 0.0), np.where(t < np.inf, result.upper, np.inf)
    )


def _twice_artanh(ratio: VectorInterval) -> VectorInterval:
    """2·Σ_{i<N} t^{2i+1}/(2i+1) and the rest, for |t| ≤ 0.21: the rest is at most 2|t|^{2N+1}/((2N+1)(1 − t²)) <
    2^−56·|t| at N = 12.
    """
    square = ratio.square()
    terms = 12
    inner = VectorInterval.point(0.0)
    for i in reversed(range(terms)):
        inner = inner * square + VectorInterval.point(1.0) / float(2 * i + 1)
    rest = 2.0**-54
    return ratio * 2.0 * (inner + VectorInterval(np.full(ratio.lower.shape, -rest), np.full(ratio.lower.shape, rest)))


def rounds_to_nearest() -> bool:
    """Whether this thread's float64 arithmetic is what this module assumes: round to nearest even, subnormals kept.

    Both are per-thread processor state that other libraries change. Probed with arrays, so that the vector units
    answer.
    """
    half_ulp = np.full(8, 2.0**-53)
    one = np.ones(8)
    smallest = np.full(8, 5e-324)
    checks = (
        one + half_ulp == one,  # fails when rounding up
        -one - half_ulp == -one,  # fails when rounding down
        one + (half_ulp * 1.5) == one + 2.0**-52,  # fails when rounding towards zero
        smallest * one > 0.0,  # fails when subnormal inputs count as zero
        np.full(8, 2.0**-1022) * 0.5 > 0.0,  # fails when subnormal results are flushed
        one * (1.0 + 2.0**-52) * (1.0 + 2.0**-52) == one + 2.0**-51,  # products are rounded to double, not kept longer
    )
    return all(bool(check.all()) for check in checks)
