"""Why every claim is the sign of a sum of exponentials with rational coefficients, so that it can be decided (T24).

That such a sum over distinct exponents is not 0 unless all its coefficients are is the Lindemann–Weierstrass theorem:
a hypothesis here, not proved.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from proofs import statements
from proofs.symbolic.derivation import Derivation, chain, equals
from proofs.symbolic.notation import A_H, A_T, VALUES, Z_H, Z_T, Z, i, k, n, over_all, over_kept, over_tail, v, w
from proofs.symbolic.rules import Rule

c = sp.Symbol("c", positive=True)


def signs_of_claims() -> Derivation:
    """T24: TV, KL, smallest k and output error as signs."""
    s = sp.IndexedBase("s", real=True)
    top = sp.Symbol("s_max", real=True)
    claimed_kept = over_kept(sp.exp(s[i]))
    moved = sp.Symbol("x", positive=True)
    return Derivation(
        "T24",
        "Each claim is the sign of a sum of exponentials",
        replace(VALUES, abbreviations=()),
        (
            chain(
                "τ ≤ c is the sign of (1 − c)Σ_T e^s − cΣ_H e^s",
                (statements.tail_mass(Z_H, Z_T) - c) * Z,
                equals((1 - c) * over_tail(w[i]) - c * over_kept(w[i]), "Z > 0", Rule.SUMS),
            ),
            chain(
                "KL ≤ c is the sign of Σ_all e^{s−c} − Σ_H e^s",
                Z_H * (sp.exp(statements.divergence_of_kept(Z_H, Z_T) - c) - 1),
                equals(
                    over_all(w[i] * sp.exp(-c)) - over_kept(w[i]), "Z_H > 0 and e^x − 1 has the sign of x", Rule.SUMS
                ),
            ),
            chain(
                "k is the smallest for ε: the top-(k−1) fail, again a sign, after the k-th weight x changes sides",
                (statements.tail_mass(Z_H - moved, Z_T + moved) - c) * Z,
                equals((1 - c) * (Z_T + moved) - c * (Z_H - moved), "Z is unchanged"),
            ),
            chain(
                "‖o − ô‖ ≤ c: one coordinate of the sum Σ_d (W_H A_{T,d} − W_T A_{H,d})²",
                (Z * Z_H * (over_all(w[i] * v[i]) / Z - over_kept(w[i] * v[i]) / Z_H)) ** 2,
                equals((Z_H * A_T - Z_T * A_H) ** 2, "so compare with c² Z² W_H²", Rule.SUMS),
            ),
            chain(
                "products of exponentials are exponentials of sums",
                claimed_kept * sp.exp(-c),
                equals(over_kept(sp.exp(s[i] - c)), "multiply into the sum", Rule.SUMS),
            ),
            chain(
                "factoring out the largest exponent keeps the sign",
                sp.exp(top) * sp.Sum(sp.exp(s[i] - top), (i, k + 1, n)),
                equals(over_tail(sp.exp(s[i])), "e^{s_max} > 0", Rule.SUMS),
            ),
        ),
        assumed=(
            "Lindemann–Weierstrass: exponentials of distinct algebraic numbers are linearly "
            "independent over the algebraic numbers",
        ),
    )
