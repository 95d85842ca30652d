"""What else 1.x has at the top: small linear algebra, draws, collections.

Next: compat/v1/arrays.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat.v1.math import reduce_sum
from refflow.compat.v1.matrices import matrix_diag, matrix_diag_part
from refflow.core.constants import constant_value
from refflow.core.control import group
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, float32, int32, int64
from refflow.core.graph import GraphKeys, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.values import as_value
from refflow.ops.random import get_seed, random_uniform

__all__ = [
    "add_to_collections", "eye", "get_collection_ref", "initialize_all_tables", "matrix_solve", "multinomial",
    "random_crop", "random_gamma", "tables_initializer", "trace", "unique_with_counts",
]  # fmt: skip

# -- matrices ----------------------------------------------------------------------------------------------------


def eye(
    num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = float32, name: str | None = None
) -> Tensor:
    """The identity matrix, or a batch of it; the sizes may be tensors."""
    with op_scope([], name, "eye"):
        kind = as_dtype(dtype).base_dtype
        columns = num_rows if num_columns is None else num_columns
        least = op_def("Minimum")(convert_to_tensor(num_rows, int32), convert_to_tensor(columns, int32))
        batch = np.zeros(0, np.int32) if batch_shape is None else convert_to_tensor(batch_shape, int32)
        one = as_value(1, kind)
        diagonal = op_def("Fill")(op_def("ConcatV2")([batch, op_def("Pack")([least])], 0), one)
        found = matrix_diag(diagonal, num_rows=num_rows, num_cols=columns)
        outer = constant_value(batch) if isinstance(batch, Tensor) else batch
        if outer is not None:
            inner = [constant_value(convert_to_tensor(n)) for n in (num_rows, columns)]
            found.set_shape([*outer, *inner])
        return found


def trace(x: Any, name: str | None = None) -> Tensor:
    """The sum of each matrix's diagonal."""
    return reduce_sum(matrix_diag_part(x), [-1], name=name)


def matrix_solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The x of matrix x = rhs."""
    return op_def("MatrixSolve")(matrix, rhs, adjoint=adjoint, name=name)


# -- counts, patches, draws --------------------------------------------------------------------------------------


def unique_with_counts(x: Any, out_idx: Any = int32, name: str | None = None) -> Any:
    """(y, idx, count): the distinct elements in order of appearance, where each went, how often it came."""
    return op_def("UniqueWithCounts")(x, out_idx=as_dtype(out_idx), name=name)


def multinomial(
    logits: Any, num_samples: Any, seed: int | None = None, name: str | None = None, output_dtype: Any = None
) -> Tensor:
    """[N, num_samples] classes drawn by the chances that each row of `logits` stands for."""
    first, second = get_seed(seed)
    return op_def("Multinomial")(logits, num_samples, seed=first, seed2=second, name=name,
                                 output_dtype=as_dtype(output_dtype or int64))  # fmt: skip


def random_gamma(
    shape: Any, alpha: Any, beta: Any = None, dtype: Any = float32, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Gamma distributed numbers, `shape` of them for each alpha and beta."""
    first, second = get_seed(seed)
    with op_scope([], name, "random_gamma"):
        alpha = convert_to_tensor(alpha, dtype)
        rate = convert_to_tensor(1.0 if beta is None else beta, dtype)
        alpha = alpha + op_def("ZerosLike")(rate)
        return op_def("RandomGamma")(shape, alpha, seed=first, seed2=second) / rate


def random_crop(value: Any, size: Any, seed: int | None = None, name: str | None = None) -> Tensor:
    """A block of shape `size`, every place equally likely."""
    with op_scope([], name, "random_crop"):
        value = convert_to_tensor(value)
        wanted = convert_to_tensor(size, int32)
        room = op_def("Shape")(value) - wanted + 1
        start = random_uniform(op_def("Shape")(room), 0, 2**31 - 1, int32, seed=seed) % room
        found = op_def("Slice")(value, start, wanted)
        if isinstance(size, (list, tuple)):
            found.set_shape([None if s == -1 else s for s in size])
        return found


# -- collections -------------------------------------------------------------------------------------------------


def add_to_collections(names: Any, value: Any) -> None:
    """Enters a value into several collections, once each."""
    for name in [names] if isinstance(names, str) else names:
        if value not in get_default_graph().get_collection(name):
            get_default_graph().add_to_collection(name, value)


def get_collection_ref(key: Any) -> list[Any]:
    """The collection itself, not a copy: what is added to it is in it."""
    return get_default_graph()._collections.setdefault(key, [])


def tables_initializer(name: str = "init_all_tables") -> Any:
    """One operation that fills every lookup table."""
    return group(*get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS), name=name)


initialize_all_tables = tables_initializer
