"""smallest_k_for says that the kept set meets ε and no smaller top-k does: τ(kept) ≤ ε, and τ(top-(k−1)) > ε unless k
= 1 (T24).
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from certify.enclosures.tail import tail_mass
from certify.first_pass import FirstPass
from certify.rules.total_variation import tail_mass_against
from certify.rules.verdict import Budget, Decision, Rule, Settled, Verdict, bits_shown, judge
from certify.scores import Bools, ExactRow, Floats
from certify.vector_interval import VectorInterval

__all__ = ["SMALLEST"]

_OWN, _SMALLER = 0, 1  # which set's tail mass the enclosure and the reason are about


def _first(block: FirstPass, claim: Floats) -> Settled:
    own = judge(block.tail_mass, claim, upper=True)
    k = block.kept.sum(axis=-1)
    smaller = block.of_top(np.maximum(k - 1, 1)).tail_mass
    smaller_proved = (smaller.lower > claim) | (k == 1)
    smaller_refuted = (smaller.upper <= claim) & (k > 1)
    verdict = np.where(
        (own.verdict == Verdict.INVALID) | smaller_refuted,
        Verdict.INVALID,
        np.where((own.verdict == Verdict.VALID) & smaller_proved, Verdict.VALID, Verdict.UNDECIDED),
    ).astype(np.int8)
    about = np.where((own.verdict != Verdict.INVALID) & smaller_refuted, _SMALLER, _OWN).astype(np.int8)
    chosen = VectorInterval(
        np.where(about == _SMALLER, smaller.lower, block.tail_mass.lower),
        np.where(about == _SMALLER, smaller.upper, block.tail_mass.upper),
    )
    return Settled(verdict, chosen, about)


def _decide(row: ExactRow, kept: Bools, claim: Fraction, budget: Budget) -> Decision:
    own = tail_mass_against(row, kept, claim, budget.max_bits)
    if own.value == 1:
        return Decision(Verdict.INVALID, tail_mass(row, kept, bits_shown(own.decided_by)), own.decided_by, _OWN)
    k = int(kept.sum())
    if k > 1:
        fewer = row.top(k - 1)
        smaller = tail_mass_against(row, fewer, claim, budget.max_bits)
        if smaller.value != 1:
            verdict = Verdict.UNDECIDED if smaller.value is None else Verdict.INVALID
            return Decision(
                verdict, tail_mass(row, fewer, bits_shown(smaller.decided_by)), smaller.decided_by, _SMALLER
            )
    verdict = Verdict.UNDECIDED if own.value is None else Verdict.VALID
    return Decision(verdict, tail_mass(row, kept, bits_shown(own.decided_by)), own.decided_by, _OWN)


SMALLEST = Rule(
    claim="smallest_k_for",
    theorem="T24",
    quantity="tail mass τ",
    relation="≤",
    reasons=("", "the top-(k−1) already meets this ε: its tail mass is shown"),
    first_pass=_first,
    decide=_decide,
)
