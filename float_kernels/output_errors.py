"""‖o − ô‖₂, what leaving the tail out does to the output of attention, between bounds that survive rounding (T10–T14).

T10 gives ‖o − ô‖ = τ·‖μ_T − μ_H‖, with the weighted means μ of the values v of tail and kept keys. Values are first
divided by a power of two (exact) so that no component exceeds 1, and so every norm is at most M ≤ √d.

Error budget of one computed mean m, in units of M. All weights are the exact grade's, off by g relative (rounding.py):

    weights     2·weight_units·u        ‖Σ(w̃ − w)(v − μ)‖/Σw̃ ≤ g·max‖v − μ‖ ≤ 2gM
    clamp       2·n·CLAMP_SHARE/Σw̃      weights below the clamp may really be anything from 0 on
    sums        (value_depth + 1)·u     one product, then additions; component by component at most γ·Σw̃|v_d|
    divisor     (sum_depth + 2)·u       Σw̃ is itself a computed sum, and the quotient is rounded
    difference  2u                      of the two means, and of the underflow of products (2⁻¹⁰⁷⁵ each)
    norm        (d/2 + 2)u, and 2⁻⁵³⁰   the latter absolute: it matters where all values are 0

The weights of the divisor are those of the numerator, bit for bit. Means of ‖v‖ ≤ M lie at most 2M apart, whatever
the radius says. The other bounds use τ, and the largest distances or the second moment of the values, rounded up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .enclosure import tail_mass_bounds
from .errors import BadValueError, DtypeError, ShapeError
from .exponential import Float64, exponential
from .f_divergences import odds
from .lane_sums import ordered_sum, row_maximum, row_shift
from .rounding import CLAMP_SHARE, EXPONENTIAL_UNITS, FLOOR, KEYS_PER_BLOCK, SHIFT_UNITS, sum_depth
from .streaming import Mask, as_kept, as_scores, stream
from .tails import Implementation, tail_and_kept_sums

_U = 2.0**-53
# The error of one exact-grade weight relative to the others of its row.
_WEIGHT_UNITS = EXPONENTIAL_UNITS["exact"] + SHIFT_UNITS


class OutputBounds(NamedTuple):
    """Upper bounds float64 [*rows] on ‖o − ô‖₂, in the values' unit: T11 recentred, T12, T13, and their minimum T14."""

    norm: Float64
    diameter: Float64
    variance: Float64
    best: Float64


def output_error(
    scores: ArrayLike,
    kept: ArrayLike,
    values: ArrayLike,
    *,
    implementation: Implementation = "numba",
    threads: int | None = None,
) -> tuple[Float64, Float64]:
    """(lower, upper) float64 [*rows] with lower ≤ ‖o − ô‖₂ ≤ upper, in the unit of the values. Theorem T10.

    scores [*rows, n] and kept [*rows, n] as in tail_mass. values: finite floats [*rows, n, d], with axes of
    length 1 or without leading axes where rows share them: [heads, 1, n, d] serves scores [heads, queries, n].
    The width is about 2⁻⁴¹·τ·max‖v‖; always in the exact grade. Where nothing is dropped the bounds are exactly (0, 0).
    Errors: those of tail_mass, and BadValueError for a value that is not finite.
    """
    array, mask, runs = _checked(scores, kept, values)
    rows = array.shape[:-1]
    sums, empty = tail_and_kept_sums(array, mask, "exact", implementation, threads)
    tau_lower, tau_upper = (tau.reshape(rows) for tau in tail_mass_bounds(sums))
    lower, upper = np.zeros(rows), np.zeros(rows)
    for index, shared in runs:
        scaled, exponent, largest = _scaled(shared)
        distance, radius = _mean_distance(array[index], mask[index], scaled, largest, implementation, threads)
        least = tau_lower[index] * np.maximum(distance - radius, 0.0) * (1.0 - 4 * _U)
        reach = np.minimum(distance + radius, 2.0 * largest)
        most = tau_upper[index] * reach * (1.0 + 4 * _U)
        lower[index] = _unscaled(np.where(least >= FLOOR, least, 0.0), exponent, 0.0)
        upper[index] = _unscaled(most, exponent, np.inf)
    return lower, np.where(empty.reshape(rows), 0.0, upper)


def output_bounds(scores: ArrayLike, kept: ArrayLike, values: ArrayLike, *, threads: int | None = None) -> OutputBounds:
    """T11 to T14: what the tail mass and the spread of the values say about ‖o − ô‖₂; arguments as output_error.

    T11 is recentred at the mean of the kept values. T12 takes the distance of every kept value from every dropped one:
    O(k·(n − k)·d). Masked keys do not count. In NumPy only, row by row.
    """
    array, mask, runs = _checked(scores, kept, values)
    rows = array.shape[:-1]
    sums, empty = tail_and_kept_sums(array, mask, "exact", "numba", threads)
    tau, chi = tail_mass_bounds(sums)[1], odds(sums)[1]
    found = np.zeros((3, *rows))
    for index, shared in runs:
        scaled, exponent, _ = _scaled(shared)
        alike = array[index].shape[:-1]  # the rows that share these values
        for rest in np.ndindex(*alike):
            row = (*index, *rest)
            number = int(np.ravel_multi_index(row, rows)) if rows else 0
            if not empty[number]:
                bounds = _row_bounds(array[row].astype(np.float64), mask[row], scaled, tau[number], chi[number])
                found[:, *row] = _unscaled(np.array(bounds), exponent, np.inf)
    norm, diameter, variance = found
    return OutputBounds(norm, diameter, variance, np.minimum(np.minimum(norm, diameter), variance))


def value_sums_specification(scores: NDArray[Any], kept: Mask, shift: Float64, values: Float64) -> Float64:
    """sums [rows, 2, d]: Σ w·v over tail and kept keys, what compiled_values.value_sums computes, in NumPy.

    Key after key within blocks of KEYS_PER_BLOCK, block after block; every component apart.
    """
    upcast = scores.astype(np.float64)
    weights = np.where(upcast > -np.inf, exponential(upcast - shift[:, None], "exact"), 0.0)
    sums = np.zeros((2, *scores.shape[:-1], values.shape[-1]))
    for start in range(0, values.shape[0], KEYS_PER_BLOCK):
        block = np.zeros_like(sums)
        for key in range(start, min(start + KEYS_PER_BLOCK, values.shape[0])):
            product = weights[:, key, None] * values[key]
            block += np.where(np.stack([~kept[:, key], kept[:, key]])[..., None], product, 0.0)
        sums += block
    return np.moveaxis(sums, 0, 1)


def _mean_distance(
    scores: NDArray[Any],
    kept: Mask,
    values: Float64,
    largest: float,
    implementation: Implementation,
    threads: int | None,
) -> tuple[Float64, Float64]:
    """(distance, radius) [*rows]: ‖μ_T − μ_H‖ of the scaled values [n, d] lies within the radius of the distance."""
    n, d = values.shape
    value_sums: Any = value_sums_specification
    if implementation == "numba":
        from .compiled_values import value_sums
    with_one = np.concatenate([values, np.ones((n, 1))], axis=1)  # the last component adds up the weights alone

    def run(chunk: NDArray[Any], in_kept: Mask) -> tuple[NDArray[Any], ...]:
        shift = row_shift(row_maximum(chunk).astype(np.float64))
        return (value_sums(chunk, in_kept, shift, with_one),)

    (sums,) = stream(run, scores, kept, threads=threads)
    masses = sums[..., -1]
    means = sums[..., :-1] / np.where(masses > 0.0, masses, 1.0)[..., None]
    depth = min(n, KEYS_PER_BLOCK) + -(-n // KEYS_PER_BLOCK)
    units = 2 * (2 * _WEIGHT_UNITS + 2 * depth + 8 + d)  # the table of the module, for both means and their norm
    with np.errstate(divide="ignore"):
        clamp = 4.0 * n * CLAMP_SHARE / masses  # ∞ for a tail without attended keys, whose bounds are 0 anyway
    radius = largest * (1.0 + 2.0**-20) * (units * _U + clamp[:, 0] + clamp[:, 1]) + 2.0**-529
    distance = _norm(means[:, 0] - means[:, 1])
    rows = scores.shape[:-1]
    return distance.reshape(rows), np.minimum(radius, 4.0 * largest).reshape(rows)


def _row_bounds(scores: Float64, kept: Mask, values: Float64, tau: float, chi: float) -> tuple[float, float, float]:
    """(T11, T12, T13) of one row with scaled values, each rounded up."""
    attended = scores > -np.inf
    shift = row_shift(row_maximum(scores[None]))
    weights = np.where(attended, exponential(scores - shift, "exact"), 0.0)
    up = 1.0 + (2 * values.shape[1] + 16) * _U
    kept_values, tail_values = values[kept & attended], values[~kept & attended]
    centre = _mean(weights[kept & attended], kept_values)
    norm = tau * (_norm(kept_values - centre).max() + _norm(tail_values - centre).max())
    diameter = tau * max(float(_norm(tail_values - value).max()) for value in kept_values)
    # Σ p‖v − c‖² exceeds the variance by ‖o − c‖², whatever c is.
    whole = _mean(weights, values)
    squares = _norm(values - whole) ** 2
    growth = 1.0 + (2 * _WEIGHT_UNITS + 2 * sum_depth(scores.size) + 2 * values.shape[1] + 16) * _U
    mass = float(ordered_sum(weights)) - scores.size * CLAMP_SHARE  # positive: the largest weight is at least e^−32
    # Squares are at most 4d, and a product that underflows lacks less than 2⁻¹⁰⁷⁴: 2⁻⁹⁶⁰ is more than all of them.
    variance = float(ordered_sum(weights * squares)) / mass * growth + 2.0**-960
    return norm * up, diameter * up, float(np.sqrt(chi) * np.sqrt(variance)) * up


def _mean(weights: Float64, values: Float64) -> Float64:
    """An estimate of the weighted mean [d]; any centre is sound."""
    total = float(ordered_sum(weights))
    return np.array([float(ordered_sum(weights * column)) / total for column in values.T])


def _norm(vectors: Float64) -> Float64:
    """‖·‖₂ over the last axis, component after component: relative error at most (d/2 + 2)u, absolute 2⁻⁵³⁰."""
    squares = np.zeros(vectors.shape[:-1])
    for component in range(vectors.shape[-1]):
        squares = squares + vectors[..., component] * vectors[..., component]
    result: Float64 = np.sqrt(squares) + 2.0**-530
    return result


def _scaled(values: NDArray[Any]) -> tuple[Float64, int, float]:
    """(v·2^−e, e, M): components at most 1, norms at most M; exact, or off by 2⁻¹⁰⁷⁵ where one underflows."""
    upcast = values.astype(np.float64)
    exponent = int(np.frexp(np.abs(upcast).max())[1])
    scaled = np.ldexp(upcast, -exponent)
    return scaled, exponent, float(_norm(scaled).max()) * (1.0 + (values.shape[-1] + 4) * _U)


def _unscaled(bound: Float64, exponent: int, towards: float) -> Float64:
    """bound·2^exponent, moved one step `towards` 0 or ∞, for the rounding of a subnormal result."""
    with np.errstate(over="ignore", under="ignore"):
        result: Float64 = np.nextafter(np.ldexp(bound, exponent), towards)
    return result


def _checked(
    scores: ArrayLike, kept: ArrayLike, values: ArrayLike
) -> tuple[NDArray[Any], Mask, list[tuple[tuple[int, ...], NDArray[Any]]]]:
    """(scores, kept, runs); a run is the leading index of rows that share values, and those values [n, d]."""
    array = as_scores(scores)
    mask = as_kept(kept, array)
    value = np.asarray(values)
    if value.dtype.kind != "f" and value.dtype != ml_dtypes.bfloat16:
        raise DtypeError(f"values have dtype {value.dtype}: convert them to a float format")
    rows, n = array.shape[:-1], array.shape[-1]
    leading = (1,) * (len(rows) - value.ndim + 2) + value.shape[:-2]
    fits = value.ndim >= 2 and value.shape[-2] == n and value.shape[-1] >= 1 and len(leading) == len(rows)
    if not fits or any(own not in (1, length) for own, length in zip(leading, rows, strict=True)):
        raise ShapeError(f"values have shape {value.shape}, scores {array.shape}: values are [*rows, n, d]")
    bad = ~np.isfinite(value)
    if bad.any():
        place = tuple(int(i[0]) for i in np.nonzero(bad))
        raise BadValueError(f"value {place} is {float(value[place])}: values are finite; mend it even where masked")
    # the leading axes up to the last one along which the values change
    varying = max((axis + 1 for axis, length in enumerate(leading) if length > 1), default=0)
    views = np.broadcast_to(value.reshape(*leading[:varying], *value.shape[-2:]), (*rows[:varying], *value.shape[-2:]))
    # values that are all 0 leave the bounds at exactly 0
    return array, mask, [(index, views[index]) for index in np.ndindex(*rows[:varying]) if views[index].any()]
