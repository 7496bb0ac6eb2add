"""Values [rows, n, dv] on which output errors go wrong: each kind is named, and one is drawn for a whole batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from certify.scores import Bools, Floats

__all__ = ["VALUE_KINDS", "draw_values"]

_LARGEST_EXPONENT = {"float16": 6, "bfloat16": 40, "float32": 40, "float64": 200}  # squares of it stay finite


def _directions(shape: tuple[int, int], rng: Generator) -> Floats:
    """[rows, 1, dv], each of length about 1."""
    rows, width = shape
    found = rng.normal(size=(rows, 1, width))
    return np.asarray(found / np.sqrt((found * found).sum(axis=-1, keepdims=True) + 1e-30))


def aligned(scores: Floats, kept: Bools, width: int, rng: Generator) -> Floats:
    """+c on the kept keys, −c on the others: ‖o − ô‖ = 2‖c‖τ; T11, T12 and T13 are attained."""
    return np.where(kept, 1.0, -1.0)[..., None] * _directions((len(scores), width), rng)


def constant(scores: Floats, kept: Bools, width: int, rng: Generator) -> Floats:
    """One vector for every key: the output error is exactly 0 (T10)."""
    return np.broadcast_to(_directions((len(scores), width), rng), (*scores.shape, width))


def offset(scores: Floats, kept: Bools, width: int, rng: Generator) -> Floats:
    """Small differences on top of a large common vector: o − ô cancels."""
    common = _directions((len(scores), width), rng)
    return np.asarray(common + rng.normal(size=(*scores.shape, width)) * 2.0 ** rng.integers(-24, 0))


def along_scores(scores: Floats, kept: Bools, width: int, rng: Generator) -> Floats:
    """Values that grow with the score, so that every weight error pulls the same way."""
    size = np.clip(np.where(scores > -np.inf, scores, 0.0), -1e4, 1e4) / 1e4
    return np.asarray(size[..., None] * _directions((len(scores), width), rng))


def single(scores: Floats, kept: Bools, width: int, rng: Generator) -> Floats:
    """Zero but for one key."""
    chosen = rng.integers(0, scores.shape[-1], size=(len(scores), 1)) == np.arange(scores.shape[-1])
    return np.asarray(chosen[..., None] * _directions((len(scores), width), rng))


def whole_numbers(scores: Floats, kept: Bools, width: int, rng: Generator) -> Floats:
    """Small whole numbers."""
    return rng.integers(-4, 5, size=(*scores.shape, width)).astype(np.float64)


def scattered(scores: Floats, kept: Bools, width: int, rng: Generator) -> Floats:
    """Independent normal components."""
    return rng.normal(size=(*scores.shape, width))


VALUE_KINDS: dict[str, Callable[[Floats, Bools, int, Generator], Floats]] = {
    kind.__name__: kind for kind in (aligned, constant, offset, along_scores, single, whole_numbers, scattered)
}


def draw_values(scores: Floats, kept: Bools, width: int, dtype: str, rng: Generator) -> Floats:
    """Values of one kind, at one power of two for the batch."""
    kind = list(VALUE_KINDS.values())[int(rng.integers(len(VALUE_KINDS)))]
    largest = _LARGEST_EXPONENT[dtype]
    exponent = int(rng.integers(-largest, largest + 1)) if rng.random() < 0.25 else 0
    return kind(scores, kept, width, rng) * 2.0**exponent
