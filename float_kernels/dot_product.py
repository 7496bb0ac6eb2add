"""Scores as dot products, with how far rounding can have moved each (T22): from query and key to a certificate.

A score computed in a float format lies within its radius of the real number q·k·scale, whatever the order of the
sums and with or without fused multiply-add, so the radius holds after any GEMM of classical sums rounded to nearest.
Outside it: inputs of reduced precision (TF32), truncating accumulators, Strassen-like products.

Budget of the chain, for d terms, x = q·k, a = Σ|q_l k_l| ≥ |x|, c the real scale, u and η of the accumulator:

    r  = γ_d·a + 2dη                  |x̂ − x|, γ_d = du/(1 − du)
    s  = c·(r·G + |x|·(G − 1)) + η    after one product by the scale, itself off by 2u + 4u² where it is 1/√d;
                                      G = (1 + u)(1 + 2u + 4u²), or 1 + u where the scale is a float
    s + u_s·(c·|x| + s) + η_s         after rounding to the format in which scores are stored
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt
from typing import Any, Literal, NamedTuple

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .environment import require_ieee
from .errors import BadValueError, DtypeError, OutOfRangeError, ShapeError
from .exponential import Float64, Grade
from .streaming import as_kept, as_scores
from .tails import tail_mass

Format = Literal["float16", "bfloat16", "float32", "float64"]
# (unit roundoff, smallest subnormal, smallest normal)
FORMATS: dict[Format, tuple[Fraction, Fraction, Fraction]] = {
    "float16": (Fraction(1, 2**11), Fraction(1, 2**24), Fraction(1, 2**14)),
    "bfloat16": (Fraction(1, 2**8), Fraction(1, 2**133), Fraction(1, 2**126)),
    "float32": (Fraction(1, 2**24), Fraction(1, 2**149), Fraction(1, 2**126)),
    "float64": (Fraction(1, 2**53), Fraction(1, 2**1074), Fraction(1, 2**1022)),
}


class Dot(NamedTuple):
    """scores [*rows, n] in the accumulator's format; radius float64 [*rows, n] with |score − q·k·scale| ≤ radius."""

    scores: NDArray[Any]
    radius: Float64


def dot(
    query: ArrayLike,
    key: ArrayLike,
    *,
    scale: float | None = None,
    accumulator: Literal["float32", "float64"] = "float32",
) -> Dot:
    """Scores q·k·scale of query [*rows, d] and key [*rows, n, d] (leading axes of key broadcast), and their radius.

    scale: a float ≥ 0, or None for the real number 1/√d. Inputs must be exact in the accumulator's format.
    The product is NumPy's own GEMM; float64 costs about twice as much and makes the radius 2²⁹ times smaller.
    The radius allows for threads of the GEMM that flush subnormal results. Theorem T22.
    Errors: DtypeError, ShapeError, BadValueError where an input or a score is not finite, OutOfRangeError.
    """
    require_ieee()
    q, k = _exactly(query, accumulator), _exactly(key, accumulator)
    _check(q, k)
    with np.errstate(over="ignore", invalid="ignore"):
        scores = _products(q, k) * np.dtype(accumulator).type(_float_scale(scale, q.shape[-1], accumulator))
    if not np.isfinite(scores).all():
        raise BadValueError(f"a dot product overflows {accumulator}: accumulate in float64 or scale the inputs down")
    radius = score_radius(q, k, scale=scale, accumulator=accumulator, stored=accumulator, flushes_subnormals=True)
    return Dot(scores, radius)


def score_radius(
    query: ArrayLike,
    key: ArrayLike,
    *,
    scale: float | None = None,
    accumulator: Format = "float32",
    stored: Format = "float32",
    flushes_subnormals: bool = False,
) -> Float64:
    """radius float64 [*rows, n], nats: how far a stored score can be from the real q·k·scale. Theorem T22.

    query [*rows, d], key [*rows, n, d]: exactly what the GEMM multiplies. A score is a dot product in `accumulator`,
    times the scale there, rounded to `stored`. flushes_subnormals: subnormal results may have become 0 on the way.
    """
    require_ieee()
    q, k = _exactly(query, "float64"), _exactly(key, "float64")
    d = _check(q, k)
    u, subnormal, normal = FORMATS[accumulator]
    stored_u, stored_subnormal, stored_normal = FORMATS[stored]
    eta, stored_eta = (normal, stored_normal) if flushes_subnormals else (subnormal, stored_subnormal)
    if d * u >= 1:
        raise OutOfRangeError(f"d = {d} is too long for {accumulator}: d·u must be below 1; accumulate more precisely")
    if scale is not None and not 0.0 <= scale < np.inf:
        raise OutOfRangeError(f"scale is {scale}: give a finite number ≥ 0, or None for 1/√d")
    gamma = d * u / (1 - d * u)
    # 1/√d rounded up: isqrt rounds down, the quotient's denominator with it
    c = Fraction(scale) if scale is not None else Fraction(2**64, isqrt(d * 2**128))
    growth = (1 + u) * (1 + 2 * u + 4 * u**2) if scale is None else 1 + u
    # radius = by_size·a + by_value·|x| + constant: exact fractions here, rounded up below
    by_size = c * gamma * growth * (1 + stored_u)
    by_value = c * (growth - 1) * (1 + stored_u) + c * stored_u
    constant = (c * growth * 2 * d * eta + eta) * (1 + stored_u) + stored_eta
    with np.errstate(over="ignore"):
        size, value = _products(np.abs(q), np.abs(k)), np.abs(_products(q, k))
        size = size * (1.0 + (d + 4) * 2.0**-52) + (2 * d + 4) * 2.0**-1022
        # |x| by the same bound: γ_d in float64 and what may have been flushed
        value = value + (size * (d + 2) * 2.0**-52 + (2 * d + 4) * 2.0**-1022)
        radius: Float64 = size * _rounded_up(by_size) + value * _rounded_up(by_value) + _rounded_up(constant)
    return np.nextafter(radius * (1.0 + 2.0**-50), np.inf)


def perturbed_tail_mass(
    scores: ArrayLike, kept: ArrayLike, radius: ArrayLike, *, grade: Grade = "fast", threads: int | None = None
) -> tuple[Float64, Float64]:
    """(lower, upper) [*rows] around every τ of scores within the radius of the given ones; both ends are approached.

    upper: tail scores raised and kept ones lowered; lower: the other way round. radius: ≥ 0, broadcast to the scores
    [*rows, n]. Errors: those of tail_mass, OutOfRangeError for a radius that is NaN, negative or infinite. Theorem T22.
    """
    array = as_scores(scores)
    mask = as_kept(kept, array)
    delta = np.broadcast_to(np.asarray(radius, dtype=np.float64), array.shape)
    if not np.all((delta >= 0.0) & (delta < np.inf)):
        place = tuple(int(i[0]) for i in np.nonzero(~((delta >= 0.0) & (delta < np.inf))))
        raise OutOfRangeError(f"radius {place} is {delta[place]}: give a finite number ≥ 0")
    exact = array.astype(np.float64)
    # A step outward for the rounding of the sum; −∞ and a radius of 0 stay as they are. NaN and +∞ are refused below.
    moves = (delta > 0.0) & np.isfinite(exact)
    raised = np.where(moves, np.nextafter(exact + delta, np.inf), exact)
    lowered = np.where(moves, np.nextafter(exact - delta, -np.inf), exact)
    upper = tail_mass(np.where(mask, lowered, raised), mask, grade=grade, threads=threads)[1]
    lower = tail_mass(np.where(mask, raised, lowered), mask, grade=grade, threads=threads)[0]
    return lower, upper


def _products(query: NDArray[Any], key: NDArray[Any]) -> NDArray[Any]:
    """q·k [*rows, n] by NumPy's GEMM."""
    shared = query.ndim > 1 and key.ndim == 2
    products: NDArray[Any] = np.matmul(query, key.T) if shared else np.matmul(key, query[..., None])[..., 0]
    return products


def _float_scale(scale: float | None, d: int, accumulator: Format) -> Any:
    """The scale as the accumulator's format has it: root and quotient each rounded to nearest."""
    number = np.dtype(accumulator).type
    if scale is None:
        return number(1.0) / np.sqrt(number(d))
    if float(number(scale)) != scale:
        raise OutOfRangeError(
            f"scale {scale!r} is not exact in {accumulator}: round it there first, or give None for 1/√d"
        )
    return number(scale)


def _rounded_up(number: Fraction) -> float:
    """A float ≥ the number ≥ 0."""
    return float(np.nextafter(float(number), np.inf))


def _exactly(values: ArrayLike, accumulator: Format) -> NDArray[Any]:
    """The values in the accumulator's format, where they must be exact and finite."""
    array = np.asarray(values)
    wanted = np.dtype(accumulator)
    if (array.dtype.kind != "f" and array.dtype != ml_dtypes.bfloat16) or array.dtype.itemsize > wanted.itemsize:
        raise DtypeError(f"dtype {array.dtype} does not fit the accumulator {accumulator}: convert the input first")
    bad = ~np.isfinite(array)
    if bad.any():
        place = tuple(int(i[0]) for i in np.nonzero(bad))
        raise BadValueError(f"component {place} is {float(array[place])}: queries and keys are finite")
    return array.astype(wanted, copy=False)


def _check(query: NDArray[Any], key: NDArray[Any]) -> int:
    """d, or ShapeError."""
    if query.ndim == 0 or key.ndim < 2 or query.shape[-1] != key.shape[-1] or query.shape[-1] == 0:
        raise ShapeError(f"query {query.shape} and key {key.shape} do not fit: they are [*rows, d] and [*rows, n, d]")
    try:
        np.broadcast_shapes(query.shape[:-1], key.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"query rows {query.shape[:-1]} and key rows {key.shape[:-2]} do not fit: they are [*rows, d] and "
            "[*rows, n, d]; "
            "give keys shared by a head's queries an axis of length 1, as in key[..., None, :, :]"
        ) from None
    return int(query.shape[-1])
