"""Turning axes around, rolling them, and shifting what is at their places.

    Reverse: by a bool for each axis      ReverseV2: by axis numbers      ReverseSequence: the first n of each row
    Roll: around the end                  OneHot: an axis with one place for each index

Next: ops/unique.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int8, int32, int64, uint8
from refflow.core.errors import ShapeError, UnimplementedError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_checks import either, need_rank, size_at
from refflow.core.shape_rules import ShapeContext, axes_of
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX
from refflow.ops.elementwise import NEG

REVERSE = define_op("Reverse", "tensor: T, dims: bool[R] -> output: T", T=ANY, source=("W06",))
REVERSE.moves("tensor")
REVERSE_V2 = define_op("ReverseV2", "tensor: T[...S], axis: Tidx -> output: T[...S]", T=ANY, Tidx=INDEX,
                       source=("W06",))  # fmt: skip
REVERSE_V2.moves("tensor")
REVERSE_SEQUENCE = define_op(
    "ReverseSequence", "input: T[...S], seq_lengths: Tlen[N] -> output: T[...S]", seq_dim=Attr("int"), batch_dim=0,
    T=ANY, Tlen=Attr("type", default=int64, allowed=INDICES), source=("W06",),
)  # fmt: skip
REVERSE_SEQUENCE.moves("input")
ROLL = define_op("Roll", "input: T[...S], shift: Tshift, axis: Taxis -> output: T[...S]", T=ANY,
                 Tshift=Attr("type", allowed=INDICES), Taxis=Attr("type", allowed=INDICES), source=("W06",))
ROLL.moves("input")
ONE_HOT = define_op(
    "OneHot", "indices: TI, depth: int32[], on_value: T[], off_value: T[] -> output: T", axis=-1, T=ANY,
    TI=Attr("type", default=int64, allowed=(uint8, int8, int32, int64)), source=("W06",),
)  # fmt: skip


@REVERSE.kernel
def reverse_kernel(tensor, dims):
    if not np.ndim(tensor):
        return tensor
    return np.array(np.flip(tensor, tuple(i for i, turned in enumerate(dims) if turned)), copy=True, order="C")


@REVERSE.shape
def _reverse_shape(context: ShapeContext) -> shapes.Shape:
    dims, given = context.dims("tensor"), context.dims("dims")
    if dims == ():
        return dims  # there is nothing to turn, whatever is asked for
    need_rank(given, 1, "'dims' must be 1-dimension, not {1}")
    if given is not None and dims is not None and given[0] not in (None, len(dims)):
        raise ShapeError(
            "'dims' must have the same number of values as 'input' has dimensions. 'input' has "
            f"{len(dims)}'dims' has {given[0]} values"
        )
    if dims is None and given is not None and given[0] is not None:
        return (None,) * given[0]
    return dims


@REVERSE.gradient
def _reverse_gradient(op, dy):
    """Turned around again."""
    return REVERSE(dy, op.inputs[1]), None


@REVERSE_V2.kernel
def reverse_v2_kernel(tensor, axis):
    rank = np.ndim(tensor)
    if not rank:
        return tensor
    for i, a in enumerate(axis.tolist()):
        if not -rank <= a < rank:
            raise ValueError(f"'axis'[{i}] = {a} is out of valid range [0, {rank - 1}]")
    axes = [a % rank for a in axis.tolist()]
    if len(set(axes)) < len(axes):
        twice = next(a for a in axes if axes.count(a) > 1)
        raise ValueError(f"axis {twice} specified more than once.")
    if rank > 8:
        raise UnimplementedError(None, None, "reverse is not implemented for tensors of rank > 8.")
    return np.array(np.flip(tensor, tuple(axes)), copy=True, order="C")


@REVERSE_V2.shape
def _reverse_v2_shape(context: ShapeContext) -> shapes.Shape:
    if context.dims("tensor") != ():
        need_rank(context.dims("axis"), 1, "'dims' must be 1-dimension, not {1}")
    dims, axes = context.dims("tensor"), context.ints("axis")
    if context.building and dims and axes:
        axes_of(axes, len(dims), "axis")
    return dims


@REVERSE_V2.gradient
def _reverse_v2_gradient(op, dy):
    """Turned around again."""
    return REVERSE_V2(dy, op.inputs[1]), None


@REVERSE_SEQUENCE.kernel
def reverse_sequence_kernel(input, seq_lengths, seq_dim, batch_dim=0):
    """In row n the first seq_lengths[n] places are turned around, the rest stays."""
    length = input.shape[seq_dim]
    if len(seq_lengths) and (seq_lengths.min() < 0 or seq_lengths.max() > length):
        bad = int(np.flatnonzero((seq_lengths < 0) | (seq_lengths > length))[0])
        short = seq_lengths[bad] < 0
        raise ValueError(f"seq_lens({bad}) < 0" if short else f"seq_lens({bad}) > input.dims({seq_dim})")
    moved = np.moveaxis(input, (batch_dim, seq_dim), (0, 1))
    place = np.arange(length)
    lengths = np.asarray(seq_lengths)[:, None]
    source = np.where(place < lengths, lengths - 1 - place, place)
    turned = moved[np.arange(len(seq_lengths))[:, None], source]
    return np.array(np.moveaxis(turned, (0, 1), (batch_dim, seq_dim)), copy=True, order="C")


@REVERSE_SEQUENCE.shape
def _reverse_sequence_shape(context: ShapeContext) -> shapes.Shape:
    dims, lengths = context.dims("input"), context.dims("seq_lengths")
    batch, seq = context.attrs["batch_dim"], context.attrs["seq_dim"]
    need_rank(lengths, 1, "seq_lengths must be 1-dim, not {1}")
    if batch == seq:
        raise ShapeError(f"batch_dim == seq_dim == {seq}")
    if dims is None:
        return None
    for name, axis in (("batch_dim", batch), ("seq_dim", seq)):
        if axis < 0:
            raise ShapeError(f"Invalid {name} {axis}")
        if axis >= len(dims):
            raise ShapeError(f"{name} must be < input rank ( {axis} vs. {len(dims)})")
    if lengths is not None and None not in (dims[batch], lengths[0]) and dims[batch] != lengths[0]:
        raise ShapeError(f"Length of seq_lengths != input.dims({batch}), ({lengths[0]} vs. {dims[batch]})")
    return (*dims[:batch], either(dims[batch], size_at(lengths, 0)), *dims[batch + 1 :])


@REVERSE_SEQUENCE.gradient
def _reverse_sequence_gradient(op, dy):
    """Turned around again."""
    attrs = {k: op.attrs[k] for k in ("seq_dim", "batch_dim")}
    return REVERSE_SEQUENCE(dy, op.inputs[1], **attrs), None


@ROLL.kernel
def roll_kernel(input, shift, axis):
    if np.shape(shift) != np.shape(axis):
        raise ValueError(f"shift and axis must have the same size, got {np.size(shift)} and {np.size(axis)}")
    shifts, axes = [int(s) for s in np.reshape(shift, -1)], [int(a) for a in np.reshape(axis, -1)]
    for a in axes:
        if not -input.ndim <= a < input.ndim:
            raise ValueError(f"axis {a if a >= 0 else a + input.ndim} is out of range")
    return np.roll(input, shifts, axes)


@ROLL.shape
def _roll_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("input")
    if dims == ():
        raise ShapeError("input must be 1-D or higher")
    given = context.dims("shift"), context.dims("axis")
    for name, vector in zip(("shift", "axis"), given, strict=True):
        if vector is not None and len(vector) > 1:
            raise ShapeError(f"{name} must be a scalar or a 1-D vector. Found: {shapes.text(vector)}")
    if None not in given and len(given[0]) != len(given[1]):  # type: ignore[arg-type]
        raise ShapeError("shift and axis must have the same size: both one number, or both a vector")
    return dims


@ROLL.gradient
def _roll_gradient(op, dy):
    """Rolled back."""
    return ROLL(dy, NEG(op.inputs[1]), op.inputs[2]), None, None


@ONE_HOT.kernel
def one_hot_kernel(indices, depth, on_value, off_value, axis=-1):
    count = int(depth)
    if count < 0:
        raise ValueError(f"depth must be non-negative, got: {count}")
    dims = np.shape(indices)
    at = len(dims) if axis == -1 else axis
    which = np.reshape(indices, (prod(dims[:at]), prod(dims[at:]))).astype(np.int64)
    before, behind = (np.arange(size) for size in which.shape)
    places = (before[:, None] * count + which) * len(behind) + behind
    found = np.empty(which.size * count, np.asarray(off_value).dtype)
    found[...] = off_value
    found[places[(which >= 0) & (which < count)]] = np.asarray(on_value)[()]
    return found.reshape(*dims[:at], count, *dims[at:])


@ONE_HOT.shape
def _one_hot_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("depth", "on_value", "off_value"):
        if context.dims(name):
            raise ShapeError(f"{name} must be a scalar, but got: {shapes.text(context.dims(name))}")
    dims, depth, axis = context.dims("indices"), context.ints("depth"), context.attrs["axis"]
    if dims is None:
        return None
    if not -1 <= axis <= len(dims):
        raise ShapeError(f"Expected axis to be -1 or between [0, {len(dims) + 1}).  But received: {axis}")
    count = None if depth is None else depth[0]
    if count is not None and count < 0:
        raise ShapeError(f"depth must be non-negative, got: {count}")
    at = len(dims) if axis == -1 else axis
    return (*dims[:at], count, *dims[at:])


ONE_HOT.no_gradient()

REVERSE.case("W06", "by a bool for each axis", tensor=[[1, 2], [3, 4]], dims=[False, True], output=[[2, 1], [4, 3]])
REVERSE_V2.case("W06", "by axis numbers", tensor=[[1, 2], [3, 4]], axis=[0], output=[[3, 4], [1, 2]])
REVERSE_V2.case("W06", "a scalar stays as it is", tensor=3, axis=[0], output=3)
REVERSE_V2.case("W06", "each axis once", tensor=[1, 2], axis=[0, -1], error="axis 0 specified more than once")
REVERSE_V2.case("W06", "up to eight axes", tensor=np.zeros((1,) * 9, np.float32), axis=[0],
                error="reverse is not implemented for tensors of rank > 8")  # fmt: skip
REVERSE_SEQUENCE.case("W06", "the first of each row", Tlen="int32", input=[[1, 2, 3], [4, 5, 6]], seq_lengths=[2, 3],
                      seq_dim=1, output=[[2, 1, 3], [6, 5, 4]])  # fmt: skip
REVERSE_SEQUENCE.case("W06", "no longer than the row", Tlen="int32", input=[[1, 2]], seq_lengths=[3], seq_dim=1,
                      error="seq_lens(0) > input.dims(1)")  # fmt: skip
ROLL.case("W06", "around the end", Tshift="int32", Taxis="int32", input=[1, 2, 3, 4], shift=1, axis=0,
          output=[4, 1, 2, 3])  # fmt: skip
ONE_HOT.case("W06", "one place each", TI="int32", indices=[0, 2, -1], depth=3, on_value=1, off_value=0,
             output=[[1, 0, 0], [0, 0, 1], [0, 0, 0]])  # fmt: skip
ONE_HOT.case("W06", "the axis first", TI="int32", indices=[1], depth=2, on_value=5, off_value=1, axis=0,
             output=[[1], [5]])  # fmt: skip


def reverse(tensor: Any, dims: Any, name: str | None = None) -> Tensor:
    """`tensor` with the axes turned around for which `dims`, one bool each, is true."""
    return REVERSE(tensor, dims, name=name)


def reverse_sequence(
    input: Any, seq_lengths: Any, seq_dim: int, name: str | None = None, batch_dim: int = 0
) -> Tensor:
    """The first seq_lengths[n] places along `seq_dim` turned around in each row n along `batch_dim`."""
    return REVERSE_SEQUENCE(input, seq_lengths, seq_dim=seq_dim, batch_dim=batch_dim, name=name)
