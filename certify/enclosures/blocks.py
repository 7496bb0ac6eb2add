"""Bounds on the tail mass from per-block summaries: extremes (T8), and mean and variance too (T9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from certify import elementary
from certify.enclosures.tail import kept_mask, share
from certify.errors import BadInput
from certify.interval import Interval, total
from certify.scores import Bools, ExactRow, row_of

__all__ = ["BoundPair", "block_bound", "block_moment_bound"]


@dataclass(frozen=True, slots=True)
class BoundPair:
    """Two real numbers with lower bound ≤ τ ≤ upper bound, each enclosed."""

    lower: Interval
    upper: Interval


@dataclass(frozen=True, slots=True)
class _Block:
    kept: int
    tail_scores: tuple[Interval, ...]  # with repetition
    lower: Interval
    upper: Interval


def block_bound(scores: ArrayLike | ExactRow, kept: ArrayLike, blocks: ArrayLike, bits: int = 128) -> BoundPair:
    """T8. Both blockwise bounds, from the counts and the extremes of each block.

    Σ t_b e^{ℓ_b} / (Σ h_b e^{u_b} + Σ t_b e^{ℓ_b}) ≤ τ ≤ Σ t_b e^{u_b} / (Σ h_b e^{ℓ_b} + Σ t_b e^{u_b}), with h_b
    kept and t_b tail keys in block b and ℓ_b ≤ s ≤ u_b inside it. `blocks` is an integer label for every key [n].
    Masked keys weigh nothing and are left out. Every key counts: e^{u_b} once per block instead of once per key is
    unsound. Source: arXiv 2512.07647, eq. 4.4 (rebuilt).
    """
    found = list(_blocks(scores, kept, blocks, bits))
    return BoundPair(
        lower=share(
            total((elementary.exp(b.lower) * len(b.tail_scores) for b in found), bits),
            total((elementary.exp(b.upper) * b.kept for b in found), bits),
        ),
        upper=share(
            total((elementary.exp(b.upper) * len(b.tail_scores) for b in found), bits),
            total((elementary.exp(b.lower) * b.kept for b in found), bits),
        ),
    )


def block_moment_bound(
    scores: ArrayLike | ExactRow, kept: ArrayLike, blocks: ArrayLike, *, variance: bool = False, bits: int = 128
) -> BoundPair:
    """T9. The blockwise bounds sharpened by the mean m_b of the block's tail scores, and by their variance if
    `variance`.

    t e^{m} ≤ Σ_{T∩b} e^{s} (Jensen) ≤ t[(u−m)/(u−ℓ)·e^{ℓ} + (m−ℓ)/(u−ℓ)·e^{u}] (chord), or with the variance σ²
    (divided by t) ≤ t e^{m}(σ²e^{β} + β²e^{−σ²/β})/(σ² + β²), β = u − m (Bennett). The kept side uses the block's
    extremes, as in T8.
    """
    found = list(_blocks(scores, kept, blocks, bits))
    return BoundPair(
        lower=share(
            total((_jensen(b, bits) for b in found), bits),
            total((elementary.exp(b.upper) * b.kept for b in found), bits),
        ),
        upper=share(
            total((_bennett(b, bits) if variance else _chord(b, bits) for b in found), bits),
            total((elementary.exp(b.lower) * b.kept for b in found), bits),
        ),
    )


def _blocks(scores: ArrayLike | ExactRow, kept: ArrayLike, blocks: ArrayLike, bits: int) -> Iterator[_Block]:
    row = row_of(scores)
    mask: Bools = kept_mask(kept, row)
    labels = np.asarray(blocks)
    if labels.shape != (row.n,) or not np.issubdtype(labels.dtype, np.integer):
        raise BadInput(
            f"blocks have dtype {labels.dtype} and shape {labels.shape}; give one integer label for each of {row.n} "
            "keys"
        )
    enclosed = [exponent.enclosure(bits) for exponent in row.exponents]
    for label in np.unique(labels[row.rank >= 0]):
        inside = (labels == label) & (row.rank >= 0)
        ranks = row.rank[inside]
        tail = tuple(enclosed[r] for r in row.rank[inside & ~mask])
        yield _Block(int((inside & mask).sum()), tail, enclosed[ranks.min()], enclosed[ranks.max()])


def _mean(block: _Block, bits: int) -> Interval:
    mean = total(block.tail_scores, bits) / len(block.tail_scores)
    return mean.maximum(block.lower).minimum(block.upper)  # the real mean lies between the extremes


def _jensen(block: _Block, bits: int) -> Interval:
    if not block.tail_scores:
        return Interval.point(0, bits)
    return elementary.exp(_mean(block, bits)) * len(block.tail_scores)


def _chord(block: _Block, bits: int) -> Interval:
    count = len(block.tail_scores)
    width = block.upper - block.lower
    if not count or width.lower <= 0:
        # A block of equal scores (or equal as far as these bits can tell): the chord's value lies between its ends.
        return elementary.exp(Interval(block.lower.lower, block.upper.upper, bits)) * count
    share_of_upper = ((_mean(block, bits) - block.lower) / width).within(0.0, 1.0)
    low, high = elementary.exp(block.lower), elementary.exp(block.upper)
    return (low + share_of_upper * (high - low)) * count


def _bennett(block: _Block, bits: int) -> Interval:
    count = len(block.tail_scores)
    if not count:
        return Interval.point(0, bits)
    mean = _mean(block, bits)
    beta = block.upper - mean
    if beta.lower <= 0:
        # β = 0: all tail scores equal u. Where these bits cannot exclude it, the bound lies between t·e^m and t·e^u.
        return elementary.exp(Interval(mean.lower, block.upper.upper, bits)) * count
    variance = total(((score - mean).square() for score in block.tail_scores), bits) / count
    spread = (variance * elementary.exp(beta) + beta.square() * elementary.exp(-variance / beta)) / (
        variance + beta.square()
    )
    return elementary.exp(mean) * spread * count
