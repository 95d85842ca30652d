"""Joining and splitting as later releases write them: the axis last, sizes that differ [W06, E22].

    ConcatV2(values, axis)      SplitV(value, sizes, dim)      ConcatOffset: where each part begins

Next: ops/gather_today.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int8, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX, SHAPE_N
from refflow.ops.joining import concat_shape, split_axis
from refflow.ops.slicing import SLICE

COUNT = Attr("int", minimum=1)

CONCAT_V2 = define_op("ConcatV2", "values: N * T, axis: Tidx[] -> output: T", N=Attr("int", minimum=2), T=ANY,
                      Tidx=INDEX, source=("W06", "E22"))  # fmt: skip
CONCAT_V2.moves("values")
CONCAT_OFFSET = define_op("ConcatOffset", "concat_dim: int32[], shape: N * shape_type[R] -> offset: N * shape_type[R]",
                          N=Attr("int", minimum=2), shape_type=INDEX, source=("W06",))  # fmt: skip
SPLIT_V = define_op("SplitV", "value: T, size_splits: Tlen[K], split_dim: int32[] -> output: num_split * T",
                    num_split=COUNT, T=ANY, Tlen=Attr("type", default=int64, allowed=(int8, *INDICES)),
                    source=("W06",))  # fmt: skip
SPLIT_V.moves("value")
PARALLEL_CONCAT = define_op("ParallelConcat", "values: N * T -> output: T", N=COUNT, T=ANY, shape=Attr("shape"),
                            source=("W06",))  # fmt: skip
PARALLEL_CONCAT.moves("values")


@CONCAT_V2.kernel
def concat_v2_kernel(values, axis):
    return np.concatenate(values, axis=int(np.reshape(axis, ())))


CONCAT_V2.built_with(axis=0)


@CONCAT_V2.shape
def _concat_v2_shape(context: ShapeContext) -> shapes.Shape:
    return concat_shape(context.list_dims("values"), context.ints("axis"), "axis")


@CONCAT_V2.gradient
def _concat_v2_gradient(op, dy):
    """Each part gets its piece of dy."""
    parts, axis = list(op.inputs["values"]), op.inputs["axis"]
    sizes = SHAPE_N(parts)
    begins = CONCAT_OFFSET(_as_int32(axis), sizes)
    return [SLICE(dy, b, s) for b, s in zip(begins, sizes, strict=True)] + [None]


def _as_int32(x: Tensor) -> Tensor:
    from refflow.ops.cast import cast

    return cast(x, int32)


def _spaced(sizes: np.ndarray) -> str:
    return f"[{' '.join(map(str, sizes))}]"


@CONCAT_OFFSET.shape
def _concat_offset_shape(context: ShapeContext) -> list[shapes.Shape]:
    if context.dims("concat_dim"):
        raise ShapeError(
            f"Concat dim tensor should be a scalar integer, but got shape {shapes.text(context.dims('concat_dim'))}"
        )
    found = context.list_dims("shape")
    for i, dims in enumerate(found):
        if dims is not None and len(dims) != 1:
            raise ShapeError(f"input {i + 1} should be a vector, but got shape {shapes.text(dims)}")
        if dims and found[0] and None not in (dims[0], found[0][0]) and dims[0] != found[0][0]:
            raise ShapeError(f"input {i} should contain {found[0][0]} elements, but got {dims[0]}")
    return found


@CONCAT_OFFSET.kernel
def concat_offset_kernel(concat_dim, shape):
    """Where each part begins: the sum of the sizes before it, along the one axis."""
    axis = int(concat_dim)
    if not -len(shape[0]) <= axis < len(shape[0]):
        raise ValueError(f"Concat dim is out of range: {axis} vs. {len(shape[0])}")
    found, at = [], 0
    for i, sizes in enumerate(shape):
        others = [j for j in range(len(sizes)) if j != axis % len(sizes) and sizes[j] != shape[0][j]]
        if others:
            raise ValueError(
                f"All dimensions except {axis} must match. Input {i} has shape {_spaced(sizes)} and doesn't match "
                f"input 0 with shape {_spaced(shape[0])}."
            )
        begin = np.zeros_like(sizes)
        begin[axis] = at
        at += int(sizes[axis])
        found.append(begin)
    return found


CONCAT_OFFSET.no_gradient()


@SPLIT_V.kernel
def split_v_kernel(value, size_splits, split_dim):
    axis = int(np.reshape(split_dim, ()))
    sizes = _spelled(size_splits.tolist(), value.shape[axis])
    parts = np.split(value, np.cumsum(sizes)[:-1], axis)
    return [np.array(p, copy=True, order="C") for p in parts]


def _check_only(size: int, whole: int) -> None:
    """One part is the whole, and says how large it is: -1 leaves nothing to be found."""
    if size != whole:
        raise ShapeError(
            f"If there is only one output, it must have the same size as the input. Input size: {whole} output size: "
            f"{size}"
        )


def _spelled(sizes: list[int], whole: int | None) -> list[Any]:
    """The sizes with the one -1 found; ShapeError where they do not add up."""
    if len(sizes) == 1 and whole is not None:
        _check_only(sizes[0], whole)
    if sizes.count(-1) > 1:
        raise ShapeError("There can only be one -1 in the input.")
    known = sum(s for s in sizes if s != -1)
    if any(s < -1 for s in sizes) and (whole is None or known == whole or -1 in sizes):
        raise ShapeError(f"Split size at index {[s < -1 for s in sizes].index(True)} must be >= 0. Got: {min(sizes)}")
    if whole is None:
        return [None if s == -1 else s for s in sizes]
    if -1 in sizes and known <= whole:
        return [whole - known if s == -1 else s for s in sizes]
    if known != whole:
        raise ShapeError(
            "Determined shape must either match input shape along split_dim exactly if fully specified, or be less "
            f"than the size of the input along split_dim if not fully specified.  Got: {known}, not {whole}"
        )
    return sizes


@SPLIT_V.shape
def _split_v_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, axis, sizes = context.dims("value"), context.ints("split_dim"), context.ints("size_splits")
    count, given = context.attrs["num_split"], context.dims("size_splits")
    if context.dims("split_dim") not in (None, (), (1,), (None,)):
        raise ShapeError("split_dim_tensor must have exactly one element.")
    if given is not None and (len(given) != 1 or given[0] not in (None, count)):
        raise ShapeError(
            f"size of the split_tensor must be 1-D and have the same elements as outputs got {len(given)} -D and "
            f"{prod(1 if d is None else d for d in given)} elements"
        )
    if dims is not None and axis is None and len(dims) == 1:
        axis = [0]  # there is but one
    if dims is None or axis is None:
        return [None if dims is None else (None,) * len(dims)] * count
    at = split_axis(axis[0], len(dims))
    each = [None] * count if sizes is None else _spelled(sizes, dims[at])
    return [(*dims[:at], size, *dims[at + 1 :]) for size in each]


@SPLIT_V.gradient
def _split_v_gradient(op, *dys):
    """dx = the parts' gradients joined again."""
    return CONCAT_V2(list(dys), op.inputs[2]) if len(dys) > 1 else dys[0], None, None


@PARALLEL_CONCAT.kernel
def parallel_concat_kernel(values):
    return np.concatenate(values, 0)


@PARALLEL_CONCAT.shape
def _parallel_concat_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["shape"].as_tuple


PARALLEL_CONCAT.no_gradient_registered()
CONCAT_V2.case("W06", "the axis comes last", values=[[[1], [2]], [[3], [4]]], N=2, axis=1, output=[[1, 3], [2, 4]])
CONCAT_V2.case("W06", "scalars have no axis", values=[1, [2]], N=2, axis=0, error="Can't concatenate scalars")
CONCAT_OFFSET.case("W06", "where each begins", concat_dim=1, shape=[[2, 3], [2, 1], [2, 4]], N=3,
                   offset=[[0, 0], [0, 3], [0, 4]])  # fmt: skip
SPLIT_V.case("W06", "parts of several sizes", Tlen="int32", value=[1, 2, 3, 4], size_splits=[1, -1], split_dim=0,
             num_split=2, output=[[1], [2, 3, 4]])  # fmt: skip
SPLIT_V.case("W06", "sizes add up", Tlen="int32", value=[1, 2], size_splits=[2, 2], split_dim=0, num_split=2,
             error="Determined shape must either match")  # fmt: skip
SPLIT_V.case("W06", "one part is the whole", Tlen="int32", value=[1, 2], size_splits=[-1], split_dim=0, num_split=1,
             error="Input size: 2 output size: -1")  # fmt: skip
PARALLEL_CONCAT.case("W06", "rows together", values=[[[1, 2]], [[3, 4]]], N=2, shape=[2, 2], output=[[1, 2], [3, 4]])
