"""Inputs from the rows of a bundle: its scores, or its query, keys and what belongs to them, with the kept set and the
values.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from certify.bundle import Bundle, open_bundle
from certify.certificate import KEPT
from certify.errors import BadInput
from certify.scores import check_kept, check_scores, widen

__all__ = ["inputs_of_rows"]

_PER_GROUP = ("key", "value")


def inputs_of_rows(
    path: Path, rows: range | list[int], wanted: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row, inputs) for flat row numbers; of the inputs, those that are `wanted`.

    Raises BadInput, BadBundle, BadScores, BadKept.
    """
    bundle = open_bundle(path, certified=False)
    try:
        count = bundle.layout.count
        for row in rows:
            if not 0 <= row < count:
                raise BadInput(f"{path}: row {row} is out of range; it has rows 0..{count - 1}")
            yield row, _inputs(bundle, row, wanted)
    finally:
        bundle.close()


def _inputs(bundle: Bundle, row: int, wanted: tuple[str, ...]) -> dict[str, Any]:
    header, layout = bundle.header, bundle.layout
    names = ["scores"] if header.level == "scores" else ["query", "key", "mask", "bias"]
    names += [name for name in ("value",) if name in wanted]
    found: dict[str, Any] = {}
    for name in names if "scores" in wanted else [name for name in names if name in wanted]:
        if name in bundle.tensors:
            place, trailing = (row // layout.rows_per_group, 2) if name in _PER_GROUP else (row, 1)
            found[name] = bundle.tensors[name].read(place, place + 1, trailing)[0]
    if "mask" in found:
        found["mask"] = found["mask"].astype(bool)
    if header.level == "query-key" and "scores" in wanted:
        found |= {name: value for name in ("scale", "softcap") if (value := getattr(header, name)) is not None}
    if "kept" in wanted:
        if not any(name in bundle.tensors for name in KEPT):
            raise BadInput(f"{bundle.source}: there is no kept set in it; add one with certify topk")
        found["kept"] = bundle.kept(row, row + 1)[0]
        if "scores" in found:
            check_scores(widen(found["scores"])[None], row)
            check_kept(found["kept"][None], widen(found["scores"])[None], row)
    return found
