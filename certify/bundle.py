"""Bundle files (`certify/formats` has the three formats): read row by row, written whole or not at all.

Nothing in a file is believed before it is checked: sizes against the file's length, dtypes against the schema. What a
file *claims* is not looked at here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from certify.certificate import CLAIMS, INPUTS, KEPT, Certificate, Header, Layout, layout_of
from certify.errors import BadBundle, BadClaim, BadInput, BadScores
from certify.formats import json_file, npz_file, safetensors_file
from certify.scores import FLOAT_DTYPES, digest, rows_of_kept
from certify.tensors import Array, InMemory, Tensor

__all__ = ["Bundle", "check_target", "load", "load_inputs", "open_bundle", "save", "save_inputs"]

_FORMATS = {".safetensors": safetensors_file, ".npz": npz_file, ".json": json_file}
_DIGEST_CHUNK = 1 << 22  # bytes read at a time for a digest


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
        strings, tensors = npz_file.read(path)
    elif start[8:9] == b"{":
        strings, tensors = safetensors_file.read(path)
    elif start.lstrip()[:1] == b"{":
        strings, tensors = json_file.read(path)
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


def check_target(path: Path, source: Path | None = None) -> None:
    """Refuse, before any work, a path that `save` could not write, or the bundle that is read. Raises BadInput."""
    if path.suffix not in _FORMATS:
        raise BadInput(f"{path}: unknown suffix {path.suffix!r}; use .safetensors, .npz, or .json for one row")
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}; make it first")
    if source is not None and path.exists() and path.samefile(source):
        raise BadInput(f"{path}: is the bundle that is read; write the certificates elsewhere")


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
    payload = _FORMATS[path.suffix].payload(strings, tensors)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.writelines(payload)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
