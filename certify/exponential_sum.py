"""The exact sign of Σ c·e^x, and the exact numbers x that can stand in it (theorem T24).

Every claim about an attention row is the sign of such a sum. The order of the steps is what makes it end:

1. collect equal exponents exactly and drop zero coefficients. If nothing is left, the sum is 0, and that is a proof;
2. if all coefficients have one sign, that is the sign, without a single exponential; 3. otherwise raise the precision
until the positive and the negative part are told apart. For distinct algebraic exponents they are
   different numbers (Lindemann–Weierstrass, which is assumed here, not proved), so this ends; the budget `max_bits`
   says when to give up.

Precision before collection would never end on scores (0, 0, −10³⁰) with one zero kept and the claim τ ≤ ½.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import isqrt

from certify import elementary
from certify.errors import BadInput
from certify.interval import Interval, Ternary, total

__all__ = ["EXACT", "FIRST_BITS", "Exponent", "Sign", "by_intervals", "collect", "exp_of", "precisions", "sign"]

FIRST_BITS = 128  # the float64 pass has already settled what fewer bits would
EXACT = "exact"


@lru_cache(maxsize=64)
def _root(radicand: int, bits: int) -> Interval:
    return Interval.point(radicand, bits).sqrt()


@dataclass(frozen=True, slots=True)
class Exponent:
    """The exact real number shift + cap·tanh((rational + surd/√radicand)/cap), or rational + surd/√radicand where cap
    is None.

    Equal numbers are equal records: a perfect-square radicand is folded into `rational`, and 1/√radicand is
    irrational otherwise. Without a cap the number is algebraic, which is what T24 asks for; with one, equality of
    records still proves equality of numbers.
    """

    rational: Fraction
    surd: Fraction = Fraction(0)
    radicand: int = 1
    cap: Fraction | None = None
    shift: Fraction = Fraction(0)

    @staticmethod
    def of(
        rational: Fraction, surd: Fraction = Fraction(0), radicand: int = 1, cap: Fraction | None = None
    ) -> Exponent:
        root = isqrt(radicand)
        if root * root == radicand:
            rational, surd = rational + surd / root, Fraction(0)
        return Exponent(rational, surd, radicand if surd else 1, cap)

    def __hash__(self) -> int:
        # As equal records hash alike, and without the modular inverse that a Fraction's own hash computes.
        parts = (self.rational, self.surd, self.shift)
        return hash((*(n for part in parts for n in (part.numerator, part.denominator)), self.radicand, self.cap))

    @property
    def algebraic(self) -> bool:
        return self.cap is None

    def minus(self, amount: Fraction) -> Exponent:
        if self.cap is None:
            return replace(self, rational=self.rational - amount)
        return replace(self, shift=self.shift - amount)

    def plus(self, other: Exponent) -> Exponent | None:
        """The sum, or None where it has no exact form (soft-capped scores)."""
        if self.cap is not None or other.cap is not None:
            return None
        return Exponent(
            self.rational + other.rational,
            self.surd + other.surd,
            max(self.radicand, other.radicand) if self.surd + other.surd else 1,
        )

    def enclosure(self, bits: int) -> Interval:
        """An interval around the number, its width relative to the largest part about 2^−bits (cancelling parts cost
        more bits).
        """
        inner = self._uncapped(bits)
        if self.cap is not None:
            inner = elementary.tanh(inner / self.cap) * self.cap
        return inner + self.shift if self.shift else inner

    def _uncapped(self, bits: int) -> Interval:
        value = Interval.point(self.rational, bits)
        if self.surd:
            value = value + Interval.point(self.surd, bits) / _root(self.radicand, bits)
        return value

    def exceeds(self, other: Exponent) -> bool:
        """Whether this number is larger than `other`, exactly. Both from one row: the same radicand, cap and shift
        (tanh is increasing).
        """
        rational, surd = self.rational - other.rational, self.surd - other.surd
        if rational >= 0 and surd >= 0:
            return rational > 0 or surd > 0
        if rational <= 0 and surd <= 0:
            return False
        radicand = max(self.radicand, other.radicand)
        # Opposite signs: rational + surd/√d > 0 ⇔ the positive part has the larger square.
        return (
            rational * rational * radicand > surd * surd
            if rational > 0
            else surd * surd > rational * rational * radicand
        )


@dataclass(frozen=True, slots=True)
class Sign:
    """−1, 0 or 1, or None where the budget ran out; `decided_by` names the method, or the budget that ended it."""

    value: int | None
    decided_by: str


def precisions(max_bits: int) -> Iterator[int]:
    """The ladder of precisions: FIRST_BITS, doubled while below `max_bits`, and `max_bits` itself last."""
    bits = min(FIRST_BITS, max_bits)
    while bits < max_bits:
        yield bits
        bits *= 2
    yield max_bits


def collect(terms: Iterable[tuple[Exponent, Fraction]]) -> dict[Exponent, Fraction]:
    """Coefficients of equal exponents added exactly; zero coefficients dropped."""
    collected: dict[Exponent, Fraction] = {}
    for exponent, coefficient in terms:
        collected[exponent] = collected.get(exponent, Fraction(0)) + coefficient
    return {exponent: coefficient for exponent, coefficient in collected.items() if coefficient}


def sign(terms: Mapping[Exponent, Fraction], max_bits: int) -> Sign:
    """The sign of Σ coefficient·e^exponent over collected terms (no zero coefficients, no equal exponents)."""
    if max_bits < 2:
        raise BadInput(f"max_bits = {max_bits} leaves no precision to work with; use 2 or more")
    positive = {x: c for x, c in terms.items() if c > 0}
    negative = {x: -c for x, c in terms.items() if c < 0}
    if not positive or not negative:
        return Sign((1 if positive else 0) - (1 if negative else 0), EXACT)
    for bits in precisions(max_bits):
        above, below = _weigh(positive, bits), _weigh(negative, bits)
        if (above > below) is Ternary.YES:
            return Sign(1, by_intervals(bits))
        if (above < below) is Ternary.YES:
            return Sign(-1, by_intervals(bits))
    return Sign(None, f"budget: {max_bits} bits were not enough")


def by_intervals(bits: int) -> str:
    return f"mpmath.iv {bits} bits"


def _weigh(terms: Mapping[Exponent, Fraction], bits: int) -> Interval:
    """Σ coefficient·e^exponent for positive coefficients, to a relative width of about 2^−bits.

    Terms of equal coefficient (a claim has few) are added before they are multiplied.
    """
    alike: dict[Fraction, list[Exponent]] = {}
    for exponent, coefficient in terms.items():
        alike.setdefault(coefficient, []).append(exponent)
    return total(
        (total((exp_of(x, bits) for x in exponents), bits) * coefficient for coefficient, exponents in alike.items()),
        bits,
    )


@lru_cache(maxsize=1 << 14)  # every claim about a row asks for the same exponentials
def exp_of(exponent: Exponent, bits: int) -> Interval:
    """e^exponent to a relative width of about 2^−bits: the exponent is enclosed with as many extra bits as its parts
    have before the point.
    """
    denominator = exponent.rational.denominator
    if exponent.algebraic and not exponent.surd and denominator & (denominator - 1) == 0:
        return elementary.exp(Interval.point(exponent.rational, bits))
    parts = (exponent.rational, exponent.surd, exponent.shift)
    extra = max(part.numerator.bit_length() - part.denominator.bit_length() for part in parts)
    if exponent.cap is not None:
        extra = max(extra, exponent.cap.numerator.bit_length())
    enclosed = exponent.enclosure(bits + max(extra, 0) + 8)
    return elementary.exp(Interval(enclosed.lower, enclosed.upper, bits))
