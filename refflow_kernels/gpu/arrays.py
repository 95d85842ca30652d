"""What the host code asks of an array: shape, strides, layout. Nothing here imports an array library.

An array is anything with `shape`, `dtype`, `stride()` in elements, and `data_ptr()`: torch's CUDA tensors have these,
and so has the wrapper round a NumPy array with which the tests run Triton's interpreter.

Next: refflow_kernels/gpu/functions.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PROCESSORS = 132  # streaming multiprocessors to keep busy (H100, H200); fixed, so that bits do not depend on the card


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up.

    >>> ceil_div(7, 3), ceil_div(6, 3), ceil_div(0, 3)
    (3, 2, 0)
    """
    return -(-a // b)


def power_of_two(n: int) -> int:
    """The smallest power of two that is at least n and at least 1.

    >>> [power_of_two(n) for n in (0, 1, 2, 3, 1000)]
    [1, 1, 2, 4, 1024]
    """
    return 1 << max(0, n - 1).bit_length()


def bits_of(array: Any) -> int:
    """Bits of an element, of the types that are multiplied: 32 for float32, 16 for float16 and bfloat16."""
    return 32 if str(array.dtype).endswith("float32") else 16


def unit(*sizes: int) -> int:
    """The largest power of two, up to 16, that divides all sizes.

    Triton itself sees only whether a number is a multiple of 16, and then reads 16 bytes at a time. A kernel that gets
    size / unit, and unit as a constant, does so for rows of 1000 elements too.

    A size from 2**31 on is passed whole, as the 64 bits that it needs: the product of two numbers of 32 has no more.

    >>> unit(1000), unit(64, 12), unit(7), unit(0, 32), unit(1 << 31)
    (8, 4, 1, 16, 1)
    """
    if max(sizes) >= 1 << 31:
        return 1
    return next(u for u in (16, 8, 4, 2, 1) if all(size % u == 0 for size in sizes))


def in_units(numbers: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Each number in its unit, and these: 8 or 4 for what is a multiple of that and not of 16, and for all else 1.

    >>> in_units((1000, 1024, 12, 1))
    ((125, 1024, 3, 1), (8, 1, 4, 1))
    """
    units = tuple(u if (u := unit(n)) in (4, 8) else 1 for n in numbers)
    return tuple(n // u for n, u in zip(numbers, units, strict=True)), units


def packed_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of a row-major array without gaps.

    >>> packed_strides((2, 3, 5))
    (15, 5, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def is_packed(array: Any) -> bool:
    """True for a row-major array without gaps; strides of axes of size 1 do not count."""
    return 0 in array.shape or all(
        size == 1 or stride == packed
        for size, stride, packed in zip(array.shape, array.stride(), packed_strides(array.shape), strict=True)
    )


def check_packed(**arrays: Any) -> None:
    """ValueError that names the first argument whose elements do not lie one after the other."""
    for name, array in arrays.items():
        if not is_packed(array):
            raise ValueError(
                f"{name} has strides {tuple(array.stride())}, but shape {list(array.shape)} without gaps has "
                f"{packed_strides(array.shape)}. Copy it to contiguous memory first"
            )


def check_out(out: Any, shape: Sequence[int], name: str = "out") -> None:
    """ValueError unless `out` is given, has the result's shape, and is packed: kernels allocate nothing."""
    if out is None:
        raise ValueError(f"{name} is missing: on the GPU the caller owns all memory. Pass an array of {list(shape)}")
    if tuple(out.shape) != tuple(shape):
        raise ValueError(f"{name} has shape {list(out.shape)}, but the result has {list(shape)}")
    check_packed(**{name: out})
