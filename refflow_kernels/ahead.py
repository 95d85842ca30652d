"""Kernels compiled before they are launched: without a card, or for one by all of its machine's cores.

    Place         memory that is only an address: what a kernel's host function asks of an array
    compiled      the kernels that a function would launch
    fill_cache    the same for many functions, by several processes, into Triton's cache on disk

A kernel takes a core some seconds to compile, and a card's first minutes would go into that. What is compiled is what
would be launched: the host functions choose the tiles, and a Place is aligned as the memory of a card is.

Next: refflow_kernels/paper.py.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import prod
from typing import Any, NamedTuple

from triton.backends.compiler import GPUTarget
from triton.backends.nvidia import driver as nvidia
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from refflow_kernels.gpu.arrays import packed_strides
from refflow_kernels.interpreter import DType

_SIZES = {"float64": 8, "int64": 8, "float32": 4, "int32": 4, "float16": 2, "bfloat16": 2, "int16": 2}


class Place:
    """An address, a type, a shape and strides: aligned as torch's memory is."""

    def __init__(self, shape: Sequence[int], dtype: str = "float32", at: int = 1 << 20, strides: Any = None):
        self.shape, self.dtype, self.at = tuple(shape), DType(dtype, _SIZES.get(dtype, 1)), at
        self.strides = packed_strides(self.shape) if strides is None else tuple(strides)

    def data_ptr(self) -> int:
        return self.at

    def stride(self, axis: int | None = None) -> Any:
        return self.strides if axis is None else self.strides[axis]

    def element_size(self) -> int:
        return self.dtype.itemsize

    def numel(self) -> int:
        return prod(self.shape)

    def __getitem__(self, key: Any) -> Place:
        """The part that slices name, one for each of the first axes."""
        slices = key if isinstance(key, tuple) else (key,)
        slices += (slice(None),) * (len(self.shape) - len(slices))
        ranges = [range(size)[part] for size, part in zip(self.shape, slices, strict=True)]
        first = sum(r.start * s for r, s in zip(ranges, self.strides, strict=True) if len(r))
        strides = [r.step * s for r, s in zip(ranges, self.strides, strict=True)]
        return Place([len(r) for r in ranges], self.dtype.name, self.at + first * self.dtype.itemsize, strides)

    def view(self, dtype: Any) -> Place:
        return Place([prod(self.shape) * self.dtype.itemsize // dtype.itemsize], dtype.name, self.at)

    def reshape(self, shape: Sequence[int]) -> Place:
        return Place(shape, self.dtype.name, self.at)


class Target:
    """Triton's driver, as far as compiling asks. capability: the card's, times ten."""

    def __init__(self, capability: int):
        self.target = GPUTarget("cuda", capability, 32)

    def get_current_target(self) -> GPUTarget:
        return self.target

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_active_torch_device(self) -> str:
        return "cuda"


def compiled(launch: Callable[[], Any], share: tuple[int, int] = (0, 1)) -> list[tuple[str, Any]]:
    """The kernels that `launch()` would start, by name, for the driver that is set.

    share: (part, parts), where as many processes run the same launches and each compiles its part of the kernels; those
    of the others are left out.
    """
    found, others = [], []
    original, compiles, (part, parts) = JITFunction.run, JITFunction._do_compile, share
    numbers = itertools.count()

    def only_compile(self: Any, *arguments: Any, grid: Any, warmup: bool, **named: Any) -> Any:
        kernel = original(self, *arguments, grid=grid, warmup=True, **named)
        if kernel is not _ANOTHER_S:
            found.append((self.__name__, kernel))
        return kernel

    def in_part(self: Any, key: Any, signature: Any, device: Any, *more: Any, **named: Any) -> Any:
        if next(numbers) % parts == part:
            return compiles(self, key, signature, device, *more, **named)
        others.append((self.device_caches[device][0], key))
        self.device_caches[device][0][key] = _ANOTHER_S
        return _ANOTHER_S

    JITFunction.run, JITFunction._do_compile = only_compile, in_part
    try:
        launch()
    finally:
        JITFunction.run, JITFunction._do_compile = original, compiles
        for cache, key in others:
            del cache[key]
    return found


_ANOTHER_S = object()  # stands for a kernel that another process compiles


def fill_cache(
    launches_of: Callable[[Any], list[Callable[[], Any]]], items: Iterable[Any], capability: int,
    seconds: float = 180.0, most: float = 60.0,
) -> int:  # fmt: skip
    """Compiles what `launches_of(item)`, which a new process can import, would launch; the number of kernels.

    An item may be a Shared one. What fails here fails again when it is launched, and is told then. So it is with what
    is not done after so many seconds: a process that dies takes its item with it, and `most` after the last item that
    was done nobody waits for the rest.
    """
    items, count, end = list(items), 0, time.monotonic() + seconds
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count(), _start, (capability,)) as pool:  # which ends all its processes
        done = pool.imap_unordered(_Work(launches_of), items)
        for _ in items:
            try:
                count += done.next(max(0.0, min(most, end - time.monotonic())))
            except multiprocessing.TimeoutError:
                break
    return count


class Shared(NamedTuple):
    """An item of which each of `parts` processes compiles a part."""

    item: Any
    part: int
    parts: int


def shared(items: Iterable[Any], parts: int) -> list[Shared]:
    """The items, each as many times as there are parts."""
    return [Shared(item, part, parts) for item in items for part in range(parts)]


def _start(capability: int) -> None:
    driver.set_active(Target(capability))


class _Work:
    """What a process does with an item."""

    def __init__(self, launches_of: Callable[[Any], list[Callable[[], Any]]]):
        self.launches_of = launches_of

    def __call__(self, item: Any) -> int:
        count = 0
        item, *share = item if isinstance(item, Shared) else (item, 0, 1)
        with suppress(Exception):
            for launch in self.launches_of(item):
                for _, kernel in compiled(launch, (share[0], share[1])):
                    _build_launcher(kernel)
                    count += 1
        return count


def _build_launcher(kernel: Any) -> None:
    """Triton 3.6 compiles a piece of C for each signature too, where there is the driver's library to link with."""
    if hasattr(nvidia, "make_launcher"):
        with suppress(AssertionError):
            nvidia.CudaLauncher(kernel.src, kernel.metadata)
