"""One sequence example, and what becomes of one feature of many: context features, and lists of features.

Messages of the first release's op differ in words, so a record knows which op reads it.

Next: ops/parsing_sequence.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from refflow.core.dtypes import DType, string
from refflow.files.wire import fields
from refflow.ops.example_proto import features_of, read_feature
from refflow.ops.example_records import C_NAMES, listed
from refflow.ops.parsing import LIST_NAMES, joined

Dims = tuple[int, ...]
_REQUIRED = (
    "Name: {name}, Feature list '{key}' is required but could not be found.  Did you mean to include it in "
    "feature_list_dense_missing_assumed_empty or feature_list_dense_defaults?"
)


class SequenceRecord:
    """One serialized SequenceExample. `old` gives messages the words of the first release's op."""

    def __init__(self, serialized: bytes, name: str, old: bool = False):
        self.name, self.old = name, old
        try:
            self.context = features_of(serialized, 1)
            lists = features_of(serialized, 2)
            self.lists = {key: _steps(data) for key, data in lists.items()}
        except ValueError:
            shown = serialized.decode("utf-8", "backslashreplace")
            old_text = f"Could not parse example input, value: '{shown}'"
            raise ValueError(old_text if old else f"Invalid protocol message input, example id: {name}") from None

    def context_values(self, key: bytes, dtype: DType) -> Any:
        """A context feature's values, None if it is missing."""
        return self._values(self.context.get(key, b""), dtype, f"Context feature: {key.decode()}.")

    def steps(self, key: bytes, dtype: DType, kind: str = "list") -> list[Any] | None:
        """Each step's values (None for a step without a type), or None if the list is missing."""
        if key not in self.lists:
            return None
        where = f"Feature {kind}: {key.decode()}, Index: "
        return [self._values(data, dtype, f"{where}{i}.") for i, data in enumerate(self.lists[key])]

    def _values(self, data: bytes, dtype: DType, where: str) -> Any:
        try:
            feature = read_feature(data)
        except ValueError:
            raise ValueError(f"Name: {self.name}, {where}  Can't parse serialized Example.") from None
        if feature is None:
            return None
        if feature.dtype is not dtype:
            raise self.mismatch(dtype, where, data)
        return feature.values

    def mismatch(self, dtype: DType, where: str, data: bytes) -> ValueError:
        text = f"Name: {self.name}, {where}  Data types don't match. Expected type: {C_NAMES[dtype]}"
        return ValueError(text + (f"  Feature is: {data!r}" if self.old else ""))


def _steps(data: bytes) -> list[bytes]:
    return [value for number, value in fields(data) if number == 1]


# -- context -----------------------------------------------------------------------------------------


def context_sparse(records: Sequence[SequenceRecord], key: bytes, dtype: DType, batched: bool) -> list[np.ndarray]:
    rows = [_or_empty(record.context_values(key, dtype)) for record in records]
    return _sparse([[row] for row in rows], dtype, batched, steps=False)


def context_dense(
    records: Sequence[SequenceRecord], key: bytes, dtype: DType, dims: Dims, default: np.ndarray, batched: bool
) -> np.ndarray:
    """One row of values, or the default, for each record. What is asked of the longest row is asked first."""
    size, found = prod(dims), [record.context_values(key, dtype) for record in records]
    most = max((default.size, *(len(_or_empty(values)) for values in found)))
    if most != size and not any(record.old for record in records):
        raise ValueError(
            f"Inconsistent max number of elements for feature {key.decode()}: expected {size}, but found {most}"
        )
    rows = []
    for record, values in zip(records, found, strict=True):
        if values is None and (record.old or key not in record.context):
            if record.old and default.size != size:
                raise ValueError(
                    f"Name: {record.name}, Context feature '{key.decode()}' is required but could not be found."
                )
            if not record.old and not default.size:
                raise ValueError(
                    f"Feature: {key.decode()} (data type: {C_NAMES[dtype]}) is required but could not be found."
                )
            values = default.reshape(-1)
        values = _or_empty(values)
        if len(values) != size:
            if record.old:
                raise _old_count(record, key, 0, dtype, len(values), dims)
            raise ValueError(f"Unexpected number of elements in example {record.name}")
        rows.append(values)
    return joined(rows, dtype).reshape((len(rows), *dims) if batched else tuple(dims))


def context_ragged(
    records: Sequence[SequenceRecord], key: bytes, dtype: DType, splits: DType, batched: bool
) -> tuple[np.ndarray, np.ndarray]:
    rows = [_or_empty(record.context_values(key, dtype)) for record in records]
    return joined(rows, dtype), _splits(map(len, rows), splits) if batched else np.zeros((), splits.as_numpy_dtype)


# -- lists -------------------------------------------------------------------------------------------


def list_sparse(records: Sequence[SequenceRecord], key: bytes, dtype: DType, batched: bool) -> list[np.ndarray]:
    kind = "List" if records and records[0].old else "list"
    found = [record.steps(key, dtype, kind) or [] for record in records]
    return _sparse([[_or_empty(step) for step in steps] for steps in found], dtype, batched, steps=True)


def list_dense(
    records: Sequence[SequenceRecord], key: bytes, dtype: DType, dims: Dims, may_miss: bool, batched: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Steps of one shape; shorter lists end with zeros. What is asked of the most values is asked first."""
    size, lists = prod(dims), [record.steps(key, dtype) for record in records]
    most = max((sum(len(_or_empty(step)) for step in steps or ()) for steps in lists), default=0)
    if size and most % size and not any(record.old for record in records):
        raise ValueError(
            f"Feature list '{key.decode()}' has an unexpected number of values.  Total values size: {most} is not "
            f"consistent with output shape: {listed((None, *dims))}"
        )
    found = []
    for record, steps in zip(records, lists, strict=True):
        if steps is None and not may_miss:
            raise ValueError(_REQUIRED.format(name=record.name, key=key.decode()))
        found.append(_checked_steps(record, key, dtype, dims, steps or []))
    lengths = np.array([len(steps) for steps in found], np.int64)
    longest = int(lengths.max(initial=0))
    filler = [b"" if dtype is string else 0] * size
    values = joined([step for steps in found for step in [*steps, *[filler] * (longest - len(steps))]], dtype)
    return values.reshape(*([len(found)] if batched else []), longest, *dims), lengths if batched else lengths[0]


def _checked_steps(record: SequenceRecord, key: bytes, dtype: DType, dims: Dims, steps: list[Any]) -> list[Any]:
    size = prod(dims)
    for i, step in enumerate(steps):
        if step is None and record.old:
            raise record.mismatch(dtype, f"Feature list: {key.decode()}, Index: {i}.", b"")
        count = len(_or_empty(step))
        if count != size:
            if record.old:
                raise _old_count(record, key, i, dtype, count, dims)
            raise ValueError(
                f"Name: {record.name}, Key: {key.decode()}, Index: {i}.  Number of values != expected.  values size: "
                f"{count} but output shape: {listed(dims)}"
            )
    return [_or_empty(step) for step in steps]


def _old_count(record: SequenceRecord, key: bytes, i: int, dtype: DType, count: int, dims: Dims) -> ValueError:
    place, verb = ("Key ", "Values") if dtype is string else ("Key: ", "values")
    return ValueError(
        f"Name: {record.name}, {place}{key.decode()}, Index: {i}.  Number of {LIST_NAMES[dtype]} values != expected.  "
        f"{verb} size: {count} but output shape: {listed(dims)}"
    )


def list_ragged(
    records: Sequence[SequenceRecord], key: bytes, dtype: DType, splits: DType, batched: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = [record.steps(key, dtype) or [] for record in records]
    rows = [_or_empty(step) for steps in found for step in steps]
    outer = _splits(map(len, found), splits) if batched else np.zeros((), splits.as_numpy_dtype)
    return joined(rows, dtype), outer, _splits(map(len, rows), splits)


def _or_empty(values: Any) -> Any:
    return [] if values is None else values


def _splits(lengths: Any, dtype: DType) -> np.ndarray:
    return np.cumsum([0, *lengths]).astype(dtype.as_numpy_dtype)


def _sparse(found: list[list[Any]], dtype: DType, batched: bool, steps: bool) -> list[np.ndarray]:
    """Indices, values and shape of records of steps of values; axes that are not asked for go."""
    kept = [axis for axis, here in enumerate((batched, steps, True)) if here]
    places = [(r, t, i) for r, record in enumerate(found) for t, step in enumerate(record) for i in range(len(step))]
    longest = max((len(step) for record in found for step in record), default=0)
    size = np.array([len(found), max(map(len, found), default=0), longest], np.int64)
    indices = np.array(places, np.int64).reshape(-1, 3)[:, kept]
    return [indices, joined([step for record in found for step in record], dtype), size[kept]]
