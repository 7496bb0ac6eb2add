"""The float64 pass encloses the truth on hostile blocks, and is narrow on ordinary ones.

The truth of a row of scores is `certify.enclosures` at 400 bits (which tests of its own hold to Arb); that of a
dot-product score is Arb itself.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from mpmath import mpf
from numpy.typing import NDArray

from certify import enclosures
from certify.first_pass import FirstPass, ScoreBlock, dot_scores
from certify.interval import Interval
from certify.scores import DotScores, ExactRow, row_of
from certify.vector_interval import EXP_ERROR, VectorInterval
from tests.certify import arb_truth
from tests.certify.adversarial_rows import ROWS, random_row
from tests.certify.arb_truth import number

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
BITS = 400
LARGEST = float(np.finfo(np.float64).max)


def holds(found: VectorInterval, place: int, truth: Interval) -> bool:
    """Whether float64 interval and truth overlap; the truth is thinner than any two floats."""
    return bool(mpf(float(found.lower[place])) <= truth.upper and truth.lower <= mpf(float(found.upper[place])))


def block_of(scores: Floats) -> ScoreBlock:
    return ScoreBlock(scores, np.zeros(len(scores)))


def check_rows(made: FirstPass, rows: list[ExactRow], kept: Bools, *, values: bool = False) -> None:
    for i, row in enumerate(rows):
        assert holds(made.tail_mass, i, enclosures.tail_mass(row, kept[i], BITS))
        assert holds(made.kl, i, enclosures.kl(row, kept[i], BITS))
        if values:
            assert holds(made.output_error, i, enclosures.output_error(row, kept[i], bits=BITS))
        assert 0 <= made.tail_mass.lower[i] <= made.tail_mass.upper[i] <= 1
    k = np.maximum(kept.sum(axis=-1) - 1, 1)
    fewer = made.of_top(k)
    for i, row in enumerate(rows):
        assert holds(fewer.tail_mass, i, enclosures.tail_mass(row, row.top(int(k[i])), BITS))


def gap_holds(made: FirstPass, place: int, row: ExactRow, kept: Bools) -> bool:
    inside, outside = int(row.rank[kept].min()), int(row.rank[~kept].max(initial=-1))
    found = VectorInterval(made.gap.lower[place : place + 1], made.gap.upper[place : place + 1])
    if outside < 0:
        return bool(found.lower[0] == np.inf == found.upper[0])
    if inside < 0:
        return bool(found.upper[0] == -np.inf)
    truth = row.exponents[inside].enclosure(2200) - row.exponents[outside].enclosure(2200)
    if inside == outside:
        truth = Interval.point(0, BITS)
    return holds(found, 0, truth)


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("kind", ["ordinary", "huge and tiny", "all equal", "denormal"])
def test_hostile_rows(name: str, kind: str) -> None:
    scores, kept = ROWS[name]
    n = len(scores)
    normal = np.random.default_rng(n).normal(size=(n, 4))
    values = {
        "ordinary": normal,
        "huge and tiny": normal * 10.0 ** np.random.default_rng(1).integers(-300, 300, (n, 4)),
        "all equal": np.full((n, 4), 0.1),
        "denormal": np.round(normal * 9) * 5e-324,
    }[kind]
    made = FirstPass(block_of(scores[None, :]), kept[None, :], values[None])
    row = row_of(scores, values)
    check_rows(made, [row], kept[None, :], values=True)
    assert gap_holds(made, 0, row, kept)


@pytest.mark.parametrize("seed", range(8))
def test_random_blocks(seed: int) -> None:
    """Rounded scores (many ties), some masked, spreads from 1e-6 to 1e3, two value groups."""
    rng = np.random.default_rng(seed)
    rows, n = 12, int(rng.integers(2, 40))
    scores = (rng.normal(size=(rows, n)) * 10.0 ** rng.uniform(-6, 3, (rows, 1))).round(int(rng.integers(0, 8)))
    scores[:, 1:][rng.random((rows, n - 1)) < 0.2] = -np.inf
    kept = rng.random((rows, n)) < rng.random((rows, 1))
    kept[:, 0] = True
    values = rng.normal(size=(2, n, 3)) + rng.choice([0.0, 1e3])
    made = FirstPass(block_of(scores), kept, values)
    exact = [row_of(scores[i], values[i // 6]) for i in range(rows)]
    check_rows(made, exact, kept, values=True)
    assert all(gap_holds(made, i, exact[i], kept[i]) for i in range(rows))


def test_values_near_the_largest_float() -> None:
    """Partial sums of such values overflow, which proves nothing. Here all values are equal: the error is 0."""
    scores = np.random.default_rng(1).normal(size=(200, 4)) * 2
    kept = np.tile([False, True, False, True], (200, 1))
    made = FirstPass(block_of(scores), kept, np.full((1, 4, 1), LARGEST))
    assert (made.output_error.lower <= 0).all()


def ordinary(rows: int = 40, n: int = 700) -> tuple[Floats, Bools, Floats]:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(rows, n)) * rng.uniform(0.5, 6, (rows, 1))
    kept = np.zeros((rows, n), dtype=bool)
    np.put_along_axis(kept, np.argsort(-scores, axis=-1)[:, :60], True, axis=-1)
    return scores, kept, rng.normal(size=(1, n, 5))


def test_ordinary_rows_are_narrow() -> None:
    """An implementation that returns [0, 1] fails here."""
    scores, kept, values = ordinary()
    made = FirstPass(block_of(scores), kept, values)
    for found in (made.tail_mass, made.kl):
        assert (found.upper - found.lower <= 1e-11 * found.upper).all()
    output = made.output_error
    assert (output.upper - output.lower <= 1e-10 * made.tail_mass.upper * np.abs(values).max()).all()
    assert (made.gap.upper - made.gap.lower <= 1e-14).all()
    top = made.of_top(np.full(len(scores), 59)).tail_mass
    assert (top.upper - top.lower <= 1e-11 * top.upper).all()


def test_a_tiny_tail_keeps_its_relative_accuracy() -> None:
    """1 − Σ_H p would be 0 or noise below 1e-16."""
    scores = np.array([[0.0, -1.0, -300.0, -301.0], [600.0, 599.0, 0.0, 0.5]])
    kept = np.array([[True, True, False, False]] * 2)
    made = FirstPass(block_of(scores), kept)
    for found in (made.tail_mass, made.kl):
        assert (found.lower > 0).all()
        assert (found.upper - found.lower <= 1e-11 * found.upper).all()


def test_ties_have_an_exact_gap() -> None:
    made = FirstPass(block_of(np.array([[1.0, 1.0, 0.0]])), np.array([[True, False, False]]))
    assert (made.gap.lower[0], made.gap.upper[0]) == (0.0, 0.0)


@pytest.mark.parametrize("radius", [1e-300, 1e-9, 0.3, 20.0, 500.0, np.inf])
def test_a_radius_is_honoured(radius: float) -> None:
    """True scores anywhere within the radius, its ends included: every quantity stays inside."""
    rng = np.random.default_rng(12)
    centre, kept = random_row(41, 15, 4)
    values = rng.normal(size=(1, 15, 2))
    made = FirstPass(ScoreBlock(centre[None, :], np.array([radius])), kept[None, :], values)
    size = min(radius, 1e6)
    for way in (np.where(kept, -1, 1), np.where(kept, 1, -1), *rng.uniform(-1, 1, (10, 15))):
        true = np.clip(centre + size * way, centre - size, centre + size)
        inside = np.abs(true - centre) <= radius  # the rounding of the sum may step outside
        row = row_of(np.where(inside, true, centre), values[0])
        check_rows(made, [row], kept[None, :], values=True)
        assert gap_holds(made, 0, row, kept)


@pytest.mark.parametrize("reach", [0.0, 1e-300, 0.5, 37.0, 707.9])
def test_the_weight_error_covers_subtraction_and_exponential(reach: float) -> None:
    """The rounding of s − m in a row that reaches so far down, and EXP_ERROR; and not much more."""
    made = FirstPass(block_of(np.array([[0.0, -reach, -1e4]])), np.array([[True, True, True]]))
    found, shift = arb(float(made._weight_error[0])), arb(reach) * arb((1, -53))
    assert shift.exp() * (1 + arb(EXP_ERROR)) - 1 <= found <= (shift + arb(EXP_ERROR)) * arb("1.001")


def logits(
    query: Floats,
    key: Floats,
    scale: float | None,
    attended: Bools | None,
    bias: Floats | None,
    softcap: float | None,
) -> list[list[arb | None]]:
    """Arb's logits [groups·r][n]; None where masked."""
    groups, r, _ = query.shape
    found: list[list[arb | None]] = []
    for flat in range(groups * r):
        group = flat // r
        row: list[arb | None] = []
        for i, vector in enumerate(key[group]):
            added = 0.0 if bias is None else float(bias[flat, i])
            masked = added == -np.inf or (attended is not None and not attended[flat, i])
            made = (
                None if masked else arb_truth.logit(query[group, flat % r], vector, scale, bias=added, softcap=softcap)
            )
            row.append(made)
        found.append(row)
    return found


def dot_case(
    seed: int, size: Callable[[np.random.Generator, tuple[int, ...]], Floats], d: int = 9
) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    return size(rng, (2, 3, d)), size(rng, (2, 6, d))


SIZES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Floats]] = {
    "ordinary": lambda rng, shape: rng.normal(size=shape),
    "float16 inputs": lambda rng, shape: rng.normal(size=shape).astype(np.float16).astype(np.float64),
    "large": lambda rng, shape: rng.normal(size=shape) * 1e4,
    "underflowing": lambda rng, shape: rng.normal(size=shape) * 10.0 ** rng.integers(-200, -150, shape),
    "denormal": lambda rng, shape: np.round(rng.normal(size=shape) * 9) * 5e-324,
    "mixed": lambda rng, shape: rng.normal(size=shape) * 10.0 ** rng.integers(-160, 5, shape),
    "overflowing": lambda rng, shape: rng.normal(size=shape) * 10.0 ** rng.integers(0, 308, shape),
    "cancelling": lambda rng, shape: np.tile([1e8, -1e8, 1.0], (*shape[:-1], shape[-1] // 3)) + rng.normal(size=shape),
    "zero": lambda rng, shape: np.zeros(shape),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("scale", "softcap"),
    [
        (None, None),
        (0.125, None),
        (-3.3, None),
        (1e300, None),
        (5e-324, None),
        (None, 30.0),
        (2.0, 1e-3),
        (None, 1e300),
    ],
)
@pytest.mark.parametrize("with_bias", [False, True])
def test_dot_scores_hold_the_real_logits(
    size: str, scale: float | None, softcap: float | None, with_bias: bool
) -> None:
    query, key = dot_case(7, SIZES[size])
    rng = np.random.default_rng(8)
    bias = attended = None
    if with_bias:
        bias = rng.normal(size=(6, 6)) * rng.choice([1.0, 1e6], (6, 6))
        bias[:, 1] = -np.inf
        attended = rng.random((6, 6)) < 0.8
        attended[:, 0] = True
    found = dot_scores(query, key, scale=scale, attended=attended, bias=bias, softcap=softcap)
    assert not np.isnan(found.centre).any()
    assert not np.isnan(found.radius).any()
    for flat, row in enumerate(logits(query, key, scale, attended, bias, softcap)):
        for i, truth in enumerate(row):
            if truth is None:
                assert found.centre[flat, i] == -np.inf
            else:
                assert truth.is_finite()
                radius = float(found.radius[flat])
                assert np.isfinite(found.centre[flat, i])
                assert radius == np.inf or not abs(truth - arb(float(found.centre[flat, i]))) > arb(radius)


def test_ordinary_dot_scores_are_narrow() -> None:
    query, key = dot_case(3, SIZES["ordinary"], d=60)
    found = dot_scores(query, key, scale=None)
    assert (found.radius < 1e-12).all()
    capped = dot_scores(query, key, scale=None, softcap=30.0)
    assert (capped.radius < 1e-11).all()


def test_hopeless_rows_are_marked_and_settle_nothing() -> None:
    query, key = np.full((1, 2, 3), 1e200), np.full((1, 4, 3), 1e200)
    query[0, 1] = 1.0
    found = dot_scores(query, key, scale=1.0)
    assert found.radius[0] == np.inf
    kept = np.tile([True, False, False, False], (2, 1))
    made = FirstPass(found, kept, np.ones((1, 4, 1)))
    assert (made.tail_mass.lower[0], made.tail_mass.upper[0]) == (0.0, 1.0)
    assert made.kl.upper[0] == np.inf
    assert made.gap.lower[0] == -np.inf
    assert made.gap.upper[0] == np.inf


@pytest.mark.parametrize(
    ("d", "scale", "softcap"), [(9, None, None), (12, None, None), (12, 0.3, None), (7, None, 5.0)]
)
def test_blocks_from_queries_and_keys(d: int, scale: float | None, softcap: float | None) -> None:
    """The whole way from q, K to every quantity, against exact rows; d is a perfect square once."""
    query, key = dot_case(d, SIZES["ordinary"], d)
    rng = np.random.default_rng(d)
    values = rng.normal(size=(2, 6, 2))
    kept = rng.random((6, 6)) < 0.5
    kept[:, 2] = True
    made = FirstPass(dot_scores(query, key, scale=scale, softcap=softcap), kept, values)
    recipe = DotScores(None if scale is None else Fraction(scale), None if softcap is None else Fraction(softcap))
    rows = [recipe.row(query[i // 3, i % 3], key[i // 3], None, None, values[i // 3]) for i in range(6)]
    check_rows(made, rows, kept, values=True)
    for i, row in enumerate(rows):
        tau, divergence, _ = arb_truth.shares_of_logits(
            [arb_truth.logit(query[i // 3, i % 3], vector, scale, softcap=softcap) for vector in key[i // 3]], kept[i]
        )
        assert arb_truth.encloses(enclosures.tail_mass(row, kept[i], BITS), tau)
        assert arb_truth.encloses(enclosures.kl(row, kept[i], BITS), divergence)
        assert number(float(made.tail_mass.lower[i])) <= tau <= number(float(made.tail_mass.upper[i]))
        assert gap_holds(made, i, row, kept[i])


def test_a_tail_without_weight_is_zero_and_not_almost() -> None:
    """5e-324 instead of 0 leaves a claim of 0 to exact arithmetic, for a second a row where scores are products."""
    scores = np.array([[0.5, -1.0, 2.0], [0.5, -np.inf, 2.0], [0.5, -1.0, 2.0]])
    kept = np.array([[True, True, True], [True, False, True], [True, False, True]])
    made = FirstPass(ScoreBlock(scores, np.full(3, 1e-9)), kept, np.ones((1, 3, 2)))
    for found in (made.tail_mass, made.kl, made.output_error):
        assert found.lower[:2].tolist() == found.upper[:2].tolist() == [0.0, 0.0]
    assert made.tail_mass.lower[2] > 0
    assert made.kl.lower[2] > 0
