"""Sixteen float64 lanes as one value inside compiled code: explicit LLVM vectors, nothing else.

Numba would have to guess that a loop over lanes is a vector operation, and on some processors it guesses half the
width or none. Here each operation is one LLVM instruction on <16 x double>, which LLVM splits into whatever registers
the processor has. Lanes never mix except in the two reductions, whose order is written out. No fast-math flag is set
and `a * b + c` stays two instructions with two roundings: contraction to a fused multiply-add would change bits.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, overload, register_model

from .rounding import LANES

_DOUBLE = ir.DoubleType()
_INT32 = ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_NARROW_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INTEGERS = ir.VectorType(ir.IntType(64), LANES)


class _LanesType(types.Type):
    """Numba's name for LANES float64 values."""

    def __init__(self) -> None:
        super().__init__(name=f"float64 x {LANES}")


class _NarrowLanesType(types.Type):
    """Numba's name for LANES float32 values: only loaded, compared and widened, never computed with."""

    def __init__(self) -> None:
        super().__init__(name=f"float32 x {LANES}")


class _MaskType(types.Type):
    """Numba's name for LANES truth values."""

    def __init__(self) -> None:
        super().__init__(name=f"bool x {LANES}")


lanes = _LanesType()
narrow_lanes = _NarrowLanesType()
mask = _MaskType()


@register_model(_LanesType)
class _LanesModel(PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _VECTOR)


@register_model(_NarrowLanesType)
class _NarrowLanesModel(PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, _NARROW_VECTOR)


@register_model(_MaskType)
class _MaskModel(PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, ir.VectorType(ir.IntType(1), LANES))


def _splat(builder: Any, value: Any, element: Any = _DOUBLE) -> Any:
    """A vector with `value` in every lane."""
    vector = ir.VectorType(element, LANES)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, _INT32(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


def _pointer(context: Any, builder: Any, array_type: Any, arguments: Any, vector: Any) -> Any:
    """Pointer to `vector` at array[row, start] of a C-contiguous array, for arguments (array, row, start, …)."""
    array, row, start = arguments[:3]
    from numba.core import cgutils
    from numba.np.arrayobj import make_array

    view = make_array(array_type)(context, builder, array)
    element = cgutils.get_item_pointer(context, builder, array_type, view, [row, start], wraparound=False)
    return builder.bitcast(element, vector.as_pointer())


@intrinsic
def load(typing: Any, array: Any, row: Any, start: Any) -> Any:
    """array[row, start : start + LANES] in the array's own precision, float32 or float64."""
    narrow = array.dtype == types.float32
    vector = _NARROW_VECTOR if narrow else _VECTOR

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, array, arguments, vector), align=4 if narrow else 8)

    return (narrow_lanes if narrow else lanes)(array, types.intp, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, row: Any, start: Any, value: Any) -> Any:
    """array[row, start : start + LANES] = value, float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[3], _pointer(context, builder, array, arguments, _VECTOR), align=8)
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp, lanes), generate


@intrinsic
def widen(typing: Any, value: Any) -> Any:
    """float32 or float64 lanes as float64 lanes (exact)."""
    narrow = value == narrow_lanes

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fpext(arguments[0], _VECTOR) if narrow else arguments[0]

    return lanes(value), generate


@intrinsic
def load_mask(typing: Any, array: Any, row: Any, start: Any) -> Any:
    """array[row, start : start + LANES] of bool."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integers = ir.VectorType(ir.IntType(8), LANES)
        value = builder.load(_pointer(context, builder, array, arguments, integers), align=1)
        return builder.icmp_unsigned("!=", value, ir.Constant(integers, [0] * LANES))

    return mask(array, types.intp, types.intp), generate


@intrinsic
def splat_like(typing: Any, example: Any, value: Any) -> Any:
    """The float in every lane, in the precision of the example; exact for 0, small integers and infinities."""
    element = ir.FloatType() if example == narrow_lanes else _DOUBLE

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        single = builder.fptrunc(arguments[1], element) if element != _DOUBLE else arguments[1]
        return _splat(builder, single, element)

    return example(example, types.float64), generate


@intrinsic
def splat(typing: Any, value: Any) -> Any:
    """The float in every lane."""
    return lanes(types.float64), lambda context, builder, signature, arguments: _splat(builder, arguments[0])


def _arithmetic(name: str) -> Any:
    """An intrinsic for one IEEE operation on lanes, or on lanes and a float."""

    @intrinsic
    def operation(typing: Any, left: Any, right: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            a, b = arguments
            return getattr(builder, name)(a, _splat(builder, b) if right == types.float64 else b)

        return lanes(lanes, right), generate

    return operation


def _overload_operator(symbol: Callable[..., Any], name: str) -> None:
    operation = _arithmetic(name)

    @overload(symbol)
    def implementation(left, right):  # type: ignore[no-untyped-def]  # Numba compares signatures, annotations included
        if isinstance(left, _LanesType) and (isinstance(right, _LanesType) or right == types.float64):
            return lambda left, right: operation(left, right)
        return None


_overload_operator(operator.add, "fadd")
_overload_operator(operator.sub, "fsub")
_overload_operator(operator.mul, "fmul")


@intrinsic
def raised_to(typing: Any, value: Any, floor: Any) -> Any:
    """floor where value < floor, else value: NaN stays NaN, as in np.maximum. The floor is a float32 too."""
    element = ir.FloatType() if value == narrow_lanes else _DOUBLE

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bound = builder.fptrunc(arguments[1], element) if element != _DOUBLE else arguments[1]
        a, b = arguments[0], _splat(builder, bound, element)
        return builder.select(builder.fcmp_ordered("<", a, b), b, a)

    return value(value, types.float64), generate


@intrinsic
def larger(typing: Any, value: Any, best: Any) -> Any:
    """value where value > best, else best: NaN in value is left aside, as in np.fmax."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return value(value, value), generate


@intrinsic
def choose(typing: Any, where: Any, yes: Any, no: Any) -> Any:
    """yes where the mask is true, else no."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return lanes(mask, lanes, lanes), generate


def _comparison(symbol: str, meaning: str) -> Any:
    """An intrinsic (value, bound) → mask for one ordered comparison of lanes with a bound in their own precision."""

    @intrinsic
    def comparison(typing: Any, value: Any, bound: Any) -> Any:
        element = ir.FloatType() if value == narrow_lanes else _DOUBLE

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.fcmp_ordered(symbol, arguments[0], _splat(builder, arguments[1], element))

        return mask(value, types.float32 if value == narrow_lanes else types.float64), generate

    comparison.__doc__ = meaning
    return comparison


above = _comparison(">", "Where value > bound; never where either is NaN.")
at_least = _comparison(">=", "Where value ≥ bound; never where either is NaN.")


@intrinsic
def both(typing: Any, left: Any, right: Any) -> Any:
    """Where both masks are true."""
    return mask(mask, mask), lambda context, builder, signature, arguments: builder.and_(*arguments)


@intrinsic
def opposite(typing: Any, where: Any) -> Any:
    """Where the mask is false."""
    return mask(mask), lambda context, builder, signature, arguments: builder.not_(arguments[0])


@intrinsic
def count(typing: Any, where: Any) -> Any:
    """How many lanes of the mask are true."""
    bits = ir.IntType(LANES)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.ctpop(builder.bitcast(arguments[0], bits)), ir.IntType(64))

    return types.int64(mask), generate


@intrinsic
def store_mask(typing: Any, array: Any, row: Any, start: Any, where: Any) -> Any:
    """array[row, start : start + LANES] = mask, bool."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integers = ir.VectorType(ir.IntType(8), LANES)
        value = builder.zext(arguments[3], integers)
        builder.store(value, _pointer(context, builder, array, arguments, integers), align=1)
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp, mask), generate


@intrinsic
def store_chosen(typing: Any, array: Any, row: Any, start: Any, value: Any, where: Any) -> Any:
    """The lanes where the mask is true, one after the other from array[row, start] on; no other memory is written."""
    narrow = value == narrow_lanes
    vector = _NARROW_VECTOR if narrow else _VECTOR

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, arguments, vector.element)
        kind = ir.FunctionType(ir.VoidType(), [vector, pointer.type, ir.VectorType(ir.IntType(1), LANES)])
        name = f"llvm.masked.compressstore.v{LANES}f{32 if narrow else 64}"
        from numba.core import cgutils

        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, [arguments[3], pointer, arguments[4]])
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp, value, mask), generate


@intrinsic
def power_of_two(typing: Any, value: Any) -> Any:
    """The low bits of MAGIC + k moved into the exponent field: 2^k."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], _INTEGERS)
        return builder.bitcast(builder.shl(bits, ir.Constant(_INTEGERS, [52] * LANES)), _VECTOR)

    return lanes(lanes), generate


def _halve(builder: Any, vector: Any, combine: Callable[[Any, Any], Any]) -> Any:
    """Lanes combined pairwise, the first half with the second, until one is left: the order of lane_sums.py."""
    width = LANES
    while width > 1:
        width //= 2
        indices = ir.VectorType(_INT32, width)
        first = builder.shuffle_vector(vector, vector, ir.Constant(indices, list(range(width))))
        second = builder.shuffle_vector(vector, vector, ir.Constant(indices, list(range(width, 2 * width))))
        vector = combine(first, second)
    return builder.extract_element(vector, _INT32(0))


@intrinsic
def halved_sum(typing: Any, value: Any) -> Any:
    """Sum of the lanes, halved pairwise."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _halve(builder, arguments[0], builder.fadd)

    return types.float64(lanes), generate


@intrinsic
def halved_maximum(typing: Any, value: Any) -> Any:
    """Largest of the lanes, none of which is NaN, as float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        best = _halve(builder, arguments[0], lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
        return builder.fpext(best, _DOUBLE) if value == narrow_lanes else best

    return types.float64(value), generate
