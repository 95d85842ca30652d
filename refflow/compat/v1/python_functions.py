"""Python functions in graphs, and functions of tensors for each element: numpy_function, py_function, vectorized_map.

py_function's functions get arrays that also have numpy(), and may give arrays, numbers, or tensors that they build:
those are computed in a graph of their own. Nothing flows back through them.

Next: compat/v1/tensor_messages.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.graph import Graph
from refflow.core import nest
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.functional_loops import map_fn
from refflow.ops.py_func import py_func

__all__ = ["numpy_function", "py_function", "vectorized_map"]


def numpy_function(
    func: Callable[..., Any] | None = None, inp: Any = None, Tout: Any = None, stateful: bool = True,
    name: str | None = None,
) -> Any:  # fmt: skip
    """`func` of the arrays that `inp` have, as tensors of the types `Tout`: a list where Tout is one."""
    return py_func(_callable(func), inp, Tout, stateful, name)


class _Given(np.ndarray):
    """An array, as a function that was written for eager tensors takes it."""

    def numpy(self) -> Any:
        return self.view(np.ndarray)[()]


def py_function(
    func: Callable[..., Any] | None = None, inp: Any = None, Tout: Any = None, name: str | None = None
) -> Any:
    """`func` of what `inp` are, as tensors of the types `Tout`: a list where Tout is one.

    func may use this library: what it builds is run at once.
    """
    function, types = _callable(func), Tout if isinstance(Tout, (list, tuple)) else [Tout]

    def called(*arrays: Any) -> list[np.ndarray]:
        with Graph().as_default() as graph:
            found = function(*[np.asarray(a).view(_Given) if _is_number(a) else a for a in arrays])
            results = [] if found is None else list(found) if isinstance(found, (list, tuple)) else [found]
            return [_computed(r, as_dtype(t), graph) for r, t in zip(results, types, strict=True)]

    return py_func(called, inp, Tout, True, name or "EagerPyFunc")


def _is_number(value: Any) -> bool:
    return np.asarray(value).dtype.kind not in "OSU"


def _computed(result: Any, dtype: Any, graph: Graph) -> np.ndarray:
    if isinstance(result, Tensor):
        from refflow.runtime.session import Session

        with Session(graph=graph) as session:
            result = session.run(result)
    return np.asarray(result, None if dtype.name == "string" else dtype.as_numpy_dtype)


def _callable(func: Any) -> Callable[..., Any]:
    if not callable(func):
        raise ValueError(f"Expected func to be callable. Received func={func} of type {type(func)}.")
    return func


def vectorized_map(fn: Callable[[Any], Any], elems: Any, fallback_to_while_loop: bool = True, warn: bool = True) -> Any:
    """`fn` of each element of the first axis; an axis of size 1 is that element every time. It is a loop."""
    flat = [convert_to_tensor(x) for x in nest.flatten(elems)]
    known: Sequence[int | None] = [x.get_shape()[0].value for x in flat]
    count = max((n for n in known if n is not None), default=1)
    long = next((x for x, n in zip(flat, known, strict=True) if n != 1), flat[0])
    rows = op_def("Shape")(long)[0]

    def of_row(i: Any) -> Any:
        places = [0 if n == 1 and count != 1 else i for n in known]
        return fn(nest.pack(elems, [op_def("GatherV2")(x, at, 0) for x, at in zip(flat, places, strict=True)]))

    sample = nest.map_structure(convert_to_tensor, of_row(0))
    types = nest.map_structure(lambda y: y.dtype.base_dtype, sample)
    return map_fn(of_row, op_def("Range")(0, rows, 1), dtype=types)
