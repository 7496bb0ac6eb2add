"""The `certify` command: arguments, progress and exit codes only. stdout carries results; progress and errors go to
stderr.

Exit codes: 0 all valid · 1 some invalid · 2 bad input or usage · 3 some undecided, none invalid.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from certify.errors import BadInput, CertifyError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Decide claims about top-k sparse attention, rigorously.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _certify() -> None:
    """Decide claims about top-k sparse attention, rigorously."""


class _Console(Console):
    """Rich ends the process with code 1 when a pipe breaks; here 1 means that a claim is invalid."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


@contextmanager
def _until_the_reader_leaves() -> Iterator[None]:
    """Where the reader of stdout goes away (`| head`), what is left is not printed; the exit code is the verdict's."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _progress(label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, silent where stderr is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _parse_rows(text: str, count: int) -> list[int]:
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


@app.command()
def audit(
    bundle: Annotated[Path, typer.Argument(help="A certificate bundle: .safetensors, .npz, or .json for one row.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON instead of a table.")] = False,
    junit: Annotated[
        Path | None, typer.Option(help="Also write JUnit XML to this file.")
    ] = None,  # typer reads the annotation
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
    if junit is not None and not junit.parent.is_dir():
        raise BadInput(f"{junit}: there is no folder {junit.parent}; make it first")
    if junit is not None and junit.exists() and junit.samefile(bundle):
        raise BadInput(f"{junit}: is the bundle itself; write the report elsewhere")
    chosen = None if rows is None else _parse_rows(rows, opened.layout.count)
    with _progress("auditing", "rows") as progress:
        result = auditor.audit(opened, max_bits=max_bits, rows=chosen, progress=progress)
    if junit is not None:
        junit.write_bytes(report.as_junit(result))
    with _until_the_reader_leaves():
        if as_json:
            sys.stdout.writelines(report.as_json(result))
        else:
            report.print_table(result, _Console(), show)
    raise typer.Exit(result.exit_code)


@app.command()
def topk(
    bundle: Annotated[Path, typer.Argument(help="A bundle with scores, or query and key; claims in it are ignored.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the certificates go.")],
    k: Annotated[Optional[int], typer.Option("-k", help="How many keys each row keeps.")] = None,  # noqa: UP045
    eps: Annotated[float | None, typer.Option(help="Or the tail mass to allow: the fewest keys are kept.")] = None,
    grade: Annotated[
        Literal["fast", "exact"], typer.Option(help="fast (relative width 2^-24) or exact (2^-40).")
    ] = "fast",
) -> None:
    """Choose the top keys of every row in BUNDLE with the fast kernels and write certificates that pass an audit."""
    from certify import build
    from certify.bundle import check_target, load_inputs

    check_target(output)
    header, inputs = load_inputs(bundle)
    with _progress("certifying", "pieces") as progress:
        certificate = build.from_inputs(header, inputs, k=k, eps=eps, grade=grade, progress=progress)
    certificate.save(output)
    kept = certificate.k
    Console().print(
        f"{output}: {kept.size} rows, {kept.min()} to {kept.max()} of {certificate.kept.shape[-1]} keys kept, "
        f"level {certificate.level}",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def prove(
    ids: Annotated[list[str] | None, typer.Argument(help="Theorem ids such as T10; all by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Print the derivations as pages instead of checking them.")
    ] = False,
    latex: Annotated[bool, typer.Option("--latex", help="With --show: LaTeX instead of Unicode.")] = False,
    coq: Annotated[bool, typer.Option("--coq", help="Build the Coq development as well; takes minutes.")] = False,
) -> None:
    """Rerun the proofs of every theorem, or of those named: SymPy, z3, wrong variants, and Coq if asked for."""
    from proofs.command import command

    command(ids, as_json=as_json, show=show, latex=latex, coq=coq)


@app.command()
def demo() -> None:
    """Audit the shipped real attention: certificates that hold, then certificates that people really get wrong."""
    from certify import auditor, report
    from certify.bundle import open_bundle
    from certify.examples import example
    from certify.rules import Verdict

    console = Console()
    console.print(
        "Attention of a trained BERT-architecture model, and what somebody claims about dropping most of its keys.",
        highlight=False,
    )
    console.print("First a bundle whose certificates all hold; the tightest claims are shown.\n", highlight=False)
    with _progress("auditing", "rows") as progress:
        good = auditor.audit(example("minilm-attention.safetensors"), progress=progress)
    report.print_table(good, console, 3)
    console.print("\nNow one in which some producers made the mistakes that people make.\n", highlight=False)
    opened = open_bundle(example("minilm-attention-wrong.safetensors"))
    with _progress("auditing", "rows") as progress:
        wrong = auditor.audit(opened, progress=progress)
    story = {row: told.partition(": ")[2] for row, told in json.loads(opened.notes.get("story", "{}")).items()}
    report.print_table(wrong, console, wrong.count(Verdict.INVALID), story)
    console.print(
        "\nYours: certify audit YOUR_BUNDLE.safetensors   (the format: certify/schemas/README.md)", highlight=False
    )


def main() -> None:
    """The console entry point: the package's own errors become one line on stderr and exit code 2.

    A crash ends with 70, never with 1: that would read as "some claims are invalid".
    """
    if sys.stdout is None:  # closed by the caller (`>&-`); the exit code still tells
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # for the life of the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks τ still shows the verdict
    try:
        app()
    except CertifyError as error:
        sys.stderr.write(f"certify: {error}\n")
        raise SystemExit(2) from None
    except OSError as error:
        sys.stderr.write(f"certify: {error.filename or 'standard output'}: {error.strerror or error}\n")
        raise SystemExit(2) from None
    except Exception:  # noqa: BLE001  # the traceback is shown, and only the exit code is chosen here
        traceback.print_exc()
        raise SystemExit(70) from None


if __name__ == "__main__":
    main()
