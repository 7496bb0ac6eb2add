"""The error budget of the float kernels, composed from the error of single operations (T23).

u = 2⁻⁵³ bounds the relative error of one rounding to nearest, η = 2⁻¹⁰⁷⁴ the absolute error of an underflowing
product. What holds for the kernel's
own numbers is decided by exact rational arithmetic in `proofs/smt/kernel.py`; here the same bounds are derived for
symbols.
"""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Derivation, at_least, at_most, chain, equals
from proofs.symbolic.rules import Setting

u, eta = sp.Symbol("u", positive=True), sp.Symbol("eta", positive=True)
H, T = sp.Symbol("Z_H", positive=True), sp.Symbol("Z_T", positive=True)


def horner_step(
    magnitude: sp.Expr,
    error: sp.Expr,
    coefficient: sp.Expr,
    reach: sp.Expr = sp.S.Half,
    coefficient_error: sp.Expr = sp.S.Zero,
) -> tuple[sp.Expr, sp.Expr]:
    """(magnitude, error) after y ↦ y·f + c in floating point with |f| ≤ reach, from |y| ≤ magnitude, |ŷ − y| ≤ error.

    The computed step adds ĉ with |ĉ − c| ≤ coefficient_error.
    """
    product = (magnitude + error) * reach
    before = error * reach + u * product + eta + coefficient_error
    return magnitude * reach + sp.Abs(coefficient), before + u * (magnitude * reach + sp.Abs(coefficient) + before)


def exponential_factor(exponent_error: sp.Expr, polynomial: sp.Expr) -> sp.Expr:
    """1 + ε when the exponent is off by at most ρ and the polynomial by a relative `polynomial`: (1 + ρ + ρ²)/(1 −
    polynomial).
    """
    return (1 + exponent_error + exponent_error**2) / (1 - polynomial)


def error_budget() -> Derivation:
    """T23: from one rounding to the enclosure of τ."""
    N = sp.Symbol("N", integer=True, nonnegative=True)
    room, loss = sp.Symbol("q", nonnegative=True), sp.Symbol("d", nonnegative=True)
    rho, psi = sp.Symbol("rho", positive=True), sp.Symbol("psi", positive=True)
    M, E, c = sp.Symbol("M", positive=True), sp.Symbol("E", nonnegative=True), sp.Symbol("c", positive=True)
    reach, off = sp.Symbol("F", positive=True), sp.Symbol("o", nonnegative=True)
    y_off, f_left = sp.Symbol("a", nonnegative=True), sp.Symbol("b", nonnegative=True)
    g, left = sp.Symbol("g", positive=True), sp.Symbol("p", nonnegative=True)
    pi_error, rest = sp.Symbol("pi_e", positive=True), sp.Symbol("s", positive=True)
    kept_low, tail_high = sp.Symbol("H_low", positive=True), sp.Symbol("T_high", positive=True)
    spare, lack = sp.Symbol("R", nonnegative=True), sp.Symbol("D", nonnegative=True)
    computed = sp.Symbol("r", positive=True)
    return Derivation(
        "T23",
        "The kernel's error budget",
        Setting(
            abbreviations=(
                (room, 1 - N * u),
                (psi, 1 - loss),
                (rest, 1 - pi_error),
                (left, 1 - g),
                (lack, tail_high - T),
                (spare, H - kept_low),
            )
        ),
        (
            chain(
                "units are generous: 1 + Nu ≤ (1 + u)^N, one more factor at a time",
                (1 + N * u) * (1 + u),
                at_least(1 + (N + 1) * u, N * u**2, "expand"),
            ),
            chain(
                "… and not too generous: (1 + u)^N ≤ 1 + Nu + (Nu)² while q = 1 − Nu ≥ 0, again by induction",
                (1 + N * u + (N * u) ** 2) * (1 + u),
                at_most(1 + (N + 1) * u + ((N + 1) * u) ** 2, u**2 * (1 + N * room), "expand"),
            ),
            chain(
                "an upper inflation 1 + g is undone by 1 − g: (1 − g)(1 + g) ≤ 1",
                (1 - g) * (1 + g),
                at_most(1, g**2, "expand"),
            ),
            chain(
                "exponent off by ρ ≤ 1: e^ρ = 1 + ρ + ρ²ψ(ρ) with ψ(ρ) ≤ 1/(2(1 − ρ/3)) ≤ 1 (T18), so ψ = 1 − d",
                1 + rho + rho**2 * (1 - loss),
                at_most(1 + rho + rho**2, rho**2 * loss, "d ≥ 0"),
            ),
            chain(
                "e^d = w·e^ρ/(1 − π) at worst: the larger of the two directions, where s = 1 − π",
                exponential_factor(rho, pi_error),
                at_least(
                    (1 + rho + rho**2) * (1 + pi_error), pi_error**2 * (1 + rho + rho**2) / rest, "1/(1 − π) ≥ 1 + π"
                ),
            ),
            chain(
                "Horner, the product: fl(ŷ f) is within F(M + E)u + η of ŷ f, and ŷ f within EF of y f; "
                "|ŷ| = M + E − a, |f| = F − b",
                (E * reach - E * f_left) + u * (M + E - y_off) * (reach - f_left) + eta,
                equals(
                    E * reach
                    + u * (M + E) * reach
                    + eta
                    - (E * f_left + u * (y_off * (reach - f_left) + f_left * (M + E))),
                    "what is subtracted is not negative",
                ),
            ),
            chain(
                "Horner, the sum: ĉ is off by o, and one more rounding of at most u(M' + E') where M' = FM + |c|",
                horner_step(M, E, c, reach, off)[1],
                equals(
                    (1 + u) * (E * reach + u * (M + E) * reach + eta + off) + u * (M * reach + c),
                    "the product's error passes through the rounding as well",
                ),
            ),
            chain(
                "a sum of terms each within a factor (1 + u)^N is within that factor: two terms",
                T * (1 + g) + H * (1 + g),
                equals((T + H) * (1 + g), "so by induction any tree"),
            ),
            chain(
                "the upper bound: raise the tail, lower the kept",
                statements.tail_mass(H, T),
                at_most(statements.tail_mass(H, T + lack), lack * H / ((H + T) * (H + T + lack)), "T⁺ ≥ Σ_T"),
                equals(statements.tail_mass(kept_low + spare, tail_high), "by the definitions of D and R"),
                at_most(
                    statements.tail_mass(kept_low, tail_high),
                    spare * tail_high / ((kept_low + tail_high) * (kept_low + spare + tail_high)),
                    "H⁻ ≤ Σ_H",
                ),
            ),
            chain(
                "three roundings of the quotient, undone by 1 + 4u",
                computed * (1 + 4 * u),
                equals(computed * ((1 + u) ** 3 + u * (1 - 3 * u - u**2)), "and 1 − 3u − u² > 0 for u < ¼"),
            ),
        ),
        assumed=(
            "binary64 to nearest: fl(x) = x(1 + δ), |δ| ≤ u, or within η/2 where a product "
            "underflows; integers below 2⁵³ are exact",
            "the polynomial's distance from 2^f, the constants' distances from log₂ e, and all "
            "numbers: proofs/smt/kernel.py",
            "that Numba and NumPy perform exactly these operations is tested, not proved",
        ),
    )
