"""How the Coq column reads Coq's answers; the build itself runs with `certify prove --coq`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from proofs import coq_column
from proofs.coq_column import check_coq, coq_is_installed, judged, sources_digest

CLASSICAL = """Axioms:
ClassicalDedekindReals.sig_not_dec : forall P : Prop, {~ ~ P} + {~ P}
ClassicalDedekindReals.sig_forall_dec
  : forall P : nat -> Prop,
    (forall n : nat, {P n} + {~ P n}) -> {n : nat | ~ P n} + {forall n : nat, P n}
FunctionalExtensionality.functional_extensionality_dep
  : forall (A : Type) (B : A -> Type) (f g : forall x : A, B x),
    (forall x : A, f x = g x) -> f = g
"""


def test_allowed_axioms() -> None:
    answer = judged(CLASSICAL)
    assert answer.proved
    assert answer.detail == "functional_extensionality_dep, sig_forall_dec, sig_not_dec"
    assert judged("Closed under the global context\n").proved


@pytest.mark.parametrize(
    "printed",
    [
        CLASSICAL + "Headline.trust_me : 0 = 1\n",
        "Axioms:\nmy_axiom\n  : False\n",
        "Axioms:\nclassic_but_not_quite : False\n",
        "Axioms:\n",
        "",
        "Error: something else",
    ],
)
def test_anything_else_is_not_proved(printed: str) -> None:
    assert not judged(printed).proved


MAKEFILE = "all:\n\tcoqc -R theories TopK theories/Small.v\n"
SMALL = """Theorem fine : 1 = 1.
Proof. reflexivity. Qed.
Axiom anything : 0 = 1.
Theorem not_fine : 0 = 1.
Proof. exact anything. Qed.
"""


@pytest.fixture
def development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A development of one file, in the place of the real one."""
    folder = tmp_path / "coq"
    (folder / "theories").mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "theories" / "Small.v").write_text(SMALL)
    monkeypatch.setattr(coq_column, "files", lambda package: tmp_path)
    return folder


def test_a_missing_makefile_proves_nothing(development: Path) -> None:
    (development / "Makefile").unlink()
    assert check_coq(["Small.v:fine"])["Small.v:fine"].detail == "no proofs/coq/Makefile"


def test_a_failing_build_proves_nothing(development: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    (development / "Makefile").write_text("all:\n\tfalse\n")
    answer = check_coq(["Small.v:fine"])["Small.v:fine"]
    assert not answer.proved
    assert "the build failed" in answer.detail


def test_a_small_development(development: Path) -> None:
    if not coq_is_installed():
        pytest.skip("coqc or make is not installed")
    answers = check_coq(["Small.v:fine", "Small.v:not_fine", "Small.v:absent", "Absent.v:fine"])
    assert answers["Small.v:fine"].proved
    assert (
        answers["Small.v:not_fine"].detail == "rests on TopK.Small.anything"
        or "anything" in answers["Small.v:not_fine"].detail
    )
    assert not answers["Small.v:not_fine"].proved
    assert not answers["Small.v:absent"].proved
    assert not answers["Absent.v:fine"].proved
    assert not (development / "theories" / "Small.vo").exists()


def test_the_digest_follows_the_sources(development: Path) -> None:
    before = sources_digest()
    (development / "theories" / "Small.v").write_text(SMALL.replace("fine", "good"))
    assert sources_digest() != before
