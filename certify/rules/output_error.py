"""output_error_upper says ‖o − ô‖₂ ≤ c (T10).

Exactly: with A_{X,d} = Σ_X e^s v_d the numerator of (o − ô)_d is W_H A_{T,d} − W_T A_{H,d} = Σ_{i∈H, j∈T} e^{s_i+s_j}(v_j − v_i)_d, so that the claim is
Σ_d (that)² ≤ c²Z²W_H². Products of exponentials are exponentials of sums; m distinct scores give up to m⁴ terms. Hence the order: the
cheap first: two rungs of precision; then, within the budget of terms, the pairs (an error of exactly 0 is seen there) and the whole expansion;
then the other rungs.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from certify.enclosures.output import output_error
from certify.errors import BadValues
from certify.exponential_sum import EXACT, FIRST_BITS, Exponent, by_intervals, precisions
from certify.first_pass import FirstPass
from certify.interval import Interval, Ternary
from certify.rules.verdict import Budget, Decision, Rule, Settled, Verdict, judge
from certify.scores import Bools, ExactRow, Floats, exact_integers

__all__ = ["UPPER"]

Expansion = dict[Exponent, Fraction]
_RUNGS_BEFORE_EXPANSION = 2


def _first(block: FirstPass, claim: Floats) -> Settled:
    return judge(block.output_error, claim, upper=True)


def _decide(row: ExactRow, kept: Bools, claim: Fraction, budget: Budget) -> Decision:
    if claim < 0:
        return Decision(Verdict.INVALID, output_error(row, kept, bits=FIRST_BITS), EXACT)
    enclosure = Interval.point(0, FIRST_BITS)
    why_not = ""
    for rung, bits in enumerate(precisions(budget.max_bits)):
        if rung == _RUNGS_BEFORE_EXPANSION:
            verdict, why_not = _by_expansion(row, kept, claim, budget.max_terms)
            if verdict is not Verdict.UNDECIDED:
                return Decision(verdict, enclosure, EXACT)
        enclosure = output_error(row, kept, bits=bits)
        answer = enclosure <= Interval.point(claim, bits)
        if answer is not Ternary.UNKNOWN:
            return Decision(Verdict.VALID if answer else Verdict.INVALID, enclosure, by_intervals(bits))
    return Decision(Verdict.UNDECIDED, enclosure, f"budget: {budget.max_bits} bits were not enough{why_not}")


def _by_expansion(row: ExactRow, kept: Bools, claim: Fraction, max_terms: int) -> tuple[Verdict, str]:
    """Equality decided exactly, or UNDECIDED: because the two sides differ (more precision will tell how), or for the reason returned."""
    numerators = _numerators(row, kept, max_terms)
    if isinstance(numerators, str):
        return Verdict.UNDECIDED, numerators
    if not any(numerators):
        return Verdict.VALID, ""  # the error is 0, and the claim is not negative
    if claim == 0:
        return Verdict.INVALID, ""  # some coordinate is not 0, by T24
    equal = _is_equal(numerators, row, kept, claim, max_terms)
    if isinstance(equal, str):
        return Verdict.UNDECIDED, equal
    return (Verdict.VALID if equal else Verdict.UNDECIDED), ""


def _numerators(row: ExactRow, kept: Bools, max_terms: int) -> list[Expansion] | str:
    """(o − ô)_d · Z · W_H as collected exponential sums, one a dimension; or why they were not formed."""
    if row.value is None:
        raise BadValues("an output error needs values; give an array [n, dv]")
    dropped, held = row.multiplicity(~kept), row.multiplicity(kept)
    pairs = int((dropped > 0).sum()) * int((held > 0).sum())
    width = row.value.shape[1]
    if pairs * max(width, 1) > max_terms:
        return f"; equality would need {pairs * width} terms, the limit is {max_terms}"
    if pairs and not row.algebraic:
        return "; soft-capped scores have no exact expansion"
    integers, unit = exact_integers(row.value)
    scale = Fraction(2) ** unit
    result = []
    ranks_held, ranks_dropped = held.nonzero()[0], dropped.nonzero()[0]
    sums = {(side, rank): integers[(row.rank == rank) & (kept == side)].sum(axis=0) for side, ranks in ((True, ranks_held), (False, ranks_dropped)) for rank in ranks}
    for column in range(width):
        terms: Expansion = {}
        for i in ranks_held:
            for j in ranks_dropped:
                # e^{s_i + s_j}·(h_i·Σ_j v − t_j·Σ_i v): keys of equal score taken together
                coefficient = (int(held[i]) * sums[False, j][column] - int(dropped[j]) * sums[True, i][column]) * scale
                exponent = row.exponents[i].plus(row.exponents[j])
                if exponent is not None:
                    terms[exponent] = terms.get(exponent, Fraction(0)) + coefficient
        result.append({x: c for x, c in terms.items() if c})
    return result


def _is_equal(numerators: list[Expansion] | str, row: ExactRow, kept: Bools, claim: Fraction, max_terms: int) -> bool | str:
    """Whether Σ_d numerator_d² = c²Z²W_H² identically; or why that was not computed."""
    if isinstance(numerators, str):
        return numerators
    held = {row.exponents[r]: Fraction(int(c)) for r, c in enumerate(row.multiplicity(kept)) if c}
    everything = {x: Fraction(int(a + b)) for x, a, b in zip(row.exponents, row.multiplicity(kept), row.multiplicity(~kept), strict=True)}
    needed = sum(len(terms) ** 2 for terms in numerators) + (len(held) * len(everything)) ** 2
    if needed > max_terms:
        return f"; equality would need {needed} terms, the limit is {max_terms}"
    left: Expansion = {}
    for terms in numerators:
        _add(left, _product(terms, terms))
    product = _product(held, everything)
    _add(left, {x: -claim * claim * c for x, c in _product(product, product).items()})
    return not any(left.values())


def _product(left: Mapping[Exponent, Fraction], right: Mapping[Exponent, Fraction]) -> Expansion:
    result: Expansion = {}
    for x, a in left.items():
        for y, b in right.items():
            exponent = x.plus(y)
            if exponent is None:
                raise BadValues("soft-capped scores have no exact expansion")
            result[exponent] = result.get(exponent, Fraction(0)) + a * b
    return result


def _add(target: Expansion, terms: Mapping[Exponent, Fraction]) -> None:
    for x, c in terms.items():
        target[x] = target.get(x, Fraction(0)) + c


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
