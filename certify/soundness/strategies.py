"""What Hypothesis draws: a family, a length and a seed for a whole batch, or one small row, bit by bit.

Everything is drawn as booleans. Hypothesis would mix numbers from the source files that happen to be loaded into any
other draw, and a seed would not say the same everywhere; and its climb towards tight claims flips single bits of the
scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from certify.soundness.families import FAMILIES
from certify.soundness.float_formats import exactly
from certify.soundness.kept_sets import descending_ranks, with_weight
from certify.soundness.neighbours import NEIGHBOURS
from certify.soundness.question import Question, RowBatch
from certify.soundness.value_sets import draw_values

__all__ = ["DRAWN", "Plan", "plans", "small_rows"]

DRAWN = "drawn by Hypothesis"
_SMALL = 6
_LONE_BITS = 3  # one plan in eight is a row drawn alone: it costs as much as a batch
_TURNS = [*(family.name for family in FAMILIES), *[NEIGHBOURS] * 4]


@dataclass(frozen=True)
class Plan:
    """A batch to be: which family (or the neighbours of tight rows), how many keys, which seed."""

    family: str
    n: int
    seed: int


def _bits(count: int) -> st.SearchStrategy[int]:
    """A whole number of so many bits."""
    return st.lists(st.booleans(), min_size=count, max_size=count).map(
        lambda bits: sum(b << i for i, b in enumerate(bits))
    )


@st.composite
def plans(draw: st.DrawFn, question: Question) -> Plan | RowBatch:
    """Plans of every family and length, short rows more often; neighbours of tight rows; now and then a row alone."""
    least, most = question.n
    if least <= _SMALL and draw(_bits(_LONE_BITS)) == 0:
        return draw(small_rows(question))
    longest = min(most, least + 7) if draw(st.booleans()) else most
    n = least + draw(_bits(16)) % (longest - least + 1)
    return Plan(_TURNS[draw(_bits(10)) % len(_TURNS)], n, draw(_bits(32)))


@st.composite
def small_rows(draw: st.DrawFn, question: Question) -> RowBatch:
    """One row of at most six keys: whole numbers, −∞, and any bit patterns of the format."""
    form = question.format
    least, most = question.n
    n = least + draw(_bits(8)) % (min(_SMALL, most) - least + 1)
    scores = np.zeros((1, n), dtype=form.dtype)
    for key in range(n):
        kind = draw(_bits(2))
        if kind == 0:
            scores[0, key] = form.pattern(draw(_bits(8 * form.dtype.itemsize)))
        elif kind == 1 and draw(st.booleans()):
            scores[0, key] = -np.inf
        else:
            scores[0, key] = draw(_bits(5)) - 16
    if not (exactly(scores) > -np.inf).any():
        scores[0, 0] = 0.0
    kept = with_weight(exactly(scores), np.array([draw(st.lists(st.booleans(), min_size=n, max_size=n))]))
    if question.kept == "top_k":
        kept = descending_ranks(exactly(scores)) < kept.sum(axis=-1, keepdims=True)
    if not question.values:
        return RowBatch(scores, kept)
    rng = np.random.default_rng(draw(_bits(32)))
    return RowBatch(
        scores, kept, form.rounded(draw_values(exactly(scores), kept, question.values, question.dtype, rng))
    )
