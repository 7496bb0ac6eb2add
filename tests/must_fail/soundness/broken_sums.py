"""Mutants of the tail mass: exponential, error budget, sums, clamp, quotient, and what is summed in the first place."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from float_kernels import enclosure, exponential, lane_sums, rounding
from float_kernels.enclosure import SumBounds
from float_kernels.exponential import CLAMP, COEFFICIENTS, LOG2E, MAGIC
from float_kernels.rounding import LANES, OUTWARD_UP
from tests.float_kernels import hunted_kernels

from .mutant import Break, Mutant, broken

FAST = hunted_kernels.tail_mass("fast", "numpy")
EXACT = hunted_kernels.tail_mass("exact", "numpy")

REAL_EXPONENTIAL = exponential.exponential
REAL_INFLATION = rounding.inflation
REAL_LANE_SUMS = lane_sums.lane_sums
REAL_ORDERED_SUM = lane_sums.ordered_sum
REAL_SUM_BOUNDS = enclosure.sum_bounds


# The exponential.
def exponential_with(
    log2e: float = LOG2E, magic: float = MAGIC, clamp: float = CLAMP, towards_zero: bool = False
) -> Any:
    """exponential.exponential with other constants, or with t cut off instead of rounded."""

    def mutant(d: Any, grade: Any = "fast") -> Any:
        c = np.maximum(d, clamp)
        t = c * log2e
        b = (np.trunc(t) if towards_zero else t) + magic
        f = t - (b - magic)
        coefficients = COEFFICIENTS[grade]
        q = np.full_like(f, coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            q = q * f + coefficient
        return (q * f + 1.0) * exponential._power_of_two(b)

    return mutant


def clamped_to_nothing(d: Any, grade: Any = "fast") -> Any:
    return np.where(d > CLAMP, REAL_EXPONENTIAL(d, grade), 0.0)


def float32_exponential(d: Any, grade: Any = "fast") -> Any:
    """e^d in float32: nothing is left below −103."""
    return np.exp(np.asarray(d, dtype=np.float32)).astype(np.float64)


def coefficient_off(grade: str, index: int, ulps: int) -> dict[Any, Any]:
    changed = list(COEFFICIENTS[grade])  # type: ignore[index]
    changed[index] += ulps * float(np.spacing(changed[index]))
    return {**COEFFICIENTS, grade: tuple(changed)}


# The sums.
def without_last_lane(weights: Any) -> Any:
    width = rounding.padded(weights.shape[-1])
    padded = np.concatenate([weights, np.zeros((*weights.shape[:-1], width - weights.shape[-1]))], axis=-1)
    lost = padded.copy()
    lost[..., LANES - 1 :: LANES] = 0.0
    return REAL_ORDERED_SUM(lost)


def partial_step_forgotten(scores: Any, kept: Any, shift: Any, grade: Any) -> Any:
    """Whole steps of LANES only, as in a loop to n // LANES * LANES without its epilogue."""
    whole = scores.shape[-1] // LANES * LANES
    if whole == 0:
        return REAL_LANE_SUMS(scores, kept, shift, grade)
    return REAL_LANE_SUMS(scores[:, :whole], kept[:, :whole], shift, grade)


def masked_as_zero(scores: Any, kept: Any, shift: Any, grade: Any) -> Any:
    """−∞ replaced by a score of 0: the mask became a weight."""
    return REAL_LANE_SUMS(np.where(scores == -np.inf, 0.0, scores), kept, shift, grade)


def padded_with_zero(scores: Any, kept: Any, shift: Any, grade: Any) -> Any:
    """The row is padded to whole steps with scores 0 instead of −∞, and they count as dropped keys."""
    rows, n = scores.shape
    width = rounding.padded(n)
    wide = np.zeros((rows, width))
    wide[:, :n] = scores
    held = np.zeros((rows, width), dtype=np.bool_)
    held[:, :n] = kept
    return REAL_LANE_SUMS(wide, held, shift, grade)


def float32_sums(weights: Any) -> Any:
    return np.add.accumulate(weights.astype(np.float32), axis=-1)[..., -1].astype(np.float64)


def maximum_of_whole_steps(scores: Any) -> Any:
    whole = scores.shape[-1] // LANES * LANES or scores.shape[-1]
    return np.fmax.reduce(scores[..., :whole], axis=-1, initial=-np.inf)


# The budget and the quotient.
def inflation_of(change: Any) -> Any:
    def mutant(n: int, grade: Any, *, shifted: bool) -> float:
        return float(change(REAL_INFLATION(n, grade, shifted=shifted), n, grade, shifted))

    return mutant


def argument_errors(shifted: bool) -> float:
    """What the budget holds for the difference s − m and for LOG2E: relative, as in rounding.exponential_error."""
    log2e = rounding.LOG2E_ERROR * 700 * Fraction(7, 10)
    return float((rounding.SHIFT_UNITS if shifted else 0) * rounding.U + log2e)


def inflation_inward(tail: Any, kept: Any, shift: Any, n: int, grade: Any) -> SumBounds:
    found = REAL_SUM_BOUNDS(tail, kept, shift, n, grade)
    return SumBounds(found.tail_upper, found.tail_lower, found.kept_upper, found.kept_lower)


def tail_not_inflated(tail: Any, kept: Any, shift: Any, n: int, grade: Any) -> SumBounds:
    found = REAL_SUM_BOUNDS(tail, kept, shift, n, grade)
    return SumBounds(tail, tail, found.kept_lower, found.kept_upper)


def one_error_for_both(sums: SumBounds) -> Any:
    """Both sums at the same end: T⁺/(T⁺ + H⁺). The error cancels, and so does the guarantee."""
    upper = sums.tail_upper / (sums.tail_upper + sums.kept_upper)
    lower = sums.tail_lower / (sums.tail_lower + sums.kept_lower)
    return lower, np.minimum(upper * OUTWARD_UP, 1.0)


def one_minus_kept(sums: SumBounds) -> Any:
    """τ as 1 − Σ_H p, one step up: cancels where τ is small."""
    tail, kept = (sums.tail_lower + sums.tail_upper) / 2, (sums.kept_lower + sums.kept_upper) / 2
    return np.zeros_like(kept), np.minimum(1.0, (1.0 - kept / (kept + tail)) * OUTWARD_UP)


def tail_over_kept_is_small(sums: SumBounds) -> Any:
    """T/H for T/(T + H) from below: they agree to first order."""
    return sums.tail_lower / sums.kept_upper, np.ones_like(sums.tail_upper)


# What is summed.
def rounded_to_float32(chunk: Any) -> Any:
    """Every input as float32, whatever it was: the conversion is exact for the narrower formats only."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(chunk, dtype=np.float32)


def scaled(factor: float) -> Any:
    """The logits after the scale was forgotten (factor > 1) or applied twice (factor < 1)."""

    def kernel(scores: Any, kept: Any) -> Any:
        return FAST(scores.astype(np.float64) * factor, kept)

    return kernel


def ties_all_kept(scores: Any, kept: Any) -> Any:
    """The kept set rebuilt as 'every score ≥ the k-th': keys tied with it are kept too."""
    threshold = np.where(kept, scores.astype(np.float64), np.inf).min(axis=-1, keepdims=True)
    return FAST(scores, scores.astype(np.float64) >= threshold)


def smallest_kept_dropped(scores: Any, kept: Any) -> Any:
    """The kept set rebuilt as 'every score above the k-th', and the lower bound taken from it."""
    threshold = np.where(kept, scores.astype(np.float64), np.inf).min(axis=-1, keepdims=True)
    above = scores.astype(np.float64) > threshold
    none = ~above.any(axis=-1, keepdims=True)
    return FAST(scores, np.where(none, kept, above))


def softmax_float32(scores: Any, kept: Any) -> Any:
    """Σ_T of a float32 softmax, inflated by the budget of the fast grade: the softmax does not sum to 1."""
    row = scores.astype(np.float32)
    w = np.exp(row - row.max(axis=-1, keepdims=True))
    p = w / w.sum(axis=-1, keepdims=True)
    tail = np.where(kept, np.float32(0), p).sum(axis=-1).astype(np.float64)
    return tail * (1.0 + REAL_INFLATION(scores.shape[-1], "fast", shifted=True))


def prefix_sums(scores: Any, kept: Any) -> Any:
    """1 − the k-th prefix sum of the sorted weights over the last one, all in float64."""
    ordered = -np.sort(-scores.astype(np.float64), axis=-1)
    sums = np.cumsum(REAL_EXPONENTIAL(np.maximum(ordered - ordered[:, :1], -700.0), "exact"), axis=-1)
    k = np.count_nonzero(kept, axis=-1)
    return np.minimum((1.0 - sums[np.arange(len(k)), k - 1] / sums[:, -1]) * (1.0 + 2.0**-30), 1.0)


def tail(name: str, *breaks: Break, grade: Any = FAST, **how: Any) -> Mutant:
    return Mutant(name, grade, breaks, **how)


MUTANTS = (
    # the exponential
    tail("logits as bits: 2^s for e^s", broken("lane_sums.exponential", exponential_with(log2e=1.0))),
    tail("LOG2E in float32", broken("lane_sums.exponential", exponential_with(log2e=float(np.float32(LOG2E))))),
    tail(
        "the exponent's offset folded in one binade too low",
        broken("lane_sums.exponential", exponential_with(magic=1.5 * 2.0**51 + 1023)),
    ),
    tail(
        "t cut off, not rounded: f outside [−½, ½]",
        broken("lane_sums.exponential", exponential_with(towards_zero=True)),
    ),
    tail("no clamp", broken("lane_sums.exponential", exponential_with(clamp=-np.inf))),
    tail("weights by a float32 exponential, which underflows", broken("lane_sums.exponential", float32_exponential)),
    tail("fast grade: c₁ off by 2²² ulp", broken("exponential.COEFFICIENTS", coefficient_off("fast", 0, 2**22))),
    tail("fast grade: c₁ off by 2¹⁸ ulp", broken("exponential.COEFFICIENTS", coefficient_off("fast", 0, 2**18))),
    tail("fast grade: c₆ off by 2⁴³ ulp", broken("exponential.COEFFICIENTS", coefficient_off("fast", 5, 2**43))),
    tail(
        "exact grade: c₁ off by 2¹⁰ ulp",
        broken("exponential.COEFFICIENTS", coefficient_off("exact", 0, 2**10)),
        grade=EXACT,
    ),
    tail(
        "exact grade: c₂ off by 2¹⁴ ulp",
        broken("exponential.COEFFICIENTS", coefficient_off("exact", 1, 2**14)),
        grade=EXACT,
    ),
    # the sums
    tail("a lane lost in the reduction", broken("lane_sums.ordered_sum", without_last_lane)),
    tail("the last partial step forgotten", broken("tails.lane_sums", partial_step_forgotten)),
    tail("float32 accumulators", broken("lane_sums.ordered_sum", float32_sums), grade=EXACT),
    tail("a masked key counts as a score of 0", broken("tails.lane_sums", masked_as_zero)),
    tail("a row padded with 0, not with −∞", broken("tails.lane_sums", padded_with_zero), bound="both"),
    # the range
    tail("no running maximum", broken("tails.row_shift", np.zeros_like)),
    tail("the maximum of whole steps only", broken("tails.row_maximum", maximum_of_whole_steps)),
    tail("rows are summed as they are up to a maximum of 800", broken("lane_sums.UNSHIFTED_MAX", 800.0)),
    Mutant(
        "clamped keys count as nothing, and no floor",
        FAST,
        (
            broken("lane_sums.exponential", clamped_to_nothing),
            broken("enclosure.FLOOR", 0.0),
            broken("tails.CLAMP_SHARE", -1.0),
        ),
    ),
    tail("no floor under a quotient that underflows", broken("enclosure.FLOOR", 0.0)),
    tail("a tail below the clamp is an empty one", broken("tails.row_at", lambda array, row: np.full(1, True))),
    # the budget
    tail("no inflation, fast grade", broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: 0.0))),
    tail(
        "no inflation, exact grade",
        broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: 0.0)),
        grade=EXACT,
    ),
    tail("budget halved, fast grade", broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: g / 2))),
    tail(
        "budget halved, exact grade",
        broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: g / 2)),
        grade=EXACT,
    ),
    tail(
        "the fast grade's weights, the exact grade's budget",
        broken(
            "enclosure.inflation",
            inflation_of(lambda g, n, grade, shifted: REAL_INFLATION(n, "exact", shifted=shifted)),
        ),
    ),
    tail(
        "the polynomial's error left out",
        broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: max(g - 2.0**-29, 2.0**-40))),
    ),
    tail(
        "the errors of the argument left out: s − m and LOG2E",
        broken("enclosure.inflation", inflation_of(lambda g, n, grade, shifted: g - argument_errors(shifted))),
        grade=EXACT,
    ),
    tail("sums inflated inward", broken("tails.sum_bounds", inflation_inward)),
    tail("tail sum not inflated", broken("tails.sum_bounds", tail_not_inflated)),
    # the quotient
    tail(
        "outward step of the quotient dropped",
        broken("enclosure.OUTWARD_UP", 1.0),
        broken("enclosure.OUTWARD_DOWN", 1.0),
        grade=EXACT,
    ),
    tail(
        "outward step of the quotient turned inward",
        broken("enclosure.OUTWARD_UP", rounding.OUTWARD_DOWN),
        broken("enclosure.OUTWARD_DOWN", rounding.OUTWARD_UP),
        grade=EXACT,
    ),
    tail("one error for both sums", broken("tails.tail_mass_bounds", one_error_for_both)),
    tail("1 − Σ_H p, one step up", broken("tails.tail_mass_bounds", one_minus_kept), grade=EXACT),
    tail("T/H for T/(T + H), from below", broken("tails.tail_mass_bounds", tail_over_kept_is_small), bound="both"),
    # what is summed
    tail("scores rounded to float32 first", broken("streaming.native", rounded_to_float32)),
    Mutant("the scale forgotten: logits 8 times too large", scaled(8.0)),
    Mutant("the scale applied twice: logits 8 times too small", scaled(0.125)),
    Mutant("ties with the k-th score are all kept", ties_all_kept, kept="top_k"),
    Mutant("ties with the k-th score are all dropped", smallest_kept_dropped, kept="top_k", bound="both"),
    Mutant("Σ_T p of a float32 softmax, inflated", softmax_float32, dtype="float32"),
    Mutant("1 − prefix sum of the sorted weights, inflated", prefix_sums, kept="top_k"),
)
