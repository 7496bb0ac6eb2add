"""`certify soundness`: hunt a row on which a kernel claims a bound that is not one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from certify.errors import BadInput
from certify.terminal import ResultConsole, progress_bar, until_the_reader_leaves

__all__ = ["soundness"]


def soundness(
    kernel: Annotated[
        str, typer.Argument(help="MODULE:FUNCTION or FILE.py:FUNCTION; called as FUNCTION(scores, kept[, values]).")
    ],
    quantity: Annotated[Literal["tail", "kl", "output"], typer.Option(help="What the claims bound.")] = "tail",
    bound: Annotated[
        Literal["auto", "upper", "lower", "both"],
        typer.Option(help="auto: one number is an upper bound, a pair is (lower, upper)."),
    ] = "auto",
    dtype: Annotated[
        Literal["float16", "bfloat16", "float32", "float64"], typer.Option(help="Format of scores and values.")
    ] = "float32",
    min_n: Annotated[int, typer.Option(help="Fewest keys of a row.")] = 1,
    max_n: Annotated[int, typer.Option(help="Most keys of a row.")] = 64,
    kept: Annotated[Literal["any", "top_k"], typer.Option(help="Any kept set, or true top-k sets only.")] = "any",
    values: Annotated[
        int | None, typer.Option(help="Give values of this width too; by default 2 for output, else none.")
    ] = None,
    array: Annotated[Literal["numpy", "torch", "list"], typer.Option(help="What the kernel is given.")] = "numpy",
    batched: Annotated[
        bool, typer.Option("--batched", help="The kernel takes [rows, n] at once and returns [rows].")
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="Time budget; 10 if neither this nor --rows is given.")] = None,
    rows: Annotated[int | None, typer.Option(help="Row budget; same seed and rows, same counterexample.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    call_seconds: Annotated[float, typer.Option(help="Time limit of one call.")] = 10.0,
    database: Annotated[Path | None, typer.Option(help="JSON file of past failures, tried first and added to.")] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Spend the whole budget and count, instead of stopping.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write the result as one HTML page to this file.")] = None,
) -> None:
    """Hunt a row on which KERNEL claims a bound that is not one; print the simplest, proved, or what was tried.

    Exit codes: 0 none found, 1 found, 2 a bad call or bad input.
    """
    if html is not None and not html.parent.is_dir():
        raise BadInput(f"{html}: there is no folder {html.parent}; make it first")
    if html is not None and html.is_dir():
        raise BadInput(f"{html}: is a folder; name a file for the page")
    from certify.soundness import report, search

    with progress_bar("hunting", "s" if rows is None else "rows") as progress:
        found = search.hunt(
            kernel,
            quantity=quantity,
            bound=bound,
            dtype=dtype,
            n=(min_n, max_n),
            kept=kept,
            values=values,
            array=array,
            batched=batched,
            seconds=seconds,
            rows=rows,
            seed=seed,
            call_seconds=call_seconds,
            database=database,
            keep_going=keep_going,
            progress=progress,
        )
    if html is not None:
        html.write_text(report.page(found), encoding="utf-8")
    with until_the_reader_leaves():
        if as_json:
            sys.stdout.write(report.as_json(found))
        else:
            report.print_hunt(found, ResultConsole())
    raise typer.Exit(found.exit_code)
