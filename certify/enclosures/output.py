"""The output error ‖o − ô‖₂ of dropping the tail, and its bounds (T10–T15).

o = Σ p_i v_i is full attention, ô = Σ p̂_i v_i the truncated one, μ_H = ô and μ_T the tail's weighted mean. Values
are rows of floats [n, dv], taken as exact numbers; norms are Euclidean and carry the values' unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from mpmath.libmp import from_man_exp
from numpy.typing import ArrayLike, NDArray

from certify.enclosures.tail import kept_mask, masses, share
from certify.errors import BadValues
from certify.interval import Interval, Raw, total
from certify.scores import Bools, ExactRow, exact_integers, row_of, widen

__all__ = [
    "Partition",
    "best_output_bound",
    "best_partition",
    "diameter_bound",
    "norm_bound",
    "output_error",
    "variance_bound",
]


def _row(
    scores: ArrayLike | ExactRow, kept: ArrayLike, values: ArrayLike | None
) -> tuple[ExactRow, Bools, NDArray[np.float64]]:
    row = row_of(scores, values)
    if row.value is None:
        raise BadValues("an output error needs values; give an array [n, dv]")
    return row, kept_mask(kept, row), row.value


def _norm(vector: Sequence[Interval], bits: int) -> Interval:
    return total((component.square() for component in vector), bits).sqrt()


def _fixed_point(weights: Sequence[Interval], bits: int) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Integers low ≤ w/2^e ≤ high for every positive weight, with the e that gives the largest about `bits` + 8
    bits.
    """
    unit = max((weight.raw[1][2] + weight.raw[1][3] for weight in weights), default=0) - bits - 8

    def shifted(raw: Raw, *, up: bool) -> int:
        _, mantissa, exponent, _ = raw
        shift = exponent - unit
        if shift >= 0:
            return mantissa << shift
        return -(-mantissa >> -shift) if up else mantissa >> -shift

    low = np.array([shifted(weight.raw[0], up=False) for weight in weights], dtype=object)
    high = np.array([shifted(weight.raw[1], up=True) for weight in weights], dtype=object)
    return low, high, unit


def _sums(
    row: ExactRow, selected: Bools, values: NDArray[np.float64], weights: Sequence[Interval], bits: int
) -> list[Interval]:
    """Σ e^{s_i} v_i over the selected keys, one interval a dimension.

    Values of equal scores are added exactly; then integers, low·v or high·v by the sign of v, whose sums are exact:
    the only width is the weights' own.
    """
    present = np.flatnonzero(row.multiplicity(selected))
    if not len(present):
        return [Interval.point(0, bits)] * values.shape[1]
    integers, unit = exact_integers(values)
    grouped = np.zeros((len(weights), values.shape[1]), dtype=object)
    chosen = selected & (row.rank >= 0)
    np.add.at(grouped, row.rank[chosen], integers[chosen])
    grouped = grouped[present]
    low, high, weight_unit = _fixed_point([weights[int(r)] for r in present], bits)
    positive, negative = np.maximum(grouped, 0), np.minimum(grouped, 0)
    below, above = low @ positive + high @ negative, high @ positive + low @ negative
    return [_scaled(a, b, unit + weight_unit, bits) for a, b in zip(below, above, strict=True)]


def _scaled(low: int, high: int, exponent: int, bits: int) -> Interval:
    """[low, high]·2^exponent, exactly."""
    return Interval.from_raw((from_man_exp(low, exponent), from_man_exp(high, exponent)), bits)


def output_error(
    scores: ArrayLike | ExactRow, kept: ArrayLike, values: ArrayLike | None = None, bits: int = 128
) -> Interval:
    """T10. ‖o − ô‖₂ = τ‖μ_T − μ_H‖₂, exactly [0, 0] when no weight is dropped. Source: arXiv 2512.07647, T5.2."""
    row, mask, exact = _row(scores, kept, values)
    tail, held = masses(row, mask, bits)
    if tail.upper == 0:
        return Interval.point(0, bits)
    weights = row.weights(bits)
    dropped, stays = _sums(row, ~mask, exact, weights, bits), _sums(row, mask, exact, weights, bits)
    difference = [a / tail - b / held for a, b in zip(dropped, stays, strict=True)]
    return share(tail, held) * _norm(difference, bits)


def _norms(values: NDArray[np.float64], centre: NDArray[np.float64], selected: Bools, bits: int) -> Interval:
    """max ‖v_i − c‖ over the selected keys, from the exact largest square; [0, 0] for none."""
    if not selected.any():
        return Interval.point(0, bits)
    integers, unit = exact_integers(np.vstack([values[selected], centre[None, :]]))
    offsets = integers[:-1] - integers[-1]
    return Interval.point(max((offsets * offsets).sum(axis=1)) * Fraction(4) ** unit, bits).sqrt()


def _attended(row: ExactRow) -> Bools:
    return row.rank >= 0


def norm_bound(
    scores: ArrayLike | ExactRow,
    kept: ArrayLike,
    values: ArrayLike | None = None,
    *,
    centre: ArrayLike | None = None,
    bits: int = 128,
) -> Interval:
    """T11. τ·(max_H‖v − c‖ + max_T‖v − c‖) ≥ ‖o − ô‖, for any `centre` c [dv]; without one, 2τ·max‖v‖. Masked keys do
    not count.

    Source: arXiv 2512.07647, P5.1 (uncentred).
    """
    row, mask, exact = _row(scores, kept, values)
    tau = share(*masses(row, mask, bits))
    if centre is None:
        return tau * _norms(exact, np.zeros(exact.shape[1]), _attended(row), bits) * 2
    middle = widen(centre, "the centre")
    if middle.shape != exact.shape[1:] or not np.isfinite(middle).all():
        raise BadValues(f"the centre has shape {middle.shape}; it must be finite and of shape {exact.shape[1:]}")
    held, dropped = (_norms(exact, middle, chosen & _attended(row), bits) for chosen in (mask, ~mask))
    return tau * (held + dropped)


def diameter_bound(
    scores: ArrayLike | ExactRow, kept: ArrayLike, values: ArrayLike | None = None, bits: int = 128
) -> Interval:
    """T12. τ·max_{i∈H, j∈T}‖v_i − v_j‖ ≥ ‖o − ô‖, across H and T (the diameter of T alone is not a bound). Masked
    keys do not count.

    O(|H|·|T|·dv) exact integer operations. Source: arXiv 2512.07647, P5.3.
    """
    row, mask, exact = _row(scores, kept, values)
    tau = share(*masses(row, mask, bits))
    if tau.upper == 0:
        return tau
    integers, unit = exact_integers(exact)
    dropped = integers[~mask & _attended(row)]
    widest = max(max(((dropped - own) ** 2).sum(axis=1)) for own in integers[mask & _attended(row)])
    return tau * Interval.point(widest * Fraction(4) ** unit, bits).sqrt()


def variance_bound(
    scores: ArrayLike | ExactRow, kept: ArrayLike, values: ArrayLike | None = None, bits: int = 128
) -> Interval:
    """T13. √(τ/(1−τ))·√Var_P(V) ≥ ‖o − ô‖ with Var_P(V) = Σ p_i‖v_i − o‖². Source: arXiv 2512.07647, in T5.6."""
    row, mask, exact = _row(scores, kept, values)
    tail, held = masses(row, mask, bits)
    weights = row.weights(bits)
    everything = np.ones(row.n, dtype=bool)
    partition = tail + held
    mean = [component / partition for component in _sums(row, everything, exact, weights, bits)]
    deviations = (
        total(((Interval.point(float(x), bits) - m).square() for x, m in zip(exact[i], mean, strict=True)), bits)
        * weights[row.rank[i]]
        for i in np.flatnonzero(_attended(row))
    )
    variance = total(deviations, bits) / partition
    return (tail / held * variance).sqrt()


def best_output_bound(
    scores: ArrayLike | ExactRow, kept: ArrayLike, values: ArrayLike | None = None, bits: int = 128
) -> Interval:
    """T14. The least of the norm (T11), diameter (T12) and variance (T13) bounds. Source: arXiv 2512.07647, T5.6."""
    row, mask, _ = _row(scores, kept, values)
    norm = norm_bound(row, mask, bits=bits)
    return norm.minimum(diameter_bound(row, mask, bits=bits)).minimum(variance_bound(row, mask, bits=bits))


@dataclass(frozen=True, eq=False, slots=True)
class Partition:
    """A split of the values into two non-empty sides: `side` bool [n], `edge` the two indices that realise the
    `diameter` between them.
    """

    side: Bools
    edge: tuple[int, int]
    diameter: Interval


def best_partition(values: ArrayLike, bits: int = 128) -> Partition:
    """T15. The split of values [n, dv] with the least diameter between its sides: cut a lightest edge of a maximum
    spanning tree.

    Distances are compared as exact integers; O(n²·dv) of them. Source: arXiv 2512.07647, T5.8 (rebuilt).
    """
    exact = widen(values, "values")
    if exact.ndim != 2 or len(exact) < 2 or not np.isfinite(exact).all():
        raise BadValues(f"a partition needs at least two finite value vectors [n, dv]; these have shape {exact.shape}")
    integers, unit = exact_integers(exact)
    tree = _maximum_spanning_tree(integers)
    length, cut = min((squared, place) for place, (squared, _, _) in enumerate(tree))
    side = np.zeros(len(exact), dtype=bool)
    side[_reachable([edge[1:] for place, edge in enumerate(tree) if place != cut], tree[cut][1])] = True
    return Partition(side, tree[cut][1:], Interval.point(length * Fraction(4) ** unit, bits).sqrt())


def _maximum_spanning_tree(points: NDArray[Any]) -> list[tuple[int, int, int]]:
    """Prim's algorithm on exact squared distances: edges (squared length, from, to)."""
    n = len(points)
    outside = np.ones(n, dtype=bool)
    outside[0] = False
    best = ((points - points[0]) ** 2).sum(axis=1)
    origin = np.zeros(n, dtype=np.intp)
    tree = []
    for _ in range(n - 1):
        new = max(np.flatnonzero(outside), key=lambda i: best[i])
        tree.append((best[new], int(origin[new]), int(new)))
        outside[new] = False
        distances = ((points - points[new]) ** 2).sum(axis=1)
        nearer = distances > best
        best[nearer], origin[nearer] = distances[nearer], new
    return tree


def _reachable(edges: list[tuple[int, int]], start: int) -> list[int]:
    found, frontier = {start}, [start]
    while frontier:
        node = frontier.pop()
        for pair in edges:
            if node in pair:
                other = pair[0] if pair[1] == node else pair[1]
                if other not in found:
                    found.add(other)
                    frontier.append(other)
    return sorted(found)
