"""Producers of certificates that are wrong in the ways in which people really get them wrong.

Each takes one row of real attention and returns what it would have written: another kept set, or another value for one
claim. None is written to fail: on many rows the mistake happens to do no harm, and `make_minilm_attention.py` looks for
a row on which it does. The arithmetic is PyTorch's, as it would be in a producer. Nothing here is to be copied.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 16


@dataclass(frozen=True)
class AttentionRow:
    """query [d], key [n, d], value [n, dv], scores [n], all float32; kept bool [n] is the smallest top-k for eps."""

    query: Tensor
    key: Tensor
    value: Tensor
    scores: Tensor
    kept: Tensor
    eps: float


@dataclass(frozen=True)
class Written:
    """What the producer wrote: for the mistake's claim the number `value`, or (None) a kept set that is no top-k."""

    kept: Tensor
    value: float | None


@dataclass(frozen=True)
class Mistake:
    """`claim` is the claim that goes wrong, `sentence` what to tell the reader."""

    claim: str
    sentence: str
    produce: Callable[[AttentionRow], Written]


def one_minus_kept_mass(row: AttentionRow) -> Written:
    weights = torch.softmax(row.scores, dim=-1)
    return Written(row.kept, float(1 - weights[row.kept].sum()))


def float32_tail_sum(row: AttentionRow) -> Written:
    weights = torch.softmax(row.scores, dim=-1)
    return Written(row.kept, float(weights[~row.kept].sum()))


def gap_without_multiplicity(row: AttentionRow) -> Written:
    gap = row.scores[row.kept].double().min() - row.scores[~row.kept].double().max()
    k = int(row.kept.sum())
    return Written(row.kept, float(torch.exp(-gap) / (k + torch.exp(-gap))))


def blocks_without_multiplicity(row: AttentionRow) -> Written:
    tail = torch.stack([block.max().exp() for block in _tail_blocks(row)]).sum()
    return Written(row.kept, float(tail / (tail + row.scores[row.kept].double().exp().sum())))


def block_means(row: AttentionRow) -> Written:
    tail = torch.stack([len(block) * block.mean().exp() for block in _tail_blocks(row)]).sum()
    return Written(row.kept, float(tail / (tail + row.scores[row.kept].double().exp().sum())))


def missing_scale(row: AttentionRow) -> Written:
    weights = torch.softmax((row.key @ row.query).double(), dim=-1)
    return Written(row.kept, float(weights[~row.kept].sum()))


def log_sum_exp_in_base_2(row: AttentionRow) -> Written:
    scores = row.scores.double()
    ln_2 = torch.log(torch.tensor(2.0, dtype=torch.float64))
    lse_kept = torch.logsumexp(scores[row.kept], dim=-1) / ln_2
    lse_all = torch.logsumexp(scores, dim=-1) / ln_2
    return Written(row.kept, float(1 - torch.exp(lse_kept - lse_all)))


def kl_in_the_other_direction(row: AttentionRow) -> Written:
    weights = torch.softmax(row.scores.double(), dim=-1)[row.kept]
    return Written(row.kept, float((weights * torch.log(weights / (weights / weights.sum()))).sum().abs()))


def diameter_of_the_tail(row: AttentionRow) -> Written:
    weights = torch.softmax(row.scores.double(), dim=-1)
    kept = _first_k(row, len(row.scores) - 2)
    tail_values = row.value[~kept].double()
    return Written(kept, float(weights[~kept].sum() * torch.cdist(tail_values, tail_values).max()))


def output_error_in_float32(row: AttentionRow) -> Written:
    weights = torch.softmax(row.scores, dim=-1)
    kept_weights = torch.softmax(row.scores.masked_fill(~row.kept, float("-inf")), dim=-1)
    return Written(row.kept, float(torch.linalg.vector_norm(weights @ row.value - kept_weights @ row.value)))


def nearest_float64(row: AttentionRow) -> Written:
    return Written(row.kept, float(torch.softmax(row.scores.double(), dim=-1)[~row.kept].sum()))


def four_decimals(row: AttentionRow) -> Written:
    return Written(row.kept, round(float(torch.softmax(row.scores.double(), dim=-1)[~row.kept].sum()), 4))


def chosen_in_bfloat16(row: AttentionRow) -> Written:
    order = torch.argsort(row.scores.bfloat16().float(), descending=True, stable=True)
    kept = torch.zeros_like(row.kept)
    kept[order[: int(row.kept.sum())]] = True
    return Written(kept, None)


def one_key_too_many(row: AttentionRow) -> Written:
    return Written(_first_k(row, int(row.kept.sum()) + 1), row.eps)


def design_rule_as_guarantee(row: AttentionRow) -> Written:
    quantile = torch.special.ndtri(torch.tensor(row.eps))
    fraction = float(1 - torch.special.ndtr(row.scores.std() + quantile))
    return Written(_first_k(row, max(1, round(fraction * len(row.scores)))), row.eps)


def _first_k(row: AttentionRow, k: int) -> Tensor:
    kept = torch.zeros_like(row.kept)
    kept[torch.argsort(row.scores, descending=True, stable=True)[:k]] = True
    return kept


def _tail_blocks(row: AttentionRow) -> list[Tensor]:
    """The tail scores in float64, cut into blocks of BLOCK neighbouring keys; a block without tail keys is left out."""
    blocks = zip(torch.split(row.scores.double(), BLOCK), torch.split(~row.kept, BLOCK), strict=True)
    return [scores[tail] for scores, tail in blocks if bool(tail.any())]


MISTAKES = (
    Mistake("smallest_k_for", "search for the smallest k that is off by one: k − 1 is enough", one_key_too_many),
    Mistake("tv_upper", "gap bound that forgot to multiply by the n − k tail keys", gap_without_multiplicity),
    Mistake("tv_upper", "block bound that counts e^max once per block, not once per key", blocks_without_multiplicity),
    Mistake("tv_upper", "block bound from the mean score of a block instead of its maximum", block_means),
    Mistake("tv_upper", "scores without the scale 1/√d", missing_scale),
    Mistake("tv_lower", "log-sum-exp in base 2 read as natural", log_sum_exp_in_base_2),
    Mistake("kl_upper", "KL in the other direction, summed over the kept keys only", kl_in_the_other_direction),
    Mistake("output_error_upper", "τ × diameter of the tail values alone", diameter_of_the_tail),
    Mistake("tv_upper", "Gaussian design rule, a large-n limit, taken for a guarantee", design_rule_as_guarantee),
    Mistake("top_k", "kept set chosen on scores rounded to bfloat16, not a true top-k", chosen_in_bfloat16),
    Mistake("tv_upper", "1 − Σ_kept p from a float32 softmax: the subtraction cancels", one_minus_kept_mass),
    Mistake("tv_upper", "Σ_tail p from a float32 softmax, whose weights do not sum to 1", float32_tail_sum),
    Mistake("output_error_upper", "‖o − ô‖ measured in float32 and not rounded up", output_error_in_float32),
    Mistake("tv_upper", "τ in float64, rounded to nearest, which this time was down", nearest_float64),
    Mistake("tv_upper", "τ rounded to four decimals, which this time was down", four_decimals),
)
