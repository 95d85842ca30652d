"""NumPy arrays as Triton's interpreter wants its memory, without torch; and guards behind every buffer."""

import numpy as np

GUARD = 64  # elements behind each buffer that nobody may touch


class _DType:
    """A type that Triton recognises by the end of its name."""

    def __init__(self, name):
        self.name = name

    def __str__(self):
        return f"memory.{self.name}"

    def __eq__(self, other):
        return str(self) == str(other)

    def __hash__(self):
        return hash(self.name)


class Memory:
    """A contiguous array with what a launch asks of a tensor. It shares the array: nothing is copied."""

    def __init__(self, array, whole=None):
        self.array = array
        self.whole = array if whole is None else whole
        self.shape = array.shape
        self.dtype = _DType({"bool": "int1"}.get(array.dtype.name, array.dtype.name))

    @classmethod
    def of(cls, array):
        """A copy of `array` with a guard behind it."""
        array = np.asarray(array)
        whole = np.empty(array.size + GUARD, array.dtype)
        whole.view(np.uint8)[...] = 0xA5
        inside = whole[: array.size].reshape(array.shape)
        inside[...] = array
        return cls(inside, whole)

    @classmethod
    def empty(cls, shape, dtype):
        return cls.of(np.full(shape, 77, dtype))

    def guard_is_whole(self):
        return bool((self.whole[self.array.size :].view(np.uint8) == 0xA5).all())

    def __getitem__(self, key):
        return Memory(self.array[key], self.whole)

    def __setitem__(self, key, value):
        self.array[key] = value.array if isinstance(value, Memory) else value

    def reshape(self, shape):
        return Memory(self.array.reshape(shape), self.whole)

    def unsqueeze(self, axis):
        return Memory(np.expand_dims(self.array, axis), self.whole)

    # What the interpreter asks.
    def data_ptr(self):
        return self.array.ctypes.data

    def untyped_storage(self):
        return self

    def cpu(self):
        return self

    def copy_(self, other):
        return self

    def storage_offset(self):
        return 0

    def size(self):
        return self.shape

    def stride(self):
        return tuple(s // self.array.itemsize for s in self.array.strides)

    def new_empty(self, *args, **kwargs):
        return self

    def set_(self, *args, **kwargs):
        return self

    def element_size(self):
        return self.array.itemsize

    @property
    def device(self):
        return "cpu"
