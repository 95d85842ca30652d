"""What a program says of the features that it wants from example records, and how ops are asked for them.

    FixedLenFeature(shape, dtype, default)              a dense tensor          [batch, *shape]
    FixedLenSequenceFeature(shape, dtype, True, pad)    rows, filled up         [batch, longest, *shape]
    VarLenFeature(dtype)                                a SparseTensor          [batch, longest]
    SparseFeature(index_key, value_key, dtype, size)    a SparseTensor          [batch, size], from two features
    RaggedFeature(dtype)                                a RaggedTensor          [batch, (any)]

Next: compat/v1/parsing.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, as_dtype, int32, int64, string
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape
from refflow.ops.array import reshape

__all__ = ["FixedLenFeature", "FixedLenSequenceFeature", "SparseFeature", "VarLenFeature"]


class VarLenFeature(NamedTuple):
    """As many values as each record has."""

    dtype: Any


class FixedLenFeature(NamedTuple):
    """Values of one shape in every record; where a record has none, the default, or an error."""

    shape: Any
    dtype: Any
    default_value: Any = None


class FixedLenSequenceFeature(NamedTuple):
    """Rows of one shape, as many as each record has; `default_value` fills up the shorter ones."""

    shape: Any
    dtype: Any
    allow_missing: bool = False
    default_value: Any = None


class SparseFeature(NamedTuple):
    """Values under `value_key`, and their places along `size` under `index_key`: one, or a list of keys and sizes."""

    index_key: Any
    value_key: str
    dtype: Any
    size: Any
    already_sorted: bool = False


class RaggedFeature(NamedTuple):
    """As many values as each record has, as rows of a RaggedTensor; `value_key`: where they are, else its own key."""

    dtype: Any
    value_key: str | None = None
    partitions: Any = ()
    row_splits_dtype: Any = int32
    validate: bool = False


@dataclass
class Wanted:
    """Features by kind, each under the key that it has in the records, in the order in which the op is to give them."""

    sparse: dict[str, DType] = field(default_factory=dict)
    dense: dict[str, tuple[DType, TensorShape, Tensor]] = field(default_factory=dict)
    ragged: dict[str, tuple[DType, DType]] = field(default_factory=dict)
    may_miss: set[str] = field(default_factory=set)  # lists that a sequence may lack

    def add_sparse(self, key: str, dtype: Any) -> None:
        dtype = as_dtype(dtype)
        if self.sparse.setdefault(key, dtype) is not dtype:
            raise ValueError(f"Conflicting type {self.sparse[key].name} vs {dtype.name} for feature {key}.")


def wanted(features: Mapping[str, Any], kinds: tuple[type, ...], in_sequence: bool = False) -> Wanted:
    """The features of a dictionary by kind; ValueError for what is none, or not one of `kinds`."""
    found = Wanted()
    for key in sorted(features):
        if not isinstance(features[key], kinds):
            raise ValueError(f"Unsupported {type(features[key]).__name__} {features[key]} for key '{key}')")
        feature: Any = features[key]
        if not feature.dtype:
            raise ValueError(f"Missing type for feature {key}. Received feature={feature}.")
        if isinstance(feature, VarLenFeature):
            found.add_sparse(key, feature.dtype)
        elif isinstance(feature, SparseFeature):
            _add_parts(found, key, feature)
        elif isinstance(feature, RaggedFeature):
            _add_ragged(found, key, feature)
        elif isinstance(feature, FixedLenFeature):
            found.dense[key] = _fixed(key, feature)
        else:
            found.dense[key] = _rows(key, feature, in_sequence)
            if feature.allow_missing:
                found.may_miss.add(key)
    return found


def _add_parts(found: Wanted, key: str, feature: SparseFeature) -> None:
    for name in ("index_key", "value_key", "size"):
        if not getattr(feature, name):
            raise ValueError(f"Missing {name} for SparseFeature {key}. Received feature={feature}.")
    several = isinstance(feature.index_key, (list, tuple))
    for index_key in sorted(feature.index_key) if several else [feature.index_key]:
        found.add_sparse(index_key, int64)
    found.add_sparse(feature.value_key, feature.dtype)


def _add_ragged(found: Wanted, key: str, feature: RaggedFeature) -> None:
    if feature.partitions:
        raise ValueError(f"RaggedFeature {key} has partitions, which are not there: ask for the features that hold "
                         "them, and build the RaggedTensor with from_row_splits() and its like")  # fmt: skip
    pair = as_dtype(feature.dtype), as_dtype(feature.row_splits_dtype)
    if found.ragged.setdefault(feature.value_key or key, pair) != pair:
        raise ValueError(f"Conflicting types for feature {feature.value_key or key}.")


def _fixed(key: str, feature: FixedLenFeature) -> tuple[DType, TensorShape, Tensor]:
    if feature.shape is None:
        raise ValueError(f"Missing shape for feature {key}. Received feature={feature}.")
    shape = TensorShape(feature.shape)
    if shape.ndims and shape[0].value is None:
        raise ValueError(f"First dimension of shape for feature {key} unknown. Consider using FixedLenSequenceFeature. "
                         f"Received feature={feature}.")  # fmt: skip
    if not shape.is_fully_defined():
        raise ValueError(f"All dimensions of shape for feature {key} need to be known but received {shape!s}.")
    return as_dtype(feature.dtype), shape, _default(key, as_dtype(feature.dtype), shape, feature.default_value)


def _rows(key: str, feature: FixedLenSequenceFeature, in_sequence: bool) -> tuple[DType, TensorShape, Tensor]:
    if feature.shape is None:
        raise ValueError(f"Missing shape for feature {key}. Received feature={feature}.")
    dtype, shape = as_dtype(feature.dtype), TensorShape(feature.shape)
    if in_sequence:
        if feature.default_value is not None:
            raise ValueError(f"A feature of a sequence has no default: default_value of {key} must be None. "
                             f"Received {feature}.")  # fmt: skip
        return dtype, shape, _default(key, dtype, shape, None)
    if not feature.allow_missing:
        raise ValueError(f"Unsupported: FixedLenSequenceFeature requires allow_missing to be True. Received {feature}.")
    padding = (b"" if dtype is string else 0) if feature.default_value is None else feature.default_value
    return dtype, TensorShape([None]).concatenate(shape), convert_to_tensor(padding, dtype, _label(key))


def _default(key: str, dtype: DType, shape: TensorShape, value: Any) -> Tensor:
    """A default in its feature's shape, or the empty vector that says that there is none."""
    if value is None:
        return convert_to_tensor(np.zeros(0, dtype.as_numpy_dtype), dtype)
    if isinstance(value, Tensor):
        return value
    return reshape(convert_to_tensor(value, dtype, _label(key)), shape.as_list())


def _label(key: str) -> str:
    return "key_" + re.sub(r"[^A-Za-z0-9_.\-/]", "_", key)
