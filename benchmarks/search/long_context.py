"""Time and counts on long synthetic contexts, against dense attention in NumPy and torch, in one run.

One query at a time, float32. All calls take turns, so that a busy machine slows all alike. On one thread the processor
time is measured as well, which waiting for a processor does not enter. Indexes are built beforehand; their time is
given apart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import float_kernels
from benchmarks.search.audited import Audited
from certify.search import SearchResult, build_cells, mass_search, prefilter_search, quantize_keys

Floats = NDArray[np.float32]
Call = Callable[[Floats], object]
Search = Callable[[Floats], SearchResult]
Index = TypeVar("Index")

TITLE = "Certified search on long contexts: time"
REPORT, FIGURES = "RESULTS-search-clock.md", "clock.csv"
HEADER = ("keys", "n", "d", "threads", "what", "median_ms", "fastest_ms", "processor_ms")
LENGTHS = (16384, 131072)
WIDTHS = (64, 128)
EPS = 0.01
QUERIES = 8
CELLS, MOST_KEYS_CUT = 128, 32768  # k-means takes minutes beyond
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Context:
    """Keys, values and queries of one kind. `spread` is the standard deviation of the scores."""

    kind: str
    spread: float
    clusters: int  # 0: keys are spread like one Gaussian

    def make(self, n: int, d: int) -> tuple[Floats, Floats, Floats]:
        r = np.random.default_rng(n + d)
        key = r.normal(size=(n, d))
        if self.clusters:
            key = r.normal(size=(self.clusters, d))[r.integers(self.clusters, size=n)] + 0.1 * key
        query = r.normal(size=(QUERIES, d))
        query *= self.spread * np.sqrt(d) / np.linalg.norm(query, axis=-1, keepdims=True)
        return query.astype(np.float32), key.astype(np.float32), r.normal(size=(n, d)).astype(np.float32)


SEARCHES = ("prefilter, int8", "prefilter, int4", "MC-Search, ball_box")
DENSE = ("NumPy output", "torch output", "torch sdpa output")
CONTEXTS = (
    Context("sharp", 6.0, 0),
    Context("tight", 4.0, 256),
    Context("moderate", 4.0, 0),
    Context("broad", 3.0, 0),
    Context("diffuse", 1.0, 0),
)


def softmax_numpy(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max())
    found: Floats = weights / weights.sum()
    return found


def scaled(query: Floats) -> Floats:
    return query * np.float32(1 / np.sqrt(query.shape[-1]))


def dense_weights(key: Floats) -> dict[str, Call]:
    """Scores and softmax."""
    keys = torch.from_numpy(key)
    return {
        "NumPy weights": lambda query: softmax_numpy(key @ scaled(query)),
        "torch weights": lambda query: torch.softmax(keys @ torch.from_numpy(scaled(query)), dim=-1),
    }


def dense_output(key: Floats, value: Floats) -> dict[str, Call]:
    """Scores, softmax and output."""
    keys, values = torch.from_numpy(key), torch.from_numpy(value)

    def sdpa(query: Floats) -> object:
        row = torch.from_numpy(query)[None, None, None]
        return torch.nn.functional.scaled_dot_product_attention(row, keys[None, None], values[None, None])

    return {
        "NumPy output": lambda query: softmax_numpy(key @ scaled(query)) @ value,
        "torch output": lambda query: torch.softmax(keys @ torch.from_numpy(scaled(query)), dim=-1) @ values,
        "torch sdpa output": sdpa,
    }


def with_output(search: Search, key: Floats, value: Floats) -> Call:
    """A search that gives no output, and then the output of its kept keys, whose scores are computed once more."""

    def attend(query: Floats) -> object:
        kept = search(query).kept
        return softmax_numpy(np.where(kept, key @ scaled(query), np.float32(-np.inf))) @ value

    return attend


@dataclass(frozen=True)
class Cost:
    """Milliseconds a query: the median and the fastest by the clock, and the median of the processor's time."""

    median: float
    fastest: float
    processor: float


def costs(calls: dict[str, Call], queries: Floats, repeats: int) -> dict[str, Cost]:
    """The calls take turns over all queries, after one unmeasured round."""
    clock: dict[str, list[float]] = {name: [] for name in calls}
    processor: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(queries[0])
    for _ in range(repeats):
        for query in queries:
            for name, call in calls.items():
                start, own = time.perf_counter(), time.process_time()
                call(query)
                processor[name].append(time.process_time() - own)
                clock[name].append(time.perf_counter() - start)
    return {
        name: Cost(*(1e3 * float(x) for x in (np.median(found), min(found), np.median(processor[name]))))
        for name, found in clock.items()
    }


class Report:
    """What accumulates over the contexts."""

    def __init__(self) -> None:
        # where both processors have other work, threads that wait for each other measure that work
        self.threads = (1, 2) if os.getloadavg()[0] < 1 else (1,)
        self.load = os.getloadavg()[0]
        self.audited = Audited()
        self.counts: list[str] = []
        self.builds: list[str] = []
        self.figures: list[list[object]] = []
        self.shares: dict[tuple[object, ...], float] = {}  # (keys, n, d): mean k_ε / n


def measure(quick: bool, progress: Callable[[str], None]) -> tuple[list[str], list[list[object]]]:
    """The report's lines, and every time measured."""
    report = Report()
    with torch.inference_mode():
        for n in LENGTHS[:1] if quick else LENGTHS:
            for d in WIDTHS:
                for context in CONTEXTS:
                    _measure_one(context, n, d, quick, report)
                    progress(f"{context.kind}, n = {n}, d = {d}")
    return [*_lines(report), "", report.audited.sentence()], report.figures


def _measure_one(context: Context, n: int, d: int, quick: bool, report: Report) -> None:
    query, key, value = context.make(n, d)
    built: list[str] = []

    def timed(build: Callable[[], Index]) -> Index:
        start = time.perf_counter()
        index = build()
        built.append(f"{time.perf_counter() - start:.2f}")
        return index

    int8, int4 = timed(lambda: quantize_keys(key)), timed(lambda: quantize_keys(key, 4))
    searches: dict[str, Search] = {
        "prefilter, int8": lambda q: prefilter_search(q, int8, eps=EPS),
        "prefilter, int4": lambda q: prefilter_search(q, int4, eps=EPS),
    }
    outputs: dict[str, Call] = {
        "prefilter, int8": lambda q: prefilter_search(q, int8, eps=EPS, values=value).output_estimate,
        "prefilter, int4": lambda q: prefilter_search(q, int4, eps=EPS, values=value).output_estimate,
    }
    if d == WIDTHS[0] and n <= MOST_KEYS_CUT:
        cells = timed(lambda: build_cells(key, "kmeans", count=CELLS))
        searches["MC-Search, ball_box"] = lambda q: mass_search(q, key, eps=EPS, cells=cells, bound="ball_box")
        outputs["MC-Search, ball_box"] = with_output(searches["MC-Search, ball_box"], key, value)
    report.builds.append(f"| {context.kind} | {n} | {d} | " + " | ".join([*built, "–"][:3]) + " |")
    exact = query.astype(np.float64) @ key.astype(np.float64).T / np.sqrt(d)
    fewest = np.asarray(float_kernels.smallest_k(exact, EPS).k)
    report.shares[context.kind, n, d] = float(fewest.mean() / n)
    where = f"{context.kind} | {n} | {d} | {fewest.mean() / n:.3f}"
    for name, search in searches.items():
        _count(name, search, query, key, where, report)
    calls = {
        **dense_weights(key),
        **dense_output(key, value),
        **searches,
        **{f"{name}, output": call for name, call in outputs.items()},
    }
    for threads in report.threads:
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            found = costs(calls, query, 1 if quick else 3)
        report.figures += [
            [context.kind, n, d, threads, name, *(f"{x:.4g}" for x in vars(cost).values())]
            for name, cost in found.items()
        ]


def clock_lines(figures: list[list[object]]) -> list[str]:
    """The rows of the table of ratios, from the times measured."""
    lines = []
    settings = list(dict.fromkeys(tuple(row[:4]) for row in figures))
    for keys, n, d, threads in settings:
        found = {
            str(row[4]): [float(str(x)) for x in row[5:]] for row in figures if tuple(row[:4]) == (keys, n, d, threads)
        }
        shown = []
        for name in SEARCHES:
            own = found.get(f"{name}, output")
            # median of the processor's time and of the clock; on two threads median and fastest by the clock
            columns = (2, 0) if str(threads) == "1" else (0, 1)
            if own is None:
                shown.append("–")
            else:
                first, second = (min(found[peer][c] for peer in DENSE) / own[c] for c in columns)
                shown.append(f"{first:.2f} ({second:.2f})")
        best = min(found[peer][2 if str(threads) == "1" else 0] for peer in DENSE)
        lines.append(f"| {keys} | {n} | {d} | {threads} | {best:.2f} | " + " | ".join(shown) + " |")
    return lines


def target_lines(figures: list[list[object]], shares: dict[tuple[object, ...], float]) -> list[str]:
    """The int8 prefilter with its output against the fastest dense peer, at the longest contexts, on one thread."""
    longest = max(int(str(row[1])) for row in figures)
    fast: dict[bool, dict[str, float]] = {True: {}, False: {}}
    for (keys, n, d), share in shares.items():
        times = {str(row[4]): float(str(row[7])) for row in figures if tuple(row[:4]) == (keys, n, d, figures[0][3])}
        if int(str(n)) == longest:
            fast[share <= 0.1][f"{keys}, d = {d}"] = (
                min(times[peer] for peer in DENSE) / times["prefilter, int8, output"]
            )
    every = fast[True] | fast[False]
    lines = []
    for what, found, target in (("at least 2 × where k_ε ≤ n/10", fast[True], 2.0), ("never below 0.9 ×", every, 0.9)):
        missed = {name: ratio for name, ratio in found.items() if ratio < target}
        told = "met" if not missed else "**missed** by " + ", ".join(f"{name}: {r:.2f}" for name, r in missed.items())
        lines.append(f"- n = {longest}, {what}: {told} ({len(found) - len(missed)} of {len(found)} met)")
    return lines


def _count(name: str, search: Search, query: Floats, key: Floats, where: str, report: Report) -> None:
    """Count and audit one search over all queries."""
    n = len(key)
    results = [search(q) for q in query]
    for result in results:
        report.audited.audit(result, EPS)
    scored = np.array([int(result.scored_keys + result.cell_scores) for result in results])
    shares = ", ".join(f"{share:.3f}" for share in np.quantile(scored / n, QUANTILES))
    read = np.mean([int(result.bytes_read) for result in results])
    fired = float(np.mean([bool(result.fires) for result in results]))
    report.counts.append(
        f"| {where} | {name} | {n / scored.mean():.2f} | {(n / np.maximum(scored, 1)).mean():.2f} | {shares} | "
        f"{fired:.0%} | {key.nbytes / read:.2f} |"
    )


def _lines(report: Report) -> list[str]:
    return [
        f"ε = {EPS}, {QUERIES} queries each, float32, one at a time; scores with standard deviation 6 "
        "(sharp), 4 (tight: 256 clusters of keys; moderate: one Gaussian), 3 (broad) and 1 (diffuse).",
        "",
        "## Times faster than dense attention",
        "",
        "The search, its certificate and the output of the kept keys against the fastest of NumPy, torch and torch's "
        "sdpa computing scores, softmax and output. One thread: ratios of medians of the processor's own time, in "
        "brackets by the clock. Two threads: by the clock, medians and in brackets the fastest runs; a search runs on "
        f"one thread in both. Searches and dense weights alone are in {FIGURES}. "
        + (
            ""
            if len(report.threads) == 2
            else f"Two threads were left out: at a load average of {report.load:.1f} on {os.cpu_count()} processors "
            "they would measure the other work."
        ),
        "",
        f"| keys | n | d | threads | dense, ms | {' | '.join(SEARCHES)} |",
        "|---|---|---|---|---|---|---|---|",
        *clock_lines(report.figures),
        "",
        "Targets, int8, by the processor's time:",
        "",
        *target_lines(report.figures, report.shares),
        "",
        "## Counts",
        "",
        "A product is one dot product of the query with a key or the mean of a cell, in float64; the prefilter's "
        "integer products with all codes are in its bytes (dense bytes / bytes read), not in its products.",
        "",
        "| keys | n | d | mean k_ε / n | method | ratio of means | mean of ratios | products / n at "
        f"{', '.join(f'{q:.0%}' for q in QUANTILES)} | fired | bytes |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *report.counts,
        "",
        "## Building the index, seconds, once for all queries",
        "",
        f"| keys | n | d | int8 codes | int4 codes | k-means, {CELLS} cells |",
        "|---|---|---|---|---|---|",
        *report.builds,
    ]
