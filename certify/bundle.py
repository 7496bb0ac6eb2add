"""Bundle files: safetensors, npz without pickle, JSON for one certificate. Read row by row, written whole or not at
all.

Nothing in a file is believed before it is checked: sizes against the file's length, dtypes against the schema. What a
file *claims* is not looked at here.
"""

from __future__ import annotations

import json
import os
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from certify.certificate import CLAIMS, INPUTS, KEPT, Certificate, Header, Layout, layout_of
from certify.errors import BadBundle, BadClaim, BadInput, BadScores
from certify.scores import FLOAT_DTYPES, digest, rows_of_kept
from certify.tensors import Array, InFile, InMemory, InZip, Tensor

__all__ = ["Bundle", "check_target", "load", "load_inputs", "open_bundle", "save", "save_inputs"]

_SAFETENSORS_DTYPES = {
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
_DIGEST_CHUNK = 1 << 22  # bytes read at a time for a digest
_METADATA = "__metadata__"
# What reading a zip archive and an .npy header raises where bytes have changed.
_DAMAGED = (zipfile.BadZipFile, zlib.error, tokenize.TokenError, NotImplementedError, ValueError, OSError, EOFError)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A certificate whose tensors are read on demand. `source` is what messages call it; `ignored` are tensors that
    the schema does not know, `notes` the header strings that it does not know.
    """

    header: Header
    tensors: dict[str, Tensor]
    layout: Layout
    source: str
    ignored: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(certificate: Certificate) -> Bundle:
        return _assemble(
            certificate.header,
            {name: InMemory(array) for name, array in certificate.tensors().items()},
            "the certificate",
            {},
        )

    def close(self) -> None:
        """Let go of open files; a later read opens them again."""
        for tensor in self.tensors.values():
            tensor.close()

    def kept(self, start: int, stop: int) -> NDArray[np.bool_]:
        if "kept" in self.tensors:
            return self.tensors["kept"].read(start, stop, 1).astype(bool)
        return rows_of_kept(self.tensors["kept_indices"].read(start, stop, 1), self.layout.n, start)

    def claims(self) -> dict[str, NDArray[np.float64]]:
        """Every claim, flat. Raises BadClaim for NaN and infinities."""
        found = {}
        for name in CLAIMS:
            if name in self.tensors:
                claim = np.asarray(self.tensors[name].read(0, self.layout.count, 0), dtype=np.float64)
                wrong = ~np.isfinite(claim)
                if wrong.any():
                    row = int(np.argmax(wrong))
                    raise BadClaim(f"row {row}: {name} is {claim[row]}; a claim is a finite number")
                found[name] = claim
        eps = found.get("smallest_k_for")
        if eps is not None and not ((eps > 0) & (eps < 1)).all():
            row = int(np.argmax(~((eps > 0) & (eps < 1))))
            raise BadClaim(f"row {row}: smallest_k_for is {eps[row]}; it is an ε in (0, 1)")
        return found

    def inputs_digest(self) -> str:
        """SHA-256 over the input tensors, as `certify.scores.digest` defines it."""

        def pieces(tensor: Tensor) -> Iterator[bytes]:
            total = prod(tensor.shape)
            step = max(1, _DIGEST_CHUNK // tensor.dtype.itemsize)
            for start in range(0, total, step):
                part = tensor.read(start, min(start + step, total), 0)
                yield part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()

        present = {name: self.tensors[name] for name in INPUTS if name in self.tensors}
        return digest({name: (_name(tensor.dtype), tensor.shape, pieces(tensor)) for name, tensor in present.items()})


def _name(dtype: np.dtype[Any]) -> str:
    return dtype.newbyteorder("=").name


def _assemble(
    header: Header, tensors: dict[str, Tensor], source: str, strings: Mapping[str, str], *, certified: bool = True
) -> Bundle:
    known = {name: tensor for name, tensor in tensors.items() if name in (*INPUTS, *KEPT, *CLAIMS)}
    for name, tensor in known.items():
        kind = tensor.dtype.newbyteorder("=")
        if name in ("kept", "mask"):
            if kind != np.bool_:
                raise BadBundle(f"{name} has dtype {kind}; it must be bool")
        elif name == "kept_indices":
            if not np.issubdtype(kind, np.integer):
                raise BadBundle(f"kept_indices has dtype {kind}; it must be integers")
        elif name in CLAIMS:
            if kind != np.float64:
                raise BadClaim(f"{name} has dtype {kind}; claims are float64")
        elif kind not in FLOAT_DTYPES.values():
            raise BadScores(
                f"{name} has dtype {kind}; give {', '.join(FLOAT_DTYPES)} (integers are not logits: convert on purpose)"
            )
    layout = layout_of(header, {name: tensor.shape for name, tensor in known.items()}, certified=certified)
    notes = {name: text for name, text in strings.items() if name != "schema" and name not in Header.__slots__}
    unused = [f"{name} (level {header.level})" for name in _UNUSED[header.level] if name in known or name in strings]
    strange = [name + _meant(name, (*INPUTS, *KEPT, *CLAIMS)) for name in set(tensors) - set(known)]
    typos = [f"header {name}{meant}" for name in notes if (meant := _meant(name, Header.__slots__))]
    return Bundle(header, known, layout, source, tuple(sorted([*unused, *strange, *typos])), notes)


# Parts of the schema that say nothing at a level: scores are logits after scale, soft-cap and mask.
_UNUSED = {"scores": ("query", "key", "mask", "bias", "softcap"), "query-key": ("scores",)}


def _meant(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.8)
    return f" (did you mean {near[0]}?)" if near else ""


def open_bundle(path: str | Path, *, certified: bool = True) -> Bundle:
    """Open a bundle of any of the three formats, told apart by their first bytes. Raises BadBundle, UnknownSchema and
    kin.
    """
    path = Path(path)
    if not path.exists():
        raise BadBundle(f"{path}: there is no such file; check the path")
    if not path.is_file():
        raise BadBundle(f"{path}: is not a file; name a bundle (.safetensors, .npz or .json)")
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise BadBundle(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise BadBundle(f"{path}: the file is empty")
    if start.startswith(b"PK"):
        strings, tensors = _open_npz(path)
    elif start[8:9] == b"{":
        strings, tensors = _open_safetensors(path)
    elif start.lstrip()[:1] == b"{":
        strings, tensors = _open_json(path)
    elif start.startswith(b"\x80"):
        raise BadBundle(
            f"{path}: is a pickle, which can run code when read, so it is refused; write safetensors instead"
        )
    elif start.startswith(b"\x93NUMPY"):
        raise BadBundle(
            f"{path}: is a bare .npy array; a bundle also needs a kept set and a claim, so write safetensors or .npz"
        )
    else:
        raise BadBundle(f"{path}: is neither safetensors nor npz nor JSON; it starts with {start[:8]!r}")
    try:
        return _assemble(Header.parse(strings), tensors, str(path), strings, certified=certified)
    except BadInput as error:
        raise type(error)(f"{path}: {error}") from None


def _open_safetensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
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
        if entry["dtype"] not in _SAFETENSORS_DTYPES:
            if name in (*INPUTS, *KEPT, *CLAIMS):
                raise BadScores(f"{name} has dtype {entry['dtype']}; give {', '.join(FLOAT_DTYPES)}")
            continue
        tensors[name] = InFile(
            path, 8 + length + entry["data_offsets"][0], _SAFETENSORS_DTYPES[entry["dtype"]], tuple(entry["shape"])
        )
    return strings, tensors


def _open_npz(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
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
                    tensors[name] = _npz_member(path, archive, member, size, strings)
    except _DAMAGED as error:
        if isinstance(error, BadInput):
            raise
        raise BadBundle(
            f"{path}: is not a sound npz file ({error}); write it again with np.savez and no object arrays"
        ) from None
    return {name: text for name, text in strings.items() if not name.startswith("dtype.")}, tensors


def _npz_member(path: Path, archive: zipfile.ZipFile, member: str, size: int, strings: dict[str, str]) -> Tensor:
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


def _open_json(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
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


def load_inputs(path: Path) -> tuple[Header, dict[str, Array]]:
    """The header and the input tensors of a bundle that need not claim anything yet. Raises as `open_bundle`."""
    bundle = open_bundle(path, certified=False)
    try:
        return bundle.header, {name: _whole(tensor) for name, tensor in bundle.tensors.items() if name in INPUTS}
    finally:
        bundle.close()


def load(path: Path) -> Certificate:
    bundle = open_bundle(path)
    try:
        parts: dict[str, Any] = {name: _whole(tensor) for name, tensor in bundle.tensors.items() if name not in KEPT}
        parts["kept"] = bundle.kept(0, bundle.layout.count).reshape(*bundle.layout.rows, bundle.layout.n)
    finally:
        bundle.close()
    return Certificate(**parts, **{name: getattr(bundle.header, name) for name in Header.__slots__})


def _whole(tensor: Tensor) -> Array:
    return tensor.read(0, prod(tensor.shape), 0).reshape(tensor.shape)


def check_target(path: Path) -> None:
    """Refuse, before any work, a path that `save` could not write. Raises BadInput."""
    if path.suffix not in (".safetensors", ".npz", ".json"):
        raise BadInput(f"{path}: unknown suffix {path.suffix!r}; use .safetensors, .npz, or .json for one row")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}; make it first")


def save(certificate: Certificate, path: Path) -> None:
    """Write to a temporary neighbour and rename it, so that a reader never sees half a bundle. Raises BadInput."""
    _write(certificate.header.strings(), certificate.tensors(), path)


def save_inputs(header: Header, inputs: Mapping[str, Array], path: Path, notes: Mapping[str, str]) -> None:
    """Write a bundle that claims nothing yet, for `load_inputs`; `notes` are header strings beyond the schema's.

    Raises BadInput and its kin for parts that do not fit.
    """
    _assemble(header, {name: InMemory(array) for name, array in inputs.items()}, str(path), notes, certified=False)
    _write({**notes, **header.strings()}, inputs, path)


def _write(strings: dict[str, str], arrays: Mapping[str, Array], path: Path) -> None:
    check_target(path)
    tensors = {name: np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")) for name, array in arrays.items()}
    if path.suffix == ".safetensors":
        payload = safetensors.numpy.save(tensors, metadata=strings)
    elif path.suffix == ".json":
        payload = _json_bytes(strings, tensors)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            if path.suffix == ".npz":
                narrow = {name: f"dtype.{name}" for name, array in tensors.items() if array.dtype == ml_dtypes.bfloat16}
                text = json.dumps(strings | dict.fromkeys(narrow.values(), "bfloat16"))
                stored = {name: array.view(np.uint16) if name in narrow else array for name, array in tensors.items()}
                np.savez(file, **{_METADATA: np.array(text)}, **stored)  # type: ignore[arg-type]
            else:
                file.write(payload)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _json_bytes(strings: dict[str, str], tensors: dict[str, Array]) -> bytes:
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
            document[name] = {"dtype": _name(array.dtype), "data": hexadecimal.tolist()}
    document.pop("kv_groups", None)  # one row has one key/value head
    return (json.dumps(document, indent=1) + "\n").encode()
