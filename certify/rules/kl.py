"""kl_upper says KL(P̂‖P) ≤ c nats (T2): the sign of Σ_all e^{s−c} − Σ_H e^s (T24)."""

from __future__ import annotations

from fractions import Fraction

from certify.enclosures.tail import kl
from certify.exponential_sum import collect, sign
from certify.first_pass import FirstPass
from certify.rules.verdict import Budget, Decision, Rule, Settled, bits_shown, judge, judge_sign
from certify.scores import Bools, ExactRow, Floats

__all__ = ["UPPER"]


def _first(block: FirstPass, claim: Floats) -> Settled:
    return judge(block.kl, claim, upper=True)


def _decide(row: ExactRow, kept: Bools, claim: Fraction, budget: Budget) -> Decision:
    dropped, held = row.multiplicity(~kept).tolist(), row.multiplicity(kept).tolist()
    lowered = ((x.minus(claim), Fraction(a + b)) for x, a, b in zip(row.exponents, dropped, held, strict=True))
    own = ((x, Fraction(-b)) for x, b in zip(row.exponents, held, strict=True))
    found = sign(collect([*lowered, *own]), budget.max_bits)
    return Decision(judge_sign(found, proved=(-1, 0)), kl(row, kept, bits_shown(found.decided_by)), found.decided_by)


UPPER = Rule(
    claim="kl_upper",
    theorem="T2",
    quantity="KL(P̂‖P)",
    relation="≤",
    reasons=("",),
    first_pass=_first,
    decide=_decide,
)
