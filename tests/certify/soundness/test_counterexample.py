"""What is reported is exact, and the test to paste fails on the broken kernel and passes on a sound one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify import soundness
from certify.interval import Interval
from certify.soundness.float_formats import FORMATS
from certify.soundness.question import RowBatch
from tests.certify.soundness import hunted_kernels

KERNELS = "tests.certify.soundness.hunted_kernels"


def broken(name: str, **options: Any) -> soundness.Counterexample:
    found = soundness.hunt(f"{KERNELS}:{name}", rows=20_000, **options).counterexample
    assert found is not None
    return found


def run_text(text: str) -> None:
    """The pasted text as pytest would run it: executed, and its only test called."""
    room: dict[str, Any] = {}
    exec(compile(text, "pasted", "exec"), room)
    tests = [value for name, value in room.items() if name.startswith("test_")]
    assert len(tests) == 1
    tests[0]()


@pytest.mark.parametrize(
    ("name", "sound", "options"),
    [
        ("naive", "tight", {}),
        ("naive", "tight", {"dtype": "bfloat16"}),
        ("naive_batched", "sound_upper_batched", {"batched": True}),
        ("naive_list", "sound_list", {"array": "list"}),
        ("naive_lower", "sound_lower", {"bound": "lower"}),
        ("naive_pair", "sound_pair", {"bound": "both"}),
        ("naive_kl", "sound_upper_kl", {"quantity": "kl"}),
        ("naive_output", "sound_upper_output", {"quantity": "output"}),
    ],
)
def test_the_test_to_paste(name: str, sound: str, options: dict[str, Any]) -> None:
    found = broken(name, **options)
    text = found.regression_test()
    with pytest.raises(AssertionError):
        run_text(text)
    run_text(text.replace(f"import {name} as kernel", f"import {sound} as kernel"))
    assert all(len(line) < 200 for line in text.splitlines())


def test_the_test_to_paste_runs_under_pytest(tmp_path: Path) -> None:
    path = tmp_path / "test_pasted.py"
    path.write_text(broken("naive").regression_test())
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "1 failed" in ran.stdout


def test_a_local_kernel_is_left_to_the_reader() -> None:
    def local(scores: Any, kept: Any) -> float:
        return 0.0

    found = soundness.hunt(local, rows=500).counterexample
    assert found is not None
    assert "from your_module import your_kernel as kernel" in found.regression_test()


def test_the_violation_is_measured_exactly() -> None:
    """τ = ½ on a row of two zeros; claims one float32 below it, and 0."""
    found = soundness.hunt(lambda s, k: np.nextafter(np.float32(0.5), np.float32(0)), rows=500, n=(2, 2)).counterexample
    assert found is not None
    row = found.row
    assert (row.exact_scores == 0).all()
    assert row.kept.tolist() == [[True, False]]
    assert found.truth.contains(Fraction(1, 2))
    assert found.gap is not None
    assert found.gap <= Fraction(1, 2**25)
    # one unit of float32 below ½ is half a unit at ½, less the width of the enclosure
    assert 0.499999 < found.ulps <= 0.5
    assert 2.0**-24 * 0.99999 < found.relative <= 2.0**-24
    none = replace(found, claimed=inf)
    assert (none.ulps, none.relative) == (inf, inf)


def test_a_violation_is_never_overstated() -> None:
    """The end of the enclosure nearest to the claim counts, and quotients are rounded down."""
    found = soundness.hunt(lambda s, k: 0.0, rows=500).counterexample
    assert found is not None
    wide = replace(found, claimed=0.25, truth=Interval.between(0.5, 0.75, 64))
    assert wide.gap == Fraction(1, 4)
    assert wide.relative <= 1 / 3
    below = replace(wide, side="lower", claimed=1.0)
    assert below.gap == Fraction(1, 4)
    for size in (3.0, 10.0):  # the float nearest to ⅓ lies below it, that nearest to 1/10 above
        relative = replace(found, claimed=size - 1.0, truth=Interval.between(size, size, 64)).relative
        exact = 1 / Fraction(size)
        assert exact - Fraction(1, 2**50) < Fraction(relative) <= exact


def test_the_test_to_paste_sides_with_a_claim_that_equals_the_truth() -> None:
    """τ = ½ for two scores of 1, which no enclosure of finite width shows to be ≤ ½."""
    found = broken("naive", n=(2, 2))
    tied = replace(found, row=RowBatch(np.float32([[1.0, 1.0]]), np.array([[True, False]])))
    text = tied.regression_test().replace(f"from {KERNELS} import naive as kernel", "kernel = lambda s, k: CLAIM")
    run_text(text.replace("CLAIM", "0.5"))
    with pytest.raises(AssertionError):
        run_text(text.replace("CLAIM", repr(float(np.nextafter(0.5, 0)))))


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_last_places(dtype: str) -> None:
    form = FORMATS[dtype]
    for number in form.rounded(np.array([1.0, 1.5, 2.0, 0.1, 3e4, 2.0**form.least_exponent])):
        value = Fraction(float(number))
        above = Fraction(float(form.stepped(np.array([number]), np.array([1]))[0]))
        assert form.last_place(value) == above - value
    assert form.last_place(Fraction(1, 3)) == form.last_place(Fraction(1, 4))
    smallest = Fraction(2) ** (form.least_exponent - form.digits + 1)
    assert form.last_place(Fraction(0)) == form.last_place(smallest / 3) == smallest


def test_hexadecimal_says_the_row_again() -> None:
    found = broken("naive_output", quantity="output", dtype="float16")
    told = found.as_dict()
    assert [float.fromhex(x) for x in told["scores"]] == found.row.exact_scores[0].tolist()
    assert [float(x) for x in told["scores_decimal"]] == found.row.exact_scores[0].tolist()
    assert found.row.exact_values is not None
    assert [[float.fromhex(x) for x in v] for v in told["values"]] == found.row.exact_values[0].tolist()
    assert float.fromhex(told["claimed"]) == found.claimed == float(told["claimed_decimal"])
    assert Fraction(told["truth"]["lower"]) <= Fraction(told["truth"]["upper"])
    claim = hunted_kernels.naive_output(found.row.scores[0], found.row.kept[0], found.row.values[0])  # type: ignore[index]
    assert float(claim) == found.claimed
