"""The audit as a stream: the same verdicts whatever the blocks, groups and selection; bounded memory; a thread that
is not to be trusted.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import certify
from certify import row_blocks
from certify.certificate import Certificate
from certify.errors import BadInput
from certify.rules import Verdict


def grouped(kv_groups: int = 2, queries: int = 3, **changes: Any) -> Certificate:
    """Two layers of four heads at level query-key, half of the claims too small."""
    r = np.random.default_rng(3)
    layers, heads, n, d = 2, 4, 9, 6
    rows = (layers, heads, queries)
    kept = r.random((*rows, n)) < 0.5
    kept[..., 0] = True
    parts: dict[str, Any] = {
        "query": r.normal(size=(*rows, d)),
        "key": r.normal(size=(layers, heads // kv_groups, n, d)),
        "value": r.normal(size=(layers, heads // kv_groups, n, 5)),
        "bias": np.where(r.random((*rows, n)) < 0.1, -np.inf, r.normal(size=(*rows, n))),
        "mask": r.random((*rows, n)) < 0.9,
        "kept": kept,
        "tv_upper": r.random(rows),
        "tv_lower": r.random(rows),
        "kl_upper": r.random(rows),
        "output_error_upper": r.random(rows),
        "smallest_k_for": r.random(rows) * 0.98 + 0.01,
        "level": "query-key",
        "top_k": True,
        "kv_groups": kv_groups,
    }
    parts["bias"][..., 0] = 0.0
    parts["mask"][..., 0] = True
    return Certificate(**(parts | changes))


def by_hand(certificate: Certificate) -> list[list[Verdict]]:
    """Every row alone, with the key head that its query head belongs to written out: no grouping, no blocks."""
    assert certificate.query is not None
    assert certificate.key is not None
    assert certificate.value is not None
    found = []
    for place in np.ndindex(certificate.kept.shape[:-1]):
        layer, head, _ = place
        kv = (layer, head // certificate.kv_groups)
        single = Certificate(
            query=certificate.query[place][None],
            key=certificate.key[kv],
            value=certificate.value[kv],
            level="query-key",
            top_k=True,
            **{
                name: getattr(certificate, name)[place][None]
                for name in (
                    "bias",
                    "mask",
                    "kept",
                    "tv_upper",
                    "tv_lower",
                    "kl_upper",
                    "output_error_upper",
                    "smallest_k_for",
                )
            },
        )
        found.append([finding.verdict for finding in certify.audit(single).rows[0].findings])
    return found


def verdicts(audit: certify.Audit) -> list[list[Verdict]]:
    return [[finding.verdict for finding in row.findings] for row in audit.rows]


@pytest.mark.parametrize("kv_groups", [1, 2, 4])
@pytest.mark.parametrize("block", [1, 20, 60, 1 << 15])
def test_blocks_and_groups_do_not_matter(monkeypatch: pytest.MonkeyPatch, kv_groups: int, block: int) -> None:
    certificate = grouped(kv_groups)
    monkeypatch.setattr(row_blocks, "BLOCK", block)
    found = verdicts(certify.audit(certificate))
    assert found == by_hand(certificate)
    flat = [verdict for row in found for verdict in row]
    assert {Verdict.VALID, Verdict.INVALID} == set(flat)


def test_one_query_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding: many groups of one row each go through the first pass together."""
    certificate = grouped(kv_groups=2, queries=1)
    assert verdicts(certify.audit(certificate)) == by_hand(certificate)


@pytest.mark.parametrize("rows", [[0], [5, 6, 7], [23, 0, 11, 12], range(3, 19)])
def test_selected_rows(rows: list[int]) -> None:
    certificate = grouped()
    whole = certify.audit(certificate)
    part = certify.audit(certificate, rows=rows)
    assert [row.index for row in part.rows] == sorted(rows)
    assert verdicts(part) == [verdicts(whole)[i] for i in sorted(rows)]
    assert [row.position for row in part.rows] == [whole.rows[i].position for i in sorted(rows)]


@pytest.mark.parametrize(("rows", "message"), [([24], "row 24 is out of range"), ([-1], "row -1"), ([], "no row")])
def test_selection_outside_is_refused(rows: list[int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        certify.audit(grouped(), rows=rows)


@pytest.mark.parametrize("budget", [{"max_bits": 1}, {"max_terms": -1}])
def test_budgets_must_leave_something(budget: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="max_"):
        certify.audit(grouped(), **budget)  # type: ignore[arg-type]


def test_memory_is_bounded_by_a_block_not_by_the_file(tmp_path: Path) -> None:
    rows, n = 4000, 2048
    scores = np.zeros((rows, n), dtype=np.float32)
    kept = np.zeros((rows, n), dtype=bool)
    kept[:, :8] = True
    path = tmp_path / "large.safetensors"
    safetensors.numpy.save_file(
        {"scores": scores, "kept": kept, "tv_upper": np.full(rows, 0.999)},
        path,
        metadata={"schema": "topk-certificate/1", "level": "scores"},
    )
    size = path.stat().st_size
    del scores, kept
    tracemalloc.start()
    audit = certify.audit(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert audit.all_valid
    assert size > 40_000_000
    assert peak < size / 4, f"peak {peak} bytes for a file of {size}"


def test_nearly_all_claims_are_settled_by_the_first_pass() -> None:
    """≥ 99.9 % of the claims that are 1e-9, relatively, from the truth."""
    r = np.random.default_rng(11)
    scores = r.normal(0, 2.5, (2000, 200)).astype(np.float32)
    kept = scores >= np.sort(scores, axis=-1)[:, -25, None]
    parts: dict[str, Any] = {"scores": scores, "kept": kept}
    rough = certify.audit(Certificate(**parts, tv_upper=np.ones(2000), kl_upper=np.full(2000, 99.0)))
    truth = {claim.rule.claim: claim.upper for claim in rough.claims}
    side = np.where(np.arange(2000) % 2, 1 + 1e-9, 1 - 1e-9)
    found = certify.audit(Certificate(**parts, **{name: value * side for name, value in truth.items()}))
    for claim in found.claims:
        assert len(claim.exact) <= 2, claim.rule.claim
        assert np.array_equal(claim.verdict == Verdict.VALID, np.arange(2000) % 2 == 1)


def test_worst_rows_come_first() -> None:
    scores = np.zeros((5, 4), dtype=np.float32)
    kept = np.array([[True, True, False, False]] * 5)  # τ = ½ in every row
    claims = np.array([0.5, 0.4999, 0.75, 0.25, 0.500001])
    order = [row.index for row in certify.audit(Certificate(scores=scores, kept=kept, tv_upper=claims)).worst_first()]
    assert order == [3, 1, 0, 4, 2]


def test_rows_is_a_sequence() -> None:
    audit = certify.audit(grouped())
    assert len(audit.rows) == 24
    assert audit.rows[-1].index == 23
    assert [row.index for row in audit.rows[2:4]] == [2, 3]
    with pytest.raises(IndexError):
        audit.rows[24]
    assert audit.verdicts == [row.verdict for row in audit.rows]


def test_progress_reaches_the_end() -> None:
    seen: list[tuple[int, int]] = []
    certify.audit(grouped(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)
    assert seen == sorted(seen)


def test_bundle_on_disk_and_in_memory_agree(tmp_path: Path) -> None:
    certificate = grouped()
    expected = verdicts(certify.audit(certificate))
    for name in ("c.safetensors", "c.npz"):
        certificate.save(tmp_path / name)
        assert verdicts(certify.audit(tmp_path / name)) == expected
