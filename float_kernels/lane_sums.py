"""The sums of the weights of tail and kept keys, in one fixed order: the readable specification, in NumPy.

The order depends on nothing but the row: not on the batch, the threads or the vectors of the processor.
A row is padded to whole steps of 16 lanes with masked tail keys. Every lane adds its weights one after the other
within a block of 128 steps, and block after block into the row's own lane; at the end the 16 lanes are halved pairwise.

    block[j] = ((0 + w[j]) + w[16 + j]) + …      128 terms, fewer in the last block
    row[j]   = ((0 + block₀[j]) + block₁[j]) + …
    row[j] + row[j + 8],  then j + 4,  j + 2,  j + 1

A weight counts in one of the two sums; in the other it adds +0.0, which changes no bit. All weights are positive.
`compiled.py` holds the same order in Numba.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .exponential import Float64, Grade, exponential
from .rounding import LANES, STEPS_PER_BLOCK, padded

# Rows whose largest score lies in this range are summed as they are. Others have it subtracted first: above, the sums
# could overflow; below, too much of the range between the maximum and the clamp would be lost.
UNSHIFTED_MIN = -32.0
UNSHIFTED_MAX = 512.0


def row_maximum(scores: Float64) -> Float64:
    """Largest score of each row [*rows] of float64 scores [*rows, n], NaNs left aside: they surface in the sums."""
    maximum: Float64 = np.fmax.reduce(scores, axis=-1, initial=-np.inf)
    return maximum


def row_shift(maximum: Float64) -> Float64:
    """What is subtracted from the scores of a row with this maximum: 0 (exact) where the row can be summed as it is."""
    return np.where((maximum >= UNSHIFTED_MIN) & (maximum <= UNSHIFTED_MAX), 0.0, maximum)


def lane_sums(scores: Float64, kept: NDArray[np.bool_], shift: Float64, grade: Grade) -> tuple[Float64, Float64]:
    """(tail sum, kept sum) [rows] of e^(s − shift) for scores [rows, n] float64, kept [rows, n], shift [rows].

    Keys at or below the clamp, masked ones and padding included, count as the clamp's weight. NaN in a row gives NaN.
    """
    rows, n = scores.shape
    width = padded(n)
    d = np.full((rows, width), -np.inf)
    d[:, :n] = scores - shift[:, None]
    in_kept = np.zeros((rows, width), dtype=np.bool_)
    in_kept[:, :n] = kept
    weights = exponential(d, grade)
    return ordered_sum(np.where(in_kept, 0.0, weights)), ordered_sum(np.where(in_kept, weights, 0.0))


def ordered_sum(weights: Float64) -> Float64:
    """The sum [*rows] of weights [*rows, n] ≥ 0, padded with 0.0 to whole steps, in the order of the module."""
    *rows, n = weights.shape
    width = padded(n)
    weights = np.concatenate([weights, np.zeros((*rows, width - n))], axis=-1)
    block_length = LANES * STEPS_PER_BLOCK
    row = np.zeros((*rows, LANES))
    for block_start in range(0, width, block_length):
        block = np.zeros((*rows, LANES))
        for start in range(block_start, min(block_start + block_length, width), LANES):
            block = block + weights[..., start : start + LANES]
        row = row + block
    while row.shape[-1] > 1:
        half = row.shape[-1] // 2
        row = row[..., :half] + row[..., half:]
    total: Float64 = row[..., 0]
    return total
