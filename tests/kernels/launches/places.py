"""A launch of an op's kernel on memory that is only an address."""

from refflow_kernels.ahead import Place
from refflow_kernels.gpu import KERNELS

__all__ = ["Place", "run"]


def run(op_type, inputs, outputs, **attrs):
    """A function that launches the op's kernel, with the scratch memory that it asks for."""
    kernel = KERNELS[op_type]
    if kernel.workspace is not None:
        need = kernel.workspace(inputs, **attrs)
        if need is not None:
            attrs["workspace"] = Place(*need)
    out = tuple(outputs)
    return lambda: kernel.function(*inputs, **attrs, out=out if len(out) > 1 else out[0])
