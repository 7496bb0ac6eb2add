"""Wrong variants of T6–T9."""

from __future__ import annotations

import sympy as sp

from proofs import statements
from proofs.controls.control import Control

H, T = sp.Symbol("H", positive=True), sp.Symbol("T", positive=True)
k, m, a, E = (sp.Symbol(name, positive=True) for name in ("k", "m", "a", "E"))
TAU = statements.tail_mass(H, T)
EPS = sp.Symbol("eps", positive=True)


def single_gap() -> tuple[Control, ...]:
    """T6, with e^(−Δ) = 1/E, real counts k and m."""
    known = (sp.Ge(E, 1), sp.Ge(k, 1), sp.Ge(m, 1), sp.Ge(H, k * a * E), sp.Le(T, m * a))
    right = sp.Le(TAU, statements.tail_mass(k, m / E))
    enough = (sp.Lt(EPS, 1), sp.Ge(E, 1), sp.Ge(k, 1), sp.Ge(m, 1))
    sufficient = sp.Le(statements.tail_mass(k, m / E), EPS)
    return (
        Control("T6", "k for n − k and n − k for k", right, sp.Le(TAU, statements.tail_mass(m, k / E)), known),
        Control(
            "T6",
            "the tail counted once instead of n − k times",
            right,
            sp.Le(TAU, statements.tail_mass(k, 1 / E)),
            known,
        ),
        Control("T6", "the gap counted twice", right, sp.Le(TAU, statements.tail_mass(k, m / E**2)), known),
        Control("T6", "n keys kept in the denominator", right, sp.Le(TAU, m / E / (k + m + m / E)), known),
        Control("T6", "a lower bound by mistake", right, sp.Ge(TAU, statements.tail_mass(k, m / E)), known),
        Control("T6", "applied to a set that is not the top-k", sp.true, right, (sp.Ge(E, 1), sp.Le(T, m * a))),
        Control(
            "T6",
            "sufficient gap without (n − k)/k",
            sp.Or(sp.Lt(E * k * EPS, m * (1 - EPS)), sufficient),
            sp.Or(sp.Lt(E * EPS, 1 - EPS), sufficient),
            enough,
        ),
    )


def multi_gap() -> tuple[Control, ...]:
    """T7: B is the known tail's mass, U the unknown scores', of which there are r, each of weight at most c."""
    known, unknown, c, r = (sp.Symbol(name, positive=True) for name in ("B", "U", "c", "r"))
    given = (sp.Le(unknown, r * c), sp.Ge(r, 1))
    value = statements.tail_mass(H, known + unknown)
    right = sp.Le(value, statements.multi_gap_bound(H, known, r, c))
    return (
        Control(
            "T7",
            "the unknown scores counted once",
            right,
            sp.Le(value, statements.multi_gap_bound(H, known, 1, c)),
            given,
        ),
        Control("T7", "the unknown scores left out", right, sp.Le(value, statements.tail_mass(H, known)), given),
        Control(
            "T7",
            "the known tail scores counted as kept",
            right,
            sp.Le(value, statements.tail_mass(H + known, r * c)),
            given,
        ),
        Control(
            "T7", "the unknown scores in the denominator only", right, sp.Le(value, known / (H + known + r * c)), given
        ),
    )


def blockwise() -> tuple[Control, ...]:
    """T8 for one block with h kept and t tail keys between weights L and U."""
    h, t, low, up = (sp.Symbol(name, positive=True) for name in ("h", "t", "L", "U"))
    given = (
        sp.Ge(h, 1),
        sp.Ge(t, 1),
        sp.Le(low, up),
        sp.And(sp.Ge(H, h * low), sp.Le(H, h * up)),
        sp.And(sp.Ge(T, t * low), sp.Le(T, t * up)),
    )
    right = sp.Le(TAU, statements.tail_mass(h * low, t * up))
    lower = sp.Ge(TAU, statements.tail_mass(h * up, t * low))
    return (
        Control(
            "T8",
            "e^{u_b} once per block instead of once per key",
            right,
            sp.Le(TAU, statements.tail_mass(h * low, up)),
            given,
        ),
        Control(
            "T8",
            "the kept keys raised to the ceiling as well",
            right,
            sp.Le(TAU, statements.tail_mass(h * up, t * up)),
            given,
        ),
        Control(
            "T8", "kept and tail counts exchanged", right, sp.Le(TAU, statements.tail_mass(t * low, h * up)), given
        ),
        Control(
            "T8",
            "the ends of the blocks exchanged in the lower bound",
            lower,
            sp.Ge(TAU, statements.tail_mass(h * low, t * up)),
            given,
        ),
        Control(
            "T8",
            "the lower bound's tail at its ceiling",
            lower,
            sp.Ge(TAU, statements.tail_mass(h * up, t * up)),
            given,
        ),
    )


def block_moments() -> tuple[Control, ...]:
    """T9 for the two-point witness: t keys, a share x of them at m + β and the rest at m − σ²/β."""
    t, mean, beta = sp.Symbol("t", positive=True), sp.Symbol("m", real=True), sp.Symbol("beta", positive=True)
    below = sp.Symbol("g", positive=True)  # the lower point is m − g
    high = below / (below + beta)  # its mean deviation is 0
    variance = below * beta
    mass = t * (high * sp.exp(mean + beta) + (1 - high) * sp.exp(mean - below))
    upper, lower = mean + beta, mean - below
    chord = statements.moment_upper(t, mean, lower, upper)
    bennett = statements.moment_upper_with_variance(t, mean, variance, upper)
    grid = {
        t: (sp.Integer(2), sp.Integer(6)),
        mean: (sp.Integer(0), sp.Integer(-1)),
        beta: (sp.Integer(1), sp.Integer(2)),
        below: (sp.Integer(1), sp.Integer(2)),
    }
    swapped = t * ((upper - mean) * sp.exp(upper) + (mean - lower) * sp.exp(lower)) / (upper - lower)
    return (
        Control(
            "T9",
            "the block's mean taken for an upper bound",
            sp.Ge(mass, t * sp.exp(mean)),
            sp.Le(mass, t * sp.exp(mean)),
            grid=grid,
        ),
        Control(
            "T9",
            "Jensen without the number of keys, as an upper bound",
            sp.Le(mass, chord),
            sp.Le(mass, sp.exp(mean)),
            grid=grid,
        ),
        Control("T9", "the chord's weights exchanged", sp.Le(mass, chord), sp.Le(mass, swapped), grid=grid),
        Control(
            "T9",
            "Bennett with half the variance",
            sp.Le(mass, bennett),
            sp.Le(mass, statements.moment_upper_with_variance(t, mean, variance / 2, upper)),
            grid=grid,
        ),
        Control(
            "T9",
            "Bennett's exponents exchanged",
            sp.Le(mass, bennett),
            sp.Le(
                mass,
                t
                * sp.exp(mean)
                * (variance * sp.exp(-variance / beta) + beta**2 * sp.exp(beta))
                / (variance + beta**2),
            ),
            grid={**grid, beta: (sp.Integer(1),), below: (sp.Integer(2),)},
        ),
    )
