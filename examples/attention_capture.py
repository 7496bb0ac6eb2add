"""The attention of a Hugging Face model, with the scores in the model's own arithmetic, bit for bit.

`certify.attention_recorder` records what each layer was given while the model runs its own eager attention; here the
scores (logits after scale, soft-cap and mask) are added, and refused unless their softmax gives exactly the model's
weights. It may not claim anything about what it recorded.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from certify.attention_recorder import AttentionCall, record_attention
from certify.errors import BadModel


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
    """Run `model(**inputs)` with eager attention and return its attention layers in the order in which they ran.

    The model must be in evaluation mode and dispatch its attention through transformers' attention interface; its own
    attention implementation is put back afterwards. Raises BadModel where it does not, and where a layer's weights are
    not the softmax of the scores as recorded (attention sinks, position biases: parts that this module does not know).
    """
    layers: list[LayerAttention] = []

    def observe(call: AttentionCall) -> None:
        scores = _scores(call)
        seen = ~torch.isneginf(scores).all(dim=-1)
        if not torch.equal(torch.softmax(scores[seen].float(), dim=-1).to(call.weights.dtype), call.weights[seen]):
            raise BadModel(
                f"{call.name}: its weights are not the softmax of query·key·scale + mask; it has a part (a sink, a "
                "bias) that the capture does not know, so leave this layer's model out"
            )
        layers.append(LayerAttention(call.layer, call.query, call.key, call.value, scores, call.scale))

    previous = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        record_attention(model, inputs, observe)
    finally:
        model.set_attn_implementation(previous)
    return layers


def _scores(call: AttentionCall) -> Tensor:
    """The logits by the same operations, in the same order and precision, as the eager attention of transformers.

    The eager mask adds the most negative finite number to a masked key, whose weight then underflows to exactly 0; here
    that key gets −inf, which says the same without depending on the exponent range.
    """
    key = call.key.repeat_interleave(call.groups, dim=1)
    scores = torch.matmul(call.query, key.transpose(2, 3)) * call.scale
    if call.softcap is not None:
        scores = torch.tanh(scores / call.softcap) * call.softcap
    if call.mask is not None:
        masked = call.mask <= torch.finfo(call.mask.dtype).min
        scores = (scores + call.mask).masked_fill(masked, float("-inf"))
    return scores
