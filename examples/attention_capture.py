"""The attention of a Hugging Face model, recorded while the model runs its own code.

For every attention layer: query, key, value, and the scores (logits after scale, soft-cap and mask) in the model's own
arithmetic. The model's own `eager_attention_forward` still computes the output; this module only stands in front of
it, through the public attention interface of transformers. It may not claim anything about what it recorded.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

IMPLEMENTATION = "certify_capture"
# transformers silently builds no mask at all for an implementation that is not registered here for good
AttentionMaskInterface.register(IMPLEMENTATION, eager_mask)

EagerAttention = Callable[..., tuple[Tensor, Tensor]]


class CaptureError(Exception):
    """The model's attention could not be recorded faithfully; the message names the layer and the mend."""


@dataclass(frozen=True)
class LayerAttention:
    """What one attention layer worked on, in the dtype in which it worked.

    Shapes: query [batch, heads, m, d], key [batch, kv_heads, n, d], value [batch, kv_heads, n, dv], scores [batch,
    heads, m, n]. The scores are natural-log logits after `scaling`, soft-cap and mask; a masked key is −inf. The
    softmax of these scores equals, bit for bit, the weights that the model used: `capture_attention` checks it on
    every row that has an unmasked key. (A row without one, a padding query, is all −inf here; the model gave it some
    weights nobody reads.)
    """

    layer: int
    query: Tensor
    key: Tensor
    value: Tensor
    scores: Tensor
    scaling: float


def capture_attention(model: PreTrainedModel, inputs: dict[str, Tensor]) -> list[LayerAttention]:
    """Run `model(**inputs)` and return its attention layers in the order in which they ran.

    The model must be in evaluation mode and dispatch its attention through transformers' attention interface. It runs
    twice, eager and recorded, and the two outputs must agree bit for bit; its own attention implementation is put back
    afterwards. Raises CaptureError where they do not, where a layer's weights are not the softmax of the scores as
    recorded (attention sinks, position biases: parts that this module does not know), and where no layer came by.
    """
    if model.training:
        raise CaptureError(
            f"{type(model).__name__} is in training mode and would drop weights: call model.eval() first"
        )
    recorded: list[LayerAttention] = []

    def record(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        softcap: float | None = None,
        **kwargs: object,
    ) -> tuple[Tensor, Tensor]:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        options = kwargs if softcap is None else {**kwargs, "softcap": softcap}
        output, weights = _own_eager_attention(module)(
            module, query, key, value, attention_mask, scaling=scale, **options
        )
        scores = _scores(query, key, attention_mask, scale, softcap)
        layer = int(getattr(module, "layer_idx", len(recorded)))
        seen = ~torch.isneginf(scores).all(dim=-1)
        if not torch.equal(torch.softmax(scores[seen].float(), dim=-1).to(weights.dtype), weights[seen]):
            raise CaptureError(
                f"layer {layer} ({type(module).__name__}): its weights are not the softmax of query·key·scale + mask; "
                "it has a part (a sink, a bias) that the capture does not know, so leave this layer's model out"
            )
        recorded.append(LayerAttention(layer, query, key, value, scores, scale))
        return output, weights

    previous = model.config._attn_implementation
    ALL_ATTENTION_FUNCTIONS[IMPLEMENTATION] = record
    try:
        with torch.inference_mode():
            model.set_attn_implementation("eager")
            expected = model(**inputs)[0]
            model.set_attn_implementation(IMPLEMENTATION)
            output = model(**inputs)[0]
    finally:
        model.set_attn_implementation(previous)
        ALL_ATTENTION_FUNCTIONS.pop(IMPLEMENTATION)
    if not recorded:
        raise CaptureError(
            f"{type(model).__name__} called no attention through transformers' attention interface: "
            "take a model that does (transformers 4.50 or later)"
        )
    if not torch.equal(output, expected):
        raise CaptureError(
            f"{type(model).__name__} gave other bits under record than without: its attention is not what was "
            "recorded, or it does not repeat itself: run on one CPU thread, torch.use_deterministic_algorithms(True)"
        )
    return recorded


def _own_eager_attention(module: nn.Module) -> EagerAttention:
    """The eager attention that the model's own source file defines."""
    eager: EagerAttention | None = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    if eager is None:
        raise CaptureError(f"{type(module).__module__} defines no eager_attention_forward, so its scores are not known")
    return eager


def _scores(query: Tensor, key: Tensor, mask: Tensor | None, scale: float, softcap: float | None) -> Tensor:
    """The logits by the same operations, in the same order and precision, as the eager attention of transformers.

    The eager mask adds the most negative finite number to a masked key, whose weight then underflows to exactly 0; here
    that key gets −inf, which says the same without depending on the exponent range.
    """
    groups = query.shape[1] // key.shape[1]
    scores = torch.matmul(query, key.repeat_interleave(groups, dim=1).transpose(2, 3)) * scale
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        masked = mask <= torch.finfo(mask.dtype).min
        scores = (scores + mask).masked_fill(masked, float("-inf"))
    return scores
