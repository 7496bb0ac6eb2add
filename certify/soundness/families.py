"""Families of hostile rows: each draws a whole batch from a seed, and each is named for the trap that it sets.

A family gives scores [rows, n] as float64 (rounded to the asked format afterwards) or already in that format, and
kept sets where the trap needs them; otherwise kept sets of every kind are drawn. `witness` is the theorem whose bound
the family attains, or whose rounding it strains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from certify.scores import Bools, Floats
from certify.soundness.float_formats import FORMATS, FloatFormat, exactly
from certify.soundness.kept_sets import any_kept, descending_ranks, top_kept, with_weight
from certify.soundness.question import Question, RowBatch
from certify.soundness.value_sets import draw_values

__all__ = ["FAMILIES", "Draft", "Family", "draw_batch", "family_named"]

LN2 = log(2)


@dataclass(frozen=True)
class Draft:
    """What a family works with: how many rows of how many keys, in which format, and its random numbers."""

    rows: int
    n: int
    format: FloatFormat
    rng: Generator

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.n

    def column(self, low: float, high: float) -> Floats:
        """One uniform number a row, [rows, 1]."""
        return np.asarray(self.rng.uniform(low, high, size=(self.rows, 1)))

    def power(self, low: float, high: float) -> Floats:
        """One number a row, uniform in its logarithm: 2^low … 2^high, [rows, 1]."""
        return np.asarray(2.0 ** self.column(low, high))

    def normal(self) -> Floats:
        return np.asarray(self.rng.normal(size=self.shape))

    def split(self) -> Bools:
        """A random set of keys, neither empty nor (for n > 1) all of them."""
        size = self.rng.integers(1, max(2, self.n), size=(self.rows, 1))
        return np.asarray(np.argsort(self.rng.random(self.shape), axis=-1) < size)

    def either(self, first: Any, second: Any) -> Floats:
        """Row by row one of the two."""
        return np.asarray(np.where(self.rng.random((self.rows, 1)) < 0.5, first, second))


Drawn = tuple[NDArray[Any], Bools | None]


@dataclass(frozen=True)
class Family:
    """A named trap: `draw` gives scores, and kept sets or None."""

    name: str
    witness: str
    draw: Callable[[Draft], Drawn]

    @property
    def summary(self) -> str:
        return " ".join((self.draw.__doc__ or "").split())


_registered: list[Family] = []


def _family(name: str, witness: str) -> Callable[[Callable[[Draft], Drawn]], Callable[[Draft], Drawn]]:
    def register(draw: Callable[[Draft], Drawn]) -> Callable[[Draft], Drawn]:
        _registered.append(Family(name, witness, draw))
        return draw

    return register


@_family("whole numbers", "T1")
def whole_numbers(draft: Draft) -> Drawn:
    """Small whole scores: rows that a person can check."""
    return draft.rng.integers(-8, 9, size=draft.shape).astype(np.float64), None


@_family("Gaussian", "T16")
def gaussian(draft: Draft) -> Drawn:
    """Independent normal scores of any spread around any centre."""
    return draft.either(0.0, draft.column(-100, 100)) + draft.power(-6, 6) * draft.normal(), None


@_family("ties", "T24")
def ties(draft: Draft) -> Drawn:
    """One to three distinct scores a row: equal weights whose exponentials all round the same way."""
    levels = draft.column(-20, 20) + draft.power(-4, 3) * draft.rng.normal(size=(draft.rows, 3))
    chosen = np.floor(draft.rng.random(draft.shape) * draft.rng.integers(1, 4, size=(draft.rows, 1)))
    return np.take_along_axis(levels, chosen.astype(np.intp), axis=1), None


@_family("near ties", "T21")
def near_ties(draft: Draft) -> Drawn:
    """Scores at most two units in the last place from a common one."""
    common = draft.format.rounded(np.broadcast_to(draft.column(-1, 1) * draft.power(-8, 8), draft.shape))
    return draft.format.stepped(common, draft.rng.integers(-2, 3, size=draft.shape)), None


@_family("geometric", "T7")
def geometric(draft: Draft) -> Drawn:
    """Scores in arithmetic progression, rising or falling: weights that are a geometric row."""
    step = draft.power(-8, 6)
    ladder = np.arange(draft.n) * draft.either(step, -step)
    return ladder + draft.either(0.0, draft.column(-50, 50)), None


@_family("two levels", "T6")
def two_levels(draft: Draft) -> Drawn:
    """k keys on one level, all others a gap below: the single-gap bound is attained."""
    kept = draft.split()
    gap = draft.either(draft.column(0, 4), draft.column(0, 2 * draft.format.digits * LN2))
    return np.where(kept, gap, 0.0) + draft.either(0.0, draft.column(-30, 30)), kept


@_family("gaps, rest equal", "T7")
def gaps_rest_equal(draft: Draft) -> Drawn:
    """The top M scores are free, all others equal the M-th: the multi-gap bound is attained."""
    ordered = -np.sort(-draft.power(-2, 4) * draft.normal(), axis=-1)
    m = draft.rng.integers(1, draft.n + 1, size=(draft.rows, 1))
    rest = np.take_along_axis(ordered, m - 1, axis=1)
    kept = np.arange(draft.n) < draft.rng.integers(1, m + 1)
    return np.where(np.arange(draft.n) < m, ordered, rest), kept


@_family("block ends", "T8")
def block_ends(draft: Draft) -> Drawn:
    """Blocks of keys with kept keys on one end of the block's range and the others on the other: the blockwise bounds
    are attained.
    """
    blocks = min(draft.n, 4)
    low = draft.power(-2, 4) * draft.rng.normal(size=(draft.rows, blocks))
    high = low + draft.power(-3, 3)
    block = draft.rng.integers(0, blocks, size=draft.shape)
    kept = draft.split()
    at_low = np.where(draft.rng.random((draft.rows, 1)) < 0.5, kept, ~kept)
    return np.where(at_low, np.take_along_axis(low, block, axis=1), np.take_along_axis(high, block, axis=1)), kept


@_family("block moments", "T9")
def block_moments(draft: Draft) -> Drawn:
    """One key kept, all others on one of two points: the bounds from a block's mean and variance are attained."""
    low, width = draft.power(-2, 4) * draft.rng.normal(size=(draft.rows, 1)), draft.power(-3, 4)
    scores = np.where(draft.rng.random(draft.shape) < draft.column(0, 1), low, low + width)
    kept = np.broadcast_to(np.arange(draft.n) == 0, draft.shape)
    scores[:, :1] = low + draft.power(-3, 4)
    return scores, kept


@_family("two keys", "T22")
def two_keys(draft: Draft) -> Drawn:
    """Odds e^{±δ}: kept keys at +δ, the others at −δ, or the reverse; the sharp case of a score perturbation."""
    delta = draft.power(-20, 5)
    kept = draft.split()
    return np.where(kept, draft.either(delta, -delta), 0.0) * 2.0 - delta, kept


@_family("denormal weights", "T23")
def denormal_weights(draft: Draft) -> Drawn:
    """A few keys at 0, the others so low that their weights are subnormal, or vanish, in the format."""
    low = draft.rng.uniform(draft.format.log_subnormal - 2, draft.format.log_normal + 2, size=draft.shape)
    return np.where(draft.split(), low, 0.0), None


@_family("range edges", "T23")
def range_edges(draft: Draft) -> Drawn:
    """Scores around which exponentials overflow, turn subnormal or vanish, in the format or in float32 or float64."""
    own = (draft.format, FORMATS["float32"], FORMATS["float64"])
    edges = np.array([0.0, *(x for form in own for x in (form.log_largest, form.log_normal, form.log_subnormal))])
    chosen = edges[draft.rng.integers(0, len(edges), size=draft.shape)]
    near = draft.format.rounded(chosen + draft.either(0.0, draft.rng.uniform(-1, 1, size=draft.shape)))
    return draft.format.stepped(near, draft.rng.integers(-3, 4, size=draft.shape)), None


@_family("reduction edges", "T23")
def reduction_edges(draft: Draft) -> Drawn:
    """Scores next to multiples of ½·ln 2, the ends of the range that exponentials reduce their argument to."""
    multiples = draft.rng.integers(-60, 61, size=draft.shape) * (LN2 / 2)
    return draft.format.stepped(draft.format.rounded(multiples), draft.rng.integers(-2, 3, size=draft.shape)), None


@_family("huge shifts", "T23")
def huge_shifts(draft: Draft) -> Drawn:
    """All scores far from 0, close together or a few units in the last place apart."""
    exponent = np.minimum(draft.column(4, 4 + 3 * draft.format.digits), np.log2(draft.format.largest) - 1)
    far = 2.0**exponent * draft.either(1.0, -1.0)
    near = draft.format.rounded(far + draft.either(0.0, draft.power(-2, 3) * draft.normal()))
    return draft.format.stepped(near, draft.rng.integers(-4, 5, size=draft.shape)), None


@_family("masks", "T1")
def masks(draft: Draft) -> Drawn:
    """Masked keys (−∞) of any number, in kept sets and out of them, up to all but one key."""
    scores = draft.power(-2, 4) * draft.normal()
    hidden = draft.rng.random(draft.shape) < draft.column(0, 1.2)
    hidden &= np.arange(draft.n) != draft.rng.integers(0, draft.n, size=(draft.rows, 1))
    return np.where(hidden, -np.inf, scores), None


@_family("cancellation", "T1")
def cancellation(draft: Draft) -> Drawn:
    """A tail mass of a few units in the last place of 1: 1 − Σp keeps no digit of it."""
    kept = draft.split()
    depth = draft.column(draft.format.digits - 6, draft.format.digits + 6) * LN2
    return np.where(kept, draft.normal() * draft.either(0.0, 1.0), -depth), kept


@_family("one-way sums", "T23")
def one_way_sums(draft: Draft) -> Drawn:
    """One weight 1 and many equal ones next to half a unit in its last place: each addition loses, or gains, the
    same.
    """
    half_unit = -draft.format.digits * LN2
    share = half_unit + np.log(draft.column(0.5, 1.5)) + draft.rng.integers(0, 4, size=(draft.rows, 1)) * LN2
    first = np.broadcast_to(np.arange(draft.n) == 0, draft.shape)
    kept = np.where(draft.rng.random((draft.rows, 1)) < 0.5, first, draft.split())
    return np.where(first, 0.0, share), kept


@_family("log-sum-exp", "T5")
def log_sum_exp(draft: Draft) -> Drawn:
    """Large scores and a small tail: the log-sum-exp of the kept keys and of all cancel in τ = 1 − exp(lse_H −
    lse_all).
    """
    kept = draft.split()
    drop = draft.column(0, draft.format.digits * LN2)
    return draft.power(3, 12) * draft.either(1.0, -1.0) + np.where(kept, draft.normal(), -drop), kept


@_family("extreme scores", "T24")
def extreme_scores(draft: Draft) -> Drawn:
    """The largest, the smallest and the ordinary numbers of the format side by side, zeros of both signs among them."""
    largest = draft.format.largest
    smallest = 2.0 ** (draft.format.least_exponent - draft.format.digits + 1)
    numbers = np.array([largest, -largest, smallest, -smallest, 0.0, -0.0, 1.0, -1.0])
    usual = draft.rng.integers(2, len(numbers), size=draft.shape)
    anything = draft.rng.integers(0, len(numbers), size=draft.shape)
    return numbers[np.where(draft.rng.random((draft.rows, 1)) < 0.5, usual, anything)], None


@_family("wide spread", "T23")
def wide_spread(draft: Draft) -> Drawn:
    """Scores hundreds of nats apart around any centre: weights that vanish beside weights that count, in rows whose
    maximum has to be subtracted and in rows where it need not be.
    """
    return draft.either(0.0, draft.column(-700, 700)) + draft.power(3, 10) * draft.normal(), None


@_family("far levels", "T23")
def far_levels(draft: Draft) -> Drawn:
    """Kept keys on one level, the others on one up to 720 below or above: all of a side errs alike, and as much as a
    subtraction and a long argument can err.
    """
    kept = draft.split()
    level, gap = draft.column(-700, 700), draft.column(0, 720)
    return np.where(kept, level, level - draft.either(gap, -gap)), kept


@_family("middling shifts", "T23")
def middling_shifts(draft: Draft) -> Drawn:
    """All scores around ±2⁴ to ±2¹¹: exponentials that still exist, with arguments as inexact as they come."""
    far = draft.power(4, 11) * draft.either(1.0, -1.0)
    return far + draft.either(draft.power(-4, 3), draft.power(3, 6)) * draft.normal(), None


FAMILIES: tuple[Family, ...] = tuple(_registered)
_BY_NAME = {family.name: family for family in FAMILIES}


def family_named(name: str) -> Family:
    """The family of that name. Raises KeyError."""
    return _BY_NAME[name]


def draw_batch(family: Family, question: Question, rows: int, n: int, seed: int) -> RowBatch:
    """`rows` valid rows of n keys, the same for the same arguments."""
    rng = np.random.default_rng([seed, n, rows])
    drawn, kept = family.draw(Draft(rows, n, question.format, rng))
    scores = question.format.rounded(drawn)
    exact = exactly(scores)
    if question.kept == "top_k":
        kept = top_kept(exact, rng) if kept is None else descending_ranks(exact) < kept.sum(axis=-1, keepdims=True)
    else:
        kept = any_kept(exact, rng) if kept is None else with_weight(exact, kept)
    if not question.values:
        return RowBatch(scores, kept)
    values = draw_values(exact, kept, question.values, question.dtype, rng)
    return RowBatch(scores, kept, question.format.rounded(values))
