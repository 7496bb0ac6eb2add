"""The page of an audit: what it says is what the audit found, whatever the bundle's shape; and a reader can use it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import certify
from certify.audit_figures import MOST_CELLS, cells_of
from certify.audit_page import audit_page
from certify.auditor import Audit, audit
from certify.bundle import Bundle, open_bundle
from certify.certificate import Certificate
from certify.examples import example
from certify.report import enclosure_shown
from certify.rules import Verdict
from tests.certify.browser import PHONE, check_page, open_page

WRONG = example("minilm-attention-wrong.safetensors")


def page_of(source: Path | Certificate, *, rows: list[int] | None = None, openable: int = 3) -> tuple[str, Audit]:
    bundle = Bundle.of(source) if isinstance(source, Certificate) else open_bundle(source)
    found = audit(bundle, rows=rows)
    return audit_page(found, bundle, "certify audit it --html page.html", openable=openable), found


def certificate(*rows: int, n: int = 24, claim: float = 0.5, **more: Any) -> Certificate:
    """Rows whose best half is kept, all with one claim."""
    scores = np.random.default_rng(7).normal(0, 2, (*rows, n)).astype(np.float32)
    kept = scores >= np.sort(scores, axis=-1)[..., n // 2, None]
    return Certificate(scores=scores, kept=kept, tv_upper=np.full(rows, claim), **more)


@pytest.fixture(scope="module")
def wrong() -> tuple[str, Audit]:
    return page_of(WRONG, openable=4)


def test_the_banner_says_what_the_audit_found(wrong: tuple[str, Audit]) -> None:
    assert '<div class="banner invalid">' in wrong[0]
    assert "<h1>15 of 64 rows claim something false</h1>" in wrong[0]
    assert "<h1>Every claim of 2 rows is proved</h1>" in page_of(certificate(2, claim=0.9))[0]
    assert "<h1>Every claim of 1 row is proved</h1>" in page_of(certificate(1, claim=0.9))[0]


def test_a_budget_that_ran_out_is_no_proof() -> None:
    scores, kept = np.array([[0.5, 0.25, 0.0]]), np.array([[True, True, False]])
    nearest = float(certify.enclosures.tail_mass(scores[0], kept[0], 200).lower)
    bundle = Bundle.of(Certificate(scores=scores, kept=kept, tv_upper=np.array([nearest])))
    page = audit_page(audit(bundle, max_bits=20), bundle, "certify")
    assert '<div class="banner undecided">' in page
    assert "1 of 1 row could not be decided within the budget; nothing was refuted" in page
    assert "budget: 20 bits were not enough" in page


def test_every_openable_row_shows_its_claims_and_enclosures_as_the_audit_has_them(wrong: tuple[str, Audit]) -> None:
    page, found = wrong
    shown = dict(re.findall(r'<details id="row-(\d+)">(.*?)</details>', page, flags=re.DOTALL))
    assert len(shown) == 4
    kept = open_bundle(WRONG).kept(0, 64)
    for number, text in shown.items():
        row = found.rows[int(number)]
        for finding in row.findings:
            line = re.search(rf'<th scope="row">{finding.claim}</th>(.*?)</tr>', text, flags=re.DOTALL)
            assert line is not None
            assert f">{finding.verdict}<" in line[1]
            assert f">{enclosure_shown(finding)}<" in line[1]
            assert finding.claimed is None or f" {finding.claimed!r}<" in line[1]
        listed = re.search(r"Kept, (\d+) of 175 keys: <span class=\"number\">(.*?)</span>", text)
        assert listed is not None
        members = [part.split("–") for part in listed[2].split(", ")]
        keys = [key for part in members for key in range(int(part[0]), int(part[-1]) + 1)]
        assert keys == np.flatnonzero(kept[int(number)]).tolist()
        assert len(keys) == int(listed[1])


def table(page: str, caption: str) -> list[list[str]]:
    """The cells of the table with this caption, row by row."""
    body = page.partition(f"<caption>{caption}</caption>")[2].partition("<tbody>")[2].partition("</tbody>")[0]
    assert body
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in body.split("</tr>")[:-1]]


def test_a_row_shows_its_place_its_heaviest_keys_and_what_was_refuted(wrong: tuple[str, Audit]) -> None:
    shown = dict(re.findall(r'<details id="row-(\d+)">(.*?)</details>', wrong[0], flags=re.DOTALL))["17"]
    assert "<p>layer 2, head 3, query position 10</p>" in shown
    assert "The bundle's own note on this row: “tv_upper: scores without the scale 1/√d”." in shown
    assert ">tv_upper (refuted)</text>" in shown
    assert ">smallest_k_for</text>" in shown
    opened = open_bundle(WRONG)
    scores, kept = opened.tensors["scores"].read(17, 18, 1)[0], opened.kept(17, 18)[0]
    tokens = json.loads(opened.notes["tokens"])
    weights = np.exp(scores.astype(np.float64)) / np.exp(scores.astype(np.float64)).sum()
    listed = table(shown, "Heaviest keys of row 17")
    assert [int(line[0]) for line in listed] == np.argsort(-scores, kind="stable")[:12].tolist()
    for number, token, score, weight, fate in listed:
        key = int(number)
        assert token == tokens[key]
        assert float(score) == scores[key]
        assert float(weight) == pytest.approx(weights[key], rel=5e-3)
        assert fate == ("kept" if kept[key] else "dropped")


def test_places_are_named_by_the_notes_whatever_the_shape(tmp_path: Path) -> None:
    import safetensors.numpy

    header = {
        "schema": "topk-certificate/1",
        "level": "scores",
        "heads": '["a", "b"]',
        "query_positions": "[10, 20, 30]",
    }
    path = tmp_path / "two.safetensors"
    safetensors.numpy.save_file(certificate(2, 3).tensors(), path, metadata=header)
    page = page_of(path, rows=[4])[0]
    assert "<p>head b, query position 20</p>" in page
    assert table(page, "Cells of the heat maps")[0][0] == "head b"


def test_tables_hold_what_the_audit_holds(wrong: tuple[str, Audit]) -> None:
    page, found = wrong
    for line, claim in zip(table(page, "Verdicts by kind of claim"), found.claims, strict=True):
        counts = [str(int((claim.verdict == verdict).sum())) for verdict in Verdict]
        assert line == [claim.rule.claim, *counts, claim.rule.theorem]
    quantiles = {
        line[0]: [float(value) for value in line[1:]] for line in table(page, "Quantiles over rows (estimates)")
    }
    assert len(quantiles) == 2 * (len(found.claims) - 1)
    for claim in found.claims[:-2]:
        slack = np.sort(claim.slack_estimate())
        assert quantiles[f"slack of {claim.rule.claim}"][0] == pytest.approx(slack[0], rel=5e-3)
        assert quantiles[f"slack of {claim.rule.claim}"][3] == pytest.approx(slack[31], rel=5e-3)
        truth = np.sort(claim.lower)
        told = quantiles[f"{claim.rule.quantity} ({claim.rule.claim})"]
        assert told == sorted(told)
        assert told[1] == told[0] == pytest.approx(truth[0], rel=5e-3)  # of 64 rows the lowest hundredth is the first
        assert told[-1] == pytest.approx(truth[-1], rel=5e-3)
    cells = table(page, "Cells of the heat maps")
    assert [float(line[4]) for line in cells] == sorted(float(line[4]) for line in cells)  # all bad: worst first
    per_head = {f"layer 2, head {name}": found.severity[16 * i : 16 * i + 16] for i, name in enumerate((0, 3, 6, 9))}
    assert {line[0]: (line[1], line[2]) for line in cells} == {
        name: ("16", str(int((severity != 0).sum()))) for name, severity in per_head.items()
    }


def test_cells_that_are_not_valid_are_listed_first() -> None:
    whole = certificate(1, 3, 2, claim=0.9)
    assert whole.tv_upper is not None
    whole.tv_upper[0, 1, 0] = 1e-6
    listed = table(page_of(whole)[0], "Cells of the heat maps")
    assert [line[2] for line in listed] == ["1", "0", "0"]
    assert listed[0][0] == "leading index 0, head 1"


def test_it_says_what_was_judged_and_with_what(wrong: tuple[str, Audit]) -> None:
    page = wrong[0]
    assert sha256(WRONG.read_bytes()).hexdigest() in page
    assert open_bundle(WRONG).inputs_digest() in page
    assert f"numpy {np.__version__}" in page
    assert "<pre><code>certify audit it --html page.html</code></pre>" in page
    assert "384: 366 by float64 intervals, 18 by higher precision or exactly" in page
    assert "1 × 4 × 16, 175 keys" in page


def test_undecided_rows_count_as_not_valid_in_a_cell() -> None:
    scores, kept = np.array([[0.5, 0.25, 0.0]] * 2), np.array([[True, True, False]] * 2)
    nearest = float(certify.enclosures.tail_mass(scores[0], kept[0], 200).lower)
    found = audit(Certificate(scores=scores, kept=kept, tv_upper=np.array([nearest, 0.9])), max_bits=20)
    cells = cells_of(found, np.array([0.1, 0.1]), {})
    assert cells.bad.tolist() == [[1, 0]]
    assert cells.severity.tolist() == [[Verdict.UNDECIDED, Verdict.VALID]]


def test_worst_rows_come_first(wrong: tuple[str, Audit]) -> None:
    page, found = wrong
    opened = [int(number) for number in re.findall(r'<details id="row-(\d+)">', page)]
    listed = re.search(r"Rows after the worst.*?<tbody>(.*?)</tbody>", page[page.index("The next") :], re.DOTALL)
    assert listed is not None
    rest = [int(number) for number in re.findall(r'<th scope="row">(\d+) ', listed[1])]
    assert [*opened, *rest] == [row.index for row in found.worst_first()]


def test_every_row_can_be_looked_up(wrong: tuple[str, Audit]) -> None:
    page, found = page_of(WRONG, rows=[3, 17, 60])
    stored = re.search(r'<script id="arrays" type="application/json">(.*?)</script>', page)
    assert stored is not None
    arrays = {name: b64decode(text) for name, text in json.loads(stored[1]).items()}
    assert np.frombuffer(arrays["index"], "<u4").tolist() == [3, 17, 60]
    assert np.frombuffer(arrays["verdict"], "u1").tolist() == [0, 2, 0] == found.severity.tolist()
    slack = np.frombuffer(arrays["slack"], "<f4")
    assert slack[1] < -0.99
    assert (slack[[0, 2]] > 0).all()


def test_the_same_audit_is_the_same_page(wrong: tuple[str, Audit]) -> None:
    assert page_of(WRONG, openable=4)[0] == wrong[0]


@pytest.mark.parametrize("shape", [(1,), (5,), (200,), (3, 4), (2, 3, 4), (2, 3, 2, 5), (100, 3, 1)])
def test_cells_gather_all_rows_whatever_the_shape(shape: tuple[int, ...]) -> None:
    found = audit(certificate(*shape, claim=0.1))
    truth = np.random.default_rng(1).uniform(size=len(found.indices))
    cells = cells_of(found, truth, {})
    assert max(cells.rows.shape) <= MOST_CELLS
    assert cells.rows.sum() == len(found.indices)
    assert cells.bad.sum() == found.count(Verdict.INVALID)
    assert cells.rows.shape == (len(cells.vertical[1]), len(cells.horizontal[1]))
    if len(shape) > 1 and max(int(np.prod(shape[:-2])), shape[-2]) <= MOST_CELLS:
        by_cell = (-1, shape[-2], shape[-1])
        severity, slack = found.severity.reshape(by_cell), found.slack_estimate().reshape(by_cell)
        assert (cells.bad == (severity != 0).sum(axis=-1)).all()
        assert (cells.severity == severity.max(axis=-1)).all()
        assert (cells.slack == slack.min(axis=-1)).all()
        middle = np.sort(truth.reshape(by_cell), axis=-1)[..., (shape[-1] - 1) // 2]
        assert (cells.truth == middle).all()


def test_a_single_axis_is_cut_into_strips_of_neighbours() -> None:
    found = audit(certificate(200, claim=0.02))
    cells = cells_of(found, np.arange(200.0), {})
    assert cells.rows.tolist() == [[5] * 40]
    assert (cells.bad == (found.severity != Verdict.VALID).reshape(40, 5).sum(axis=1)).all()
    assert cells.truth.tolist() == [[5 * strip + 2 for strip in range(40)]]
    assert cells.horizontal[1][:2] == ("0–4", "5–9")


def test_cells_without_audited_rows_are_empty() -> None:
    found = audit(certificate(2, 3, 4), rows=[5, 6, 23])
    cells = cells_of(found, np.array([0.2, 0.4, 0.3]), {})
    assert cells.rows.tolist() == [[0, 2, 0], [0, 0, 1]]
    assert np.isnan(cells.truth).tolist() == [[True, False, True], [True, True, False]]
    assert (cells.truth[0, 1], cells.truth[1, 2]) == (0.2, 0.3)


@pytest.mark.parametrize(
    "source",
    [
        certificate(7),
        certificate(2, 3),
        certificate(2, 1, 3, 2),
        certificate(1, n=1, claim=0.0),
        certificate(3, n=5000),
        certificate(60, 50, 1, n=2),
        example("minilm-attention-query-key.safetensors"),
    ],
    ids=["strip", "heads", "four axes", "one key", "long row", "many cells", "query and key"],
)
def test_any_bundle_has_a_page(source: Path | Certificate) -> None:
    page, found = page_of(source, rows=[0, 1, 2] if isinstance(source, Path) else None, openable=2)
    assert page.count('<details id="row-') == min(2, len(found.indices))
    assert page.count("<svg") == 4 + min(2, len(found.indices))
    assert "nan" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).lower()


@pytest.mark.parametrize("claim", ["kl_upper", "tv_lower", "smallest_k_for"])
def test_any_kind_of_claim_has_a_page(claim: str) -> None:
    whole = certificate(2, 3)
    values = {"kl_upper": 0.0, "tv_lower": -1.0, "smallest_k_for": 0.9}
    page, _ = page_of(
        Certificate(scores=whole.scores, kept=whole.kept, top_k=True, **{claim: np.full((2, 3), values[claim])})
    )
    assert f">{claim}<" in page
    assert ">top_k<" in page
    top_only, _ = page_of(Certificate(scores=whole.scores, kept=whole.kept, top_k=True))
    assert "Every claim of 6 rows is proved" in top_only


def test_a_masked_row_and_infinite_gaps() -> None:
    scores = np.array([[0.0, -np.inf, -np.inf], [1.0, 0.0, -np.inf]])
    page, _ = page_of(Certificate(scores=scores, kept=scores > 0.5 - np.arange(2)[::-1, None], top_k=True))
    assert "row 0" in page


def test_what_a_bundle_says_of_itself_stays_text(tmp_path: Path) -> None:
    import safetensors.numpy

    evil = "</script><script>document.title = 'owned'</script>"
    path = tmp_path / "evil.safetensors"
    tensors = certificate(1, 2, n=4).tensors()
    notes = {"tokens": json.dumps([evil] * 4), "story": json.dumps({"0": evil}), "heads": "[7", "layers": '{"a": 1}'}
    header = {"schema": "topk-certificate/1", "level": "scores", "producer": evil, **notes}
    safetensors.numpy.save_file(tensors, path, metadata=header)
    page, _ = page_of(path)
    assert "<script>document" not in page
    target = tmp_path / "page.html"
    target.write_text(page, encoding="utf-8")
    with open_page(target) as shown:
        assert shown.title().startswith("Audit of evil.safetensors")


def test_a_reader_can_use_it(wrong: tuple[str, Audit], tmp_path: Path) -> None:
    """In a real browser: accessible in both themes, no sideways scrolling on a phone, a row opens from the keyboard,
    any row can be looked up.
    """
    path = tmp_path / "page.html"
    path.write_text(wrong[0], encoding="utf-8")
    with check_page(path):
        pass
    with open_page(path) as page:
        row = page.locator("#row-17")
        assert not row.locator("svg").is_visible()
        row.locator("summary").focus()
        page.keyboard.press("Enter")
        assert row.locator("svg").is_visible()
        assert row.get_by_text("scores without the scale").is_visible()
        page.get_by_label("Look up any").fill("45")
        page.get_by_role("button", name="Show").click()
        assert "Row 45 [0, 2, 13]: invalid" in page.get_by_role("status").inner_text()
        assert page.locator("#row-45 svg").is_visible()
        page.get_by_label("Look up any").fill("2")
        page.keyboard.press("Enter")
        assert "valid" in page.get_by_role("status").inner_text()
        assert "--rows 2" in page.get_by_role("status").inner_text()
        page.get_by_label("Look up any").fill("64")
        page.keyboard.press("Enter")
        assert page.get_by_role("status").inner_text() == "Row 64 was not audited here."


def test_a_hundred_thousand_rows_stay_usable(tmp_path: Path) -> None:
    """At most 5 MB, and few enough elements that a browser is ready at once."""
    page, found = page_of(certificate(25, 40, 100, n=8, claim=0.2), openable=20)
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    assert len(found.indices) == 100_000
    assert path.stat().st_size <= 5_000_000
    with open_page(path, size=PHONE) as shown:
        assert shown.evaluate("document.querySelectorAll('*').length") < 30_000
        shown.get_by_label("Look up any").fill("99999")
        shown.keyboard.press("Enter")
        assert "Row 99999 [24, 39, 99]" in shown.get_by_role("status").inner_text()


def command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "certify.cli", "audit", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_the_command_writes_the_page_and_keeps_its_exit_code(tmp_path: Path) -> None:
    target = tmp_path / "a page.html"
    found = command(WRONG, "--rows", "17,45", "--html", target)
    assert found.returncode == 1, found.stderr
    page = target.read_text(encoding="utf-8")
    assert "2 of 2 rows claim something false" in page
    assert f"--rows 17,45 --html &#39;{target}&#39;" in page
    assert "of them audited" in page


def test_bad_targets_are_one_line_and_write_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(WRONG.read_bytes())
    same = tmp_path / "report"
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    for arguments, message, environment in (
        ([copy, "--html", tmp_path / "no" / "page.html"], "there is no folder", {}),
        ([copy, "--html", copy], "is the bundle itself", {}),
        ([copy, "--html", tmp_path], "is a folder", {}),
        ([copy, "--html", same, "--junit", same], "both page and JUnit XML", {}),
        ([copy, "--html", same], "pip install 'topk-certify[report]'", {"PYTHONPATH": f"{tmp_path}:."}),
    ):
        found = command(*arguments, **environment)
        assert found.returncode == 2
        assert message in found.stderr
        assert found.stderr.count("\n") == 1
        assert found.stdout == ""
        assert not same.exists()
    assert copy.read_bytes() == WRONG.read_bytes()
