"""The inputs of one case, checked, with the exact row of scores that they define."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from certify.enclosures.tail import kept_mask
from certify.errors import BadInput, BadScores, BadValues
from certify.reference_values.parameters import checked
from certify.scores import Bools, DotScores, ExactRow, Floats, row_of, widen

__all__ = ["ROW_FROM_DOT_PRODUCTS", "Inputs"]

# What may stand in place of `scores`: the two vectors that are needed, then what may be left out.
ROW_FROM_DOT_PRODUCTS = (("query", "key"), ("scale", "bias", "mask", "softcap"))


@dataclass(frozen=True, eq=False)
class Inputs:
    """Parameters by name, each in the form of `parameters.checked`."""

    values: Mapping[str, Any]

    @staticmethod
    def of(quantity: str, given: Mapping[str, Any], needs: Iterable[str], optional: Iterable[str]) -> Inputs:
        """Checked inputs for a quantity; raises BadInput for a missing or a superfluous one."""
        needs, optional = list(needs), list(optional)
        if "scores" in needs and "scores" not in given and any(name in given for name in ROW_FROM_DOT_PRODUCTS[0]):
            needs = [*ROW_FROM_DOT_PRODUCTS[0], *(name for name in needs if name != "scores")]
            optional = [*optional, *ROW_FROM_DOT_PRODUCTS[1]]
        missing = [name for name in needs if given.get(name) is None]
        if missing:
            raise BadInput(f"{quantity} needs {', '.join(needs)}; give {' and '.join(missing)} too")
        allowed = dict.fromkeys([*needs, *optional])
        for name in given:
            if name not in allowed:
                raise BadInput(f"{quantity} takes no {name!r}; it takes {', '.join(allowed)}")
        return Inputs({name: checked(name, given[name]) for name in allowed if given.get(name) is not None})

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)

    def wide(self, name: str) -> Floats:
        """A vector or matrix as float64, exactly."""
        return widen(self.values[name], name)

    @cached_property
    def row(self) -> ExactRow:
        """The exact row of scores, without values."""
        if "scores" in self.values:
            return row_of(self.values["scores"])
        query, key = self.wide("query"), self.wide("key")
        if key.shape[1] != len(query):
            raise BadScores(f"query has length {len(query)} and the keys {key.shape[1]}; they must agree")
        for name in ("bias", "mask"):
            if name in self.values and self.values[name].shape != (len(key),):
                raise BadScores(f"{name} has shape {self.values[name].shape}; {len(key)} keys need ({len(key)},)")
        bias = self.wide("bias") if "bias" in self.values else None
        scale, softcap = (
            None if name not in self.values else Fraction(self.values[name]) for name in ("scale", "softcap")
        )
        if softcap is not None and softcap <= 0:
            raise BadInput(f"softcap = {float(softcap)} is not positive")
        row = DotScores(scale, softcap).row(query, key, self.get("mask"), bias)
        if not row.exponents:
            raise BadScores("every key is masked, so no key is attended")
        return row

    @cached_property
    def kept(self) -> Bools:
        return kept_mask(self.values["kept"], self.row)

    @cached_property
    def row_with_values(self) -> ExactRow:
        value = self.wide("value")
        if value.shape[0] != self.row.n:
            raise BadValues(f"value has shape {value.shape}; a row of {self.row.n} keys needs [{self.row.n}, dv]")
        return ExactRow(self.row.exponents, self.row.rank, value)

    def checked_k(self) -> int:
        k: int = self.values["k"]
        if not 1 <= k <= self.row.n:
            raise BadInput(f"k = {k} is outside 1..{self.row.n}; keep at least one key and at most all")
        return k

    def radii(self) -> Floats:
        """δ for every key."""
        if self.values["radius"] < 0:
            raise BadInput(f"radius = {self.values['radius']} is negative")
        return np.full(self.row.n, float(self.values["radius"]))

    def one_key(self) -> Any:
        """The key matrix [1, d] of a quantity that is about one key."""
        key = self.values["key"]
        if len(key) != 1:
            raise BadInput(f"key holds {len(key)} vectors, and this is the radius of one key; give one")
        return key
