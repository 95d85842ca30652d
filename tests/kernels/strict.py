"""A launcher that only looks at what it is given, and refuses what CUDA and Triton's own launcher refuse.

Launches go through Triton's own binder, which its interpreter does not have, with the very arguments that a card would
get. Each argument is then looked at as Triton's C code does, and the grid, the boxes of tensor descriptors and every
address as CUDA does. Nothing is computed. With `compiles=True` kernels are compiled for a Hopper card too. For a
process without TRITON_INTERPRET.
"""

import re
from contextlib import contextmanager
from types import SimpleNamespace
from typing import ClassVar

from triton.runtime import driver
from triton.runtime.jit import JITFunction

from refflow_kernels.ahead import Target

_MOST = (2**31 - 1, 65535, 65535)  # programs along the axes of a grid
_SHARED, _REGISTERS = 232448, 65536  # bytes and registers of a block of threads
_INTEGERS = {"i1": (0, 255), "u1": (0, 255), "i8": (-128, 127), "u8": (0, 255), "i16": (-(2**15), 2**15 - 1),
             "u16": (0, 2**16 - 1), "i32": (-(2**31), 2**31 - 1), "u32": (0, 2**32 - 1),
             "i64": (-(2**63), 2**63 - 1), "u64": (0, 2**64 - 1)}  # fmt: skip
_BITS = {"bf16": 16, "fp16": 16, "fp32": 32}


class Refused(Exception):
    """What a card would not do. It is no RuntimeError, which a session would take for a capture that cannot be had."""


class Launcher:
    """Looks at a launch.

    blocks: the card's, where they are known; noted: launches, as (name, grid, addresses); captures: how many go on.
    """

    blocks = None
    noted: ClassVar[list] = []
    captures = 0

    def __init__(self, src, metadata):
        self._signature, self._name = list(src.signature.values()), getattr(metadata, "name", "")
        if getattr(metadata, "global_scratch_size", 0) or getattr(metadata, "profile_scratch_size", 0):
            raise Refused(f"{self._name} asks for memory when it is launched")

    def __call__(self, x, y, z, stream, function, packed, about, enter, leave, *arguments):
        self._addresses = []
        for size, most in zip((x, y, z), _MOST, strict=True):
            if type(size) is not int or not 0 <= size <= most:
                raise Refused(f"{self._name}: a grid of {x!r}, {y!r}, {z!r}")
        if x * y * z > _MOST[0]:  # Triton 3.6 multiplies them as C's ints
            raise Refused(f"{self._name}: a grid of {x * y * z} programs")
        if len(arguments) != len(self._signature):
            raise Refused(f"{self._name}: {len(arguments)} arguments for {self._signature}")
        for kind, argument in zip(self._signature, arguments, strict=True):
            self._look(kind, argument)
        if x * y * z:
            self.noted.append((self._name, (x, y, z), self._addresses))

    def _look(self, kind, argument):
        if isinstance(kind, tuple):
            if not isinstance(argument, tuple) or len(argument) != len(kind):
                raise Refused(f"{self._name}: {argument!r} for {kind}")
            for each, value in zip(kind, argument, strict=True):
                self._look(each, value)
        elif kind.startswith("*"):
            self._address(argument)
        elif kind.startswith("tensordesc"):
            self._box(kind, argument)
        elif kind in _INTEGERS:
            low, high = _INTEGERS[kind]
            if not hasattr(argument, "__index__") or not low <= argument.__index__() <= high:
                raise Refused(f"{self._name}: {argument!r} of {type(argument)} for {kind}")
        elif kind != "constexpr" and not isinstance(argument, float):
            raise Refused(f"{self._name}: {argument!r} of {type(argument)} for {kind}")

    def _address(self, argument):
        address = argument if isinstance(argument, int) else argument.data_ptr()
        if address:
            if self.blocks is not None and self.blocks.kind_of(address) != "card":
                raise Refused(f"{self._name}: {address:#x} is {self.blocks.kind_of(address)} memory")
            self._addresses.append(address)

    def _box(self, kind, box):
        """What cuTensorMapEncodeTiled asks for."""
        self._address(box.base)
        name, block = re.match(r"tensordesc<(\w+)\[([\d, ]+)\]", kind).groups()
        block, size = [int(b) for b in block.split(",")], _BITS[name] // 8
        right = (
            box.base.data_ptr() % 16 == 0
            and 1 <= len(block) <= 5
            and all(type(n) is int and 1 <= n <= 2**32 for n in box.shape)
            and all(type(s) is int and s * size % 16 == 0 and 0 < s * size < 2**40 for s in box.strides[:-1])
            and box.strides[-1] == 1
            and all(1 <= b <= 256 for b in block)
            and block[-1] * size % 16 == 0
        )
        if not right:
            raise Refused(f"{self._name}: a box {block} of {box.shape}, strides {box.strides}, {name}")


class Uncompiled:
    """A kernel of which nothing is known but its arguments."""

    function, packed_metadata = 1, ()

    def __init__(self, function, signature):
        self.run = Launcher(SimpleNamespace(signature=signature), SimpleNamespace(name=function.__name__))

    def launch_metadata(self, *arguments):
        return None


class StrictDriver(Target):
    """Triton's driver for a Hopper card that is not there."""

    launcher_cls = Launcher

    def __init__(self):
        super().__init__(90)
        self.utils = self

    def get_device_properties(self, device):
        return {"max_shared_mem": _SHARED}

    def load_binary(self, name, kernel, shared, device):
        """(module, function, registers, spills, most threads)."""
        if Launcher.captures:
            raise Refused(f"{name} is loaded while a stream is captured")
        return 1, 1, 0, 0, 1024


_keys: list = []  # of the kernels that were asked for: the function, its cache, the key


def keys_of():
    """The kernels that were asked for in the last `strict()`: name, and what Triton keeps them by."""
    return {f"{function.__name__} {key}" for function, _, key in _keys}


@contextmanager
def strict(compiles=False):
    """Launches go to Launcher; gives the list in which they are noted. Kernels are not kept for later."""
    original, before = JITFunction._do_compile, driver._active

    def noted(self, key, signature, device, constexprs, options, attrs, warmup):
        if Launcher.captures:
            raise Refused(f"{self.__name__} is compiled while a stream is captured")
        cache = self.device_caches[device][0]
        _keys.append((self, cache, key))
        if compiles:
            return original(self, key, signature, device, constexprs, options, attrs, warmup)
        hash(tuple(constexprs.items()))
        cache[key] = Uncompiled(self, signature)
        return cache[key]

    JITFunction._do_compile, Launcher.noted, Launcher.blocks = noted, [], None
    _keys.clear()
    driver.set_active(StrictDriver())
    try:
        yield Launcher.noted
    finally:
        JITFunction._do_compile = original
        driver.set_active(before)
        for _, cache, key in _keys:
            cache.pop(key, None)
