"""A reference value: one quantity on one input, with everything about it that is certain.

`lower` and `upper` are the neighbouring 113-bit numbers around the truth (equal where it is one itself), so that any
answer of at most 113 bits can be compared with the truth by them alone. The floats are correctly rounded, to nearest,
ties to even. `exact` is the number itself where it is proved to be a rational. `decimal` has as many significant digits
as were asked for, rounded to nearest, ties to even; a number beyond 2^±131072 has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from mpmath import mpf

from certify.errors import BadInput
from certify.interval import Interval
from certify.reference_values.inputs import Inputs
from certify.reference_values.parameters import to_json
from certify.reference_values.quantities import Quantity, find, real
from certify.reference_values.rounding import DIRECTED_BITS, FORMATS, decimal, directed, rounded

__all__ = ["Reference", "Trap", "evaluated", "reference"]

_DEFAULT_BITS = 8192


@dataclass(frozen=True, slots=True)
class Trap:
    """A wrong answer and its name: any `answer` ("value", "lower" or "upper") within [least, most] is this mistake.

    NaN at both ends stands for NaN.
    """

    name: str
    answer: tuple[str, ...]
    least: float
    most: float


@dataclass(frozen=True, eq=False)
class Reference:
    """A quantity, its inputs and its value; see the module. `case` and `group` are names in a file."""

    quantity: Quantity
    inputs: Inputs
    lower: mpf
    upper: mpf
    exact: Fraction | None
    floats: Mapping[str, float]
    decimal: str | None
    case: str = ""
    group: str = ""
    traps: tuple[Trap, ...] = field(default=())

    @property
    def enclosure(self) -> Interval:
        return Interval(self.lower, self.upper, DIRECTED_BITS)

    @property
    def binary64(self) -> float:
        return self.floats["binary64"]

    @property
    def binary32(self) -> float:
        return self.floats["binary32"]

    @property
    def binary16(self) -> float:
        return self.floats["binary16"]

    @property
    def bfloat16(self) -> float:
        return self.floats["bfloat16"]

    def inputs_json(self) -> dict[str, Any]:
        return {name: to_json(name, value) for name, value in self.inputs.values.items()}


def reference(quantity: str, *, digits: int | None = None, max_bits: int | None = None, **inputs: Any) -> Reference:
    """The value of a quantity by name, with guaranteed digits and correctly rounded floats.

    `inputs` are what the quantity needs (`certify.reference_values.QUANTITIES`): arrays, bool masks, floats, whole
    numbers. `digits` asks for that many significant decimal digits as well. The precision is raised until every
    rounding is certain; exact ties are decided by T24. Raises BadInput and its kin, and UndecidedRounding where
    `max_bits` (8192, or 8 for each digit where that is more) do not suffice and no exact test applies.
    """
    found = find(quantity)
    return evaluated(found, Inputs.of(quantity, inputs, found.needs, found.optional), digits, max_bits)


def evaluated(
    quantity: Quantity,
    inputs: Inputs,
    digits: int | None = None,
    max_bits: int | None = None,
    *,
    case: str = "",
    group: str = "",
    traps: tuple[Trap, ...] = (),
) -> Reference:
    """As `reference`, of checked inputs and under a name."""
    if max_bits is None:
        max_bits = max(_DEFAULT_BITS, 8 * (digits or 0))  # a digit takes 3.33 bits
    if max_bits < 2:
        raise BadInput(f"max_bits = {max_bits} leaves no precision to work with; use 2 or more")
    number = real(quantity, inputs, max_bits)
    lower, upper = directed(number)
    return Reference(
        quantity,
        inputs,
        lower,
        upper,
        number.exact,
        {name: rounded(number, target) for name, target in FORMATS.items()},
        None if digits is None else decimal(number, digits),
        case or quantity.name,
        group,
        traps,
    )
