"""Float64 intervals: constants re-derived by Arb, exp on dense points, every operation against exact rationals."""

import platform
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from certify import vector_interval as vi
from certify.vector_interval import VectorInterval
from tests.certify.arb_truth import number
from tests.certify.float_environment import (
    DENORMALS_ARE_ZERO,
    DOWNWARD,
    FLUSH_TO_ZERO,
    TOWARDS_ZERO,
    UPWARD,
    mxcsr_bits,
    rounding,
)

QUIET = np.errstate(all="ignore")  # infinities are meant
LARGEST = float(np.finfo(np.float64).max)
U = Fraction(1, 2**53)
ENDS = [0.0, 5e-324, 2.0**-1022, 1e-300, 2.0**-53, 0.1, 0.5, 1.0, 1.5, 3.0, 1e16, 1e300, LARGEST]
ENDS = sorted({s * x for x in ENDS for s in (1.0, -1.0)})


def exact_log2() -> arb:
    return arb(2).log()


class TestConstants:
    def test_ln2_in_two_parts(self) -> None:
        high, low = arb(vi.LN2_HI), arb(vi.LN2_LO)
        mantissa = Fraction(vi.LN2_HI) * 2**42
        assert mantissa.denominator == 1  # 42 bits after the point, so times 11 bits stays exact
        assert mantissa < 2**42
        assert abs(exact_log2() - high - low) <= arb((1, -98))
        assert float((exact_log2() - high).mid()) == vi.LN2_LO  # the nearest float to the rest
        for k in range(-1023, 1024):
            assert Fraction(k * vi.LN2_HI) == k * Fraction(vi.LN2_HI)

    def test_ln2_between_neighbours(self) -> None:
        assert arb(vi.LN2[0]) < exact_log2() < arb(vi.LN2[1])
        assert np.nextafter(vi.LN2[0], 1.0) == vi.LN2[1]

    def test_inverse_ln2(self) -> None:
        assert abs(arb(vi.INVERSE_LN2) - 1 / exact_log2()) <= arb((1, -53))

    def test_taylor_coefficients_are_rounded_once(self) -> None:
        assert len(vi.TAYLOR) == 14
        factorial = 1
        for i, coefficient in enumerate(vi.TAYLOR):
            factorial *= max(i, 1)
            assert abs(Fraction(coefficient) - Fraction(1, factorial)) <= U * Fraction(1, factorial)

    def test_tiny(self) -> None:
        assert arb(-vi.EXP_DOMAIN).exp() <= arb(vi.EXP_TINY)

    def test_the_error_budget_item_by_item(self) -> None:
        """The items of `_exp_error`, each proved by Arb, and their total: no item is smaller than the truth."""
        ln2, u = exact_log2(), number(U)
        reach = arb(34674) / 100000
        k_most = 1022
        quotient = arb(1) / 2 + arb(708) / ln2 * u * (2 + u) * (1 + u) + 708 * abs(arb(vi.INVERSE_LN2) - 1 / ln2)
        assert quotient < arb(1) / 2 + 3 * 1022 * u
        assert quotient * ln2 < arb("0.346574")
        assert arb(708) / ln2 + quotient < k_most + 1
        first = reach * u  # d − k·LN2_HI
        assert quotient * ln2 + k_most * abs(arb(vi.LN2_LO)) * 2 < reach
        second = k_most * arb(vi.LN2_LO) * u
        assert second < arb((1, -34)) * u
        third = k_most * abs(ln2 - arb(vi.LN2_HI) - arb(vi.LN2_LO))
        assert third < arb((1, -35)) * u
        argument = first + second + third + reach * u
        assert argument < (2 * reach + arb((1, -33))) * u
        remainder = reach**14 / arb(14).gamma() / 14 / (1 - reach / 15)
        polynomial = self.horner_error(reach, u) * reach.exp()
        total = (argument.exp()) * (1 + (remainder + arb((1, -1000))) * reach.exp() + polynomial) - 1
        assert total < arb(vi.EXP_ERROR)
        assert arb(vi.EXP_ERROR) < total * arb("1.001")  # and not padded either

    @staticmethod
    def horner_error(reach: arb, u: arb) -> arb:
        """Every rounding of Horner's rule followed to the end: one made at step i is multiplied by r another i times.

        Σ_i R^i·(rounding of the product at i + rounding of the sum at i + rounding of the coefficient), each at most u
        times the largest value that the partial result can have, errors of the errors included by the factor 1 + 2^−40.
        """
        total = arb(0)
        partial = arb(0)
        for i in reversed(range(14)):
            product = partial * reach
            partial = product + 1 / arb(i + 1).gamma()
            coefficient = abs(arb(vi.TAYLOR[i]) - 1 / arb(i + 1).gamma())
            total += reach**i * (u * product + u * partial + coefficient)
        return total * (1 + arb((1, -40)))

    def test_growth_bounds_products_of_roundings(self) -> None:
        for m in (1, 2, 27, 5000):
            assert (1 + U) ** m - 1 <= vi.growth(m)
            assert 1 / (1 - U) ** m - 1 <= vi.growth(m)

    @given(st.fractions(min_value=0, max_value=10**6))
    @settings(deadline=None, max_examples=100)
    def test_up(self, bound: Fraction) -> None:
        found = vi.up(bound)
        assert Fraction(found) >= bound
        assert found == 0 or Fraction(float(np.nextafter(found, 0))) < bound


class TestExponential:
    POINTS = np.concatenate(
        [
            np.linspace(-708.0, 708.0, 6001),
            np.random.default_rng(5).uniform(-708, 708, 6000),
            np.random.default_rng(6).uniform(-1, 1, 3000),
            # half-way between multiples of ln 2, where |r| is largest, and one ulp to either side
            *(np.nextafter((np.arange(-1020, 1020) + 0.5) * 0.6931471805599453, way) for way in (-np.inf, np.inf)),
            np.arange(-1021, 1022) * 0.6931471805599453,
            np.array([0.0, -0.0, 5e-324, -5e-324, 2.0**-54, -(2.0**-54), 708.0, -708.0, 1e-300]),
        ]
    )

    def test_the_estimate_is_within_its_proved_error(self) -> None:
        estimates = vi.exp_estimate(self.POINTS)
        worst = arb(0)
        with ctx.workprec(160):
            error = arb(vi.EXP_ERROR)
            for d, estimate in zip(self.POINTS.tolist(), estimates.tolist(), strict=True):
                relative = abs(arb(estimate) / arb(d).exp() - 1)
                assert relative <= error, d.hex()
                worst = worst.max(relative)
        assert worst > number(U)  # a bound of one rounding would be broken here

    def test_shapes(self) -> None:
        block = self.POINTS[:24].reshape(2, 3, 4)
        assert (vi.exp_estimate(block) == vi.exp_estimate(block.ravel()).reshape(2, 3, 4)).all()

    @QUIET
    def test_intervals_of_any_size(self) -> None:
        ends = [-np.inf, -1e300, -709.0, -708.0, -1.0, -5e-324, 0.0, 1.0, 708.0, 709.0, 1e300, np.inf]
        for low, high in product(ends, ends):
            if low <= high:
                found = vi.exponential(VectorInterval(np.array([low]), np.array([high])))
                lower, upper = float(found.lower[0]), float(found.upper[0])
                for inside in (low, high):
                    if np.isfinite(inside):
                        truth = arb(inside).exp()
                        assert upper == np.inf or not arb(upper) < truth
                        assert not arb(lower) > truth
                assert (lower == 0) == (low < -708)
                assert (upper == np.inf) == (high > 708)


def members(low: float, high: float) -> list[Fraction]:
    """Real numbers in [low, high]; an infinite end stands for numbers beyond every float."""
    ends = [Fraction(2) ** 2000 * (1 if x > 0 else -1) if np.isinf(x) else Fraction(x) for x in (low, high)]
    return [ends[0], ends[1], (ends[0] + 2 * ends[1]) / 3]


def contains(found: VectorInterval, place: int, truth: Fraction) -> bool:
    lower, upper = float(found.lower[place]), float(found.upper[place])
    assert not np.isnan(lower)
    assert not np.isnan(upper)
    below = lower == -np.inf or (lower != np.inf and Fraction(lower) <= truth)
    return below and (upper == np.inf or (upper != -np.inf and truth <= Fraction(upper)))


@st.composite
def any_interval(draw: st.DrawFn) -> tuple[float, float]:
    end = st.one_of(st.sampled_from([*ENDS, np.inf, -np.inf]), st.floats(allow_nan=False), st.floats(-4, 4))
    low, high = sorted((draw(end), draw(end)))
    return (low, high) if np.isfinite(low) or np.isfinite(high) or low < high else (0.0, high if high > 0 else 0.0)


def made(*pairs: tuple[float, float]) -> VectorInterval:
    return VectorInterval(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]))


class TestOperations:
    @settings(deadline=None, max_examples=300)
    @given(any_interval(), any_interval())
    @QUIET
    def test_two_operands(self, left: tuple[float, float], right: tuple[float, float]) -> None:
        x, y = made(left), made(right)
        for a, b in product(members(*left), members(*right)):
            assert contains(x + y, 0, a + b)
            assert contains(x - y, 0, a - b)
            assert contains(x * y, 0, a * b)
            if b:
                assert contains(x / y, 0, a / b)

    @settings(deadline=None, max_examples=200)
    @given(any_interval())
    @QUIET
    def test_one_operand(self, pair: tuple[float, float]) -> None:
        x = made(pair)
        for a in members(*pair):
            assert contains(-x, 0, -a)
            assert contains(x.square(), 0, a * a)
            if 0 <= a <= 1:
                assert contains(x.clipped(0.0, 1.0), 0, a)
        if pair[0] >= 0:
            root = x.sqrt()
            lower, upper = float(root.lower[0]), float(root.upper[0])
            assert Fraction(lower) ** 2 <= members(*pair)[0]
            assert upper == np.inf or Fraction(upper) ** 2 >= members(*pair)[1]

    @QUIET
    def test_every_pair_of_special_points(self) -> None:
        pairs = list(product(ENDS, ENDS))
        x, y = made(*((a, a) for a, _ in pairs)), made(*((b, b) for _, b in pairs))
        results = x + y, x - y, x * y, x / y
        for place, (a, b) in enumerate(pairs):
            left, right = Fraction(a), Fraction(b)
            for found, truth in zip(results, (left + right, left - right, left * right), strict=False):
                assert contains(found, place, truth), (a.hex(), b.hex())
            if right:
                assert contains(results[3], place, left / right), (a.hex(), b.hex())

    def test_points_stay_thin(self) -> None:
        """At most two floats to either side of the rounded result."""
        x, y = VectorInterval.point(np.array([1 / 3])), VectorInterval.point(np.array([-7.3]))
        for found in (x + y, x - y, x * y, y.square(), x.sqrt(), x / VectorInterval.point(np.array([7.3]))):
            assert float(found.upper[0] - found.lower[0]) <= 2 * float(np.spacing(np.abs(found.lower[0]))) * 1.01

    @settings(deadline=None, max_examples=200)
    @given(st.floats(0, 1e300), st.sampled_from([1e-16, 3.3e-15, 1e-13, 1e-5, 0.25]), st.fractions(-1, 1))
    def test_widened(self, true: float, relative: float, share: Fraction) -> None:
        """x̂ within relative·x of x: any such x̂ gives an interval that holds x."""
        exact = Fraction(true)
        estimate = float(exact * (1 + Fraction(relative) * share))
        if abs(Fraction(estimate) - exact) <= Fraction(relative) * exact:
            found = made((estimate, estimate)).widened(relative)
            assert contains(found, 0, exact)
            if estimate > 1e-290:
                assert Fraction(found.upper[0]) - Fraction(found.lower[0]) <= 3 * Fraction(estimate) * Fraction(
                    relative + 1e-15
                )

    def test_where(self) -> None:
        found = made((0, 1), (2, 3)).where(np.array([True, False]), made((4, 5), (6, 7)))
        assert (found.lower.tolist(), found.upper.tolist()) == ([0, 6], [1, 7])


class TestLog1p:
    POINTS = np.concatenate(
        [
            10.0 ** np.linspace(-323, 308, 2000),
            np.linspace(0, 3, 1500),
            np.array([0.0, 5e-324, 2.0**-53, 0.5, np.nextafter(0.5, 1), 1.0, 2.0, 0.25, 1e16, LARGEST / 2]),
        ]
    )

    @QUIET
    def test_against_arb(self) -> None:
        found = vi.log1p(VectorInterval.point(self.POINTS))
        with ctx.workprec(1200):
            for t, lower, upper in zip(self.POINTS.tolist(), found.lower.tolist(), found.upper.tolist(), strict=True):
                truth = (1 + arb(t)).log()
                assert not arb(lower) > truth, t.hex()
                assert not arb(upper) < truth, t.hex()
                if t > 1e-290:
                    assert upper - lower <= 1e-14 * upper, t.hex()

    @QUIET
    def test_ends(self) -> None:
        found = vi.log1p(made((0.0, np.inf), (-1e-300, 0.0), (LARGEST, LARGEST)))
        assert found.lower[0] == 0.0
        assert found.upper[0] == np.inf
        assert found.lower[1] == 0.0 <= found.upper[1] <= 1e-322
        assert not arb(float(found.lower[2])) > (1 + arb(LARGEST)).log()


class TestSums:
    @pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 64, 65, 1000])
    def test_within_gamma_of_the_exact_sum(self, n: int) -> None:
        rng = np.random.default_rng(n)
        for terms in (rng.random((3, n)), rng.normal(size=(3, n)) * 10.0 ** rng.integers(-30, 30, (3, n))):
            estimates, depth = vi.sum_estimate(terms)
            assert depth == max(n - 1, 0).bit_length()
            for estimate, row in zip(estimates, terms, strict=True):
                exact = sum(map(Fraction, row.tolist()), Fraction(0))
                size = sum(map(abs, map(Fraction, row.tolist())), Fraction(0))
                assert abs(Fraction(float(estimate)) - exact) <= vi.growth(depth) * size

    def test_the_depth_is_needed(self) -> None:
        """A sum of 2^10 terms whose error exceeds one rounding: γ_1 would not do."""
        terms = 1 + np.random.default_rng(1).random((200, 1024))
        estimates, depth = vi.sum_estimate(terms)
        errors = [
            abs(Fraction(float(e)) - sum(map(Fraction, row.tolist()))) / sum(map(Fraction, row.tolist()))
            for e, row in zip(estimates, terms, strict=True)
        ]
        assert depth == 10
        assert max(errors) > U


class TestEnvironment:
    def test_an_ordinary_thread(self) -> None:
        assert vi.rounds_to_nearest()

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="switches MXCSR, which only x86 has")
    @pytest.mark.parametrize("mode", [DOWNWARD, UPWARD, TOWARDS_ZERO])
    def test_foreign_rounding_is_noticed(self, mode: int) -> None:
        with rounding(mode):
            found = vi.rounds_to_nearest()
        assert not found
        assert vi.rounds_to_nearest()

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="switches MXCSR, which only x86 has")
    @pytest.mark.parametrize("bits", [DENORMALS_ARE_ZERO, FLUSH_TO_ZERO, DENORMALS_ARE_ZERO | FLUSH_TO_ZERO])
    def test_flushing_is_noticed(self, bits: int) -> None:
        with mxcsr_bits(bits):
            found = vi.rounds_to_nearest()
        assert not found
        assert vi.rounds_to_nearest()
