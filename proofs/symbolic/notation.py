"""The symbols that every derivation shares, and the two standard settings: keys 1…k kept and k+1…n tail.

The keys are numbered so that the kept ones come first. Every quantity of the theory is a sum over keys, a maximum, or
built of those, so the numbering does
not matter: this is the only place where "any kept set H" becomes "the first k keys".
"""

from __future__ import annotations

import sympy as sp

from proofs.symbolic.rules import Setting

i = sp.Symbol("i", integer=True, positive=True)
j = sp.Symbol("j", integer=True, positive=True)
k = sp.Symbol("k", integer=True, positive=True)
m = sp.Symbol("m", integer=True, positive=True)  # tail keys
n = k + m

w = sp.IndexedBase("w", nonnegative=True)  # weights e^s; 0 for a masked key
v = sp.IndexedBase("v", real=True)  # one coordinate of the values

Z_H = sp.Symbol("Z_H", positive=True)
Z_T = sp.Symbol("Z_T", positive=True)
A_H = sp.Symbol("A_H", real=True)
A_T = sp.Symbol("A_T", real=True)
B_H = sp.Symbol("B_H", real=True)
B_T = sp.Symbol("B_T", real=True)
tau = sp.Symbol("tau", positive=True)

Z = Z_H + Z_T


def over_kept(summand: sp.Expr) -> sp.Sum:
    """Σ over the kept keys 1…k."""
    return sp.Sum(summand, (i, 1, k))


def over_tail(summand: sp.Expr) -> sp.Sum:
    """Σ over the tail keys k+1…n."""
    return sp.Sum(summand, (i, k + 1, n))


def over_all(summand: sp.Expr) -> sp.Sum:
    """Σ over all keys 1…n."""
    return sp.Sum(summand, (i, 1, n))


def on_kept(value: sp.Expr, otherwise: sp.Expr) -> sp.Piecewise:
    """`value` where key i is kept, `otherwise` where it is not."""
    return sp.Piecewise((value, i <= k), (otherwise, True))


MASSES = Setting(definitions=((Z_H, over_kept(w[i])), (Z_T, over_tail(w[i]))), length=n, cuts=(k,))

VALUES = Setting(
    definitions=(
        *MASSES.definitions,
        (A_H, over_kept(w[i] * v[i])),
        (A_T, over_tail(w[i] * v[i])),
        (B_H, over_kept(w[i] * v[i] ** 2)),
        (B_T, over_tail(w[i] * v[i] ** 2)),
    ),
    length=n,
    cuts=(k,),
)
