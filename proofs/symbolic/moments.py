"""Bounds on a block's mass from its mean and variance: Jensen below, chord and Bennett above (T9).

Everything rests on one lemma: e^x − 1 − x = x² ψ(x) with ψ(x) = ∫₀¹ (1 − r) e^{rx} dr, which is positive and
increasing. At x = 0 both sides are 0.
"""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Chain, Derivation, at_least, at_most, chain, equals
from proofs.symbolic.rules import Rule, Setting

i = sp.Symbol("i", integer=True, positive=True)
t = sp.Symbol("t", integer=True, positive=True)
r = sp.Symbol("r", positive=True)
x = sp.Symbol("x", real=True, nonzero=True)
mean = sp.Symbol("m", real=True)
low, up = sp.Symbol("l", real=True), sp.Symbol("u", real=True)
remainder = sp.IndexedBase("g", nonnegative=True)
s = sp.IndexedBase("s", real=True)

Y, STEP, GROWTH = sp.Symbol("y", positive=True), sp.Symbol("z", positive=True), sp.Symbol("g_z", nonnegative=True)
RATIO = Y / (1 + Y)  # runs over (0, 1) and makes 1 − r = 1/(1 + y) visibly positive
GROWTH_IS_REMAINDER = (GROWTH, sp.exp(RATIO * STEP) - 1 - RATIO * STEP)  # ≥ 0 by the convexity lemma

PSI = sp.Integral((1 - r) * sp.exp(r * x), (r, 0, 1))


def over_block(summand: sp.Expr) -> sp.Sum:
    """Σ over the t tail keys of one block."""
    return sp.Sum(summand, (i, 1, t))


def convexity_lemma() -> Chain:
    """e^x ≥ 1 + x, with the remainder as an integral."""
    return chain(
        "lemma: e^x = 1 + x + x² ψ(x) ≥ 1 + x",
        sp.exp(x),
        at_least(1 + x, x**2 * PSI, "ψ is an integral of positive terms", Rule.CALCULUS),
    )


def psi_increases() -> Chain:
    """ψ(x + z) ≥ ψ(x) for z > 0, compared under the integral sign."""
    return chain(
        "lemma: ψ increases, for e^(r(x+z)) ≥ e^(rx) under the integral, with r = y/(1+y)",
        (1 - RATIO) * sp.exp(RATIO * x),
        at_most(
            (1 - RATIO) * sp.exp(RATIO * (x + STEP)),
            sp.exp(RATIO * x) * (RATIO * STEP + GROWTH) / (1 + Y),
            "e^(rz) − 1 = rz + g with g ≥ 0, by the first lemma",
            Rule.LOGARITHM,
        ),
    )


def block_moments() -> Derivation:
    """T9: t e^m ≤ Σ e^s ≤ the chord, and ≤ Bennett's expression when the variance is known."""
    fall, rise = sp.Symbol("x_l", positive=True), sp.Symbol("x_u", positive=True)
    below, above = sp.Symbol("g_l", nonnegative=True), sp.Symbol("g_u", nonnegative=True)
    score, total = sp.Symbol("s", real=True), sp.Symbol("S_1", real=True)
    theta = (mean - low) / (up - low)
    return Derivation(
        "T9",
        "The mass of a block from its mean, and from its mean and variance",
        Setting(
            definitions=((total, over_block(s[i])),),
            abbreviations=(
                (total, t * mean),
                (below, sp.exp(-fall) - 1 + fall),
                (above, sp.exp(rise) - 1 - rise),
                GROWTH_IS_REMAINDER,
            ),
        ),
        (
            convexity_lemma(),
            chain(
                "Jensen: e^(s_i) = e^m (1 + s_i − m + g_i)",
                over_block(sp.exp(mean) * (1 + s[i] - mean + remainder[i])),
                at_least(
                    over_block(sp.exp(mean) * (1 + s[i] - mean)),
                    sp.exp(mean) * over_block(remainder[i]),
                    "g_i ≥ 0 by the lemma",
                    Rule.SUMS,
                ),
                equals(statements.moment_lower(t, mean), "Σ (s_i − m) = 0", Rule.SUMS),
            ),
            chain(
                "the chord of one key: ℓ = s − x_l and u = s + x_u",
                sp.exp(score),
                at_most(
                    (rise * sp.exp(score - fall) + fall * sp.exp(score + rise)) / (fall + rise),
                    sp.exp(score) * (rise * below + fall * above) / (fall + rise),
                    "e^(−x_l) ≥ 1 − x_l and e^(x_u) ≥ 1 + x_u, by the lemma",
                    Rule.LOGARITHM,
                ),
            ),
            chain(
                "the chords of the block add up",
                over_block(((up - s[i]) * sp.exp(low) + (s[i] - low) * sp.exp(up)) / (up - low)),
                equals(statements.moment_upper(t, mean, low, up), "linear in s_i, and Σ s_i = t m", Rule.SUMS),
            ),
            chain(
                "witness: a share θ = (m−ℓ)/(u−ℓ) of the keys at u and the rest at ℓ has this mass …",
                sp.Sum(sp.exp(low), (i, 1, t * (1 - theta))) + sp.Sum(sp.exp(up), (i, 1, t * theta)),
                equals(statements.moment_upper(t, mean, low, up), "count them", Rule.SUMS),
            ),
            chain(
                "… and the mean m",
                sp.Sum(low, (i, 1, t * (1 - theta))) + sp.Sum(up, (i, 1, t * theta)),
                equals(t * mean, "ℓ(1−θ) + uθ = m", Rule.SUMS),
            ),
            psi_increases(),
        ),
    )


def block_variance() -> Derivation:
    """T9, Bennett: with c_i = s_i − m, Σ c = 0, Σ c² = tσ², every c_i ≤ β."""
    variance, beta = sp.Symbol("V", positive=True), sp.Symbol("beta", positive=True)
    centred = sp.IndexedBase("c", real=True)
    first, second = sp.Symbol("C_1", real=True), sp.Symbol("C_2", positive=True)
    shift = variance / beta  # the touching point is at −σ²/β; y = c + σ²/β ≤ B
    width = beta + shift
    psi_at_width = (sp.exp(width) - 1 - width) / width**2
    touching, ceiling, deficit = (
        sp.Symbol("y", real=True),
        sp.Symbol("psi_B", positive=True),
        sp.Symbol("d", nonnegative=True),
    )
    share = variance / (variance + beta**2)
    bound = statements.moment_upper_with_variance(t, mean, variance, mean + beta)
    return Derivation(
        "T9",
        "Bennett's bound on the mass of a block",
        Setting(
            definitions=((first, over_block(centred[i])), (second, over_block(centred[i] ** 2))),
            abbreviations=((first, sp.S.Zero), (second, t * variance)),
        ),
        (
            convexity_lemma(),
            chain(
                "one key: ψ(y) = ψ(B) − d with d ≥ 0 because y ≤ B and ψ increases",
                1 + touching + touching**2 * (ceiling - deficit),
                at_most(1 + touching + touching**2 * ceiling, touching**2 * deficit, "e^y lies below this parabola"),
            ),
            chain(
                "the parabolas of the block add up",
                over_block(sp.exp(mean - shift) * (1 + centred[i] + shift + (centred[i] + shift) ** 2 * psi_at_width)),
                equals(
                    sp.exp(mean - shift) * t * (1 + shift + (variance + shift**2) * psi_at_width),
                    "Σ c = 0 and Σ c² = tσ²",
                    Rule.SUMS,
                ),
                equals(bound, "collect with B = β + σ²/β", Rule.LOGARITHM),
            ),
            chain(
                "witness: a share σ²/(σ²+β²) at m + β and the rest at m − σ²/β has this mass …",
                t * (share * sp.exp(mean + beta) + (1 - share) * sp.exp(mean - shift)),
                equals(bound, "collect", Rule.LOGARITHM),
            ),
            chain(
                "… the mean m …",
                share * (mean + beta) + (1 - share) * (mean - shift),
                equals(mean, "the deviations balance"),
            ),
            chain(
                "… and the variance σ²",
                share * beta**2 + (1 - share) * shift**2,
                equals(variance, "collect"),
            ),
        ),
        assumed=("ψ increases: derived on the page before",),
    )
