"""Elements gathered: into sparse tensors, into overlapping windows, into groups of which one value is left [W43].

    DenseToSparseBatch    so many tensors of different sizes as one sparse tensor of a given shape
    SlidingWindow         so many neighbours in one, the next window `shift` elements on
    Rebatch               batches cut into others: into equal parts, or into given sizes in turn
    GroupByReducer        for each key what a function makes of its elements, in the order in which keys came

Next: ops/dataset_tables.py.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.dtypes import as_dtype, int64, variant
from refflow.core.signature import Attr
from refflow.core.values import blank
from refflow.ops.dataset_batches import batched
from refflow.ops.dataset_values import Dataset, Element, dataset_of, dataset_op, ended, kept, number, row_of, stacked
from refflow.ops.sparse_serialize import Parts, in_three

_IN = "input_dataset: variant"
_TYPES = Attr("list(type)", minimum=0)


def dense_to_sparse_batch_dataset(input_dataset, batch_size, row_shape):
    dataset, wanted = dataset_of(input_dataset), [int(d) for d in row_shape]

    def begin():
        source = dataset.begin()
        return lambda: _checked(source(), wanted)

    fitting = Dataset(begin, dataset.cardinality)
    return batched(fitting, number(batch_size, "batch_size"), False, lambda rows: (_sparse(rows, wanted),))


dataset_op("DenseToSparseBatchDataset", f"{_IN}, batch_size: int64, row_shape: int64", {})(
    dense_to_sparse_batch_dataset
)


def _checked(element: Element, wanted: list[int]) -> Element:
    """The element, if it is no larger than it may be."""
    dims = element[0].shape
    said = f"Input element had shape ({_shape(dims)}) that is"
    if len(dims) != len(wanted):
        raise ValueError(f"{said} incompatible with the row shape ({_shape(wanted)}).")
    if any(0 <= most < have for have, most in zip(dims, wanted, strict=True)):
        raise errors.DataLossError(None, None, f"{said} larger than the row shape ({_shape(wanted)}).")
    return element


def _sparse(elements: list[Element], wanted: list[int]) -> np.ndarray:
    """Every element of every row as a value; a size below zero is that of the largest row."""
    rows = [element[0] for element in elements]
    sizes = [max(r.shape[axis] for r in rows) if d < 0 else d for axis, d in enumerate(wanted)]
    places = [np.insert(np.argwhere(np.ones(r.shape, bool)), 0, i, axis=1) for i, r in enumerate(rows)]
    kind = as_dtype(rows[0].dtype)
    values = np.concatenate([r.reshape(-1) for r in rows])
    dims = np.array([len(rows), *sizes], np.int64)
    return in_three(Parts(np.concatenate(places).astype(int64.as_numpy_dtype), values, dims), kind, variant)


def _shape(dims: Any) -> str:
    return ",".join(str(d) if d >= 0 else "?" for d in dims)


def sliding_window_dataset(input_dataset, window_size, window_shift, window_stride, output_types, drop_remainder=True):
    dataset = dataset_of(input_dataset)
    size, shift = number(window_size, "window_size"), number(window_shift, "window_shift")
    stride = number(window_stride, "window_stride")
    for value, name in ((size, "Window size"), (shift, "Window shift"), (stride, "Window stride")):
        if value < 1:
            raise ValueError(f"{name} must be greater than zero.")
    reach = (size - 1) * stride + 1

    def begin():
        source, skip = dataset.begin(), 0
        held: deque[Element] = deque()

        def following():
            nonlocal skip
            while skip:
                source()
                skip -= 1
            try:
                while len(held) < reach:
                    held.append(source())
            except StopIteration:
                if drop_remainder or not held:
                    raise
            window = list(held)[::stride]
            skip = max(0, shift - len(held))
            for _ in range(min(shift, len(held))):
                held.popleft()
            return stacked(window, output_types)

        return following

    return Dataset(begin)


_WINDOW = f"{_IN}, window_size: int64, window_shift: int64, window_stride: int64"
dataset_op("SlidingWindowDataset", _WINDOW, {"drop_remainder": True})(sliding_window_dataset)


def _rows(dataset: Dataset) -> Any:
    """A source of single rows of a dataset of batches."""
    source = dataset.begin()
    rows: deque[Element] = deque()

    def following() -> Element:
        while not rows:
            columns = source()
            rows.extend(tuple(row_of(c, i) for c in columns) for i in range(len(columns[0])))
        return rows.popleft()

    return following


@dataset_op("RebatchDatasetV2", f"{_IN}, batch_sizes: int64, drop_remainder: bool", {})
def rebatch_dataset_v2(input_dataset, batch_sizes, drop_remainder, output_types):
    dataset, drop = dataset_of(input_dataset), bool(drop_remainder)
    sizes = [int(s) for s in np.reshape(batch_sizes, -1)]
    if not sizes or min(sizes) < 0 or not sum(sizes):
        raise ValueError(f"batch_sizes must be sizes that are not negative, one of them above zero, got {sizes}")

    def begin():
        source, turn = _rows(dataset), 0
        waiting: list[Element] = []  # a row that an empty batch has taken its shapes from

        def following():
            nonlocal turn
            size = sizes[turn % len(sizes)]
            found: list[Element] = []
            turn += 1
            if not size:
                waiting[:] = waiting or [source()]
                return tuple(blank((0, *c.shape), c.dtype) for c in waiting[0])
            try:
                while len(found) < size:
                    found.append(waiting.pop() if waiting else source())
            except StopIteration:
                if not found or drop:
                    raise
            return stacked(found, output_types)

        return following

    return Dataset(begin)


@dataset_op("RebatchDataset", f"{_IN}, num_replicas: int64", {"use_fallback": True})
def rebatch_dataset(input_dataset, num_replicas):
    """Each batch in num_replicas parts, the first ones larger where they cannot be equal."""
    dataset, parts = dataset_of(input_dataset), number(num_replicas, "num_replicas")
    if parts < 1:
        raise ValueError("num_replicas must be positive.")

    def begin():
        source = dataset.begin()
        waiting: deque[Element] = deque()

        def following():
            while not waiting:
                element = source()
                size = -(-len(element[0]) // parts)
                cuts = range(0, len(element[0]), size or 1)
                waiting.extend(tuple(c[at : at + size] for c in element) for at in cuts)
            return waiting.popleft()

        return following

    return Dataset(begin)


_PARTS = ("key_func", "init_func", "reduce_func", "finalize_func")
_REDUCER = "input_dataset: variant, " + ", ".join(f"{p}_other_arguments: T{p}_other_arguments" for p in _PARTS)
_REDUCER_ATTRS: dict[str, Any] = {p: Attr("func") for p in _PARTS} | {f"T{p}_other_arguments": _TYPES for p in _PARTS}


def group_by_reducer_dataset(
    input_dataset, key_func_other_arguments, init_func_other_arguments, reduce_func_other_arguments,
    finalize_func_other_arguments, key_func, init_func, reduce_func, finalize_func,
):  # fmt: skip
    dataset = dataset_of(input_dataset)
    given = (key_func_other_arguments, init_func_other_arguments, reduce_func_other_arguments,
             finalize_func_other_arguments)  # fmt: skip
    for_key, for_init, for_reduce, for_final = map(kept, given)
    key_of, first, step, last = (f.begin() for f in (key_func, init_func, reduce_func, finalize_func))

    def begin():
        source: Any = dataset.begin()
        states: dict[int, list[np.ndarray]] = {}

        def gather():
            while True:
                try:
                    element = source()
                except StopIteration:
                    return
                key = np.asarray(key_of([*element, *for_key])[0], np.int64)
                state = states.get(int(key)) or first([key, *for_init])
                states[int(key)] = step([*state, *element, *for_reduce])

        def following():
            nonlocal source
            if source is not ended:
                gather()
                source = ended
            if not states:
                raise StopIteration
            return tuple(last([*states.pop(next(iter(states))), *for_final]))

        return following

    return Dataset(begin)


dataset_op("GroupByReducerDataset", _REDUCER, _REDUCER_ATTRS)(group_by_reducer_dataset)
