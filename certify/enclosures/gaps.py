"""Bounds on the tail mass from the largest scores alone: single gap (T6) and multi-gap (T7)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from certify import elementary
from certify.enclosures.tail import kept_mask, share
from certify.errors import BadInput, BadKept
from certify.exponential_sum import exp_of
from certify.interval import Interval, Number, total
from certify.scores import ExactRow, row_of

__all__ = ["gap_bound", "gap_of", "multi_gap_bound", "sufficient_gap"]


def _lift(value: Number, bits: int) -> Interval:
    return value if isinstance(value, Interval) else Interval.point(value, bits)


def _check_k(k: int, n: int) -> None:
    if not 1 <= k <= n:
        raise BadInput(f"k = {k} is outside 1..n with n = {n}; keep at least one key and at most all")


def gap_of(scores: ArrayLike | ExactRow, kept: ArrayLike, bits: int = 128) -> Interval:
    """Δ = s_(k) − s_(k+1): the least kept score less the largest other. Raises BadKept unless the kept set is a true
    top-k with a finite next score.
    """
    row = row_of(scores)
    mask = kept_mask(kept, row)
    if not row.is_top(mask):
        raise BadKept(
            "the kept set is not a top-k: a score outside exceeds one inside; the gap bound (T6) needs a true top-k"
        )
    inside, outside = int(row.rank[mask].min()), int(row.rank[~mask].max(initial=-1))
    if outside < 0:
        raise BadKept("no unmasked key is left outside the kept set, so there is no gap; the tail mass is 0")
    return row.exponents[inside].enclosure(bits) - row.exponents[outside].enclosure(bits)


def gap_bound(gap: Number, *, k: int, n: int, bits: int = 128) -> Interval:
    """T6. (n−k)e^{−Δ} / (k + (n−k)e^{−Δ}) ≥ τ for a true top-k of n unmasked keys with gap Δ (nats).

    Sharp: k scores Δ and n − k scores 0 attain it. Source: arXiv 2512.07647, T4.5.
    """
    _check_k(k, n)
    return share(elementary.exp(-_lift(gap, bits)) * (n - k), Interval.point(k, bits))


def sufficient_gap(eps: float | Fraction, *, k: int, n: int, bits: int = 128) -> Interval:
    """T6. ln((n−k)(1−ε)/(kε)), the smallest gap whose bound is ε; negative where any gap suffices. ε in (0, 1), k <
    n.
    """
    _check_k(k, n)
    if not 0 < eps < 1:
        raise BadInput(f"eps = {eps} is outside (0, 1)")
    if k == n:
        raise BadInput(f"k = n = {n}: nothing is dropped, so every gap suffices")
    exact = Fraction(eps)
    return elementary.log(Interval.point((n - k) * (1 - exact) / (k * exact), bits))


def multi_gap_bound(
    top_scores: Sequence[float], *, k: int, n: int, unseen_upper: float | None = None, bits: int = 128
) -> Interval:
    """T7. (Σ_{k<j≤M} e^{s_(j)} + (n−M)e^u) / (Σ_{j≤M} e^{s_(j)} + (n−M)e^u) ≥ τ, from the M ≥ k largest scores in
    decreasing order.

    u = `unseen_upper` bounds every other score; it defaults to s_(M) and may not exceed it. Sharp: all unseen scores
    equal to u attain it. Source: arXiv 2512.07647 (rebuilt).
    """
    _check_k(k, n)
    known = np.asarray(top_scores, dtype=np.float64)
    if known.ndim != 1 or not k <= len(known) <= n:
        raise BadInput(f"{known.size} scores are given; the bound needs between k = {k} and n = {n} of the largest")
    if (known[1:] > known[:-1]).any():
        place = int(np.argmax(known[1:] > known[:-1]))
        raise BadInput(
            f"score {known[place + 1]} follows the smaller {known[place]}; give the largest scores in decreasing order"
        )
    row = row_of(known)
    if row.rank[:k].min() < 0:
        raise BadInput("one of the k kept scores is -inf; a masked key cannot be kept here")
    unseen = Interval.point(0, bits)
    if n > len(known):
        bound = float(known[-1]) if unseen_upper is None else unseen_upper
        if not bound <= known[-1]:
            raise BadInput(
                f"unseen_upper = {bound} exceeds the smallest known score {known[-1]}; the known ones would not be "
                "the largest"
            )
        if bound > -np.inf:
            unseen = elementary.exp(Interval.point(bound, bits)) * (n - len(known))
    weights = [exp_of(row.exponents[r], bits) if r >= 0 else Interval.point(0, bits) for r in row.rank]
    return share(total(weights[k:], bits) + unseen, total(weights[:k], bits))
