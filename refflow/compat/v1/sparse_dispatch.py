"""Functions of tensors that take sparse ones too: those that keep zeros go through the values, sizes are read.

Next: compat/v1/ragged_dispatch.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from refflow.core.dtypes import as_dtype, int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.cast import cast

KEEP_ZEROS = "erf identity negative sqrt square tanh".split()  # noqa: SIM905  (a list to read)


def install(names: dict[str, Any]) -> None:
    """Puts functions that take sparse tensors too in the place of those among `names`."""
    forms = dict.fromkeys(KEEP_ZEROS, _through_values) | {"shape": _shape, "size": _size, "rank": _rank}
    for name, of_sparse in forms.items():
        if name in names:
            names[name] = _first_may_be_sparse(names[name], of_sparse)


@cache  # a function under two names stays one
def _first_may_be_sparse(function: Callable[..., Any], of_sparse: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        key, first = (None, args[0]) if args else next(iter(kwargs.items()), (None, None))
        if not isinstance(first, SparseTensor):
            return function(*args, **kwargs)
        rest = {k: v for k, v in kwargs.items() if k != key}
        return of_sparse(function, first, *args[1:], **rest)

    return either


def _through_values(function: Callable[..., Any], sparse: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
    return type(sparse)(sparse.indices, function(sparse.values, *args, **kwargs), sparse.dense_shape)


def _shape(function: Any, sparse: SparseTensor, name: str | None = None, out_type: Any = None) -> Tensor:
    return cast(sparse.dense_shape, as_dtype(out_type or int32), name=name)


def _size(function: Any, sparse: SparseTensor, name: str | None = None, out_type: Any = None) -> Tensor:
    return op_def("Prod")(cast(sparse.dense_shape, as_dtype(out_type or int32)), 0, name=name)


def _rank(function: Any, sparse: SparseTensor, name: str | None = None) -> Tensor:
    return op_def("Size")(sparse.dense_shape, name=name)
