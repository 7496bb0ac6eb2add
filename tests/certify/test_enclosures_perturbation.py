"""T22: perturbed tail masses and the error of dot products, against Arb, exact rationals, and NumPy's own roundings."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from flint import arb

from certify import enclosures
from certify.enclosures.perturbation import ACCUMULATORS
from certify.errors import BadInput, BadScores
from tests.certify import arb_truth
from tests.certify.adversarial_rows import ROWS
from tests.certify.arb_truth import dot, encloses, end, is_tight, number

DTYPES = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


def moved(scores: np.ndarray, kept: np.ndarray, radius: np.ndarray, tail_way: int) -> arb:
    """τ with every tail score moved by tail_way·δ and every kept score the other way."""
    weights = [
        arb(0) if s == -np.inf else (number(s) + (-tail_way if keep else tail_way) * number(r)).exp()
        for s, keep, r in zip(scores.tolist(), kept, radius.tolist(), strict=True)
    ]
    tail = arb_truth.total([w for w, keep in zip(weights, kept, strict=True) if not keep])
    return tail / arb_truth.total(weights)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("size", [0.0, 1e-300, 0.125, 40.0])
def test_perturbed_tail_mass(name: str, size: float) -> None:
    scores, kept = ROWS[name]
    radius = np.full(len(scores), size) * (1 + np.arange(len(scores)) % 3)
    found = enclosures.perturbed_tail_mass(scores, kept, radius, 200)
    low, high = moved(scores, kept, radius, -1), moved(scores, kept, radius, 1)
    for truth, ours in ((low, found.lower), (high, found.upper)):
        assert abs(truth - end(ours)) <= truth * arb((1, -180))
    assert not end(found.lower) > low
    assert not end(found.upper) < high
    assert encloses(found, arb_truth.tail_mass(scores, kept))


def test_one_radius_for_all() -> None:
    scores, kept = ROWS["random"]
    assert enclosures.perturbed_tail_mass(scores, kept, 0.5) == enclosures.perturbed_tail_mass(
        scores, kept, np.full(len(scores), 0.5)
    )


def test_random_perturbations_stay_inside() -> None:
    rng = np.random.default_rng(3)
    scores, kept = ROWS["random"]
    found = enclosures.perturbed_tail_mass(scores, kept, 0.25)
    for _ in range(40):
        assert encloses(found, arb_truth.tail_mass(scores + rng.uniform(-0.25, 0.25, len(scores)), kept))


@pytest.mark.parametrize("delta", [0.0, 5e-324, 0.1, 3.0, 1e4])
def test_perturbation_total_variation_and_its_witness(delta: float) -> None:
    """Two keys with odds e^{δ} against e^{−δ}: TV is tanh(δ/2) exactly, and no smaller bound holds."""
    found = enclosures.perturbation_total_variation(delta, 200)
    up, down = (number(delta) / 2).exp(), (-number(delta) / 2).exp()
    attained = abs(up / (up + down) - down / (up + down))
    assert encloses(found, (number(delta) / 2).tanh())
    assert encloses(found, attained)
    if 1e-300 < delta < 10:
        assert not encloses(found, number(delta).tanh())


def any_order(terms: list[np.generic], rng: np.random.Generator) -> np.generic:
    """A sum in some order and shape, each addition rounded to the format of its terms."""
    terms = list(terms)
    while len(terms) > 1:
        first = terms.pop(int(rng.integers(len(terms))))
        second = terms.pop(int(rng.integers(len(terms))))
        terms.append(first + second)
    return terms[0]


@pytest.mark.parametrize("name", DTYPES)
def test_dot_products_in_any_order_stay_within_the_radius(name: str) -> None:
    rng = np.random.default_rng(9)
    dtype = DTYPES[name]
    for d in (1, 2, 17, 60):
        for size in (1.0, 1e-3):
            query, key = ((rng.normal(size=d) * size).astype(dtype) for _ in range(2))
            (radius,) = enclosures.dot_product_radius(query, key[None, :], accumulator=name)
            exact = dot(query, key)
            for _ in range(10):
                computed = Fraction(float(any_order([a * b for a, b in zip(query, key, strict=True)], rng)))
                assert abs(number(computed - exact)) <= end(radius.upper), (name, d)


@pytest.mark.parametrize("name", DTYPES)
def test_the_radius_is_the_formula(name: str) -> None:
    roundoff, subnormal, normal = ACCUMULATORS[name]
    info = ml_dtypes.finfo(DTYPES[name])
    assert roundoff == Fraction(float(info.eps)) / 2
    assert subnormal == Fraction(float(info.smallest_subnormal))
    assert normal == Fraction(float(info.smallest_normal))
    query, key = np.array([1.5, -2.0, 0.25]), np.array([[1.0, 3.0, -1.0], [0.0, 0.0, 0.0]])
    gamma = 3 * roundoff / (1 - 3 * roundoff)
    for flushes, smallest in ((False, subnormal), (True, normal)):
        found = enclosures.dot_product_radius(query, key, accumulator=name, flushes_subnormals=flushes)
        for radius, size in zip(found, (Fraction(31, 4), Fraction(0)), strict=True):
            assert encloses(radius, number(gamma * size + 6 * smallest))
            assert is_tight(radius, 108)


def test_a_radius_without_growth_is_broken() -> None:
    """u·Σ|q k| instead of γ_d·Σ|q k| does not hold for a plain running sum."""
    d = 60
    query, key = np.ones(d, dtype=np.float32), np.full(d, 0.1, dtype=np.float32)
    running = np.float32(0)
    for a, b in zip(query, key, strict=True):
        running = running + a * b
    missed = abs(Fraction(float(running)) - dot(query, key))
    assert missed > Fraction(1, 2**24) * dot(query, key)
    (radius,) = enclosures.dot_product_radius(query, key[None, :])
    assert number(missed) <= end(radius.upper)


@pytest.mark.parametrize("accumulator", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("stored", ["float16", "bfloat16", "float32"])
def test_stored_scores_stay_within_the_score_radius(accumulator: str, stored: str) -> None:
    """The whole chain in NumPy: running dot product, scale, store."""
    rng = np.random.default_rng(4)
    dtype, store = DTYPES[accumulator], DTYPES[stored]
    for d, scale in ((16, 0.25), (48, None), (7, None), (5, 2.5)):
        query, key = rng.normal(size=d).astype(dtype), rng.normal(size=(6, d)).astype(dtype)
        found = enclosures.score_radius(query, key, scale=scale, accumulator=accumulator, stored=stored)
        one = dtype.type(1)
        factor = one / np.sqrt(dtype.type(d)) if scale is None else dtype.type(scale)
        for i, radius in enumerate(found):
            running = dtype.type(0)
            for a, b in zip(query, key[i], strict=True):
                running = running + a * b
            got = (running * factor).astype(store)
            assert abs(number(float(got)) - arb_truth.logit(query, key[i], scale)) <= end(radius.upper), (d, scale)


def test_a_scale_that_the_accumulator_does_not_hold() -> None:
    """The kernel multiplies by float32(scale): three roundings of nearly u each here. Either the radius pays for the third,
    or the scale is refused.
    """
    query, key = (
        np.array([float.fromhex("0x1.0148a0p+0")], np.float32),
        np.array([[float.fromhex("0x1.00217cp+0")]], np.float32),
    )
    scale = float.fromhex("0x1.0335d4ff2a8f2p+0")
    got = query[0] * key[0, 0] * np.float32(scale)
    try:
        (radius,) = enclosures.score_radius(query, key, scale=scale, stored="float64")
    except BadInput as refused:
        assert "scale" in str(refused)  # noqa: PT017  # refusing is one of two right answers
    else:
        assert abs(number(float(got)) - arb_truth.logit(query, key[0], scale)) <= end(radius.upper)


def test_bad_input() -> None:
    query, key = np.ones(4), np.ones((2, 4))
    with pytest.raises(BadInput, match="accumulator 'tf32' is unknown"):
        enclosures.dot_product_radius(query, key, accumulator="tf32")
    with pytest.raises(BadInput, match="too long for bfloat16"):
        enclosures.dot_product_radius(np.ones(256), np.ones((1, 256)), accumulator="bfloat16")
    with pytest.raises(BadScores, match="do not fit"):
        enclosures.dot_product_radius(query, np.ones((2, 3)))
    scores, kept = ROWS["all kept"]
    for radius in (-1.0, np.inf, np.nan):
        with pytest.raises(BadInput, match="not a finite number"):
            enclosures.perturbed_tail_mass(scores, kept, radius)
    with pytest.raises(BadInput, match="below zero"):
        enclosures.perturbation_total_variation(-0.5)
