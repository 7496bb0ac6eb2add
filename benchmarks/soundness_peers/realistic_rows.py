"""Rows as attention has them, with the truth about each: how often is a naive certificate wrong on an ordinary day?

Gaussian logits of 1024 keys with σ = 3, 128 of them kept; and the shipped attention of a trained model
(examples/minilm-attention.safetensors, 175 keys), its own kept sets and values. Truths are intervals of 128 bits: a
claim counts as violated only where it lies below the whole interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from mpmath import mpf
from numpy.typing import NDArray

from certify import Certificate, enclosures

from .peer import Peer, Quantity

EXAMPLE = Path(__file__).parents[2] / "examples" / "minilm-attention.safetensors"
BITS = 128
GAUSSIAN_ROWS, KEYS, KEPT, SIGMA = 200, 1024, 128, 3.0
# Every so manieth row of the example: an output error in 32 dimensions takes a while.
EXAMPLE_STEP = {"tail": 3, "kl": 3, "output": 12}


@dataclass(frozen=True, eq=False)
class RealisticRows:
    """scores [rows, n], kept [rows, n], values [rows, n, d] or None, and the lower ends of the truths."""

    name: str
    scores: NDArray[Any]
    kept: NDArray[np.bool_]
    values: NDArray[Any] | None
    truths: tuple[mpf, ...]


def top(scores: NDArray[Any], k: int) -> NDArray[np.bool_]:
    """True top-k masks, ties to the lower index."""
    order = np.argsort(-scores.astype(np.float64), axis=-1, kind="stable")
    return np.argsort(order, axis=-1) < k


@cache
def realistic_rows(quantity: Quantity, dtype: str) -> tuple[RealisticRows, ...]:
    """Both kinds, rounded to the format; output errors have the example alone, which comes with values."""
    form = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    example = Certificate.load(EXAMPLE)
    assert example.scores is not None
    assert example.value is not None
    step = EXAMPLE_STEP[quantity]
    n = example.scores.shape[-1]
    flat = [np.asarray(part).reshape(-1, n)[::step] for part in (example.scores, example.kept)]
    heads = np.arange(int(np.prod(example.kept.shape[:-1])))[::step] // example.kept.shape[-2]
    values = np.asarray(example.value).reshape(-1, n, example.value.shape[-1])[heads].astype(form)
    found = [("attention of MiniLM", flat[0].astype(form), flat[1], values if quantity == "output" else None)]
    if quantity != "output":
        scores = (SIGMA * np.random.default_rng(20).normal(size=(GAUSSIAN_ROWS, KEYS))).astype(form)
        found.insert(0, ("Gaussian", scores, top(scores, KEPT), None))
    return tuple(RealisticRows(*parts, truths=truths(quantity, *parts[1:])) for parts in found)


def truths(quantity: Quantity, scores: Any, kept: Any, values: Any) -> tuple[mpf, ...]:
    if quantity == "output":
        rows = zip(scores, kept, values, strict=True)
        return tuple(enclosures.output_error(*row, bits=BITS).lower for row in rows)
    enclosure = enclosures.kl if quantity == "kl" else enclosures.tail_mass
    return tuple(enclosure(*row, bits=BITS).lower for row in zip(scores, kept, strict=True))


def violated_share(peer: Peer, rows: RealisticRows) -> float:
    """The share of rows on which the peer's claim is below the truth, NaN included."""
    claims = peer.claims(*[part for part in (rows.scores, rows.kept, rows.values) if part is not None])
    wrong = [not mpf(float(claim)) >= truth for claim, truth in zip(claims, rows.truths, strict=True)]
    return float(np.mean(wrong))
