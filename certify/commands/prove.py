"""`certify prove`: rerun the proofs."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["prove"]


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
