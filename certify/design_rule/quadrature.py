"""A quadrature rule on [−1, 1] that states its own error, and the panels on which it integrates against φ.

The rule is whatever its sixteen nodes and weights are, as floats; nothing is taken from the theory of Gauss. For a
function f that is analytic and at most M in modulus on the disc |ξ| ≤ ρ, f(ξ) = Σ a_m ξ^m with |a_m| ≤ M ρ^{−m}
(Cauchy), so

    |∫_{−1}^{1} f − Σ_q w_q f(ξ_q)| ≤ M·Σ_m |E_m| ρ^{−m},   E_m = ∫ ξ^m − Σ_q w_q ξ_q^m,

and the moment defects E_m are rational numbers that are computed exactly. The nodes are Gauss's, rounded to 20 bits
after the point, so that a node of a panel is an exact float; the weights solve E_0 = … = E_15 = 0, then rounded. What
the rounding of the nodes costs is in E_16, E_17, …, where ρ^{−m} makes it harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from certify.scores import Floats

__all__ = ["DISC", "GRID", "Rule", "panels_between", "rule"]

DISC = 4  # ρ: the disc on which the integrand is bounded, in half-widths of a panel
GRID = 2.0**-20  # panel ends are multiples of this, and below 16 in modulus
_NODES = 16
_EXACT_MOMENTS = 64


@dataclass(frozen=True, eq=False)
class Rule:
    """`nodes` and `weights` [16], and `defect`: the factor of M in the error for a disc of radius `DISC`."""

    nodes: Floats
    weights: Floats
    defect: float


@lru_cache(maxsize=1)
def rule() -> Rule:
    """The rule, with its defect rounded up."""
    rough, _ = np.polynomial.legendre.leggauss(_NODES)
    nodes = [Fraction(round(Fraction(float(x)) * 2**20), 2**20) for x in rough]
    weights = [float(w) for w in _interpolatory_weights(nodes)]
    total = Fraction(0)
    for power in range(_EXACT_MOMENTS):
        integral = Fraction(2, power + 1) if power % 2 == 0 else Fraction(0)
        moment = sum((Fraction(w) * x**power for w, x in zip(weights, nodes, strict=True)), Fraction(0))
        total += abs(integral - moment) / DISC**power
    # |E_m| ≤ ∫1 + Σ|w_q| for every later m, and the powers of 1/ρ sum to 4/3 of the first.
    spread = 2 + sum((abs(Fraction(w)) for w in weights), Fraction(0))
    total += spread * Fraction(DISC, DISC - 1) / DISC**_EXACT_MOMENTS
    return Rule(np.array([float(x) for x in nodes]), np.array(weights), float(np.nextafter(float(total), 1.0)))


def _interpolatory_weights(nodes: list[Fraction]) -> list[Fraction]:
    """∫_{−1}^{1} of each Lagrange polynomial of the nodes, exactly."""
    weights = []
    for q, node in enumerate(nodes):
        polynomial, scale = [Fraction(1)], Fraction(1)
        for other in nodes[:q] + nodes[q + 1 :]:
            shifted = [Fraction(0), *polynomial]
            polynomial = [a - other * b for a, b in zip(shifted, [*polynomial, Fraction(0)], strict=True)]
            scale *= node - other
        weights.append(sum((2 * a / (m + 1) for m, a in enumerate(polynomial) if m % 2 == 0), Fraction(0)) / scale)
    return weights


def panels_between(low: float, high: float, width: float, slope: float, rate: float, anchor: float) -> Floats:
    """Ends b_0 < b_1 < … of panels that cover [low, high], for an integrand whose phase turns at `slope`·e^{rate·(x −
    anchor)} radians per unit of x: each panel is at most `width` wide and turns about two radians.

    Any ends would be sound. low, high: multiples of GRID.
    """
    ends = [high]
    while ends[-1] > low:
        here = ends[-1]
        turning = slope * float(np.exp(min(rate * (here - anchor), 600.0)))
        step = min(width, 2.0 / turning) if turning > 0 else width
        step = max(GRID * 2, float(np.floor(step / (2 * GRID))) * 2 * GRID)
        ends.append(max(low, here - step))
    return np.array(ends[::-1])
