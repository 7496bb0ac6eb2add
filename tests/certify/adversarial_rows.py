"""Rows on which attention arithmetic goes wrong: ties, denormals, spread 1e5, shifts 1e6, −∞, n = 1, k = n.

Each is (scores, kept).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Row = tuple[NDArray[np.float64], NDArray[np.bool_]]
INF = np.inf


def row(scores: list[float], kept: list[int]) -> Row:
    mask = np.zeros(len(scores), dtype=bool)
    mask[kept] = True
    return np.array(scores), mask


def random_row(seed: int, n: int, k: int, spread: float = 3.0, shift: float = 0.0) -> Row:
    """k random keys of n normal scores: seldom the top-k."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(n, dtype=bool)
    mask[rng.choice(n, k, replace=False)] = True
    return rng.normal(shift, spread, n), mask


ROWS: dict[str, Row] = {
    "all equal": row([0.0] * 6, [0, 1]),
    "duplicated scores": row([1.5, 1.5, -2.0, -2.0, 1.5], [0, 3]),
    "not the top": row([0.0, 5.0, -1.0], [2]),
    "denormals": row([5e-324, 0.0, -5e-324, 2e-310, 1.0], [1, 3]),
    "a last bit apart": row([1.0, np.nextafter(1.0, 2.0), 1.0], [0]),
    "spread 1e5": row([0.0, -1e5, -5e4, 3.0, 2.5], [3, 1]),
    "spread 1e5 upside down": row([0.0, -1e5, -5e4, 3.0], [1, 2]),
    "shift 1e6": row([1e6 + 1.5, 1e6 - 0.25, 1e6, 1e6 + 1.4], [0, 1]),
    "shift −1e6": row([-1e6 + 1.5, -1e6 - 0.25, -1e6], [0]),
    "masked on both sides": row([0.5, -INF, 1.0, -INF, 0.25], [0, 1]),
    "tail wholly masked": row([0.5, -INF, 1.0, -INF], [0, 2]),
    "one key": row([-7.25], [0]),
    "all kept": row([0.5, 0.25, 3.0], [0, 1, 2]),
    "far beyond underflow": row([0.0, 0.0, -1e30], [0]),
    "the largest floats": row([1e308, -1e308, 1e308], [0]),
    "random": random_row(1, 23, 5),
    "random at −40": random_row(2, 12, 3, spread=20.0, shift=-40.0),
    "tiny tail": row([50.0, 49.5, 1.0, 0.0, -2.0], [0, 1]),
}
