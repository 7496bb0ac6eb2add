"""Cells of keys, and what is known of each: count, mean, radius, box, covariance, all rounded outward (T22).

A cell's keys are cut by scikit-learn: k-means or bisecting k-means into a flat partition, or Ward's agglomeration into
a binary tree whose leaves are the keys. Nothing depends on how good the cut is; any cut gives sound summaries.

Rounding, u = 2⁻⁵³, for a cell of c keys in d components. m̂ is the computed mean, m the real one:

    mean_error   ‖m̂ − m‖ ≤ (c + 3)u·‖mean |k|‖: c − 1 additions and a division, and |k|'s own mean; then the product
                 with the query adds γ_d‖m̂‖ to it (both per unit of ‖q‖)
    radius       max ‖k − m̂‖, (d + 8) roundings, plus ‖m̂ − m‖: it holds around the real mean
    low, high    exact
    deviation    per component √(mean (k − m̂)²), c + 8 roundings; a second moment about any point is at least
                 the variance
    covariance   of k − m̂, likewise at least the real one; its entries are off by (c + 4)u·σ_a σ_b
    spectral     √λ, λ at least the largest eigenvalue of the covariance (`_largest_eigenvalue`)
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import AgglomerativeClustering, BisectingKMeans, KMeans
from sklearn.exceptions import ConvergenceWarning

from certify.errors import BadInput, BadScores
from certify.scores import Floats
from certify.search.inputs import exact_keys
from certify.tensors import Array

__all__ = ["CellIndex", "Cells", "KeyCells", "Method", "build_cells", "cells_of"]

Method = Literal["kmeans", "bisecting", "ward"]
Integers = NDArray[np.int64]

U2 = 2.0**-52  # two units, so that a count of roundings times it also covers how the factor itself is rounded
# The root of what underflows in a sum of squares, and what underflows in a product.
UNDERFLOW_OF_ROOT = 2.0**-520
UNDERFLOW = 2.0**-1000
# Ward's agglomeration looks at every pair of keys.
MOST_KEYS_OF_A_TREE = 8192
_CELLS_AT_A_TIME = 256


class Cells(NamedTuple):
    """The cells of one key matrix [n, d], as arrays: what the compiled walk reads. Floats are float64.

    A cell comes after the cells inside it. child_start [cells + 1] and child list each cell's children: keys 0 … n − 1
    or cell j as n + j; root lists the nodes to begin with. Arrays that a bound does not need have length 0.
    """

    size: Integers
    child_start: Integers
    child: Integers
    root: Integers
    mean: Floats
    mean_error: Floats
    radius: Floats
    low: Floats
    high: Floats
    deviation: Floats
    spectral: Floats
    covariance: Floats


@dataclass(frozen=True, eq=False)
class KeyCells:
    """One key matrix [n, d] with a partition of its keys into cells, a tree of them, or both."""

    key: Array
    child_start: Integers
    child: Integers
    root: Integers
    members: Integers  # the keys of every cell, cell after cell
    start: Integers  # where each cell's members start

    @property
    def count(self) -> Integers:
        return np.diff(np.append(self.start, len(self.members)))

    @cached_property
    def exact(self) -> Floats:
        return self.key.astype(np.float64)

    @cached_property
    def key_norm(self) -> Floats:
        """‖k‖ [n], rounded up."""
        d = self.key.shape[-1]
        squares: Floats = np.einsum("nd,nd->n", self.exact, self.exact)
        norm: Floats = np.sqrt(squares) * (1.0 + (d + 8) * U2) + UNDERFLOW_OF_ROOT
        return norm

    @cached_property
    def key_error(self) -> Floats:
        """|fl(q·k) − q·k| / ‖q‖ [n]: γ_d‖k‖, rounded up (T22)."""
        error: Floats = self.key_norm * ((self.key.shape[-1] + 4) * U2)
        return error

    @cached_property
    def mean(self) -> Floats:
        mean: Floats = np.add.reduceat(self.exact[self.members], self.start, axis=0) / self.count[:, None]
        return mean

    @cached_property
    def mean_distance(self) -> Floats:
        """‖m̂ − m‖ [cells], rounded up."""
        sizes = np.add.reduceat(np.abs(self.exact)[self.members], self.start, axis=0) / self.count[:, None]
        return _norm(sizes) * ((self.count + 8) * U2) + UNDERFLOW

    @cached_property
    def mean_error(self) -> Floats:
        """|fl(q·m̂) − q·m| / ‖q‖ [cells], rounded up."""
        d = self.key.shape[-1]
        error: Floats = (_norm(self.mean) * ((d + 4) * U2) + self.mean_distance) * (1.0 + 4 * U2)
        return error

    @cached_property
    def radius(self) -> Floats:
        """max ‖k − m‖ [cells] around the real mean, rounded up."""
        distances = _norm(self._offsets)
        return (np.maximum.reduceat(distances, self.start) + self.mean_distance) * (1.0 + 4 * U2)

    @cached_property
    def low(self) -> Floats:
        low: Floats = np.minimum.reduceat(self.exact[self.members], self.start, axis=0)
        return low

    @cached_property
    def high(self) -> Floats:
        high: Floats = np.maximum.reduceat(self.exact[self.members], self.start, axis=0)
        return high

    @cached_property
    def box_norm(self) -> Floats:
        """‖max(|low|, |high|)‖ [cells], rounded up: what the error of a product with the box is proportional to."""
        return _norm(np.maximum(np.abs(self.low), np.abs(self.high)))

    @cached_property
    def deviation(self) -> Floats:
        """The deviation of each component [cells, d], rounded up."""
        squares = np.add.reduceat(self._offsets**2, self.start, axis=0) / self.count[:, None]
        found: Floats = np.sqrt(squares) * (1.0 + (self.count[:, None] + 8) * U2) + UNDERFLOW_OF_ROOT
        return found

    @cached_property
    def covariance(self) -> Floats:
        """[cells, d, d], rounded to nearest; what is missing is added where it is used (`variance_excess`)."""
        d = self.key.shape[-1]
        found = np.empty((len(self.start), d, d))
        ends = np.append(self.start, len(self.members))
        for cell in range(len(self.start)):
            part = self._offsets[ends[cell] : ends[cell + 1]]
            found[cell] = part.T @ part / len(part)
        return found

    @cached_property
    def variance_excess(self) -> Floats:
        """(qᵀCq − fl(qᵀĈq)) / ‖q‖² ≤ this [cells]: the entries' own rounding, and that of the form, T22.

        |Ĉ_ab − C_ab| ≤ (c + 4)u σ_a σ_b, the form has 2d + 2 roundings of terms |q_a||Ĉ_ab||q_b|, and by Cauchy–Schwarz
        Σ|q_a|σ_a ≤ ‖q‖·√trace.
        """
        d = self.key.shape[-1]
        trace = np.sum(self.deviation**2, axis=-1) * (1.0 + (d + 8) * U2)
        excess: Floats = trace * ((self.count + 2 * d + 16) * U2) + UNDERFLOW
        return excess

    @cached_property
    def spectral(self) -> Floats:
        """√λ [cells], λ ≥ the largest eigenvalue of the covariance, rounded up."""
        found = np.empty(len(self.start))
        for start in range(0, len(found), _CELLS_AT_A_TIME):
            part = slice(start, start + _CELLS_AT_A_TIME)
            found[part] = _largest_eigenvalue(self.covariance[part])
        return np.sqrt(found + self.variance_excess) * (1.0 + 4 * U2)

    @cached_property
    def _offsets(self) -> Floats:
        """k − m̂ of every member, one rounding a component."""
        return self.exact[self.members] - np.repeat(self.mean, self.count, axis=0)


@dataclass(frozen=True, eq=False)
class CellIndex:
    """Cells for every key matrix of key [*kv, n, d], in C order of *kv."""

    given: Array  # the caller's own array
    key: Array
    method: Method
    groups: tuple[KeyCells, ...]


def build_cells(key: ArrayLike, method: Method = "kmeans", *, count: int | None = None, seed: int = 0) -> CellIndex:
    """Cut the keys [*kv, n, d] of every key head into cells, by scikit-learn.

    method: "kmeans" and "bisecting" make `count` cells (default n/8, at least one); "ward" makes a binary tree of
    cells down to single keys, and takes no count. Cells that k-means leaves empty are left out; equal keys make fewer
    cells, never an error. Raises BadInput for a count outside 1..n, or a tree of more than 8192 keys; BadScores for
    keys that are NaN, infinite, or of no float dtype.
    """
    keys = exact_keys(key)
    n = keys.shape[-2]
    if method not in ("kmeans", "bisecting", "ward"):
        raise BadInput(f"method = {method!r}; use kmeans, bisecting or ward")
    if count is not None and (isinstance(count, bool) or not isinstance(count, int | np.integer)):
        raise BadInput(f"count = {count!r} is not a whole number of cells")
    if method == "ward" and count is not None:
        raise BadInput(f"count = {count} with method ward: the tree goes down to single keys, so leave count out")
    if method == "ward" and n > MOST_KEYS_OF_A_TREE:
        raise BadInput(
            f"a tree over {n} keys compares all pairs; at most {MOST_KEYS_OF_A_TREE}: use kmeans or bisecting"
        )
    if count is not None and not 1 <= count <= n:
        raise BadInput(f"count = {count} cells for {n} keys; give 1 to {n}")
    cells = count if count is not None else max(1, n // 8)
    flat = keys.reshape(-1, *keys.shape[-2:])
    groups = tuple(_tree(one) if method == "ward" else _partition(one, method, cells, seed) for one in flat)
    return CellIndex(np.asarray(key), keys, method, groups)


def cells_of(key: ArrayLike, cells: CellIndex | None) -> CellIndex:
    """The cells if they are those of this key, or new ones where there are none. Raises BadScores.

    The very array that the cells were built from is not looked at again.
    """
    if cells is None:
        return build_cells(key)
    if key is not cells.given:
        keys = exact_keys(key)
        if cells.key.shape != keys.shape or not np.array_equal(cells.key, keys):
            raise BadScores(
                f"the cells were built from other keys {cells.key.shape} than these {keys.shape}; rebuild them"
            )
    return cells


def _partition(key: Array, method: Method, count: int, seed: int) -> KeyCells:
    exact = key.astype(np.float64)
    if count == 1:
        labels = np.zeros(len(key), dtype=np.intp)
    else:
        # Squared distances of tiny keys would underflow, and all of them look equal.
        exact = np.ldexp(exact, -int(np.frexp(np.abs(exact).max())[1]))
        # The largest cell is cut, not the widest: rounding can make a single key the widest, which cannot be cut.
        cut: Any = (
            KMeans(count, n_init=1, random_state=seed)
            if method == "kmeans"
            else BisectingKMeans(count, n_init=1, random_state=seed, bisecting_strategy="largest_cluster")
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # equal keys: fewer cells are found, and that is right
            labels = cut.fit(exact).labels_
    members = np.argsort(labels, kind="stable").astype(np.int64)
    _, start = np.unique(labels[members], return_index=True)
    cells = len(start)
    start = start.astype(np.int64)
    root = np.arange(len(key), len(key) + cells, dtype=np.int64)
    return KeyCells(key, np.append(start, len(key)), members, root, members, start)


def _tree(key: Array) -> KeyCells:
    n = len(key)
    if n == 1:
        zero = np.zeros(1, dtype=np.int64)
        return KeyCells(key, np.array([0, 1], dtype=np.int64), zero, np.array([1], dtype=np.int64), zero, zero)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # as many keys as components could be a distance matrix, SciPy says
        exact = key.astype(np.float64)
        cut = AgglomerativeClustering(n_clusters=None, distance_threshold=0.0, linkage="ward").fit(exact)
    pairs = cut.children_.astype(np.int64)
    inside: list[NDArray[np.int64]] = [np.array([i], dtype=np.int64) for i in range(n)]
    for node, (left, right) in enumerate(pairs):
        if len(inside[left]) > len(inside[right]):  # the larger child last: the linearity trick divides by its count
            pairs[node] = right, left
        inside.append(np.concatenate([inside[left], inside[right]]))
    members = np.concatenate(inside[n:])
    start = np.cumsum([0, *(len(keys) for keys in inside[n:-1])]).astype(np.int64)
    child_start = np.arange(0, 2 * len(pairs) + 1, 2, dtype=np.int64)
    return KeyCells(key, child_start, pairs.ravel(), np.array([2 * n - 2], dtype=np.int64), members, start)


def _norm(vectors: Floats) -> Floats:
    """‖v‖ of float64 vectors [*, d], rounded up; each component may itself have been rounded once."""
    d = vectors.shape[-1]
    norm: Floats = np.sqrt(np.sum(vectors**2, axis=-1)) * (1.0 + (d + 8) * U2) + UNDERFLOW_OF_ROOT
    return norm


def _largest_eigenvalue(matrices: Floats) -> Floats:
    """≥ the largest eigenvalue of every symmetric positive semidefinite matrix A [*, d, d], and ≥ 0.

    With V the computed eigenvectors and x = Vy: xᵀAx = yᵀ(VᵀAV)y ≤ G‖y‖² and ‖x‖² ≥ g‖y‖², G the largest and g the
    smallest Gershgorin bound of VᵀAV and VᵀV; so λ ≤ G/g. V need not be orthogonal, only near enough that g > 0.
    Both products are off by at most γ_2d|Vᵀ||A||V| and γ_d|Vᵀ||V|, whose rows sum to at most 2d·d²u·trace and 2d·d·u.
    """
    d = matrices.shape[-1]
    vectors = np.linalg.eigh(matrices)[1]
    turned = np.swapaxes(vectors, -1, -2)
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    greatest = np.max(np.sum(np.abs(turned @ matrices @ vectors), axis=-1), axis=-1)
    greatest = greatest * (1.0 + d * U2) + trace * (4.0 * d**3 * U2)
    gram = np.abs(turned @ vectors)
    diagonal = np.diagonal(gram, axis1=-2, axis2=-1)
    least = np.min(2.0 * diagonal - np.sum(gram, axis=-1), axis=-1) - 4.0 * d**2 * U2
    bound = greatest / least * (1.0 + 4 * U2)
    # Where the eigenvectors are unusable the trace is a bound too.
    usable = (least > 0.5) & (np.max(diagonal, axis=-1) < 1.5) & np.isfinite(bound)
    found: Floats = np.where(usable, bound, trace * (1.0 + d * U2)) + UNDERFLOW
    return found
