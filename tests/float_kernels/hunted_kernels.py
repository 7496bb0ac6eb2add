"""Every float kernel that claims a bound, in the form that `certify.soundness.hunt` takes: what is hunted, and how.

A hunted kernel gets scores [rows, n] and kept [rows, n] (values [rows, n, d] for output errors) and returns bounds
[rows] on the row's tail mass, KL or output error: (lower, upper), or upper alone. Kernels whose arguments are summaries
of a row (gaps, blocks, moments, a radius) get the summary made here, rounded in the direction that the kernel asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import float_kernels
from float_kernels.exponential import Grade
from float_kernels.tails import Implementation

Scores = NDArray[Any]
Mask = NDArray[np.bool_]
Bounds = Any  # upper [rows], or (lower [rows], upper [rows])

# The keys of one block of T8 and T9: short, so that short rows have several blocks.
KEYS_PER_BLOCK = 5
KNOWN_BEYOND_K = 2


@dataclass(frozen=True)
class Hunted:
    """name: what is hunted. kernel: batched over rows; two_sided: whether it answers a pair. The rest: see `hunt`."""

    name: str
    kernel: Callable[..., Bounds]
    quantity: Literal["tail", "kl", "output"] = "tail"
    kept: Literal["any", "top_k"] = "any"
    two_sided: bool = True

    def __str__(self) -> str:
        return self.name


def tail_mass(grade: Grade, implementation: Implementation) -> Callable[[Scores, Mask], Bounds]:
    def kernel(scores: Scores, kept: Mask) -> Bounds:
        return float_kernels.tail_mass(scores, kept, grade=grade, implementation=implementation, threads=1)

    return kernel


def kl(grade: Grade, implementation: Implementation = "numba") -> Callable[[Scores, Mask], Bounds]:
    def kernel(scores: Scores, kept: Mask) -> Bounds:
        return float_kernels.kl(scores, kept, grade=grade, implementation=implementation, threads=1)

    return kernel


def output_error(implementation: Implementation) -> Callable[[Scores, Mask, Scores], Bounds]:
    def kernel(scores: Scores, kept: Mask, values: Scores) -> Bounds:
        return float_kernels.output_error(scores, kept, values, implementation=implementation, threads=1)

    return kernel


def chi_square_as_tail(scores: Scores, kept: Mask) -> Bounds:
    """χ² = τ/(1 − τ), so τ = χ²/(1 + χ²), which grows with χ²; its two roundings are given back."""
    lower, upper = float_kernels.divergences(scores, kept, grade="exact", threads=1).chi_square
    finite = np.minimum(upper, 2.0**1000)
    most = np.minimum(finite / (1.0 + finite) * (1.0 + 2.0**-50), 1.0)
    return lower / (1.0 + lower) * (1.0 - 2.0**-50), np.where(upper < 2.0**1000, most, 1.0)


def hellinger_as_tail(scores: Scores, kept: Mask) -> Bounds:
    """H² = 1 − √(1 − τ), so τ = H²(2 − H²): at most 2H² and at least H²."""
    lower, upper = float_kernels.divergences(scores, kept, grade="exact", threads=1).hellinger_squared
    tau = upper * (2.0 - upper)  # three roundings
    return lower, np.minimum(np.where(upper < 1.0, tau * (1.0 + 2.0**-50), 1.0), 1.0)


def output_bound(which: str) -> Callable[[Scores, Mask, Scores], Bounds]:
    def kernel(scores: Scores, kept: Mask, values: Scores) -> Bounds:
        return getattr(float_kernels.output_bounds(scores, kept, values, threads=1), which)

    return kernel


def top_k(scores: Scores, kept: Mask) -> Bounds:
    """τ of the kernel's own k largest, which no other set of k keys undercuts (T4): equal to that of a true top-k."""
    return by_row(lambda row, k: float_kernels.top_k(row, k, grade="exact", threads=1)[1:], scores, kept)


def smallest_k(scores: Scores, kept: Mask) -> Bounds:
    """What smallest_k says of the k largest at an ε as near to their τ as floats come: that they or fewer meet it, or,
    where it keeps k + 1 keys and calls that proved to be smallest, that they do not. What fewer keys leave is no less.
    """

    def row_bounds(row: Scores, k: int) -> tuple[float, float]:
        _, low, high = float_kernels.top_k(row, k, grade="exact", threads=1)
        lower, upper = 0.0, 1.0
        for eps in {float(high), float((low + high) / 2)}:
            if not 0.0 < eps < 1.0:
                continue
            found = float_kernels.smallest_k(row, eps, threads=1)
            if found.k <= k:
                upper = min(upper, float(found.upper))
            elif found.k == k + 1 and found.proved_smallest:
                lower = max(lower, eps)
        return lower, upper

    return by_row(row_bounds, scores, kept)


def gap(scores: Scores, kept: Mask) -> Bounds:
    """T6 from the k-th and the next score of the attended keys."""

    def row_bound(row: Scores, k: int) -> tuple[float, float]:
        attended = attended_in_order(row)
        k = min(k, attended.size)
        if k == attended.size:
            return 0.0, 0.0
        return 0.0, float(float_kernels.gap_bound(attended[k - 1], attended[k], attended.size, k))

    return by_row(row_bound, scores, kept)


def multi_gap(scores: Scores, kept: Mask) -> Bounds:
    """T7 from the k largest scores and two more."""

    def row_bound(row: Scores, k: int) -> tuple[float, float]:
        attended = attended_in_order(row)
        k = min(k, attended.size)
        known = min(k + KNOWN_BEYOND_K, attended.size)
        return 0.0, float(float_kernels.multi_gap_bound(attended[:known], k, attended.size))

    return by_row(row_bound, scores, kept)


def blocks(scores: Scores, kept: Mask) -> Bounds:
    """T8 from the least and the largest score of blocks of neighbours."""
    counts = block_counts(scores, kept)
    return float_kernels.block_bound(*counts)


def block_moments(with_variance: bool) -> Callable[[Scores, Mask], Bounds]:
    """T9: upper with mean (and variance) rounded up, lower with the mean rounded down."""

    def kernel(scores: Scores, kept: Mask) -> Bounds:
        h, t, low, high = block_counts(scores, kept)
        mean_lower, mean_upper, variance_upper = tail_moments(scores, kept, low, high)
        upper = float_kernels.block_moment_bound(h, t, low, high, mean_upper)[1]
        if with_variance:
            finite = np.where(variance_upper < np.inf, variance_upper, 0.0)
            sharper = float_kernels.block_moment_bound(h, t, low, high, mean_upper, finite)[1]
            upper = np.where((variance_upper < np.inf).all(axis=-1), sharper, upper)
        return float_kernels.block_moment_bound(h, t, low, high, mean_lower)[0], upper

    return kernel


def perturbed(scores: Scores, kept: Mask) -> Bounds:
    """T22: scores as float16 holds them, and how far that moved each."""
    return float_kernels.perturbed_tail_mass(*stored_as_float16(scores, kept), grade="exact", threads=1)


def stored_as_float16(scores: Scores, kept: Mask) -> tuple[NDArray[np.float64], Mask, NDArray[np.float64]]:
    """(stored scores, kept, radius): rounded to float16 with the distance rounded up; out of its range left exact."""
    exact = scores.astype(np.float64)
    inside = np.where(np.abs(exact) < 60000.0, exact, 0.0)
    stored = inside.astype(np.float16).astype(np.float64)
    radius = np.where(stored != inside, np.nextafter(np.abs(stored - inside), np.inf), 0.0)
    return np.where(np.abs(exact) < 60000.0, stored, exact), kept, radius


def by_row(bounds: Callable[[Scores, int], tuple[Any, Any]], scores: Scores, kept: Mask) -> Bounds:
    """(lower, upper) [rows] of a kernel that takes one row and its k."""
    found = [bounds(row, int(count)) for row, count in zip(scores, np.count_nonzero(kept, axis=-1), strict=True)]
    lower, upper = zip(*found, strict=True)
    return np.array(lower, dtype=np.float64), np.array(upper, dtype=np.float64)


def attended_in_order(row: Scores) -> NDArray[np.float64]:
    """The finite scores, largest first."""
    upcast = row.astype(np.float64)
    return np.sort(upcast[upcast > -np.inf])[::-1]


def block_counts(scores: Scores, kept: Mask) -> tuple[NDArray[np.float64], ...]:
    """(kept keys, tail keys, least, largest score) [rows, blocks] of blocks of neighbours; masked keys do not count."""
    upcast = scores.astype(np.float64)
    attended = upcast > -np.inf
    parts = [slice(start, start + KEYS_PER_BLOCK) for start in range(0, scores.shape[-1], KEYS_PER_BLOCK)]
    h, t, low, high = (np.zeros((scores.shape[0], len(parts))) for _ in range(4))
    for index, part in enumerate(parts):
        inside, row = attended[:, part], upcast[:, part]
        h[:, index] = np.count_nonzero(inside & kept[:, part], axis=-1)
        t[:, index] = np.count_nonzero(inside & ~kept[:, part], axis=-1)
        least = np.where(inside, row, np.inf).min(axis=-1)
        low[:, index] = np.where(least < np.inf, least, -np.inf)  # a block of masked keys alone
        high[:, index] = np.where(inside, row, -np.inf).max(axis=-1)
    return h, t, low, high


def tail_moments(
    scores: Scores, kept: Mask, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], ...]:
    """(mean rounded down, mean rounded up, variance rounded up) [rows, blocks] of the tail scores, by exact fractions.

    The variance is taken about the mean that is rounded up, so it is no smaller than the real one; ∞ where no float is.
    """
    mean_lower, mean_upper, variance_upper = np.zeros(low.shape), np.zeros(low.shape), np.zeros(low.shape)
    upcast = scores.astype(np.float64)
    for row, block in np.ndindex(*low.shape):
        part = slice(block * KEYS_PER_BLOCK, (block + 1) * KEYS_PER_BLOCK)
        tail = [
            Fraction(s) for s, held in zip(upcast[row, part], kept[row, part], strict=True) if s > -np.inf and not held
        ]
        if not tail:
            continue
        mean = sum(tail, Fraction(0)) / len(tail)
        mean_lower[row, block] = max(rounded_towards(mean, -np.inf), low[row, block])
        mean_upper[row, block] = min(rounded_towards(mean, np.inf), high[row, block])
        about = Fraction(mean_upper[row, block])
        variance = sum(((s - about) ** 2 for s in tail), Fraction(0)) / len(tail)
        variance_upper[row, block] = rounded_towards(variance, np.inf) if variance < 2**1020 else np.inf
    return mean_lower, mean_upper, variance_upper


def rounded_towards(number: Fraction, towards: float) -> float:
    """The float nearest to the number on the side of ±∞ named."""
    found = float(number)
    past = Fraction(found) < number if towards > 0 else Fraction(found) > number
    return float(np.nextafter(found, towards)) if past else found


HUNTED: tuple[Hunted, ...] = (
    *(
        Hunted(f"tail_mass, {grade}, {implementation}", tail_mass(grade, implementation))
        for grade in ("fast", "exact")
        for implementation in ("numba", "numpy")
    ),
    Hunted("top_k", top_k, kept="top_k"),
    Hunted("smallest_k", smallest_k, kept="top_k"),
    Hunted("kl, fast", kl("fast"), quantity="kl"),
    Hunted("kl, exact", kl("exact"), quantity="kl"),
    Hunted("divergences: χ²", chi_square_as_tail),
    Hunted("divergences: H²", hellinger_as_tail),
    Hunted("gap_bound (T6)", gap, kept="top_k"),
    Hunted("multi_gap_bound (T7)", multi_gap, kept="top_k"),
    Hunted("block_bound (T8)", blocks),
    Hunted("block_moment_bound, mean (T9)", block_moments(with_variance=False)),
    Hunted("block_moment_bound, mean and variance (T9)", block_moments(with_variance=True)),
    Hunted("output_error, numba", output_error("numba"), quantity="output"),
    Hunted("output_error, numpy", output_error("numpy"), quantity="output"),
    Hunted("output_bounds: norm (T11)", output_bound("norm"), quantity="output", two_sided=False),
    Hunted("output_bounds: diameter (T12)", output_bound("diameter"), quantity="output", two_sided=False),
    Hunted("output_bounds: variance (T13)", output_bound("variance"), quantity="output", two_sided=False),
    Hunted("output_bounds: best (T14)", output_bound("best"), quantity="output", two_sided=False),
    Hunted("perturbed_tail_mass (T22)", perturbed),
)
