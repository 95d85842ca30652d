"""SparseTensor: the places, the values and the shape of a tensor most of which is zero.

    dense[indices[i]] = values[i]        indices [N, rank] int64, values [N], shape [rank] int64

Next: ops/sparse.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, int64
from refflow.core.graph import Graph, Tensor


class SparseTensorValue(NamedTuple):
    """What a session returns for a SparseTensor, and takes to feed one: arrays."""

    indices: Any
    values: Any
    shape: Any

    @property
    def dense_shape(self) -> Any:
        """`shape`, as later releases call it."""
        return self.shape


class SparseTensor:
    """Three tensors that stand for one; the indices are best in row-major order [W10].

    indices: int64 [N, rank]; values: [N] of any type; shape: int64 [rank]. ShapeError, a ValueError, where static
    shapes do not fit together. What is written for both knows `shape` as `dense_shape`, which later releases call it:
    theirs (compat/v1/sparse_tensor.py) is a kind of this one, whose `shape` is something else.
    """

    __slots__ = ("__dict__", "dense_shape", "indices", "values")
    _value: type = SparseTensorValue  # what a run makes of it
    _third = "shape"  # what a constant is called that is made for it

    def __init__(self, indices: Any, values: Any, shape: Any):
        with op_scope([v for v in (indices, values, shape) if isinstance(v, Tensor)], None, "SparseTensor"):
            self.indices = convert_to_tensor(indices, int64, "indices")
            self.values = convert_to_tensor(values, name="values")
            self.dense_shape = convert_to_tensor(shape, int64, self._third)
        places = self.indices.get_shape().with_rank(2)
        places[0].merge_with(self.values.get_shape().with_rank(1)[0])
        places[1].merge_with(self.dense_shape.get_shape().with_rank(1)[0])

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        return cls(*sparse_tensor_value)

    @property
    def shape(self) -> Any:
        return self.dense_shape

    @property
    def dtype(self) -> DType:
        return self.values.dtype

    @property
    def op(self) -> Any:
        return self.values.op

    @property
    def graph(self) -> Graph:
        return self.values.graph

    def eval(self, feed_dict: Any = None, session: Any = None) -> SparseTensorValue:
        from refflow.core.tensor import default_session

        return default_session(session, "evaluate a SparseTensor").run(self, feed_dict)

    def __repr__(self) -> str:
        return f"SparseTensor(indices={self.indices!r}, values={self.values!r}, {self._third}={self.dense_shape!r})"
