"""The shipped bundles against Arb alone: nothing of `certify` and nothing of the script that made them is imported.

Every claim of the good bundles holds, and is sharp; in the wrong bundle exactly the claims of its story are false.
"""

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import arb, arb_mat, ctx
from numpy.typing import NDArray
from safetensors import safe_open

FOLDER = Path(__file__).parents[2] / "examples"
SCORES = "minilm-attention.safetensors"
WRONG = "minilm-attention-wrong.safetensors"
QUERY_KEY = "minilm-attention-query-key.safetensors"
CLAIMS = ("tv_upper", "tv_lower", "kl_upper", "output_error_upper", "smallest_k_for")
ROWS = {SCORES: (3, 4, 64), WRONG: (1, 4, 16), QUERY_KEY: (1, 4, 32)}
N, D = 175, 32
INPUTS = {SCORES: {"query", "key", "value", "scores"}, WRONG: {"value", "scores"}, QUERY_KEY: {"query", "key", "value"}}

ctx.prec = 256


@dataclass(frozen=True)
class Bundle:
    header: dict[str, str]
    tensors: dict[str, NDArray[Any]]

    def flat(self, name: str) -> NDArray[Any]:
        """A tensor with *rows flattened in C order."""
        array = self.tensors[name]
        rows = self.tensors["tv_upper"].shape
        return array.reshape(math.prod(rows), *array.shape[len(rows) :])


@dataclass(frozen=True)
class TrueRow:
    """Enclosures for one row. smaller_tail: τ of the top-(k−1), None at k = 1; top_k: is kept the true top-k."""

    tail: arb
    kl: arb
    output_error: arb
    smaller_tail: arb | None
    top_k: bool


def load(name: str) -> Bundle:
    with safe_open(FOLDER / name, framework="numpy") as file:
        return Bundle(file.metadata(), {tensor: file.get_tensor(tensor) for tensor in file.keys()})  # noqa: SIM118


def balls(array: NDArray[Any]) -> arb_mat:
    return arb_mat(array.astype(np.float64).tolist())


def logits_of(bundle: Bundle, layer: int, head: int) -> tuple[list[list[arb]], list[list[arb]]]:
    """(logits, numbers in the same order that are exact), each [queries][n]."""
    if bundle.header["level"] == "scores":
        exact = [[arb(float(s)) for s in row] for row in bundle.tensors["scores"][layer, head]]
        return exact, exact
    products = balls(bundle.tensors["query"][layer, head]) * balls(bundle.tensors["key"][layer, head]).transpose()
    exact = [list(row) for row in products.tolist()]
    assert all(x.is_exact() for row in exact for x in row)
    return [[x / arb(D).sqrt() for x in row] for row in exact], exact


def true_row(logits: list[arb], order: list[arb], kept: list[bool], value: arb_mat) -> TrueRow:
    weights = [x.exp() for x in logits]
    kept_sum = sum((w for w, keep in zip(weights, kept, strict=True) if keep), arb(0))
    tail_sum = sum((w for w, keep in zip(weights, kept, strict=True) if not keep), arb(0))
    k = sum(kept)
    ranked = sorted(range(len(order)), key=lambda i: (-order[i], i))
    top = sum((weights[i] for i in ranked[: k - 1]), arb(0))
    total = kept_sum + tail_sum
    # the difference of the two outputs by its own weights, p − p̂, not as a difference of vectors
    shift = [w / total - (w / kept_sum if keep else 0) for w, keep in zip(weights, kept, strict=True)]
    moved = (arb_mat([shift]) * value).entries()
    return TrueRow(
        tail=tail_sum / total,
        kl=-(kept_sum / total).log(),
        output_error=sum((x * x for x in moved), arb(0)).sqrt(),
        smaller_tail=None if k == 1 else (total - top) / total,
        top_k=set(ranked[:k]) == {i for i, keep in enumerate(kept) if keep},
    )


@cache
def truths(name: str) -> tuple[TrueRow, ...]:
    """One TrueRow per flat row."""
    bundle = load(name)
    made = []
    for layer, head in np.ndindex(*ROWS[name][:2]):
        logits, order = logits_of(bundle, layer, head)
        value = balls(bundle.tensors["value"][layer, head])
        kept = bundle.tensors["kept"][layer, head].tolist()
        made += [true_row(x, y, z, value) for x, y, z in zip(logits, order, kept, strict=True)]
    return tuple(made)


def at_most(ball: arb, bound: float) -> bool:
    """Decided, or the test fails: a ball that straddles the bound is no answer."""
    assert (ball <= arb(bound)) or (ball > arb(bound)), f"{ball} against {bound.hex()} is undecided"
    return bool(ball <= arb(bound))


def false_claims(true: TrueRow, claims: dict[str, float]) -> set[str]:
    eps = claims["smallest_k_for"]
    holds = {
        "tv_upper": at_most(true.tail, claims["tv_upper"]),
        "tv_lower": at_most(-true.tail, -claims["tv_lower"]),
        "kl_upper": at_most(true.kl, claims["kl_upper"]),
        "output_error_upper": at_most(true.output_error, claims["output_error_upper"]),
        "smallest_k_for": at_most(true.tail, eps)
        and (true.smaller_tail is None or not at_most(true.smaller_tail, eps)),
        "top_k": true.top_k,
    }
    return {name for name, held in holds.items() if not held}


def claims_of(bundle: Bundle) -> list[dict[str, float]]:
    columns = {name: bundle.flat(name).tolist() for name in CLAIMS}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.mark.parametrize("name", ROWS)
def test_layout(name: str) -> None:
    bundle, rows = load(name), ROWS[name]
    inputs = {"query": (*rows, D), "key": (*rows[:2], N, D), "value": (*rows[:2], N, D), "scores": (*rows, N)}
    expected = {tensor: (np.dtype(np.float32), inputs[tensor]) for tensor in INPUTS[name]}
    expected |= {claim: (np.dtype(np.float64), rows) for claim in CLAIMS}
    expected["kept"] = (np.dtype(np.bool_), (*rows, N))
    assert {tensor: (array.dtype, array.shape) for tensor, array in bundle.tensors.items()} == expected
    assert all(np.isfinite(array).all() for array in bundle.tensors.values())
    assert bundle.tensors["kept"].any(axis=-1).all()


@pytest.mark.parametrize("name", ROWS)
def test_header(name: str) -> None:
    header = load(name).header
    assert header["schema"] == "topk-certificate/1"
    assert header["level"] == ("query-key" if name == QUERY_KEY else "scores")
    assert (header["scale"], header["top_k"]) == ("rsqrt_d", "true")
    assert "Apache-2.0" in header["model"]
    axes = [json.loads(header[axis]) for axis in ("layers", "heads", "query_positions")]
    assert tuple(map(len, axes)) == ROWS[name]
    tokens = json.loads(header["tokens"])
    assert (tokens[0], tokens[-1], len(tokens)) == ("[CLS]", "[SEP]", N)


def test_size() -> None:
    assert sum((FOLDER / name).stat().st_size for name in ROWS) <= 2_000_000


@pytest.mark.parametrize("name", [SCORES, QUERY_KEY])
def test_every_claim_holds(name: str) -> None:
    false = {
        i: names
        for i, (true, claims) in enumerate(zip(truths(name), claims_of(load(name)), strict=True))
        if (names := false_claims(true, claims))
    }
    assert not false


def test_exactly_the_story_is_false() -> None:
    bundle = load(WRONG)
    story = {int(row): {text.split(":")[0]} for row, text in json.loads(bundle.header["story"]).items()}
    false = {
        i: names
        for i, (true, claims) in enumerate(zip(truths(WRONG), claims_of(bundle), strict=True))
        if (names := false_claims(true, claims))
    }
    assert false == story
    assert 10 <= len(story) <= 15
    assert set().union(*story.values()) == {*CLAIMS, "top_k"}


@pytest.mark.parametrize("name", [SCORES, QUERY_KEY])
def test_claims_are_sharp(name: str) -> None:
    """In the first layer one float64 step towards the truth makes a claim false; elsewhere 2⁻²³ of its size does."""
    first_layer = math.prod(ROWS[name][1:])
    for i, (true, claims) in enumerate(zip(truths(name), claims_of(load(name)), strict=True)):
        for claim in ("tv_upper", "tv_lower", "kl_upper", "output_error_upper"):
            size = claims[claim]
            tighter = {
                True: math.nextafter(size, math.inf if claim == "tv_lower" else -math.inf),
                False: size * (1 + 2**-23 if claim == "tv_lower" else 1 - 2**-23),
            }[i < first_layer]
            assert false_claims(true, {**claims, claim: tighter}) == {claim}, (i, claim, size.hex())


def test_the_oracle_refuses_another_kept_set() -> None:
    """Swap the weakest kept key for the strongest left out: no longer a top-k. Drop a key: the tail mass grows."""
    bundle = load(SCORES)
    value = balls(bundle.tensors["value"][0, 0])
    logits, order = logits_of(bundle, 0, 0)
    for query, claims in enumerate(claims_of(bundle)[:8]):
        kept = bundle.tensors["kept"][0, 0, query].copy()
        scores = bundle.tensors["scores"][0, 0, query]
        weakest = np.flatnonzero(kept)[np.argmin(scores[kept])]
        strongest = np.flatnonzero(~kept)[np.argmax(scores[~kept])]
        kept[weakest] = False
        dropped = true_row(logits[query], order[query], kept.tolist(), value)
        assert "tv_upper" in false_claims(dropped, claims)
        kept[strongest] = True
        swapped = true_row(logits[query], order[query], kept.tolist(), value)
        assert {"tv_upper", "top_k"} <= false_claims(swapped, claims)
        assert false_claims(replace(truths(SCORES)[query], top_k=False), claims) == {"top_k"}


def test_scores_are_the_rounded_query_key_products() -> None:
    """T22: float32 dot product, float32 scale and their product err by at most γ_{d+2} Σ|q·k|/√d + 2(d+1)η in all."""
    bundle = load(SCORES)
    u, eta = arb(2) ** -24, arb(2) ** -149
    gamma = (D + 2) * u / (1 - (D + 2) * u)
    worst = arb(0)  # the scale is rounded twice, to float64 and to float32; γ has room for the 2⁻⁵³
    for layer, head in np.ndindex(*ROWS[SCORES][:2]):
        query, key = bundle.tensors["query"][layer, head], bundle.tensors["key"][layer, head]
        exact = (balls(query) * balls(key).transpose()).entries()
        sizes = (balls(np.abs(query)) * balls(np.abs(key)).transpose()).entries()
        for score, real, size in zip(bundle.tensors["scores"][layer, head].flat, exact, sizes, strict=True):
            error = abs(arb(float(score)) - real / arb(D).sqrt())
            assert error <= gamma * size / arb(D).sqrt() + 2 * (D + 1) * eta, float(score).hex()
            worst = worst.max(error)
    assert worst > 0


def test_the_readme_tells_the_whole_story() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    story = json.loads(load(WRONG).header["story"])
    for row, text in story.items():
        claim, sentence = text.split(": ", 1)
        assert f"| {row} | `{claim}` | {sentence} |" in readme
    for name in ROWS:
        assert name in readme
