"""tf.parse_example: what the op on the page before is asked for in Python, and its results by name.

Next: ops/sequence_record.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype, string
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape, as_shape
from refflow.ops.array import expand_dims, reshape, squeeze
from refflow.ops.parsing import PARSE_EXAMPLE
from refflow.ops.slicing import slice_


def parse_example(
    serialized: Any, names: Any = None, sparse_keys: Any = None, sparse_types: Any = None, dense_keys: Any = None,
    dense_types: Any = None, dense_defaults: Any = None, dense_shapes: Any = None, name: str = "ParseExample",
) -> dict[str, Any]:  # fmt: skip
    """A batch of serialized Examples as a dict of Tensors (dense) and SparseTensors (sparse), by feature name [W44].

    serialized: a string vector. names: words for messages, one a record. dense_defaults: by key; a key without one is
    needed in every record. dense_shapes: scalars unless given. A missing or mistyped feature is an
    InvalidArgumentError.
    """
    sparse_keys, sparse_types = list(sparse_keys or []), [as_dtype(t) for t in sparse_types or []]
    dense_keys, dense_types = list(dense_keys or []), [as_dtype(t) for t in dense_types or []]
    _check_keys(sparse_keys, sparse_types, dense_keys, dense_types, dense_shapes)
    dims = [as_shape(s) for s in dense_shapes] if dense_shapes else [as_shape([])] * len(dense_keys)
    given = dict(dense_defaults or {})
    with op_scope([serialized, names], name, "ParseExample") as scope:
        defaults = [
            _default(given.get(key), key, dtype, shape)
            for key, dtype, shape in zip(dense_keys, dense_types, dims, strict=True)
        ]
        found = PARSE_EXAMPLE(
            serialized, np.zeros(0, object) if names is None else names, sparse_keys=sparse_keys,
            dense_keys=dense_keys, dense_defaults=defaults, sparse_types=sparse_types, dense_shapes=dims,
            Tdense=dense_types, Nsparse=len(sparse_keys), Ndense=len(dense_keys), name=scope,
        )  # fmt: skip
    parts = zip(found.sparse_indices, found.sparse_values, found.sparse_shapes, strict=True)
    sparse = [_sparse_tensor(indices, values, shape) for indices, values, shape in parts]
    return dict(zip([*sparse_keys, *dense_keys], [*sparse, *found.dense_values], strict=True))


def _sparse_tensor(indices: Tensor, values: Tensor, shape: Tensor) -> Any:
    from refflow.core.sparse_tensor import SparseTensor

    return SparseTensor(indices, values, shape)


def _check_keys(sparse_keys: Any, sparse_types: Any, dense_keys: Any, dense_types: Any, dense_shapes: Any) -> None:
    if not sparse_keys and not dense_keys:
        raise ValueError("Must provide at least one sparse key or dense key")
    if len(sparse_keys) != len(sparse_types):
        raise ValueError(f"sparse_keys and sparse_types differ in length: {len(sparse_keys)}, {len(sparse_types)}")
    if len(dense_keys) != len(dense_types):
        raise ValueError(f"dense_keys and dense_types differ in length: {len(dense_keys)}, {len(dense_types)}")
    if dense_shapes and len(dense_keys) != len(dense_shapes):
        raise ValueError(f"dense_keys and dense_shapes differ in length: {len(dense_keys)}, {len(dense_shapes)}")
    both = set(sparse_keys) & set(dense_keys)
    if both:
        raise ValueError(f"Dense and sparse keys must not intersect; intersection: {both}")


def _default(value: Any, key: str, dtype: DType, shape: TensorShape) -> Tensor:
    """A default in its feature's shape, or the empty vector that says that there is none."""
    if value is None:
        return convert_to_tensor(np.zeros(0, dtype.as_numpy_dtype), dtype, f"default_{key}")
    return reshape(convert_to_tensor(value, dtype, f"default_{key}"), shape.as_list())


def parse_single_example(
    serialized: Any, names: Any = None, sparse_keys: Any = None, sparse_types: Any = None, dense_keys: Any = None,
    dense_types: Any = None, dense_defaults: Any = None, dense_shapes: Any = None, name: str = "ParseSingleExample",
) -> dict[str, Any]:  # fmt: skip
    """Like parse_example() for one record, a string scalar: the results have no batch axis [W44]."""
    with op_scope([serialized, names], name, "ParseSingleExample"):
        serialized = convert_to_tensor(serialized, string, "serialized")
        _require_scalar(serialized.get_shape().ndims, "serialized")
        rows = expand_dims(serialized, 0)
        words = None if names is None else expand_dims(convert_to_tensor(names, string, "names"), 0)
        found = parse_example(rows, words, sparse_keys, sparse_types, dense_keys, dense_types, dense_defaults,
                              dense_shapes)  # fmt: skip
        return {key: _without_batch(value) for key, value in found.items()}


def _require_scalar(rank: int | None, name: str) -> None:
    if rank not in (None, 0):
        raise ShapeError(f"Input {name} must be a scalar, but has rank {rank}")


def _without_batch(value: Any) -> Any:
    if isinstance(value, Tensor):
        return squeeze(value, [0])
    places, size = slice_(value.indices, [0, 1], [-1, -1]), slice_(value.dense_shape, [1], [-1])
    return type(value)(places, value.values, size)
