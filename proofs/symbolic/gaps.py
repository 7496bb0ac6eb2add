"""Bounds on the tail mass from partial knowledge of the scores: single gap, several gaps, blocks (T6–T8).

All three are one argument: τ = Z_T/(Z_H + Z_T) grows with the tail mass and shrinks with the kept mass, so replace
the tail by the most that it can be
and the kept keys by the least. The names D (what the tail lacks) and R (what the kept keys have to spare) carry that
argument: each is a sum of terms that cannot be negative.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Chain, Derivation, at_least, at_most, chain, equals
from proofs.symbolic.notation import MASSES, Z_H, Z_T, i, k, m, over_kept, over_tail, w
from proofs.symbolic.rules import Rule, Setting

D = sp.Symbol("D", nonnegative=True)
R = sp.Symbol("R", nonnegative=True)
gap = sp.Symbol("Delta", nonnegative=True)
a = sp.Symbol("a", positive=True)  # the weight of the largest tail score


def _two_replacements(most_tail: sp.Expr, least_kept: sp.Expr, tail_reason: str, kept_reason: str) -> Chain:
    """τ ≤ most_tail / (least_kept + most_tail), given Z_T + D = most_tail and Z_H = least_kept + R."""
    raised = statements.tail_mass(Z_H, Z_T + D)
    return chain(
        "raise the tail, lower the kept",
        statements.tail_mass(Z_H, Z_T),
        at_most(raised, D * Z_H / ((Z_H + Z_T) * (Z_H + Z_T + D)), tail_reason),
        equals(statements.tail_mass(least_kept + R, most_tail), "by the definitions of D and R"),
        at_most(
            statements.tail_mass(least_kept, most_tail),
            R * most_tail / ((least_kept + most_tail) * (least_kept + R + most_tail)),
            kept_reason,
        ),
    )


def single_gap() -> Derivation:
    """T6: τ ≤ m e^(−Δ) / (k + m e^(−Δ)) for a true top-k."""
    eps = sp.Symbol("epsilon", positive=True)
    return Derivation(
        "T6",
        "The single-gap bound",
        replace(
            MASSES,
            abbreviations=((D, m * a - Z_T), (R, Z_H - k * a * sp.exp(gap))),
            unit_interval=(eps,),
        ),
        (
            chain(
                "D ≥ 0: every tail weight is at most a",
                over_tail(a - w[i]),
                equals(m * a - Z_T, "there are m = n − k of them", Rule.SUMS),
                equals(D, "this is D"),
            ),
            chain(
                "R ≥ 0: every kept weight is at least a e^Δ",
                over_kept(w[i] - a * sp.exp(gap)),
                equals(Z_H - k * a * sp.exp(gap), "there are k of them", Rule.SUMS),
                equals(R, "this is R"),
            ),
            _two_replacements(
                m * a, k * a * sp.exp(gap), "a larger tail, a larger share", "fewer kept, a larger share"
            ),
            chain(
                "in closed form",
                statements.tail_mass(k * a * sp.exp(gap), m * a),
                equals(statements.gap_bound(k, m, gap), "divide by a e^Δ", Rule.LOGARITHM),
            ),
            chain(
                "witness: two levels attain it",
                over_tail(a) / (over_kept(a * sp.exp(gap)) + over_tail(a)),
                equals(statements.gap_bound(k, m, gap), "k keys at s + Δ and m at s", Rule.SUMS),
            ),
            chain(
                "the gap that suffices for ε",
                statements.gap_bound(k, m, statements.sufficient_gap(k, m, eps)),
                equals(eps, "put Δ = ln(m(1−ε)/(kε))", Rule.LOGARITHM),
            ),
            chain(
                "and every larger gap suffices: the bound falls",
                -sp.Derivative(statements.gap_bound(k, m, gap), gap),
                equals(k * m * sp.exp(-gap) / (k + m * sp.exp(-gap)) ** 2, "differentiate", Rule.CALCULUS),
                at_least(0, k * m * sp.exp(-gap) / (k + m * sp.exp(-gap)) ** 2, "every factor is positive"),
            ),
        ),
    )


def multi_gap() -> Derivation:
    """T7: the top M scores known, every other score at most u."""
    p = sp.Symbol("p", integer=True, positive=True)  # known tail scores
    r = sp.Symbol("r", integer=True, positive=True)  # unknown scores
    c = sp.Symbol("c", positive=True)  # e^u
    known, unknown = sp.Symbol("Z_B", positive=True), sp.Symbol("Z_U", positive=True)
    last = k + p + r
    known_sum = sp.Sum(w[i], (i, k + 1, k + p))
    unknown_sum = sp.Sum(w[i], (i, k + p + 1, last))
    return Derivation(
        "T7",
        "The multi-gap bound",
        Setting(
            definitions=((Z_H, over_kept(w[i])), (known, known_sum), (unknown, unknown_sum)),
            length=last,
            cuts=(k, k + p),
            abbreviations=((D, r * c - unknown), (R, Z_H - k * c * sp.exp(gap))),
        ),
        (
            chain(
                "D ≥ 0: every unknown weight is at most c = e^u",
                sp.Sum(c - w[i], (i, k + p + 1, last)),
                equals(D, "there are r = n − M of them", Rule.SUMS),
            ),
            chain(
                "raise the unknown scores to u",
                sp.Sum(w[i], (i, k + 1, last)) / sp.Sum(w[i], (i, 1, last)),
                equals(
                    (known_sum + unknown_sum) / (Z_H + known + unknown),
                    "the tail is its known and its unknown scores",
                    Rule.SUMS,
                ),
                equals(statements.tail_mass(Z_H, known + unknown), "name them", Rule.SUMS),
                at_most(
                    statements.tail_mass(Z_H, known + unknown + D),
                    D * Z_H / ((Z_H + known + unknown) * (Z_H + known + unknown + D)),
                    "a larger tail, a larger share",
                ),
                equals(statements.multi_gap_bound(Z_H, known, r, c), "by the definition of D"),
            ),
            chain(
                "witness: all unknown scores equal to u",
                (known_sum + sp.Sum(c, (i, k + p + 1, last)))
                / (over_kept(w[i]) + known_sum + sp.Sum(c, (i, k + p + 1, last))),
                equals(statements.multi_gap_bound(Z_H, known, r, c), "the inequality was D = 0", Rule.SUMS),
            ),
            chain(
                "M = k and only the gap known: T6 is the special case",
                statements.multi_gap_bound(k * c * sp.exp(gap) + R, 0, r, c),
                at_most(
                    statements.multi_gap_bound(k * c * sp.exp(gap), 0, r, c),
                    R * r * c / ((k * c * sp.exp(gap) + r * c) * (k * c * sp.exp(gap) + R + r * c)),
                    "kept weights are at least c e^Δ",
                ),
                equals(statements.gap_bound(k, r, gap), "divide by c e^Δ", Rule.LOGARITHM),
            ),
        ),
    )


def blockwise() -> Derivation:
    """T8: a partition into blocks with bounds inside each; every key of a block is counted."""
    b, q = sp.Symbol("b", integer=True, positive=True), sp.Symbol("q", integer=True, positive=True)
    h, t = sp.IndexedBase("h", integer=True, positive=True), sp.IndexedBase("t", integer=True, positive=True)
    low, up = sp.IndexedBase("L", positive=True), sp.IndexedBase("U", positive=True)
    kept, tail = sp.IndexedBase("H", positive=True), sp.IndexedBase("T", positive=True)
    size = sp.Symbol("t_b", integer=True, positive=True)
    top = sp.Symbol("U_b", positive=True)
    block_tail = sp.Symbol("T_b", positive=True)
    most, least = sp.Symbol("Z_most", positive=True), sp.Symbol("Z_least", positive=True)
    spare, lack = sp.Symbol("R_2", nonnegative=True), sp.Symbol("D_2", nonnegative=True)
    kept_most, tail_least = sp.Symbol("H_most", positive=True), sp.Symbol("T_least", positive=True)

    def over_blocks(summand: sp.Expr) -> sp.Sum:
        return sp.Sum(summand, (b, 1, q))

    lowered = statements.tail_mass(Z_H, tail_least)
    return Derivation(
        "T8",
        "The blockwise bounds, with every key counted",
        Setting(
            definitions=(
                (Z_H, over_blocks(kept[b])),
                (Z_T, over_blocks(tail[b])),
                (most, over_blocks(t[b] * up[b])),
                (least, over_blocks(h[b] * low[b])),
                (kept_most, over_blocks(h[b] * up[b])),
                (tail_least, over_blocks(t[b] * low[b])),
                (block_tail, sp.Sum(w[i], (i, 1, size))),
            ),
            abbreviations=((D, most - Z_T), (R, Z_H - least), (spare, kept_most - Z_H), (lack, Z_T - tail_least)),
        ),
        (
            chain(
                "inside a block: each of its t_b tail weights is at most U_b = e^(u_b)",
                sp.Sum(top - w[i], (i, 1, size)),
                equals(size * top - block_tail, "t_b of them, not one", Rule.SUMS),
            ),
            chain(
                "D ≥ 0 is the sum of the blocks' deficits",
                over_blocks(t[b] * up[b] - tail[b]),
                equals(D, "by the definition of D", Rule.SUMS),
            ),
            chain(
                "R ≥ 0 is the sum of the blocks' surpluses",
                over_blocks(kept[b] - h[b] * low[b]),
                equals(R, "by the definition of R", Rule.SUMS),
            ),
            _two_replacements(
                most, least, "every tail key raised to its block's ceiling", "every kept key lowered to its floor"
            ),
            chain(
                "in the blocks' own terms",
                statements.tail_mass(least, most),
                equals(
                    statements.tail_mass(over_blocks(h[b] * low[b]), over_blocks(t[b] * up[b])),
                    "spell out the sums",
                    Rule.SUMS,
                ),
            ),
            chain(
                "the lower bound: lower the tail, raise the kept",
                statements.tail_mass(Z_H, tail_least + lack),
                at_least(
                    lowered,
                    lack * Z_H / ((Z_H + tail_least) * (Z_H + tail_least + lack)),
                    "a smaller tail, a smaller share",
                ),
                at_least(
                    statements.tail_mass(kept_most, tail_least),
                    spare * tail_least / ((Z_H + tail_least) * (kept_most + tail_least)),
                    "more kept, a smaller share",
                ),
            ),
        ),
    )
