"""Queries, keys, masks and scales as a search takes them: checked, exact, and laid out one key head after another.

Rows are as in a bundle. query [d] is one row and [m, d] are m rows, both over key [n, d]; query [..., heads, queries,
d] goes with key [..., heads/kv_groups, n, d], each key head serving kv_groups consecutive query heads. Widening to
float64 is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, prod, sqrt
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike

from certify.errors import BadInput, BadScores, BadValues
from certify.scores import Bools, Floats
from certify.tensors import Array

__all__ = [
    "Queries",
    "Scale",
    "check_budget",
    "check_eps",
    "exact_floats",
    "exact_keys",
    "read_queries",
    "read_scale",
    "read_values",
]

# Beyond this, squares and products of three such numbers could leave the range of float64.
LARGEST = 2.0**250


@dataclass(frozen=True)
class Scale:
    """The real scale between two floats, and one between them to steer by. `given` is None for 1/√d."""

    given: float | None
    lower: float
    upper: float

    @property
    def near(self) -> float:
        return self.lower


@dataclass(frozen=True, eq=False)
class Queries:
    """Query rows by key head: exact [groups, per_group, d] float64; norm [groups, per_group] ≥ ‖q‖.

    `rows` is the leading shape of the caller's query, () for a single one; `attended` bool [groups, per_group, n] or
    None.
    """

    given: Array
    exact: Floats
    norm: Floats
    rows: tuple[int, ...]
    attended: Bools | None
    kv_groups: int

    @property
    def certificate_rows(self) -> tuple[int, ...]:
        """Certificates have at least one row dimension."""
        return self.rows or (1,)


def exact_floats(array: ArrayLike, what: str, *, looked_through: bool = True) -> Array:
    """The same numbers as contiguous native float32 or float64, all finite where they are to be looked through.

    Raises BadScores naming what is wrong.
    """
    given = np.asarray(array)
    supported = given.dtype == ml_dtypes.bfloat16 or (given.dtype.kind == "f" and given.dtype.itemsize in (2, 4, 8))
    if not supported:
        raise BadScores(f"the {what} has dtype {given.dtype}; give float16, bfloat16, float32 or float64")
    found: Array = np.ascontiguousarray(given, dtype=np.float64 if given.dtype.itemsize == 8 else np.float32)
    found = found.reshape(given.shape)
    if not looked_through:
        return found
    wrong = ~np.isfinite(found)
    if wrong.any():
        place = [int(i) for i in np.argwhere(wrong)[0]]
        raise BadScores(f"component {place} of the {what} is {float(found[tuple(place)])}; it must be finite")
    if found.size and max(abs(float(found.min())), abs(float(found.max()))) > LARGEST:
        raise BadScores(f"the {what} has components beyond 2**250, whose squares overflow; scale it down")
    return found


def exact_keys(key: ArrayLike) -> Array:
    """Keys [*kv, n, d] as contiguous native floats. Raises BadScores."""
    shape = np.shape(key)
    if len(shape) < 2 or prod(shape) == 0:
        raise BadScores(f"the key has shape {shape}; give [*kv, n, d] with at least one key and one component")
    return exact_floats(key, "key")


def read_queries(query: ArrayLike, key: Array, kv_groups: int, mask: ArrayLike | None) -> Queries:
    """Check the query [*rows, d] against key [*kv, n, d] and lay it out. Raises BadScores, BadInput."""
    given = np.asarray(query)
    if given.ndim == 0 or given.size == 0:
        raise BadScores(f"the query has shape {given.shape}; give [d] or [*rows, d] with at least one row")
    if isinstance(kv_groups, bool) or not isinstance(kv_groups, int | np.integer) or kv_groups < 1:
        raise BadInput(f"kv_groups = {kv_groups!r}; give the number of query heads per key head, 1 or more")
    exact = exact_floats(given, "query").astype(np.float64)
    rows, (n, d) = given.shape[:-1], key.shape[-2:]
    if len(rows) < 2:
        kv, fits = (), kv_groups == 1
    else:
        kv, fits = (*rows[:-2], rows[-2] // kv_groups), rows[-2] % kv_groups == 0
    if not fits or given.shape[-1] != d or key.shape[:-2] != kv:
        raise BadScores(
            f"query {given.shape} and key {key.shape} with kv_groups = {kv_groups} do not fit; give [m, {d}] with "
            f"[n, {d}], or [..., heads, queries, {d}] with [..., heads/kv_groups, n, {d}]"
        )
    groups = prod(kv)
    laid_out = np.ascontiguousarray(exact.reshape(groups, -1, d))
    norm = np.sqrt(np.einsum("grd,grd->gr", laid_out, laid_out)) * (1.0 + (d + 8) * 2.0**-52) + 2.0**-520
    return Queries(given, laid_out, norm, rows, _attended(mask, rows, n, groups), int(kv_groups))


def _attended(mask: ArrayLike | None, rows: tuple[int, ...], n: int, groups: int) -> Bools | None:
    if mask is None:
        return None
    given: Any = np.asarray(mask)
    if given.dtype != np.bool_ or given.shape != (*rows, n):
        raise BadScores(f"the mask is {given.dtype} {given.shape}; give bool {(*rows, n)}, true = attended")
    found: Bools = np.ascontiguousarray(given).reshape(groups, -1, n)
    empty = ~found.any(axis=-1)
    if empty.any():
        raise BadScores(f"row {int(np.argmax(empty))} (C order) attends no key at all; drop the row")
    return found


def read_scale(scale: float | None, d: int) -> Scale:
    """The scale, which must be positive: the bounds of a ball and of a box hold for no other (T20). Raises BadInput."""
    if scale is None:
        root = 1.0 / sqrt(d)  # two roundings
        return Scale(None, root * (1.0 - 2.0**-51), root * (1.0 + 2.0**-51))
    if isinstance(scale, bool) or not isinstance(scale, int | float | np.floating) or not isfinite(scale):
        raise BadInput(f"scale = {scale!r}; give a finite number above 0, or None for 1/√d")
    if not 0.0 < scale <= LARGEST:
        raise BadInput(
            f"scale = {scale!r}; cell bounds need 0 < scale ≤ 2**250: turn the query round for a negative one"
        )
    return Scale(float(scale), float(scale), float(scale))


def read_values(values: ArrayLike, keys: Array, *, looked_through: bool = True) -> Array:
    """Values [*kv, n, dv] for keys [*kv, n, d], as contiguous native floats. Raises BadValues, BadScores."""
    found = exact_floats(values, "values", looked_through=looked_through)
    if found.shape[:-1] != keys.shape[:-1] or found.shape[-1] == 0:
        raise BadValues(f"values have shape {found.shape}; keys {keys.shape} need {keys.shape[:-1]} and a width")
    return found


def check_eps(eps: float) -> float:
    """A tail mass to allow. Raises BadInput."""
    if isinstance(eps, bool) or not isinstance(eps, int | float | np.floating) or not 0.0 < eps < 1.0:
        raise BadInput(f"eps = {eps!r}; a tail mass to allow lies strictly between 0 and 1")
    return float(eps)


def check_budget(budget: int | None) -> int | None:
    """How many products a row may cost, or None for any. Raises BadInput."""
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 1):
        raise BadInput(f"budget = {budget!r}; give how many products a row may cost, 1 or more, or None")
    return budget
