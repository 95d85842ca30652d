"""Every generated elementwise kernel, and an addition of a row to all rows."""

import refflow.ops  # noqa: F401  (registers the ops)
from refflow.core.dtypes import float32
from refflow.core.opdef import op_def, registered_ops
from refflow.runtime.gpu import GpuDevice
from refflow_kernels.gpu.elementwise import build
from tests.kernels.launches.places import Place


def launches():
    large = Place([1024, 1024])
    for op in registered_ops():
        if op.formula is not None and "T" in op.attrs and GpuDevice().supports(op, {"T": float32}):
            kernel = build(op.name, op.formula.parameters, op.formula.triton())
            out = Place([1024, 1024], op.outputs[0].fixed.name) if op.outputs[0].fixed else large
            operands = [large] * len(op.formula.parameters)
            yield op.name, lambda kernel=kernel, operands=operands, out=out: kernel(*operands, out=out)
    formula = op_def("Add").formula
    bias, z = build("Add", formula.parameters, formula.triton()), Place([10000, 10])
    yield "Add rows", lambda: bias(z, Place([10]), out=z)
