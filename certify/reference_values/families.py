"""Inputs by family and seed, from integer arithmetic alone: the same on every machine and for every version of NumPy.

The generator is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): from a 64-bit state, add 0x9e3779b97f4a7c15, then mix.
The state starts at the first 8 bytes, big-endian, of the SHA-256 of "FAMILY/SEED/NAME", NAME being the input that is
drawn; so inputs do not depend on one another. Every number is a whole multiple of 2^-10 in float64 and float32, of 2^-4
in float16, of 2^-1 in bfloat16, small enough to be exact there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from certify.errors import BadInput
from certify.reference_values.parameters import nearest_names
from certify.scores import FLOAT_DTYPES

__all__ = ["FAMILIES", "Draw", "generated"]

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


class Draw:
    """SplitMix64; `below(m)` is a whole number in 0..m−1 (the high bits of the product: no modulo, no rejection)."""

    def __init__(self, text: str) -> None:
        self._state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])

    def word(self) -> int:
        self._state = (self._state + _GOLDEN) & _WORD
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _WORD
        return z ^ (z >> 31)

    def below(self, m: int) -> int:
        return (self.word() * m) >> 64


# What a family draws for one key: a whole number in units of 1/`unit`, or None for a masked key.
Score = Callable[[Draw, int, int], "int | None"]


def _normal(draw: Draw, key: int, unit: int) -> int:
    """Twelve uniform numbers less six, times two: mean 0, standard deviation 2 (Irwin–Hall)."""
    return 2 * (sum(draw.below(unit) for _ in range(12)) - 6 * unit)


def _uniform(draw: Draw, key: int, unit: int) -> int:
    return draw.below(16 * unit) - 8 * unit


def _ties(draw: Draw, key: int, unit: int) -> int:
    return draw.below(4) * unit - unit


def _masked(draw: Draw, key: int, unit: int) -> int | None:
    found = _uniform(draw, key, unit)
    return None if key and not draw.below(3) else found


def _spread(draw: Draw, key: int, unit: int) -> int:
    return -draw.below(128 * unit)


def _two_levels(draw: Draw, key: int, unit: int) -> int:
    return draw.below(2) * 5 * unit


FAMILIES: dict[str, Score] = {
    "normal": _normal,
    "uniform": _uniform,
    "ties": _ties,
    "masked": _masked,
    "spread": _spread,
    "two-levels": _two_levels,
}
_UNITS = {"float64": 1 << 10, "float32": 1 << 10, "float16": 1 << 4, "bfloat16": 1 << 1}


def generated(
    names: tuple[str, ...], family: str, seed: int, *, n: int = 16, k: int = 4, width: int = 3, dtype: str = "float64"
) -> dict[str, Any]:
    """The inputs of those names that a family can make: a row of n keys, k kept, vectors of `width` numbers, blocks of
    four keys. Raises BadInput.

    The kept set is the top k for an even seed, and k keys drawn at random for an odd one (not all of them masked).
    """
    if family not in FAMILIES:
        raise BadInput(f"there is no family {family!r}; {nearest_names(family, FAMILIES)}")
    if dtype not in FLOAT_DTYPES:
        raise BadInput(f"there is no dtype {dtype!r}; {nearest_names(dtype, FLOAT_DTYPES)}")
    if not 1 <= k <= n or width < 1 or seed < 0:
        raise BadInput(f"keys = {n}, keep = {k}, width = {width}, seed = {seed}: 1 ≤ keep ≤ keys, 1 ≤ width, 0 ≤ seed")
    unit = _UNITS[dtype]

    def draw(name: str) -> Draw:
        return Draw(f"{family}/{seed}/{name}")

    def vectors(name: str, rows: int) -> np.ndarray[Any, Any]:
        source = draw(name)
        numbers = [[source.below(4 * unit) / unit - 2 for _ in range(width)] for _ in range(rows)]
        return np.array(numbers).astype(FLOAT_DTYPES[dtype])

    source = draw("scores")
    units = [FAMILIES[family](source, key, unit) for key in range(n)]
    scores = np.array([-inf if found is None else found / unit for found in units]).astype(FLOAT_DTYPES[dtype])
    makers: dict[str, Callable[[], Any]] = {
        "scores": lambda: scores,
        "kept": lambda: _kept(scores, k, draw("kept"), top=seed % 2 == 0),
        "value": lambda: vectors("value", n),
        "centre": lambda: vectors("centre", 1)[0],
        "blocks": lambda: np.arange(n) // 4,
        "query": lambda: vectors("query", 1)[0],
        "key": lambda: vectors("key", 1),
        "top_scores": lambda: np.sort(scores)[::-1][: min(n, 2 * k)].copy(),
        "k": lambda: k,
        "n": lambda: n,
    }
    return {name: makers[name]() for name in names if name in makers}


def _kept(scores: np.ndarray[Any, Any], k: int, source: Draw, *, top: bool) -> np.ndarray[Any, Any]:
    wide = scores.astype(np.float64)
    order = np.argsort(-wide, kind="stable")
    if not top:
        keys = list(range(len(wide)))
        for place in range(k):  # the first k of a Fisher–Yates shuffle
            other = place + source.below(len(keys) - place)
            keys[place], keys[other] = keys[other], keys[place]
        if (wide[keys[:k]] > -inf).any():
            order = np.array(keys)
    mask = np.zeros(len(wide), dtype=bool)
    mask[order[:k]] = True
    return mask
