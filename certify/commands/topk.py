"""`certify topk`: write certificates for the top keys of every row."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer
from rich.console import Console

from certify.terminal import progress_bar

__all__ = ["topk"]


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

    check_target(output, bundle)
    header, inputs = load_inputs(bundle)
    with progress_bar("certifying", "pieces") as progress:
        certificate = build.from_inputs(header, inputs, k=k, eps=eps, grade=grade, progress=progress)
    certificate.save(output)
    kept = certificate.k
    Console().print(
        f"{output}: {kept.size} rows, {kept.min()} to {kept.max()} of {certificate.kept.shape[-1]} keys kept, "
        f"level {certificate.level}",
        highlight=False,
        soft_wrap=True,
    )
