"""The ledger: what each theorem says and which file establishes it by which method. Reads `ledger.toml`; decides
nothing.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any, Literal

Method = Literal["symbolic", "smt", "controls", "coq"]
METHODS: tuple[Method, ...] = ("symbolic", "smt", "controls", "coq")
PROOF_METHODS: tuple[Method, ...] = (
    "symbolic",
    "smt",
    "coq",
)  # a refuted wrong variant proves nothing about the right one


class LedgerError(ValueError):
    """The ledger names something that does not exist, or an unknown theorem was asked for."""


@dataclass(frozen=True)
class Theorem:
    """One entry. `evidence` maps a method to the `file:function` (for Coq `file:theorem`) entries that establish the
    theorem by it.
    """

    id: str
    title: str
    latex: str
    plain: str
    hypotheses: tuple[str, ...]
    source: str
    used_in: tuple[str, ...]
    tested: tuple[str, ...]
    evidence: Mapping[Method, tuple[str, ...]]
    open: Mapping[str, str]
    scope: Mapping[str, str]  # what a method covers, where that is less than the statement for all n

    @property
    def number(self) -> int:
        """7 for T7."""
        return int(self.id[1:])


@cache
def theorems() -> tuple[Theorem, ...]:
    """All entries, in the order of the ledger."""
    text = files("proofs").joinpath("ledger.toml").read_text(encoding="utf-8")
    return tuple(_entry(raw) for raw in tomllib.loads(text)["theorem"])


def _entry(raw: Mapping[str, Any]) -> Theorem:
    known = {"id", "title", "latex", "plain", "hypotheses", "source", "used_in", "tested", "open", "scope", *METHODS}
    if set(raw) - known:
        raise LedgerError(f"{raw.get('id')}: unknown keys {sorted(set(raw) - known)}; an entry has {sorted(known)}")
    evidence = {method: tuple(raw[method]) for method in METHODS}
    reasons = dict(raw.get("open", {}))
    for method, places in evidence.items():
        if bool(places) == (method in reasons):
            raise LedgerError(f"{raw['id']}: {method} needs either evidence or an open reason, and not both")
    return Theorem(
        id=raw["id"],
        title=raw["title"],
        latex=raw["latex"],
        plain=raw["plain"],
        hypotheses=tuple(raw["hypotheses"]),
        source=raw["source"],
        used_in=tuple(raw["used_in"]),
        tested=tuple(raw["tested"]),
        evidence=evidence,
        open=reasons,
        scope=dict(raw.get("scope", {})),
    )


def selected(ids: Sequence[str] = ()) -> tuple[Theorem, ...]:
    """The entries with these ids, in the order of the ledger; all of them for an empty selection."""
    known = {theorem.id for theorem in theorems()}
    wanted = {name.upper() for name in ids}
    unknown = sorted(wanted - known)
    if unknown:
        nearest = get_close_matches(unknown[0], sorted(known), n=1, cutoff=0.3)
        hint = f"did you mean {nearest[0]}?" if nearest else f"the ledger has {theorems()[0].id} to {theorems()[-1].id}"
        raise LedgerError(f"no theorem {', '.join(unknown)}: {hint}")
    return tuple(theorem for theorem in theorems() if not wanted or theorem.id in wanted)


def evidence_of(place: str) -> Any:
    """What the function at `proofs/…/file.py:function` returns: a Derivation, or a tuple of Query or Control."""
    path, name = place.split(":")
    module = import_module(path.removesuffix(".py").replace("/", "."))
    if not hasattr(module, name):
        raise LedgerError(f"{place}: {path} has no {name}")
    return getattr(module, name)()
