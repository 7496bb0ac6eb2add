"""What people write with torch, in the formats that attention runs in: float32, bfloat16, float16."""

from __future__ import annotations

import torch
from torch import Tensor

from .peer import Peer


def torch_softmax_topk(scores: Tensor, kept: Tensor) -> Tensor:
    """1 − the sum of the top-k of torch.softmax. The difference cancels, and half formats round the sum to 8 or 11
    bits."""
    p = torch.softmax(scores, dim=-1)
    k = torch.count_nonzero(kept, dim=-1)
    largest = torch.topk(p, p.shape[-1], dim=-1).values
    held = torch.where(torch.arange(p.shape[-1]) < k[..., None], largest, torch.zeros_like(largest))
    return 1 - held.sum(dim=-1)


def torch_sum_of_dropped(scores: Tensor, kept: Tensor) -> Tensor:
    """Σ_T of torch.softmax. Probabilities are rounded to nearest; in float16 those below 2⁻²⁵ become 0."""
    return torch.softmax(scores, dim=-1).masked_fill(kept, 0).sum(dim=-1)


def torch_softmax_in_float32(scores: Tensor, kept: Tensor) -> Tensor:
    """Σ_T of a softmax in float32, whatever the scores are, returned in float32. The advice for half formats; it leaves
    the rounding of float32."""
    return torch.softmax(scores, dim=-1, dtype=torch.float32).masked_fill(kept, 0).sum(dim=-1)


def torch_logsumexp(scores: Tensor, kept: Tensor) -> Tensor:
    """−expm1(lse_H − lse) with torch.logsumexp, as from a fused kernel that returns the log-sum-exp. Each is rounded at
    its own size: 8 bits of a log-sum-exp of 20 are worth 0.06 nats."""
    kept_only = torch.logsumexp(scores.masked_fill(~kept, -torch.inf), dim=-1)
    return -torch.expm1(kept_only - torch.logsumexp(scores, dim=-1))


def torch_cumsum(scores: Tensor, kept: Tensor) -> Tensor:
    """1 − the k-th cumulative sum of the sorted softmax, as nucleus sampling has it. The sums stick at 1 − ε."""
    sums = torch.cumsum(torch.softmax(torch.sort(scores, dim=-1, descending=True).values, dim=-1), dim=-1)
    k = torch.count_nonzero(kept, dim=-1)[..., None]
    return 1 - torch.take_along_dim(sums, k - 1, dim=-1)[..., 0]


def torch_kl_div(scores: Tensor, kept: Tensor) -> Tensor:
    """KL by torch.nn.functional.kl_div of the two log-softmaxes. Each log-probability is rounded at its own size, far
    above a small KL."""
    full = torch.log_softmax(scores, dim=-1)
    truncated = torch.log_softmax(scores.masked_fill(~kept, -torch.inf), dim=-1)
    terms = torch.nn.functional.kl_div(full, truncated, reduction="none", log_target=True)
    return torch.where(torch.isfinite(truncated), terms, torch.zeros_like(terms)).sum(dim=-1)


def torch_output_difference(scores: Tensor, kept: Tensor, values: Tensor) -> Tensor:
    """‖o − ô‖ of the outputs of full and of masked attention. The difference of two rounded outputs cancels."""
    full = torch.softmax(scores, dim=-1)
    truncated = torch.softmax(scores.masked_fill(~kept, -torch.inf), dim=-1)
    difference = (full[..., None, :] @ values - truncated[..., None, :] @ values)[..., 0, :]
    return torch.linalg.vector_norm(difference, dim=-1)


FORMATS = ("float32", "bfloat16", "float16")

PEERS = (
    Peer(torch_softmax_topk, "torch", FORMATS, array="torch", kept="top_k"),
    Peer(torch_sum_of_dropped, "torch", FORMATS, array="torch"),
    Peer(torch_softmax_in_float32, "torch", FORMATS, array="torch"),
    Peer(torch_logsumexp, "torch", FORMATS, array="torch"),
    Peer(torch_cumsum, "torch", FORMATS, array="torch", kept="top_k"),
    Peer(torch_kl_div, "torch", FORMATS, array="torch", quantity="kl"),
    Peer(torch_output_difference, "torch", FORMATS, array="torch", quantity="output"),
)
