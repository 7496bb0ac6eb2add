"""Distribution level: the tail mass, the divergences from the full to the truncated distribution, and why top-k is
best (T1–T5).
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Derivation, at_least, at_most, chain, equals
from proofs.symbolic.notation import MASSES, Z_H, Z_T, Z, i, on_kept, over_all, over_kept, over_tail, tau, w
from proofs.symbolic.rules import Rule

FULL = w[i] / Z
TRUNCATED = on_kept(w[i] / Z_H, sp.S.Zero)


def tail_mass_identity() -> Derivation:
    """T1: TV(P, P̂) = τ."""
    return Derivation(
        "T1",
        "The total variation distance to the truncated distribution is the tail mass",
        MASSES,
        (
            chain(
                "TV(P, P̂) = τ",
                over_all(sp.Abs(FULL - TRUNCATED)) / 2,
                equals(
                    (over_kept(sp.Abs(w[i] / Z - w[i] / Z_H)) + over_tail(w[i] / Z)) / 2,
                    "P̂ is w/Z_H on kept keys and 0 on tail keys",
                    Rule.SUMS,
                ),
                equals(
                    (over_kept(w[i] * Z_T / (Z * Z_H)) + over_tail(w[i] / Z)) / 2,
                    "w/Z < w/Z_H, and 1/Z_H − 1/Z = Z_T/(Z Z_H)",
                    Rule.SUMS,
                ),
                equals((Z_T / Z + Z_T / Z) / 2, "sum each part", Rule.SUMS),
                equals(over_tail(w[i] / Z), "the tail's share of the mass is τ", Rule.SUMS),
                equals(statements.tail_mass(Z_H, Z_T), "by masses", Rule.SUMS),
            ),
        ),
    )


def divergence_identity() -> Derivation:
    """T2: KL(P̂‖P) = ln(Z/Z_H) = −ln(1 − τ); the other direction is infinite."""
    q = sp.Symbol("q", positive=True)
    share = sp.Symbol("p", positive=True)
    return Derivation(
        "T2",
        "The divergence from the truncated to the full distribution, and its direction",
        MASSES,
        (
            chain(
                "KL(P̂‖P) = −ln(1 − τ)",
                over_kept(w[i] / Z_H * sp.log((w[i] / Z_H) / FULL)),
                equals(
                    statements.divergence_of_kept(Z_H, Z_T), "p̂/p = Z/Z_H on every kept key, and Σ p̂ = 1", Rule.SUMS
                ),
                equals(-sp.log(1 - statements.tail_mass(Z_H, Z_T)), "1 − τ = Z_H/Z", Rule.LOGARITHM),
            ),
            chain(
                "TV = 1 − e^(−KL)",
                1 - sp.exp(-statements.divergence_of_kept(Z_H, Z_T)),
                equals(
                    statements.tail_mass(Z_H, Z_T),
                    "e^(−ln(Z/Z_H)) = Z_H/Z, and the tail is what is not kept",
                    Rule.LOGARITHM,
                ),
            ),
            chain(
                "one tail key of share p makes KL(P‖P̂) infinite",
                sp.Limit(share * sp.log(share / q), q, 0, "+"),
                equals(sp.oo, "p ln(p/q) grows without bound as q → 0", Rule.LIMIT),
            ),
        ),
    )


def divergence_family() -> Derivation:
    """T3: D_f(P̂‖P) = (1 − τ) f(1/(1 − τ)) + τ f(0), its instances, and what Pinsker and Bretagnolle–Huber lose."""
    f, t, alpha = sp.Function("f"), sp.Symbol("t", positive=True), sp.Symbol("alpha", positive=True)
    ratio = (w[i] / Z_H) / FULL
    general = (1 - tau) * f(1 / (1 - tau)) + tau * f(0)

    def instance(formula: sp.Expr, at_zero: sp.Expr) -> sp.Expr:
        return (1 - tau) * formula.subs(t, 1 / (1 - tau)) + tau * at_zero

    kept_share, r, x = 1 - tau, sp.Symbol("r", positive=True), sp.Symbol("x", positive=True)
    return Derivation(
        "T3",
        "Every f-divergence from the truncated to the full distribution is a function of τ alone",
        replace(MASSES, unit_interval=(tau, x)),
        (
            chain(
                "D_f(P̂‖P) by masses",
                over_kept(FULL * f(sp.cancel(ratio))) + over_tail(FULL * f(0)),
                equals(
                    Z_H / Z * f(sp.cancel(Z / Z_H)) + Z_T / Z * f(0),
                    "the ratio p̂/p is Z/Z_H on H and 0 on T",
                    Rule.SUMS,
                ),
                equals(
                    general.subs(tau, statements.tail_mass(Z_H, Z_T)).replace(f, lambda a: f(sp.cancel(a))),
                    "τ = Z_T/Z",
                ),
            ),
            chain("χ²: f = (t − 1)²", instance((t - 1) ** 2, sp.S.One), equals(tau / (1 - tau), "put t = 1/(1−τ)")),
            chain(
                "squared Hellinger: f = 1 − √t, with r = 1 − τ",
                r * (1 - sp.sqrt(t)).subs(t, 1 / r) + (1 - r),
                equals(1 - sp.sqrt(r), "r/√r = √r"),
            ),
            chain(
                "TV: f = (1 − t + 2 max(t − 1, 0))/2, t ≥ 1",
                instance((t - 1) / 2, sp.Rational(1, 2)),
                equals(tau, "collect"),
            ),
            chain(
                "KL: f = t ln t",
                r * (t * sp.log(t)).subs(t, 1 / r),
                equals(-sp.log(r), "f(0) = 0, with r = 1 − τ", Rule.LOGARITHM),
            ),
            chain(
                "Rényi-α for every α ≠ 1",
                sp.log(over_kept((w[i] / Z_H) * (sp.cancel(ratio)) ** (alpha - 1))) / (alpha - 1),
                equals(
                    sp.log((Z / Z_H) ** (alpha - 1)) / (alpha - 1),
                    "p̂^α p^(1−α) = p̂ (p̂/p)^(α−1), and Σ p̂ = 1",
                    Rule.SUMS,
                ),
                equals(statements.divergence_of_kept(Z_H, Z_T), "the exponent cancels", Rule.LOGARITHM),
            ),
            chain(
                "Bretagnolle–Huber is looser: √(1 − e^(−KL)) = √τ ≥ τ, with x = √τ",
                x,
                at_least(x**2, x * (1 - x), "0 < x < 1"),
            ),
            chain(
                "Pinsker is looser: KL/2 − τ² starts at 0 …",
                sp.Limit(-sp.log(1 - tau) / 2 - tau**2, tau, 0, "+"),
                equals(0, "at τ = 0", Rule.LIMIT),
            ),
            chain(
                "… and never falls",
                sp.Derivative(-sp.log(1 - tau) / 2 - tau**2, tau),
                equals(1 / (2 * kept_share) - 2 * tau, "differentiate", Rule.CALCULUS),
                at_least(0, (1 - 2 * tau) ** 2 / (2 * kept_share), "a square over 1 − τ"),
            ),
        ),
    )


def optimality() -> Derivation:
    """T4: P̂ minimises KL(Q‖P) and TV(P, Q) among Q on H, and the top-k minimise τ."""
    q = sp.IndexedBase("q", positive=True)
    excess, deficit = sp.IndexedBase("a", nonnegative=True), sp.IndexedBase("b", nonnegative=True)
    over, under = sp.IndexedBase("R", nonnegative=True), sp.IndexedBase("D", nonnegative=True)
    x, gain, threshold = sp.Symbol("x", positive=True), sp.Symbol("g", nonnegative=True), sp.Symbol("c", positive=True)
    moved = sp.Symbol("r", integer=True, positive=True)
    setting = replace(MASSES, definitions=(*MASSES.definitions, (sp.S.One, over_kept(q[i]))))
    full_cost = over_kept(q[i] * sp.log(q[i] / FULL))
    to_truncated = over_kept(q[i] * sp.log(q[i] / (w[i] / Z_H)))
    return Derivation(
        "T4",
        "The top-k of a row, renormalised, is the best that k keys can do",
        setting,
        (
            chain(
                "KL(Q‖P) = KL(Q‖P̂) + KL(P̂‖P) for Σ_H q = 1",
                full_cost,
                equals(
                    to_truncated + statements.divergence_of_kept(Z_H, Z_T),
                    "ln(q/p) = ln(q/p̂) + ln(Z/Z_H), Σ q = 1",
                    Rule.SUMS,
                ),
            ),
            chain(
                "KL(Q‖P̂) ≥ 0: x ln x − x + 1 has its minimum at x = 1 …",
                sp.Limit(x * sp.log(x) - x + 1, x, 1),
                equals(0, "its value there", Rule.LIMIT),
            ),
            chain(
                "… because its second derivative is positive",
                sp.Derivative(x * sp.log(x) - x + 1, (x, 2)),
                equals(1 / x, "differentiate twice", Rule.CALCULUS),
                at_least(0, 1 / x, "x > 0"),
            ),
            chain(
                "… and its first vanishes at x = 1",
                sp.Limit(sp.log(x), x, 1),
                equals(0, "d/dx (x ln x − x + 1) = ln x", Rule.LIMIT),
            ),
            chain(
                "TV(P, Q) ≥ τ, with p − q = a − b in positive and negative parts on H",
                (over_kept(excess[i] + deficit[i]) + over_tail(FULL)) / 2,
                at_least(
                    (over_kept(deficit[i] - excess[i]) + over_tail(FULL)) / 2,
                    over_kept(excess[i]),
                    "a + b ≥ b − a",
                    Rule.SUMS,
                ),
                equals(
                    (over_kept(deficit[i]) - over_kept(excess[i]) + Z_T / Z) / 2,
                    "the tail's share is τ",
                    Rule.SUMS,
                ),
            ),
            chain(
                "… where Σ_H (b − a) = Σ_H (q − p) = τ",
                over_kept(q[i] - FULL),
                equals(1 - Z_H / Z, "Σ_H q = 1", Rule.SUMS),
                equals(statements.tail_mass(Z_H, Z_T), "the tail is what is not kept"),
            ),
            chain(
                "an exchange of one kept for one tail key: τ does not fall",
                statements.tail_mass(Z_H + gain, Z_T),
                at_most(
                    statements.tail_mass(Z_H, Z_T + gain),
                    gain / (Z + gain),
                    "a key of weight x leaves H and one of weight y ≤ x enters; gain = x − y",
                ),
            ),
            chain(
                "any other k-set exchanges r kept keys (weight c + R) for r tail keys (weight c − D) "
                "across a threshold c",
                sp.Sum(threshold + over[i], (i, 1, moved)) - sp.Sum(threshold - under[i], (i, 1, moved)),
                equals(
                    sp.Sum(over[i], (i, 1, moved)) + sp.Sum(under[i], (i, 1, moved)),
                    "as many leave as enter, so the threshold cancels",
                    Rule.SUMS,
                ),
            ),
        ),
        assumed=("Gibbs' step is applied at x = q/p̂ under the weights p̂ and summed, Σ p̂ (x − 1) = 0",),
    )


def from_log_sum_exp() -> Derivation:
    """T5: τ = 1 − e^(lse_H − lse_all), and how an error of the two log-sum-exps spreads."""
    delta, x = sp.Symbol("delta", positive=True), sp.Symbol("x", positive=True)
    return Derivation(
        "T5",
        "The tail mass from two log-sum-exps, and its condition",
        replace(MASSES, unit_interval=(tau,)),
        (
            chain(
                "τ = 1 − e^(lse_H − lse_all)",
                1 - sp.exp(sp.log(over_kept(w[i])) - sp.log(over_all(w[i]))),
                equals(1 - Z_H / Z, "name the sums; e^(ln a − ln b) = a/b", Rule.SUMS),
                equals(statements.tail_mass(Z_H, Z_T), "collect"),
            ),
            chain(
                "an error of at most δ in lse_H − lse_all moves τ by at most (1 − τ)(e^δ − 1)",
                (1 - (1 - tau) * sp.exp(-delta)) - tau,
                equals((1 - tau) * (1 - sp.exp(-delta)), "e^(lse_H − lse_all) = 1 − τ"),
                at_most(
                    (1 - tau) * (sp.exp(delta) - 1),
                    (1 - tau) * sp.exp(-delta) * (sp.exp(delta) - 1) ** 2,
                    "e^δ + e^(−δ) ≥ 2",
                    Rule.LOGARITHM,
                ),
            ),
            chain(
                "cancellation: the relative condition number grows without bound as τ → 0",
                sp.Limit((1 - x) / x, x, 0, "+"),
                equals(sp.oo, "(dτ/dλ)/τ = −(1 − τ)/τ for λ = lse_H − lse_all", Rule.LIMIT),
            ),
        ),
    )
