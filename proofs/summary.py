"""The table "proved so far" in Markdown, from the ledger and the recorded status: `python -m proofs.summary`.

It is embedded in readmes between two comments, and tests compare it there with what this module prints.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from proofs.check import recorded_status
from proofs.ledger import METHODS, Method, Theorem, theorems

BEGIN = "<!-- proved so far: written by python -m proofs.summary -->"
END = "<!-- end of proved so far -->"
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


def embedded(document: str) -> str:
    """What stands between the two comments in a document, these included; "" where they are missing."""
    start, end = document.find(BEGIN), document.find(END)
    return document[start : end + len(END)] + "\n" if 0 <= start < end else ""


def refreshed(document: str) -> str:
    """The document with the table of today in the place of the embedded one."""
    old = embedded(document)
    return document.replace(old.rstrip("\n"), proved_so_far().rstrip("\n")) if old else document


if __name__ == "__main__":
    sys.stdout.write(proved_so_far())
