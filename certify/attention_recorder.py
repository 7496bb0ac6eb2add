"""Stands in front of a Hugging Face model's attention function while the model runs, and hands on what it was given.

The function that the model would have called is called, with the same arguments, and the model's configuration is left
alone, so masks and outputs are what they always are. (Under an implementation name of its own a recorder would get no
mask at all, in silence, and a model that asks whether it runs "sdpa" would take another path.) Whether the recorded
parts really explain the model's output is `check_reproduction`'s to say. Needs torch and transformers, the extra
`models`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from certify.errors import BadModel

__all__ = ["AttentionCall", "Reproduction", "check_reproduction", "record_attention"]

Tensor: TypeAlias = Any  # torch.Tensor; the package is typed without torch installed

_KNOWN_OPTIONS = {"scaling", "softcap", "position_bias", "is_causal", "dropout", "sliding_window"}
# What the library passes along for other attention functions; none of it enters the scores of these two.
_IMMATERIAL_OPTIONS = {
    "cache_position",
    "max_length_k",
    "max_length_q",
    "output_attentions",
    "output_hidden_states",
    "position_embeddings",
    "position_ids",
    "return_dict",
    "use_cache",
}
_BLOCK = 1 << 22  # scores that the check holds at a time


@dataclass(frozen=True, eq=False)
class AttentionCall:
    """One call of an attention function: what one layer worked on, in the dtype in which it worked.

    Shapes: query [batch, heads, m, d], key [batch, heads/groups, n, d], value [batch, heads/groups, n, dv], output
    [batch, m, heads, dv]. The scores are softcap·tanh(query·key·scale + position_bias)/softcap) and then the mask.
    `mask` is as the layer got it: bool (true = attended) or additive, [batch, 1 or heads, m, n], or None; `causal`
    says that without a mask query i attends keys 0…i only. `weights` are what eager attention returns, else None.
    `layer` counts the calls in the order in which they ran.
    """

    layer: int
    module: Any
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    causal: bool
    scale: float
    softcap: float | None
    position_bias: Tensor | None
    output: Tensor
    weights: Tensor | None

    @property
    def name(self) -> str:
        return f"layer {self.layer} ({type(self.module).__name__})"

    @property
    def groups(self) -> int:
        """Query heads per key/value head."""
        return int(self.query.shape[1] // self.key.shape[1])

    def attended(self, rows: Tensor) -> Tensor | None:
        """Which keys the queries `rows` attend, bool [batch, 1 or heads, rows, n]; None where all are."""
        n = self.key.shape[2]
        if self.mask is None:
            return (torch.arange(n) <= rows[:, None])[None, None] if self.causal else None
        mask = self.mask[:, :, rows, :n]
        return mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min

    def bias(self, rows: Tensor) -> Tensor | None:
        """What is added to the scaled products of the queries `rows`, [batch, 1 or heads, rows, n]; None where nothing
        is.
        """
        n = self.key.shape[2]
        bias = None if self.position_bias is None else self.position_bias[:, :, rows, :n]
        if self.mask is not None and self.mask.dtype != torch.bool:
            mask = self.mask[:, :, rows, :n]
            added = torch.where(mask > torch.finfo(mask.dtype).min, mask, 0)
            if added.any():
                if bias is not None or self.softcap is not None:
                    raise BadModel(
                        f"{self.name}: adds a bias besides the soft-cap or a second bias, which a bundle cannot "
                        "express; choose other layers, or another model"
                    )
                bias = added
        return bias


@dataclass(frozen=True)
class Reproduction:
    """How far the recorded parts, multiplied out in float64, lie from the model's own output at worst: the largest
    |difference|, and the largest |difference| / (what rounding explains), at most 1.
    """

    difference: float
    share_of_rounding: float


def record_attention(model: Any, inputs: Mapping[str, Tensor], observe: Callable[[AttentionCall], None]) -> None:
    """Run `model(**inputs)` and hand every attention call to `observe`, in the order in which they run.

    The model must be in evaluation mode, with attention implementation "sdpa" or "eager", and dispatch its attention
    through transformers' attention interface. Other models that run meanwhile, in other threads, would be observed as
    well. Raises BadModel naming the layer where a part of its attention is not known here, and where no call came by.
    """
    kind = type(model).__name__
    implementation = model.config._attn_implementation
    if model.training:
        raise BadModel(f"{kind} is in training mode and would drop weights: call model.eval() first")
    if implementation not in ("sdpa", "eager"):
        raise BadModel(
            f"{kind} runs the attention implementation {implementation!r}, which does not say what it computes: load "
            "the model with attn_implementation='sdpa' or 'eager'"
        )
    calls = 0
    own = ALL_ATTENTION_FUNCTIONS.get("sdpa")

    def stand_in(
        module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        nonlocal calls
        function = own if implementation == "sdpa" else _eager_attention(module)
        output, weights = function(module, query, key, value, attention_mask, **options)
        layer = f"layer {calls} ({type(module).__name__})"
        strange = {
            name
            for name, option in options.items()
            if name not in _KNOWN_OPTIONS | _IMMATERIAL_OPTIONS and option is not None
        }
        if strange:
            raise BadModel(
                f"{layer}: passes {', '.join(sorted(strange))} to its attention, which the capture does not know and "
                "so cannot put into scores; choose another model"
            )
        if options.get("dropout"):
            raise BadModel(f"{layer}: drops weights at random (dropout {options['dropout']}); call model.eval() first")
        causal = options.get("is_causal")
        if causal is None:
            causal = getattr(module, "is_causal", True)
        scaling = options.get("scaling")
        observe(
            AttentionCall(
                layer=calls,
                module=module,
                query=query,
                key=key,
                value=value,
                mask=attention_mask,
                causal=implementation == "sdpa" and query.shape[2] > 1 and bool(causal),
                scale=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
                softcap=options.get("softcap"),
                position_bias=options.get("position_bias"),
                output=output,
                weights=weights,
            )
        )
        calls += 1
        return output, weights

    ALL_ATTENTION_FUNCTIONS[implementation] = stand_in
    try:
        with torch.inference_mode():
            model(**inputs)
    finally:
        del ALL_ATTENTION_FUNCTIONS[implementation]
    if not calls:
        raise BadModel(
            f"{kind} called no attention through transformers' attention interface, so nothing could be recorded: "
            "choose a model that does"
        )


def check_reproduction(call: AttentionCall, rows: Tensor) -> Reproduction:
    """Multiply the recorded parts out in float64 for the queries `rows`, and compare twice.

    With the eager attention of the model's own source file, run in float64 on the same inputs, so that a part of it
    that was not recorded (a sink, a bias, another scale) shows up even in a model that computes in a narrow format;
    and with the output that the model went on with. Tested, not proved: the room for rounding is the forward bound of
    first order, d·u_acc + 6u on the scores and n·u_acc + 8u on the weighted sum, u_acc that of float32 or better.
    Raises BadModel naming the layer, the difference and what rounding would explain.
    """
    difference = share = 0.0
    for block in _blocks(rows, call.query.shape[0] * call.query.shape[1] * call.key.shape[2]):
        exact, magnitude, size = _multiplied_out(call, block)
        eager = _eager_output(call, block)
        used = call.output[:, block].transpose(1, 2).double()
        for found, dtype, what in (
            (eager, torch.float32, "its own eager attention"),
            (used, call.query.dtype, "the output that the model used"),
        ):
            unit = torch.finfo(dtype).eps / 2
            accumulate = min(unit, 2.0**-24)
            on_scores = (call.key.shape[-1] * accumulate + 6 * unit) * magnitude
            on_sum = call.key.shape[2] * accumulate + 8 * unit
            room = (torch.expm1(2 * on_scores) + on_sum) * size + torch.finfo(dtype).tiny
            off = (found - exact).abs()
            if not bool((off <= room).all()):  # NaN counts as off
                raise BadModel(
                    f"{call.name}: {what} is not softmax(query·key·scale + mask)·value on the captured rows: off by "
                    f"{float(off.max()):.3g}, where rounding explains {float(room.max()):.3g}; it has a part that the "
                    "capture does not know, so choose other layers or another model"
                )
            difference = max(difference, float(off.max()))
            share = max(share, float((off / room).max()))
    return Reproduction(difference, share)


def _multiplied_out(call: AttentionCall, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """In float64: the output [batch, heads, rows, dv]; per row, the largest Σ|q·k|·|scale| + |bias| of an attended key
    [batch, heads, rows, 1]; and Σ p|v| [batch, heads, rows, dv].
    """
    query = call.query[:, :, rows].double()
    key, value = (part.double().repeat_interleave(call.groups, dim=1) for part in (call.key, call.value))
    scores = query @ key.transpose(2, 3) * call.scale
    magnitude = query.abs() @ key.abs().transpose(2, 3) * abs(call.scale)
    bias, attended = call.bias(rows), call.attended(rows)
    if bias is not None:
        scores, magnitude = scores + bias.double(), magnitude + bias.double().abs()
    if call.softcap is not None:
        scores = torch.tanh(scores / call.softcap) * call.softcap
    if attended is not None:
        scores, magnitude = scores.masked_fill(~attended, -torch.inf), magnitude.masked_fill(~attended, 0)
    weights = torch.softmax(scores, dim=-1)
    return weights @ value, magnitude.amax(dim=-1, keepdim=True), weights @ value.abs()


def _eager_output(call: AttentionCall, rows: Tensor) -> Tensor:
    """The model's own eager attention in float64 on the same inputs, for the queries `rows`."""
    attended = call.attended(rows)
    mask = None
    if attended is not None:
        mask = torch.zeros_like(attended, dtype=torch.float64).masked_fill(~attended, torch.finfo(torch.float64).min)
    options: dict[str, Any] = {"softcap": call.softcap}
    bias = call.bias(rows)
    if bias is not None and call.position_bias is not None:
        options["position_bias"] = bias.double()
    elif bias is not None:
        mask = bias.double() if mask is None else bias.double() + mask
    given = {name: option for name, option in options.items() if option is not None}
    output, _ = _eager_attention(call.module)(
        call.module,
        call.query[:, :, rows].double(),
        call.key.double(),
        call.value.double(),
        mask,
        scaling=call.scale,
        **given,
    )
    return output.transpose(1, 2).double()


def _eager_attention(module: Any) -> Callable[..., tuple[Tensor, Tensor]]:
    """The eager attention that the model's own source file defines."""
    eager: Callable[..., tuple[Tensor, Tensor]] | None = getattr(
        sys.modules[type(module).__module__], "eager_attention_forward", None
    )
    if eager is None:
        raise BadModel(
            f"{type(module).__module__} defines no eager_attention_forward, so what its attention computes cannot be "
            "checked; choose another model"
        )
    return eager


def _blocks(rows: Tensor, scores_per_row: int) -> Iterator[Tensor]:
    step = max(1, _BLOCK // scores_per_row)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
