"""T8 and T9: values against Arb, bounds on both sides, attained by their witnesses; one key a block is unsound."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from flint import arb

from certify import enclosures
from certify.errors import BadInput
from tests.certify import arb_truth
from tests.certify.adversarial_rows import ROWS, random_row
from tests.certify.arb_truth import encloses, end, is_tight, largest, number, smallest, square, total

BITS = (64, 200)
Block = tuple[int, list[arb], arb, arb]  # kept keys, tail scores, lowest, highest


def blocks_of(scores: np.ndarray, kept: np.ndarray, labels: np.ndarray) -> Iterator[Block]:
    for label in sorted(set(labels.tolist())):
        inside = [i for i in range(len(scores)) if labels[i] == label and scores[i] > -np.inf]
        if inside:
            all_scores = [number(float(scores[i])) for i in inside]
            tail = [number(float(scores[i])) for i in inside if not kept[i]]
            yield len(inside) - len(tail), tail, smallest(all_scores), largest(all_scores)


def assembled(found: list[Block], of_tail: Callable[[Block], arb], of_kept: Callable[[Block], arb]) -> arb:
    tail, held = total([of_tail(b) for b in found]), total([of_kept(b) for b in found])
    return tail / (tail + held)


def by_extremes(found: list[Block]) -> tuple[arb, arb]:
    return (
        assembled(found, lambda b: len(b[1]) * b[2].exp(), lambda b: b[0] * b[3].exp()),
        assembled(found, lambda b: len(b[1]) * b[3].exp(), lambda b: b[0] * b[2].exp()),
    )


def jensen(block: Block) -> arb:
    count = len(block[1])
    return count * (total(block[1]) / count).exp() if count else arb(0)


def chord(block: Block) -> arb:
    _, tail, low, high = block
    if not tail or low == high:
        return len(tail) * high.exp()
    mean = total(tail) / len(tail)
    return len(tail) * ((high - mean) / (high - low) * low.exp() + (mean - low) / (high - low) * high.exp())


def bennett(block: Block) -> arb:
    _, tail, _, high = block
    if not tail:
        return arb(0)
    mean = total(tail) / len(tail)
    beta = high - mean
    if not beta > 0:
        return len(tail) * mean.exp()
    variance = total([square(s - mean) for s in tail]) / len(tail)
    return (
        len(tail)
        * mean.exp()
        * (variance * beta.exp() + square(beta) * (-variance / beta).exp())
        / (variance + square(beta))
    )


CASES = {
    **{name: (*pair, np.arange(len(pair[0])) // 2) for name, pair in ROWS.items()},
    "one block": (*random_row(31, 20, 6), np.zeros(20, dtype=int)),
    "labels in any order": (*random_row(32, 20, 6), np.arange(20) * 7 % 5 - 2),
    "block of equal scores": (np.zeros(6), np.arange(6) < 2, np.array([0, 0, 0, 0, 1, 1])),
}
EVERY_CASE = pytest.mark.parametrize("name", CASES)


@EVERY_CASE
@pytest.mark.parametrize("bits", BITS)
def test_block_bound(name: str, bits: int) -> None:
    scores, kept, labels = CASES[name]
    lower, upper = by_extremes(list(blocks_of(scores, kept, labels)))
    found = enclosures.block_bound(scores, kept, labels, bits)
    assert encloses(found.lower, lower)
    assert encloses(found.upper, upper)
    assert is_tight(found.lower, bits - 20)
    assert is_tight(found.upper, bits - 20)


@EVERY_CASE
@pytest.mark.parametrize("variance", [False, True])
def test_block_moment_bound(name: str, variance: bool) -> None:
    scores, kept, labels = CASES[name]
    blocks = list(blocks_of(scores, kept, labels))
    found = enclosures.block_moment_bound(scores, kept, labels, variance=variance, bits=2300)
    upper = assembled(blocks, bennett if variance else chord, lambda b: b[0] * b[2].exp())
    assert encloses(found.lower, assembled(blocks, jensen, lambda b: b[0] * b[3].exp()))
    assert encloses(found.upper, upper)
    assert is_tight(found.lower, 100)
    assert is_tight(found.upper, 100)


@EVERY_CASE
def test_the_bounds_bound_and_moments_only_help(name: str) -> None:
    scores, kept, labels = CASES[name]
    tau = arb_truth.tail_mass(scores, kept)
    extremes = enclosures.block_bound(scores, kept, labels)
    for found in (
        extremes,
        *(
            enclosures.block_moment_bound(scores, kept, labels, variance=v, bits=b)
            for v in (False, True)
            for b in (64, 500)
        ),
    ):
        assert not end(found.lower.lower) > tau
        assert not end(found.upper.upper) < tau
        assert not end(found.upper.lower) > end(extremes.upper.upper)
        assert not end(found.lower.upper) < end(extremes.lower.lower)


def test_blocks_of_one_key_give_the_tail_mass() -> None:
    scores, kept = ROWS["random"]
    found = enclosures.block_bound(scores, kept, np.arange(len(scores)))
    tau = arb_truth.tail_mass(scores, kept)
    assert encloses(found.lower, tau)
    assert encloses(found.upper, tau)


def test_the_extremes_attain_the_block_bound() -> None:
    """Tail keys at the top of their block, the kept key at its bottom."""
    scores = np.array([0.0, 1.5, 1.5, 1.5])
    kept = np.array([True, False, False, False])
    found = enclosures.block_bound(scores, kept, np.zeros(4, dtype=int))
    assert encloses(found.upper, arb_truth.tail_mass(scores, kept))


def test_two_levels_attain_the_chord() -> None:
    """Tail scores at both ends of their own block: the chord is exact, and so is Bennett's bound."""
    scores = np.array([4.0, 0.0, 2.0, 2.0, 0.0])
    kept = np.array([True, False, False, False, False])
    labels = np.array([0, 1, 1, 1, 1])
    tau = arb_truth.tail_mass(scores, kept)
    for variance in (False, True):
        assert encloses(enclosures.block_moment_bound(scores, kept, labels, variance=variance, bits=400).upper, tau)


def test_equal_scores_attain_jensen() -> None:
    scores, kept, labels = np.array([1.0, 0.25, 0.25]), np.array([True, False, False]), np.array([0, 1, 1])
    assert encloses(enclosures.block_moment_bound(scores, kept, labels).lower, arb_truth.tail_mass(scores, kept))


def test_once_per_block_instead_of_once_per_key_is_unsound() -> None:
    """'Missing block multiplicity': its value lies below τ, ours does not hold it."""
    scores = np.array([2.0, 0.0, 0.1, 0.2, 0.3])
    kept, labels = np.arange(5) < 1, np.array([0, 1, 1, 1, 1])
    tau = arb_truth.tail_mass(scores, kept)
    once = arb(0.3).exp() / (arb(0.3).exp() + arb(2.0).exp())
    assert once < tau
    assert not encloses(enclosures.block_bound(scores, kept, labels).upper, once)


def test_the_mean_is_no_upper_bound() -> None:
    """'Block mean used as upper bound': Jensen goes the other way."""
    scores = np.array([2.0, 0.0, 3.0])
    kept, labels = np.arange(3) < 1, np.array([0, 1, 1])
    tau = arb_truth.tail_mass(scores, kept)
    by_mean = 2 * arb(1.5).exp() / (2 * arb(1.5).exp() + arb(2.0).exp())
    assert by_mean < tau
    found = enclosures.block_moment_bound(scores, kept, labels)
    assert encloses(found.lower, by_mean)
    assert not encloses(found.upper, by_mean)


def test_bad_labels_are_refused() -> None:
    scores, kept = ROWS["random"]
    for labels in (np.zeros(3, dtype=int), np.zeros(len(scores))):
        with pytest.raises(BadInput, match="one integer label"):
            enclosures.block_bound(scores, kept, labels)
