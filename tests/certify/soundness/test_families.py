"""Each family yields what its name says, in every format; every row is valid; a seed gives the same batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certify.scores import Bools, Floats
from certify.soundness.families import FAMILIES, Family, draw_batch, family_named
from certify.soundness.float_formats import FORMATS, FloatFormat
from certify.soundness.question import Question, RowBatch
from certify.soundness.strategies import Plan, plans
from certify.soundness.value_sets import VALUE_KINDS

ROWS, KEYS = 200, 9
Holds = Callable[[Floats, Bools, FloatFormat], Bools]


def levels(scores: Floats) -> Floats:
    return np.array([len(set(row[row > -np.inf].tolist())) for row in scores])


def softmax(scores: Floats) -> Floats:
    weights = np.exp(np.clip(scores, -1e300, 1e300) - scores.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def ulps_apart(scores: Floats, form: FloatFormat) -> Floats:
    """The largest distance of a row, in places of the format's order."""
    ordered = form._ordered(form.rounded(scores))
    return np.asarray(ordered.max(axis=-1) - ordered.min(axis=-1))


def each_side(scores: Floats, kept: Bools) -> tuple[Floats, Floats]:
    return levels(np.where(kept, scores, -np.inf)), levels(np.where(kept, -np.inf, scores))


def near_multiple(scores: Floats, unit: float, slack: float) -> Bools:
    return np.asarray(np.abs(scores / unit - np.rint(scores / unit)) <= slack)


WHAT_THE_NAME_SAYS: dict[str, Holds] = {
    "whole numbers": lambda s, k, f: (s == np.rint(s)).all(axis=-1) & (np.abs(s) <= 8).all(axis=-1),
    "Gaussian": lambda s, k, f: (levels(s) > 1) | (f.digits < 24),  # short formats round close scores together
    "ties": lambda s, k, f: levels(s) <= 3,
    "near ties": lambda s, k, f: ulps_apart(s, f) <= 4,
    "geometric": lambda s, k, f: (np.diff(s) >= 0).all(axis=-1) | (np.diff(s) <= 0).all(axis=-1),
    "two levels": lambda s, k, f: (levels(s) <= 2) & (np.stack(each_side(s, k)) == 1).all(axis=0),
    "gaps, rest equal": lambda s, k, f: (np.diff(s) <= 0).all(axis=-1) & (np.diff(k.astype(int)) <= 0).all(axis=-1),
    "block ends": lambda s, k, f: (np.stack(each_side(s, k)) <= 4).all(axis=0),
    "block moments": lambda s, k, f: (levels(np.where(k, -np.inf, s)) <= 2) & (k.sum(axis=-1) == 1),
    "two keys": lambda s, k, f: levels(s) <= 2,
    "denormal weights": lambda s, k, f: ((s == 0) | (s < f.log_normal + 2.1)).all(axis=-1),
    "range edges": lambda s, k, f: (np.abs(s) <= 746.2 * (1 + 2.0 ** (4 - f.digits))).all(axis=-1),
    "reduction edges": lambda s, k, f: near_multiple(s, np.log(2) / 2, 64 * 2.0 ** (2 - f.digits) * 3).all(axis=-1),
    "huge shifts": lambda s, k, f: np.ptp(s, axis=-1) <= 128 + np.abs(s).max(axis=-1) * 2.0 ** (6 - f.digits),
    "masks": lambda s, k, f: (s > -np.inf).any(axis=-1),
    "cancellation": lambda s, k, f: np.where(k, 0, softmax(s)).sum(axis=-1) < 2.0 ** (8 + 6 + 4 - f.digits),
    "one-way sums": lambda s, k, f: (s[:, 0] == 0) & (levels(s[:, 1:]) == 1),
    "log-sum-exp": lambda s, k, f: np.where(k, np.abs(s), np.inf).min(axis=-1) > 1,
    "extreme scores": lambda s, k, f: np.isin(
        np.abs(s), [f.largest, 0.0, 1.0, 2.0 ** (f.least_exponent - f.digits + 1)]
    ).all(axis=-1),
    "wide spread": lambda s, k, f: (np.abs(s) <= 700 + 1024 * 8).all(axis=-1),
    "far levels": lambda s, k, f: (levels(s) <= 2) & (np.ptp(s, axis=-1) <= 720 * (1 + 2.0 ** (3 - f.digits))),
    "middling shifts": lambda s, k, f: (np.abs(s) <= 2048 + 64 * 8).all(axis=-1),
}


def test_every_family_is_held_to_its_name() -> None:
    assert set(WHAT_THE_NAME_SAYS) == {family.name for family in FAMILIES}


@pytest.mark.parametrize("dtype", list(FORMATS))
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_is_what_its_name_says(family: Family, dtype: str) -> None:
    question = Question(dtype=dtype)
    batch = draw_batch(family, question, ROWS, KEYS, seed=1)
    assert batch.scores.shape == batch.kept.shape == (ROWS, KEYS)
    assert batch.scores.dtype == question.format.dtype
    assert batch.valid(question).all()
    holds = WHAT_THE_NAME_SAYS[family.name](batch.exact_scores, batch.kept, question.format)
    assert holds.all(), (family.name, batch.exact_scores[np.argmin(holds)])
    assert family.summary
    assert family.witness.startswith("T")


def share(chosen: Bools) -> float:
    return float(np.mean(chosen))


def test_the_traps_are_set() -> None:
    """Not only allowed by the name, but present: masks, subnormal weights, cancellation, large shifts, lost addends."""

    def drawn(name: str, dtype: str = "float32") -> RowBatch:
        return draw_batch(family_named(name), Question(dtype=dtype), 500, 16, seed=2)

    masked = drawn("masks")
    assert share((masked.scores == -np.inf).any(axis=-1)) > 0.5
    assert share((masked.scores > -np.inf).sum(axis=-1) == 1) > 0.05
    assert share(((masked.scores == -np.inf) & masked.kept).any(axis=-1)) > 0.2
    weights = np.exp(drawn("denormal weights").exact_scores).astype(np.float32)
    assert share((weights > 0) & (weights < np.finfo(np.float32).tiny)) > 0.2
    assert share(weights == 0) > 0.01
    assert share(np.abs(drawn("huge shifts").exact_scores).min(axis=-1) > 1e4) > 0.5
    assert share(levels(drawn("near ties").exact_scores) > 1) > 0.9
    assert share(levels(drawn("ties").exact_scores) == 1) > 0.2
    small = drawn("cancellation")
    tails = np.where(small.kept, 0, softmax(small.exact_scores)).sum(axis=-1)
    assert share((tails > 0) & (tails < 2.0**-20)) > 0.5
    sums = drawn("one-way sums").exact_scores
    assert share(np.float32(1) + np.exp(sums[:, 1]).astype(np.float32) == 1) > 0.1
    wide = drawn("wide spread", "float64").exact_scores
    assert share(np.ptp(wide, axis=-1) > 745) > 0.2
    assert share((wide.max(axis=-1) > 50) & (wide.max(axis=-1) < 500) & (wide.min(axis=-1) < -700)) > 0.02
    far = drawn("far levels", "float64").exact_scores
    assert share((np.ptp(far, axis=-1) > 512) & (np.abs(far.max(axis=-1)) > 32)) > 0.2
    near = np.abs(drawn("middling shifts", "float64").exact_scores)
    assert share((near.min(axis=-1) > 355) & (near.max(axis=-1) < 512)) > 0.02
    zeros = drawn("extreme scores").scores
    assert share(np.signbit(zeros) & (zeros == 0)) > 0.05


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("n", [1, 2, 64])
def test_rows_of_every_length_and_true_top_k(family: Family, n: int) -> None:
    for kept in ("any", "top_k"):
        question = Question("output", kept=kept, values=3, n=(1, 64))  # type: ignore[arg-type]
        batch = draw_batch(family, question, 40, n, seed=5)
        again = draw_batch(family, question, 40, n, seed=5)
        assert batch.valid(question).all()
        assert batch.values is not None
        assert again.values is not None
        assert batch.values.shape == (40, n, 3)
        for one, other in ((batch.scores, again.scores), (batch.kept, again.kept), (batch.values, again.values)):
            assert one.tobytes() == other.tobytes()
    assert batch.scores.tobytes() != draw_batch(family, question, 40, n, seed=6).scores.tobytes() or n <= 2


def test_kept_sets_of_every_kind_are_drawn() -> None:
    batch = draw_batch(family_named("Gaussian"), Question(), 2000, 8, seed=0)
    size = batch.kept.sum(axis=-1)
    order = np.argsort(-batch.exact_scores, axis=-1)
    ranked = np.take_along_axis(batch.kept, order, axis=-1)
    assert set(size.tolist()) == set(range(1, 9))
    assert 0.2 < share((np.diff(ranked.astype(int)) <= 0).all(axis=-1)) < 0.8, "true top-k, and others"
    assert share((np.diff(ranked.astype(int)) >= 0).all(axis=-1)) > 0.1, "the lowest keys"
    assert share((np.diff(batch.kept.astype(int)) <= 0).all(axis=-1)) > 0.1, "the first keys"


def test_values_of_every_kind() -> None:
    rng = np.random.default_rng(0)
    scores, kept = rng.normal(size=(5, 6)), rng.random((5, 6)) < 0.5
    drawn = {name: kind(scores, kept, 3, rng) for name, kind in VALUE_KINDS.items()}
    assert all(values.shape == (5, 6, 3) for values in drawn.values())
    assert (drawn["constant"] == drawn["constant"][:, :1]).all()
    sides = (drawn["aligned"] * drawn["aligned"][:, :1]).sum(axis=-1)
    assert ((sides > 0) == (kept == kept[:, :1])).all()
    assert ((drawn["single"] != 0).any(axis=-1).sum(axis=-1) == 1).all()
    spread = np.ptp(drawn["offset"], axis=1).max(axis=-1)
    assert (spread < np.sqrt((drawn["offset"][:, 0] ** 2).sum(axis=-1))).any()


@settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)
@given(plan=plans(Question("output", dtype="bfloat16", n=(2, 9), kept="top_k", values=1)))
def test_what_hypothesis_draws_is_valid(plan: Plan | RowBatch) -> None:
    question = Question("output", dtype="bfloat16", n=(2, 9), kept="top_k", values=1)
    if isinstance(plan, RowBatch):
        assert plan.valid(question).all()
        assert plan.scores.dtype == question.format.dtype
    else:
        assert 2 <= plan.n <= 9


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_bit_pattern_is_a_finite_number(dtype: str) -> None:
    form = FORMATS[dtype]
    numbers = np.array([float(form.pattern(bits)) for bits in range(2**16)])
    assert np.isfinite(numbers).all()
    assert len(set(numbers.tolist())) == 2**16 - 2**form.digits - 1


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(list(FORMATS)), st.integers(-40, 40), st.integers(0, 2**32 - 1))
def test_steps_are_neighbours(dtype: str, steps: int, seed: int) -> None:
    form = FORMATS[dtype]
    numbers = form.rounded(np.random.default_rng(seed).normal(size=8) * 2.0 ** (seed % 10))
    there = form.stepped(numbers, np.full(8, steps))
    back = form.stepped(there, np.full(8, -steps))
    assert (back == numbers).all()
    walked = numbers.astype(np.float64)
    if dtype == "float64":
        for _ in range(abs(steps)):
            walked = np.nextafter(walked, np.inf if steps > 0 else -np.inf)
        assert (walked == there).all()
    assert ((there > numbers) if steps > 0 else (there < numbers) if steps < 0 else (there == numbers)).all()
