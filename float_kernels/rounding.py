"""The error budget as code: how far a computed sum of weights can be from the real one, and what undoes it.

Everything is counted in units u = 2⁻⁵³, the largest relative error of one rounding to nearest in binary64 (really
u/(1 + u), so that fl(x) ≤ x(1 + u) and x ≤ fl(x)(1 + u)). Factors multiply: an error of relative size ε is at most
⌈ε/u⌉ units because 1 + N·u ≤ (1 + u)^N. Constants are exact fractions rounded up; none is tuned.

The budget of the sum of one row, with S the computed sum and Σ e^d the real one over the keys above the clamp:

    weights      EXPONENTIAL_UNITS[grade]   exponential.py, derived in `exponential_error`
    differences  SHIFT_UNITS                only where a row's maximum is subtracted: d = fl(s − m)
    additions    sum_depth(n)               each weight passes through at most so many additions
    outward      3                          S·(1 ± g) is rounded, and so is taking off the clamp's share; one to spare

`inflation` turns their number N into g with (1 + u)^N ≤ 1 + g and (1 − g)(1 + u)^N ≤ 1. Theorem T23.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from .errors import OutOfRangeError
from .exponential import CEILING, CLAMP, COEFFICIENTS, Grade

U = Fraction(1, 2**53)
# The smallest positive binary64: an underflowing product is off by at most half of it.
TINIEST = Fraction(1, 2**1074)

LANES = 16
STEPS_PER_BLOCK = 128
# Weighted sums of values (output_errors.py): so many keys in sequence, then block after block.
KEYS_PER_BLOCK = 128
MAX_KEYS = 2**36

# sup |p(f)/2^f − 1| on [−½, ½]; proved in tests/float_kernels/test_exponential.py by enclosing the quotient.
POLYNOMIAL_ERROR: dict[Grade, Fraction] = {"fast": Fraction(17, 16) / 2**29, "exact": Fraction(1, 2**52)}
# |LOG2E − log₂e|: the next digits of log₂e after LOG2E are 0.0917 of its spacing 2⁻⁵².
LOG2E_ERROR = Fraction(3, 2**57)

# A weight is at most w(CLAMP) ≤ CLAMP_SHARE where its real value may be anything below: it is counted in full in an
# upper sum, and taken away again in a lower one.
CLAMP_SHARE = 2.0**-1009
# A quotient below the floor may have underflowed: it becomes the floor above, and 0 below.
FLOOR = 2.0**-960
# Undoes two roundings (of the quotient and of its denominator) and its own: (1 + u)³ ≤ 1 + 4u.
OUTWARD_UP = 1.0 + 2.0**-51
OUTWARD_DOWN = 1.0 - 2.0**-51


def horner_error(grade: Grade) -> Fraction:
    """Largest |q − p(f)| over |f| ≤ ½, q computed by Horner's rule in binary64 and p exact: absolute.

    With y the exact and ŷ = y ± e the computed value so far, |y| ≤ m: the product fl(ŷ·f) is off by e/2 from before,
    u(m + e)/2 from its rounding and TINIEST from underflow; the sum with c then has magnitude at most its own bound m'
    and is off by u·m' more.
    """
    coefficients = [Fraction(1), *map(Fraction, COEFFICIENTS[grade])]
    magnitude, error = abs(coefficients[-1]), Fraction(0)
    for coefficient in reversed(coefficients[:-1]):
        product = (magnitude + error) / 2
        product_error = error / 2 + U * product + TINIEST
        magnitude = magnitude / 2 + abs(coefficient)
        error = product_error + U * (magnitude + product_error)
    return error


def exponential_error(grade: Grade) -> Fraction:
    """ε with e^d ≤ w(1 + ε) and w ≤ e^d(1 + ε) for the computed weight w of any d in [CLAMP, CEILING].

    t = fl(d·LOG2E): |t| < 1024, so its rounding is at most 2⁻⁴⁴, half the spacing there; with LOG2E's own error the
    exponent is off by at most ρ/ln 2, that is a factor within e^±ρ, and e^ρ ≤ 1 + ρ + ρ² (ρ ≤ 1).
    t − k is exact. p(f) is off from 2^f by POLYNOMIAL_ERROR relative, q from p(f) by horner_error absolute, and
    2^f ≥ 1/√2 > 70/99. Scaling by 2^k is exact.
    """
    reach = max(Fraction(CEILING), -Fraction(CLAMP))
    rho = (Fraction(1, 2**44) + reach * LOG2E_ERROR) * Fraction(7, 10)  # ln 2 < 0.7
    polynomial = POLYNOMIAL_ERROR[grade] + horner_error(grade) * Fraction(99, 70)
    # w ≤ e^d(1 + polynomial)e^ρ, and e^d ≤ w·e^ρ/(1 − polynomial): the second is the larger
    return (1 + rho + rho**2) / (1 - polynomial) - 1


EXPONENTIAL_UNITS: dict[Grade, int] = {grade: ceil(exponential_error(grade) / U) for grade in COEFFICIENTS}
# |fl(s − m) − (s − m)| ≤ 2⁻⁴⁴ for a difference of at most 700: a factor within e^±σ, and e^σ ≤ 1 + σ + σ².
SHIFT_UNITS = ceil((Fraction(1, 2**44) + Fraction(1, 2**88)) / U)
OUTWARD_UNITS = 3


def padded(n: int) -> int:
    """n rounded up to whole lanes: the row is padded by masked tail keys."""
    return -(-n // LANES) * LANES


def sum_depth(n: int) -> int:
    """Additions that any one weight of a row of n keys passes through, counted generously.

    At most STEPS_PER_BLOCK in its lane and block, one for each block in its lane, log₂ LANES when lanes are halved.
    """
    steps = padded(n) // LANES
    blocks = -(-steps // STEPS_PER_BLOCK)
    return min(steps, STEPS_PER_BLOCK) + blocks + (LANES.bit_length() - 1)


def inflation(n: int, grade: Grade, *, shifted: bool) -> float:
    """g, a multiple of 2⁻⁵², with (1 + u)^N ≤ 1 + g and (1 − g)(1 + u)^N ≤ 1 for the N units of a row of n keys.

    For N ≤ 2²⁶ all terms of (1 + u)^N beyond 1 + N·u together are below u, so g = (N + 1)u will do. 1 ± g is exact.
    """
    if not 1 <= n <= MAX_KEYS:
        raise OutOfRangeError(f"a row has {n} keys; the error budget covers 1 to 2**36: split the row")
    units = EXPONENTIAL_UNITS[grade] + sum_depth(n) + OUTWARD_UNITS + (SHIFT_UNITS if shifted else 0)
    assert units <= 2**26, units
    return ceil(Fraction(units + 1, 2)) * 2.0**-52
