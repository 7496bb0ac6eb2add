"""Reruns the proofs and says what was proved now. The only writer of `status.json`.

`run` is the door: the `certify prove` command and `python -m proofs.check` both go through it. Outcomes:

proved   every piece of evidence of the ledger for this method was verified now
refuted  the same for negative controls: every wrong variant has a counterexample that was replayed
failed   some was not: the detail says which, and a timeout is a failure here, never a proof
open     the ledger gives a reason instead of evidence
not run  the method was not asked for, or Coq is not installed
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import sympy as sp
import z3

from proofs.controls.control import refute
from proofs.coq_column import check_coq, coq_is_installed, sources_digest
from proofs.ledger import METHODS, PROOF_METHODS, Method, Theorem, evidence_of, selected
from proofs.page import latex_page, unicode_page
from proofs.replay import GUARD, PRECISION
from proofs.smt.exact import Fact
from proofs.smt.query import SEED, TIMEOUT_MS, Query, answer
from proofs.symbolic.derivation import faults

Outcome = Literal["proved", "refuted", "failed", "open", "not run"]
Progress = Callable[[int, int, str], None]
DEFAULT_METHODS: tuple[Method, ...] = ("symbolic", "smt", "controls")
LEAST_CONTROLS = 3


@dataclass(frozen=True)
class Result:
    """One cell of the table. `pieces` counts steps, queries, wrong variants or Coq theorems."""

    theorem: str
    method: Method
    outcome: Outcome
    seconds: float
    pieces: int
    detail: str


@dataclass(frozen=True)
class Report:
    """What a run established, with which versions and limits."""

    results: tuple[Result, ...]
    versions: Mapping[str, str]
    limits: Mapping[str, int]
    seconds: float
    methods: tuple[Method, ...]

    @property
    def all_proved(self) -> bool:
        """All that the ledger calls proved was proved now, for the methods asked for; not run is not proved."""
        return all(
            result.outcome in ("proved", "refuted", "open") for result in self.results if result.method in self.methods
        )

    @property
    def exit_code(self) -> int:
        """0 when `all_proved`, else 1."""
        return 0 if self.all_proved else 1

    def as_json(self) -> str:
        """The report as JSON."""
        return json.dumps({**asdict(self), "all_proved": self.all_proved}, ensure_ascii=False, indent=2)


def run(
    ids: Sequence[str] = (),
    methods: Sequence[Method] = DEFAULT_METHODS,
    progress: Progress | None = None,
) -> Report:
    """Rerun the proofs of these theorems (all, if none is named) by these methods. Coq takes minutes and is opt-in.

    `progress(done, total, label)` is called before each piece of work. Raises LedgerError for an unknown id.
    """
    started = time.perf_counter()
    chosen = selected(ids)
    jobs: list[tuple[Theorem, Method]] = [
        (theorem, method) for theorem in chosen for method in METHODS if method != "coq"
    ]
    results: list[Result] = []
    for done, (theorem, method) in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs), f"{theorem.id} {method}")
        results.append(_result(theorem, method, asked=method in methods))
    if progress is not None:
        progress(len(jobs), len(jobs), "Coq: make, then Print Assumptions" if "coq" in methods else "done")
    results += _coq_results(chosen, asked="coq" in methods)
    order = {theorem.id: place for place, theorem in enumerate(chosen)}
    results.sort(key=lambda result: (order[result.theorem], METHODS.index(result.method)))
    return Report(tuple(results), _versions(), _limits(), time.perf_counter() - started, tuple(methods))


def _result(theorem: Theorem, method: Method, *, asked: bool) -> Result:
    places = theorem.evidence[method]
    if not places:
        return Result(theorem.id, method, "open", 0.0, 0, theorem.open[method])
    if not asked:
        return Result(theorem.id, method, "not run", 0.0, 0, "")
    started = time.perf_counter()
    pieces, wrong = 0, []
    for place in places:
        count, found = _CHECKS[method](theorem.id, evidence_of(place))
        pieces += count
        wrong += found
    if method == "controls" and pieces < LEAST_CONTROLS:
        wrong.append(f"only {pieces} wrong variants; at least {LEAST_CONTROLS} are needed")
    success: Outcome = "refuted" if method == "controls" else "proved"
    return Result(
        theorem.id, method, "failed" if wrong else success, time.perf_counter() - started, pieces, "; ".join(wrong)
    )


def _check_derivation(theorem: str, derivation: Any) -> tuple[int, list[str]]:
    wrong = list(faults(derivation))
    if derivation.theorem != theorem:
        wrong.append(f"the derivation is about {derivation.theorem}")
    return sum(len(links.steps) for links in derivation.chains), wrong


def _check_queries(theorem: str, queries: Any) -> tuple[int, list[str]]:
    endings = [(item.name, _ending(item)) for item in queries]
    return len(endings), [f"{name}: {ending}" for name, ending in endings if ending != "proved"]


def _ending(item: Query | Fact) -> str:
    if isinstance(item, Fact):
        return "proved" if item.holds() else "false"
    return answer(item).ending


def _check_controls(theorem: str, controls: Any) -> tuple[int, list[str]]:
    outcomes = [(control.mistake, refute(control).outcome) for control in controls]
    return len(outcomes), [f"“{mistake}” survived" for mistake, outcome in outcomes if outcome != "refuted"]


_CHECKS: Mapping[Method, Callable[[str, Any], tuple[int, list[str]]]] = {
    "symbolic": _check_derivation,
    "smt": _check_queries,
    "controls": _check_controls,
}


def _coq_results(chosen: Sequence[Theorem], *, asked: bool) -> list[Result]:
    results = []
    places = [place for theorem in chosen for place in theorem.evidence["coq"]]
    able = asked and coq_is_installed()
    started = time.perf_counter()
    answers = check_coq(places) if able and places else {}
    seconds = time.perf_counter() - started
    for theorem in chosen:
        own = theorem.evidence["coq"]
        if not own:
            results.append(Result(theorem.id, "coq", "open", 0.0, 0, theorem.open["coq"]))
        elif not able:
            results.append(
                Result(theorem.id, "coq", "not run", 0.0, 0, "coqc or make is not installed" if asked else "")
            )
        else:
            proved = all(answers[place].proved for place in own)
            detail = "; ".join(f"{place}: {answers[place].detail}" for place in own)
            share = seconds * len(own) / len(places)  # one build serves them all
            results.append(Result(theorem.id, "coq", "proved" if proved else "failed", share, len(own), detail))
    return results


def _versions() -> dict[str, str]:
    return {"z3": z3.get_version_string(), "sympy": sp.__version__, "python": platform.python_version()}


def _limits() -> dict[str, int]:
    return {"z3_timeout_ms": TIMEOUT_MS, "z3_seed": SEED, "replay_bits": PRECISION, "replay_guard_bits": GUARD}


def render_page(theorem_id: str, *, latex: bool = False) -> str:
    """The derivation of one theorem as a page: Unicode, or LaTeX."""
    (theorem,) = selected([theorem_id])
    return latex_page(theorem) if latex else unicode_page(theorem)


def recorded_status() -> dict[str, Any]:
    """What `status.json` says."""
    status: dict[str, Any] = json.loads(files("proofs").joinpath("status.json").read_text(encoding="utf-8"))
    return status


def status_of(report: Report) -> dict[str, dict[str, str]]:
    """theorem → method → outcome, for the methods that were run."""
    status: dict[str, dict[str, str]] = {}
    for result in report.results:
        if result.outcome != "not run":
            status.setdefault(result.theorem, {})[result.method] = result.outcome
    return status


def write_status(report: Report) -> Path:
    """Record the report. A method that was not run keeps its old entry only while that is still about the same Coq
    sources.
    """
    target = Path(str(files("proofs").joinpath("status.json")))
    old = recorded_status() if target.is_file() else {"theorems": {}, "coq_sources": None}
    digest = sources_digest()
    new = status_of(report)
    ran_coq = any(result.method == "coq" and result.outcome in ("proved", "failed") for result in report.results)
    for theorem in selected():
        entry = new.setdefault(theorem.id, {})
        before = old["theorems"].get(theorem.id, {})
        for method in METHODS:
            if method not in entry and method in before and (method != "coq" or old["coq_sources"] == digest):
                entry[method] = before[method]
    ordered = {theorem.id: {m: new[theorem.id][m] for m in METHODS if m in new[theorem.id]} for theorem in selected()}
    record = {
        "versions": dict(report.versions),
        "limits": dict(report.limits),
        "coq_sources": digest if ran_coq or old["coq_sources"] == digest else None,
        "theorems": ordered,
    }
    target.write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return target


def unproved(theorem: Theorem, status: Mapping[str, str]) -> bool:
    """True when no method has proved the theorem: it may then be used only with every method's open reason given."""
    return not any(status.get(method) == "proved" for method in PROOF_METHODS)


if __name__ == "__main__":
    from proofs.command import main

    main()
