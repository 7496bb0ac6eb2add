"""T6–T9 for z3: bounds from partial knowledge, aggregated for all n and key by key for short lists."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.smt.lists import dot, positive, real, splits, total
from proofs.smt.query import Query

H, T = sp.Symbol("H", positive=True), sp.Symbol("T", nonnegative=True)
k, m = sp.Symbol("k", positive=True), sp.Symbol("m", positive=True)
a, E = sp.Symbol("a", positive=True), sp.Symbol("E", positive=True)  # largest tail weight, e^Δ
TAU = statements.tail_mass(H, T)


def monotonicity() -> tuple[Query, ...]:
    """τ grows with the tail sum and falls with the kept sum: what T6–T8, T19, T20 and T22 rest on."""
    x = sp.Symbol("x", nonnegative=True)
    return (
        Query("T6", "τ grows with the tail", (), sp.Le(TAU, statements.tail_mass(H, T + x))),
        Query("T6", "τ falls with the kept", (), sp.Ge(TAU, statements.tail_mass(H + x, T))),
    )


def single_gap() -> tuple[Query, ...]:
    """T6, with e^(−Δ) = 1/E: aggregated for all n, key by key for n ≤ 7, its witness, and the gap that suffices."""
    bound = statements.tail_mass(k, m / E)
    eps = sp.Symbol("eps", positive=True)

    def one(n: int, kept: int) -> Query:
        w = positive("w", n)
        known = (sp.Ge(E, 1), *(sp.Ge(x, a * E) for x in w[:kept]), *(sp.Le(x, a) for x in w[kept:]))
        return Query(
            "T6",
            f"n = {n}, k = {kept}",
            known,
            sp.Le(total(w[kept:]) / total(w), statements.tail_mass(kept, (n - kept) / E)),
        )

    return (
        *monotonicity(),
        Query("T6", "all n", (sp.Ge(H, k * a * E), sp.Le(T, m * a)), sp.Le(TAU, bound)),
        Query("T6", "attained by two levels", (sp.Eq(H, k * a * E), sp.Eq(T, m * a)), sp.Eq(TAU, bound)),
        Query("T6", "the gap that suffices", (sp.Lt(eps, 1), sp.Ge(E * k * eps, m * (1 - eps))), sp.Le(bound, eps)),
        *(one(n, kept) for n, kept in splits(7)),
    )


def multi_gap() -> tuple[Query, ...]:
    """T7: aggregated, and for n ≤ 7 with one known and the rest unknown tail scores."""
    known, unknown, c, r = (sp.Symbol(name, positive=True) for name in ("B", "U", "c", "r"))

    def one(n: int, kept: int) -> Query:
        w = positive("w", n)
        bound = statements.multi_gap_bound(total(w[:kept]), w[kept], n - kept - 1, c)
        return Query(
            "T7",
            f"n = {n}, k = {kept}, M = k + 1",
            tuple(sp.Le(x, c) for x in w[kept + 1 :]),
            sp.Le(total(w[kept:]) / total(w), bound),
        )

    bound = statements.multi_gap_bound(H, known, r, c)
    return (
        Query("T7", "all n", (sp.Le(unknown, r * c),), sp.Le(statements.tail_mass(H, known + unknown), bound)),
        Query("T7", "attained", (sp.Eq(unknown, r * c),), sp.Eq(statements.tail_mass(H, known + unknown), bound)),
        Query(
            "T7",
            "sharper than T6",
            (sp.Ge(H, k * c * E), sp.Le(known, r * c)),
            sp.Le(bound, statements.tail_mass(k, 2 * r / E)),
        ),
        *(one(n, kept) for n, kept in splits(7, 3) if kept < n - 1),
    )


def blockwise() -> tuple[Query, ...]:
    """T8 for one, two and three blocks with real counts: both bounds."""

    def one(blocks: int) -> tuple[Query, Query]:
        kept, tail, h, t = (positive(name, blocks) for name in ("H", "T", "h", "t"))
        low, up = positive("L", blocks), positive("U", blocks)
        known = tuple(
            condition
            for b in range(blocks)
            for condition in (
                sp.Ge(kept[b], h[b] * low[b]),
                sp.Le(kept[b], h[b] * up[b]),
                sp.Ge(tail[b], t[b] * low[b]),
                sp.Le(tail[b], t[b] * up[b]),
            )
        )
        value = statements.tail_mass(total(kept), total(tail))
        return (
            Query("T8", f"upper, {blocks} blocks", known, sp.Le(value, statements.tail_mass(dot(h, low), dot(t, up)))),
            Query("T8", f"lower, {blocks} blocks", known, sp.Ge(value, statements.tail_mass(dot(h, up), dot(t, low)))),
        )

    return tuple(query for blocks in (1, 2, 3) for query in one(blocks))


def block_moments() -> tuple[Query, ...]:
    """T9 for blocks of up to six keys: the lines and parabolas of the exponential, given, add up to the bounds.

    e_i stands for e^{s_i}; that e^s lies above its tangent, below its chord and below the Bennett parabola is derived
    in `symbolic/moments.py`.
    """
    mean, low, up = (sp.Symbol(name, real=True) for name in ("m", "l", "u"))
    e_mean, e_low, e_up = (sp.Symbol(name, positive=True) for name in ("e_m", "e_l", "e_u"))
    variance, beta, touch, psi = (sp.Symbol(name, positive=True) for name in ("V", "beta", "e_0", "psi"))

    def one(count: int) -> tuple[Query, ...]:
        s, e = real("s", count), positive("e", count)
        balanced = sp.Eq(total(s), count * mean)
        tangents = tuple(sp.Ge(y, e_mean * (1 + x - mean)) for x, y in zip(s, e, strict=True))
        chords = tuple(sp.Le(y * (up - low), (up - x) * e_low + (x - low) * e_up) for x, y in zip(s, e, strict=True))
        shift = variance / beta
        parabolas = tuple(sp.Le(y, touch * (1 + x + shift + (x + shift) ** 2 * psi)) for x, y in zip(s, e, strict=True))
        spread = sp.Eq(total([x**2 for x in s]), count * variance)
        chord_bound = count * ((up - mean) * e_low + (mean - low) * e_up) / (up - low)
        parabola_bound = count * touch * (1 + shift + (variance + shift**2) * psi)
        return (
            Query("T9", f"Jensen, {count} keys", (balanced, *tangents), sp.Ge(total(e), count * e_mean)),
            Query("T9", f"chord, {count} keys", (balanced, sp.Lt(low, up), *chords), sp.Le(total(e), chord_bound)),
            Query(
                "T9",
                f"Bennett, {count} keys",
                (sp.Eq(total(s), 0), spread, *parabolas),
                sp.Le(total(e), parabola_bound),
            ),
        )

    return tuple(query for count in (2, 3, 4, 5, 6) for query in one(count))
