"""Quantised keys: bounds that hold for the real scores, the same bits in NumPy and compiled, hardly any slack."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from float_kernels import BadValueError, OutOfRangeError, ShapeError
from float_kernels.compiled_quantized import bounds_pass, score_chosen
from float_kernels.quantized_keys import LevelledQuery, QuantizedKeys, level, quantize, score_bounds, unpacked

from . import oracle


def vectors(seed: int, n: int, d: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """A query and keys: a common offset, keys of very different sizes, a zero key, tiny and cancelling components."""
    random = np.random.default_rng(seed)
    key = random.normal(size=(n, d)) * np.exp2(random.integers(-8, 8, size=(n, 1)) * random.integers(0, 2))
    key = key + 30 * random.normal(size=d) * random.integers(0, 2)
    key[n // 2] = 0.0
    key[-1] *= 1e-30 if seed % 3 == 0 else 1.0
    return (random.normal(size=d) * 4.0 ** random.integers(-3, 4)).astype(dtype), key.astype(dtype)


def real_score(query: np.ndarray, key: np.ndarray, scale: float | None) -> arb:
    exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, key, strict=True))
    value = arb(exact.numerator) / arb(exact.denominator)
    return value / arb(len(query)).sqrt() if scale is None else value * arb(scale)


def compiled_bounds(keys: QuantizedKeys, query: LevelledQuery) -> tuple[np.ndarray, np.ndarray]:
    n = len(keys.step)
    lower, upper = np.empty((1, n), np.float32), np.empty((1, n), np.float32)
    constants = np.array([[query.alpha, query.beta, query.gamma, query.offset]])
    bounds_pass(keys.codes, keys.step, keys.rest, keys.bits == 4, query.levels[None], constants, lower, upper)
    return lower[0], upper[0]


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from([1, 2, 3, 17, 64]),
    st.sampled_from([8, 4]),
    st.sampled_from([None, 0.3, 7.0]),
    st.sampled_from([np.float32, np.float64]),
)
def test_bounds_hold_for_the_real_scores(seed: int, d: int, bits: Any, scale: float | None, dtype: Any) -> None:
    query, key = vectors(seed, 6, d, dtype)
    keys = quantize(key, bits)
    levelled = level(query.astype(np.float64), keys, scale)
    lower, upper = score_bounds(keys, levelled)
    with oracle.precision():
        for low, high, row in zip(lower, upper, key, strict=True):
            assert oracle.encloses(low, high, real_score(query, row, scale)), (low.hex(), high.hex(), row)
            assert abs(real_score(query, row, scale)) <= arb(levelled.reach)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("key_exponent", [-149, -100, 0, 100, 124])
@pytest.mark.parametrize("query_exponent", [-300, -149, -128, -110, 0, 60])
def test_vectors_of_extreme_size_get_true_bounds_or_none(bits: Any, key_exponent: int, query_exponent: int) -> None:
    """Keys near 2^124 with a query near 2^-128 once got bounds that missed the score by 2^-14: α was subnormal."""
    random = np.random.default_rng(0)
    key = np.ldexp(random.normal(size=(20, 8)), key_exponent).astype(np.float32)
    query = np.ldexp(random.normal(size=8), query_exponent)
    keys = quantize(key, bits)
    levelled = level(query, keys, 1.0)
    if levelled.reach < 2.0**100:
        lower, upper = score_bounds(keys, levelled)
        with oracle.precision():
            for low, high, row in zip(lower, upper, key, strict=True):
                assert oracle.encloses(low, high, real_score(query, row, 1.0)), (low.hex(), high.hex(), row)
    else:
        assert key_exponent + query_exponent > 60 or query_exponent <= -110


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("d", [1, 5, 64, 100])
def test_compiled_and_numpy_give_the_same_bits(bits: Any, d: int) -> None:
    for seed in range(5):
        query, key = vectors(seed, 2500, d)
        keys = quantize(key, bits)
        levelled = level(query.astype(np.float64), keys, None)
        for ours, theirs in zip(score_bounds(keys, levelled), compiled_bounds(keys, levelled), strict=True):
            assert ours.dtype == np.float32
            assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("bits", [8, 4])
def test_bounds_are_as_narrow_as_the_rounding_of_the_keys(bits: Any) -> None:
    """Codes off by an even spread over ±½ leave ‖rest‖ = step·√(d/12), and half the width is ‖q‖ times that."""
    random = np.random.default_rng(1)
    query, key = random.normal(size=64), random.normal(size=(500, 64)).astype(np.float32)
    keys = quantize(key, bits)
    lower, upper = score_bounds(keys, level(query, keys, 1.0))
    expected = np.linalg.norm(query) * keys.step * np.sqrt(64 / 12)
    assert 0.9 < ((upper - lower) / 2 / expected).mean() < 1.1


def test_the_centre_is_free() -> None:
    """A vector common to all keys costs no width: what is quantised is the rest."""
    random = np.random.default_rng(2)
    query, key = random.normal(size=32), random.normal(size=(300, 32))
    widths = []
    for moved in (key, key + 50.0):
        keys = quantize(moved)
        lower, upper = score_bounds(keys, level(query, keys, 1.0))
        widths.append((upper - lower).mean())
    assert widths[1] < 1.1 * widths[0]


@pytest.mark.parametrize("scale", [1e-40, 1e60])
def test_constants_beyond_float32_give_no_bounds(scale: float) -> None:
    query, key = vectors(0, 6, 5)
    keys = quantize(np.ldexp(key.astype(np.float64), -200))
    assert level(query.astype(np.float64), keys, scale).reach == np.inf


def test_four_bits_are_packed() -> None:
    key = np.random.default_rng(3).normal(size=(20, 7)).astype(np.float32)
    keys = quantize(key, 4)
    assert keys.codes.shape == (20, 4)
    assert unpacked(keys).shape == (20, 7)
    assert set(np.unique(unpacked(keys))) <= set(range(-7, 8))


def test_products_stay_within_32_bits() -> None:
    """The largest codes against the largest levels, in a width where 16 bits of levels would overflow."""
    d = 4000
    key = np.ones((2, d), np.float32)
    key[1] = -1
    query = np.ones(d)
    keys = quantize(key)
    levelled = level(query, keys, 1.0)
    assert int(np.abs(levelled.levels).max()) * 127 * d < 2**31
    lower, upper = compiled_bounds(keys, levelled)
    assert (lower <= [d, -d]).all()
    assert (upper >= [d, -d]).all()


def without(keys: QuantizedKeys, levelled: LevelledQuery, mistake: str) -> tuple[QuantizedKeys, LevelledQuery]:
    zero = np.float32(0)
    if mistake == "no residual norm of the keys":
        return keys._replace(rest=keys.rest * zero), levelled
    if mistake == "no residual of the query":
        return keys, levelled._replace(gamma=zero)
    if mistake == "no centre":
        return keys, levelled._replace(offset=zero)
    if mistake == "no scale":
        return keys, levelled._replace(alpha=levelled.alpha * np.float32(8))
    return keys._replace(rest=keys.rest * np.float32(0.5)), levelled


@pytest.mark.parametrize(
    "mistake",
    ["no residual norm of the keys", "no residual of the query", "no centre", "no scale", "half the residual norm"],
)
def test_must_fail(mistake: str) -> None:
    """Each part of the bound is needed: without it some score lies outside."""
    broken = False
    for seed in range(40):
        query, key = vectors(seed, 40, 2 if "residual" in mistake else 64)
        if mistake == "no residual of the query":  # keys that are exact in 8 bits, so that nothing else has slack
            key = np.float32([[127, 0], [-127, 0], [127, 1], [-127, -1]])
        keys = quantize(key)
        keys, levelled = without(keys, level(query.astype(np.float64), keys, 0.125), mistake)
        lower, upper = score_bounds(keys, levelled)
        with oracle.precision():
            for low, high, row in zip(lower, upper, key, strict=True):
                broken |= not oracle.encloses(low, high, real_score(query, row, 0.125))
    assert broken


def test_chosen_keys_are_scored_and_others_left_alone() -> None:
    query, key = vectors(5, 50, 33)
    chosen = np.arange(50)[None] % 3 == 0
    scores = np.full((1, 50), 7.0)
    score_chosen(query[None].astype(np.float64), key, 0.5, chosen, np.array([0.25]), scores)
    expected = key.astype(np.float64) @ query * 0.5 - 0.25
    assert np.allclose(scores[chosen], expected[chosen[0]], rtol=1e-12, atol=1e-9)
    assert (scores[~chosen] == 7.0).all()


@pytest.mark.parametrize(
    ("key", "bits", "error", "message"),
    [
        (np.ones((2, 2)), 16, OutOfRangeError, "bits is 16"),
        (np.ones(3), 8, ShapeError, r"\(3,\)"),
        (np.ones((0, 3)), 8, ShapeError, "at least one"),
        (np.full((1, 2), np.nan), 8, BadValueError, "NaN"),
        (np.array([[0.0], [1e60]]), 8, OutOfRangeError, "too far apart"),
    ],
)
def test_bad_keys(key: Any, bits: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        quantize(key, bits)


def test_too_many_components() -> None:
    keys = quantize(np.ones((1, 2)))._replace(centre=np.zeros(2**25))
    with pytest.raises(OutOfRangeError, match="too long for 32-bit"):
        level(np.ones(2**25), keys, None)
