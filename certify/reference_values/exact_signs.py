"""The exact side of each quantity: terms Σ c·e^x whose sign is the sign of (quantity − c), for a rational c (T24).

A quantity that is a share A/(A + B) of exponential sums compares with c as (1 − c)A − cB does; a root compares as its
square does with c². A function here answers with collected terms, with a sign (−1, 0, 1) where it is plain, or with
None where no exact form exists: soft-capped scores, means of scores that are not rational, products beyond `MAX_TERMS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from certify.exponential_sum import Exponent, collect, sign
from certify.scores import Bools, ExactRow, Floats, exact_integers

__all__ = [
    "Comparison",
    "Terms",
    "block_sums",
    "bretagnolle_huber",
    "chi_squared",
    "combination",
    "hellinger",
    "kl",
    "output_error",
    "perturbed_row",
    "pinsker",
    "rational",
    "scaled_tail_mass",
    "share",
    "side",
    "sums",
    "tail_mass",
    "variance_bound",
]

Terms: TypeAlias = dict[Exponent, Fraction]
Comparison: TypeAlias = "Terms | int | None"

MAX_TERMS = 50_000  # of one product of two sums


def side(comparison: Comparison, max_bits: int) -> int | None:
    """The sign that a comparison stands for; None where it has no exact form or the bits ran out."""
    if comparison is None or isinstance(comparison, int):
        return comparison
    return sign(comparison, max_bits).value


def rational(value: Fraction, c: Fraction) -> int:
    return (value > c) - (value < c)


def combination(*parts: tuple[Fraction | int, Mapping[Exponent, Fraction]]) -> Terms:
    """Σ factor·sum, collected."""
    return collect((x, factor * a) for factor, terms in parts for x, a in terms.items())


def product(left: Terms, right: Terms) -> Terms | None:
    if len(left) * len(right) > MAX_TERMS:
        return None
    pairs = [(x.plus(y), a * b) for x, a in left.items() for y, b in right.items()]
    if any(exponent is None for exponent, _ in pairs):
        return None
    return collect((exponent, coefficient) for exponent, coefficient in pairs if exponent is not None)


def sums(row: ExactRow, kept: Bools) -> tuple[Terms, Terms]:
    """(Σ_T e^s, Σ_H e^s)."""
    found = []
    for selected in (~kept, kept):
        counts = row.multiplicity(selected).tolist()
        found.append({x: Fraction(count) for x, count in zip(row.exponents, counts, strict=True) if count})
    return found[0], found[1]


def share(part: Mapping[Exponent, Fraction], rest: Mapping[Exponent, Fraction], c: Fraction) -> Terms:
    """A/(A + B) against c, for sums with A + B > 0."""
    return combination((1 - c, part), (-c, rest))


def tail_mass(row: ExactRow, kept: Bools, c: Fraction) -> Comparison:
    return share(*sums(row, kept), c)


def chi_squared(row: ExactRow, kept: Bools, c: Fraction) -> Comparison:
    tail, held = sums(row, kept)
    return combination((1, tail), (-c, held))


def kl(row: ExactRow, kept: Bools, c: Fraction) -> Comparison:
    """ln(Z/W_H) > c as soon as Σ e^{s − c} > Σ_H e^s."""
    tail, held = sums(row, kept)
    lowered = collect((x.minus(c), a) for x, a in combination((1, tail), (1, held)).items())
    return combination((1, lowered), (-1, held))


def hellinger(row: ExactRow, kept: Bools, c: Fraction) -> Comparison:
    """1 − √(1 − τ) > c as soon as τ > 1 − (1 − c)², for c in [0, 1)."""
    if not 0 <= c < 1:
        return 1 if c < 0 else -1
    return tail_mass(row, kept, 1 - (1 - c) ** 2)


def pinsker(row: ExactRow, kept: Bools, c: Fraction) -> Comparison:
    return 1 if c < 0 else kl(row, kept, 2 * c * c)


def bretagnolle_huber(row: ExactRow, kept: Bools, c: Fraction) -> Comparison:
    return 1 if c < 0 else tail_mass(row, kept, c * c)


def scaled_tail_mass(row: ExactRow, kept: Bools, square: Fraction, c: Fraction) -> Comparison:
    """τ·√square against c: square·A² − c²Z²."""
    if c < 0:
        return 1
    tail, held = sums(row, kept)
    everything = combination((1, tail), (1, held))
    left, right = product(tail, tail), product(everything, everything)
    return None if left is None or right is None else combination((square, left), (-c * c, right))


def moments(row: ExactRow, selected: Bools, columns: NDArray[Any]) -> list[Terms]:
    """Σ e^{s_i}·x_i over the selected keys, for each column x of exact integers."""
    result = []
    for column in columns.T:
        terms: Terms = {}
        for i in np.flatnonzero(selected & (row.rank >= 0)):
            exponent = row.exponents[row.rank[i]]
            terms[exponent] = terms.get(exponent, Fraction(0)) + int(column[i])
        result.append({x: a for x, a in terms.items() if a})
    return result


def squares(sums_: Iterable[Terms | None]) -> Terms | None:
    found: list[tuple[Fraction | int, Terms]] = []
    for terms in sums_:
        squared = None if terms is None else product(terms, terms)
        if squared is None:
            return None
        found.append((1, squared))
    return combination(*found)


def output_error(row: ExactRow, kept: Bools, values: Floats, c: Fraction) -> Comparison:
    """‖o − ô‖ against c: Σ_d (W_H A_{T,d} − W_T A_{H,d})² − c² Z² W_H²."""
    if c < 0:
        return 1
    tail, held = sums(row, kept)
    integers, unit = exact_integers(values)
    dropped, stays = moments(row, ~kept, integers), moments(row, kept, integers)
    differences: list[Terms | None] = []
    for low, high in zip(dropped, stays, strict=True):
        left, right = product(held, low), product(tail, high)
        differences.append(None if left is None or right is None else combination((1, left), (-1, right)))
    numerator = squares(differences)
    normal = product(held, combination((1, tail), (1, held)))
    denominator = None if normal is None else product(normal, normal)
    if numerator is None or denominator is None:
        return None
    return combination((Fraction(4) ** unit, numerator), (-c * c, denominator))


def variance_bound(row: ExactRow, kept: Bools, values: Floats, c: Fraction) -> Comparison:
    """√(W_T/W_H · Var) against c, Var = (Z·Σ w‖v‖² − ‖Σ w v‖²)/Z²: W_T(Z·M − ‖N‖²) − c² W_H Z²."""
    if c < 0:
        return 1
    tail, held = sums(row, kept)
    everything = combination((1, tail), (1, held))
    integers, unit = exact_integers(values)
    everyone = np.ones(row.n, dtype=bool)
    lengths = (integers * integers).sum(axis=1)[:, None]
    first = product(everything, moments(row, everyone, lengths)[0])
    second = squares(moments(row, everyone, integers))
    normal = product(everything, everything)
    denominator = None if normal is None else product(held, normal)
    if first is None or second is None or denominator is None:
        return None
    numerator = product(tail, combination((1, first), (-1, second)))
    return None if numerator is None else combination((Fraction(4) ** unit, numerator), (-c * c, denominator))


def perturbed_row(row: ExactRow, kept: Bools, radius: Floats, *, up: bool) -> ExactRow:
    """The row with tail scores raised and kept scores lowered by their radius (up), or the reverse; exactly."""
    way = 1 if up else -1
    moved: dict[Exponent, list[int]] = {}
    for i in np.flatnonzero(row.rank >= 0):
        amount = Fraction(float(radius[i])) * (-way if kept[i] else way)
        moved.setdefault(row.exponents[row.rank[i]].minus(-amount), []).append(int(i))
    rank = np.full(row.n, -1, dtype=np.intp)
    for place, keys in enumerate(moved.values()):  # unordered: nothing that reads this row asks for the order
        rank[keys] = place
    return ExactRow(tuple(moved), rank, row.value)


def block_sums(
    row: ExactRow, kept: Bools, blocks: NDArray[Any], kind: str, *, upper: bool
) -> tuple[Terms, Terms] | None:
    """(tail, kept) sums of T8 (`kind` "extremes") or T9 ("mean", "variance") as exact terms; None where a score is not
    rational.
    """
    if any(x.surd or x.cap is not None for x in row.exponents):
        return None
    tail: list[tuple[Exponent, Fraction]] = []
    held: list[tuple[Exponent, Fraction]] = []
    for label in np.unique(blocks[row.rank >= 0]):
        inside = (blocks == label) & (row.rank >= 0)
        scores = [row.exponents[r].rational for r in row.rank[inside]]
        dropped = [row.exponents[r].rational for r in row.rank[inside & ~kept]]
        low, high = min(scores), max(scores)
        held.append((Exponent(low if upper else high), Fraction(int((inside & kept).sum()))))
        if dropped:
            tail.extend(_block_tail(dropped, low, high, kind, upper=upper))
    return collect(tail), collect(held)


def _block_tail(
    dropped: list[Fraction], low: Fraction, high: Fraction, kind: str, *, upper: bool
) -> list[tuple[Exponent, Fraction]]:
    count = Fraction(len(dropped))
    if kind == "extremes":
        return [(Exponent(high if upper else low), count)]
    mean = sum(dropped) / count
    if not upper:
        return [(Exponent(mean), count)]
    beta = high - mean
    if kind == "mean" and low < high:
        return [(Exponent(low), count * beta / (high - low)), (Exponent(high), count * (mean - low) / (high - low))]
    if kind == "mean" or not beta:
        return [(Exponent(mean), count)]
    variance = sum((x - mean) ** 2 for x in dropped) / count
    whole = variance + beta * beta
    return [
        (Exponent(high), count * variance / whole),
        (Exponent(mean - variance / beta), count * beta * beta / whole),
    ]
