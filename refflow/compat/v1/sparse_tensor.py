"""tf.SparseTensor as 1.x has it: `dense_shape` is a tensor, and `shape` is what is known of it beforehand.

    sp = tf.SparseTensor(indices=[[0, 1]], values=[5.0], dense_shape=[2, 3])
    sp.dense_shape                       an int64 vector, computed when the step runs
    sp.shape, sp.get_shape()             a TensorShape: (2, 3)

The first release's class has no static shape, and calls the tensor `shape`. Both are fed and fetched alike.

Next: compat/v1/sparse_arrays.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core import sparse_tensor as first
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, int64
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import Dimension, Shape, TensorShape
from refflow.ops.cast import cast
from refflow.ops.constant import placeholder
from refflow.ops.math_functions import quotient_type
from refflow.ops.placeholders import placeholder_with_default

__all__ = ["SparseTensor", "SparseTensorValue", "convert_to_tensor_or_sparse_tensor", "sparse_placeholder"]


class SparseTensorValue(NamedTuple):
    """What a session returns for a SparseTensor, and takes to feed one: arrays."""

    indices: Any
    values: Any
    dense_shape: Any


class SparseTensor(first.SparseTensor):
    """Three tensors that stand for one: the places [N, rank] of the values [N], and its sizes [rank]."""

    __slots__ = ("_static",)
    _value = SparseTensorValue
    _third = "dense_shape"

    def __init__(self, indices: Any, values: Any, dense_shape: Any):
        super().__init__(indices, values, dense_shape)
        columns = self.indices.get_shape()[1:]
        rank = (self.dense_shape.get_shape().merge_with(columns)).as_tuple
        self._static: Shape = None if not rank or rank[0] is None else (None,) * rank[0]
        self.set_shape(known_sizes(self.dense_shape))

    @classmethod
    def from_value(cls, sparse_tensor_value: Any) -> SparseTensor:
        """Arrays as constants; a SparseTensor as it is, or of this kind."""
        if isinstance(sparse_tensor_value, cls):
            return sparse_tensor_value
        if not is_sparse(sparse_tensor_value):
            raise TypeError(
                f"Argument sparse_tensor_value={sparse_tensor_value} is neither a SparseTensor nor SparseTensorValue."
            )
        return cls(sparse_tensor_value.indices, sparse_tensor_value.values, sparse_tensor_value.dense_shape)

    @property
    def shape(self) -> TensorShape:
        """What is known of the sizes before the step runs."""
        return TensorShape(self._static)

    def get_shape(self) -> TensorShape:
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows of the sizes; ValueError if it contradicts."""
        self._static = self.shape.merge_with(shape).as_tuple

    @property
    def name(self) -> str:
        return self.values.name

    def consumers(self) -> list[Operation]:
        """The operations that take any of the three."""
        parts = (self.indices, self.values, self.dense_shape)
        return list(dict.fromkeys(op for part in parts for op in part.consumers()))

    def with_values(self, new_values: Any) -> SparseTensor:
        """The same places with other values."""
        made = type(self)(self.indices, new_values, self.dense_shape)
        made.set_shape(self.shape)
        return made

    def _cwise(self, op: str, dense: Any) -> SparseTensor:
        dense = convert_to_tensor(dense, self.dtype.base_dtype, "dense")
        return self.with_values(op_def(op)(self.indices, self.values, self.dense_shape, dense))

    def __mul__(self, other: Any) -> SparseTensor:
        """Each value times the element of a dense tensor, which is stretched, at its place."""
        return self._cwise("SparseDenseCwiseMul", other)

    def __truediv__(self, other: Any) -> SparseTensor:
        """Each value over the element of a dense tensor; whole numbers are divided as Python 3 does."""
        kind = quotient_type(self.dtype.base_dtype)
        if kind is self.dtype.base_dtype:
            return self._cwise("SparseDenseCwiseDiv", other)
        dense = convert_to_tensor(other, self.dtype.base_dtype, "dense")
        return self.with_values(cast(self.values, kind))._cwise("SparseDenseCwiseDiv", cast(dense, kind))

    __div__ = __truediv__


def known_sizes(dense_shape: Tensor) -> TensorShape:
    """The sizes that a vector of sizes is known to hold; -1 stands for one that is not known."""
    value = constant_value(dense_shape)
    if value is not None:
        return TensorShape([None if size < 0 else int(size) for size in value])
    if dense_shape.op.type == "Pack":
        sizes = [constant_value(size) for size in dense_shape.op.inputs]
        return TensorShape([None if size is None or size < 0 else int(size) for size in sizes])
    return TensorShape(None)


def as_sparse(value: Any) -> SparseTensor:
    """`value` as a SparseTensor; TypeError where it is none."""
    if is_sparse(value):
        return SparseTensor.from_value(value)
    raise TypeError(f"Input must be a SparseTensor. Got {value!r} of type {type(value).__name__}.")


def is_sparse(value: Any) -> bool:
    """Whether it is a SparseTensor, or the arrays of one."""
    return isinstance(value, (first.SparseTensor, SparseTensorValue, first.SparseTensorValue))


def convert_to_tensor_or_sparse_tensor(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`value` as a Tensor, or as a SparseTensor where it is one or the arrays of one."""
    if not is_sparse(value):
        return convert_to_tensor(value, dtype, name)
    found = as_sparse(value)
    if dtype is not None and not as_dtype(dtype).is_compatible_with(found.dtype):
        raise RuntimeError(f"Sparse dtype mismatch. Requested: {dtype}, Actual: {found.dtype}")
    return found


def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A SparseTensor that is fed; its sizes need not be told, but may be.

    The three are called name/indices, name/values and name/shape.
    """

    def label(part: str) -> str | None:
        return None if name is None else f"{name}/{part}"

    if shape is None:
        static, rank, sizes = TensorShape(None), None, placeholder(int64, [None], name=label("shape"))
    else:
        given, static = _told(shape)
        rank = given.get_shape()[0].value
        sizes = placeholder_with_default(given, [rank], name=label("shape"))
    values = placeholder(dtype, [None], name=label("values"))
    made = SparseTensor(placeholder(int64, [None, rank], name=label("indices")), values, sizes)
    made.set_shape(static)
    return made


def _told(shape: Any) -> tuple[Tensor, TensorShape]:
    """Sizes as a tensor, with -1 for those that are open, and as they are known."""
    if isinstance(shape, Tensor):
        return shape, known_sizes(shape)
    sizes = [size.value if isinstance(size, Dimension) else size for size in shape]
    static = TensorShape([None if size == -1 else size for size in sizes])
    return convert_to_tensor(np.array([-1 if size is None else size for size in static.as_list()], np.int64)), static
