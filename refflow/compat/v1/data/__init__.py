"""tf.data of TensorFlow 1.x: datasets that are built in Python and run in the graph.

Next: compat/v1/data/dataset.py.
"""

from typing import Any

from refflow.compat.v1.data import experimental
from refflow.compat.v1.data.dataset import Dataset
from refflow.compat.v1.data.iterators import Iterator, initializable, one_shot
from refflow.compat.v1.data.nodes import DatasetBase, DatasetSpec
from refflow.compat.v1.data.options import Options, ThreadingOptions
from refflow.compat.v1.data.readers import FixedLengthRecordDataset, TextLineDataset, TFRecordDataset
from refflow.ops.dataset_values import INFINITE as INFINITE_CARDINALITY
from refflow.ops.dataset_values import UNKNOWN as UNKNOWN_CARDINALITY

__all__ = [
    "AUTOTUNE", "INFINITE_CARDINALITY", "UNKNOWN_CARDINALITY", "Dataset", "DatasetSpec", "FixedLengthRecordDataset",
    "Iterator", "Options", "TFRecordDataset", "TextLineDataset", "ThreadingOptions", "experimental",
    "get_output_classes", "get_output_shapes", "get_output_types", "make_initializable_iterator",
    "make_one_shot_iterator",
]  # fmt: skip

AUTOTUNE = -1


def make_one_shot_iterator(dataset: Any) -> Iterator:
    """An iterator that needs no initializer; the dataset must not need a variable, a table or a feed."""
    return one_shot(dataset)


def make_initializable_iterator(dataset: Any, shared_name: str | None = None) -> Iterator:
    """An iterator whose `initializer` puts it before the dataset's first element."""
    return initializable(dataset, shared_name)


def get_output_classes(dataset_or_iterator: Any) -> Any:
    """tf.Tensor or tf.SparseTensor for each leaf of an element."""
    return _checked(dataset_or_iterator).output_classes


def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """The static shape of each leaf of an element."""
    return _checked(dataset_or_iterator).output_shapes


def get_output_types(dataset_or_iterator: Any) -> Any:
    """The type of each leaf of an element."""
    return _checked(dataset_or_iterator).output_types


def _checked(value: Any) -> Any:
    if not isinstance(value, (DatasetBase, DatasetSpec, Iterator)):
        raise TypeError(
            "Invalid `dataset_or_iterator`. `dataset_or_iterator` must be a `tf.data.Dataset` or tf.data.Iterator "
            f"object, but got {type(value)}."
        )
    return value
