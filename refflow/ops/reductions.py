"""Reductions: one number from all elements along some axes.

    Sum, Mean, Max, Min, Prod over the axes in `reduction_indices`; without any, over all [S19].

The gradient spreads dy back over the reduced axes: reshape dy so that those have size 1, then tile.

    Sum   dx = spread(dy)                     Mean  dx = spread(dy) / number of elements per result
    Max   dx = spread(dy) where x is the maximum, in full for every tie                 [W76]
    Prod  dx = spread(dy * y) / x, which is NaN where x is 0                            [W76]

Next: ops/softmax.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import INDICES, NUMBERS, REALS, bool_, int16, int32, int64, uint16
from refflow.core.errors import ShapeError
from refflow.core.formula import divide
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import fill, rank, reshape, shape, size, tile
from refflow.ops.cast import cast
from refflow.ops.dynamic_stitch import dynamic_stitch
from refflow.ops.elementwise import DIV, MAXIMUM
from refflow.ops.logic import EQUAL, LESS, SELECT
from refflow.ops.range import range_


def _reduction(name: str, kernel: Callable[..., Any], types: Any = NUMBERS, **more: Any) -> OpDef:
    op_def = define_op(
        name, "input: T, reduction_indices: Tidx -> output: T", keep_dims=False, T=types,
        Tidx=Attr("type", default=int32, allowed=INDICES), **more,
    )  # fmt: skip
    op_def.kernel(kernel)
    op_def.shape(_reduced_shape)
    op_def.built_with(reduction_indices=(0, 1))
    return op_def


def _reduced_shape(context: ShapeContext) -> shapes.Shape:
    dims, indices = context.dims("input"), context.ints("reduction_indices")
    if dims is None:
        return None
    if indices is None:
        return (None,) * len(dims) if context.attrs["keep_dims"] else None
    axes = set(_axes(indices, len(dims)))
    if context.attrs["keep_dims"]:
        return tuple(1 if i in axes else d for i, d in enumerate(dims))
    return tuple(d for i, d in enumerate(dims) if i not in axes)


def _axes(reduction_indices: Any, ndim: int) -> tuple[int, ...]:
    """The axes from 0, in order, each one once."""
    axes: list[int] = []
    for axis in map(int, np.reshape(reduction_indices, -1)):
        if not -ndim <= axis < ndim:
            raise ShapeError(
                f"Invalid reduction dimension ({axis} for input with {ndim} dimension(s): reduction_indices has axis "
                f"{axis}, but the input has rank {ndim}: axes are {-ndim} to {ndim - 1}"
            )
        if axis % ndim in axes:
            raise ShapeError(f"Invalid reduction arguments: Axes contains duplicate dimension: {axis % ndim}")
        axes.append(axis % ndim)
    return tuple(sorted(axes))


def _wide(array: Any) -> Any:
    """float16 is summed in float32 and rounded once."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def sum_kernel(input, reduction_indices, keep_dims=False):
    axes = _axes(reduction_indices, input.ndim)
    if not axes:
        return input.copy()  # 0 + x would turn -0.0 to 0.0
    total = np.add.reduce(_wide(input), axis=axes, keepdims=keep_dims, dtype=_wide(input).dtype)
    return np.asarray(total).astype(input.dtype)


def mean_kernel(input, reduction_indices, keep_dims=False):
    axes = _axes(reduction_indices, input.ndim)
    count = int(np.prod([input.shape[a] for a in axes], dtype=np.int64))
    if input.dtype.kind in "iu":  # toward zero, as integer division does [W77]; the sum has 64 bits
        wide = np.dtype(f"{input.dtype.kind}8")
        total = np.asarray(np.add.reduce(input, axis=axes, keepdims=keep_dims, dtype=wide))
        return np.asarray(divide(total, wide.type(max(count, 1)))).astype(input.dtype)
    total = np.asarray(np.add.reduce(_wide(input), axis=axes, keepdims=keep_dims, dtype=_wide(input).dtype))
    return (total / total.dtype.type(count)).astype(input.dtype)  # NaN where there is nothing to average


def max_kernel(input, reduction_indices, keep_dims=False):
    axes = _axes(reduction_indices, input.ndim)
    lowest = -np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).min
    return np.asarray(np.max(input, axis=axes, keepdims=keep_dims, initial=lowest))


def min_kernel(input, reduction_indices, keep_dims=False):
    axes = _axes(reduction_indices, input.ndim)
    highest = np.inf if input.dtype.kind == "f" else np.iinfo(input.dtype).max
    return np.asarray(np.min(input, axis=axes, keepdims=keep_dims, initial=highest))


def prod_kernel(input, reduction_indices, keep_dims=False):
    axes = _axes(reduction_indices, input.ndim)
    total = np.multiply.reduce(_wide(input), axis=axes, keepdims=keep_dims, dtype=_wide(input).dtype)
    return np.asarray(total).astype(input.dtype)


SUM = _reduction("Sum", sum_kernel, accuracy="dot", source=("S17", "W06"))
MEAN = _reduction("Mean", mean_kernel, accuracy="dot", source=("S19", "W06", "E15"))
MAX = _reduction("Max", max_kernel, REALS, source=("W76",))
MIN = _reduction("Min", min_kernel, REALS, source=("W76",))
PROD = _reduction("Prod", prod_kernel, accuracy="dot", source=("W76",))


def _spread_shapes(op: Any) -> tuple[Tensor, Tensor]:
    """The input's shape with 1 along the reduced axes, and the input's shape, both inside the graph.

    A stitch builds the first: sizes at their own places, then ones at the reduced ones, later wins.
    """
    x, indices = op.inputs
    x_shape = shape(x)                                                       # [2, 3, 5, 7]
    return reduced_ones(x_shape, indices, rank(x)), x_shape                  # 4


def reduced_ones(x_shape: Tensor, indices: Tensor, x_rank: Tensor | None = None) -> Tensor:
    """`x_shape` with 1 at the places that `indices` names."""
    x_rank = size(x_shape) if x_rank is None else x_rank
    if indices.dtype is not int32:
        indices = cast(indices, int32)                                       # [1, 2]
    if not _known_to_be(indices, lambda value: (value >= 0).all()):
        indices = SELECT(LESS(indices, 0), indices + x_rank, indices)
    indices_shape = shape(indices)                                           # [2]
    ones_there = dynamic_stitch(                                             # [2, 1, 1, 7]
        [range_(0, x_rank), indices],
        [x_shape, fill(indices_shape, 1)],
    )
    return ones_there


def _known_to_be(tensor: Tensor, claim: Callable[[Any], Any]) -> bool:
    value = constant_value(tensor)
    return value is not None and bool(claim(value))


def _at_least_one(sizes: Tensor) -> Tensor:
    """A divisor: sizes, with 1 in place of 0 where an empty tensor may come."""
    return sizes if _known_to_be(sizes, lambda value: value.all()) else MAXIMUM(sizes, 1)


def _sum_back(op: Any, dy: Tensor) -> Tensor:
    new_shape, x_shape = _spread_shapes(op)
    tiles = DIV(x_shape, _at_least_one(new_shape), name="div")
    return tile(reshape(dy, new_shape), tiles)


@SUM.gradient
def _sum_gradient(op, dy):
    """Every element of x counts once: dx = dy, spread."""
    return _sum_back(op, dy), None


@MEAN.gradient
def _mean_gradient(op, dy):
    """dx = dy, spread, over the number of elements that each result averages [W76]."""
    spread = _sum_back(op, dy)
    x_shape, y_shape = shape(op.inputs[0]), shape(op.outputs[0])
    factor = DIV(reduce_prod(x_shape), _at_least_one(reduce_prod(y_shape)), name="div")
    return spread / cast(factor, spread.dtype), None


def _extreme_gradient(op, dy):
    """Every element equal to the extreme gets the whole gradient [W76]."""
    new_shape, _ = _spread_shapes(op)
    y = reshape(op.outputs[0], new_shape)
    dy = reshape(dy, new_shape)
    return cast(EQUAL(y, op.inputs[0]), dy.dtype) * dy, None


MAX.gradient(_extreme_gradient)
MIN.gradient(_extreme_gradient)


@PROD.gradient
def _prod_gradient(op, dy):
    """dx = dy * y / x, spread [W76]."""
    return _sum_back(op, dy * op.outputs[0]) / op.inputs[0], None


def _reduce(op_def: OpDef, x: Any, indices: Any, keep_dims: bool, name: str | None) -> Tensor:
    x = convert_to_tensor(x, name="input")
    if indices is None:
        indices = range_(0, rank(x))
    elif isinstance(indices, int):
        indices = [indices]
    if not isinstance(indices, Tensor):
        indices = convert_to_tensor(indices, int64 if _has_int64(indices) else int32, "reduction_indices")
    return op_def(x, indices, keep_dims=keep_dims, name=name)


def _has_int64(indices: Any) -> bool:
    return isinstance(indices, np.ndarray) and indices.dtype == np.int64


def reduce_sum(
    input_tensor: Any, reduction_indices: Any = None, keep_dims: bool = False, name: str | None = None
) -> Tensor:
    """The sum over the axes `reduction_indices`, or over all; 0 for nothing [S19, W06].

    input_tensor: numbers of any shape. reduction_indices: an integer, or several, from -rank to rank - 1; others are a
    ShapeError. The result has the input's type, and lacks these axes; under keep_dims their sizes are 1.
    """
    return _reduce(SUM, input_tensor, reduction_indices, keep_dims, name)


def reduce_mean(
    input_tensor: Any, reduction_indices: Any = None, keep_dims: bool = False, name: str | None = None
) -> Tensor:
    """The mean over the axes, with types and errors as of reduce_sum; NaN for nothing [S19].

    Whole numbers are cut off toward zero, since the mean has their type [W77].
    """
    return _reduce(MEAN, input_tensor, reduction_indices, keep_dims, name)


def reduce_max(
    input_tensor: Any, reduction_indices: Any = None, keep_dims: bool = False, name: str | None = None
) -> Tensor:
    """The largest along the axes, as reduce_sum's; NaN if there is one; the type's lowest for nothing [W76]."""
    return _reduce(MAX, input_tensor, reduction_indices, keep_dims, name)


def reduce_min(
    input_tensor: Any, reduction_indices: Any = None, keep_dims: bool = False, name: str | None = None
) -> Tensor:
    """The smallest along the axes, as reduce_sum's; NaN if there is one; the type's highest for nothing [W76]."""
    return _reduce(MIN, input_tensor, reduction_indices, keep_dims, name)


def reduce_prod(
    input_tensor: Any, reduction_indices: Any = None, keep_dims: bool = False, name: str | None = None
) -> Tensor:
    """The product along the axes, which are as reduce_sum's, of the input's type; 1 for nothing [W76]."""
    return _reduce(PROD, input_tensor, reduction_indices, keep_dims, name)


LOGICAL = {"All": np.all, "Any": np.any}


def _logical(name: str, function: Callable[..., Any]) -> OpDef:
    op_def = define_op(name, "input: bool, reduction_indices: Tidx -> output: bool", keep_dims=False,
                       Tidx=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip

    def kernel(input, reduction_indices, keep_dims=False):
        return np.asarray(function(input, axis=_axes(reduction_indices, input.ndim), keepdims=keep_dims))

    op_def.kernel(kernel)
    op_def.shape(_reduced_shape)
    op_def.built_with(reduction_indices=(0, 1))
    op_def.no_gradient_registered()
    return op_def


ALL_OF, ANY_OF = (_logical(name, function) for name, function in LOGICAL.items())


def euclidean_norm_kernel(input, reduction_indices, keep_dims=False):
    if input.dtype.kind in "iu":  # in the type itself; where it overflows below 0, what comes of it is left open
        whole = np.sum(input * input, axis=_axes(reduction_indices, input.ndim), keepdims=keep_dims, dtype=input.dtype)
        return np.asarray(np.sqrt(whole)).astype(input.dtype)
    wide = _wide(input)
    squares = np.sum((wide * np.conj(wide)).real if wide.dtype.kind == "c" else wide * wide,
                     axis=_axes(reduction_indices, input.ndim), keepdims=keep_dims)  # fmt: skip
    return np.asarray(np.sqrt(squares)).astype(input.dtype)


EUCLIDEAN_NORM = _reduction("EuclideanNorm", euclidean_norm_kernel, accuracy="dot", source=("W06",))


@EUCLIDEAN_NORM.gradient
def _euclidean_norm_gradient(op, dy):
    """dx = dy * x / y, spread."""
    new_shape, _ = _spread_shapes(op)
    return op.inputs[0] * (reshape(dy, new_shape) / reshape(op.outputs[0], new_shape)), None


_PLACES: dict[str, Any] = {
    "T": (*REALS, bool_), "Tidx": Attr("type", default=int32, allowed=(int16, *INDICES)),
    "output_type": Attr("type", default=int64, allowed=(int16, uint16, *INDICES)),
}  # fmt: skip
ARG_MAX = define_op("ArgMax", "input: T, dimension: Tidx -> output: output_type", source=("S57",), **_PLACES)
ARG_MIN = define_op("ArgMin", "input: T, dimension: Tidx -> output: output_type", source=("W06",), **_PLACES)
ARG_MAX.no_gradient()
ARG_MIN.no_gradient()


def _numbers(x: np.ndarray, else_: float) -> np.ndarray:
    """x with `else_` in place of NaN."""
    return np.where(np.isnan(x), x.dtype.type(else_), x) if x.dtype.kind == "f" else x


@ARG_MAX.kernel
def arg_max_kernel(input, dimension, output_type=int64):
    """The first place of the largest value along one axis; NaN is never the largest."""
    return np.asarray(np.argmax(_numbers(input, -np.inf), axis=int(dimension))).astype(output_type.as_numpy_dtype)


@ARG_MIN.kernel
def arg_min_kernel(input, dimension, output_type=int64):
    """The first place of the smallest value along one axis; NaN is never the smallest."""
    return np.asarray(np.argmin(_numbers(input, np.inf), axis=int(dimension))).astype(output_type.as_numpy_dtype)


@ARG_MIN.shape
@ARG_MAX.shape
def _arg_max_shape(context: ShapeContext) -> shapes.Shape:
    dims, given = context.dims("input"), context.dims("dimension")
    if given:
        raise ShapeError(f"dim must be a scalar, but received tensor of shape: {shapes.text(given)}")
    axis = context.ints("dimension")
    if dims is None or axis is None:
        return None if dims is None else (None,) * (len(dims) - 1)
    if not -len(dims) <= axis[0] < len(dims):
        raise ShapeError(f"Expected dimension in the range [{-len(dims)}, {len(dims)}), but got {axis[0]}")
    axis[0] %= len(dims)
    if dims[axis[0]] == 0:
        raise ShapeError(
            f"Reduction axis {axis[0]} is empty in shape {shapes.text(dims)}: none of no elements is the largest"
        )
    return dims[: axis[0]] + dims[axis[0] + 1 :]


def argmin(input: Any, dimension: Any, name: str | None = None) -> Tensor:
    """int64 places of the smallest values along `dimension`; the first of several."""
    return ARG_MIN(input, dimension, name=name)


def argmax(input: Any, dimension: Any, name: str | None = None) -> Tensor:
    """int64 places of the largest values along `dimension`; the first of several."""
    return ARG_MAX(input, dimension, name=name)


def reduce_all(
    input_tensor: Any, reduction_indices: Any = None, keep_dims: bool = False, name: str | None = None
) -> Tensor:
    """True where every bool along `reduction_indices` is; true for nothing."""
    return _reduce(ALL_OF, input_tensor, reduction_indices, keep_dims, name)


def reduce_any(
    input_tensor: Any, reduction_indices: Any = None, keep_dims: bool = False, name: str | None = None
) -> Tensor:
    """True where some bool along `reduction_indices` is; false for nothing."""
    return _reduce(ANY_OF, input_tensor, reduction_indices, keep_dims, name)


ALL_OF.case("W06", "every one", input=[[True, True], [True, False]], reduction_indices=[1], output=[True, False])
ANY_OF.case("W06", "some one", input=[[False, False], [True, False]], reduction_indices=[1], output=[False, True])
EUCLIDEAN_NORM.case("W06", "whole numbers overflow in their own type", input=np.array([[3, 4], [16, 5]], np.uint8),
                    reduction_indices=[1], output=np.array([5, 5], np.uint8))  # fmt: skip
EUCLIDEAN_NORM.case("W06", "Pythagoras", input=[[3.0, 4.0], [6.0, 8.0]], reduction_indices=[1], output=[5, 10])
ARG_MIN.case("W06", "the first of equals", input=[[1, 1, 3], [9, 0, 9]], dimension=1, output=[0, 1])
SUM.case("S17", "over the rows", input=[[1, 2], [3, 4]], reduction_indices=[0], output=[4, 6])
SUM.case("S17", "an axis counted from the end", input=[[1, 2], [3, 4]], reduction_indices=[-1], output=[3, 7])
SUM.case("S17", "reduced axes stay with size 1", input=[[1, 2], [3, 4]], reduction_indices=[1], keep_dims=True,
         output=[[3], [7]])  # fmt: skip
SUM.case("S17", "no axes change nothing", input=[1, 2], reduction_indices=[], output=[1, 2])
SUM.case("S17", "the sum of nothing is 0", input=np.zeros((0, 2), np.float32), reduction_indices=[0], output=[0, 0])
SUM.case("S17", "each axis once", input=[[1, 2]], reduction_indices=[1, -1],
         error="Invalid reduction arguments: Axes contains duplicate dimension: 1")  # fmt: skip
SUM.case("S17", "axes exist", input=[1, 2], reduction_indices=[1],
         error="reduction_indices has axis 1, but the input has rank 1")  # fmt: skip
MEAN.case("S19", "over everything", input=[[1, 2], [3, 6]], reduction_indices=[0, 1], output=3)
MEAN.case("S19", "the mean of nothing is NaN", input=np.zeros(0, np.float32), reduction_indices=[0], output=np.nan)
MEAN.case("W77", "integers divide toward zero", T="int32", input=[-3, 0], reduction_indices=[0], output=-1)
MEAN.case("W77", "the sum of integers has room", T="uint8", input=[200, 100], reduction_indices=[0], output=150)
MAX.case("W76", "the largest", input=[[1, 5], [3, 2]], reduction_indices=[0], output=[3, 5])
MAX.case("W76", "NaN wins", input=[1, np.nan, 3], reduction_indices=[0], output=np.nan)
MAX.case("W76", "the largest of nothing", input=np.zeros(0, np.float32), reduction_indices=[0], output=-np.inf)
MIN.case("W76", "the smallest", input=[[1, 5], [3, 2]], reduction_indices=[1], output=[1, 2])
PROD.case("W76", "the product of nothing is 1", input=np.zeros(0, np.float32), reduction_indices=[0], output=1)
PROD.case("W76", "over everything", input=[[1, 2], [3, 4]], reduction_indices=[0, 1], output=24)
ARG_MAX.case("S57", "NaN is never the largest", input=[[1, np.nan, 3], [np.nan, np.nan, np.nan]], dimension=1,
             output=[2, 0])  # fmt: skip
ARG_MAX.case("S57", "axes exist", input=[1], dimension=1, error="Expected dimension in the range [-1, 1), but got 1")
ARG_MAX.case("S57", "the first of equals", input=[[1, 3, 3], [9, 0, 9]], dimension=1, output=[1, 0])
