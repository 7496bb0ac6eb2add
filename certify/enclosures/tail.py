"""Tail mass, total variation, KL and the other f-divergences between full and truncated attention (T1, T2, T3, T5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from certify import elementary
from certify.errors import BadInput, BadKept
from certify.interval import Interval, Number, total
from certify.scores import Bools, ExactRow, row_of

__all__ = [
    "bretagnolle_huber",
    "chi_squared",
    "f_divergence",
    "kept_mask",
    "kl",
    "masses",
    "pinsker",
    "renyi",
    "share",
    "squared_hellinger",
    "tail_mass",
    "tail_mass_from_log_sum_exp",
    "total_variation",
]


def kept_mask(kept: ArrayLike, row: ExactRow) -> Bools:
    """`kept` as a checked bool mask [n]: it must fit the row and hold at least one unmasked key."""
    mask = np.asarray(kept)
    if mask.dtype != np.bool_ or mask.shape != (row.n,):
        raise BadKept(
            f"kept has dtype {mask.dtype} and shape {mask.shape}; a row of {row.n} keys needs a bool mask of shape "
            f"({row.n},)"
        )
    if not (mask & (row.rank >= 0)).any():
        raise BadKept("the kept set holds no key with a finite score; keep at least one")
    return mask


def masses(row: ExactRow, kept: Bools, bits: int) -> tuple[Interval, Interval]:
    """(Σ_T e^{s_i}, Σ_H e^{s_i}), each with relative width about 2^−bits; the tail's is exactly [0, 0] when no weight
    is dropped.
    """
    weights = row.weights(bits)

    def mass(selected: Bools) -> Interval:
        counted = zip(weights, row.multiplicity(selected).tolist(), strict=True)
        return total((weight if count == 1 else weight * count for weight, count in counted if count), bits)

    return mass(~kept), mass(kept)


def share(part: Interval, rest: Interval) -> Interval:
    """{a/(a + b)} for a ≥ 0, b > 0 written as 1/(1 + b/a): each occurs once, so that nothing is lost to dependence."""
    if part.upper == 0:
        return Interval.point(0, part.bits)
    if part.lower == 0:
        return Interval(part.lower, (1 / (1 + rest / Interval(part.upper, part.upper, part.bits))).upper, part.bits)
    return 1 / (1 + rest / part)


def tail_mass(scores: ArrayLike | ExactRow, kept: ArrayLike, bits: int = 128) -> Interval:
    """T1. τ = Σ_T p_i, the softmax mass of the keys not kept; dimensionless, in [0, 1). Source: arXiv 2512.07647,
    L4.1.
    """
    row = row_of(scores)
    return share(*masses(row, kept_mask(kept, row), bits))


def total_variation(scores: ArrayLike | ExactRow, kept: ArrayLike, bits: int = 128) -> Interval:
    """TV(P, P̂) = ½ Σ|p_i − p̂_i|, summed from its definition. By T1 it equals `tail_mass`; the two share only the
    weights.
    """
    row = row_of(scores)
    mask = kept_mask(kept, row)
    weights = row.weights(bits)
    tail, held = masses(row, mask, bits)
    partition = tail + held
    differences = []
    for weight, dropped, stays in zip(weights, row.multiplicity(~mask), row.multiplicity(mask), strict=True):
        full = weight / partition
        differences.append(full * int(dropped))
        differences.append(abs(full - weight / held) * int(stays))
    return total(differences, bits) / 2


def kl(scores: ArrayLike | ExactRow, kept: ArrayLike, bits: int = 128) -> Interval:
    """T2. KL(P̂‖P) = ln(Z/Σ_H w) = −ln(1 − τ) in nats. (KL(P‖P̂) is +∞ as soon as τ > 0.) Source: arXiv 2512.07647,
    T4.3.
    """
    return elementary.log1p(chi_squared(scores, kept, bits))


def chi_squared(scores: ArrayLike | ExactRow, kept: ArrayLike, bits: int = 128) -> Interval:
    """T3. χ²(P̂‖P) = τ/(1 − τ), as the quotient of tail and kept mass."""
    row = row_of(scores)
    tail, held = masses(row, kept_mask(kept, row), bits)
    return tail / held


def squared_hellinger(scores: ArrayLike | ExactRow, kept: ArrayLike, bits: int = 128) -> Interval:
    """T3. H² = 1 − √(1 − τ) = 1 − Σ√(p_i p̂_i), as τ/(1 + √(1 − τ)), which does not cancel."""
    tau = tail_mass(scores, kept, bits)
    return tau / (1 + (1 - tau).sqrt())


def renyi(scores: ArrayLike | ExactRow, kept: ArrayLike, bits: int = 128) -> Interval:
    """T3. Rényi-α(P̂‖P) = −ln(1 − τ) for every order α > 0: the same number as `kl`."""
    return kl(scores, kept, bits)


def f_divergence(
    scores: ArrayLike | ExactRow, kept: ArrayLike, f: Callable[[Interval], Interval], f_at_zero: Number, bits: int = 128
) -> Interval:
    """T3. D_f(P̂‖P) = (1 − τ)·f(1/(1 − τ)) + τ·f(0) for an inclusion-isotonic enclosure `f` of a convex function with
    f(1) = 0.
    """
    tau = tail_mass(scores, kept, bits)
    left = 1 - tau
    return left * f(1 / left) + tau * f_at_zero


def pinsker(divergence: Interval) -> Interval:
    """√(KL/2): Pinsker's upper bound on total variation, looser than the identity T2."""
    return (divergence / 2).sqrt()


def bretagnolle_huber(divergence: Interval) -> Interval:
    """√(1 − e^{−KL}): the Bretagnolle–Huber upper bound on total variation, looser than the identity T2."""
    return (1 - elementary.exp(-divergence)).within(0.0, 1.0).sqrt()


def tail_mass_from_log_sum_exp(kept_lse: Any, all_lse: Any, error: Any = 0, bits: int = 128) -> Interval:
    """T5. τ = 1 − e^{lse_H − lse_all}, when each given log-sum-exp (nats) is within `error` of the true one.

    Conditional on that error, and it cancels as τ → 0: the interval is about 2·error wide whatever τ is. Natural
    logarithm; base 2 is a classic mistake. Raises BadInput where the numbers contradict each other (lse_H above
    lse_all by more than 2·error).
    """
    slack = abs(Interval.point(error, bits))
    difference = Interval.point(kept_lse, bits) - Interval.point(all_lse, bits)
    if (difference - 2 * slack).lower > 0:
        raise BadInput(
            f"the kept log-sum-exp {kept_lse} exceeds the full one {all_lse} by more than 2·{error}; a part cannot "
            "outweigh the whole"
        )
    ends = (difference - 2 * slack).lower, (difference + 2 * slack).upper
    return (1 - elementary.exp(Interval(*ends, bits))).within(0.0, 1.0)
