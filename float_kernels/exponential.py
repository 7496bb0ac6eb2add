"""exp from IEEE +, −, × and bit operations: the readable specification, in NumPy.

No library exponential, no fused multiply-add, no division: every step below is one correctly rounded binary64
operation, so the same bits come out on every processor, and its error is a theorem about those steps (T23).
`compiled.py` performs the same steps in the same order. What the error is, line by line, is computed in `rounding.py`.

    c = max(d, CLAMP)          exact
    t = c · LOG2E              d·log₂e, off by at most 2⁻⁴⁴ + 700·|LOG2E − log₂e| (|t| < 1024)
    b = t + MAGIC              in [2⁵², 2⁵³), where the spacing is 1: t rounded to the integer k, as b = MAGIC + k
    f = t − (b − MAGIC)        both subtractions exact, |f| ≤ ½
    q = 1 + f(c₁ + f(c₂ + …))  ≈ 2^f, Horner's order, two roundings a step
    w = q · 2^k                exact: 2^k is made from the low bits of b, and w is a normal number
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Grade = Literal["fast", "exact"]
Float64 = NDArray[np.float64]

# Below the clamp a weight is computed as that of the clamp: still normal, and a relative 2⁻¹⁰⁰⁹ of e⁰.
CLAMP = -700.0
# Above it 2^k leaves the exponent range that sums of 2³⁶ weights can use.
CEILING = 700.0
LOG2E = float.fromhex("0x1.71547652b82fep+0")
# 1.5·2⁵² + 1023: adding it rounds to an integer and leaves the biased exponent k + 1023 in the low bits.
MAGIC = float.fromhex("0x1.80000000003ffp+52")

# c₁ … c_degree of p(f) = 1 + c₁f + … ≈ 2^f on [−½, ½], derived by exponential.sollya.
COEFFICIENTS: dict[Grade, tuple[float, ...]] = {
    "fast": tuple(
        map(
            float.fromhex,
            (
                "0x1.62e430af270cbp-1",
                "0x1.ebfbdc3c31671p-3",
                "0x1.c6aee88e97a4p-5",
                "0x1.3b2d4cf0fbd52p-7",
                "0x1.5f3e52f138af3p-10",
                "0x1.41fbbc91efe2ep-13",
            ),
        )
    ),
    "exact": tuple(
        map(
            float.fromhex,
            (
                "0x1.62e42fefa3a12p-1",
                "0x1.ebfbdff82c431p-3",
                "0x1.c6b08d703e18ep-5",
                "0x1.3b2ab6fbd6dbep-7",
                "0x1.5d87fe9b8d2a2p-10",
                "0x1.4309126be05f9p-13",
                "0x1.ffcb58ce7eb4dp-17",
                "0x1.62c147edea337p-20",
                "0x1.b671af6e9ace6p-24",
                "0x1.e3a8908819ee9p-28",
            ),
        )
    ),
}


def exponential(d: Float64, grade: Grade = "fast") -> Float64:
    """w with e^d ≤ w(1 + ε) and w ≤ e^d(1 + ε), for CLAMP ≤ d ≤ CEILING and ε = rounding.exponential_error(grade).

    Any shape, float64. Below CLAMP, −∞ included, w is the weight of CLAMP. NaN gives NaN. Above CEILING the result
    is meaningless: callers hold d below it (tails.py does by the row's maximum). Theorem T23.
    """
    c = np.maximum(d, CLAMP)  # propagates NaN
    t = c * LOG2E
    b = t + MAGIC
    f = t - (b - MAGIC)
    coefficients = COEFFICIENTS[grade]
    q = np.full_like(f, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        q = q * f + coefficient
    q = q * f + 1.0
    return q * _power_of_two(b)


def _power_of_two(b: Float64) -> Float64:
    """2^k from b = MAGIC + k, −1023 < k < 1024: its low bits become the exponent field, sign and fraction are 0."""
    bits = np.asarray(b, dtype=np.float64, order="C").view(np.uint64)
    power: Float64 = (bits << np.uint64(52)).view(np.float64)
    return power
