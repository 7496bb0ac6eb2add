"""Which cells of keys to open for a query, in Numba: best first, until an estimate says that enough is known.

Chooses; certifies nothing. It computes products only when the search asks for them, counts them, and leaves them
behind with a bound on their error; `certify.search` turns those into a certificate. Masses here are estimates with
the library's exponential, and steer only.

Nodes 0 … n − 1 are the keys, n … n + cells − 1 the cells. A node's state is UNSEEN, a member of the FRONTIER, or
OPENED. The products of a cell are columns: MEAN with its mean, HIGH and LOW with its box, SPREAD with its deviations
(σ of the scores by the triangle inequality) or its covariance (their variance); of a key, MEAN alone.
"""

from __future__ import annotations

import heapq
from math import exp, inf, sqrt
from typing import Any

import numpy as np
from numba import njit

from .compiled import OPTIONS
from .compiled_products import product

UNSEEN, FRONTIER, OPENED = 0, 1, 2
MEAN, HIGH, LOW, SPREAD = 0, 1, 2, 3
# How the variance of a cell's scores is known.
NO_VARIANCE, DIAGONAL, SPECTRAL, FULL = 0, 1, 2, 3
# Exponents above this leave the range of the estimates: the row is walked again with a larger shift.
_HIGHEST = 600.0
# Products by linearity are combined in at most this many roundings, and bounds on errors in fewer still.
_ROUNDINGS = 2.0**-50
_SLACK = 1.0 + 2.0**-40
# What underflow can add to a product of vectors with fewer than 2⁶⁰ components.
_UNDERFLOW = 2.0**-1000
# Count, radius, error of the mean, largest deviation.
_SCALARS_OF_A_CELL = 4


@njit(**OPTIONS)
def _box(query: Any, row: int, low: Any, high: Any, cell: int) -> Any:
    """(Σ max(q·low, q·high), Σ min(…)) over the components: d products each, exact choices, a sum in sequence."""
    largest, smallest = 0.0, 0.0
    for index in range(query.shape[1]):
        q = query[row, index]
        a, b = q * low[cell, index], q * high[cell, index]
        largest += a if a > b else b
        smallest += b if a > b else a
    return largest, smallest


@njit(**OPTIONS)
def _triangle(query: Any, row: int, deviation: Any, cell: int) -> float:
    total = 0.0
    for index in range(query.shape[1]):
        total += abs(query[row, index]) * deviation[cell, index]
    return total


@njit(**OPTIONS)
def _quadratic(query: Any, row: int, covariance: Any, cell: int) -> float:
    total = 0.0
    for index in range(query.shape[1]):
        total += query[row, index] * product(query, row, covariance[cell], index)
    return total


@njit(**OPTIONS)
def _estimate(cells: Any, cell: int, values: Any, norm: float, scale: float, shift: float, bound: Any) -> Any:
    """(largest score, mass, mass around the mean, its deviation): masses in units of e^shift.

    The same bounds as `certify.search.cell_bounds`, without their rounding.
    """
    uses_ball, uses_box, uses_chord, variance_kind = bound
    count = cells.size[cell]
    reach = norm * cells.radius[cell] * scale if uses_ball else inf
    mean = values[MEAN] * scale
    upper, lower = mean + reach, mean - reach
    if uses_box:
        upper, lower = min(upper, values[HIGH] * scale), max(lower, values[LOW] * scale)
    upper = max(upper, mean)
    deviation = 0.0
    if variance_kind == DIAGONAL:
        deviation = values[SPREAD] * scale
    elif variance_kind == SPECTRAL:
        deviation = cells.spectral[cell] * norm * scale
    elif variance_kind == FULL:
        deviation = sqrt(max(values[SPREAD], 0.0)) * scale
    if variance_kind != NO_VARIANCE:
        upper = min(upper, mean + deviation * sqrt(count - 1.0))
    around = exp(min(mean - shift, _HIGHEST))
    highest = exp(min(upper - shift, _HIGHEST))
    mass = highest
    if uses_chord and lower < mean < upper:
        share = (mean - lower) / (upper - lower)
        mass = min(mass, share * highest + (1.0 - share) * exp(min(lower - shift, _HIGHEST)))
    beta = upper - mean
    if variance_kind != NO_VARIANCE and beta > 1e-12:
        ratio = (deviation / beta) ** 2
        mass = min(mass, (ratio * highest + around * exp(-deviation * deviation / beta)) / (1.0 + ratio))
    return upper, count * mass, count * around, deviation


@njit(**OPTIONS)
def _attended_counts(attended: Any, cells: Any, n: int, counts: Any) -> None:
    """How many attended keys each node has; a cell's children come before it."""
    for key in range(n):
        counts[key] = 1 if attended[key] else 0
    for cell in range(cells.size.size):
        total = 0
        for place in range(cells.child_start[cell], cells.child_start[cell + 1]):
            total += counts[cells.child[place]]
        counts[n + cell] = total


@njit(**OPTIONS)
def walk(
    query: Any,
    norm: Any,
    scale: float,
    key: Any,
    key_error: Any,
    cells: Any,
    attended: Any,
    bound: Any,
    pooled: bool,
    linearity: bool,
    means: bool,
    aim: float,
    budget: int,
) -> Any:
    """(state, values, error, counts) of the walk of every query [m, d] float64 over the cells of key [n, d].

    norm [m] ‖query‖; key_error [n] and cells.mean_error [cells]: the error of a product per unit of the norm.
    cells: a record of arrays (certify.search.cells). attended bool [m, n], or [0, n] for all. bound: (ball, box,
    chord, variance kind). pooled: unopened keys count with the largest bound of all (T19) instead of their cell's
    (T20). linearity: the last child of an opened node follows from its mean. means: unopened cells are kept as their
    mean, so what counts is their excess over it. aim: the share of the tail to reach; budget: how many products with
    keys and cells to spend before giving up.
    state uint8 [m, n + cells], values float64 [m, n + cells, 4] in units of q·k, error [m, n + cells] of the MEAN
    column, counts int64 [m, 4]: products with keys, with means of cells, bytes read, whether it gave up.
    """
    m, n, nodes = query.shape[0], key.shape[0], key.shape[0] + cells.size.size
    state = np.zeros((m, nodes), dtype=np.uint8)
    values = np.zeros((m, nodes, 4))
    error = np.zeros((m, nodes))
    counts = np.zeros((m, 4), dtype=np.int64)
    size = np.empty(nodes, dtype=np.int64)
    size[:n] = 1
    size[n:] = cells.size
    present = size.copy()
    mass = np.empty(nodes)
    for row in range(m):
        if attended.shape[0] > 0:
            _attended_counts(attended[row], cells, n, present)
        shift = -inf
        while True:  # once, but for rows whose scores turn out to be far above the means of the first cells
            shift = _walk_row(
                query, row, norm[row], scale, key, key_error, cells, bound, pooled, linearity, means, aim, budget,
                size, present, mass, state[row], values[row], error[row], counts[row], shift,
            )  # fmt: skip
            if shift == -inf:
                break
    return state, values, error, counts


@njit(**OPTIONS)
def _walk_row(
    query: Any, row: int, norm: float, scale: float, key: Any, key_error: Any, cells: Any, bound: Any, pooled: bool,
    linearity: bool, means: bool, aim: float, budget: int, size: Any, present: Any, mass: Any, state: Any, values: Any,
    error: Any, counts: Any, shift: float,
) -> Any:  # fmt: skip
    """One row. Returns −∞ when done, or the shift with which the row must be walked again."""
    _, uses_box, _, variance_kind = bound
    n, d = key.shape
    waiting = [(0.0, 0)]
    waiting.clear()
    queue = [0]
    queue.clear()
    state[:] = UNSEEN
    counts[:] = 0
    for root in cells.root:
        queue.append(root)
    parent = -1
    # known: Σ e^s of the keys that have a score, and of the means of unopened cells where those are kept.
    frontier_mass, known, recompute_below = 0.0, 0.0, inf
    unopened, keys_known = 0, 0
    while True:
        # Look at the nodes in the queue: the roots, or the children of `parent`.
        known_sum, known_size, known_error = 0.0, 0.0, 0.0
        derivable = parent >= 0 and linearity
        for node in queue:
            derivable = derivable and present[node] == size[node]
        index = 0
        while index < len(queue):
            node = queue[index]
            index += 1
            if present[node] == 0:
                continue
            if present[node] < size[node]:  # masked in part: its mean and its variance say nothing, so it opens unseen
                state[node] = OPENED
                for place in range(cells.child_start[node - n], cells.child_start[node - n + 1]):
                    queue.append(cells.child[place])
                continue
            if derivable and index == len(queue):
                total = size[parent] * values[parent, MEAN]
                values[node, MEAN] = (total - known_sum) / size[node]
                rounding = (abs(total) + known_size) * (len(queue) + 3) * _ROUNDINGS
                error[node] = (size[parent] * error[parent] + known_error + rounding) / size[node] * _SLACK + _UNDERFLOW
            elif node < n:
                values[node, MEAN] = product(query, row, key, node)
                error[node] = norm * key_error[node] * _SLACK + _UNDERFLOW
                counts[0] += 1
                counts[2] += d * key.itemsize
            else:
                values[node, MEAN] = product(query, row, cells.mean, node - n)
                error[node] = norm * cells.mean_error[node - n] * _SLACK + _UNDERFLOW
                counts[1] += 1
                counts[2] += d * 8
            if node >= n:
                cell = node - n
                counts[2] += 8 * _SCALARS_OF_A_CELL
                if uses_box:
                    values[node, HIGH], values[node, LOW] = _box(query, row, cells.low, cells.high, cell)
                    counts[2] += 2 * d * 8
                if variance_kind == DIAGONAL:
                    values[node, SPREAD] = _triangle(query, row, cells.deviation, cell)
                    counts[2] += d * 8
                elif variance_kind == FULL:
                    values[node, SPREAD] = _quadratic(query, row, cells.covariance, cell)
                    counts[2] += d * d * 8
            known_sum += size[node] * values[node, MEAN]
            known_size += abs(size[node] * values[node, MEAN])
            known_error += size[node] * error[node]
            state[node] = FRONTIER
            if shift == -inf or values[node, MEAN] * scale > shift + _HIGHEST - 100.0:
                return values[node, MEAN] * scale
            if node < n:
                known += exp(values[node, MEAN] * scale - shift)
                keys_known += 1
                continue
            upper, found, around, deviation = _estimate(cells, node - n, values[node], norm, scale, shift, bound)
            if means:
                found = min(found, max(found - around, 0.0) + 0.5 * around * deviation)
                known += around
            mass[node] = found
            frontier_mass += found
            unopened += size[node]
            heapq.heappush(waiting, (-upper if pooled else -found / size[node], node))
        queue.clear()
        if len(waiting) == 0:
            return -inf
        if frontier_mass < recompute_below:  # a sum that has shrunk by cancellation is taken again from its terms
            frontier_mass = 0.0
            for _, node in waiting:
                frontier_mass += mass[node]
            recompute_below = 0.5 * frontier_mass
        tail = frontier_mass
        if pooled:
            tail = unopened * exp(min(-waiting[0][0] - shift, _HIGHEST))
        if keys_known > 0 and tail <= aim * (known if means else tail + known):
            return -inf
        if counts[0] + counts[1] >= budget:
            counts[3] = 1
            return -inf
        _, parent = heapq.heappop(waiting)
        frontier_mass -= mass[parent]
        unopened -= size[parent]
        if means:
            known -= size[parent] * exp(values[parent, MEAN] * scale - shift)
        state[parent] = OPENED
        for place in range(cells.child_start[parent - n], cells.child_start[parent - n + 1]):
            queue.append(cells.child[place])
