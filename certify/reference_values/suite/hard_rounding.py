"""Inputs on which a quantity lies very near the middle between two floats, so that rounding it needs many more bits.

One number x is the input: scores (0, −x) with the first key kept, or the radius x. Found by search, not by luck:

- binary16 and bfloat16: every positive x of the format from 2^−4 to 2^3.
- binary32: every x of one binade, evaluated in double precision; the nearest are then measured exactly.
- binary64: 2^28 consecutive-in-windows x of one binade. In a window of 2^16 neighbours the quantity is a parabola to
  within 2^−30 of a unit in the last place, so its fraction is followed in 64-bit integers modulo 1.

`FOUND` keeps the nearest ones. "Bits" is how many bits beyond the format agree with a midpoint: the distance to it is
below 2^−bits units in the last place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from certify.reference_values.inputs import Inputs
from certify.reference_values.quantities import find, real
from certify.reference_values.rounding import FORMATS, BinaryFormat, Real

__all__ = ["FOUND", "WINDOW", "bits_of", "inputs", "nearest_in_enumeration", "nearest_in_windows"]

WINDOW = 1 << 16
_PRECISION = 256
_CANDIDATE = np.uint64(1 << 40)  # a fraction within 2^−24 of one half is measured exactly

FOUND: tuple[tuple[str, str, str, int], ...] = (
    ("tail_mass", "binary64", "0x1.1a30000009478p+0", 29),
    ("tail_mass", "binary64", "0x1.310000000b5ap+0", 29),
    ("tail_mass", "binary64", "0x1.07c000000f201p+0", 28),
    ("tail_mass", "binary64", "0x1.5d900000075f8p+0", 28),
    ("tail_mass", "binary32", "0x1.6d7a9ap+0", 25),
    ("tail_mass", "binary32", "0x1.abd7fap+0", 23),
    ("tail_mass", "binary32", "0x1.ec3f7p+0", 23),
    ("tail_mass", "binary16", "0x1.4fcp-3", 16),
    ("tail_mass", "binary16", "0x1.8e4p-3", 14),
    ("tail_mass", "bfloat16", "0x1.26p-2", 12),
    ("tail_mass", "bfloat16", "0x1.4ep+0", 10),
    ("kl", "binary64", "0x1.bfa0000003cd5p+0", 31),
    ("kl", "binary64", "0x1.87c0000009ad4p+0", 30),
    ("kl", "binary64", "0x1.066000000ac73p+0", 27),
    ("kl", "binary64", "0x1.21d000000d9e4p+0", 27),
    ("kl", "binary32", "0x1.9bf424p+0", 25),
    ("kl", "binary32", "0x1.413b82p+0", 23),
    ("kl", "binary32", "0x1.9fb69ep+0", 23),
    ("kl", "binary16", "0x1.648p-1", 13),
    ("kl", "binary16", "0x1.b2p-1", 13),
    ("kl", "bfloat16", "0x1.98p-1", 14),
    ("kl", "bfloat16", "0x1.8ep-2", 12),
    ("chi_squared", "binary64", "0x1.0da000000c279p+0", 32),
    ("chi_squared", "binary64", "0x1.218000000fc55p+0", 30),
    ("chi_squared", "binary64", "0x1.6400000005e9ap+0", 30),
    ("chi_squared", "binary64", "0x1.01f000000470ep+0", 28),
    ("chi_squared", "binary32", "0x1.03d5bep+0", 25),
    ("chi_squared", "binary32", "0x1.7f4296p+0", 25),
    ("chi_squared", "binary32", "0x1.56f9c8p+0", 24),
    ("chi_squared", "binary16", "0x1.4ecp+1", 14),
    ("chi_squared", "binary16", "0x1.7bcp+1", 12),
    ("chi_squared", "bfloat16", "0x1.ccp-3", 16),
    ("chi_squared", "bfloat16", "0x1.22p-4", 10),
    ("squared_hellinger", "binary64", "0x1.011000000e5d5p+0", 32),
    ("squared_hellinger", "binary64", "0x1.7a0000000fba8p+0", 32),
    ("squared_hellinger", "binary64", "0x1.9f70000005b37p+0", 30),
    ("squared_hellinger", "binary64", "0x1.2b2000000cfb4p+0", 29),
    ("squared_hellinger", "binary32", "0x1.29d668p+0", 24),
    ("squared_hellinger", "binary32", "0x1.2a8c26p+0", 23),
    ("squared_hellinger", "binary32", "0x1.2c1f64p+0", 23),
    ("squared_hellinger", "binary16", "0x1.ad8p+2", 14),
    ("squared_hellinger", "binary16", "0x1.98p-4", 13),
    ("squared_hellinger", "bfloat16", "0x1.96p-3", 10),
    ("squared_hellinger", "bfloat16", "0x1.aep-3", 10),
    ("perturbation_total_variation", "binary64", "0x1.96a000000b86cp+0", 30),
    ("perturbation_total_variation", "binary64", "0x1.0b7000000bb2p+0", 28),
    ("perturbation_total_variation", "binary64", "0x1.231000000912ep+0", 28),
    ("perturbation_total_variation", "binary64", "0x1.e73000000d9p+0", 28),
    ("perturbation_total_variation", "binary32", "0x1.416cfep+0", 25),
    ("perturbation_total_variation", "binary32", "0x1.2e57ccp+0", 24),
    ("perturbation_total_variation", "binary32", "0x1.64ba76p+0", 24),
    ("perturbation_total_variation", "binary16", "0x1.618p-3", 13),
    ("perturbation_total_variation", "binary16", "0x1.584p+1", 13),
    ("perturbation_total_variation", "bfloat16", "0x1.72p-3", 10),
    ("perturbation_total_variation", "bfloat16", "0x1.bcp+2", 9),
)


def inputs(quantity: str, x: float) -> dict[str, Any]:
    if find(quantity).needs == ("radius",):
        return {"radius": x}
    return {"scores": np.array([0.0, -x]), "kept": np.array([True, False])}


def number(quantity: str, x: float) -> Real:
    found = find(quantity)
    return real(found, Inputs.of(quantity, inputs(quantity, x), found.needs, found.optional), 8 * _PRECISION)


def bits_of(quantity: str, target: BinaryFormat, x: float) -> int:
    """How many bits beyond the format agree with a midpoint."""
    fraction, error = _fraction(number(quantity, x), target)
    distance = abs(fraction - Fraction(1, 2)) + error
    return -(distance.numerator.bit_length() - distance.denominator.bit_length())


def _value(number_: Real) -> tuple[Fraction, Fraction]:
    """(middle, half width) of an enclosure of 256 bits."""
    enclosure = number_.enclose(_PRECISION)
    low, high = (_exact(end._mpf_) for end in (enclosure.lower, enclosure.upper))
    return (low + high) / 2, (high - low) / 2


def _exact(raw: tuple[int, int, int, int]) -> Fraction:
    sign, mantissa, exponent, _ = raw
    return Fraction(-mantissa if sign else mantissa) * Fraction(2) ** exponent


def _unit(value: Fraction, target: BinaryFormat) -> Fraction:
    """The unit in the last place of a positive number."""
    top = value.numerator.bit_length() - value.denominator.bit_length()
    if value < Fraction(2) ** top:
        top -= 1
    return Fraction(2) ** max(top + 1 - target.precision, target.least)


def _fraction(number_: Real, target: BinaryFormat) -> tuple[Fraction, Fraction]:
    """(fraction of the last place, its error), of a positive number."""
    middle, radius = _value(number_)
    unit = _unit(middle, target)
    return middle / unit % 1, radius / unit


def nearest_in_enumeration(
    quantity: str, target: BinaryFormat, candidates: Iterable[float], count: int
) -> list[tuple[int, float]]:
    """The `count` hardest x among candidates, as (bits, x), hardest first; each is measured exactly."""
    return sorted(((bits_of(quantity, target, x), x) for x in candidates), key=lambda found: (-found[0], found[1]))[
        :count
    ]


def nearest_by_double(
    quantity: str, target: BinaryFormat, xs: NDArray[np.float64], estimate: Callable[[Any], Any], count: int
) -> list[tuple[int, float]]:
    """As above, of many x: the nearest 64 by an estimate in double precision are measured exactly."""
    values = estimate(xs)
    _, exponents = np.frexp(values)
    fractions = np.ldexp(values, target.precision - exponents) % 1.0
    nearest = np.argsort(np.abs(fractions - 0.5), kind="stable")[:64]
    return nearest_in_enumeration(quantity, target, xs[np.sort(nearest)].tolist(), count)


def nearest_in_windows(quantity: str, starts: Iterable[float], count: int) -> list[tuple[int, float]]:
    """The hardest binary64 x among the WINDOW neighbours upward of each start, as (bits, x)."""
    target = FORMATS["binary64"]
    places = np.arange(WINDOW, dtype=np.uint64)
    squares = places * places
    hardest: list[tuple[int, float]] = []
    for start in starts:
        step = np.spacing(start)
        at = [_value(number(quantity, start + place * step))[0] for place in (0, WINDOW // 2, WINDOW)]
        unit = _unit(at[0], target)
        if _unit(at[2], target) != unit:
            continue  # the binade of the result changes inside
        half = Fraction(WINDOW, 2)
        zeroth, second = at[0] / unit, (at[2] - 2 * at[1] + at[0]) / unit / (2 * half * half)
        first = (at[1] - at[0]) / unit / half - second * half
        modular = [np.uint64(int(part * (1 << 64)) % (1 << 64)) for part in (zeroth, first, second)]
        fractions = modular[0] + modular[1] * places + modular[2] * squares
        far = fractions - np.uint64(1 << 63)
        near = np.flatnonzero((far < _CANDIDATE) | (far > np.uint64((1 << 64) - int(_CANDIDATE))))
        hardest += nearest_in_enumeration(quantity, target, [float(start + int(j) * step) for j in near], count)
        hardest = sorted(hardest, key=lambda found: (-found[0], found[1]))[:count]
    return hardest
