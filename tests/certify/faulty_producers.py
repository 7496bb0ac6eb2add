"""Eighteen ways in which people get a certificate wrong, each as a producer, and the sound producer beside it.

A case is an input, the certificate that the faulty producer writes for it, and the one that a sound producer writes.
The sound numbers come from Arb, rounded in the safe direction; nothing here uses the package's arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flint import arb
from numpy.typing import NDArray

from certify import Certificate
from tests.certify import arb_truth
from tests.certify.adversarial_rows import random_row, row

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
INF = np.inf


@dataclass(frozen=True)
class Case:
    """One row of input, one claim name, and the faulty and the sound amount for it."""

    claim: str
    faulty: float
    sound: float
    parts: dict[str, Any]
    faulty_parts: dict[str, Any] = field(default_factory=dict)  # where the mistake is in the kept set or a header

    def certificate(self, *, faulty: bool) -> Certificate:
        parts = self.parts | (self.faulty_parts if faulty else {})
        amount = np.array([self.faulty if faulty else self.sound])
        return Certificate(**parts, **{self.claim: amount})


def one_row(scores: Any, kept: Any, **more: Any) -> dict[str, Any]:
    return {"scores": np.asarray(scores)[None], "kept": np.asarray(kept)[None], **more}


def above(truth: arb) -> float:
    """A float that is proved to be no smaller than the truth."""
    found = float(truth.mid())
    while not arb(found) >= truth:
        found = math.nextafter(found, INF)
    return found


def softmax(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def top(scores: Floats, k: int) -> Bools:
    mask = np.zeros(len(scores), dtype=bool)
    mask[np.argsort(-scores, kind="stable")[:k]] = True
    return mask


def tail_case(scores: Floats, kept: Bools, faulty: float, claim: str = "tv_upper") -> Case:
    truth = arb_truth.kl(scores, kept) if claim == "kl_upper" else arb_truth.tail_mass(scores, kept)
    return Case(claim, faulty, above(truth), one_row(scores, kept))


def missing_block_multiplicity() -> Case:
    """e^u once a block instead of once a key."""
    scores, kept = row([2.0, 0.0, 0.1, 0.2, 0.3], [0])
    return tail_case(scores, kept, math.exp(0.3) / (math.exp(0.3) + math.exp(2.0)))


def missing_scale() -> Case:
    """The kernel forgot 1/√d: its logits are √d times too far apart, so its tail is too small."""
    rng = np.random.default_rng(1)
    query, key = rng.normal(size=16), rng.normal(size=(12, 16))
    logits = [arb_truth.logit(query, vector, None) for vector in key]
    kept = top(key @ query, 4)
    sound, _, _ = arb_truth.shares_of_logits(logits, kept)
    faulty = 1 - softmax(key @ query)[kept].sum()
    parts = {"query": query[None], "key": key, "kept": kept[None], "level": "query-key"}
    return Case("tv_upper", faulty, above(sound), parts)


def gap_bound_on_a_set_that_is_not_the_top() -> Case:
    """T6 from the two largest scores, though another key is kept."""
    scores, kept = row([0.0, 5.0, 0.5, -1.0], [0])
    rest = 3 * math.exp(-4.5)
    return tail_case(scores, kept, rest / (1 + rest))


def log_sum_exp_in_base_2() -> Case:
    """lse in bits where nats are meant: 1 − 2^{lse_H − lse_all} with natural lse."""
    scores, kept = random_row(2, 20, 10)
    difference = np.log(np.exp(scores[kept]).sum()) - np.log(np.exp(scores).sum())
    return tail_case(scores, kept, 1 - 2.0**difference)


def kl_in_the_wrong_direction() -> Case:
    """Σ p ln(p/p̂) over the kept keys: (1 − τ)·ln(1 − τ), negative, in place of −ln(1 − τ)."""
    scores, kept = random_row(3, 20, 10)
    p = softmax(scores)
    renormalised = p[kept] / p[kept].sum()
    return tail_case(scores, kept, float((p[kept] * np.log(p[kept] / renormalised)).sum()), "kl_upper")


def block_mean_used_as_upper_bound() -> Case:
    """t·e^{mean} is Jensen's lower bound."""
    scores, kept = row([2.0, 0.0, 3.0, -1.0, 1.0], [0])
    tail = 4 * math.exp(float(scores[~kept].mean()))
    return tail_case(scores, kept, tail / (tail + math.exp(2.0)))


def heads_pooled_under_grouped_queries() -> Case:
    """One tail mass for both query heads of a key head: their mean, which one of them exceeds."""
    key = np.array([[1.0, 0.0], [0.0, 1.0], [0.3, 0.3]])
    queries = np.array([[4.0, 0.0], [0.0, 1.0]])
    kept = np.array([True, False, False])
    taus = [arb_truth.shares_of_logits([arb_truth.logit(q, k, 1.0) for k in key], kept)[0] for q in queries]
    parts = {"query": queries[:, None, :], "key": key[None], "kept": np.tile(kept, (2, 1, 1))}
    more = {"kv_groups": 2, "scale": 1.0, "level": "query-key"}
    return PerRow("tv_upper", float((taus[0] + taus[1]).mid()) / 2, 0.0, parts | more, rows=[above(t) for t in taus])


@dataclass(frozen=True)
class PerRow(Case):
    """As a case, for a bundle of heads and one query each: the faulty amount for all, the sound one for each."""

    rows: list[float] = field(default_factory=list)

    def certificate(self, *, faulty: bool) -> Certificate:
        amounts = [self.faulty] * len(self.rows) if faulty else self.rows
        return Certificate(**self.parts, **{self.claim: np.array(amounts)[:, None]})


def budget_rounded_down() -> Case:
    """k = ⌊fraction·n⌋ where ⌈…⌉ was needed: one key fewer than the ε asks for."""
    scores = np.linspace(0.0, -3.0, 11)
    eps = above(arb_truth.tail_mass(scores, top(scores, 6)))  # met by 6 keys: the fraction 0.51 of 11 is 5.61
    sound, faulty = math.ceil(0.51 * 11), math.floor(0.51 * 11)
    return Case("tv_upper", eps, eps, one_row(scores, top(scores, sound)), {"kept": top(scores, faulty)[None]})


def eps_compared_with_a_tau_rounded_down() -> Case:
    """τ computed in float, found ≤ ε = its own value, and that ε claimed: the true τ is above by less than an ulp."""
    for seed in range(100):
        scores, kept = random_row(seed, 12, 4)
        weights = np.exp(scores)
        computed = float(weights[~kept].sum() / weights.sum())
        if arb(computed) < arb_truth.tail_mass(scores, kept):
            return tail_case(scores, kept, computed)
    raise AssertionError("every one of a hundred float quotients was rounded up")


def one_minus_kept_mass() -> Case:
    """1 − Σ_H p cancels: 0 for a tail of 1e-20."""
    scores, kept = row([0.0, -46.0, -47.0], [0])
    return tail_case(scores, kept, float(1.0 - softmax(scores)[kept].sum()))


def tail_sum_of_a_float32_softmax() -> Case:
    """Σ_T p from a float32 softmax, whose entries do not sum to 1."""
    for seed in range(100):
        scores, kept = random_row(seed, 400, 20)
        single = scores.astype(np.float32)
        weights = np.exp(single - single.max())
        p = weights / weights.sum(dtype=np.float32)
        faulty = float(p[~kept].sum(dtype=np.float32))
        if arb(faulty) < arb_truth.tail_mass(single.astype(np.float64), kept):
            return tail_case(single.astype(np.float64), kept, faulty)
    raise AssertionError("every one of a hundred float32 sums came out too large")


def underflow_counted_as_zero() -> Case:
    """exp(−800) is 0 in float64, and no tail mass is."""
    scores, kept = row([0.0, -800.0], [0])
    weights = np.exp(scores)
    return tail_case(scores, kept, float(weights[~kept].sum() / weights.sum()))


def flush_to_zero() -> Case:
    """A tail of 1e-310, a subnormal number, which flushing hardware returns as 0."""
    scores, kept = row([0.0, -713.8], [0])
    tau = np.exp(scores)[~kept].sum()
    flushed = tau if tau >= np.finfo(np.float64).tiny else 0.0
    return tail_case(scores, kept, float(flushed))


def nan_passes() -> Case:
    """A check written as `not τ > claim` accepts a NaN claim: the producer's 0/0 on an underflowed row."""
    scores, kept = row([-800.0, -801.0], [0])
    with np.errstate(invalid="ignore"):
        faulty = float(np.float64(np.exp(scores)[~kept].sum()) / np.exp(scores).sum())
    return tail_case(scores, kept, faulty)


def maximum_over_a_padded_row() -> Case:
    """Padding zeros enter the maximum: weights of scores near −800 underflow, and the ε that guards 0/0 hides it."""
    scores, kept = row([-800.0, -801.0, -800.5], [0])
    weights = np.exp(scores - max(0.0, float(scores.max())))
    faulty = float(weights[~kept].sum() / (weights.sum() + 1e-9))
    return tail_case(scores, kept, faulty)


def n_from_the_padded_length() -> Case:
    """Lower bound (n − k)/n of equal scores with the padded n: the four padded keys are masked."""
    scores, kept = row([0.0, 0.0, 0.0, 0.0, -INF, -INF, -INF, -INF], [0, 1])
    return Case("tv_lower", (8 - 2) / 8, (4 - 2) / 4, one_row(scores, kept))


def diameter_over_the_tail_only() -> Case:
    """τ·diam(T) in place of τ·diam(H, T): 0 for a tail of equal values."""
    scores, kept = row([1.0, 0.0, 0.5], [0])
    value = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    sound = above(arb_truth.diameter_bound(scores, kept, value))
    return Case("output_error_upper", 0.0, sound, one_row(scores, kept, value=value))


def design_rule_used_as_a_guarantee() -> Case:
    """k = n·Φ_c(σ + Φ⁻¹(ε)) for Gaussian scores, on a draw that needs more: the rule is a large-n limit."""
    n, sigma, eps = 512, 3.0, 0.01
    k = math.ceil(n * 0.250_4)  # Φ_c(3 − 2.3263) = Φ_c(0.6737)
    for seed in range(100):
        scores = np.random.default_rng(seed).normal(0, sigma, n)
        if arb_truth.tail_mass(scores, top(scores, k)) > arb(eps):
            break
    enough = next(size for size in range(k, n) if arb_truth.tail_mass(scores, top(scores, size)) <= arb(eps))
    return Case("tv_upper", eps, eps, one_row(scores, top(scores, enough)), {"kept": top(scores, k)[None]})


PRODUCERS: tuple[Callable[[], Case], ...] = (
    missing_block_multiplicity,
    missing_scale,
    gap_bound_on_a_set_that_is_not_the_top,
    log_sum_exp_in_base_2,
    kl_in_the_wrong_direction,
    block_mean_used_as_upper_bound,
    heads_pooled_under_grouped_queries,
    budget_rounded_down,
    eps_compared_with_a_tau_rounded_down,
    one_minus_kept_mass,
    tail_sum_of_a_float32_softmax,
    underflow_counted_as_zero,
    flush_to_zero,
    nan_passes,
    maximum_over_a_padded_row,
    n_from_the_padded_length,
    diameter_over_the_tail_only,
    design_rule_used_as_a_guarantee,
)
