"""Every Python block of the documentation runs, a page in one go, and prints what the page says it prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import certify
from certify.audit_page import audit_page
from certify.bundle import open_bundle
from certify.examples import example

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", flags=re.DOTALL | re.MULTILINE)
PAGES = sorted(path for path in DOCS.rglob("*.md") if "```python" in path.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(found["kind"], found["body"]) for found in FENCE.finditer(page.read_text(encoding="utf-8"))]


def test_there_are_pages_with_code() -> None:
    assert {page.stem for page in PAGES} >= {"audit", "soundness", "reference", "produce", "add-a-bound"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_prints_what_it_says(page: Path) -> None:
    program, promised = "", ""
    for kind, body in blocks(page):
        if kind == "python":
            program += body
        elif kind == "text":
            promised += body
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout == promised


def test_the_torch_example_writes_a_bundle_that_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="needs the models extra: pip install 'topk-certify[models]'")
    (code,) = [body for kind, body in blocks(DOCS / "serving.md") if "torch" in kind]
    assert len([line for line in code.splitlines() if line]) <= 10
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    audit = certify.audit(tmp_path / "run.safetensors")
    assert audit.all_valid
    assert audit.shape == (2, 4, 8)
    assert {claim.rule.claim for claim in audit.claims} == {"tv_upper", "top_k"}


def test_the_verdict_that_is_explained_is_the_one_that_is_given() -> None:
    """verdicts.md takes row 17 of the shipped bundle apart; the page of the audit says the same words."""
    explained = (DOCS / "verdicts.md").read_text(encoding="utf-8")
    row = certify.audit(example("minilm-attention-wrong.safetensors"), rows=[17]).rows[0]
    finding = row.worst
    assert f"row 17 {list(row.position)}   {row.verdict}   {finding.claim} ≤ {finding.claimed!r}" in explained
    assert (
        f"{finding.enclosure.digits(6)}\n{finding.quantity} > claim [{finding.theorem}, {finding.decided_by}]"
        in explained
    )
    bundle = open_bundle(example("minilm-attention-wrong.safetensors"))
    page = audit_page(certify.audit(bundle, rows=[17]), bundle, "certify")
    assert f"{finding.claim} ≤ {finding.claimed!r}" in page
    assert finding.enclosure.digits(6) in page
