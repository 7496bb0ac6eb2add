"""T6 and T7: values against Arb, that they bound, that witnesses attain them, and that near-miss formulas do not."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb

from certify import enclosures
from certify.errors import BadInput, BadKept
from tests.certify import arb_truth
from tests.certify.adversarial_rows import ROWS
from tests.certify.arb_truth import encloses, end, is_tight, number, weight

RANDOM = np.random.default_rng(6)
BITS = (40, 128, 300)


def single_gap(gap: arb, k: int, n: int) -> arb:
    rest = (n - k) * (-gap).exp()
    return rest / (k + rest)


@pytest.mark.parametrize("bits", BITS)
def test_gap_bound(bits: int) -> None:
    for gap in (0.0, 5e-324, 0.3, 17.25, 1e5, -2.0):
        for k, n in ((1, 1), (1, 2), (3, 1000), (7, 7), (5, 10**9)):
            found = enclosures.gap_bound(gap, k=k, n=n, bits=bits)
            assert encloses(found, single_gap(number(gap), k, n))
            assert is_tight(found, bits - 20)


def top_of(scores: np.ndarray, k: int) -> np.ndarray:
    mask = np.zeros(len(scores), dtype=bool)
    mask[np.argsort(-scores, kind="stable")[:k]] = True
    return mask


@pytest.mark.parametrize("seed", range(12))
def test_gaps_bound_the_tail_of_a_true_top_k(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    scores = rng.normal(0, rng.choice([0.01, 1.0, 30.0]), n).round(int(rng.integers(0, 6)))
    for k in range(1, n):
        kept = top_of(scores, k)
        tau = arb_truth.tail_mass(scores, kept)
        ordered = -np.sort(-scores)
        gap = enclosures.gap_of(scores, kept)
        assert encloses(gap, number(float(ordered[k - 1])) - number(float(ordered[k])))
        single = enclosures.gap_bound(gap, k=k, n=n)
        assert not end(single.upper) < tau
        previous = single
        for known in range(k + 1, n + 1):
            multi = enclosures.multi_gap_bound(ordered[:known], k=k, n=n)
            assert not end(multi.upper) < tau
            assert not end(multi.lower) > end(previous.upper)  # knowing more never hurts
            previous = multi
        assert encloses(previous, tau)  # all scores known: the bound is τ


@pytest.mark.parametrize(("gap", "k", "n"), [(0.0, 2, 5), (1.5, 1, 9), (30.0, 4, 5)])
def test_two_levels_attain_the_single_gap(gap: float, k: int, n: int) -> None:
    scores = np.array([gap] * k + [0.0] * (n - k))
    assert encloses(enclosures.gap_bound(gap, k=k, n=n), arb_truth.tail_mass(scores, np.arange(n) < k))


def test_a_slightly_smaller_single_gap_bound_is_broken_by_the_witness() -> None:
    """n − k − 1 in place of n − k is refuted by the two-level row: the constant is the best."""
    tau = arb_truth.tail_mass([2.0, 0.0, 0.0, 0.0], np.array([True, False, False, False]))
    assert single_gap(arb(2), 1, 3) < tau
    assert not encloses(enclosures.gap_bound(2.0, k=1, n=3), tau)


@pytest.mark.parametrize("bits", BITS)
def test_multi_gap_bound(bits: int) -> None:
    known = [3.0, 3.0, 1.25, -0.5, -0.75]
    for k, n, unseen in ((1, 5, None), (2, 9, None), (3, 2000, -0.75), (2, 50, -1e5), (5, 6, -np.inf)):
        weights = [weight(x) for x in known]
        rest = (n - len(known)) * weight(known[-1] if unseen is None else unseen)
        tail = arb_truth.total(weights[k:]) + rest
        found = enclosures.multi_gap_bound(known, k=k, n=n, unseen_upper=unseen, bits=bits)
        assert encloses(found, tail / (tail + arb_truth.total(weights[:k])))
        assert is_tight(found, bits - 20)


def test_equal_unseen_scores_attain_the_multi_gap_bound() -> None:
    known, k, n, unseen = [2.0, 1.0, 0.5], 2, 8, 0.25
    scores = np.array(known + [unseen] * (n - len(known)))
    found = enclosures.multi_gap_bound(known, k=k, n=n, unseen_upper=unseen)
    assert encloses(found, arb_truth.tail_mass(scores, np.arange(n) < k))


def test_multi_gap_with_one_known_tail_score_is_the_single_gap() -> None:
    """Two known levels only: T7 from (s_(k), …, s_(k), s_(k+1)) is T6."""
    found = enclosures.multi_gap_bound([1.5, 1.5, 0.25], k=2, n=10)
    assert encloses(found, single_gap(arb(1.25), 2, 10))


def test_forgetting_the_unseen_keys_is_another_number() -> None:
    """Each of the n − M unseen keys counts: once in all is unsound on equal scores."""
    scores = np.array([2.0] + [0.0] * 9)
    tau = arb_truth.tail_mass(scores, np.arange(10) < 1)
    forgotten = 2 * weight(0.0) / (2 * weight(0.0) + weight(2.0))
    assert forgotten < tau
    assert encloses(enclosures.multi_gap_bound([2.0, 0.0], k=1, n=10), tau)


def test_the_gap_bound_does_not_hold_off_the_top_k() -> None:
    """scores (0, 5), kept {0}: the distance of the two largest is a bound for the top-1 alone, so `gap_of` refuses the set."""
    scores, kept = np.array([0.0, 5.0]), np.array([True, False])
    assert single_gap(arb(5), 1, 2) < arb_truth.tail_mass(scores, kept)
    with pytest.raises(BadKept, match="not a top-k"):
        enclosures.gap_of(scores, kept)


@pytest.mark.parametrize("eps", [0.01, 0.5, Fraction(1, 3), 1e-300, 0.75])
def test_sufficient_gap(eps: float | Fraction) -> None:
    for k, n in ((1, 2), (1, 4), (64, 4096)):
        found = enclosures.sufficient_gap(eps, k=k, n=n, bits=200)
        exact = Fraction(eps)
        truth = number((n - k) * (1 - exact) / (k * exact)).log()
        assert encloses(found, truth)
        assert end(found.upper) - end(found.lower) <= arb((1, -170))
        assert encloses(enclosures.gap_bound(found, k=k, n=n, bits=200), number(exact))


def test_no_gap_where_no_weight_is_left() -> None:
    for name in ("tail wholly masked", "all kept", "one key"):
        with pytest.raises(BadKept, match="no unmasked key is left"):
            enclosures.gap_of(*ROWS[name])


def test_bad_input() -> None:
    for k in (0, 4):
        with pytest.raises(BadInput, match=r"outside 1\.\.n"):
            enclosures.gap_bound(1.0, k=k, n=3)
    for eps in (0.0, 1.0, float("nan"), -0.1):
        with pytest.raises(BadInput, match="outside"):
            enclosures.sufficient_gap(eps, k=1, n=3)
    with pytest.raises(BadInput, match="every gap suffices"):
        enclosures.sufficient_gap(0.5, k=3, n=3)
    for known, words, options in (
        ([0.0, 1.0], "decreasing", {}),
        ([1.0], "between k", {}),
        ([1.0, -np.inf], "cannot be kept", {}),
        ([1.0, 0.5], "exceeds the smallest known", {"unseen_upper": 0.75}),
        ([1.0, 0.5], "exceeds the smallest known", {"unseen_upper": float("nan")}),
    ):
        with pytest.raises(BadInput, match=words):
            enclosures.multi_gap_bound(known, k=2, n=4, **options)
