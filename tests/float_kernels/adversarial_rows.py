"""Rows that break careless kernels: one list made by hand, one Hypothesis strategy biased towards the same corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

INF = np.inf
DTYPES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32), np.dtype(np.float64))


def numbers(dtype: np.dtype[Any]) -> NDArray[Any]:
    """Every number of a 16-bit format: all bit patterns but NaNs and infinities."""
    patterns = np.arange(2**16, dtype=np.uint16)
    magnitude = patterns & 0x7FFF
    infinity = np.array(INF, dtype=dtype).view(np.uint16)
    return patterns[magnitude < infinity].view(dtype)


@dataclass(frozen=True)
class Row:
    """One attention row [n] and a kept set [n], with the trap in words."""

    name: str
    scores: NDArray[Any]
    kept: NDArray[np.bool_]

    def __str__(self) -> str:
        return self.name


def _row(name: str, scores: Any, kept: Any, dtype: Any = np.float64) -> Row:
    row = np.asarray(scores, dtype=dtype)
    mask = np.zeros(row.size, dtype=np.bool_)
    mask[kept] = True
    return Row(name, row, mask)


def _handmade() -> list[Row]:
    random = np.random.default_rng(3)
    up = np.nextafter
    rows = [
        _row("one key", [0.3], [0]),
        _row("one key far below", [-1e30], [0]),
        _row("two equal keys", [0.0, 0.0], [0]),
        _row("ties", [1.0] * 40, slice(0, 13)),
        _row("one ulp apart", [1.0, up(1.0, 2), up(1.0, 0)] * 7, [1, 4, 7]),
        _row("nothing dropped", random.normal(size=33), slice(None)),
        _row("only masked keys dropped", [0.5, -INF, 1.5, -INF], [0, 2]),
        _row("masked keys kept too", [0.5, -INF, 1.5, -INF, 0.0], [0, 1]),
        _row("mostly masked", [-INF] * 50 + [2.0, 1.0], [50]),
        _row("signed zeros", [0.0, -0.0, 0.0], [1]),
        _row("denormal scores", [5e-324, -5e-324, 1e-310], [0]),
        _row("weights that underflow in float32", [0.0] + [-110.0] * 99, [0]),
        _row("weights that underflow in float64", [0.0] + [-745.2] * 99, [0]),
        _row("at the clamp", [0.0, -700.0, up(-700.0, 0), up(-700.0, -INF), -699.0, -701.0], [0]),
        _row("kept set at the clamp", [0.0, -700.0, -701.0, -650.0], [1, 2]),
        _row("kept set below the clamp", [0.0, -720.0, -800.0], [1, 2]),
        _row("kept set far below", [0.0, -1e5, -1e5], [1]),
        _row("tail far below", [0.0, -1e5, -1e5], [0]),
        _row("shifted by a million", 1e6 + random.normal(size=65), slice(0, 9)),
        _row("shifted by minus a million", -1e6 + random.normal(size=65), slice(0, 9)),
        _row("spread 1e5", random.uniform(-1e5, 0, size=129), slice(0, 64)),
        _row("one logit 300 in float32", [300.0, 1.0, 2.0, 3.0], [1, 2], np.float32),
        _row("one logit 1e30", [1e30, 1.0, 2.0], [0]),
        _row("one logit 1e30 dropped", [1e30, 1.0, 2.0], [1, 2]),
        _row("the largest floats", [1.7e308, 1.7e308, -1.7e308], [1]),
        _row("float16's largest", [65504.0, 65504.0, -65504.0, 65472.0], [0], np.float16),
        _row("all at the lower end of the unshifted range", [-32.0] * 20, slice(0, 3)),
        _row("just below the unshifted range", [up(-32.0, -INF)] * 20, slice(0, 3)),
        _row("all at the upper end of the unshifted range", [512.0] * 200, slice(0, 30)),
        _row("just above the unshifted range", [up(512.0, INF)] * 200, slice(0, 30)),
        _row("maximum last", list(np.linspace(-900, 900, 200)), [199]),
        _row("maximum in the last partial step", [-900.0] * 17 + [900.0], [17]),
    ]
    for n in (15, 16, 17, 31, 32, 33, 127, 128, 2047, 2048, 2049, 4111):
        rows.append(_row(f"n = {n}", 3 * random.normal(size=n), slice(0, max(1, n // 7)), np.float32))
    for size in (0.01, 1.0, 6.0, 40.0, 200.0):
        rows.append(_row(f"Gaussian scores, σ = {size}", size * random.normal(size=300), random.integers(0, 300, 60)))
    # every score slightly above a power of two of the reduction, so that f is near ±½ everywhere
    half = (np.arange(-400, 400) + 0.5) * np.log(2)
    rows.append(_row("f at the ends of its range", half, slice(0, 800, 3)))
    return rows


HANDMADE = _handmade()


@st.composite
def rows(draw: st.DrawFn, max_keys: int = 40) -> Row:
    """A row of any supported dtype, drawn around a centre with a spread, with repeats, masks and one-ulp neighbours."""
    dtype = draw(st.sampled_from(DTYPES))
    n = draw(st.integers(1, max_keys))
    limit = float(ml_dtypes.finfo(dtype).max)
    centre = draw(st.sampled_from([0.0, 0.0, 1.0, -31.9, 500.0, -700.0, 1e4, -1e6, 1e30, -1e30]))
    spread = draw(st.sampled_from([0.0, 1e-3, 1.0, 8.0, 100.0, 800.0, 1e5, 1e30]))
    offsets = draw(st.lists(st.floats(-1, 1), min_size=n, max_size=n))
    with np.errstate(over="ignore"):
        scores = np.clip(centre + spread * np.asarray(offsets), -limit, limit).astype(dtype)
    copied = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=4))
    for source, target in copied:
        scores[target] = scores[source]
    for index in draw(st.lists(st.integers(0, n - 1), max_size=n // 2)):
        scores[index] = -INF
    kept = np.asarray(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    chosen = draw(st.integers(0, n - 1))
    if not (scores[kept] > -INF).any():
        kept[chosen] = True
        scores[chosen] = draw(st.sampled_from([0.0, -3.0, 5.0]))
    return Row("drawn", scores, kept)
