"""Draws of Gaussian rows, for pictures, tables and tests: what the theory is compared with. Float64 and pseudo-random
numbers; nothing here is a bound, and its only error statement is the order-statistic interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["kept_keys", "quantile_interval"]


def kept_keys(n: int, sigma: float, eps: Sequence[float], draws: int, seed: int) -> NDArray[np.int64]:
    """k_ε of `draws` rows of n scores N(0, sigma²), the fewest largest keys with tail mass ≤ ε: sorted, [eps, draws].

    The same draws serve every ε.
    """
    generator = np.random.default_rng([seed, n, round(sigma * 1024)])
    found = np.empty((len(eps), draws), dtype=np.int64)
    for i in range(draws):
        scores = np.sort(generator.standard_normal(n)) * sigma
        tail = np.cumsum(np.exp(scores - scores[-1]))
        for j, budget in enumerate(eps):
            found[j, i] = n - np.searchsorted(tail, budget * tail[-1], side="right")
    return np.sort(np.maximum(found, 1), axis=-1)


def quantile_interval(values: NDArray[np.int64], level: float, confidence: float = 0.99) -> tuple[int, int, int]:
    """(estimate, lower, upper): order statistics of sorted i.i.d. draws around the quantile of `level`.

    The number of draws at or below the quantile is binomial, so that [lower, upper] holds the quantile with at least
    `confidence`, whatever the distribution (Clopper–Pearson). Without enough draws for an upper end: the largest draw.
    """
    count = len(values)
    logs = [
        math.lgamma(count + 1) - math.lgamma(j + 1) - math.lgamma(count - j + 1)
        + j * math.log(level) + (count - j) * math.log1p(-level)
        for j in range(count + 1)
    ]  # fmt: skip
    cumulative = np.cumsum(np.exp(logs))
    half = (1 - confidence) / 2
    low = int(np.searchsorted(cumulative, half))
    high = int(np.searchsorted(cumulative, 1 - half))
    middle = math.ceil(level * count) - 1
    return int(values[middle]), int(values[max(low - 1, 0)]), int(values[min(high, count - 1)])
