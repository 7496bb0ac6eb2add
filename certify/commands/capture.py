"""`certify capture`: the attention inputs of a Hugging Face model that reads a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from certify.errors import BadInput

__all__ = ["capture"]


def capture(
    model: Annotated[str, typer.Option(help="A Hugging Face model: its name, or the folder that it lies in.")],
    text: Annotated[Path, typer.Option(help="The text that it reads (UTF-8).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the bundle goes.")],
    layers: Annotated[Optional[str], typer.Option(help='Such as "0,5", counted from 0; all by default.')] = None,  # noqa: UP045
    heads: Annotated[Optional[str], typer.Option(help='Such as "0,3", counted from 0; all by default.')] = None,  # noqa: UP045
    rows: Annotated[Optional[int], typer.Option(help="How many query rows to sample; all by default.")] = None,  # noqa: UP045
    seed: Annotated[int, typer.Option(help="Draws the sampled rows.")] = 0,
    length: Annotated[
        Optional[int], typer.Option(help="Read this many tokens, special ones included; the whole text by default.")  # noqa: UP045
    ] = None,
) -> None:
    """Record queries, keys, values, mask and scale of every attention layer of MODEL while it reads TEXT.

    Each layer is checked to explain the model's own output on the captured rows. The bundle claims nothing yet:
    `certify topk` and `certify search` write certificates for it. Exit code 2 where a model cannot be captured
    faithfully.
    """
    from certify.bundle import check_target, save_inputs

    check_target(output)
    chosen_layers, chosen_heads = _numbers("--layers", layers), _numbers("--heads", heads)
    read = _read(text)
    try:
        from certify.capture import capture_text
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "transformers"):
            raise
        raise BadInput(f"{error.name} is not installed; pip install 'topk-certify[models]'") from None
    found = capture_text(model, read, layers=chosen_layers, heads=chosen_heads, rows=rows, seed=seed, length=length)
    save_inputs(found.header, found.inputs, output, found.notes)
    query, key = found.inputs["query"], found.inputs["key"]
    scale = f"1/√{query.shape[-1]}" if found.header.scale is None else f"{found.header.scale:.6g}"
    extras: list[str] = [name for name in ("mask", "bias") if name in found.inputs]
    if found.header.softcap is not None:
        extras.append(f"soft-cap {found.header.softcap:g}")
    Console().print(
        f"{output}: {query.shape[0]} layers × {query.shape[1]} heads ({key.shape[1]} of keys) × {query.shape[2]} "
        f"queries, {key.shape[2]} keys of {query.shape[-1]} {query.dtype}, scale {scale}"
        f"{''.join(', ' + extra for extra in extras)}\n"
        f"checked on every captured row: the model's own output is reproduced, at worst "
        f"{found.reproduction.difference:.1e} off, at most {found.reproduction.share_of_rounding:.0%} of what rounding "
        "explains",
        highlight=False,
        soft_wrap=True,
    )


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is not UTF-8 text (byte {error.start}); convert it first") from None
    if not text.strip():
        raise BadInput(f"{path}: holds no text; give a file with some for the model to read")
    return text


def _numbers(option: str, text: str | None) -> list[int] | None:
    """ "0,5" as numbers, each once."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise BadInput(f"{option} {text!r}: write whole numbers with commas between them, such as 0,5")
    numbers = [int(part) for part in parts]
    if len(set(numbers)) != len(numbers):
        raise BadInput(f"{option} {text!r}: names one twice; name each once")
    return numbers
