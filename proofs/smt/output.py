"""T10–T14 for z3: the output error in one coordinate (or along the unit vector that points at it), aggregated and key
by key.
"""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.smt.lists import dot, positive, real, splits, total
from proofs.smt.query import Query

H, T = sp.Symbol("H", positive=True), sp.Symbol("T", positive=True)
TAU = statements.tail_mass(H, T)
MEAN_H, MEAN_T, centre = (sp.Symbol(name, real=True) for name in ("mu_H", "mu_T", "c"))
RHO_H, RHO_T = sp.Symbol("rho_H", nonnegative=True), sp.Symbol("rho_T", nonnegative=True)
ERROR = sp.Abs(TAU * (MEAN_T - MEAN_H))


def head_tail_factorisation() -> tuple[Query, ...]:
    """T10: aggregated, and for every n ≤ 6 and k."""
    a_h, a_t = sp.Symbol("A_H", real=True), sp.Symbol("A_T", real=True)

    def one(n: int, k: int) -> Query:
        w, v = positive("w", n), real("v", n)
        kept, tail, mass = total(w[:k]), total(w[k:]), total(w)
        error = dot(w, v) / mass - dot(w[:k], v[:k]) / kept
        return Query(
            "T10",
            f"n = {n}, k = {k}",
            (),
            sp.Eq(error, tail / mass * (dot(w[k:], v[k:]) / tail - dot(w[:k], v[:k]) / kept)),
        )

    aggregated = Query("T10", "all n", (), sp.Eq((a_h + a_t) / (H + T) - a_h / H, TAU * (a_t / T - a_h / H)))
    return (aggregated, *(one(n, k) for n, k in splits(6)))


def norm_bound() -> tuple[Query, ...]:
    """T11: aggregated from the means' distances to the centre, and for n ≤ 4 from the keys'."""

    def one(n: int, k: int) -> Query:
        w, v = positive("w", n), real("v", n)
        near = [sp.Le(sp.Abs(x - centre), RHO_H) for x in v[:k]] + [sp.Le(sp.Abs(x - centre), RHO_T) for x in v[k:]]
        mass, kept = total(w), total(w[:k])
        scaled_error = sp.Abs(dot(w, v) * kept - dot(w[:k], v[:k]) * mass)
        bound = statements.recentred_norm_bound(total(w[k:]), RHO_H, RHO_T) * kept
        return Query("T11", f"n = {n}, k = {k}", tuple(near), sp.Le(scaled_error, bound))

    near_means = (sp.Le(sp.Abs(MEAN_H - centre), RHO_H), sp.Le(sp.Abs(MEAN_T - centre), RHO_T))
    return (
        Query("T11", "all n", near_means, sp.Le(ERROR, statements.recentred_norm_bound(TAU, RHO_H, RHO_T))),
        Query(
            "T11",
            "2Cτ is the case c = 0",
            (sp.Le(sp.Abs(MEAN_H), RHO_H), sp.Le(sp.Abs(MEAN_T), RHO_H)),
            sp.Le(ERROR, statements.norm_bound(TAU, RHO_H)),
        ),
        *(one(n, k) for n, k in splits(4)),
    )


def diameter_bound() -> tuple[Query, ...]:
    """T12: for n ≤ 4, with D at least every distance between a kept and a tail value."""
    diam = sp.Symbol("D", nonnegative=True)

    def one(n: int, k: int) -> Query:
        w, v = positive("w", n), real("v", n)
        near = tuple(sp.Le(sp.Abs(x - y), diam) for x in v[:k] for y in v[k:])
        mass, kept = total(w), total(w[:k])
        scaled_error = sp.Abs(dot(w, v) * kept - dot(w[:k], v[:k]) * mass)
        return Query(
            "T12", f"n = {n}, k = {k}", near, sp.Le(scaled_error, statements.diameter_bound(total(w[k:]), diam) * kept)
        )

    aggregated = Query(
        "T12",
        "all n, from the means",
        (sp.Le(sp.Abs(MEAN_T - MEAN_H), diam),),
        sp.Le(ERROR, statements.diameter_bound(TAU, diam)),
    )
    return (aggregated, *(one(n, k) for n, k in splits(4)))


def variance_bound() -> tuple[Query, ...]:
    """T13: total variance and the bound aggregated for all n; the variance identity key by key for n ≤ 5."""
    var_H, var_T = sp.Symbol("V_H", nonnegative=True), sp.Symbol("V_T", nonnegative=True)
    variance = (1 - TAU) * var_H + TAU * var_T + TAU * (1 - TAU) * (MEAN_T - MEAN_H) ** 2

    def spread(weights: tuple[sp.Symbol, ...], values: tuple[sp.Symbol, ...]) -> sp.Expr:
        """W·Σ w v² − (Σ w v)²: the variance times W²."""
        return total(weights) * dot(weights, [x**2 for x in values]) - dot(weights, values) ** 2

    def one(n: int, k: int) -> Query:
        w, v = positive("w", n), real("v", n)
        kept, tail = total(w[:k]), total(w[k:])
        gap = kept * dot(w[k:], v[k:]) - tail * dot(w[:k], v[:k])
        inner = (kept + tail) * (spread(w[:k], v[:k]) * tail + spread(w[k:], v[k:]) * kept)
        return Query("T13", f"n = {n}, k = {k}", (), sp.Eq(spread(w, v) * kept * tail, inner + gap**2))

    return (
        Query(
            "T13", "all n", (), sp.Ge(statements.variance_bound_squared(TAU, variance), (TAU * (MEAN_T - MEAN_H)) ** 2)
        ),
        Query(
            "T13",
            "attained without inner variance",
            (sp.Eq(var_H, 0), sp.Eq(var_T, 0)),
            sp.Eq(statements.variance_bound_squared(TAU, variance), (TAU * (MEAN_T - MEAN_H)) ** 2),
        ),
        *(one(n, k) for n, k in splits(5)),
    )


def best_certificate() -> tuple[Query, ...]:
    """T14: the minimum of valid bounds is valid; the diameter is never worse than two radii; variance and diameter
    are not ordered.
    """
    error, x, y, z = (sp.Symbol(name, nonnegative=True) for name in ("e", "x", "y", "z"))
    v, u, diam = sp.Symbol("v", real=True), sp.Symbol("u", real=True), sp.Symbol("D", nonnegative=True)
    radii = (sp.Le(sp.Abs(v - centre), RHO_H), sp.Le(sp.Abs(u - centre), RHO_T), sp.Eq(diam, sp.Abs(v - u)))
    return (
        Query("T14", "minimum", (sp.Le(error, x), sp.Le(error, y), sp.Le(error, z)), sp.Le(error, sp.Min(x, y, z))),
        Query(
            "T14",
            "T12 ≤ T11",
            radii,
            sp.Le(statements.diameter_bound(TAU, diam), statements.recentred_norm_bound(TAU, RHO_H, RHO_T)),
        ),
    )
