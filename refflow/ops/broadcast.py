"""Which axes a broadcast stretched, so that a gradient can be summed back over them [S17].

    s0 = [64, 10], s1 = [10]     ->     r0 = [], r1 = [0]

As in TensorFlow, where the shapes differ at all, every axis of size 1 is listed, also one that the other has
with size 1: summing over it changes nothing.

Next: ops/elementwise.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

BROADCAST_GRADIENT_ARGS = define_op(
    "BroadcastGradientArgs",
    "s0: T[A], s1: T[B] -> r0: T[C], r1: T[D]",
    T=Attr("type", default=int32, allowed=INDICES),
    source=("S17",),
)
BROADCAST_GRADIENT_ARGS.no_gradient()


@BROADCAST_GRADIENT_ARGS.kernel
def broadcast_gradient_args(s0, s1):
    rank = max(len(s0), len(s1))
    a = [1] * (rank - len(s0)) + s0.tolist()
    b = [1] * (rank - len(s1)) + s1.tolist()
    for axis in range(rank):
        if a[axis] != b[axis] and 1 not in (a[axis], b[axis]):
            first, second = shapes.text(tuple(s0.tolist())), shapes.text(tuple(s1.tolist()))
            raise ValueError(f"Incompatible shapes: {first} vs. {second}: {a[axis]} meets {b[axis]}")
    if a == b and len(s0) == len(s1):
        a = b = []  # nothing was stretched
    r0 = [i for i, size in enumerate(a) if size == 1]
    r1 = [i for i, size in enumerate(b) if size == 1]
    return np.array(r0, s0.dtype), np.array(r1, s1.dtype)


@BROADCAST_GRADIENT_ARGS.shape
def _broadcast_gradient_args_shape(context: ShapeContext) -> list[shapes.Shape]:
    """As many axes as will be listed, where the sizes are known while building."""
    check_vectors(context)
    s0, s1 = context.ints("s0"), context.ints("s1")
    if s0 is None or s1 is None or not _fit(s0, s1):
        return [(None,), (None,)]
    found = broadcast_gradient_args(np.array(s0, np.int64), np.array(s1, np.int64))
    return [(len(axes),) for axes in found]


def check_vectors(context: ShapeContext) -> None:
    """ShapeError unless each input is a vector of sizes."""
    for i, dims in enumerate(context.inputs):
        if dims is not None and len(dims) != 1:
            raise ShapeError(f"In[{i}] must be a vector.{shapes.text(dims)}")


def _fit(s0: Sequence[int], s1: Sequence[int]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(reversed(s0), reversed(s1), strict=False))


BROADCAST_GRADIENT_ARGS.case("S17", "a vector was stretched over the rows", s0=[64, 10], s1=[10], r0=[], r1=[0])
BROADCAST_GRADIENT_ARGS.case("S17", "each operand may be stretched", s0=[3, 1], s1=[1, 4], r0=[1], r1=[0])
BROADCAST_GRADIENT_ARGS.case("S17", "a size of 1 in both counts for both", s0=[1, 1], s1=[4, 1], r0=[0, 1], r1=[1])
BROADCAST_GRADIENT_ARGS.case("S17", "equal shapes stretch nothing", s0=[2, 3], s1=[2, 3], r0=[], r1=[])
BROADCAST_GRADIENT_ARGS.case("S17", "sizes must fit", s0=[2], s1=[3], error="Incompatible shapes: [2] vs. [3]")


def unbroadcast(inputs: Sequence[Tensor], dx: Any, dy: Any) -> tuple[Tensor, Tensor]:
    """dx and dy summed over the axes along which x and y were stretched, in their shapes.

    Each may be a tensor, or a function that builds one: the release builds the shapes first, and node
    names follow the order of building. In a loop or a branch no nodes are built for shapes that are known: they would
    run in each iteration, and what they ask the shape of would be kept for them.
    """
    from refflow.ops.array import reshape, shape
    from refflow.ops.reductions import reduce_sum

    x, y = inputs
    if x.graph._context is not None and shapes.is_known(x.dims) and shapes.is_known(y.dims):
        axes = broadcast_gradient_args(np.array(x.dims, np.int32), np.array(y.dims, np.int32))
        found = [(d() if callable(d) else d, a, t) for d, a, t in zip((dx, dy), axes, inputs, strict=True)]
        first, second = (reshape(reduce_sum(d, a), t.dims) if len(a) else d for d, a, t in found)
        return first, second
    sx, sy = shape(x), shape(y)
    rx, ry = BROADCAST_GRADIENT_ARGS(sx, sy)
    dx = dx() if callable(dx) else dx
    first = reshape(reduce_sum(dx, rx), sx)
    dy = dy() if callable(dy) else dy
    return first, reshape(reduce_sum(dy, ry), sy)
