"""Datasets that are made once and kept: in memory, or in files that TensorFlow reads and writes too [W43].

    name.index, name.data-00000-of-00001     a checkpoint of all elements: 0000012_1 is component 1 of element 12

Whoever comes to the end first leaves what was seen; who stops before leaves nothing, and the next one begins anew.

Next: ops/dataset_batches.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.dtypes import DType, string
from refflow.core.handles import handle_to
from refflow.files.bundle import Bundle, Tensor, bundle_exists, write_bundle
from refflow.ops.dataset_values import Dataset, Element, dataset_of, dataset_op, of_list

_IN = "input_dataset: variant, filename: string"
_MOST = 10**7  # elements that a file may hold


def cache_dataset(input_dataset, filename, output_types):
    dataset, name = dataset_of(input_dataset), np.asarray(filename).item().decode()
    if not name:
        return _in_memory(dataset)
    for dtype in output_types:
        if dtype.as_numpy_dtype is object and dtype is not string:
            raise errors.UnimplementedError(
                None, None, f"Elements of type {dtype.name} can be cached in memory, not in a file: leave the file's "
                "name empty, or make plain tensors of sparse ones first"
            )  # fmt: skip
    return _in_files(dataset, name, output_types)


dataset_op("CacheDataset", _IN, {})(cache_dataset)


@dataset_op("CacheDatasetV2", _IN + ", cache: resource", {})
def cache_dataset_v2(input_dataset, filename, cache, output_types):
    return cache_dataset(input_dataset, filename, output_types)


def _gathering(dataset: Dataset, at_end: Any) -> Any:
    """A source that tells `at_end` all elements when it has come to the end."""
    source = dataset.begin()
    seen: list[Element] = []

    def following() -> Element:
        try:
            element = source()
        except StopIteration:
            at_end(seen)
            raise
        seen.append(element)
        return element

    return following


def _in_memory(dataset: Dataset) -> Dataset:
    whole: list[Element] = []  # once somebody has come to the end

    def keep(seen: list[Element]) -> None:
        whole[:] = seen

    def begin():
        return iter(whole).__next__ if whole else _gathering(dataset, keep)

    return Dataset(begin, dataset.cardinality)


def _in_files(dataset: Dataset, name: str, types: list[DType]) -> Dataset:
    width = len(str(len(types) - 1))

    def key(i: int, k: int) -> str:
        return f"{i:0{len(str(_MOST - 1))}d}_{k:0{width}d}"

    def keep(seen: list[Element]) -> None:
        write_bundle(name, [Tensor(key(i, k), v, types[k]) for i, row in enumerate(seen) for k, v in enumerate(row)])

    def read() -> Dataset:
        saved = Bundle(name)
        count = len(saved.tensors()) // len(types)
        return of_list([tuple(_single(saved.read(key(i, k))) for k in range(len(types))) for i in range(count)])

    return Dataset(lambda: read().begin() if bundle_exists(name) else _gathering(dataset, keep), dataset.cardinality)


def _single(value: Any) -> np.ndarray:
    """A value from a file; a single string stays in an array."""
    return value if isinstance(value, np.ndarray) else handle_to(value)
