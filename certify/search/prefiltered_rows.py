"""The rows of one key head through the prefilter: bounds, choice, exact scores of what is kept, certificate.

What is dropped counts with its upper bound, what is kept with its score less the rounding of the product:

    τ ≤ Σ_T e^upper / (Σ_T e^upper + Σ_H e^(score − radius))                                  (T1, T22, T23)

A sample decides beforehand whether that will pay. Where it will not, all keys are scored in float32: each score is off
by at most one radius r for the whole row, so the odds of tail against kept are those of the computed scores times
e^{2r} at most (T22).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from certify.scores import Bools, Floats
from certify.search.inputs import Scale
from certify.search.opened import dense_rows, kl_upper_of
from float_kernels.cell_masses import down, exp_upper, up
from float_kernels.compiled_quantized import bounds_pass, score_chosen
from float_kernels.compiled_selection import smallest_k_rows, top_k_rows
from float_kernels.exponential import COEFFICIENTS
from float_kernels.f_divergences import odds
from float_kernels.quantized_keys import LevelledQuery, QuantizedKeys, level
from float_kernels.tails import tail_and_kept_sums

__all__ = ["Head", "QueryRows", "Rows", "fewest", "largest"]

Scores = NDArray[np.float32]

# Keys of the sample, in so many runs: enough to tell a tenth from a half.
_SAMPLE, _RUNS = 2048, 16
# The codes are a quarter of the bytes, and kept keys are read one by one: with more than this share of the keys to
# keep, scoring them all is faster.
_MOST_KEPT = 0.5
# How often to keep more keys where the certificate comes out above eps.
_ATTEMPTS = 4
# Bounds beyond this leave the range of float32.
_LARGEST_SCORE = 2.0**100


@dataclass(frozen=True, eq=False)
class Head:
    """One key head: key [n, d], its codes, ≥ its largest ‖k‖, and the real scale."""

    key: NDArray[Any]
    codes: QuantizedKeys
    norm: float
    scale: Scale

    def reach(self, rows: QueryRows) -> Floats:
        """≥ every |score| of each row [m]."""
        return up(up(rows.norm * self.norm) * self.scale.upper)


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
    """What came out, an entry a row [m]."""

    kept: Bools
    tv_upper: Floats
    kl_upper: Floats
    top_k: Bools
    fell_back: Bools
    scored: NDArray[np.int64]
    bytes_read: NDArray[np.int64]


def fewest(head: Head, rows: QueryRows, eps: float, adaptive: bool) -> Rows:
    """Keep the fewest keys that the bounds show to leave at most eps; a row for which that fails is scored densely."""
    m, (n, d) = len(rows.query), head.key.shape
    levels = [level(row, head.codes, head.scale.given) for row in rows.query]
    by_codes = np.array([row.reach < _LARGEST_SCORE for row in levels])
    if adaptive and n > 8 * _SAMPLE and rows.attended is None:
        by_codes &= _sampled_share(head.codes, levels, eps) <= _MOST_KEPT
    false = np.zeros(m, dtype=np.bool_)
    if by_codes.all():
        found = Rows(
            *_by_codes(head, rows, levels, eps), false, false.copy(), np.zeros(m, np.int64), np.zeros(m, np.int64)
        )
    else:
        found = Rows(
            np.zeros((m, n), np.bool_), np.ones(m), np.ones(m), false, false.copy(), *np.zeros((2, m), np.int64)
        )
        some = np.flatnonzero(by_codes)
        if len(some):
            found.kept[some], found.tv_upper[some], found.kl_upper[some] = _by_codes(
                head, rows[some], [levels[row] for row in some], eps
            )
    found.scored[by_codes] = np.count_nonzero(found.kept[by_codes], axis=-1)
    found.bytes_read[by_codes] = head.codes.nbytes + found.scored[by_codes] * d * head.key.itemsize
    dense = np.flatnonzero(~(by_codes & (found.tv_upper <= eps)))
    if len(dense):
        found.kept[dense], found.tv_upper[dense], found.kl_upper[dense] = _dense(head, rows[dense], eps)
        found.fell_back[dense] = True
        found.scored[dense] += n
        found.bytes_read[dense] += head.key.nbytes
    return found


def largest(head: Head, rows: QueryRows, k: int) -> Rows:
    """Keep the k largest of the keys whose upper bound reaches the k-th largest lower bound; no other can be among
    them.
    """
    m, (n, d) = len(rows.query), head.key.shape
    levels = [level(row, head.codes, head.scale.given) for row in rows.query]
    lower, upper = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
    _pass(head.codes, levels, lower, upper)
    if any(row.reach >= _LARGEST_SCORE for row in levels):  # bounds that say nothing: every key is a candidate
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
    return Rows(
        kept,
        tv_upper,
        kl_upper,
        np.asarray(held.min(axis=-1) >= others.max(axis=-1)),
        np.zeros(m, dtype=np.bool_),
        np.count_nonzero(candidates, axis=-1),
        head.codes.nbytes + np.count_nonzero(candidates, axis=-1) * d * head.key.itemsize,
    )


def _by_codes(head: Head, rows: QueryRows, levels: list[LevelledQuery], eps: float) -> tuple[Bools, Floats, Floats]:
    """(kept, tv_upper, kl_upper); tv_upper may come out above eps, and then the choice was too bold."""
    m, (n, d) = len(rows.query), head.key.shape
    upper = np.empty((m, n), np.float32)
    _pass(head.codes, levels, upper[:0], upper)
    if rows.attended is not None:
        upper[~rows.attended] = -np.inf
    # 2⁻²³ of the largest score for storing in float32, 2d + 16 roundings of the product and the scale in float64.
    radius = head.reach(rows) * (2.0**-23 + (d + 16) * 2.0**-52) + 2.0**-140
    # Kept keys weigh less than their upper bounds, by about the typical width: aim as much below eps.
    width = max(
        float(row.beta) * float(head.codes.rest[:: 1 + n // _SAMPLE].mean()) + float(row.gamma) for row in levels
    )
    aim = eps / (1.0 - eps) * float(np.exp(-min(1.1 * width, 50.0) - 1e-6))
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
    return kept, tv_upper, kl_upper


def _certified(scores: NDArray[Any], kept: Bools) -> tuple[Floats, Floats]:
    """(tv_upper, kl_upper) [m] from scores [m, n] that are lower bounds where kept and upper bounds elsewhere (T23)."""
    sums, empty = tail_and_kept_sums(scores, kept, "fast", "numba", 1)
    return _from_odds(np.where(empty, 0.0, odds(sums)[1]))


def _from_odds(above: Floats) -> tuple[Floats, Floats]:
    """τ = χ/(1 + χ) and ln(1 + χ), rounded up, for χ ≥ Σ_T/Σ_H."""
    with np.errstate(invalid="ignore"):
        tail_mass = up(above / down(1.0 + above))
    return np.where(np.isfinite(tail_mass), np.minimum(tail_mass, 1.0), 1.0) * (above > 0.0), kl_upper_of(above)


def _dense(head: Head, rows: QueryRows, eps: float) -> tuple[Bools, Floats, Floats]:
    """(kept, tv_upper ≤ eps, kl_upper) from scores of all keys: in float32 where that is enough."""
    d = head.key.shape[1]
    radius = head.reach(rows) * ((d + 8) * 2.0**-23) + 2.0**-100 * (d + 8) * (1.0 + head.norm)
    if head.key.dtype == np.float32 and radius.max() < 0.01:
        scaled = (rows.query * head.scale.near).astype(np.float32)
        scores = np.matmul(scaled, head.key.T)
        if rows.attended is not None:
            scores[~rows.attended] = -np.inf
        slack = exp_upper(up(2.0 * radius))
        aim = eps / (1.0 - eps) / float(slack.max()) * (1.0 - 2.0**-20)
        kept = smallest_k_rows(scores, aim / (1.0 + aim), COEFFICIENTS["fast"])[0]
        if rows.attended is not None:
            kept &= rows.attended
        sums, empty = tail_and_kept_sums(scores, kept, "fast", "numba", 1)
        tv_upper, kl_upper = _from_odds(np.where(empty, 0.0, up(odds(sums)[1] * slack)))
        missed = np.flatnonzero(tv_upper > eps)
    else:
        kept, tv_upper, kl_upper = np.zeros((len(radius), len(head.key)), np.bool_), np.ones(len(radius)), radius
        missed = np.arange(len(radius))
    if len(missed):
        again = rows[missed]
        kept[missed], tv_upper[missed], kl_upper[missed] = dense_rows(
            again.query, head.key.astype(np.float64), again.attended, head.scale, eps
        )
    return kept, tv_upper, kl_upper


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


def _sampled_share(codes: QuantizedKeys, levels: list[LevelledQuery], eps: float) -> Floats:
    """The share of keys [m] that a sample of them would keep, by their upper bounds: an estimate."""
    n, length = len(codes.step), _SAMPLE // _RUNS
    starts = np.linspace(0, n - length, _RUNS).astype(np.intp)
    chosen = (starts[:, None] + np.arange(length)).ravel()
    sample = codes._replace(codes=codes.codes[chosen], step=codes.step[chosen], rest=codes.rest[chosen])
    upper = np.empty((len(levels), len(chosen)), np.float32)
    _pass(sample, levels, upper[:0], upper)
    kept = smallest_k_rows(upper, eps, COEFFICIENTS["fast"])[0]
    share: Floats = np.count_nonzero(kept, axis=-1) / len(chosen)
    return share
