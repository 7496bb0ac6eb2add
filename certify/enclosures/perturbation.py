"""What an error in the scores does to the tail mass, and how large that error is after a floating-point dot product
(T22).

The format's unit roundoff u is half the distance from 1 to the next number. The dot-product bound holds for classical
sums rounded to nearest in that format, in any order, with or without fused multiply-add. It does not hold for
reduced-precision inputs (TF32), truncating accumulators or Strassen-like products.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from certify import elementary
from certify.enclosures.tail import kept_mask, share
from certify.errors import BadInput, BadScores
from certify.interval import Interval, Number, total
from certify.scores import FLOAT_DTYPES, ExactRow, exact_integers, row_of, widen

__all__ = ["ACCUMULATORS", "dot_product_radius", "perturbation_total_variation", "perturbed_tail_mass", "score_radius"]

# name: (unit roundoff, smallest subnormal, smallest normal), from the formats' definitions
ACCUMULATORS = {
    "float16": (Fraction(1, 2**11), Fraction(1, 2**24), Fraction(1, 2**14)),
    "bfloat16": (Fraction(1, 2**8), Fraction(1, 2**133), Fraction(1, 2**126)),
    "float32": (Fraction(1, 2**24), Fraction(1, 2**149), Fraction(1, 2**126)),
    "float64": (Fraction(1, 2**53), Fraction(1, 2**1074), Fraction(1, 2**1022)),
}


def _format(name: str, flushes_subnormals: bool) -> tuple[Fraction, Fraction]:
    if name not in ACCUMULATORS:
        raise BadInput(f"accumulator {name!r} is unknown; use one of {', '.join(ACCUMULATORS)}")
    roundoff, subnormal, normal = ACCUMULATORS[name]
    return roundoff, normal if flushes_subnormals else subnormal


def perturbed_tail_mass(scores: ArrayLike | ExactRow, kept: ArrayLike, radius: ArrayLike, bits: int = 128) -> Interval:
    """T22. Every tail mass of scores within `radius` of the given ones: both ends are attained.

    `radius` is δ ≥ 0, a number or one for each key [n]. Upper end: tail scores raised and kept scores lowered by δ;
    lower end: the reverse.
    """
    row = row_of(scores)
    mask = kept_mask(kept, row)
    radii = np.broadcast_to(widen(np.asarray(radius, dtype=np.float64), "radii"), (row.n,))
    if not (radii >= 0).all() or not np.isfinite(radii).all():
        place = int(np.argmax(~(radii >= 0) | ~np.isfinite(radii)))
        raise BadInput(f"radius {radii[place]} of key {place} is not a finite number ≥ 0")
    ends = []
    for direction in (-1, 1):
        masses = [
            total(
                (
                    elementary.exp(row.exponents[row.rank[i]].minus(-Fraction(float(radii[i])) * way).enclosure(bits))
                    for i in np.flatnonzero(chosen & (row.rank >= 0))
                ),
                bits,
            )
            for chosen, way in ((~mask, direction), (mask, -direction))
        ]
        ends.append(share(*masses))
    return Interval(ends[0].lower, ends[1].upper, bits)


def perturbation_total_variation(radius: Number, bits: int = 128) -> Interval:
    """T22. tanh(δ/2) ≥ TV between attention of scores and of scores within δ of them. Sharp: two keys with odds e^{δ}
    against e^{−δ}.
    """
    delta = radius if isinstance(radius, Interval) else Interval.point(radius, bits)
    if delta.lower < 0:
        raise BadInput(f"radius {delta} reaches below zero")
    return elementary.tanh(delta / 2)


def dot_product_radius(
    query: ArrayLike, key: ArrayLike, *, accumulator: str = "float32", flushes_subnormals: bool = False, bits: int = 128
) -> tuple[Interval, ...]:
    """T22. For each key: γ_d Σ_l|q_l k_l| + 2dη ≥ |fl(q·k) − q·k|, γ_d = du/(1−du), η the smallest subnormal (or
    normal, if those are flushed).

    `query` [d] and `key` [n, d] hold the accumulator's inputs exactly. Raises BadInput when du ≥ 1, where the bound
    says nothing.
    """
    q, k = widen(query, "the query"), widen(key, "the keys")
    if q.ndim != 1 or k.ndim != 2 or k.shape[1] != len(q):
        raise BadScores(f"query {q.shape} and keys {k.shape} do not fit; give [d] and [n, d]")
    roundoff, smallest = _format(accumulator, flushes_subnormals)
    d = len(q)
    if d * roundoff >= 1:
        raise BadInput(f"d = {d} is too long for {accumulator}: d·u = {float(d * roundoff):.3g} must be below 1")
    gamma = d * roundoff / (1 - d * roundoff)
    q_integers, q_unit = exact_integers(q)
    k_integers, k_unit = exact_integers(k)
    sums = abs(k_integers) @ abs(q_integers)
    unit = Fraction(2) ** (q_unit + k_unit)
    return tuple(Interval.point(gamma * (int(s) * unit) + 2 * d * smallest, bits) for s in sums)


def score_radius(
    query: ArrayLike,
    key: ArrayLike,
    *,
    scale: float | None = None,
    accumulator: str = "float32",
    stored: str = "float32",
    flushes_subnormals: bool = False,
    bits: int = 128,
) -> tuple[Interval, ...]:
    """T22. How far a stored score may be from the real number q·k·scale, for each key (nats).

    The chain is: dot product in `accumulator` (radius r), times the float `scale` there (or times the rounded 1/√d
    where scale is None: a relative error of at most 2u + 4u² from the root and the quotient, each rounded to nearest,
    for a d that the format holds), then rounding to `stored`. With x = q·k and c the real scale: |x̂| ≤ |x| + r;
    product ≤ (|x|+r)·c·(1+e)(1+u) + η; stored adds a factor (1 + u_s) and η_s.
    """
    roundoff, smallest = _format(accumulator, flushes_subnormals)
    stored_roundoff, stored_smallest = _format(stored, flushes_subnormals)
    radii = dot_product_radius(query, key, accumulator=accumulator, flushes_subnormals=flushes_subnormals, bits=bits)
    q, k = widen(query, "the query"), widen(key, "the keys")
    q_integers, q_unit = exact_integers(q)
    k_integers, k_unit = exact_integers(k)
    unit = Fraction(2) ** (q_unit + k_unit)
    if scale is None:
        factor = 1 / Interval.point(len(q), bits).sqrt()
        inexact = 2 * roundoff + 4 * roundoff**2
    else:
        if float(np.asarray(scale, dtype=FLOAT_DTYPES[accumulator]).astype(np.float64)) != float(scale):
            raise BadInput(f"scale {scale!r} is not a {accumulator}; give the number that the kernel multiplies by")
        factor, inexact = abs(Interval.point(float(scale), bits)), Fraction(0)
    growth = (1 + inexact) * (1 + roundoff)
    result = []
    for dot, radius in zip((k_integers @ q_integers).tolist(), radii, strict=True):
        exact = Interval.point(abs(dot) * unit, bits)
        in_accumulator = factor * (radius * growth + exact * (growth - 1)) + smallest
        largest = factor * exact + in_accumulator
        result.append(in_accumulator + largest * stored_roundoff + stored_smallest)
    return tuple(result)
