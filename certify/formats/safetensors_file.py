"""Bundles in safetensors, the preferred format: the library checks sizes, offsets and overlaps; rows are read by
offset.
"""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from certify.certificate import CLAIMS, INPUTS, KEPT
from certify.errors import BadBundle, BadScores
from certify.scores import FLOAT_DTYPES
from certify.tensors import Array, InFile, Tensor

__all__ = ["payload", "read"]

_DTYPES = {
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype("<u1"),
    "I8": np.dtype("<i1"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "U64": np.dtype("<u8"),
}


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:  # the library checks sizes, offsets and overlaps
            strings = dict(file.metadata() or {})
            names = list(file.keys())
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise BadBundle(
            f"{path}: is not a sound safetensors file ({str(error).splitlines()[0]}); write it again"
        ) from None
    with path.open("rb") as raw:
        length = int.from_bytes(raw.read(8), "little")
        entries = json.loads(raw.read(length))
    tensors: dict[str, Tensor] = {}
    for name in names:
        entry = entries[name]
        if entry["dtype"] not in _DTYPES:
            if name in (*INPUTS, *KEPT, *CLAIMS):
                raise BadScores(f"{name} has dtype {entry['dtype']}; give {', '.join(FLOAT_DTYPES)}")
            continue
        tensors[name] = InFile(
            path, 8 + length + entry["data_offsets"][0], _DTYPES[entry["dtype"]], tuple(entry["shape"])
        )
    return strings, tensors


def payload(strings: dict[str, str], tensors: dict[str, Array]) -> list[memoryview]:
    """The file's bytes, the same for the same content: the library writes the header strings in an order that changes
    from call to call, so they are sorted here. The data that follow keep their places.
    """
    written = safetensors.numpy.save(tensors, metadata=strings)
    length = int.from_bytes(written[:8], "little")
    entries = json.loads(written[8 : 8 + length])
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)  # the format aligns the data that follow to eight bytes
    return [memoryview(len(header).to_bytes(8, "little") + header), memoryview(written)[8 + length :]]
