"""Wrong variants of T10–T15."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.controls.control import Control

H, T = sp.Symbol("H", positive=True), sp.Symbol("T", positive=True)
TAU = statements.tail_mass(H, T)
A_H, A_T = sp.Symbol("A_H", real=True), sp.Symbol("A_T", real=True)
MU_H, MU_T, CENTRE, OTHER = (sp.Symbol(name, real=True) for name in ("mu_H", "mu_T", "c", "d"))
RHO_H, RHO_T = sp.Symbol("rho_H", nonnegative=True), sp.Symbol("rho_T", nonnegative=True)
ERROR = sp.Abs(TAU * (MU_T - MU_H))


def head_tail_factorisation() -> tuple[Control, ...]:
    """T10."""
    error = (A_H + A_T) / (H + T) - A_H / H
    right = sp.Eq(error, TAU * (A_T / T - A_H / H))
    return (
        Control("T10", "the sign: o − ô = τ(μ_H − μ_T)", right, sp.Eq(error, TAU * (A_H / H - A_T / T))),
        Control("T10", "1 − τ for τ", right, sp.Eq(error, (1 - TAU) * (A_T / T - A_H / H))),
        Control("T10", "the tail's mean not normalised", right, sp.Eq(error, TAU * (A_T - A_H / H))),
        Control("T10", "μ_H left out", right, sp.Eq(error, TAU * A_T / T)),
    )


def norm_bound() -> tuple[Control, ...]:
    """T11."""
    near = (sp.Le(sp.Abs(MU_H - CENTRE), RHO_H), sp.Le(sp.Abs(MU_T - CENTRE), RHO_T))
    right = sp.Le(ERROR, statements.recentred_norm_bound(TAU, RHO_H, RHO_T))
    apart = (sp.Le(sp.Abs(MU_H - CENTRE), RHO_H), sp.Le(sp.Abs(MU_T - OTHER), RHO_T))
    common = (sp.Le(sp.Abs(MU_H), RHO_H), sp.Le(sp.Abs(MU_T), RHO_H))
    return (
        Control("T11", "Cτ instead of 2Cτ", sp.Le(ERROR, 2 * RHO_H * TAU), sp.Le(ERROR, RHO_H * TAU), common),
        Control("T11", "the kept radius alone", right, sp.Le(ERROR, TAU * RHO_H), near),
        Control("T11", "the tail radius alone", right, sp.Le(ERROR, TAU * RHO_T), near),
        Control("T11", "different centres for kept and tail", sp.true, right, apart),
        Control("T11", "τ² for τ", right, sp.Le(ERROR, TAU**2 * (RHO_H + RHO_T)), near),
    )


def diameter_bound() -> tuple[Control, ...]:
    """T12: kept values 0 and v_1, tail values v_2 and v_3, in one dimension."""
    w1, w2, w3, w4 = sp.symbols("w1 w2 w3 w4", positive=True)
    v1, v2, v3 = sp.symbols("v1 v2 v3", real=True)
    total = w1 + w2 + w3 + w4
    tau = (w3 + w4) / total
    error = sp.Abs((w2 * v1 + w3 * v2 + w4 * v3) / total - w2 * v1 / (w1 + w2))
    across = sp.Max(sp.Abs(v2), sp.Abs(v3), sp.Abs(v1 - v2), sp.Abs(v1 - v3))
    right = sp.Le(error, tau * across)
    values = {v1: (sp.Integer(0), sp.Integer(1)), v2: (sp.Integer(2),), v3: (sp.Integer(2), sp.Integer(3))}
    grid = {**values, **{w: (sp.Integer(1), sp.Integer(2)) for w in (w1, w2, w3, w4)}}
    return (
        Control("T12", "diameter over the tail only", right, sp.Le(error, tau * sp.Abs(v2 - v3)), grid=grid),
        Control("T12", "diameter over the kept only", right, sp.Le(error, tau * sp.Abs(v1)), grid=grid),
        Control("T12", "half the diameter", right, sp.Le(error, tau * across / 2), grid=grid),
        Control(
            "T12",
            "the least distance across instead of the greatest",
            right,
            sp.Le(error, tau * sp.Min(sp.Abs(v2), sp.Abs(v3), sp.Abs(v1 - v2), sp.Abs(v1 - v3))),
            grid=grid,
        ),
    )


def variance_bound() -> tuple[Control, ...]:
    """T13, squared."""
    var_H, var_T = sp.Symbol("V_H", positive=True), sp.Symbol("V_T", positive=True)
    between = TAU * (1 - TAU) * (MU_T - MU_H) ** 2
    variance = (1 - TAU) * var_H + TAU * var_T + between
    squared = (TAU * (MU_T - MU_H)) ** 2
    w, a, b = sp.symbols("w a b", positive=True)
    o = (w * a + b) / (w + 1)
    right = sp.Le(squared, statements.variance_bound_squared(TAU, variance))
    return (
        Control("T13", "√τ instead of √(τ/(1−τ))", right, sp.Le(squared, TAU * variance)),
        Control("T13", "√(τ(1−τ))", right, sp.Le(squared, TAU * (1 - TAU) * variance)),
        Control(
            "T13",
            "the bound not squared back: τ/(1−τ) for its root",
            right,
            sp.Le(squared, (TAU / (1 - TAU)) ** 2 * variance),
        ),
        Control(
            "T13",
            "the term between the means dropped",
            right,
            sp.Le(squared, statements.variance_bound_squared(TAU, variance - between)),
        ),
        Control(
            "T13",
            "total variance with the shares exchanged (two keys with inner variances)",
            sp.Eq((w * (a - o) ** 2 + (b - o) ** 2) / (w + 1), w / (w + 1) ** 2 * (a - b) ** 2),
            sp.Eq((w * (a - o) ** 2 + (b - o) ** 2) / (w + 1), w**2 / (w + 1) ** 2 * (a - b) ** 2),
        ),
    )


def best_certificate() -> tuple[Control, ...]:
    """T14."""
    e, x, y, z = (sp.Symbol(name, nonnegative=True) for name in ("e", "x", "y", "z"))
    all_valid = (sp.Le(e, x), sp.Le(e, y), sp.Le(e, z))
    minimum = sp.Le(e, sp.Min(x, y, z))
    var_H, diam = sp.Symbol("V_H", positive=True), sp.Symbol("D", positive=True)
    near = sp.Le(sp.Abs(MU_T - MU_H), diam)
    variance = (1 - TAU) * var_H + TAU * (1 - TAU) * (MU_T - MU_H) ** 2
    variance_squared, diameter_squared = statements.variance_bound_squared(TAU, variance), (TAU * diam) ** 2
    either = sp.Or(sp.Le(variance_squared, diameter_squared), sp.Ge(variance_squared, diameter_squared))
    return (
        Control("T14", "valid because one of the three is", sp.true, minimum, (sp.Or(*all_valid),)),
        Control("T14", "the product of the three", minimum, sp.Le(e, x * y * z), all_valid),
        Control(
            "T14", "the variance bound is always the best", either, sp.Le(variance_squared, diameter_squared), (near,)
        ),
        Control(
            "T14", "the diameter bound is always the best", either, sp.Ge(variance_squared, diameter_squared), (near,)
        ),
    )


def best_partition() -> tuple[Control, ...]:
    """T15 on three points, where the maximum spanning tree is the two longest edges."""
    a, b, c = sp.symbols("a b c", positive=True)
    best = sp.Min(sp.Max(a, b), sp.Max(b, c), sp.Max(a, c))
    lightest = sp.Max(sp.Min(a, b), sp.Min(b, c), sp.Min(a, c))
    right = sp.Eq(best, lightest)
    return (
        Control("T15", "a minimum spanning tree's lightest edge", right, sp.Eq(best, sp.Min(a, b, c))),
        Control("T15", "the tree's heaviest edge", right, sp.Eq(best, sp.Max(a, b, c))),
        Control("T15", "the mean of the tree's edges", right, sp.Eq(best, (sp.Max(a, b, c) + lightest) / 2)),
    )
