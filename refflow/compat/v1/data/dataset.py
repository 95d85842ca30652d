"""tf.data.Dataset: elements to go through, made of tensors, numbers, files or a Python generator [W43].

    dataset = tf.data.Dataset.from_tensor_slices((features, labels)).shuffle(1000).repeat().batch(32)
    x, y = tf.data.make_one_shot_iterator(dataset).get_next()

Each method adds a node (ops/datasets.py and the pages after it) whose output is a variant that holds the dataset.
Transformations are in compat/v1/data/transformations.py and functional.py.

Next: compat/v1/data/iterators.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.functional import Called
from refflow.compat.v1.data.generators import from_generator
from refflow.compat.v1.data.iterators import Iterator, initializable, one_shot
from refflow.compat.v1.data.nodes import DatasetBase, made, number
from refflow.compat.v1.data.options import Options
from refflow.compat.v1.data.seeds import dataset_seed
from refflow.compat.v1.type_specs import TensorSpec
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, int64
from refflow.core.registry import op_def
from refflow.core.tensor import Tensor


class Dataset(Called):
    """Elements of one structure, to be gone through any number of times."""

    @classmethod
    def _of(cls, variant_tensor: Tensor, spec: Any, options: Options | None = None) -> Dataset:
        return Dataset(variant_tensor, spec, options)

    # -- where elements come from ----------------------------------------------------------------------------------

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """One element, the structure itself."""
        value, spec = elements.normalized(tensors)
        return made("TensorDataset", spec, [], elements.components(spec, value))

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """The rows of every tensor in the structure."""
        value, whole = elements.normalized(tensors)
        leaves = elements.flatten(whole)
        if not leaves:
            raise ValueError("Invalid `tensors`. `tensors` should not be empty.")
        spec = elements.map_structure(lambda s: s._unbatch(), whole)
        counts = {s.shape[0].value for s in leaves if s.shape.ndims} - {None}
        if len(counts) > 1:
            raise ValueError(f"Dimensions {' and '.join(map(str, sorted(counts)))} are not compatible")
        return made("TensorSliceDataset", spec, [], elements.rows(whole, value))

    @staticmethod
    def from_sparse_tensor_slices(sparse_tensor: Any) -> Dataset:
        """(indices, values, dense_shape) of each row of a sparse tensor."""
        value, spec = elements.normalized(sparse_tensor)
        if not hasattr(value, "indices"):
            raise TypeError(f"Invalid `sparse_tensor`. `sparse_tensor` must be a `tf.SparseTensor`. Got {type(value)}.")
        rank = spec.shape.ndims
        rest = None if rank is None else rank - 1
        rows = (TensorSpec([None, rest], int64), TensorSpec([None], spec.dtype), TensorSpec([rest], int64))
        return made("SparseTensorSliceDataset", rows, [], value.indices, value.values, value.dense_shape)

    @staticmethod
    def from_generator(
        generator: Callable[..., Any], output_types: Any = None, output_shapes: Any = None, args: Any = None,
        output_signature: Any = None, name: str | None = None,
    ) -> Dataset:  # fmt: skip
        """What the iterator that generator(*args) gives yields; args as arrays."""
        return from_generator(generator, output_types, output_shapes, args, output_signature)

    @staticmethod
    def range(*args: Any, output_type: Any = int64, name: str | None = None) -> Dataset:
        """Whole numbers: stop; start, stop; or start, stop, step."""
        if not 1 <= len(args) <= 3:
            raise ValueError(f"Invalid `args`. The length of `args` should be between 1 and 3 but was {len(args)}.")
        start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
        bounds = number(start, "start"), number(stop, "stop"), number(step, "step")
        return made("RangeDataset", TensorSpec([], as_dtype(output_type)), [], *bounds)

    @staticmethod
    def random(seed: Any = None, rerandomize_each_iteration: bool | None = None, name: str | None = None) -> Dataset:
        """Random whole numbers below 2 ** 32, without end."""
        return made("RandomDataset", TensorSpec([], int64), [], *dataset_seed(seed))

    @staticmethod
    def counter(start: Any = 0, step: Any = 1, dtype: Any = int64, name: str | None = None) -> Dataset:
        """start, start + step, ... without end."""
        return _counted(start, step, as_dtype(dtype))

    @staticmethod
    def list_files(
        file_pattern: Any, shuffle: bool | None = None, seed: Any = None, name: str | None = None
    ) -> Dataset:
        """The names of the files that fit, in a random order unless shuffle is False."""
        from refflow.compat.v1.data.readers import list_files

        return list_files(file_pattern, shuffle is None or shuffle, seed)

    # -- several datasets --------------------------------------------------------------------------------------------

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Elements that are structures of the elements of a structure of datasets; as many as the shortest has."""
        if not args and datasets is None:
            raise TypeError("Must pass at least one dataset to `zip`.")
        if args and datasets is not None:
            raise TypeError("Both `*args` and `datasets` cannot be set.")
        datasets = datasets if datasets is not None else args[0] if len(args) == 1 else args
        leaves = elements.flatten(datasets)
        for leaf in leaves:
            if isinstance(leaf, list):
                raise TypeError(
                    "Invalid input to `zip`. Inputs are expected to be (nested) structures of `tf.data.Dataset` "
                    "objects. Python `list` is not supported and you should use `tuple` instead."
                )
            if not isinstance(leaf, DatasetBase):
                raise TypeError(
                    "Invalid input to `zip`. Inputs are expected to be (nested) structures of `tf.data.Dataset` "
                    f"objects but encountered object of type {type(leaf)}."
                )
        spec = elements.pack(datasets, [d.element_spec for d in leaves])
        return made("ZipDataset", spec, leaves, [d._variant_tensor for d in leaves])

    @staticmethod
    def choose_from_datasets(datasets: Any, choice_dataset: Any, stop_on_empty_dataset: bool = True) -> Dataset:
        """From each dataset in turn whose number choice_dataset gives, the next element."""
        from refflow.compat.v1.data.several import choose_from_datasets

        return choose_from_datasets(datasets, choice_dataset, stop_on_empty_dataset)

    @staticmethod
    def sample_from_datasets(
        datasets: Any, weights: Any = None, seed: Any = None, stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:  # fmt: skip
        """Elements of the datasets, each time from one drawn by its weight."""
        from refflow.compat.v1.data.several import sample_from_datasets

        return sample_from_datasets(datasets, weights, seed, stop_on_empty_dataset)

    def bucket_by_sequence_length(
        self, element_length_func: Callable[..., Any], bucket_boundaries: Any, bucket_batch_sizes: Any,
        padded_shapes: Any = None, padding_values: Any = None, pad_to_bucket_boundary: bool = False,
        no_padding: bool = False, drop_remainder: bool = False, name: str | None = None,
    ) -> Dataset:  # fmt: skip
        """Batches of elements whose lengths lie between the same boundaries, padded to equal shapes."""
        from refflow.compat.v1.data.several import bucket_by_sequence_length

        return self.apply(bucket_by_sequence_length(
            element_length_func, bucket_boundaries, bucket_batch_sizes, padded_shapes, padding_values,
            pad_to_bucket_boundary, no_padding, drop_remainder,
        ))  # fmt: skip

    # -- going through ------------------------------------------------------------------------------------------------

    def make_one_shot_iterator(self) -> Iterator:
        """An iterator that needs no initializer; the dataset must not need a variable, a table or a feed."""
        return one_shot(self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Iterator:
        """An iterator whose `initializer` puts it before the first element."""
        return initializable(self, shared_name)


def _counted(start: Any, step: Any, dtype: Any) -> Dataset:

    start, step = (convert_to_tensor(v, dtype, n) for v, n in ((start, "start"), (step, "step")))
    once = Dataset.from_tensors(op_def("ZerosLike")(start)).repeat()
    return once.scan(start, lambda state, _: (state + step, state))
