"""The formulas of record: one function per bound or identity, in weights w = e^s, from which derivations, solver
queries and tests all take them.

Arguments may be SymPy expressions, numbers or symbols. Masses: H = Σ_H w > 0 (kept), T = Σ_T w ≥ 0 (tail). Results
are SymPy expressions. Nothing here proves
anything; that these formulas are what the audit side computes is checked at rational points by
`tests/proofs/test_enclosures_match_statements.py`.
"""

from __future__ import annotations

from typing import Any

import sympy as sp


def tail_mass(H: Any, T: Any) -> sp.Expr:
    """T1, and the shape of every bound on it: T / (H + T)."""
    return sp.sympify(T) / (sp.sympify(H) + T)


def divergence_of_kept(H: Any, T: Any) -> sp.Expr:
    """T2: KL(P̂‖P) = ln((H + T)/H), in nats."""
    return sp.log((sp.sympify(H) + T) / H)


def gap_bound(k: Any, m: Any, gap: Any) -> sp.Expr:
    """T6: k kept keys, m = n − k tail keys, gap = s_(k) − s_(k+1)."""
    return tail_mass(k, m * sp.exp(-sp.sympify(gap)))


def sufficient_gap(k: Any, m: Any, eps: Any) -> sp.Expr:
    """T6: the gap from which on the single-gap bound is at most ε."""
    return sp.log(sp.sympify(m) * (1 - sp.sympify(eps)) / (sp.sympify(k) * eps))


def multi_gap_bound(kept: Any, known_tail: Any, unknown: Any, ceiling: Any) -> sp.Expr:
    """T7: masses of the kept and of the known tail scores, number of unknown scores, and the weight e^u that bounds
    each of them.
    """
    return tail_mass(kept, sp.sympify(known_tail) + sp.sympify(unknown) * ceiling)


def moment_lower(count: Any, mean: Any) -> sp.Expr:
    """T9, Jensen: t e^m ≤ Σ e^s."""
    return sp.sympify(count) * sp.exp(mean)


def moment_upper(count: Any, mean: Any, lower: Any, upper: Any) -> sp.Expr:
    """T9, chord: Σ e^s ≤ t [(u − m) e^ℓ + (m − ℓ) e^u] / (u − ℓ)."""
    m, low, up = sp.sympify(mean), sp.sympify(lower), sp.sympify(upper)
    return sp.sympify(count) * ((up - m) * sp.exp(low) + (m - low) * sp.exp(up)) / (up - low)


def moment_upper_with_variance(count: Any, mean: Any, variance: Any, upper: Any) -> sp.Expr:
    """T9, Bennett: Σ e^s ≤ t e^m (σ² e^β + β² e^(−σ²/β)) / (σ² + β²) with β = u − m > 0."""
    var, beta = sp.sympify(variance), sp.sympify(upper) - mean
    return count * sp.exp(mean) * (var * sp.exp(beta) + beta**2 * sp.exp(-var / beta)) / (var + beta**2)


def norm_bound(tau: Any, radius: Any) -> sp.Expr:
    """T11: 2Cτ."""
    return 2 * sp.sympify(radius) * tau


def recentred_norm_bound(tau: Any, kept_radius: Any, tail_radius: Any) -> sp.Expr:
    """T11 about any centre c: τ (max_H‖v − c‖ + max_T‖v − c‖)."""
    return sp.sympify(tau) * (sp.sympify(kept_radius) + tail_radius)


def diameter_bound(tau: Any, diameter: Any) -> sp.Expr:
    """T12: τ · diam_{H,T}."""
    return sp.sympify(tau) * diameter


def variance_bound_squared(tau: Any, variance: Any) -> sp.Expr:
    """T13, squared: τ/(1 − τ) · Var_P(V)."""
    return sp.sympify(tau) / (1 - sp.sympify(tau)) * variance


def normal_cdf(x: Any) -> sp.Expr:
    """Φ."""
    return (1 + sp.erf(sp.sympify(x) / sp.sqrt(2))) / 2


def normal_quantile(p: Any) -> sp.Expr:
    """Φ⁻¹ on (0, 1)."""
    return sp.sqrt(2) * sp.erfinv(2 * sp.sympify(p) - 1)


def gaussian_tail_mass(fraction: Any, sigma: Any) -> sp.Expr:
    """T16: Φ(Φ_c⁻¹(κ) − σ)."""
    return normal_cdf(normal_quantile(1 - sp.sympify(fraction)) - sigma)


def design_fraction(eps: Any, sigma: Any) -> sp.Expr:
    """T17: Φ_c(σ + Φ⁻¹(ε)), the limit of k_ε/n."""
    return 1 - normal_cdf(sp.sympify(sigma) + normal_quantile(eps))


def excess_mean(z: Any, sigma: Any, eps: Any) -> sp.Expr:
    """T18: E Y = e^(σ²/2) (Φ(z − σ) − ε)."""
    s = sp.sympify(sigma)
    return sp.exp(s**2 / 2) * (normal_cdf(z - s) - eps)


def excess_second_moment(z: Any, sigma: Any, eps: Any) -> sp.Expr:
    """T18: E Y² = e^(2σ²) [(1 − ε)² Φ(z − 2σ) + ε² Φ_c(z − 2σ)]."""
    s, e = sp.sympify(sigma), sp.sympify(eps)
    below = normal_cdf(z - 2 * s)
    return sp.exp(2 * s**2) * ((1 - e) ** 2 * below + e**2 * (1 - below))


def search_bound(kept: Any, scored_tail: Any, unopened: Any) -> sp.Expr:
    """T20: τ̂ from scored masses and an upper bound on the mass of the unopened cells."""
    return tail_mass(kept, sp.sympify(scored_tail) + unopened)


def perturbed_tail_mass(H: Any, T: Any, delta: Any) -> sp.Expr:
    """T22: the bound on τ when every score may be off by δ; H and T are masses of the perturbed scores."""
    return tail_mass(H * sp.exp(-sp.sympify(delta)), T * sp.exp(sp.sympify(delta)))


def perturbation_distance(delta: Any) -> sp.Expr:
    """T22: tanh(δ/2), written with exponentials."""
    e = sp.exp(sp.sympify(delta))
    return (e - 1) / (e + 1)


def accumulated_rounding(count: Any, unit: Any) -> sp.Expr:
    """T22: γ_d = du/(1 − du)."""
    return sp.sympify(count) * unit / (1 - sp.sympify(count) * unit)


def stored_score_radius(
    exact: Any,
    dot_radius: Any,
    scale: Any,
    scale_error: Any,
    unit: Any,
    least: Any,
    stored_unit: Any,
    stored_least: Any,
) -> sp.Expr:
    """T22: how far fl(fl(q·k)·ĉ), then stored, is from q·k·c, for |q·k| = exact and |ĉ − c| ≤ scale_error·c.

    c·(r·G + |x|·(G − 1)) + η with G = (1 + e)(1 + u), and then one rounding of a number of at most |x|c + that.
    """
    growth = (1 + sp.sympify(scale_error)) * (1 + sp.sympify(unit))
    before = scale * (dot_radius * growth + exact * (growth - 1)) + least
    return before + stored_unit * (scale * exact + before) + stored_least
