"""The Coq development compiles, rests on the standard axioms alone, and its wrong variants are rejected."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import proofs.coq
from proofs.coq import check

HERE = Path(proofs.coq.__file__).parent
needs_coq = pytest.mark.skipif(
    shutil.which("coqc") is None or shutil.which("make") is None,
    reason="coqc or make is not installed, so the proofs were not compiled here; see proofs/coq/README.md",
)


@needs_coq
def test_everything_compiles_and_the_wrong_files_do_not() -> None:
    run = subprocess.run(["make", "-C", str(HERE)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    for theorem in check.HEADLINES:
        assert f"{theorem}: 4 axioms, all standard" in run.stdout or f"{theorem}: 3 axioms, all standard" in run.stdout
    for source in (HERE / "must_fail").glob("*.v"):
        assert f"rejected as it should be: {source.name}" in run.stdout


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
