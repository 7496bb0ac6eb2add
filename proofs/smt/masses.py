"""T1–T5 and T24 for z3: identities of distributions, optimality, and claims as signs."""

from __future__ import annotations

from itertools import pairwise

import sympy as sp

from proofs import statements
from proofs.smt.lists import other_subsets, positive, real, splits, total
from proofs.smt.query import Query

H, T = sp.Symbol("H", positive=True), sp.Symbol("T", positive=True)
TAU = statements.tail_mass(H, T)


def tail_mass_identity() -> tuple[Query, ...]:
    """T1 for every n ≤ 7 and k: ½Σ|p − p̂| = τ."""

    def one(n: int, k: int) -> Query:
        w = positive("w", n)
        mass, kept = total(w), total(w[:k])
        distance = total([sp.Abs(x / mass - x / kept) for x in w[:k]] + [x / mass for x in w[k:]]) / 2
        return Query("T1", f"n = {n}, k = {k}", (), sp.Eq(distance, total(w[k:]) / mass))

    return tuple(one(n, k) for n, k in splits(7))


def divergence_identity() -> tuple[Query, ...]:
    """T2 without its logarithm: p̂/p is one constant on H, its logarithm's argument is 1/(1 − τ), and 1 − (that)⁻¹ is
    τ.
    """

    def one(n: int, k: int) -> Query:
        w = positive("w", n)
        mass, kept = total(w), total(w[:k])
        p, truncated = positive("p", k), positive("q", k)
        shares = [sp.Eq(share * mass, x) for share, x in zip(p, w, strict=False)]
        shares += [sp.Eq(share * kept, x) for share, x in zip(truncated, w, strict=False)]
        ratios = [sp.Eq(q, share * mass / kept) for q, share in zip(truncated, p, strict=True)]
        identity = sp.Eq(1 - kept / mass, total(w[k:]) / mass)
        return Query("T2", f"n = {n}, k = {k}", tuple(shares), sp.And(identity, sp.Eq(total(truncated), 1), *ratios))

    tau = sp.Symbol("tau", real=True)
    aggregated = Query("T2", "all n: Z/Z_H = 1/(1 − τ)", (sp.Eq(tau, TAU),), sp.Eq((H + T) / H, 1 / (1 - tau)))
    return (*(one(n, k) for n, k in splits(5)), aggregated)


def divergence_family() -> tuple[Query, ...]:
    """T3: χ² for n ≤ 4, and for all n the Hellinger affinity and Bretagnolle–Huber, with square roots."""

    def chi_square(n: int, k: int) -> Query:
        w = positive("w", n)
        mass, kept = total(w), total(w[:k])
        p = [x / mass for x in w]
        truncated = [x / kept for x in w[:k]] + [sp.S.Zero] * (n - k)
        value = total([(q - x) ** 2 / x for q, x in zip(truncated, p, strict=True)])
        return Query("T3", f"χ², n = {n}, k = {k}", (), sp.Eq(value, total(w[k:]) / kept))

    share, inverse = sp.Symbol("r", positive=True), sp.Symbol("t", positive=True)
    affinity = Query(
        "T3",
        "Hellinger: r√(1/r) = √r for r = 1 − τ",
        (sp.Eq(share * inverse, 1),),
        sp.Eq(share * sp.sqrt(inverse), sp.sqrt(share)),
    )
    huber = Query("T3", "Bretagnolle–Huber is looser: √τ ≥ τ", (), sp.Ge(sp.sqrt(TAU), TAU))
    return (*(chi_square(n, k) for n, k in splits(4)), affinity, huber)


def optimality() -> tuple[Query, ...]:
    """T4: for n ≤ 6 no other k-set keeps more than the top k; for n ≤ 5 no Q on H comes closer than P̂ in TV."""

    def top_k(n: int, k: int) -> Query:
        w = positive("w", n)
        ordered = tuple(sp.Ge(a, b) for a, b in pairwise(w))
        better = [sp.Ge(total(w[:k]), total([w[index] for index in subset])) for subset in other_subsets(n, k)]
        return Query("T4", f"top-k, n = {n}, k = {k}", ordered, sp.And(*better))

    def nearest(n: int, k: int) -> Query:
        w = positive("w", n)
        q = tuple(sp.Symbol(f"q{index}", nonnegative=True) for index in range(1, k + 1))
        mass = total(w)
        distance = total([sp.Abs(x / mass - y) for x, y in zip(w, q, strict=False)] + [x / mass for x in w[k:]]) / 2
        return Query("T4", f"TV, n = {n}, k = {k}", (sp.Eq(total(q), 1),), sp.Ge(distance, total(w[k:]) / mass))

    return (*(top_k(n, k) for n, k in splits(6)), *(nearest(n, k) for n, k in splits(4)))


def from_log_sum_exp() -> tuple[Query, ...]:
    """T5: with E = e^δ, an estimate of H/Z within a factor E of it gives τ within (1 − τ)(E − 1)."""
    E, ratio = sp.Symbol("E", positive=True), sp.Symbol("x", positive=True)
    exact = Query("T5", "1 − H/Z = τ", (sp.Eq(ratio, H / (H + T)),), sp.Eq(1 - ratio, TAU))
    within = (sp.Ge(E, 1), sp.Ge(ratio * E, H / (H + T)), sp.Le(ratio, E * H / (H + T)))
    spread = Query("T5", "spread of an error", within, sp.Le(sp.Abs((1 - ratio) - TAU), (1 - TAU) * (E - 1)))
    return exact, spread


def signs_of_claims() -> tuple[Query, ...]:
    """T24: each claim is equivalent to the sign of a polynomial in the weights; C stands for e^c."""
    c, C = sp.Symbol("c", real=True), sp.Symbol("C", positive=True)
    a_h, a_t = real("a", 2), real("b", 2)
    bound = sp.Symbol("e", nonnegative=True)
    Z = H + T
    error_squared = total([((x + y) / Z - x / H) ** 2 for x, y in zip(a_h, a_t, strict=True)])
    polynomial = total([(H * y - T * x) ** 2 for x, y in zip(a_h, a_t, strict=True)])
    return (
        Query("T24", "τ ≤ c", (), sp.Equivalent(sp.Le(TAU, c), sp.Le((1 - c) * T - c * H, 0))),
        Query("T24", "KL ≤ c", (), sp.Equivalent(sp.Le(Z / H, C), sp.Le(Z / C - H, 0))),
        Query(
            "T24",
            "output error, one coordinate",
            (),
            sp.Eq((a_h[0] + a_t[0]) / Z - a_h[0] / H, (H * a_t[0] - T * a_h[0]) / (Z * H)),
        ),
        Query(
            "T24",
            "output error, two coordinates, x = ‖o − ô‖² and its polynomial P = x Z² W_H²",
            (sp.Eq(sp.Symbol("P", real=True), sp.Symbol("x", real=True) * Z**2 * H**2),),
            sp.Equivalent(
                sp.Le(sp.Symbol("x", real=True), bound**2), sp.Le(sp.Symbol("P", real=True), bound**2 * Z**2 * H**2)
            ),
        ),
        Query("T24", "that polynomial is P", (), sp.Eq(error_squared * Z**2 * H**2, polynomial)),
    )
