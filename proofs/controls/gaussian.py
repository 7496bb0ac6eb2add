"""Wrong variants of T16–T18. The tail mass is compared through its derivative in the threshold a: e^{σa} φ(a) / E
e^{σZ}.
"""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.controls.control import Control

a, q = sp.Symbol("a", real=True), sp.Symbol("q", real=True)
sigma = sp.Symbol("sigma", positive=True)
P, eps = sp.Symbol("P", positive=True), sp.Symbol("eps", positive=True)
GRID = {a: (sp.Rational(1, 2), sp.Integer(1)), sigma: (sp.Integer(2), sp.Rational(3, 2))}


def density(x: sp.Expr) -> sp.Expr:
    """φ."""
    return sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)


def tail_mass() -> tuple[Control, ...]:
    """T16."""
    truth = sp.exp(sigma * a) * density(a) / sp.exp(sigma**2 / 2)
    right = sp.Eq(truth, density(a - sigma))
    return (
        Control("T16", "Φ(Φ_c⁻¹(κ) + σ)", right, sp.Eq(truth, density(a + sigma)), grid=GRID),
        Control("T16", "σ² for σ", right, sp.Eq(truth, density(a - sigma**2)), grid=GRID),
        Control("T16", "Φ_c for Φ", right, sp.Eq(truth, -density(a - sigma)), grid=GRID),
        Control(
            "T16",
            "the mean weight e^{σ²} instead of e^{σ²/2}",
            right,
            sp.Eq(truth, sp.exp(sigma**2 / 2) * density(a - sigma)),
            grid=GRID,
        ),
    )


def design_rule() -> tuple[Control, ...]:
    """T17: with threshold a the tail mass is Φ(a − σ); it has to be ε = Φ(q)."""
    goal = statements.normal_cdf(q)
    grid = {q: (sp.Integer(-2), sp.Integer(-1)), sigma: (sp.Integer(2), sp.Integer(3))}

    def at(threshold: sp.Expr) -> sp.Eq:
        return sp.Eq(statements.normal_cdf(threshold - sigma), goal)

    return (
        Control("T17", "σ left out", at(sigma + q), at(q), grid=grid),
        Control("T17", "Φ_c⁻¹(ε) for Φ⁻¹(ε)", at(sigma + q), at(sigma - q), grid=grid),
        Control("T17", "σ² for σ", at(sigma + q), at(sigma**2 + q), grid=grid),
        Control("T17", "Φ for Φ_c", at(sigma + q), at(-(sigma + q)), grid=grid),
    )


def finite_guarantee() -> tuple[Control, ...]:
    """T18. P is the tilted probability Φ(z − σ) or Φ(z − 2σ); the exponential's steps are compared at points."""
    x = sp.Symbol("x", positive=True)
    H, T = sp.Symbol("H", positive=True), sp.Symbol("T", positive=True)
    mean = (1 - eps) * P - eps * (1 - P)
    second = (1 - eps) ** 2 * P + eps**2 * (1 - P)
    claim = sp.Le(statements.tail_mass(H, T), eps)
    inside = (sp.Lt(P, 1), sp.Lt(eps, 1))
    grid = {x: (sp.Integer(1), sp.Integer(2))}
    psi = (sp.exp(x) - 1 - x) / x**2
    return (
        Control("T18", "E Y with 1 − ε for ε", sp.Eq(mean, P - eps), sp.Eq(mean, P - (1 - eps)), inside),
        Control("T18", "E Y² with 1 − ε not squared", sp.true, sp.Eq((1 - eps) * P + eps**2 * (1 - P), second), inside),
        Control(
            "T18",
            "ε and 1 − ε exchanged in Y",
            sp.Equivalent(claim, sp.Le((1 - eps) * T - eps * H, 0)),
            sp.Equivalent(claim, sp.Le(eps * T - (1 - eps) * H, 0)),
            inside,
        ),
        Control(
            "T18",
            "ψ(0) = ½ in the place of ψ(λb)",
            sp.Ge(psi, sp.Rational(1, 2)),
            sp.Le(psi, sp.Rational(1, 2)),
            grid=grid,
        ),
        Control(
            "T18",
            "Bernstein without λb/3",
            sp.Le(psi, 1 / (2 * (1 - x / 3))),
            sp.Le(psi, sp.Rational(1, 2)),
            grid=grid,
        ),
        Control(
            "T18",
            "Bernstein with λb/4",
            sp.Le(psi, 1 / (2 * (1 - x / 3))),
            sp.Le(psi, 1 / (2 * (1 - x / 4))),
            grid={x: (sp.Rational(1, 10), sp.Integer(1))},
        ),
        Control(
            "T18",
            "the excess above the threshold without its 1",
            sp.Eq((1 - eps) * x - (x - 1), 1 - eps * x),
            sp.Eq((1 - eps) * x - (x - 1), -eps * x),
            (sp.Lt(eps, 1), sp.Gt(x, 1)),
        ),
        Control(
            "T18",
            "the order statistics' loss with the wrong sign",
            sp.Equivalent(sp.Gt((1 - eps) * (T + H) - H, 0), sp.Gt((1 - eps) * (T + H) - (H + x), -x)),
            sp.Equivalent(sp.Gt((1 - eps) * (T + H) - H, 0), sp.Gt((1 - eps) * (T + H) - (H + x), x)),
            (sp.Lt(eps, 1),),
        ),
    )
