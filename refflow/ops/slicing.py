"""Slices cut a block out of a tensor; padding puts zeros around one. Each is the other's gradient [W06].

Next: ops/joining.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX, reshape, shape

SLICE = define_op("Slice", "input: T, begin: Index[R], size: Index[R] -> output: T", T=ANY,
                  Index=Attr("type", allowed=INDICES), source=("W06",))  # fmt: skip
SLICE.moves("input")
PAD = define_op("Pad", "input: T, paddings: Tpaddings[R, 2] -> output: T", T=ANY, Tpaddings=INDEX, source=("W06",))
PAD.moves("input")


@SLICE.kernel
def slice_kernel(input, begin, size):
    stops = [d if s == -1 else b + s for b, s, d in zip(begin, size, input.shape, strict=True)]
    return input[tuple(slice(int(b), int(e)) for b, e in zip(begin, stops, strict=True))].copy()


def known_at(name: str, context: ShapeContext) -> Sequence[int | None] | None:
    """The numbers of a vector, None for those that are not known yet."""
    return context.sizes(name) if context.ints(name) is None else context.ints(name)


@SLICE.shape
def _slice_shape(context: ShapeContext) -> shapes.Shape:
    dims, begin, size = context.dims("input"), known_at("begin", context), known_at("size", context)
    vectors = [context.dims("begin"), context.dims("size")]
    if any(v is not None and (len(v) != 1 or (dims is not None and v[0] not in (None, len(dims)))) for v in vectors):
        rank = "?" if dims is None else len(dims)
        raise ShapeError(
            f"Expected begin and size arguments to be 1-D tensors of size {rank}, but got "
            f"shapes {shapes.text(vectors[0])} and {shapes.text(vectors[1])} instead."
        )
    if size is None:
        return None if dims is None else (None,) * len(dims)
    found: list[int | None] = []
    for axis, length in enumerate(size):
        d = None if dims is None else dims[axis]
        b = None if begin is None else begin[axis]
        if d == 0 and b is not None and (b, length) not in ((0, 0), (0, -1)):
            raise ShapeError(
                f"Expected begin[{axis}] == 0 (got {b}) and size[{axis}] == 0 (got {length}) when "
                f"input.dim_size({axis}) == 0"
            )
        if b is not None and (b < 0 or (d is not None and b > d)):
            raise ShapeError(f"Expected begin[{axis}] in [0, {d}], but got {b}")
        if length == -1:
            length = None if d is None or b is None else d - b
        if b is not None and length is not None and (length < 0 or (d is not None and b + length > d)):
            raise ShapeError(f"Expected size[{axis}] in [0, {'?' if d is None else d - b}], but got {length}")
        found.append(length)
    return tuple(found)


@SLICE.gradient
def _slice_gradient(op, dy):
    """dx = dy where it was cut out, zero around it."""
    from refflow.ops.joining import concat

    x, begin, _ = op.inputs
    before = reshape(begin, [-1, 1]) if begin.dtype.base_dtype is int32 else reshape(_to_int32(begin), [-1, 1])
    after = reshape(shape(x) - shape(op.outputs[0]), [-1, 1]) - before
    dx = pad(dy, concat(1, [before, after]))
    dx.set_shape(x.get_shape())
    return dx, None, None


def _to_int32(x: Tensor) -> Tensor:
    from refflow.ops.cast import cast

    return cast(x, int32)


@PAD.kernel
def pad_kernel(input, paddings):
    filling = b"" if input.dtype == object else 0
    return padded(input, paddings, constant_values=filling)


def padded(array: np.ndarray, paddings: Any, **how: Any) -> np.ndarray:
    """`array` with `paddings` [R, 2] around it; a scalar has no border, which NumPy's pad does not take."""
    return np.pad(array, widths(paddings), **how) if array.ndim else array.copy()


def widths(paddings: Any) -> list[tuple[int, int]]:
    """`paddings` [R, 2] as pairs."""
    return [(int(before), int(after)) for before, after in paddings]


@PAD.shape
def pad_shape(context: ShapeContext) -> shapes.Shape:
    """The input's sizes with the paddings before and after."""
    dims, paddings = context.dims("input"), context.ints("paddings")
    check_paddings(context.dims("paddings"), paddings, dims)
    widths = known_at("paddings", context)
    if dims is None or widths is None:
        count = len(dims) if dims is not None else size_at(context.dims("paddings"), 0)
        return None if count is None else (None,) * count
    parts = zip(dims, widths[::2], widths[1::2], strict=True)
    return tuple(None if None in part else sum(part) for part in parts)  # type: ignore[arg-type]


def check_paddings(given: shapes.Shape, paddings: list[int] | None, dims: shapes.Shape) -> None:
    """ShapeError unless paddings are two numbers for each axis, none of them negative."""
    if given is not None and (len(given) != 2 or given[1] not in (None, 2)):
        raise ShapeError(f"paddings must be a matrix with 2 columns: {shapes.text(given)}")
    if given is not None and dims is not None and given[0] not in (None, len(dims)):
        raise ShapeError(
            f"The first dimension of paddings must be the rank of inputs{shapes.text(given)} {shapes.text(dims)}"
        )
    for before, after in zip(paddings[::2], paddings[1::2], strict=True) if paddings else ():
        if before < 0 or after < 0:
            raise ShapeError(f"Paddings must be non-negative: {before} {after}, {before}, {after}")


@PAD.gradient
def _pad_gradient(op, dy):
    """dx is cut out of dy."""
    x, paddings = op.inputs
    before = reshape(slice_(paddings, [0, 0], [-1, 1]), [-1])
    return slice_(dy, before, shape(x)), None


SLICE.case("W06", "a block", input=[[1, 2, 3], [4, 5, 6]], begin=[0, 1], size=[2, 2], Index="int32",
           output=[[2, 3], [5, 6]])  # fmt: skip
SLICE.case("W06", "-1 goes to the end", input=[1, 2, 3], begin=[1], size=[-1], Index="int32", output=[2, 3])
SLICE.case("W06", "blocks lie inside", input=[1, 2, 3], begin=[2], size=[2], Index="int32",
           error="Expected size[0] in [0, 1], but got 2")  # fmt: skip
PAD.case("W06", "zeros around", input=[[1]], paddings=[[1, 0], [0, 2]], output=[[0, 0, 0], [1, 0, 0]])


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """The block of `input_` that starts at `begin` and has `size`; -1 reaches to the end."""
    input_ = convert_to_tensor(input_, name="input")
    index = next((t.dtype.base_dtype for t in (begin, size) if isinstance(t, Tensor)), int32)
    return SLICE(input_, begin, size, Index=index, name=name)


def pad(input: Any, paddings: Any, name: str | None = None) -> Tensor:
    """`input` with `paddings[i] = (before, after)` zeros along axis i."""
    return PAD(input, paddings, name=name)
