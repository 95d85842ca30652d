"""Broadcasting made visible, and borders that are not zero.

    BroadcastTo, BroadcastArgs      PadV2: any constant      MirrorPad: REFLECT without the edge, SYMMETRIC with it

Next: ops/nd.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY, INDEX, reshape, shape
from refflow.ops.broadcast import BROADCAST_GRADIENT_ARGS, check_vectors
from refflow.ops.constant import shape_from
from refflow.ops.reductions import reduce_sum
from refflow.ops.slicing import check_paddings, pad_shape, padded, slice_, widths

BROADCAST_TO = define_op("BroadcastTo", "input: T, shape: Tidx[R] -> output: T", T=ANY, Tidx=INDEX, source=("S17",))
BROADCAST_TO.moves("input")
BROADCAST_ARGS = define_op("BroadcastArgs", "s0: T[A], s1: T[B] -> r0: T[C]",
                           T=Attr("type", default=int32, allowed=INDICES), source=("S17",))  # fmt: skip
PAD_V2 = define_op("PadV2", "input: T, paddings: Tpaddings[R, 2], constant_values: T[] -> output: T", T=ANY,
                   Tpaddings=INDEX, source=("W06",))  # fmt: skip
PAD_V2.moves("input")
MODES = Attr("string", allowed=("REFLECT", "SYMMETRIC"))
MIRROR_PAD = define_op("MirrorPad", "input: T, paddings: Tpaddings[R, 2] -> output: T", T=ANY, Tpaddings=INDEX,
                       mode=MODES, source=("W06",))  # fmt: skip
MIRROR_PAD.moves("input")
MIRROR_PAD_GRAD = define_op("MirrorPadGrad", "input: T, paddings: Tpaddings[R, 2] -> output: T", T=ANY,
                            Tpaddings=INDEX, mode=MODES, accuracy="dot", source=("W30",))  # fmt: skip
BROADCAST_ARGS.no_gradient()


@BROADCAST_TO.kernel
def broadcast_to_kernel(input, shape):
    return np.array(np.broadcast_to(input, tuple(int(s) for s in shape)), copy=True, order="C")


@BROADCAST_TO.shape
def _broadcast_to_shape(context: ShapeContext) -> shapes.Shape:
    given = context.dims("shape")
    if given is not None and len(given) != 1:
        raise ShapeError(f"shape must be a vector of {{int32,int64}}, got shape {shapes.text(given)}")
    dims, wanted = context.dims("input"), shape_from(context, "shape")
    if dims is not None and wanted is not None:
        if len(dims) > len(wanted):
            raise ShapeError(
                f"Rank of input ({len(dims)}) must be no greater than rank of output shape ({len(wanted)})."
            )
        for have, want in zip(reversed(dims), reversed(wanted), strict=False):
            if have not in (1, None, want) and want is not None:
                raise ShapeError(
                    f"Incompatible shapes: {shapes.text(dims)} vs. {shapes.text(wanted)}: Unable to broadcast tensor "
                    f"of shape {shapes.text(dims)} to tensor of shape {shapes.text(wanted)}"
                )
        if len(dims) == len(wanted):  # an axis that is longer than 1 stays as it is
            return tuple(have if want is None and have != 1 else want for have, want in zip(dims, wanted, strict=True))
    return wanted


@BROADCAST_TO.gradient
def _broadcast_to_gradient(op, dy):
    """dx: the sum over the axes that were stretched."""
    x = op.inputs[0]
    sizes = shape(x)
    over, _ = BROADCAST_GRADIENT_ARGS(sizes, shape(dy))
    return reshape(reduce_sum(dy, over), sizes), None


@BROADCAST_ARGS.shape
def _broadcast_args_shape(context: ShapeContext) -> shapes.Shape:
    """As many sizes as the longer one has."""
    check_vectors(context)
    ranks = [dims[0] for dims in context.inputs if dims is not None and dims[0] is not None]
    return (max(ranks) if len(ranks) == 2 else None,)


@BROADCAST_ARGS.kernel
def broadcast_args_kernel(s0, s1):
    rank = max(len(s0), len(s1))
    a, b = (np.concatenate([np.ones(rank - len(s), s.dtype), s]) for s in (s0, s1))
    if not ((a == b) | (a == 1) | (b == 1)).all():
        raise ValueError(f"Incompatible shapes: {shapes.text(s0.tolist())} vs. {shapes.text(s1.tolist())}")
    return np.where(a == 1, b, a)


@PAD_V2.kernel
def pad_v2_kernel(input, paddings, constant_values):
    value = constant_values.item() if isinstance(constant_values, np.ndarray) else constant_values
    return padded(input, paddings, constant_values=value)


@PAD_V2.shape
def _pad_v2_shape(context: ShapeContext) -> shapes.Shape:
    if context.dims("constant_values"):
        raise ShapeError(f"constant_values must be a scalar. Found: {shapes.text(context.dims('constant_values'))}")
    return pad_shape(context)


@PAD_V2.gradient
def _pad_v2_gradient(op, dy):
    """dx is cut out of dy; the constant gets what the border got."""
    x, paddings, _ = op.inputs
    before = reshape(slice_(paddings, [0, 0], [-1, 1]), [-1])
    sizes = shape(x)
    if before.dtype.base_dtype is not sizes.dtype:
        from refflow.ops.cast import cast

        sizes = cast(sizes, before.dtype)
    dx = slice_(dy, before, sizes)
    return dx, None, reduce_sum(dy) - reduce_sum(dx)


def _mirror_mode(mode: str) -> Any:
    return "reflect" if mode == "REFLECT" else "symmetric"


@MIRROR_PAD.kernel
def mirror_pad_kernel(input, paddings, mode):
    around = widths(paddings)
    _check_mirrors(around, input.shape, mode, "")
    return padded(input, around, mode=_mirror_mode(mode)) if input.size else padded(input, around)


def _check_mirrors(around: list[tuple[int, int]], sizes: tuple[int, ...], mode: str, which: str) -> None:
    """ValueError where an axis has too few elements to be seen in its mirrors."""
    for size, (before, after) in zip(sizes, around, strict=True):
        if mode == "REFLECT" and max(before, after) >= size:
            raise ValueError(
                f"paddings must be less than the {which}dimension size: {before}, {after} not less than {size}"
            )
        if max(before, after) > size and mode != "REFLECT":
            raise ValueError(
                f"paddings must be no greater than the {which}dimension size: {before}, {after} greater than {size}"
            )


@MIRROR_PAD.shape
def _mirror_pad_shape(context: ShapeContext) -> shapes.Shape:
    """As of Pad; what is wrong is said in MirrorPad's own words."""
    given, dims, paddings = context.dims("paddings"), context.dims("input"), context.ints("paddings")
    if given and dims is not None and given[0] not in (None, len(dims)):
        told = f"{shapes.text(given)}, {shapes.text(dims)}"
        raise ShapeError(f"The first dimension of paddings must be the rank of inputs{told}")
    for before, after in zip(paddings[::2], paddings[1::2], strict=False) if paddings else ():
        if before < 0 or after < 0:
            raise ShapeError(f"paddings must be non-negative: {before} {after}")
    return pad_shape(context)


@MIRROR_PAD.gradient
def _mirror_pad_gradient(op, dy):
    """Every mirrored element's gradient goes back to its original."""
    return MIRROR_PAD_GRAD(dy, op.inputs[1], mode=op.attrs["mode"]), None


@MIRROR_PAD_GRAD.kernel
def mirror_pad_grad_kernel(input, paddings, mode):
    """Folds the borders back, axis by axis."""
    found = input
    around = widths(paddings)
    sizes = tuple(size - sum(both) for size, both in zip(input.shape, around, strict=True))
    for size, both in zip(input.shape, around, strict=True):
        if sum(both) >= size and sum(both):
            raise ValueError(
                f"Total paddings must be less than the input dimension size: {sum(both)} was not less than {size}"
            )
    _check_mirrors(around, sizes, mode, "output ")
    for axis, (before, after) in enumerate(around):
        if before or after:
            found = np.moveaxis(_folded(np.moveaxis(found, axis, 0), before, after, mode == "REFLECT"), 0, axis)
    return np.array(found, copy=True, order="C")


def _folded(x: np.ndarray, before: int, after: int, skip: int) -> np.ndarray:
    """x without its borders, which are added turned round, `skip` places off the edge."""
    end = len(x) - after
    total = x[before:end].copy(order="K")
    total[skip : skip + before] += x[:before][::-1]
    total[len(total) - skip - after : len(total) - skip] += x[end:][::-1]
    return total


@MIRROR_PAD_GRAD.shape
def _mirror_pad_grad_shape(context: ShapeContext) -> shapes.Shape:
    dims, paddings = context.dims("input"), context.ints("paddings")
    check_paddings(context.dims("paddings"), paddings, dims)
    if dims is None or paddings is None:
        rank = size_at(context.dims("paddings"), 0) if dims is None else len(dims)
        return None if rank is None else (None,) * rank
    found = tuple(None if d is None else d - paddings[2 * i] - paddings[2 * i + 1] for i, d in enumerate(dims))
    if context.building and min((d for d in found if d is not None), default=0) < 0:
        raise ShapeError(f"Negative dimension size: paddings {paddings} are wider than the input {shapes.text(dims)}")
    return found


@MIRROR_PAD_GRAD.gradient
def _mirror_pad_grad_gradient(op, dz):
    """Every original's gradient is seen in its mirrors."""
    return MIRROR_PAD(dz, op.inputs[1], mode=op.attrs["mode"]), None


BROADCAST_TO.case("S17", "stretched", input=[[1], [2]], shape=[2, 3], output=[[1, 1, 1], [2, 2, 2]])
BROADCAST_TO.case("S17", "sizes fit", input=[1, 2], shape=[3], error="Incompatible shapes")
BROADCAST_ARGS.case("S17", "the common shape", s0=[3, 1], s1=[4], r0=[3, 4])
BROADCAST_ARGS.case("S17", "shapes are vectors", s0=[[3]], s1=[4], error="In[0] must be a vector.[1,1]")
PAD_V2.case("W06", "a scalar has no border", input=7, paddings=np.zeros((0, 2), np.int32), constant_values=9, output=7)
MIRROR_PAD.case("W06", "a scalar has no border", input=7, paddings=np.zeros((0, 2), np.int32), mode="REFLECT",
                output=7)  # fmt: skip
PAD_V2.case("W06", "any border", input=[1, 2], paddings=[[1, 1]], constant_values=9, output=[9, 1, 2, 9])
MIRROR_PAD.case("W06", "nothing is cut off", input=[1, 2, 3], paddings=[[-1, 0]], mode="REFLECT",
                error="paddings must be non-negative: -1 0")  # fmt: skip
MIRROR_PAD.case("W06", "two numbers an axis", input=[1, 2, 3], paddings=[[1, 1], [0, 0]], mode="REFLECT",
                error="The first dimension of paddings must be the rank of inputs[2,2], [3]")  # fmt: skip
MIRROR_PAD.case("W06", "without the edge", input=[1, 2, 3], paddings=[[2, 1]], mode="REFLECT",
                output=[3, 2, 1, 2, 3, 2])  # fmt: skip
MIRROR_PAD.case("W06", "with the edge", input=[1, 2, 3], paddings=[[2, 1]], mode="SYMMETRIC",
                output=[2, 1, 1, 2, 3, 3])  # fmt: skip
MIRROR_PAD_GRAD.case("W30", "folded back", input=[1, 10, 100, 1000], paddings=[[1, 0]], mode="REFLECT",
                     output=[10, 101, 1000])  # fmt: skip
