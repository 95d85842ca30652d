"""What the installed TensorFlow has: op types by its own registries, and NumPy types for its elements."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

REWRITTEN = {"AccumulateNV2"}  # other nodes take its place before a graph runs
ENDS_THE_PROCESS = {  # cases that abort TensorFlow, or never end, by op type and title
    ("EncodePng", "nothing to see"),
    ("MatrixLogarithm", "numbers of type complex64"),  # it turns for good
    ("QuantizedConv2D", "no elements"),
    ("QuantizedInstanceNorm", "refused: shapes that do not fit"),
}


def lack(op_type: str, today: bool) -> str | None:
    """Why TensorFlow cannot run such a node on a CPU, or None where it can.

    today: the node is in a graph of TensorFlow's own making, which has nothing that was removed since.
    """
    from tensorflow.python.framework import kernels, op_def_registry

    op_def: Any = op_def_registry.get(op_type)
    if op_def is None:
        return f"TensorFlow has no op type {op_type}"
    if today and op_def.deprecation.version:
        return f"graphs of today have no {op_type}: {op_def.deprecation.explanation}"
    if op_type in REWRITTEN:
        return None
    devices = {kernel.device_type for kernel in kernels.get_registered_kernels_for_op(op_type).kernel}
    return None if devices & {"CPU", "DEFAULT"} else f"TensorFlow has no kernel of {op_type} for a CPU"


def last_version(op_type: str) -> int:
    """The last version of graphs that may have such a node."""
    from tensorflow.python.framework import op_def_registry

    op_def: Any = op_def_registry.get(op_type)
    return op_def.deprecation.version - 1 if op_def.deprecation.version else sys.maxsize


def as_theirs(tensorflow: Any, array: np.ndarray) -> np.ndarray:
    """The same bits under TensorFlow's NumPy type, where ours is a record: bfloat16, eight and four bits, quantized."""
    if not array.dtype.names:
        return array
    kind = np.dtype(tensorflow.as_dtype(array.dtype.names[0]).as_numpy_dtype)
    return array.view(array.dtype[0]).view(kind).reshape(array.shape)
