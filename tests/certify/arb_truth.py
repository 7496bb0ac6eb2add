"""The quantities of the theory, written out in Arb from their definitions. Nothing of the package's arithmetic is used.

The only thing taken from the package is the pair of ends of an `Interval`, which is converted exactly. `encloses` says
that Arb cannot tell the interval and the truth apart: inclusion, to within Arb's own radius of some 2^−2400 relative.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, fmpq
from numpy.typing import NDArray

from certify.interval import Interval

Bools = NDArray[np.bool_]


def number(x: float | Fraction) -> arb:
    """The exact number where it is binary, else Arb's ball around it."""
    return arb(fmpq(x.numerator, x.denominator)) if isinstance(x, Fraction) else arb(float(x))


def end(value: Any) -> arb:
    """An interval's end, exactly."""
    sign, mantissa, exponent, _ = value._mpf_
    return arb((-int(mantissa) if sign else int(mantissa), int(exponent)))


def encloses(interval: Interval, truth: arb) -> bool:
    assert truth.is_finite(), "Arb itself has no answer here, so nothing would be tested"
    return not (truth < end(interval.lower) or truth > end(interval.upper))


def is_tight(interval: Interval, bits: int) -> bool:
    """Relative width below 2^−bits."""
    lower, upper = end(interval.lower), end(interval.upper)
    return bool(upper - lower <= max(abs(lower), abs(upper), key=lambda x: x.mid()) * arb((1, -bits)))


def total(terms: Sequence[arb]) -> arb:
    return sum(terms, arb(0))


def square(x: arb) -> arb:
    """x·x; Arb's own x**2 has no value where the ball around x holds 0."""
    return x * x


def root(x: arb) -> arb:
    """√x of a number that is not negative, though Arb's ball around it may reach below 0."""
    return arb(0).union(x.upper().sqrt()) if x.contains(0) else x.sqrt()


def norm(vector: Sequence[arb]) -> arb:
    return root(total([square(x) for x in vector]))


def weight(score: float) -> arb:
    return arb(0) if score == -np.inf else number(score).exp()


def masses(scores: Any, kept: Bools) -> tuple[arb, arb]:
    """(Σ_T e^s, Σ_H e^s)."""
    weights = [weight(s) for s in scores]
    tail = total([w for w, keep in zip(weights, kept, strict=True) if not keep])
    return tail, total([w for w, keep in zip(weights, kept, strict=True) if keep])


def tail_mass(scores: Any, kept: Bools) -> arb:
    tail, held = masses(scores, kept)
    return tail / (tail + held)


def kl(scores: Any, kept: Bools) -> arb:
    """Σ p̂ ln(p̂/p) over the kept keys, from the definition of the divergence."""
    tail, held = masses(scores, kept)
    ratio = ((tail + held) / held).log()
    return total([weight(s) / held * ratio for s, keep in zip(scores, kept, strict=True) if keep])


def total_variation(scores: Any, kept: Bools) -> arb:
    tail, held = masses(scores, kept)
    everything = tail + held
    gaps = [
        abs(weight(s) / everything - (weight(s) / held if keep else arb(0)))
        for s, keep in zip(scores, kept, strict=True)
    ]
    return total(gaps) / 2


def f_divergence(scores: Any, kept: Bools, f: Any) -> arb:
    """Σ p f(p̂/p) over the unmasked keys, from the definition."""
    tail, held = masses(scores, kept)
    everything = tail + held
    terms = []
    for s, keep in zip(scores, kept, strict=True):
        if s > -np.inf:
            p = weight(s) / everything
            terms.append(p * f((weight(s) / held if keep else arb(0)) / p))
    return total(terms)


def mean_value(scores: Any, selected: Bools, values: Any) -> list[arb]:
    weights = [weight(s) if keep else arb(0) for s, keep in zip(scores, selected, strict=True)]
    mass = total(weights)
    return [
        total([w * number(v) for w, v in zip(weights, column, strict=True)]) / mass for column in np.transpose(values)
    ]


def output_error(scores: Any, kept: Bools, values: Any) -> arb:
    full = mean_value(scores, np.ones(len(kept), dtype=bool), values)
    return norm([a - b for a, b in zip(full, mean_value(scores, kept, values), strict=True)])


def distance(a: Any, b: Any) -> arb:
    return norm([number(x) - number(y) for x, y in zip(a, b, strict=True)])


def largest(numbers: Sequence[arb]) -> arb:
    found = numbers[0]
    for x in numbers[1:]:
        found = found.max(x)
    return found


def smallest(numbers: Sequence[arb]) -> arb:
    return -largest([-x for x in numbers])


def attended(scores: Any, kept: Bools) -> tuple[list[int], list[int]]:
    """(kept, dropped) indices of unmasked keys."""
    keys = [i for i, s in enumerate(scores) if s > -np.inf]
    return [i for i in keys if kept[i]], [i for i in keys if not kept[i]]


def norm_bound(scores: Any, kept: Bools, values: Any, centre: Any | None = None) -> arb:
    held, dropped = attended(scores, kept)
    if not dropped:
        return arb(0)
    tau = tail_mass(scores, kept)
    if centre is None:
        return 2 * tau * largest([norm([number(x) for x in values[i]]) for i in held + dropped])
    far = [largest([distance(values[i], centre) for i in side]) for side in (held, dropped)]
    return tau * (far[0] + far[1])


def diameter_bound(scores: Any, kept: Bools, values: Any) -> arb:
    held, dropped = attended(scores, kept)
    if not dropped:
        return arb(0)
    return tail_mass(scores, kept) * largest([distance(values[i], values[j]) for i in held for j in dropped])


def variance(scores: Any, values: Any) -> arb:
    """Σ p_i‖v_i − o‖²."""
    everyone = np.ones(len(scores), dtype=bool)
    middle = mean_value(scores, everyone, values)
    weights = [weight(s) for s in scores]
    spread = [
        w * total([square(number(x) - m) for x, m in zip(v, middle, strict=True)])
        for w, v in zip(weights, values, strict=True)
    ]
    return total(spread) / total(weights)


def variance_bound(scores: Any, kept: Bools, values: Any) -> arb:
    tail, held = masses(scores, kept)
    return root(tail / held * variance(scores, values))


def dot(query: Any, key: Any) -> Fraction:
    """q·k in rational arithmetic."""
    return sum((Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, key, strict=True)), Fraction(0))


def logit(query: Any, key: Any, scale: float | None, *, bias: float = 0.0, softcap: float | None = None) -> arb:
    """softcap·tanh((q·k·scale + bias)/softcap) as a real number; scale None is 1/√d."""
    product = number(dot(query, key))
    inner = (product / arb(len(query)).sqrt() if scale is None else product * number(scale)) + number(bias)
    return inner if softcap is None else number(softcap) * (inner / number(softcap)).tanh()


def shares_of_logits(logits: Sequence[arb | None], kept: Bools) -> tuple[arb, arb, list[arb]]:
    """(τ, KL, weights) of real logits; None is a masked key."""
    weights = [arb(0) if x is None else x.exp() for x in logits]
    tail = total([w for w, keep in zip(weights, kept, strict=True) if not keep])
    held = total([w for w, keep in zip(weights, kept, strict=True) if keep])
    return tail / (tail + held), ((tail + held) / held).log(), weights
