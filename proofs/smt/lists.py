"""Concrete short lists for z3: weights, values, and all ways to keep some of the keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import sympy as sp


def positive(name: str, count: int) -> tuple[sp.Symbol, ...]:
    """`count` positive symbols, numbered from 1."""
    return tuple(sp.Symbol(f"{name}{index}", positive=True) for index in range(1, count + 1))


def real(name: str, count: int) -> tuple[sp.Symbol, ...]:
    """`count` real symbols, numbered from 1."""
    return tuple(sp.Symbol(f"{name}{index}", real=True) for index in range(1, count + 1))


def splits(most: int, least: int = 2) -> Iterator[tuple[int, int]]:
    """Every (n, k) with least ≤ n ≤ most and 1 ≤ k < n; the kept keys are the first k."""
    return ((n, k) for n in range(least, most + 1) for k in range(1, n))


def other_subsets(n: int, k: int) -> Iterator[tuple[int, ...]]:
    """All k-subsets of 0…n−1 but the first."""
    return (subset for subset in combinations(range(n), k) if subset != tuple(range(k)))


def total(terms: Sequence[sp.Expr]) -> sp.Expr:
    """Their sum."""
    return sp.Add(*terms)


def dot(left: Sequence[sp.Expr], right: Sequence[sp.Expr]) -> sp.Expr:
    """Σ left_i right_i."""
    return sp.Add(*(a * b for a, b in zip(left, right, strict=True)))
