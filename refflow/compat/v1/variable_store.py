"""The variables of a graph by their full names: found, or made with an initializer, whole or in parts.

    store.get_variable("layer/w", [3, 2], ...)                        layer/w
    store.get_variable("layer/w", [4, 2], partitioner=...)            layer/w/part_0, layer/w/part_1 ... as one

reuse: True finds and never makes, AUTO_REUSE finds or makes, None and False only make.

Next: compat/v1/variable_scope.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from refflow.compat.v1.graph_keys import GraphKeys
from refflow.compat.v1.initializers import glorot_uniform_initializer, zeros_initializer
from refflow.compat.v1.partitioned import PartitionedVariable, parts_of
from refflow.compat.v1.variable_creators import ARGUMENTS, created
from refflow.compat.v1.variable_kinds import SaveSliceInfo
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, as_dtype, string
from refflow.core.graph import get_default_graph
from refflow.core.shapes import TensorShape
from refflow.ops.variable_scope import _STORE, _first

_PARTITIONED = ("__partitioned_variables",)


class PartitionInfo:
    """What an initializer is told of the part that it makes: the whole shape, and where the part begins."""

    def __init__(self, full_shape: Sequence[int], var_offset: Sequence[int]):
        if not isinstance(full_shape, (list, tuple)) or not isinstance(var_offset, (list, tuple)):
            raise TypeError("`full_shape` and `var_offset` must be sequences (like tuple or list)")
        if len(full_shape) != len(var_offset):
            raise ValueError(
                f"Expected equal length, but `var_offset` is of length {len(var_offset)} while full_shape is of "
                f"length {len(full_shape)}."
            )
        for offset, size in zip(var_offset, full_shape, strict=True):
            if offset < 0 or offset >= size:
                raise ValueError(f"Expected 0 <= offset < shape but found offset={offset}, shape={size}")
        self.full_shape, self.var_offset = list(full_shape), list(var_offset)

    def single_offset(self, shape: Sequence[int]) -> int:
        """Where the part of this shape begins along the one axis that is cut."""
        axis = self.single_slice_dim(shape)
        return 0 if axis is None else self.var_offset[axis]

    def single_slice_dim(self, shape: Sequence[int]) -> int | None:
        """The one axis along which a part of this shape is cut, or None; ValueError where there are several."""
        if not isinstance(shape, (tuple, list)):
            raise TypeError(f"`shape` must be a sequence (like tuple or list) instead of {type(shape)}")
        if len(shape) != len(self.full_shape):
            raise ValueError(f"Expected equal length, but received shape={shape} of length {len(shape)} while "
                             f"self.full_shape={self.full_shape} is of length {len(self.full_shape)}.")  # fmt: skip
        cut = []
        for axis, (size, offset, whole) in enumerate(zip(shape, self.var_offset, self.full_shape, strict=True)):
            if offset + size > whole:
                raise ValueError(f"With self.var_offset={self.var_offset}, a partition of shape={shape} would exceed "
                                 f"self.full_shape={self.full_shape} in dimension {axis}.")  # fmt: skip
            if size < whole:
                cut.append(axis)
        if len(cut) > 1:
            raise ValueError(f"Cannot use single_slice_dim() with shape={shape} and self.full_shape={self.full_shape} "
                             f"since slice dim could be either dimension {cut[0]} or {cut[1]}.")  # fmt: skip
        return cut[0] if cut else None


class VariableStore:
    """The named variables of one graph."""

    def __init__(self) -> None:
        self.whole: dict[str, Any] = _first(_STORE, dict)
        self.partitioned: dict[str, PartitionedVariable] = _first(_PARTITIONED, dict)

    def get_variable(
        self, name: str, shape: Any, dtype: Any, initializer: Any, regularizer: Any, reuse: Any, partitioner: Any,
        **more: Any,
    ) -> Any:  # fmt: skip
        """The variable of that name, or the one made of these arguments."""
        dims = TensorShape(shape)
        kind = as_dtype(dtype).base_dtype
        if partitioner is not None and dims.ndims != 0:
            if not callable(partitioner):
                raise ValueError(f"Partitioner must be callable, but received: {partitioner}")
            return self._in_parts(name, dims, kind, initializer, regularizer, reuse, partitioner, more)
        if name in self.partitioned and reuse:
            return self.partitioned[name]
        if f"{name}/part_0" in self.whole:
            raise ValueError(
                "No partitioner was provided, but a partitioned version of the variable was found: "
                f"{name}/part_0. Perhaps a variable of the same name was already created with partitioning?"
            )
        return self.single(name, dims, kind, initializer, regularizer, reuse, None, more)

    def single(
        self, name: str, shape: TensorShape, dtype: DType, initializer: Any, regularizer: Any, reuse: Any,
        part: PartitionInfo | None, more: dict[str, Any],
    ) -> Any:  # fmt: skip
        """A variable that is whole, or one part."""
        constant = initializer is not None and not callable(initializer)
        if constant and shape.ndims is not None:
            raise ValueError("If initializer is a constant, do not specify shape.")
        if name in self.whole:
            return self._found(name, shape, dtype, reuse)
        if reuse is True:
            raise ValueError(
                f"Variable {name} does not exist, or was not created with tf.get_variable(). Did you mean to set "
                "reuse=tf.AUTO_REUSE in VarScope?"
            )
        start, kind = _start(name, shape, dtype, initializer, part)
        with get_default_graph().name_scope(None):
            made = created(**{**ARGUMENTS, **more, "initial_value": start, "dtype": kind, "name": name})
        self.whole[name] = made
        if regularizer is not None:
            self._regularize(made, name, regularizer)
        return made

    def _found(self, name: str, shape: TensorShape, dtype: DType, reuse: Any) -> Any:
        found = self.whole[name]
        if not reuse:
            raise ValueError(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or reuse=tf.AUTO_REUSE "
                f"in VarScope? Originally defined at:\n\n  {found.op.user_frame}"
            )
        if not shape.is_compatible_with(found.get_shape()):
            raise ValueError(
                f"Trying to share variable {name}, but specified shape {_shown(shape)} and found shape "
                f"{_shown(found.get_shape())}."
            )
        if not dtype.is_compatible_with(found.dtype):
            raise ValueError(
                f"Trying to share variable {name}, but specified dtype {dtype.name} and found dtype {found.dtype.name}."
            )
        return found

    def _regularize(self, made: Any, name: str, regularizer: Callable[[Any], Any]) -> None:
        graph = get_default_graph()
        with graph.colocate_with(made.op), graph.name_scope(f"{name}/Regularizer/"), graph.outside():
            loss = regularizer(made)
        if loss is not None:
            graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)

    # -- in parts -----------------------------------------------------------------------------------------------------

    def _in_parts(
        self, name: str, shape: TensorShape, dtype: DType, initializer: Any, regularizer: Any, reuse: Any,
        partitioner: Callable[..., Any], more: dict[str, Any],
    ) -> Any:  # fmt: skip
        if name in self.whole:
            raise ValueError(
                "A partitioner was provided, but an unpartitioned version of the variable was found: "
                f"{name}.  Perhaps a variable of the same name was already created without partitioning?"
            )
        constant = initializer is not None and not callable(initializer)
        if constant:
            start = convert_to_tensor(initializer, dtype)
            if shape.ndims is not None and not shape.is_compatible_with(start.get_shape()):
                raise ValueError(f"The provided shape {shape} is not that of the initializer: {start.get_shape()}")
            shape, initializer = start.get_shape(), start
        if not shape.is_fully_defined():
            raise ValueError(
                f"Shape of a new partitioned variable ({name}) must be fully defined, but instead was {shape}."
            )
        counts = _checked_parts(partitioner(shape=shape, dtype=dtype), shape)
        if name in self.partitioned:
            return self._found_in_parts(name, shape, dtype, counts, reuse)
        if reuse is True:
            raise ValueError(
                f"PartitionedVariable {name} does not exist, or was not created with tf.get_variable(). Did you mean "
                "to set reuse=False or reuse=tf.AUTO_REUSE in VarScope?"
            )
        axis, several = _cut_axis(counts, shape)
        if name in self.partitioned and reuse:
            return self.partitioned[name]
        if f"{name}/part_0" in self.whole:
            last = f"{name}/part_{several - 1}"
            if last not in self.whole:
                raise ValueError(
                    f"Partitioner returned a different partitioning than what was already found.  Partitioner "
                    f"returned {several} shards, and shard {name}/part_0 was found, but {last} was not."
                )
            if f"{name}/part_{several}" in self.whole:
                raise ValueError(
                    "Partitioner returned a different partitioning than what was already found.  Partitioner "
                    f"returned {several} shards, and shard {name}/part_0 was found, but so was the extra shard "
                    f"{name}/part_{several}."
                )
        dims: Any = shape.as_list()
        parts = []
        for i, (offset, size) in enumerate(parts_of(dims, axis, several)):
            given, part_shape = initializer, TensorShape(size)
            if initializer is None:
                given = _default(name, dtype)
            elif constant:
                given = convert_to_tensor(_part_of(initializer, offset, size))
                part_shape = TensorShape(None)
            with get_default_graph().name_scope(f"{name}/PartitionedInitializer/") if constant else nullcontext():
                made = self.single(f"{name}/part_{i}", part_shape, dtype, given, regularizer, reuse,
                                   PartitionInfo(dims, offset), more)  # fmt: skip
            made._set_save_slice_info(SaveSliceInfo(name, dims, offset, size))
            parts.append(made)
        found = PartitionedVariable(name, shape, dtype, parts, counts)
        self.partitioned[name] = found
        return found

    def _found_in_parts(self, name: str, shape: TensorShape, dtype: DType, counts: list[int], reuse: Any) -> Any:
        if not reuse:
            raise ValueError(
                f"Partitioned variable with name {name} already exists. Did you mean to set reuse=True or "
                "reuse=tf.AUTO_REUSE in VarScope?"
            )
        found = self.partitioned[name]
        if not shape.is_compatible_with(found.get_shape()):
            raise ValueError(
                f"Trying to reuse partitioned variable {name}, but specified shape {_shown(shape)} and found shape "
                f"{_shown(found.get_shape())}."
            )
        if not dtype.is_compatible_with(found.dtype):
            raise ValueError(
                f"Trying to reuse partitioned variable {name}, but specified dtype {dtype.name} and found dtype "
                f"{found.dtype.name}."
            )
        if found._get_partitions() != counts:
            raise ValueError(
                f"Trying to reuse partitioned variable {name}, but specified partitions {counts} and found partitions "
                f"{found._get_partitions()}."
            )
        return found


def _shown(shape: TensorShape) -> str:
    dims = shape.as_list() if shape.ndims is not None else None
    return "<unknown>" if dims is None else f"({', '.join(map(str, dims))}{',' if len(dims) == 1 else ''})"


def _part_of(tensor: Any, offset: Sequence[int], size: Sequence[int]) -> Any:
    from refflow.ops.slicing import slice_

    return slice_(tensor, list(offset), list(size))


def _default(name: str, dtype: DType) -> Any:
    """What a variable without an initializer begins with: Glorot's draws, or zeros where it holds no floats."""
    if dtype.is_floating:
        return glorot_uniform_initializer()
    if dtype.is_integer or dtype.name == "bool" or dtype is string:
        return zeros_initializer()
    raise ValueError(f"An initializer for variable {name} of <dtype: '{dtype.name}'> is required")


def _start(
    name: str, shape: TensorShape, dtype: DType, initializer: Any, part: PartitionInfo | None
) -> tuple[Any, DType | None]:
    """What a new variable is made of: a value, or a function without arguments; and its type, unless that says it."""
    if initializer is None:
        initializer = _default(name, dtype)
        if shape.ndims is None:
            raise ValueError(f"Variable {name} did not get an initializer, so its `shape` argument must be specified.")
        if not shape.is_fully_defined():
            raise ValueError(
                f"Shape of a new variable ({name}) must be fully defined, but instead was {_shown(shape)}."
            )
    if not callable(initializer):
        return initializer, None
    if isinstance(initializer, type):
        initializer = initializer()
    if shape.is_fully_defined():
        more = {"partition_info": part} if _takes(initializer, "partition_info") else {}
        return (lambda: initializer(shape.as_list(), dtype=dtype, **more)), dtype
    if _needs_nothing(initializer):
        return initializer, None
    if shape.ndims is not None or _takes(initializer, "partition_info"):
        raise ValueError(f"Shape of a new variable ({name}) must be fully defined, but instead was {_shown(shape)}.")
    raise ValueError(
        "The initializer passed is not valid. It should be a callable with no arguments and the shape should not be "
        "provided or an instance of `tf.keras.initializers.*' and `shape` should be fully defined."
    )


def _takes(function: Any, argument: str) -> bool:
    try:
        return argument in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _needs_nothing(function: Any) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters)


def _checked_parts(counts: Any, shape: TensorShape) -> list[int]:
    if not isinstance(counts, (list, tuple)):
        raise ValueError(f"Partitioner must return a sequence, but saw: {counts}")
    if len(counts) != shape.ndims:
        raise ValueError(
            f"Partitioner returned a partition list that does not match the Variable's rank: {counts} vs. {shape}"
        )
    if any(p < 1 for p in counts):
        raise ValueError(f"Partitioner returned zero partitions for some axes: {counts}")
    return list(counts)


def _cut_axis(counts: Sequence[int], shape: TensorShape) -> tuple[int, int]:
    """The one axis that is cut, and into how many parts."""
    axes = [axis for axis, count in enumerate(counts) if count > 1]
    if len(axes) > 1:
        raise ValueError(f"Can only slice a variable along one dimension: shape: {shape}, partitioning: {list(counts)}")
    axis = axes[0] if axes else 0
    return axis, counts[axis]
