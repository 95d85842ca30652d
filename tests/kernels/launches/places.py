"""Memory that is only an address, and a launch of an op's kernel on it."""

from refflow_kernels.gpu import KERNELS


class Place:
    """An address, a type and a shape: aligned as torch's memory is."""

    def __init__(self, shape, dtype="float32", at=1 << 20):
        self.shape, self.dtype, self.at = tuple(shape), f"memory.{dtype}", at

    def data_ptr(self):
        return self.at

    def stride(self, axis=None):
        strides, step = [], 1
        for size in reversed(self.shape):
            strides.insert(0, step)
            step *= size
        return tuple(strides) if axis is None else strides[axis]

    def numel(self):
        count = 1
        for size in self.shape:
            count *= size
        return count

    def __getitem__(self, key):
        return Place((key.stop - (key.start or 0),), self.dtype.removeprefix("memory."))


def run(op_type, inputs, outputs, **attrs):
    """A function that launches the op's kernel, with the scratch memory that it asks for."""
    kernel = KERNELS[op_type]
    if kernel.workspace is not None:
        need = kernel.workspace(inputs, **attrs)
        if need is not None:
            attrs["workspace"] = Place(*need)
    out = tuple(outputs)
    return lambda: kernel.function(*inputs, **attrs, out=out if len(out) > 1 else out[0])
