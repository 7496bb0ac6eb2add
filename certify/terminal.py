"""What every command shares: a console for results, a progress bar, readers that leave early, targets that are checked
before the work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from certify.errors import BadInput

__all__ = ["ResultConsole", "check_page", "check_target", "progress_bar", "until_the_reader_leaves"]


class ResultConsole(Console):
    """Rich ends the process with code 1 when a pipe breaks; here 1 means that a claim is invalid."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


@contextmanager
def until_the_reader_leaves() -> Iterator[None]:
    """Where the reader of stdout goes away (`| head`), what is left is not printed; the exit code is the verdict's."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress_bar(label: str, unit: str) -> Iterator[Callable[[int, int], None]]:
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


def check_target(target: Path, bundle: Path) -> None:
    """Raise BadInput where a report cannot be written to `target`, or would take the place of the bundle itself."""
    if not target.parent.is_dir():
        raise BadInput(f"{target}: there is no folder {target.parent}; make it first")
    if target.is_dir():
        raise BadInput(f"{target}: is a folder; name a file for the report")
    if target.exists() and target.samefile(bundle):
        raise BadInput(f"{target}: is the bundle itself; write the report elsewhere")


def check_page(target: Path, bundle: Path) -> None:
    """The same for a page with pictures. Raises MissingExtra too, so that what is missing is told before the work."""
    from certify import web_page

    check_target(target, bundle)
    with web_page.plotting():
        pass
