"""Wrong variants of T23: computed sums x (tail) and y (kept) lie within a factor 1 + g of the real ones T and H."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.controls.control import Control

H, T, x, y, g, u = (sp.Symbol(name, positive=True) for name in ("H", "T", "x", "y", "g", "u"))
VALUE = statements.tail_mass(H, T)
NEAR = (
    sp.Lt(g, sp.Rational(1, 2)),
    sp.And(sp.Le(T, x * (1 + g)), sp.Le(x, T * (1 + g))),
    sp.And(sp.Le(H, y * (1 + g)), sp.Le(y * (1 - g), H)),
)


def tail_mass_bounds() -> tuple[Control, ...]:
    """T23."""
    right = sp.Le(VALUE, x * (1 + g) / (x * (1 + g) + y * (1 - g)))
    share = sp.Symbol("c", positive=True)
    clamped = (sp.Le(T, x), sp.Le(H, y), sp.Le(y, H + share))
    small = (sp.Lt(u, sp.Rational(1, 8)),)
    outward = sp.Le((1 + u) ** 3, 1 + 4 * u)
    return (
        Control("T23", "no inflation", right, sp.Le(VALUE, x / (x + y)), NEAR),
        Control(
            "T23", "kept inflated like the tail", right, sp.Le(VALUE, x * (1 + g) / (x * (1 + g) + y * (1 + g))), NEAR
        ),
        Control("T23", "only the tail inflated", right, sp.Le(VALUE, x * (1 + g) / (x * (1 + g) + y)), NEAR),
        Control("T23", "1 − Σ_H p from computed sums", right, sp.Le(VALUE, 1 - y / (x + y)), NEAR),
        Control(
            "T23",
            "the clamp's share left in the kept sum",
            sp.true,
            sp.Le(VALUE, x / (x + y)),
            clamped,
        ),
        Control(
            "T23",
            "two roundings undone where there are three",
            sp.Or(sp.Ge(u, sp.Rational(1, 4)), outward),
            sp.Le((1 + u) ** 3, 1 + 2 * u),
            small,
        ),
        Control("T23", "(1 + u)^N for 1 + Nu", sp.Ge((1 + u) ** 2, 1 + 2 * u), sp.Le((1 + u) ** 2, 1 + 2 * u), small),
    )
