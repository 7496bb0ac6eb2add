"""Δk-Search (T19): score keys in the order of an upper bound until those unscored, all at that bound, cannot matter."""

from __future__ import annotations

from numpy.typing import ArrayLike

from certify.search.cell_bounds import BoundName, bound_named
from certify.search.cells import CellIndex, cells_of
from certify.search.inputs import check_budget, check_eps, read_scale
from certify.search.mass import search_cells
from certify.search.opened import Plan
from certify.search.result import SearchResult

__all__ = ["delta_k_search"]


def delta_k_search(
    query: ArrayLike,
    key: ArrayLike,
    *,
    eps: float,
    scale: float | None = None,
    cells: CellIndex | None = None,
    bound: BoundName = "ball",
    mask: ArrayLike | None = None,
    kv_groups: int = 1,
    budget: int | None = None,
) -> SearchResult:
    """Keep keys that leave at most eps of the attention mass; stop by the multi-gap bound (T7, T19, T22).

    Keys are scored cell after cell, the cell with the largest bound on a score first. After M scored keys, with u the
    largest bound of an unopened cell, (n − M)·e^u bounds what is unscored; the search stops when that and the dropped
    keys are at most the share eps. Unlike `mass_search` it does not use which cell an unscored key lies in, and of a
    bound only the largest score.
    Arguments, results and errors as `mass_search`.
    """
    index = cells_of(key, cells)
    plan = Plan(
        eps=check_eps(eps),
        scale=read_scale(scale, index.key.shape[-1]),
        bound=bound_named(bound),
        pooled=True,
        linearity=False,
        means=False,
        budget=check_budget(budget),
    )
    return search_cells(query, key, index, plan, f"delta_k_search, {bound}", mask, kv_groups)
