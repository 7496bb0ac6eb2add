"""The page of a search: its verdict is an audit's, its numbers are the summary's, and a reader can use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from certify.examples import example
from certify.search import SearchResult, build_cells, mass_search
from certify.search_page import search_page
from certify.search_summary import summary_of
from tests.certify.browser import check_page

QUERY_KEY = example("minilm-attention-query-key.safetensors")


@pytest.fixture(scope="module")
def found() -> SearchResult:
    r = np.random.default_rng(3)
    key = r.normal(0, 1, (3, 40, 8))
    return mass_search(r.normal(0, 2, (3, 5, 8)), key, eps=0.05, cells=build_cells(key, "ward"), bound="bennett")


def test_the_numbers_are_those_of_the_search(found: SearchResult) -> None:
    page, summary = search_page(found, "a.safetensors", "certify search a"), summary_of(found)
    assert '<div class="banner valid">' in page
    assert f"Every certificate of 15 rows is proved; the search had {summary.ratio_of_means:.2f} attended keys" in page
    assert f"ratio of means {summary.ratio_of_means:.3f}, mean of ratios {summary.mean_of_ratios:.3f}" in page
    for name, figures in summary.quantiles.items():
        cells = "".join(f'<td class="number">{x:.4g}</td>' for x in figures)
        assert f'<th scope="row">{name}</th>{cells}' in page
    products = (found.scored_keys + found.cell_scores).ravel()
    dearest = page.partition("Rows by their products")[2].partition("<tbody>")[2].partition("</tbody>")[0]
    listed = re.findall(r'<th scope="row">(\d+) \[(\d), (\d)\]</th><td class="number">(\d+)</td>', dearest)
    assert [int(line[3]) for line in listed] == sorted(products.tolist(), reverse=True)
    assert all(5 * int(head) + int(query) == int(row) for row, head, query, _ in listed)
    assert all(products[int(row)] == int(cost) for row, _, _, cost in listed)
    assert page == search_page(found, "a.safetensors", "certify search a")


def test_a_certificate_that_does_not_hold_is_on_top(found: SearchResult) -> None:
    """The search promises; the audit decides."""
    claimed = found.certificate.tv_upper
    assert claimed is not None
    false = replace(found, certificate=replace(found.certificate, tv_upper=np.where(claimed > 0, 1e-9, claimed)))
    page = search_page(false, "a.safetensors", "certify search a")
    assert '<div class="banner invalid">' in page
    assert re.search(r"\d+ of 15 certificates are not proved", page)


def test_a_single_query_has_a_page() -> None:
    r = np.random.default_rng(3)
    one = mass_search(r.normal(size=4), r.normal(size=(20, 4)), eps=0.1)
    assert "certificate of 1 row" in search_page(one, "a", "certify search a")


def test_a_reader_can_use_it(found: SearchResult, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(search_page(found, "a.safetensors", "certify search a"), encoding="utf-8")
    with check_page(path) as page:
        assert page.locator("figure svg").count() == 2


def test_the_command(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    arguments = [sys.executable, "-m", "certify.cli", "search", str(QUERY_KEY), "--eps", "0.05", "--html"]
    run = {"capture_output": True, "text": True, "check": False}
    done = subprocess.run([*arguments, str(target)], **run)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert "Every certificate of 128 rows is proved" in target.read_text(encoding="utf-8")
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    without = os.environ | {"PYTHONPATH": f"{tmp_path}:."}
    for place, message, environment in (
        (tmp_path / "no" / "page.html", "there is no folder", os.environ),
        (QUERY_KEY, "is the bundle itself", os.environ),
        (tmp_path / "other.html", "pip install 'topk-certify[report]'", without),
    ):
        refused = subprocess.run([*arguments, str(place)], env=environment, **run)  # type: ignore[call-overload]
        assert refused.returncode == 2
        assert message in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not (tmp_path / "other.html").exists()
