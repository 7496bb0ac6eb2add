"""The exact sign of Σ c·e^x: ties are decided by collection, near-ties by precision, and budgets end it."""

from fractions import Fraction

import pytest
from flint import arb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from certify.errors import BadInput
from certify.exponential_sum import EXACT, Exponent, collect, exp_of, precisions, sign
from tests.certify.arb_truth import encloses, is_tight, number, total

QUICK = settings(deadline=None, max_examples=150)
small = st.fractions(-5, 5, max_denominator=8)
radicands = st.sampled_from([2, 3, 8, 64, 100, 128])


def truth(exponent: Exponent) -> arb:
    """The number that the record stands for, from the class's docstring."""
    inner = number(exponent.rational) + number(exponent.surd) / arb(exponent.radicand).sqrt()
    if exponent.cap is None:
        return inner
    return number(exponent.shift) + number(exponent.cap) * (inner / number(exponent.cap)).tanh()


def plain(x: float | Fraction) -> Exponent:
    return Exponent(Fraction(x))


@pytest.mark.parametrize(("d", "root"), [(1, 1), (4, 2), (64, 8), (144, 12)])
def test_perfect_squares_are_folded(d: int, root: int) -> None:
    folded = Exponent.of(Fraction(1, 3), Fraction(5), d)
    assert folded == plain(Fraction(1, 3) + Fraction(5, root))
    assert (folded.surd, folded.radicand) == (0, 1)


def test_equal_numbers_are_equal_records() -> None:
    assert Exponent.of(Fraction(2), Fraction(0), 7) == plain(2)
    assert Exponent.of(Fraction(2), Fraction(3), 7) != Exponent.of(Fraction(2), Fraction(-3), 7)
    assert Exponent.of(Fraction(0), Fraction(3), 7).plus(Exponent.of(Fraction(1), Fraction(-3), 7)) == plain(1)
    assert Exponent.of(Fraction(0), Fraction(3), 7).minus(Fraction(1)).plus(plain(1)) == Exponent.of(
        Fraction(0), Fraction(3), 7
    )


@QUICK
@given(small, small, small, small, radicands)
@example(Fraction(1), Fraction(-1), Fraction(0), Fraction(0), 2)
@example(Fraction(-7, 5), Fraction(2), Fraction(0), Fraction(0), 2)  # 2/√2 against 7/5
@example(Fraction(7, 5), Fraction(-2), Fraction(0), Fraction(0), 2)
def test_exceeds_against_arb(a: Fraction, b: Fraction, c: Fraction, d: Fraction, radicand: int) -> None:
    x, y = Exponent.of(a, b, radicand), Exponent.of(c, d, radicand)
    if x == y:
        assert not x.exceeds(y)
        assert not y.exceeds(x)
        return
    assert x.exceeds(y) == bool(truth(x) > truth(y))
    assert y.exceeds(x) == bool(truth(y) > truth(x))


@QUICK
@given(small, small, small, radicands, st.sampled_from([None, Fraction(1, 7), Fraction(30)]))
def test_enclosure_minus_and_plus(
    a: Fraction, b: Fraction, amount: Fraction, radicand: int, cap: Fraction | None
) -> None:
    x = Exponent.of(a, b, radicand, cap)
    lowered = x.minus(amount)
    assert encloses(x.enclosure(100), truth(x))
    assert encloses(lowered.enclosure(100), truth(x) - number(amount))
    assert x.minus(Fraction(0)) == x
    twice = x.plus(x)
    assert (twice is None) == (cap is not None)
    if twice is not None:
        assert encloses(twice.enclosure(100), 2 * truth(x))


@pytest.mark.parametrize("bits", [8, 53, 128, 500])
def test_exp_of_is_as_accurate_as_it_says(bits: int) -> None:
    """Relative width about 2^−bits, also for exponents of thirty digits, soft-capped or irrational."""
    thousand = Fraction(1000)
    for exponent in (
        plain(-1e30),
        plain(5e-324),
        plain(Fraction(10**6, 3)),
        Exponent.of(thousand, Fraction(10**9), 3),
        Exponent.of(Fraction(-3, 7), Fraction(10**15), 128, Fraction(50)),
        Exponent.of(Fraction(-3, 7), Fraction(2), 128, Fraction(50)).minus(Fraction(1, 3)),
    ):
        made = exp_of(exponent, bits)
        assert encloses(made, truth(exponent).exp())
        assert is_tight(made, bits - 5), (exponent, bits)


def test_collect_adds_equal_exponents_and_drops_zeros() -> None:
    one, two = plain(1), Exponent.of(Fraction(0), Fraction(2), 4)  # 2/√4 = 1
    assert collect([(one, Fraction(3)), (plain(5), Fraction(1)), (two, Fraction(-3))]) == {plain(5): 1}
    assert collect([]) == {}


def test_an_exact_tie_needs_no_precision() -> None:
    found = sign(collect([(plain(-1e30), Fraction(1)), (plain(-1e30), Fraction(-1))]), 2)
    assert (found.value, found.decided_by) == (0, EXACT)


def test_one_sign_needs_no_exponential() -> None:
    for coefficient, expected in ((Fraction(1, 10**400), 1), (Fraction(-1), -1)):
        found = sign({plain(-1e308): coefficient}, 2)
        assert (found.value, found.decided_by) == (expected, EXACT)


def test_the_row_on_which_precision_first_never_ends() -> None:
    """(0, 0, −1e30), one zero kept, claim ½: the zeros cancel exactly and e^(−1e30) alone is left."""
    half = Fraction(1, 2)
    terms = collect([(plain(0), half), (plain(0), -half), (plain(-1e30), half)])
    found = sign(terms, 2)
    assert (found.value, found.decided_by) == (1, EXACT)


def test_budgets_end_it() -> None:
    """e^1 − e^x with x = 1 + 2^−300 needs 300 bits."""
    terms = {plain(1): Fraction(1), plain(1 + Fraction(1, 2**300)): Fraction(-1)}
    short = sign(terms, 256)
    assert (short.value, short.decided_by) == (None, "budget: 256 bits were not enough")
    assert sign(terms, 512).value == -1
    assert sign(terms, 512).decided_by == "mpmath.iv 512 bits"
    with pytest.raises(BadInput, match="max_bits = 1"):
        sign(terms, 1)


@pytest.mark.parametrize(
    ("most", "ladder"),
    [(2, [2]), (100, [100]), (128, [128]), (129, [128, 129]), (4096, [128, 256, 512, 1024, 2048, 4096])],
)
def test_the_ladder(most: int, ladder: list[int]) -> None:
    assert list(precisions(most)) == ladder


@QUICK
@given(st.lists(st.tuples(small, small, st.fractions(-3, 3, max_denominator=6)), max_size=6), radicands)
def test_signs_against_arb(found: list[tuple[Fraction, Fraction, Fraction]], radicand: int) -> None:
    terms = collect([(Exponent.of(a, b, radicand), c) for a, b, c in found])
    value = sign(terms, 4096).value
    if not terms:
        assert value == 0
        return
    true = total([number(c) * truth(x).exp() for x, c in terms.items()])
    assert value == (1 if true > 0 else -1)
    assert bool(true > 0) or bool(true < 0)
