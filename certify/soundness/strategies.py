"""What Hypothesis draws: a family, a length and a seed for a whole batch, or one small row number by number."""

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
_FAMILY_SHARE = 8  # plans for each row drawn alone: a lone row costs as much as a batch


@dataclass(frozen=True)
class Plan:
    """A batch to be: which family (or the neighbours of tight rows), how many keys, which seed."""

    family: str
    n: int
    seed: int


def plans(question: Question) -> st.SearchStrategy[Plan | RowBatch]:
    """Plans of every family and length, neighbours of tight rows, and now and then a row drawn alone."""
    least, most = question.n
    lengths = st.integers(least, min(8, most)) | st.integers(least, most) if least <= 8 else st.integers(least, most)
    seeds = st.integers(0, 2**32 - 1)
    names = [family.name for family in FAMILIES]
    planned = st.builds(Plan, st.sampled_from([*names, *[NEIGHBOURS] * 4]), lengths, seeds)
    if least > _SMALL:
        return planned
    return st.integers(0, _FAMILY_SHARE).flatmap(lambda draw: small_rows(question) if draw == 0 else planned)


@st.composite
def small_rows(draw: st.DrawFn, question: Question) -> RowBatch:
    """One row of at most six keys, its scores drawn one by one: any number of the format, whole numbers, −∞."""
    form = question.format
    width = {"float16": 16, "float64": 64}.get(question.dtype, 32)
    anything = st.floats(allow_nan=False, allow_infinity=False, width=width)  # type: ignore[arg-type]
    number = st.integers(-16, 16).map(float) | st.floats(-128, 128) | anything | st.just(-np.inf)
    n = draw(st.integers(question.n[0], min(_SMALL, question.n[1])))
    scores = form.rounded(np.array([draw(st.lists(number, min_size=n, max_size=n))]))
    kept = np.array([draw(st.lists(st.booleans(), min_size=n, max_size=n))])
    if not (exactly(scores) > -np.inf).any():
        scores[0, 0] = 0.0
    kept = with_weight(exactly(scores), kept)
    if question.kept == "top_k":
        kept = descending_ranks(exactly(scores)) < kept.sum(axis=-1, keepdims=True)
    if not question.values:
        return RowBatch(scores, kept)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return RowBatch(
        scores, kept, form.rounded(draw_values(exactly(scores), kept, question.values, question.dtype, rng))
    )
