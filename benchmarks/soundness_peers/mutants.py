"""The whole catalogue of mutants of our kernels, hunted one after the other.

    python -m benchmarks.soundness_peers.mutants [--seconds 60] [--only NAME]

Writes benchmarks/RESULTS-soundness-mutants.md: time to catch, rows tried and the size of the counterexample. Exits 1 if
a mutant was not caught in the seconds given, or if a break that is listed as harmless was caught.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from certify.soundness import Hunt
from tests.must_fail.soundness.catalogue import MUTANTS, SURVIVORS, hunted
from tests.must_fail.soundness.mutant import Mutant

from .machine import commit, machine, now

RESULTS = Path(__file__).parents[1] / "RESULTS-soundness-mutants.md"


def caught_line(mutant: Mutant, hunt: Hunt) -> str:
    found = hunt.counterexample
    if found is None:
        return f"| {mutant.name} | {mutant.quantity} | **not caught** | {hunt.rows_tried:,} | | | |"
    cells = (
        mutant.name,
        f"{mutant.quantity}, {found.side}",
        f"{hunt.seconds:.2g} s",
        f"{hunt.rows_tried:,}",
        f"{found.found_keys} → {found.row.n}",
        f"{found.relative:.1e}",
        found.family,
    )
    return "| " + " | ".join(cells) + " |"


def survivor_line(mutant: Mutant, reason: str, hunt: Hunt) -> str:
    least = "–" if hunt.tightest is None else f"{hunt.tightest.slack_estimate:.1e}"
    outcome = "none" if hunt.counterexample is None else "**caught**"
    return f"| {mutant.name} | {outcome} in {hunt.rows_tried:,} rows | {least} | {reason} |"


def report(
    begun: str, caught: list[tuple[Mutant, Hunt]], survived: list[tuple[Mutant, str, Hunt]], seconds: float
) -> Iterator[str]:
    found = [hunt for _, hunt in caught if hunt.counterexample is not None]
    slowest = max((hunt.seconds for hunt in found), default=0.0)
    keys = sorted(hunt.counterexample.row.n for hunt in found if hunt.counterexample is not None)
    yield "# Mutants of the float kernels, hunted"
    yield ""
    yield begun
    yield "Written by `python -m benchmarks.soundness_peers.mutants`."
    yield ""
    yield (
        f"{len(found)} of {len(caught)} unsound mutants caught in at most {slowest:.2g} s each (limit {seconds:g} s), "
        f"{sum(hunt.seconds for hunt in found):.0f} s together, shrinking apart. Counterexamples have {keys[0]} to "
        f"{keys[-1]} keys, {keys[len(keys) // 2]} in the median."
        if found
        else "No mutant was caught."
    )
    yield ""
    yield "| broken | bound | caught after | rows | keys, shrunk | relative | family |"
    yield "|---|---|---|---|---|---|---|"
    yield from (caught_line(mutant, hunt) for mutant, hunt in caught)
    yield ""
    yield "## Breaks that leave the kernels sound"
    yield ""
    yield f"What pays for each, and what a hunt of {seconds / 6:g} s saw. Tightest: the least (claim − truth)/truth;"
    yield "rounding alone brings it to 2⁻⁵² where τ is nearly 1."
    yield ""
    yield "| broken | violations | tightest | what pays |"
    yield "|---|---|---|---|"
    yield from (survivor_line(*each) for each in survived)
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="limit for each mutant")
    parser.add_argument("--only", default="", help="mutants whose name contains this; then nothing is written")
    arguments = parser.parse_args()
    begun = f"{machine()}. Begun {now()} at commit {commit()}."
    caught, survived = [], []
    for mutant in MUTANTS:
        if arguments.only in mutant.name:
            caught.append((mutant, hunted(mutant, seconds=arguments.seconds)))
            print(caught_line(*caught[-1]), file=sys.stderr, flush=True)
    for mutant, reason in SURVIVORS:
        if arguments.only in mutant.name:
            survived.append((mutant, reason, hunted(mutant, seconds=arguments.seconds / 6)))
            print(survivor_line(*survived[-1]), file=sys.stderr, flush=True)
    text = "\n".join(report(begun, caught, survived, arguments.seconds))
    if arguments.only:
        print(text)
    else:
        RESULTS.write_text(text, encoding="utf-8")
    missed = any(hunt.counterexample is None for _, hunt in caught)
    if missed or any(hunt.counterexample is not None for _, _, hunt in survived):
        sys.exit(1)


if __name__ == "__main__":
    main()
