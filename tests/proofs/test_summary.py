"""The table of what is proved: it says what the status says, and the copy in the readme is today's."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofs import summary
from proofs.check import recorded_status
from proofs.ledger import METHODS, theorems
from proofs.summary import BEGIN, BEGIN_SHORT, END, END_SHORT, embedded, proved_in_short, proved_so_far, refreshed

README = Path(__file__).parents[2] / "proofs" / "README.md"


def cells() -> dict[str, list[str]]:
    rows = [line.strip("| ").split(" | ") for line in proved_so_far().splitlines() if line.startswith("| T")]
    return {row[0]: row[1:] for row in rows}


def test_the_table_says_what_the_status_says() -> None:
    recorded = recorded_status()["theorems"]
    assert list(cells()) == [theorem.id for theorem in theorems()]
    for name, (_, *outcomes) in cells().items():
        for method, outcome in zip(METHODS, outcomes, strict=True):
            assert outcome.split(" [")[0] == recorded[name].get(method, "not recorded")


def test_every_note_is_numbered_and_used() -> None:
    text = proved_so_far()
    notes = [line.partition(". ") for line in text.splitlines() if line[:1].isdigit()]
    assert [number for number, _, _ in notes] == [str(place) for place in range(1, len(notes) + 1)]
    assert all(f"[{number}]" in text for number, _, _ in notes)


def test_the_readme_holds_the_table_of_today() -> None:
    found = embedded(README.read_text(encoding="utf-8"))
    assert found == proved_so_far(), "run `python -m proofs.summary` and paste its output between the two comments"


def test_the_front_page_holds_the_short_table_of_today() -> None:
    front = (README.parents[1] / "README.md").read_text(encoding="utf-8")
    assert embedded(front, BEGIN_SHORT, END_SHORT) == proved_in_short(), "paste `python -m proofs.summary --short`"


def test_the_short_table_says_what_the_status_says() -> None:
    """Every id stands in exactly one of the two columns of each method, runs spelled out."""
    recorded, ids = recorded_status()["theorems"], [theorem.id for theorem in theorems()]
    lines = [line.strip("| ").split(" | ") for line in proved_in_short().splitlines() if line.startswith("| ")][2:]
    assert len(lines) == len(METHODS)
    for method, (_, *columns) in zip(METHODS, lines, strict=True):
        for column, wanted in zip(columns, (True, False), strict=True):
            named: list[str] = []
            for run in column.split(", ") if column != "—" else []:
                first, _, last = run.partition("–")
                named += ids[ids.index(first) : ids.index(last or first) + 1]
            outcomes = {name: recorded[name].get(method) in ("proved", "refuted") for name in ids}
            assert named == [name for name in ids if outcomes[name] is wanted]


def test_embedding() -> None:
    document = f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    assert refreshed(document) == f"before\n\n{proved_so_far()}\nafter\n"
    assert embedded(refreshed(document)) == proved_so_far()
    assert embedded("nothing here") == ""
    assert refreshed("nothing here") == "nothing here"


def test_a_change_of_status_changes_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    before = proved_so_far()
    status = recorded_status()
    status["theorems"]["T1"]["symbolic"] = "failed"
    monkeypatch.setattr(summary, "recorded_status", lambda: status)
    assert proved_so_far() != before
