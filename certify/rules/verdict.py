"""What a rule is, and what it answers. A rule judges one kind of claim, first for whole blocks in float64, then
exactly for single rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from certify.exponential_sum import FIRST_BITS, Sign
from certify.first_pass import FirstPass
from certify.interval import Interval
from certify.scores import Bools, ExactRow, Floats
from certify.vector_interval import VectorInterval

__all__ = ["Budget", "Decision", "Rule", "Settled", "Verdict", "bits_shown", "judge", "judge_sign"]


class Verdict(IntEnum):
    """Ordered by severity. `VALID` the claim is proved, `INVALID` it is refuted, `UNDECIDED` a stated budget ran out
    (or, inside the first pass, not yet).
    """

    VALID = 0
    UNDECIDED = 1
    INVALID = 2

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on one claim: bits of precision, and terms in the expansion that decides equality of an
    output error.
    """

    max_bits: int = 4096
    max_terms: int = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """The first pass over a block: verdicts [rows] int8 (UNDECIDED: not settled here), the enclosure that shows why,
    and indices into `Rule.reasons`.
    """

    verdict: NDArray[np.int8]
    enclosure: VectorInterval
    reason: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Decision:
    """One row judged exactly. `enclosure` holds the true value; `decided_by` names the method, or the budget that ran
    out.
    """

    verdict: Verdict
    enclosure: Interval
    decided_by: str
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of claim. `claim` is its name in a bundle, `quantity` what its enclosure encloses, `relation` how the
    truth must stand to the claim.
    """

    claim: str
    theorem: str
    quantity: str
    relation: str
    reasons: tuple[str, ...]
    first_pass: Callable[[FirstPass, Floats], Settled]
    decide: Callable[[ExactRow, Bools, Fraction, Budget], Decision]
    needs_value: bool = False


def judge(enclosure: VectorInterval, claim: Floats, *, upper: bool) -> Settled:
    """truth ≤ claim (upper) or truth ≥ claim, three-valued; NaN is never a pass."""
    if upper:
        proved, refuted = enclosure.upper <= claim, enclosure.lower > claim
    else:
        proved, refuted = enclosure.lower >= claim, enclosure.upper < claim
    verdict = np.where(proved, Verdict.VALID, np.where(refuted, Verdict.INVALID, Verdict.UNDECIDED)).astype(np.int8)
    return Settled(verdict, enclosure, np.zeros(len(verdict), dtype=np.int8))


def judge_sign(sign: Sign, *, proved: tuple[int, ...]) -> Verdict:
    if sign.value is None:
        return Verdict.UNDECIDED
    return Verdict.VALID if sign.value in proved else Verdict.INVALID


def bits_shown(decided_by: str) -> int:
    """The precision at which to show the enclosure: the one that decided, or the ladder's first."""
    words = decided_by.split()
    return int(words[1]) if words[0] == "mpmath.iv" else FIRST_BITS
