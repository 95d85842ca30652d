"""Space for batch, space for depth: blocks of an image moved into another axis, and back [W06].

    SpaceToBatchND   every block_shape-th cell becomes an image of its own, in the batch
    SpaceToDepth     the cells of a block become channels

Next: ops/matrix_diag.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX

_BLOCK = Attr("type", default=int32, allowed=INDICES)
SPACE_TO_BATCH_ND = define_op(
    "SpaceToBatchND", "input: T, block_shape: Tblock_shape[M], paddings: Tpaddings[M, 2] -> output: T", T=ANY,
    Tblock_shape=_BLOCK, Tpaddings=INDEX, source=("W06",),
)  # fmt: skip
BATCH_TO_SPACE_ND = define_op(
    "BatchToSpaceND", "input: T, block_shape: Tblock_shape[M], crops: Tcrops[M, 2] -> output: T", T=ANY,
    Tblock_shape=_BLOCK, Tcrops=INDEX, source=("W06",),
)  # fmt: skip
SPACE_TO_BATCH = define_op("SpaceToBatch", "input: T[N, H, W, C], paddings: Tpaddings[2, 2] -> output: T", T=ANY,
                           Tpaddings=INDEX, block_size=Attr("int", minimum=2), source=("W06",))  # fmt: skip
BATCH_TO_SPACE = define_op("BatchToSpace", "input: T[N, H, W, C], crops: Tidx[2, 2] -> output: T", T=ANY, Tidx=INDEX,
                           block_size=Attr("int", minimum=2), source=("W06",))  # fmt: skip
_FORMAT = Attr("string", default="NHWC", allowed=("NHWC", "NCHW", "NCHW_VECT_C"))
SPACE_TO_DEPTH = define_op("SpaceToDepth", "input: T[?, ?, ?, ?] -> output: T", T=ANY,
                           block_size=Attr("int", minimum=2), data_format=_FORMAT, source=("W06",))  # fmt: skip
DEPTH_TO_SPACE = define_op("DepthToSpace", "input: T[?, ?, ?, ?] -> output: T", T=ANY,
                           block_size=Attr("int", minimum=2), data_format=_FORMAT, source=("W06",))  # fmt: skip


def space_to_batch(x: np.ndarray, block: list[int], paddings: list[tuple[int, int]]) -> np.ndarray:
    """[N, s..., rest] as [prod(block) * N, (s + padding) / block..., rest]."""
    m = len(block)
    filling = b"" if x.dtype == object else 0
    x = np.pad(x, [(0, 0), *paddings, *[(0, 0)] * (x.ndim - m - 1)], constant_values=filling)
    split = [part for size, b in zip(x.shape[1 : m + 1], block, strict=True) for part in (size // b, b)]
    x = x.reshape(x.shape[0], *split, *x.shape[m + 1 :])
    order = [*range(2, 2 * m + 1, 2), 0, *range(1, 2 * m, 2), *range(2 * m + 1, x.ndim)]
    x = x.transpose(order)
    return np.ascontiguousarray(x.reshape(prod(block) * x.shape[m], *x.shape[m + 1 :]))


def batch_to_space(x: np.ndarray, block: list[int], crops: list[tuple[int, int]]) -> np.ndarray:
    """The way back, with the borders cut off."""
    m = len(block)
    x = x.reshape(*block, x.shape[0] // max(1, prod(block)), *x.shape[1:])
    order = [m]
    for i in range(m):
        order += [m + 1 + i, i]
    x = x.transpose([*order, *range(2 * m + 1, x.ndim)])
    sizes = [x.shape[1 + 2 * i] * block[i] for i in range(m)]
    x = x.reshape(x.shape[0], *sizes, *x.shape[2 * m + 1 :])
    cut = tuple(slice(a, size - b) for (a, b), size in zip(crops, sizes, strict=True))
    return np.ascontiguousarray(x[(slice(None), *cut)])


def _pairs(values: Any) -> list[tuple[int, int]]:
    flat = [int(v) for v in np.reshape(values, -1)]
    return list(zip(flat[::2], flat[1::2], strict=True))


@SPACE_TO_BATCH_ND.kernel
def space_to_batch_nd_kernel(input, block_shape, paddings):
    return space_to_batch(input, [int(b) for b in block_shape], _pairs(paddings))


@BATCH_TO_SPACE_ND.kernel
def batch_to_space_nd_kernel(input, block_shape, crops):
    return batch_to_space(input, [int(b) for b in block_shape], _pairs(crops))


@SPACE_TO_BATCH.kernel
def space_to_batch_kernel(input, paddings, block_size):
    return space_to_batch(input, [block_size] * 2, _pairs(paddings))


@BATCH_TO_SPACE.kernel
def batch_to_space_kernel(input, crops, block_size):
    return batch_to_space(input, [block_size] * 2, _pairs(crops))


def _check_block(dims: shapes.Dims, block: Any) -> None:
    if len(dims) < 1 + len(block):
        raise ShapeError(f"input rank should be >= {1 + len(block)} instead of {len(dims)}")
    if any(b < 1 for b in block):
        raise ShapeError(f"All values in block_shape must be positive, got value {min(block)}")


def _outside(dims: shapes.Dims, blocks: int | None) -> shapes.Dims:
    """What is known where only the number of the blocked axes is."""
    return (None,) * len(dims) if blocks is None else (*(None,) * (1 + blocks), *dims[1 + blocks :])


def _to_batch_dims(dims: shapes.Shape, block: Any, pads: Any, blocks: int | None = None) -> shapes.Shape:
    if dims is None:
        return None
    if block is None:
        return _outside(dims, blocks)
    _check_block(dims, block)
    if pads is not None and min(pads, default=0) < 0:
        raise ShapeError("Paddings must be non-negative")
    found: list[int | None] = []
    for i, b in enumerate(block):
        size = dims[1 + i]
        if size is None or pads is None:
            found.append(None)
            continue
        whole = size + pads[2 * i] + pads[2 * i + 1]
        if whole % b:
            raise ShapeError(f"padded_shape[{i}]={whole} is not divisible by block_shape[{i}]={b}")
        found.append(whole // b)
    batch = None if dims[0] is None else dims[0] * prod(block)
    return (batch, *found, *dims[1 + len(block) :])


def _to_space_dims(dims: shapes.Shape, block: Any, crops: Any, blocks: int | None = None) -> shapes.Shape:
    if dims is None:
        return None
    if block is None:
        return _outside(dims, blocks)
    _check_block(dims, block)
    if dims[0] is not None and dims[0] % prod(block):
        raise ShapeError(
            f"Input batch dimension ({dims[0]}) is not divisible by product of block sizes ({prod(block)})"
        )
    if crops is not None and min(crops, default=0) < 0:
        raise ShapeError("Crops must be non-negative")
    found: list[int | None] = []
    for i, b in enumerate(block):
        size = dims[1 + i]
        left = None if size is None or crops is None else size * b - crops[2 * i] - crops[2 * i + 1]
        if left is not None and left < 0:
            raise ShapeError(f"cropped_shape[{i}]={left} must be non-negative")
        found.append(left)
    batch = None if dims[0] is None else dims[0] // prod(block)
    return (batch, *found, *dims[1 + len(block) :])


@SPACE_TO_BATCH_ND.shape
def _space_to_batch_nd_shape(context: ShapeContext) -> shapes.Shape:
    context.match("block_shape", "M")
    context.match("paddings", "M", "2")
    (blocks,) = context.shape("M")  # type: ignore[misc]
    return _to_batch_dims(context.dims("input"), context.ints("block_shape"), context.ints("paddings"), blocks)


@BATCH_TO_SPACE_ND.shape
def _batch_to_space_nd_shape(context: ShapeContext) -> shapes.Shape:
    context.match("block_shape", "M")
    context.match("crops", "M", "2")
    (blocks,) = context.shape("M")  # type: ignore[misc]
    return _to_space_dims(context.dims("input"), context.ints("block_shape"), context.ints("crops"), blocks)


def _need_images(context: ShapeContext, edges: str) -> None:
    dims, given = context.dims("input"), context.dims(edges)
    need_rank(dims, 4, "Input rank should be: 4instead of: {1}")
    if not shapes.compatible(given, (2, 2)):
        raise ShapeError(f"{edges} should have shape [2, 2] instead of {shapes.text(given)}")


@SPACE_TO_BATCH.shape
def _space_to_batch_shape(context: ShapeContext) -> shapes.Shape:
    _need_images(context, "paddings")
    dims = of_rank(context.dims("input"), 4)
    return _to_batch_dims(dims, [context.attrs["block_size"]] * 2, context.ints("paddings"))


@BATCH_TO_SPACE.shape
def _batch_to_space_shape(context: ShapeContext) -> shapes.Shape:
    _need_images(context, "crops")
    dims = of_rank(context.dims("input"), 4)
    return _to_space_dims(dims, [context.attrs["block_size"]] * 2, context.ints("crops"))


@SPACE_TO_BATCH_ND.gradient
def _space_to_batch_nd_gradient(op, dy):
    """The way back."""
    return BATCH_TO_SPACE_ND(dy, op.inputs[1], op.inputs[2]), None, None


@BATCH_TO_SPACE_ND.gradient
def _batch_to_space_nd_gradient(op, dy):
    """The way back."""
    return SPACE_TO_BATCH_ND(dy, op.inputs[1], op.inputs[2]), None, None


@SPACE_TO_BATCH.gradient
def _space_to_batch_gradient(op, dy):
    """The way back."""
    return BATCH_TO_SPACE(dy, op.inputs[1], block_size=op.attrs["block_size"]), None


@BATCH_TO_SPACE.gradient
def _batch_to_space_gradient(op, dy):
    """The way back."""
    return SPACE_TO_BATCH(dy, op.inputs[1], block_size=op.attrs["block_size"]), None


# -- depth ------------------------------------------------------------------------------------------------------


@SPACE_TO_DEPTH.kernel
def space_to_depth_kernel(input, block_size, data_format="NHWC"):
    b = block_size
    x = np.moveaxis(input, 1, -1) if data_format == "NCHW" else input
    n, h, w, c = x.shape
    y = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // b, w // b, b * b * c)
    return np.ascontiguousarray(np.moveaxis(y, -1, 1) if data_format == "NCHW" else y)


@DEPTH_TO_SPACE.kernel
def depth_to_space_kernel(input, block_size, data_format="NHWC"):
    b = block_size
    x = np.moveaxis(input, 1, -1) if data_format == "NCHW" else input
    n, h, w, c = x.shape
    y = x.reshape(n, h, w, b, b, c // (b * b)).transpose(0, 1, 3, 2, 4, 5).reshape(n, h * b, w * b, c // (b * b))
    return np.ascontiguousarray(np.moveaxis(y, -1, 1) if data_format == "NCHW" else y)


def _depth_dims(context: ShapeContext, deeper: bool) -> shapes.Shape:
    dims, b, layout = context.dims("input"), context.attrs["block_size"], context.attrs["data_format"]
    if dims is not None and len(dims) != 4:
        kind = "Input rank should be 4 instead of" if deeper else "Input rank should be: 4 instead of:"
        raise ShapeError(f"{kind} {len(dims)}")
    if layout == "NCHW_VECT_C":
        raise ShapeError("data_format NCHW_VECT_C is for int8 on a GPU, which is not here; use NHWC or NCHW")
    if dims is None:
        return (None,) * 4
    n, h, w, c = (dims[0], *dims[2:], dims[1]) if layout == "NCHW" else dims
    if deeper:
        for name, size in (("height", h), ("width", w)):
            if size is not None and size % b:
                raise ShapeError(
                    f"Image width {w} and height {h} should be divisible by block_size: {b}, but {name} is not"
                )
        out = [n, h and h // b, w and w // b, None if c is None else c * b * b]
    else:
        if c is not None and c % (b * b):
            raise ShapeError(f"Input depth dimension {c} should be divisible by: {b * b}")
        out = [n, None if h is None else h * b, None if w is None else w * b, c and c // (b * b)]
    return (out[0], out[3], out[1], out[2]) if layout == "NCHW" else tuple(out)


@SPACE_TO_DEPTH.shape
def _space_to_depth_shape(context: ShapeContext) -> shapes.Shape:
    return _depth_dims(context, True)


@DEPTH_TO_SPACE.shape
def _depth_to_space_shape(context: ShapeContext) -> shapes.Shape:
    return _depth_dims(context, False)


@SPACE_TO_DEPTH.gradient
def _space_to_depth_gradient(op, dy):
    """The way back."""
    return DEPTH_TO_SPACE(dy, block_size=op.attrs["block_size"], data_format=op.attrs["data_format"])


@DEPTH_TO_SPACE.gradient
def _depth_to_space_gradient(op, dy):
    """The way back."""
    return SPACE_TO_DEPTH(dy, block_size=op.attrs["block_size"], data_format=op.attrs["data_format"])


_X = [[[[1], [2]], [[3], [4]]]]
_PARTS = [[[[1]]], [[[2]]], [[[3]]], [[[4]]]]
SPACE_TO_BATCH_ND.case("W06", "a cell each", input=_X, block_shape=[2, 2], paddings=[[0, 0], [0, 0]], output=_PARTS)
SPACE_TO_BATCH_ND.case("W06", "blocks fit", input=_X, block_shape=[3, 2], paddings=[[0, 0], [0, 0]],
                       error="padded_shape[0]=2 is not divisible by block_shape[0]=3")  # fmt: skip
BATCH_TO_SPACE_ND.case("W06", "together again", input=_PARTS, block_shape=[2, 2], crops=[[0, 0], [0, 0]], output=_X)
BATCH_TO_SPACE_ND.case("W06", "borders cut", input=_PARTS, block_shape=[2, 2], crops=[[0, 1], [0, 0]],
                       output=[[[[1], [2]]]])  # fmt: skip
SPACE_TO_BATCH.case("W06", "a cell each", input=_X, block_size=2, paddings=[[0, 0], [0, 0]], output=_PARTS)
BATCH_TO_SPACE.case("W06", "together again", input=_PARTS, block_size=2, crops=[[0, 0], [0, 0]], output=_X)
SPACE_TO_DEPTH.case("W06", "cells become channels", input=_X, block_size=2, output=[[[[1, 2, 3, 4]]]])
DEPTH_TO_SPACE.case("W06", "channels become cells", input=[[[[1, 2, 3, 4]]]], block_size=2, output=_X)
DEPTH_TO_SPACE.case("W06", "channels fit", input=[[[[1, 2, 3]]]], block_size=2,
                    error="Input depth dimension 3 should be divisible by: 4")  # fmt: skip
