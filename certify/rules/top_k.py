"""top_k says that the kept set is a true top-k: every kept score ≥ every other (T21). Scores are compared as exact
numbers, ties may fall either way.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from certify.exponential_sum import EXACT, FIRST_BITS
from certify.first_pass import FirstPass
from certify.interval import Interval
from certify.rules.verdict import Budget, Decision, Rule, Settled, Verdict
from certify.scores import Bools, ExactRow, Floats

__all__ = ["TRUE"]


def _first(block: FirstPass, claim: Floats) -> Settled:
    gap = block.gap
    verdict = np.where(
        gap.lower >= 0, Verdict.VALID, np.where(gap.upper < 0, Verdict.INVALID, Verdict.UNDECIDED)
    ).astype(np.int8)
    return Settled(verdict, gap, np.zeros(len(verdict), dtype=np.int8))


def _decide(row: ExactRow, kept: Bools, claim: Fraction, budget: Budget) -> Decision:
    del claim, budget
    inside, outside = int(row.rank[kept].min()), int(row.rank[~kept].max(initial=-1))
    verdict = Verdict.VALID if row.is_top(kept) else Verdict.INVALID
    if min(inside, outside) < 0:
        gap = Interval.between(0.0, 0.0, FIRST_BITS) if inside == outside else _infinite(outside < 0)
    else:
        gap = row.exponents[inside].enclosure(FIRST_BITS) - row.exponents[outside].enclosure(FIRST_BITS)
        gap = gap if inside != outside else Interval.point(0, FIRST_BITS)
    return Decision(verdict, gap, EXACT)


def _infinite(positive: bool) -> Interval:
    from mpmath import inf

    end = inf if positive else -inf
    return Interval(end, end, FIRST_BITS)


TRUE = Rule(
    claim="top_k",
    theorem="T21",
    quantity="least kept − largest dropped score",
    relation="≥",
    reasons=("",),
    first_pass=_first,
    decide=_decide,
)
