"""Mutants of KL (T2), of the bounds from partial knowledge (T5–T9, T22), and of the output error (T10–T14)."""

from __future__ import annotations

from typing import Any

import numpy as np

import float_kernels
from float_kernels import bounds, exponential, output_errors
from float_kernels.enclosure import SumBounds
from tests.float_kernels import hunted_kernels
from tests.float_kernels.hunted_kernels import attended_in_order, block_counts, by_row

from .mutant import Break, Mutant, broken

KL = hunted_kernels.kl("exact", "numpy")
OUTPUT = hunted_kernels.output_error("numpy")
# How much a mutant that rounds is allowed beside its mistake: nobody should say that it was only not inflated.
SLACK = 1.0 + 2.0**-30

REAL_BLOCKS = bounds._blocks
REAL_MEAN_DISTANCE = output_errors._mean_distance


# KL.
def lse_in_base_2(scores: Any, kept: Any) -> Any:
    """lse_all − lse_H in bits, where nats are claimed: a factor of 1.44 too much from below."""
    lower, upper = KL(scores, kept)
    return lower / np.log(2.0), upper / np.log(2.0)


def lightest_not_rounded(sums: SumBounds, lightest: Any, grade: Any) -> Any:
    """(T + w)/(T + H) from the sums that serve upper bounds: the lightest kept key moved, and nothing given back."""
    weight = np.where(lightest >= exponential.CLAMP, exponential.exponential(lightest, grade), 0.0)
    return (sums.tail_upper + weight) / (sums.tail_upper + sums.kept_lower)


def nats_taken_for_bits(scores: Any, kept: Any) -> Any:
    """1 − 2^−KL with KL in nats, where 1 − e^−KL is τ."""
    return (1.0 - np.exp2(-KL(scores, kept)[1])) * SLACK


def kl_of_full_from_truncated(scores: Any, kept: Any) -> Any:
    """Σ_H p ln(p̂/p) = (1 − τ)·(−ln(1 − τ)): the other direction, and its infinite terms left out."""
    tau = float_kernels.tail_mass(scores, kept, grade="exact", threads=1)[0]
    return (1.0 - tau) * KL(scores, kept)[1]


def tail_mass_for_kl(scores: Any, kept: Any) -> Any:
    """τ ≈ −ln(1 − τ): the first term of the series, from below."""
    return float_kernels.tail_mass(scores, kept, grade="exact", threads=1)[1]


def pinsker_turned(scores: Any, kept: Any) -> Any:
    """2τ² for KL: Pinsker bounds KL from below by it, not from above."""
    return 2.0 * float_kernels.tail_mass(scores, kept, grade="exact", threads=1)[1] ** 2 * SLACK


def odds_not_rounded(sums: SumBounds) -> Any:
    return (sums.tail_upper / sums.kept_upper,) * 2


def kl_without_the_count(scores: Any, kept: Any) -> tuple[float, float]:
    """m − h, the ln n left out: for rows whose odds leave the range of the exponential."""
    m, h = float(scores.max()), float(scores[kept].max())
    return 0.0, m - h


# Partial knowledge of the scores.
def gap_on_any_set(scores: Any, kept: Any) -> Any:
    """T6 from the sorted scores, though another set is kept."""
    return hunted_kernels.gap(scores, kept)


def gap_with(change: Any) -> Any:
    """T6 with (least kept, largest dropped, n, k) changed on the way."""

    def row_bound(row: Any, k: int) -> tuple[float, float]:
        ordered = attended_in_order(row)
        k = min(k, ordered.size)
        if k == ordered.size:
            return 0.0, 0.0
        return 0.0, float(float_kernels.gap_bound(*change(ordered, k)))

    return lambda scores, kept: by_row(row_bound, scores, kept)


def unseen_counted_once(scores: Any, kept: Any) -> Any:
    """T7 as if one key were unseen, however many are."""

    def row_bound(row: Any, k: int) -> tuple[float, float]:
        ordered = attended_in_order(row)
        k = min(k, ordered.size)
        known = min(k + hunted_kernels.KNOWN_BEYOND_K, ordered.size)
        return 0.0, float(float_kernels.multi_gap_bound(ordered[:known], k, min(known + 1, ordered.size)))

    return by_row(row_bound, scores, kept)


def next_score_unknown(scores: Any, kept: Any) -> Any:
    """T7 with the mean of the rest as the bound on the rest."""

    def row_bound(row: Any, k: int) -> tuple[float, float]:
        ordered = attended_in_order(row)
        k = min(k, ordered.size)
        rest = ordered[k:].mean() if k < ordered.size else ordered[-1]
        return 0.0, float(float_kernels.multi_gap_bound(ordered[:k], k, ordered.size, unknown_upper=rest))

    return by_row(row_bound, scores, kept)


def once_a_block(*arrays: Any) -> Any:
    kept, tail, low, high = REAL_BLOCKS(*arrays)
    return kept, np.minimum(tail, 1.0), low, high


def mean_of_block(scores: Any, kept: Any) -> Any:
    """T8 with each block's mean where its largest score belongs."""
    h, t, low, high = block_counts(scores, kept)
    mean = np.clip(hunted_kernels.tail_moments(scores, kept, low, high)[1], low, high)
    tails, all_low, all_high = np.where(t > 0, mean, high), low, high
    kept_blocks = float_kernels.block_bound(
        np.concatenate([h, np.zeros_like(t)], axis=-1),
        np.concatenate([np.zeros_like(h), t], axis=-1),
        np.concatenate([all_low, np.minimum(all_low, tails)], axis=-1),
        np.concatenate([all_high, tails], axis=-1),
    )
    return kept_blocks[1]


def kept_at_their_largest(scores: Any, kept: Any) -> Any:
    """T8 with e^u for kept keys too, in the upper bound."""
    h, t, _, high = block_counts(scores, kept)
    return float_kernels.block_bound(h, t, high, high)[1]


def moments_with(change: Any) -> Any:
    """T9 with (mean, variance) changed before the bound sees them."""

    def kernel(scores: Any, kept: Any) -> Any:
        h, t, low, high = block_counts(scores, kept)
        _, mean, variance = hunted_kernels.tail_moments(scores, kept, low, high)
        mean, variance = change(mean, variance)
        return float_kernels.block_moment_bound(h, t, low, high, np.clip(mean, low, high), variance)[1]

    return kernel


def jensen_from_above(scores: Any, kept: Any) -> Any:
    """T9's lower bound on the tail's sum, t·e^mean, sold as the upper one."""
    h, t, low, high = block_counts(scores, kept)
    mean = np.clip(hunted_kernels.tail_moments(scores, kept, low, high)[1], low, high)
    return float_kernels.block_moment_bound(h, t, low, high, mean)[0] * SLACK


def radius_with(change: Any) -> Any:
    """T22 with the radius of kept and tail keys changed: scores rounded to float16, their errors known."""

    def kernel(scores: Any, kept: Any) -> Any:
        stored, held, radius = hunted_kernels.stored_as_float16(scores, kept)
        return float_kernels.perturbed_tail_mass(stored, held, change(radius, held), grade="exact", threads=1)[1]

    return kernel


# The output error.
def output_with(bound: Any) -> Any:
    """A bound on ‖o − ô‖ of one row at a time, from (τ's upper bound, scores, kept, values) in float64."""

    def kernel(scores: Any, kept: Any, values: Any) -> Any:
        taus = float_kernels.tail_mass(scores, kept, grade="exact", threads=1)[1]
        rows = zip(taus, scores.astype(np.float64), kept, values.astype(np.float64), strict=True)
        return np.array([bound(*row) if row[0] > 0.0 else 0.0 for row in rows]) * SLACK

    return kernel


def spread(values: Any) -> float:
    """The largest distance between two of the values."""
    return max((float(np.linalg.norm(values - value, axis=-1).max()) for value in values), default=0.0)


def diameter_of_tail(tau: float, scores: Any, kept: Any, values: Any) -> float:
    return tau * spread(values[~kept & (scores > -np.inf)])


def nearest_pair(tau: float, scores: Any, kept: Any, values: Any) -> float:
    tail, held = values[~kept & (scores > -np.inf)], values[kept & (scores > -np.inf)]
    return tau * min(float(np.linalg.norm(tail - value, axis=-1).min()) for value in held)


def one_radius(tau: float, scores: Any, kept: Any, values: Any) -> float:
    """Cτ for 2Cτ."""
    return tau * float(np.linalg.norm(values, axis=-1).max())


def largest_tail_norm(tau: float, scores: Any, kept: Any, values: Any) -> float:
    """τ·max_T‖v‖: what the dropped keys would have added, without what renormalisation adds to the others."""
    return tau * float(np.linalg.norm(values[~kept & (scores > -np.inf)], axis=-1).max())


def norm_by_component(tau: float, scores: Any, kept: Any, values: Any) -> float:
    """2τ times the largest component, as if it were the norm."""
    return 2.0 * tau * float(np.abs(values).max())


def distribution(scores: Any) -> Any:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def variance_without_the_odds(tau: float, scores: Any, kept: Any, values: Any) -> float:
    """√τ·√Var for √(τ/(1 − τ))·√Var."""
    p = distribution(scores)
    centre = p @ values
    return float(np.sqrt(tau) * np.sqrt(p @ np.square(values - centre).sum(axis=-1)))


def truncated_only(tau: float, scores: Any, kept: Any, values: Any) -> float:
    """‖Σ_T p v‖: the kept weights were not renormalised."""
    return float(np.linalg.norm(np.where(kept, 0.0, distribution(scores)) @ values))


def by_difference(tau: float, scores: Any, kept: Any, values: Any) -> float:
    """‖o − ô‖ as the difference of two outputs: cancels where τ is small."""
    p = distribution(scores)
    held = np.where(kept, p, 0.0)
    return float(np.linalg.norm(p @ values - held @ values / held.sum()))


def no_radius(*arguments: Any) -> Any:
    distance, radius = REAL_MEAN_DISTANCE(*arguments)
    return distance, np.zeros_like(radius)


def norm_without_last(vectors: Any) -> Any:
    squares = np.square(vectors[..., :-1] if vectors.shape[-1] > 1 else vectors).sum(axis=-1)
    return np.sqrt(squares) + 2.0**-530


def kl(name: str, *breaks: Break, kernel: Any = KL, **how: Any) -> Mutant:
    return Mutant(name, kernel, breaks, quantity="kl", **how)


def output(name: str, *breaks: Break, kernel: Any = OUTPUT, **how: Any) -> Mutant:
    return Mutant(name, kernel, breaks, quantity="output", **how)


MUTANTS = (
    # KL and log-sum-exp
    kl("log-sum-exp in base 2", kernel=lse_in_base_2, bound="both"),
    Mutant("τ = 1 − 2^−KL with KL in nats", nats_taken_for_bits),
    kl("KL of the full from the truncated distribution", kernel=kl_of_full_from_truncated),
    kl("τ for −ln(1 − τ)", kernel=tail_mass_for_kl),
    kl("Pinsker from the wrong side", kernel=pinsker_turned),
    kl("odds not rounded", broken("f_divergences.odds", odds_not_rounded)),
    kl("the count left out where KL leaves the range", broken("f_divergences._kl_by_largest", kl_without_the_count)),
    kl("the series of e^c − 1 cut after three terms", broken("f_divergences._SERIES_TERMS", 3), bound="both"),
    # selection
    Mutant(
        "the smallest k called proved without rounding",
        hunted_kernels.smallest_k,
        (broken("selection._without_the_lightest", lightest_not_rounded),),
        kept="top_k",
        bound="both",
    ),
    # partial knowledge
    Mutant("gap bound on a set that is not the top-k", gap_on_any_set),
    Mutant(
        "gap bound: k and n − k exchanged", gap_with(lambda s, k: (s[k - 1], s[k], s.size, s.size - k)), kept="top_k"
    ),
    Mutant("gap bound from the largest kept score", gap_with(lambda s, k: (s[0], s[k], s.size, k)), kept="top_k"),
    Mutant(
        "gap bound from the last score, not the next", gap_with(lambda s, k: (s[k - 1], s[-1], s.size, k)), kept="top_k"
    ),
    Mutant("gap bound: one key fewer is dropped", gap_with(lambda s, k: (s[k - 1], s[k], s.size - 1, k)), kept="top_k"),
    Mutant("multi-gap bound: unseen keys count once", unseen_counted_once, kept="top_k"),
    Mutant("multi-gap bound: the unseen are at their mean", next_score_unknown, kept="top_k"),
    Mutant("a block counts once, not once per key", hunted_kernels.blocks, (broken("bounds._blocks", once_a_block),)),
    Mutant("block mean as upper bound", mean_of_block),
    Mutant("kept keys at their block's largest score", kept_at_their_largest),
    Mutant("Jensen's bound from above", jensen_from_above),
    Mutant(
        "variance divided twice in Bennett's bound",
        moments_with(lambda m, v: (m, v / hunted_kernels.KEYS_PER_BLOCK)),
    ),
    Mutant("the mean of the tail one unit too low", moments_with(lambda m, v: (m - 1.0, v))),
    Mutant("score radius on the tail only", radius_with(lambda radius, kept: np.where(kept, 0.0, radius))),
    Mutant("score radius halved", radius_with(lambda radius, kept: radius / 2)),
    # the output error
    output("diameter of the tail only", kernel=output_with(diameter_of_tail)),
    output("the nearest pair for the farthest", kernel=output_with(nearest_pair)),
    output("Cτ for 2Cτ", kernel=output_with(one_radius)),
    output("τ times the largest norm of the tail", kernel=output_with(largest_tail_norm)),
    output("the largest component for the norm", kernel=output_with(norm_by_component)),
    output("τ for τ/(1 − τ) in the variance bound", kernel=output_with(variance_without_the_odds)),
    output("kept weights not renormalised", kernel=output_with(truncated_only)),
    output("the difference of two outputs", kernel=output_with(by_difference)),
    output("no radius around the means", broken("output_errors._mean_distance", no_radius)),
    output("the last component left out of the norm", broken("output_errors._norm", norm_without_last)),
)
