"""What 1.x takes more freely than the first release, and what it has beside it: ranges, zeros, sums by names.

Next: compat/v1/sessions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, bool_, float32, int32, string
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import Dimension, TensorShape, broadcast
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops import constant as first
from refflow.ops.range import range_ as first_range

__all__ = [
    "broadcast_static_shape", "device", "dimension_at_index", "dimension_value", "einsum", "identity_n", "ones",
    "ones_like", "range", "shape_n", "zeros", "zeros_like",
]  # fmt: skip

_KINDS = ("int32", "int64", "float32", "float64")  # the later one is taken where a range's ends have several


def device(device_name_or_function: Any) -> Any:
    """Nodes that are built inside ask for a device, or for what a function of each of them says."""
    return get_default_graph().device(device_name_or_function)


def range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str = "range") -> Tensor:
    """The numbers from `start` up to but not including `limit`, whole or not; with one argument, from 0."""
    if limit is None:
        start, limit = 0, start
    with op_scope([], name, "range") as scope:
        ends = [convert_to_tensor(v, dtype) for v in (start, limit, delta)]
        kinds = [e.dtype.base_dtype.name for e in ends]
        kind = max(kinds, key=_KINDS.index) if set(kinds) <= set(_KINDS) else kinds[0]
        ends = [e if k == kind else op_def("Cast")(e, DstT=as_dtype(kind)) for e, k in zip(ends, kinds, strict=True)]
        start, limit, delta = ends
        return first_range(start, limit, delta, scope)


def _filled(called: str, function: Any, number: int) -> Any:
    def filled(shape: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
        kind = as_dtype(dtype).base_dtype
        if kind is bool_:
            return op_def("Fill")(convert_to_tensor(shape, int32), bool(number), name=name or called)
        if kind is string and not number:
            return op_def("Fill")(convert_to_tensor(shape, int32), "", name=name or called)
        return function(shape, dtype, name)

    filled.__name__ = filled.__qualname__ = called
    filled.__doc__ = f"Elements that are all {number}, or what that is as a truth or as text."
    return filled


zeros, ones = _filled("zeros", first.zeros, 0), _filled("ones", first.ones, 1)


def _like(called: str, function: Any, of_shape: Any) -> Any:
    def like(tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True) -> Tensor:
        if isinstance(tensor, SparseTensor):
            return of_shape(tensor.shape, tensor.values.dtype.base_dtype if dtype is None else dtype, name or called)
        tensor = convert_to_tensor(tensor, name="tensor")
        kind = tensor.dtype.base_dtype if dtype is None else as_dtype(dtype).base_dtype
        if kind is tensor.dtype.base_dtype:
            return function(tensor, None, name)
        with op_scope([tensor], name, called) as scope:
            found = of_shape(op_def("Shape")(tensor), kind, scope)
        found.set_shape(tensor.get_shape())
        return found

    like.__name__ = like.__qualname__ = called
    like.__doc__ = f"{of_shape.__name__}() of the shape of `tensor`, and of its type unless `dtype` says another."
    return like


zeros_like, ones_like = _like("zeros_like", first.zeros_like, zeros), _like("ones_like", first.ones_like, ones)


def shape_n(input: Sequence[Any], out_type: Any = int32, name: str | None = None) -> list[Tensor]:
    """The shapes of several tensors."""
    return list(op_def("ShapeN")(list(input), out_type=as_dtype(out_type), name=name))


def identity_n(input: Sequence[Any], name: str | None = None) -> list[Tensor]:
    """The same tensors, all of which are there before any is."""
    return list(op_def("IdentityN")([convert_to_tensor(x) for x in input], name=name))


def einsum(equation: str, *inputs: Any, name: str | None = None) -> Tensor:
    """Sums of products over dimensions with names; what names the result has not is summed over.

    Without an arrow the result has, in the order of the alphabet, each name that is there once.
    """
    given, arrow, result = equation.replace(" ", "").partition("->")
    if not arrow:
        result = "".join(sorted(c for c in set(given) - set(",.") if given.count(c) == 1))
    return op_def("Einsum")([convert_to_tensor(x) for x in inputs], equation=f"{given}->{result}", name=name)


def dimension_value(dimension: Any) -> int | None:
    """A size as a number, or None where it is not known."""
    return dimension.value if isinstance(dimension, Dimension) else dimension


def dimension_at_index(shape: TensorShape, index: int) -> Dimension:
    """One size of a shape, unknown where the shape is."""
    return Dimension(None) if shape.ndims is None else Dimension(shape.as_list()[index])


def broadcast_static_shape(shape_x: TensorShape, shape_y: TensorShape) -> TensorShape:
    """The shape of what an elementwise operation makes of two shapes."""
    return TensorShape(broadcast(TensorShape(shape_x).as_tuple, TensorShape(shape_y).as_tuple))
