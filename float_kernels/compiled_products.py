"""Dot products of single rows in Numba: classical sums in float64, so that γ_d of T22 holds for each.

Sixteen partial sums run side by side and are halved pairwise; what is left of d is added one by one. Components of
float32 keys are widened first, which is exact.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from .compiled import OPTIONS
from .rounding import LANES
from .vectors import halved_sum, load, splat, widen


@intrinsic
def _prefetch_line(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line of array[row, column]; changes nothing."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        from numba.core import cgutils
        from numba.np.arrayobj import make_array

        view = make_array(array)(context, builder, arguments[0])
        element = cgutils.get_item_pointer(context, builder, array, view, list(arguments[1:]), wraparound=False)
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        hint = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag]), "llvm.prefetch.p0i8"
        )
        builder.call(hint, [builder.bitcast(element, pointer), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp), generate


@njit(**OPTIONS)
def prefetch(array: Any, row: int) -> None:
    """Ask for all cache lines of array[row]."""
    for column in range(0, array.shape[1], 64 // array.itemsize):
        _prefetch_line(array, row, column)


@njit(**OPTIONS)
def product(left: Any, row: int, right: Any, column: int) -> float:
    """Σ_l left[row, l]·right[column, l] for left [*, d] float64 and right [*, d] float32 or float64, contiguous."""
    d = left.shape[1]
    whole = d // LANES * LANES
    total = 0.0
    if whole > 0:
        lanes = splat(0.0)
        for start in range(0, whole, LANES):
            lanes = lanes + widen(load(right, column, start)) * widen(load(left, row, start))
        total = halved_sum(lanes)
    for index in range(whole, d):
        total += left[row, index] * right[column, index]
    return total
