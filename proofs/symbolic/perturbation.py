"""Scores that are only known approximately: how far the tail mass and the distribution can move (T22)."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Derivation, at_least, at_most, chain, equals
from proofs.symbolic.notation import MASSES, Z_H, Z_T, i, over_kept, over_tail, w
from proofs.symbolic.rules import Rule, Setting


def perturbed_tail_mass() -> Derivation:
    """T22: τ when every score is within δ of the given one, and the sharp TV bound tanh(δ/2)."""
    delta, x = sp.Symbol("delta", positive=True), sp.Symbol("x", positive=True)
    e = sp.exp(delta)
    true_H, true_T = sp.Symbol("W_H", positive=True), sp.Symbol("W_T", positive=True)
    spare, lack = sp.Symbol("R", nonnegative=True), sp.Symbol("D", nonnegative=True)
    E = sp.Symbol("E", positive=True)
    distance = x * (E**2 - 1) / ((1 + x) * (1 + x * E**2))
    excess = sp.Symbol("c", positive=True)  # E = 1 + c = e^δ
    return Derivation(
        "T22",
        "The tail mass and the distribution under score perturbation",
        Setting(
            definitions=MASSES.definitions,
            length=MASSES.length,
            cuts=MASSES.cuts,
            abbreviations=((lack, Z_T * e - true_T), (spare, true_H - Z_H / e), (E, 1 + excess)),
        ),
        (
            chain(
                "D ≥ 0: each tail weight grows by a factor of at most e^δ",
                over_tail(w[i] * e) - true_T,
                equals(lack, "the factor is common", Rule.SUMS),
            ),
            chain(
                "R ≥ 0: each kept weight shrinks by a factor of at most e^δ",
                true_H - over_kept(w[i] / e),
                equals(spare, "the factor is common", Rule.SUMS),
            ),
            chain(
                "the bound on τ",
                statements.tail_mass(true_H, true_T),
                at_most(
                    statements.tail_mass(true_H, true_T + lack),
                    lack * true_H / ((true_H + true_T) * (true_H + true_T + lack)),
                    "a larger tail, a larger share",
                ),
                equals(statements.tail_mass(Z_H / e + spare, Z_T * e), "by the definitions of D and R", Rule.LOGARITHM),
                at_most(
                    statements.perturbed_tail_mass(Z_H, Z_T, delta),
                    spare * Z_T * e / ((Z_H / e + Z_T * e) * (Z_H / e + spare + Z_T * e)),
                    "fewer kept, a larger share",
                    Rule.LOGARITHM,
                ),
            ),
            chain(
                "TV: with x = P(A^c)/P(A) on the set A where P exceeds P', the distance is at most "
                "1/(1+x) − 1/(1+xE²), E = e^δ",
                1 / (1 + x) - 1 / (1 + x * E**2),
                equals(distance, "on a common denominator"),
                at_most(
                    (E - 1) / (E + 1),
                    excess * (x * E - 1) ** 2 / ((E + 1) * (1 + x) * (1 + x * E**2)),
                    "a square: equality at x = 1/E, two keys of odds e^{±δ}",
                ),
            ),
            chain(
                "that is tanh(δ/2)",
                statements.perturbation_distance(delta),
                equals(sp.tanh(delta / 2).rewrite(sp.exp), "definition of tanh", Rule.LOGARITHM),
            ),
        ),
    )


def accumulated_rounding() -> Derivation:
    """T22: (1 + u)^d − 1 ≤ γ_d, by induction on d."""
    u, d, room = (
        sp.Symbol("u", positive=True),
        sp.Symbol("d", integer=True, positive=True),
        sp.Symbol("q", positive=True),
    )
    one_left = sp.Symbol("r", positive=True)
    terms = sp.Symbol("n", integer=True, positive=True)
    product, error = sp.IndexedBase("p", nonnegative=True), sp.IndexedBase("e", nonnegative=True)
    size, radius, scale = (sp.Symbol(name, positive=True) for name in ("X", "r_x", "c"))
    off, short = sp.Symbol("e_c", nonnegative=True), sp.Symbol("a", nonnegative=True)
    gamma, total = sp.Symbol("gamma", positive=True), sp.Symbol("P", nonnegative=True)
    return Derivation(
        "T22",
        "The rounding of a dot product",
        Setting(
            definitions=((total, sp.Sum(product[i], (i, 1, terms))),),
            abbreviations=((room, 1 - (d + 1) * u), (one_left, 1 - u)),
        ),
        (
            chain(
                "start of the induction: one rounding, where r = 1 − u > 0",
                statements.accumulated_rounding(1, u),
                at_least(u, u**2 / one_left, "u/(1 − u) − u = u²/(1 − u)"),
            ),
            chain(
                "one more rounding: (1 + γ_d)(1 + u) − 1 ≤ γ_{d+1}, where q = 1 − (d+1)u > 0",
                (1 + statements.accumulated_rounding(d, u)) * (1 + u) - 1,
                equals((d + 1) * u / (room + u), "collect"),
                at_most((d + 1) * u / room, (d + 1) * u**2 / (room * (room + u)), "a smaller denominator"),
                equals(statements.accumulated_rounding(d + 1, u), "this is γ_{d+1}"),
            ),
            chain(
                "the errors of the products add up to γ Σ|q_l k_l|",
                sp.Sum(gamma * product[i] - error[i], (i, 1, terms)) + sp.Sum(error[i], (i, 1, terms)),
                equals(gamma * total, "each product's error is at most γ|q_l k_l|", Rule.SUMS),
            ),
            chain(
                "from the dot product to the stored score: |x̂ĉ(1 + δ)| − |x|c for |x̂| = |x| + r − a and ĉ ≤ c(1 + e)",
                statements.stored_score_radius(size, radius, scale, off, u, sp.S.Zero, sp.S.Zero, sp.S.Zero),
                at_least(
                    (size + radius - short) * scale * (1 + off) * (1 + u) - size * scale,
                    short * scale * (1 + off) * (1 + u),
                    "the largest case of each factor",
                ),
            ),
        ),
        assumed=(
            "each operation is rounded to nearest with relative error at most u, or absolute error "
            "at most η/2 where a product underflows",
            "no overflow; the order of the additions does not matter because every product passes at most d roundings",
        ),
    )
