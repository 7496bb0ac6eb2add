"""The judge accuses only where Arb does, acquits only where Arb does, and sides with a claim that equals the truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from flint import ctx

from certify.soundness.families import FAMILIES, draw_batch
from certify.soundness.kernels import Claims
from certify.soundness.question import Quantity, Question, RowBatch
from certify.soundness.truth import compare, exact_row, judge
from tests.certify import arb_truth

TRUTH = {"tail": arb_truth.tail_mass, "kl": arb_truth.kl, "output": arb_truth.output_error}


@pytest.fixture(autouse=True)
def _precision() -> Iterator[None]:
    before = ctx.prec
    ctx.prec = 2500
    yield
    ctx.prec = before


def nearest_claims(quantity: Quantity, batch: RowBatch) -> tuple[list[arb_truth.arb], Claims]:
    """Arb's truths, and claims at the nearest float64 or one beside it, either way, for both sides."""
    values = batch.exact_values
    truths, lower, upper = [], [], []
    for place in range(len(batch)):
        given = (batch.exact_scores[place], batch.kept[place], *(() if values is None else (values[place],)))
        truth = TRUTH[quantity](*given)
        near = np.float64(float(truth.mid()))
        truths.append(truth)
        upper.append(np.nextafter(near, [-1.0, near, np.inf][place % 3]))
        lower.append(np.nextafter(near, [np.inf, near, -1.0][place % 3]))
    return truths, Claims(np.array(lower), np.array(upper), "float64", True)


@pytest.mark.parametrize("quantity", ["tail", "kl", "output"])
def test_verdicts_next_to_the_truth_are_those_of_arb(quantity: Quantity) -> None:
    question = Question(quantity, values=2 if quantity == "output" else 0, dtype="float32")
    counted = {"refuted": 0, "held": 0}
    for place, family in enumerate(FAMILIES):
        batch = draw_batch(family, question, 12, 5, seed=place)
        truths, claims = nearest_claims(quantity, batch)
        judged = judge(quantity, batch, claims)
        for row, truth in enumerate(truths):
            claimed = arb_truth.number(float(claims.upper[row])), arb_truth.number(float(claims.lower[row]))
            # Arb itself may not be able to tell: truths within 2^−2400 of a claim are common among huge scores.
            assert not (judged.above[row] and truth <= claimed[0]), (family.name, row)
            assert not (judged.below[row] and truth >= claimed[1]), (family.name, row)
            assert judged.above[row] or judged.open[row] or not truth > claimed[0], (family.name, row)
            assert judged.below[row] or judged.open[row] or not truth < claimed[1], (family.name, row)
            counted["refuted" if judged.refuted[row] else "held"] += 1
        if quantity != "output":
            assert not judged.open.any(), family.name
    assert min(counted.values()) > 40


def test_a_claim_that_equals_the_truth_is_sound() -> None:
    """Ties make τ rational (T24): no precision tells such a claim from the truth, and collecting equal scores does."""
    batch = RowBatch(np.zeros((1, 4), dtype=np.float32), np.array([[True, False, True, False]]))
    judged = judge("tail", batch, Claims(np.array([0.5]), np.array([0.5]), "float64", True))
    assert not judged.refuted.any()
    assert not judged.open.any()
    for claim, sign in ((0.5, 0), (np.nextafter(0.5, 0), 1), (np.nextafter(0.5, 1), -1)):
        assert compare("tail", exact_row(batch, 0), batch.kept[0], claim, upper=True) == sign


@pytest.mark.parametrize(
    ("quantity", "claim", "upper", "sign"),
    [
        ("kl", 0.0, True, 0),
        ("kl", 0.0, False, 0),
        ("output", 0.0, False, 0),
        ("kl", -0.5, True, 1),
        ("kl", 0.5, True, 0),
        ("kl", 0.5, False, -1),
        ("output", 0.0, True, 0),
        ("output", -0.5, True, 1),
        ("output", 0.5, False, -1),
        ("tail", np.inf, True, -1),
        ("tail", -np.inf, True, 1),
    ],
)
def test_nothing_dropped(quantity: Quantity, claim: float, upper: bool, sign: int) -> None:
    """All three quantities are 0 where only masked keys are dropped. (For an upper claim 0 stands for "at most 0".)"""
    batch = RowBatch(np.float32([[1.0, -np.inf]]), np.array([[True, False]]), np.float32([[[1.0], [2.0]]]))
    assert compare(quantity, exact_row(batch, 0), batch.kept[0], claim, upper=upper) == sign


def test_a_lower_claim_that_equals_an_output_error_stays_open() -> None:
    """Two equal scores, values 0 and 1: ‖o − ô‖ = ½. An open row accuses nobody."""
    batch = RowBatch(np.zeros((1, 2), dtype=np.float32), np.array([[True, False]]), np.float32([[[0.0], [1.0]]]))
    judged = judge("output", batch, Claims(np.array([0.5]), np.array([0.5]), "float64", True))
    assert not judged.refuted.any()
    assert not judged.above.any()
