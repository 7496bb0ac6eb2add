"""Prints a digest of every kernel's bits on fixed input: run in processes with other CPU targets by test_compiled.py.

The input comes from integer arithmetic alone, so that it does not depend on the processor either.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

import float_kernels


def scores(rows: int, n: int, dtype: Any) -> np.ndarray:
    """Scores in [−64, 64), with a few masked and a few far out, from a linear congruence."""
    numbers = np.arange(rows * n, dtype=np.uint64) * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    units = (numbers >> np.uint64(40)).astype(np.int64) - 2**23
    result = (units.astype(np.float64) * 2.0**-17).reshape(rows, n)
    result[1::3] += 600.0  # shifted rows
    result[2::4, ::5] = -np.inf
    result[2::4, 1::7] -= 720.0  # keys below the clamp
    return result.astype(dtype)


def digest() -> str:
    """SHA-256 of all bounds and kept sets, row lengths around the lane and block limits."""
    total = hashlib.sha256()
    for dtype in (np.float32, np.float64):
        for n in (1, 7, 16, 129, 2064, 4111):
            s = scores(5, n, dtype)
            s[:, 0] = 1.0
            kept = (np.arange(n) % 3 == 0) & np.ones(s.shape, dtype=np.bool_)
            values = scores(n, 3, np.float32)
            values = np.where(np.isfinite(values), values, 0.0)
            results: list[Any] = []
            for grade in ("fast", "exact"):
                results += [*float_kernels.tail_mass(s, kept, grade=grade), *float_kernels.kl(s, kept, grade=grade)]
            results += [*float_kernels.top_k(s, 1 + n // 2), *float_kernels.smallest_k(s, 0.03)]
            results += float_kernels.output_error(s, kept, values)
            for result in results:
                total.update(np.ascontiguousarray(result).tobytes())
    return total.hexdigest()


if __name__ == "__main__":
    print(digest())
