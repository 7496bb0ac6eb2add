"""A finished audit as a page that people read: the verdict at the top, worst rows first, each openable to its scores,
kept set and enclosure.

The verdicts are the auditor's; this room orders, draws and words them, and decides nothing. What the page shows of a
row it reads from the bundle again. Of a large audit only the worst rows can be opened; every other row can be looked
up in compact arrays. The same audit gives the same bytes.
"""

from __future__ import annotations

import platform
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import file_digest
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import numpy as np

from certify import audit_figures, web_page
from certify.audit_rows import full_row, labels_of, line_of
from certify.auditor import Audit, ClaimAudit
from certify.bundle import Bundle
from certify.report import AUDIT_SCHEMA
from certify.row_blocks import RowReader
from certify.rules import Verdict
from certify.scores import Floats

__all__ = ["audit_page"]

_LISTED = 200  # rows after the openable ones that get a line in a table
_CELLS_LISTED = 200
_QUANTILES = (0.0, 0.01, 0.1, 0.5, 0.9, 1.0)
_LEVELS = {
    "scores": "scores: the claims are about the floats in the bundle, exactly",
    "query-key": "query-key: the claims are about the real numbers q·k·scale",
}


def audit_page(
    audit: Audit,
    bundle: Bundle,
    command: str,
    *,
    openable: int = 20,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """The HTML document of `audit`, which judged `bundle`. `command` is the shell line that makes it again, `openable`
    how many of the worst rows it holds in full.

    Raises MissingExtra without matplotlib, before any work.
    """
    with web_page.plotting():
        labels = labels_of(bundle)
    told, quantiles = audit.claims[0], list(_quantiles(audit))
    truth = _truth(told)
    cells = audit_figures.cells_of(audit, truth, labels)
    ordered = audit.worst_first()
    worst = []
    reader = RowReader(bundle, with_values=False)
    try:
        for row in islice(ordered, openable):
            worst.append(full_row(row, bundle, reader, labels))
            if progress is not None:
                progress(len(worst), min(openable, len(audit.indices)))
        digests = _digests(bundle)
    finally:
        bundle.close()
    return web_page.render(
        "audit.html.j2",
        title=f"Audit of {Path(audit.source).name}: {_worst(audit)}",
        verdict=str(_worst(audit)),
        headline=_headline(audit),
        facts=_facts(audit, bundle),
        command=command,
        reproduce=[*digests, *_versions()],
        worst=worst,
        listed=[line_of(row) for row in islice(ordered, _LISTED)],
        total=len(audit.indices),
        quantity=told.rule.quantity,
        maps=[
            (
                audit_figures.verdict_map(cells),
                "The worst verdict in each cell; numbers: rows that are not valid.",
            ),
            (audit_figures.truth_map(cells, told.rule.quantity), f"The median {told.rule.quantity} (estimate)."),
            (
                audit_figures.slack_map(cells),
                "The least slack: how far the tightest claim is from the truth, relative to the larger (estimate).",
            ),
        ],
        cells=_cell_lines(cells),
        spread=audit_figures.slack_spread(audit) if quantiles else None,
        quantile_names=[f"{100 * q:g} %" for q in _QUANTILES],
        quantiles=quantiles,
        counts=[_counts(claim) for claim in audit.claims],
        arrays=_arrays(audit, truth),
        shape=list(audit.shape),
    )


def _worst(audit: Audit) -> Verdict:
    return Verdict(int(audit.severity.max()))


def _headline(audit: Audit) -> str:
    total, bad, open_ = len(audit.indices), audit.count(Verdict.INVALID), audit.count(Verdict.UNDECIDED)
    rows = "1 row" if total == 1 else f"{total:,} rows"
    if bad:
        also = f"; {open_:,} more could not be decided within the budget" if open_ else ""
        return f"{bad:,} of {rows} claim something false{also}"
    if open_:
        return f"{open_:,} of {rows} could not be decided within the budget; nothing was refuted"
    return f"Every claim of {rows} is proved"


def _facts(audit: Audit, bundle: Bundle) -> list[tuple[str, str]]:
    exact = sum(len(claim.exact) for claim in audit.claims)
    judged = len(audit.indices) * len(audit.claims)
    whole = "" if len(audit.indices) == bundle.layout.count else f" ({len(audit.indices):,} of them audited)"
    facts = [
        ("bundle", audit.source),
        ("producer", audit.producer),
        ("rows", f"{' × '.join(map(str, audit.shape))}{whole}, {audit.n:,} keys"),
        ("level", _LEVELS[audit.level]),
        (
            "claims judged",
            f"{judged:,}: {judged - exact:,} by float64 intervals, {exact:,} by higher precision or exactly",
        ),
    ]
    if audit.ignored:
        facts.append(("not looked at", ", ".join(audit.ignored)))
    if audit.environment_restored:
        facts.append(("thread", "flushed subnormals or did not round to nearest; undone for the audit"))
    return facts


def _digests(bundle: Bundle) -> list[tuple[str, str]]:
    found = [("SHA-256 of the inputs", bundle.inputs_digest())]
    if Path(bundle.source).is_file():
        with Path(bundle.source).open("rb") as file:
            found.insert(0, ("SHA-256 of the file", file_digest(file, "sha256").hexdigest()))
    return found


def _versions() -> list[tuple[str, str]]:
    names = ("topk-certify", "numpy", "mpmath", "matplotlib")
    used = [f"{name} {version(name)}" for name in names]
    return [("versions", ", ".join([*used, f"Python {platform.python_version()}"])), ("verdicts", AUDIT_SCHEMA)]


def _truth(claim: ClaimAudit) -> Floats:
    return np.where(np.isfinite(claim.upper), 0.5 * claim.lower + 0.5 * claim.upper, claim.lower)


def _cell_lines(cells: audit_figures.Cells) -> list[tuple[str, ...]]:
    """The heat maps in words, worst cells first."""
    places = np.argwhere(cells.rows > 0)
    keys = [(-int(cells.severity[y, x]), float(cells.slack[y, x])) for y, x in places.tolist()]
    ordered = [places[i].tolist() for i in sorted(range(len(places)), key=keys.__getitem__)]
    return [
        (
            ", ".join(
                f"{title} {names[i]}" for (title, names), i in ((cells.vertical, y), (cells.horizontal, x)) if names[i]
            ),
            f"{cells.rows[y, x]:,}",
            f"{cells.bad[y, x]:,}",
            f"{cells.truth[y, x]:.3g}",
            f"{cells.slack[y, x]:.2g}",
        )
        for y, x in ordered[:_CELLS_LISTED]
    ]


def _quantiles(audit: Audit) -> Iterator[tuple[str, ...]]:
    for claim in audit.claims:
        if claim.rule.claim == "top_k":
            continue
        for name, data in (
            (f"{claim.rule.quantity} ({claim.rule.claim})", _truth(claim)),
            (f"slack of {claim.rule.claim}", claim.slack_estimate()),
        ):
            found = np.quantile(data, _QUANTILES, method="lower")
            yield (name, *(f"{value:.3g}" for value in found))


def _counts(claim: ClaimAudit) -> tuple[str, ...]:
    counted = np.bincount(claim.verdict, minlength=len(Verdict))
    return (claim.rule.claim, *(f"{counted[verdict]:,}" for verdict in Verdict), claim.rule.theorem)


def _arrays(audit: Audit, truth: Floats) -> dict[str, str]:
    """What can be looked up for every row: little-endian bytes in base64."""
    with np.errstate(over="ignore"):
        columns = {
            "index": audit.indices.astype("<u4"),
            "verdict": audit.severity.astype("u1"),
            "truth": truth.astype("<f4"),
            "slack": audit.slack_estimate().astype("<f4"),
        }
    return {name: b64encode(column.tobytes()).decode() for name, column in columns.items()}
