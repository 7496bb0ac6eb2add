"""The hunt: past failures first, then every family once at small sizes, then what Hypothesis draws until time is up.

Hypothesis draws a family, a length and a seed for a whole batch, and climbs towards tight claims (`hypothesis.target`
on the slack); every few batches are bit flips around the tightest rows. The first refuted row is shrunk and proved
again by the rigorous enclosures before anything is reported. With `rows` instead of a time budget the same seed gives
the same counterexample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings, target
from hypothesis import seed as seeded

from certify.errors import BadInput
from certify.float_environment import default_float_environment
from certify.scores import Bools
from certify.soundness.calls import Calls, opened_calls
from certify.soundness.counterexample import Counterexample, counterexample_of
from certify.soundness.evidence import BadCall, Coverage, Hunt, HuntVerdict, Tightest
from certify.soundness.families import FAMILIES, draw_batch, family_named
from certify.soundness.kernels import Fault, Target, name_of
from certify.soundness.neighbours import NEIGHBOURS, TightRows
from certify.soundness.past_failures import PAST_FAILURES, remember, remembered
from certify.soundness.question import Array, Bound, Kept, Quantity, Question, RowBatch
from certify.soundness.shrinking import shrunk
from certify.soundness.strategies import DRAWN, Plan, plans
from certify.soundness.truth import judge

__all__ = ["hunt"]

_OPENING_ROWS = 32
_SCORES_A_BATCH, _LEAST_ROWS, _MOST_ROWS = 1 << 15, 256, 2048
_PLANS_A_ROUND = 64  # Hypothesis climbs towards its targets in the second half of each round
_SHRINKING_FAULTS = 10  # a kernel that fails so often on simpler rows is not shrunk further
_WITNESS = {NEIGHBOURS: "T23", DRAWN: "T24", PAST_FAILURES: "T24"} | {one.name: one.witness for one in FAMILIES}


def hunt(
    kernel: Target,
    *,
    quantity: Quantity = "tail",
    bound: Bound = "auto",
    dtype: str = "float32",
    n: tuple[int, int] = (1, 64),
    kept: Kept = "any",
    values: int | None = None,
    array: Array = "numpy",
    batched: bool = False,
    seconds: float | None = None,
    rows: int | None = None,
    seed: int = 0,
    call_seconds: float = 10.0,
    shrink_seconds: float = 20.0,
    database: str | Path | None = None,
    isolate: bool = True,
    keep_going: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Hunt:
    """Look for a row on which `kernel` claims a bound that is not one.

    kernel: a function, or "MODULE:FUNCTION", or "FILE.py:FUNCTION". It is called as kernel(scores, kept), or
        kernel(scores, kept, values), for one row: scores [n] in `dtype`, kept bool [n], values [n, dv]; and returns an
        upper bound, or the pair (lower, upper). With `batched` it gets [rows, n] and returns [rows], or two of them.
    quantity, bound, dtype, n, kept, array: see `Question`. values: the width dv of values; by default 2 for the
        quantity `output`, and no values otherwise.
    seconds, rows: the budget, whichever ends first; 10 seconds if neither is given. seed: same seed and `rows` alone,
        same counterexample, if shrinking ends within `shrink_seconds`. call_seconds: limit of one call (six times
        that to import the kernel and for its first call).
    database: a JSON file of rows that broke kernels before; they are tried first, and a new one is added.
    isolate: run the kernel in a process of its own. Without it there is no time limit, and no surviving a crash.
    keep_going: spend the whole budget and count refuted rows, instead of stopping at the first.
    Raises BadInput for options that make no sense. What is wrong with the kernel is in the verdict.
    """
    width = values if values is not None else (2 if quantity == "output" else 0)
    question = Question(quantity, bound, dtype, n, kept, width, array, batched)
    seconds = 10.0 if seconds is None and rows is None else seconds
    for name, budget in (("seconds", seconds), ("shrink_seconds", shrink_seconds)):
        if budget is not None and not 0 < budget < np.inf:
            raise BadInput(f"{name} = {budget}; give a budget above 0, and a finite one")
    for name, whole, least in (("rows", rows, 1), ("seed", seed, 0)):
        if whole is not None and (not isinstance(whole, int) or whole < least):
            raise BadInput(f"{name} = {whole!r}; give a whole number, {least} or more")
    past = remembered(Path(database), question) if database is not None else []
    name = name_of(kernel)
    with default_float_environment():
        search = _Search(question, seconds, rows, keep_going, progress)
        counterexample = None
        try:
            with opened_calls(kernel, question, call_seconds, isolate=isolate) as calls:
                search.calls = calls
                search.run(past, seed)
                if search.found is not None:
                    counterexample = _reduced(name, question, calls, search.found, shrink_seconds)
        except Fault as fault:
            search.bad_call = BadCall(fault.kind, fault.message, "", None)
    if counterexample is not None and database is not None:
        remember(Path(database), counterexample)
    return search.outcome(name, seed, counterexample)


@dataclass(frozen=True, eq=False)
class _Found:
    """A refuted row of some family, with its claims; `worst` ranks it: the larger, the worse."""

    row: RowBatch
    family: str
    worst: float


@dataclass(eq=False)
class _Search:
    """The state of a hunt: what was tried, what was tight, what was refuted, and when to stop."""

    question: Question
    seconds: float | None
    rows: int | None
    keep_going: bool
    progress: Callable[[int, int], None] | None
    calls: Calls = field(init=False)
    coverage: dict[str, Coverage] = field(default_factory=dict)
    tight: TightRows = field(init=False)
    tightest: Tightest | None = None
    found: _Found | None = None
    bad_call: BadCall | None = None
    tried: int = 0
    begun: float = field(default_factory=monotonic)
    ended: float = 0.0

    def __post_init__(self) -> None:
        self.tight = TightRows(self.question)

    def run(self, past: list[RowBatch], seed: int) -> None:
        """Try rows until something ends the hunt."""
        try:
            for row in past:
                self.put(row, PAST_FAILURES)
            for place, (length, family) in enumerate(_opening(self.question)):
                if self.stopped is not None:
                    break
                self.put(draw_batch(family_named(family), self.question, _OPENING_ROWS, length, seed + place), family)
            turn = 0
            while self.stopped is None:
                self._round(seed, turn)
                turn += 1
        finally:
            self.ended = monotonic()

    def _round(self, seed: int, turn: int) -> None:
        """One run of Hypothesis. It ends by itself: nothing is raised through it, so nothing is replayed."""
        limit = min(_MOST_ROWS, 64 << turn)

        @seeded(seed * 1_000_003 + turn)
        @settings(
            max_examples=_PLANS_A_ROUND,
            phases=[Phase.generate, Phase.target],
            database=None,
            deadline=None,
            derandomize=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(plan=plans(self.question))
        def attempt(plan: Plan | RowBatch) -> None:
            if self.stopped is not None:
                return
            if isinstance(plan, RowBatch):
                self.put(plan, DRAWN)
                return
            family, batch = self._batch(plan, min(limit, max(_LEAST_ROWS, _SCORES_A_BATCH // plan.n)))
            slack = self.put(batch, family)
            if slack is not None:
                target(float(-np.log2(slack + 2.0**-1000)), label=plan.family)

        attempt()

    def _batch(self, plan: Plan, rows: int) -> tuple[str, RowBatch]:
        if plan.family == NEIGHBOURS and self.tight:
            return NEIGHBOURS, self.tight.neighbours(rows, plan.seed)
        family = FAMILIES[plan.seed % len(FAMILIES)].name if plan.family == NEIGHBOURS else plan.family
        return family, draw_batch(family_named(family), self.question, rows, plan.n, plan.seed)

    @property
    def stopped(self) -> str | None:
        """Why the hunt is over, or None."""
        if self.bad_call is not None:
            return f"a bad call ({self.bad_call.kind})"
        if self.found is not None and not self.keep_going:
            return "a refuted claim"
        if self.rows is not None and self.tried >= self.rows:
            return "the row budget"
        if self.seconds is not None and monotonic() - self.begun >= self.seconds:
            return "the time budget"
        return None

    def put(self, batch: RowBatch, family: str) -> float | None:
        """Put a batch to the kernel and judge its claims; the least slack of those that hold, if there is one."""
        if self.stopped is not None:
            return None
        if self.rows is not None:
            batch = batch.rows(slice(0, self.rows - self.tried))
        left = np.inf if self.seconds is None else max(0.0, self.begun + self.seconds - monotonic())
        try:
            claims = self.calls(batch, left)
        except Fault as fault:
            row = batch.row(fault.row) if fault.row >= 0 else None
            self.bad_call = BadCall(fault.kind, fault.message, "" if row is None else family, row)
            return None
        batch = batch.rows(slice(0, len(claims)))
        with default_float_environment():
            judged = judge(self.question.quantity, batch, claims)
        slack = self._noted(family, batch, judged.slack_estimate, judged.refuted, judged.open)
        if self.progress is not None and self.rows is not None:
            self.progress(self.tried, self.rows)
        elif self.progress is not None and self.seconds is not None:
            self.progress(int(min(monotonic() - self.begun, self.seconds)), int(self.seconds))
        return slack

    def _noted(
        self,
        family: str,
        batch: RowBatch,
        slack: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
        refuted: Bools,
        unsettled: Bools,
    ) -> float | None:
        # Below what float64 tells apart, the estimate of a claim that holds may fall under 0.
        held = np.where(refuted | np.isnan(slack), np.inf, np.maximum(slack, 0.0))
        place = int(np.argmin(held))
        least = float(held[place]) if held[place] < np.inf else None
        self.tried += len(batch)
        before = self.coverage.get(family, Coverage(family, _WITNESS[family]))
        slacks = [one for one in (before.slack_estimate, least) if one is not None]
        self.coverage[family] = replace(
            before,
            rows=before.rows + len(batch),
            broken=before.broken + int(refuted.sum()),
            open=before.open + int(unsettled.sum()),
            slack_estimate=min(slacks, default=None),
        )
        if least is not None:
            self.tight.offer(family, batch, held)
            if self.tightest is None or least < self.tightest.slack_estimate:
                self.tightest = Tightest(least, family, batch.row(place))
        if refuted.any():
            violation = np.where(refuted, np.where(np.isnan(slack), np.inf, -slack), -np.inf)
            worst = int(np.argmax(violation))
            if self.found is None or violation[worst] > self.found.worst:
                self.found = _Found(batch.row(worst), family, float(violation[worst]))
        return least

    def outcome(self, kernel: str, seed: int, counterexample: Counterexample | None) -> Hunt:
        verdict = HuntVerdict.NONE_FOUND
        if self.bad_call is not None:
            verdict = HuntVerdict.BAD_CALL
        if counterexample is not None:
            verdict = HuntVerdict.BROKEN
        known = {one.name: place for place, one in enumerate(FAMILIES)}
        coverage = sorted(self.coverage.values(), key=lambda one: known.get(one.family, len(known)))
        return Hunt(
            kernel=kernel,
            question=self.question,
            seed=seed,
            verdict=verdict,
            counterexample=counterexample,
            bad_call=self.bad_call,
            rows_tried=self.tried,
            rows_broken=sum(one.broken for one in coverage),
            rows_open=sum(one.open for one in coverage),
            worst_relative_estimate=None if self.found is None else self.found.worst,
            coverage=tuple(coverage),
            tightest=self.tightest,
            seconds=(self.ended or monotonic()) - self.begun,
            stopped=self.stopped or "the time budget",
        )


def _opening(question: Question) -> Iterator[tuple[int, str]]:
    """Every family at a few lengths, short rows first."""
    least, most = question.n
    lengths = sorted({min(max(length, least), most) for length in (2, 3, 4, 8, 17, most)})
    for length in lengths:
        for family in FAMILIES:
            yield length, family.name


def _reduced(name: str, question: Question, calls: Calls, found: _Found, seconds: float) -> Counterexample:
    """The found row made as simple as it goes, and proved. Raises Fault where the kernel no longer says the same."""
    faults = 0

    def broken(batch: RowBatch, limit: float) -> Bools:
        """Which rows are refuted. A row on which the call fails is not; the rows on either side are tried again."""
        nonlocal faults
        refuted = np.zeros(len(batch), dtype=bool)
        if not len(batch) or faults >= _SHRINKING_FAULTS:
            return refuted
        try:
            claims = calls(batch, limit)
        except Fault as fault:
            faults += 1
            place = max(fault.row, 0)
            refuted[:place] = broken(batch.rows(slice(0, place)), limit)
            refuted[place + 1 :] = broken(batch.rows(slice(place + 1, None)), limit)
            return refuted
        tried = batch.rows(slice(0, len(claims)))
        refuted[: len(tried)] = judge(question.quantity, tried, claims).refuted
        return refuted

    for row in (shrunk(question, found.row, broken, seconds), found.row):
        proved = counterexample_of(name, question, row, calls(row), found.family, _WITNESS[found.family], found.row.n)
        if proved is not None:
            return proved
    raise Fault(
        "inconsistent", "returned another bound for the same row when called again; make the kernel deterministic"
    )
