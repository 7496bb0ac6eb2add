"""TV claims: tv_upper says τ ≤ c, tv_lower says τ ≥ c (T1). Both are the sign of Σ_T (1−c)e^s − Σ_H c·e^s (T24)."""

from __future__ import annotations

from fractions import Fraction

from certify.enclosures.tail import tail_mass
from certify.exponential_sum import Sign, sign
from certify.first_pass import FirstPass
from certify.rules.verdict import Budget, Decision, Rule, Settled, bits_shown, judge, judge_sign
from certify.scores import Bools, ExactRow, Floats

__all__ = ["LOWER", "UPPER", "tail_mass_against"]


def tail_mass_against(row: ExactRow, kept: Bools, claim: Fraction, max_bits: int) -> Sign:
    """The sign of τ − c, exactly: equal scores are one rank, so that collecting them is counting."""
    dropped, held = row.multiplicity(~kept).tolist(), row.multiplicity(kept).tolist()
    coefficients = {
        counts: (1 - claim) * counts[0] - claim * counts[1] for counts in set(zip(dropped, held, strict=True))
    }
    found = zip(row.exponents, zip(dropped, held, strict=True), strict=True)
    terms = {exponent: coefficients[counts] for exponent, counts in found if coefficients[counts]}
    return sign(terms, max_bits)


def _upper_first(block: FirstPass, claim: Floats) -> Settled:
    return judge(block.tail_mass, claim, upper=True)


def _lower_first(block: FirstPass, claim: Floats) -> Settled:
    return judge(block.tail_mass, claim, upper=False)


def _decide(row: ExactRow, kept: Bools, claim: Fraction, budget: Budget, proved: tuple[int, ...]) -> Decision:
    found = tail_mass_against(row, kept, claim, budget.max_bits)
    return Decision(
        judge_sign(found, proved=proved), tail_mass(row, kept, bits_shown(found.decided_by)), found.decided_by
    )


UPPER = Rule(
    claim="tv_upper",
    theorem="T1",
    quantity="tail mass τ",
    relation="≤",
    reasons=("",),
    first_pass=_upper_first,
    decide=lambda row, kept, claim, budget: _decide(row, kept, claim, budget, (-1, 0)),
)
LOWER = Rule(
    claim="tv_lower",
    theorem="T1",
    quantity="tail mass τ",
    relation="≥",
    reasons=("",),
    first_pass=_lower_first,
    decide=lambda row, kept, claim, budget: _decide(row, kept, claim, budget, (0, 1)),
)
