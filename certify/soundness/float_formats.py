"""The four binary formats in which a hunted kernel may take its scores: their numbers, neighbours and last places."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import log
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from certify.errors import BadInput
from certify.scores import FLOAT_DTYPES, Floats

__all__ = ["FORMATS", "FloatFormat", "exactly", "format_named"]

Rows = NDArray[Any]


@dataclass(frozen=True)
class FloatFormat:
    """A binary format with `digits` bits of precision and normal numbers from 2^least_exponent on."""

    name: str
    dtype: np.dtype[Any]
    digits: int
    least_exponent: int
    largest: float

    @property
    def log_largest(self) -> float:
        """ln of the largest number, an estimate: exponentials above it overflow here."""
        return log(self.largest)

    @property
    def log_normal(self) -> float:
        """ln of the smallest normal number, an estimate: exponentials below it are subnormal here."""
        return self.least_exponent * log(2)

    @property
    def log_subnormal(self) -> float:
        """ln of the smallest number, an estimate: exponentials a little below it are 0 here."""
        return (self.least_exponent - self.digits + 1) * log(2)

    def rounded(self, numbers: Rows) -> Rows:
        """The nearest numbers of this format; what is too large becomes the largest, −∞ stays −∞."""
        if numbers.dtype == self.dtype:
            return numbers
        finite = np.clip(numbers, -self.largest, self.largest)
        return np.where(numbers == -np.inf, -np.inf, finite).astype(self.dtype)

    def stepped(self, numbers: Rows, steps: NDArray[np.int64]) -> Rows:
        """The numbers that many places up (or down, if negative) in the order of the format; −∞ stays −∞, and the
        largest numbers are not left.
        """
        ordered = self._ordered(numbers)
        limit = int(self._ordered(np.array([self.largest], dtype=self.dtype))[0])
        moved = np.clip(ordered + steps, -limit, limit)
        return np.where(np.isfinite(numbers), self._from_ordered(moved), numbers)

    def flipped(self, numbers: Rows, place: NDArray[np.int64]) -> Rows:
        """The numbers with the bit at `place` of the significand flipped, 0 being the last; −∞ stays −∞."""
        patterns = numbers.view(self._integers).astype(np.int64)
        flipped = (patterns ^ (np.int64(1) << place)).astype(self._integers).view(self.dtype)
        with np.errstate(invalid="ignore"):  # bfloat16 is widened to be looked at, and the flip may have made a NaN
            return np.where(np.isfinite(numbers) & np.isfinite(flipped), flipped, numbers)

    def pattern(self, bits: int) -> Any:
        """The number that these bits stand for; where they stand for none, the largest with that sign."""
        unsigned = np.array([bits], dtype=np.uint64).astype(f"u{self.dtype.itemsize}")
        number = float(unsigned.view(self.dtype)[0])
        sign = -1.0 if bits >> (8 * self.dtype.itemsize - 1) else 1.0
        return self.dtype.type(number if abs(number) < np.inf else sign * self.largest)

    def last_place(self, value: Fraction) -> Fraction:
        """The unit in the last place of |value| rounded down in this format; of the smallest normal number below it."""
        size = abs(value)
        exponent = self.least_exponent
        if size:
            exponent = size.numerator.bit_length() - size.denominator.bit_length()
            exponent -= Fraction(2) ** exponent > size
        return Fraction(2) ** (max(exponent, self.least_exponent) - self.digits + 1)

    @property
    def _integers(self) -> np.dtype[Any]:
        return np.dtype(f"i{self.dtype.itemsize}")

    def _ordered(self, numbers: Rows) -> NDArray[np.int64]:
        """Integers in the order of the numbers; +0 and −0 are both 0."""
        patterns = np.ascontiguousarray(numbers).view(self._integers).astype(np.int64)
        magnitude = patterns & np.int64(2 ** (8 * self.dtype.itemsize - 1) - 1)
        return np.where(patterns >= 0, magnitude, -magnitude)

    def _from_ordered(self, ordered: NDArray[np.int64]) -> Rows:
        magnitude = np.abs(ordered).astype(self._integers).view(self.dtype)
        return np.where(ordered < 0, -magnitude, magnitude)


def _format(name: str, dtype: np.dtype[Any]) -> FloatFormat:
    found: Any = ml_dtypes.finfo  # untyped
    found = found(dtype)
    return FloatFormat(name, dtype, int(found.nmant) + 1, int(found.minexp), float(found.max))


FORMATS: dict[str, FloatFormat] = {name: _format(name, dtype) for name, dtype in FLOAT_DTYPES.items()}


def format_named(name: str) -> FloatFormat:
    """The format of that name. Raises BadInput."""
    if name not in FORMATS:
        raise BadInput(f"dtype {name!r} is not a format of scores; give one of {', '.join(FORMATS)}")
    return FORMATS[name]


def exactly(numbers: Rows) -> Floats:
    """The same numbers as float64: every format here is a part of it."""
    return np.ascontiguousarray(numbers, dtype=np.float64)
