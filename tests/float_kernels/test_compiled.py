"""The same bits from the NumPy specification and from Numba, whatever the batch, the threads or the processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

import float_kernels
from float_kernels import streaming
from float_kernels.compiled import ROW_SUMS
from float_kernels.exponential import Grade
from float_kernels.tails import row_sums_specification

from .adversarial_rows import HANDMADE, Row, rows
from .rows_digest import digest, scores

GRADES: tuple[Grade, ...] = ("fast", "exact")
ROOT = Path(__file__).parents[2]
# Names LLVM knows, from SSE2 to AVX-512; an x86-64 machine runs those whose instructions it has.
TARGETS = {"x86-64": "sse2", "haswell": "avx2", "skylake-avx512": "avx512f"}


def same_bits(*results: np.ndarray) -> bool:
    return len({np.ascontiguousarray(result).tobytes() for result in results}) == 1


def assert_same_sums(row: Row, grade: Grade) -> None:
    native = streaming.native(row.scores)[None]
    compiled = ROW_SUMS[grade](native, row.kept[None])
    specified = row_sums_specification(row.scores[None], row.kept[None], grade=grade)
    for name, a, b in zip(("maximum", "tail", "kept"), compiled, specified, strict=True):
        assert a == b or same_bits(a, b), (str(row), name, a, b)
        assert same_bits(a + 0.0, b + 0.0), (str(row), name)  # a maximum of −0.0 may come out as 0.0: the same number


@pytest.mark.parametrize("grade", GRADES)
@pytest.mark.parametrize("row", HANDMADE, ids=str)
def test_handmade_rows(row: Row, grade: Grade) -> None:
    assert_same_sums(row, grade)


@settings(max_examples=150, deadline=None)
@given(rows(max_keys=70))
def test_drawn_rows(row: Row) -> None:
    for grade in GRADES:
        assert_same_sums(row, grade)
        compiled = float_kernels.kl(row.scores, row.kept, grade=grade)
        specified = float_kernels.kl(row.scores, row.kept, grade=grade, implementation="numpy")
        assert same_bits(np.array(compiled), np.array(specified))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 16, 100, 2048, 6001])
def test_whole_batches(n: int, dtype: type) -> None:
    s = scores(9, n, np.float64)
    s = np.where(np.isfinite(s), np.clip(s, -6e4, 6e4), s).astype(dtype)
    s[:, 0] = 2.0
    kept = (np.arange(n) % 4 == 0) & np.ones(s.shape, dtype=np.bool_)
    for grade in GRADES:
        compiled = float_kernels.tail_mass(s, kept, grade=grade)
        specified = float_kernels.tail_mass(s, kept, grade=grade, implementation="numpy")
        alone = [float_kernels.tail_mass(row, mask, grade=grade) for row, mask in zip(s, kept, strict=True)]
        assert same_bits(np.array(compiled), np.array(specified), np.array(alone).T)
    values = scores(n, 5, np.float64)
    values = np.where(np.isfinite(values), values, 0.0)
    assert same_bits(
        np.array(float_kernels.output_error(s, kept, values)),
        np.array(float_kernels.output_error(s, kept, values, implementation="numpy")),
    )


def test_threads_change_no_bit() -> None:
    s = scores(600, 3000, np.float32)
    s[:, 0] = 1.0
    kept = (np.arange(3000) % 2 == 0) & np.ones(s.shape, dtype=np.bool_)
    assert s.size > 3 * streaming.MIN_PARALLEL
    for function in (
        lambda threads: np.array(float_kernels.tail_mass(s, kept, threads=threads)),
        lambda threads: np.array(float_kernels.smallest_k(s, 0.02, threads=threads).k),
        lambda threads: float_kernels.top_k(s, 30, threads=threads).kept,
    ):
        assert same_bits(function(1), function(2), function(7))


def processor_features() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((set(line.split(":")[1].split()) for line in lines if line.startswith("flags")), set())


def test_other_processors_give_the_same_bits(tmp_path: Path) -> None:
    """Compiled anew for each target that this machine can run, with an empty cache: one digest for all."""
    features = processor_features()
    targets = [name for name, feature in TARGETS.items() if feature in features]
    expected = digest()
    running = {}
    for target in targets:
        environment = os.environ | {
            "NUMBA_CPU_NAME": target,
            "NUMBA_CPU_FEATURES": "",
            "NUMBA_CACHE_DIR": str(tmp_path / target),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "tests.float_kernels.rows_digest"]
        running[target] = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
    assert running == dict.fromkeys(targets, expected)


def test_second_process_finds_the_first_ones_code(tmp_path: Path) -> None:
    """Numba's cache holds the same files after a second process: a closure over functions would be compiled again."""
    program = "import numpy as np, float_kernels; s = np.zeros((2, 3), np.float32); float_kernels.tail_mass(s, s == 0)"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    files = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, check=True)
        files.append(sorted(path.name for path in tmp_path.rglob("*.nbc")))
    assert files[0] == files[1] != []
