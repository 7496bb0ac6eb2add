"""The Gaussian score model: large-n tail mass, the design rule, and the finite-n guarantee (T16–T18).

φ and Φ are the density and distribution function of N(0, 1). The weights are e^{μ+σZ}; e^μ is common to kept and tail
and cancels.
"""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Chain, Derivation, at_least, at_most, chain, equals
from proofs.symbolic.moments import GROWTH_IS_REMAINDER, convexity_lemma, psi_increases
from proofs.symbolic.rules import Rule, Setting

z = sp.Symbol("z", real=True)
a = sp.Symbol("a", real=True)  # the threshold: keys with Z > a are kept
sigma = sp.Symbol("sigma", positive=True)
kappa = sp.Symbol("kappa", positive=True)
eps = sp.Symbol("epsilon", positive=True)


def density(x: sp.Expr) -> sp.Expr:
    """φ."""
    return sp.exp(-(sp.sympify(x) ** 2) / 2) / sp.sqrt(2 * sp.pi)


def completing_the_square(power: sp.Expr = sp.S.One) -> Chain:
    """e^{pσz} φ(z) = e^{p²σ²/2} φ(z − pσ)."""
    tilt = power * sigma
    return chain(
        f"completing the square for e^({power}σz)" if power != 1 else "completing the square",
        sp.exp(tilt * z) * density(z),
        equals(sp.exp(tilt**2 / 2) * density(z - tilt), "σz − z²/2 = σ²/2 − (z − σ)²/2", Rule.LOGARITHM),
    )


def antiderivative(power: sp.Expr = sp.S.One) -> Chain:
    """Φ(z − pσ) is an antiderivative of φ(z − pσ)."""
    return chain(
        f"Φ(z − {power}σ) is an antiderivative" if power != 1 else "Φ(z − σ) is an antiderivative",
        sp.Derivative(statements.normal_cdf(z - power * sigma), z),
        equals(density(z - power * sigma), "differentiate", Rule.CALCULUS),
    )


def _total_is_one() -> tuple[Chain, Chain]:
    return (
        chain(
            "Φ is 0 at −∞",
            sp.Limit(statements.normal_cdf(z), z, -sp.oo),
            equals(0, "erf(−∞) = −1", Rule.LIMIT),
        ),
        chain(
            "Φ is 1 at +∞",
            sp.Limit(statements.normal_cdf(z), z, sp.oo),
            equals(1, "erf(∞) = 1", Rule.LIMIT),
        ),
    )


def gaussian_tail_mass() -> Derivation:
    """T16: keeping the fraction κ gives τ = Φ(Φ_c⁻¹(κ) − σ) as n → ∞."""
    below = sp.exp(sigma**2 / 2) * statements.normal_cdf(a - sigma)
    above = sp.exp(sigma**2 / 2) * (1 - statements.normal_cdf(a - sigma))
    mu = sp.Symbol("mu", real=True)
    return Derivation(
        "T16",
        "The tail mass of a long row of Gaussian scores",
        Setting(abbreviations=((a, statements.normal_quantile(1 - kappa)),)),
        (
            completing_the_square(),
            antiderivative(),
            *_total_is_one(),
            chain(
                "τ = E[e^{σZ}; Z ≤ a] / E[e^{σZ}]",
                sp.exp(mu) * below / (sp.exp(mu) * above + sp.exp(mu) * below),
                equals(statements.normal_cdf(a - sigma), "the factor e^{μ+σ²/2} is common", Rule.LOGARITHM),
                equals(
                    statements.gaussian_tail_mass(kappa, sigma),
                    "a = Φ_c⁻¹(κ) keeps the fraction κ",
                    Rule.ERROR_FUNCTION,
                ),
            ),
        ),
        assumed=(
            "law of large numbers: kept fraction, kept sum and tail sum divided by n tend to their expectations",
            "fundamental theorem of calculus",
        ),
    )


def design_rule() -> Derivation:
    """T17: k_ε/n → Φ_c(σ + Φ⁻¹(ε))."""
    q = sp.Symbol("q", real=True)
    return Derivation(
        "T17",
        "The design rule",
        Setting(abbreviations=((eps, statements.normal_cdf(q)), (kappa, 1 - statements.normal_cdf(sigma + q)))),
        (
            chain(
                "the rule, with q = Φ⁻¹(ε)",
                statements.design_fraction(eps, sigma),
                equals(kappa, "Φ⁻¹ undoes Φ", Rule.ERROR_FUNCTION),
            ),
            chain(
                "the rule's fraction has tail mass ε",
                statements.gaussian_tail_mass(kappa, sigma),
                equals(eps, "Φ_c⁻¹(κ) = σ + q, and Φ(q) = ε", Rule.ERROR_FUNCTION),
            ),
            chain(
                "a higher threshold (a smaller fraction) has a larger tail: the fraction is the smallest one",
                sp.Derivative(statements.normal_cdf(a - sigma), a),
                equals(density(a - sigma), "differentiate", Rule.CALCULUS),
                at_least(0, density(a - sigma), "a density"),
            ),
        ),
        assumed=("T16, and with it the law of large numbers: the rule is a limit, not a guarantee at finite n",),
    )


def finite_guarantee() -> Derivation:
    """T18: moments of Y, the implication ΣY ≤ 0 ⇒ τ ≤ ε, and Bernstein's bound on P(ΣY > 0)."""
    first = sp.exp(sigma**2 / 2)
    second = sp.exp(2 * sigma**2)
    below, below_twice = statements.normal_cdf(z - sigma), statements.normal_cdf(z - 2 * sigma)
    H, T = sp.Symbol("Z_H", positive=True), sp.Symbol("Z_T", positive=True)
    count = sp.Symbol("n", integer=True, positive=True)
    drift, v, b = (sp.Symbol(name, positive=True) for name in ("d", "v", "b"))  # E Y = −d, E Y² ≤ v, Y ≤ b
    best = drift / (v + b * drift / 3)
    x, y, r = (
        sp.Symbol("x", positive=True),
        sp.Symbol("y", positive=True),
        sp.Symbol("r", integer=True, nonnegative=True),
    )
    lam, psi, g = sp.Symbol("lambda", positive=True), sp.Symbol("psi", positive=True), sp.Symbol("g", nonnegative=True)
    mean, moment, lost = sp.Symbol("mu_Y", real=True), sp.Symbol("nu", positive=True), sp.Symbol("e", nonnegative=True)
    return Derivation(
        "T18",
        "The finite-n guarantee",
        Setting(unit_interval=(eps,), abbreviations=((g, sp.exp(x) - 1 - x), GROWTH_IS_REMAINDER)),
        (
            completing_the_square(),
            completing_the_square(sp.Integer(2)),
            antiderivative(),
            antiderivative(sp.Integer(2)),
            chain(
                "E Y",
                (1 - eps) * first * below - eps * first * (1 - below),
                equals(statements.excess_mean(z, sigma, eps), "collect Φ(z − σ)"),
            ),
            chain(
                "E Y²",
                (1 - eps) ** 2 * second * below_twice + (-eps) ** 2 * second * (1 - below_twice),
                equals(statements.excess_second_moment(z, sigma, eps), "the two cases exclude each other"),
            ),
            chain(
                "ΣY ≤ 0 says τ ≤ ε for the set above the threshold",
                (1 - eps) * T - eps * H,
                equals((statements.tail_mass(H, T) - eps) * (H + T), "and H + T > 0"),
            ),
            chain(
                "Markov: 1{S > 0} ≤ e^{λS}, for e^x ≥ 1 where x > 0",
                sp.exp(x),
                at_least(1, x + g, "x + (e^x − 1 − x)", Rule.LOGARITHM),
            ),
            convexity_lemma(),
            psi_increases(),
            chain(
                "so E e^{λY} ≤ 1 + λE Y + λ²ψ(λb) E Y², for Y ≤ b and ψ increases; with ψ(λY) = ψ(λb) − loss",
                1 + lam * mean + lam**2 * (psi * moment - lost),
                at_most(1 + lam * mean + lam**2 * psi * moment, lam**2 * lost, "the loss is never negative"),
            ),
            chain(
                "ψ(x) ≤ 1/(2(1 − x/3)) for 0 ≤ x < 3: ψ's coefficients are 1/(r+2)!, and (r+3)!/(r+2)! ≥ 3",
                sp.factorial(r + 3) / sp.factorial(r + 2),
                equals(r + 3, "factorials"),
                at_least(3, r, "r ≥ 0, so by induction (r+2)! ≥ 2·3^r"),
            ),
            chain(
                "… and Σ x^r/(2·3^r) is geometric; with y = x/3 < 1",
                (1 - y) * sp.Sum(y**r, (r, 0, count)),
                equals(1 - y ** (count + 1), "telescoping", Rule.CALCULUS),
            ),
            chain(
                "Bernstein: the exponent −nλd + nλ²v/(2(1 − λb/3)) at λ = d/(v + bd/3)",
                -count * best * drift + count * best**2 * v / (2 * (1 - best * b / 3)),
                equals(-count * drift**2 / (2 * (v + b * drift / 3)), "put λ in"),
            ),
        ),
        assumed=(
            "fundamental theorem of calculus; independence: E e^{λΣY} is a product; (1 + x)^n ≤ "
            "e^{nx} by the first lemma",
            "the power series of e^x, which gives ψ's coefficients, and its convergence",
            "the binomial tail of #{Z > z} is computed exactly or bounded, not derived",
        ),
    )


def sharper_guarantee() -> Derivation:
    """T18 as `certify.design_rule` computes it: from order statistics to an i.i.d. sum, and from its characteristic
    function to a probability. Weights are in units of the threshold.
    """
    w, y = sp.Symbol("w", positive=True), sp.Symbol("y", real=True)
    S, E, R = (sp.Symbol(name, positive=True) for name in ("S", "E", "R"))  # Σw, Σ(w − 1)_+, what is lost
    above, between = sp.Symbol("H_N", positive=True), sp.Symbol("B", positive=True)
    N, k = sp.Symbol("N", integer=True, positive=True), sp.Symbol("k", integer=True, positive=True)
    L, step = sp.Symbol("L", positive=True), sp.Symbol("h", positive=True)
    j = sp.Symbol("j", integer=True, positive=True)
    return Derivation(
        "T18",
        "The finite-n guarantee by characteristic functions",
        Setting(unit_interval=(eps,)),
        (
            chain(
                "τ_k > ε, with Σ_{j≤k} w_(j) = k + E − R, says that ΣY > k − R for ΣY = (1 − ε)Σw − E",
                ((S - (k + E - R)) / S - eps) * S,
                equals(((1 - eps) * S - E) - (k - R), "and Σw > 0"),
            ),
            chain(
                "Y above the threshold, where (w − 1)_+ = w − 1",
                (1 - eps) * w - (w - 1),
                equals(1 - eps * w, "collect w"),
            ),
            chain(
                "R where N > k keys exceed 1: E = H_N − N, and B = Σ_{k<j≤N} w_(j) is not among the k",
                k + (above - N) - (above - between),
                equals((N - k) * (between / (N - k) - 1), "R = Σ_{k<j≤N} (w_(j) − 1): N − k terms"),
            ),
            chain(
                "R where N < k: B = Σ_{N<j≤k} w_(j) is among the k",
                k + (above - N) - (above + between),
                equals((k - N) * (1 - between / (k - N)), "R = Σ_{N<j≤k} (1 − w_(j)): k − N terms"),
            ),
            chain(
                "the square wave's odd coefficients",
                sp.Integral(sp.sin((2 * j - 1) * sp.pi * y / L), (y, 0, L)) / L,
                equals(2 / (sp.pi * (2 * j - 1)), "integrate", Rule.CALCULUS),
            ),
            chain(
                "its even coefficients",
                sp.Integral(sp.sin(2 * j * sp.pi * y / L), (y, 0, L)) / L,
                equals(0, "integrate", Rule.CALCULUS),
            ),
            chain(
                "the smoothing's exponents rise: θ_{j+1}² − θ_j² with θ_j = (2j − 1)h",
                ((2 * j + 1) * step) ** 2 - ((2 * j - 1) * step) ** 2,
                equals(8 * j * step**2, "expand"),
            ),
            completing_the_square(),
            completing_the_square(sp.Integer(2)),
            antiderivative(),
            antiderivative(sp.Integer(2)),
            chain(
                "E W² above the threshold",
                (1 - eps * w) ** 2,
                equals(1 - 2 * eps * w + eps**2 * w**2, "expand, and take the moments of w one by one"),
            ),
        ),
        assumed=(
            "capping Y from below can only raise ΣY; ΣW > a and G > −c imply Σ(W − μ) + sG > 0 where nμ + cs ≤ a, and "
            "G is independent of the keys",
            "the Fourier series of the square wave converges boundedly (Dirichlet–Jordan), so that its expectation may "
            "be taken term by term; independence: the characteristic function of a sum is a power",
            "Cauchy's estimate of Taylor coefficients, Robbins' bounds on factorials; binomial tails fall at least "
            "geometrically; the rounding budgets in the docstrings of certify/design_rule, which are argued by hand",
        ),
    )
