"""The samples that a real card computes, and their launches: few of each op's, for each is a kernel to compile.

Under the interpreter every sample is computed. Here each op and type has MOST of them, the largest among these, which
the interpreter leaves out. All cores compile them before the first is launched.
"""

from contextlib import suppress

import numpy as np
import triton  # noqa: F401  (before torch, which has one of its own)

from refflow.core.formula import Formula
from refflow.core.registry import op_def
from refflow.runtime.gpu_kernels import formula_of
from refflow.runtime.gpu_updates import update_of
from refflow_kernels.ahead import Place
from refflow_kernels.gpu import KERNELS
from refflow_kernels.gpu.elementwise import of_formula
from tests.kernels.samples import SAMPLES, reference

MOST = {"float32": 6}  # and of all other types 2
DRAWN = [o for o in KERNELS if op_def(o).make_state is not None]
PAIRS = [(o, d) for o, k in KERNELS.items() for d in k.dtypes if o not in DRAWN]


def rng():
    return np.random.default_rng(20151109)


def samples(op_type, dtype):
    """Some of the op's samples, evenly taken, and the one with most elements."""
    found = list(SAMPLES[op_type](rng(), "float32" if dtype == "bfloat16" else dtype))
    sizes = [sum(np.size(x) for x in inputs if not isinstance(x, list)) for inputs, *_ in found]
    most = MOST.get(dtype, 2)
    return [found[i] for i in sorted({len(found) * k // most for k in range(most)} | {int(np.argmax(sizes))})]


def is_half(op_type, arg, dtype):
    """True where an input or output is of the type that is bfloat16; statistics, for example, stay float32."""
    return dtype == "bfloat16" and arg.type == KERNELS[op_type].type_attr


def launch(op_type, inputs, attrs, wanted, dtype, memory_of, empty):
    """The outputs' memory. memory_of: of an array and a type's name; empty: of a shape and one."""
    kernel, op = KERNELS[op_type], op_def(op_type)

    def name(x, arg):
        return "bfloat16" if x.dtype == np.float32 and is_half(op_type, arg, dtype) else x.dtype.name

    memory = []
    for i, x in enumerate(inputs):
        if i not in kernel.host_inputs:
            arg = op.inputs[i]
            x = [memory_of(m, name(m, arg)) for m in x] if isinstance(x, list) else memory_of(x, name(x, arg))
        memory.append(x)
    args = [op.outputs[min(i, len(op.outputs) - 1)] for i in range(len(wanted))]  # a list of outputs comes last
    places = tuple(empty(w.shape, name(w, arg)) for w, arg in zip(wanted, args, strict=True))
    need = kernel.workspace and kernel.workspace(memory, **attrs)
    scratch = {"workspace": empty(*need)} if need else {}
    kernel.function(*memory, **attrs, out=places if len(places) > 1 else places[0], **scratch)
    return places


# -- generated kernels ------------------------------------------------------------------------------------------------


def formula_shapes(dtype):
    """Straight operands, rows of a matrix, and axes stretched apart; of the other types rows alone."""
    return [[(1100,), (1100,)], [(130, 8), (8,)], [(3, 2, 8), (1, 2, 1)]] if dtype == "float32" else [[(130, 8), (8,)]]


def run_formula(formula: Formula, name, operands, out):
    of_formula(name, formula)(*operands, out=out)


def run_update(op, attrs, memory):
    held = memory[: len(op.ref_inputs)]
    update_of(op, attrs)(*memory, out=tuple(held) if len(held) > 1 else held[0])
    return held


# -- what is compiled ahead -------------------------------------------------------------------------------------------


def nowhere(x, name):
    return Place(x.shape, name)


def launches_of(item):
    """The launches of a test, on memory that is only an address."""
    kind, *what = item
    return list({"op": _of_op, "formula": _of_formula, "update": _of_update, "session": _of_session}[kind](*what))


def _of_op(op_type, dtype):
    for inputs, attrs, _ in samples(op_type, dtype):
        wanted = reference(op_type, inputs, attrs)
        yield lambda i=inputs, a=attrs, w=wanted: launch(op_type, i, a, w, dtype, nowhere, Place)


def _of_formula(name, dtype):
    from tests.kernels.test_elementwise import attributes, operands

    op = op_def(name)
    formula = formula_of(op, attributes(op, dtype))
    for shapes in formula_shapes(dtype):
        given, wanted = operands(op, formula, dtype, shapes, rng())
        memory, out = [nowhere(x, x.dtype.name) for x in given], nowhere(wanted, wanted.dtype.name)
        yield lambda m=memory, o=out: run_formula(formula, name, m, o)


def _of_update(name):
    from refflow.ops.training import APPLY
    from tests.kernels.test_gpu_updates import attributes, given

    op = APPLY[name]
    memory = [nowhere(np.asarray(x), np.asarray(x).dtype.name) for x in given(op, (3, 500), rng())]
    yield lambda: run_update(op, attributes(op), memory)


def _of_session(name, *arguments):
    """A test of sessions on a card of paper, to where it finds that nothing was computed."""
    from refflow.runtime import gpu
    from refflow_kernels.paper import PaperCard
    from tests.kernels import test_sessions_on_gpu

    def run():
        kept = gpu.gpu_devices
        gpu.gpu_devices = lambda count: [gpu.GpuDevice(i, PaperCard()) for i in range(count)]
        try:
            with suppress(Exception):
                getattr(test_sessions_on_gpu, name)(*arguments)
        finally:
            gpu.gpu_devices = kept

    yield run
