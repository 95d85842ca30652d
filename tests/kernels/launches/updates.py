"""Updates of variables: one at a time, and a thousand at once."""

from refflow.core.dtypes import as_dtype
from refflow.core.signature import REQUIRED
from refflow.ops.training import APPLY
from refflow.runtime.gpu_updates import update_of
from tests.kernels.launches.places import Place

RULES = ("GradientDescent", "Momentum", "Adagrad", "Adam", "RMSProp", "Ftrl")


def _update(name, dtype):
    op = APPLY[f"Apply{name}"]
    attrs = {n: a.default for n, a in op.attrs.items() if a.default is not REQUIRED} | {"T": as_dtype(dtype)}
    return op, update_of(op, attrs)


def _one(name, dtype="float32"):
    op, update = _update(name, dtype)
    inputs = [Place([] if i in op.by_element.numbers else [1024, 1024], dtype) for i in range(len(op.inputs))]
    return lambda: update(*inputs, out=tuple(inputs[: len(op.ref_inputs)]))


def _many(name, dtype="float32"):
    update = _update(name, dtype)[1]
    variables = [[Place([1024, 1024], dtype)] * len(update.arrays)] * 3
    table = update.table(variables)
    numbers = [Place([], dtype)] * len(update.numbers)
    return lambda: update.many(Place([len(table.values)], "int64"), table, numbers, dtype)


def _rows(name, dtype):
    """4096 rows of 512."""
    op = APPLY[f"SparseApply{name}"]
    attrs = {n: a.default for n, a in op.attrs.items() if a.default is not REQUIRED} | {"T": as_dtype(dtype)}
    update, slots = update_of(op, attrs), len(op.ref_inputs)
    inputs = [Place([50000, 512], dtype) for _ in range(slots)] + [Place([], dtype) for _ in op.inputs[slots:]]
    inputs[update.ids - 1 : update.ids + 1] = [Place([4096, 512], dtype), Place([4096], "int32")]
    workspace = Place(*update.workspace(inputs))
    return lambda: update(*inputs, out=tuple(inputs[:slots]), workspace=workspace)


def launches():
    for name in RULES:
        yield f"Apply{name}", _one(name)
        yield f"Apply{name} of many", _many(name)
    yield "ApplyAdam bfloat16", _one("Adam", "bfloat16")
    for name, dtype in (("Momentum", "float32"), ("Adagrad", "float32"), ("Adagrad", "bfloat16")):
        yield f"SparseApply{name} {dtype}", _rows(name, dtype)
    yield "ApplyAdam of many, bfloat16", _many("Adam", "bfloat16")
