"""What people write with NumPy. Each function claims an upper bound and has one.

All work along the last axis in the format of the scores, so that a row and a batch of rows are the same call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .peer import Peer

Rows = NDArray[Any]
Mask = NDArray[np.bool_]


def softmax(scores: Rows) -> Rows:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Rows = weights / weights.sum(axis=-1, keepdims=True)
    return result


def one_minus_kept(scores: Rows, kept: Mask) -> Rows:
    """Total variation as 1 − Σ_H p. The difference cancels: where τ is small nothing but the rounding of p is left."""
    return 1 - np.where(kept, softmax(scores), 0).sum(axis=-1)


def sum_of_dropped(scores: Rows, kept: Mask) -> Rows:
    """Total variation as Σ_T p of a softmax. Every p is rounded to nearest, and half of them down; they do not add up
    to 1."""
    return np.where(kept, 0, softmax(scores)).sum(axis=-1)


def sum_of_dropped_unshifted(scores: Rows, kept: Mask) -> Rows:
    """Σ_T e^s / Σ e^s without a maximum, for speed. It overflows above 88 in float32 (710 in float64) and underflows
    below −103 (−745): then it is NaN or wrong."""
    weights = np.exp(scores)
    return np.where(kept, 0, weights).sum(axis=-1) / weights.sum(axis=-1)


def one_ulp_up(scores: Rows, kept: Mask) -> Rows:
    """Σ_T p, and one step up to be safe. The error is that of n roundings and two exponentials, not of one."""
    tail = sum_of_dropped(scores, kept)
    return np.nextafter(tail, np.array(np.inf, dtype=tail.dtype))


def relative_margin(scores: Rows, kept: Mask) -> Rows:
    """Σ_T p with eight machine epsilons added as a safety factor. The weight of a far key loses its relative accuracy
    in the subtraction of the maximum and by underflow, which no factor repairs."""
    return sum_of_dropped(scores, kept) * (1 + 8 * np.finfo(scores.dtype).eps)


def absolute_margin(scores: Rows, kept: Mask) -> Rows:
    """1 − Σ_H p with one machine epsilon added. The error of the sum grows with the number of keys, the margin does
    not."""
    return one_minus_kept(scores, kept) + np.finfo(scores.dtype).eps


def four_decimals(scores: Rows, kept: Mask) -> Rows:
    """τ as a report prints it, to four decimals. Rounding to nearest goes down half the time."""
    return np.round(sum_of_dropped(scores.astype(np.float64), kept), 4)


def budget_in_percent(scores: Rows, kept: Mask) -> Rows:
    """τ as the whole per cent that a budget allows, at least one. Truncation goes down always."""
    return np.maximum(np.floor(sum_of_dropped(scores.astype(np.float64), kept) * 100), 1) / 100


def log_sum_exp(scores: Rows) -> Rows:
    largest = scores.max(axis=-1, keepdims=True)
    shifted = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    result: Rows = np.log(shifted.sum(axis=-1)) + largest[..., 0]
    return result


def lse_difference(scores: Rows, kept: Mask) -> Rows:
    """1 − exp(lse_H − lse) from the log-sum-exps that a fused kernel returns. Both are rounded at their own size, so a
    shift of the logits by a million leaves no digit of the difference."""
    return 1 - np.exp(log_sum_exp(np.where(kept, scores, -np.inf).astype(scores.dtype)) - log_sum_exp(scores))


def lse_difference_expm1(scores: Rows, kept: Mask) -> Rows:
    """The same by expm1, which does not cancel. The difference in its argument does."""
    return -np.expm1(log_sum_exp(np.where(kept, scores, -np.inf).astype(scores.dtype)) - log_sum_exp(scores))


def prefix_sum_of_sorted(scores: Rows, kept: Mask) -> Rows:
    """1 − the k-th cumulative sum of the sorted softmax, as nucleus sampling has it. The sums are taken one after the
    other and stick at 1 − ε, and the rest is lost in 1 − x."""
    sums = np.cumsum(np.sort(softmax(scores), axis=-1)[..., ::-1], axis=-1)
    k = np.count_nonzero(kept, axis=-1)[..., None]
    return 1 - np.take_along_axis(sums, k - 1, axis=-1)[..., 0]


def suffix_sum_of_sorted(scores: Rows, kept: Mask) -> Rows:
    """The sum of the n − k smallest probabilities, smallest first: the careful order. Each of them is still rounded to
    nearest."""
    sums = np.cumsum(np.sort(softmax(scores), axis=-1), axis=-1)
    dropped = kept.shape[-1] - np.count_nonzero(kept, axis=-1)[..., None]
    found: Rows = np.take_along_axis(sums, np.maximum(dropped - 1, 0), axis=-1)
    return np.where(dropped > 0, found, 0)[..., 0]


def quotient_of_sums(scores: Rows, kept: Mask) -> Rows:
    """T/(T + H) from the two sums of weights: the best order of operations there is. It is right to some ulps, and half
    of the time on the wrong side."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    tail, held = np.where(kept, 0, weights).sum(axis=-1), np.where(kept, weights, 0).sum(axis=-1)
    result: Rows = tail / (tail + held)
    return result


def kl_of_tail_mass(scores: Rows, kept: Mask) -> Rows:
    """KL as −log1p(−τ). It takes over the error of τ, multiplied by 1/(1 − τ)."""
    return -np.log1p(-sum_of_dropped(scores, kept))


def kl_of_kept_mass(scores: Rows, kept: Mask) -> Rows:
    """KL as −log(Σ_H p). For small τ the sum is 1 − ε or 1, and the logarithm of 1 is 0."""
    return -np.log(np.where(kept, softmax(scores), 0).sum(axis=-1))


def kl_as_lse_difference(scores: Rows, kept: Mask) -> Rows:
    """KL as lse − lse_H. Both are rounded at their own size."""
    return log_sum_exp(scores) - log_sum_exp(np.where(kept, scores, -np.inf).astype(scores.dtype))


def kl_from_its_definition(scores: Rows, kept: Mask) -> Rows:
    """KL as Σ p̂ ln(p̂/p) over the kept keys. Every quotient is 1/(1 − τ) rounded, so a τ below the machine epsilon is
    lost."""
    p = softmax(scores)
    held = np.where(kept, p, 0)
    truncated = held / held.sum(axis=-1, keepdims=True)
    inside = kept & (held > 0)
    return np.where(inside, truncated * np.log(truncated / np.where(inside, p, 1)), 0).sum(axis=-1)


def outputs(scores: Rows, kept: Mask, values: Rows) -> tuple[Rows, Rows]:
    """(full, truncated) attention outputs [..., d]."""
    p = softmax(scores)
    held = np.where(kept, p, 0)
    truncated = held / held.sum(axis=-1, keepdims=True)
    return (p[..., None, :] @ values)[..., 0, :], (truncated[..., None, :] @ values)[..., 0, :]


def output_difference(scores: Rows, kept: Mask, values: Rows) -> Rows:
    """‖o − ô‖ as the norm of the difference of the two outputs. The difference cancels where τ is small, and it is
    about rounding, not about dropped keys."""
    full, truncated = outputs(scores, kept, values)
    return np.linalg.norm(full - truncated, axis=-1)


def output_norm_bound(scores: Rows, kept: Mask, values: Rows) -> Rows:
    """2τ·max‖v‖ (T11) in floats. A true bound of a rounded τ; it fails where the bound is attained, by opposite
    values."""
    return 2 * sum_of_dropped(scores, kept) * np.linalg.norm(values, axis=-1).max(axis=-1)


NARROW, WIDE, BOTH = ("float32",), ("float64",), ("float32", "float64")

PEERS = (
    Peer(one_minus_kept, "NumPy", BOTH),
    Peer(sum_of_dropped, "NumPy", BOTH),
    Peer(sum_of_dropped_unshifted, "NumPy", BOTH),
    Peer(one_ulp_up, "NumPy", BOTH),
    Peer(relative_margin, "NumPy", BOTH),
    Peer(absolute_margin, "NumPy", BOTH),
    Peer(four_decimals, "NumPy", NARROW),
    Peer(budget_in_percent, "NumPy", NARROW),
    Peer(lse_difference, "NumPy", BOTH),
    Peer(lse_difference_expm1, "NumPy", BOTH),
    Peer(prefix_sum_of_sorted, "NumPy", BOTH, kept="top_k"),
    Peer(suffix_sum_of_sorted, "NumPy", BOTH, kept="top_k"),
    Peer(quotient_of_sums, "NumPy", BOTH),
    Peer(kl_of_tail_mass, "NumPy", BOTH, quantity="kl"),
    Peer(kl_of_kept_mass, "NumPy", BOTH, quantity="kl"),
    Peer(kl_as_lse_difference, "NumPy", BOTH, quantity="kl"),
    Peer(kl_from_its_definition, "NumPy", BOTH, quantity="kl"),
    Peer(output_difference, "NumPy", BOTH, quantity="output"),
    Peer(output_norm_bound, "NumPy", BOTH, quantity="output"),
)
