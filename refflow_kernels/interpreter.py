"""NumPy arrays as Triton's interpreter wants its memory, without torch; and guards behind every buffer.

Set TRITON_INTERPRET=1 before Triton is imported, and the Triton kernels run on `Memory.of(array)` on any machine,
slowly. `guard_is_whole` tells afterwards if anything was written behind the end.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

GUARD = 64  # elements behind each buffer that nobody may touch


class DType:
    """A type by name and size, as Triton and its descriptors ask."""

    def __init__(self, name: str, itemsize: int):
        self.name = name
        self.itemsize = itemsize

    def __str__(self) -> str:
        return f"memory.{self.name}"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self.name)


class Memory:
    """A contiguous array with what a launch asks of a tensor. It shares the array: nothing is copied."""

    def __init__(self, array: np.ndarray, whole: np.ndarray | None = None, dtype: str = ""):
        _let_loops_count()
        self.array = array
        self.whole = array if whole is None else whole
        self.shape = array.shape
        name = dtype or array.dtype.name
        self.dtype = DType({"bool": "int1"}.get(name, name), array.itemsize)
        self.block: Any = None  # what it lies in, where that is to live as long

    @classmethod
    def of(cls, array: Any) -> Memory:
        """A copy of `array` with a guard behind it."""
        array = np.asarray(array)
        whole = np.empty(array.size + GUARD, array.dtype)
        whole.view(np.uint8)[...] = 0xA5
        inside = whole[: array.size].reshape(array.shape)
        inside[...] = array
        return cls(inside, whole)

    @classmethod
    def empty(cls, shape: Any, dtype: Any) -> Memory:
        return cls.of(np.full(shape, 77, dtype))

    def guard_is_whole(self) -> bool:
        return bool((self.whole[self.array.size :].view(np.uint8) == 0xA5).all())

    def __getitem__(self, key: Any) -> Memory:
        return self._seen(self.array[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.array[key] = value.array if isinstance(value, Memory) else value

    def reshape(self, shape: Any) -> Memory:
        return self._seen(self.array.reshape(shape))

    def view(self, dtype: Any) -> Memory:
        """The same bytes as another type's."""
        array = self.array.view(np.uint16 if dtype.name == "bfloat16" else dtype.name)
        memory = Memory(array, self.whole, dtype.name)
        memory.block = self.block
        return memory

    def _seen(self, array: np.ndarray) -> Memory:
        """Another look at the same memory."""
        memory = Memory(array, self.whole, self.dtype.name)
        memory.block = self.block
        return memory

    # What the interpreter asks.
    def data_ptr(self) -> int:
        return self.array.ctypes.data

    def untyped_storage(self) -> Memory:
        return self

    def cpu(self) -> Memory:
        return self

    def copy_(self, other: Any) -> Memory:
        return self

    def storage_offset(self) -> int:
        return 0

    def size(self) -> tuple[int, ...]:
        return self.shape

    def stride(self, axis: int | None = None) -> Any:
        strides = tuple(s // self.array.itemsize for s in self.array.strides)
        return strides if axis is None else strides[axis]

    def new_empty(self, *args: Any, **kwargs: Any) -> Memory:
        return self

    def set_(self, *args: Any, **kwargs: Any) -> Memory:
        return self

    def __bool__(self) -> bool:
        """The one element that there is, as of torch's tensors."""
        return bool(self.array)

    def numel(self) -> int:
        return self.array.size

    def element_size(self) -> int:
        return self.array.itemsize

    @property
    def device(self) -> str:
        return "cpu"


@cache
def _let_loops_count() -> None:
    """Triton 3.6 takes int() of an array with one element for the bound of a loop, which NumPy refuses since 2.4."""
    import triton
    from triton.runtime import interpreter

    if tuple(map(int, triton.__version__.split(".")[:2])) > (3, 6):
        return
    patch = interpreter._patch_lang_tensor

    def patched(tensor: Any, scope: Any) -> None:
        patch(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())

    interpreter._patch_lang_tensor = patched


class InterpretedCard:
    """What the benchmark needs of a card, without one. bfloat16 is float32 here: Triton's interpreter has it wrong."""

    def upload(self, array: Any, dtype: str | None = None) -> Memory:
        return Memory.of(array if dtype in (None, "bfloat16") else array.astype(dtype))

    def empty(self, shape: Any, dtype: str) -> Memory:
        return Memory.empty(shape, "float32" if dtype == "bfloat16" else dtype)

    def download(self, memory: Memory) -> np.ndarray:
        if not memory.guard_is_whole():
            raise MemoryError("a kernel wrote behind the end of its output")
        return memory.array
