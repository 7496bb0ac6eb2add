"""What the kernels are compared with: Arb's balls of the same real numbers. Shares no code with the kernels.

Floats are exact rationals and are handed to Arb exactly. A comparison of balls is true only where it is certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from flint import arb, ctx

# Enough for sums whose terms differ by e^±1e30: the reduction of the argument takes log₂(1e30/ln 2) ≈ 101 bits.
BITS = 320


@contextmanager
def precision(bits: int = BITS) -> Iterator[None]:
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def balls(values: Any) -> list[arb]:
    """The floats as exact balls."""
    return [arb(float(value)) for value in np.ravel(values)]


def total(terms: Sequence[arb]) -> arb:
    result = arb(0)
    for term in terms:
        result += term
    return result


def weights(scores: Any) -> list[arb]:
    """e^(s − max) for every score, 0 for −∞."""
    row = np.asarray(scores).astype(np.float64)
    top = arb(float(row.max()))
    return [(arb(float(s)) - top).exp() if s > -np.inf else arb(0) for s in row]


def masses(scores: Any, kept: Any) -> tuple[arb, arb]:
    """(Σ_T, Σ_H) of e^(s − max)."""
    found = weights(scores)
    tail = total([w for w, keep in zip(found, kept, strict=True) if not keep])
    return tail, total([w for w, keep in zip(found, kept, strict=True) if keep])


def tail_mass(scores: Any, kept: Any) -> arb:
    tail, held = masses(scores, kept)
    return tail / (tail + held)


def odds(scores: Any, kept: Any) -> arb:
    tail, held = masses(scores, kept)
    return tail / held


def kl(scores: Any, kept: Any) -> arb:
    """ln(1 + odds); where the odds are large, with the largest kept score factored out."""
    tail, held = masses(scores, kept)
    if tail < held:
        return (tail / held).log1p()
    row = np.asarray(scores).astype(np.float64)
    inside = row[np.asarray(kept)]
    far = arb(float(row.max())) - arb(float(inside.max()))
    return (tail + held).log() + far - total(weights(inside)).log()


def hellinger_squared(scores: Any, kept: Any) -> arb:
    """1 − √(1 − τ) as τ/(1 + √(1 − τ)), with 1 − τ = H/(T + H)."""
    tail, held = masses(scores, kept)
    return tail / (tail + held) / (1 + (held / (tail + held)).sqrt())


def output_error(scores: Any, kept: Any, values: Any) -> arb:
    """‖Σ p v − Σ p̂ v‖₂ straight from the definition."""
    found = weights(scores)
    partition = total(found)
    held = total([w for w, keep in zip(found, kept, strict=True) if keep])
    square = arb(0)
    for column in np.asarray(values).astype(np.float64).T:
        exact = balls(column)
        full = total([w * v for w, v in zip(found, exact, strict=True)]) / partition
        kept_only = total([w * v for w, v, keep in zip(found, exact, kept, strict=True) if keep]) / held
        square += (full - kept_only) * (full - kept_only)  # ** gives NaN where a ball holds 0
    least = square.lower() if square > 0 else arb(0)  # a ball around 0 reaches below it
    return least.sqrt().union(square.upper().sqrt())


def encloses(lower: Any, upper: Any, value: arb, largest: float = np.inf) -> bool:
    """Whether lower ≤ value ≤ upper is certain, of a value that is known to lie between 0 and `largest`."""
    above_zero = float(lower) == 0.0 or bool(arb(float(lower)) <= value)
    return above_zero and (float(upper) == largest or bool(value <= arb(float(upper))))
