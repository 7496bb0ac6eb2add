"""The table "proved so far" in Markdown, from the ledger and the recorded status: `python -m proofs.summary`; with
`--short` in four lines.

Each is embedded in a readme between two comments, and tests compare it there with what this module prints.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from proofs.check import recorded_status
from proofs.ledger import METHODS, Method, Theorem, theorems

BEGIN = "<!-- proved so far: written by python -m proofs.summary -->"
END = "<!-- end of proved so far -->"
BEGIN_SHORT = "<!-- proved so far, in short: written by python -m proofs.summary --short -->"
END_SHORT = "<!-- end of proved so far, in short -->"
_LONG_HEADINGS: Mapping[Method, str] = {
    "symbolic": "derived, every step checked by SymPy",
    "smt": "no counterexample, says z3",
    "controls": "wrong variants refuted",
    "coq": "for every n, by Coq's kernel",
}
_HEADINGS: Mapping[Method, str] = {
    "symbolic": "SymPy",
    "smt": "z3",
    "controls": "wrong variants",
    "coq": "Coq",
}


def proved_so_far() -> str:
    """The table with its notes, between the two comments; ends in a newline."""
    recorded = recorded_status()["theorems"]
    headings = ["id", "theorem", *(_HEADINGS[method] for method in METHODS)]
    notes: list[str] = []
    lines = [BEGIN, "", _row(headings), _row(["---"] * len(headings))]
    for theorem in theorems():
        cells = [_cell(theorem, method, recorded.get(theorem.id, {}), notes) for method in METHODS]
        lines.append(_row([theorem.id, theorem.title, *cells]))
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, start=1)), "", END]
    return "\n".join(lines) + "\n"


def proved_in_short() -> str:
    """One line a method: the ids that hold, and those that do not or are open; between the two comments."""
    recorded = recorded_status()["theorems"]
    lines = [BEGIN_SHORT, "", _row(["", "yes", "open"]), _row(["---"] * 3)]
    for method in METHODS:
        good = {t.id for t in theorems() if recorded.get(t.id, {}).get(method) in ("proved", "refuted")}
        ids = [t.id for t in theorems()]
        lines.append(_row([_LONG_HEADINGS[method], _runs(ids, good), _runs(ids, set(ids) - good)]))
    return "\n".join([*lines, "", END_SHORT]) + "\n"


def _runs(ids: list[str], chosen: set[str]) -> str:
    """T1, T2, T3, T7 as "T1–T3, T7", in the order of the ledger."""
    runs: list[list[str]] = []
    for before, name in zip([None, *ids], ids, strict=False):
        if name in chosen:
            if before in chosen and runs:
                runs[-1].append(name)
            else:
                runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs) or "—"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(theorem: Theorem, method: Method, recorded: Mapping[str, str], notes: list[str]) -> str:
    """The recorded outcome, and the number of the note that says what it covers or why it is open."""
    outcome = recorded.get(method, "not recorded")
    note = theorem.open.get(method) if outcome == "open" else theorem.scope.get(method)
    if note is None:
        return outcome
    if note not in notes:
        notes.append(note)
    return f"{outcome} [{notes.index(note) + 1}]"


def embedded(document: str, begin: str = BEGIN, end: str = END) -> str:
    """What stands between the two comments in a document, these included; "" where they are missing."""
    start, stop = document.find(begin), document.find(end)
    return document[start : stop + len(end)] + "\n" if 0 <= start < stop else ""


def refreshed(document: str) -> str:
    """The document with the table of today in the place of the embedded one."""
    old = embedded(document)
    return document.replace(old.rstrip("\n"), proved_so_far().rstrip("\n")) if old else document


if __name__ == "__main__":
    sys.stdout.write(proved_in_short() if sys.argv[1:] == ["--short"] else proved_so_far())
