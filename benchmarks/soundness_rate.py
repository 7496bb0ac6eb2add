"""How many rows a second `certify.soundness` draws and judges, against Arb judging the same rows one by one.

    python -m benchmarks.soundness_rate [--write]

Seconds of one processor, of the hunt's own process: drawing the rows, sending them to the kernel, judging its claims.
The kernel answers at once (every claim is +∞), or is `float_kernels.tail_mass`, whose own time, in its own process,
is then not counted. Arb (python-flint, 64 bits) judges Gaussian rows of the same length. Medians of three seeds;
`--write` records the table in RESULTS-soundness-rate.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import flint
import numpy as np

import float_kernels
from benchmarks.audit import arb_tail_mass
from certify.soundness import HuntVerdict, hunt

ROWS, ARB_ROWS = 200_000, 500
LENGTHS = ((1, 64), (64, 64))


def answers_at_once(scores: Any, kept: Any, values: Any = None) -> Any:
    return np.full(len(scores), np.inf)


def tail_mass(scores: Any, kept: Any) -> Any:
    return float_kernels.tail_mass(scores, kept)


KERNELS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("τ, answered at once", answers_at_once, {}),
    ("KL, answered at once", answers_at_once, {"quantity": "kl"}),
    ("output error, answered at once", answers_at_once, {"quantity": "output"}),
    ("τ, float_kernels.tail_mass, both bounds", tail_mass, {}),
)


def rows_per_second(kernel: Any, lengths: tuple[int, int], options: dict[str, Any]) -> float:
    """Rows a processor second of this process; the kernel runs in another."""
    found = []
    for seed in range(3):
        start = time.process_time()
        hunted = hunt(kernel, n=lengths, rows=ROWS, seed=seed, batched=True, **options)
        found.append(hunted.rows_tried / (time.process_time() - start))
        if hunted.verdict is not HuntVerdict.NONE_FOUND:
            raise SystemExit(f"{hunted.verdict}: {hunted.counterexample or hunted.bad_call}")
    return statistics.median(found)


def arb_rows_per_second(n: int) -> float:
    """Gaussian rows of n keys that Arb judges in a processor second."""
    rng = np.random.default_rng(0)
    rows = [(rng.normal(size=n).tolist(), (rng.random(n) < 0.5).tolist()) for _ in range(ARB_ROWS)]
    found = []
    for _ in range(3):
        start = time.process_time()
        for scores, kept in rows:
            _ = arb_tail_mass(scores, kept) > 1
        found.append(ARB_ROWS / (time.process_time() - start))
    return statistics.median(found)


def table() -> str:
    lines = [
        "# The rate of a hunt",
        "",
        "Written by `python -m benchmarks.soundness_rate --write`. Rows a second of one processor; medians of three.",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, NumPy "
        f"{np.__version__}, python-flint {flint.__version__}.",
        "",
        "| claims | keys | rows a second | Arb, 64 bits, 64 keys | hunt / Arb |",
        "|---|---|---|---|---|",
    ]
    arb = arb_rows_per_second(64)
    for name, kernel, options in KERNELS:
        for lengths in LENGTHS:
            rate = rows_per_second(kernel, lengths, options)
            ratio = f"{rate / arb:.1f}" if lengths == (64, 64) else ""
            keys = f"{lengths[0]} to {lengths[1]}" if lengths[0] < lengths[1] else str(lengths[0])
            lines.append(f"| {name} | {keys} | {rate:,.0f} | {arb:,.0f} | {ratio} |")
    return "\n".join([*lines, "", "Target: 10,000 rows a second of up to 64 keys on one core.", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="record the table in RESULTS-soundness-rate.md")
    write = parser.parse_args().write
    found = table()
    print(found)
    if write:
        (Path(__file__).parent / "RESULTS-soundness-rate.md").write_text(found)


if __name__ == "__main__":
    main()
