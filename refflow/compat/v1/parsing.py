"""tf.parse_example and its like: example records into a dictionary of tensors, by what is said of each feature.

    tf.parse_example(serialized, {"label": tf.FixedLenFeature([], tf.int64), "words": tf.VarLenFeature(tf.string)})

Next: compat/v1/strings.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    RaggedFeature,
    SparseFeature,
    VarLenFeature,
    Wanted,
    wanted,
)
from refflow.compat.v1.ragged_tensor import RaggedTensor
from refflow.compat.v1.sparse_arrays import sparse_merge
from refflow.compat.v1.sparse_tensor import SparseTensor
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import string
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

__all__ = ["parse_example", "parse_single_example", "parse_single_sequence_example"]

_CONTEXT = (FixedLenFeature, VarLenFeature, RaggedFeature)
_LISTS = (FixedLenSequenceFeature, VarLenFeature, RaggedFeature)


def parse_example(serialized: Any, features: Any, name: str | None = None, example_names: Any = None) -> dict[str, Any]:
    """A batch of serialized Examples as tensors by feature name.

    serialized: a string vector. example_names: words for messages, one a record. A feature that is missing without a
    default, or of another type, is an InvalidArgumentError.
    """
    if not features:
        raise ValueError("Argument `features` cannot be None.")
    kinds = (FixedLenFeature, FixedLenSequenceFeature, VarLenFeature, SparseFeature, RaggedFeature)
    with op_scope([], name, "ParseExample") as scope:
        asked = wanted(features, kinds)
        dense, sparse, ragged = asked.dense, asked.sparse, asked.ragged
        found = op_def("ParseExampleV2")(
            convert_to_tensor(serialized, string, "serialized"), _names(example_names), _keys(sparse), _keys(dense),
            _keys(ragged), [default for _, _, default in dense.values()], num_sparse=len(sparse),
            Tdense=[dtype for dtype, _, _ in dense.values()], sparse_types=list(sparse.values()),
            dense_shapes=[shape for _, shape, _ in dense.values()],
            ragged_value_types=[dtype for dtype, _ in ragged.values()],
            ragged_split_types=[splits for _, splits in ragged.values()], name=scope,
        )  # fmt: skip
        values = {key: _three(found.sparse_indices[i], found.sparse_values[i], found.sparse_shapes[i])
                  for i, key in enumerate(sparse)}  # fmt: skip
        values |= dict(zip(dense, found.dense_values, strict=True))
        pairs = zip(ragged, found.ragged_values, found.ragged_row_splits, strict=True)
        rows = {key: _ragged(flat, splits, serialized) for key, flat, splits in pairs}
        return {key: _result(key, features[key], values, rows) for key in features}


def _three(indices: Tensor, values: Tensor, shape: Tensor) -> SparseTensor:
    return SparseTensor(indices, values, shape)


def _ragged(flat: Tensor, splits: Tensor, serialized: Any) -> Any:
    """Rows, or the values of the one record."""
    single = convert_to_tensor(serialized).get_shape().ndims == 0
    return flat if single else _rows(flat, splits)


def _result(key: str, feature: Any, values: dict[str, Any], rows: dict[str, Any]) -> Any:
    if isinstance(feature, RaggedFeature):
        return rows[feature.value_key or key]
    if isinstance(feature, SparseFeature):
        several = isinstance(feature.index_key, (list, tuple))
        places = [values[place] for place in feature.index_key] if several else values[feature.index_key]
        return sparse_merge(places, values[feature.value_key], feature.size, already_sorted=feature.already_sorted)
    return values[key]


def _keys(features: Any) -> np.ndarray:
    found = np.empty(len(features), object)
    found[:] = [key.encode() if isinstance(key, str) else key for key in features]
    return found


def _names(names: Any) -> Any:
    return np.zeros(0, object) if names is None else convert_to_tensor(names, string, "names")


def parse_single_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """The same for one record, a string scalar: the results have no batch axis."""
    if not features:
        raise ValueError("Invalid argument: features cannot be None.")
    with op_scope([], name, "ParseSingleExample"):
        return parse_example(_scalar(serialized, "serialized"), features, None, example_names)


def _scalar(value: Any, name: str) -> Tensor:
    tensor = convert_to_tensor(value, string, name)
    if tensor.get_shape().ndims not in (None, 0):
        raise ValueError(f"Input {name} must be a scalar")
    return tensor


# -- sequences ---------------------------------------------------------------------------------------------------


def parse_single_sequence_example(
    serialized: Any, context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None, example_name: Any = None, name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """One serialized SequenceExample: (features of the whole record, features of each of its steps)."""
    with op_scope([], name, "ParseSingleSequenceExample"):
        context, lists, _ = _sequences(_scalar(serialized, "serialized"), context_features, sequence_features,
                                       example_name)  # fmt: skip
        return context, lists


def parse_sequence_example(
    serialized: Any, context_features: Mapping[str, Any] | None = None,
    sequence_features: Mapping[str, Any] | None = None, example_names: Any = None, name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:  # fmt: skip
    """A batch of them: (context, lists, how long each dense list was)."""
    with op_scope([], name, "ParseSequenceExample"):
        return _sequences(convert_to_tensor(serialized, string, "serialized"), context_features, sequence_features,
                          example_names)  # fmt: skip


def _sequences(
    serialized: Tensor, context_features: Any, sequence_features: Any, names: Any
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    if not context_features and not sequence_features:
        raise ValueError("Both `context_features` and `sequence_features` argument are None, but at least one should "
                         "have values.")  # fmt: skip
    context = wanted(context_features or {}, _CONTEXT)
    lists = wanted(sequence_features or {}, _LISTS, in_sequence=True)
    found = _op(serialized, names, context, lists)
    single = serialized.get_shape().ndims == 0
    whole = _three_each(context, found, "context_sparse") | dict(zip(context.dense, found.context_dense_values,
                                                                     strict=True))  # fmt: skip
    pairs = zip(context.ragged, found.context_ragged_values, found.context_ragged_row_splits, strict=True)
    whole |= {key: flat if single else _rows(flat, splits) for key, flat, splits in pairs}
    steps = _three_each(lists, found, "feature_list_sparse") | dict(zip(lists.dense, found.feature_list_dense_values,
                                                                        strict=True))  # fmt: skip
    levels = zip(lists.ragged, found.feature_list_ragged_values, found.feature_list_ragged_inner_splits,
                 found.feature_list_ragged_outer_splits, strict=True)  # fmt: skip
    for key, flat, inner, outer in levels:
        steps[key] = _rows(flat, inner) if single else _rows(_rows(flat, inner), outer)
    lengths = dict(zip(lists.dense, found.feature_list_dense_lengths, strict=True))
    return _named(context_features, whole), _named(sequence_features, steps), lengths


def _rows(values: Any, splits: Tensor) -> RaggedTensor:
    return RaggedTensor.from_row_splits(values, splits, validate=False)


def _named(features: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {key: values[getattr(features[key], "value_key", None) or key] for key in features or {}}


def _three_each(asked: Wanted, found: Any, kind: str) -> dict[str, Any]:
    parts: list[Sequence[Tensor]] = [getattr(found, f"{kind}_{part}") for part in ("indices", "values", "shapes")]
    return {key: _three(*three) for key, *three in zip(asked.sparse, *parts, strict=True)}


def _op(serialized: Tensor, names: Any, context: Wanted, lists: Wanted) -> Any:
    return op_def("ParseSequenceExampleV2")(
        serialized, _names(names), _keys(context.sparse), _keys(context.dense),
        _keys(context.ragged), _keys(lists.sparse), _keys(lists.dense), _keys(lists.ragged),
        np.array([key in lists.may_miss for key in lists.dense], bool),
        [default for _, _, default in context.dense.values()],
        Ncontext_sparse=len(context.sparse), Nfeature_list_sparse=len(lists.sparse),
        Nfeature_list_dense=len(lists.dense),
        context_sparse_types=list(context.sparse.values()), Tcontext_dense=[d for d, _, _ in context.dense.values()],
        context_dense_shapes=[shape for _, shape, _ in context.dense.values()],
        context_ragged_value_types=[d for d, _ in context.ragged.values()],
        context_ragged_split_types=[s for _, s in context.ragged.values()],
        feature_list_sparse_types=list(lists.sparse.values()),
        feature_list_dense_types=[d for d, _, _ in lists.dense.values()],
        feature_list_dense_shapes=[shape for _, shape, _ in lists.dense.values()],
        feature_list_ragged_value_types=[d for d, _ in lists.ragged.values()],
        feature_list_ragged_split_types=[s for _, s in lists.ragged.values()],
    )  # fmt: skip
