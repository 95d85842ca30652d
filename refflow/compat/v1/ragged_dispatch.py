"""Functions of tensors that take ragged ones too: elementwise ones through the flat values, sums and extremes of rows.

What is made of an op type alone needs nothing here (core/build.py sends its flat values through); these functions
would make tensors of their arguments first.

Next: compat/v1/ragged_rows.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any

import numpy as np

from refflow.compat.v1 import ragged_rows as rows
from refflow.compat.v1.derived import Derived
from refflow.compat.v1.ragged_tensor import RaggedTensor
from refflow.core.dtypes import as_dtype
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.math_functions import quotient_type

ELEMENTWISE = """
abs acos acosh add asin asinh atan atan2 atanh cast ceil check_numerics clip_by_value conj cos cosh digamma div
div_no_nan divide equal erf erfc exp expm1 floor floordiv floormod greater greater_equal identity imag is_finite is_inf
is_nan less less_equal lgamma log log1p log_sigmoid logical_and logical_not logical_or logical_xor maximum minimum mod
multiply negative not_equal ones_like pow real realdiv reciprocal rint round rsqrt saturate_cast sigmoid sign sin sinh
sqrt square squared_difference subtract tan tanh truediv zeros_like
""".split()  # noqa: SIM905  (a list to read)
# How the rows of a reduction are put together; a mean is a sum over a count.
REDUCTIONS = {"reduce_sum": "UnsortedSegmentSum", "reduce_max": "UnsortedSegmentMax",
              "reduce_min": "UnsortedSegmentMin", "reduce_prod": "UnsortedSegmentProd", "reduce_mean": ""}  # fmt: skip


def install(names: dict[str, Any]) -> None:
    """Puts functions that take ragged tensors too in the place of those among `names`."""
    for name in ELEMENTWISE:
        if callable(names.get(name)) and not isinstance(names[name], Derived):
            names[name] = elementwise(names[name])
    for name, op in REDUCTIONS.items():
        if name in names:
            names[name] = reduction(names[name], op)
    for name, form in {"size": _size, "rank": _rank, "add_n": _sum}.items():
        if name in names:
            names[name] = first_or_any(names[name], form)


@cache
def first_or_any(function: Callable[..., Any], form: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, or `form` where its first argument is ragged or a list with a ragged tensor in it."""

    @wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else next(iter(kwargs.values()), None)
        several = first if isinstance(first, (list, tuple)) else [first]
        ragged = any(isinstance(value, RaggedTensor) for value in several)
        return (form if ragged else function)(*args, **kwargs)

    return either


def _size(input: RaggedTensor, name: str | None = None, out_type: Any = None) -> Tensor:
    return op_def("Size")(input.flat_values, out_type=as_dtype(out_type or "int32"), name=name)


def _rank(input: RaggedTensor, name: str | None = None) -> Tensor:
    return op_def("Add")(op_def("Rank")(input.flat_values), input.ragged_rank, name=name)


def _sum(inputs: Sequence[Any], name: str | None = None) -> Any:
    return rows.elementwise(lambda *parts: op_def("AddN")(list(parts), name=name), list(inputs))


@cache  # a function under two names stays one
def elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of tensors, or of flat values where one of the first two arguments is ragged."""

    @wraps(function)
    def spread(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(value, RaggedTensor) for value in args[:2]):
            return function(*args, **kwargs)
        tensors = [value for value in args[:2] if not isinstance(value, type) and not hasattr(value, "as_numpy_dtype")]
        rest = args[len(tensors) :]
        return rows.elementwise(lambda *flat: function(*flat, *rest, **kwargs), tensors)

    return spread


@cache
def reduction(function: Callable[..., Any], op: str) -> Callable[..., Any]:
    """A reduction that of a ragged tensor goes along rows, along the first axis, or over all."""

    @wraps(function)
    def reduce(input_tensor: Any, axis: Any = None, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input_tensor, RaggedTensor):
            return function(input_tensor, axis, *args, **kwargs)
        if any(args) or any(kwargs.get(key) for key in ("keepdims", "keep_dims")):
            raise ValueError("a ragged tensor's reduction keeps no axes: use tf.expand_dims() of its result")
        if not op and (kind := quotient_type(input_tensor.dtype)) is not input_tensor.dtype:
            input_tensor = input_tensor.with_flat_values(cast(input_tensor.flat_values, kind))
        return _reduced(function, op, input_tensor, axis)

    return reduce


def _reduced(function: Callable[..., Any], op: str, ragged: RaggedTensor, axis: Any) -> Any:
    if axis is None:
        return function(ragged.flat_values)
    if not isinstance(axis, (int, np.integer)):
        raise ValueError(f"a ragged tensor is reduced along one axis, or all; got {axis!r}")
    rank = ragged.shape.ndims or ragged.ragged_rank + 1
    axis = int(axis) + rank if axis < 0 else int(axis)
    if axis > 1:
        inner = ragged.values
        return ragged.with_values(
            _reduced(function, op, inner, axis - 1) if isinstance(inner, RaggedTensor) else function(inner, axis - 1))
    if isinstance(ragged.values, RaggedTensor):
        raise ValueError(f"axis {axis} of {ragged.ragged_rank} ragged axes has rows for elements: reduce a later axis")
    if axis == 1:
        return _segments(op, ragged.values, ragged.value_rowids(), ragged.nrows())
    ids = ragged.value_rowids()
    number = ids.dtype.base_dtype.as_numpy_dtype
    places = op_def("Range")(number(0), ragged.row_splits[-1], number(1))
    columns = places - op_def("GatherV2")(ragged.row_starts(), ids, 0)
    return _segments(op, ragged.values, columns, ragged.bounding_shape(axis=1))


def _segments(op: str, values: Any, ids: Any, size: Any) -> Any:
    if op:
        return op_def(op)(values, ids, size)
    ones = op_def("OnesLike")(values)
    total, count = (op_def("UnsortedSegmentSum")(v, ids, size) for v in (values, ones))
    return op_def("RealDiv")(total, cast(count, values.dtype.base_dtype))
