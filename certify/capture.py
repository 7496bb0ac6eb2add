"""The attention inputs of a Hugging Face model that reads a text, as a bundle that claims nothing yet.

Queries, keys, values, mask, bias, scale and soft-cap of every layer, as the layer's own attention got them; each layer
is checked to explain the model's own output before anything is handed on. `certify topk` and `certify search` read the
bundle. Attention itself runs as the model runs it (sdpa where it can), so nothing of size n × n is made here beyond
the mask, bias and scores of the captured rows. Needs torch and transformers, the extra `models`.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

import huggingface_hub
import ml_dtypes
import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoTokenizer

from certify.attention_recorder import AttentionCall, Reproduction, check_reproduction, record_attention
from certify.certificate import Header
from certify.errors import BadInput, BadModel
from certify.tensors import Array

__all__ = ["CapturedAttention", "capture_model", "capture_text", "load_model"]

Tensor: TypeAlias = Any  # torch.Tensor; the package is typed without torch installed

_LARGEST_ROWS = 1 << 32  # bytes of mask or bias: beyond it, whole rows are surely not what was meant


@dataclass(frozen=True, eq=False)
class CapturedAttention:
    """The inputs of a bundle at level `query-key`: layers lead, so that one file holds a model.

    inputs: query [layers, heads, rows, d], key and value [layers, heads/kv_groups, n, ·], and where a key is masked or
    a bias added, mask and bias [layers, heads, rows, n]; in the dtype in which the model worked. `notes` are header
    strings that say where they come from. `reproduction` is the worst of all layers.
    """

    header: Header
    inputs: dict[str, Array]
    notes: dict[str, str]
    reproduction: Reproduction


def load_model(name_or_path: str) -> tuple[Any, Any]:
    """(tokenizer, model) by name or folder, in evaluation mode and in the checkpoint's own dtype.

    Weights come from safetensors and no code is run from the checkpoint. Of an encoder-decoder the encoder is taken.
    Attention is what transformers chooses: sdpa where the model offers it, else eager, which makes n × n scores of its
    own. Raises BadModel.
    """
    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    huggingface_hub.logging.set_verbosity_error()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_path, trust_remote_code=False)
        model = AutoModel.from_pretrained(name_or_path, dtype="auto", use_safetensors=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise BadModel(f"{name_or_path}: {_why_not_loaded(name_or_path, error)}") from None
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    model.config.use_cache = False
    return tokenizer, model.eval()


def _why_not_loaded(name: str, error: Exception) -> str:
    if not Path(name).exists() and isinstance(error, OSError):
        return (
            "there is no such folder, and no model of this name in the local Hugging Face cache or within reach; name "
            f"a folder, or run 'hf download {name}' where there is a network"
        )
    return f"cannot be loaded as a Hugging Face model with its tokenizer ({' '.join(str(error).split())[:200]})"


def capture_text(
    name_or_path: str,
    text: str,
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    rows: int | None = None,
    seed: int = 0,
    length: int | None = None,
) -> CapturedAttention:
    """What the attention of a model works on while it reads `text`.

    length: how many tokens, special ones included; by default the whole text. The rest as `capture_model`. Raises
    BadModel where the model cannot be loaded or captured, and where the text is shorter than `length` or longer than
    the model reads.
    """
    if length is not None and length < 1:
        raise BadInput(f"length = {length}; read at least one token")
    tokenizer, model = load_model(name_or_path)
    options = {} if length is None else {"truncation": True, "max_length": length}
    tokens = tokenizer(text, return_tensors="pt", padding=False, verbose=False, **options)
    n = int(tokens["input_ids"].shape[1])
    if n == 0:
        raise BadModel("the text has no tokens; give a text with words in it")
    if length is not None and n != length:
        raise BadModel(f"the text has {n} tokens, fewer than the length of {length}; give a longer text")
    most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(most, int) and n > most > 0:
        raise BadModel(f"the text has {n} tokens and the model reads {most}; choose a length of at most {most}")
    taken = inspect.signature(model.forward).parameters  # a model passes on what it does not know
    inputs = {name: part for name, part in tokens.items() if name in taken}
    found = capture_model(model, inputs, layers=layers, heads=heads, rows=rows, seed=seed)
    names = tokenizer.convert_ids_to_tokens(tokens["input_ids"][0])
    found.notes.update(model=name_or_path, tokens=json.dumps(names, ensure_ascii=False))
    return found


def capture_model(
    model: Any,
    inputs: Mapping[str, Tensor],
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    rows: int | None = None,
    seed: int = 0,
) -> CapturedAttention:
    """The same for a model already loaded and one tokenised text (batch 1).

    layers, heads: which to take, counted from 0 in the order in which the layers run; all by default. rows: how many
    query positions, drawn with `seed` without replacement; all by default. Raises BadModel, BadInput.
    """
    n = int(inputs["input_ids"].shape[1])
    if len(inputs["input_ids"]) != 1:
        raise BadInput(f"a batch of {len(inputs['input_ids'])} texts; capture them one at a time")
    chosen = _positions(n, rows, seed)
    found: dict[int, _Layer] = {}
    count = 0

    def observe(call: AttentionCall) -> None:
        nonlocal count
        count += 1
        if layers is None or call.layer in layers:
            found[call.layer] = _layer_of(call, heads, chosen, n)

    record_attention(model, inputs, observe)
    order = list(range(count)) if layers is None else list(layers)
    for layer in order:
        if layer not in found:
            raise BadInput(f"layer {layer} is out of range; the model has attention layers 0..{count - 1}")
    kept = [found[layer] for layer in order]
    _refuse_differences(order, kept)
    first = kept[0]
    tensors = {name: torch.stack([getattr(layer, name) for layer in kept]) for name in ("query", "key", "value")}
    tensors |= _masks(kept, (len(first.query), len(chosen), n))
    return CapturedAttention(
        Header(
            level="query-key",
            producer=f"certify capture, torch {torch.__version__}, transformers {transformers.__version__}",
            scale=None if first.scale == first.query.shape[-1] ** -0.5 else first.scale,
            softcap=first.softcap,
            kv_groups=len(first.query) // len(first.key),
        ),
        {name: _numpy(tensor) for name, tensor in tensors.items()},
        {
            "layers": json.dumps(order),
            "heads": json.dumps(list(range(len(first.query))) if heads is None else list(heads)),
            "query_positions": json.dumps(chosen.tolist()),
        },
        Reproduction(
            max(layer.reproduction.difference for layer in kept),
            max(layer.reproduction.share_of_rounding for layer in kept),
        ),
    )


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer, reduced to the chosen heads and rows: query [heads, rows, d], key and value [heads/groups, n, ·], mask
    and bias [1 or heads, rows, n] or None.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    bias: Tensor | None
    scale: float
    softcap: float | None
    reproduction: Reproduction


def _positions(n: int, rows: int | None, seed: int) -> Tensor:
    """The query positions to take, in increasing order."""
    if rows is None:
        return torch.arange(n)
    if not 1 <= rows <= n:
        raise BadInput(f"rows = {rows}; the text has {n} tokens, so sample between 1 and {n} of its query rows")
    if seed < 0:
        raise BadInput(f"seed = {seed}; a seed is 0 or more")
    return torch.from_numpy(np.sort(np.random.default_rng(seed).choice(n, rows, replace=False)))


def _layer_of(call: AttentionCall, heads: Sequence[int] | None, rows: Tensor, n: int) -> _Layer:
    """The chosen part of a layer, checked. Key/value heads stay shared where the chosen heads are whole groups of
    theirs, and are given one to each head otherwise.
    """
    count, groups = call.query.shape[1], call.groups
    if call.query.shape[2] != n or call.key.shape[2] != n:
        raise BadModel(
            f"{call.name}: {call.query.shape[2]} queries attend {call.key.shape[2]} keys in a text of {n} tokens; only "
            "self-attention over the whole text is captured, so choose other layers"
        )
    taken = list(range(count)) if heads is None else list(heads)
    for head in taken:
        if not 0 <= head < count:
            raise BadInput(f"head {head} is out of range; {call.name} has heads 0..{count - 1}")
    shared = [head // groups for head in taken]
    if taken == [head * groups + i for head in shared[::groups] for i in range(groups)]:
        shared = shared[::groups]
    mask, bias = call.attended(rows), call.bias(rows)
    return _Layer(
        query=call.query[0, taken][:, rows],
        key=call.key[0, shared],
        value=call.value[0, shared],
        mask=None if mask is None else _of_heads(mask, taken),
        bias=None if bias is None else _of_heads(bias, taken),
        scale=call.scale,
        softcap=call.softcap,
        reproduction=check_reproduction(call, rows),
    )


def _of_heads(part: Tensor, heads: list[int]) -> Tensor:
    """A mask or bias [1, 1 or heads, rows, n] without its batch, for the chosen heads."""
    return part[0] if part.shape[1] == 1 else part[0, heads]


def _refuse_differences(order: list[int], layers: list[_Layer]) -> None:
    """One bundle has one shape, one scale and one soft-cap. Raises BadModel naming the layers that differ."""
    for name, of in (
        ("queries of shape", lambda layer: tuple(layer.query.shape)),
        ("keys of shape", lambda layer: tuple(layer.key.shape)),
        ("values of shape", lambda layer: tuple(layer.value.shape)),
        ("scale", lambda layer: layer.scale),
        ("soft-cap", lambda layer: layer.softcap),
    ):
        for number, layer in zip(order, layers, strict=True):
            if of(layer) != of(layers[0]):
                raise BadModel(
                    f"layer {number} has {name} {of(layer)} and layer {order[0]} {of(layers[0])}; one bundle holds "
                    "layers that agree, so capture them one by one, choosing the layers"
                )


def _masks(layers: list[_Layer], shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """mask and bias [layers, heads, rows, n] where any layer has one that says something."""
    found = {}
    for name, neutral in (("mask", torch.tensor(True)), ("bias", None)):
        parts = [getattr(layer, name) for layer in layers]
        given = [part for part in parts if part is not None]
        if not given:
            continue
        size = len(layers) * prod(shape) * given[0].element_size()
        if size > _LARGEST_ROWS:
            raise BadInput(
                f"the {name} of {len(layers)} layers × {shape[0]} heads × {shape[1]} rows × {shape[2]} keys takes "
                f"{size / 2**30:.0f} GiB; sample fewer rows, or choose layers and heads"
            )
        filler = torch.zeros((), dtype=given[0].dtype) if neutral is None else neutral
        whole = torch.stack([(filler if part is None else part).expand(shape) for part in parts])
        if name == "bias" or not whole.all():
            found[name] = whole
    return found


def _numpy(tensor: Tensor) -> Array:
    """The same numbers in NumPy, bfloat16 included."""
    if tensor.dtype == torch.bfloat16:
        return np.asarray(tensor.contiguous().view(torch.int16).numpy()).view(ml_dtypes.bfloat16)
    return np.asarray(tensor.contiguous().numpy())
