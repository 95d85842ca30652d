"""Datasets out of datasets that call no function: fewer elements, more, in another order, several in one.

Next: compat/v1/data/functional.py.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from refflow.compat.v1.data import elements
from refflow.compat.v1.data.nodes import DatasetBase, DatasetSpec, check_dataset, made, number, truth
from refflow.compat.v1.data.padding import padded
from refflow.compat.v1.data.seeds import dataset_seed
from refflow.compat.v1.type_specs import SparseTensorSpec, TensorSpec
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int64, string
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape


class Rearranged(DatasetBase):
    """What a dataset can be made into without a function."""

    def _same(self, op_type: str, *inputs: Any, **attrs: Any) -> Any:
        """Another dataset of elements like these."""
        return made(op_type, self._spec, [self], self._variant_tensor, *inputs, **attrs)

    # -- fewer and more ------------------------------------------------------------------------------------------

    def take(self, count: Any, name: str | None = None) -> Any:
        """At most `count` elements from the start; all of them below zero."""
        return self._same("TakeDataset", number(count, "count"))

    def skip(self, count: Any, name: str | None = None) -> Any:
        """Without the first `count` elements; none is left below zero."""
        return self._same("SkipDataset", number(count, "count"))

    def repeat(self, count: Any = None, name: str | None = None) -> Any:
        """`count` times over; without end for None or below zero."""
        return self._same("RepeatDataset", number(-1 if count is None else count, "count"))

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Any:
        """Every num_shards-th element, beginning with number `index`."""
        return self._same("ShardDataset", number(num_shards, "num_shards"), number(index, "index"))

    def cache(self, filename: Any = "", name: str | None = None) -> Any:
        """The same elements, made once and kept: in memory, or in files whose names begin so."""
        return self._same("CacheDataset", convert_to_tensor(filename, string, "filename"))

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Any:
        """The same elements."""
        return self._same("PrefetchDataset", number(-1 if buffer_size is None else buffer_size, "buffer_size"))

    def concatenate(self, dataset: Any, name: str | None = None) -> Any:
        """These elements, then those of `dataset`."""
        other = check_dataset(dataset, "what is concatenated")
        spec = _common(self._spec, other._spec)
        return made("ConcatenateDataset", spec, [self, other], self._variant_tensor, other._variant_tensor)

    def enumerate(self, start: Any = 0, name: str | None = None) -> Any:
        """Pairs of a number, counted from `start`, and an element."""
        from refflow.compat.v1.data.dataset import Dataset

        return Dataset.zip((Dataset.range(start, np.iinfo(np.int64).max), self))

    def unique(self, name: str | None = None) -> Any:
        """Each element once."""
        return self._same("UniqueDataset")

    def ignore_errors(self, log_warning: bool = False, name: str | None = None) -> Any:
        """Without the elements that cannot be made."""
        return self._same("IgnoreErrorsDataset", log_warning=log_warning)

    # -- order ---------------------------------------------------------------------------------------------------

    def shuffle(
        self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = True,
        name: str | None = None,
    ) -> Any:  # fmt: skip
        """In a random order, drawn from `buffer_size` elements at a time; by default anew each time through."""
        anew = reshuffle_each_iteration is None or reshuffle_each_iteration
        size = number(buffer_size, "buffer_size")
        return self._same("ShuffleDataset", size, *dataset_seed(seed), reshuffle_each_iteration=anew)

    # -- several in one ------------------------------------------------------------------------------------------

    def batch(
        self, batch_size: Any, drop_remainder: Any = False, num_parallel_calls: Any = None,
        deterministic: bool | None = None, name: str | None = None,
    ) -> Any:  # fmt: skip
        """`batch_size` elements in one, in a new first dimension; the last ones perhaps fewer."""
        size, drop = number(batch_size, "batch_size"), truth(drop_remainder, "drop_remainder")
        spec = batched(self._spec, size, drop)
        if num_parallel_calls is None:
            return made("BatchDatasetV2", spec, [self], self._variant_tensor, size, drop)
        calls = number(num_parallel_calls, "num_parallel_calls")
        return made("ParallelBatchDataset", spec, [self], self._variant_tensor, size, calls, drop)

    def padded_batch(
        self, batch_size: Any, padded_shapes: Any = None, padding_values: Any = None, drop_remainder: Any = False,
        name: str | None = None,
    ) -> Any:  # fmt: skip
        """`batch_size` elements in one, filled up to equal shapes: the given ones, where they say, else the largest."""
        size = number(batch_size, "batch_size")
        shapes, fillers, known = padded(self._spec, padded_shapes, padding_values)
        drop = truth(drop_remainder, "drop_remainder")
        spec = batched(elements.pack(self._spec, known), size, drop)
        return made("PaddedBatchDatasetV2", spec, [self], self._variant_tensor, size, shapes, fillers, drop)

    def unbatch(self, name: str | None = None) -> Any:
        """The rows of each element as elements."""
        spec = elements.map_structure(lambda s: s._unbatch(), self._spec)
        source = self
        if any(isinstance(s, SparseTensorSpec) for s in elements.flatten(self._spec)):
            source = self._in_rows()
        return made("UnbatchDataset", spec, [self], source._variant_tensor)

    def _in_rows(self) -> Any:
        """Elements whose sparse tensors are variants with a row for each of theirs."""
        from refflow.compat.v1.data.functions import ElementFunction

        mapped = ElementFunction(lambda *v: tuple(elements.rows(self._spec, v[0])), "Dataset.unbatch()", [self._spec],
                                 spread=False)  # fmt: skip
        return made("MapDataset", mapped.spec, [self], self._variant_tensor, mapped.captured, f=mapped.call)

    def rebatch(self, batch_size: Any, drop_remainder: Any = False, name: str | None = None) -> Any:
        """Batches of another size, or of several sizes in turn."""
        sizes = convert_to_tensor(batch_size, int64, "batch_size")
        if sizes.get_shape().ndims == 0:
            sizes = op_def("ExpandDims")(sizes, np.int32(0))
        drop = truth(drop_remainder, "drop_remainder")
        known = constant_value(sizes)
        fixed = builtins.int(known[0]) if known is not None and len(known) == 1 and constant_value(drop) else None
        spec = elements.map_structure(lambda s: s._unbatch()._batch(fixed), self._spec)
        return made("RebatchDatasetV2", spec, [self], self._variant_tensor, sizes, drop)

    def window(
        self, size: Any, shift: Any = None, stride: Any = 1, drop_remainder: Any = False, name: str | None = None
    ) -> Any:
        """Elements that are datasets of `size` neighbours, `stride` apart, beginning `shift` after each other."""
        spec = elements.map_structure(DatasetSpec, self._spec)
        sizes = (number(size, "size"), number(size if shift is None else shift, "shift"), number(stride, "stride"))
        drop = truth(drop_remainder, "drop_remainder")
        return made("WindowDataset", spec, [self], self._variant_tensor, *sizes, drop)

    def sparse_batch(self, batch_size: Any, row_shape: Any, name: str | None = None) -> Any:
        """Batches of tensors of different sizes as sparse tensors of `row_shape`."""
        if not isinstance(self._spec, TensorSpec):
            raise TypeError("a sparse batch is made of elements that are one tensor each")
        rows = elements.dims_of(row_shape)
        dims = constant_value(rows)
        shape = None if dims is None else [None, *(None if d < 0 else int(d) for d in dims)]
        spec = SparseTensorSpec(TensorShape(shape), self._spec.dtype)
        size = number(batch_size, "batch_size")
        return made("DenseToSparseBatchDataset", spec, [self], self._variant_tensor, size, rows)

    # -- values ---------------------------------------------------------------------------------------------------

    def cardinality(self) -> Any:
        """How many elements; tf.data.UNKNOWN_CARDINALITY or INFINITE_CARDINALITY."""
        return op_def("DatasetCardinality")(self._variant_tensor)

    def get_single_element(self, name: str | None = None) -> Any:
        """The only element; an error where there are more, or none."""
        found = op_def("DatasetToSingleElement")(self._variant_tensor, **elements.attributes(self._spec))
        return elements.values(self._spec, found)


def batched(spec: Any, size: Any, drop: Any) -> Any:
    """The spec of batches; their size is known where no smaller one can be left over."""
    known = constant_value(size) if constant_value(drop) else None
    count = None if known is None else builtins.int(known)
    return elements.map_structure(lambda s: s._batch(count), spec)


def _common(a: Any, b: Any) -> Any:
    """The spec of what is in either dataset."""
    try:
        elements.assert_alike(a, b)
        alike = all(type(x) is type(y) and getattr(x, "dtype", None) is getattr(y, "dtype", None)
                    for x, y in zip(elements.flatten(a), elements.flatten(b), strict=True))  # fmt: skip
    except (TypeError, ValueError):
        alike = False
    if not alike:
        raise TypeError(f"Incompatible dataset elements:\n  {a} vs.   {b}")
    return elements.map_structure(lambda x, y: x._relaxed(y), a, b)
