"""Reference values as files: JSON (the one that `certify conform` reads), CSV, NPZ, a C header, a Python module.

Every file carries the schema, the inputs in hexadecimal, who computed it and in which version, and the SHA-256 of the
JSON document's content. The same values give the same bytes: nothing here depends on time, machine or hash order.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from math import isinf, isnan
from typing import Any

import ml_dtypes
import numpy as np
from mpmath import mpf

from certify.errors import BadInput
from certify.reference_values.parameters import PARAMETERS, hexadecimal
from certify.reference_values.record import Reference
from certify.reference_values.rounding import FORMATS

__all__ = ["SCHEMA", "WRITERS", "digest", "document", "long_hexadecimal"]

SCHEMA = "topk-reference-values/1"
_ORACLE = "topk-certify: rigorous enclosures, raised until every rounding is certain"
_NPZ_TIME = (1980, 1, 1, 0, 0, 0)


def long_hexadecimal(value: mpf) -> str:
    """A binary number of any length as float.hex would write it: 0x1.8p-3."""
    sign, mantissa, exponent, length = value._mpf_
    if not mantissa:
        return "0x0p+0"
    shift = -(length - 1) % 4
    digits = f"{mantissa << shift:x}"
    fraction = digits[1:].rstrip("0")
    return f"{'-' if sign else ''}0x1{'.' + fraction if fraction else ''}p{exponent + length - 1:+d}"


def case(value: Reference) -> dict[str, Any]:
    """One value as JSON: what is absent does not apply."""
    found: dict[str, Any] = {"case": value.case}
    if value.group:
        found["group"] = value.group
    found |= {"quantity": value.quantity.name, "theorem": value.quantity.theorem, "inputs": value.inputs_json()}
    found |= {"lower": long_hexadecimal(value.lower), "upper": long_hexadecimal(value.upper)}
    found |= {name: hexadecimal(value.floats[name]) for name in FORMATS}
    if value.exact is not None:
        found["exact"] = str(value.exact)
    if value.decimal is not None:
        found["decimal"] = value.decimal
    if value.traps:
        found["traps"] = [
            {
                "name": trap.name,
                "answer": list(trap.answer),
                "least": hexadecimal(trap.least),
                "most": hexadecimal(trap.most),
            }
            for trap in value.traps
        ]
    return found


def document(values: Sequence[Reference], about: str) -> dict[str, Any]:
    """All values with their provenance and digest. Raises BadInput for two cases of one name."""
    names = [value.case for value in values]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"two cases are named {twice!r}; give each its own name")
    found: dict[str, Any] = {"schema": SCHEMA, "about": about, "oracle": _ORACLE, "version": version("topk-certify")}
    found["cases"] = [case(value) for value in values]
    return found | {"sha256": digest(found)}


def digest(found: dict[str, Any]) -> str:
    """SHA-256 of a document without its own `sha256`: JSON with sorted keys, no spaces, ASCII."""
    content = {name: value for name, value in found.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def as_json(values: Sequence[Reference], about: str) -> bytes:
    found = document(values, about)
    cases = ",\n".join(json.dumps(entry, separators=(", ", ": ")) for entry in found.pop("cases"))
    last = found.pop("sha256")
    head = "".join(f"{json.dumps(name)}: {json.dumps(value)},\n" for name, value in found.items())
    return f'{{\n{head}"cases": [\n{cases}\n],\n"sha256": "{last}"\n}}\n'.encode()


_COLUMNS = ("case", "group", "quantity", "theorem", "inputs", "lower", "upper", *FORMATS, "exact", "decimal")


def as_csv(values: Sequence[Reference], about: str) -> bytes:
    """Comment lines with the provenance, then one line per case; `inputs` is JSON."""
    found = document(values, about)
    text = io.StringIO()
    for name in ("schema", "about", "oracle", "version", "sha256"):
        text.write(f"# {name}: {found[name]}\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for entry in found["cases"]:
        entry["inputs"] = json.dumps(entry["inputs"], separators=(",", ":"))
        writer.writerow([entry.get(name, "") for name in _COLUMNS])
    return text.getvalue().encode()


def as_npz(values: Sequence[Reference], about: str) -> bytes:
    """`binary64` float64, `binary32` float32, `binary16` float16 and `bfloat16` uint16 bits, one entry per case, and
    the text columns; inputs of case i as arrays `i.NAME`. The whole JSON document is `__metadata__`.
    """
    found = document(values, about)
    arrays: dict[str, np.ndarray[Any, Any]] = {"__metadata__": np.array(json.dumps(found))}
    for name in _COLUMNS:
        if name not in ("inputs", *FORMATS):
            arrays[name] = np.array([entry.get(name, "") for entry in found["cases"]], dtype=np.str_)
    for name, dtype in (("binary64", "<f8"), ("binary32", "<f4"), ("binary16", "<f2")):
        arrays[name] = np.array([value.floats[name] for value in values], dtype=dtype)
    arrays["bfloat16"] = np.array([value.bfloat16 for value in values]).astype(ml_dtypes.bfloat16).view("<u2")
    for place, value in enumerate(values):
        for name, given in value.inputs.values.items():
            array = np.asarray(str(given) if PARAMETERS[name].kind in ("integer", "format") else given)
            if array.dtype == ml_dtypes.bfloat16:
                array = array.view(np.uint16)
            arrays[f"{place}.{name}"] = array.astype(array.dtype.newbyteorder("<"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(
                member, array, version=(1, 0) if name != "__metadata__" else (2, 0), allow_pickle=False
            )
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _NPZ_TIME), member.getvalue())
    return packed.getvalue()


def _c_number(value: float) -> str:
    if isnan(value):
        return "NAN"
    return ("-" if value < 0 else "") + "INFINITY" if isinf(value) else hexadecimal(value)


def _c_input(place: int, name: str, value: Any) -> str:
    kind, target = PARAMETERS[name].kind, f"case_{place}_{name}"
    if kind in ("vector", "matrix"):
        numbers = np.asarray(value, dtype=np.float64)
        shape = "".join(f"[{size}]" for size in numbers.shape)
        rows = [", ".join(map(_c_number, row)) for row in np.atleast_2d(numbers).tolist()]
        inner = ", ".join(f"{{{row}}}" for row in rows) if kind == "matrix" else rows[0]
        return f"static const double {target}{shape} = {{{inner}}};"
    if kind in ("mask", "labels"):
        ctype = "unsigned char" if kind == "mask" else "long long"
        return f"static const {ctype} {target}[{len(value)}] = {{{', '.join(str(int(x)) for x in value)}}};"
    if kind == "integer":
        if abs(value) >= 1 << 63:
            raise BadInput(f"{name} = {value} does not fit a long long of C; write another format")
        return f"static const long long {target} = {value}LL;"
    if kind == "format":
        return f'static const char *const {target} = "{value}";'
    return f"static const double {target} = {_c_number(value)};"


def as_c_header(values: Sequence[Reference], about: str) -> bytes:
    """Inputs as `case_I_NAME`, results as the table `reference_values`; binary16 and bfloat16 as their bits."""
    found = document(values, about)
    lines = ["/*", *(f" * {name}: {found[name]}" for name in ("schema", "about", "oracle", "version", "sha256")), " */"]
    lines += [
        "#ifndef TOPK_REFERENCE_VALUES_H",
        "#define TOPK_REFERENCE_VALUES_H",
        "#include <math.h>",
        "#include <stdint.h>",
        "",
    ]
    lines += [_c_input(i, name, x) for i, value in enumerate(values) for name, x in value.inputs.values.items()]
    lines += [
        "",
        "typedef struct {",
        "    const char *name, *quantity, *theorem;",
        "    const char *lower, *upper; /* neighbouring 113-bit numbers around the truth */",
        "    double binary64;",
        "    float binary32;",
        "    uint16_t binary16_bits, bfloat16_bits;",
        "    const char *decimal; /* 0 where no digits were asked for */",
        "} reference_value;",
        "",
        f"static const reference_value reference_values[{len(values)}] = {{",
    ]
    for value, entry in zip(values, found["cases"], strict=True):
        half = int(np.float64(value.binary16).astype(np.float16).view(np.uint16))
        brain = int(np.array(value.bfloat16).astype(ml_dtypes.bfloat16).view(np.uint16))
        single = _c_number(value.binary32)
        texts = [json.dumps(entry[name]) for name in ("case", "quantity", "theorem", "lower", "upper")]
        texts += [_c_number(value.binary64), single if "INF" in single else f"{single}f"]
        texts += [f"0x{half:04x}", f"0x{brain:04x}", json.dumps(value.decimal) if value.decimal else "0"]
        lines.append(f"    {{{', '.join(texts)}}},")
    return "\n".join([*lines, "};", "#endif", ""]).encode()


def as_python(values: Sequence[Reference], about: str) -> bytes:
    """A module with `CASES`, a tuple of dicts; floats are made by float.fromhex."""
    found = document(values, about)

    def written(item: Any) -> str:
        if isinstance(item, dict):
            return "{" + ", ".join(f"{name!r}: {written(value)}" for name, value in item.items()) + "}"
        if isinstance(item, list):
            return "[" + ", ".join(map(written, item)) + "]"
        return (
            f"_x({item!r})"
            if isinstance(item, str) and item.lstrip("-").startswith(("0x", "inf", "nan"))
            else repr(item)
        )

    lines = [f'"""{found["about"]}"""', "", "_x = float.fromhex"]
    lines += [f"{name.upper()} = {found[name]!r}" for name in ("schema", "oracle", "version", "sha256")]
    lines += ["", "CASES = ("]
    for entry in found["cases"]:
        ends = {name: entry.pop(name) for name in ("lower", "upper")}
        entry |= {f"{name}_hex": value for name, value in ends.items()}  # 113 bits do not fit a float
        plain = {name: value for name, value in entry.items() if name.endswith("_hex")}
        parts = [
            f"{name!r}: {value!r}" if name in plain else f"{name!r}: {written(value)}" for name, value in entry.items()
        ]
        lines.append("    {" + ", ".join(parts) + "},")
    return ("\n".join(lines) + "\n)\n").encode()


WRITERS: dict[str, Callable[[Sequence[Reference], str], bytes]] = {
    ".json": as_json,
    ".csv": as_csv,
    ".npz": as_npz,
    ".h": as_c_header,
    ".py": as_python,
}
