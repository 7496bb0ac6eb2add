"""The words of single audited rows, for the page of an audit: one line, or all that can be said of a row.

What is shown of a row's inputs is read from the bundle again; names of layers, heads, positions and tokens are the
producer's own notes, where they fit.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from certify import audit_figures
from certify.auditor import AuditRow
from certify.bundle import Bundle
from certify.report import enclosure_shown, why
from certify.row_blocks import RowReader
from certify.rules import Verdict
from certify.scores import Floats

__all__ = ["full_row", "labels_of", "line_of"]

_KEYS_LISTED = 12
_RUNS_LISTED = 500  # of consecutive kept keys: a few kilobytes


def labels_of(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    """What the producer calls layers, heads, query positions and tokens, where its notes are lists that fit."""
    rows = bundle.layout.rows
    sizes = {"heads": rows[-2] if len(rows) > 1 else 0, "query_positions": rows[-1], "tokens": bundle.layout.n}
    if len(rows) == 3:
        sizes["layers"] = rows[0]
    found = {}
    for name, size in sizes.items():
        try:
            listed = json.loads(bundle.notes.get(name, ""))
        except json.JSONDecodeError:
            continue
        if isinstance(listed, list) and len(listed) == size:
            found[name] = tuple(str(entry) for entry in listed)
    return found


def full_row(row: AuditRow, bundle: Bundle, reader: RowReader, labels: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """All that the page says of one row."""
    block = reader.read(row.index, row.index + 1)
    scores, kept = block.first_pass.scores.centre[0], block.kept[0]
    masses = [f for f in row.findings if f.claim in ("tv_upper", "tv_lower")]
    truth = float(masses[0].enclosure.upper) if masses else None
    claimed = tuple(
        (f.claim, f.claimed, f.verdict is Verdict.INVALID)
        for f in row.findings
        if f.claimed is not None
        and (f.claim in ("tv_upper", "smallest_k_for") or (f.claim == "tv_lower" and f.verdict is Verdict.INVALID))
    )
    return {
        **_line_parts(row),
        "place": _place(row, labels),
        "told": _story(bundle, row.index),
        "findings": [
            (
                f.claim,
                str(f.verdict),
                "" if f.claimed is None else f"{'=' if f.claim == 'smallest_k_for' else f.relation} {f.claimed!r}",
                enclosure_shown(f),
                why(f),
                f"{f.theorem}, {f.decided_by}",
            )
            for f in row.findings
        ],
        "picture": audit_figures.row_picture(scores, kept, truth, claimed),
        "k": int(kept.sum()),
        "n": bundle.layout.n,
        "kept": _ranges(np.flatnonzero(kept)),
        "keys": _heaviest(scores, kept, labels.get("tokens")),
        "estimated": bundle.header.level == "query-key",
    }


def _place(row: AuditRow, labels: dict[str, tuple[str, ...]]) -> str:
    names = ("layers", "heads", "query_positions")[-len(row.position) :]
    if len(row.position) > 3 or "query_positions" not in labels:
        return ""
    said = [
        f"{name[:-1].replace('_', ' ')} {labels[name][i]}"
        for name, i in zip(names, row.position, strict=True)
        if name in labels
    ]
    return ", ".join(said)


def _story(bundle: Bundle, index: int) -> str:
    try:
        story = json.loads(bundle.notes.get("story", "{}"))
    except json.JSONDecodeError:
        return ""
    return str(story.get(str(index), "")) if isinstance(story, dict) else ""


def _heaviest(scores: Floats, kept: NDArray[np.bool_], tokens: tuple[str, ...] | None) -> list[tuple[str, ...]]:
    """The keys of highest score: number, token, score, estimated weight, kept or dropped."""
    order = np.argsort(-scores, kind="stable")[:_KEYS_LISTED]
    weights = np.exp(scores - scores.max())
    weights /= weights.sum()
    return [
        (
            str(i),
            *([tokens[i]] if tokens else []),
            repr(float(scores[i])),
            f"{weights[i]:.3g}",
            "kept" if kept[i] else "dropped",
        )
        for i in order.tolist()
        if scores[i] > -np.inf
    ]


def _ranges(numbers: NDArray[np.intp]) -> str:
    """1, 2, 3, 7 as "1–3, 7"; of very many runs the first ones, and how many keys are in the others."""
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    runs = [(int(run[0]), int(run[-1])) for run in np.split(numbers, breaks)]
    shown = ", ".join(f"{first}" if first == last else f"{first}–{last}" for first, last in runs[:_RUNS_LISTED])
    hidden = sum(last - first + 1 for first, last in runs[_RUNS_LISTED:])
    return f"{shown}, and {hidden:,} more" if hidden else shown


def _line_parts(row: AuditRow) -> dict[str, str]:
    finding = row.worst
    relation = "=" if finding.claim == "smallest_k_for" else finding.relation
    return {
        "row": str(row.index),
        "position": f"[{', '.join(map(str, row.position))}]" if len(row.position) > 1 else "",
        "verdict": str(finding.verdict),
        "claim": finding.claim if finding.claimed is None else f"{finding.claim} {relation} {finding.claimed!r}",
        "truth": enclosure_shown(finding),
        "why": why(finding),
    }


def line_of(row: AuditRow) -> tuple[str, ...]:
    parts = _line_parts(row)
    return (f"{parts['row']} {parts['position']}", parts["verdict"], parts["claim"], parts["truth"], parts["why"])
