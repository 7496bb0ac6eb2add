"""Keys in 8 or 4 bits, and between what each real score lies: bounds from integer products (T22), in one pass.

A key is written k = centre + step·code + rest with whole codes; centre is common to all keys, step and ‖rest‖ are its
own. A query is written q = unit·levels + rest likewise. With the real scale c > 0

    q·k·c = q·centre·c + c·unit·step·(levels·code) + c·[unit·levels·rest_k + rest_q·(k − centre)]

The integer product is exact in 32 bits, whatever the order of its sum, so the same bits come out everywhere. By
Cauchy–Schwarz the bracket is at most ‖unit·levels‖·‖rest_k‖ + ‖rest_q‖·‖k − centre‖. Budget, in the order computed:

    α = unit·c, β ≥ ‖unit·levels‖·c, γ ≥ ‖rest_q‖·max‖k − centre‖·c, offset = fl(q·centre)·c     in float64
    upper = (offset + (α·step)·product) + (β·‖rest_k‖ + γ)        in float32, these four constants rounded to it first
    reach = c·‖unit·levels‖·(max‖k − centre‖ + 2 max‖rest‖) + c·‖q‖·(max‖k‖ + max‖k − centre‖) + γ
                                                                  at least every intermediate result in size
    γ takes on 2⁻⁴⁶·(d + 8)·reach for the float64 roundings, that of c = 1/√d and of q·centre among them, and
    2⁻²⁰·reach + 2⁻¹⁰⁰ for at most twelve float32 roundings, of which underflow adds 2⁻¹⁴⁹ times an integer below 2³¹;
    α (and β ≥ α) that underflow would be off by much more, times the step, and overflowing ones say nothing: such a
    query gets no bounds, reach = ∞

Lower bounds mirror the upper ones. `compiled_quantized.py` computes the same bits.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import BadValueError, OutOfRangeError, ShapeError
from .exponential import Float64

Bits = Literal[8, 4]
LARGEST_CODE: dict[Bits, int] = {8: 127, 4: 7}
_KEYS_AT_A_TIME = 8192
_LEAST_NORMAL = 2.0**-126  # of float32
_OUT = 2.0**-52  # two units of rounding


class QuantizedKeys(NamedTuple):
    """Keys [n, d] in whole codes.

    codes: int8 [n, d], or for 4 bits [n, ⌈d/2⌉] with code l in the low and code l + ⌈d/2⌉ in the high half of a byte.
    step float32 [n]; rest float32 [n] ≥ ‖k − centre − step·code‖, largest_rest its largest and typical_rest its mean;
    centre float64 [d], largest_norm ≥ max ‖k‖, farthest ≥ max ‖k − centre‖.
    """

    codes: NDArray[np.int8]
    step: NDArray[np.float32]
    rest: NDArray[np.float32]
    centre: Float64
    farthest: float
    largest_norm: float
    largest_rest: float
    typical_rest: float
    bits: Bits

    @property
    def nbytes(self) -> int:
        """What a pass over all keys reads."""
        return self.codes.nbytes + self.step.nbytes + self.rest.nbytes


class LevelledQuery(NamedTuple):
    """One query for the pass: levels int16 [d] (padded to whole bytes of codes), and the constants of the module.

    reach: no score and no bound is larger in size; infinite where float32 cannot bound this query's scores.
    """

    levels: NDArray[np.int16]
    alpha: np.float32
    beta: np.float32
    gamma: np.float32
    offset: np.float32
    reach: float


def quantize(key: NDArray[Any], bits: Bits = 8) -> QuantizedKeys:
    """Codes for float32 or float64 keys [n, d], finite and of components below 2^250.

    The centre is the mean as computed; any would do. rest and farthest are rounded up: the offset from the centre is
    off by one rounding a component, the square root of a sum of d squares by d/2 + 2 more.
    Errors: ShapeError, BadValueError, OutOfRangeError.
    """
    if bits not in LARGEST_CODE:
        raise OutOfRangeError(f"bits is {bits!r}: keys are stored in 8 or 4")
    if key.ndim != 2 or key.size == 0:
        raise ShapeError(f"key {key.shape}: keys are [n, d] with at least one of each")
    if not float(np.abs(key).max()) <= 2.0**250:
        raise BadValueError("a key has a component that is NaN, infinite or beyond 2**250: scale the keys down")
    n, d = key.shape
    largest = LARGEST_CODE[bits]
    centre: Float64 = np.sum(key, axis=0, dtype=np.float64) / n
    codes = np.empty((n, d), dtype=np.int8)
    step, rest = np.empty(n, dtype=np.float32), np.empty(n, dtype=np.float32)
    farthest, largest_norm = 0.0, 0.0
    for start in range(0, n, _KEYS_AT_A_TIME):
        part = slice(start, start + _KEYS_AT_A_TIME)
        offsets = key[part].astype(np.float64) - centre
        size = _norm_upper(offsets)
        with np.errstate(over="ignore"):
            step[part] = np.max(np.abs(offsets), axis=-1) / largest
        usable = np.where((step[part] > 0.0) & np.isfinite(step[part]), step[part], 1.0).astype(np.float64)
        whole = np.clip(np.rint(offsets / usable[:, None]), -largest, largest)
        codes[part] = whole
        step[part] = usable
        with np.errstate(over="ignore"):
            missing = _norm_upper(offsets - usable[:, None] * whole) + size * 4 * _OUT
            rest[part] = np.nextafter(missing.astype(np.float32), np.float32(np.inf))
        farthest = max(farthest, float(size.max()))
        largest_norm = max(largest_norm, float(_norm_upper(key[part].astype(np.float64)).max()))
    if not np.isfinite(rest).all():
        raise OutOfRangeError("keys are too far apart for float32 steps: scale the keys down")
    return QuantizedKeys(
        codes if bits == 8 else _packed(codes),
        step,
        rest,
        centre,
        farthest,
        largest_norm,
        float(rest.max()),
        float(rest.mean()),
        bits,
    )


def level(query: Float64, keys: QuantizedKeys, scale: float | None) -> LevelledQuery:
    """One query [d] float64 in whole levels, small enough that no integer product leaves 32 bits. scale > 0 or None."""
    d = len(keys.centre)
    c = 1.0 / sqrt(d) if scale is None else scale
    highest = min(2**15 - 1, (2**31 - 1) // (LARGEST_CODE[keys.bits] * d))
    if highest < 1:
        raise OutOfRangeError(f"d = {d} is too long for 32-bit products of codes: quantise fewer components")
    unit = float(np.max(np.abs(query))) / highest
    unit = unit if unit > 0.0 else 1.0
    whole = np.clip(np.rint(query / unit), -highest, highest)
    scaled = unit * whole
    norm, size = _norm_upper(query), _norm_upper(scaled)
    missing = _norm_upper(query - scaled) + norm * 4 * _OUT
    beta = float(size * c) * (1.0 + 8 * _OUT)
    gamma = float(missing * keys.farthest * c) * (1.0 + 8 * _OUT)
    offset = float(query @ keys.centre) * c
    around = float(norm) * (keys.largest_norm + keys.farthest) * c  # ‖centre‖ ≤ ‖k‖ + ‖k − centre‖
    reach = beta * (keys.farthest + 2.0 * keys.largest_rest) + around + gamma
    gamma += reach * (2.0**-46 * (d + 8) + 2.0**-20) + 2.0**-100
    padded = np.zeros(keys.codes.shape[1] * (1 if keys.bits == 8 else 2), dtype=np.int16)
    padded[:d] = whole
    with np.errstate(over="ignore"):  # a query this large is refused by its reach
        alpha32, beta32, gamma32, offset32 = map(np.float32, (unit * c, beta, gamma, offset))
    if whole.any() and not _LEAST_NORMAL <= alpha32 <= beta32 < inf:
        reach = inf
    return LevelledQuery(padded, alpha32, beta32, gamma32, offset32, reach)


def score_bounds(keys: QuantizedKeys, query: LevelledQuery) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(lower, upper) float32 [n] around every real score q·k·c, where query.reach ≤ 2^100: the specification, in NumPy.

    Theorem T22.
    """
    products = unpacked(keys).astype(np.int32) @ query.levels[: len(keys.centre)].astype(np.int32)
    middle = query.offset + (query.alpha * keys.step) * products.astype(np.float32)
    reach = query.beta * keys.rest + query.gamma
    return middle - reach, middle + reach


def unpacked(keys: QuantizedKeys) -> NDArray[np.int8]:
    """The codes int8 [n, d], one a byte."""
    if keys.bits == 8:
        return keys.codes
    low, high = (keys.codes << 4) >> 4, keys.codes >> 4  # shifts of signed bytes keep the sign
    return np.concatenate([low, high], axis=-1)[:, : len(keys.centre)]


def _packed(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    half = (codes.shape[1] + 1) // 2
    high = np.zeros((len(codes), half), dtype=np.int8)
    high[:, : codes.shape[1] - half] = codes[:, half:]
    return (high << 4) | (codes[:, :half] & 15)


def _norm_upper(vectors: Float64) -> Any:
    """≥ ‖v‖ of float64 vectors [*, d], of squares that may underflow."""
    d = vectors.shape[-1]
    return np.sqrt(np.sum(vectors * vectors, axis=-1)) * (1.0 + (d + 8) * _OUT) + 2.0**-520
