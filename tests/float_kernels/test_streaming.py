"""Input of every kind: dtypes, strides, byte orders, batch shapes; and each kind of bad input with its own error."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import float_kernels
from float_kernels import (
    AllMaskedError,
    BadValueError,
    DtypeError,
    EmptyKeptError,
    InfiniteScoreError,
    KernelError,
    NaNScoreError,
    OutOfRangeError,
    ShapeError,
    streaming,
)

INF = np.inf


def batch(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    scores = (4 * random.normal(size=shape)).astype(np.float32)
    kept = random.random(shape) < 0.5
    kept[..., 0] = True
    return scores, kept


def bits(bounds: tuple[np.ndarray, np.ndarray]) -> bytes:
    return np.concatenate([np.ravel(bound) for bound in bounds]).tobytes()


@pytest.mark.parametrize("shape", [(7,), (1, 7), (3, 5), (2, 3, 4, 33), (0, 9), (2, 0, 3)])
def test_results_have_the_shape_of_the_rows(shape: tuple[int, ...]) -> None:
    if 0 in shape:
        scores, kept = np.zeros(shape, np.float32), np.ones(shape, np.bool_)
    else:
        scores, kept = batch(*shape)
    for bound in float_kernels.tail_mass(scores, kept):
        assert bound.shape == shape[:-1]
        assert bound.dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_layout_changes_no_bit(dtype: Any) -> None:
    """Slices, reversals, transposes, broadcasts and foreign byte order against a contiguous copy."""
    scores, kept = batch(6, 5, 40)
    scores = scores.astype(dtype)
    views = {
        "sliced": (scores[::2, 1:, ::3], kept[::2, 1:, ::3]),
        "reversed": (scores[:, ::-1, ::-1], kept[:, ::-1, ::-1]),
        "transposed": (scores.transpose(1, 0, 2), kept.transpose(1, 0, 2)),
        "Fortran": (np.asfortranarray(scores), np.asfortranarray(kept)),
        "one row for all": (np.broadcast_to(scores[0], scores.shape), kept),
        "keys first": (scores.transpose(2, 0, 1), kept.transpose(2, 0, 1) | True),
    }
    if dtype is not ml_dtypes.bfloat16:
        swapped = scores.astype(scores.dtype.newbyteorder("S"))
        assert swapped.dtype.byteorder in "<>"
        views["foreign byte order"] = (swapped, kept)
    for name, (view, mask) in views.items():
        plain = np.ascontiguousarray(view, dtype=dtype), np.ascontiguousarray(mask)
        assert bits(float_kernels.tail_mass(view, mask)) == bits(float_kernels.tail_mass(*plain)), name
        assert bits(float_kernels.kl(view, mask)) == bits(float_kernels.kl(*plain)), name
        kept_by_view, kept_by_copy = float_kernels.top_k(view, 3).kept, float_kernels.top_k(plain[0], 3).kept
        assert np.array_equal(kept_by_view, kept_by_copy), name


def test_nothing_is_written_to_the_input() -> None:
    scores, kept = batch(3, 50)
    scores.flags.writeable = kept.flags.writeable = False
    before = scores.tobytes()
    float_kernels.smallest_k(scores, 0.1)
    float_kernels.tail_mass(scores, kept)
    assert scores.tobytes() == before


def test_large_input_is_cut_without_a_copy() -> None:
    """Chunks are views of the input, at most CHUNK elements, in the order of the rows."""
    scores = np.zeros((5, 7, streaming.CHUNK // 3), dtype=np.float32)
    chunks = [part for (part,) in streaming._chunks((scores,))]
    assert all(np.shares_memory(part, scores) and part.size <= streaming.CHUNK for part in chunks)
    assert sum(len(part) for part in chunks) == 35


BAD_ROWS = [
    ([0.0, np.nan], NaNScoreError, r"row \(2, 1\).*score 1 is NaN"),
    ([np.nan, INF], NaNScoreError, "NaN"),
    ([INF, 0.0], InfiniteScoreError, r"row \(2, 1\).*score 0 is \+inf"),
    ([-INF, -INF], AllMaskedError, r"row \(2, 1\).*2 scores are -inf"),
]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize(("row", "error", "message"), BAD_ROWS)
def test_bad_rows_are_named(row: list[float], error: type[KernelError], message: str, dtype: Any) -> None:
    scores = np.zeros((4, 3, 2), dtype=dtype)
    scores[2, 1] = np.asarray(row).astype(dtype)
    kept = np.ones(scores.shape, dtype=np.bool_)
    calls = [
        lambda: float_kernels.tail_mass(scores, kept),
        lambda: float_kernels.tail_mass(scores, kept, implementation="numpy"),
        lambda: float_kernels.kl(scores, kept),
        lambda: float_kernels.top_k(scores, 1),
        lambda: float_kernels.smallest_k(scores, 0.5),
        lambda: float_kernels.output_error(scores, kept, np.zeros((2, 3))),
        lambda: float_kernels.perturbed_tail_mass(scores, kept, 0.1),
    ]
    for call in calls:
        with pytest.raises(error, match=message):
            call()


@pytest.mark.parametrize("position", [0, 5, 15, 16, 31, 40])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("value", [np.nan, -np.nan, INF])
def test_bad_score_surfaces_wherever_it_stands(position: int, keep: bool, value: float) -> None:
    for dtype in (np.float32, np.float64):
        scores, kept = np.zeros(41, dtype=dtype), np.ones(41, dtype=np.bool_)
        scores[position], kept[position] = value, keep
        with pytest.raises((NaNScoreError, InfiniteScoreError), match=f"score {position}"):
            float_kernels.tail_mass(scores, kept)


def test_every_nan_of_16_bits_is_refused() -> None:
    for dtype in (np.float16, ml_dtypes.bfloat16):
        patterns = np.arange(2**16, dtype=np.uint16)
        infinity = np.array(INF, dtype=dtype).view(np.uint16)
        for pattern in patterns[(patterns & 0x7FFF) > infinity][::37]:
            with pytest.raises(NaNScoreError):
                float_kernels.tail_mass(np.array([pattern, 0], dtype=np.uint16).view(dtype), np.array([True, False]))


def test_empty_kept_sets() -> None:
    scores = np.array([[0.0, 1.0, -INF], [0.0, 1.0, -INF]])
    with pytest.raises(EmptyKeptError, match=r"row 1.*keeps 0 keys"):
        float_kernels.tail_mass(scores, np.array([[True, False, False], [False] * 3]))
    with pytest.raises(EmptyKeptError, match=r"row 1.*keeps 1 keys, none with a finite score"):
        float_kernels.tail_mass(scores, np.array([[True, False, False], [False, False, True]]))


@pytest.mark.parametrize("k", [0, -1, 4, 10**9])
def test_k_outside_the_row(k: int) -> None:
    with pytest.raises(OutOfRangeError, match=f"k is {k}.*1 to 3"):
        float_kernels.top_k(np.zeros((2, 3)), k)


@pytest.mark.parametrize("eps", [0.0, 1.0, -0.1, 1.5, np.nan, INF])
def test_eps_outside_its_interval(eps: float) -> None:
    with pytest.raises(OutOfRangeError, match=f"eps is {eps!r}"):
        float_kernels.smallest_k(np.zeros((2, 3)), eps)


def test_wrong_dtypes_and_shapes() -> None:
    scores, kept = np.zeros((2, 3)), np.ones((2, 3), dtype=np.bool_)
    with pytest.raises(DtypeError, match="int64"):
        float_kernels.tail_mass(np.zeros((2, 3), dtype=np.int64), kept)
    with pytest.raises(DtypeError, match=r"longdouble|float128"):
        float_kernels.tail_mass(np.zeros((2, 3), dtype=np.longdouble), kept)
    with pytest.raises(DtypeError, match="bool mask"):
        float_kernels.tail_mass(scores, kept.astype(np.int8))
    with pytest.raises(ShapeError, match=r"\(2, 4\)"):
        float_kernels.tail_mass(scores, np.ones((2, 4), dtype=np.bool_))
    with pytest.raises(ShapeError, match="no keys"):
        float_kernels.tail_mass(np.zeros((2, 0)), np.ones((2, 0), dtype=np.bool_))
    with pytest.raises(ShapeError, match="no keys"):
        float_kernels.tail_mass(np.float64(1.0), np.True_)
    with pytest.raises(OutOfRangeError, match="threads is 0"):
        float_kernels.tail_mass(scores, kept, threads=0)
    with pytest.raises(BadValueError, match=r"value \(1, 0\) is inf"):
        float_kernels.output_error(scores, kept, np.array([[0.0], [INF], [1.0]]))
    with pytest.raises(ShapeError, match="values have shape"):
        float_kernels.output_error(scores, kept, np.zeros((4, 2)))
    with pytest.raises(DtypeError, match="values have dtype int64"):
        float_kernels.output_error(scores, kept, np.zeros((3, 2), dtype=np.int64))
