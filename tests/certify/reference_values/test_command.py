"""`certify reference` and `certify conform` from the command line: what they print, their exit codes, bad input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from certify import cli
from certify.certificate import Certificate
from certify.examples import example
from certify.reference_values.suite import shipped
from certify.reference_values.vectors import read_vectors
from tests.certify.reference_values.arb_oracle import disagreements


@dataclass(frozen=True)
class Ending:
    returncode: int
    stdout: str
    stderr: str


def certify_command(*arguments: str | Path) -> Ending:
    """The command in this process, as the console entry point runs it."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["certify", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return Ending(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def test_the_command_as_a_process() -> None:
    command = [sys.executable, "-m", "certify.cli", "reference", "kl", "--scores", "-inf,0", "--kept", "1"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "  exact     0\n" in found.stdout
    assert found.stderr == ""


def cases_of(*arguments: str | Path) -> list[dict[str, object]]:
    found = certify_command("reference", *arguments, "--format", "json")
    assert found.returncode == 0, found.stderr
    cases: list[dict[str, object]] = json.loads(found.stdout)["cases"]
    assert not [line for entry in cases for line in disagreements(entry)]
    return cases


def test_by_hand() -> None:
    found = certify_command("reference", "kl", "--scores", "0x1p-3,1.5,-inf", "--kept", "0,2", "--digits", "30")
    assert found.stdout.splitlines()[:5] == [
        "kl: KL(P̂‖P), nats (T2)",
        "",
        "kl",
        "  decimal   1.60041265160164792685649471522e+00",
        "  binary64  0x1.99b4a4bebbd51p+0",
    ]
    (entry,) = cases_of("kl", "--scores=-0.1 1.5", "--kept=1", "--dtype", "float16")
    assert entry["inputs"]["scores"] == {"dtype": "float16", "data": ["-0x1.998p-4", "0x1.8p+0"]}  # type: ignore[index]
    values = ("--value", "1,0; 0,1; 2,2", "--scores", "1,2,3", "--kept", "0")
    assert [entry["quantity"] for entry in cases_of("output_error", *values)] == ["output_error"]
    cases_of("gap_bound", "--gap", "1.5", "--k", "0x10", "--n", "4096")
    cases_of("score_radius", "--query", "1,2", "--key", "3,4", "--stored", "bfloat16")
    cases_of("block_bound_upper", "--scores", "1,2,3", "--kept", "0", "--blocks", "0,0,1")
    cases_of("tail_mass", "--query", "1,2", "--key", "3,4;0,1", "--kept", "0", "--scale", "0.5", "--mask", "0 1")


def test_by_family_and_from_a_bundle(tmp_path: Path) -> None:
    drawn = cases_of(
        "variance_bound", "--family", "spread", "--seed", "3", "--count", "4", "--keys", "9", "--keep", "2"
    )
    assert [entry["case"] for entry in drawn] == [f"variance_bound/spread/{seed}" for seed in range(3, 7)]
    cases_of("perturbed_tail_mass_upper", "--family", "normal", "--radius", "0.25", "--dtype", "bfloat16")
    of_scores = cases_of("tail_mass", "--bundle", example("minilm-attention.safetensors"), "--rows", "700:703")
    assert [entry["case"] for entry in of_scores] == [f"tail_mass/row-{row}" for row in range(700, 703)]
    of_dots = cases_of("output_error", "--bundle", example("minilm-attention-query-key.safetensors"), "--rows", "5")
    assert set(of_dots[0]["inputs"]) >= {"query", "key", "kept", "value"}  # type: ignore[call-overload]
    path = tmp_path / "one.npz"
    Certificate(scores=np.zeros((2, 3)), kept=np.ones((2, 3), dtype=bool), tv_upper=np.zeros(2)).save(path)
    assert [entry["exact"] for entry in cases_of("kl", "--bundle", path)] == ["0", "0"]


def test_all_quantities_are_listed() -> None:
    found = certify_command("reference")
    assert found.returncode == 0
    assert "tail_mass_from_log_sum_exp_lower" in found.stdout
    assert "[unseen_upper]" in found.stdout


@pytest.mark.parametrize("suffix", [".json", ".csv", ".npz", ".h", ".py"])
def test_files_by_suffix(suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"values{suffix}"
    arguments = ("reference", "kl", "--family", "uniform", "--count", "2", "-o", target)
    assert certify_command(*arguments).stdout == f"{target}: 2 values\n"
    first = target.read_bytes()
    certify_command(*arguments)
    assert target.read_bytes() == first


def test_numbers_without_digits_and_without_decisions() -> None:
    far = certify_command("reference", "tail_mass", "--scores", "0,-1e6", "--kept", "0", "--digits", "5")
    assert "decimal   not written beyond 2**±131072" in far.stdout
    # e^-1e5 cannot be told from 0 in 100 bits by tanh's enclosure; no tie is near, so more bits would help
    poor = certify_command("reference", "gaussian_fraction", "--sigma", "2", "--eps", "0.01", "--max-bits", "40")
    assert poor.returncode == 3
    assert "40 bits do not tell its side, and no exact test applies; raise max_bits" in poor.stderr


ROW = ("--scores", "0,1", "--kept", "0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("klx", *ROW), "there is no quantity 'klx'; did you mean kl"),
        (("kl", "--scores", "0,1"), "kl needs scores, kept; give kept too"),
        (("kl", "--scores", "0,1", "--kept", "2"), "--kept: there is no key 2; the row has keys 0..1"),
        (("kl", "--scores", "0,1", "--kept", "-1"), "there is no key -1"),
        (("kl", "--kept", "0"), "names keys, and there are no scores to count them by"),
        (("kl", *ROW, "--kept", "1"), "--kept is given twice"),
        (("kl", "--scores", "0,nan", "--kept", "0"), "--scores holds nan; numbers are finite, or -inf"),
        (("kl", "--scores", "0,inf", "--kept", "0"), "--scores holds inf; numbers are finite, or -inf"),
        (("kl", "--scores", "0,1e400", "--kept", "0"), "beyond the largest float64"),
        (("kl", "--scores", "0,x", "--kept", "0"), "--scores holds 'x', which is no number"),
        (("kl", "--scores", "0x1.8001p0,1", "--kept", "0", "--dtype", "bfloat16"), "which is not a bfloat16"),
        (("kl", *ROW, "--dtype", "float8"), "there is no dtype 'float8'; did you mean float"),
        (("kl", *ROW, "--eps", "0.5"), "kl takes no 'eps'; it takes scores, kept"),
        (("kl", *ROW, "--colour", "red"), "there is no input 'colour'"),
        (("kl", *ROW, "0.5"), "'0.5' stands where an option is expected"),
        (("kl", *ROW, "--value"), "--value has no value"),
        (("kl", *ROW, "--scale="), "--scale is empty"),
        (("kl", *ROW, "--digits", "5000"), "digits = 5000 is outside 1..4000"),
        (("kl", *ROW, "-o", "x.xlsx"), "unknown suffix '.xlsx'"),
        (("kl", *ROW, "-o", "no/such/x.json"), "there is no folder no/such"),
        (("output_error", *ROW, "--value", "1,2;3"), "has rows of 2, 1 numbers"),
        (("gap_bound", "--gap", "1", "--k", "one", "--n", "2"), "--k is 'one', which is no whole number"),
        (("kl", "--family", "normal", "--count", "0"), "leaves no case"),
        (("kl", "--family", "normal", "--bundle", "x.npz"), "both give the inputs; use one"),
        (("kl", "--bundle", "missing.npz"), "there is no such file"),
        (("kl", "--bundle", example("minilm-attention.safetensors"), "--rows", "99999"), "row 99999 is out of range"),
        (("kl", *ROW, "--rows", "1"), "--rows names rows of a bundle"),
        (("suite",), "say where with -o"),
        (("suite", "--scores", "1", "-o", "x.json"), "the suite takes no inputs"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str | Path, ...], message: str) -> None:
    found = certify_command("reference", *arguments)
    assert found.returncode == 2, found
    assert message in found.stderr
    assert found.stderr.count("\n") == 1
    assert found.stdout == ""


def answered(path: Path, value: float, **more: str) -> Path:
    answer = {"case": "edge/third/tail_mass", "value": value.hex()} | more
    path.write_text(json.dumps({"schema": "topk-results/1", "implementation": "mine", "answers": [answer]}))
    return path


def test_conform(tmp_path: Path) -> None:
    good = certify_command("conform", "suite", answered(tmp_path / "good.json", 1 / 3))
    assert good.returncode == 0, good.stderr
    assert "mine: 0 sound  0 unsound  1 correct  0 faithful  0 inexact  0 wrong" in good.stdout
    bad = certify_command("conform", shipped(), answered(tmp_path / "bad.json", 1.0), "--json")
    assert bad.returncode == 1
    document = json.loads(bad.stdout)
    assert document["verdicts"]["wrong"] == document["exit_code"] == 1
    assert document["grades"][0]["verdict"] == "wrong"
    assert len(document["unanswered"]) == len(read_vectors(shipped())) - 1
    trap = tmp_path / "trap.csv"
    trap.write_text("case,upper\ntrap/log-sum-exp-in-base-2,0.29289\n")
    found = certify_command("conform", "suite", trap)
    assert found.returncode == 1
    assert "unsound: trap/log-sum-exp-in-base-2 (log-sum-exp in base 2)" in found.stdout
    assert "trap: log-sum-exp in base 2 (1 case)" in found.stdout


def test_conform_on_vectors_of_your_own(tmp_path: Path) -> None:
    vectors, answers = tmp_path / "v.json", tmp_path / "a.csv"
    assert (
        certify_command("reference", "chi_squared", "--scores", "0,0,0", "--kept", "1", "-o", vectors).returncode == 0
    )
    answers.write_text("case,value\nchi_squared,2.0\n")
    found = certify_command("conform", vectors, answers)
    assert found.returncode == 0
    assert "exact" in found.stdout


def test_conform_bad_input(tmp_path: Path) -> None:
    for arguments, message in (
        (("suite", tmp_path / "missing.json"), "there is no such file"),
        (("suite", tmp_path / "answers.txt"), "unknown suffix '.txt'; answers are .json or .csv"),
        ((tmp_path / "missing.json", answered(tmp_path / "a.json", 1.0)), "there is no such file"),
        (("suite", answered(tmp_path / "b.json", 1.0, format="binary128")), "format 'binary128'; did you mean binary"),
    ):
        found = certify_command("conform", *arguments)
        assert found.returncode == 2
        assert message in found.stderr
        assert found.stderr.count("\n") == 1
