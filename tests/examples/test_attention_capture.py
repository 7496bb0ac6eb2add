"""The capture on small random models. Runs where torch and transformers (the `models` extra) are installed."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from certify.errors import BadModel

torch = pytest.importorskip("torch", reason="needs the models extra: pip install 'topk-certify[models]'")
transformers = pytest.importorskip("transformers", reason="needs the models extra: pip install 'topk-certify[models]'")

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
BATCH, TOKENS, PADDING = 2, 9, 3


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    return importlib.import_module("attention_capture")


def inputs() -> dict[str, Any]:
    mask = torch.ones((BATCH, TOKENS), dtype=torch.long)
    mask[1, -PADDING:] = 0
    return {"input_ids": torch.arange(BATCH * TOKENS).reshape(BATCH, TOKENS), "attention_mask": mask}


def model(kind: str, **options: object) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**SIZES, pad_token_id=0, **options)
    return getattr(transformers, f"{kind}Model")(config).eval()


def test_padding_is_masked_and_weights_are_the_models_own(capture: ModuleType) -> None:
    """Under an implementation name of its own a recorder gets no mask, and attends to padding in silence."""
    bert = model("Bert")
    recorded = capture.capture_attention(bert, inputs())
    padding = torch.zeros((BATCH, 4, TOKENS, TOKENS), dtype=torch.bool)
    padding[1, :, :, -PADDING:] = True
    bert.set_attn_implementation("eager")
    weights = bert(**inputs(), output_attentions=True).attentions
    assert [layer.layer for layer in recorded] == [0, 1]
    for layer, expected in zip(recorded, weights, strict=True):
        assert torch.equal(torch.isneginf(layer.scores), padding)
        assert torch.equal(torch.softmax(layer.scores, dim=-1), expected)


def test_causal_and_grouped_queries(capture: ModuleType) -> None:
    recorded = capture.capture_attention(model("Llama", num_key_value_heads=2), inputs())
    assert recorded[0].query.shape == (BATCH, 4, TOKENS, 8)
    assert recorded[0].key.shape == recorded[0].value.shape == (BATCH, 2, TOKENS, 8)
    future = torch.ones((TOKENS, TOKENS), dtype=torch.bool).triu(1)
    assert torch.equal(torch.isneginf(recorded[0].scores[0, 0]), future)


def test_soft_cap(capture: ModuleType) -> None:
    recorded = capture.capture_attention(
        model("Gemma2", num_key_value_heads=2, head_dim=8, attn_logit_softcapping=0.125), inputs()
    )
    finite = recorded[0].scores[torch.isfinite(recorded[0].scores)]
    assert 0 < finite.abs().max() <= 0.125


def test_the_implementation_is_put_back(capture: ModuleType) -> None:
    bert = model("Bert")
    before = bert.config._attn_implementation
    capture.capture_attention(bert, inputs())
    assert bert.config._attn_implementation == before == "sdpa"


def test_training_mode_is_refused(capture: ModuleType) -> None:
    with pytest.raises(BadModel, match=r"model\.eval\(\)"):
        capture.capture_attention(model("Bert").train(), inputs())


def test_an_attention_with_a_position_bias_is_refused(capture: ModuleType) -> None:
    """T5 adds a learnt bias to its scores, which are then not query·key·scale."""
    torch.manual_seed(0)
    config = transformers.T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
    encoder = transformers.T5EncoderModel(config).eval()
    with pytest.raises(BadModel, match="layer 0"):
        capture.capture_attention(encoder, inputs())
