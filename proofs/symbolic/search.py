"""Certified search: stopping rules that never claim too much, and what bounds an unopened cell (T19–T21)."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Derivation, at_least, at_most, chain, equals
from proofs.symbolic.notation import Z_H, i, k, over_kept, w
from proofs.symbolic.output import cauchy_schwarz
from proofs.symbolic.rules import Rule, Setting

S_T = sp.Symbol("S_T", nonnegative=True)  # mass of scored tail keys
U = sp.Symbol("U", nonnegative=True)  # mass of unscored keys
D = sp.Symbol("D", nonnegative=True)


def gap_search() -> Derivation:
    """T19: after M scored keys with every unscored score ≤ u, the multi-gap bound of the best k of them covers τ."""
    p, r = sp.Symbol("p", integer=True, nonnegative=True), sp.Symbol("r", integer=True, positive=True)
    c = sp.Symbol("c", positive=True)
    moved = sp.Symbol("x", positive=True)
    scored, unscored = sp.Sum(w[i], (i, k + 1, k + p)), sp.Sum(w[i], (i, k + p + 1, k + p + r))
    return Derivation(
        "T19",
        "Δk-Search stops only where the claim is true",
        Setting(
            definitions=((Z_H, over_kept(w[i])), (S_T, scored), (U, unscored)),
            length=k + p + r,
            cuts=(k, k + p),
            abbreviations=((D, r * c - U),),
        ),
        (
            chain(
                "D ≥ 0: every unscored weight is at most c = e^u",
                sp.Sum(c - w[i], (i, k + p + 1, k + p + r)),
                equals(D, "there are r = n − M of them", Rule.SUMS),
            ),
            chain(
                "the true tail mass is at most what the search computes",
                sp.Sum(w[i], (i, k + 1, k + p + r)) / sp.Sum(w[i], (i, 1, k + p + r)),
                equals(statements.tail_mass(Z_H, S_T + U), "scored and unscored tail", Rule.SUMS),
                at_most(
                    statements.tail_mass(Z_H, S_T + U + D),
                    D * Z_H / ((Z_H + S_T + U) * (Z_H + S_T + U + D)),
                    "T7's argument, and the kept set need not be a true top-k",
                ),
                equals(statements.multi_gap_bound(Z_H, S_T, r, c), "by the definition of D"),
            ),
            chain(
                "more keys kept, a smaller bound: so there is a first k",
                statements.multi_gap_bound(Z_H, S_T + moved, r, c),
                at_least(
                    statements.multi_gap_bound(Z_H + moved, S_T, r, c),
                    moved / (Z_H + moved + S_T + r * c),
                    "a key of weight x moves from tail to kept",
                ),
            ),
        ),
    )


def mass_search() -> Derivation:
    """T20: τ̂ covers τ for the kept set at every moment, and opening a cell never raises it."""
    cell, q = sp.Symbol("j", integer=True, positive=True), sp.Symbol("q", integer=True, positive=True)
    size, top = sp.IndexedBase("N", integer=True, positive=True), sp.IndexedBase("U", positive=True)
    mass = sp.IndexedBase("M", positive=True)
    bound = sp.Symbol("B", positive=True)
    x, y, spare, rest = (sp.Symbol(name, nonnegative=True) for name in ("x", "y", "D_j", "R"))
    opened = statements.search_bound(Z_H + x, S_T + y, rest)
    closed = statements.search_bound(Z_H, S_T, rest + x + y + spare)
    return Derivation(
        "T20",
        "MC-Search stops only where the claim is true",
        Setting(
            definitions=((U, sp.Sum(mass[cell], (cell, 1, q))), (bound, sp.Sum(size[cell] * top[cell], (cell, 1, q)))),
            abbreviations=((D, bound - U),),
        ),
        (
            chain(
                "D ≥ 0: a cell's mass is at most n_j e^{U_j}",
                sp.Sum(size[cell] * top[cell] - mass[cell], (cell, 1, q)),
                equals(D, "sum over the unopened cells", Rule.SUMS),
            ),
            chain(
                "soundness at every moment",
                statements.tail_mass(Z_H, S_T + U),
                at_most(
                    statements.search_bound(Z_H, S_T, U + D),
                    D * Z_H / ((Z_H + S_T + U) * (Z_H + S_T + U + D)),
                    "a larger tail, a larger share",
                ),
                equals(statements.search_bound(Z_H, S_T, bound), "by the definition of D"),
            ),
            chain(
                "opening a cell of true mass x + y (x kept, y tail) whose bound was x + y + D_j: τ̂ does not rise",
                closed,
                at_least(
                    opened,
                    (x * (Z_H + S_T + x + y + rest) + spare * (Z_H + x))
                    / ((Z_H + S_T + rest + x + y + spare) * (Z_H + x + S_T + y + rest)),
                    "the cell's slack disappears and its kept part changes sides",
                ),
            ),
            cauchy_schwarz(),
        ),
        assumed=("ball bound: q·k = q·c + q·(k − c) ≤ q·c + ‖q‖ r by Cauchy–Schwarz, for scale > 0; box bound: by z3",),
    )


def exact_top_k() -> Derivation:
    """T21: when the least kept score is at least every tail score, no other k keys have more mass."""
    level, r = sp.Symbol("c", positive=True), sp.Symbol("r", integer=True, positive=True)
    over, under = sp.IndexedBase("a", nonnegative=True), sp.IndexedBase("b", nonnegative=True)
    lost, gained = sp.Symbol("A", nonnegative=True), sp.Symbol("B", nonnegative=True)
    return Derivation(
        "T21",
        "A kept set above its tail is a true top-k",
        Setting(definitions=((lost, sp.Sum(over[i], (i, 1, r))), (gained, sp.Sum(under[i], (i, 1, r))))),
        (
            chain(
                "another k-set gives up r kept keys (weights c + a_i) for r tail keys (weights c − b_i): what it loses",
                sp.Sum(level + over[i], (i, 1, r)) - sp.Sum(level - under[i], (i, 1, r)),
                equals(lost + gained, "as many leave as enter", Rule.SUMS),
                at_least(0, lost + gained, "c lies between kept and tail"),
            ),
        ),
    )
