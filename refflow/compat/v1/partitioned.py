"""Variables in parts: one table over several nodes, which one name, one shape and one checkpoint entry hold together.

    fixed_size_partitioner(3)              3 parts along axis 0
    variable_axis_size_partitioner(2**20)  as many as keep each under so many bytes
    min_max_variable_partitioner(4)        at most 4, each of at least so many bytes

Rows are spread as evenly as may be, the longer parts first. As a tensor the parts lie end to end.

Next: compat/v1/variable_store.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.variable import Variable
from refflow.core.control import group
from refflow.core.convert import convert_to_tensor, register_tensor_conversion_function
from refflow.core.dtypes import DType, as_dtype, float32, string
from refflow.core.errors import DTypeError
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.joining import concat

__all__ = [
    "create_partitioned_variables", "fixed_size_partitioner", "min_max_variable_partitioner",
    "variable_axis_size_partitioner",
]  # fmt: skip


def parts_of(dims: Sequence[int], axis: int, count: int) -> Iterator[tuple[list[int], list[int]]]:
    """(begin, size) of each part.

    >>> [(b[0], s[0]) for b, s in parts_of([10, 2], 0, 3)]
    [(0, 4), (4, 3), (7, 3)]
    """
    least, longer = divmod(dims[axis], count)
    begin = 0
    for i in range(count):
        length = least + (i < longer)
        yield (
            [begin if a == axis else 0 for a in range(len(dims))],
            [length if a == axis else d for a, d in enumerate(dims)],
        )
        begin += length


class PartitionedVariable:
    """The parts of one variable, in order. Iterating gives the parts; as a tensor it is all of them."""

    def __init__(self, name: str, shape: Any, dtype: Any, variable_list: list[Any], partitions: Sequence[int]):
        if not isinstance(variable_list, (list, tuple)):
            raise TypeError(f"variable_list is not a list or tuple: {variable_list}")
        if not isinstance(partitions, (list, tuple)):
            raise TypeError(f"partitions is not a list or tuple: {partitions}")
        if not all(p >= 1 for p in partitions):
            raise ValueError(f"partition values must be positive: {partitions}")
        if not variable_list:
            raise ValueError("variable_list may not be empty")
        for v in variable_list:
            if not isinstance(v, Variable) or v._get_save_slice_info() is None:
                given = [str(x) for x in variable_list]
                raise ValueError(f"All variables must have a save_slice_info available: {given}")
            if len(v.get_shape()) != len(partitions):
                raise ValueError("All variables' ranks must match the number of partitions")
            info: Any = v._get_save_slice_info()
            if info.full_shape != TensorShape(shape).as_list() or info.full_name != name:
                raise ValueError(
                    f"All variables' full shapes and names must match those of {name!r}: {TensorShape(shape)}, got "
                    f"{info.full_shape} of {info.full_name!r}"
                )
        self._variable_list = sorted(variable_list, key=lambda v: v._get_save_slice_info().var_offset)
        self._name, self._shape, self._dtype = name, TensorShape(shape), as_dtype(dtype)
        self._partitions = list(partitions)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._variable_list)

    def __len__(self) -> int:
        if len(self._partition_axes()) > 1:
            raise NotImplementedError(f"Cannot get a length for {len(self._partition_axes())} > 1 partition axes")
        return len(self._variable_list)

    def _partition_axes(self) -> list[int]:
        """The axes that are cut; axis 0 where there is one part."""
        return [axis for axis, count in enumerate(self._partitions) if count > 1] or [0]

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def shape(self) -> TensorShape:
        return self._shape

    def get_shape(self) -> TensorShape:
        return self._shape

    @property
    def graph(self) -> Any:
        return self._variable_list[0].graph

    def _get_variable_list(self) -> list[Any]:
        return self._variable_list

    def _get_partitions(self) -> list[int]:
        return self._partitions

    def as_tensor(self) -> Tensor:
        """All of it."""
        with self.graph.control_dependencies(None):
            return self._whole()

    def _whole(self) -> Tensor:
        graph = self.graph
        if len(self._variable_list) == 1:
            with graph.name_scope(None):
                return op_def("Identity")(self._variable_list[0].value(), name=self._name)
        axes = self._partition_axes()
        if len(axes) > 1:
            raise NotImplementedError(
                f"Cannot concatenate along more than one dimension: {axes}.  Multi-axis partition concat is not "
                "supported"
            )
        with graph.name_scope(f"{self._name}/ConcatPartitions/"):
            joined = concat(axes[0], [v.value() for v in self._variable_list])
        with graph.name_scope(None):
            return op_def("Identity")(joined, name=self._name)

    def _changed(self, method: str, value: Any, use_locking: bool, name: str | None, read_value: bool) -> Any:
        axes = self._partition_axes()
        if len(axes) > 1:
            raise NotImplementedError(f"Cannot do assign action along more than one dimension: {axes}")
        parts: Any = list(value) if isinstance(value, (list, tuple)) else None
        if isinstance(value, PartitionedVariable):
            parts = [v for v in value]
        if parts is None:
            sizes = [v.get_shape().as_list()[axes[0]] for v in self._variable_list]
            whole = convert_to_tensor(value, self._dtype)
            parts = op_def("SplitV")(whole, sizes, axes[0], num_split=len(sizes))
        changes = [
            getattr(v, method)(part, use_locking=use_locking, name=name, read_value=read_value)
            for v, part in zip(self._variable_list, parts, strict=True)
        ]
        return changes if read_value else group(*changes)

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Sets all parts; `value` is the whole, or a list of parts. Gives the parts after the change."""
        return self._changed("assign", value, use_locking, name, read_value)

    def assign_add(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Adds to all parts."""
        return self._changed("assign_add", value, use_locking, name, read_value)

    def assign_sub(
        self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtracts from all parts."""
        return self._changed("assign_sub", value, use_locking, name, read_value)


def _convert(value: PartitionedVariable, dtype: DType | None, name: str | None, as_ref: bool) -> Tensor:
    if dtype is not None and not dtype.is_compatible_with(value.dtype):
        raise DTypeError(
            f"Incompatible type conversion requested to type '{dtype.name}' for variable of type '{value.dtype.name}'"
        )
    if as_ref:
        raise NotImplementedError("PartitionedVariable doesn't support being used as a reference.")
    return value.as_tensor()


register_tensor_conversion_function(PartitionedVariable, _convert, 5)


# -- into how many parts ----------------------------------------------------------------------------------------------


def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Callable[..., list[int]]:
    """`num_shards` parts along `axis`, or as many as it has rows if that is less."""

    def partitioner(shape: Any, **_: Any) -> list[int]:
        found, rows = [1] * len(shape), TensorShape(shape).as_list()[axis]
        found[axis] = num_shards if rows is None else min(num_shards, rows)
        return found

    return partitioner


def _row_bytes(shape: Any, axis: int, dtype: DType, bytes_per_string: int) -> int:
    """What one row along `axis` takes."""
    element = bytes_per_string if dtype is string else np.dtype(dtype.as_numpy_dtype).itemsize
    return max(1, math.prod(shape.as_list()) // shape.as_list()[axis]) * element


def _checked(shape: Any, axis: int) -> Any:
    if not isinstance(shape, TensorShape):
        raise ValueError(f"shape is not a TensorShape: {shape}")
    if not shape.is_fully_defined():
        raise ValueError(f"shape is not fully defined: {shape}")
    return shape


def variable_axis_size_partitioner(
    max_shard_bytes: int, axis: int = 0, bytes_per_string_element: int = 16, max_shards: int | None = None
) -> Callable[..., list[int]]:
    """As few parts along `axis` as keep each at `max_shard_bytes` at most."""
    if max_shard_bytes < 1 or bytes_per_string_element < 1:
        raise ValueError(
            "Both max_shard_bytes and bytes_per_string_element must be positive. Currently, max_shard_bytes is "
            f"{max_shard_bytes} and bytes_per_string_element is {bytes_per_string_element}"
        )
    if max_shards and max_shards < 1:
        raise ValueError("max_shards must be positive.")

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        dims, kind = _checked(shape, axis), as_dtype(dtype).base_dtype
        row = _row_bytes(dims, axis, kind, bytes_per_string_element)
        rows = max(1, max_shard_bytes // row)
        count = math.ceil(dims.as_list()[axis] / rows)
        found = [1] * len(dims)
        found[axis] = min(count, max_shards) if max_shards else count
        return found

    return partitioner


def min_max_variable_partitioner(
    max_partitions: int = 1, axis: int = 0, min_slice_size: int = 256 << 10, bytes_per_string_element: int = 16
) -> Callable[..., list[int]]:
    """As many parts along `axis` as there may be, of `min_slice_size` bytes at least."""

    def partitioner(shape: Any, dtype: Any) -> list[int]:
        dims, kind = _checked(shape, axis), as_dtype(dtype).base_dtype
        if axis >= len(dims):
            raise ValueError(f"axis must be less than the rank, but received axis {axis} for shape {dims}")
        length = dims.as_list()[axis]
        whole = _row_bytes(dims, axis, kind, bytes_per_string_element) * length
        found = [1] * len(dims)
        found[axis] = max(1, min(max_partitions, length, math.ceil(whole / min_slice_size)))
        return found

    return partitioner


def create_partitioned_variables(
    shape: Any, slicing: Sequence[int], initializer: Any, dtype: Any = float32, trainable: bool = True,
    collections: Any = None, name: str | None = None, reuse: Any = None,
) -> list[Any]:  # fmt: skip
    """The parts of a new variable, slicing[axis] of them along each axis; only one may be above 1."""
    from refflow.compat.v1.variable_scope import get_variable, variable_scope

    if len(shape) != len(slicing):
        raise ValueError(
            "The 'shape' and 'slicing' of a partitioned Variable must have the length: "
            f"shape: {shape}, slicing: {slicing}"
        )
    if len(shape) < 1:
        raise ValueError(f"A partitioned Variable must have rank at least 1: shape: {shape}")
    with variable_scope(name, "PartitionedVariable", reuse=reuse):
        with get_default_graph().name_scope(None):
            found = get_variable(
                None, shape, dtype, initializer, trainable=trainable, collections=collections,
                partitioner=lambda **_: list(slicing),
            )  # fmt: skip
        return list(found)
