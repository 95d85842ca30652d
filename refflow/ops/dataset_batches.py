"""Several elements as one, and one as several [W43].

    Batch       so many elements of equal shapes in one;  PaddedBatch  filled up to equal shapes
    Unbatch     the rows of each element
    Window      elements that are datasets, each of neighbouring elements

Next: ops/dataset_functions.py.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.handles import handle_to
from refflow.core.signature import Attr
from refflow.core.values import blank
from refflow.ops.dataset_values import (
    ELEMENTS,
    Dataset,
    Element,
    dataset_of,
    dataset_op,
    kept,
    number,
    of_list,
    row_of,
    stacked,
)

_IN = "input_dataset: variant"


def batched(dataset: Dataset, size: int, drop: bool, join: Any) -> Dataset:
    """`join` of every `size` elements, the last ones perhaps fewer."""
    if size < 1:
        raise ValueError("Batch size must be greater than zero.")

    def begin():
        source = dataset.begin()

        def following():
            rows: list[Element] = []
            try:
                while len(rows) < size:
                    rows.append(source())
            except StopIteration:
                if not rows or drop:
                    raise
            return join(rows)

        return following

    known = dataset.cardinality
    return Dataset(begin, known if known < 0 else known // size if drop else -(-known // size))


@dataset_op("BatchDataset", f"{_IN}, batch_size: int64", {})
def batch_dataset(input_dataset, batch_size, output_types):
    return batch_dataset_v2(input_dataset, batch_size, False, output_types)


def batch_dataset_v2(input_dataset, batch_size, drop_remainder, output_types):
    size, drop = number(batch_size, "batch_size"), bool(drop_remainder)
    return batched(dataset_of(input_dataset), size, drop, lambda rows: stacked(rows, output_types))


dataset_op("BatchDatasetV2", f"{_IN}, batch_size: int64, drop_remainder: bool", {"parallel_copy": False})(
    batch_dataset_v2
)


@dataset_op("ParallelBatchDataset", f"{_IN}, batch_size: int64, num_parallel_calls: int64, drop_remainder: bool",
            {"parallel_copy": False, "deterministic": "default"})  # fmt: skip
def parallel_batch_dataset(input_dataset, batch_size, num_parallel_calls, drop_remainder, output_types):
    return batch_dataset_v2(input_dataset, batch_size, drop_remainder, output_types)


_PADDED = f"{_IN}, batch_size: int64, padded_shapes: N * int64, padding_values: Toutput_types"
_PADDED_ATTRS = {
    "Toutput_types": ELEMENTS["output_types"], "output_shapes": ELEMENTS["output_shapes"], "N": Attr("int", minimum=1)
}  # fmt: skip


@dataset_op("PaddedBatchDataset", _PADDED, _PADDED_ATTRS, elements=False)
def padded_batch_dataset(input_dataset, batch_size, padded_shapes, padding_values, Toutput_types):
    return padded_batch_dataset_v2(input_dataset, batch_size, padded_shapes, padding_values, False, Toutput_types)


def padded_batch_dataset_v2(
    input_dataset, batch_size, padded_shapes, padding_values, drop_remainder, Toutput_types
):
    shapes, fillers = [tuple(int(d) for d in s) for s in padded_shapes], kept(padding_values)

    def join(rows):
        columns = zip(*rows, strict=True)
        each = zip(columns, shapes, fillers, Toutput_types, strict=True)
        return tuple(_padded(i, list(c), s, f, t.as_numpy_dtype) for i, (c, s, f, t) in enumerate(each))

    return batched(dataset_of(input_dataset), number(batch_size, "batch_size"), bool(drop_remainder), join)


dataset_op("PaddedBatchDatasetV2", _PADDED + ", drop_remainder: bool", {**_PADDED_ATTRS, "parallel_copy": False},
           elements=False)(padded_batch_dataset_v2)  # fmt: skip


def _padded(place: int, column: list[np.ndarray], shape: tuple[int, ...], filler: Any, kind: Any) -> np.ndarray:
    """One component of a batch. A size below zero in `shape` is that of the largest element."""
    for value in column:
        if value.ndim != len(shape):
            raise ValueError(
                f"All elements in a batch must have the same rank as the padded shape for component{place}: expected "
                f"rank {len(shape)} but got element with rank {value.ndim}"
            )
    sizes = [max(v.shape[axis] for v in column) if size < 0 else size for axis, size in enumerate(shape)]
    if any(have > size for v in column for have, size in zip(v.shape, sizes, strict=True)):
        raise errors.DataLossError(None, None, "Attempted to pad to a smaller size than the input element.")
    whole = blank((len(column), *sizes), kind)
    whole[...] = filler
    for i, value in enumerate(column):
        filled: Any = (i, *(slice(have) for have in value.shape), ...)
        whole[filled] = value
    return whole


@dataset_op("UnbatchDataset", _IN, {})
def unbatch_dataset(input_dataset):
    dataset = dataset_of(input_dataset)

    def begin():
        source = dataset.begin()
        rows: deque[Element] = deque()

        def following():
            while not rows:
                columns = source()
                rows.extend(tuple(row_of(c, i) for c in columns) for i in range(len(columns[0])))
            return rows.popleft()

        return following

    return Dataset(begin)


@dataset_op("WindowDataset", f"{_IN}, size: int64, shift: int64, stride: int64, drop_remainder: bool", {})
def window_dataset(input_dataset, size, shift, stride, drop_remainder):
    dataset, drop = dataset_of(input_dataset), bool(drop_remainder)
    size, shift, stride = number(size, "size"), number(shift, "shift"), number(stride, "stride")
    for value, name in ((size, "Window size"), (shift, "Window shift"), (stride, "Window stride")):
        if value < 1:
            raise ValueError(f"{name} must be greater than zero.")
    reach = (size - 1) * stride + 1  # elements from a window's first to its last

    def begin():
        source, skip = dataset.begin(), 0
        held: deque[Element] = deque()

        def following():
            nonlocal skip
            try:
                while skip:
                    source()
                    skip -= 1
                while len(held) < reach:
                    held.append(source())
            except StopIteration:
                skip = 0
                if not held or drop:
                    raise
            window = list(held)[::stride]
            skip = max(0, shift - len(held))
            for _ in range(min(shift, len(held))):
                held.popleft()
            return tuple(handle_to(of_list([(value,) for value in column])) for column in zip(*window, strict=True))

        return following

    return Dataset(begin)
