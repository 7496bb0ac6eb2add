"""Every operation of `Interval` against exact rational arithmetic."""

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mpmath import inf, mpf
from mpmath.libmp import to_rational

from certify.errors import BadInput, UndefinedOperation
from certify.interval import Interval, Ternary, total

QUICK = settings(deadline=None, max_examples=150)
floats = st.floats(allow_nan=False, allow_infinity=False, width=64)
precisions = st.sampled_from([1, 2, 3, 10, 24, 53, 128, 400])


def exact(end: mpf) -> Fraction:
    return Fraction(*to_rational(end._mpf_))


@st.composite
def binary_numbers(draw: st.DrawFn) -> Fraction:
    """Mantissas of any length and exponents to ±3000, with zero and both signs."""
    return draw(st.integers(-(2**80), 2**80)) * Fraction(2) ** draw(
        st.sampled_from([-3000, -1074, -60, 0, 3, 900, 3000])
    )


@st.composite
def intervals(draw: st.DrawFn) -> tuple[Interval, list[Fraction]]:
    """An interval and rational points in it: its ends and one between."""
    bits = draw(precisions)
    low, high = sorted((draw(binary_numbers()), draw(binary_numbers())))
    if draw(st.booleans()):
        high = low
    share = draw(st.fractions(0, 1, max_denominator=97))
    made = Interval(Interval.point(low, bits).lower, Interval.point(high, bits).upper, bits)
    return made, [low, high, low + (high - low) * share]


def holds(interval: Interval, value: Fraction) -> bool:
    return exact(interval.lower) <= value <= exact(interval.upper)


@QUICK
@given(intervals(), intervals())
def test_the_four_operations_include_the_truth(
    left: tuple[Interval, list[Fraction]], right: tuple[Interval, list[Fraction]]
) -> None:
    (x, xs), (y, ys) = left, right
    for a, b in product(xs, ys):
        assert holds(x + y, a + b), (a, b)
        assert holds(x - y, a - b), (a, b)
        assert holds(x * y, a * b), (a, b)
    if exact(y.lower) > 0 or exact(y.upper) < 0:
        for a, b in product(xs, ys):
            assert holds(x / y, a / b), (a, b)
    else:
        with pytest.raises(UndefinedOperation, match="holds zero"):
            _ = x / y


@QUICK
@given(binary_numbers(), binary_numbers(), st.sampled_from([3, 10, 53, 200]))
def test_operations_on_points_are_tight(a: Fraction, b: Fraction, bits: int) -> None:
    """Two neighbours at `bits`: relative width at most 2^(1 − bits)."""
    assume(b)
    x, y = Interval.point(a, bits), Interval.point(b, bits)
    for made, truth in ((x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b)):
        assert exact(made.upper) - exact(made.lower) <= abs(truth) * Fraction(2) ** (1 - bits)


@QUICK
@given(intervals())
def test_unary_operations(found: tuple[Interval, list[Fraction]]) -> None:
    x, points = found
    for a in points:
        assert holds(-x, -a)
        assert holds(abs(x), abs(a))
        assert holds(x.square(), a * a)
    assert x.square().lower >= 0
    negated = -x
    assert -negated == x
    if exact(x.lower) < 0:
        with pytest.raises(UndefinedOperation, match="below zero"):
            x.sqrt()
        return
    root = x.sqrt()
    assert exact(root.lower) ** 2 <= exact(x.lower)
    assert exact(x.upper) <= exact(root.upper) ** 2
    assert exact(root.upper) - exact(root.lower) >= 0


@QUICK
@given(st.integers(0, 2**60), st.sampled_from([-2000, -3, 0, 7, 2000]), st.sampled_from([5, 53, 300]))
def test_square_root_of_a_square_is_tight(mantissa: int, exponent: int, bits: int) -> None:
    root = mantissa * Fraction(2) ** exponent
    made = Interval.point(root * root, bits).sqrt()
    assert holds(made, root)
    assert exact(made.upper) - exact(made.lower) <= root * Fraction(2) ** (1 - bits)


@QUICK
@given(st.fractions(), precisions)
@example(Fraction(1, 3), 1)
@example(Fraction(-1, 3), 2)
@example(Fraction(3, 2**2000), 53)
def test_a_fraction_becomes_the_thinnest_interval(value: Fraction, bits: int) -> None:
    made = Interval.point(value, bits)
    assert holds(made, value)
    assert made.contains(value)
    assert exact(made.upper) - exact(made.lower) <= abs(value) * Fraction(2) ** (1 - bits)
    if value.denominator & (value.denominator - 1) == 0:
        assert made.lower == made.upper


@QUICK
@given(intervals(), intervals())
def test_comparisons_are_three_valued(
    left: tuple[Interval, list[Fraction]], right: tuple[Interval, list[Fraction]]
) -> None:
    (x, xs), (y, ys) = left, right
    for answer, holds_for in (
        (x <= y, lambda a, b: a <= b),
        (x < y, lambda a, b: a < b),
        (x >= y, lambda a, b: a >= b),
        (x > y, lambda a, b: a > b),
    ):
        truths = {holds_for(a, b) for a, b in product(xs, ys)}
        if answer is Ternary.UNKNOWN:
            with pytest.raises(UndefinedOperation, match="unknown"):
                bool(answer)
            ends = {holds_for(a, b) for a, b in product(map(exact, (x.lower, x.upper)), map(exact, (y.lower, y.upper)))}
            assert ends == {True, False}  # an unknown is never lazy
        else:
            assert truths == {bool(answer)}


def test_comparison_with_numbers() -> None:
    x = Interval.between(1.0, 2.0, 53)
    assert bool(x <= 2) is True
    assert bool(x < 1) is False
    assert (x <= 1) is Ternary.UNKNOWN
    assert bool(x >= Fraction(1, 3))
    assert bool(x > 0.5)
    point = Interval.point(1, 53)
    assert bool(point <= 1)
    assert bool(point < 1) is False


@QUICK
@given(intervals(), intervals())
def test_maximum_minimum_and_within(
    left: tuple[Interval, list[Fraction]], right: tuple[Interval, list[Fraction]]
) -> None:
    (x, xs), (y, ys) = left, right
    for a, b in product(xs, ys):
        assert holds(x.maximum(y), max(a, b))
        assert holds(x.minimum(y), min(a, b))
    for a in xs:
        if 0 <= a <= 1:
            assert holds(x.within(0.0, 1.0), a)
    assert 0 <= x.within(0.0, 1.0).lower <= x.within(0.0, 1.0).upper <= 1


@QUICK
@given(st.lists(intervals(), max_size=6), precisions)
def test_total(found: list[tuple[Interval, list[Fraction]]], bits: int) -> None:
    made = total((x for x, _ in found), bits)
    for place in range(3):
        assert holds(made, sum((points[place] for _, points in found), Fraction(0)))
    assert total([], bits) == Interval.point(0, bits)


@QUICK
@given(intervals())
def test_width_is_never_too_small(found: tuple[Interval, list[Fraction]]) -> None:
    x, _ = found
    true = exact(x.upper) - exact(x.lower)
    assert true <= exact(x.width) <= true * (1 + Fraction(1, 2**63))


@QUICK
@given(intervals(), st.integers(1, 30))
@example((Interval.between(9.9999, 9.9999, 53), []), 2)
@example((Interval.between(-9.9999, 0.00099999, 53), []), 3)
@example((Interval.between(5e-324, 1.7976931348623157e308, 53), []), 17)
@example((Interval.between(123456.0, 99999.99e5, 53), []), 6)
def test_decimals_are_rounded_outward(found: tuple[Interval, list[Fraction]], count: int) -> None:
    x, _ = found
    shown = [Fraction(text) for text in x.digits(count)[1:-1].split(", ")]
    true = [exact(x.lower), exact(x.upper)]
    assert shown[0] <= true[0]
    assert true[1] <= shown[1]
    for a, b in zip(shown, true, strict=True):
        assert abs(a - b) <= abs(b) * Fraction(10) ** (1 - count)


def test_decimals_of_ends_beyond_all_use() -> None:
    far = Interval(mpf((0, 1, -(10**30), 1)), mpf((0, 1, -(10**30), 1)), 53)
    assert far.digits() == "[0, 1e-30000]"
    assert (-far).digits() == "[-1e-30000, 0]"
    huge = Interval(mpf((0, 3, 10**30, 2)), mpf((0, 3, 10**30, 2)), 53)
    assert huge.digits() == f"[2**{10**30 + 1}, 2**{10**30 + 2}]"


def test_infinite_ends_are_shown_as_such() -> None:
    assert Interval(-inf, inf, 53).digits() == "[-inf, inf]"
    assert Interval(mpf(1), inf, 53).digits(1) == "[1, inf]"


@QUICK
@given(intervals(), st.fractions())
def test_contains_is_decided_exactly(found: tuple[Interval, list[Fraction]], other: Fraction) -> None:
    x, points = found
    for value in (*points, other):
        assert x.contains(value) == holds(x, value)


def test_contains_with_an_exponent_that_fits_no_memory() -> None:
    far = Interval(mpf((0, 1, -(10**30), 1)), mpf((0, 3, -(10**30), 2)), 53)
    assert not far.contains(0)
    assert not far.contains(1e-300)
    assert not far.contains(Fraction(1, 3))
    assert far.contains(mpf((0, 1, 1 - 10**30, 1)))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_refused(wrong: float) -> None:
    with pytest.raises(BadInput, match="not a finite number"):
        Interval.point(wrong, 53)


def test_an_upside_down_interval_is_refused() -> None:
    with pytest.raises(BadInput, match="lower ≤ upper"):
        Interval.between(1.0, 0.5, 53)


def test_no_digits_are_refused() -> None:
    with pytest.raises(BadInput, match="ask for 1 or more"):
        Interval.point(1, 53).digits(0)


@QUICK
@given(floats, floats)
def test_mixed_operands(a: float, b: float) -> None:
    x = Interval.point(a, 90)
    left, right = Fraction(a), Fraction(b)
    assert holds(x + b, left + right)
    assert holds(b - x, right - left)
    assert holds(b * x, right * left)
    assert holds(x - right, left - right)
    if a:
        assert holds(b / x, right / left)


@pytest.mark.parametrize("bits", [0, -4])
def test_no_precision_is_refused_and_does_not_hang(bits: int) -> None:
    with pytest.raises(BadInput, match="leaves no precision"):
        Interval.point(1, bits)
