"""The two seeds of a node that shuffles or draws: numbers of the program, or of the graph's seed and the node's place.

Next: compat/v1/data/padding.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int64
from refflow.core.registry import op_def
from refflow.core.tensor import Tensor
from refflow.ops.random import get_seed


def dataset_seed(seed: Any) -> tuple[Tensor, Tensor]:
    """Tensors, for a seed may be one; (0, 0), which would mean no seed, becomes another pair."""
    first, second = get_seed(seed)
    one = convert_to_tensor(first, int64, "seed")
    if not isinstance(first, Tensor) and not isinstance(second, Tensor) and (first, second) == (0, 0):
        return one, convert_to_tensor(0, int64, "seed2")  # nobody asked for any
    with op_scope([], "seed2") as scope:
        two = convert_to_tensor(second, int64)
        nought = op_def("LogicalAnd")(op_def("Equal")(one, np.int64(0)), op_def("Equal")(two, np.int64(0)))
        other = convert_to_tensor(np.int64(2**31 - 1))
        return one, op_def("SelectV2")(nought, other, two, name=scope)
