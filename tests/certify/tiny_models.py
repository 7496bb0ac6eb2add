"""Small Hugging Face models with random weights, made on the spot. Import only where torch is installed."""

from typing import Any

import torch
import transformers

TOKENS = 9

_SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def tiny(kind: str, dtype: torch.dtype = torch.float32, **options: object) -> Any:
    """A model of that architecture, in evaluation mode, with the attention that transformers chooses for it."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(**{**_SIZES, "pad_token_id": 0, "use_cache": False, **options})
    return getattr(transformers, f"{kind}Model")(config).eval().to(dtype)


def tiny_t5() -> Any:
    """An encoder whose scores have a learnt bias of the distance."""
    torch.manual_seed(0)
    config = transformers.T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    model = transformers.T5EncoderModel(config).eval()
    with torch.no_grad():
        model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight.normal_()
    return model


def one_text(tokens: int = TOKENS) -> dict[str, Any]:
    return {"input_ids": torch.arange(1, tokens + 1)[None], "attention_mask": torch.ones(1, tokens, dtype=torch.long)}
