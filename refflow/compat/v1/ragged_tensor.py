"""tf.RaggedTensor: rows of different lengths, as values side by side and splits that say where each row ends.

    [[3, 1], [], [4]]        values [3, 1, 4], row_splits [0, 2, 2, 3]

Values may be ragged themselves: rows of rows. Elementwise operations go through to the flat values; between two ragged
tensors their splits have to be the same. What else takes ragged tensors is here and in tf.ragged, and no more.

Next: compat/v1/ragged_rows.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1 import ragged_rows as rows
from refflow.compat.v1.ragged_value import RaggedTensorValue
from refflow.compat.v1.sparse_tensor import SparseTensor
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype, int64
from refflow.core.graph import Graph, Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.cast import cast
from refflow.runtime.feeds import register_feeds
from refflow.runtime.signature import register_fetches

__all__ = ["RaggedTensor"]


class RaggedTensor:
    """Made by the from_... functions. values: a Tensor or a RaggedTensor; row_splits: [rows + 1], int32 or int64."""

    def __init__(self, values: Any, row_splits: Tensor, internal: bool = False):
        if not internal:
            raise ValueError("RaggedTensor constructor is private; please use one of the factory methods instead "
                             "(e.g., RaggedTensor.from_row_lengths())")  # fmt: skip
        self._values, self._splits = values, row_splits

    def __bool__(self) -> bool:
        raise TypeError("RaggedTensor may not be used as a boolean.")

    # -- making one ----------------------------------------------------------------------------------------------

    @classmethod
    def from_row_splits(
        cls, values: Any, row_splits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Row i is values[row_splits[i]:row_splits[i + 1]]."""
        with op_scope([], name, "RaggedFromRowSplits"):
            values, splits = as_values(values), rows.as_places(row_splits, "row_splits")
            if validate:
                splits = rows.checked_splits(splits, rows.count(flat_rows(values), splits.dtype))
            return cls(_like_splits(values, splits.dtype), splits, internal=True)

    @classmethod
    def from_row_lengths(
        cls, values: Any, row_lengths: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """The first row_lengths[0] values, then the next row_lengths[1], and so on."""
        with op_scope([], name, "RaggedFromRowLengths"):
            splits = rows.splits_of_lengths(rows.as_places(row_lengths, "row_lengths"))
            return cls.from_row_splits(values, splits, validate=validate)

    @classmethod
    def from_value_rowids(
        cls, values: Any, value_rowids: Any, nrows: Any = None, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Value i is in row value_rowids[i]; these rise. nrows: how many rows, where the last ones are empty."""
        with op_scope([], name, "RaggedFromValueRowIds"):
            ids = rows.as_places(value_rowids, "value_rowids")
            return cls.from_row_splits(values, rows.splits_of_ids(ids, nrows), validate=validate)

    @classmethod
    def from_row_starts(
        cls, values: Any, row_starts: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Row i begins at row_starts[i] and ends where the next begins."""
        with op_scope([], name, "RaggedFromRowStarts"):
            values, starts = as_values(values), rows.as_places(row_starts, "row_starts")
            splits = op_def("ConcatV2")([starts, rows.vector(rows.count(flat_rows(values), starts.dtype))], 0)
            return cls.from_row_splits(values, splits, validate=validate)

    @classmethod
    def from_row_limits(
        cls, values: Any, row_limits: Any, name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Row i ends before row_limits[i], where the next begins."""
        with op_scope([], name, "RaggedFromRowLimits"):
            limits = rows.as_places(row_limits, "row_limits")
            splits = op_def("ConcatV2")([np.zeros(1, limits.dtype.as_numpy_dtype), limits], 0)
            return cls.from_row_splits(values, splits, validate=validate)

    @classmethod
    def from_uniform_row_length(
        cls, values: Any, uniform_row_length: Any, nrows: Any = None, validate: bool = True, name: str | None = None
    ) -> RaggedTensor:
        """Rows of one length; nrows: how many, where the length is 0."""
        with op_scope([], name, "RaggedFromUniformRowLength"):
            values = as_values(values)
            length = cast(convert_to_tensor(uniform_row_length), int64)
            count = rows.count(flat_rows(values), int64)
            if nrows is None:
                nrows = op_def("FloorDiv")(count, op_def("Maximum")(length, np.int64(1)))
            ends = op_def("Range")(np.int64(0), cast(convert_to_tensor(nrows), int64) + np.int64(1), np.int64(1))
            return cls.from_row_splits(values, ends * length, validate=validate)

    @classmethod
    def from_nested_row_splits(
        cls, flat_values: Any, nested_row_splits: Sequence[Any], name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        """Rows of rows: splits from the outermost to the innermost."""
        return _nested(cls.from_row_splits, flat_values, nested_row_splits, name, validate, "nested_row_splits")

    @classmethod
    def from_nested_row_lengths(
        cls, flat_values: Any, nested_row_lengths: Sequence[Any], name: str | None = None, validate: bool = True
    ) -> RaggedTensor:
        return _nested(cls.from_row_lengths, flat_values, nested_row_lengths, name, validate, "nested_row_lengths")

    @classmethod
    def from_tensor(
        cls, tensor: Any, lengths: Any = None, padding: Any = None, ragged_rank: int = 1, name: str | None = None,
        row_splits_dtype: Any = int64,
    ) -> RaggedTensor:  # fmt: skip
        """A tensor's rows [rows, columns, ...]: whole, or `lengths` of each, or without `padding` at their ends."""
        if lengths is not None and padding is not None:
            raise ValueError("Specify argument `lengths` or `padding`, but not both.")
        if ragged_rank != 1:
            raise ValueError(f"from_tensor makes one level of rows here, not ragged_rank={ragged_rank}: nest it")
        with op_scope([], name, "RaggedFromTensor"):
            values, kept, counts = rows.rows_of(convert_to_tensor(tensor), lengths, padding)
            splits = rows.splits_of_lengths(cast(counts, as_dtype(row_splits_dtype)))
            return cls.from_row_splits(values if kept is None else op_def("GatherV2")(values, kept, 0), splits,
                                       validate=False)  # fmt: skip

    @classmethod
    def from_sparse(cls, st_input: Any, name: str | None = None, row_splits_dtype: Any = int64) -> RaggedTensor:
        """The rows of a SparseTensor of rank 2, whose values stand at the beginning of each row."""
        if st_input.indices.get_shape()[1].value not in (None, 2):
            raise ValueError("st_input must have rank 2.")
        with op_scope([], name, "RaggedFromSparse"):
            ids = cast(st_input.indices[:, 0], as_dtype(row_splits_dtype))
            return cls.from_value_rowids(st_input.values, ids, st_input.dense_shape[0], validate=False)

    # -- parts -----------------------------------------------------------------------------------------------------

    @property
    def values(self) -> Any:
        return self._values

    @property
    def row_splits(self) -> Tensor:
        return self._splits

    @property
    def flat_values(self) -> Tensor:
        """The values of the innermost rows, all in one tensor."""
        return self._values.flat_values if isinstance(self._values, RaggedTensor) else self._values

    @property
    def nested_row_splits(self) -> tuple[Tensor, ...]:
        """The splits of each level, the outermost first."""
        inner = self._values.nested_row_splits if isinstance(self._values, RaggedTensor) else ()
        return (self._splits, *inner)

    @property
    def ragged_rank(self) -> int:
        """How many levels of rows there are."""
        return len(self.nested_row_splits)

    @property
    def dtype(self) -> DType:
        return self.flat_values.dtype

    @property
    def graph(self) -> Graph:
        return self._splits.graph

    @property
    def op(self) -> Operation:
        return self.flat_values.op

    @property
    def name(self) -> str:
        return self.flat_values.name

    @property
    def uniform_row_length(self) -> None:
        """None: every row has its own length."""
        return None

    @property
    def shape(self) -> TensorShape:
        """What is known of the sizes; those of rows are not."""
        size = self._splits.get_shape()[0].value
        return TensorShape([None if size is None else size - 1, None]).concatenate(self._values.shape[1:])

    def get_shape(self) -> TensorShape:
        return self.shape

    def value_rowids(self, name: str | None = None) -> Tensor:
        """The row that each value is in."""
        return rows.ids_of_splits(self._splits, name)

    def nrows(self, out_type: Any = None, name: str | None = None) -> Tensor:
        """How many rows there are."""
        kind = self._splits.dtype if out_type is None else as_dtype(out_type)
        return op_def("Shape")(self._splits, out_type=kind.base_dtype, name=name)[0] - 1

    def row_starts(self, name: str | None = None) -> Tensor:
        return self._splits[:-1]

    def row_limits(self, name: str | None = None) -> Tensor:
        return self._splits[1:]

    def row_lengths(self, axis: int = 1, name: str | None = None) -> Any:
        """How long each row is; for axis 2 the rows of rows, as a RaggedTensor, and so on."""
        if axis == 0:
            return self.nrows()
        if axis == 1:
            return self._splits[1:] - self._splits[:-1]
        if not isinstance(self._values, RaggedTensor):
            raise ValueError(f"row_lengths of axis {axis}: the tensor has {self.ragged_rank} ragged axes")
        return self.with_values(self._values.row_lengths(axis - 1))

    def nested_row_lengths(self, name: str | None = None) -> tuple[Tensor, ...]:
        return tuple(splits[1:] - splits[:-1] for splits in self.nested_row_splits)

    def bounding_shape(self, axis: int | None = None, name: str | None = None, out_type: Any = None) -> Tensor:
        """The sizes of the smallest dense tensor that holds all, or one of them."""
        found = rows.bounding_shape(self, self._splits.dtype.base_dtype if out_type is None else as_dtype(out_type))
        return found if axis is None else found[axis]

    def with_values(self, new_values: Any) -> RaggedTensor:
        """The same rows of other values, as many."""
        return RaggedTensor(as_values(new_values), self._splits, internal=True)

    def with_flat_values(self, new_values: Any) -> RaggedTensor:
        """The same rows of other flat values, as many."""
        if isinstance(self._values, RaggedTensor):
            return self.with_values(self._values.with_flat_values(new_values))
        return self.with_values(new_values)

    def with_row_splits_dtype(self, dtype: Any) -> RaggedTensor:
        values = self._values
        values = values.with_row_splits_dtype(dtype) if isinstance(values, RaggedTensor) else values
        return RaggedTensor(values, cast(self._splits, as_dtype(dtype)), internal=True)

    # -- and back --------------------------------------------------------------------------------------------------

    def to_tensor(self, default_value: Any = None, name: str | None = None, shape: Any = None) -> Tensor:
        """A dense tensor, rows filled up with `default_value`, else zero; `shape`: its sizes, if told."""
        kind = self.dtype.base_dtype
        if default_value is None:
            default_value = np.array(b"", object) if kind.name == "string" else np.zeros((), kind.as_numpy_dtype)
        sizes = -1 if shape is None else shape
        if isinstance(sizes, (list, tuple, TensorShape)):
            sizes = [-1 if size is None else size for size in TensorShape(sizes).as_list()]
        with op_scope([], name, "RaggedToTensor"):
            made = op_def("RaggedTensorToTensor")(
                convert_to_tensor(np.array(sizes, np.int64) if not isinstance(sizes, Tensor) else sizes),
                self.flat_values, convert_to_tensor(default_value, kind), list(self.nested_row_splits),
                row_partition_types=["ROW_SPLITS"] * self.ragged_rank)  # fmt: skip
            if shape is None:
                made.set_shape(self.shape)
            elif not isinstance(shape, Tensor):
                rows_, *rest = TensorShape(shape).as_list()
                made.set_shape([self.shape[0] if rows_ is None else rows_, *rest])
            return made

    def to_sparse(self, name: str | None = None) -> SparseTensor:
        """The values at their places."""
        with op_scope([], name, "RaggedToSparse"):
            return SparseTensor(*op_def("RaggedTensorToSparse")(list(self.nested_row_splits), self.flat_values))

    def eval(self, session: Any = None, feed_dict: Any = None) -> RaggedTensorValue:
        from refflow.core.tensor import default_session

        return default_session(session, "evaluate a RaggedTensor").run(self, feed_dict)

    def __getitem__(self, key: Any) -> Any:
        return rows.item(self, key)

    def __repr__(self) -> str:
        return f"tf.RaggedTensor(values={self._values!r}, row_splits={self._splits!r})"

    # -- in structures, runs and operations -----------------------------------------------------------------------

    def _parts(self) -> list[Tensor]:
        return [self.flat_values, *self.nested_row_splits]

    def _with_parts(self, parts: Sequence[Any]) -> RaggedTensor:
        values, *levels = parts
        for splits in reversed(levels):
            values = RaggedTensor(values, splits, internal=True)
        return values

    def _elementwise(self, function: Callable[..., Any], values: Sequence[Any]) -> RaggedTensor:
        """`function` of the flat values, and of what is no ragged tensor as it is."""
        return rows.elementwise(function, values)


def as_values(values: Any) -> Any:
    """A Tensor, or the RaggedTensor that it is."""
    if isinstance(values, RaggedTensor):
        return values
    if isinstance(values, RaggedTensorValue):
        return RaggedTensor.from_row_splits(values.values, values.row_splits, validate=False)
    found = convert_to_tensor(values, name="values")
    found.get_shape().with_rank_at_least(1)
    return found


def flat_rows(values: Any) -> Tensor:
    """What has as many rows as the values: their splits but one, or they themselves."""
    return values.row_splits[1:] if isinstance(values, RaggedTensor) else values


def _like_splits(values: Any, dtype: DType) -> Any:
    return values.with_row_splits_dtype(dtype.base_dtype) if isinstance(values, RaggedTensor) else values


def _nested(make: Any, flat: Any, nested: Any, name: str | None, validate: bool, what: str) -> RaggedTensor:
    if isinstance(nested, Tensor):
        raise TypeError(f"Argument `{what}` must be a list of Tensors. Received {nested}.")
    values = flat
    with op_scope([], name, "RaggedFromNestedRowSplits"):
        for one in reversed(list(nested)):
            values = make(values, one, validate=validate)
    return values


def _fed(key: RaggedTensor, value: Any) -> Any:
    levels = value.nested_row_splits if isinstance(value, RaggedTensorValue) else value[1:]
    flat = value.flat_values if isinstance(value, RaggedTensorValue) else value[0]
    return zip((key.flat_values, *key.nested_row_splits), (flat, *levels), strict=True)


def _fetched(key: RaggedTensor) -> tuple[Sequence[Any], Callable[[list[Any]], Any]]:
    def made(values: list[Any]) -> RaggedTensorValue:
        found, *levels = values
        for splits in reversed(levels):
            found = RaggedTensorValue(found, splits)
        return found

    return key._parts(), made


def _through(operator: Callable[..., Any]) -> Callable[..., Any]:
    """An operator of tensors, on flat values."""
    return lambda *values: rows.elementwise(operator, values)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    setattr(RaggedTensor, f"__{_name}__", _through(getattr(Tensor, f"__{_name}__")))
    setattr(RaggedTensor, f"__r{_name}__", _through(getattr(Tensor, f"__r{_name}__")))
for _name in ("neg", "abs", "invert", "lt", "le", "gt", "ge"):
    setattr(RaggedTensor, f"__{_name}__", _through(getattr(Tensor, f"__{_name}__")))
register_feeds(RaggedTensor, _fed)
register_fetches(RaggedTensor, _fetched)
