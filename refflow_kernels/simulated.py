"""A card without a card: what the runtime asks of one, in NumPy's memory, with Triton's interpreter for the kernels.

It is as strict as a card, and in places more:

    contents   fresh memory is full of NaNs, not of zeros
    guards     bytes behind each block tell whether a kernel wrote there
    captures   launches and copies are noted down with the arrays they were given, and run at each replay; whatever
               asks for memory, waits, or looks at contents meanwhile is an error, as CUDA's

Set TRITON_INTERPRET=1 before Triton is imported.

Next: refflow_kernels/gpu/arrays.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from math import prod
from typing import Any
from weakref import WeakSet

import numpy as np

from refflow_kernels.interpreter import GUARD, Memory

_FRESH = 0xFF  # of floats, a NaN


class Block:
    """Bytes, and guards behind them."""

    def __init__(self, nbytes: int):
        self.whole = np.full(nbytes + GUARD, _FRESH, np.uint8)
        self.whole[nbytes:] = 0xA5
        self.bytes = self.whole[:nbytes]

    def is_whole(self) -> bool:
        return bool((self.whole[len(self.bytes) :] == 0xA5).all())


class SimulatedCard:
    """A card of `nbytes`, or of what the machine has."""

    def __init__(self, nbytes: int | None = None):
        self._limit = nbytes
        self._blocks: WeakSet[Block] = WeakSet()
        self._recorded: list[Callable[[], Any]] | None = None
        self.replays = self.blocks = 0

    @property
    def used(self) -> int:
        return sum(len(b.bytes) for b in self._blocks)

    # -- memory ---------------------------------------------------------------------------------------

    def block(self, nbytes: int) -> Block:
        self._not_while_capturing("asking for memory")
        if self._limit is not None and self.used + nbytes > self._limit:
            free = self._limit - self.used
            raise MemoryError(f"{nbytes:,} bytes are asked for, {free:,} of {self._limit:,} are free")
        block = Block(nbytes)
        self._blocks.add(block)
        self.blocks += 1
        return block

    def array(self, block: Block, offset: int, shape: tuple[int, ...], dtype: Any) -> Memory:
        part = block.bytes[offset : offset + prod(shape) * dtype.size]
        kind = np.uint16 if dtype.name == "bfloat16" else dtype.as_numpy_dtype
        memory = Memory(part.view(kind).reshape(shape), part, dtype.name)
        memory.block = block  # alive as long as what lies in it
        return memory

    def pinned(self, nbytes: int) -> tuple[np.ndarray, np.ndarray]:
        self._not_while_capturing("asking for memory")
        memory = np.full(nbytes, _FRESH, np.uint8)
        return memory, memory

    # -- copies ---------------------------------------------------------------------------------------

    def upload(self, array: Memory, pinned: np.ndarray) -> None:
        self._do(lambda: np.copyto(_bytes(array), pinned))

    def download(self, pinned: np.ndarray, array: Memory) -> None:
        self._do(lambda: np.copyto(pinned, _bytes(array)))

    def copy(self, array: Memory, source: Memory) -> None:
        self._do(lambda: np.copyto(_bytes(array), _bytes(source)))

    def put(self, array: Memory, value: np.ndarray) -> None:
        self._not_while_capturing("copying from memory that is not pinned")
        np.copyto(_bytes(array), np.ascontiguousarray(value).reshape(-1).view(np.uint8))

    def get(self, array: Memory) -> np.ndarray:
        self._not_while_capturing("looking at contents")
        return _bytes(array).copy()

    # -- time -----------------------------------------------------------------------------------------

    def wait(self) -> None:
        self._not_while_capturing("waiting")
        if not all(b.is_whole() for b in list(self._blocks)):
            raise RuntimeError("a kernel wrote behind the end of a block")

    def capture(self, body: Callable[[], Any]) -> Callable[[], Any]:
        """What `body` launches and copies, to be run later."""
        from triton.runtime.interpreter import InterpretedFunction

        self._not_while_capturing("capturing")
        recorded: list[Callable[[], Any]] = []
        run = InterpretedFunction.run

        def note(kernel: Any, *arguments: Any, **named: Any) -> None:
            recorded.append(lambda: run(kernel, *arguments, **named))

        self._recorded, InterpretedFunction.run = recorded, note
        try:
            body()
        finally:
            self._recorded, InterpretedFunction.run = None, run

        def replay() -> None:
            self.replays += 1
            for each in recorded:
                each()

        return replay

    def use(self) -> Any:
        """A context in which kernels are launched here."""
        return nullcontext()

    def _do(self, copy: Callable[[], Any]) -> None:
        if self._recorded is None:
            copy()
        else:
            self._recorded.append(copy)

    def _not_while_capturing(self, what: str) -> None:
        if self._recorded is not None:
            raise RuntimeError(f"{what} is not permitted while a stream is captured")


def _bytes(array: Memory) -> np.ndarray:
    return array.array.reshape(-1).view(np.uint8)
