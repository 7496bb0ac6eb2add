"""output_error_upper says ‖o − ô‖₂ ≤ c (T10).

Exactly: with A_{X,d} = Σ_X e^s v_d the numerator of (o − ô)_d is W_H A_{T,d} − W_T A_{H,d} = Σ_{i∈H, j∈T}
e^{s_i+s_j}(v_j − v_i)_d, so that the claim is Σ_d (that)² ≤ c²Z²W_H². Products of exponentials are exponentials of
sums; m distinct scores give up to m⁴ terms. Hence the order: the cheap first: two rungs of precision; then, within
the budget of terms, the pairs (an error of exactly 0 is seen there) and the whole expansion; then the other rungs.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import numpy as np

from certify.enclosures.output import output_error
from certify.errors import BadValues
from certify.exponential_sum import EXACT, FIRST_BITS, Exponent, by_intervals, precisions, sign
from certify.first_pass import FirstPass
from certify.interval import Interval, Ternary
from certify.rules.verdict import Budget, Decision, Rule, Settled, Verdict, judge, judge_sign
from certify.scores import Bools, ExactRow, Floats, exact_integers

__all__ = ["UPPER"]

Expansion = dict[Exponent, Fraction]
_RUNGS_BEFORE_EXPANSION = 2


def _first(block: FirstPass, claim: Floats) -> Settled:
    return judge(block.output_error, claim, upper=True)


def _decide(row: ExactRow, kept: Bools, claim: Fraction, budget: Budget) -> Decision:
    if claim < 0:
        return Decision(Verdict.INVALID, output_error(row, kept, bits=FIRST_BITS), EXACT)
    rungs = list(precisions(budget.max_bits))
    for bits in rungs[:_RUNGS_BEFORE_EXPANSION]:
        enclosure = output_error(row, kept, bits=bits)
        if (answer := enclosure <= Interval.point(claim, bits)) is not Ternary.UNKNOWN:
            return Decision(Verdict.VALID if answer else Verdict.INVALID, enclosure, by_intervals(bits))
    numerators = _numerators(row, kept, budget.max_terms)
    if isinstance(numerators, list) and (claim == 0 or not any(numerators)):
        # o = ô exactly if no numerator is left; if one is, it is not 0 (T24), and a claim of 0 is refuted.
        return Decision(Verdict.INVALID if any(numerators) else Verdict.VALID, enclosure, EXACT)
    expansion = (
        numerators if isinstance(numerators, str) else _expansion(numerators, row, kept, claim, budget.max_terms)
    )
    if not isinstance(expansion, str):
        found = sign(expansion, budget.max_bits)
        return Decision(judge_sign(found, proved=(-1, 0)), enclosure, found.decided_by)
    for bits in rungs[_RUNGS_BEFORE_EXPANSION:]:
        enclosure = output_error(row, kept, bits=bits)
        if (answer := enclosure <= Interval.point(claim, bits)) is not Ternary.UNKNOWN:
            return Decision(Verdict.VALID if answer else Verdict.INVALID, enclosure, by_intervals(bits))
    return Decision(Verdict.UNDECIDED, enclosure, f"budget: {budget.max_bits} bits were not enough; {expansion}")


def _expansion(
    numerators: list[Expansion], row: ExactRow, kept: Bools, claim: Fraction, max_terms: int
) -> Expansion | str:
    """Σ_d numerator_d² − c²Z²W_H², collected; or why it was not formed."""
    held = {row.exponents[r]: Fraction(int(c)) for r, c in enumerate(row.multiplicity(kept)) if c}
    counts = row.multiplicity(np.ones(row.n, dtype=bool)).tolist()
    everything = {x: Fraction(c) for x, c in zip(row.exponents, counts, strict=True)}
    needed = sum(len(terms) ** 2 for terms in numerators) + (len(held) * len(everything)) ** 2
    if needed > max_terms:
        return f"equality would need {needed} terms, the limit is {max_terms}"
    result: Expansion = {}
    for terms in numerators:
        _add_product(result, terms, terms, Fraction(1))
    product: Expansion = {}
    _add_product(product, held, everything, Fraction(1))
    _add_product(result, product, product, -claim * claim)
    return {exponent: coefficient for exponent, coefficient in result.items() if coefficient}


def _numerators(row: ExactRow, kept: Bools, max_terms: int) -> list[Expansion] | str:
    """(o − ô)_d · Z · W_H as collected exponential sums, one a dimension; or why they were not formed."""
    if row.value is None:
        raise BadValues("an output error needs values; give an array [n, dv]")
    dropped, held = row.multiplicity(~kept), row.multiplicity(kept)
    integers, unit = exact_integers(row.value)
    scale = Fraction(2) ** unit
    width = integers.shape[1]
    needed = int((dropped > 0).sum()) * int((held > 0).sum()) * width
    if needed > max_terms:
        return f"equality would need {needed} terms, the limit is {max_terms}"
    result: list[Expansion] = [{} for _ in range(width)]
    for i in np.flatnonzero(held):
        kept_sum = integers[(row.rank == i) & kept].sum(axis=0)
        for j in np.flatnonzero(dropped):
            # e^{s_i + s_j}·(h_i·Σ_j v − t_j·Σ_i v): keys of equal score taken together
            tail_sum = integers[(row.rank == j) & ~kept].sum(axis=0)
            coefficients = int(held[i]) * tail_sum - int(dropped[j]) * kept_sum
            if not coefficients.any():
                continue
            exponent = row.exponents[i].plus(row.exponents[j])
            if exponent is None:
                return "soft-capped scores have no exact expansion"
            for terms, coefficient in zip(result, coefficients, strict=True):
                if coefficient:
                    terms[exponent] = terms.get(exponent, Fraction(0)) + coefficient * scale
    return [{x: c for x, c in terms.items() if c} for terms in result]


def _add_product(
    target: Expansion, left: Mapping[Exponent, Fraction], right: Mapping[Exponent, Fraction], factor: Fraction
) -> None:
    for x, a in left.items():
        for y, b in right.items():
            exponent = x.plus(y)
            if exponent is None:
                raise BadValues("soft-capped scores have no exact expansion")
            target[exponent] = target.get(exponent, Fraction(0)) + factor * a * b


UPPER = Rule(
    claim="output_error_upper",
    theorem="T10",
    quantity="output error ‖o − ô‖₂",
    relation="≤",
    reasons=("",),
    first_pass=_first,
    decide=_decide,
    needs_value=True,
)
