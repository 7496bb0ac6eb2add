"""Reading vectors (what `certify reference -o FILE.json` wrote) and another implementation's answers to them.

Neither file is believed before it is checked: the digest of the vectors, the form of every number, the names of cases.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

from mpmath import mp, mpf
from mpmath.libmp import from_man_exp

from certify.errors import BadResults, BadVectors
from certify.reference_values.files import SCHEMA, digest
from certify.reference_values.parameters import exact_number, nearest_names
from certify.reference_values.record import Trap
from certify.reference_values.rounding import FORMATS, nearest_binary

__all__ = ["RESULTS_SCHEMA", "Answer", "Truth", "read_results", "read_vectors"]

RESULTS_SCHEMA = "topk-results/1"
_HEXADECIMAL = re.compile(r"(-?)0x([0-9a-fA-F]+)(?:\.([0-9a-fA-F]*))?p([+-]?[0-9]+)")
_ANSWERS = ("value", "lower", "upper")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a vectors file says of one case."""

    case: str
    quantity: str
    group: str
    lower: mpf
    upper: mpf
    floats: Mapping[str, float]
    traps: tuple[Trap, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an implementation says of one case: a value, or bounds, each a number of `format` (or NaN, or ±inf)."""

    case: str
    format: str
    value: float | None = None
    lower: float | None = None
    upper: float | None = None


def _json(path: Path, error: type[BadVectors] | type[BadResults]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise error(f"{path}: there is no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise error(f"{path}: is not JSON ({wrong})") from None
    if not isinstance(found, dict):
        raise error(f"{path}: holds a {type(found).__name__}; a JSON object is needed")
    return found


def _long(text: Any) -> mpf:
    """A hexadecimal number of any length and exponent."""
    found = _HEXADECIMAL.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is no hexadecimal number")
    minus, whole, part, power = found.groups(default="")
    size = int(whole + part, 16)
    return mp.make_mpf(from_man_exp(-size if minus else size, int(power) - 4 * len(part)))


def read_vectors(path: Path) -> dict[str, Truth]:
    """The cases of a vectors file by name. Raises BadVectors."""
    found = _json(path, BadVectors)
    if found.get("schema") != SCHEMA:
        raise BadVectors(f"{path}: its schema is {found.get('schema')!r}, and {SCHEMA} is needed")
    if found.get("sha256") != digest(found):
        raise BadVectors(f"{path}: its content does not match its sha256: it was changed; fetch or make it again")
    try:
        truths = [_truth(entry) for entry in found["cases"]]
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise BadVectors(f"{path}: a case is not as the schema says ({type(wrong).__name__}: {wrong})") from None
    return {truth.case: truth for truth in truths}


def _truth(entry: dict[str, Any]) -> Truth:
    traps = tuple(
        Trap(trap["name"], tuple(trap["answer"]), float.fromhex(trap["least"]), float.fromhex(trap["most"]))
        for trap in entry.get("traps", ())
    )
    floats = {name: float.fromhex(entry[name]) for name in FORMATS}
    ends = _long(entry["lower"]), _long(entry["upper"])
    return Truth(entry["case"], entry["quantity"], entry.get("group", ""), *ends, floats, traps)


def read_results(path: Path, cases: Mapping[str, Truth]) -> tuple[str, list[Answer]]:
    """(name of the implementation, its answers), from JSON or CSV. Raises BadResults."""
    if path.suffix == ".csv":
        name, rows = path.stem, _csv_rows(path)
    else:
        found = _json(path, BadResults)
        if found.get("schema") != RESULTS_SCHEMA:
            raise BadResults(f"{path}: its schema is {found.get('schema')!r}, and {RESULTS_SCHEMA} is needed")
        if not isinstance(found.get("answers"), list):
            raise BadResults(f"{path}: has no list 'answers'; see the schema {RESULTS_SCHEMA}")
        rows = found["answers"]
        name = str(found.get("implementation", path.stem))
    answers = [_answer(path, row, cases) for row in rows]
    if not answers:
        raise BadResults(f"{path}: answers no case; there is nothing to grade")
    seen: set[str] = set()
    for answer in answers:
        if answer.case in seen:
            raise BadResults(f"{path}: case {answer.case!r} is answered twice; answer each once")
        seen.add(answer.case)
    return name, answers


def _csv_rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    except FileNotFoundError:
        raise BadResults(f"{path}: there is no such file") from None
    except UnicodeDecodeError as wrong:
        raise BadResults(f"{path}: is not text ({wrong.reason})") from None
    reader = csv.DictReader(lines)
    columns = list(reader.fieldnames or [])
    unknown = [column for column in columns if column not in ("case", "format", *_ANSWERS)]
    if "case" not in columns or unknown:
        raise BadResults(
            f"{path}: its columns are {', '.join(columns) or 'none'}; give case, then value, or lower and upper, and "
            "maybe format"
        )
    return [{name: text for name, text in row.items() if name and text not in (None, "")} for row in reader]


def _answer(path: Path, row: Any, cases: Iterable[str]) -> Answer:
    if not isinstance(row, dict) or not isinstance(row.get("case"), str):
        raise BadResults(f"{path}: {row!r} is no answer; it needs the name of its case")
    name = row["case"]
    if name not in cases:
        raise BadResults(f"{path}: the vectors have no case {name!r}; {_near(name, cases)}")
    unknown = set(row) - {"case", "format", *_ANSWERS}
    if unknown:
        raise BadResults(
            f"{path}: case {name!r} has {sorted(map(str, unknown))[0]!r}; an answer has {', '.join(_ANSWERS)}"
        )
    target = row.get("format", "binary64")
    if target not in FORMATS:
        raise BadResults(f"{path}: case {name!r} has format {target!r}; {nearest_names(str(target), FORMATS)}")
    numbers = {part: _number(path, name, row[part], target) for part in _ANSWERS if row.get(part) is not None}
    if not numbers or ("value" in numbers and len(numbers) > 1):
        raise BadResults(
            f"{path}: case {name!r} gives {', '.join(numbers) or 'nothing'}; give a value, or lower and upper"
        )
    return Answer(name, target, **numbers)


def _near(name: str, cases: Iterable[str]) -> str:
    near = get_close_matches(name, list(cases), n=1)
    return f"did you mean {near[0]!r}?" if near else "use the names in the vectors file"


def _number(path: Path, case: str, found: Any, target: str) -> float:
    """Hexadecimal exactly; a decimal (or JSON number) rounded to the format, to nearest."""
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        raise BadResults(f"{path}: case {case!r} holds {found!r}; write a number or a string")
    text = (found if isinstance(found, str) else repr(found)).strip().lower()
    if text.lstrip("+-") in ("nan", "inf", "infinity"):
        return nan if "nan" in text else -inf if text[0] == "-" else inf
    try:
        exact = exact_number(text)
    except ValueError:
        raise BadResults(
            f"{path}: {case!r} holds {found!r}, which is no number; write 0x1.8p-3, 0.1875 or nan"
        ) from None
    rounded = nearest_binary(exact, FORMATS[target])
    if "x" in text and (not isfinite(rounded) or Fraction(rounded) != exact):
        raise BadResults(f"{path}: case {case!r} holds {found!r}, which is not a {target}; name its format")
    return rounded
