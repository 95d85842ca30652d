"""A sparse matrix times a dense one: rows of the dense one, weighed and added [W06].

    product[row] = sum of values[i] b[column] over the places (row, column) of the row

    bytes: a row of b for each value, and the product        operations: 2 for each element

What is weighed are whole rows of b, a block of them at a time, which stays in cache; rows with one number are then
added as a segment's are, in the order of their places (segments.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow_kernels.cpu.segments import Runs, rows_for, weighed
from refflow_kernels.cpu.windows import widened


def sparse_tensor_dense_matmul(
    a_indices: Any, a_values: Any, a_shape: Any, b: Any, adjoint_a: bool = False, adjoint_b: bool = False,
    out: Any = None,
) -> Any:  # fmt: skip
    """[rows, n] of a sparse [rows, columns] and a dense [columns, n]; either may be given turned."""
    rows, columns = (int(d) for d in a_shape)
    y, x = a_indices[:, 0], a_indices[:, 1]
    if adjoint_a:
        rows, columns, y, x = columns, rows, x, y
    dense = widened(np.ascontiguousarray(b.T if adjoint_b else b))
    if columns != dense.shape[0]:
        raise ValueError(
            f"Cannot multiply A and B because inner dimension does not match: {columns} vs. {dense.shape[0]}.  Did you "
            f"forget a transpose?  Dimensions of A: [{int(a_shape[0])}, {int(a_shape[1])}).  Dimensions of B: "
            f"[{','.join(map(str, b.shape))}]"
        )
    for name, at, limit, column in (("k", x, columns, 1 - adjoint_a), ("m", y, rows, int(adjoint_a))):
        for i in np.flatnonzero((at < 0) | (at >= limit))[:1]:
            raise ValueError(f"{name} ({int(at[i])}) from index[{i},{column}] out of bounds (>={limit})")
    runs = Runs(y)
    memory = rows_for(runs, (rows, dense.shape[1]), b.dtype, 0, out)
    return weighed(widened(a_values), dense, x, runs, memory)
