"""The command: exit codes, what goes to stdout and what to stderr, and one clear line for bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from certify.certificate import Certificate
from certify.enclosures import tail_mass
from certify.examples import example

GOOD, WRONG = example("minilm-attention.safetensors"), example("minilm-attention-wrong.safetensors")


def certify_command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "certify.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"COLUMNS": "250"},
    )


def test_exit_codes(tmp_path: Path) -> None:
    assert certify_command("audit", GOOD, "--rows", "300:310").returncode == 0
    assert certify_command("audit", WRONG).returncode == 1
    assert certify_command("audit", tmp_path / "nothing").returncode == 2
    assert certify_command("audit").returncode == 2


def test_a_budget_that_runs_out_is_undecided(tmp_path: Path) -> None:
    """The float just below τ against τ itself needs more than 20 bits."""
    scores, kept = np.array([[0.5, 0.25, 0.0]]), np.array([[True, True, False]])
    nearest = float(tail_mass(scores[0], kept[0], 200).lower)
    path = tmp_path / "close.safetensors"
    Certificate(scores=scores, kept=kept, tv_upper=np.array([nearest])).save(path)
    found = certify_command("audit", path, "--max-bits", "20")
    assert found.returncode == 3
    assert "budget: 20 bits were not enough" in found.stdout
    assert certify_command("audit", path).returncode in (0, 1)


def test_table_shows_the_worst_row_and_why() -> None:
    found = certify_command("audit", WRONG, "--show", "3")
    assert "invalid" in found.stdout
    assert "15 invalid" in found.stdout
    assert found.stderr == ""


def test_json() -> None:
    found = certify_command("audit", WRONG, "--json")
    document = json.loads(found.stdout)
    assert document["verdicts"] == {"valid": 49, "undecided": 0, "invalid": 15}
    assert document["exit_code"] == found.returncode == 1
    assert len(document["rows"]) == 64
    broken = document["rows"][59]["findings"][0]
    assert broken["claim"] == "tv_upper"
    assert broken["verdict"] == "invalid"
    assert float.fromhex(broken["claimed"]) == 0.1587
    assert broken["claimed"] != broken["lower"]
    assert float(broken["lower"]) > 0.1587


def test_junit(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert certify_command("audit", WRONG, "--junit", report, "--rows", "0:16").returncode == 1
    suite = ElementTree.parse(report).getroot()[0]
    assert suite.attrib["tests"] == "16"
    assert suite.attrib["failures"] == str(len(suite.findall("testcase/failure"))) == "4"
    assert suite.attrib["errors"] == "0"
    assert "top-(k−1)" in suite.findall("testcase/failure")[0].attrib["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["audit", "missing.safetensors"], "there is no such file"),
        (["audit", GOOD, "--rows", "5:x"], "neither a row number nor start:stop"),
        (["audit", GOOD, "--rows", "99999"], "row 99999 is out of range"),
        (["audit", GOOD, "--max-bits", "1"], "max_bits = 1"),
        (["audit", GOOD, "--rows", "0", "--junit", "no/such/folder/report.xml"], "no/such/folder/report.xml"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: list[str | Path], message: str) -> None:
    found = certify_command(*arguments)
    assert found.returncode == 2
    assert message in found.stderr
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""
    assert "Traceback" not in found.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m certify.cli audit {GOOD} --rows 300:700 --json | head -1"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert found.stdout.startswith('{"schema": "topk-audit/1"')
    assert found.stderr == ""


def test_import_stays_light() -> None:
    heavy = {"sympy", "z3", "numba", "hypothesis", "scipy", "sklearn", "torch", "matplotlib", "float_kernels", "proofs"}
    show = f"print(sorted({heavy!r} & set(sys.modules)))"
    code = f"import certify, sys; {show}; certify.audit; {show}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n[]\n"


def test_demo_shows_a_rejection_of_every_mistake() -> None:
    found = certify_command("demo")
    assert found.returncode == 0, found.stderr
    assert "768 valid" in found.stdout
    assert "15 invalid" in found.stdout
    assert "not rounded up" in found.stdout


def test_the_verdict_survives_a_reader_that_goes_away_and_a_poor_terminal() -> None:
    command = f"{sys.executable} -m certify.cli audit {WRONG} --json | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False).returncode == 1
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii"}
    arguments = [sys.executable, "-m", "certify.cli", "audit", str(GOOD), "--rows", "300:302"]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False, env=ascii_only)
    assert found.returncode == 0, found.stderr
    assert "valid" in found.stdout


def test_targets_are_checked_before_the_work(tmp_path: Path) -> None:
    for target in (tmp_path / "out.h5", tmp_path / "no" / "out.npz"):
        found = certify_command("topk", GOOD, "-k", "3", "-o", target)
        assert found.returncode == 2
        assert str(target) in found.stderr
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(WRONG.read_bytes())
    assert certify_command("audit", copy, "--junit", copy).returncode == 2
    assert copy.read_bytes() == WRONG.read_bytes()


def test_a_crash_does_not_read_as_a_verdict() -> None:
    code = "from certify import cli; cli.app = lambda: 1 // 0; cli.main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 70
    assert "ZeroDivisionError" in found.stderr


def test_a_closed_stdout_leaves_the_exit_code() -> None:
    command = f"{sys.executable} -m certify.cli audit {WRONG} --json >&-"
    found = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert found.returncode == 1, found.stderr
    assert found.stderr == ""


def test_search_refuses_bits_that_its_method_would_ignore() -> None:
    from certify.commands.search import _check_options
    from certify.errors import BadInput

    with pytest.raises(BadInput, match="--bits 4 with --method mass, which searches no quantised keys"):
        _check_options("mass", None, None, None, False, "4")
    _check_options("prefilter", None, None, None, False, "4")
