"""The fast rigorous pass: enclosures in float64 of every quantity that a claim is about, for a whole block of rows at
once.

Inclusion: each entry of each returned `VectorInterval` contains the true value of its row. A row whose scores could
not be bounded in float64 gets [0, 1] or (−∞, ∞) and so settles nothing here. Cost: some tens of plain NumPy passes
over a block that fits the cache.

How a tail mass is bounded. Tail and kept weights are each scaled by their own largest score m, so that a tiny τ keeps
its relative accuracy: ŵ_i = exp_estimate(fl(s_i − m)). The subtraction errs by at most u·|s_i − m|, hence
ŵ_i = w_i(1 + ε) with a small ε; keys more than 708 down count as 0 below and as 2^−1021 each above. A halving tree
of depth h sums them: another factor within 1 ± γ_h. Scores known only to within a radius δ change each sum by a
factor within [e^−δ, e^δ].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from certify.errors import BadValues
from certify.scores import Bools, Floats
from certify.vector_interval import (
    EXP_DOMAIN,
    EXP_ERROR,
    EXP_TINY,
    VectorInterval,
    exp_estimate,
    exponential,
    growth,
    log1p,
    sum_estimate,
    up,
)

__all__ = ["FirstPass", "ScoreBlock", "dot_scores"]

_QUIET = np.errstate(all="ignore")  # infinities are meant here; every NaN is turned into an infinite bound


@dataclass(frozen=True, eq=False)
class ScoreBlock:
    """Scores [rows, n] float64 with −∞ for masked keys; every true finite score lies within `radius` [rows] of its
    entry. 0 means exact.

    A radius of +∞ marks a row that float64 could not bound; its finite entries are placeholders.
    """

    centre: Floats
    radius: Floats


@_QUIET
def dot_scores(
    query: Floats,
    key: Floats,
    *,
    scale: float | None,
    attended: Bools | None = None,
    bias: Floats | None = None,
    softcap: float | None = None,
) -> ScoreBlock:
    """Scores of query [groups, r, d] and key [groups, n, d], with `attended` and `bias` [groups·r, n], and a rigorous
    radius (T22).

    Products and sums run in this module's own order, one dimension of d at a time; no BLAS is trusted. With S =
    ‖q‖·max‖k‖ ≥ Σ|q_l k_l| and c the real scale, the chain q·k (d roundings a term), ·ĉ (3u for a computed 1/√d, u
    for the product), + bias (u) errs by at most γ_{d+6}·(S·c + |bias|) plus underflow. tanh has slope ≤ 1, so a
    soft-cap adds only the error of its own evaluation.
    """
    groups, r, d = query.shape
    n = key.shape[1]
    factor = float(1.0 / np.sqrt(np.float64(d))) if scale is None else scale
    dots = np.zeros((groups, r, n))
    columns = np.ascontiguousarray(np.swapaxes(key, 1, 2))
    for position in range(d):
        dots += query[:, :, position, None] * columns[:, position, None, :]
    centre: Floats = (dots * factor).reshape(groups * r, n)
    tiny = 4 * d * 2.0**-500  # above √(d·2^−1022): what underflow can hide from a squared norm, or lose in the chain
    size = ((_norms(query) + tiny) * (_norms(key).max(axis=-1, initial=0.0) + tiny)[:, None] * abs(factor)).reshape(
        groups * r
    )
    if bias is not None:
        finite_bias = np.where(bias == -np.inf, 0.0, bias)
        centre = centre + finite_bias
        size = size + np.max(np.abs(finite_bias), axis=-1, initial=0.0)
    radius = size * (up(growth(d + 6)) * (1.0 + 2.0**-40)) + tiny
    if softcap is not None:
        centre, error = _softcapped(centre, softcap)
        radius = np.nextafter(radius + error, np.inf)
    usable = np.isfinite(centre).all(axis=-1) & np.isfinite(radius)
    centre = np.where(usable[:, None], centre, 0.0)
    if bias is not None:
        centre = np.where(bias == -np.inf, -np.inf, centre)
    if attended is not None:
        centre = np.where(attended, centre, -np.inf)
    return ScoreBlock(centre, np.where(usable, radius, np.inf))


def _norms(vectors: Floats) -> Floats:
    """Upper bounds on Euclidean norms over the last axis, underflow apart."""
    squares, depth = sum_estimate(vectors * vectors)
    return VectorInterval.point(squares).widened(up(growth(depth + 1))).sqrt().upper


def _softcapped(x: Floats, cap: float) -> tuple[Floats, Floats]:
    """cap·tanh(x/cap) and, row by row, a bound on the error of this evaluation (the whole width, where half would
    do).
    """
    capped = exponential(VectorInterval.point(np.clip(x, -300.0 * cap, 300.0 * cap)) / cap * 2.0)
    value = (VectorInterval.point(1.0) - VectorInterval.point(2.0) / (capped + 1.0)) * cap
    beyond = np.abs(x) > 300.0 * cap  # there cap·tanh differs from ±cap by less than cap·2^−800
    centre = np.where(beyond, np.sign(x) * cap, 0.5 * value.lower + 0.5 * value.upper)
    error = np.where(beyond, cap * 2.0**-800, value.upper - value.lower)
    return centre, np.nextafter(error.max(axis=-1, initial=0.0), np.inf)


class FirstPass:
    """Enclosures for the rows of one block, each computed when first asked for and kept for the next claim.

    `kept` is [rows, n]; `values`, if any, [groups, n, dv] with rows = groups·r in that order. One object serves one
    block.
    """

    def __init__(self, scores: ScoreBlock, kept: Bools, values: Floats | None = None) -> None:
        self.scores = scores
        self.kept = kept
        self.values = values

    @cached_property
    def _top_scores(self) -> tuple[Floats, Floats]:
        """The largest tail score (−∞ where every tail key is masked) and the largest kept score, by centres."""
        s = self.scores.centre
        return np.max(np.where(self.kept, -np.inf, s), axis=-1), np.max(np.where(self.kept, s, -np.inf), axis=-1)

    @property
    def _weights(self) -> Floats:
        """ŵ [rows, n], each scaled by the largest score of its own side; 0 for masked and for far keys."""
        return self._near[0]

    @cached_property
    @_QUIET
    def _near(self) -> tuple[Floats, Floats]:
        """The weights, and the distance [rows] of the lowest key below its anchor. Keys more than 708 below are far."""
        top_tail, top_kept = self._top_scores
        anchor = np.where(self.kept, top_kept[:, None], np.where(top_tail > -np.inf, top_tail, 0.0)[:, None])
        d = self.scores.centre - anchor
        far = d < -EXP_DOMAIN
        np.copyto(d, 0.0, where=far)
        reach = -np.min(d, axis=-1)
        weights = exp_estimate(d)
        np.copyto(weights, 0.0, where=far)
        return weights, reach

    @cached_property
    def _weight_error(self) -> Floats:
        """e [rows] with |ŵ − w| ≤ e·w for every key that is not far.

        fl(s − m) is off by at most u·|fl(s − m)|, and so a weight by e^x − 1 ≤ x(1 + x) for x = u·(the row's largest
        distance); then comes the exponential's own error. The last factor pays for the products of these and for
        evaluating this line.
        """
        return np.asarray((EXP_ERROR + self._near[1] * 2.0**-53) * (1.0 + 2.0**-30))

    @cached_property
    def _far(self) -> Floats:
        """How many unmasked keys of the row were counted as 0."""
        far: Floats = ((self._weights == 0.0) & (self.scores.centre > -np.inf)).sum(axis=-1).astype(np.float64)
        return far

    def _mass(self, selected: Bools) -> VectorInterval:
        estimate, depth = sum_estimate(np.where(selected, self._weights, 0.0))
        error = (self._weight_error + up(growth(depth))) * (1.0 + 2.0**-30)
        near = VectorInterval.point(estimate).widened(error)
        return near + VectorInterval(np.zeros_like(self._far), self._far * EXP_TINY)

    @property
    def _known(self) -> Bools:
        return np.isfinite(self.scores.radius)

    @property
    def _lossless(self) -> Bools:
        """Rows whose tail is wholly masked: τ = 0 exactly, whatever the radius."""
        return np.asarray(self._top_scores[0] == -np.inf)

    def _zero_where_lossless(self, quantity: VectorInterval) -> VectorInterval:
        """A quantity that is 0 without a tail is exactly that: outward steps from 0 would leave a claim of 0 open."""
        return quantity.where(~self._lossless, VectorInterval.point(np.zeros_like(quantity.upper)))

    @cached_property
    @_QUIET
    def _odds(self) -> tuple[VectorInterval, Bools]:
        """The smaller-topped side's mass over the other's, and where that side is the tail. The distance between the
        tops is at most 0.
        """
        top_tail, top_kept = self._top_scores
        tail_below = top_tail <= top_kept
        tail, held = self._mass(~self.kept), self._mass(self.kept)
        distance = VectorInterval.point(np.minimum(top_tail, top_kept)) - np.maximum(top_tail, top_kept)
        shift = np.nextafter(2.0 * self.scores.radius, np.inf)
        odds = (tail / held).where(tail_below, held / tail) * exponential(distance)
        moved = odds * VectorInterval(
            exponential(VectorInterval.point(-shift)).lower, exponential(VectorInterval.point(shift)).upper
        )
        odds = moved.where(self.scores.radius > 0, odds).clipped(0.0, np.inf)
        odds = odds.where(self._known, VectorInterval(np.zeros_like(shift), np.full_like(shift, np.inf)))
        return self._zero_where_lossless(odds), tail_below

    @cached_property
    @_QUIET
    def tail_mass(self) -> VectorInterval:
        """τ (T1): x/(1 + x) with x = T/H, or 1/(1 + y) with y = H/T, whichever quotient is the small one. Monotone,
        so taken end by end.
        """
        odds, tail_below = self._odds
        other = VectorInterval(_one_over_one_plus(odds.upper).lower, _one_over_one_plus(odds.lower).upper)
        own = VectorInterval(_over_one_plus(odds.lower).lower, _over_one_plus(odds.upper).upper)
        return self._zero_where_lossless(own.where(tail_below, other).clipped(0.0, 1.0))

    @cached_property
    @_QUIET
    def kl(self) -> VectorInterval:
        """KL(P̂‖P) = ln(1 + T/H) in nats (T2). Where H/T may be 0 in float64 the interval is [0, ∞]."""
        odds, tail_below = self._odds
        ratio = odds.where(tail_below, (VectorInterval.point(1.0) / odds).clipped(0.0, np.inf))
        return self._zero_where_lossless(log1p(ratio))

    @cached_property
    @_QUIET
    def output_error(self) -> VectorInterval:
        """‖o − ô‖₂ = τ‖μ_T − μ_H‖₂ (T10), in the values' unit.

        One signed sum a dimension: Σ ρ_i v_i, ρ_i = w_i/T on the tail and −w_i/H on the kept keys, so that Σ|ρ_i| =
        2. With e the weight error,
            ŵ_i  e;  the mass it is divided by  e + γ_h;  reciprocal and product  2u;  product with v  u;  the tree
            γ_h:
        2e + 2γ_h + 3u, and 8u covers the products of these too. So the sum errs by at most 2·(2e + 2γ_h + 8u)·max|v|.
        Far keys, counted as 0, move the two means by at most 4n·2^−1021·max|v| (which covers underflow in ρ), scores
        off by δ by at most 2δ·max|v| (TV ≤ tanh(δ/2), T22).
        """
        if self.values is None:
            raise BadValues("an output error needs values, and this block has none")
        groups, n, width = self.values.shape
        tail, _ = sum_estimate(np.where(self.kept, 0.0, self._weights))
        held, depth = sum_estimate(np.where(self.kept, self._weights, 0.0))
        inverse_tail = np.where(tail > 0, 1.0 / tail, 0.0)[:, None]
        shares = (self._weights * np.where(self.kept, -(1.0 / held)[:, None], inverse_tail)).reshape(groups, -1, n)
        columns = np.ascontiguousarray(np.swapaxes(self.values, 1, 2))
        largest = np.abs(columns).max(axis=-1)
        relative = 2.0 * self._weight_error + up(2 * growth(depth) + growth(8))
        # The products and sums on this line and below err by less than 2^−50, relatively: the last factor pays for
        # them.
        drift = (2.0 * relative + 8.0 * n * EXP_TINY + 2.0 * self.scores.radius) * (1.0 + 2.0**-40)
        squares = VectorInterval.point(np.zeros(len(drift)))
        for column in range(width):
            estimate, _ = sum_estimate(shares * columns[:, column, None, :])
            scale = np.broadcast_to(largest[:, column, None], estimate.shape).reshape(-1)
            estimate = estimate.reshape(-1)
            slack = drift * scale * (1.0 + 2.0**-40) + n * 2.0**-1070
            slack = np.where(np.isfinite(estimate), slack, np.inf)  # an overflow says nothing about this dimension
            squares = squares + (VectorInterval.point(estimate) + VectorInterval(-slack, slack)).square()
        error = (self.tail_mass * squares.sqrt()).clipped(0.0, np.inf)
        return self._zero_where_lossless(error)

    @cached_property
    @_QUIET
    def gap(self) -> VectorInterval:
        """Least kept score less largest tail score (T21); +∞ where the tail is wholly masked. Its sign is exact where
        the scores are.
        """
        s = self.scores.centre
        least = np.min(np.where(self.kept, s, np.inf), axis=-1)
        most = self._top_scores[0]
        gap = VectorInterval.point(least) - most
        exact = VectorInterval(
            np.where(least >= most, np.maximum(gap.lower, 0.0), gap.lower),
            np.where(least <= most, np.minimum(gap.upper, 0.0), gap.upper),
        )
        slack = 2.0 * self.scores.radius
        gap = exact.where(self.scores.radius == 0, gap + VectorInterval(-slack, slack))
        gap = gap.where(least > -np.inf, VectorInterval.point(np.full_like(least, -np.inf)))
        return gap.where(~self._lossless, VectorInterval.point(np.full_like(least, np.inf)))

    @_QUIET
    def of_top(self, k: NDArray[np.intp]) -> FirstPass:
        """The pass over the same rows with their true top-k kept instead, k [rows] ≥ 1; keys are reordered, so values
        are left behind.

        Order statistics are monotone in the scores, so the sorted entries stay within the same radius of the sorted
        true scores.
        """
        ordered = -np.sort(-self.scores.centre, axis=-1)
        return FirstPass(ScoreBlock(ordered, self.scores.radius), np.arange(ordered.shape[-1]) < k[:, None])


def _over_one_plus(x: Floats) -> VectorInterval:
    """x/(1 + x) for x ≥ 0; 1 at +∞."""
    finite = VectorInterval.point(np.where(x < np.inf, x, 1.0))
    return (finite / (finite + 1.0)).clipped(0.0, 1.0).where(x < np.inf, VectorInterval.point(np.ones_like(x)))


def _one_over_one_plus(y: Floats) -> VectorInterval:
    """1/(1 + y) for y ≥ 0; 0 at +∞."""
    return (
        (VectorInterval.point(1.0) / (VectorInterval.point(y) + 1.0))
        .clipped(0.0, 1.0)
        .where(y < np.inf, VectorInterval.point(np.zeros_like(y)))
    )
