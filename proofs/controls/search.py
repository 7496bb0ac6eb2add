"""Wrong variants of T19–T22."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.controls.control import Control

H, S, U = (sp.Symbol(name, positive=True) for name in ("H", "S", "U"))
c, r, eps = (sp.Symbol(name, positive=True) for name in ("c", "r", "eps"))
VALUE = statements.tail_mass(H, S + U)


def gap_search() -> tuple[Control, ...]:
    """T19: r unscored keys, each of weight at most c."""
    given = (sp.Le(U, r * c), sp.Ge(r, 1))
    right = sp.Le(VALUE, statements.multi_gap_bound(H, S, r, c))
    return (
        Control("T19", "the unscored keys ignored", right, sp.Le(VALUE, statements.tail_mass(H, S)), given),
        Control(
            "T19", "the unscored keys counted once", right, sp.Le(VALUE, statements.multi_gap_bound(H, S, 1, c)), given
        ),
        Control("T19", "keys not scored in order of their bounds, so c bounds nothing", sp.true, right, (sp.Ge(r, 1),)),
        Control("T19", "the scored tail forgotten", right, sp.Le(VALUE, statements.tail_mass(H, r * c)), given),
    )


def mass_search() -> tuple[Control, ...]:
    """T20: cells of n_j keys with ceiling U_j; and the bounds inside a cell, in one dimension."""
    n1, n2, u1, u2, m1, m2 = sp.symbols("n1 n2 u1 u2 m1 m2", positive=True)
    capped = (sp.Le(m1, n1 * u1), sp.Le(m2, n2 * u2), sp.Ge(n1, 1), sp.Ge(n2, 1))
    value = statements.tail_mass(H, S + m1 + m2)
    right = sp.Le(value, statements.search_bound(H, S, n1 * u1 + n2 * u2))
    q, key, centre, radius, scale = (sp.Symbol(name, real=True) for name in ("q", "k", "c0", "r0", "s"))
    inside = sp.Le(sp.Abs(key - centre), radius)
    low, high = sp.Symbol("lo", real=True), sp.Symbol("hi", real=True)
    between = sp.And(sp.Le(low, key), sp.Le(key, high))
    ball = sp.Le(q * key, q * centre + sp.Abs(q) * radius)
    box = sp.Le(q * key, sp.Max(q * low, q * high))
    return (
        Control("T20", "e^{U_j} once per cell", right, sp.Le(value, statements.search_bound(H, S, u1 + u2)), capped),
        Control(
            "T20",
            "the unopened cells left out of the numerator",
            right,
            sp.Le(value, S / (H + S + n1 * u1 + n2 * u2)),
            capped,
        ),
        Control("T20", "one cell never counted", right, sp.Le(value, statements.search_bound(H, S, n1 * u1)), capped),
        Control("T20", "ball without the query's norm", ball, sp.Le(q * key, q * centre + radius), (inside,)),
        Control("T20", "box with the upper corner whatever the sign of q", box, sp.Le(q * key, q * high), (between,)),
        Control(
            "T20",
            "a negative scale let through",
            ball,
            sp.Le(q * key * scale, (q * centre + sp.Abs(q) * radius) * scale),
            (inside,),
        ),
    )


def exact_top_k() -> tuple[Control, ...]:
    """T21: kept w1, w2; tail w3, w4."""
    w1, w2, w3, w4 = sp.symbols("w1 w2 w3 w4", positive=True)
    is_top = sp.And(sp.Ge(w1 + w2, w1 + w3), sp.Ge(w1 + w2, w2 + w4), sp.Ge(w1 + w2, w3 + w4))
    score, top = sp.Symbol("x", positive=True), sp.Symbol("u", positive=True)
    return (
        Control("T21", "the largest kept above the tail", sp.true, is_top, (sp.Ge(w1, w3), sp.Ge(w1, w4))),
        Control(
            "T21", "the least kept above the tail's mean", sp.true, is_top, (sp.Ge(w1, w2), sp.Ge(2 * w2, w3 + w4))
        ),
        Control("T21", "the least kept above the least tail", sp.true, is_top, (sp.Ge(w1, w2), sp.Ge(w2, w4))),
        Control("T21", "≥ where ties need >", sp.Ge(w2, score), sp.Gt(w2, score), (sp.Ge(w2, top), sp.Le(score, top))),
    )


def perturbation() -> tuple[Control, ...]:
    """T22 with E = e^δ = F²."""
    E, F, true_H, true_T = (sp.Symbol(name, positive=True) for name in ("E", "F", "V", "W"))
    a, b, u, d = (sp.Symbol(name, positive=True) for name in ("a", "b", "u", "d"))
    given = (sp.Ge(E, 1), sp.Ge(true_H * E, H), sp.Le(true_T, S * E))
    value = statements.tail_mass(true_H, true_T)
    right = sp.Le(value, statements.tail_mass(H / E, S * E))
    distance = a / (a + b) - (a / F**2) / (a / F**2 + b * F**2)
    growth = (1 + u) ** 2 - 1
    small = (sp.Lt(2 * u, 1),)
    gamma = sp.Le(growth, statements.accumulated_rounding(2, u))
    return (
        Control("T22", "only the tail perturbed", right, sp.Le(value, statements.tail_mass(H, S * E)), given),
        Control("T22", "the signs of δ exchanged", right, sp.Le(value, statements.tail_mass(H * E, S / E)), given),
        Control(
            "T22",
            "tanh(δ/4) for tanh(δ/2)",
            sp.Le(distance, (F**2 - 1) / (F**2 + 1)),
            sp.Le(distance, (F - 1) / (F + 1)),
            (sp.Gt(F, 1),),
        ),
        Control("T22", "du for γ_d", gamma, sp.Le(growth, 2 * u), small),
        Control("T22", "γ_{d−1}", gamma, sp.Le(growth, statements.accumulated_rounding(1, u)), small),
        Control(
            "T22",
            "γ with the sign of its denominator's du lost",
            gamma,
            sp.Le(growth, d * u / (1 + d * u)),
            (*small, sp.Eq(d, 2)),
        ),
    )
