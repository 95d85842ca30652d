"""Compiles the Triton kernels for a card that is not there, and reads what came out.

    python -m tests.kernels.compile_all [--target 90]          prints JSON, a row a kernel

The kernels' own host functions are called, on memory that does not exist; a stand-in for Triton's driver says which
card it is, and every launch stops after compiling. So what is compiled is what would be launched: the same tiles, the
same facts about alignment. Run in a process of its own, without TRITON_INTERPRET.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime.jit import JITFunction

import refflow.ops  # noqa: F401  (registers the ops)
from refflow.core.dtypes import float32
from refflow.core.opdef import op_def, registered_ops
from refflow.runtime.gpu import GpuDevice
from refflow_kernels.gpu import KERNELS
from refflow_kernels.gpu.elementwise import build

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"


class Card:
    """Triton's driver, as far as compiling asks."""

    def __init__(self, capability):
        self.target = GPUTarget("cuda", capability, 32)

    def get_current_target(self):
        return self.target

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_active_torch_device(self):
        return "cuda"


class Place:
    """Memory that is only an address, a type and a shape: aligned as torch's is."""

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


def compiled(launch):
    """The kernels that `launch()` would start."""
    found = []
    original = JITFunction.run

    def only_compile(self, *args, grid, warmup, **kwargs):
        kernel = original(self, *args, grid=grid, warmup=True, **kwargs)
        found.append((self.__name__, kernel))
        return kernel

    JITFunction.run = only_compile
    try:
        launch()
    finally:
        JITFunction.run = original
    return found


def resources(cubin):
    """Registers, bytes spilled, and counts of what matters, from NVIDIA's own tools."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        usage = _output("cuobjdump", "--dump-resource-usage", file.name)
        code = _output("nvdisasm", "-c", file.name)
    return {
        "registers": max(int(n) for n in re.findall(r"REG:(\d+)", usage)),
        "stack": max(int(n) for n in re.findall(r"STACK:(\d+)", usage)),
        "spills": len(re.findall(r"\b(?:STL|LDL)\b", code)),
        "wide_loads": len(re.findall(r"\bLDG\S*\.128\b|\bLDGSTS\S*\.128\b", code)),
        "tensor_core": len(re.findall(r"\bHGMMA|\bHMMA|\bQGMMA", code)),
    }


def _output(tool, *arguments):
    return subprocess.run([TOOLS / tool, *arguments], capture_output=True, text=True, check=True).stdout


def launches():
    """(label, launch) for every op, on sizes of the deck's program and on long rows."""

    def run(op_type, inputs, outputs, **attrs):
        kernel = KERNELS[op_type]
        if kernel.workspace is not None:
            need = kernel.workspace(inputs, **attrs)
            if need is not None:
                attrs["workspace"] = Place(*need)
        out = tuple(outputs)
        return lambda: kernel.function(*inputs, **attrs, out=out if len(out) > 1 else out[0])

    x, w, z = Place([10000, 784]), Place([784, 10]), Place([10000, 10])
    large = Place([1024, 1024])
    plain, turned = {"transpose_a": False, "transpose_b": False}, {"transpose_a": True, "transpose_b": False}
    yield "MatMul 10000x784x10", run("MatMul", [x, w], [z], **plain)
    yield "MatMul 784x10000x10", run("MatMul", [x, z], [w], **turned)
    yield "MatMul 1024", run("MatMul", [large, large], [large], **plain)
    half = Place([1024, 1024], "float16")
    yield "MatMul 1024 float16", run("MatMul", [half, half], [half], **plain)
    for c in (16, 1024, 50000):
        rows, loss = Place([4096, c]), Place([4096])
        yield f"Softmax {c}", run("Softmax", [rows], [rows])
        yield f"SoftmaxCrossEntropyWithLogits {c}", run("SoftmaxCrossEntropyWithLogits", [rows, rows], [loss, rows])
    for op_type in ("Sum", "Mean", "Max", "Min", "Prod"):
        yield f"{op_type} rows", run(op_type, [Place([4096, 1024]), [1]], [Place([4096])], keep_dims=False)
    yield "Sum columns", run("Sum", [Place([4096, 1024]), [0]], [Place([1024])], keep_dims=False)
    yield "Sum all", run("Sum", [Place([1 << 24]), [0]], [Place([])], keep_dims=False)
    yield "ApplyGradientDescent", run("ApplyGradientDescent", [large, Place([]), large], [large])
    for op in registered_ops():
        if op.formula is not None and "T" in op.attrs and GpuDevice().supports(op, {"T": float32}):
            kernel = build(op.name, op.formula.parameters, op.formula.triton())
            out = Place([1024, 1024], op.outputs[0].fixed.name) if op.outputs[0].fixed else large
            operands = [large] * len(op.formula.parameters)
            yield op.name, lambda kernel=kernel, operands=operands, out=out: kernel(*operands, out=out)
    formula = op_def("Add").formula
    bias = build("Add", formula.parameters, formula.triton())
    yield "Add rows", lambda: bias(z, Place([10]), out=z)


def main():
    capability = int(sys.argv[sys.argv.index("--target") + 1]) if "--target" in sys.argv else 90
    driver.set_active(Card(capability))
    rows = []
    for label, launch in launches():
        for name, kernel in compiled(launch):
            rows.append({"case": label, "kernel": name, **resources(kernel.asm["cubin"])})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
