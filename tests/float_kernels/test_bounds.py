"""T6 to T9: above the true tail mass, above their own real value, attained by their witnesses, and hardly wider."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import float_kernels
from certify import enclosures
from float_kernels import OutOfRangeError, ShapeError

from . import oracle
from .adversarial_rows import Row, rows

TIGHT = 2.0**-38


def share(tail: arb, kept: arb) -> arb:
    return tail / (tail + kept)


def is_tight_upper(bound: Any, value: arb) -> bool:
    """bound ≥ value, exceeding it by a relative TIGHT at most, or by 2⁻⁹⁰⁰."""
    excess = arb(float(bound)) - value
    return (bool(excess >= 0) or float(bound) == 1.0) and bool(excess <= value * TIGHT + arb(2) ** -900)


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 2000), st.integers(1, 1000), st.integers(0, 100000), st.floats(-1e6, 1e6))
def test_gap_bound_is_its_formula_rounded_up(gap: float, k: int, dropped: int, level: float) -> None:
    high = level + gap
    bound = float_kernels.gap_bound(high, level, k + dropped, k)
    with oracle.precision():
        tail = dropped * (arb(level) - arb(high)).exp()
        assert is_tight_upper(bound, share(tail, arb(k))), (high.hex(), level.hex(), k, dropped)


@settings(max_examples=80, deadline=None)
@given(rows(), st.data())
def test_gap_and_multi_gap_bounds_hold(row: Row, data: st.DataObject) -> None:
    attended = np.sort(row.scores[row.scores > -np.inf].astype(np.float64))[::-1]
    n = attended.size
    assume(n >= 2 and abs(attended).max() < 1e300)
    k = data.draw(st.integers(1, n - 1))
    known = data.draw(st.integers(k, n))
    kept = np.arange(n) < k
    with oracle.precision():
        tau = oracle.tail_mass(attended, kept)
        gap = float_kernels.gap_bound(attended[k - 1], attended[k], n, k)
        multi = float_kernels.multi_gap_bound(attended[:known], k, n)
        for bound in (gap, multi):
            assert oracle.encloses(0.0, bound, tau, largest=1.0), (str(attended), k, known)
        if known == n:
            assert is_tight_upper(multi, tau)


def test_multi_gap_with_a_smaller_bound_on_the_rest() -> None:
    top = np.array([[3.0, 2.0, 1.0], [500.0, -10.0, -20.0]])
    bound = float_kernels.multi_gap_bound(top, 1, 10, unknown_upper=np.array([0.5, -90.0]))
    for row, rest in enumerate((0.5, -90.0)):
        value = enclosures.multi_gap_bound(top[row], k=1, n=10, unseen_upper=rest, bits=256)
        assert value.upper <= bound[row] <= value.upper * (1 + TIGHT)


def test_two_levels_attain_the_gap_bound() -> None:
    scores = np.array([2.0] * 3 + [0.5] * 7)
    lower, _ = float_kernels.tail_mass(scores, np.arange(10) < 3, grade="exact")
    assert lower <= float_kernels.gap_bound(2.0, 0.5, 10, 3) <= lower * (1 + 2 * TIGHT)


def blocks_of(row: Row, labels: np.ndarray) -> tuple[np.ndarray, ...]:
    """(kept counts, tail counts, lower, upper, and the tail scores of every block) of the attended keys."""
    scores = row.scores.astype(np.float64)
    inside = [(labels == label) & (scores > -np.inf) for label in np.unique(labels)]
    inside = [mask for mask in inside if mask.any()]
    kept = np.array([np.count_nonzero(mask & row.kept) for mask in inside])
    tail = np.array([np.count_nonzero(mask & ~row.kept) for mask in inside])
    low, high = (np.array([f(scores[mask]) for mask in inside]) for f in (np.min, np.max))
    return kept, tail, low, high, [scores[mask & ~row.kept] for mask in inside]


@settings(max_examples=100, deadline=None)
@given(rows(), st.integers(1, 6), st.randoms(use_true_random=False))
def test_block_bounds_hold_and_agree_with_the_auditor(row: Row, blocks: int, random: Any) -> None:
    assume(np.abs(row.scores[row.scores > -np.inf].astype(np.float64)).max() < 1e300)
    labels = np.array([random.randrange(blocks) for _ in row.scores])
    kept, tail, low, high, _ = blocks_of(row, labels)
    lower, upper = float_kernels.block_bound(kept, tail, low, high)
    with oracle.precision():
        assert oracle.encloses(lower, upper, oracle.tail_mass(row.scores, row.kept), largest=1.0)
        t = oracle.total([int(t) * (arb(u) - arb(high.max())).exp() for t, u in zip(tail, high, strict=True)])
        h = oracle.total([int(h) * (arb(s) - arb(high.max())).exp() for h, s in zip(kept, low, strict=True)])
        if h > 0 and share(t, h) > arb(2) ** -900 and h / t > arb(2) ** -900:
            assert is_tight_upper(upper, share(t, h))
    if row.scores.size <= 12:
        pair = enclosures.block_bound(row.scores, row.kept, labels, bits=128)
        assert lower == 0.0 or lower <= pair.lower.upper
        assert pair.upper.lower <= upper


@settings(max_examples=100, deadline=None)
@given(rows(), st.integers(1, 4), st.booleans(), st.randoms(use_true_random=False))
def test_block_moment_bounds_hold(row: Row, blocks: int, with_variance: bool, random: Any) -> None:
    """Mean and variance rounded up before: the bound grows with both, and the mean's error is far below the spread."""
    assume(np.abs(row.scores[row.scores > -np.inf].astype(np.float64)).max() < 1e100)
    labels = np.array([random.randrange(blocks) for _ in row.scores])
    kept, tail, low, high, scores = blocks_of(row, labels)
    mean = np.zeros(tail.size)
    mean_low = np.zeros(tail.size)
    variance = np.zeros(tail.size)
    with oracle.precision():
        for index, inside in enumerate(scores):
            if inside.size:
                exact = oracle.total(oracle.balls(inside)) / inside.size
                mean[index] = min(np.nextafter(float(exact.mid()), np.inf), high[index])
                mean_low[index] = max(np.nextafter(float(exact.mid()), -np.inf), low[index])
                spread = oracle.total([(s - exact) ** 2 for s in oracle.balls(inside)]) / inside.size
                variance[index] = np.nextafter(float(spread.mid()), np.inf)
        moments = (mean, variance) if with_variance else (mean,)
        upper = float_kernels.block_moment_bound(kept, tail, low, high, *moments)[1]
        lower = float_kernels.block_moment_bound(kept, tail, low, high, mean_low)[0]
        tau = oracle.tail_mass(row.scores, row.kept)
        assert oracle.encloses(lower, upper, tau, largest=1.0), (row, labels, mean, variance)
        assert upper <= float_kernels.block_bound(kept, tail, low, high)[1] * (1 + TIGHT)


def test_moments_sharpen_blocks() -> None:
    kept, tail, low, high = [1, 0], [0, 8], [4.0, -4.0], [4.0, 2.0]
    plain = float_kernels.block_bound(kept, tail, low, high)[1]
    chord = float_kernels.block_moment_bound(kept, tail, low, high, [4.0, -3.0])[1]
    bennett = float_kernels.block_moment_bound(kept, tail, low, high, [4.0, -3.0], [0.0, 0.01])[1]
    assert bennett < chord < plain


def test_multiplicity_counts() -> None:
    """e^u once per block instead of once per key would be below the true tail mass."""
    _, upper = float_kernels.block_bound([1, 0], [0, 1000], [0.0, 0.0], [0.0, 0.0])
    assert 1000 / 1001 <= upper < 1000 / 1001 * (1 + TIGHT)


def test_extremes_of_float64() -> None:
    """Widths that overflow and blocks of masked keys: e^u for every key, or nothing at all."""
    upper = float_kernels.block_moment_bound([1, 0], [0, 3], [0.0, -1.7e308], [0.0, 1.7e308], [0.0, 0.0])[1]
    assert upper == 1.0
    lower, upper = float_kernels.block_bound([1, 0], [0, 3], [0.0, -np.inf], [0.0, -1.0])
    assert (lower, upper <= 3 / np.e / (1 + 3 / np.e) * (1 + TIGHT)) == (0.0, True)
    assert float_kernels.block_bound([2], [0], [0.0], [1.0]) == (0.0, 0.0)


def test_bad_input_is_named() -> None:
    with pytest.raises(OutOfRangeError, match="tail_max exceeds kept_min"):
        float_kernels.gap_bound(0.0, 1.0, 3, 1)
    with pytest.raises(OutOfRangeError, match="k is 0"):
        float_kernels.gap_bound(1.0, 0.0, 3, 0)
    with pytest.raises(OutOfRangeError, match="NaN"):
        float_kernels.gap_bound(np.nan, 0.0, 3, 1)
    with pytest.raises(OutOfRangeError, match="k = 3, M = 2"):
        float_kernels.multi_gap_bound([1.0, 0.0], 3, 5)
    with pytest.raises(OutOfRangeError, match="whole numbers"):
        float_kernels.block_bound([0.5], [1], [0.0], [1.0])
    with pytest.raises(OutOfRangeError, match="block_lower exceeds"):
        float_kernels.block_bound([1], [1], [1.0], [0.0])
    with pytest.raises(OutOfRangeError, match="keeps no key"):
        float_kernels.block_bound([0], [1], [0.0], [1.0])
    with pytest.raises(OutOfRangeError, match="tail_mean lies outside"):
        float_kernels.block_moment_bound([1], [1], [0.0], [1.0], [2.0])
    with pytest.raises(OutOfRangeError, match="tail_variance is negative"):
        float_kernels.block_moment_bound([1], [1], [0.0], [1.0], [0.5], [-1.0])
    with pytest.raises(OutOfRangeError, match="nothing in it is attended"):
        float_kernels.block_bound([1], [1], [-np.inf], [-np.inf])
    with pytest.raises(ShapeError, match="blocks need an axis"):
        float_kernels.block_bound(1, 1, 0.0, 1.0)
