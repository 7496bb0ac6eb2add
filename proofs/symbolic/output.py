"""Output level: the error o − ô as a difference of means, and what bounds it (T10–T14).

Norms are reduced to one coordinate: ‖x‖ = g·x for the unit vector g along x, and g·y ≤ ‖y‖ for every y by
Cauchy–Schwarz, which is derived here for
symbolic dimension. So v_i below is either one coordinate of a value or its projection g·v_i. Squared norms are sums
over coordinates of what is shown.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Chain, Derivation, at_least, at_most, chain, equals
from proofs.symbolic.notation import (
    A_H,
    A_T,
    B_H,
    B_T,
    VALUES,
    Z_H,
    Z_T,
    Z,
    i,
    j,
    k,
    n,
    over_all,
    over_kept,
    over_tail,
    v,
    w,
)
from proofs.symbolic.rules import Rule, Setting

TAU = statements.tail_mass(Z_H, Z_T)
KEPT_MEAN = A_H / Z_H
TAIL_MEAN = A_T / Z_T


def cauchy_schwarz() -> Chain:
    """(g·y)² ≤ ‖g‖²‖y‖² for symbolic dimension, by Lagrange's identity."""
    d = sp.Symbol("d", integer=True, positive=True)
    g, y = sp.IndexedBase("g", real=True), sp.IndexedBase("y", real=True)

    def coordinates(summand: sp.Expr, index: sp.Symbol = i) -> sp.Sum:
        return sp.Sum(summand, (index, 1, d))

    return chain(
        "Cauchy–Schwarz: ‖g‖²‖y‖² − (g·y)² is half a sum of squares",
        coordinates(g[i] ** 2) * coordinates(y[i] ** 2),
        at_least(
            coordinates(g[i] * y[i]) ** 2,
            coordinates(coordinates((g[i] * y[j] - g[j] * y[i]) ** 2), j) / 2,
            "Lagrange's identity",
            Rule.SUMS,
        ),
    )


def head_tail_factorisation() -> Derivation:
    """T10: o − ô = τ(μ_T − μ_H)."""
    return Derivation(
        "T10",
        "The output error is the tail mass times the distance of two means",
        VALUES,
        (
            chain(
                "o − ô = τ(μ_T − μ_H), coordinate by coordinate",
                over_all(w[i] / Z * v[i]) - over_kept(w[i] / Z_H * v[i]),
                equals((A_H + A_T) / Z - A_H / Z_H, "take the normalisers out", Rule.SUMS),
                equals(A_T / Z - A_H * Z_T / (Z * Z_H), "1/Z_H − 1/Z = Z_T/(Z Z_H)"),
                equals(TAU * (TAIL_MEAN - KEPT_MEAN), "take out τ = Z_T/Z"),
            ),
        ),
    )


def norm_bound() -> Derivation:
    """T11: τ (max_H‖v − c‖ + max_T‖v − c‖), and 2Cτ."""
    c, C = sp.Symbol("c", real=True), sp.Symbol("C", positive=True)
    rho_H, rho_T = sp.Symbol("rho_H", nonnegative=True), sp.Symbol("rho_T", nonnegative=True)
    short_H, short_T = sp.Symbol("a", nonnegative=True), sp.Symbol("b", nonnegative=True)
    e_H, e_T = sp.Symbol("e_H", nonnegative=True), sp.Symbol("e_T", nonnegative=True)
    return Derivation(
        "T11",
        "The norm bound about any centre",
        replace(VALUES, abbreviations=((e_H, rho_H + KEPT_MEAN - c), (e_T, rho_T - TAIL_MEAN + c))),
        (
            cauchy_schwarz(),
            chain(
                "a tail key's projection exceeds c by at most ρ_T, so the tail's mean does too",
                over_tail(w[i] * (rho_T - (v[i] - c))) / Z_T,
                equals(e_T, "average", Rule.SUMS),
            ),
            chain(
                "a kept key's projection falls short of c by at most ρ_H",
                over_kept(w[i] * (rho_H + (v[i] - c))) / Z_H,
                equals(e_H, "average", Rule.SUMS),
            ),
            chain(
                "the bound",
                TAU * (TAIL_MEAN - KEPT_MEAN),
                at_most(
                    statements.recentred_norm_bound(TAU, rho_H, rho_T),
                    TAU * (e_H + e_T),
                    "both means lie within their radius of c",
                ),
            ),
            chain(
                "c = 0 with radii C − a and C − b about it gives the bound of the paper",
                statements.recentred_norm_bound(TAU, C - short_H, C - short_T),
                at_most(statements.norm_bound(TAU, C), TAU * (short_H + short_T), "no value is longer than C"),
            ),
        ),
    )


def diameter_bound() -> Derivation:
    """T12: τ · max_{i∈H, j∈T}‖v_i − v_j‖."""
    diam = sp.Symbol("delta", nonnegative=True)
    spare = sp.IndexedBase("e", nonnegative=True)

    def over_pairs(summand: sp.Expr) -> sp.Sum:
        return sp.Sum(sp.Sum(summand, (j, k + 1, n)), (i, 1, k))

    pairs = over_pairs(w[i] * w[j] * (v[j] - v[i]))
    return Derivation(
        "T12",
        "The diameter bound",
        VALUES,
        (
            cauchy_schwarz(),
            chain(
                "the difference of the means is an average over pairs",
                pairs / (Z_H * Z_T),
                equals(TAIL_MEAN - KEPT_MEAN, "a product of two sums is a sum over pairs", Rule.SUMS),
            ),
            chain(
                "each pair's difference is diam − e with e ≥ 0",
                TAU * over_pairs(w[i] * w[j] * (diam - spare[i, j])) / (Z_H * Z_T),
                at_most(
                    statements.diameter_bound(TAU, diam),
                    TAU * over_pairs(w[i] * w[j] * spare[i, j]) / (Z_H * Z_T),
                    "the weights of all pairs sum to Z_H Z_T",
                    Rule.SUMS,
                ),
            ),
        ),
    )


def variance_bound() -> Derivation:
    """T13: the law of total variance, and ‖o − ô‖² ≤ τ/(1−τ) · Var_P."""
    o = sp.Symbol("o", real=True)
    var_H, var_T = sp.Symbol("V_H", nonnegative=True), sp.Symbol("V_T", nonnegative=True)
    total = (1 - TAU) * var_H + TAU * var_T + TAU * (1 - TAU) * (TAIL_MEAN - KEPT_MEAN) ** 2
    return Derivation(
        "T13",
        "The variance bound",
        replace(
            VALUES,
            abbreviations=(
                (o, (A_H + A_T) / Z),
                (var_H, B_H / Z_H - KEPT_MEAN**2),
                (var_T, B_T / Z_T - TAIL_MEAN**2),
            ),
        ),
        (
            chain(
                "V_H ≥ 0, for it is an average of squares",
                over_kept(w[i] * (v[i] - KEPT_MEAN) ** 2) / Z_H,
                equals(var_H, "expand the square", Rule.SUMS),
            ),
            chain(
                "V_T ≥ 0 likewise",
                over_tail(w[i] * (v[i] - TAIL_MEAN) ** 2) / Z_T,
                equals(var_T, "expand the square", Rule.SUMS),
            ),
            chain(
                "law of total variance",
                over_all(w[i] / Z * (v[i] - o) ** 2),
                equals((B_H + B_T) / Z - o**2, "expand the square about o", Rule.SUMS),
                equals(total, "split into kept and tail"),
            ),
            chain(
                "drop the two inner variances",
                statements.variance_bound_squared(TAU, total),
                at_least(
                    (TAU * (TAIL_MEAN - KEPT_MEAN)) ** 2,
                    Z_T / Z_H * (Z_H / Z * var_H + Z_T / Z * var_T),
                    "what remains is the squared output error of T10",
                ),
            ),
        ),
    )


def best_certificate() -> Derivation:
    """T14: the minimum of three valid bounds is valid, and the diameter never exceeds the two radii about a common
    centre.
    """
    error = sp.Symbol("e", nonnegative=True)
    x, y = sp.Symbol("x", nonnegative=True), sp.Symbol("y", nonnegative=True)
    a, d = sp.Symbol("a", nonnegative=True), sp.Symbol("d", nonnegative=True)
    rho_H, rho_T, spare = (sp.Symbol(name, nonnegative=True) for name in ("rho_H", "rho_T", "sigma"))
    return Derivation(
        "T14",
        "The best of the three certificates",
        Setting(abbreviations=((x, error + a), (y, error + a + d))),
        (
            chain(
                "two valid bounds x = e + a and y = x + d: their minimum is (x + y − |x − y|)/2",
                (x + y - sp.Abs(x - y)) / 2,
                equals(error + a, "|−d| = d"),
                at_least(error, a, "so it is valid; a third bound is one more minimum of two"),
            ),
            chain(
                "T12 never exceeds T11: ‖v_i − v_j‖ = ρ_H + ρ_T − σ with σ ≥ 0 (triangle inequality)",
                statements.diameter_bound(TAU, rho_H + rho_T - spare),
                at_most(statements.recentred_norm_bound(TAU, rho_H, rho_T), TAU * spare, "the triangle inequality"),
            ),
        ),
    )
