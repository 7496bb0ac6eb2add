"""The nightly hunt: ten million rows against our own kernels.

    python -m benchmarks.soundness_peers.long_run [--rows 10000000] [--seed 0] [--jobs 1]

Writes benchmarks/RESULTS-soundness.md: the last result, rows and tightest slack of every kernel in every format.
Exits 1 where a row refutes a kernel; then the counterexample stands in the results. Same seed, same rows, same result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from certify.soundness import FAMILIES, Hunt, HuntVerdict, hunt
from tests.float_kernels.hunted_kernels import HUNTED, Hunted

from .machine import commit, machine, now

RESULTS = Path(__file__).parents[1] / "RESULTS-soundness.md"
FORMATS = ("float64", "float32", "bfloat16", "float16")
SHORT, LONG = (1, 64), (1000, 5000)
# Kernels that take whole batches of rows in every format; all others are some ten times slower, or take summaries.
IN_EVERY_FORMAT = ("tail_mass, fast, numba", "tail_mass, exact, numba", "kl, fast", "kl, exact")
WHOLE_BATCHES = (*IN_EVERY_FORMAT, "tail_mass, fast, numpy", "tail_mass, exact, numpy", "divergences: χ²")
WHOLE_BATCHES += ("divergences: H²", "block_bound (T8)", "perturbed_tail_mass (T22)")
ON_LONG_ROWS = (*IN_EVERY_FORMAT, "top_k", "smallest_k")
# How many times fewer rows: where each takes longer, in the kernel or, for KL and on long rows, in the exact decisions.
FEWER = {"row by row": 30, "KL": 10, "long": 500}


@dataclass(frozen=True)
class Part:
    """One hunt of the run: a kernel, a format, lengths of rows, and its weight in the number of rows."""

    hunted: Hunted
    dtype: str
    n: tuple[int, int]
    weight: float

    def hunt(self, rows: int, seed: int) -> Hunt:
        options: dict[str, Any] = {"batched": True, "isolate": False, "rows": rows, "seed": seed}
        return hunt(
            self.hunted.kernel,
            quantity=self.hunted.quantity,
            bound="both" if self.hunted.two_sided else "upper",
            dtype=self.dtype,
            kept=self.hunted.kept,
            n=self.n,
            **options,
        )


def parts() -> Iterator[Part]:
    for hunted in HUNTED:
        everywhere = hunted.name in IN_EVERY_FORMAT or hunted.name == "output_error, numba"
        weight = 1 / FEWER["KL"] if hunted.quantity == "kl" else 1.0
        for dtype in FORMATS if everywhere else FORMATS[:1]:
            slower = 1 if hunted.name in WHOLE_BATCHES else FEWER["row by row"]
            yield Part(hunted, dtype, SHORT, weight / slower)
        if hunted.name in ON_LONG_ROWS:
            yield Part(hunted, "float32", LONG, weight / FEWER["long"])


def hunt_part(place: int, rows: int, seed: int) -> Hunt:
    """The hunt of one part by its number, for a process of its own: kernels cannot be sent to one."""
    return list(parts())[place].hunt(rows, seed)


def line(part: Part, found: Hunt) -> str:
    tightest = found.tightest
    cells = (
        part.hunted.name,
        part.dtype,
        f"{part.n[0]}–{part.n[1]}",
        f"{found.rows_tried:,}",
        f"{found.rows_broken}",
        f"{found.rows_open}",
        "–" if tightest is None else f"{tightest.slack_estimate:.1e} ({tightest.family}, n = {tightest.row.n})",
        f"{found.rows_per_second:,.0f}",
    )
    return "| " + " | ".join(cells) + " |"


def report(begun: str, results: list[tuple[Part, Hunt]], seed: int) -> Iterator[str]:
    rows, seconds = sum(found.rows_tried for _, found in results), sum(found.seconds for _, found in results)
    violations = sum(found.rows_broken for _, found in results)
    bad_calls = sum(found.verdict is HuntVerdict.BAD_CALL for _, found in results)
    yield "# Ten million rows against the float kernels"
    yield ""
    yield begun
    yield f"Written by `python -m benchmarks.soundness_peers.long_run --rows {rows} --seed {seed}`."
    yield ""
    yield f"**{rows:,} rows, {violations} violations**, {bad_calls} bad calls; {seconds:,.0f} s of hunting."
    yield f"{len(FAMILIES)} families, and bit flips around the tightest rows. Open: rows that no budget decided. A"
    yield "two-sided bound is tried on both sides. Tightest: the least (claim − truth)/truth of a claim that holds, an"
    yield "estimate; where τ is nearly 1, a rounding of the quotient is all that separates a bound from it."
    yield ""
    yield "| kernel | format | keys | rows | violations | open | tightest slack | rows/s |"
    yield "|---|---|---|---|---|---|---|---|"
    yield from (line(*each) for each in results)
    yield ""
    yield "| family | witness | rows | violations |"
    yield "|---|---|---|---|"
    counted: dict[tuple[str, str], list[int]] = {}
    for _, found in results:
        for each in found.coverage:
            count = counted.setdefault((each.family, each.witness), [0, 0])
            count[0] += each.rows
            count[1] += each.broken
    yield from (f"| {family} | {witness} | {n:,} | {broken} |" for (family, witness), (n, broken) in counted.items())
    yield ""
    for part, found in results:
        if found.counterexample is not None:
            yield f"## {part.hunted.name}, {part.dtype}\n\n```python\n{found.counterexample.regression_test()}```\n"
        if found.bad_call is not None:
            yield f"## {part.hunted.name}, {part.dtype}\n\n{found.bad_call}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes; they change no row")
    arguments = parser.parse_args()
    begun = f"{machine()}. Begun {now()} at commit {commit()}."
    everything = list(parts())
    unit = arguments.rows / sum(part.weight for part in everything)
    rows = [int(-(-unit * part.weight // 1)) for part in everything]
    results = []
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        hunts = pool.map(hunt_part, range(len(everything)), rows, repeat(arguments.seed))
        for part, found in zip(everything, hunts, strict=True):
            results.append((part, found))
            print(line(part, found), file=sys.stderr, flush=True)
    RESULTS.write_text("\n".join(report(begun, results, arguments.seed)), encoding="utf-8")
    if any(found.verdict is not HuntVerdict.NONE_FOUND for _, found in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
