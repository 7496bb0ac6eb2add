"""What every command shares of the terminal: a console for results, a progress bar, readers that leave early."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["ResultConsole", "progress_bar", "until_the_reader_leaves"]


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
