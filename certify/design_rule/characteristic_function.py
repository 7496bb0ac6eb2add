"""The characteristic function of one key's excess, at equally spaced places, with a bound on its error (T18).

With weights in units of the threshold, w = e^{σ(Z − z)} and Z standard normal, a key's excess is

    Y = (1 − ε)w  where w ≤ 1,   Y = 1 − εw  where w > 1,

capped from below at its value at Z = z_cap: W = max(Y, Y(z_cap)) ≥ Y. `transform` encloses E e^{iθ(W − μ)} for
θ = step, 3·step, 5·step, …

The integral over Z is cut into panels, each on one analytic branch. On a panel of centre c and half-width r the
integrand is bounded on the disc of radius R = ρr around c by

    |φ(ζ) e^{iθ(Y(ζ) − μ)}| ≤ (2π)^{−1/2} e^{R²/2 − m²/2} e^{θg},   m = max(0, |c| − R),   g = |α|σR e^{σ(c − z + R)},

(α = 1 − ε or −ε: the imaginary part of αe^{σ(ζ−z)} is at most g), which `quadrature.rule` turns into an error. Where
that is worse than no quadrature at all, the panel counts with its whole mass as error. Everything below is float64
+ − × ÷ and comparisons; the budget of rounding errors stands beside the lines that make them. u = 2^−53.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from certify import elementary
from certify.design_rule.quadrature import DISC, panels_between, rule
from certify.scores import Floats
from certify.vector_interval import EXP_DOMAIN, EXP_ERROR, EXP_TINY, exp_estimate

__all__ = ["INVERSE_SQRT_2PI", "Excess", "Transform", "transform"]

U = 2.0**-53
INVERSE_SQRT_2PI = float.fromhex("0x1.9884533d43651p-2")  # nearest float; re-derived by the tests
LOWEST = -9.0  # the integral starts here; what lies below counts as error
_MORE = 1.0 + 2.0**-20  # covers the rounding of every error bound: sums and products of < 2^30 positive floats
_WEIGHT_ERROR = EXP_ERROR + 100 * U  # relative: x² (|x| ≤ 12) 72u, 1/√(2π), r·w and two products 5u
_PRODUCT_ERROR = 3 * U  # |fl(z·z') − z·z'| ≤ 2√2·u(1 + u)|z||z'| by real products, in whatever way they are fused


@dataclass(frozen=True)
class Excess:
    """One key's capped and shifted excess W − μ; σ, ε, z, z_cap, μ are exact floats, z and z_cap multiples of
    `quadrature.GRID`, LOWEST < z < z_cap ≤ 12.
    """

    sigma: float
    eps: float
    z: float
    z_cap: float
    shift: float


@dataclass(frozen=True, eq=False)
class Transform:
    """`real` + i·`imaginary` [J] is within `error` [J] of E e^{iθ_j(W − μ)}, θ_j = (2j − 1)·step, j = 1 … J."""

    real: Floats
    imaginary: Floats
    error: Floats


@dataclass(frozen=True, eq=False)
class _Panels:
    centre: Floats
    half: Floats
    slope: Floats  # |α| of the branch

    def disc_bound(self, excess: Excess) -> tuple[Floats, Floats]:
        """B and g of the module's text, rounded up."""
        radius = DISC * self.half
        nearest = np.maximum(np.abs(self.centre) - radius, 0.0)
        bound = 0.4 * exp_estimate((radius * radius - nearest * nearest) / 2) * _MORE
        reach = np.minimum(excess.sigma * (self.centre - excess.z + radius), EXP_DOMAIN)
        turning = self.slope * excess.sigma * radius * exp_estimate(np.maximum(reach, -EXP_DOMAIN)) * _MORE
        return bound, turning


def _panels(excess: Excess, resolved: float) -> _Panels:
    """Panels fine enough that θ up to `resolved` is integrated to nearly full accuracy."""
    width = min(0.25, 0.5 / excess.sigma)
    slopes = (1 - excess.eps, excess.eps)
    spans = ((LOWEST, excess.z), (excess.z, excess.z_cap))
    parts = [
        panels_between(*span, width, resolved * slope * excess.sigma, excess.sigma, excess.z)
        for span, slope in zip(spans, slopes, strict=True)
    ]
    ends = [(part[:-1], part[1:]) for part in parts]
    low, high = (np.concatenate([pair[i] for pair in ends]) for i in (0, 1))
    slope = np.concatenate([np.full(len(part) - 1, s) for part, s in zip(parts, slopes, strict=True)])
    return _Panels((low + high) / 2, (high - low) / 2, slope)


def transform(excess: Excess, step: float, count: int, resolved: float) -> Transform:
    """`count` values of the transform; θ above `resolved` may come with a large error, and says so."""
    panels, quadrature = _panels(excess, resolved), rule()
    places = panels.centre[:, None] + panels.half[:, None] * quadrature.nodes  # exact: at most 46 bits
    weights = (panels.half[:, None] * quadrature.weights) * (exp_estimate(-(places * places) / 2) * INVERSE_SQRT_2PI)
    panel_mass = weights.sum(axis=1)
    atom = float(elementary.normal_survival(excess.z_cap, 64).upper)
    x = np.append(places.ravel(), excess.z_cap)
    mass = np.append(weights.ravel(), atom)
    phase, phase_error = _phases(excess, x, step)
    total = float(mass.sum()) * _MORE

    real, imaginary, start_error = _unit(phase)
    step_real, step_imaginary = real * real - imaginary * imaginary, 2.0 * real * imaginary
    step_error = (2 * start_error + _PRODUCT_ERROR) * _MORE
    drift = float(mass @ phase_error) * _MORE  # |e^{ia} − e^{ib}| ≤ |a − b|, for one half step
    reals, imaginaries = np.empty(count), np.empty(count)
    for j in range(count):
        # Not `@`: a BLAS may hand so short a product to several threads, which takes a hundred times longer.
        reals[j], imaginaries[j] = np.einsum("q,q->", mass, real), np.einsum("q,q->", mass, imaginary)
        real, imaginary = (
            real * step_real - imaginary * step_imaginary,
            real * step_imaginary + imaginary * step_real,
        )
    steps = np.arange(count, dtype=np.float64)
    # One more power adds the error of the step and of the product; (1 + step_error)^count < 1 + 2^−20 is in _MORE.
    unit_error = start_error + steps * (step_error + _PRODUCT_ERROR) * _MORE
    summation = 2 * len(mass) * U * total  # any order of adding: γ_Q·Σ|terms|
    rounding = total * (_WEIGHT_ERROR + unit_error) + (2 * steps + 1) * drift + summation
    below = float(elementary.normal_cdf(LOWEST, 64).upper)
    error = (rounding + _truncation(excess, panels, panel_mass, (2 * steps + 1) * step) + below) * _MORE
    return Transform(reals, imaginaries, error)


def _phases(excess: Excess, x: Floats, step: float) -> tuple[Floats, Floats]:
    """(W − μ)·step at each place, and a bound on the error of each; the last place is the cap."""
    exponent = excess.sigma * (x - excess.z)  # x − z is exact; one rounding
    weight = exp_estimate(np.maximum(exponent, -EXP_DOMAIN))
    relative = EXP_ERROR + 1.01 * U * np.abs(exponent) + 4 * U  # e^{u|a|} − 1, and three roundings
    above = x > excess.z
    value = np.where(above, 1.0 - excess.eps * weight, (1.0 - excess.eps) * weight)
    slope = np.where(above, excess.eps, 1.0 - excess.eps)
    shifted = value - excess.shift
    error = slope * weight * relative + 2 * EXP_TINY + U * (np.abs(value) + np.abs(shifted))
    phase = shifted * step
    return phase, (error * step + U * np.abs(phase)) * _MORE + EXP_TINY


def _unit(phase: Floats) -> tuple[Floats, Floats, float]:
    """(cos, sin) of float phases, and a bound on the modulus of their common error.

    The phase is divided by 2^m to at most ½ in modulus, exactly. There the Taylor sums have an error below 3u: their
    remainders are below 2^−60; with v = x² once rounded, term i ≥ 1 passes at most 4i + 1 roundings, so that the cosine
    is off by at most u(1 + 5/8 + …) < 1.7u, the sine by at most 1.3u. Squaring m times at least doubles it each time.
    """
    halvings = max(0, int(np.ceil(np.log2(max(float(np.abs(phase).max()), 2.0**-60)))) + 1)
    x = phase * 2.0**-halvings
    v = x * x
    cosine, sine = np.full_like(x, 1.0), np.full_like(x, 1.0)
    for i in range(8, 0, -1):
        cosine = 1.0 - v * cosine / float(2 * i * (2 * i - 1))
        sine = 1.0 - v * sine / float(2 * i * (2 * i + 1))
    sine = sine * x
    error = 3 * U
    for _ in range(halvings):
        cosine, sine = cosine * cosine - sine * sine, 2.0 * cosine * sine
        error = (2 * error + _PRODUCT_ERROR) * _MORE
    return cosine, sine, error


def _truncation(excess: Excess, panels: _Panels, panel_mass: Floats, theta: Floats) -> Floats:
    """Σ over the panels of the quadrature's own error at each θ, or of twice the panel's mass where that is less."""
    bound, turning = panels.disc_bound(excess)
    whole = panel_mass * _MORE + 2 * panels.half * bound  # what was summed, and what the integral is at most
    # Exponents above 600 are cut: there the first entry is beyond any mass, since bound and defect exceed e^−100.
    growth = exp_estimate(np.minimum(theta[:, None] * turning, 600.0))
    each: Floats = np.minimum(panels.half * bound * rule().defect * growth * _MORE, whole)
    return np.asarray(each.sum(axis=1))
