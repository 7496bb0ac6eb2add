"""`certify search`: choose keys without scoring them all, and write certificates for the choice."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from certify.errors import BadInput
from certify.terminal import ResultConsole, check_page, progress_bar, until_the_reader_leaves

__all__ = ["search"]

# Agglomeration compares all pairs of keys.
_MOST_KEYS_OF_A_TREE = 8192


def search(
    bundle: Annotated[Path, typer.Argument(help="A bundle with query and key, such as `certify capture` writes.")],
    eps: Annotated[float, typer.Option(help="The tail mass to allow.")],
    method: Annotated[
        Literal["mass", "delta-k", "prefilter"],
        typer.Option(
            help="mass: MC-Search over cells of keys. delta-k: Δk-Search by the multi-gap bound. prefilter: bounds of "
            "every score from keys in 8 or 4 bits; made for long contexts."
        ),
    ] = "mass",
    bound: Annotated[
        Optional[  # noqa: UP045
            Literal["ball", "box", "ball_box", "chord", "bennett_diagonal", "bennett_spectral", "bennett"]
        ],
        typer.Option(help="What limits a cell: ball as published; by default bennett (mass) or ball_box (delta-k)."),
    ] = None,
    cells: Annotated[
        Optional[Literal["kmeans", "bisecting", "ward"]],  # noqa: UP045
        typer.Option(help="How keys are cut into cells; by default a ward tree (mass, up to 8192 keys), else kmeans."),
    ] = None,
    count: Annotated[Optional[int], typer.Option(help="How many cells, by default n/8 (not for a ward tree).")] = None,  # noqa: UP045
    keep_means: Annotated[
        bool,
        typer.Option(
            "--keep-means", help="mass: keep unopened cells as their mean's weight; ε bounds half the ℓ₁ error."
        ),
    ] = False,
    bits: Annotated[
        Optional[Literal["8", "4"]],  # noqa: UP045
        typer.Option(help="prefilter: bits of a key's component, by default 8."),
    ] = None,
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Also write certificates, which `certify audit` judges.")  # noqa: UP045
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also audit the certificates, and write a page for people to this file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON instead of a table.")] = False,
) -> None:
    """Keep, for every row of BUNDLE, keys that leave at most ε of the attention mass, scoring as few as it can.

    Every row ends certified: where the bounds do not pay, all its keys are scored, and the fire rate says how often
    that was. So the exit code is 0 whenever the search ran, and 2 for bad input.
    """
    from certify.bundle import check_target, load_inputs

    if output is not None:
        check_target(output, bundle)
    header, inputs = load_inputs(bundle)
    if html is not None:
        check_page(html, bundle)
    if header.level != "query-key":
        raise BadInput(
            f"{bundle}: is at level {header.level}, whose scores are all known; a search needs query and key"
        )
    if "bias" in inputs or header.softcap is not None:
        raise BadInput(f"{bundle}: has a bias or soft-cap, which no cell bound covers; certify the scores themselves")
    _check_options(method, bound, cells, count, keep_means, bits)
    # Loads scikit-learn and compiled kernels: after everything that is refused at once.
    from certify.search import build_cells, delta_k_search, mass_search, prefilter_search, quantize_keys
    from certify.search_summary import as_json as summary_json
    from certify.search_summary import print_summary, summary_of

    query, key = inputs["query"], inputs["key"]
    options: dict[str, Any] = {
        "eps": eps,
        "scale": header.scale,
        "mask": inputs.get("mask"),
        "kv_groups": header.kv_groups,
    }
    if method == "prefilter":
        result = prefilter_search(query, quantize_keys(key, 4 if bits == "4" else 8), **options)
    elif method == "mass":
        index = build_cells(key, cells or ("ward" if key.shape[-2] <= _MOST_KEYS_OF_A_TREE else "kmeans"), count=count)
        result = mass_search(query, key, cells=index, bound=bound or "bennett", keep_means=keep_means, **options)
    else:
        index = build_cells(key, cells or "kmeans", count=count)
        options["bound"] = bound or "ball_box"
        result = delta_k_search(query, key, cells=index, **options)
    if output is not None:
        result.certificate.save(output)
    if html is not None:
        from certify.search_page import search_page

        command = shlex.join(["certify", *sys.argv[1:]])
        with progress_bar("auditing", "rows") as progress:
            page = search_page(result, str(bundle), command, progress=progress)
        html.write_text(page, encoding="utf-8")
    with until_the_reader_leaves():
        if as_json:
            sys.stdout.write(summary_json(summary_of(result)) + "\n")
        else:
            print_summary(summary_of(result), ResultConsole())


def _check_options(
    method: str, bound: str | None, cells: str | None, count: int | None, keep_means: bool, bits: str | None
) -> None:
    """Refuse an option that the method would ignore. Raises BadInput."""
    if bits is not None and method != "prefilter":
        raise BadInput(
            f"--bits {bits} with --method {method}, which searches no quantised keys; use --method prefilter"
        )
    if keep_means and method != "mass":
        raise BadInput(f"--keep-means with --method {method}, which keeps no means; use --method mass")
    for name, given in (("--bound", bound), ("--cells", cells), ("--count", count)):
        if given is not None and method == "prefilter":
            raise BadInput(f"{name} {given} with --method prefilter, which has no cells; leave it out")
    if method == "delta-k" and bound not in (None, "ball", "box", "ball_box"):
        raise BadInput(
            f"--bound {bound} with --method delta-k, which needs a bound on each score: ball, box or ball_box"
        )
