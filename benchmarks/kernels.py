"""Speed of the float kernels as ratios taken in one run, beside the targets of the design. Prints Markdown.

    python benchmarks/kernels.py [--quick]     (its output is the first part of benchmarks/RESULTS-kernels.md)

Every figure is a median in ns per score, with the fastest run in brackets: on a busy machine that is the better guess
of the undisturbed cost, but a target counts as met by the medians only. Peers that are not installed are left out. One
thread, then two. The peers compute a softmax in float32 without any bound; the kernels compute bounds that hold.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import float_kernels

SHAPES = ((64, 131072), (2048, 4096), (16384, 512), (1536, 128))
EPS = 0.01
ROOT = Path(__file__).parent.parent

# name of a row of the table, of its peer, the largest ratio allowed, for rows of 4096 keys and more on one thread
TARGETS = (
    ("tail mass, fast", "np.exp", 0.6),
    ("tail mass, fast", "torch softmax", 0.25),
    ("tail mass, fast", "np.max", 4.0),
    ("tail mass, exact", "np.exp", 1.0),
    ("top-k, certified", "torch softmax + topk", 0.1),
    ("smallest k, certified", "torch sort + softmax + cumsum", 0.03),
)
WIDTH_TARGETS = (("fast", -24), ("exact", -40))


def measured(calls: dict[str, Callable[[], object]], size: int, repeats: int) -> dict[str, tuple[float, float]]:
    """(median, fastest) ns per score of each call; the calls take turns, so that a busy machine slows all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: (float(np.median(t)) / size * 1e9, min(t) / size * 1e9) for name, t in times.items()}


def kernels(scores: np.ndarray, kept: np.ndarray, k: int, threads: int) -> dict[str, Callable[[], object]]:
    return {
        "tail mass, fast": lambda: float_kernels.tail_mass(scores, kept, threads=threads),
        "tail mass, exact": lambda: float_kernels.tail_mass(scores, kept, grade="exact", threads=threads),
        "KL, fast": lambda: float_kernels.kl(scores, kept, threads=threads),
        "top-k, certified": lambda: float_kernels.top_k(scores, k, threads=threads),
        "smallest k, certified": lambda: float_kernels.smallest_k(scores, EPS, threads=threads),
    }


def peers(scores: np.ndarray, k: int, threads: int) -> dict[str, Callable[[], object]]:
    calls: dict[str, Callable[[], object]] = {}
    if threads == 1:
        calls |= {"np.max": lambda: scores.max(axis=-1), "np.exp": lambda: np.exp(scores)}
        if find_spec("scipy"):
            from scipy.special import softmax

            calls["scipy softmax"] = lambda: softmax(scores, axis=-1)
    if find_spec("torch"):
        import torch

        torch.set_num_threads(threads)
        tensor = torch.from_numpy(scores)

        def shortest() -> object:
            ordered = torch.sort(tensor, dim=-1, descending=True).values
            return (torch.cumsum(torch.softmax(ordered, dim=-1), dim=-1) < 1 - EPS).sum(dim=-1)

        calls["torch softmax"] = lambda: torch.softmax(tensor, dim=-1)
        calls["torch softmax + topk"] = lambda: torch.softmax(tensor, dim=-1).topk(k, dim=-1)
        calls["torch sort + softmax + cumsum"] = shortest
    return calls


def rigorous_peers(n: int) -> dict[str, Callable[[], object]]:
    """One row, half kept, in arbitrary precision: thousands of times slower, so on few scores."""
    row = np.random.default_rng(1).normal(size=n) * 3
    calls: dict[str, Callable[[], object]] = {}
    if find_spec("flint"):
        from flint import arb

        def by_arb() -> object:
            weights = [arb(s).exp() for s in row.tolist()]
            return sum(weights[n // 2 :], arb(0)) / sum(weights, arb(0))

        calls["Arb from Python"] = by_arb
    if find_spec("mpmath"):
        from mpmath import iv

        def by_mpmath() -> object:
            weights = [iv.exp(iv.mpf(s)) for s in row.tolist()]
            return sum(weights[n // 2 :], iv.mpf(0)) / sum(weights, iv.mpf(0))

        calls["mpmath.iv"] = by_mpmath
    return calls


def widths() -> dict[str, float]:
    """log₂ of the relative width at n = 131072, the widest of several kept sets."""
    scores = (np.random.default_rng(0).normal(size=(4, 131072)) * 3).astype(np.float32)
    result = {}
    for grade in ("fast", "exact"):
        largest = 0.0
        for k in (100, 10000, 100000):
            lower, upper = float_kernels.tail_mass(scores, float_kernels.top_k(scores, k).kept, grade=grade)
            largest = max(largest, float(((upper - lower) / lower).max()))
        result[grade] = float(np.log2(largest))
    return result


def peak_memory() -> tuple[int, int]:
    """(bytes of the input, growth of the resident peak in tail_mass) for 256 MiB of float32 scores; own process."""
    command = [sys.executable, __file__, "--memory"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    return int(answer[0]), int(answer[1])


def measure_memory() -> None:
    small = np.zeros((2, 4096), dtype=np.float32)
    float_kernels.tail_mass(small, small == 0)
    scores = np.ones((16384, 4096), dtype=np.float32)
    kept = scores > 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    float_kernels.tail_mass(scores, kept)
    print(scores.nbytes, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model\t")), "?")
    return f"{name} (model {model}), {os.cpu_count()} processors"


def print_table(title: str, rows: dict[str, list[tuple[float, float]]], shapes: list[tuple[int, int]]) -> None:
    print(f"\n## {title}\n\n| ns per score: median (fastest) | " + " | ".join(f"{r}×{n}" for r, n in shapes) + " |")
    print("|---" * (len(shapes) + 1) + "|")
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{median:.3g} ({fastest:.3g})" for median, fastest in values) + " |")


def main(repeats: int) -> None:
    load = os.getloadavg()[0]
    print("# Speed of the float kernels\n")
    print(f"{processor()}; NumPy {np.__version__}; load average at the start {load:.1f}; medians of {repeats}.")
    print("Measured by `python benchmarks/kernels.py`, float32 Gaussian scores with σ = 3, k = n/16, ε = 0.01.")
    single: dict[str, list[tuple[float, float]]] = {}
    for threads in (1, 2):
        rows: dict[str, list[tuple[float, float]]] = {}
        for shape in SHAPES:
            scores = (np.random.default_rng(0).normal(size=shape) * 3).astype(np.float32)
            k = shape[1] // 16
            kept = float_kernels.top_k(scores, k).kept
            calls = peers(scores, k, threads) | kernels(scores, kept, k, threads)
            for name, value in measured(calls, scores.size, repeats).items():
                rows.setdefault(name, []).append(value)
            print(f"{shape} on {threads}", file=sys.stderr, flush=True)
        print_table(f"{threads} thread{'s' * (threads > 1)}", rows, list(SHAPES))
        if threads == 1:
            single = rows
    print("\n## Rigorous peers, one row of 512 scores\n")
    for name, (median, _) in measured(rigorous_peers(512), 512, 3).items():
        print(f"- {name}: {median:,.0f} ns per score")
    print(
        "\n## Targets, one thread\n\n| what | against | target | "
        + " | ".join(f"n = {n}" for _, n in SHAPES[:2])
        + " | |"
    )
    print("|---|---|---|---|---|---|")
    for name, peer, target in TARGETS:
        if peer in single:
            pairs = list(zip(single[name], single[peer], strict=True))[:2]
            ratios = [(ours[0] / theirs[0], ours[1] / theirs[1]) for ours, theirs in pairs]
            verdict = "met" if max(median for median, _ in ratios) <= target else "**missed**"
            cells = " | ".join(f"{median:.3g} ({fastest:.3g})" for median, fastest in ratios)
            print(f"| {name} | {peer} | {target} | {cells} | {verdict} |")
    for (grade, target), width in zip(WIDTH_TARGETS, widths().values(), strict=True):
        verdict = "met" if width <= target else "**missed**"
        print(f"| width of {grade}, n = 131072 | τ | 2^{target} | 2^{width:.1f} | | {verdict} |")
    size, growth = peak_memory()
    ratio = (size + growth) / size
    verdict = "met" if ratio <= 1.1 else "**missed**"
    print(f"| peak memory of tail mass | {size >> 20} MiB of scores | 1.1 | {ratio:.2f} | | {verdict} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three repeats instead of nine")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        measure_memory()
    else:
        main(3 if arguments.quick else 9)
