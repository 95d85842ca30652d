"""Kernels compiled before they are launched: without a card, or for one by all of its machine's cores.

    Place         memory that is only an address: what a kernel's host function asks of an array
    compiled      the kernels that a function would launch
    fill_cache    the same for many functions, by several processes, into Triton's cache on disk

A kernel takes a core some seconds to compile, and a card's first minutes would go into that. What is compiled is what
would be launched: the host functions choose the tiles, and a Place is aligned as the memory of a card is.

Next: refflow_kernels/simulated.py.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from math import prod
from typing import Any

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


def compiled(launch: Callable[[], Any]) -> list[tuple[str, Any]]:
    """The kernels that `launch()` would start, by name, for the driver that is set."""
    found = []
    original = JITFunction.run

    def only_compile(self: Any, *arguments: Any, grid: Any, warmup: bool, **named: Any) -> Any:
        kernel = original(self, *arguments, grid=grid, warmup=True, **named)
        found.append((self.__name__, kernel))
        return kernel

    JITFunction.run = only_compile
    try:
        launch()
    finally:
        JITFunction.run = original
    return found


def fill_cache(launches_of: Callable[[Any], list[Callable[[], Any]]], items: Iterable[Any], capability: int) -> int:
    """Compiles what `launches_of(item)`, which a new process can import, would launch; the number of kernels.

    What fails here fails again when it is launched, and is told then.
    """
    with ProcessPoolExecutor(
        os.cpu_count(), multiprocessing.get_context("spawn"), _start, (capability,)
    ) as pool:
        return sum(pool.map(_Work(launches_of), list(items)))


def _start(capability: int) -> None:
    driver.set_active(Target(capability))


class _Work:
    """What a process does with an item."""

    def __init__(self, launches_of: Callable[[Any], list[Callable[[], Any]]]):
        self.launches_of = launches_of

    def __call__(self, item: Any) -> int:
        count = 0
        with suppress(Exception):
            for launch in self.launches_of(item):
                for _, kernel in compiled(launch):
                    _build_launcher(kernel)
                    count += 1
        return count


def _build_launcher(kernel: Any) -> None:
    """Triton 3.6 compiles a piece of C for each signature too, where there is the driver's library to link with."""
    if hasattr(nvidia, "make_launcher"):
        with suppress(AssertionError):
            nvidia.CudaLauncher(kernel.src, kernel.metadata)
