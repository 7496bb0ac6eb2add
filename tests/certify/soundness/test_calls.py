"""Everything that is no claim is reported as what it is, with the row that caused it, and the hunt lives on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from certify import soundness
from certify.soundness import HuntVerdict
from tests.certify.soundness import hunted_kernels

ROOT = Path(__file__).parents[3]
KERNELS = "tests.certify.soundness.hunted_kernels"


@pytest.mark.parametrize(
    ("name", "options", "kind", "words", "keys"),
    [
        ("raises", {}, "raises", "ZeroDivisionError: three keys are too many", 3),
        ("exits", {}, "raises", "SystemExit: 3", 2),
        ("returns_nan", {}, "returns NaN", "NaN is no bound", 4),
        ("returns_an_array", {}, "wrong shape", "returned an array of shape (3,); return one number, or two", 2),
        ("returns_three", {}, "wrong shape", "returned 3 bounds; return one bound, or the pair", 2),
        ("returns_text", {}, "wrong type", "returned str '0.5'; return a float, or the pair", 2),
        ("returns_none", {}, "wrong type", "returned NoneType None; return a float", 2),
        ("naive", {"bound": "both"}, "wrong shape", "returned one bound; both were asked for", 2),
        ("hangs", {"call_seconds": 2.0}, "hangs", "the call took more than 2 s and was ended", 3),
        ("leaves", {}, "kills its process", "the call ended the process with exit code 7", 3),
        ("crashes", {}, "kills its process", "the call ended the process by signal SIGSEGV", 3),
        (
            "returns_an_array",
            {"batched": True},
            "wrong shape",
            "returned shape (3,) for 1 rows; return one bound a row",
            2,
        ),
        ("returns_text", {"batched": True}, "wrong type", "returned str '0.5'; return floats, one a row", 2),
    ],
)
def test_bad_calls(name: str, options: dict[str, Any], kind: str, words: str, keys: int) -> None:
    found = soundness.hunt(f"{KERNELS}:{name}", rows=5_000, **options)
    assert found.verdict is HuntVerdict.BAD_CALL
    assert found.exit_code == 2
    bad = found.bad_call
    assert bad is not None
    assert bad.kind == kind
    assert words in bad.message
    assert "\n" not in bad.message
    assert bad.row is not None
    assert (len(bad.row), bad.row.n) == (1, keys)
    assert kind in found.stopped


@pytest.mark.parametrize(
    ("target", "kind", "words"),
    [
        ("no_such_module:f", "not importable", "No module named 'no_such_module'; start where it can be imported"),
        ("no/such/file.py:f", "not importable", "there is no such file; start where"),
        ("hunted_kernels", "not importable", "names no function; write MODULE:FUNCTION or FILE.py:FUNCTION"),
        (f"{KERNELS}:absent", "not importable", "has no 'absent'"),
        (f"{KERNELS}:not_a_function", "not callable", "is a float, not a function"),
        (3.5, "not callable", "3.5 is a float, not a function"),
    ],
)
@pytest.mark.parametrize("isolate", [True, False])
def test_a_kernel_that_is_not_there(target: Any, kind: str, words: str, isolate: bool) -> None:
    found = soundness.hunt(target, rows=10, isolate=isolate)
    assert found.verdict is HuntVerdict.BAD_CALL
    assert found.bad_call is not None
    assert found.bad_call.kind == kind
    assert words in found.bad_call.message
    assert found.bad_call.row is None


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("1 / 0", "not importable", "raised ZeroDivisionError: division by zero"),
        ("def f(:", "not importable", "raised SyntaxError"),
        ("import os; os._exit(5)", "kills its process", "finding the kernel ended the process with exit code 5"),
        ("import time; time.sleep(60)", "hangs", "finding the kernel took more than 3 s"),
    ],
)
def test_a_module_that_cannot_be_imported(tmp_path: Path, code: str, kind: str, words: str) -> None:
    path = tmp_path / "broken_module.py"
    path.write_text(code + "\n")
    found = soundness.hunt(f"{path}:f", rows=10, call_seconds=0.5)
    assert found.bad_call is not None
    assert found.bad_call.kind == kind
    assert words in found.bad_call.message


@pytest.mark.parametrize(("name", "kind"), [("crashes_batched", "kills its process"), ("nan_batched", "returns NaN")])
def test_the_row_of_a_batch_that_is_to_blame(name: str, kind: str) -> None:
    found = soundness.hunt(f"{KERNELS}:{name}", rows=20_000, batched=True, n=(2, 2))
    assert found.bad_call is not None
    assert found.bad_call.kind == kind
    assert found.bad_call.row is not None
    assert found.bad_call.row.scores.tolist() == [[3.0, 3.0]], "the row that both die of"


def test_a_kernel_may_print(capfd: pytest.CaptureFixture[str]) -> None:
    assert soundness.hunt(hunted_kernels.prints, rows=200).verdict is HuntVerdict.NONE_FOUND
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("isolate", [True, False])
def test_a_kernel_may_write_into_its_arguments(isolate: bool) -> None:
    """Its claims are judged for the rows as they were given."""
    found = soundness.hunt(hunted_kernels.writes, rows=2_000, isolate=isolate)
    assert (found.verdict, found.rows_broken) == (HuntVerdict.NONE_FOUND, 0)


def test_the_time_limit_is_for_one_call() -> None:
    """Twenty calls of 0.12 s take longer than the limit of 2 s; none of them does."""
    found = soundness.hunt(f"{KERNELS}:slow", rows=20, call_seconds=2.0)
    assert (found.verdict, found.rows_tried) == (HuntVerdict.NONE_FOUND, 20)


def test_a_batch_ends_with_the_time_budget() -> None:
    found = soundness.hunt(f"{KERNELS}:slow", seconds=0.5)
    assert found.verdict is HuntVerdict.NONE_FOUND
    assert found.rows_tried < 32, "the first batch was not waited for"
    assert found.stopped == "the time budget"


def test_the_kernel_ends_with_its_hunt(tmp_path: Path) -> None:
    """Even where the hunt is killed, and could clean nothing up."""
    note = tmp_path / "pid"
    text = (
        "import os, time\nfrom pathlib import Path\nfrom certify.soundness import hunt\n"
        f"def kernel(scores, kept):\n    Path({str(note)!r}).write_text(str(os.getpid()))\n    return 1.0\n"
        "hunt(kernel, seconds=60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", text], env=os.environ | {"PYTHONPATH": str(ROOT)}) as hunting:
        for _ in range(12_000):
            if note.exists() and note.read_text():
                break
            time.sleep(0.01)
        worker = int(note.read_text())
        assert worker != hunting.pid
        hunting.kill()
    for _ in range(6_000):
        if not _runs(worker):
            return
        time.sleep(0.01)
    pytest.fail("the kernel's process outlived the hunt")


def _runs(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie that nobody fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_a_kernel_does_to_its_process_stays_there() -> None:
    def moves(scores: Any, kept: Any) -> float:
        os.environ["HUNTED"] = "yes"
        return 1.0

    soundness.hunt(moves, rows=10)
    assert "HUNTED" not in os.environ


def test_a_claim_is_the_number_that_was_returned() -> None:
    """Formats of every kind, widened exactly; 1/10 is a different number in each."""
    import ml_dtypes

    for number, name in (
        (0.1, "float64"),
        (np.float64(0.1), "float64"),
        (np.float32(0.1), "float32"),
        (np.float16(0.1), "float16"),
        (ml_dtypes.bfloat16(0.1), "bfloat16"),
        (np.array(0.1, dtype=np.float32), "float32"),
        (0, "float64"),
    ):
        found = soundness.hunt(lambda scores, kept, number=number: number, rows=500)
        example = found.counterexample
        assert example is not None
        assert example.claimed == float(number)
        assert example.claim_format == name


def test_infinite_claims_are_vacuous_on_one_side_and_wrong_on_the_other() -> None:
    assert soundness.hunt(lambda s, k: (-np.inf, np.inf), rows=300).verdict is HuntVerdict.NONE_FOUND
    for claim, side in (((-np.inf, -np.inf), "upper"), ((np.inf, np.inf), "lower")):
        found = soundness.hunt(lambda s, k, claim=claim: claim, rows=300)
        assert found.counterexample is not None
        assert found.counterexample.side == side
        assert found.counterexample.ulps == np.inf


def test_a_kernel_that_changes_its_mind_is_called_inconsistent() -> None:
    seen: list[int] = []

    def moody(scores: Any, kept: Any) -> float:
        seen.append(1)
        return 0.0 if len(seen) == 1 else 1.0

    found = soundness.hunt(moody, rows=100)
    assert found.verdict is HuntVerdict.BAD_CALL
    assert found.bad_call is not None
    assert found.bad_call.kind == "inconsistent"
