"""Space into depth or into the batch, and back [W06].

    SpaceToDepth DepthToSpace     a block's pixels as channels of one pixel: one copy
    SpaceToBatch BatchToSpace     pixel (p, q) of every block as an image of its own: one copy for each

    bytes: x once and y, and y once more where zeros surround x        operations: those of the places

Pixel p of the blocks along an axis is every block-th from p on, less what pads it: a copy by strides. Cells of the
frame lie in no copy; where there is a frame, y is filled with zeros first.

Next: refflow_kernels/gpu/order.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed, packed_strides
from refflow_kernels.gpu.cast import zeros_like
from refflow_kernels.gpu.copies import ANY, copy
from refflow_kernels.kernel import Kernel

# -- depth ---------------------------------------------------------------------------------------------------------


def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC", out: Any = None) -> Any:
    """Blocks of pixels as one pixel of block_size**2 times the channels."""
    return _through_depth(input, out, tuple(input.shape), block_size, data_format, to_depth=True)


def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC", out: Any = None) -> Any:
    """The way back."""
    check_out(out, tuple(out.shape))
    return _through_depth(input, out, tuple(out.shape), block_size, data_format, to_depth=False)


def _through_depth(x: Any, y: Any, space: tuple[int, ...], b: int, layout: str, to_depth: bool) -> Any:
    """space: the shape of the side with the larger image."""
    check_packed(input=x)
    first = layout == "NCHW"
    n, c, h, w = space if first else (space[0], space[3], *space[1:3])
    check_out(y, _deep(n, c, h, w, b, first) if to_depth else space)
    lines, columns = h // b, w // b
    axes = [n, lines, b, columns, b, c]
    if first:  # channels stand before the pixels, and a block's pixels before its channels
        sn, sc, sh, sp, sw, sq = packed_strides((n, c, lines, b, columns, b))
        dn, dp, dq, dc, dh, dw = packed_strides((n, b, b, c, lines, columns))
    else:
        sn, sh, sp, sw, sq, sc = packed_strides(axes)
        dn, dh, dw, dp, dq, dc = packed_strides((n, lines, columns, b, b, c))
    sides = [sn, sh, sp, sw, sq, sc], [dn, dh, dp, dw, dq, dc]
    if first:  # the pixels of a line last, which lie together on one side
        order = (0, 2, 4, 5, 1, 3)
        axes, sides = [axes[i] for i in order], ([sides[0][i] for i in order], [sides[1][i] for i in order])
    copy(x, y, axes, *(sides if to_depth else sides[::-1]))
    return y


def _deep(n: int, c: int, h: int, w: int, b: int, first: bool) -> tuple[int, ...]:
    return (n, b * b * c, h // b, w // b) if first else (n, h // b, w // b, b * b * c)


# -- the batch -----------------------------------------------------------------------------------------------------


class _Walk(NamedTuple):
    """Along one axis, the pixels of one of a block's images: the first of its own, the first of space, how many."""

    own: int
    space: int
    pixels: int


def _walks(block: int, before: int, size: int, own: int) -> list[_Walk]:
    """For each place in a block of an axis of `size` pixels behind `before` of the frame; `own`: pixels of its image.

    >>> _walks(2, 1, 4, 3)
    [_Walk(own=1, space=1, pixels=2), _Walk(own=0, space=0, pixels=2)]
    """
    found = []
    for place in range(block):
        first = max(0, ceil_div(before - place, block))
        last = min(own, ceil_div(size + before - place, block))
        found.append(_Walk(first, first * block + place - before, max(0, last - first)))
    return found


def _through_batch(x: Any, y: Any, space: Any, images: Any, block: Sequence[int], before: Sequence[int]) -> None:
    """Copies all pixels between [N, s..., rest] and [prod(block) N, own..., rest], one of which is x, the other y."""
    wide, own = tuple(space.shape), tuple(images.shape)
    m, n, rest = len(block), wide[0], prod(wide[len(block) + 1 :])
    wide_strides, own_strides = (packed_strides((*shape[: m + 1], rest)) for shape in (wide, own))
    axes = [_walks(*of) for of in zip(block, before, wide[1 : m + 1], own[1 : m + 1], strict=True)]
    for number, walk in enumerate(product(*axes)):
        counts = (n, *(w.pixels for w in walk), rest)
        steps = (wide_strides[0], *(s * b for s, b in zip(wide_strides[1:-1], block, strict=True)), 1)
        first = sum(w.space * s for w, s in zip(walk, wide_strides[1:-1], strict=True))
        first_own = number * n * own_strides[0] + sum(
            w.own * s for w, s in zip(walk, own_strides[1:-1], strict=True)
        )
        if x is space:
            copy(x, y, counts, steps, own_strides, first, first_own)
        else:
            copy(x, y, counts, own_strides, steps, first_own, first)


def space_to_batch_nd(input: Any, block_shape: Any, paddings: Any, out: Any = None) -> Any:
    """Every pixel of a block as an image of its own, behind zeros where there is a frame."""
    check_packed(input=input)
    block, frame = [int(b) for b in block_shape], [(int(a), int(b)) for a, b in paddings]
    space = tuple(input.shape)
    m = len(block)
    whole = [size + a + b for size, (a, b) in zip(space[1:], frame, strict=False)]
    own = [size // b for size, b in zip(whole, block, strict=True)]
    check_out(out, (prod(block) * space[0], *own, *space[m + 1 :]))
    if any(a or b for a, b in frame):
        zeros_like(out, out=out)
    _through_batch(input, out, input, out, block, [a for a, _ in frame])
    return out


def batch_to_space_nd(input: Any, block_shape: Any, crops: Any, out: Any = None) -> Any:
    """The way back, without the frame."""
    check_packed(input=input)
    block, frame = [int(b) for b in block_shape], [(int(a), int(b)) for a, b in crops]
    given = tuple(input.shape)
    m = len(block)
    space = [size * b - before - after
             for size, b, (before, after) in zip(given[1 : m + 1], block, frame, strict=True)]  # fmt: skip
    check_out(out, (given[0] // prod(block), *space, *given[m + 1 :]))
    _through_batch(input, out, out, input, block, [a for a, _ in frame])
    return out


def space_to_batch(input: Any, paddings: Any, block_size: int, out: Any = None) -> Any:
    """As space_to_batch_nd, of images and square blocks."""
    return space_to_batch_nd(input, [block_size] * 2, paddings, out=out)


def batch_to_space(input: Any, crops: Any, block_size: int, out: Any = None) -> Any:
    """The way back."""
    return batch_to_space_nd(input, [block_size] * 2, crops, out=out)


def _is_plain(attrs: dict[str, Any]) -> bool:
    return attrs["data_format"] in ("NHWC", "NCHW")


KERNELS = {
    "SpaceToDepth": Kernel(space_to_depth, ANY, takes=_is_plain),
    "DepthToSpace": Kernel(depth_to_space, ANY, takes=_is_plain),
    "SpaceToBatchND": Kernel(space_to_batch_nd, ANY, host_inputs=(1, 2)),
    "BatchToSpaceND": Kernel(batch_to_space_nd, ANY, host_inputs=(1, 2)),
    "SpaceToBatch": Kernel(space_to_batch, ANY, host_inputs=(1,)),
    "BatchToSpace": Kernel(batch_to_space, ANY, host_inputs=(1,)),
}
