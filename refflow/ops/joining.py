"""Cutting and joining: slices, padding, concatenation, splitting, and the order of the axes.

Next: ops/broadcast.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX, identity, rank, reshape, shape, size

SLICE = define_op("Slice", "input: T, begin: Index[R], size: Index[R] -> output: T", T=ANY,
                  Index=Attr("type", allowed=INDICES), source=("W06",))  # fmt: skip
PAD = define_op("Pad", "input: T, paddings: Tpaddings[R, 2] -> output: T", T=ANY, Tpaddings=INDEX, source=("W06",))
CONCAT = define_op("Concat", "concat_dim: int32[], values: N * T -> output: T", N=Attr("int", minimum=1), T=ANY,
                   source=("W06", "W32", "E22"))  # fmt: skip
SPLIT = define_op("Split", "split_dim: int32[], value: T -> output: num_split * T", num_split=Attr("int", minimum=1),
                  T=ANY, source=("W06", "W31", "E22"))  # fmt: skip
PACK = define_op("Pack", "values: N * T[...S] -> output: T", N=Attr("int", minimum=1), T=ANY, axis=0, source=("W06",))
UNPACK = define_op("Unpack", "value: T -> output: num * T", num=Attr("int", minimum=0), T=ANY, axis=0,
                   source=("W06",))  # fmt: skip
TRANSPOSE = define_op("Transpose", "x: T, perm: Tperm[R] -> y: T", T=ANY, Tperm=INDEX, source=("W06",))
CONJUGATE_TRANSPOSE = define_op("ConjugateTranspose", "x: T, perm: Tperm[R] -> y: T", T=ANY, Tperm=INDEX,
                                source=("W06",))  # fmt: skip


@SLICE.kernel
def slice_kernel(input, begin, size):
    stops = [d if s == -1 else b + s for b, s, d in zip(begin, size, input.shape, strict=True)]
    return input[tuple(slice(int(b), int(e)) for b, e in zip(begin, stops, strict=True))].copy()


@SLICE.shape
def _slice_shape(context: ShapeContext) -> shapes.Shape:
    dims, begin, size = context.dims("input"), context.ints("begin"), context.ints("size")
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
        if b is not None and (b < 0 or (d is not None and b > d)):
            raise ShapeError(f"Expected begin[{axis}] in [0, {d}], but got {b}")
        if length == -1:
            length = None if d is None or b is None else d - b  # type: ignore[assignment]
        if b is not None and length is not None and (length < 0 or (d is not None and b + length > d)):
            raise ShapeError(f"Expected size[{axis}] in [0, {'?' if d is None else d - b}], but got {length}")
        found.append(length)
    return tuple(found)


@SLICE.gradient
def _slice_gradient(op, dy):
    """dx = dy where it was cut out, zero around it."""
    x, begin, _ = op.inputs
    before = reshape(begin, [-1, 1]) if begin.dtype.base_dtype is int32 else reshape(_to_int32(begin), [-1, 1])
    after = reshape(shape(x) - shape(op.outputs[0]), [-1, 1]) - before
    return pad(dy, concat(1, [before, after])), None, None


def _to_int32(x: Tensor) -> Tensor:
    from refflow.ops.elementwise import cast

    return cast(x, int32)


@PAD.kernel
def pad_kernel(input, paddings):
    filling = b"" if input.dtype == object else 0
    return np.pad(input, [tuple(int(n) for n in row) for row in paddings], constant_values=filling)


@PAD.shape
def pad_shape(context: ShapeContext) -> shapes.Shape:
    """The input's sizes with the paddings before and after."""
    dims, paddings = context.dims("input"), context.ints("paddings")
    check_paddings(context.dims("paddings"), paddings, dims)
    if dims is None or paddings is None:
        return None if dims is None else (None,) * len(dims)
    return tuple(None if d is None else d + paddings[2 * i] + paddings[2 * i + 1] for i, d in enumerate(dims))


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


@CONCAT.kernel
def concat_kernel(concat_dim, values):
    return np.concatenate(values, axis=int(np.reshape(concat_dim, ())))


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
    for i, part in known:
        if len(part) != len(like):
            raise ShapeError(
                f"ConcatOp : Ranks of all input tensors should match: shape[{first}] = {shapes.text(like)} vs. "
                f"shape[{i}] = {shapes.text(part)}"
            )
    rank = len(like)
    if axis is None:
        return (None,) * rank
    if not rank:
        raise ShapeError("ConcatOp : Can't concatenate scalars (use tf.stack instead)")
    if not -rank <= axis[0] < rank:
        raise ShapeError(
            f"ConcatOp : Expected concatenating dimensions in the range [{-rank}, {rank}), but got {axis[0]}"
        )
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
    from refflow.ops.elementwise import cast
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
    return np.stack(values, axis)


@PACK.shape
def _pack_shape(context: ShapeContext) -> shapes.Shape:
    merged: shapes.Shape = None
    for i, part in enumerate(context.list_dims("values")):
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
    return UNPACK(dy, num=op.get_attr("N"), axis=op.get_attr("axis"))


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
    return PACK(list(dys), axis=op.get_attr("axis"))


@TRANSPOSE.kernel
def transpose_kernel(x, perm):
    return np.array(np.transpose(x, [int(p) for p in perm]), copy=True, order="C")


@CONJUGATE_TRANSPOSE.kernel
def conjugate_transpose_kernel(x, perm):
    return np.conj(transpose_kernel(x, perm)) if np.iscomplexobj(x) else transpose_kernel(x, perm)


@CONJUGATE_TRANSPOSE.shape
@TRANSPOSE.shape
def _transpose_shape(context: ShapeContext) -> shapes.Shape:
    dims, perm, given = context.dims("x"), context.ints("perm"), context.dims("perm")
    if given is not None and len(given) != 1:
        raise ShapeError(f"perm must be rank 1, got shape {shapes.text(given)}")
    rank = given[0] if given is not None and dims is None else None if dims is None else len(dims)
    if given is not None and given[0] not in (None, rank):
        raise ShapeError(f"transpose expects a vector of size {rank}. But input(1) is a vector of size {given[0]}")
    if perm is None or dims is None:
        return None if rank is None else (None,) * rank
    return tuple(dims[p] for p in _places(perm))


def _places(perm: list[int]) -> list[int]:
    """A permutation with its negative places counted from the end."""
    rank = len(perm)
    for p in perm:
        if not -rank <= p < rank:
            raise ShapeError(f"{p if p >= 0 else p + rank} is out of range [0 .. {rank})")
    found = [p % rank for p in perm]
    for i in range(rank):
        if i not in found:
            raise ShapeError(f"{i} is missing from {{{','.join(map(str, perm))}}}.")
    return found


INVERT_PERMUTATION = define_op("InvertPermutation", "x: T[N] -> y: T[N]",
                               T=Attr("type", default=int32, allowed=INDICES), source=("W06",))  # fmt: skip
INVERT_PERMUTATION.no_gradient()


@INVERT_PERMUTATION.shape
def _invert_permutation_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("x")
    if dims is not None and len(dims) != 1:
        raise ShapeError("invert_permutation expects a 1D vector.")
    return (None,) if dims is None else dims


@INVERT_PERMUTATION.kernel
def invert_permutation_kernel(x):
    if len(x) and (x.min() < 0 or x.max() >= len(x)):
        bad = int(x[(x < 0) | (x >= len(x))][0])
        raise ValueError(f"{bad} is not between 0 and {len(x)}: x = {x.tolist()} is no permutation")
    if len(np.unique(x)) < len(x):
        twice = int(np.flatnonzero(np.bincount(x) > 1)[0])
        raise ValueError(f"{twice} is duplicated in the input. x = {x.tolist()} is no permutation")
    return np.argsort(x).astype(x.dtype)


@CONJUGATE_TRANSPOSE.gradient
def _conjugate_transpose_gradient(op, dy):
    """The axes go back to where they came from, mirrored again."""
    return CONJUGATE_TRANSPOSE(dy, INVERT_PERMUTATION(op.inputs[1])), None


@TRANSPOSE.gradient
def _transpose_gradient(op, dy):
    """The axes go back to where they came from."""
    return transpose(dy, INVERT_PERMUTATION(op.inputs[1])), None


SLICE.case("W06", "a block", input=[[1, 2, 3], [4, 5, 6]], begin=[0, 1], size=[2, 2], Index="int32",
           output=[[2, 3], [5, 6]])  # fmt: skip
SLICE.case("W06", "-1 goes to the end", input=[1, 2, 3], begin=[1], size=[-1], Index="int32", output=[2, 3])
SLICE.case("W06", "blocks lie inside", input=[1, 2, 3], begin=[2], size=[2], Index="int32",
           error="Expected size[0] in [0, 1], but got 2")  # fmt: skip
PAD.case("W06", "zeros around", input=[[1]], paddings=[[1, 0], [0, 2]], output=[[0, 0, 0], [1, 0, 0]])
CONCAT.case("E22", "the axis comes first", concat_dim=1, values=[[[1], [2]], [[3], [4]]], N=2, output=[[1, 3], [2, 4]])
CONCAT.case("W06", "other sizes agree", concat_dim=0, values=[[[1, 2]], [[3]]], N=2,
            error="Dimension 1 in both shapes must be equal: shape[0] = [1,2] vs. shape[1] = [1,1]")  # fmt: skip
SPLIT.case("E22", "equal parts", split_dim=0, value=[1, 2, 3, 4], num_split=2, output=[[1, 2], [3, 4]])
SPLIT.case("W06", "parts are equal", split_dim=0, value=[1, 2, 3], num_split=2,
           error="should evenly divide the split dimension, but got split_dim 0 (size = 3)")  # fmt: skip
PACK.case("W06", "a new first axis", values=[[1, 2], [3, 4]], N=2, output=[[1, 2], [3, 4]])
PACK.case("W06", "shapes agree", values=[[1, 2], [3]], N=2, error="values[0].shape = [2] != values[1].shape = [1]")
UNPACK.case("W06", "one row each", value=[[1, 2], [3, 4]], num=2, output=[[1, 2], [3, 4]])
TRANSPOSE.case("W06", "rows become columns", x=[[1, 2, 3], [4, 5, 6]], perm=[1, 0], y=[[1, 4], [2, 5], [3, 6]])
TRANSPOSE.case("W06", "each axis once", x=[[1, 2]], perm=[0, 0], error="1 is missing from {0,0}.")
CONJUGATE_TRANSPOSE.case("W06", "rows become columns", x=[[1, 2, 3], [4, 5, 6]], perm=[1, 0],
                         y=[[1, 4], [2, 5], [3, 6]])  # fmt: skip
PACK.case("W06", "a new last axis", values=[[1, 2], [3, 4]], N=2, axis=-1, output=[[1, 3], [2, 4]])
UNPACK.case("W06", "one column each", value=[[1, 2], [3, 4]], num=2, axis=1, output=[[1, 3], [2, 4]])
INVERT_PERMUTATION.case("W06", "each place once", x=[0, 0], error="0 is duplicated in the input")
INVERT_PERMUTATION.case("W06", "where each went", x=[2, 0, 1], y=[1, 2, 0])


def slice_(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """The block of `input_` that starts at `begin` and has `size`; -1 reaches to the end."""
    input_ = convert_to_tensor(input_, name="input")
    index = next((t.dtype.base_dtype for t in (begin, size) if isinstance(t, Tensor)), int32)
    return SLICE(input_, begin, size, Index=index, name=name)


def pad(input: Any, paddings: Any, name: str | None = None) -> Tensor:
    """`input` with `paddings[i] = (before, after)` zeros along axis i."""
    return PAD(input, paddings, name=name)


def concat(concat_dim: Any, values: Any, name: str = "concat") -> Tensor:
    """`values` joined along axis `concat_dim`, which comes first [E22]."""
    values = list(values) if isinstance(values, (list, tuple)) else [values]
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


def transpose(a: Any, perm: Any = None, name: str = "transpose") -> Tensor:
    """`a` with its axes in the order `perm`, or reversed."""
    a = convert_to_tensor(a, name="a")
    if perm is None:
        from refflow.ops.range import range_

        if a.dims is not None:
            perm = np.arange(len(a.dims), dtype=np.int32)[::-1]
        else:
            perm = (rank(a) - 1) - range_(0, rank(a))
    return TRANSPOSE(a, perm, name=name)
