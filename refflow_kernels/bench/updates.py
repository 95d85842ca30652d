"""Updates of variables: one large one, the sets of a net, of a wide net, and of a thousand small ones; some rows.

Both sides write over variables and slots. torch's fused kernels are the peers; their Adam has its epsilon inside of the
correction, so that it is given the one that comes to the same.

Next: refflow/ops/matmul.py, and the path of docs/reading.rst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from refflow_kernels.bench.case import Case, made, normal, shrink

NUMBERS = {  # in the order of the ops' inputs
    "ApplyGradientDescent": {"alpha": 0.5},
    "ApplyMomentum": {"lr": 0.1, "momentum": 0.9},
    "ApplyAdam": {"beta1_power": 0.9, "beta2_power": 0.999, "lr": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
}
_LENET = [(5, 5, 1, 32), (32,), (5, 5, 32, 64), (64,), (3136, 1024), (1024,), (1024, 10), (10,)]
SETS: dict[str, list[tuple[int, ...]]] = {
    "2^26": [(1 << 26,)],
    "LeNet": _LENET,
    "60 layers of 1024x1024": [shape for _ in range(60) for shape in ((1024, 1024), (1024,))],
    "1000 small": [(1 + 37 * i % 4096,) for i in range(1000)],
}


def cases(small: bool) -> Iterator[Case]:
    for name, numbers in NUMBERS.items():
        for label, shapes in SETS.items():
            if name == "ApplyGradientDescent" and label != "2^26":
                continue
            sizes = [tuple(shrink(s, small) for s in shape) for shape in shapes[: 5 if small else None]]
            yield _case(name, label, sizes, [np.float32(v) for v in numbers.values()])
    for rows, width, count in ((50257, 1024, 8192), (1000000, 128, 65536)):
        yield _rows(shrink(rows, small), width if not small else 8, 40 if small else count)


def _case(name: str, label: str, shapes: list[tuple[int, ...]], numbers: list[Any]) -> Case:
    """The inputs are the numbers, then each variable's arrays; what comes out are all variables and slots."""
    op, update = _update(name)
    slots = len(op.ref_inputs)
    arrays = [normal(*s, seed=i) if i in (0, slots) else made(s, partial(_above_0, s, i))
              for s in shapes for i in range(slots + 1)]  # fmt: skip
    values = [np.asarray(n) for n in numbers]

    def setup(card: Any, inputs: Sequence[Any], _: Any) -> tuple[Callable[[], Any], Sequence[Any]]:
        numbers, variables = _apart(inputs, len(values), slots + 1)
        table = update.table(variables)
        memory = card.upload(np.array(table.values, np.int64))
        return lambda: update.many(memory, table, numbers, "float32"), [a for v in variables for a in v[:slots]]

    def page(inputs: Sequence[Any]) -> list[Any]:
        numbers, variables = _apart(inputs, len(values), slots + 1)
        return [new for arrays in variables for new in op.by_element.rule(*_in_order(op, numbers, arrays))]

    return Case(f"{name} {label}", name, (*values, *arrays), {}, _PEERS[name], setup=setup, page=page, outs=())


def _above_0(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.abs(normal(*shape, seed=seed))


def _rows(rows: int, width: int, count: int) -> Case:
    """An embedding's update: Adagrad's rule for some rows, each named once."""
    op, update = _update("SparseApplyAdagrad")
    ids = np.random.default_rng(7).permutation(rows)[:count].astype(np.int32)
    accum = made((rows, width), partial(_above_0, (rows, width), 1))
    arrays = [normal(rows, width), accum, np.asarray(np.float32(0.1)), normal(len(ids), width, seed=2), ids]

    def setup(card: Any, inputs: Sequence[Any], _: Any) -> tuple[Callable[[], Any], Sequence[Any]]:
        workspace = card.empty(*update.workspace(inputs))
        return lambda: update(*inputs, out=tuple(inputs[:2]), workspace=workspace), inputs[:2]

    def page(inputs: Sequence[Any]) -> list[Any]:
        return op.reference(*inputs)

    label = f"SparseApplyAdagrad {len(ids)} of {rows}x{width}"
    return Case(label, "SparseApplyAdagrad", tuple(arrays), {}, _torch_rows, setup=setup, page=page, outs=())


def _update(name: str) -> Any:
    from refflow.core.dtypes import float32
    from refflow.core.signature import REQUIRED
    from refflow.ops.training import APPLY
    from refflow.runtime.gpu_updates import update_of

    op = APPLY[name]
    defaults = {n: a.default for n, a in op.attrs.items() if a.default is not REQUIRED}
    return op, update_of(op, defaults | {"T": float32})


def _apart(inputs: Sequence[Any], numbers: int, width: int) -> tuple[list[Any], list[list[Any]]]:
    """The numbers, and each variable's arrays."""
    arrays = list(inputs[numbers:])
    return list(inputs[:numbers]), [arrays[i : i + width] for i in range(0, len(arrays), width)]


def _in_order(op: Any, numbers: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    left, right = list(arrays), list(numbers)
    return [right.pop(0) if i in op.by_element.numbers else left.pop(0) for i in range(len(op.inputs))]


def _torch_descent(torch: Any, x: Sequence[Any]) -> list[Any]:
    _, [[var, delta]] = _apart(x, 1, 2)
    return [var.sub_(delta, alpha=float(NUMBERS["ApplyGradientDescent"]["alpha"]))]


def _torch_momentum(torch: Any, x: Sequence[Any]) -> list[Any]:
    _, variables = _apart(x, 2, 3)
    var, accum, grad = map(list, zip(*variables, strict=True))
    torch._fused_sgd_(var, grad, accum, weight_decay=0.0, momentum=0.9, lr=0.1, dampening=0.0, nesterov=False,
                      maximize=False, is_first_step=False)  # fmt: skip
    return [a for v in variables for a in v[:2]]


def _torch_adam(torch: Any, x: Sequence[Any]) -> list[Any]:
    _, variables = _apart(x, 6, 4)
    var, m, v, grad = map(list, zip(*variables, strict=True))
    epsilon = 1e-8 / (1 - 0.999) ** 0.5
    torch._fused_adam_(var, grad, m, v, [], _steps(torch, var), lr=0.001, beta1=0.9, beta2=0.999, weight_decay=0.0,
                       eps=epsilon, amsgrad=False, maximize=False)  # fmt: skip
    return [a for arrays in variables for a in arrays[:3]]


def _torch_rows(torch: Any, x: Sequence[Any]) -> list[Any]:
    var, accum, rate, grad, ids = x
    accum.index_add_(0, ids, grad * grad)
    var.index_add_(0, ids, -rate * grad / accum[ids].sqrt())
    return [var, accum]


_counts: dict[Any, list[Any]] = {}


def _steps(torch: Any, variables: list[Any]) -> list[Any]:
    """How many steps there have been: one, for each variable on its device. Made once, as an optimizer's state."""
    key = (len(variables), str(variables[0].device))
    if key not in _counts:
        _counts[key] = [torch.ones((), dtype=torch.float32, device=variables[0].device) for _ in variables]
    return _counts[key]


_PEERS = {
    "ApplyGradientDescent": _torch_descent, "ApplyMomentum": _torch_momentum, "ApplyAdam": _torch_adam,
}  # fmt: skip
