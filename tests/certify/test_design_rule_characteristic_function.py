"""E e^{iθ(W − μ)} and the moments of W against Arb's rigorous integration of their definitions."""

from collections.abc import Iterator
from math import comb

import numpy as np
import pytest
from flint import acb, arb, ctx

from certify.design_rule import characteristic_function as room
from certify.design_rule.characteristic_function import Excess, transform
from certify.design_rule.guarantee import bernstein, capped_moments
from certify.interval import Interval
from tests.certify.arb_truth import encloses
from tests.certify.normal_against_arb import survival

CASES = {
    "σ = 3, n = 4096": (Excess(3.0, 0.05, 1.0625, 4.5, 0.13), 4e-3, 40, 0.2),
    "σ = 1": (Excess(1.0, 0.1, -0.28125, 8.0, 0.61), 2e-2, 30, 0.3),
    "σ = 0.5, small ε": (Excess(0.5, 0.001, -1.5, 9.0, 0.9), 0.1, 20, 2.0),
    "few keys": (Excess(4.0, 0.1, 2.5, 4.0, 0.0), 2e-3, 30, 0.1),
}


@pytest.fixture(autouse=True)
def _quick_arb() -> Iterator[None]:
    before = ctx.prec
    ctx.prec = 120
    yield
    ctx.prec = before


def expectation(excess: Excess, of: object) -> acb:
    """E of a function of (W − μ): two analytic pieces and the atom, from −∞ (−15: what is left out is below 1e-49)."""
    sigma, eps, z, cap = (acb(x) for x in (excess.sigma, excess.eps, excess.z, excess.z_cap))

    def piece(low: float, high: acb, value: object) -> acb:
        def integrand(x: acb, _: object) -> acb:
            return (-x * x / 2).exp() * of(value((sigma * (x - z)).exp()) - excess.shift)  # type: ignore[operator]

        return acb.integral(integrand, acb(low), high) / (2 * acb.pi()).sqrt()

    kept = 1 - eps * (sigma * (cap - z)).exp()
    below = piece(-15.0, z, lambda w: (1 - eps) * w)
    above = piece(excess.z, cap, lambda w: 1 - eps * w)
    return below + above + acb(survival(arb(excess.z_cap))) * of(kept - excess.shift)  # type: ignore[operator]


@pytest.mark.parametrize("name", CASES)
def test_the_transform_is_within_its_error(name: str) -> None:
    excess, step, count, resolved = CASES[name]
    made = transform(excess, step, count, resolved)
    for j in (0, 1, 4, count // 2, count - 1):
        theta = (2 * j + 1) * arb(step)
        truth = expectation(excess, lambda y, theta=theta: (acb(0, 1) * theta * y).exp())
        off = abs(acb(float(made.real[j]), float(made.imaginary[j])) - truth)
        assert off <= arb(float(made.error[j])) + arb(1e-40), (name, j)
        if float(theta) <= resolved:
            assert made.error[j] < 1e-11, (name, j)


def test_unresolved_places_say_so() -> None:
    excess = CASES["σ = 3, n = 4096"][0]
    made = transform(excess, 2.0, 3, 0.2)
    assert (made.error > 1e-4).all()
    for j in range(3):
        truth = expectation(excess, lambda y, j=j: (acb(0, 1) * (2 * j + 1) * 2 * y).exp())
        assert abs(acb(float(made.real[j]), float(made.imaginary[j])) - truth) <= arb(float(made.error[j]))


@pytest.mark.parametrize("name", ["_truncation", "_WEIGHT_ERROR", "quadrature error", "_phases"])
def test_no_part_of_the_error_is_idle(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of the budget, left out, makes the stated error smaller; where it dominates, the truth is missed."""
    excess, step, count, resolved = CASES["σ = 3, n = 4096"]
    full = transform(excess, step, count, resolved).error
    if name == "_truncation":
        monkeypatch.setattr(room, name, lambda *_: np.zeros(count))
    elif name == "_WEIGHT_ERROR":
        monkeypatch.setattr(room, name, 0.0)
    elif name == "_phases":
        original = room._phases
        monkeypatch.setattr(room, name, lambda *a: (original(*a)[0], original(*a)[1] * 0))
    else:
        excess, step, count, resolved = excess, 2.0, 3, 0.2
        monkeypatch.setattr(room, "_truncation", lambda *_: np.zeros(count))
        made = transform(excess, step, count, resolved)
        misses = [
            abs(
                acb(float(made.real[j]), float(made.imaginary[j]))
                - expectation(excess, lambda y, j=j: (acb(0, 1) * (2 * j + 1) * 2 * y).exp())
            )
            > arb(float(made.error[j]))
            for j in range(3)
        ]
        assert any(misses)
        return
    assert (transform(excess, step, count, resolved).error < full).any()


def test_cosine_and_sine() -> None:
    phases = np.concatenate([np.linspace(-4, 4, 401), [0.0, 5e-324, 1e-300, 0.5, -0.5, 100.0]])
    for part in (phases[:-1], phases, phases[:3] * 1e-3):
        cosine, sine, error = room._unit(part)
        assert error < 2e-14 * max(1.0, float(np.abs(part).max()))
        for x, c, s in zip(part.tolist(), cosine.tolist(), sine.tolist(), strict=True):
            assert abs(acb(c, s) - acb(arb(x).cos(), arb(x).sin())) <= arb(error), x.hex()


def test_the_constant() -> None:
    truth = 1 / (2 * arb.pi()).sqrt()
    assert abs(arb(room.INVERSE_SQRT_2PI) - truth) <= arb((1, -55))


@pytest.mark.parametrize("name", CASES)
def test_moments(name: str) -> None:
    excess = CASES[name][0]
    unshifted = Excess(excess.sigma, excess.eps, excess.z, excess.z_cap, 0.0)
    first, second = capped_moments(excess)
    slightly = arb(0, 1e-20)  # the part of the integral below −15
    assert encloses(first, expectation(unshifted, lambda y: y).real + slightly)
    assert encloses(second, expectation(unshifted, lambda y: y * y).real + slightly)
    assert first.width < 1e-12
    assert second.width < 1e-8


def test_bernstein_holds_for_coins() -> None:
    """n coins with Y = 1 (p) or −1: the exact binomial tail stays below the bound, and within its square root."""
    n, p = 40, arb(1) / 4
    tail = sum((comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(20, n + 1)), arb(0))
    bound = bernstein(n, Interval.point(-0.5, 80), Interval.point(1, 80), Interval.point(1, 80))
    assert tail < arb(float(bound.lower))
    assert arb(float(bound.upper)) < tail.sqrt()
    assert bernstein(n, Interval.point(0.5, 80), Interval.point(1, 80), Interval.point(1, 80)).upper == 1
