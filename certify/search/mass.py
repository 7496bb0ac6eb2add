"""MC-Search (T20): open the cells of keys that may hold the most attention mass until the rest cannot matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from certify.certificate import Certificate
from certify.errors import BadInput
from certify.kernel_errors import kernel_errors
from certify.scores import Floats
from certify.search.cell_bounds import BoundName, bound_named
from certify.search.cells import CellIndex, cells_of
from certify.search.inputs import Queries, check_budget, check_eps, read_queries, read_scale, read_values
from certify.search.opened import Opened, Plan, open_cells
from certify.search.result import SearchResult
from float_kernels import require_ieee
from float_kernels.cell_masses import up
from float_kernels.compiled_walk import NO_VARIANCE

__all__ = ["PRODUCER", "mass_search", "search_cells"]

PRODUCER = "topk-certify, certify.search"
_NODES_AT_A_TIME = 1 << 20


def mass_search(
    query: ArrayLike,
    key: ArrayLike,
    *,
    eps: float,
    scale: float | None = None,
    cells: CellIndex | None = None,
    bound: BoundName = "ball",
    linearity: bool = True,
    keep_means: bool = False,
    values: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    kv_groups: int = 1,
    budget: int | None = None,
) -> SearchResult:
    """Keep keys that leave at most eps of the attention mass, scoring as few as the bounds allow (T20, T22).

    query [d], [m, d] or [..., heads, queries, d]; key [n, d], or [..., heads/kv_groups, n, d]; any float dtype.
    scale: a number above 0, or None for the real 1/√d. mask: bool [*rows, n], true = attended.
    cells: from `build_cells(key, …)`, default k-means with n/8 cells; a tree ("ward") opens down to single keys.
    bound: what limits a cell's mass: "ball" as published, "box", "ball_box", "chord", "bennett_diagonal",
    "bennett_spectral", "bennett" (full covariance); see `cell_bounds`.
    linearity: the products with a cell's children add up to that with its mean, so the last one is free.
    keep_means: unopened cells are kept as their mean's weight instead of being dropped, and the search ends when half
    the ℓ₁ error of the weights is at most eps: then `fires` is about l1_upper / 2, while the certificate's tv_upper is
    what it would cost to drop those cells after all. Needs a bound that knows a variance. With values [*kv, n, dv],
    also the output's error.
    budget: products with keys and cells to spend on a row before it is scored whole.

    A row's kept set is certified at level `query-key`: tv_upper ≤ eps always (but for keep_means), by the search's own
    bounds where `fires`. Raises BadInput, BadScores, BadValues, UntrustedThread.
    """
    chosen = bound_named(bound)
    if keep_means and chosen.variance == NO_VARIANCE:
        raise BadInput(f"keep_means with bound {bound!r}, which knows no variance; use one of the bennett bounds")
    if values is not None and not keep_means:
        raise BadInput("values are given, but no cell is kept as its mean; give keep_means=True, or leave them out")
    index = cells_of(key, cells)
    plan = Plan(
        eps=check_eps(eps),
        scale=read_scale(scale, index.key.shape[-1]),
        bound=chosen,
        pooled=False,
        linearity=linearity,
        means=keep_means,
        budget=check_budget(budget),
    )
    result = search_cells(query, key, index, plan, f"mass_search, {bound}", mask, kv_groups)
    return result if values is None else _with_values(result, values, index.key)


def search_cells(
    query: ArrayLike,
    key: ArrayLike,
    index: CellIndex,
    plan: Plan,
    method: str,
    mask: ArrayLike | None,
    kv_groups: int,
) -> SearchResult:
    """Run the plan over every key head and put the rows together. Raises as `mass_search`."""
    queries = read_queries(query, index.key, kv_groups, mask)
    with kernel_errors():
        require_ieee()
    found: list[Opened] = []
    for group, key_cells in enumerate(index.groups):
        step = max(1, _NODES_AT_A_TIME // (len(key_cells.key) + len(key_cells.start)))
        for start in range(0, queries.exact.shape[1], step):
            part = slice(start, start + step)
            attended = None if queries.attended is None else queries.attended[group, part]
            with kernel_errors():
                found.append(
                    open_cells(queries.exact[group, part], queries.norm[group, part], key_cells, attended, plan)
                )
    return _assembled(found, queries, np.asarray(key), plan, method)


def _assembled(found: list[Opened], queries: Queries, key: NDArray[Any], plan: Plan, method: str) -> SearchResult:
    rows, shape = queries.rows, queries.certificate_rows
    n = key.shape[-2]

    def joined(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in found])

    kl_upper = joined("kl_upper").reshape(shape)
    certificate = Certificate(
        query=queries.given.reshape(*shape, -1),
        key=key,
        mask=None if queries.attended is None else queries.attended.reshape(*shape, n),
        kept=joined("kept").reshape(*shape, n),
        tv_upper=joined("tv_upper").reshape(shape),
        kl_upper=kl_upper if np.isfinite(kl_upper).all() else None,
        level="query-key",
        scale=plan.scale.given,
        kv_groups=queries.kv_groups,
        accumulator="float64",
        producer=PRODUCER,
    )
    counts = joined("counts")
    means: dict[str, Any] = {}
    if plan.means:
        # heads may have different numbers of cells: shorter rows are padded with cells that are not kept
        widest = max(part.means_kept.shape[1] for part in found)
        padded = [np.pad(part.means_kept, ((0, 0), (0, widest - part.means_kept.shape[1]))) for part in found]
        means = {
            "means_kept": np.concatenate(padded).reshape(*rows, widest),
            "l1_upper": joined("l1_upper").reshape(rows),
        }
    return SearchResult(
        certificate=certificate,
        rows=rows,
        eps=plan.eps,
        method=method,
        fires=joined("fires").reshape(rows),
        fell_back=joined("fell_back").reshape(rows),
        scored_keys=counts[:, 0].reshape(rows),
        cell_scores=counts[:, 1].reshape(rows),
        bytes_read=counts[:, 2].reshape(rows),
        **means,
    )


def _with_values(result: SearchResult, values: ArrayLike, keys: NDArray[Any]) -> SearchResult:
    """‖o − õ‖ = ‖Σ(P − P̃)(v − c)‖ ≤ ‖P − P̃‖₁ · max‖v − c‖ for any c, since P and P̃ both sum to 1 (T11)."""
    given = read_values(values, keys).astype(np.float64)
    centred = given - np.mean(given, axis=-2, keepdims=True)  # about a float centre, off by one rounding a component
    width = given.shape[-1]
    farthest: Floats = (
        np.sqrt(np.max(np.sum(centred**2, axis=-1), axis=-1)) * (1.0 + (width + 8) * 2.0**-52) + 2.0**-520
    )
    assert result.l1_upper is not None
    groups = farthest.reshape(-1, 1)
    upper = up(result.l1_upper.reshape(len(groups), -1) * groups)
    return replace(result, output_error_upper=upper.reshape(result.rows))
