"""What a certificate claims, and the shapes that its parts must have.

A certificate holds inputs (scores, or query and key), a kept set for every row, and claims about each row. Its level
says what the claims are about: `scores` — the floats in it are the logits, exactly; `query-key` — the logits are the
real numbers q·k·scale (+ bias, then soft-cap). The published schema is `certify/schemas/topk-certificate-1.json`;
`bundle.py` reads and writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite, prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from certify.errors import BadBundle, BadClaim, BadKept, UnknownSchema
from certify.scores import Bools, Floats
from certify.tensors import Array

__all__ = ["CLAIMS", "INPUTS", "LEVELS", "SCHEMA", "Certificate", "Header", "Layout", "layout_of"]

SCHEMA = "topk-certificate/1"
LEVELS = ("scores", "query-key")
INPUTS = ("scores", "query", "key", "mask", "bias", "value")
KEPT = ("kept", "kept_indices")
CLAIMS = ("tv_upper", "tv_lower", "kl_upper", "output_error_upper", "smallest_k_for")
ACCUMULATOR_NAMES = ("float16", "bfloat16", "float32", "float64")


def _number(name: str, text: str) -> float:
    try:
        value = float.fromhex(text) if "0x" in text.lower() else float(text)
    except ValueError:
        raise BadBundle(f"header {name} = {text!r} is not a number; write it with float.hex()") from None
    if not isfinite(value):
        raise BadBundle(f"header {name} = {text!r} is not finite; give the real factor")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The string values of a bundle, parsed. `scale` None is the real number 1/√d."""

    level: str
    top_k: bool = False
    producer: str = "unknown"
    scale: float | None = None
    softcap: float | None = None
    kv_groups: int = 1
    accumulator: str | None = None
    inputs_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise BadBundle(
                f"level = {self.level!r}; write one of {', '.join(LEVELS)}: it says what the claims are about"
            )
        if not isinstance(self.top_k, bool):
            raise BadBundle(f"top_k = {self.top_k!r}; give True or False")
        for name, factor in (("scale", self.scale), ("softcap", self.softcap)):
            if factor is not None and not (isinstance(factor, int | float) and isfinite(factor)):
                raise BadBundle(f"{name} = {factor!r} is not a finite number (None as scale is the real number 1/√d)")
        if self.softcap is not None and self.softcap <= 0:
            raise BadBundle(f"softcap = {self.softcap} must be positive; leave it out where there is none")
        if not isinstance(self.kv_groups, int) or self.kv_groups < 1:
            raise BadBundle(f"kv_groups = {self.kv_groups!r}; give the number of query heads per key head, 1 or more")
        if self.accumulator is not None and self.accumulator not in ACCUMULATOR_NAMES:
            raise BadBundle(f"accumulator = {self.accumulator!r}; write one of {', '.join(ACCUMULATOR_NAMES)}")

    @staticmethod
    def parse(strings: Mapping[str, str]) -> Header:
        schema = strings.get("schema")
        if schema is None:
            raise UnknownSchema(f"the header has no schema; write schema = {SCHEMA!r}")
        if schema.split(".")[0] != SCHEMA:
            raise UnknownSchema(f"schema {schema!r} is not one this version reads; it reads {SCHEMA!r}")
        level = strings.get("level")
        if level not in LEVELS:
            raise BadBundle(
                f"header level = {level!r}; write one of {', '.join(LEVELS)}: it says what the claims are about"
            )
        top_k = strings.get("top_k", "false")
        if top_k not in ("true", "false"):
            raise BadBundle(f"header top_k = {top_k!r}; write true or false")
        scale = strings.get("scale")
        if level == "query-key" and scale is None:
            raise BadBundle(
                'the header has no scale; write a float (float.hex()) or "rsqrt_d" for the real number 1/√d'
            )
        softcap = _number("softcap", strings["softcap"]) if "softcap" in strings else None
        groups = strings.get("kv_groups", "1")
        if not groups.isdecimal() or int(groups) < 1:
            raise BadBundle(f"header kv_groups = {groups!r}; write the number of query heads per key head, 1 or more")
        return Header(
            level=level,
            top_k=top_k == "true",
            producer=strings.get("producer", "unknown"),
            scale=None if scale in (None, "rsqrt_d") else _number("scale", scale),
            softcap=softcap,
            kv_groups=int(groups),
            accumulator=strings.get("accumulator"),
            inputs_sha256=strings.get("inputs_sha256"),
        )

    def strings(self) -> dict[str, str]:
        """The header as it is written: the inverse of `parse`."""
        found = {
            "schema": SCHEMA,
            "level": self.level,
            "top_k": "true" if self.top_k else "false",
            "producer": self.producer,
        }
        if self.level == "query-key":
            found["scale"] = "rsqrt_d" if self.scale is None else self.scale.hex()
        if self.softcap is not None:
            found["softcap"] = self.softcap.hex()
        if self.kv_groups != 1:
            found["kv_groups"] = str(self.kv_groups)
        for name in ("accumulator", "inputs_sha256"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        return found


@dataclass(frozen=True, slots=True)
class Layout:
    """The shape of a bundle: `rows` leading dimensions, n keys, and key/value groups that each serve `rows_per_group`
    consecutive flat rows.
    """

    rows: tuple[int, ...]
    n: int
    groups: int
    rows_per_group: int

    @property
    def count(self) -> int:
        return prod(self.rows)

    def index(self, flat: int) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(flat, self.rows))


def layout_of(header: Header, shapes: Mapping[str, tuple[int, ...]], *, certified: bool = True) -> Layout:
    """Check that the parts fit together, whatever file they came from; the inputs alone if not `certified`.

    Raises BadBundle, BadClaim, BadKept naming the part and its shape.
    """
    needed = ("scores",) if header.level == "scores" else ("query", "key")
    for name in needed:
        if name not in shapes:
            raise BadBundle(
                f"level {header.level} needs a tensor {name!r}, and there is none; there is "
                f"{', '.join(sorted(shapes)) or 'nothing'}"
            )
    rows = shapes[needed[0]][:-1]
    if header.level == "scores":
        if not rows:
            raise BadBundle(f"scores have shape {shapes['scores']}; give [*rows, n], with at least one row dimension")
        n = shapes["scores"][-1]
    else:
        if len(shapes["query"]) < 2 or len(shapes["key"]) < 2:
            raise BadBundle(
                f"query {shapes['query']} and key {shapes['key']} are too small; give [*rows, d] and [*kv, n, d]"
            )
        n = shapes["key"][-2]
    if prod(rows) == 0:
        raise BadBundle(f"{needed[0]} has shape {shapes[needed[0]]}: zero rows; there is nothing to certify")
    if n == 0:
        raise BadBundle(f"{needed[-1]} has shape {shapes[needed[-1]]}: zero keys; an attention row needs at least one")
    if certified:
        _check_claims(header, shapes)
    groups, per_group, kv = _kv_layout(header, rows)
    expected = {"scores": (*rows, n), "kept": (*rows, n), "mask": (*rows, n), "bias": (*rows, n)} | dict.fromkeys(
        CLAIMS, rows
    )
    for name, shape in shapes.items():
        if name in expected and shape != expected[name]:
            raise BadBundle(f"{name} has shape {shape}; with rows {rows} and {n} keys it must be {expected[name]}")
        if name == "kept_indices" and shape[:-1] != rows:
            raise BadBundle(f"kept_indices has shape {shape}; with rows {rows} it must be {rows} and k")
        if (
            name in ("key", "value")
            and (header.level == "query-key" or name == "value")
            and (shape[:-2] != kv or shape[-2:-1] != (n,))
        ):
            raise BadBundle(
                f"{name} has shape {shape}; with rows {rows}, {n} keys and kv_groups = {header.kv_groups} it must be "
                f"{(*kv, n)} and a width"
            )
    if header.level == "query-key" and shapes["key"][-1] != shapes["query"][-1]:
        raise BadBundle(
            f"query {shapes['query']} and key {shapes['key']} differ in their last dimension d; they must agree"
        )
    if header.level == "query-key" and shapes["query"][-1] == 0:
        raise BadBundle(f"query has shape {shapes['query']}: vectors of length 0 have no dot product")
    return Layout(rows, n, groups, per_group)


def _check_claims(header: Header, shapes: Mapping[str, tuple[int, ...]]) -> None:
    if not any(name in shapes for name in KEPT):
        raise BadKept("there is no kept set; add a bool tensor 'kept' [*rows, n] or integers 'kept_indices' [*rows, k]")
    if all(name in shapes for name in KEPT):
        raise BadKept("there are both 'kept' and 'kept_indices'; give one")
    claimed = [name for name in CLAIMS if name in shapes]
    if not claimed and not header.top_k:
        raise BadClaim(f"nothing is claimed; add one of {', '.join(CLAIMS)} as float64 [*rows], or header top_k = true")
    if "output_error_upper" in claimed and "value" not in shapes:
        raise BadBundle(
            "output_error_upper is claimed, and there is no tensor 'value' to judge it by; add [*kv, n, dv]"
        )


def _kv_layout(header: Header, rows: tuple[int, ...]) -> tuple[int, int, tuple[int, ...]]:
    """(number of key/value groups, flat rows that share one, the groups' own leading shape)."""
    if len(rows) < 2:
        if header.kv_groups != 1:
            raise BadBundle(
                f"kv_groups = {header.kv_groups} needs rows [..., heads, queries], and these rows are {rows}"
            )
        return 1, prod(rows), ()
    heads = rows[-2]
    if heads % header.kv_groups:
        raise BadBundle(f"kv_groups = {header.kv_groups} does not divide the {heads} heads of rows {rows}")
    kv = (*rows[:-2], heads // header.kv_groups)
    return prod(kv), header.kv_groups * rows[-1], kv


@dataclass(frozen=True, eq=False, kw_only=True)
class Certificate:
    """Claims about attention rows, with the inputs that they are about; every array as in the published schema.

    `kept` is a bool mask [*rows, n]. The claims are float64 [*rows] or None: `tv_upper` and `tv_lower` bound the
    total variation τ, `kl_upper` KL(P̂‖P) in nats, `output_error_upper` ‖o − ô‖₂; `smallest_k_for` says that no
    smaller top-k meets this ε. `top_k` claims that every kept set is a true top-k. Raises the typed errors of
    `certify.errors` where parts do not fit.
    """

    kept: Bools
    scores: Array | None = None
    query: Array | None = None
    key: Array | None = None
    mask: Bools | None = None
    bias: Array | None = None
    value: Array | None = None
    tv_upper: Floats | None = None
    tv_lower: Floats | None = None
    kl_upper: Floats | None = None
    output_error_upper: Floats | None = None
    smallest_k_for: Floats | None = None
    level: str = "scores"
    top_k: bool = False
    producer: str = "unknown"
    scale: float | None = None
    softcap: float | None = None
    kv_groups: int = 1
    accumulator: str | None = None
    inputs_sha256: str | None = None

    def __post_init__(self) -> None:
        layout_of(self.header, {name: array.shape for name, array in self.tensors().items()})

    @property
    def header(self) -> Header:
        return Header(**{field.name: getattr(self, field.name) for field in fields(Header)})

    @property
    def k(self) -> NDArray[np.intp]:
        """How many keys each row keeps, [*rows]."""
        return np.asarray(np.count_nonzero(self.kept, axis=-1))

    def tensors(self) -> dict[str, Array]:
        names = (*INPUTS, "kept", *CLAIMS)
        return {name: np.asarray(array) for name in names if (array := getattr(self, name)) is not None}

    def save(self, path: str | Path) -> None:
        """Write a bundle: `.safetensors` (preferred), `.npz`, or `.json` for a single row. The file appears whole or
        not at all.
        """
        from certify.bundle import save

        save(self, Path(path))

    @staticmethod
    def load(path: str | Path) -> Certificate:
        """Read a whole bundle into memory. Raises BadBundle and its kin. (`certify.audit` streams instead.)"""
        from certify.bundle import load

        return load(Path(path))
