"""The witnesses attain their bounds: on their rows the enclosure of the bound and that of the truth overlap.

Where they did not, a kernel that claims a bound a little too small would pass on these rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from certify import enclosures
from certify.interval import Interval
from certify.soundness.families import draw_batch, family_named
from certify.soundness.question import Question, RowBatch
from certify.soundness.value_sets import aligned


def rows_of(name: str, n: int = 7) -> Iterator[RowBatch]:
    batch = draw_batch(family_named(name), Question(), 40, n, seed=8)
    for place in range(len(batch)):
        row = batch.row(place)
        if not row.kept.all():
            yield row


def overlap(one: Interval, other: Interval) -> bool:
    return bool(one.lower <= other.upper and other.lower <= one.upper)


def test_two_levels_attain_the_single_gap_bound() -> None:
    seen = 0
    for row in rows_of("two levels"):
        scores, kept = row.exact_scores[0], row.kept[0]
        bound = enclosures.gap_bound(enclosures.gap_of(scores, kept), k=int(kept.sum()), n=row.n)
        assert overlap(bound, enclosures.tail_mass(scores, kept))
        seen += 1
    assert seen > 20


def test_equal_rests_attain_the_multi_gap_bound() -> None:
    seen = 0
    for row in rows_of("gaps, rest equal"):
        scores, k = row.exact_scores[0], int(row.kept[0].sum())
        known = max(k, int((scores > scores[-1]).sum()) + 1)
        bound = enclosures.multi_gap_bound(scores[:known].tolist(), k=k, n=row.n)
        assert overlap(bound, enclosures.tail_mass(scores, row.kept[0]))
        seen += known > k
    assert seen > 10


def test_block_ends_attain_the_blockwise_bounds() -> None:
    """Rows with one level a side, seen as a single block: either the upper or the lower bound is the truth."""
    found = {"upper": 0, "lower": 0}
    for row in rows_of("block ends", n=3):
        scores, kept = row.exact_scores[0], row.kept[0]
        if len(set(scores[kept].tolist())) == len(set(scores[~kept].tolist())) == 1:
            bound = enclosures.block_bound(scores, kept, np.zeros(row.n, dtype=np.int64))
            side = "upper" if scores[~kept][0] > scores[kept][0] else "lower"
            assert overlap(getattr(bound, side), enclosures.tail_mass(scores, kept))
            found[side] += 1
    assert min(found.values()) > 3


def test_two_point_tails_attain_the_moment_bounds() -> None:
    seen = 0
    for row in rows_of("block moments"):
        scores, kept = row.exact_scores[0], row.kept[0]
        bound = enclosures.block_moment_bound(scores, kept, (~kept).astype(np.int64))
        assert overlap(bound.upper, enclosures.tail_mass(scores, kept))
        seen += len(set(scores[~kept].tolist())) == 2
    assert seen > 10


def test_aligned_values_attain_the_output_bounds() -> None:
    for row in rows_of("Gaussian"):
        scores, kept = row.exact_scores[0], row.kept[0]
        values = np.rint(8 * aligned(row.exact_scores, row.kept, 2, np.random.default_rng(1))[0])
        values = np.where(kept[:, None], np.abs(values).max(axis=0), -np.abs(values).max(axis=0))
        truth = enclosures.output_error(scores, kept, values)
        for bound in (enclosures.norm_bound, enclosures.diameter_bound, enclosures.variance_bound):
            assert overlap(bound(scores, kept, values), truth), bound.__name__


def test_two_keys_attain_the_perturbation_bound() -> None:
    """Odds e^{±δ}: scores off by δ move the distribution by tanh(δ/2), and no other row by more (T22)."""
    seen = 0
    for row in rows_of("two keys", n=2):
        high, low = sorted(row.exact_scores[0].tolist(), reverse=True)
        delta = (high - low) / 2
        if 0 < delta < 20 and high == -low:
            tau = enclosures.tail_mass(row.exact_scores[0], row.kept[0])
            moved = abs(1 - 2 * tau)  # the distance between (τ, 1 − τ) and its mirror image
            assert overlap(moved, enclosures.perturbation_total_variation(2 * delta))
            seen += 1
    assert seen > 5
