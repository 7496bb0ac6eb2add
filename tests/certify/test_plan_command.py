"""`certify plan` in a terminal: what it prints, its JSON, its picture, and bad input in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from certify.design_rule.picture import picture
from certify.examples import example


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "certify.cli", "plan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_it_prints() -> None:
    done = run("--n", "4096", "--sigma", "3", "--eps", "0.05", "--k", "541")
    assert done.returncode == 0, done.stderr
    assert "proved enough, P(τ > 0.05) ≤ 0.04" in done.stdout
    assert "the rule for n → ∞ says 360" in done.stdout
    assert "half of all rows or more need a larger share" in done.stdout  # wherever T17 is printed
    assert "k = 541: P(τ > 0.05) ≤ 0.1" in done.stdout
    assert "drops, with probability ≥ 0.95, at most ε = 0.05" in done.stdout
    assert "where σ ≥ 3.0" in done.stdout


def test_json_of_a_bundle() -> None:
    done = run("--eps", "0.01", "--bundle", example("minilm-attention.safetensors"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["n"] == found["fit"]["keys"] == 175
    assert found["sigma"] == found["fit"]["sigma"]
    assert found["fit"]["applies"] is False
    assert found["failure_upper"] <= found["delta"]
    assert found["k_asymptotic"] <= found["k_guaranteed"]
    assert "half of all rows" in found["warning"]


def test_a_bundle_that_is_not_gaussian_is_said_to_be() -> None:
    done = run("--eps", "0.01", "--bundle", example("minilm-attention.safetensors"))
    assert "does not describe these scores, and a plan promises nothing for them" in done.stdout


def test_nothing_proved() -> None:
    done = run("--n", "3", "--sigma", "1", "--eps", "0.01", "--k", "1")
    assert "keep all 3: no smaller k could be proved" in done.stdout
    assert "k = 1: nothing could be proved" in done.stdout
    assert "a mass for which no bound could be proved" in done.stdout
    assert "for no σ up to 40 that could be proved" in done.stdout


def test_the_picture(tmp_path: Path) -> None:
    target = tmp_path / "plan.svg"
    done = run("--n", "16", "--sigma", "1", "--eps", "0.1", "--picture", target)
    assert done.returncode == 0, done.stderr
    drawing = target.read_text(encoding="utf-8")
    assert drawing.startswith("<?xml")
    for label in ("guarantee (T18)", "half of the rows or more miss ε", "simulated 95 % quantile", "n = 16, ε = 0.1"):
        assert label in drawing


def test_a_png_of_two_panels_is_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(tmp_path / name, panels=[(16, 0.1), (32, 0.01)], sigmas=(1.0, 2.0))
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sigma", "0"), "sigma = 0.0 is not a positive number; it is the standard deviation of the scores, in nats"),
        (("--sigma", "-2"), "sigma = -2.0 is not a positive number"),
        (("--sigma", "nan"), "sigma = nan is not a positive number"),
        (("--eps", "0"), "eps = 0.0 is outside (0, 1); it is the softmax mass that may be dropped"),
        (("--eps", "1"), "eps = 1.0 is outside (0, 1)"),
        (("--delta", "0"), "delta = 0.0 is outside (0, 1); it is the probability that may fail"),
        (("--delta", "1.5"), "delta = 1.5 is outside (0, 1)"),
        (("--n", "0"), "n = 0 is below 1; a row has at least one key, and keeps one"),
        (("--k", "101"), "k = 101 exceeds n = 100; keep at most all keys"),
        (("--k", "0"), "k = 0 is below 1"),
        (("--picture", "plan.gif"), "plan.gif: a picture is an .svg or a .png; name it so"),
        (("--picture", "/nowhere/plan.svg"), "there is no folder /nowhere; make it first"),
        (("--bundle", "/nowhere.safetensors"), "/nowhere.safetensors"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str, ...], message: str) -> None:
    given = dict(zip(("--n", "--sigma", "--eps"), ("100", "1", "0.1"), strict=True)) | {arguments[0]: arguments[1]}
    done = run(*(part for pair in given.items() for part in pair))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_what_is_missing() -> None:
    assert "--n is not given; say it, or give --bundle to measure it" in run("--eps", "0.1", "--sigma", "1").stderr
    assert "--sigma is not given" in run("--eps", "0.1", "--n", "10").stderr
    assert run("--n", "10", "--sigma", "1").returncode == 2
