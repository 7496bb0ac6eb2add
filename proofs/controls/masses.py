"""Wrong variants of T1–T5 and T24."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.controls.control import Control

w1, w2, w3 = WEIGHTS = sp.symbols("w1 w2 w3", positive=True)
TOTAL = w1 + w2 + w3
KEPT, TAIL = w1 + w2, w3  # three keys, two kept
TAU = TAIL / TOTAL
HALF, TWO, THREE = sp.Rational(1, 2), sp.Integer(2), sp.Integer(3)
ON_WEIGHTS = {w1: (THREE, TWO), w2: (sp.Integer(1), TWO), w3: (sp.Integer(1), HALF, sp.Integer(4))}
H, T, c = sp.Symbol("H", positive=True), sp.Symbol("T", positive=True), sp.Symbol("c", positive=True)


def tail_mass_identity() -> tuple[Control, ...]:
    """T1."""
    variation = (sp.Abs(w1 / TOTAL - w1 / KEPT) + sp.Abs(w2 / TOTAL - w2 / KEPT) + w3 / TOTAL) / 2
    right = sp.Eq(variation, TAU)
    return (
        Control("T1", "the factor ½ forgotten", right, sp.Eq(2 * variation, TAU)),
        Control("T1", "the kept share instead of the tail's", right, sp.Eq(variation, KEPT / TOTAL)),
        Control("T1", "tail over kept instead of tail over all", right, sp.Eq(variation, TAIL / KEPT)),
        Control("T1", "P̂ not renormalised", right, sp.Eq(w3 / TOTAL / 2, TAU)),
    )


def divergence_identity() -> tuple[Control, ...]:
    """T2."""
    kl = w1 / KEPT * sp.log((w1 / KEPT) / (w1 / TOTAL)) + w2 / KEPT * sp.log((w2 / KEPT) / (w2 / TOTAL))
    reverse_on_kept = w1 / TOTAL * sp.log(KEPT / TOTAL) + w2 / TOTAL * sp.log(KEPT / TOTAL)
    right = sp.Eq(kl, -sp.log(1 - TAU))
    return (
        Control(
            "T2",
            "the directions swapped, the infinite term dropped",
            right,
            sp.Eq(reverse_on_kept, -sp.log(1 - TAU)),
            grid=ON_WEIGHTS,
        ),
        Control("T2", "logarithm to base 2", right, sp.Eq(kl, -sp.log(1 - TAU) / sp.log(2)), grid=ON_WEIGHTS),
        Control("T2", "−ln τ for −ln(1 − τ)", right, sp.Eq(kl, -sp.log(TAU)), grid=ON_WEIGHTS),
        Control("T2", "TV = 1 − e^{KL}", right, sp.Eq(1 - sp.exp(kl), TAU), grid=ON_WEIGHTS),
    )


def divergence_family() -> tuple[Control, ...]:
    """T3."""
    p = [w / TOTAL for w in WEIGHTS]
    truncated = [w1 / KEPT, w2 / KEPT, sp.S.Zero]
    chi = sp.Add(*((q - x) ** 2 / x for q, x in zip(truncated, p, strict=True)))
    hellinger = 1 - sp.Add(*(sp.sqrt(q * x) for q, x in zip(truncated, p, strict=True)))
    kl = statements.divergence_of_kept(KEPT, TAIL)
    right, right_root = sp.Eq(chi, TAU / (1 - TAU)), sp.Eq(hellinger, 1 - sp.sqrt(1 - TAU))
    return (
        Control("T3", "χ² without the tail's term τ f(0)", right, sp.Eq(chi, TAU**2 / (1 - TAU))),
        Control("T3", "χ² divided by τ instead of 1 − τ", right, sp.Eq(chi, (1 - TAU) / TAU)),
        Control("T3", "Hellinger without the root", right_root, sp.Eq(hellinger, TAU), grid=ON_WEIGHTS),
        Control(
            "T3",
            "Pinsker taken for a lower bound",
            sp.Ge(sp.sqrt(kl / 2), TAU),
            sp.Le(sp.sqrt(kl / 2), TAU),
            grid=ON_WEIGHTS,
        ),
        Control(
            "T3",
            "Pinsker without the ½ under the root, reversed",
            sp.Ge(kl, 2 * TAU**2),
            sp.Ge(kl, 4 * TAU**2),
            grid=ON_WEIGHTS,
        ),
    )


def optimality() -> tuple[Control, ...]:
    """T4."""
    ordered = (sp.Ge(w1, w2), sp.Ge(w2, w3))
    uniform = (sp.Abs(w1 / TOTAL - HALF) + sp.Abs(w2 / TOTAL - HALF) + w3 / TOTAL) / 2
    best = sp.Le((w2 + w3) / TOTAL, (w1 + w2) / TOTAL)
    return (
        Control("T4", "the smallest key kept", best, sp.Ge((w2 + w3) / TOTAL, (w1 + w2) / TOTAL), ordered),
        Control("T4", "any ordering will do", sp.Ge(w1 + w2, w2), sp.Ge(w1, w3)),
        Control("T4", "uniform weights on the kept keys come as close as P̂", sp.Ge(uniform, TAU), sp.Le(uniform, TAU)),
        Control("T4", "the second-best set is no worse", best, sp.Le((w1 + w3) / TOTAL, (w2 + w3) / TOTAL), ordered),
    )


def from_log_sum_exp() -> tuple[Control, ...]:
    """T5. x is the estimate of H/Z, off by a factor of at most E = e^δ."""
    E, x = sp.Symbol("E", positive=True), sp.Symbol("x", positive=True)
    tau = statements.tail_mass(H, T)
    near = (sp.Ge(E, 1), sp.Ge(x * E, H / (H + T)), sp.Le(x, E * H / (H + T)))
    right = sp.Le(sp.Abs(1 - x - tau), (1 - tau) * (E - 1))
    exact = sp.Eq(1 - sp.exp(sp.log(H) - sp.log(H + T)), tau)
    grid = {H: (TWO, THREE), T: (sp.Integer(1),)}
    return (
        Control("T5", "the error of the log-sum-exps ignored", right, sp.Eq(1 - x, tau), near),
        Control("T5", "its error taken relative to τ", right, sp.Le(sp.Abs(1 - x - tau), tau * (E - 1)), near),
        Control("T5", "the two log-sum-exps exchanged", exact, sp.Eq(1 - (H + T) / H, tau)),
        Control(
            "T5",
            "log-sum-exp in base 2",
            exact,
            sp.Eq(1 - sp.exp((sp.log(H) - sp.log(H + T)) / sp.log(2)), tau),
            grid=grid,
        ),
    )


def signs_of_claims() -> tuple[Control, ...]:
    """T24. C = e^c."""
    C, a, b = sp.Symbol("C", positive=True), sp.Symbol("a", real=True), sp.Symbol("b", real=True)
    first, second = sp.Symbol("c1", real=True), sp.Symbol("c2", real=True)
    Z, tau = H + T, statements.tail_mass(H, T)
    claim, kl = sp.Le(tau, c), sp.Le(Z / H, C)
    error = sp.Le(((a + b) / Z - a / H) ** 2, c**2)
    polynomial = (H * b - T * a) ** 2
    return (
        Control("T24", "kept and tail exchanged", claim, sp.Equivalent(claim, sp.Le((1 - c) * H - c * T, 0))),
        Control("T24", "the shift by c on the wrong sum", kl, sp.Equivalent(kl, sp.Le(Z - H / C, 0))),
        Control(
            "T24",
            "W_H forgotten on the right of the output error",
            sp.Equivalent(error, sp.Le(polynomial, c**2 * Z**2 * H**2)),
            sp.Equivalent(error, sp.Le(polynomial, c**2 * Z**2)),
        ),
        Control(
            "T24",
            "equal exponents not collected: a sum with a non-zero coefficient need not differ from 0",
            sp.Eq(first * C + second * C, (first + second) * C),
            sp.Ne(first * C + second * C, 0),
            (sp.Ne(first, 0),),
        ),
    )
