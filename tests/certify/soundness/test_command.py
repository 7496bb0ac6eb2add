"""`certify soundness`: exit codes, what is printed, JSON, the page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from certify.soundness.report import command_of, page
from certify.soundness.search import hunt
from tests.certify.browser import check_page

KERNELS = "tests.certify.soundness.hunted_kernels"
ROOT = Path(__file__).parents[3]


def soundness_command(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "certify.cli", "soundness", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200", "PYTHONPATH": str(ROOT)},
    )


def test_a_broken_kernel() -> None:
    found = soundness_command(f"{KERNELS}:naive", "--seconds", "20")
    assert found.returncode == 1
    assert found.stderr == ""
    for words in (
        "broken",
        "on a row of 2 keys",
        "score, exactly",
        "claimed    τ ≤ ",
        "truth      τ in [",
        "units in the last place of float32",
        f"from {KERNELS} import naive as kernel",
        "ended by a refuted claim",
    ):
        assert words in found.stdout, found.stdout


def test_none_found() -> None:
    found = soundness_command(f"{KERNELS}:sound_pair", "--batched", "--rows", "4000", "--max-n", "9", "--seed", "7")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "no claim was refuted on 4,000 rows; that is evidence, not a proof" in found.stdout
    assert "one-way sums" in found.stdout
    assert "seed 7; ended by the row budget" in found.stdout


def test_a_bad_call_and_bad_input() -> None:
    found = soundness_command(f"{KERNELS}:crashes", "--rows", "4000")
    assert found.returncode == 2
    assert "kills its process: the call ended the process by signal SIGSEGV" in found.stdout
    absent = soundness_command("nowhere:f")
    assert absent.returncode == 2
    assert "not importable: nowhere: No module named 'nowhere'" in absent.stdout
    assert "[" not in absent.stdout, "no family is to blame where there was no row"
    assert soundness_command(f"{KERNELS}:naive", "--quantity", "mass").returncode == 2
    refused = soundness_command(f"{KERNELS}:naive", "--min-n", "9", "--max-n", "3")
    assert refused.returncode == 2
    assert refused.stderr == "certify: rows of 9 to 3 keys: give 1 ≤ least ≤ most ≤ 65536\n"
    refused = soundness_command(f"{KERNELS}:naive", "--html", "/no/such/folder/page.html")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "there is no folder /no/such/folder; make it first" in refused.stderr
    refused = soundness_command(f"{KERNELS}:naive", "--html", ROOT)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "is a folder; name a file for the page" in refused.stderr


def test_json_and_a_file_by_its_path(tmp_path: Path) -> None:
    """A file in the current folder, which imports its neighbour; both notations; noise on stdout."""
    (tmp_path / "neighbour.py").write_text("claim = 0.125\n")
    (tmp_path / "mine.py").write_text(
        "import neighbour\nclass Kernels:\n    @staticmethod\n    def tail(scores, kept):\n"
        "        print('noise')\n        return neighbour.claim\n"
    )
    for target in ("mine.py:Kernels.tail", "mine:Kernels.tail", tmp_path / "mine.py:Kernels.tail"):
        found = soundness_command(target, "--rows", "500", "--json", cwd=tmp_path)
        assert found.returncode == 1, found.stderr
        told = json.loads(found.stdout)
        assert told["schema"] == "topk-soundness/1"
        assert (told["verdict"], told["exit_code"]) == ("broken", 1)
        assert told["counterexample"]["claimed"] == "0x1.0000000000000p-3"
        assert told["question"]["n"] == [1, 64]
        assert "noise" in found.stderr


def test_the_database(tmp_path: Path) -> None:
    database = tmp_path / "rows.json"
    first = soundness_command(f"{KERNELS}:naive", "--rows", "500", "--database", database)
    again = soundness_command(f"{KERNELS}:naive", "--rows", "500", "--database", database, "--json")
    assert (first.returncode, again.returncode) == (1, 1)
    assert json.loads(again.stdout)["rows_tried"] == 1


@pytest.mark.parametrize("name", ["naive_output", "sound_output", "raises"])
def test_the_page(tmp_path: Path, name: str) -> None:
    options = {"values": 2} if name == "raises" else {"quantity": "output", "kept": "top_k"}
    found = hunt(f"{KERNELS}:{name}", rows=600, n=(2, 12), **options)  # type: ignore[arg-type]
    path = tmp_path / "page.html"
    path.write_text(page(found), encoding="utf-8")
    with check_page(path) as opened:
        text = opened.inner_text("body")
    assert str(found.verdict) in text.lower()
    assert ("A test to paste" in text) == (name == "naive_output")
    assert command_of(found) in text


def test_the_command_asks_the_same_again() -> None:
    found = hunt(f"{KERNELS}:naive_batched", rows=700, n=(2, 5), batched=True, kept="top_k", dtype="float16", seed=3)
    words = command_of(found).split()
    assert words[:2] == ["certify", "soundness"]
    again = soundness_command(*words[2:], "--json")
    assert found.counterexample is not None
    assert json.loads(again.stdout)["counterexample"] == found.counterexample.as_dict()
