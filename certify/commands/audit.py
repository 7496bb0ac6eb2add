"""`certify audit`: judge every claim in a bundle."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from certify.errors import BadInput
from certify.terminal import ResultConsole, check_page, check_target, progress_bar, until_the_reader_leaves

__all__ = ["audit", "parse_rows"]


def audit(
    bundle: Annotated[Path, typer.Argument(help="A certificate bundle: .safetensors, .npz, or .json for one row.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON instead of a table.")] = False,
    junit: Annotated[
        Path | None, typer.Option(help="Also write JUnit XML to this file.")
    ] = None,  # typer reads the annotation
    html: Annotated[
        Path | None, typer.Option(help="Also write a page for people to this file: one file, no network needed.")
    ] = None,
    max_bits: Annotated[int, typer.Option(help="Precision after which a claim is left undecided.")] = 4096,
    rows: Annotated[
        str | None, typer.Option(help='Flat row numbers to audit, such as "0:100,170"; all by default.')
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="How many rows the table shows, worst first.")] = 10,
) -> None:
    """Judge every claim in BUNDLE from its own inputs: valid, invalid or undecided, with the enclosure that decides."""
    from certify import auditor, report
    from certify.bundle import open_bundle

    opened = open_bundle(bundle)
    if junit is not None:
        check_target(junit, bundle)
    if html is not None:
        check_page(html, bundle)
    if html is not None and junit is not None and html.resolve() == junit.resolve():
        raise BadInput(f"{html}: is asked for as both page and JUnit XML; name two files")
    chosen = None if rows is None else parse_rows(rows, opened.layout.count)
    with progress_bar("auditing", "rows") as progress:
        result = auditor.audit(opened, max_bits=max_bits, rows=chosen, progress=progress)
    if junit is not None:
        junit.write_bytes(report.as_junit(result))
    if html is not None:
        from certify.audit_page import audit_page

        command = shlex.join(["certify", *sys.argv[1:]])
        with progress_bar("drawing", "rows") as progress:
            page = audit_page(result, opened, command, progress=progress)
        html.write_text(page, encoding="utf-8")
    with until_the_reader_leaves():
        if as_json:
            sys.stdout.writelines(report.as_json(result))
        else:
            report.print_table(result, ResultConsole(), show)
    raise typer.Exit(result.exit_code)


def parse_rows(text: str, count: int) -> list[int]:
    """ "0:100,17" as row numbers; ends as in Python slices."""
    chosen: list[int] = []
    for part in text.split(","):
        pieces = part.strip().split(":")
        try:
            bounds = [int(piece) if piece else None for piece in pieces]
        except ValueError:
            bounds = []
        if len(bounds) == 1 and bounds[0] is not None:
            chosen.append(bounds[0])
        elif len(bounds) == 2:
            chosen.extend(range(*slice(*bounds).indices(count)))
        else:
            raise BadInput(
                f"--rows {text!r}: {part.strip()!r} is neither a row number nor start:stop; write for example 0:100,170"
            )
    return chosen
