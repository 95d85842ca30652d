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
from refflow.core.convert import convert_to_tensor, op_scope, register_tensor_conversion_function
from refflow.core.dtypes import DType, as_dtype, float32, int32, int64, string
from refflow.core.errors import DTypeError, ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr

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
        array = _fill_up(array, tuple(TensorShape(shape).as_list()))
    return CONST(value=array, dtype=as_dtype(array.dtype) if wanted is None else wanted, name=name)


def _fill_up(array: np.ndarray, shape: tuple[Any, ...]) -> np.ndarray:
    size = int(np.prod(shape, dtype=np.int64))
    if array.size == size:
        return array.reshape(shape)
    if array.size > size or array.size == 0:
        raise ShapeError(f"constant: {array.size} values do not fit into shape {shapes.text(shape)} ({size} elements)")
    full = np.full(size, array.reshape(-1)[-1], array.dtype) if array.reshape(-1)[-1] else np.zeros(size, array.dtype)
    full[: array.size] = array.reshape(-1)
    return full.reshape(shape)


def as_value(value: Any, dtype: DType | None, explicit: bool = False) -> np.ndarray:
    """A private array of `value` with NumPy type `dtype`, or the type that the value itself suggests.

    A float never becomes an integer unless `explicit` asks for the type of an array.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind in "USO":
            return _strings(array, dtype)
        if dtype is None:
            as_dtype(array.dtype)  # an array of a type that no tensor has is refused here
            return array.copy()
        target = np.dtype(dtype.as_numpy_dtype)
        if not explicit and not np.can_cast(array.dtype, target, "same_kind"):
            raise DTypeError(f"an array of {array.dtype} is given where {dtype.name} is needed: use cast() or astype()")
        return _narrowed(array, target)
    if dtype is string:
        return _strings(np.asarray(value, dtype=object), dtype)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"this list is not rectangular, so it is no tensor: {_short(value)} ({error})") from None
    if array.dtype.kind in "US":
        return _strings(array, dtype)
    if array.dtype == object:
        raise DTypeError(f"{_short(value)} holds something that is neither a number, a bool nor a string")
    if dtype is None:
        if array.dtype == np.float64:
            return array.astype(np.float32) if not _holds_float64(value) else array
        if array.dtype == np.int64 and not _holds_int64(value):
            fits = array.size == 0 or (array.min() >= int32.min and array.max() <= int32.max)
            return array.astype(np.int32) if fits else array
        return array
    target = np.dtype(dtype.as_numpy_dtype)
    if array.size and not _kinds_fit(array.dtype.kind, target.kind):
        raise DTypeError(f"expected {dtype.name}, got {_short(value)}, which is {array.dtype}")
    return _narrowed(array, target)


def _narrowed(array: np.ndarray, target: np.dtype) -> np.ndarray:
    """`array` as `target`; an integer that does not fit is an error, never another number."""
    if target.kind in "iu" and array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(target)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise DTypeError(f"{int(array.min())} to {int(array.max())} does not fit into {target}")
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(target)


def _kinds_fit(have: str, want: str) -> bool:
    """Whether a Python value of NumPy kind `have` may be written where `want` is needed."""
    order = {"b": "b", "i": "iufc", "u": "iufc", "f": "fc", "c": "c"}
    return want in order.get(have, "")


def _holds_float64(value: Any) -> bool:
    return any(isinstance(v, np.floating) and v.dtype == np.float64 for v in _leaves(value))


def _holds_int64(value: Any) -> bool:
    return any(isinstance(v, np.integer) and v.dtype == np.int64 for v in _leaves(value))


def _leaves(value: Any) -> Any:
    """The first few numbers of a nested list: NumPy scalars in it keep their type."""
    while isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple, np.ndarray)):
        value = value[0]
    if isinstance(value, np.ndarray):
        return (value.reshape(-1)[:1]).tolist() if value.dtype.kind not in "fi" else list(value.reshape(-1)[:1])
    return value[:8] if isinstance(value, (list, tuple)) else (value,)


def _strings(array: np.ndarray, dtype: DType | None) -> np.ndarray:
    if dtype is not None and dtype is not string:
        raise DTypeError(f"expected {dtype.name}, got text")
    found = np.empty(array.shape, dtype=object)
    flat, source = found.reshape(-1), array.reshape(-1)
    for i, item in enumerate(source):
        if isinstance(item, str):
            item = item.encode("utf-8")
        if not isinstance(item, bytes):
            raise DTypeError(f"expected string, got {_short(item)}")
        flat[i] = item
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _convert_value(value: Any, dtype: DType | None, name: str | None, as_ref: bool) -> Tensor:
    array = as_value(value, dtype)
    return CONST(value=array, dtype=dtype or as_dtype(array.dtype), name=name)


def _convert_list(value: Any, dtype: DType | None, name: str | None, as_ref: bool) -> Any:
    if any(isinstance(item, Tensor) for item in value):
        from refflow.ops.joining import pack

        tensors = [convert_to_tensor(item, dtype) for item in value]
        return pack(tensors, name=name or "packed")
    return _convert_value(list(value), dtype, name, as_ref)


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
    return np.full(tuple(dims), value)


@FILL.shape
def _fill_shape(context: ShapeContext) -> shapes.Shape:
    context.match("dims", "R")
    context.match("value")
    return shape_from(context, "dims")


def shape_from(context: ShapeContext, name: str) -> shapes.Shape:
    """The shape that the integer vector `name` spells, as far as it is known."""
    sizes = context.ints(name)
    if sizes is not None:
        for i, size in enumerate(sizes):
            if size < 0:
                raise ShapeError(f"{name}[{i}] = {size}, but a size cannot be negative")
        return tuple(sizes)
    vector = context.dims(name)
    return None if vector is None or vector[0] is None else (None,) * vector[0]


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
            return constant(number, dtype, list(shape), scope)
        if isinstance(shape, TensorShape):
            return constant(number, dtype, shape.as_list(), scope)
        shape = convert_to_tensor(shape, int32 if not isinstance(shape, Tensor) else None, "shape")
        return FILL(shape, constant(number, dtype), name=scope)


def zeros(shape: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """Zeros of a shape: a Const where `shape` is a plain list, else a Fill [S15]."""
    return _filled(shape, 0, dtype, name, "zeros")


def ones(shape: Any, dtype: Any = float32, name: str | None = None) -> Tensor:
    """Ones of a shape: a Const where `shape` is a plain list, else a Fill."""
    return _filled(shape, 1, dtype, name, "ones")


ZEROS_LIKE = define_op("ZerosLike", "x: T[...S] -> y: T[...S]", T=Attr("type"), source=("W31",))


@ZEROS_LIKE.kernel
def zeros_like_kernel(x):
    return np.zeros_like(x)


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
    raise ValueError(f"a placeholder has no value of its own: feed it one of type {dtype.name} and shape {shape}")


@PLACEHOLDER.shape
def _placeholder_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["shape"].as_tuple


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value every run must feed. `shape` may leave sizes open with None [W10]."""
    return PLACEHOLDER(dtype=dtype, shape=TensorShape(shape), name=name)
