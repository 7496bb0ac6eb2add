"""Every format holds the same numbers, says where it comes from, and is read back by its own kind of reader."""

from __future__ import annotations

import csv
import io
import json
import re
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import ml_dtypes
import numpy as np
import pytest

import certify
from certify.errors import BadInput
from certify.reference_values.files import WRITERS, as_json, digest, document
from certify.reference_values.parameters import hexadecimal
from certify.reference_values.record import Reference
from certify.reference_values.suite import suite

SCHEMA = Path(__file__).parents[3] / "certify" / "schemas" / "topk-reference-values-1.json"
TEXTS = ("schema", "about", "oracle", "version", "sha256")


@pytest.fixture(scope="module")
def values() -> list[Reference]:
    """One of each quantity, and every case of a range end."""
    everything = suite()
    first = {value.quantity.name: value for value in reversed(everything)}
    ends = [value for value in everything if "overflow" in value.case or "subnormal" in value.case]
    return list({value.case: value for value in [*first.values(), *ends]}.values())


@pytest.fixture(scope="module")
def found(values: list[Reference]) -> dict[str, Any]:
    return document(values, "a test")


def test_json(values: list[Reference], found: dict[str, Any]) -> None:
    read = json.loads(as_json(values, "a test"))
    assert read == found
    jsonschema.validate(read, json.loads(SCHEMA.read_text()))
    assert digest(read) == read["sha256"]
    assert digest(read | {"about": "another"}) != read["sha256"]


def test_csv(values: list[Reference], found: dict[str, Any]) -> None:
    lines = WRITERS[".csv"](values, "a test").decode().splitlines()
    assert lines[:5] == [f"# {name}: {found[name]}" for name in TEXTS]
    rows = list(csv.DictReader(lines[5:]))
    for row, entry in zip(rows, found["cases"], strict=True):
        assert json.loads(row.pop("inputs")) == entry["inputs"]
        assert {name: text for name, text in row.items() if text} == {
            name: entry[name] for name in row if name in entry
        }


def test_npz(values: list[Reference], found: dict[str, Any]) -> None:
    arrays = np.load(io.BytesIO(WRITERS[".npz"](values, "a test")), allow_pickle=False)
    assert json.loads(str(arrays["__metadata__"])) == found
    for name, dtype in (("binary64", np.float64), ("binary32", np.float32), ("binary16", np.float16)):
        assert arrays[name].dtype == dtype
        assert arrays[name].astype(np.float64).tolist() == [value.floats[name] for value in values]
    assert arrays["bfloat16"].view(ml_dtypes.bfloat16).astype(float).tolist() == [value.bfloat16 for value in values]
    assert arrays["lower"].tolist() == [entry["lower"] for entry in found["cases"]]
    for place, value in enumerate(values):
        for name, given in value.inputs.values.items():
            stored = arrays[f"{place}.{name}"]
            if stored.dtype == np.uint16:
                stored = stored.view(ml_dtypes.bfloat16)
            same = str(stored) == str(given) if stored.dtype.kind == "U" else np.array_equal(stored, np.asarray(given))
            assert same, (value.case, name)


def test_python(values: list[Reference], found: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "values.py"
    path.write_bytes(WRITERS[".py"](values, "a test"))
    module = runpy.run_path(str(path))
    assert {name: module[name.upper()] for name in TEXTS if name != "about"} == {
        name: found[name] for name in TEXTS if name != "about"
    }
    for read, value, entry in zip(module["CASES"], values, found["cases"], strict=True):
        assert (read["case"], read["binary64"], read["bfloat16"]) == (value.case, value.binary64, value.bfloat16)
        assert (read["lower_hex"], read["upper_hex"]) == (entry["lower"], entry["upper"])
        if "scores" in value.inputs.values:
            assert read["inputs"]["scores"]["data"] == value.inputs.wide("scores").tolist()


def test_c_header(values: list[Reference], found: dict[str, Any]) -> None:
    """Read with patterns: the table's numbers and the scores of every case (compilers are not always at hand)."""
    text = WRITERS[".h"](values, "a test").decode()
    assert all(f" * {name}: {found[name]}" in text for name in TEXTS)
    assert text.count("{") == text.count("}")
    table = re.findall(
        r'^    \{"([^"]+)", .*?, ([^ ]+), ([^ ]+), (0x\w{4}), (0x\w{4}), (?:"\S+"|0)\},$', text, flags=re.MULTILINE
    )
    for (name, double, single, half, brain), value in zip(table, values, strict=True):
        assert name == value.case
        assert double == (hexadecimal(value.binary64) if np.isfinite(value.binary64) else "INFINITY")
        assert single == (hexadecimal(value.binary32) + "f" if np.isfinite(value.binary32) else "INFINITY")
        assert np.array(int(half, 16), dtype=np.uint16).view(np.float16) == value.binary16
        assert np.array(int(brain, 16), dtype=np.uint16).view(ml_dtypes.bfloat16) == value.bfloat16
    for place, value in enumerate(values):
        if "scores" in value.inputs.values:
            (row,) = re.findall(rf"case_{place}_scores\[\d+\] = \{{(.*)\}};", text)
            read = [-np.inf if item == "-INFINITY" else float.fromhex(item) for item in row.split(", ")]
            assert read == value.inputs.wide("scores").tolist()


def test_a_whole_number_that_c_cannot_hold_is_refused() -> None:
    huge = certify.reference("gap_bound", gap=0.0, k=1, n=1 << 63)
    with pytest.raises(BadInput, match="n = 9223372036854775808 does not fit a long long"):
        WRITERS[".h"]([huge], "")
    assert WRITERS[".npz"]([huge], "")


def test_two_cases_of_one_name_are_refused(values: list[Reference]) -> None:
    with pytest.raises(BadInput, match="give each its own name"):
        document([values[0], values[0]], "")


def test_hexadecimal_is_short_and_exact() -> None:
    for value, text in ((0.0, "0x0p+0"), (-0.75, "-0x1.8p-1"), (1.0, "0x1p+0"), (np.inf, "inf"), (-np.inf, "-inf")):
        assert hexadecimal(value) == text
        assert float.fromhex(text) == value
