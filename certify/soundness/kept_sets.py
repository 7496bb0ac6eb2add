"""Kept sets of every kind for rows of scores, and what makes them valid."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from certify.scores import Bools, Floats

__all__ = ["any_kept", "descending_ranks", "top_kept", "with_weight"]


def descending_ranks(scores: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """The place [rows, n] of each key when the row is sorted from the largest score down, ties to the lower index."""
    order = np.argsort(-scores, axis=-1, kind="stable")
    return np.argsort(order, axis=-1, kind="stable")


def _sizes(rows: int, n: int, rng: Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """How many keys are kept [rows, 1]: one, all but one, all, or anything between."""
    anything = rng.integers(1, n + 1, size=(rows, 1))
    kinds = np.hstack([np.ones_like(anything), np.full_like(anything, max(1, n - 1)), np.full_like(anything, n)])
    chosen = rng.integers(0, 8, size=(rows, 1))
    return np.where(chosen < 3, np.take_along_axis(kinds, np.minimum(chosen, 2), axis=1), anything)


def top_kept(scores: Floats, rng: Generator) -> Bools:
    """True top-k sets of every size that hold weight."""
    rows, n = scores.shape
    return np.asarray(descending_ranks(scores) < _sizes(rows, n, rng))


def any_kept(scores: Floats, rng: Generator) -> Bools:
    """A mixture, row by row: the top keys, the lowest keys, the first, the last, scattered ones; of every size."""
    rows, n = scores.shape
    index = np.broadcast_to(np.arange(n), (rows, n))
    top = descending_ranks(scores)
    scattered = np.argsort(rng.random((rows, n)), axis=-1)
    kinds = np.stack([top, n - 1 - top, index, n - 1 - index, scattered])
    chosen = kinds[rng.integers(0, len(kinds), size=rows), np.arange(rows)]
    return with_weight(scores, chosen < _sizes(rows, n, rng))


def with_weight(scores: Floats, kept: Bools) -> Bools:
    """The same sets, with the top key added where a set holds no key with a finite score."""
    weightless = ~(kept & (scores > -np.inf)).any(axis=-1)
    if not weightless.any():
        return kept
    mended = kept.copy()
    mended[weightless, np.argmax(scores[weightless], axis=-1)] = True
    return mended
