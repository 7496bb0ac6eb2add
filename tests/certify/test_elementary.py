"""exp, log, log1p and tanh against Arb: inclusion, and the documented width."""

import math
import random
from itertools import pairwise

import pytest
from flint import arb

from certify import elementary
from certify.elementary import exponential
from certify.errors import UndefinedOperation
from certify.interval import Interval
from tests.certify.arb_truth import encloses, end, is_tight

BITS = (2, 5, 24, 53, 64, 128, 212, 700)
MAGNITUDES = [
    *(
        s * x
        for x in (5e-324, 1e-300, 1e-40, 2.0**-54, 2.0**-53, 1e-9, 0.1, 0.5, 1.0, 3.0, 88.7, 708.0, 1e6)
        for s in (1, -1)
    ),
    *(s * k * math.log(2) for k in (1, 2, 3, 64, 1000) for s in (1, -1)),  # next to a multiple of ln 2
    0.0,
    -1e30,
    1e30,
    -1e308,
    1e308,
]
NEAR_ONE = [1.0 + s * 2.0**-k for k in (52, 51, 40, 20, 3) for s in (1, -1)] + [1.0 - 2.0**-53]
RANDOM = random.Random(20)
RANDOM_POINTS = [RANDOM.uniform(-30, 30) for _ in range(150)] + [
    RANDOM.gauss(0, 1) * 2.0 ** RANDOM.randint(-60, 60) for _ in range(150)
]


def point(x: float, bits: int) -> Interval:
    return Interval.point(x, bits)


@pytest.mark.parametrize("bits", BITS)
def test_exp(bits: int) -> None:
    for x in MAGNITUDES + RANDOM_POINTS:
        made = elementary.exp(point(x, bits))
        assert encloses(made, arb(x).exp()), (x.hex(), bits)
        assert is_tight(made, bits - 4), (x.hex(), bits)


@pytest.mark.parametrize("bits", BITS)
def test_log(bits: int) -> None:
    for x in [abs(x) for x in MAGNITUDES + RANDOM_POINTS if x] + NEAR_ONE:
        made = elementary.log(point(x, bits))
        assert encloses(made, arb(x).log()), (x.hex(), bits)
        assert is_tight(made, bits - 4), (x.hex(), bits)


@pytest.mark.parametrize("bits", BITS)
def test_log1p(bits: int) -> None:
    for x in [abs(x) for x in MAGNITUDES + RANDOM_POINTS] + [2.0**-bits, 2.0 ** (-bits - 1), 2.0**300]:
        made = elementary.log1p(point(x, bits))
        assert encloses(made, (1 + arb(x)).log()), (x.hex(), bits)
        assert is_tight(made, bits - 4), (x.hex(), bits)


def test_log1p_of_numbers_beyond_float() -> None:
    """Both shortcuts: below 2^−bits and above 2^(8·bits), where no ball of 1 + x fits the memory."""
    for exponent in (-(10**12), -3000, 3000):
        made = elementary.log1p(elementary.exp(Interval.point(exponent, 64)))
        if exponent > 0:
            assert encloses(made, (1 + arb(exponent).exp()).log())
        else:
            assert encloses(made, arb(exponent).exp().log1p())
        assert is_tight(made, 58)


@pytest.mark.parametrize("bits", BITS)
def test_tanh(bits: int) -> None:
    """The documented width is absolute: about 2^−bits."""
    for x in MAGNITUDES + RANDOM_POINTS:
        made = elementary.tanh(point(x, bits))
        assert encloses(made, arb(x).tanh()), (x.hex(), bits)
        assert end(made.upper) - end(made.lower) <= arb((1, 5 - bits))
        assert -1 <= made.lower <= made.upper <= 1


def test_wide_intervals_map_to_the_hull_of_their_ends() -> None:
    for low, high in ((-2.0, 3.0), (-1e30, 1e-300), (0.0, 5e-324), (0.5, 700.0)):
        x = Interval.between(low, high, 80)
        for inside in (low, high, 0.5 * low + 0.5 * high, low + (high - low) * 0.01):
            assert encloses(elementary.exp(x), arb(inside).exp())
            assert encloses(elementary.tanh(x), arb(inside).tanh())
            if low >= 0:
                assert encloses(elementary.log1p(x), arb(inside).log1p())
            if low > 0:
                assert encloses(elementary.log(x), arb(inside).log())


def test_exact_values() -> None:
    assert elementary.exp(Interval.point(0, 53)) == Interval.point(1, 53)
    assert elementary.log(Interval.point(1, 53)) == Interval.point(0, 53)
    assert elementary.log1p(Interval.point(0, 53)) == Interval.point(0, 53)


def test_more_bits_are_narrower() -> None:
    widths = [elementary.exp(point(-123.456, bits)).width for bits in (20, 60, 200, 1000, 4000)]
    assert all(b < a * 2.0**-30 for a, b in pairwise(widths))


def test_domains() -> None:
    for wrong in (0.0, -1.0):
        with pytest.raises(UndefinedOperation, match="zero or below"):
            elementary.log(point(wrong, 53))
    with pytest.raises(UndefinedOperation, match="log1p"):
        elementary.log1p(point(-1e-300, 53))


def test_ln2_in_integers() -> None:
    """The enclosure of ln 2 that every reduction uses, at each width that a ladder asks for."""
    for width in (8, 24, 77, 152, 300, 1000, 2200):
        low, high = exponential._ln2(width)
        assert arb((low, -width)) <= arb(2).log() <= arb((high, -width))
        assert high - low <= 3
