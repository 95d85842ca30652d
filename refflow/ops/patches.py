"""Patches: what a window sees at each of its places, laid out along the channels [W74].

    patches[n, y, x, (i, j, c)] = image[n, y * stride + i * rate - pad, x * stride + j * rate - pad, c]

That is a convolution with the identity as its filter, and the gradient is that convolution's.

Next: ops/windows.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import NUMBERS, REALS, bool_
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.registry import op_def
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import reshape, shape
from refflow.ops.joining import pack
from refflow.ops.slicing import slice_
from refflow.ops.transpose import transpose
from refflow.ops.windows import padded, places, sizes_out, windows

_PADDING = Attr("string", allowed=("SAME", "VALID"))


def _ints(rank: int) -> Attr:
    return Attr("list(int)", minimum=rank + 2)


def _settings(attrs: dict[str, Any], rank: int) -> tuple[list[int], list[int], list[int]]:
    """Sizes, strides and rates in space, of attributes that must be 1 elsewhere."""
    found = []
    for name in ("ksizes", "strides", "rates"):
        values = attrs.get(name) or [1] * (rank + 2)
        if values[0] != 1 or values[-1] != 1:
            raise errors.UnimplementedError(None, None, f"Only support {name} across space.")
        if min(values) < 1:
            raise errors.OutOfRangeError(None, None, f"{name} is out of range.")
        found.append([int(v) for v in values[1:-1]])
    return found[0], found[1], found[2]


def _patches(image: np.ndarray, attrs: dict[str, Any]) -> np.ndarray:
    rank = image.ndim - 2
    ks, strides, rates = _settings(attrs, rank)
    axes = windows(image.shape[1:-1], ks, strides, rates, attrs["padding"])
    framed = padded(image, axes)
    seen = [framed[view] for _, view in places(axes)]  # one for each place of the window, in order
    found = np.stack(seen, axis=-2)
    return found.reshape(*found.shape[:-2], prod(found.shape[-2:]))


def _patches_shape(context: ShapeContext) -> shapes.Shape:
    name = context.op_def.inputs[0].name
    rank = 2 if name == "images" else 3
    dims, attrs = context.dims(name), context.attrs
    if dims is None:
        return (None,) * (rank + 2)
    if len(dims) != rank + 2:
        raise ShapeError(f"input must be {rank + 2}-dimensional{shapes.text(dims)}")
    least = min(min(attrs[k], default=0) for k in ("ksizes", "strides", "rates") if k in attrs)
    if least < 1:
        if context.building:
            raise ShapeError(f"ksizes, strides and rates must be > 0, but one of them is {least}")
        return (dims[0], *(None,) * (rank + 1))  # the kernel says what is wrong
    ks, rates = attrs["ksizes"][1:-1], attrs.get("rates", [1] * (rank + 2))[1:-1]
    for key in ("ksizes", "strides", "rates"):
        if context.building and len(attrs.get(key, dims)) != rank + 2:
            raise ShapeError(f"{name}: {key} must have {rank + 2} values, got {len(attrs[key])}")
    outs = sizes_out(dims[1:-1], ks, attrs["strides"][1:-1], rates, attrs["padding"])
    depth = dims[-1]
    return (dims[0], *outs, None if depth is None else depth * prod(ks))


def _patches_gradient(op, dy):
    """Channels as a batch of their own: each place of the window gives back to where it looked."""
    image = op.inputs[0]
    rank = 2 if op.type == "ExtractImagePatches" else 3
    ks, strides = op.attrs["ksizes"][1:-1], op.attrs["strides"]
    count, kind = prod(ks), image.dtype.base_dtype
    dims, given = shape(image), shape(dy)

    def size(of, i):
        return reshape(slice_(of, [i], [1]), [])

    space = [size(dims, i) for i in range(1, rank + 1)]
    batch, depth = size(dims, 0), size(dims, rank + 1)
    outs = [size(given, i) for i in range(1, rank + 1)]
    split = reshape(dy, pack([batch, *outs, np.int32(count), depth]))
    first = transpose(split, [0, rank + 2, *range(1, rank + 2)])  # batch, channels, space, places
    flat = reshape(first, pack([batch * depth, *outs, np.int32(count)]))
    identity = np.eye(count, dtype=np.float64).reshape(*ks, 1, count).astype(kind.as_numpy_dtype)
    more = {"dilations": op.attrs["rates"]} if rank == 2 else {}
    back = op_def("Conv2DBackpropInput" if rank == 2 else "Conv3DBackpropInputV2")
    found = back(pack([batch * depth, *space, np.int32(1)]), identity, flat, strides=strides,
                 padding=op.attrs["padding"], **more)  # fmt: skip
    found = reshape(found, pack([batch, depth, *space]))
    return transpose(found, [0, *range(2, rank + 2), 1])


IMAGE_PATCHES: OpDef = define_op(
    "ExtractImagePatches", "images: T -> patches: T", ksizes=_ints(2), strides=_ints(2), rates=_ints(2),
    T=(*NUMBERS, bool_), padding=_PADDING, source=("W74",),
)  # fmt: skip
VOLUME_PATCHES: OpDef = define_op("ExtractVolumePatches", "input: T -> patches: T", ksizes=_ints(3), strides=_ints(3),
                                  T=REALS, padding=_PADDING, source=("W74",))  # fmt: skip


@IMAGE_PATCHES.kernel
def extract_image_patches_kernel(images, ksizes, strides, rates, padding):
    return _patches(images, {"ksizes": ksizes, "strides": strides, "rates": rates, "padding": padding})


@VOLUME_PATCHES.kernel
def extract_volume_patches_kernel(input, ksizes, strides, padding):
    return _patches(input, {"ksizes": ksizes, "strides": strides, "padding": padding})


for _op in (IMAGE_PATCHES, VOLUME_PATCHES):
    _op.shape(_patches_shape)
    _op.gradient(_patches_gradient)

_ONES4, _ONES5 = [1, 1, 1, 1], [1, 1, 1, 1, 1]
IMAGE_PATCHES.case("W74", "pairs along a row", images=[[[[1], [2], [3]]]], ksizes=[1, 1, 2, 1], strides=_ONES4,
                   rates=_ONES4, padding="VALID", patches=[[[[1, 2], [2, 3]]]])  # fmt: skip
IMAGE_PATCHES.case("W74", "zeros around, every other pixel", images=[[[[1], [2], [3]]]], ksizes=[1, 1, 2, 1],
                   strides=_ONES4, rates=[1, 1, 2, 1], padding="SAME",
                   patches=[[[[0, 2], [1, 3], [2, 0]]]])  # fmt: skip
IMAGE_PATCHES.case("W74", "windows are in space", images=[[[[1], [2], [3]]]], ksizes=[1, 1, 2, 3], strides=_ONES4,
                   rates=_ONES4, padding="SAME", error="Only support ksizes across space.")  # fmt: skip
VOLUME_PATCHES.case("W74", "a cube's two halves", input=[[[[[1, 2]]], [[[3, 4]]]]], ksizes=[1, 2, 1, 1, 1],
                    strides=_ONES5, padding="VALID", patches=[[[[[1, 2, 3, 4]]]]])  # fmt: skip
