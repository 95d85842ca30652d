"""Generated elementwise kernels: each function that formulas have, 16 bits, and each way of reading an operand."""

import refflow.ops  # noqa: F401  (registers the ops)
from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def
from refflow.core.signature import REQUIRED
from refflow.runtime.gpu_kernels import formula_of
from refflow_kernels.gpu.elementwise import of_formula
from tests.kernels.launches.places import Place, run

SHAPE = [1024, 1024]
OPS = (  # between them they have every function of the language
    "Abs", "Acos", "Acosh", "Add", "Asin", "Asinh", "Atan", "Atan2", "Atanh", "Ceil", "ClipByValue", "Cos", "Cosh",
    "Digamma", "Div", "DivNoNan", "Elu", "EluGrad", "Erf", "Erfc", "Erfinv", "Exp", "Floor", "FloorDiv", "Greater",
    "GreaterEqual", "InvGrad", "LessEqual", "Lgamma", "Log", "Log1p", "LogicalAnd", "LogicalNot", "LogicalOr",
    "Maximum", "Mod", "Ndtri", "NotEqual", "Pow", "Rint", "Rsqrt", "SigmoidGrad", "Sign", "Sin", "Sinh", "Softplus",
    "SoftsignGrad", "Tan", "Tanh",
)  # fmt: skip
OTHERS = [("Tanh", "bfloat16"), ("Add", "bfloat16"), ("Mul", "float16"), ("Add", "int32")]


def _formula(op):
    attrs = {name: attr.default for name, attr in op.attrs.items() if attr.default is not REQUIRED}
    return formula_of(op, attrs | ({"T": as_dtype("float32")} if "T" in op.attrs else {}) | {"N": 3})


def _launch(op, formula, shapes, dtype="float32"):
    kernel = of_formula(op.name, formula)
    types = [a.fixed.name if a.fixed else dtype for a in op.inputs] * (3 if op.inputs[0].number else 1)
    operands = [Place(shape, t) for shape, t in zip(shapes * 3, types, strict=False)]
    out = Place(SHAPE, op.outputs[0].fixed.name if op.outputs[0].fixed else dtype)
    return lambda: kernel(*operands, out=out)


def launches():
    for name in OPS:
        yield name, _launch(op_def(name), _formula(op_def(name)), [SHAPE] * 3)
    for name, dtype in OTHERS:
        yield f"{name} {dtype}", _launch(op_def(name), _formula(op_def(name)), [SHAPE] * 3, dtype)
    add = op_def("Add")
    for kind, shape in [("row", [1024]), ("column", [1024, 1]), ("single", [])]:
        yield f"Add {kind}", _launch(add, _formula(add), [SHAPE, shape])
    wide, half = Place(SHAPE), Place(SHAPE, "bfloat16")
    yield "Cast to bfloat16", run("Cast", [wide], [half], DstT=None, Truncate=True)
    yield "Cast from bfloat16", run("Cast", [half], [wide], DstT=None, Truncate=True)
    yield "Select rows", run("Select", [Place([1024], "bool"), wide, wide], [wide])
