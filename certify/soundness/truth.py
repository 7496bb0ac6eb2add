"""The truth about rows, and whether it refutes a claim.

First float64 intervals for the whole batch (`first_pass.py`), then for the rows that they leave open the exact
decision (`exponential_sum.py`, T24), with rising precision. A row is refuted only where one of them proves that the
truth lies beyond the claim; an open row is open, never refuted. A claim that equals the truth is sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from certify import enclosures
from certify.exponential_sum import FIRST_BITS, precisions
from certify.first_pass import FirstPass, ScoreBlock
from certify.interval import Interval, Ternary
from certify.rules import Budget, Verdict, kl, output_error
from certify.rules.total_variation import tail_mass_against
from certify.scores import Bools, ExactRow, Floats, row_of
from certify.soundness.kernels import Claims
from certify.soundness.question import Quantity, RowBatch
from certify.vector_interval import VectorInterval

__all__ = ["BUDGET", "Judged", "compare", "enclosure_beyond", "exact_row", "judge", "quantity_enclosure"]

BUDGET = Budget(max_bits=2048, max_terms=20_000)


@dataclass(frozen=True, eq=False)
class Judged:
    """Rows [rows] whose upper or lower claim is refuted, and rows that stay open within the budget.

    `slack_estimate` is (claim − truth)/truth of the tighter claim, an estimate for ranking: negative where the claim
    is refuted, NaN where the truth is 0.
    """

    above: Bools
    below: Bools
    open: Bools
    slack_estimate: Floats

    @property
    def refuted(self) -> Bools:
        return self.above | self.below


def judge(quantity: Quantity, batch: RowBatch, claims: Claims) -> Judged:
    """Judge the claims about a batch."""
    truth = _first_pass(quantity, batch)
    above, below = truth.lower > claims.upper, truth.upper < claims.lower
    near_upper = ~above & ~(truth.upper <= claims.upper)
    near_lower = ~below & ~(truth.lower >= claims.lower)
    unsettled = np.zeros(len(batch), dtype=bool)
    for place in np.flatnonzero(near_upper | near_lower):
        row, kept = exact_row(batch, int(place)), batch.kept[place]
        if near_upper[place]:
            found = compare(quantity, row, kept, float(claims.upper[place]), upper=True)
            above[place], unsettled[place] = found == 1, found is None
        if near_lower[place]:
            found = compare(quantity, row, kept, float(claims.lower[place]), upper=False)
            below[place] = found == -1
            unsettled[place] |= found is None
    return Judged(above, below, unsettled, _slack(truth, claims))


def _first_pass(quantity: Quantity, batch: RowBatch) -> VectorInterval:
    scores = batch.exact_scores
    block = FirstPass(ScoreBlock(scores, np.zeros(len(scores))), batch.kept, batch.exact_values)
    return {"tail": lambda: block.tail_mass, "kl": lambda: block.kl, "output": lambda: block.output_error}[quantity]()


def _slack(truth: VectorInterval, claims: Claims) -> Floats:
    with np.errstate(all="ignore"):
        middle = 0.5 * truth.lower + 0.5 * truth.upper
        middle = np.where((middle > 0) & np.isfinite(middle), middle, np.nan)
        return np.asarray(np.fmin((claims.upper - middle) / middle, (middle - claims.lower) / middle))


def exact_row(batch: RowBatch, place: int) -> ExactRow:
    """One row of the batch as exact numbers."""
    values = batch.exact_values
    return row_of(batch.exact_scores[place], None if values is None else values[place])


def compare(quantity: Quantity, row: ExactRow, kept: Bools, claim: float, *, upper: bool) -> int | None:
    """The sign of truth − claim for a claim that is not NaN, or None where the budget ran out.

    For a lower claim on an output error, 0 is not told from None: a truth that equals it is left open.
    """
    if claim in (np.inf, -np.inf):
        return -1 if claim > 0 else 1
    exact = Fraction(claim)
    if quantity == "tail":
        return tail_mass_against(row, kept, exact, BUDGET.max_bits).value
    if exact < 0:
        return 1
    rule = kl.UPPER if quantity == "kl" else output_error.UPPER
    verdict = rule.decide(row, kept, exact, BUDGET).verdict
    if verdict is Verdict.UNDECIDED:
        return None
    if verdict is Verdict.INVALID:
        return 1
    if upper or exact == 0:
        return 0  # at most 0 is all that an upper claim asks; a quantity ≤ 0 is 0
    if quantity == "kl":
        # KL = c > 0 would need Σ_all e^{s−c} = Σ_H e^s; the least exponent of the kept keys less c has a positive
        # coefficient and stands on the left alone, so by T24 they differ.
        return -1
    for bits in precisions(4 * FIRST_BITS):
        if (quantity_enclosure(quantity, row, kept, bits) < Interval.point(exact, bits)) is Ternary.YES:
            return -1
    return None


def quantity_enclosure(quantity: Quantity, row: ExactRow, kept: Bools, bits: int) -> Interval:
    """The true value as an interval of relative width about 2^−bits."""
    if quantity == "output":
        return enclosures.output_error(row, kept, bits=bits)
    return (enclosures.kl if quantity == "kl" else enclosures.tail_mass)(row, kept, bits)


def enclosure_beyond(quantity: Quantity, row: ExactRow, kept: Bools, claim: float, *, upper: bool) -> Interval | None:
    """An enclosure of the truth that lies wholly beyond the claim, which refutes it; None where there is none."""
    for bits in precisions(BUDGET.max_bits):
        found = quantity_enclosure(quantity, row, kept, bits)
        if claim in (np.inf, -np.inf):
            return found if upper == (claim < 0) else None
        if (found > claim if upper else found < claim) is Ternary.YES:
            return found
    return None
