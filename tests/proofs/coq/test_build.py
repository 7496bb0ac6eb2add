"""The Coq development compiles, rests on the standard axioms alone, and its spoiled variants are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import proofs.coq
from proofs.coq import check

HERE = Path(proofs.coq.__file__).parent
SPOILED = sorted((HERE / "must_fail").glob("*.v"))


def test_the_headlines_rest_on_standard_axioms(built: Path) -> None:
    answer = (built / "assumptions.checked").read_text(encoding="utf-8").splitlines()
    axioms = check.axioms_by_theorem(check.RECORD.read_text(encoding="utf-8"))
    assert answer == [f"{name}: {len(axioms[name])} axioms, all standard" for name in check.HEADLINES]


@pytest.mark.parametrize("source", SPOILED, ids=lambda source: source.stem)
def test_a_spoiled_file_is_refused_and_the_right_one_is_not(built: Path, source: Path) -> None:
    answer = (built / "must_fail" / f"{source.stem}.checked").read_text(encoding="utf-8")
    assert answer == f"accepted as it is, refused when spoiled: {source.name}\n"


def test_there_are_spoiled_files() -> None:
    assert len(SPOILED) >= 8


def test_the_record_names_standard_axioms_only() -> None:
    axioms = check.axioms_by_theorem(check.RECORD.read_text(encoding="utf-8"))
    assert tuple(axioms) == check.HEADLINES
    assert all(names and names <= check.STANDARD_AXIOMS for names in axioms.values())


def test_a_foreign_axiom_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = check.RECORD.read_text(encoding="utf-8") + "trust_me\n  : 0 = 1\n"
    monkeypatch.setattr(check, "compile_text", lambda text: (0, printed))
    first, second = check.check_assumptions()
    assert first == "T23_tail_mass_sound assumes trust_me"
    assert second.startswith("Coq's answer is not the one in assumptions.txt")


def test_a_missing_answer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = check.RECORD.read_text(encoding="utf-8").split("T23_tail_mass_sound")[0]
    monkeypatch.setattr(check, "compile_text", lambda text: (0, printed))
    assert check.check_assumptions()[0] == "T23_tail_mass_sound: Coq gives no answer"


@pytest.mark.parametrize(
    ("text", "answers", "problem"),
    [
        ("(* a comment *)\nright", [], "its first line does not say"),
        ("(* mutate: right -> wrong; refused with: E *)\nright right", [], "occurs 2 times, not once"),
        ("(* mutate: right -> wrong; refused with: E *)\nright", [(1, "E")], "refused as it is"),
        ("(* mutate: right -> wrong; refused with: E *)\nright", [(0, ""), (0, "")], "accepted with 'right'"),
        ("(* mutate: right -> wrong; refused with: E *)\nright", [(0, ""), (1, "F")], "refused for another reason"),
    ],
)
def test_a_useless_spoiled_file_is_seen(
    text: str, answers: list[tuple[int, str]], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "useless.v"
    source.write_text(text, encoding="utf-8")
    coming = iter(answers)
    monkeypatch.setattr(check, "compile_text", lambda text: next(coming))
    (found,) = check.check_spoiled(source)
    assert problem in found


def test_nothing_is_admitted() -> None:
    assert check.forbidden_words() == []


@pytest.mark.parametrize("text", ["Proof. Admitted.", "Axiom a : False.", "Parameter p : nat.", "admit."])
def test_the_search_for_admissions_finds_them(text: str) -> None:
    assert check.FORBIDDEN.search(text)


def test_comments_are_not_searched() -> None:
    assert check.FORBIDDEN.search(check.COMMENT.sub("", "(* Admitted would be\n cheating *) Qed.")) is None


def test_the_project_lists_every_source() -> None:
    listed = set(re.findall(r"^theories/(\w+\.v)$", (HERE / "_CoqProject").read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == {source.name for source in (HERE / "theories").glob("*.v")}


def test_every_headline_theorem_is_stated() -> None:
    text = (HERE / "theories" / "Headline.v").read_text(encoding="utf-8")
    for theorem in check.HEADLINES:
        assert f"Theorem {theorem}" in text


def statements(text: str) -> list[str]:
    """The definitions and the theorems of a Coq file, without comments and proofs."""
    words = r"Theorem|Definition|Fixpoint|Inductive|Notation|Hypothesis|Variables"
    return re.findall(rf"^(?:{words})\b.*?\.\s*$", check.COMMENT.sub("", text), re.MULTILINE | re.DOTALL)


def test_headline_uses_only_proofs_and_constants_of_the_development() -> None:
    """All that the statements mention is defined in Headline.v, in Constants.v or outside the development."""
    text = (HERE / "theories" / "Headline.v").read_text(encoding="utf-8")
    assert "From TopK Require Import" not in text
    modules = {source.stem for source in (HERE / "theories").glob("*.v")} - {"Constants"}
    foreign = re.compile(rf"\b(?:{'|'.join(sorted(modules))})\.\w")
    found = statements(text)
    assert len(found) > len(check.HEADLINES)
    assert [statement for statement in found if foreign.search(statement)] == []
    assert foreign.search("Theorem t : TailMass.tail_mass_interval g row = x.")
