"""An array in a frame of its own mirror images, and the frame folded back.

    MirrorPad         place i of an axis shows -1 - i + skip before the axis, 2 n - 1 - skip - i behind it
    MirrorPadGrad     place i is the sum of up to three: itself, and where it was seen before the axis and behind it

`skip` is 1 for REFLECT, which does not show the edge twice, and 0 for SYMMETRIC. bytes: what is read and written once;
folding reads the borders again for each axis that has one. Sums are in float32, in the order of the page: the first
axis is folded first, and each place's images are added before, then behind.

Next: refflow_kernels/gpu/reverse.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.copies import ANY, BLOCK, PLAIN, coordinates
from refflow_kernels.gpu.elementwise import AXES
from refflow_kernels.gpu.functions import magic_of
from refflow_kernels.kernel import Kernel


@triton.jit
def _mirrored(i, n, skip):
    """Which of an axis's n elements is seen at i, from -n on and up to 2 n."""
    return tl.where(i < 0, skip - 1 - i, tl.where(i < n, i, 2 * n - 1 - skip - i))


@triton.jit(do_not_specialize=PLAIN)
def _mirror(
    x_at, y_at, size, d1, d2, d3, m1, m2, m3, h1, h2, h3, b0, b1, b2, b3, n0, n1, n2, n3, skip,
    EVEN: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    i = start * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    i0, i1, i2, i3 = coordinates(i, d1, d2, d3, m1, m2, m3, h1, h2, h3, EVEN, WIDE)
    i0, i1, i2 = _mirrored(i0 - b0, n0, skip), _mirrored(i1 - b1, n1, skip), _mirrored(i2 - b2, n2, skip)
    if EVEN > 1:  # all of a group is there, or nothing
        real = tl.max_constancy(real, EVEN)
    else:
        i3 = _mirrored(i3 - b3, n3, skip)
    value = tl.load(x_at + ((i0 * n1 + i1) * n2 + i2) * n3 + i3, mask=real, other=0)
    tl.store(y_at + i, value, mask=real)


@triton.jit
def _seen(i, image, b, n, d, skip):
    """Where element i of an axis is in the frame, of its three images, and whether it is."""
    before, behind = b - 1 + skip - i, b + 2 * n - 1 - skip - i
    place = tl.where(image == 0, i + b, tl.where(image == 1, before, behind))
    low, high = tl.where(image == 2, b + n, 0), tl.where(image == 1, b, d)
    return place, (place >= low) & (place < high)


@triton.jit(do_not_specialize=PLAIN)
def _fold(
    x_at, y_at, size, n1, n2, n3, m1, m2, m3, h1, h2, h3, b0, b1, b2, b3, n0, d0, d1, d2, d3, skip,
    IMAGES0: tl.constexpr, IMAGES1: tl.constexpr, IMAGES2: tl.constexpr, IMAGES3: tl.constexpr,
    EVEN: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    start = tl.program_id(0)
    if WIDE:
        start = start.to(tl.int64)
    i = start * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    i0, i1, i2, i3 = coordinates(i, n1, n2, n3, m1, m2, m3, h1, h2, h3, EVEN, WIDE)
    if EVEN > 1:
        real = tl.max_constancy(real, EVEN)
    total = tl.zeros([BLOCK], tl.float32)
    for image3 in range(IMAGES3):
        if EVEN > 1:  # no frame along the last axis
            j3, here3 = i3, real
        else:
            j3, here3 = _seen(i3, image3, b3, n3, d3, skip)
        plane = tl.zeros([BLOCK], tl.float32)
        for image2 in range(IMAGES2):
            j2, here2 = _seen(i2, image2, b2, n2, d2, skip)
            row = tl.zeros([BLOCK], tl.float32)
            for image1 in range(IMAGES1):
                j1, here1 = _seen(i1, image1, b1, n1, d1, skip)
                cell = tl.zeros([BLOCK], tl.float32)
                for image0 in range(IMAGES0):
                    j0, here0 = _seen(i0, image0, b0, n0, d0, skip)
                    here = real & here0 & here1 & here2 & here3
                    if EVEN > 1:
                        here = tl.max_constancy(here, EVEN)
                    x = tl.load(x_at + ((j0 * d1 + j1) * d2 + j2) * d3 + j3, mask=here, other=0)
                    cell += x.to(tl.float32)
                row += cell
            plane += row
        total += plane
    tl.store(y_at + i, total.to(y_at.dtype.element_ty), mask=real)


def mirror_pad(input: Any, paddings: Any, mode: str, out: Any = None) -> Any:
    """The input with its mirror images around it."""
    check_packed(input=input)
    check_out(out, tuple(out.shape))
    skip = int(mode == "REFLECT")
    inner, before, outer = _axes(tuple(input.shape), paddings, tuple(out.shape), skip, "")
    size = prod(out.shape)
    if size:
        _mirror[(ceil_div(size, BLOCK),)](
            input, out, size, *_divisors(outer), *before, *inner, skip, EVEN=_even(inner, outer),
            WIDE=_is_wide(outer), BLOCK=BLOCK, num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
    return out


def mirror_pad_grad(input: Any, paddings: Any, mode: str, out: Any = None) -> Any:
    """What came to each element and to its images, added."""
    check_packed(input=input)
    check_out(out, tuple(out.shape))
    skip = int(mode == "REFLECT")
    inner, before, outer = _axes(tuple(out.shape), paddings, tuple(input.shape), skip, "output ")
    size = prod(out.shape)
    if size:
        images = (1 if n == d else 3 for n, d in zip(inner, outer, strict=True))
        _fold[(ceil_div(size, BLOCK),)](
            input, out, size, *_divisors(inner), *before, inner[0], *outer, skip, *images, EVEN=_even(inner, outer),
            WIDE=_is_wide(outer), BLOCK=BLOCK, num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
    return out


def _axes(
    inner: tuple[int, ...], paddings: Any, outer: tuple[int, ...], skip: int, which: str
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Sizes without the frame, elements before them, sizes with it, along AXES axes; what has no frame is joined."""
    for n, (before, behind) in zip(inner, paddings, strict=True):
        if max(before, behind) > n - skip:
            told = f"less than the {which}dimension size" if skip else f"no greater than the {which}dimension size"
            far = "not less than" if skip else "greater than"
            raise ValueError(f"paddings must be {told}: {before}, {behind} {far} {n}")
    found: list[tuple[int, int, int]] = []
    for n, (before, _), d in zip(inner, paddings, outer, strict=True):
        if found and n == d and found[-1][0] == found[-1][2]:
            found[-1] = (found[-1][0] * n, 0, found[-1][0] * n)
        else:
            found.append((n, int(before), d))
    if len(found) > AXES:
        raise ValueError(f"{len(found)} groups of axes of {list(inner)} are mirrored apart; {AXES} can be")
    sizes, befores, wholes = zip(*[(1, 0, 1)] * (AXES - len(found)), *found, strict=True)
    return sizes, befores, wholes


def _divisors(sizes: Sequence[int]) -> list[int]:
    """The last three sizes, and the numbers that divide by them."""
    magic = [magic_of(d) if d < 2**31 else (0, 0) for d in sizes[1:]]
    return [*sizes[1:], *(m for m, _ in magic), *(h for _, h in magic)]


def _even(inner: Sequence[int], outer: Sequence[int]) -> int:
    """How many neighbours along the last axis lie together on both sides."""
    return 8 if inner[-1] == outer[-1] and inner[-1] % 8 == 0 else 1


def _is_wide(sizes: Sequence[int]) -> bool:
    return prod(sizes) + BLOCK > 2**31 - 1


KERNELS = {
    "MirrorPad": Kernel(mirror_pad, ANY, host_inputs=(1,)),
    "MirrorPadGrad": Kernel(mirror_pad_grad, ("float32", "float16", "bfloat16"), host_inputs=(1,)),
}
