"""The audit: every claim of a bundle judged from its inputs, as a stream, trusting no stored number.

Each block of rows goes through the float64 pass; what that cannot settle climbs the ladder of `exponential_sum`.
Memory is bounded by a block of rows (and one key/value group), not by the file; what is kept for every row is its
verdict and the ends of its enclosure.

This room shares no code with any producer: it imports neither `float_kernels` nor anything that writes certificates
with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from certify.bundle import Bundle, open_bundle
from certify.certificate import Certificate
from certify.errors import BadBundle, BadInput
from certify.float_environment import default_float_environment
from certify.interval import Interval
from certify.row_blocks import RowBlock, RowReader, runs_of_rows
from certify.rules import RULES, Budget, Decision, Rule, Verdict
from certify.scores import Floats

__all__ = ["DEFAULT_BUDGET", "Audit", "AuditRow", "ClaimAudit", "Finding", "audit"]

FLOAT64 = "float64 intervals"
DEFAULT_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim of one row: its verdict, the enclosure of the true value that decides it, and what decided it.
    `claimed` is None for top_k.
    """

    claim: str
    theorem: str
    quantity: str
    relation: str
    claimed: float | None
    verdict: Verdict
    enclosure: Interval
    decided_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row: `index` counts rows flat in C order, `position` is the same in the bundle's own row dimensions. The
    worst finding speaks for the row.
    """

    index: int
    position: tuple[int, ...]
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Finding:
        return max(self.findings, key=lambda finding: finding.verdict)

    @property
    def verdict(self) -> Verdict:
        return self.worst.verdict

    @property
    def enclosure(self) -> Interval:
        return self.worst.enclosure

    @property
    def decided_by(self) -> str:
        return self.worst.decided_by


@dataclass(frozen=True, eq=False)
class ClaimAudit:
    """One kind of claim over all audited rows, as arrays; `exact` holds the rows that the float64 pass left to the
    ladder.
    """

    rule: Rule
    claimed: Floats
    verdict: NDArray[np.int8]
    lower: Floats
    upper: Floats
    reason: NDArray[np.int8]
    exact: dict[int, Decision] = field(default_factory=dict)

    def finding(self, place: int) -> Finding:
        rule = self.rule
        claimed = None if rule.claim == "top_k" else float(self.claimed[place])
        if (decision := self.exact.get(place)) is not None:
            enclosure, decided_by, reason = decision.enclosure, decision.decided_by, decision.reason
        else:
            enclosure = _interval(float(self.lower[place]), float(self.upper[place]))
            decided_by, reason = FLOAT64, int(self.reason[place])
        verdict = Verdict(int(self.verdict[place]))
        return Finding(
            rule.claim,
            rule.theorem,
            rule.quantity,
            rule.relation,
            claimed,
            verdict,
            enclosure,
            decided_by,
            rule.reasons[reason],
        )

    def slack_estimate(self) -> Floats:
        """How far each claim is from the truth, relative to the larger of the two and negative where it is violated;
        for ordering rows only.
        """
        truth = np.where(np.isfinite(self.upper), 0.5 * self.lower + 0.5 * self.upper, self.lower)
        distance = self.claimed - truth if self.rule.relation == "≤" else truth - self.claimed
        with np.errstate(all="ignore"):
            return np.nan_to_num(
                distance / np.maximum(np.abs(self.claimed), np.abs(truth)), nan=0.0, posinf=np.inf, neginf=-np.inf
            )


@dataclass(frozen=True, eq=False)
class Audit:
    """The result of an audit. `indices` are the audited flat rows; `claims` the kinds of claim that the bundle
    makes.
    """

    source: str
    level: str
    producer: str
    shape: tuple[int, ...]
    n: int
    indices: NDArray[np.intp]
    claims: tuple[ClaimAudit, ...]
    budget: Budget
    environment_restored: bool
    ignored: tuple[str, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        """One verdict a row, flat, in C order: the worst of its claims."""
        return [Verdict(int(v)) for v in self.severity]

    @property
    def severity(self) -> NDArray[np.int8]:
        """The same as an array of `Verdict` values."""
        found: NDArray[np.int8] = np.max([claim.verdict for claim in self.claims], axis=0)
        return found

    @property
    def all_valid(self) -> bool:
        return bool((self.severity == Verdict.VALID).all())

    @property
    def exit_code(self) -> int:
        """0 all valid, 1 some invalid, 3 some undecided and none invalid."""
        return {Verdict.VALID: 0, Verdict.INVALID: 1, Verdict.UNDECIDED: 3}[Verdict(int(self.severity.max()))]

    def count(self, verdict: Verdict) -> int:
        return int((self.severity == verdict).sum())

    @property
    def rows(self) -> Sequence[AuditRow]:
        """Every audited row as a record, made when asked for."""
        return _Rows(self)

    def slack_estimate(self) -> Floats:
        """The least slack of each row among the claims that speak for it; for ordering rows and for pictures only."""
        severity = self.severity
        slack = [np.where(claim.verdict == severity, claim.slack_estimate(), np.inf) for claim in self.claims]
        return np.asarray(np.min(slack, axis=0))

    def worst_first(self) -> Iterator[AuditRow]:
        """Invalid rows from the worst violation on, then undecided ones, then valid ones from the tightest claim on."""
        for place in np.lexsort((self.indices, self.slack_estimate(), -self.severity)):
            yield self._row(int(place))

    def _row(self, place: int) -> AuditRow:
        flat = int(self.indices[place])
        position = tuple(int(i) for i in np.unravel_index(flat, self.shape))
        return AuditRow(flat, position, tuple(claim.finding(place) for claim in self.claims))


class _Rows(Sequence[AuditRow]):
    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def __len__(self) -> int:
        return len(self._audit.indices)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # int or slice, as for any sequence
        places = range(len(self))[place]
        return [self._audit._row(p) for p in places] if isinstance(places, range) else self._audit._row(places)


def audit(
    source: Certificate | Bundle | str | Path,
    *,
    max_bits: int = DEFAULT_BUDGET.max_bits,
    max_terms: int = DEFAULT_BUDGET.max_terms,
    rows: Iterable[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Judge every claim of a certificate, a bundle, or a file.

    `max_bits` bounds the precision spent on a claim, `max_terms` the exact expansion that decides equality of an
    output error; only when one runs out is a claim `undecided`. `rows` selects flat row numbers (default all).
    `progress(done, total)` is called after every block. Claims are the theorems T1, T2, T10, T21 and T24; see
    `certify.rules`. The float environment of the calling thread is probed first, and restored for the audit where it
    is foreign. Raises the typed errors of `certify.errors` for bad input, before any result.
    """
    if max_bits < 2:
        raise BadInput(f"max_bits = {max_bits} leaves no precision to work with; use 2 or more")
    if max_terms < 0:
        raise BadInput(f"max_terms = {max_terms} is negative; use 0 or more")
    if isinstance(source, Certificate):
        source = Bundle.of(source)
    bundle = source if isinstance(source, Bundle) else open_bundle(source)
    try:
        with default_float_environment() as restored:
            return _audit(bundle, Budget(max_bits, max_terms), rows, progress, restored)
    finally:
        bundle.close()


def _audit(
    bundle: Bundle,
    budget: Budget,
    rows: Iterable[int] | None,
    progress: Callable[[int, int], None] | None,
    restored: bool,
) -> Audit:
    _check_digest(bundle)
    indices = _selection(rows, bundle.layout.count)
    claimed = bundle.claims()
    if bundle.header.top_k:
        claimed["top_k"] = np.zeros(bundle.layout.count)
    results = [
        ClaimAudit(
            rule,
            claimed[rule.claim][indices],
            np.full(len(indices), Verdict.UNDECIDED, dtype=np.int8),
            np.full(len(indices), -np.inf),
            np.full(len(indices), np.inf),
            np.zeros(len(indices), dtype=np.int8),
        )
        for rule in RULES
        if rule.claim in claimed
    ]
    reader = RowReader(bundle, any(result.rule.needs_value for result in results))
    done = 0
    for places, flat in runs_of_rows(indices, reader.rows_per_block, reader.rows_per_group):
        block = reader.read(int(flat[0]), int(flat[-1]) + 1)
        for result in results:
            _judge_block(result, block, places, budget)
        done += len(flat)
        if progress is not None:
            progress(done, len(indices))
    header = bundle.header
    return Audit(
        bundle.source,
        header.level,
        header.producer,
        bundle.layout.rows,
        bundle.layout.n,
        indices,
        tuple(results),
        budget,
        restored,
        bundle.ignored,
    )


def _judge_block(result: ClaimAudit, block: RowBlock, places: slice, budget: Budget) -> None:
    claimed = result.claimed[places]
    settled = result.rule.first_pass(block.first_pass, claimed)
    result.verdict[places], result.reason[places] = settled.verdict, settled.reason
    result.lower[places], result.upper[places] = settled.enclosure.lower, settled.enclosure.upper
    for offset in np.flatnonzero(result.verdict[places] == Verdict.UNDECIDED):
        decision = result.rule.decide(
            block.exact(int(offset)), block.kept[offset], Fraction(float(claimed[offset])), budget
        )
        place = places.start + int(offset)
        result.exact[place] = decision
        result.verdict[place], result.reason[place] = decision.verdict, decision.reason
        # For ordering and plots; the decision keeps the exact ends.
        result.lower[place], result.upper[place] = float(decision.enclosure.lower), float(decision.enclosure.upper)


def _selection(rows: Iterable[int] | None, count: int) -> NDArray[np.intp]:
    if rows is None:
        return np.arange(count)
    chosen = np.unique(np.fromiter(rows, dtype=np.intp))
    if not len(chosen):
        raise BadInput("no row is selected; leave `rows` out to audit all")
    if chosen[0] < 0 or chosen[-1] >= count:
        wrong = int(chosen[0] if chosen[0] < 0 else chosen[-1])
        raise BadInput(f"row {wrong} is out of range; the bundle has rows 0..{count - 1}")
    return chosen


def _check_digest(bundle: Bundle) -> None:
    promised = bundle.header.inputs_sha256
    if promised is not None and (found := bundle.inputs_digest()) != promised:
        raise BadBundle(
            f"{bundle.source}: inputs_sha256 is {promised}, and the inputs have {found}; they are not the ones that "
            "were certified"
        )


def _interval(lower: float, upper: float) -> Interval:
    from mpmath import mpf

    return Interval(mpf(lower), mpf(upper), 53)
