"""Hunting: what is unsound is found and shrunk, what is sound survives, and a seed says it all again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify import soundness
from certify.errors import BadInput
from certify.soundness import HuntVerdict
from tests.certify import arb_truth
from tests.certify.soundness import hunted_kernels

KERNELS = "tests.certify.soundness.hunted_kernels"


def proved_by_arb(found: soundness.Counterexample) -> bool:
    """Whether Arb, too, says that the claim is wrong."""
    truth = {"tail": arb_truth.tail_mass, "kl": arb_truth.kl, "output": arb_truth.output_error}[found.question.quantity]
    values = () if found.question.quantity != "output" else (found.row.exact_values[0],)  # type: ignore[index]
    value = truth(found.row.exact_scores[0], found.row.kept[0], *values)
    claimed = arb_truth.number(found.claimed)
    return bool(value > claimed if found.side == "upper" else value < claimed)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("naive", {}),
        ("naive", {"kept": "top_k"}),
        ("naive", {"dtype": "float64"}),
        ("naive", {"dtype": "float16"}),
        ("naive", {"dtype": "bfloat16"}),
        ("naive_batched", {"batched": True}),
        ("naive_list", {"array": "list"}),
        ("naive_lower", {"bound": "lower"}),
        ("naive_pair", {"bound": "both"}),
        ("naive_kl", {"quantity": "kl"}),
        ("naive_output", {"quantity": "output"}),
    ],
)
def test_a_naive_kernel_breaks_on_a_row_that_a_person_can_check(name: str, options: dict[str, Any]) -> None:
    found = soundness.hunt(f"{KERNELS}:{name}", rows=20_000, **options)
    assert found.verdict is HuntVerdict.BROKEN
    example = found.counterexample
    assert example is not None
    assert example.row.n <= 4
    assert example.ulps > 0
    assert example.relative > 0
    assert proved_by_arb(example)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sound_pair", {"batched": True}),
        ("sound_pair", {"dtype": "float16"}),
        ("sound_kl", {"batched": True, "quantity": "kl"}),
        ("sound_output", {"batched": True, "quantity": "output"}),
        ("tight", {"n": (1, 12)}),
    ],
)
def test_a_sound_kernel_survives(name: str, options: dict[str, Any]) -> None:
    rows = 20_000 if options.get("batched") else 3_000
    found = soundness.hunt(f"{KERNELS}:{name}", rows=rows, **options)
    assert (found.verdict, found.bad_call) == (HuntVerdict.NONE_FOUND, None)
    assert found.rows_tried == rows
    assert found.rows_broken == found.rows_open == 0
    assert found.stopped == "the row budget"


def test_one_unit_too_low_on_rare_rows_is_found() -> None:
    found = soundness.hunt(f"{KERNELS}:tight_but_for_rare_rows", rows=20_000, n=(2, 8))
    assert found.counterexample is not None
    assert found.counterexample.ulps < 1
    assert proved_by_arb(found.counterexample)


def test_the_same_seed_finds_the_same_row() -> None:
    first, again = (soundness.hunt(f"{KERNELS}:tight_but_for_rare_rows", rows=5_000, seed=3) for _ in range(2))
    assert first.counterexample is not None
    assert again.counterexample is not None
    assert first.counterexample.as_dict() == again.counterexample.as_dict()
    assert first.rows_tried == again.rows_tried


def test_a_seed_says_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever is loaded, however strings hash; and nothing is left behind in the folder."""
    found = "hunt(lambda s, k: k[:, 0] + 1.0, batched=True, rows=9_999).coverage"
    text = f"from certify.soundness import hunt\nprint({found})"
    root = str(Path(__file__).parents[3])
    told = []
    for hashing, before in (("1", ""), ("2", "import tests.certify.soundness.test_search\n")):
        environment = os.environ | {"PYTHONPATH": root, "PYTHONHASHSEED": hashing}
        ran = subprocess.run(
            [sys.executable, "-c", before + text],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(ran.stdout)
    assert told[0] == told[1]
    assert "drawn by Hypothesis" in told[0]
    assert list(tmp_path.iterdir()) == []


def test_past_failures_are_tried_first(tmp_path: Path) -> None:
    database = tmp_path / "rows.json"
    first = soundness.hunt(f"{KERNELS}:naive", rows=5_000, database=database)
    assert first.counterexample is not None
    again = soundness.hunt(f"{KERNELS}:naive", rows=5_000, database=database)
    assert again.rows_tried == 1
    assert again.coverage[0].family == "past failures"
    assert again.counterexample is not None
    assert np.array_equal(again.counterexample.row.scores, first.counterexample.row.scores)


def test_keep_going_counts(tmp_path: Path) -> None:
    found = soundness.hunt(f"{KERNELS}:naive_batched", rows=5_000, batched=True, keep_going=True)
    assert found.rows_tried == 5_000
    assert 500 < found.rows_broken < 5_000
    assert found.counterexample is not None


def test_a_function_of_this_process_needs_no_name() -> None:
    assert soundness.hunt(lambda scores, kept: 0.25, rows=1_000).verdict is HuntVerdict.BROKEN
    assert soundness.hunt(hunted_kernels.naive, rows=1_000, isolate=False).verdict is HuntVerdict.BROKEN


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quantity": "mass"}, "quantity = 'mass'; give one of tail, kl, output"),
        ({"dtype": "float8"}, "dtype 'float8' is not a format of scores"),
        ({"n": (3, 2)}, "rows of 3 to 2 keys"),
        ({"values": -1}, "values = -1: give their width"),
        ({"quantity": "output", "values": 0}, "values = 0"),
        ({"n": 64}, "n = 64; give the least and the most keys"),
        ({"values": 1.5}, "values = 1.5: give their width"),
        ({"rows": 0}, "rows = 0; give a whole number, 1 or more"),
        ({"rows": 2.5}, "rows = 2.5; give a whole number"),
        ({"seconds": float("inf")}, "seconds = inf; give a budget above 0, and a finite one"),
        ({"seconds": float("nan")}, "seconds = nan"),
        ({"call_seconds": 0}, "call_seconds = 0"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_options_without_meaning_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words.replace("(", r"\(")):
        soundness.hunt(hunted_kernels.naive, **options)
