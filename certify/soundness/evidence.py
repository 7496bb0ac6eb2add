"""What a hunt found out: a frozen record, and its form in JSON. No search happens here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from certify.soundness.counterexample import Counterexample, hexadecimal_row
from certify.soundness.question import Question, RowBatch

__all__ = ["HUNT_SCHEMA", "BadCall", "Coverage", "Hunt", "HuntVerdict", "Tightest"]

HUNT_SCHEMA = "topk-soundness/1"


class HuntVerdict(StrEnum):
    """BROKEN: a claim is refuted, and proved to be. NONE_FOUND: evidence, no proof. BAD_CALL: no claim came back."""

    BROKEN = "broken"
    NONE_FOUND = "none found"
    BAD_CALL = "bad call"

    @property
    def exit_code(self) -> int:
        return {HuntVerdict.NONE_FOUND: 0, HuntVerdict.BROKEN: 1, HuntVerdict.BAD_CALL: 2}[self]


@dataclass(frozen=True)
class Coverage:
    """What one family did: rows tried and refuted, rows that stayed open within the budget of precision, and the
    least slack among the claims that hold (relative, an estimate; None where every truth was 0 or no claim finite).
    """

    family: str
    witness: str
    rows: int = 0
    broken: int = 0
    open: int = 0
    slack_estimate: float | None = None


@dataclass(frozen=True, eq=False)
class Tightest:
    """The row on which a claim that holds came closest to the truth: (claim − truth)/truth, an estimate."""

    slack_estimate: float
    family: str
    row: RowBatch


@dataclass(frozen=True, eq=False)
class BadCall:
    """Why no claim came back: `kind` in a word, `message` in a sentence, and the row (None: before any row)."""

    kind: str
    message: str
    family: str
    row: RowBatch | None

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True, eq=False)
class Hunt:
    """The outcome of a hunt, and what it rests on. Rows tried while shrinking are not counted."""

    kernel: str
    question: Question
    seed: int
    verdict: HuntVerdict
    counterexample: Counterexample | None
    bad_call: BadCall | None
    rows_tried: int
    rows_broken: int
    rows_open: int
    worst_relative_estimate: float | None
    coverage: tuple[Coverage, ...]
    tightest: Tightest | None
    seconds: float
    stopped: str

    @property
    def exit_code(self) -> int:
        return self.verdict.exit_code

    @property
    def rows_per_second(self) -> float:
        return self.rows_tried / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every float of a row in hexadecimal, every enclosure as decimals rounded outward."""
        return {
            "schema": HUNT_SCHEMA,
            "kernel": self.kernel,
            "verdict": str(self.verdict),
            "exit_code": self.exit_code,
            "question": asdict(self.question),
            "seed": self.seed,
            "counterexample": None if self.counterexample is None else self.counterexample.as_dict(),
            "bad_call": None if self.bad_call is None else _bad_call(self.bad_call),
            "rows_tried": self.rows_tried,
            "rows_broken": self.rows_broken,
            "rows_open": self.rows_open,
            "worst_relative_estimate": self.worst_relative_estimate,
            "tightest": None if self.tightest is None else _tightest(self.tightest),
            "coverage": [asdict(one) for one in self.coverage],
            "seconds": self.seconds,
            "rows_per_second": self.rows_per_second,
            "stopped": self.stopped,
        }


def _bad_call(found: BadCall) -> dict[str, Any]:
    row = None if found.row is None else hexadecimal_row(found.row)
    return {"kind": found.kind, "message": found.message, "family": found.family, "row": row}


def _tightest(found: Tightest) -> dict[str, Any]:
    return {"slack_estimate": found.slack_estimate, "family": found.family, "row": hexadecimal_row(found.row)}
