"""The spread σ of measured scores, and whether a Gaussian describes them at all.

The design rule is about i.i.d. normal scores. Real rows are not; how far off they are decides whether a plan means
anything, so that no σ leaves this room without its goodness of fit. Estimates and tests only: nothing here is a bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from certify.certificate import Header
from certify.errors import BadScores
from certify.scores import Floats, check_scores, widen

__all__ = ["Fit", "fit", "scores_of"]

CRITICAL = 0.895  # 5 % point of D·(√n − 0.01 + 0.85/√n), mean and variance estimated: Stephens, JASA 69 (1974)
_LEAST_KEYS = 8
_MOST_ROWS = 4096


@dataclass(frozen=True)
class Fit:
    """σ of rows of scores, and how well N(μ, σ²) describes a row.

    `sigma`: the median over rows of the sample standard deviation (nats), `sigma_low` and `sigma_high` its 5 % and 95 %
    quantiles over rows. `distance`: the median over rows of the Kolmogorov–Smirnov distance D between a row and the
    normal distribution of its own mean and variance. `rejected`: the share of rows that Lilliefors' test rejects at
    5 %; about 0.05 where the model holds. `applies`: at most a tenth of the rows are rejected.
    """

    rows: int
    keys: int
    sigma: float
    sigma_low: float
    sigma_high: float
    distance: float
    rejected: float

    @property
    def applies(self) -> bool:
        return self.rejected <= 0.1

    @property
    def verdict(self) -> str:
        share = f"{self.rejected:.0%} of the rows are rejected at 5 % (Lilliefors), median distance {self.distance:.3f}"
        if self.applies:
            return f"a Gaussian describes these scores: {share}"
        return f"a Gaussian does not describe these scores, and a plan promises nothing for them: {share}"


def fit(scores: ArrayLike) -> Fit:
    """Fit N(μ, σ²) to each row of scores [*rows, n] (nats, −∞ = masked, left out), each row with its own μ.

    Of more than 4096 rows an even sample is taken. Raises BadScores for NaN, +∞, a row with fewer than 8 unmasked
    keys, or one whose scores are all equal.
    """
    array = widen(scores)
    if np.ndim(scores) == 0 or array.size == 0:
        raise BadScores(f"scores have shape {np.shape(scores)}; give rows of scores [*rows, n]")
    rows = array.reshape(-1, array.shape[-1])
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(int))]
    check_scores(rows)
    counts, deviations, distances = [], [], []
    for place, row in enumerate(rows):
        kept = np.sort(row[row > -np.inf])
        if len(kept) < _LEAST_KEYS:
            raise BadScores(
                f"row {place}: {len(kept)} unmasked keys say nothing about a spread; give rows of 8 or more"
            )
        deviation = float(kept.std(ddof=1))
        if not deviation > 0:
            raise BadScores(f"row {place}: all scores are {kept[0]}; there is no spread to fit")
        counts.append(len(kept))
        deviations.append(deviation)
        distances.append(_distance((kept - kept.mean()) / deviation))
    size, sigma, distance = np.array(counts), np.array(deviations), np.array(distances)
    statistic = distance * (np.sqrt(size) - 0.01 + 0.85 / np.sqrt(size))
    low, middle, high = np.quantile(sigma, [0.05, 0.5, 0.95]).tolist()
    return Fit(
        rows=len(rows),
        keys=int(np.median(size)),
        sigma=middle,
        sigma_low=low,
        sigma_high=high,
        distance=float(np.median(distance)),
        rejected=float((statistic > CRITICAL).mean()),
    )


def _distance(standardised: Floats) -> float:
    """sup |F_n − Φ| for sorted values."""
    n = len(standardised)
    probability = _cdf_estimate(standardised)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - probability).max(), (probability - steps[:-1]).max()))


@lru_cache(maxsize=1)
def _cdf_table() -> tuple[Floats, Floats]:
    places = np.linspace(-9.0, 9.0, 1 << 14)
    density = np.exp(-places * places / 2)
    sums = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return places, sums / sums[-1]


def _cdf_estimate(x: Floats) -> Floats:
    """Φ to about 1e-7, by linear interpolation between trapezoidal sums of φ."""
    return np.interp(x, *_cdf_table())


def scores_of(header: Header, inputs: Mapping[str, NDArray[Any]]) -> Floats:
    """The scores of a bundle's inputs, [*rows, n]: as they are, or products of query and key in plain float64."""
    if header.level == "scores":
        return widen(inputs["scores"])
    query, key = widen(inputs["query"], "query"), widen(inputs["key"], "key")
    if header.kv_groups > 1:
        key = np.repeat(key, header.kv_groups, axis=-3)
    scores = np.einsum("...qd,...nd->...qn", query, key)
    scores *= query.shape[-1] ** -0.5 if header.scale is None else header.scale
    if "bias" in inputs:
        scores = scores + widen(inputs["bias"], "bias")
    if header.softcap is not None:
        scores = header.softcap * np.tanh(scores / header.softcap)
    return np.where(inputs["mask"], scores, -np.inf) if "mask" in inputs else scores
