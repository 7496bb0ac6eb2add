"""How good another implementation's answers are. No arithmetic on the quantities: the vectors say where the truth lies.

The truth lies between two neighbouring 113-bit numbers (or is one). So an answer of at most 113 bits is below, equal to
or above it by comparing with these two alone, and every verdict here is certain.

- bounds: `sound` if lower ≤ truth ≤ upper, as far as they are given; else `unsound`;
- a value is no claim: `correct` if correctly rounded in its format, `faithful` if it is one of the two floats around
  the truth, `inexact` otherwise; `wrong` if not one bit of it is right (its relative error is 1 or more);
- NaN, and an answer in a trap that is neither sound nor correct, is `unsound`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import frexp, inf, isinf, isnan, ldexp

from mpmath import mp, mpf
from mpmath.libmp import from_float, fzero, mpf_abs, mpf_cmp, mpf_div, mpf_sub, round_floor

from certify.reference_values.record import Trap
from certify.reference_values.rounding import FORMATS, BinaryFormat
from certify.reference_values.vectors import Answer, Truth

__all__ = ["BAD", "EXACT_BITS", "Grade", "Report", "grade"]

EXACT_BITS = 1 << 30  # stands for an answer that is the truth itself
BAD = ("unsound", "wrong")


@dataclass(frozen=True, slots=True)
class Grade:
    """One answer graded. `bits`: the error (of bounds: their width) is at most 2^−bits of the truth; 0 where it is not
    even that. `traps` are the mistakes that it shows.
    """

    case: str
    quantity: str
    verdict: str
    bits: int
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    implementation: str
    grades: tuple[Grade, ...]
    unanswered: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return int(any(found.verdict in BAD for found in self.grades))

    def count(self, verdict: str) -> int:
        return sum(found.verdict == verdict for found in self.grades)

    def traps(self) -> dict[str, list[str]]:
        """The mistakes that were made: name -> cases."""
        found: dict[str, list[str]] = {}
        for graded in self.grades:
            for name in graded.traps:
                found.setdefault(name, []).append(graded.case)
        return found


def grade(implementation: str, answers: Sequence[Answer], truths: Mapping[str, Truth]) -> Report:
    grades = tuple(_graded(answer, truths[answer.case]) for answer in answers)
    answered = {answer.case for answer in answers}
    return Report(implementation, grades, tuple(name for name in truths if name not in answered))


def _graded(answer: Answer, truth: Truth) -> Grade:
    given = {name: x for name in ("value", "lower", "upper") if (x := getattr(answer, name)) is not None}
    if any(isnan(x) for x in given.values()):
        fallen = _fallen(given, truth.traps)
        return Grade(answer.case, truth.quantity, "unsound", 0, fallen)
    if answer.value is not None:
        return _value(answer, answer.value, truth)
    broken = {}
    if answer.lower is not None and not _below(answer.lower, truth):
        broken["lower"] = answer.lower
    if answer.upper is not None and not _above(answer.upper, truth):
        broken["upper"] = answer.upper
    if broken:
        return Grade(answer.case, truth.quantity, "unsound", 0, _fallen(broken, truth.traps))
    ends = truth.lower if answer.lower is None else answer.lower, truth.upper if answer.upper is None else answer.upper
    return Grade(answer.case, truth.quantity, "sound", _bits(*ends, truth))


def _value(answer: Answer, value: float, truth: Truth) -> Grade:
    bits = EXACT_BITS
    if not (_below(value, truth) and _above(value, truth)):
        bits = min(_bits(value, truth.upper, truth), _bits(truth.lower, value, truth))
    if value == truth.floats[answer.format]:
        return Grade(answer.case, truth.quantity, "correct", bits)
    if fallen := _fallen({"value": value}, truth.traps):
        return Grade(answer.case, truth.quantity, "unsound", bits, fallen)
    if _is_neighbour(value, truth, FORMATS[answer.format]):
        return Grade(answer.case, truth.quantity, "faithful", bits)
    wrong = bits == 0 and mpf_cmp(truth.lower._mpf_, fzero) != 0
    return Grade(answer.case, truth.quantity, "wrong" if wrong else "inexact", bits)


def _fallen(answers: Mapping[str, float], traps: Sequence[Trap]) -> tuple[str, ...]:
    found = []
    for trap in traps:
        for name, x in answers.items():
            inside = isnan(x) if isnan(trap.least) else trap.least <= x <= trap.most
            if name in trap.answer and inside and trap.name not in found:
                found.append(trap.name)
    return tuple(found)


def _below(x: float, truth: Truth) -> bool:
    """x ≤ the truth: x is on the 113-bit grid, so that comparing with its lower neighbour is enough."""
    return x == -inf or (x != inf and mpf_cmp(from_float(x), truth.lower._mpf_) <= 0)


def _above(x: float, truth: Truth) -> bool:
    return x == inf or (x != -inf and mpf_cmp(from_float(x), truth.upper._mpf_) >= 0)


def _is_neighbour(x: float, truth: Truth, target: BinaryFormat) -> bool:
    """Whether no other float of the format lies between x and the truth: the next one towards it is beyond it."""
    if isinf(x):
        return False
    if _below(x, truth):
        return _above(_next(x, target), truth)
    return _below(-_next(-x, target), truth)


def _next(x: float, target: BinaryFormat) -> float:
    """The next float of the format above x (2^beyond above the largest)."""
    fraction, exponent = frexp(x)
    power = exponent - target.precision - (fraction == -0.5)  # below a power of two the spacing halves
    return x + ldexp(1.0, max(power, target.least) if x else target.least)


def _bits(low: mpf | float, high: mpf | float, truth: Truth) -> int:
    """The largest b ≥ 0 with high − low ≤ 2^−b·|truth|; 0 where there is none."""
    if any(isinstance(end, float) and isinf(end) for end in (low, high)):
        return 0
    ends = [from_float(end) if isinstance(end, float) else end._mpf_ for end in (low, high)]
    width = mpf_abs(mpf_sub(ends[1], ends[0], 128, "u"))
    size = min(mpf_abs(truth.lower._mpf_), mpf_abs(truth.upper._mpf_), key=lambda raw: mp.make_mpf(raw))
    if width == fzero:
        return EXACT_BITS
    if size == fzero:
        return 0
    ratio = mpf_div(size, width, 64, round_floor)
    return max(0, int(ratio[2] + ratio[3] - 1))
