"""`certify search`: the counts are those of the rows, the certificates pass the audit, bad input is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import certify
from certify.bundle import save_inputs
from certify.certificate import Header
from certify.examples import example
from certify.search import SearchResult, build_cells, mass_search
from certify.search_summary import QUANTILES, as_json, print_summary, summary_of

SCORES, QUERY_KEY = example("minilm-attention.safetensors"), example("minilm-attention-query-key.safetensors")


def searched(keep_means: bool = False) -> SearchResult:
    """Grouped heads with a causal mask, so that rows attend between 1 and 40 keys."""
    r = np.random.default_rng(5)
    query, key = r.normal(0, 2, (4, 40, 8)), r.normal(0, 1, (2, 40, 8))
    mask = np.broadcast_to(np.tri(40, dtype=bool), (4, 40, 40))
    index = build_cells(key, "ward")
    return mass_search(
        query, key, eps=0.05, cells=index, bound="bennett", keep_means=keep_means, mask=mask, kv_groups=2
    )


def test_both_ratios_count_attended_keys_and_every_product() -> None:
    result = searched()
    found = summary_of(result)
    attended = [row % 40 + 1 for row in range(160)]
    products = (result.scored_keys + result.cell_scores).reshape(-1).tolist()
    assert (found.rows, found.keys) == (160, 40)
    assert found.ratio_of_means == pytest.approx(float(Fraction(sum(attended), sum(products))), rel=1e-15)
    mean = sum(Fraction(a, p) for a, p in zip(attended, products, strict=True)) / 160
    assert found.mean_of_ratios == pytest.approx(float(mean), rel=1e-15)
    keys = result.scored_keys.reshape(-1).tolist()
    assert found.ratio_of_means_keys_alone == pytest.approx(float(Fraction(sum(attended), sum(keys))), rel=1e-15)
    assert found.bytes_ratio == pytest.approx(sum(attended) * 8 * 8 / int(result.bytes_read.sum()), rel=1e-15)
    assert found.ratio_of_means != found.mean_of_ratios
    assert found.fired == np.count_nonzero(result.fires)
    assert found.fell_back == np.count_nonzero(result.fell_back)
    assert found.largest_tv_upper == result.tv_upper.max() <= 0.05


def test_quantiles_are_rows_that_exist() -> None:
    result = searched()
    quantiles = summary_of(result).quantiles
    ordered = np.sort((result.scored_keys + result.cell_scores).reshape(-1))
    places = [max(0, int(np.ceil(q * 160)) - 1) for q in QUANTILES]
    assert quantiles["products"] == tuple(ordered[places].tolist())
    assert "l1_upper / 2" not in quantiles
    assert summary_of(searched(keep_means=True)).quantiles["l1_upper / 2"][-1] <= 0.05


def test_what_is_printed() -> None:
    summary = summary_of(searched())
    stream = StringIO()
    print_summary(summary, Console(width=100, file=stream))
    text = stream.getvalue()
    assert f"fired: {summary.fired / 160:.1%} of the rows; scored whole after all: {summary.fell_back} rows" in text
    assert f"ratio of means {summary.ratio_of_means:.3f}, mean of ratios {summary.mean_of_ratios:.3f}" in text
    assert all(name in text for name in summary.quantiles)
    document = json.loads(as_json(summary))
    assert document["schema"] == "topk-search/1"
    assert document["quantiles"]["at"] == list(QUANTILES)
    assert document["ratio_of_means"] == summary.ratio_of_means


def certify_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "certify.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"COLUMNS": "250"},
    )


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--keep-means",),
        ("--bound", "ball", "--cells", "kmeans", "--count", "30"),
        ("--method", "delta-k"),
        ("--method", "prefilter"),
        ("--method", "prefilter", "--bits", "4"),
    ],
    ids=["tree", "means", "ball", "delta-k", "int8", "int4"],
)
def test_the_certificates_pass_the_audit(options: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "found.safetensors"
    found = certify_command("search", QUERY_KEY, "--eps", "0.05", "-o", out, "--json", *options)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    document = json.loads(found.stdout)
    assert document["rows"] == 128
    if "--keep-means" not in options:
        assert document["largest_tv_upper"] <= 0.05
    audit = certify.audit(out)
    assert audit.all_valid
    assert len(audit.rows) == 128


def test_bad_input_is_one_line_and_exit_2(tmp_path: Path) -> None:
    capped = tmp_path / "capped.safetensors"
    ones = {"query": np.ones((2, 4)), "key": np.ones((3, 4))}
    save_inputs(Header(level="query-key", softcap=2.0), ones, capped, {})
    for arguments, message in (
        ((QUERY_KEY, "--eps", "2"), "eps = 2.0; a tail mass to allow lies strictly between 0 and 1"),
        ((SCORES, "--eps", "0.1"), "is at level scores, whose scores are all known"),
        ((capped, "--eps", "0.1"), "has a bias or soft-cap"),
        ((QUERY_KEY, "--eps", "0.1", "--method", "delta-k", "--bound", "chord"), "--bound chord with --method delta-k"),
        ((QUERY_KEY, "--eps", "0.1", "--method", "delta-k", "--keep-means"), "--keep-means with --method delta-k"),
        ((QUERY_KEY, "--eps", "0.1", "--method", "prefilter", "--bound", "box"), "--bound box with --method prefilter"),
        ((QUERY_KEY, "--eps", "0.1", "--method", "prefilter", "--count", "3"), "--count 3 with --method prefilter"),
        ((QUERY_KEY, "--eps", "0.1", "-o", tmp_path / "out.h5"), "unknown suffix '.h5'"),
        ((tmp_path / "none", "--eps", "0.1"), "there is no such file"),
    ):
        found = certify_command("search", *arguments)
        assert found.returncode == 2
        assert message in found.stderr
        assert found.stderr.count("\n") == 1
        assert found.stdout == ""
