"""Bundles as .npz without pickle: the header is a 0-d string array holding JSON; bfloat16 is stored as uint16 and named
there.
"""

from __future__ import annotations

import io
import json
import tokenize
import zipfile
import zlib
from math import prod
from pathlib import Path

import ml_dtypes
import numpy as np

from certify.errors import BadBundle, BadInput
from certify.tensors import Array, InMemory, InZip, Tensor

__all__ = ["payload", "read"]

_METADATA = "__metadata__"
# What reading a zip archive and an .npy header raises where bytes have changed.
_DAMAGED = (zipfile.BadZipFile, zlib.error, tokenize.TokenError, NotImplementedError, ValueError, OSError, EOFError)


def read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info.file_size for info in archive.infolist()}
            if any(name.endswith(".pkl") for name in members):
                raise BadBundle(
                    f"{path}: holds a pickle, which can run code when read, so it is refused; write safetensors instead"
                )
            if f"{_METADATA}.npy" not in members:
                raise BadBundle(
                    f"{path}: has no header; store a 0-d string array {_METADATA!r} holding JSON with schema and level"
                )
            with np.load(path, allow_pickle=False) as arrays:
                strings = _string_map(str(arrays[_METADATA]), path)
            tensors: dict[str, Tensor] = {}
            for member, size in members.items():
                name = member.removesuffix(".npy")
                if name != _METADATA and member.endswith(".npy"):
                    tensors[name] = _member(path, archive, member, size, strings)
    except _DAMAGED as error:
        if isinstance(error, BadInput):
            raise
        raise BadBundle(
            f"{path}: is not a sound npz file ({error}); write it again with np.savez and no object arrays"
        ) from None
    return {name: text for name, text in strings.items() if not name.startswith("dtype.")}, tensors


def _member(path: Path, archive: zipfile.ZipFile, member: str, size: int, strings: dict[str, str]) -> Tensor:
    name = member.removesuffix(".npy")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(stream)
        header = stream.tell()
    if dtype.hasobject:
        raise BadBundle(f"{path}: {name} holds Python objects, that is a pickle, so it is refused; store plain numbers")
    if size - header != prod(shape) * dtype.itemsize:
        raise BadBundle(
            f"{path}: {name} says shape {shape} and dtype {dtype}, and its size does not agree; write it again"
        )
    logical = (
        np.dtype(ml_dtypes.bfloat16) if strings.get(f"dtype.{name}") == "bfloat16" and dtype == np.uint16 else dtype
    )
    if fortran:
        # Columns first cannot be streamed by rows: this one tensor is held in memory.
        with np.load(path, allow_pickle=False) as arrays:
            return InMemory(np.ascontiguousarray(arrays[name]).view(logical))
    return InZip(path, member, logical, shape, dtype, header)


def _string_map(text: str, path: Path) -> dict[str, str]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadBundle(f"{path}: its header is not JSON ({error})") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadBundle(f"{path}: its header must be a JSON object of strings")
    return found


def payload(strings: dict[str, str], tensors: dict[str, Array]) -> list[memoryview]:
    """The file's bytes, the same for the same content (NumPy stamps every member with the same date)."""
    narrow = {name: f"dtype.{name}" for name, array in tensors.items() if array.dtype == ml_dtypes.bfloat16}
    text = json.dumps(strings | dict.fromkeys(narrow.values(), "bfloat16"))
    stored = {name: array.view(np.uint16) if name in narrow else array for name, array in tensors.items()}
    file = io.BytesIO()
    np.savez(file, **{_METADATA: np.array(text)}, **stored)  # type: ignore[arg-type]
    return [file.getbuffer()]
