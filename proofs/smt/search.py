"""T18–T22 for z3: the algebra of stopping rules, cell bounds, exact top-k, and perturbed scores."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.smt.lists import dot, other_subsets, positive, real, splits, total
from proofs.smt.query import Query

H, S, U = sp.Symbol("H", positive=True), sp.Symbol("S", nonnegative=True), sp.Symbol("U", nonnegative=True)
c, r = sp.Symbol("c", positive=True), sp.Symbol("r", nonnegative=True)
eps = sp.Symbol("eps", positive=True)


def excess_and_claim() -> tuple[Query, ...]:
    """T18: (1 − ε)T − εH ≤ 0 is the claim τ ≤ ε, and keeping more keys keeps it true."""
    x = sp.Symbol("x", nonnegative=True)
    claim = sp.Le(statements.tail_mass(H, S), eps)
    more = sp.Le(statements.tail_mass(H + x, S), eps)
    return (
        Query("T18", "ΣY ≤ 0 is the claim", (), sp.Equivalent(sp.Le((1 - eps) * S - eps * H, 0), claim)),
        Query("T18", "the top-k contain the threshold set", (sp.Le((1 - eps) * (S + x) - eps * H, 0),), more),
    )


def gap_search() -> tuple[Query, ...]:
    """T19: soundness of the stopping rule, and that its bound falls with k."""
    x = sp.Symbol("x", nonnegative=True)
    bound = statements.multi_gap_bound(H, S, r, c)
    return (
        Query(
            "T19", "stopping is sound", (sp.Le(U, r * c), sp.Le(bound, eps)), sp.Le(statements.tail_mass(H, S + U), eps)
        ),
        Query(
            "T19",
            "more kept, smaller bound",
            (),
            sp.Ge(statements.multi_gap_bound(H, S + x, r, c), statements.multi_gap_bound(H + x, S, r, c)),
        ),
        Query("T19", "all scored and kept: it ends", (sp.Eq(r, 0), sp.Eq(S, 0)), sp.Eq(bound, 0)),
    )


def mass_search() -> tuple[Query, ...]:
    """T20: soundness with three cells, τ̂ never rises, and ball and box bound every key of the cell."""
    sizes, tops = positive("n", 3), positive("U", 3)
    masses = tuple(sp.Symbol(f"M{index}", nonnegative=True) for index in range(1, 4))
    capped = tuple(sp.Le(mass, size * top) for mass, size, top in zip(masses, sizes, tops, strict=True))
    x, y, cap = (sp.Symbol(name, nonnegative=True) for name in ("x", "y", "B"))
    bound = statements.search_bound(H, S, dot(sizes, tops))

    def ball(dimension: int) -> Query:
        q, key, centre = real("q", dimension), real("k", dimension), real("c", dimension)
        radius, norm = sp.Symbol("r", nonnegative=True), sp.Symbol("N", nonnegative=True)
        offset = [a - b for a, b in zip(key, centre, strict=True)]
        known = (sp.Eq(norm**2, dot(q, q)), sp.Le(dot(offset, offset), radius**2))
        return Query("T20", f"ball in dimension {dimension}", known, sp.Le(dot(q, key), dot(q, centre) + norm * radius))

    def box(dimension: int) -> Query:
        q, key, low, high = (real(name, dimension) for name in ("q", "k", "lo", "hi"))
        known = tuple(sp.And(sp.Le(a, x), sp.Le(x, b)) for a, x, b in zip(low, key, high, strict=True))
        greatest = total([sp.Max(a * x, a * b) for a, x, b in zip(q, low, high, strict=True)])
        return Query("T20", f"box in dimension {dimension}", known, sp.Le(dot(q, key), greatest))

    return (
        Query(
            "T20",
            "sound on termination",
            (*capped, sp.Le(bound, eps)),
            sp.Le(statements.tail_mass(H, S + total(masses)), eps),
        ),
        Query(
            "T20",
            "opening a cell never raises τ̂",
            (sp.Le(x + y, cap),),
            sp.Le(statements.search_bound(H + x, S + y, r), statements.search_bound(H, S, r + cap)),
        ),
        *(ball(dimension) for dimension in (1, 2)),
        *(box(dimension) for dimension in (1, 2, 3)),
    )


def exact_top_k() -> tuple[Query, ...]:
    """T21: for n ≤ 6, a kept set above its tail has at least the mass of any other k keys; and bounds on unscored
    keys suffice.
    """

    def one(n: int, k: int) -> Query:
        w = positive("w", n)
        above = tuple(sp.Ge(x, y) for x in w[:k] for y in w[k:])
        others = [sp.Ge(total(w[:k]), total([w[index] for index in subset])) for subset in other_subsets(n, k)]
        return Query("T21", f"n = {n}, k = {k}", above, sp.And(*others))

    least, score, top = (sp.Symbol(name, real=True) for name in ("s_k", "s_j", "U_j"))
    unscored = Query(
        "T21",
        "the k-th scored value reaches every cell's bound",
        (sp.Ge(least, top), sp.Le(score, top)),
        sp.Ge(least, score),
    )
    strict = Query(
        "T21", "and beyond it: no ties to break", (sp.Gt(least, top), sp.Le(score, top)), sp.Gt(least, score)
    )
    return (unscored, strict, *(one(n, k) for n, k in splits(6)))


def perturbation() -> tuple[Query, ...]:
    """T22 with E = e^δ ≥ 1: τ's bound, the distance (E − 1)/(E + 1), its two keys, and the induction step of γ_d."""
    E, true_H, true_T = sp.Symbol("E", positive=True), sp.Symbol("V", positive=True), sp.Symbol("W", positive=True)
    a, b, a2, b2 = (sp.Symbol(name, positive=True) for name in ("a", "b", "a2", "b2"))
    u, d, g = sp.Symbol("u", positive=True), sp.Symbol("d", positive=True), sp.Symbol("g", nonnegative=True)
    between = (sp.Ge(E, 1), sp.Ge(a2 * E, a), sp.Le(a2, a * E), sp.Ge(b2 * E, b), sp.Le(b2, b * E))
    distance = a / (a + b) - a2 / (a2 + b2)
    limit = (E - 1) / (E + 1)
    step = sp.Le((1 + g) * (1 + u) - 1, statements.accumulated_rounding(d + 1, u))
    return (
        Query(
            "T22",
            "the bound on τ",
            (sp.Ge(E, 1), sp.Ge(true_H * E, H), sp.Le(true_T, S * E)),
            sp.Le(statements.tail_mass(true_H, true_T), statements.tail_mass(H / E, S * E)),
        ),
        Query("T22", "the distance on any set", between, sp.Le(distance, limit)),
        Query(
            "T22",
            "attained by two keys",
            (sp.Gt(E, 1), sp.Eq(a, E * b), sp.Eq(a2 * E, a), sp.Eq(b2, b * E)),
            sp.Eq(distance, limit),
        ),
        Query(
            "T22", "one more rounding", (sp.Lt((d + 1) * u, 1), sp.Le(g, statements.accumulated_rounding(d, u))), step
        ),
    )
