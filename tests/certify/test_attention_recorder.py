"""The recorder hands on what the model's attention really worked on, and the check refuses what does not explain it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from certify.errors import BadModel

torch = pytest.importorskip("torch", reason="needs the models extra: pip install 'topk-certify[models]'")
pytest.importorskip("transformers", reason="needs the models extra: pip install 'topk-certify[models]'")

from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS  # noqa: E402

from certify.attention_recorder import AttentionCall, check_reproduction, record_attention  # noqa: E402
from tests.certify.tiny_models import TOKENS, one_text, tiny, tiny_t5  # noqa: E402

ROWS = torch.arange(TOKENS)
KINDS: dict[str, dict[str, Any]] = {
    "Bert": {},
    "Llama": {"num_key_value_heads": 2},
    "Mistral": {"num_key_value_heads": 2, "sliding_window": 3},
    "Gemma2": {"num_key_value_heads": 2, "head_dim": 8, "attn_logit_softcapping": 0.25, "query_pre_attn_scalar": 5},
    "GPT2": {"n_layer": 2, "n_head": 4, "n_embd": 32, "scale_attn_by_inverse_layer_idx": True},
}


def recorded(model: Any, inputs: dict[str, Any] | None = None) -> list[AttentionCall]:
    calls: list[AttentionCall] = []
    record_attention(model, one_text() if inputs is None else inputs, calls.append)
    return calls


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_is_reproduced_as_it_ran(kind: str, implementation: str) -> None:
    model = tiny(kind, **KINDS[kind])
    if kind != "Gemma2":  # sdpa refuses a soft-cap
        model.set_attn_implementation(implementation)
    calls = recorded(model)
    assert [call.layer for call in calls] == [0, 1]
    for call in calls:
        found = check_reproduction(call, ROWS)
        assert 0 < found.difference < 1e-5
        assert 0 < found.share_of_rounding <= 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_every_dtype_is_reproduced_to_its_own_rounding(dtype: torch.dtype) -> None:
    for call in recorded(tiny("Llama", dtype)):
        assert call.query.dtype == dtype
        found = check_reproduction(call, ROWS)
        assert (found.difference < 1e-7) == (dtype == torch.float64)


def test_recording_changes_nothing() -> None:
    model = tiny("Llama")
    before, functions = model(**one_text())[0], dict(ALL_ATTENTION_FUNCTIONS)
    outputs: list[Any] = []
    model.register_forward_hook(lambda module, arguments, output: outputs.append(output[0]))
    recorded(model)
    assert torch.equal(before, outputs[0])
    assert dict(ALL_ATTENTION_FUNCTIONS) == functions
    assert model.config._attn_implementation == "sdpa"


def test_a_failure_inside_leaves_nothing_behind() -> None:
    functions = dict(ALL_ATTENTION_FUNCTIONS)
    with pytest.raises(ZeroDivisionError):
        record_attention(tiny("Bert"), one_text(), lambda call: 1 // 0)
    assert dict(ALL_ATTENTION_FUNCTIONS) == functions


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_masks(implementation: str) -> None:
    """Causal, causal in a sliding window, and padding: against the definition of each."""
    query, key = ROWS[:, None], ROWS[None, :]
    wanted = {"Llama": key <= query, "Mistral": (key <= query) & (key > query - 3), "Bert": key < TOKENS - 2}
    inputs = one_text()
    inputs["attention_mask"][0, -2:] = 0
    for kind, expected in wanted.items():
        model = tiny(kind, **KINDS[kind])
        model.set_attn_implementation(implementation)
        call = recorded(model, inputs if kind == "Bert" else None)[0]
        attended = call.attended(ROWS)
        assert attended is not None
        assert torch.equal(attended[0, 0], expected.expand(TOKENS, TOKENS))
        assert torch.equal(call.attended(torch.tensor([2, 7]))[0, 0], expected.expand(TOKENS, TOKENS)[[2, 7]])


def test_nothing_masked_is_no_mask_or_all_true() -> None:
    attended = recorded(tiny("Bert"))[0].attended(ROWS)
    assert attended is None or bool(attended.all())


def test_without_a_mask_eager_attention_is_not_causal() -> None:
    """sdpa is then, for a module that says so: the same call means two things."""
    model, part = tiny("Llama"), torch.ones(1, 4, TOKENS, 8)
    for implementation, causal in (("sdpa", True), ("eager", False)):
        model.set_attn_implementation(implementation)
        module = model.layers[0].self_attn
        model.forward = lambda *, module=module, name=implementation: ALL_ATTENTION_FUNCTIONS[name](
            module, part, part, part, None, scaling=1.0
        )
        assert [call.causal for call in recorded(model, {})] == [causal]


def test_parts() -> None:
    gemma = recorded(tiny("Gemma2", **KINDS["Gemma2"]))[0]
    assert (gemma.softcap, gemma.scale, gemma.groups) == (0.25, 5**-0.5, 2)
    gpt = recorded(tiny("GPT2", **KINDS["GPT2"]))
    assert [call.scale for call in gpt] == [8**-0.5, 8**-0.5 / 2]
    for call in recorded(tiny_t5()):
        bias = call.bias(ROWS)
        assert bias is not None
        assert bias.shape == (1, 4, TOKENS, TOKENS)
        assert float(bias.abs().max()) > 0.1
        check_reproduction(call, ROWS)


FORGERIES: dict[str, tuple[str, Any]] = {
    "scale": ("Llama", lambda call: {"scale": call.scale * 1.01}),
    "base-2 scale": ("Bert", lambda call: {"scale": call.scale / 0.6931471805599453}),
    "no mask": ("Llama", lambda call: {"causal": False}),
    "no window": ("Mistral", lambda call: {"mask": None, "causal": True}),
    "no soft-cap": ("Gemma2", lambda call: {"softcap": None}),
    "no bias": ("T5", lambda call: {"position_bias": None}),
    "heads pooled": ("Llama", lambda call: {"key": call.key.mean(1, keepdim=True).expand_as(call.key)}),
    "another key": ("Bert", lambda call: {"key": call.key.roll(1, dims=2)}),
    "another value": ("Bert", lambda call: {"value": call.value * 1.0001}),
    "another query": ("Bert", lambda call: {"query": call.query.roll(1, dims=1)}),
    "NaN": ("Bert", lambda call: {"value": call.value * float("nan")}),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_record_that_does_not_explain_the_output_is_refused(forgery: str) -> None:
    kind, change = FORGERIES[forgery]
    model = tiny_t5() if kind == "T5" else tiny(kind, **KINDS[kind])
    with torch.no_grad():  # attention that differs between keys, as trained attention does
        for name, weight in model.named_parameters():
            if any(part in name for part in ("query.weight", "key.weight", "q_proj.weight", "k_proj.weight")):
                weight.mul_(8)
    call = recorded(model)[-1]
    check_reproduction(call, ROWS)
    with pytest.raises(BadModel, match=r"the output that the model used is not softmax|its own eager attention is not"):
        check_reproduction(replace(call, **change(call)), ROWS)


def test_attention_with_sinks_is_refused() -> None:
    """Sinks take weight away from every key; sdpa is not offered for them, and no score accounts for them."""
    model = tiny("GptOss", num_key_value_heads=2, head_dim=8, num_local_experts=2, num_experts_per_tok=1)
    assert model.config._attn_implementation == "eager"
    with pytest.raises(BadModel, match=r"layer 0 \(GptOssAttention\): passes s_aux to its attention"):
        recorded(model)


def test_a_hidden_sink_is_caught_by_the_check() -> None:
    """The same without the argument that gives it away: the model's own eager attention reads `module.sinks`."""
    from transformers.models.gpt_oss import modeling_gpt_oss

    call = recorded(tiny("Llama"))[0]
    module = type("Attention", (), {"__module__": modeling_gpt_oss.__name__, "training": False})()
    module.sinks, module.num_key_value_groups = torch.zeros(4, dtype=torch.float64), call.groups
    with pytest.raises(BadModel, match="its own eager attention is not softmax"):
        check_reproduction(replace(call, module=module), ROWS)


def test_refusals() -> None:
    with pytest.raises(BadModel, match=r"call model\.eval\(\) first"):
        recorded(tiny("Bert").train())
    with pytest.raises(BadModel, match="called no attention through"):
        recorded(tiny("Bloom", n_layer=1, n_head=4))
    flex = tiny("Bert")
    flex.config._attn_implementation = "flex_attention"
    with pytest.raises(BadModel, match="'flex_attention', which does not say what it computes"):
        recorded(flex)
    dropping = tiny("Llama", attention_dropout=0.5)
    dropping.layers[1].self_attn.training = True
    with pytest.raises(BadModel, match=r"layer 1 \(LlamaAttention\): drops weights at random \(dropout 0.5\)"):
        recorded(dropping)


def test_a_bias_that_a_bundle_cannot_express_is_refused() -> None:
    call = recorded(tiny("Bert"))[0]
    additive = torch.full((1, 1, TOKENS, TOKENS), 0.5)
    with pytest.raises(BadModel, match="a bias besides the soft-cap or a second bias"):
        replace(call, mask=additive, softcap=1.0).bias(ROWS)
    assert torch.equal(replace(call, mask=additive).bias(ROWS), additive)
