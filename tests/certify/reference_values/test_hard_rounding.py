"""The hard cases are as hard as they say, and the searches that found them find them again."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from certify.reference_values.rounding import FORMATS
from certify.reference_values.suite.hard_rounding import (
    FOUND,
    WINDOW,
    bits_of,
    nearest_in_enumeration,
    nearest_in_windows,
)

SIXTEEN_BITS = {"binary16": np.float16, "bfloat16": ml_dtypes.bfloat16}


def test_each_is_as_hard_as_it_says() -> None:
    for quantity, target, x, bits in FOUND:
        assert bits_of(quantity, FORMATS[target], float.fromhex(x)) == bits
    assert max(bits for _, _, _, bits in FOUND) >= 32
    assert {target for _, target, _, _ in FOUND} == set(FORMATS)


def test_an_easy_one_is_not_hard() -> None:
    assert bits_of("tail_mass", FORMATS["binary64"], 1.0) < 8


def test_the_double_of_a_long_double_is_wrong_there() -> None:
    """Rounding first to 64 bits and then to 53 gives another float in some case: what the vectors are for."""
    from certify.reference_values.rounding import nearest_binary
    from certify.reference_values.suite.hard_rounding import _value, number

    def twice(exact: Fraction) -> float:
        unit = Fraction(2) ** (exact.numerator.bit_length() - exact.denominator.bit_length() - 63)
        return nearest_binary(round(exact / unit) * unit, FORMATS["binary64"])

    values = [_value(number(q, float.fromhex(x)))[0] for q, target, x, _ in FOUND if target == "binary64"]
    assert any(twice(value) != nearest_binary(value, FORMATS["binary64"]) for value in values)


@pytest.mark.parametrize("quantity", ["tail_mass", "chi_squared"])
def test_the_search_in_windows_finds_them_again(quantity: str) -> None:
    """In the window around a known one, and nothing as hard is missed there."""
    x, bits = next((float.fromhex(x), bits) for q, target, x, bits in FOUND if (q, target) == (quantity, "binary64"))
    start = x - (WINDOW // 3) * np.spacing(x)
    assert nearest_in_windows(quantity, [float(start)], 1) == [(bits, x)]


@pytest.mark.parametrize("target", SIXTEEN_BITS)
def test_the_16_bit_ones_are_the_hardest_of_a_binade(target: str) -> None:
    every = np.arange(1 << 15, dtype=np.uint16).view(SIXTEEN_BITS[target])
    known = {(q, float.fromhex(x)): bits for q, f, x, bits in FOUND if f == target}
    (quantity, hardest), bits = next(iter(known.items()))
    with np.errstate(invalid="ignore"):
        wide = every[np.isfinite(every)].astype(np.float64)
    low = 2.0 ** np.floor(np.log2(hardest))
    binade = wide[(wide >= low) & (wide < 2 * low)]
    assert nearest_in_enumeration(quantity, FORMATS[target], binade.tolist(), 1) == [(bits, hardest)]
