"""Constants: a value that is part of the graph [S12, S15].

The array travels in the node's attribute `value`, so that a graph with its constants is complete. Plain
Python numbers become int32, float32 or bool; a NumPy array keeps its own type, float64 too [W77].

Next: ops/array.py.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor, held_tensor, op_scope, register_tensor_conversion_function
from refflow.core.dtypes import DType, as_dtype, float32, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr
from refflow.core.values import as_value, blank
from refflow.core.variants import zeros_of

CONST = define_op("Const", "-> output: dtype", value=Attr("tensor"), dtype=Attr("type"), source=("S12", "W06"))
CONST.no_gradient()


@CONST.kernel
def const(value):
    """The array in the attribute, always the same one: nobody may write into it."""
    return value


@CONST.shape
def _const_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["value"].shape


CONST.case("S12", "the value is the attribute", value=np.array([1, 2], np.float32), dtype="float32", output=[1, 2])


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str = "Const") -> Tensor:
    """A Const node that holds `value`.

    dtype: the element type; by default what the value has. shape: a larger shape is filled up with the
    value's last element. Raises DTypeError where the value cannot have that type, and ShapeError where
    it has more elements than the shape.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    array = as_value(value, wanted, explicit=True)
    if shape is not None:
        dims = TensorShape(shape).as_tuple
        if not shapes.is_known(dims):
            raise ShapeError(
                f"{name.rstrip('/')}: shape {shapes.text(dims)} is not known before the run, but a constant has all "
                "its sizes. Use zeros_like() or ones_like(), or fill() with a shape that the graph computes, as by "
                "tf.shape()"
            )
        array = _fill_up(array, tuple(dims or ()))
    return CONST(value=array, dtype=as_dtype(array.dtype) if wanted is None else wanted, name=name)


def _fill_up(array: np.ndarray, shape: tuple[Any, ...]) -> np.ndarray:
    size = int(np.prod(shape, dtype=np.int64))
    if array.size == size:
        return array.reshape(shape)
    if array.size == 1 and not size:  # a number for each of no elements
        return np.empty(shape, array.dtype)
    if array.size > size or array.size == 0:
        raise ShapeError(f"constant: {array.size} values do not fit into shape {shapes.text(shape)} ({size} elements)")
    full = np.full(size, array.reshape(-1)[-1], array.dtype) if array.reshape(-1)[-1] else np.zeros(size, array.dtype)
    full[: array.size] = array.reshape(-1)
    return full.reshape(shape)


def _convert_value(value: Any, dtype: DType | None, name: str | None, as_ref: bool) -> Tensor:
    array = as_value(value, dtype)
    return CONST(value=array, dtype=dtype or as_dtype(array.dtype), name=name)


def _convert_list(value: Any, dtype: DType | None, name: str | None, as_ref: bool) -> Any:
    held = held_tensor(value)
    if held is None:
        return _convert_value(list(value), dtype, name, as_ref)
    from refflow.ops.joining import pack

    tensors = [convert_to_tensor(item, dtype or held.dtype.base_dtype) for item in value]
    return pack(tensors, name=name or "packed")


def _convert_shape(value: TensorShape, dtype: DType | None, name: str | None, as_ref: bool) -> Tensor:
    if not value.is_fully_defined():
        raise ShapeError(f"shape {value} cannot become a tensor: not every size is known. Use shape() in the graph")
    return CONST(value=np.array(value.as_list(), (dtype or int32).as_numpy_dtype), dtype=dtype or int32, name=name)


register_tensor_conversion_function((numbers.Number, str, bytes, np.ndarray, np.generic), _convert_value, 50)
register_tensor_conversion_function((list, tuple), _convert_list, 60)
register_tensor_conversion_function(TensorShape, _convert_shape, 50)
register_tensor_conversion_function(
    shapes.Dimension, lambda value, dtype, name, as_ref: _convert_value(int(value), dtype, name, as_ref), 50
)


# -- fill ------------------------------------------------------------------------------------------

FILL = define_op("Fill", "dims: index_type[R], value: T[] -> output: T", T=Attr("type"),
                 index_type=Attr("type", default=int32, allowed=(int32, int64)), source=("S15",))  # fmt: skip


@FILL.kernel
def fill(dims, value):
    return np.full(tuple(np.reshape(dims, -1)), np.reshape(value, ()))


FILL.built_with(dims=1, value=0)


@FILL.shape
def _fill_shape(context: ShapeContext) -> shapes.Shape:
    vector, value = context.dims("dims"), context.dims("value")
    if vector is not None and len(vector) > 1:
        raise ShapeError(f"dims must represent a vector, got shape {shapes.text(vector)}")
    if value not in (None, (), (1,), (None,)):
        raise ShapeError(f"value must represent a scalar, got shape {shapes.text(value)}")
    return shape_from(context, "dims")


def shape_from(context: ShapeContext, name: str) -> shapes.Shape:
    """The shape that the integer vector `name` spells, as far as it is known."""
    sizes = context.ints(name)
    if sizes is not None:
        for i, size in enumerate(sizes):
            if size < 0:
                raise ShapeError(f"{name}[{i}] = {size}, but a size cannot be negative: Dimension {size} must be >= 0")
        return tuple(sizes)
    known = context.sizes(name)
    if known is not None:
        return known
    vector = context.dims(name)
    return None if not vector or vector[0] is None else (None,) * vector[0]


@FILL.gradient
def _fill_gradient(op, dy):
    """Every element is the one value: its gradient is the sum of theirs."""
    from refflow.ops.reductions import reduce_sum

    return None, reduce_sum(dy)


FILL.case("S15", "every element is the value", dims=[2, 3], value=7, output=[[7, 7, 7], [7, 7, 7]])
FILL.case("S15", "a size of 0 leaves nothing", dims=[0, 3], value=7, output=np.zeros((0, 3), np.float32))
FILL.case("S15", "sizes are not negative", dims=[-1], value=0, error="dims[0] = -1, but a size cannot be negative")


def _filled(shape: Any, number: int, dtype: Any, name: str | None, default: str) -> Tensor:
    dtype = as_dtype(dtype).base_dtype
    with op_scope([shape], name, default) as scope:
        if isinstance(shape, (list, tuple)) and not any(isinstance(s, Tensor) for s in shape):
            return constant([] if 0 in shape else number, dtype, list(shape), scope)
        if isinstance(shape, TensorShape):
            return constant([] if 0 in shape.as_list() else number, dtype, shape.as_list(), scope)
        shape = convert_to_tensor(shape, int32 if held_tensor(shape) is None else None, "shape")
        return FILL(shape, constant(number, dtype), name=scope)


def zeros(shape: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """Zeros of a shape: a Const where `shape` is a plain list, else a Fill [S15]."""
    return _filled(shape, 0, dtype, name, "zeros")


def ones(shape: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """Ones of a shape: a Const where `shape` is a plain list, else a Fill."""
    return _filled(shape, 1, dtype, name, "ones")


EMPTY = define_op("Empty", "shape: int32[R] -> output: dtype", dtype=Attr("type"), init=False, stateful=True,
                  source=("W06",))  # fmt: skip
EMPTY.no_gradient_registered()


@EMPTY.kernel
def empty_kernel(shape, dtype):
    """Room for elements: here it holds zeros, whatever `init` says."""
    return blank(tuple(int(s) for s in shape), dtype.as_numpy_dtype)


@EMPTY.shape
def _empty_shape(context: ShapeContext) -> shapes.Shape:
    given = context.dims("shape")
    need_rank(given, 1, "shape must be a vector of int32, got shape {0}")
    return shape_from(context, "shape")


EMPTY.case("W06", "room for two", shape=[2], dtype="float32", init=True, output=[0, 0])

ZEROS_LIKE = define_op("ZerosLike", "x: T[...S] -> y: T[...S]", T=Attr("type"), source=("W31",))


@ZEROS_LIKE.kernel
def zeros_like_kernel(x):
    x = np.asarray(x)
    return zeros_of(x) if x.dtype == object else blank(x.shape, x.dtype)


@ZEROS_LIKE.gradient
def _zeros_like_gradient(op, dy):
    return None


ZEROS_LIKE.case("W31", "the shape and type of x, all zero", x=[[1, 2]], y=[[0, 0]])


def zeros_like(tensor: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Zeros with the shape of `tensor`, and its type unless `dtype` says another."""
    with op_scope([tensor], name, "zeros_like") as scope:
        tensor = convert_to_tensor(tensor, name="tensor")
        if dtype is None or as_dtype(dtype).base_dtype is tensor.dtype.base_dtype:
            return ZEROS_LIKE(tensor, name=scope)
        from refflow.ops.array import shape

        return zeros(shape(tensor), dtype, scope)


ONES_LIKE = define_op("OnesLike", "x: T[...S] -> y: T[...S]", T=Attr("type"), source=("W06",))


@ONES_LIKE.kernel
def ones_like_kernel(x):
    return np.ones(np.shape(x), np.asarray(x).dtype)


@ONES_LIKE.gradient
def _ones_like_gradient(op, dy):
    return None


ONES_LIKE.case("W06", "the shape and type of x, all one", x=[[3, 2]], y=[[1, 1]])


def ones_like(tensor: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Ones with the shape of `tensor`, and its type unless `dtype` says another."""
    from refflow.ops.array import shape

    with op_scope([tensor], name, "ones_like") as scope:
        tensor = convert_to_tensor(tensor, name="tensor")
        return ones(shape(tensor), tensor.dtype.base_dtype if dtype is None else dtype, scope)


# -- placeholder -----------------------------------------------------------------------------------

PLACEHOLDER = define_op("Placeholder", "-> output: dtype", dtype=Attr("type"),
                        shape=Attr("shape", default=TensorShape(None)), source=("W10", "W35"), stateful=True)
PLACEHOLDER.no_gradient()


@PLACEHOLDER.kernel
def placeholder_kernel(dtype, shape):
    sized = f" and shape {shapes.text(shape.as_tuple)}" if shape.as_tuple else ""
    raise ValueError(f"You must feed a value for placeholder tensor {{node}} with dtype {dtype.c_name}{sized}")


@PLACEHOLDER.shape
def _placeholder_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["shape"].as_tuple


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value every run must feed, of a type that must be said [E04].

    `shape` may leave sizes open with None [W10].
    """
    return PLACEHOLDER(dtype=as_dtype(dtype), shape=TensorShape(shape), name=name)
