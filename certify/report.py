"""A finished audit as a terminal table, JSON, or JUnit XML. This room does no arithmetic and decides nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from certify.auditor import Audit, AuditRow, Finding
from certify.rules import Verdict

__all__ = ["AUDIT_SCHEMA", "as_json", "as_junit", "enclosure_shown", "print_summary", "print_table", "why"]

AUDIT_SCHEMA = "topk-audit/1"
_COLOURS = {Verdict.VALID: "green", Verdict.INVALID: "bold red", Verdict.UNDECIDED: "yellow"}
_DIGITS_STORED = 25


def why(finding: Finding) -> str:
    """One sentence: how the truth stands to the claim."""
    if finding.verdict is Verdict.UNDECIDED:
        return finding.decided_by
    if finding.reason:
        return finding.reason
    if finding.claim == "top_k":
        return (
            "no dropped key scores higher"
            if finding.verdict is Verdict.VALID
            else "a dropped key scores higher than a kept one"
        )
    holds = finding.verdict is Verdict.VALID
    relation = finding.relation if holds else {"≤": ">", "≥": "<"}[finding.relation]
    return f"{finding.quantity} {relation} claim"


def enclosure_shown(finding: Finding) -> str:
    """The enclosure with as few digits as show, rounded outward, on which side of the claim it lies."""
    text = finding.enclosure.digits(6)
    if finding.claimed is None:
        return text
    for count in (6, 9, 12, 17, 25, 40):
        text = finding.enclosure.digits(count)
        lower, upper = text[1:-1].split(", ")
        if not (_within(lower, upper, finding.claimed)):
            break
    return text


def _within(lower: str, upper: str, claimed: float) -> bool:
    if "2**" in lower + upper or "inf" in lower + upper:
        return False
    # Both the float itself and the decimals that print for it: a reader compares the latter.
    return any(Fraction(lower) <= value <= Fraction(upper) for value in (Fraction(claimed), Fraction(repr(claimed))))


def print_table(audit: Audit, console: Console, show: int, story: dict[str, str] | None = None) -> None:
    """The worst rows first, and why; then the counts."""
    table = Table(
        title=f"{escape(audit.source)} — level {audit.level}, rows {list(audit.shape)}, {audit.n} keys",
        title_justify="left",
        show_lines=True,
    )
    for name in ("row", "verdict", "claim, and where the truth lies", "why"):
        table.add_column(name, overflow="fold")
    for row in islice(audit.worst_first(), show):
        table.add_row(*_cells(row, (story or {}).get(str(row.index))))
    if table.row_count:
        console.print(table)
    print_summary(audit, console, hidden=max(0, len(audit.indices) - show))


def _cells(row: AuditRow, told: str | None) -> Iterator[Text]:
    finding = row.worst
    yield Text(str(row.index) + (f"\n[{','.join(map(str, row.position))}]" if len(row.position) > 1 else ""))
    yield Text(str(finding.verdict), style=_COLOURS[finding.verdict])
    relation = "=" if finding.claim == "smallest_k_for" else finding.relation
    claimed = "" if finding.claimed is None else f" {relation} {finding.claimed!r}"
    yield Text(f"{finding.claim}{claimed}\n{enclosure_shown(finding)}")
    yield Text(f"{why(finding)}{f' ({told})' if told else ''} [{finding.theorem}, {finding.decided_by}]")


def print_summary(audit: Audit, console: Console, hidden: int = 0) -> None:
    counts = Text.assemble(
        *[
            part
            for verdict in Verdict
            for part in ((f"{audit.count(verdict)} {verdict}", _COLOURS[verdict]), ("  ", ""))
        ]
    )
    console.print(Text("rows: ") + counts + Text(f"({hidden} not shown)" if hidden else ""))
    exact = sum(len(claim.exact) for claim in audit.claims)
    judged = len(audit.indices) * len(audit.claims)
    console.print(
        f"{judged} claims judged: {judged - exact} by float64 intervals, {exact} by higher precision or exactly",
        highlight=False,
    )
    if audit.environment_restored:
        text = "this thread flushed subnormals or did not round to nearest; that was undone for the audit"
        console.print(text, style="yellow", highlight=False)
    if audit.ignored:
        console.print(f"not looked at: {', '.join(audit.ignored)}", style="yellow", highlight=False)


def as_json(audit: Audit) -> Iterator[str]:
    """The whole audit as JSON text, in pieces: one row a line, floats as hexadecimal, enclosures as decimals rounded
    outward.
    """
    head: dict[str, Any] = {
        "schema": AUDIT_SCHEMA,
        "source": audit.source,
        "level": audit.level,
        "producer": audit.producer,
        "shape": list(audit.shape),
        "keys": audit.n,
        "verdicts": {str(verdict): audit.count(verdict) for verdict in Verdict},
        "exit_code": audit.exit_code,
        "budget": {"max_bits": audit.budget.max_bits, "max_terms": audit.budget.max_terms},
        "environment_restored": audit.environment_restored,
        "ignored": list(audit.ignored),
    }
    yield json.dumps(head)[:-1] + ', "rows": [\n'
    for place, row in enumerate(audit.rows):
        yield (",\n" if place else "") + json.dumps(_row(row))
    yield "\n]}\n"


def _row(row: AuditRow) -> dict[str, Any]:
    return {
        "index": row.index,
        "position": list(row.position),
        "verdict": str(row.verdict),
        "decided_by": row.decided_by,
        "findings": [_finding(finding) for finding in row.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    lower, upper = finding.enclosure.digits(_DIGITS_STORED)[1:-1].split(", ")
    return {
        "claim": finding.claim,
        "theorem": finding.theorem,
        "verdict": str(finding.verdict),
        "claimed": None if finding.claimed is None else finding.claimed.hex(),
        "relation": finding.relation,
        "quantity": finding.quantity,
        "lower": lower,
        "upper": upper,
        "decided_by": finding.decided_by,
        "why": why(finding),
    }


def as_junit(audit: Audit) -> bytes:
    """JUnit XML: a test case a row; an invalid row is a failure, an undecided one an error, with every finding that
    is not valid in the message.
    """
    suite = ElementTree.Element(
        "testsuite",
        name=f"certify audit {audit.source}",
        tests=str(len(audit.indices)),
        failures=str(audit.count(Verdict.INVALID)),
        errors=str(audit.count(Verdict.UNDECIDED)),
    )
    for row in audit.rows:
        case = ElementTree.SubElement(
            suite, "testcase", classname=audit.source, name=f"row {row.index} {list(row.position)}"
        )
        if row.verdict is not Verdict.VALID:
            message = "; ".join(
                f"{f.claim} = {f.claimed!r}: {why(f)}; {f.quantity} in {enclosure_shown(f)}, by {f.decided_by}"
                for f in row.findings
                if f.verdict is not Verdict.VALID
            )
            ElementTree.SubElement(
                case, "failure" if row.verdict is Verdict.INVALID else "error", message=message, type=str(row.verdict)
            )
    root = ElementTree.Element("testsuites")
    root.append(suite)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
