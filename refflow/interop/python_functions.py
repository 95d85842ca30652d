"""Python functions in graphs that a TensorFlow of this same process has written.

Such a graph names a function by a token, and the function is in that library's registry. Where the library has been
loaded by somebody, its registry is asked; nothing here loads it.

    numpy_function, py_func      called with arrays
    py_function                  called with that library's own tensors, which also keep what its gradient needs

Next: runtime/session.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from refflow.core import python_functions

_MODULE = "tensorflow.python.ops.script_ops"
_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"


def find(token: str) -> Callable[..., Any] | None:
    """The function behind a token of TensorFlow's, or None."""
    module: Any = sys.modules.get(_MODULE)
    registry = getattr(module, "_py_funcs", None)
    function = None if registry is None else registry.get(token)
    if function is None or not isinstance(function, module.EagerFunc):
        return function
    return lambda *arrays: _eager(module, function, token, arrays)


def _eager(module: Any, function: Any, token: str, arrays: tuple[Any, ...]) -> Any:
    with module.context.eager_mode():
        given = [module.ops.convert_to_tensor(a) for a in arrays]
        found = function(_DEVICE, token, given)
        if found is None:
            return None
        many = isinstance(found, (list, tuple))
        return [t.numpy() for t in found] if many else found.numpy()


python_functions.add_finder(find)
