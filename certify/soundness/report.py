"""A finished hunt for people: in a terminal, as JSON, as a page. This room searches nothing and decides nothing."""

from __future__ import annotations

import json
import platform
import shlex
from decimal import ROUND_DOWN, Context
from importlib.metadata import version
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from certify import web_page
from certify.soundness.counterexample import Counterexample, hexadecimal
from certify.soundness.evidence import Coverage, Hunt, HuntVerdict
from certify.soundness.families import FAMILIES
from certify.soundness.float_formats import exactly
from certify.soundness.question import Question, RowBatch

__all__ = ["as_json", "command_of", "page", "print_hunt", "told"]

_QUANTITIES = {"tail": "the tail mass τ", "kl": "KL(P̂‖P)", "output": "the output error ‖o − ô‖₂"}
_BOUNDS = {
    "auto": "bounds",
    "upper": "an upper bound",
    "lower": "a lower bound",
    "both": "a lower and an upper bound",
}
_COLOURS = {HuntVerdict.BROKEN: "bold red", HuntVerdict.NONE_FOUND: "green", HuntVerdict.BAD_CALL: "yellow"}
_BANNERS = {HuntVerdict.BROKEN: "invalid", HuntVerdict.NONE_FOUND: "undecided", HuntVerdict.BAD_CALL: "invalid"}
_DIGITS = 20
_SUMMARIES = {family.name: family.summary for family in FAMILIES}


def as_json(found: Hunt) -> str:
    """The whole outcome as one JSON object."""
    return json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n"


def command_of(found: Hunt) -> str:
    """The shell line that asks the same question again."""
    asked, default = found.question, Question()
    least, most = asked.n
    words = ["certify", "soundness", found.kernel]
    for name in ("quantity", "bound", "dtype", "kept", "array"):
        if getattr(asked, name) != getattr(default, name):
            words += [f"--{name}", getattr(asked, name)]
    words += ["--min-n", str(least), "--max-n", str(most)] if asked.n != default.n else []
    words += ["--values", str(asked.values)] if asked.values else []
    words += ["--batched"] if asked.batched else []
    return shlex.join([*words, "--rows", str(max(1, found.rows_tried)), "--seed", str(found.seed)])


def told(found: Hunt) -> str:
    """The outcome in plain words, as a failing test shows it."""
    lines = [_headline(found)]
    if found.counterexample is not None:
        lines += ["", *_row_lines(found.counterexample.row), "", *_claim_lines(found.counterexample)]
        lines += ["", "As a test of its own:", "", found.counterexample.regression_test()]
    elif found.bad_call is not None and found.bad_call.row is not None:
        lines += ["", *_row_lines(found.bad_call.row)]
    return "\n".join(lines)


def print_hunt(found: Hunt, console: Console) -> None:
    """The outcome as a table and a few lines."""

    def plain(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    console.print(f"[{_COLOURS[found.verdict]}]{found.verdict}[/]  {escape(_headline(found))}", highlight=False)
    row = found.counterexample.row if found.counterexample else found.bad_call.row if found.bad_call else None
    if row is not None:
        table = Table()
        for name in _row_head(row):
            table.add_column(name, overflow="fold")
        for cells in _row_cells(row):
            table.add_row(*cells)
        console.print(table)
    if found.counterexample is not None:
        for line in _claim_lines(found.counterexample):
            plain(line)
        plain("\nA test to paste:\n")
        plain(found.counterexample.regression_test())
    if found.verdict is HuntVerdict.NONE_FOUND:
        table = Table(title="what was tried", title_justify="left")
        for name in _COVERAGE_HEAD:
            table.add_column(name, justify="left" if name == _COVERAGE_HEAD[0] else "right")
        for one in found.coverage:
            table.add_row(*_coverage_cells(one))
        console.print(table)
    plain(_effort(found))


def page(found: Hunt) -> str:
    """The outcome as one self-contained HTML page."""
    example, bad = found.counterexample, found.bad_call
    row = example.row if example else bad.row if bad else None
    return web_page.render(
        "soundness.html.j2",
        title=f"Soundness of {found.kernel}",
        verdict=_BANNERS[found.verdict],
        word=str(found.verdict),
        headline=_headline(found),
        facts=[("kernel", found.kernel), ("asked", _asked(found.question)), ("effort", _effort(found))],
        command=command_of(found),
        reproduce=[
            *((name, version(name)) for name in ("topk-certify", "hypothesis", "numpy")),
            ("Python", platform.python_version()),
            ("seed", str(found.seed)),
        ],
        row_head=None if row is None else _row_head(row),
        row_cells=None if row is None else list(_row_cells(row)),
        claim=None if example is None else _claim_pairs(example),
        regression_test=None if example is None else example.regression_test(),
        tightest=None if found.tightest is None else _at_most(found.tightest.slack_estimate),
        tightest_family=None if found.tightest is None else found.tightest.family,
        tightest_head=None if found.tightest is None else _row_head(found.tightest.row),
        tightest_cells=None if found.tightest is None else list(_row_cells(found.tightest.row)),
        coverage_head=_COVERAGE_HEAD,
        coverage=[_coverage_cells(one) for one in found.coverage],
        families=[(one.family, _SUMMARIES[one.family]) for one in found.coverage if one.family in _SUMMARIES],
    )


_COVERAGE_HEAD = ["family", "strains", "rows", "refuted", "open", "least slack ≈"]


def _coverage_cells(one: Coverage) -> list[str]:
    slack = "" if one.slack_estimate is None else _at_most(one.slack_estimate)
    return [one.family, one.witness, f"{one.rows:,}", f"{one.broken:,}", f"{one.open:,}", slack]


def _at_most(number: float) -> str:
    """Three digits, rounded towards 0: for a violation that is at least this, and for estimates."""
    return f"{Context(prec=3, rounding=ROUND_DOWN).create_decimal(number):g}"


def _asked(question: Question) -> str:
    least, most = question.n
    rows = (
        f"{question.dtype} rows of {least} to {most} keys, {'true top-k' if question.kept == 'top_k' else 'any'} kept"
    )
    return f"{_BOUNDS[question.bound]} on {_QUANTITIES[question.quantity]}, {rows} sets, as {question.array}"


def _headline(found: Hunt) -> str:
    if found.counterexample is not None:
        example = found.counterexample
        keys = f"{example.row.n} key{'s' if example.row.n != 1 else ''}"
        return f"{found.kernel} claims {example.relation} on a row of {keys}; that is wrong by {_violation(example)}"
    if found.bad_call is not None:
        place = f" [{found.bad_call.family}]" if found.bad_call.family else ""
        return f"{found.kernel}: {found.bad_call}{place}"
    return f"{found.kernel}: no claim was refuted on {found.rows_tried:,} rows; that is evidence, not a proof"


def _effort(found: Hunt) -> str:
    counted = f"{found.rows_tried:,} rows in {found.seconds:.1f} s ({found.rows_per_second:,.0f} a second)"
    more = f", {found.rows_broken:,} refuted" if found.rows_broken else ""
    more += f", {found.rows_open:,} left open within the precision allowed" if found.rows_open else ""
    return f"{counted}{more}; seed {found.seed}; ended by {found.stopped}"


def _violation(example: Counterexample) -> str:
    ulps, relative = _at_most(example.ulps), _at_most(example.relative)
    return f"at least {ulps} units in the last place of {example.claim_format}, relatively {relative}"


def _claim_pairs(example: Counterexample) -> list[tuple[str, str]]:
    return [
        ("claimed", f"{example.relation}   ({example.claimed.hex()}, {example.claim_format})"),
        ("truth", f"{example.symbol} in {example.truth.digits(_DIGITS)}"),
        ("violation", _violation(example)),
        ("found", f'in the family "{example.family}" ({example.witness}), with {example.found_keys} keys'),
    ]


def _claim_lines(example: Counterexample) -> list[str]:
    return [f"{name:<10} {text}" for name, text in _claim_pairs(example)]


def _row_head(row: RowBatch) -> list[str]:
    return ["key", "kept", "score", "score, exactly", *(["value", "value, exactly"] if row.values is not None else [])]


def _row_cells(row: RowBatch) -> list[list[str]]:
    scores = row.exact_scores[0]
    found: list[list[Any]] = [
        [str(key), "kept" if keep else "", repr(score), exact]
        for key, (keep, score, exact) in enumerate(
            zip(row.kept[0].tolist(), scores.tolist(), hexadecimal(scores), strict=True)
        )
    ]
    if row.values is not None:
        for cells, vector in zip(found, exactly(np.asarray(row.values[0])), strict=True):
            cells += [", ".join(map(repr, vector.tolist())), ", ".join(hexadecimal(vector))]
    return found


def _row_lines(row: RowBatch) -> list[str]:
    return ["  ".join(cell for cell in cells if cell) for cells in [_row_head(row), *_row_cells(row)]]
