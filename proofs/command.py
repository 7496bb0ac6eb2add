"""`python -m proofs.check`: the proof run in a terminal. `certify prove` offers the same through the package's own
command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from proofs.check import DEFAULT_METHODS, Report, render_page, run, write_status
from proofs.ledger import METHODS, LedgerError, Method, selected

_STYLE = {"proved": "green", "refuted": "green", "failed": "bold red", "open": "yellow", "not run": "dim"}


def table(report: Report) -> Table:
    """Theorem × method: the outcome, its pieces and its time."""
    grid = Table(
        title=f"{report.seconds:.1f} s; cells count steps, queries, wrong variants, Coq theorems", box=SIMPLE_HEAD
    )
    for heading in ("theorem", *METHODS):
        grid.add_column(heading)
    cells = {(result.theorem, result.method): result for result in report.results}
    for theorem in dict.fromkeys(result.theorem for result in report.results):
        row = []
        for method in METHODS:
            result = cells[theorem, method]
            ran = result.outcome in ("proved", "refuted", "failed")
            counted = f" {result.pieces} {result.seconds:.1f}s" if ran else ""
            row.append(f"[{_STYLE[result.outcome]}]{result.outcome}[/]{counted}")
        grid.add_row(theorem, *row)
    return grid


def command(
    ids: Annotated[list[str] | None, typer.Argument(help="theorem ids such as T10; all, if none is given")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the report as JSON")] = False,
    show: Annotated[
        bool, typer.Option("--show", help="print the derivations as pages instead of checking them")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="the pages as LaTeX instead of Unicode")] = False,
    coq: Annotated[bool, typer.Option("--coq", help="build the Coq development as well; takes minutes")] = False,
    write: Annotated[bool, typer.Option("--write-status", help="record the outcome in proofs/status.json")] = False,
) -> None:
    """Rerun every proof, or those of the given theorems; exit code 1 when one of them no longer holds, 2 for bad
    usage.
    """
    try:
        if show or latex:
            for theorem in selected(ids or ()):
                sys.stdout.write(render_page(theorem.id, latex=latex))
            return
        methods: tuple[Method, ...] = (*DEFAULT_METHODS, "coq") if coq else DEFAULT_METHODS
        report = _run_with_progress(tuple(ids or ()), methods)
    except LedgerError as error:
        sys.stderr.write(f"certify: {error}\n")
        raise typer.Exit(2) from error
    if write:
        write_status(report)
    if as_json:
        sys.stdout.write(report.as_json() + "\n")
    else:
        console = Console()
        console.print(table(report))
        for result in report.results:
            if result.outcome == "failed" or (result.outcome == "not run" and result.detail):
                console.print(f"[bold red]{result.theorem} {result.method}[/]: {escape(result.detail)}")
        console.print(", ".join(f"{name} {value}" for name, value in {**report.versions, **report.limits}.items()))
    raise typer.Exit(report.exit_code)


def _run_with_progress(ids: tuple[str, ...], methods: tuple[Method, ...]) -> Report:
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) if errors.is_terminal else nullcontext() as bar:
        if bar is None:
            return run(ids, methods)
        task = bar.add_task("proofs", total=None)
        return run(
            ids, methods, lambda done, total, label: bar.update(task, completed=done, total=total, description=label)
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `certify prove` with these arguments, by default those of the process; ends by SystemExit with the code."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(command)
    app(args=None if arguments is None else list(arguments), prog_name="certify prove")
