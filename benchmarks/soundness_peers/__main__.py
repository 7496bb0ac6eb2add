"""The hunt over every peer, how often each is wrong on ordinary rows, and our own kernels in the last rows.

    python -m benchmarks.soundness_peers [--seconds 5] [--only NAME]    writes benchmarks/RESULTS-soundness-peers.md

Each peer is hunted twice: until the first violation (which is shrunk to the smallest row), and on through every family
for the seconds given. torch and SciPy peers are left out where the library is not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from certify.soundness import FAMILIES, Counterexample, Hunt, hunt
from tests.float_kernels.hunted_kernels import HUNTED

from . import numpy_peers
from .machine import commit, machine, now
from .peer import Peer
from .realistic_rows import realistic_rows, violated_share

RESULTS = Path(__file__).parents[1] / "RESULTS-soundness-peers.md"
OURS = ("tail_mass, fast, numba", "tail_mass, exact, numba", "kl, fast", "output_error, numba")
ROWS_OF_OURS = 100_000


@dataclass(frozen=True)
class Outcome:
    """A peer in one format: shares of ordinary rows violated, the hunt to the first violation, the hunt through all."""

    peer: Peer
    dtype: str
    ordinary: dict[str, float]
    first: Hunt
    all_families: Hunt

    @property
    def share(self) -> float:
        return self.all_families.rows_broken / self.all_families.rows_tried

    def family_shares(self) -> Iterator[str]:
        found = {each.family: each for each in self.all_families.coverage}
        for family in FAMILIES:
            each = found.get(family.name)
            yield "–" if each is None or each.rows == 0 else f"{100 * each.broken / each.rows:.0f}"


def peers() -> tuple[Peer, ...]:
    found = numpy_peers.PEERS
    if find_spec("scipy"):
        from . import scipy_peers

        found += scipy_peers.PEERS
    if find_spec("torch"):
        from . import torch_peers

        found += torch_peers.PEERS
    return found


def ours() -> tuple[Peer, ...]:
    named = {hunted.name: hunted for hunted in HUNTED}
    formats = ("float64", "float32", "bfloat16", "float16")
    return tuple(
        Peer(named[name].kernel, "float_kernels", formats, quantity=named[name].quantity, label=name, ours=True)
        for name in OURS
    )


def outcome(peer: Peer, dtype: str, seconds: float) -> Outcome:
    options: dict[str, Any] = {
        "quantity": peer.quantity,
        "dtype": dtype,
        "kept": peer.kept,
        "array": peer.array,
        "batched": True,
        "isolate": False,
    }
    first = hunt(peer.bounds, **options, **({"rows": ROWS_OF_OURS} if peer.ours else {"seconds": 60.0}))
    through = hunt(peer.bounds, **options, seconds=seconds, keep_going=True, shrink_seconds=0.01, seed=1)
    ordinary = {rows.name: violated_share(peer, rows) for rows in realistic_rows(peer.quantity, dtype)}
    return Outcome(peer, dtype, ordinary, first, through)


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %" if share else "0"


def table(outcomes: list[Outcome]) -> Iterator[str]:
    yield "| certificate | format | Gaussian | MiniLM | hostile | worst, relative | first violation | smallest row |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in outcomes:
        worst = each.all_families.worst_relative_estimate
        found = each.first.counterexample
        if found is None:
            first, smallest = f"none in {each.first.rows_tried:,} rows", "–"
        else:
            first = f"{each.first.seconds:.2g} s, {each.first.rows_tried:,} rows"
            smallest = f"{in_words(found)}: off by {found.ulps:.3g} ulp"
        cells = (
            f"{each.peer.library}: {each.peer.name}",
            each.dtype,
            percent(each.ordinary.get("Gaussian")),
            percent(each.ordinary["attention of MiniLM"]),
            percent(each.share),
            "–" if worst is None else f"{worst:.2g}",
            first,
            smallest,
        )
        yield "| " + " | ".join(cells) + " |"


def in_words(found: Counterexample) -> str:
    """The row of a counterexample: its kept and its dropped scores."""
    row, kept = found.row.exact_scores[0], found.row.kept[0]
    held, dropped = (" ".join(f"{score:.6g}" for score in scores) for scores in (row[kept], row[~kept]))
    return f"kept {held}, dropped {dropped or 'nothing'}"


def family_table(outcomes: list[Outcome]) -> Iterator[str]:
    yield "| certificate | format | " + " | ".join(str(i + 1) for i in range(len(FAMILIES))) + " |"
    yield "|---|---" + "|---" * len(FAMILIES) + "|"
    for each in outcomes:
        cells = (f"{each.peer.library}: {each.peer.name}", each.dtype, *each.family_shares())
        yield "| " + " | ".join(cells) + " |"


def exactly(outcomes: list[Outcome]) -> Iterator[str]:
    """Every counterexample in hexadecimal."""
    for each in outcomes:
        found = each.first.counterexample
        if found is None:
            continue
        scores = ", ".join(score.hex() for score in found.row.exact_scores[0].tolist())
        kept = np.flatnonzero(found.row.kept[0]).tolist()
        values = "" if found.row.values is None else f", values {found.row.values[0].astype(np.float64).tolist()}"
        yield (
            f"- {each.peer.library}: {each.peer.name}, {each.dtype}. Scores ({scores}), kept {kept}{values}: claimed "
            f"{found.symbol} ≤ {found.claimed.hex()}, truth in {found.truth.digits(20)}; off by {found.ulps:.3g} ulp, "
            f"relative {found.relative:.2g}; family “{found.family}”."
        )


def report(begun: str, outcomes: list[Outcome], seconds: float) -> str:
    theirs = [each for each in outcomes if not each.peer.ours]
    broken = [each for each in theirs if each.first.counterexample is not None]
    parts = [
        "# How often naive certificates are wrong",
        "",
        begun,
        "Written by `python -m benchmarks.soundness_peers`. What each certificate is meant to do, and why it fails, is",
        "said at the end.",
        "",
        f"{len(broken)} of {len(theirs)} naive certificates were broken"
        + (f", the slowest after {max(each.first.seconds for each in broken):.2g} s." if broken else "."),
        "",
        "- Gaussian: 200 rows of 1024 logits, σ = 3, the top 128 kept. MiniLM: the shipped attention of a trained",
        "  model, 175 keys, its own kept sets. Given is the share of rows on which the claimed upper bound is below",
        "  the truth (128-bit intervals), or NaN.",
        f"- Hostile: the share refuted of all rows that the hunt drew in {seconds:g} s; a NaN is no claim there.",
        "- Worst: (truth − claim)/truth of the worst hostile row, an estimate: at 1 nothing of the truth was left,",
        "  above 1 the claim was negative, at inf the truth was 0 or nearly.",
        "- First violation: seconds and rows of a hunt from scratch. Smallest row: what it shrank to; ulp are those of",
        "  the truth in the format of the claim.",
        "",
        *table(outcomes),
        "",
        "## By family: per cent of the rows refuted",
        "",
        "; ".join(f"{i + 1} {family.name} ({family.witness})" for i, family in enumerate(FAMILIES)) + ".",
        "",
        *family_table(outcomes),
        "",
        "## The counterexamples, exactly",
        "",
        *exactly(outcomes),
        "",
        "## The certificates",
        "",
        *dict.fromkeys(
            f"- **{each.peer.name}** ({each.peer.library}): {each.peer.intended} {each.peer.failure}" for each in theirs
        ),
        "",
    ]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for the hunt through all families, each peer")
    parser.add_argument("--only", default="", help="peers whose name contains this; then nothing is written")
    arguments = parser.parse_args()
    begun = f"{machine()}. Begun {now()} at commit {commit()}."
    outcomes = []
    for peer in (*peers(), *ours()):
        if arguments.only not in peer.name:
            continue
        for dtype in peer.dtypes:
            outcomes.append(outcome(peer, dtype, arguments.seconds))
            print(*list(table(outcomes[-1:]))[2:], file=sys.stderr, flush=True)
    if arguments.only:
        print(report(begun, outcomes, arguments.seconds))
    else:
        RESULTS.write_text(report(begun, outcomes, arguments.seconds), encoding="utf-8")
    if any(each.first.counterexample is not None for each in outcomes if each.peer.ours):
        sys.exit("one of our own kernels was refuted")


if __name__ == "__main__":
    main()
