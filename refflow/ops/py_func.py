"""PyFunc: a Python function as a node, for what no op does: it gets arrays and gives arrays.

    y_1, y_2, ... = function(x_1, x_2, ...)          the node holds a token; the function stays in this process

Nothing flows back through it. PyFunc may see or leave something beyond its inputs; PyFuncStateless may not, so a plan
may drop or join equal nodes.

Next: tutorials/04_a_new_op.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.convert import convert_n_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import Shape
from refflow.core.signature import Attr
from refflow.core.values import as_value

_ATTRS: dict[str, Any] = {"token": Attr("string"), "Tin": Attr("list(type)"), "Tout": Attr("list(type)")}
PY_FUNC = define_op("PyFunc", "input: Tin -> output: Tout", stateful=True, source=("S44",), **_ATTRS)
PY_FUNC_STATELESS = define_op("PyFuncStateless", "input: Tin -> output: Tout", source=("S44",), **_ATTRS)

_FUNCTIONS: dict[str, Callable[..., Any]] = {}
_tokens = itertools.count()
_CLASSES = {
    TypeError: errors.InvalidArgumentError, ValueError: errors.InvalidArgumentError,
    StopIteration: errors.OutOfRangeError, MemoryError: errors.ResourceExhaustedError,
    NotImplementedError: errors.UnimplementedError,
}  # fmt: skip


def called(input: Sequence[Any], token: str, Tout: Sequence[DType]) -> list[np.ndarray]:
    """What the function behind `token` makes of the inputs, checked against the types that the node promises."""
    name = token.decode() if isinstance(token, bytes) else token
    if name not in _FUNCTIONS:
        raise errors.InternalError(None, None, f"{name} is no function of this process: it was made in another one")
    try:
        found = _FUNCTIONS[name](*input)
    except errors.OpError:
        raise
    except Exception as error:
        kind = next((status for python, status in _CLASSES.items() if isinstance(error, python)), errors.UnknownError)
        raise kind(None, None, f"{type(error).__name__}: {error}") from error
    values = [] if found is None else list(found) if isinstance(found, (list, tuple)) else [found]
    if len(values) != len(Tout):
        raise ValueError(f"{name} returns {len(values)} values, but expects to see {len(Tout)} values.")
    return [_checked(v, t, i, name) for i, (v, t) in enumerate(zip(values, Tout, strict=True))]


def _checked(value: Any, wanted: DType, place: int, name: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        array = as_value(value, as_dtype("string"))
    if array.dtype != np.dtype(wanted.as_numpy_dtype):
        raise ValueError(
            f"{place}-th value returned by {name} is {as_dtype(array.dtype).name}, but expects {wanted.name}"
        )
    return np.array(array, copy=True)


def _unknown_shapes(context: ShapeContext) -> list[Shape]:
    return [None] * len(context.attrs["Tout"])


for _op in (PY_FUNC, PY_FUNC_STATELESS):
    _op.kernel(called)
    _op.shape(_unknown_shapes)
    _op.no_gradient_registered()


def py_func(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """The tensors that `func(*arrays)` gives when the step runs: of the types `Tout`, a list, or one for one tensor."""
    single = not isinstance(Tout, (list, tuple))
    types = [as_dtype(t) for t in ([Tout] if single else Tout)]
    op: OpDef = PY_FUNC if stateful else PY_FUNC_STATELESS
    with op_scope([], name, "PyFunc") as scope:
        token = f"pyfunc_{next(_tokens)}"
        _FUNCTIONS[token] = func
        found = op(convert_n_to_tensor(inp, name="input"), token=token, Tout=types, name=scope)
    return found[0] if single else found
