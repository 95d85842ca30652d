"""Joining and splitting along an axis that is there (Concat, Split) or along a new one (Pack, Unpack) [W06, E22].

Next: ops/transpose.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import in_rows
from refflow.ops.array import ANY, identity, reshape, shape, size
from refflow.ops.slicing import slice_

CONCAT = define_op("Concat", "concat_dim: int32[], values: N * T -> output: T", N=Attr("int", minimum=1), T=ANY,
                   source=("W06", "W32", "E22"))  # fmt: skip
CONCAT.moves("values")
SPLIT = define_op("Split", "split_dim: int32[], value: T -> output: num_split * T", num_split=Attr("int", minimum=1),
                  T=ANY, source=("W06", "W31", "E22"))  # fmt: skip
SPLIT.moves("value")
PACK = define_op("Pack", "values: N * T[...S] -> output: T", N=Attr("int", minimum=1), T=ANY, axis=0, source=("W06",))
PACK.moves("values")
UNPACK = define_op("Unpack", "value: T -> output: num * T", num=Attr("int", minimum=0), T=ANY, axis=0,
                   source=("W06",))  # fmt: skip
UNPACK.moves("value")
NO_SCALARS = "ConcatOp : Can't concatenate scalars (use tf.stack instead)"


@CONCAT.kernel
def concat_kernel(concat_dim, values):
    return np.concatenate(values, axis=int(np.reshape(concat_dim, ())))


CONCAT.built_with(concat_dim=0)


@CONCAT.shape
def _concat_shape(context: ShapeContext) -> shapes.Shape:
    return concat_shape(context.list_dims("values"), context.ints("concat_dim"), "concat_dim")


def concat_shape(parts: list[shapes.Shape], axis: list[int] | None, name: str) -> shapes.Shape:
    """The shape of `parts` joined along `axis`, which the input called `name` holds."""
    if axis is not None and len(axis) != 1:
        raise ShapeError(f"{name} tensor should be a scalar integer, but got shape [{len(axis)}]")
    known = [(i, p) for i, p in enumerate(parts) if p is not None]
    if not known:
        return None
    first, like = known[0]
    rank = len(like)
    if axis is not None and not -rank <= axis[0] < max(rank, 1):
        raise ShapeError(
            f"ConcatOp : Expected concatenating dimensions in the range [{-rank}, {rank}), but got {axis[0]}"
        )
    for i, part in known:
        if len(part) != len(like):
            if () in (part, like):
                raise ShapeError(NO_SCALARS)
            raise ShapeError(
                f"ConcatOp : Ranks of all input tensors should match: shape[{first}] = {shapes.text(like)} vs. "
                f"shape[{i}] = {shapes.text(part)}"
            )
    if axis is None:
        return (None,) * rank
    if not rank:
        raise ShapeError(NO_SCALARS)
    return _joined(known, axis[0] % rank, len(known) == len(parts))


def _joined(known: list[tuple[int, shapes.Dims]], at: int, all_known: bool) -> shapes.Dims:
    """The parts' sizes, which agree but along axis `at`, where they add up."""
    merged: list[int | None] = list(known[0][1])
    who = [known[0]] * len(merged)
    total: int | None = 0 if all_known else None
    for i, part in known:
        total = None if total is None or part[at] is None else total + part[at]  # type: ignore[operator]
        for axis, length in enumerate(part):
            if axis == at or length is None:
                continue
            if merged[axis] is None:
                merged[axis], who[axis] = length, (i, part)
            elif merged[axis] != length:
                raise ShapeError(
                    f"ConcatOp : Dimension {axis} in both shapes must be equal: shape[{who[axis][0]}] = "
                    f"{shapes.text(who[axis][1])} vs. shape[{i}] = {shapes.text(part)}"
                )
    merged[at] = total
    return tuple(merged)


@CONCAT.gradient
def _concat_gradient(op, dy):
    """Each part gets its piece of dy."""
    axis, parts = op.inputs[0], list(op.inputs)[1:]
    pieces: list[Any] = [None]
    begin = None
    at = reshape(axis, [1])
    for part in parts:
        sizes = shape(part)
        here = _one_hot_size(at, sizes)
        begin = sizes - sizes if begin is None else begin
        pieces.append(slice_(dy, begin, sizes))
        begin = begin + here
    return pieces


def _one_hot_size(at: Tensor, sizes: Tensor) -> Tensor:
    """`sizes` at place `at`, zero elsewhere."""
    from refflow.ops.cast import cast
    from refflow.ops.range import range_

    places = range_(0, size(sizes))
    at = at + cast(at < 0, int32) * size(sizes)
    return sizes * cast(_equal(places, at), int32)


def _equal(x: Tensor, y: Tensor) -> Tensor:
    from refflow.ops.logic import EQUAL

    return EQUAL(x, y)


@SPLIT.kernel
def split_kernel(split_dim, value, num_split):
    return [np.ascontiguousarray(part) for part in np.split(value, num_split, axis=int(split_dim))]


@SPLIT.shape
def _split_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, axis, count = context.dims("value"), context.ints("split_dim"), context.attrs["num_split"]
    if context.dims("split_dim"):
        raise ShapeError(f"split_dim must be a scalar but has rank {len(context.dims('split_dim') or ())}")
    if dims is None or axis is None:
        return [None if dims is None else (None,) * len(dims)] * count
    at = split_axis(axis[0], len(dims))
    length = dims[at]
    if length is not None and length % count:
        raise ShapeError(
            f"Number of ways to split should evenly divide the split dimension, but got split_dim {at} (size = "
            f"{length}) and num_split {count}"
        )
    return [(*dims[:at], None if length is None else length // count, *dims[at + 1 :])] * count


def split_axis(axis: int, rank: int) -> int:
    """The axis counted from 0; ShapeError where there is none."""
    if not -rank <= axis < rank:
        raise ShapeError(f"-input rank(-{rank}) <= split_dim < input rank ({rank}), but got {axis}")
    return axis % rank


@SPLIT.gradient
def _split_gradient(op, *dys):
    """dx = the parts' gradients joined again."""
    return None, concat(op.inputs[0], list(dys))


@PACK.kernel
def pack_kernel(values, axis=0):
    if axis:
        return np.stack(values, axis)
    return in_rows(values, np.shape(values[0]), np.asarray(values[0]).dtype)


@PACK.shape
def _pack_shape(context: ShapeContext) -> shapes.Shape:
    merged: shapes.Shape = None
    for i, part in enumerate(context.list_dims("values")):
        if not i and part is not None:
            _stacked_axis(context.attrs["axis"], len(part) + 1)
        if not shapes.compatible(merged, part):
            raise ShapeError(
                f"Shapes of all inputs must match: values[0].shape = {shapes.text(merged)} != values[{i}].shape = "
                f"{shapes.text(part)}"
            )
        merged = shapes.merge(merged, part)
    if merged is None:
        return None
    at = _stacked_axis(context.attrs["axis"], len(merged) + 1)
    return (*merged[:at], context.attrs["N"], *merged[at:])


def _stacked_axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ShapeError(f"axis = {axis} not in [{-rank}, {rank})")
    return axis % rank


@PACK.gradient
def _pack_gradient(op, dy):
    """Each value gets its row."""
    return UNPACK(dy, num=op.attrs["N"], axis=op.attrs["axis"])


@UNPACK.kernel
def unpack_kernel(value, axis=0):
    moved = np.moveaxis(value, axis, 0)
    if moved.ndim > 1:
        return [np.array(row, copy=True, order="C") for row in moved]
    return [moved[i : i + 1].reshape(()).copy() for i in range(len(moved))]


@UNPACK.shape
def _unpack_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, count = context.dims("value"), context.attrs["num"]
    if dims is None:
        return [None] * count
    at = _stacked_axis(context.attrs["axis"], len(dims))
    if dims[at] not in (None, count):
        raise ShapeError(f"Input shape axis {at} must equal {count}, got shape {shapes.text(dims)}")
    return [(*dims[:at], *dims[at + 1 :])] * count


@UNPACK.gradient
def _unpack_gradient(op, *dys):
    """The rows' gradients, stacked."""
    return PACK(list(dys), axis=op.attrs["axis"])


CONCAT.case("E22", "the axis comes first", concat_dim=1, values=[[[1], [2]], [[3], [4]]], N=2, output=[[1, 3], [2, 4]])
CONCAT.case("W06", "other sizes agree", concat_dim=0, values=[[[1, 2]], [[3]]], N=2,
            error="Dimension 1 in both shapes must be equal: shape[0] = [1,2] vs. shape[1] = [1,1]")  # fmt: skip
SPLIT.case("E22", "equal parts", split_dim=0, value=[1, 2, 3, 4], num_split=2, output=[[1, 2], [3, 4]])
SPLIT.case("W06", "parts are equal", split_dim=0, value=[1, 2, 3], num_split=2,
           error="should evenly divide the split dimension, but got split_dim 0 (size = 3)")  # fmt: skip
PACK.case("W06", "a new first axis", values=[[1, 2], [3, 4]], N=2, output=[[1, 2], [3, 4]])
PACK.case("W06", "shapes agree", values=[[1, 2], [3]], N=2, error="values[0].shape = [2] != values[1].shape = [1]")
UNPACK.case("W06", "one row each", value=[[1, 2], [3, 4]], num=2, output=[[1, 2], [3, 4]])
PACK.case("W06", "a new last axis", values=[[1, 2], [3, 4]], N=2, axis=-1, output=[[1, 3], [2, 4]])
UNPACK.case("W06", "one column each", value=[[1, 2], [3, 4]], num=2, axis=1, output=[[1, 3], [2, 4]])


def concat(concat_dim: Any, values: Any, name: str = "concat") -> Tensor:
    """`values` joined along axis `concat_dim`, which comes first [E22]."""
    values = list(values) if isinstance(values, (list, tuple)) else [values]
    if isinstance(concat_dim, (list, tuple)):
        raise TypeError(f"concat takes the axis first and then the tensors, got {concat_dim!r} as the axis")
    if len(values) == 1:
        return identity(values[0], name=name)
    return CONCAT(concat_dim, values, name=name)


def split(split_dim: Any, num_split: int, value: Any, name: str = "split") -> list[Tensor]:
    """`value` in `num_split` equal parts along axis `split_dim`, which comes first [E22]."""
    return SPLIT(split_dim, value, num_split=num_split, name=name)


def pack(values: Any, name: str = "pack") -> Tensor:
    """Tensors of one shape as the rows of a new one."""
    return PACK(list(values), name=name)


def unpack(value: Any, num: int | None = None, name: str = "unpack") -> list[Tensor]:
    """The rows of `value`; their number must be known, from its shape or from `num`."""
    value = convert_to_tensor(value, name="value")
    if num is None:
        if not value.dims or value.dims[0] is None:
            raise ValueError(f"unpack needs num: how many rows {value.name!r} has is not known before the step runs")
        num = value.dims[0]
    return UNPACK(value, num=num, name=name)
