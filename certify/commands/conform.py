"""`certify conform`: grade another implementation's answers to reference values."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from certify.errors import BadResults
from certify.terminal import ResultConsole, until_the_reader_leaves

if TYPE_CHECKING:
    from certify.reference_values.grading import Grade, Report

__all__ = ["conform"]

_VERDICTS = ("sound", "unsound", "correct", "faithful", "inexact", "wrong")


def conform(
    vectors: Annotated[
        str, typer.Argument(help="A file of `certify reference … -o FILE.json`, or `suite`: the shipped one.")
    ],
    results: Annotated[Path, typer.Argument(help="The answers: .json or .csv, as certify/schemas/README.md says.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print every grade as JSON instead of a table.")] = False,
    show: Annotated[int, typer.Option(min=0, help="How many unsound and wrong answers the table names.")] = 10,
) -> None:
    """Grade RESULTS against VECTORS: which bounds are sound and how tight, which values are correctly rounded, which
    traps were fallen into. Exit code 0 if nothing is unsound or wrong, 1 if something is, 2 for bad input.
    """
    from certify.reference_values.grading import grade
    from certify.reference_values.suite import shipped
    from certify.reference_values.vectors import read_results, read_vectors

    truths = read_vectors(shipped() if vectors == "suite" else Path(vectors))
    if results.suffix not in (".json", ".csv"):
        raise BadResults(f"{results}: unknown suffix {results.suffix!r}; answers are .json or .csv")
    report = grade(*read_results(results, truths), truths)
    with until_the_reader_leaves():
        if as_json:
            sys.stdout.write(json.dumps(_as_json(report), indent=1) + "\n")
        else:
            _print(report, show)
    raise typer.Exit(report.exit_code)


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "schema": "topk-conformance/1",
        "implementation": report.implementation,
        "verdicts": {verdict: report.count(verdict) for verdict in _VERDICTS},
        "traps": report.traps(),
        "unanswered": list(report.unanswered),
        "exit_code": report.exit_code,
        "grades": [
            {"case": g.case, "quantity": g.quantity, "verdict": g.verdict, "bits": _bits(g), "traps": list(g.traps)}
            for g in report.grades
        ],
    }


def _bits(grade: Grade) -> int | None:
    """None for an answer that is the truth itself."""
    from certify.reference_values.grading import EXACT_BITS

    return None if grade.bits == EXACT_BITS else grade.bits


def _shown(bits: int | None) -> str:
    return "exact" if bits is None else str(bits)


def _print(report: Report, show: int) -> None:
    from certify.reference_values.grading import BAD

    console = ResultConsole(highlight=False, markup=False, soft_wrap=True)
    table = Table(caption="bits: the error, or the width of the bounds, is at most 2^−bits of the truth")
    table.add_column("quantity", no_wrap=True)
    for heading in (*_VERDICTS, "least bits", "median"):
        table.add_column(heading, justify="right")
    quantities: dict[str, list[Grade]] = {}
    for found in report.grades:
        quantities.setdefault(found.quantity, []).append(found)
    for quantity, grades in quantities.items():
        counts = [sum(g.verdict == verdict for g in grades) for verdict in _VERDICTS]
        ordered = sorted(grades, key=lambda g: g.bits)
        bits = [_shown(_bits(ordered[0])), _shown(_bits(median_low_grade(ordered)))]
        table.add_row(quantity, *(str(count or "") for count in counts), *bits)
    console.print(table)
    bad = [found for found in report.grades if found.verdict in BAD]
    for found in bad[:show]:
        console.print(f"{found.verdict}: {found.case}{' (' + '; '.join(found.traps) + ')' if found.traps else ''}")
    if len(bad) > show:
        console.print(f"… and {len(bad) - show} more; --show {len(bad)} names them all")
    for name, cases in report.traps().items():
        console.print(f"trap: {name} ({len(cases)} case{'s' if len(cases) > 1 else ''})")
    total = "  ".join(f"{report.count(verdict)} {verdict}" for verdict in _VERDICTS)
    console.print(f"{report.implementation}: {total}  ({len(report.unanswered)} cases not answered)")


def median_low_grade(ordered: list[Grade]) -> Grade:
    """The lower median of grades in the order of their bits."""
    return ordered[median_low(range(len(ordered)))]
