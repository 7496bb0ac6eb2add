"""From a row that breaks a kernel to the simplest one that still does.

First a table of the simplest rows there are (up to four keys, small whole scores): often one of them breaks the kernel
too. Otherwise the row itself is cut down, move by move: keys deleted, scores shifted, rounded, copied, set to 0. Each
round offers all moves as batches and takes the simplest row that is still refuted, so that it ends: every move makes
the row simpler, in the order that `complexity` defines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import groupby, product
from time import monotonic

import numpy as np

from certify.scores import Bools, Floats
from certify.soundness.float_formats import exactly
from certify.soundness.question import Question, RowBatch

__all__ = ["complexity", "shrunk"]

Broken = Callable[[RowBatch, float], Bools]  # which rows are refuted; ends early after so many seconds

_TABLE_KEYS = 4
_TABLE_SCORES = {1: range(1), 2: range(-8, 9), 3: range(-3, 4), 4: range(-1, 3)}
_BITS = (1, 2, 3, 5, 8, 12, 16, 20, 26, 32, 40)
_OFFERED_AT_ONCE = 1024

Complexity = tuple[int, int, int, tuple[float, ...]]


def _cost(x: float) -> int:
    """0 for 0; otherwise the bits of the significand without trailing zeros, and what the exponent adds to them."""
    if x == 0:
        return 0
    if x == -np.inf:
        return 3
    size = abs(Fraction(x))
    odd = size.numerator // (size.numerator & -size.numerator)
    return 1 + odd.bit_length() + size.denominator.bit_length() + size.numerator.bit_length() + (x < 0)


def complexity(row: RowBatch) -> Complexity:
    """What makes a row simpler: fewer keys, then shorter numbers, then kept keys first, then larger scores first."""
    scores, kept = row.exact_scores[0].tolist(), row.kept[0]
    values = [] if row.values is None else exactly(row.values[0]).ravel().tolist()
    disorder = int((~kept[:, None] & kept[None, :] & (np.arange(row.n)[:, None] < np.arange(row.n))).sum())
    return row.n, sum(map(_cost, scores)) + sum(map(_cost, values)), disorder, tuple(-x for x in scores)


def shrunk(question: Question, row: RowBatch, broken: Broken, seconds: float) -> RowBatch:
    """The simplest broken row that was found from `row` within the time; `row` itself if nothing simpler was."""
    end = monotonic() + seconds
    best = _simplest(_table(question, row.n), question, broken, end) or row
    while monotonic() < end:
        simpler = _simplest(_moves(question, best), question, broken, end, than=complexity(best))
        if simpler is None:
            return best
        best = simpler
    return best


def _simplest(
    offered: Iterator[list[RowBatch]],
    question: Question,
    broken: Broken,
    end: float,
    than: Complexity | None = None,
) -> RowBatch | None:
    """The simplest broken row of the first group of rows that holds one."""
    for group in offered:
        ranked = sorted(((complexity(row), place) for place, row in enumerate(group)), key=lambda pair: pair[0])
        chosen = [group[place] for rank, place in ranked if than is None or rank < than]
        for _, same_length in groupby(chosen, key=lambda row: row.n):
            rows = list(same_length)
            for start in range(0, len(rows), _OFFERED_AT_ONCE):
                batch = _joined(rows[start : start + _OFFERED_AT_ONCE])
                batch = batch.rows(batch.valid(question))
                left = end - monotonic()
                if left <= 0 or not len(batch):
                    continue
                refuted = broken(batch, left)
                if refuted.any():
                    return batch.row(int(np.argmax(refuted)))
    return None


def _joined(rows: list[RowBatch]) -> RowBatch:
    values = [row.values for row in rows if row.values is not None]
    return RowBatch(
        np.concatenate([row.scores for row in rows]),
        np.concatenate([row.kept for row in rows]),
        np.concatenate(values) if values else None,
    )


def _row(question: Question, scores: Floats, kept: Bools, values: Floats | None) -> RowBatch:
    form = question.format
    made = None if values is None else form.rounded(np.array(values, dtype=np.float64)[None])
    return RowBatch(form.rounded(np.array(scores, dtype=np.float64)[None]), np.array(kept)[None], made)


def _table(question: Question, n: int) -> Iterator[list[RowBatch]]:
    """Rows of few keys with small whole scores, one of which is 0; a group for each number of keys."""
    for keys in range(question.n[0], min(_TABLE_KEYS, n, question.n[1]) + 1):
        group = []
        for scores in product(_TABLE_SCORES[keys], repeat=keys):
            if 0 not in scores:
                continue
            for kept in product((True, False), repeat=keys):
                if any(kept):
                    mask = np.array(kept)
                    group += [
                        _row(question, np.array(scores, dtype=np.float64), mask, values)
                        for values in _table_values(question, mask)
                    ]
        yield group


def _table_values(question: Question, kept: Bools) -> list[Floats | None]:
    """Simple values for a row of the table: 1 and −1 by side, and the numbers 0, 1, 2, … in the first component."""
    if not question.values:
        return [None]
    found: list[Floats | None] = []
    for first in (np.where(kept, 1.0, 0.0), np.where(kept, 1.0, -1.0), np.arange(len(kept)) + 1.0):
        values = np.zeros((len(kept), question.values))
        values[:, 0] = first
        found.append(values)
    return found


def _moves(question: Question, row: RowBatch) -> Iterator[list[RowBatch]]:
    """Everything that may be simpler, in groups: first shorter rows, then plainer scores and values."""
    scores, kept = row.exact_scores[0], row.kept[0]
    values = None if row.values is None else exactly(row.values[0])

    def made(new_scores: Floats, new_kept: Bools = kept, new_values: Floats | None = values) -> RowBatch:
        return _row(question, new_scores, new_kept, new_values)

    if row.n > question.n[0]:
        yield [
            made(scores[stay], kept[stay], None if values is None else values[stay])
            for stay in _shorter(row.n, row.n - question.n[0])
        ]
    order = np.lexsort((-scores, ~kept))
    yield [
        made(scores[order], kept[order], None if values is None else values[order]),
        *(made(plainer) for plainer in _plainer_together(scores, kept)),
    ]
    yield [made(plainer) for plainer in _plainer_alone(scores)]
    if values is not None:
        shape = values.shape
        flat = values.ravel()
        yield [
            made(scores, kept, plainer.reshape(shape))
            for plainer in (*_plainer_together(flat, np.ones(len(flat), dtype=bool)), *_plainer_alone(flat))
        ]


def _shorter(n: int, most: int) -> Iterator[Bools]:
    """Runs of keys deleted, long runs first."""
    size = min(n // 2, most) or 1
    while size:
        for start in range(0, n, size):
            stay = np.ones(n, dtype=bool)
            stay[start : start + size] = False
            if stay.any() and (~stay).sum() <= most:
                yield stay
        size //= 2


def _plainer_together(numbers: Floats, kept: Bools) -> Iterator[Floats]:
    """All numbers changed alike: shifted so that one of them is 0, rounded, the numbers of one side made equal."""
    finite = numbers > -np.inf
    for shift in sorted(set(numbers[finite].tolist())):
        yield numbers - shift
    for bits in _BITS:
        yield _to_bits(numbers, bits)
    yield np.where(finite, np.rint(numbers), numbers)
    yield -np.where(finite, numbers, np.inf)
    for side in (kept, ~kept):
        for one in sorted(set(numbers[side & finite].tolist())):
            yield np.where(side, one, numbers)


def _plainer_alone(numbers: Floats) -> Iterator[Floats]:
    """One number changed: to 0, 1, −1, a neighbour's, a rounded one."""
    others = sorted(set(numbers.tolist()))[:8]
    for place, x in enumerate(numbers.tolist()):
        rounded = [float(_to_bits(np.array([x]), bits)[0]) for bits in _BITS]
        near = [float(np.rint(x)), float(np.floor(x)), float(np.ceil(x)), x / 2] if np.isfinite(x) else []
        for replacement in (0.0, 1.0, -1.0, -abs(x), abs(x), *near, *rounded, *others):
            if replacement != x and replacement < np.inf:
                changed = numbers.copy()
                changed[place] = replacement
                yield changed


def _to_bits(numbers: Floats, bits: int) -> Floats:
    """Each number to so many significant bits."""
    mantissa, exponent = np.frexp(np.where(np.isfinite(numbers), numbers, 0.0))
    rounded = np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)
    return np.where(np.isfinite(numbers), rounded, numbers)
