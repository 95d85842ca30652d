"""Several datasets in one by choice or by chance, and buckets of elements of about one length.

Next: compat/v1/data/readers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.dataset import Dataset
from refflow.compat.v1.data.nodes import DatasetBase, made
from refflow.compat.v1.data.seeds import dataset_seed
from refflow.compat.v1.data.transformations import _common
from refflow.compat.v1.type_specs import TensorSpec
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import float32, float64, int32, int64
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.core.tensor import Tensor


def _directed(choice: Dataset, datasets: Sequence[Any], stop: bool) -> Dataset:
    spec = datasets[0].element_spec
    for other in datasets[1:]:
        spec = _common(spec, other.element_spec)
    inputs = [d._variant_tensor for d in datasets]
    return made("DirectedInterleaveDataset", spec, list(datasets), choice._variant_tensor, inputs,
                stop_on_empty_dataset=stop)  # fmt: skip


def choose_from_datasets(datasets: Any, choice_dataset: Any, stop_on_empty_dataset: bool = False) -> Dataset:
    """From each dataset in turn whose number choice_dataset gives, the next element."""
    if not datasets:
        raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
    if choice_dataset.element_spec != TensorSpec([], int64):
        raise TypeError(
            "Invalid `choice_dataset`. Elements of `choice_dataset` must be scalar `tf.int64` tensors but are "
            f"{choice_dataset.element_spec}."
        )
    return _directed(choice_dataset, datasets, stop_on_empty_dataset)


def sample_from_datasets(
    datasets: Any, weights: Any = None, seed: Any = None, stop_on_empty_dataset: bool = False
) -> Dataset:
    """Elements of the datasets, each time from one drawn by its weight; of all equally often by default."""
    if not datasets:
        raise ValueError("Invalid `datasets`. `datasets` should not be empty.")
    if weights is None:
        weights = np.full(len(datasets), 1 / len(datasets), np.float64)
    if not isinstance(weights, DatasetBase):
        weights = convert_to_tensor(weights, name="weights")
        if weights.dtype.base_dtype not in (float32, float64):
            raise TypeError(
                "Invalid `weights`. `weights` type must be either `tf.float32` or `tf.float64` but is "
                f"{weights.dtype!r}."
            )
        if not weights.get_shape().is_compatible_with(TensorShape([len(datasets)])):
            raise ValueError(
                f"Invalid `weights`. The shape of `weights` should be compatible with `[len(datasets)]` but is "
                f"{weights.get_shape()}."
            )
    if len(datasets) == 1:
        return datasets[0]
    if isinstance(weights, DatasetBase):
        rows = cast(Dataset, weights).map(_row)
        choice = Dataset.zip((rows, _pairs(seed))).map(_drawn)
    else:
        row = _row(weights)
        choice = _pairs(seed).map(lambda pair: _drawn(row, pair))
    return _directed(choice, datasets, stop_on_empty_dataset)


def _row(weights: Any) -> Tensor:
    return op_def("ExpandDims")(op_def("Log")(weights, name="logits"), np.int32(0))


def _pairs(seed: Any) -> Dataset:
    """Seeds for each draw."""
    return made("RandomDataset", TensorSpec([], int64), [], *dataset_seed(seed)).batch(2, drop_remainder=True)


def _drawn(row: Any, pair: Any) -> Tensor:
    """A number of a dataset, by the logarithms of the weights."""
    found = op_def("StatelessMultinomial")(row, np.int32(1), pair, output_dtype=int64)
    return op_def("Squeeze")(found, squeeze_dims=[0, 1])


def bucket_by_sequence_length(
    element_length_func: Callable[..., Any], bucket_boundaries: Sequence[int], bucket_batch_sizes: Sequence[int],
    padded_shapes: Any = None, padding_values: Any = None, pad_to_bucket_boundary: bool = False,
    no_padding: bool = False, drop_remainder: bool = False,
) -> Callable[[Any], Any]:  # fmt: skip
    """Batches of elements whose lengths lie between the same boundaries, padded to equal shapes."""
    if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
        raise ValueError(
            "`len(bucket_batch_sizes)` must equal `len(bucket_boundaries) + 1` but `len(bucket_batch_sizes)="
            f"{len(bucket_batch_sizes)}` and `len(bucket_boundaries)={len(bucket_boundaries)}`."
        )
    least = np.array([np.iinfo(np.int32).min, *bucket_boundaries], np.int32)
    beyond = np.array([*bucket_boundaries, np.iinfo(np.int32).max], np.int32)
    sizes = np.array(bucket_batch_sizes, np.int64)

    def bucket_of(*element: Any) -> Any:
        length = convert_to_tensor(element_length_func(*element), int32)
        here = op_def("LogicalAnd")(op_def("LessEqual")(least, length), op_def("Less")(length, beyond))
        return op_def("Reshape")(op_def("Min")(op_def("Where")(here), np.int32(0)), np.zeros(0, np.int32))

    def in_batches(bucket: Any, window: Any) -> Any:
        size = op_def("Gather")(sizes, bucket)
        if no_padding:
            return window.batch(size, drop_remainder=drop_remainder)
        shapes = elements.map_structure(lambda s: s.shape, window.element_spec) if padded_shapes is None else (
            padded_shapes)  # fmt: skip
        if pad_to_bucket_boundary:
            shapes = _up_to(window.element_spec, shapes, op_def("Gather")(beyond.astype(np.int64), bucket) - 1)
        return window.padded_batch(size, shapes, padding_values, drop_remainder=drop_remainder)

    def apply(dataset: Any) -> Any:
        return dataset.group_by_window(
            bucket_of, in_batches, window_size_func=lambda bucket: op_def("Gather")(sizes, bucket)
        )

    return apply


def _up_to(spec: Any, shapes: Any, most: Any) -> Any:
    """Shapes whose open sizes are `most`."""

    def closed(shape: Any) -> Any:
        dims = [most if d is None or d == -1 else np.int64(d) for d in TensorShape(shape).as_list()]
        return op_def("Pack")(dims) if dims else np.zeros(0, np.int64)

    return elements.pack(spec, [closed(s) for s in elements.flat_up_to(spec, shapes)])


