"""What a rigorous audit costs: ns per logit of `certify.audit` against Arb and mpmath.iv looped per logit.

    python -m benchmarks.audit [--write]

One thread, medians of several runs, all peers in one run. The bundle lies in memory; every row has a TV claim 1e-9
(relative) from the truth, half of them too small. Arb (python-flint) sums exp at 64 bits, one call a logit; mpmath.iv
likewise at 64 bits. `--write` records the table in RESULTS-audit.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import flint
import mpmath
import numpy as np

import certify
from certify.certificate import Certificate

SHAPES = ((1536, 128), (512, 512), (128, 4096), (4, 131072))
PEER_LOGITS = 20_000  # the peers are timed on this many logits and scaled


def median_ns(work: Callable[[], object], logits: int, repeats: int) -> float:
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append((time.perf_counter() - start) / logits * 1e9)
    return statistics.median(found)


def arb_tail_mass(scores: list[float], kept: list[bool]) -> flint.arb:
    flint.ctx.prec = 64
    tail, held = flint.arb(0), flint.arb(0)
    for score, stays in zip(scores, kept, strict=True):
        if stays:
            held += flint.arb(score).exp()
        else:
            tail += flint.arb(score).exp()
    return tail / (tail + held)


def mpmath_tail_mass(scores: list[float], kept: list[bool]) -> object:
    mpmath.iv.prec = 64
    tail, held = mpmath.iv.mpf(0), mpmath.iv.mpf(0)
    for score, stays in zip(scores, kept, strict=True):
        if stays:
            held += mpmath.iv.exp(mpmath.iv.mpf(score))
        else:
            tail += mpmath.iv.exp(mpmath.iv.mpf(score))
    return tail / (tail + held)


def certificates(rows: int, n: int) -> Certificate:
    r = np.random.default_rng(rows)
    scores = r.normal(0, 2.5, (rows, n)).astype(np.float32)
    kept = scores >= np.partition(scores, n - n // 8, axis=-1)[:, n - n // 8, None]
    truth = certify.audit(Certificate(scores=scores, kept=kept, tv_upper=np.ones(rows))).claims[0].upper
    side = np.where(np.arange(rows) % 2, 1 + 1e-9, 1 - 1e-9)
    return Certificate(scores=scores, kept=kept, tv_upper=truth * side)


def measure() -> list[str]:
    lines = [
        "| rows × keys | certify.audit ns/logit | Arb, 64 bits | mpmath.iv, 64 bits | Arb / audit | claims settled "
        "in float64 |",
        "|---|---|---|---|---|---|",
    ]
    for rows, n in SHAPES:
        certificate = certificates(rows, n)
        assert certificate.scores is not None
        audit = median_ns(lambda c=certificate: certify.audit(c), rows * n, 7)  # type: ignore[misc]
        flat = certificate.scores.reshape(-1)[:PEER_LOGITS].astype(np.float64).tolist()
        kept = certificate.kept.reshape(-1)[:PEER_LOGITS].tolist()
        kept[0] = True
        arb = median_ns(lambda: arb_tail_mass(flat, kept), PEER_LOGITS, 5)  # noqa: B023  # called at once
        slow = median_ns(lambda: mpmath_tail_mass(flat[:2000], kept[:2000]), 2000, 3)  # noqa: B023
        result = certify.audit(certificate)
        settled = 1 - sum(len(claim.exact) for claim in result.claims) / rows
        lines.append(f"| {rows} × {n} | {audit:.1f} | {arb:.0f} | {slow:.0f} | {arb / audit:.1f} | {settled:.2%} |")
    return lines


def machine() -> str:
    model = next(
        (line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor()
    )
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, python-flint {flint.__version__}"
    return f"{model}, {os.cpu_count()} cores, {versions}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="record the table in RESULTS-audit.md")
    arguments = parser.parse_args()
    text = "\n".join(measure())
    print(text)
    if arguments.write:
        target = Path(__file__).with_name("RESULTS-audit.md")
        head = "# The cost of an audit\n\nWritten by `python -m benchmarks.audit --write`. Medians; one thread.\n"
        goal = (
            "Targets: ≤ 100 ns per logit, ≥ 5 × faster than Arb looped, ≥ 99.9 % of the claims 1e-9 from the "
            "truth settled in float64."
        )
        target.write_text(f"{head}Machine: {machine()}.\n\n{text}\n\n{goal}\n")


if __name__ == "__main__":
    main()
