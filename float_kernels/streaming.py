"""Scores of any dtype, stride, byte order and batch shape, cut into chunks of whole rows and run through a kernel.

No copy of the whole input is ever made: a chunk that is not native contiguous float32 or float64 is converted on its
own (the conversions are exact: every float16, bfloat16 and float32 is a float64), and freed. Each thread's float
environment is probed before it touches a chunk. How rows are cut decides nothing about their bits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .environment import require_ieee
from .errors import (
    AllMaskedError,
    DtypeError,
    EmptyKeptError,
    InfiniteScoreError,
    NaNScoreError,
    OutOfRangeError,
    ShapeError,
)

Mask = NDArray[np.bool_]
# Elements of a chunk: enough to drown the call, small against any input for which memory matters.
CHUNK = 2**19
# An input smaller than this is not worth a second thread.
MIN_PARALLEL = 2**19


def as_scores(scores: ArrayLike) -> NDArray[Any]:
    """The scores as an array [*rows, n] of a supported dtype, not copied; raises DtypeError, ShapeError."""
    array = np.asarray(scores)
    supported = array.dtype == ml_dtypes.bfloat16 or (array.dtype.kind == "f" and array.dtype.itemsize in (2, 4, 8))
    if not supported:
        raise DtypeError(f"dtype {array.dtype} is not one of float16, bfloat16, float32, float64: convert it")
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ShapeError(f"shape {array.shape} has no keys: scores are [*rows, n] with n ≥ 1")
    return array


def as_kept(kept: ArrayLike, scores: NDArray[Any]) -> Mask:
    """The kept mask as a bool array of the shape of the scores, not copied; raises DtypeError, ShapeError."""
    array = np.asarray(kept)
    if array.dtype != np.bool_:
        raise DtypeError(f"kept has dtype {array.dtype}: it is a bool mask, true where a key is kept")
    if array.shape != scores.shape:
        raise ShapeError(f"kept has shape {array.shape}, scores have {scores.shape}: give one bool for every score")
    return array


def native(chunk: NDArray[Any]) -> NDArray[Any]:
    """The chunk as contiguous native float32 or float64: itself where it is that already, else an exact copy."""
    wanted = np.float64 if chunk.dtype.itemsize == 8 else np.float32
    with np.errstate(invalid="ignore"):  # a signalling NaN, which its row's sums show later
        return np.ascontiguousarray(chunk, dtype=wanted)


def row_at(array: NDArray[Any], row: int) -> NDArray[Any]:
    """Row number `row`, in C order, of an array [*rows, n]."""
    found: NDArray[Any] = array[np.unravel_index(row, array.shape[:-1])] if array.ndim > 1 else array
    return found


def _chunks(arrays: tuple[NDArray[Any], ...]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Views [rows, n] of arrays [*rows, n], at most CHUNK elements each (at least one row), in C order of the rows."""
    shape = arrays[0].shape
    try:
        flat = tuple(array.reshape(-1, shape[-1], copy=False) for array in arrays)
    except ValueError:  # strides that no view can flatten: descend one axis
        for index in range(shape[0]):
            yield from _chunks(tuple(array[index] for array in arrays))
        return
    step = max(1, CHUNK // shape[-1])
    for start in range(0, flat[0].shape[0], step):
        yield tuple(array[start : start + step] for array in flat)


def stream(
    kernel: Callable[..., tuple[NDArray[Any], ...]],
    *arrays: NDArray[Any],
    threads: int | None = None,
) -> tuple[NDArray[Any], ...]:
    """kernel(scores_chunk, *other_chunks) on every chunk; its results [rows, …] put together in the order of the rows.

    The first array is the scores, handed on as native contiguous rows; the others as contiguous rows of their dtype.
    threads: how many at most, default all processors; the kernel should release the interpreter lock.
    """
    if threads is not None and threads < 1:
        raise OutOfRangeError(f"threads is {threads}: give 1 or more")

    def run(chunk: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        require_ieee()
        return kernel(native(chunk[0]), *map(np.ascontiguousarray, chunk[1:]))

    if arrays[0].size == 0:  # no rows: one for the kernel to see the shapes of its results, and none of it kept
        example = (np.zeros((1, array.shape[-1]), dtype=array.dtype) for array in arrays)
        return tuple(part[:0] for part in run(tuple(example)))
    workers = min(threads or os.cpu_count() or 1, 1 + arrays[0].size // MIN_PARALLEL)
    if workers == 1:
        results = [run(chunk) for chunk in _chunks(arrays)]
    else:
        with ThreadPoolExecutor(workers, thread_name_prefix="float-kernels") as pool:
            results = list(pool.map(run, _chunks(arrays)))
    return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))


def refuse_bad_row(scores: NDArray[Any], row: int) -> None:
    """Raise the error of a row of scores [*rows, n] that holds NaN or +∞ or nothing but −∞; return if it holds none."""
    values = native(row_at(scores, row))
    name = f"row {np.unravel_index(row, scores.shape[:-1])}" if scores.ndim > 1 else "the row"
    name = name.replace("np.int64(", "").replace("),", ",").replace("))", ")")
    if np.isnan(values).any():
        raise NaNScoreError(
            f"{name}: score {int(np.isnan(values).argmax())} is NaN; mask the key with -inf or mend its source"
        )
    if np.isposinf(values).any():
        raise InfiniteScoreError(
            f"{name}: score {int(values.argmax())} is +inf; scores are finite, or -inf for a masked key"
        )
    if np.isneginf(values).all():
        raise AllMaskedError(
            f"{name}: all {values.size} scores are -inf, so it has no attention distribution; drop the row"
        )


def refuse_empty_kept(scores: NDArray[Any], kept: Mask, row: int) -> None:
    """Raise EmptyKeptError where a row keeps no key or only masked ones; return otherwise."""
    if not np.any(row_at(kept, row) & (row_at(scores, row) > -np.inf)):
        count = int(np.count_nonzero(row_at(kept, row)))
        raise EmptyKeptError(
            f"row {row} (C order) keeps {count} keys, none with a finite score: keep at least one attended key"
        )
