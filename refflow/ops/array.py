"""Arrays by their shape: asking for it, changing it, repeating along it.

Reshape, ExpandDims, Squeeze and Identity give the same elements in the same order; where nobody writes,
their results may share memory with their inputs.

Next: ops/slicing.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import INDICES, NUMBERS, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import is_known
from refflow.core.signature import Attr
from refflow.ops.constant import FILL, constant
from refflow.ops.reshape_rule import MOST_ELEMENTS, reshaped, reshaped_dims

ANY = Attr("type")
INDEX = Attr("type", default=int32, allowed=INDICES)

# -- what a shape is ---------------------------------------------------------------------------------

SHAPE = define_op("Shape", "input: T -> output: out_type", T=ANY, out_type=INDEX, source=("W06",))
SHAPE_N = define_op("ShapeN", "input: N * T -> output: N * out_type", N=Attr("int", minimum=1), T=ANY, out_type=INDEX,
                    source=("W06",))  # fmt: skip
RANK = define_op("Rank", "input: T -> output: int32[]", T=ANY, source=("W06", "S19"))
SIZE = define_op("Size", "input: T -> output: out_type[]", T=ANY, out_type=INDEX, source=("W06",))
for _query in (SHAPE, SHAPE_N, RANK, SIZE):
    _query.no_gradient()
    _query.work(work.nothing)  # [W19]


@SHAPE.kernel
def shape_kernel(input, out_type=int32):
    return np.array(np.shape(input), out_type.as_numpy_dtype)


@SHAPE.shape
def _shape_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("input")
    return (None,) if dims is None else (len(dims),)


@SHAPE.constant
def _shape_value(op):
    dims = op.inputs[0].dims
    return np.array(dims, op.attrs["out_type"].as_numpy_dtype) if is_known(dims) else None


@SHAPE_N.kernel
def shape_n_kernel(input, out_type=int32):
    return [shape_kernel(x, out_type) for x in input]


@SHAPE_N.shape
def _shape_n_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [(None,) if dims is None else (len(dims),) for dims in context.inputs]


@SHAPE_N.constant
def _shape_n_values(op):
    kind = op.attrs["out_type"].as_numpy_dtype
    return [np.array(x.dims, kind) if is_known(x.dims) else None for x in op.inputs]


@RANK.kernel
def rank_kernel(input):
    return np.array(len(np.shape(input)), np.int32)


@RANK.constant
def _rank_value(op):
    dims = op.inputs[0].dims
    return None if dims is None else np.array(len(dims), np.int32)


@SIZE.kernel
def size_kernel(input, out_type=int32):
    return np.array(prod(np.shape(input)), out_type.as_numpy_dtype)


@SIZE.constant
def _size_value(op):
    dims = op.inputs[0].dims
    return np.array(prod(dims), op.attrs["out_type"].as_numpy_dtype) if is_known(dims) else None


SHAPE.case("W06", "a vector of sizes", input=[[1, 2, 3], [4, 5, 6]], output=[2, 3])
SHAPE.case("W06", "a scalar has no sizes", input=7, output=np.zeros(0, np.int32))
SHAPE_N.case("W06", "each shape", input=[[1, 2], [[3]]], N=2, output=[[2], [1, 1]])
RANK.case("S19", "the number of axes", input=[[1, 2]], output=2)
SIZE.case("W06", "the number of elements", input=[[1, 2], [3, 4]], output=4)


def shape(input: Any, name: str | None = None) -> Tensor:
    """The sizes of `input` as an int32 vector, when the step runs.

    In a loop or a branch, those of a tensor from outside are a constant where they are known: they need not come in.
    """
    context = input.graph._context if isinstance(input, Tensor) else None
    if context is not None and is_known(input.dims) and not context.holds(input.op):
        return constant(np.array(input.dims, np.int32), name=name or "Shape")
    return SHAPE(input, name=name)


def rank(input: Any, name: str | None = None) -> Tensor:
    """The number of axes of `input` as an int32 scalar."""
    return RANK(input, name=name)


def size(input: Any, name: str | None = None) -> Tensor:
    """The number of elements of `input` as an int32 scalar."""
    return SIZE(input, name=name)


# -- the same elements ---------------------------------------------------------------------------------

IDENTITY = define_op("Identity", "input: T[...S] -> output: T[...S]", T=ANY, view=True, source=("W80", "W12"))
STOP_GRADIENT = define_op("StopGradient", "input: T[...S] -> output: T[...S]", T=ANY, view=True, source=("W30",))
RESHAPE = define_op("Reshape", "tensor: T, shape: Tshape[R] -> output: T", T=ANY, Tshape=INDEX, view=True,
                    source=("W06", "S17"))  # fmt: skip
EXPAND_DIMS = define_op("ExpandDims", "input: T, dim: Tdim -> output: T", T=ANY, Tdim=INDEX, view=True, source=("S18",))
SQUEEZE = define_op("Squeeze", "input: T -> output: T", T=ANY, squeeze_dims=Attr("list(int)", default=[]), view=True,
                    source=("W06",))  # fmt: skip
STOP_GRADIENT.no_gradient()


@IDENTITY.kernel
def identity_kernel(input):
    return input


@STOP_GRADIENT.kernel
def stop_gradient_kernel(input):
    return input


@IDENTITY.gradient
def _identity_gradient(op, dy):
    """dx = dy."""
    return dy


IDENTITY.case("W80", "the value again", input=[1, 2], output=[1, 2])
STOP_GRADIENT.case("W30", "the value again, but nothing flows back", input=[1, 2], output=[1, 2])


@RESHAPE.kernel
def reshape_kernel(tensor, shape):
    return np.reshape(tensor, reshaped(np.shape(tensor), [int(s) for s in np.reshape(shape, -1)]))


@RESHAPE.shape
def _reshape_shape(context: ShapeContext) -> shapes.Shape:
    vector = context.dims("shape")
    if vector is not None and len(vector) > 1:
        raise ShapeError(f"sizes input must be 1-D, not {shapes.text(vector)}")
    return reshaped_dims(context, "tensor", "shape")


@RESHAPE.gradient
def _reshape_gradient(op, dy):
    """dx = dy in x's shape."""
    return reshape(dy, shape(op.inputs[0])), None


@EXPAND_DIMS.kernel
def expand_dims_kernel(input, dim):
    return np.expand_dims(input, int(np.reshape(dim, ())))


@EXPAND_DIMS.shape
def _expand_dims_shape(context: ShapeContext) -> shapes.Shape:
    dims, where = context.dims("input"), context.ints("dim")
    if where is not None and len(where) != 1:
        raise ShapeError("'dim' must be a tensor with a single value")
    if dims is None:
        return None
    if where is None:
        return (None,) * (len(dims) + 1)
    if not -len(dims) - 1 <= where[0] <= len(dims):
        raise ShapeError(f"Tried to expand dim index {where[0]} for tensor with {len(dims)} dimensions.")
    axis = where[0] % (len(dims) + 1)
    return (*dims[:axis], 1, *dims[axis:])


@EXPAND_DIMS.gradient
def _expand_dims_gradient(op, dy):
    """dx = dy in x's shape."""
    return reshape(dy, shape(op.inputs[0])), None


@SQUEEZE.kernel
def squeeze_kernel(input, squeeze_dims):
    return np.squeeze(input, axis=tuple({axis % input.ndim for axis in squeeze_dims}) or None)


@SQUEEZE.shape
def _squeeze_shape(context: ShapeContext) -> shapes.Shape:
    dims, listed = context.dims("input"), context.attrs["squeeze_dims"]
    if dims is None:
        return None
    if not listed:
        return tuple(d for d in dims if d != 1) if None not in dims else None
    for axis in listed:
        if not -len(dims) <= axis < len(dims):
            raise ShapeError(f"Tried to squeeze dim index {axis} for tensor with {len(dims)} dimensions.")
        if dims[axis] not in (1, None):
            raise ShapeError(f"Can not squeeze dim[{axis % len(dims)}], expected a dimension of 1, got {dims[axis]}")
    axes = {axis % len(dims) for axis in listed}
    return tuple(d for i, d in enumerate(dims) if i not in axes)


@SQUEEZE.gradient
def _squeeze_gradient(op, dy):
    """dx = dy in x's shape."""
    return reshape(dy, shape(op.inputs[0]))


RESHAPE.case("W06", "row by row", tensor=[[1, 2, 3], [4, 5, 6]], shape=[3, 2], output=[[1, 2], [3, 4], [5, 6]])
RESHAPE.case("W06", "-1 is found", tensor=[1, 2, 3, 4], shape=[2, -1], output=[[1, 2], [3, 4]])
RESHAPE.case("W06", "one element as a scalar", tensor=[5], shape=np.zeros(0, np.int32), output=5)
RESHAPE.case("W06", "elements are kept", tensor=[1, 2, 3], shape=[2, 2],
             error="a tensor with 3 values, but the requested shape has 4: shape = [2, 2]")  # fmt: skip
RESHAPE.case("W06", "no more than can be counted", tensor=[1, 2], shape=[2**40, 2**40, 0], Tshape="int64",
             error="Shape [1099511627776, 1099511627776, 0] has too many elements")  # fmt: skip
RESHAPE.case("W06", "one -1 only", tensor=[1, 2], shape=[-1, -1], error="may be -1, not both 0 and 1")
RESHAPE.case("W06", "nothing has many shapes", tensor=np.zeros((2, 0), np.float32), shape=[-1, 0],
             output=np.zeros((2, 0), np.float32))  # fmt: skip
EXPAND_DIMS.case("S18", "a column", input=[1, 2], dim=-1, output=[[1], [2]])
EXPAND_DIMS.case("S18", "the axis exists", input=[1, 2], dim=3, error="Tried to expand dim index 3")
SQUEEZE.case("W06", "all axes of size 1", input=[[[1], [2]]], output=[1, 2])
SQUEEZE.case("W06", "listed axes", input=[[[1], [2]]], squeeze_dims=[2], output=[[1, 2]])
SQUEEZE.case("W06", "other axes stay", input=[[1, 2]], squeeze_dims=[1], error="Can not squeeze dim[1]")


def identity(input: Any, name: str | None = None) -> Tensor:
    """The value of `input`, read when this node runs."""
    return IDENTITY(input, name=name)


def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """`input` as if it were a constant: no gradient flows back through it."""
    return STOP_GRADIENT(input, name=name)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """The elements of `tensor`, row by row, in another shape; one size may be -1 and is found."""
    return RESHAPE(tensor, shape, name=name)


def expand_dims(input: Any, dim: Any, name: str | None = None) -> Tensor:
    """`input` with a new axis of size 1 at place `dim`; -1 puts it last."""
    return EXPAND_DIMS(input, dim, name=name)


def squeeze(input: Any, squeeze_dims: Any = None, name: str | None = None) -> Tensor:
    """`input` without its axes of size 1: the listed ones, or all."""
    return SQUEEZE(input, squeeze_dims=squeeze_dims or [], name=name)


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """A tensor of shape `dims` with `value` everywhere."""
    return FILL(dims, value, name=name)


# -- more of the same -----------------------------------------------------------------------------------

TILE = define_op("Tile", "input: T, multiples: Tmultiples[R] -> output: T", T=ANY, Tmultiples=INDEX, source=("S19",))
TILE.moves("input")
TILE_GRAD = define_op("TileGrad", "input: T, multiples: int32[R] -> output: T", T=NUMBERS, accuracy="dot",
                      source=("S19",))  # fmt: skip


@TILE.kernel
def tile_kernel(input, multiples):
    return np.tile(input, tuple(int(m) for m in multiples))


@TILE.shape
def _tile_shape(context: ShapeContext) -> shapes.Shape:
    dims, multiples = context.dims("input"), context.ints("multiples")
    if dims is None:
        count = (context.dims("multiples") or (None,))[0]
        return None if count is None else tuple(0 if m == 0 else None for m in multiples or (None,) * count)
    vector = context.dims("multiples")
    need_rank(vector, 1, "Expected multiples to be 1-D, but got shape {0}")
    if vector is not None and vector[0] not in (None, len(dims)):
        raise ShapeError(f"Expected multiples argument to be a vector of length {len(dims)} but got length {vector[0]}")
    if multiples is None:
        known = context.sizes("multiples") or (None,) * len(dims)
        return tuple(None if d is None or m is None else d * m for d, m in zip(dims, known, strict=True))
    for i, m in enumerate(multiples):
        if m < 0:
            raise ShapeError(f"Expected multiples[{i}] >= 0, but got {m}")
    found = tuple((None if m else 0) if d is None else d * m for d, m in zip(dims, multiples, strict=True))
    count = 1
    for size in found:
        if size is not None and count * size > MOST_ELEMENTS:
            raise ShapeError(f"Encountered overflow when multiplying {count} with {size}, result: -1")
        count *= 1 if size is None else size
    return found


@TILE.gradient
def _tile_gradient(op, dy):
    """dx = the sum of dy over the copies."""
    return TILE_GRAD(dy, op.inputs[1]), None


@TILE_GRAD.kernel
def tile_grad_kernel(input, multiples):
    split = [part for size, m in zip(input.shape, multiples, strict=True) for part in (int(m), size // int(m))]
    return np.asarray(input.reshape(split).sum(axis=tuple(range(0, len(split), 2)), dtype=input.dtype))


@TILE_GRAD.shape
def _tile_grad_shape(context: ShapeContext) -> shapes.Shape:
    dims, multiples = context.dims("input"), context.ints("multiples")
    if dims is None:
        return None
    context.match("multiples", str(len(dims)))
    if multiples is None:
        return (None,) * len(dims)
    for d, m in zip(dims, multiples, strict=True):
        if m <= 0 or (d is not None and d % m):
            raise ShapeError(f"input of size {d} is not made of {m} equal copies")
    return tuple(None if d is None else d // m for d, m in zip(dims, multiples, strict=True))


@TILE_GRAD.gradient
def _tile_grad_gradient(op, dy):
    """Every copy gets the gradient: tile again."""
    return tile(dy, op.inputs[1]), None


TILE.case("S19", "copies along each axis", input=[[1, 2]], multiples=[2, 2], output=[[1, 2, 1, 2], [1, 2, 1, 2]])
TILE.case("S19", "no more than can be counted", input=[[1]], multiples=[2**30, 2**40], Tmultiples="int64",
          error="Encountered overflow when multiplying 1073741824 with 1099511627776")  # fmt: skip
TILE.case("S19", "a multiple for each axis", input=[[1, 2]], multiples=[2],
          error="Expected multiples argument to be a vector of length 2 but got length 1")  # fmt: skip
TILE_GRAD.case("S19", "copies are summed", input=[1, 2, 10, 20], multiples=[2], output=[11, 22])


def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """`input` repeated `multiples[i]` times along axis i."""
    return TILE(input, multiples, name=name)
