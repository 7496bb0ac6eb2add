"""Dot products and their radius: sound for any order of the sum, and at least the auditor's own radius, hardly more."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

import float_kernels
from certify import enclosures
from float_kernels import BadValueError, DtypeError, OutOfRangeError, ShapeError

from . import oracle
from .adversarial_rows import Row, rows

SCALES = (None, 1.0, 0.125, 0.0)


def vectors(seed: int, n: int, d: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Queries and keys with cancellation, tiny and huge components."""
    random = np.random.default_rng(seed)
    exponent = random.integers(-20, 20, size=(n + 1, d)) * random.integers(0, 2)
    everything = np.ldexp(random.normal(size=(n + 1, d)), exponent).astype(dtype)
    everything[1::3, ::2] = -everything[1::3, 1::2] if d % 2 == 0 else everything[1::3, ::2]
    return everything[0], everything[1:]


def real_score(query: np.ndarray, key: np.ndarray, scale: float | None) -> arb:
    exact = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, key, strict=True))
    value = arb(exact.numerator) / arb(exact.denominator)
    return value / arb(len(query)).sqrt() if scale is None else value * arb(scale)


def within(score: Any, radius: Any, value: arb) -> bool:
    return bool(abs(arb(float(score)) - value) <= arb(float(radius)))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("accumulator", ["float32", "float64"])
def test_dot_is_within_its_radius(accumulator: Any, scale: float | None) -> None:
    for seed in range(12):
        q, k = vectors(seed, 5, (1, 2, 3, 64, 127)[seed % 5])
        scores, radius = float_kernels.dot(q, k, scale=scale, accumulator=accumulator)
        assert scores.dtype == accumulator
        assert radius.dtype == np.float64
        with oracle.precision():
            for score, r, row in zip(scores, radius, k, strict=True):
                assert within(score, r, real_score(q, row, scale)), (seed, row)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([2, 16, 33]), st.sampled_from(["float32", "float16"]), st.booleans())
def test_radius_covers_any_order(seed: int, d: int, accumulator: Any, reverse: bool) -> None:
    """Sequential, reversed and pairwise sums in the accumulator, none of them NumPy's own GEMM."""
    dtype = np.dtype(accumulator).type
    q, k = vectors(seed, 3, d)
    q, k = (np.clip(x, -100, 100).astype(np.float16).astype(dtype) for x in (q, k))
    radius = float_kernels.score_radius(q, k, accumulator=accumulator, stored=accumulator)
    with np.errstate(over="ignore", under="ignore"):
        scale = dtype(1) / np.sqrt(dtype(d))
        for row, r in zip(k, radius, strict=True):
            terms = [a * b for a, b in zip(q, row, strict=True)]
            for score in (sequential(terms), sequential(terms[::-1]), pairwise(terms)):
                stored = score * scale
                if np.isfinite(stored):
                    with oracle.precision():
                        assert within(stored, r, real_score(q, row, None)), (seed, d, accumulator)


def sequential(terms: list[Any]) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def pairwise(terms: list[Any]) -> Any:
    while len(terms) > 1:
        terms = [terms[i] + terms[i + 1] if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)]
    return terms[0]


@pytest.mark.parametrize(
    "formats", [("float32", "float32"), ("float32", "bfloat16"), ("float16", "float16"), ("float64", "float64")]
)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("flushes", [False, True])
def test_radius_against_the_auditor(formats: tuple[Any, Any], scale: float | None, flushes: bool) -> None:
    accumulator, stored = formats
    q, k = vectors(7, 6, 64)
    ours = float_kernels.score_radius(
        q, k, scale=scale, accumulator=accumulator, stored=stored, flushes_subnormals=flushes
    )
    theirs = enclosures.score_radius(
        q, k, scale=scale, accumulator=accumulator, stored=stored, flushes_subnormals=flushes, bits=200
    )
    for a, b in zip(ours, theirs, strict=True):
        assert b.upper <= a
        assert a <= b.upper * (1 + 2.0**-20) + 1e-300


def test_shapes() -> None:
    q, k = vectors(1, 6, 8)
    queries = np.stack([q, -q, 2 * q])
    plain = float_kernels.dot(q, k)
    assert plain.scores.shape == plain.radius.shape == (6,)
    batch = float_kernels.dot(queries, k)
    assert batch.scores.shape == batch.radius.shape == (3, 6)
    assert np.all(np.abs(batch.scores[1] + plain.scores) <= batch.radius[1] + plain.radius)
    each = float_kernels.dot(queries, np.broadcast_to(k, (3, 6, 8)))
    assert np.all(np.abs(each.scores - batch.scores) <= each.radius + batch.radius)


@settings(max_examples=60, deadline=None)
@given(rows(max_keys=12), st.floats(0, 30), st.randoms(use_true_random=False))
def test_perturbed_tail_mass_encloses_every_perturbation(row: Row, size: float, random: Any) -> None:
    radius = np.array([random.choice([0.0, size, size / 3]) for _ in row.scores])
    lower, upper = float_kernels.perturbed_tail_mass(row.scores, row.kept, radius)
    with oracle.precision():
        for _ in range(3):
            choice = np.array([random.choice([-1, 0, 1]) for _ in row.scores])
            choice = (
                np.where(row.kept, -1, 1) * (1 if random.random() < 0.5 else -1) if random.random() < 0.5 else choice
            )
            tail, held = arb(0), arb(0)
            top = arb(float(row.scores.max()))
            for s, r, c, keep in zip(row.scores.astype(np.float64), radius, choice, row.kept, strict=True):
                if s > -np.inf:
                    weight = (arb(float(s)) + int(c) * arb(float(r)) - top).exp()
                    tail, held = (tail, held + weight) if keep else (tail + weight, held)
            assert oracle.encloses(lower, upper, tail / (tail + held), largest=1.0), (row, radius, choice)


def test_perturbed_tail_mass_is_tight() -> None:
    """Both ends are attained: against the auditor's enclosure of the same set."""
    scores, kept = np.array([1.0, 0.5, -2.0, 0.0]), np.array([True, True, False, False])
    for radius in (0.0, 1e-9, 0.1, 3.0):
        lower, upper = float_kernels.perturbed_tail_mass(scores, kept, radius, grade="exact")
        real = enclosures.perturbed_tail_mass(scores, kept, radius, bits=200)
        assert real.lower * (1 - 2.0**-38) <= lower <= real.lower
        assert real.upper <= upper <= real.upper * (1 + 2.0**-38)


def test_from_query_and_key_to_a_certificate() -> None:
    """The whole door: τ of the real q·k/√d lies in the bounds made from float32 scores and their radius."""
    q, k = vectors(20, 40, 64)
    scores, radius = float_kernels.dot(q, k)
    kept = float_kernels.top_k(scores, 10).kept
    lower, upper = float_kernels.perturbed_tail_mass(scores, kept, radius)
    with oracle.precision():
        real = [real_score(q, row, None) for row in k]
        top = max(real, key=lambda ball: float(ball.mid()))
        found = [(s - top).exp() for s in real]
        tail = oracle.total([w for w, keep in zip(found, kept, strict=True) if not keep])
        assert oracle.encloses(lower, upper, tail / oracle.total(found), largest=1.0)


def test_bad_input_is_named() -> None:
    q, k = np.ones(4, np.float32), np.ones((3, 4), np.float32)
    with pytest.raises(DtypeError, match="float64 does not fit"):
        float_kernels.dot(q.astype(np.float64), k)
    with pytest.raises(DtypeError, match="int64"):
        float_kernels.dot(np.ones(4, np.int64), k)
    with pytest.raises(ShapeError, match=r"\(5,\)"):
        float_kernels.dot(np.ones(5, np.float32), k)
    bad = k.copy()
    bad[2, 1] = np.nan
    with pytest.raises(BadValueError, match=r"component \(2, 1\) is nan"):
        float_kernels.dot(q, bad)
    with pytest.raises(BadValueError, match="overflows float32"):
        float_kernels.dot(q * np.float32(1e30), k * np.float32(1e30))
    with pytest.raises(OutOfRangeError, match="scale is -1"):
        float_kernels.score_radius(q, k, scale=-1.0)
    with pytest.raises(OutOfRangeError, match="not exact in float32"):
        float_kernels.dot(q, k, scale=0.1)
    with pytest.raises(OutOfRangeError, match="too long for bfloat16"):
        float_kernels.score_radius(np.ones(256, np.float32), np.ones((1, 256), np.float32), accumulator="bfloat16")
    with pytest.raises(OutOfRangeError, match=r"radius \(1,\) is nan"):
        float_kernels.perturbed_tail_mass(np.zeros(2), np.array([True, False]), np.array([0.0, np.nan]))
    scores = float_kernels.dot(q.astype(ml_dtypes.bfloat16), k.astype(np.float16)).scores
    assert np.array_equal(scores, [2.0] * 3)


def test_keys_that_do_not_broadcast_are_refused_with_the_mend() -> None:
    with pytest.raises(float_kernels.ShapeError, match=r"key\[\.\.\., None, :, :\]"):
        float_kernels.dot(np.ones((2, 3, 4)), np.ones((2, 5, 4)), accumulator="float64")
