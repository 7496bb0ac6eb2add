"""The `certify` command: which commands there are, and how each ending becomes an exit code. stdout carries results;
progress and errors go to stderr.

Exit codes: 0 all valid · 1 some invalid · 2 bad input or usage · 3 some undecided, none invalid.
"""

from __future__ import annotations

import io
import os
import sys
import traceback

import typer

from certify.commands.audit import audit
from certify.commands.capture import capture
from certify.commands.conform import conform
from certify.commands.demo import demo
from certify.commands.plan import plan
from certify.commands.prove import prove
from certify.commands.reference import reference
from certify.commands.search import search
from certify.commands.soundness import soundness
from certify.commands.topk import topk
from certify.errors import CertifyError

__all__ = ["app", "main"]

app = typer.Typer(
    help="Decide claims about top-k sparse attention, rigorously.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (audit, topk, search, soundness, capture, plan, conform, prove, demo):
    app.command()(command)
# A quantity's inputs are options of its own, which typer cannot know.
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(reference)


@app.callback()
def _certify() -> None:
    """Decide claims about top-k sparse attention, rigorously."""


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
