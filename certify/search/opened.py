"""From the cells and keys that a walk has looked at to a kept set and claims about it: the part that must be right.

The walk (float_kernels.compiled_walk) chooses and certifies nothing. Here its products become intervals around the
real scores, the cells that it left unopened get the certified bound of their mass (cell_bounds), and

    T⁺ = Σ e^s of scored keys that are dropped + Σ mass of unopened cells,  rounded up
    H⁻ = Σ e^s of kept keys,                                                rounded down
    τ ≤ T⁺/(T⁺ + H⁻)                                                        (T20, and T19 where cells are pooled)

Rows whose bound does not come out at most ε are scored whole by float_kernels.dot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import float_kernels
from certify.scores import Bools, Floats
from certify.search.cell_bounds import CellBound, CellMasses
from certify.search.cells import Cells, KeyCells
from certify.search.inputs import Scale
from float_kernels.cell_masses import down, exp_lower, exp_upper, sum_lower, sum_upper, up
from float_kernels.compiled_walk import DIAGONAL, FRONTIER, FULL, MEAN, SPECTRAL, walk
from float_kernels.enclosure import SumBounds, tail_mass_bounds
from float_kernels.f_divergences import log1p_upper

__all__ = ["Opened", "Plan", "dense_rows", "kl_upper_of", "open_cells"]

# What the walk's estimates may be off by, and the sorted sums of the trim.
_AIM = 1.0 - 2.0**-30


@dataclass(frozen=True)
class Plan:
    """How to search: see `mass_search` for what each part means."""

    eps: float
    scale: Scale
    bound: CellBound
    pooled: bool
    linearity: bool
    means: bool
    budget: int | None


@dataclass(eq=False)
class Opened:
    """What came out for rows [m] of one key head; filled row block by row block."""

    kept: Bools
    tv_upper: Floats
    kl_upper: Floats
    counts: NDArray[np.int64]  # keys scored, cells scored, bytes
    fires: Bools
    fell_back: Bools
    means_kept: Bools
    l1_upper: Floats


def open_cells(query: Floats, norm: Floats, key_cells: KeyCells, attended: Bools | None, plan: Plan) -> Opened:
    """Search for the rows query [m, d] float64 (norm [m] ≥ ‖q‖) of one key head; attended bool [m, n] or None."""
    n = len(key_cells.key)
    arrays = _arrays(key_cells, plan.bound)
    everything = np.zeros((0, n), dtype=np.bool_)
    budget = plan.budget if plan.budget is not None else 2**62
    state, products, error, counts = walk(
        query,
        norm,
        plan.scale.near,
        key_cells.key,
        key_cells.key_error,
        arrays,
        everything if attended is None else attended,
        plan.bound.key,
        plan.pooled,
        plan.linearity,
        plan.means,
        plan.eps * _AIM,
        budget,
    )
    known = state[:, :n] == FRONTIER
    unopened = state[:, n:] == FRONTIER
    near = products[:, :n, MEAN] * plan.scale.near
    shift = np.max(np.where(known, near, -np.inf), axis=-1, initial=-np.inf, keepdims=True)
    shift = np.where(np.isfinite(shift), shift, 0.0)
    key_lower, key_upper = _key_weights(products[:, :n, MEAN], error[:, :n], known, plan.scale, shift)
    masses = plan.bound.masses(key_cells, products[:, n:], error[:, n:], norm[:, None], plan.scale, shift)
    tail = _tail_of_cells(masses, unopened, key_cells, plan, shift)
    kept = known if plan.means else _trimmed(known, key_upper, tail, plan.eps)
    tv_upper, odds = _claims(kept, known, key_lower, key_upper, tail)
    again = (tv_upper > plan.eps) & known.any(axis=-1) & (not plan.means)
    if again.any():  # the trim's estimate was too bold: keep all that is known
        kept = np.where(again[:, None], known, kept)
        tv_upper, odds = _claims(kept, known, key_lower, key_upper, tail)
    l1_upper = _l1(masses, unopened, key_lower) if plan.means else np.zeros(len(query))
    promised = up(0.5 * l1_upper) if plan.means else tv_upper
    gave_up = (counts[:, 3] > 0) | ~(promised <= plan.eps) | ~known.any(axis=-1)
    everyone = known.all(axis=-1) if attended is None else (known | ~attended).all(axis=-1)
    found = Opened(
        kept,
        tv_upper,
        kl_upper_of(odds),
        counts[:, :3].copy(),
        ~gave_up & ~everyone,
        gave_up | everyone,
        unopened,
        l1_upper,
    )
    for row in np.flatnonzero(gave_up):
        _score_all(found, int(row), query, key_cells, attended, plan)
    return found


def dense_rows(
    query: Floats, key: NDArray[Any], attended: Bools | None, scale: Scale, eps: float
) -> tuple[Bools, Floats, Floats]:
    """(kept [m, n], tv_upper [m], kl_upper [m]) with tv_upper ≤ eps, all keys scored exactly enough (T22, T23)."""
    scores, radius = float_kernels.dot(query, key, scale=scale.given, accumulator="float64")
    if attended is not None:
        scores = np.where(attended, scores, -np.inf)
    # Scores off by r on either side move the odds of tail against kept by at most e^{2r}: aim below ε by that.
    aim = eps * max(1.0 - 4.0 * float(np.max(radius)), 0.5)
    kept = float_kernels.smallest_k(scores, aim).kept
    tv_upper = float_kernels.perturbed_tail_mass(scores, kept, radius)[1]
    missed = tv_upper > eps
    kept = np.where(missed[:, None], scores > -np.inf, kept)  # keeping all leaves nothing
    tv_upper = np.where(missed, 0.0, tv_upper)
    with np.errstate(divide="ignore"):
        odds = up(tv_upper / np.maximum(down(1.0 - tv_upper), 0.0))
    return kept, tv_upper, kl_upper_of(np.where(tv_upper == 0.0, 0.0, odds))


def kl_upper_of(odds: Floats) -> Floats:
    """ln(1 + χ) = KL(P̂‖P) (T2) rounded up, for odds χ = Σ_T/Σ_H; 0 for 0.

    Up to 1 by ln(1 + χ) ≤ χ(6 + χ)/(6 + 4χ), equal at 0, whose derivative exceeds 1/(1 + χ) by 4χ³/((6 + 4χ)²(1 + χ)).
    """
    small = np.minimum(odds, 1.0)
    found = np.where(small > 0.0, up(up(small * up(6.0 + small)) / down(6.0 + 4.0 * small)), 0.0)
    return np.where(odds <= 1.0, found, log1p_upper(odds)) if (odds > 1.0).any() else found


def _arrays(key_cells: KeyCells, bound: CellBound) -> Cells:
    """The arrays that this bound reads; the others empty."""
    d = key_cells.key.shape[-1]
    return Cells(
        size=key_cells.count,
        child_start=key_cells.child_start,
        child=key_cells.child,
        root=key_cells.root,
        mean=key_cells.mean,
        mean_error=key_cells.mean_error,
        radius=key_cells.radius,
        low=key_cells.low if bound.box else np.empty((0, d)),
        high=key_cells.high if bound.box else np.empty((0, d)),
        deviation=key_cells.deviation if bound.variance == DIAGONAL else np.empty((0, d)),
        spectral=key_cells.spectral if bound.variance == SPECTRAL else np.empty(0),
        covariance=key_cells.covariance if bound.variance == FULL else np.empty((0, d, d)),
    )


def _key_weights(products: Floats, error: Floats, known: Bools, scale: Scale, shift: Floats) -> tuple[Floats, Floats]:
    """e^(s − shift) of every known key between two floats, 0 for the others."""
    high, low = up(products + error), down(products - error)
    high = up(np.where(high > 0.0, high * scale.upper, high * scale.lower))
    low = down(np.where(low > 0.0, low * scale.lower, low * scale.upper))
    lower, upper = exp_lower(down(low - shift)), exp_upper(up(high - shift))
    return np.where(known, lower, 0.0), np.where(known, upper, 0.0)


def _tail_of_cells(masses: CellMasses, unopened: Bools, key_cells: KeyCells, plan: Plan, shift: Floats) -> Floats:
    """≥ the mass [m] of all unopened cells: cell by cell (T20), or all their keys at the largest bound (T19)."""
    if not plan.pooled:
        return np.where(unopened.any(axis=-1), sum_upper(np.where(unopened, masses.upper, 0.0)), 0.0)
    highest = np.max(np.where(unopened, masses.top, -np.inf), axis=-1, initial=-np.inf)
    keys = np.sum(np.where(unopened, key_cells.count, 0), axis=-1)
    pooled: Floats = up(keys * exp_upper(up(highest - shift[:, 0])))
    return np.where(keys > 0, pooled, 0.0)


def _trimmed(known: Bools, weight: Floats, tail: Floats, eps: float) -> Bools:
    """Known keys without the lightest that the tail can still take, by an estimate; at least one stays."""
    order = np.argsort(np.where(known, weight, np.inf), axis=-1, kind="stable")
    ordered = np.take_along_axis(np.where(known, weight, 0.0), order, axis=-1)
    dropped = tail[:, None] + np.cumsum(ordered, axis=-1)
    everything = tail + np.sum(ordered, axis=-1)
    with np.errstate(invalid="ignore"):
        fits = dropped <= eps * _AIM * everything[:, None]
    count = np.minimum(np.argmin(np.append(fits, np.zeros((len(fits), 1), bool), axis=-1), axis=-1), known.sum(-1) - 1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(order.shape[-1]), order.shape), axis=-1)
    trimmed: Bools = known & (place >= count[:, None])
    return trimmed


def _claims(kept: Bools, known: Bools, key_lower: Floats, key_upper: Floats, tail: Floats) -> tuple[Floats, Floats]:
    """(τ ≤, Σ_T/Σ_H ≤) [m] from the bounds on the weights."""
    dropped = np.concatenate([np.where(known & ~kept, key_upper, 0.0), tail[:, None]], axis=-1)
    tail_upper, kept_lower = sum_upper(dropped), sum_lower(np.where(kept, key_lower, 0.0))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        upper = tail_mass_bounds(SumBounds(tail_upper, tail_upper, kept_lower, kept_lower))[1]
        odds = up(tail_upper / kept_lower)
    nothing = ~(known & ~kept).any(axis=-1) & (tail == 0.0)
    upper = np.where(np.isfinite(upper), upper, 1.0)
    return np.where(nothing, 0.0, upper), np.where(nothing, 0.0, np.where(np.isnan(odds), np.inf, odds))


def _l1(masses: CellMasses, unopened: Bools, key_lower: Floats) -> Floats:
    """‖P − P̃‖₁ ≤ this [m], P̃ with weight e^mean for every key of an unopened cell (T1, T9, T10 in the comment).

    With real weights w, Z and w̃ ≤ in total, Z̃ ≤ Z (Jensen, cell by cell): P − P̃ = w/Z − w̃/Z̃ ≤ (w − w̃)/Z, so half
    the ℓ₁ distance, Σ(P − P̃)₊, is at most Σ(e^s − e^m)₊/Z over the unopened cells. In a cell of mass A and B = c·e^m:
    Σ(e^s − e^m)₊ = A − B + Σ(e^m − e^s)₊ ≤ A − B + e^m Σ(m − s)₊ ≤ A − B + ½Bσ, since Σ|s − m| ≤ cσ; and it is ≤ A.
    """
    assert masses.deviation is not None, "means are kept only with a variance"
    apart = up(up(masses.upper - masses.lower) + up(0.5 * up(masses.around_upper * masses.deviation)))
    excess = sum_upper(np.where(unopened, np.minimum(masses.upper, apart), 0.0))
    total = sum_lower(np.concatenate([key_lower, np.where(unopened, masses.lower, 0.0)], axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = up(2.0 * up(excess / total))
    return np.where(np.isfinite(bound), np.where(unopened.any(axis=-1), bound, 0.0), 2.0)


def _score_all(found: Opened, row: int, query: Floats, key_cells: KeyCells, attended: Bools | None, plan: Plan) -> None:
    """Replace a row by dense scoring."""
    one = slice(row, row + 1)
    mask = None if attended is None else attended[one]
    found.kept[one], found.tv_upper[one], found.kl_upper[one] = dense_rows(
        query[one], key_cells.exact, mask, plan.scale, plan.eps
    )
    found.counts[row, 0] += len(key_cells.key)
    found.counts[row, 2] += key_cells.key.nbytes
    found.means_kept[one] = False
    found.l1_upper[one] = up(2.0 * found.tv_upper[one])
