"""tf.data.experimental: what is applied to a dataset, `dataset.apply(tf.data.experimental.unique())`, and more.

Next: compat/v1/data/__init__.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1.data.dataset import Dataset
from refflow.compat.v1.data.functions import ElementFunction
from refflow.compat.v1.data.iterators import Iterator
from refflow.compat.v1.data.nodes import DatasetSpec, number, truth
from refflow.compat.v1.data.optionals import Optional, OptionalStructure, get_next_as_optional
from refflow.compat.v1.data.options import (
    AutoShardPolicy,
    AutotuneAlgorithm,
    AutotuneOptions,
    DistributeOptions,
    ExternalStatePolicy,
    OptimizationOptions,
    ThreadingOptions,
)
from refflow.compat.v1.data.reducers import Reducer, group_by_reducer
from refflow.compat.v1.data.seeds import dataset_seed
from refflow.compat.v1.data.several import bucket_by_sequence_length, choose_from_datasets, sample_from_datasets
from refflow.compat.v1.data.tables import (
    CsvDataset,
    SqlDataset,
    TFRecordWriter,
    make_batched_features_dataset,
    make_csv_dataset,
    parse_example_dataset,
)
from refflow.compat.v1.data.transformations import batched
from refflow.compat.v1.type_specs import SparseTensorSpec, TensorSpec, TypeSpec
from refflow.core.dtypes import int64
from refflow.core.tensor import Tensor
from refflow.ops.dataset_values import INFINITE as INFINITE_CARDINALITY
from refflow.ops.dataset_values import UNKNOWN as UNKNOWN_CARDINALITY

__all__ = [
    "AUTOTUNE", "INFINITE_CARDINALITY", "SHARD_HINT", "UNKNOWN_CARDINALITY", "AutoShardPolicy", "AutotuneAlgorithm",
    "AutotuneOptions", "Counter", "CsvDataset", "DatasetStructure", "DistributeOptions", "ExternalStatePolicy",
    "OptimizationOptions", "Optional", "OptionalStructure", "RandomDataset", "Reducer", "SparseTensorStructure",
    "SqlDataset", "Structure", "TFRecordWriter", "TensorStructure", "ThreadingOptions", "assert_cardinality",
    "bucket_by_sequence_length", "cardinality", "choose_from_datasets", "copy_to_device", "dense_to_sparse_batch",
    "enable_debug_mode", "enumerate_dataset", "from_list", "from_variant", "get_next_as_optional",
    "get_single_element", "get_structure", "group_by_reducer", "group_by_window", "ignore_errors",
    "make_batched_features_dataset", "make_csv_dataset", "map_and_batch", "map_and_batch_with_legacy_function",
    "parallel_interleave", "parse_example_dataset", "prefetch_to_device", "sample_from_datasets", "scan",
    "shuffle_and_repeat", "take_while", "to_variant", "unbatch", "unique",
]  # fmt: skip

Applied = Callable[[Any], Any]
AUTOTUNE = -1
SHARD_HINT = -1
DatasetStructure, Structure = DatasetSpec, TypeSpec


def TensorStructure(dtype: Any, shape: Any) -> TensorSpec:
    """What 1.15 called tf.TensorSpec(shape, dtype)."""
    return TensorSpec(shape, dtype)


def SparseTensorStructure(dtype: Any, shape: Any) -> SparseTensorSpec:
    """What 1.15 called tf.SparseTensorSpec(shape, dtype)."""
    return SparseTensorSpec(shape, dtype)


class RandomDataset(Dataset):
    """Random whole numbers below 2 ** 32, without end."""

    def __init__(self, seed: Any = None, rerandomize_each_iteration: bool | None = None, name: str | None = None):
        found = Dataset.random(seed)
        super().__init__(found._variant_tensor, found.element_spec)


def Counter(start: Any = 0, step: Any = 1, dtype: Any = int64) -> Dataset:
    """start, start + step, ... without end."""
    return Dataset.counter(start, step, dtype)


# -- what is applied -------------------------------------------------------------------------------------------------


def unbatch() -> Applied:
    """The rows of each element as elements."""
    return lambda dataset: dataset.unbatch()


def unique() -> Applied:
    """Each element once."""
    return lambda dataset: dataset.unique()


def ignore_errors(log_warning: bool = False) -> Applied:
    """Without the elements that cannot be made."""
    return lambda dataset: dataset.ignore_errors(log_warning)


def enumerate_dataset(start: Any = 0) -> Applied:
    """Pairs of a number, counted from `start`, and an element."""
    return lambda dataset: dataset.enumerate(start)


def take_while(predicate: Callable[..., Any]) -> Applied:
    """The elements before the first one for which predicate is false."""
    return lambda dataset: dataset.take_while(predicate)


def scan(initial_state: Any, scan_func: Callable[..., Any]) -> Applied:
    """For each element the second of what scan_func(state, element) gives; the first is the next state."""
    return lambda dataset: dataset.scan(initial_state, scan_func)


def group_by_window(
    key_func: Callable[..., Any], reduce_func: Callable[..., Any], window_size: Any = None,
    window_size_func: Callable[..., Any] | None = None,
) -> Applied:  # fmt: skip
    """See Dataset.group_by_window."""
    return lambda dataset: dataset.group_by_window(key_func, reduce_func, window_size, window_size_func)


def dense_to_sparse_batch(batch_size: Any, row_shape: Any) -> Applied:
    """Batches of tensors of different sizes as sparse tensors of `row_shape`."""
    return lambda dataset: dataset.sparse_batch(batch_size, row_shape)


def shuffle_and_repeat(buffer_size: Any, count: Any = None, seed: Any = None) -> Applied:
    """dataset.shuffle(buffer_size, seed).repeat(count), as one node."""

    def apply(dataset: Any) -> Any:
        size, times = number(buffer_size, "buffer_size"), number(-1 if count is None else count, "count")
        return dataset._same("ShuffleAndRepeatDataset", size, *dataset_seed(seed), times)

    return apply


def map_and_batch(
    map_func: Callable[..., Any], batch_size: Any, num_parallel_batches: Any = None, drop_remainder: Any = False,
    num_parallel_calls: Any = None,
) -> Applied:  # fmt: skip
    """dataset.map(map_func).batch(batch_size, drop_remainder), as one node."""
    if num_parallel_batches is not None and num_parallel_calls is not None:
        raise ValueError(
            "`map_and_batch` allows only one of `num_parallel_batches` and `num_parallel_calls` to be set, but "
            f"`num_parallel_batches` was set to {num_parallel_batches} and `num_parallel_calls` was set to "
            f"{num_parallel_calls}."
        )

    def apply(dataset: Any) -> Any:
        function = ElementFunction(map_func, "tf.data.experimental.map_and_batch()", [dataset.element_spec])
        size = number(batch_size, "batch_size")
        calls = number(1 if num_parallel_calls is None else num_parallel_calls, "num_parallel_calls")
        drop = truth(drop_remainder, "drop_remainder")
        return dataset._by("MapAndBatchDataset", function, batched(function.spec, size, drop), size, calls, drop)

    return apply


map_and_batch_with_legacy_function = map_and_batch


def parallel_interleave(
    map_func: Callable[..., Any], cycle_length: Any, block_length: Any = 1, sloppy: bool | None = False,
    buffer_output_elements: Any = None, prefetch_input_elements: Any = None,
) -> Applied:  # fmt: skip
    """dataset.interleave(map_func, cycle_length, block_length)."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def assert_cardinality(expected_cardinality: Any) -> Applied:
    """The same elements; an error where there are more or fewer."""
    return lambda dataset: dataset._same("AssertCardinalityDataset", number(expected_cardinality, "cardinality"))


def copy_to_device(target_device: Any, source_device: Any = "/cpu:0") -> Applied:
    """The same elements: each step takes them to where they are used."""
    return lambda dataset: dataset.with_options(dataset.options())


def prefetch_to_device(device: Any, buffer_size: Any = None) -> Applied:
    """The same elements: each step takes them to where they are used."""
    return lambda dataset: dataset.prefetch(buffer_size)


def enable_debug_mode() -> None:
    """Nothing to do: everything is done in order, in the thread that asks."""


# -- values and variants ---------------------------------------------------------------------------------------------


def cardinality(dataset: Any) -> Tensor:
    """How many elements; UNKNOWN_CARDINALITY or INFINITE_CARDINALITY."""
    return dataset.cardinality()


def get_single_element(dataset: Any) -> Any:
    """The only element of a dataset."""
    if not isinstance(dataset, Dataset):
        raise TypeError(f"Invalid `dataset`. Expected a `tf.data.Dataset` object but got {type(dataset)}.")
    return dataset.get_single_element()


def get_structure(dataset_or_iterator: Any) -> Any:
    """The spec of its elements."""
    if not isinstance(dataset_or_iterator, (Dataset, Iterator)):
        raise TypeError(
            "Invalid `dataset_or_iterator`. `dataset_or_iterator` must be a `tf.data.Dataset` or tf.data.Iterator "
            f"object, but got {type(dataset_or_iterator)}."
        )
    return dataset_or_iterator.element_spec


def from_list(elements: Any, name: str | None = None) -> Dataset:
    """The structures of a list as elements."""
    if not isinstance(elements, list):
        raise ValueError("`elements` must be a list.")
    if not elements:
        raise ValueError("`elements` must be non-empty.")
    found = Dataset.from_tensors(elements[0])
    for element in elements[1:]:
        found = found.concatenate(Dataset.from_tensors(element))
    return found


def to_variant(dataset: Any) -> Tensor:
    """The tensor that holds a dataset."""
    return dataset._variant_tensor


def from_variant(variant: Tensor, structure: Any) -> Dataset:
    """The dataset that a tensor holds, whose elements have this spec."""
    return Dataset._of(variant, structure)


