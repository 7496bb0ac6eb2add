"""The ledger cannot lie: what it names exists, what the code cites is in it, and what is recorded is what a rerun
finds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import proofs
from proofs.check import recorded_status, run, status_of, unproved
from proofs.coq_column import sources_digest
from proofs.ledger import METHODS, LedgerError, Theorem, _entry, selected, theorems

ROOT = Path(__file__).parents[2]
# T7 but not T4.5 (a number of the paper) and not TF32.
CITATION = re.compile(r"\bT(\d+)\b(?!\.\d)")
DECLARATIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of every docstring of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, *DECLARATIONS)):
            text = ast.get_docstring(node)
            if text:
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'name', 'module')}", text


def sources() -> list[Path]:
    return sorted(path for package in ("certify", "float_kernels", "proofs") for path in (ROOT / package).rglob("*.py"))


def declares(place: str) -> bool:
    """Whether `file.py` or `file.py:function` exists in the checkout."""
    path, _, name = place.partition(":")
    if not (ROOT / path).is_file():
        return False
    names = {
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, DECLARATIONS)
    }
    return not name or name in names


def test_ids_are_complete_and_in_order() -> None:
    assert [theorem.id for theorem in theorems()] == [f"T{number}" for number in range(1, 25)]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_cited_theorems_exist(path: Path) -> None:
    known = {theorem.number for theorem in theorems()}
    for where, text in docstrings(path):
        cited = {int(number) for number in CITATION.findall(text)}
        assert cited <= known, f"{where} cites {sorted(cited - known)}, which the ledger does not have"


def test_the_citation_pattern() -> None:
    assert CITATION.findall("T7 and (T12); not T4.5, TF32, T5.8 or RT3; T24.") == ["7", "12", "24"]


@pytest.mark.parametrize("theorem", theorems(), ids=lambda theorem: theorem.id)
def test_what_an_entry_names_exists(theorem: Theorem) -> None:
    for place in (*theorem.used_in, *theorem.tested):
        assert declares(place), f"{theorem.id}: no {place}"
    for method in ("symbolic", "smt", "controls"):
        for place in theorem.evidence[method]:
            assert declares(place), f"{theorem.id}: no {place}"


@pytest.mark.parametrize("theorem", theorems(), ids=lambda theorem: theorem.id)
def test_coq_names_exist_where_the_development_is(theorem: Theorem) -> None:
    folder = ROOT / "proofs" / "coq" / "theories"
    for place in theorem.evidence["coq"] if folder.is_dir() else ():
        file, name = place.split(":")
        text = (folder / file).read_text(encoding="utf-8")
        assert re.search(rf"^(Theorem|Lemma|Corollary)\s+{re.escape(name)}\b", text, re.MULTILINE), (
            f"{theorem.id}: no {place}"
        )


@pytest.mark.parametrize("theorem", [t for t in theorems() if t.used_in], ids=lambda theorem: theorem.id)
def test_a_used_theorem_is_proved_by_some_method(theorem: Theorem) -> None:
    assert not unproved(theorem, recorded_status()["theorems"][theorem.id])


def test_cited_theorems_are_proved() -> None:
    """A theorem that a docstring of the production code cites counts as used, whatever the ledger says."""
    recorded = recorded_status()["theorems"]
    by_number = {theorem.number: theorem for theorem in theorems()}
    for path in sources():
        if path.is_relative_to(ROOT / "proofs"):
            continue
        for where, text in docstrings(path):
            for number in map(int, CITATION.findall(text)):
                assert not unproved(by_number[number], recorded[f"T{number}"]), f"{where} cites T{number}"


def test_recorded_status_is_what_a_rerun_finds() -> None:
    report = run()
    assert report.all_proved, [result for result in report.results if result.outcome == "failed"]
    recorded = recorded_status()["theorems"]
    for theorem, outcomes in status_of(report).items():
        for method, outcome in outcomes.items():
            assert recorded[theorem].get(method) == outcome, (
                f"{theorem} {method}: run `python -m proofs.check --write-status`"
            )
    assert set(recorded) == {theorem.id for theorem in theorems()}


def test_a_recorded_coq_result_is_about_these_sources() -> None:
    status = recorded_status()
    claimed = [name for name, outcomes in status["theorems"].items() if outcomes.get("coq") in ("proved", "failed")]
    assert not claimed or status["coq_sources"] == sources_digest(), (
        "the .v files changed: run `python -m proofs.check --coq --write-status`"
    )


RAW = {
    "id": "T1",
    "title": "",
    "latex": "",
    "plain": "",
    "hypotheses": [],
    "source": "",
    "used_in": [],
    "tested": [],
    **{method: [] for method in METHODS},
}


def test_neither_evidence_nor_reason_is_refused() -> None:
    with pytest.raises(LedgerError, match="needs either evidence or an open reason"):
        _entry(RAW)
    reasons = dict.fromkeys(METHODS, "because")
    assert unproved(_entry({**RAW, "open": reasons}), {"controls": "refuted"})
    with pytest.raises(LedgerError, match="symbolic needs either"):
        _entry({**RAW, "symbolic": ["x.py:y"], "open": reasons})
    with pytest.raises(LedgerError, match="unknown keys"):
        _entry({**RAW, "open": reasons, "proved": True})


@pytest.mark.parametrize("theorem", theorems(), ids=lambda theorem: theorem.id)
def test_what_z3_covers_is_said(theorem: Theorem) -> None:
    """z3 decides short lists and aggregated cores, so "proved" needs its extent."""
    assert ("smt" in theorem.scope) == bool(theorem.evidence["smt"])
    assert set(theorem.scope) <= set(METHODS)


def test_unknown_ids_are_refused() -> None:
    assert [theorem.id for theorem in selected(["t10", "T2"])] == ["T2", "T10"]
    with pytest.raises(LedgerError, match=r"no theorem T25: did you mean T\d+\?"):
        selected(["T25"])
    with pytest.raises(LedgerError, match="no theorem GAP: the ledger has T1 to T24"):
        selected(["gap"])


def test_the_ledger_ships_with_the_package() -> None:
    assert (Path(proofs.__path__[0]) / "ledger.toml").is_file()
    assert (Path(proofs.__path__[0]) / "status.json").is_file()
