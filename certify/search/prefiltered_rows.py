"""The rows of one key head through the prefilter: bounds, choice, exact scores of what is kept, certificate.

What is dropped counts with its upper bound, what is kept with its score less the rounding of the product:

    τ ≤ Σ_T e^upper / (Σ_T e^upper + Σ_H e^(score − radius))                                  (T1, T22, T23)

A sample decides beforehand whether that will pay; where it will not, all keys are kept, and τ = 0. Where the choice
misses ε in spite of everything, the row is scored densely in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from certify.scores import Bools, Floats
from certify.search.inputs import Scale
from certify.search.opened import dense_rows, kl_upper_of
from float_kernels.cell_masses import down, up
from float_kernels.compiled import ROW_SUMS
from float_kernels.compiled_quantized import attend_chosen, bounds_pass, score_chosen
from float_kernels.compiled_selection import smallest_k_rows, top_k_rows
from float_kernels.enclosure import sum_bounds
from float_kernels.exponential import COEFFICIENTS
from float_kernels.f_divergences import odds
from float_kernels.lane_sums import row_shift
from float_kernels.quantized_keys import LevelledQuery, QuantizedKeys, level
from float_kernels.rounding import CLAMP_SHARE, padded

__all__ = ["Head", "QueryRows", "Rows", "fewest", "largest", "sample_of"]

Scores = NDArray[np.float32]

# Keys of the sample, in so many runs: enough to tell a tenth from a third.
_SAMPLE, _RUNS = 2048, 16
# The codes are a quarter of the bytes, and kept keys are read one by one: with more than this share of the keys to
# keep, scoring them all is faster.
_MOST_KEPT = 0.2
# How often to keep more keys where the certificate comes out above eps.
_ATTEMPTS = 4
# Bounds beyond this leave the range of float32.
_LARGEST_SCORE = 2.0**100


@dataclass(frozen=True, eq=False)
class Head:
    """One key head: key [n, d], its codes, some of them, and the real scale."""

    key: NDArray[Any]
    codes: QuantizedKeys
    sample: QuantizedKeys
    scale: Scale

    def reach(self, rows: QueryRows) -> Floats:
        """≥ every |score| of each row [m]."""
        return up(up(rows.norm * self.codes.largest_norm) * self.scale.upper)


@dataclass(frozen=True, eq=False)
class QueryRows:
    """Query [m, d] float64, norm [m] ≥ ‖q‖, attended bool [m, n] or None."""

    query: Floats
    norm: Floats
    attended: Bools | None

    def __getitem__(self, which: Any) -> QueryRows:
        return QueryRows(self.query[which], self.norm[which], None if self.attended is None else self.attended[which])


@dataclass(eq=False)
class Rows:
    """What came out, an entry a row [m]; output [m, dv] where values were given."""

    kept: Bools
    tv_upper: Floats
    kl_upper: Floats
    top_k: Bools
    fell_back: Bools
    scored: NDArray[np.int64]
    bytes_read: NDArray[np.int64]
    output: Floats | None

    @staticmethod
    def blank(m: int, n: int, values: NDArray[Any] | None) -> Rows:
        """Nothing kept, nothing claimed."""
        return Rows(
            kept=np.zeros((m, n), np.bool_),
            tv_upper=np.ones(m),
            kl_upper=np.full(m, np.inf),
            top_k=np.zeros(m, np.bool_),
            fell_back=np.zeros(m, np.bool_),
            scored=np.zeros(m, np.int64),
            bytes_read=np.zeros(m, np.int64),
            output=None if values is None else np.empty((m, values.shape[-1])),
        )


def fewest(head: Head, rows: QueryRows, eps: float, adaptive: bool, values: NDArray[Any] | None) -> Rows:
    """Keep the fewest keys that the bounds show to leave at most eps.

    A row that would keep most of its keys anyway keeps them all, and so leaves nothing; one whose bounds say too little
    is scored densely.
    """
    m, (n, d) = len(rows.query), head.key.shape
    found = Rows.blank(m, n, values)
    levels = [level(row, head.codes, head.scale.given) for row in rows.query]
    whole = np.zeros(m, np.bool_)
    if adaptive and n > 8 * _SAMPLE and rows.attended is None:
        whole = _sampled_share(head.sample, levels, eps) > _MOST_KEPT
    by_codes = np.flatnonzero(~whole & [_bounded(row) for row in levels])
    if len(by_codes):
        kept, found.tv_upper[by_codes], found.kl_upper[by_codes], scores = _by_codes(
            head, rows[by_codes], [levels[row] for row in by_codes], eps
        )
        found.kept[by_codes] = kept
        found.scored[by_codes] = np.count_nonzero(kept, axis=-1)
        found.bytes_read[by_codes] = head.codes.nbytes + found.scored[by_codes] * d * head.key.itemsize
        if values is not None and found.output is not None:
            found.output[by_codes] = attend_chosen(scores, kept, values)
    missed = np.flatnonzero(~whole & ~(found.tv_upper <= eps))
    if len(missed):
        again = rows[missed]
        found.kept[missed], found.tv_upper[missed], found.kl_upper[missed] = dense_rows(
            again.query, head.key.astype(np.float64), again.attended, head.scale, eps
        )
    found.kept[whole], found.tv_upper[whole], found.kl_upper[whole] = True, 0.0, 0.0
    found.fell_back = whole.copy()
    found.fell_back[missed] = True
    found.scored[found.fell_back] += n
    found.bytes_read[found.fell_back] += head.key.nbytes
    if values is not None and found.output is not None and found.fell_back.any():
        found.output[found.fell_back] = _dense_output(head, rows[found.fell_back], found.kept[found.fell_back], values)
    return found


def largest(head: Head, rows: QueryRows, k: int, values: NDArray[Any] | None) -> Rows:
    """Keep the k largest of the keys whose upper bound reaches the k-th largest lower bound; no other can be among
    them.
    """
    m, (n, d) = len(rows.query), head.key.shape
    levels = [level(row, head.codes, head.scale.given) for row in rows.query]
    lower, upper = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
    _pass(head.codes, levels, lower, upper)
    if not all(map(_bounded, levels)):  # bounds that say nothing: every key is a candidate
        lower[:], upper[:] = -_LARGEST_SCORE, np.inf
    if rows.attended is not None:
        lower[~rows.attended], upper[~rows.attended] = -np.inf, -np.inf
    threshold = np.min(np.where(top_k_rows(lower, k), lower, np.inf), axis=-1, keepdims=True)
    candidates = (upper >= threshold) & (upper > -np.inf)
    scores = np.full((m, n), -np.inf)
    score_chosen(rows.query, head.key, head.scale.near, candidates, np.zeros(m), scores)
    kept = top_k_rows(scores, k) & candidates
    radius = head.reach(rows)[:, None] * ((d + 16) * 2.0**-52) + 2.0**-900
    held = np.where(kept, down(scores - radius), np.inf)
    others = np.where(candidates & ~kept, up(scores + radius), np.where(kept, -np.inf, upper.astype(np.float64)))
    tv_upper, kl_upper = _certified(np.where(kept, held, others), kept)
    found = Rows.blank(m, n, values)
    found.kept, found.tv_upper, found.kl_upper = kept, tv_upper, kl_upper
    found.top_k = np.asarray(held.min(axis=-1) >= others.max(axis=-1))
    found.scored = np.count_nonzero(candidates, axis=-1)
    found.bytes_read = head.codes.nbytes + found.scored * d * head.key.itemsize
    if values is not None:
        found.output = attend_chosen(scores, kept, values)
    return found


def _by_codes(
    head: Head, rows: QueryRows, levels: list[LevelledQuery], eps: float
) -> tuple[Bools, Floats, Floats, Scores]:
    """(kept, tv_upper, kl_upper, scores of the kept); tv_upper may be above eps, and then the choice was too bold."""
    m, (n, d) = len(rows.query), head.key.shape
    upper = np.empty((m, n), np.float32)
    _pass(head.codes, levels, upper[:0], upper)
    if rows.attended is not None:
        upper[~rows.attended] = -np.inf
    # 2⁻²³ of the largest score for storing in float32, 2d + 16 roundings of the product and the scale in float64.
    radius = head.reach(rows) * (2.0**-23 + (d + 16) * 2.0**-52) + 2.0**-140
    # Kept keys weigh less than their upper bounds, the heavy ones by more than the typical width: aim below eps.
    width = max(float(row.beta) * head.codes.typical_rest + float(row.gamma) for row in levels)
    aim = eps / (1.0 - eps) * float(np.exp(-min(2.0 * width, 50.0) - 1e-6))
    kept = np.zeros((m, n), np.bool_)
    for _ in range(_ATTEMPTS):
        chosen = smallest_k_rows(upper, aim / (1.0 + aim), COEFFICIENTS["fast"])[0]
        if rows.attended is not None:
            chosen &= rows.attended
        # A key that has been scored stays: its score stands in `upper`, and it has been paid for.
        score_chosen(rows.query, head.key, head.scale.near, chosen & ~kept, radius, upper)
        kept |= chosen
        tv_upper, kl_upper = _certified(upper, kept)
        worst = float(tv_upper.max())
        if worst <= eps:
            break
        aim *= 0.97 * eps * (1.0 - worst) / (worst * (1.0 - eps)) if worst < 1.0 else 0.1
    return kept, tv_upper, kl_upper, upper


def _certified(scores: NDArray[Any], kept: Bools) -> tuple[Floats, Floats]:
    """(tv_upper, kl_upper) [m] from scores [m, n] that are lower bounds where kept and upper bounds elsewhere (T23)."""
    return _from_odds(_odds(scores, kept))


def _odds(scores: NDArray[Any], kept: Bools) -> Floats:
    """Σ_T/Σ_H ≤ this [m] for scores that are finite, or −∞ for a masked key; ∞ where the sums leave their range."""
    maximum, tail, held = ROW_SUMS["fast"](scores, kept)
    with np.errstate(invalid="ignore"):
        above = odds(sum_bounds(tail, held, row_shift(maximum), scores.shape[1], "fast"))[1]
    for row in np.flatnonzero(tail <= padded(scores.shape[1]) * CLAMP_SHARE):
        if not np.any(scores[row, ~kept[row]] > -np.inf):
            above[row] = 0.0
    return np.where(np.isnan(above), np.inf, above)


def _from_odds(above: Floats) -> tuple[Floats, Floats]:
    """τ = χ/(1 + χ) and ln(1 + χ), rounded up, for χ ≥ Σ_T/Σ_H."""
    with np.errstate(invalid="ignore"):
        tail_mass = up(above / down(1.0 + above))
    return np.where(np.isfinite(tail_mass), np.minimum(tail_mass, 1.0), 1.0) * (above > 0.0), kl_upper_of(above)


def _dense_output(head: Head, rows: QueryRows, kept: Bools, values: NDArray[Any]) -> NDArray[Any]:
    """Σ p̂ v [m, dv] by the library's products in the keys' own format: an estimate."""
    scores = np.matmul((rows.query * head.scale.near).astype(head.key.dtype), head.key.T)
    if not kept.all():
        scores[~kept] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores, out=scores)
    found: NDArray[Any] = weights @ values / weights.sum(axis=-1, keepdims=True)
    return found


def _bounded(query: LevelledQuery) -> bool:
    """Whether float32 holds this query's bounds. Tiny keys leave reach small where α or β overflows: ∞·0 is NaN."""
    return bool(query.reach < _LARGEST_SCORE and np.isfinite(query.alpha) and np.isfinite(query.beta))


def _pass(codes: QuantizedKeys, levels: list[LevelledQuery], lower: Scores, upper: Scores) -> None:
    """Fill lower (unless it is empty) and upper [m, n]."""
    bounds_pass(
        codes.codes,
        codes.step,
        codes.rest,
        codes.bits == 4,
        np.stack([row.levels for row in levels]),
        np.array([[row.alpha, row.beta, row.gamma, row.offset] for row in levels]),
        lower,
        upper,
    )


def sample_of(codes: QuantizedKeys) -> QuantizedKeys:
    """Some of the keys, in runs spread over all of them."""
    n, length = len(codes.step), _SAMPLE // _RUNS
    if n <= _SAMPLE:
        return codes
    starts = np.linspace(0, n - length, _RUNS).astype(np.intp)
    chosen = (starts[:, None] + np.arange(length)).ravel()
    return codes._replace(codes=codes.codes[chosen], step=codes.step[chosen], rest=codes.rest[chosen])


def _sampled_share(sample: QuantizedKeys, levels: list[LevelledQuery], eps: float) -> Floats:
    """The share of keys [m] that would be kept of the sample, by their upper bounds: an estimate."""
    upper = np.empty((len(levels), len(sample.step)), np.float32)
    _pass(sample, levels, upper[:0], upper)
    kept = smallest_k_rows(upper, eps, COEFFICIENTS["fast"])[0]
    share: Floats = np.count_nonzero(kept, axis=-1) / len(sample.step)
    return share
