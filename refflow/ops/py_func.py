"""PyFunc: a node that calls a Python function with arrays.

    y = py_func(f, [x], tf.float32)        f gets the value of x, and gives that of y

The graph holds a token; the function itself stays in this process. What it raises becomes the error of the step, its
class by the kind of the exception.

Next: ops/checks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import errors, python_functions
from refflow.core.bfloat16 import as_known_elsewhere
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, as_dtype, bfloat16, string
from refflow.core.graph import get_default_graph
from refflow.core.opdef import define_op
from refflow.core.signature import Attr
from refflow.core.values import as_bfloat16

_ATTRS: dict[str, Any] = {
    "token": Attr("string"),
    "Tin": Attr("list(type)", minimum=0),
    "Tout": Attr("list(type)", minimum=0),
}
_SIGNATURE = "input: Tin -> output: Tout"
PY_FUNC = define_op("PyFunc", _SIGNATURE, stateful=True, **_ATTRS)
PY_FUNC_STATELESS = define_op("PyFuncStateless", _SIGNATURE, **_ATTRS)
EAGER_PY_FUNC = define_op("EagerPyFunc", _SIGNATURE, stateful=True, is_async=False, **_ATTRS)

# What a function raises, as the class of the step's error; all else is Unknown.
_CLASSES: tuple[tuple[Any, type[errors.OpError]], ...] = (
    ((ValueError, TypeError), errors.InvalidArgumentError),
    (StopIteration, errors.OutOfRangeError),
    (MemoryError, errors.ResourceExhaustedError),
    (NotImplementedError, errors.UnimplementedError),
)


def _raised(error: Exception) -> errors.OpError:
    kind = next((status for python, status in _CLASSES if isinstance(error, python)), errors.UnknownError)
    return kind(None, None, f"{type(error).__name__}: {error}")


def _given(value: np.ndarray, dtype: DType) -> Any:
    """An input as the function gets it: scalars as NumPy scalars, strings as bytes."""
    known = as_known_elsewhere(value) if dtype is bfloat16 else value
    return known[()] if known.ndim == 0 else known.copy()


def _result(value: Any, dtype: DType, place: int, token: str) -> np.ndarray:
    array = np.asarray(value)
    if dtype is bfloat16 and array.dtype.name == "bfloat16":
        return as_bfloat16(array)
    if array.dtype.kind == "O" and not _are_texts(array):
        raise errors.InternalError(None, None, f"Unsupported object type {type(array.reshape(-1)[0]).__name__}")
    if array.dtype.kind in "SUO":
        if dtype is not string:
            raise ValueError(f"{place}-th value returned by {token} is string, but expects {dtype.c_name}")
        source = np.asarray(value, object) if array.dtype.kind in "SU" and not isinstance(value, np.ndarray) else array
        return _texts(source)
    try:
        have = as_dtype(array.dtype)
    except TypeError:
        raise errors.InternalError(None, None, f"Unsupported numpy data type {array.dtype}") from None
    if have is not dtype:
        raise ValueError(f"{place}-th value returned by {token} is {have.c_name}, but expects {dtype.c_name}")
    return np.array(array, dtype.as_numpy_dtype, copy=True, order="C")


def _are_texts(array: np.ndarray) -> bool:
    return all(isinstance(item, (str, bytes)) for item in array.reshape(-1))


def _texts(array: np.ndarray) -> np.ndarray:
    found = np.empty(array.shape, object)
    flat = [item.encode() if isinstance(item, str) else bytes(item) for item in array.reshape(-1)]
    found.reshape(-1)[:] = flat
    return found


def py_func_kernel(input, token, Tin, Tout):
    try:
        given = python_functions.find(token)(*[_given(v, t) for v, t in zip(input, Tin, strict=True)])
    except Exception as error:
        raise _raised(error) from error
    if given is None:
        results = []
    else:
        results = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(results) != len(Tout):
        raise ValueError(f"{token} returns {len(results)} values, but expects to see {len(Tout)} values.")
    return [_result(v, t, i, token) for i, (v, t) in enumerate(zip(results, Tout, strict=True))]


for _op in (PY_FUNC, PY_FUNC_STATELESS, EAGER_PY_FUNC):
    _op.kernel(py_func_kernel)
PY_FUNC.no_gradient()
PY_FUNC_STATELESS.no_gradient()
EAGER_PY_FUNC.no_gradient_registered()


def py_func(
    func: Callable[..., Any], inp: Sequence[Any], Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """`func` of the arrays that `inp` have, as tensors of the types `Tout`: a list where Tout is one.

    func: gets NumPy arrays, and gives an array, or a list of them. stateful: False where its results depend on its
    arguments alone, so that it need not be called for equal ones again. The graph keeps func alive; a graph that is
    written to a file holds a token only.
    """
    if not callable(func):
        raise TypeError(f"func must be callable, got {func!r}")
    single = not isinstance(Tout, (list, tuple))
    types = [as_dtype(t) for t in ([Tout] if single else Tout)]
    token = python_functions.register(func, get_default_graph())
    build = PY_FUNC if stateful else PY_FUNC_STATELESS
    found = build([convert_to_tensor(x) for x in inp], token=token, Tout=types, name=name)
    return found[0] if single else found
