"""Rows that broke some kernel before, in a JSON file: tried first by the next hunt, whatever kernel that is for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from certify.errors import BadInput
from certify.scores import Floats
from certify.soundness.counterexample import Counterexample
from certify.soundness.question import Question, RowBatch

__all__ = ["DATABASE_SCHEMA", "PAST_FAILURES", "remember", "remembered"]

DATABASE_SCHEMA = "topk-soundness-rows/1"
PAST_FAILURES = "past failures"
_MOST_ROWS = 1000


def remembered(path: Path, question: Question) -> list[RowBatch]:
    """The rows in the file that this question admits, newest first, each a batch of one. Raises BadInput."""
    found = []
    for entry in reversed(_read(path)):
        try:
            row = _row(entry, question)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{path}: an entry is damaged ({error}); delete the file, or the entry") from None
        if row is not None and bool(row.valid(question)[0]):
            found.append(row)
    return found


def remember(path: Path, found: Counterexample) -> None:
    """Add the row to the file; it appears whole or not at all. Raises BadInput where the file is something else."""
    row = found.row
    entry = {
        "dtype": found.question.dtype,
        "scores": _hexadecimal(row.exact_scores[0]),
        "kept": row.kept[0].tolist(),
        "values": None if row.exact_values is None else [_hexadecimal(v) for v in row.exact_values[0]],
        "kernel": found.kernel,
        "claim": found.relation,
    }
    entries = [
        old for old in _read(path) if any(old.get(key) != entry[key] for key in ("dtype", "scores", "kept", "values"))
    ]
    text = json.dumps({"schema": DATABASE_SCHEMA, "rows": [*entries, entry][-_MOST_ROWS:]}, indent=1)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text + "\n")
    partial.replace(path)


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}; make it first")
    if not path.exists():
        return []
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file for the past failures")
    try:
        content = json.loads(path.read_text())
    except (ValueError, UnicodeDecodeError):
        content = None
    rows = content.get("rows") if isinstance(content, dict) and content.get("schema") == DATABASE_SCHEMA else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{path}: is not a file of past failures ({DATABASE_SCHEMA}); name another, or delete it")
    return rows


def _row(entry: dict[str, Any], question: Question) -> RowBatch | None:
    """The row in the asked format, or None where it does not fit the question."""
    scores = np.array([float.fromhex(x) for x in entry["scores"]])
    kept = np.array(entry["kept"], dtype=bool)
    if kept.shape != scores.shape:
        raise ValueError(f"{len(kept)} kept flags for {len(scores)} scores")
    values = None
    if entry["values"] is not None:
        values = np.array([[float.fromhex(x) for x in vector] for vector in entry["values"]])
    width = 0 if values is None else values.shape[1]
    if entry["dtype"] != question.dtype or not question.n[0] <= len(scores) <= question.n[1]:
        return None
    if question.values and width != question.values:
        return None
    form = question.format
    own = form.rounded(values[None]) if values is not None and question.values else None
    return RowBatch(form.rounded(scores[None]), kept[None], own)


def _hexadecimal(numbers: Floats) -> list[str]:
    return [x.hex() for x in numbers.tolist()]
