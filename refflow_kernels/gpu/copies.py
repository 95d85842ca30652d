"""Pieces of arrays: cut out, joined, repeated, and set into a frame of one number.

    Slice StridedSlice      read by strides, written in a line; the gradient of the second the other way round
    Concat Split Pack Unpack      each part is a copy between a line and a place in the whole
    Tile        read with stride 0 along each repetition
    Pad         a lane that lies outside of the frame writes the number

    bytes: what is copied, read and written        operations: those of the places

A copy is a shape and two sets of strides, which may be 0 or negative. Neighbouring axes that both sides walk like one
are joined first, so that a part of a row is a row, and most of what is left are matrices; where more than AXES of them
are left, there are several launches. Where an axis is not walked by 1 the loads are single elements.

Next: refflow_kernels/gpu/mirrors.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides
from refflow_kernels.gpu.cast import zeros_like
from refflow_kernels.gpu.elementwise import AXES, joined
from refflow_kernels.gpu.functions import magic_of, quotient
from refflow_kernels.kernel import Kernel

BLOCK = 1024
ANY = ("float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
PLAIN = ["m1", "m2", "m3", "h1", "h2", "h3"]


@triton.jit
def coordinates(i, d1, d2, d3, m1, m2, m3, h1, h2, h3, EVEN: tl.constexpr, WIDE: tl.constexpr):
    """The place of element i along four axes, of which the last is the quickest, and a whole number of EVENs long."""
    if WIDE:
        rest = i // d3
        i3 = i - rest * d3
        above = rest // d2
        i2 = rest - above * d2
        i0 = above // d1
    else:
        rest = quotient(i, m3, h3, EVEN)
        i3 = i - rest * d3
        above = quotient(rest, m2, h2, EVEN)
        i2 = rest - above * d2
        i0 = quotient(above, m1, h1, EVEN)
    i1 = above - i0 * d1
    if EVEN > 1:
        i0, i1, i2 = tl.max_constancy(i0, EVEN), tl.max_constancy(i1, EVEN), tl.max_constancy(i2, EVEN)
        i3 = tl.max_contiguous(tl.multiple_of(i3, EVEN), EVEN)
    return i0, i1, i2, i3


@triton.jit(do_not_specialize=PLAIN)
def _copy(
    x_at, y_at, size, first_x, first_y, d1, d2, d3, m1, m2, m3, h1, h2, h3,
    x0, x1, x2, x3, y0, y1, y2, y3, EVEN: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    i = start * BLOCK + tl.arange(0, BLOCK)
    i0, i1, i2, i3 = coordinates(i, d1, d2, d3, m1, m2, m3, h1, h2, h3, EVEN, WIDE)
    real = i < size
    if EVEN > 1:  # all of a group is there, or nothing
        real = tl.max_constancy(real, EVEN)
    value = tl.load(x_at + first_x + i0 * x0 + i1 * x1 + i2 * x2 + i3 * x3, mask=real, other=0)
    tl.store(y_at + first_y + i0 * y0 + i1 * y1 + i2 * y2 + i3 * y3, value, mask=real)


def copy(
    x: Any, y: Any, shape: Sequence[int], x_strides: Sequence[int], y_strides: Sequence[int],
    first_x: int = 0, first_y: int = 0,
) -> None:  # fmt: skip
    """Copies `shape` elements, which lie in x and y by these strides from these places on."""
    if prod(shape) == 0:
        return
    dims, (from_strides, to_strides) = joined(list(shape), [list(x_strides), list(y_strides)])
    axes = list(zip(dims, from_strides, to_strides, strict=True))
    apart = []
    while len(axes) > AXES:  # a launch for each place along what a kernel has no axis for, the shortest
        apart.append(axes.pop(min(range(len(axes) - 1), key=lambda axis: axes[axis][0])))
    axes = [(1, 0, 0)] * (AXES - len(axes)) + axes
    for place in product(*(range(size) for size, _, _ in apart)):
        at_x, at_y = (sum(i * axis[k] for i, axis in zip(place, apart, strict=True)) for k in (1, 2))
        _launch(x, y, axes, first_x + at_x, first_y + at_y)


def _launch(x: Any, y: Any, axes: Sequence[tuple[int, int, int]], first_x: int, first_y: int) -> None:
    """One launch over AXES axes, each as its size and its strides in x and y."""
    dims, from_strides, to_strides = zip(*axes, strict=True)
    size = prod(dims)
    magic = [magic_of(d) if d < 2**31 else (0, 0) for d in dims[1:]]
    wide = max(size + BLOCK, prod(x.shape), prod(y.shape)) > 2**31 - 1
    _copy[(ceil_div(size, BLOCK),)](
        x, y, size, first_x, first_y, *dims[1:], *(m for m, _ in magic), *(h for _, h in magic),
        *from_strides, *to_strides, EVEN=8 if dims[3] % 8 == 0 else 1, WIDE=wide, BLOCK=BLOCK, num_warps=4,
        enable_fp_fusion=True,
    )  # fmt: skip


# -- cut out -------------------------------------------------------------------------------------------------------


def slice_(input: Any, begin: Any, size: Any, out: Any = None) -> Any:
    """`size` elements of each axis, from `begin` on."""
    check_packed(input=input)
    check_out(out, tuple(out.shape))
    strides = packed_strides(input.shape)
    first = sum(int(b) * s for b, s in zip(begin, strides, strict=True))
    copy(input, out, out.shape, strides, packed_strides(out.shape), first)
    return out


def strided_slice(
    input: Any, begin: Any, end: Any, strides: Any, begin_mask: int = 0, end_mask: int = 0, ellipsis_mask: int = 0,
    new_axis_mask: int = 0, shrink_axis_mask: int = 0, out: Any = None,
) -> Any:  # fmt: skip
    """Every strides[i]-th element of axis i from begin[i] on; what stands at the end is in the result's shape."""
    check_packed(input=input)
    check_out(out, tuple(out.shape))
    shape = tuple(input.shape)
    masks = begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
    counts, steps, first = _walk(shape, _parts(len(shape), begin, end, strides, *masks))
    copy(input, out, counts, steps, packed_strides(counts), first)
    return out


def strided_slice_grad(
    shape: Any, begin: Any, end: Any, strides: Any, dy: Any, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0, out: Any = None,
) -> Any:  # fmt: skip
    """Zeros of a shape, and dy where strided_slice cuts it out."""
    dims = tuple(int(s) for s in shape)
    check_packed(dy=dy)
    check_out(out, dims)
    zeros_like(out, out=out)
    masks = begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
    counts, steps, first = _walk(dims, _parts(len(dims), begin, end, strides, *masks))
    copy(dy, out, counts, packed_strides(counts), steps, 0, first)
    return out


def _parts(
    rank: int, begin: Any, end: Any, strides: Any, open_begin: int, open_end: int, dots: int, new: int, shrink: int
) -> list[slice]:
    """What is taken of each axis: `...` stands for all of the axes that no other part has, a new axis for none.

    >>> _parts(3, [0, 0, -1], [0, 0, 0], [1, 1, 1], 0, 0, 1, 2, 4)
    [slice(None, None, 1), slice(None, None, 1), slice(-1, None, 1)]
    """
    count = len(begin)
    asked = sum(not (dots | new) >> i & 1 for i in range(count))
    found = []
    for i in range(count):
        if dots >> i & 1:
            found += [slice(None, None, 1)] * (rank - asked)
        elif not new >> i & 1:
            low, high, by = int(begin[i]), int(end[i]), int(strides[i])
            if shrink >> i & 1:
                found.append(slice(low, low + 1 if low != -1 else None, 1))
            else:
                found.append(slice(None if open_begin >> i & 1 else low, None if open_end >> i & 1 else high, by))
    return found + [slice(None, None, 1)] * (rank - len(found))


def _walk(shape: tuple[int, ...], parts: Sequence[slice]) -> tuple[list[int], list[int], int]:
    """How many elements of each axis, how far apart they lie, and where the first one is.

    >>> _walk((5, 6), [slice(-2, None, -2), slice(None, None, 1)])
    ([2, 6], [-12, 1], 18)
    """
    counts, steps, first = [], [], 0
    for size, stride, part in zip(shape, packed_strides(shape), parts, strict=True):
        places = range(size)[part]
        counts.append(len(places))
        steps.append(stride * places.step)
        first += places.start * stride if len(places) else 0
    return counts, steps, first


# -- joined and taken apart ------------------------------------------------------------------------------------------


def _part(whole: Any, part: Any, shape: Sequence[int], at: int, axis: int, into: bool) -> int:
    """Copies a part, as an array of `shape`, into its place along an axis of the whole or out of it; its end."""
    strides = packed_strides(whole.shape)
    length, lines = shape[axis], packed_strides(shape)
    if into:
        copy(part, whole, shape, lines, strides, 0, at * strides[axis])
    else:
        copy(whole, part, shape, strides, lines, at * strides[axis], 0)
    return at + length


def concat(concat_dim: Any, values: Sequence[Any], out: Any = None) -> Any:
    """The values one after the other along an axis."""
    check_out(out, tuple(out.shape))
    axis, at = int(concat_dim) % len(out.shape), 0
    for value in values:
        check_packed(value=value)
        at = _part(out, value, tuple(value.shape), at, axis, into=True)
    return out


def concat_v2(values: Sequence[Any], axis: Any, out: Any = None) -> Any:
    """The values one after the other along an axis."""
    return concat(axis, values, out=out)


def split(split_dim: Any, value: Any, num_split: int = 1, out: Any = None) -> Any:
    """Parts of one size along an axis."""
    check_packed(value=value)
    axis, at = int(split_dim) % len(value.shape), 0
    for part in out if isinstance(out, (tuple, list)) else (out,):
        check_out(part, tuple(part.shape))
        at = _part(value, part, tuple(part.shape), at, axis, into=False)
    return out


def split_v(value: Any, size_splits: Any, split_dim: Any, num_split: int = 1, out: Any = None) -> Any:
    """Parts along an axis, of sizes that are those of `out`."""
    return split(split_dim, value, num_split, out=out)


def pack(values: Sequence[Any], axis: int = 0, out: Any = None) -> Any:
    """The values beside each other along a new axis."""
    check_out(out, tuple(out.shape))
    at, axis = 0, axis % len(out.shape)
    for value in values:
        check_packed(value=value)
        at = _part(out, value, (*value.shape[:axis], 1, *value.shape[axis:]), at, axis, into=True)
    return out


def unpack(value: Any, num: int = 1, axis: int = 0, out: Any = None) -> Any:
    """What lies beside each other along an axis, each by itself."""
    check_packed(value=value)
    at, axis = 0, axis % len(value.shape)
    for part in out if isinstance(out, (tuple, list)) else (out,):
        check_out(part, tuple(part.shape))
        at = _part(value, part, (*part.shape[:axis], 1, *part.shape[axis:]), at, axis, into=False)
    return out


def tile(input: Any, multiples: Any, out: Any = None) -> Any:
    """The input, repeated along each axis."""
    check_packed(input=input)
    check_out(out, tuple(out.shape))
    shape, strides = [], []
    for size, stride, count in zip(input.shape, packed_strides(input.shape), multiples, strict=True):
        shape += [int(count), size]
        strides += [0, stride]
    copy(input, out, shape, strides, packed_strides(shape))
    return out


# -- a frame ---------------------------------------------------------------------------------------------------------


@triton.jit(do_not_specialize=PLAIN)
def _pad(
    x_at, number_at, y_at, size, d1, d2, d3, m1, m2, m3, h1, h2, h3, b0, b1, b2, b3, n0, n1, n2, n3,
    HAS_NUMBER: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    i = start * BLOCK + tl.arange(0, BLOCK)
    i0, i1, i2, i3 = coordinates(i, d1, d2, d3, m1, m2, m3, h1, h2, h3, 1, WIDE)
    i0, i1, i2, i3 = i0 - b0, i1 - b1, i2 - b2, i3 - b3
    inside = (i0 >= 0) & (i0 < n0) & (i1 >= 0) & (i1 < n1) & (i2 >= 0) & (i2 < n2) & (i3 >= 0) & (i3 < n3)
    value = tl.load(x_at + ((i0 * n1 + i1) * n2 + i2) * n3 + i3, mask=inside & (i < size), other=0)
    if HAS_NUMBER:
        value = tl.where(inside, value, tl.load(number_at))
    tl.store(y_at + i, value, mask=i < size)


def pad(input: Any, paddings: Any, out: Any = None) -> Any:
    """The input with zeros around it."""
    return pad_v2(input, paddings, None, out=out)


def pad_v2(input: Any, paddings: Any, constant_values: Any, out: Any = None) -> Any:
    """The input with one number around it."""
    check_packed(input=input)
    check_out(out, tuple(out.shape))
    size = prod(out.shape)
    if size == 0:
        return out
    frame = _framed(tuple(input.shape), [int(before) for before, _ in paddings], tuple(out.shape))
    if len(frame) > AXES:
        raise ValueError(f"{len(frame)} groups of axes of {list(input.shape)} are padded apart; {AXES} can be")
    frame = [(1, 0, 1)] * (AXES - len(frame)) + frame
    inner, before, outer = zip(*frame, strict=True)
    magic = [magic_of(d) if d < 2**31 else (0, 0) for d in outer[1:]]
    number = input if constant_values is None else constant_values
    _pad[(ceil_div(size, BLOCK),)](
        input, number, out, size, *outer[1:], *(m for m, _ in magic), *(h for _, h in magic), *before, *inner,
        HAS_NUMBER=constant_values is not None, WIDE=size + BLOCK > 2**31 - 1, BLOCK=BLOCK, num_warps=4,
        enable_fp_fusion=True,
    )  # fmt: skip
    return out


def _framed(inner: tuple[int, ...], before: Sequence[int], outer: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(size, elements before it, size with them) of each axis; one that is not padded is joined to the one before it.

    >>> _framed((2, 3, 4), [0, 1, 0], (2, 5, 4))
    [(2, 0, 2), (12, 4, 20)]
    """
    found: list[tuple[int, int, int]] = []
    for n, b, d in zip(inner, before, outer, strict=True):
        if found and n == d:
            m, c, e = found.pop()
            found.append((m * n, c * n, e * n))
        else:
            found.append((n, b, d))
    return found


# Inputs by places among the arguments, of which a list is one.
KERNELS = {
    "Slice": Kernel(slice_, ANY, host_inputs=(1, 2)),
    "StridedSlice": Kernel(strided_slice, ANY, host_inputs=(1, 2, 3)),
    "StridedSliceGrad": Kernel(strided_slice_grad, ANY, host_inputs=(0, 1, 2, 3)),
    "Concat": Kernel(concat, ANY, host_inputs=(0,)),
    "ConcatV2": Kernel(concat_v2, ANY, host_inputs=(1,)),
    "Split": Kernel(split, ANY, host_inputs=(0,)),
    "SplitV": Kernel(split_v, ANY, host_inputs=(1, 2)),
    "Pack": Kernel(pack, ANY),
    "Unpack": Kernel(unpack, ANY),
    "Tile": Kernel(tile, ANY, host_inputs=(1,)),
    "Pad": Kernel(pad, ANY, host_inputs=(1,)),
    "PadV2": Kernel(pad_v2, ANY, host_inputs=(1,)),
}
