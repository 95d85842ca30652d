"""Memory that is only an address, and a launch of an op's kernel on it."""

from math import prod

from refflow_kernels.gpu import KERNELS
from refflow_kernels.gpu.arrays import packed_strides


class Type:
    """A type by name and size, as Triton and its descriptors ask."""

    def __init__(self, name):
        self.name = name
        self.itemsize = {"float64": 8, "int64": 8, "float32": 4, "int32": 4, "float16": 2, "bfloat16": 2}.get(name, 1)

    def __str__(self):
        return f"memory.{self.name}"

    def __eq__(self, other):
        return str(self) == str(other)

    def __hash__(self):
        return hash(self.name)


class Place:
    """An address, a type, a shape and strides: aligned as torch's memory is."""

    def __init__(self, shape, dtype="float32", at=1 << 20, strides=None):
        self.shape, self.dtype, self.at = tuple(shape), Type(dtype), at
        self.strides = packed_strides(self.shape) if strides is None else tuple(strides)

    def data_ptr(self):
        return self.at

    def stride(self, axis=None):
        return self.strides if axis is None else self.strides[axis]

    def element_size(self):
        return self.dtype.itemsize

    def numel(self):
        return prod(self.shape)

    def __getitem__(self, key):
        """The part that slices name, one for each of the first axes."""
        slices = key if isinstance(key, tuple) else (key,)
        slices += (slice(None),) * (len(self.shape) - len(slices))
        ranges = [range(size)[part] for size, part in zip(self.shape, slices, strict=True)]
        first = sum(r.start * s for r, s in zip(ranges, self.strides, strict=True) if len(r))
        strides = [r.step * s for r, s in zip(ranges, self.strides, strict=True)]
        return Place([len(r) for r in ranges], self.dtype.name, self.at + first * self.dtype.itemsize, strides)

    def view(self, dtype):
        return Place([prod(self.shape) * self.dtype.itemsize // dtype.itemsize], dtype.name, self.at)

    def reshape(self, shape):
        return Place(shape, self.dtype.name, self.at)


def run(op_type, inputs, outputs, **attrs):
    """A function that launches the op's kernel, with the scratch memory that it asks for."""
    kernel = KERNELS[op_type]
    if kernel.workspace is not None:
        need = kernel.workspace(inputs, **attrs)
        if need is not None:
            attrs["workspace"] = Place(*need)
    out = tuple(outputs)
    return lambda: kernel.function(*inputs, **attrs, out=out if len(out) > 1 else out[0])
