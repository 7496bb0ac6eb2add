"""T15 for z3: every shape of spanning tree on up to six points, over all distances at once.

A tree with no improving exchange is a maximum spanning tree. For one tree of each shape (points may be renamed) z3
proves that its lightest edge
equals the least, over all partitions into two non-empty sets, of the greatest distance across.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import sympy as sp

from proofs.smt.query import Query

Edge = tuple[int, int]


def shapes(n: int) -> Iterator[tuple[Edge, ...]]:
    """One labelled tree per isomorphism class on n points: point i > 0 hangs on some earlier point."""
    seen: set[tuple[object, ...]] = set()
    for parents in product(*(range(point) for point in range(1, n))):
        tree = tuple((parent, point) for point, parent in enumerate(parents, start=1))
        form = min(_rooted_form(tree, root, -1) for root in range(n))
        if form not in seen:
            seen.add(form)
            yield tree


def _rooted_form(tree: tuple[Edge, ...], root: int, parent: int) -> tuple[object, ...]:
    neighbours = [b if a == root else a for a, b in tree if root in (a, b)]
    return tuple(sorted((_rooted_form(tree, child, root) for child in neighbours if child != parent), key=repr))


def _side_of(tree: tuple[Edge, ...], removed: Edge, start: int) -> frozenset[int]:
    """The points still connected to `start` once an edge is removed."""
    reached = {start}
    grew = True
    while grew:
        joined = {point for edge in tree if edge != removed and reached & set(edge) for point in edge}
        grew = not joined <= reached
        reached |= joined
    return frozenset(reached)


def _crossing(n: int, side: frozenset[int]) -> list[Edge]:
    return [edge for edge in combinations(range(n), 2) if len(side & set(edge)) == 1]


def best_partition() -> tuple[Query, ...]:
    """T15 for n ≤ 6."""

    def one(n: int, tree: tuple[Edge, ...], number: int) -> Query:
        distance = {edge: sp.Symbol(f"d_{edge[0]}_{edge[1]}", nonnegative=True) for edge in combinations(range(n), 2)}
        maximal = tuple(
            sp.Ge(distance[removed], distance[other])
            for removed in tree
            for other in _crossing(n, _side_of(tree, removed, removed[0]))
            if other != removed
        )
        sides = [frozenset(rest) for size in range(1, n) for rest in combinations(range(n), size) if 0 in rest]
        lightest = sp.Symbol("e", nonnegative=True)
        is_lightest = (
            sp.And(*(sp.Le(lightest, distance[edge]) for edge in tree)),
            sp.Or(*(sp.Eq(lightest, distance[edge]) for edge in tree)),
        )
        reached = [sp.Or(*(sp.Ge(distance[edge], lightest) for edge in _crossing(n, side))) for side in sides]
        attained = sp.Or(*(sp.And(*(sp.Le(distance[edge], lightest) for edge in _crossing(n, side))) for side in sides))
        return Query("T15", f"{n} points, tree {number}", (*maximal, *is_lightest), sp.And(attained, *reached))

    return tuple(one(n, tree, number) for n in range(3, 7) for number, tree in enumerate(shapes(n), start=1))
