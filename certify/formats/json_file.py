"""One certificate as JSON; floats are hexadecimal strings, so that no digit is lost."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from certify.certificate import CLAIMS, INPUTS, KEPT
from certify.errors import BadBundle, BadInput
from certify.scores import FLOAT_DTYPES
from certify.tensors import Array, InMemory, Tensor

__all__ = ["payload", "read"]


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        found = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBundle(f"{path}: is not JSON ({error})") from None
    strings = {name: value for name, value in found.items() if isinstance(value, str) and name not in CLAIMS}
    tensors: dict[str, Tensor] = {}
    for name, value in found.items():
        if name in strings:
            continue
        if name in CLAIMS:
            tensors[name] = InMemory(np.array([_hex(name, value)]))
        elif name in KEPT or name == "mask":
            array = np.asarray(value)
            tensors[name] = InMemory(
                array[None] if array.ndim == 1 and array.dtype.kind in "bi" else np.empty((1, 0), dtype=object)
            )
        elif name in INPUTS:
            array = _json_floats(name, value)
            tensors[name] = InMemory(array[None] if name in ("scores", "query", "bias") else array)
        else:
            raise BadBundle(f"{path}: {name!r} is not a field of a certificate; see the published schema")
    return strings, tensors


def _hex(name: str, text: Any) -> float:
    if not isinstance(text, str):
        raise BadBundle(
            f"{name} holds {text!r}; write floats as hexadecimal strings (float.hex()), so that no digit is lost"
        )
    try:
        return float.fromhex(text)
    except ValueError:
        raise BadBundle(f"{name} holds {text!r}, which is not a hexadecimal float; write it with float.hex()") from None


def _json_floats(name: str, value: Any) -> Array:
    if not isinstance(value, dict) or value.get("dtype") not in FLOAT_DTYPES or not isinstance(value.get("data"), list):
        raise BadBundle(
            f"{name} must be an object with dtype (one of {', '.join(FLOAT_DTYPES)}) and data (hexadecimal strings)"
        )
    rows = value["data"]
    nested = bool(rows) and isinstance(rows[0], list)
    if nested and len({len(row) if isinstance(row, list) else -1 for row in rows}) != 1:
        raise BadBundle(f"{name} has rows of different lengths")
    exact = np.array(
        [[_hex(name, x) for x in row] for row in rows] if nested else [_hex(name, x) for x in rows], dtype=np.float64
    )
    with np.errstate(over="ignore"):
        stored = exact.astype(FLOAT_DTYPES[value["dtype"]])
    differs = (stored.astype(np.float64) != exact) & ~np.isnan(exact)
    if differs.any():
        raise BadBundle(
            f"{name} holds {exact[differs][0].hex()}, which is not a {value['dtype']}; round it first or name a "
            "wider dtype"
        )
    return stored


def payload(strings: dict[str, str], tensors: dict[str, Array]) -> list[memoryview]:
    first = tensors["scores" if "scores" in tensors else "query"]
    if prod(first.shape[:-1]) != 1:
        raise BadInput(f"JSON holds one certificate, and there are {prod(first.shape[:-1])}; save as .safetensors")
    document: dict[str, Any] = dict(strings)
    for name, array in tensors.items():
        if name in CLAIMS:
            document[name] = float(array.reshape(-1)[0]).hex()
        elif name in ("kept", "mask"):
            document[name] = array.reshape(-1).tolist()
        else:
            flat = array.reshape(array.shape[-2:]) if name in ("key", "value") else array.reshape(-1)
            hexadecimal = np.vectorize(lambda x: float(x).hex(), otypes=[object])(flat.astype(np.float64))
            document[name] = {"dtype": array.dtype.newbyteorder("=").name, "data": hexadecimal.tolist()}
    document.pop("kv_groups", None)  # one row has one key/value head
    return [memoryview((json.dumps(document, indent=1) + "\n").encode())]
