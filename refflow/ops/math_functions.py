"""Functions made of several ops: casts by name, division as Python has it, clipping by size.

Next: core/gradients.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, bfloat16, float32, float64, int32, int64
from refflow.core.errors import DTypeError
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.ops.add_n import ADD_N
from refflow.ops.arithmetic import FLOOR_DIV
from refflow.ops.array import identity
from refflow.ops.cast import cast
from refflow.ops.elementwise import DIV, FLOOR, MAXIMUM, MINIMUM
from refflow.ops.histogram import EDIT_DISTANCE
from refflow.ops.reductions import reduce_mean, reduce_sum
from refflow.ops.sparse_segments import SPARSE_SEGMENT


def to_float(x: Any, name: str = "ToFloat") -> Any:
    """`x` as float32."""
    return cast(x, float32, name=name)


def to_double(x: Any, name: str = "ToDouble") -> Any:
    """`x` as float64."""
    return cast(x, float64, name=name)


def to_int32(x: Any, name: str = "ToInt32") -> Any:
    """`x` as int32; floats lose their fraction toward zero."""
    return cast(x, int32, name=name)


def to_int64(x: Any, name: str = "ToInt64") -> Any:
    """`x` as int64; floats lose their fraction toward zero."""
    return cast(x, int64, name=name)


def to_bfloat16(x: Any, name: str = "ToBFloat16") -> Any:
    """`x` as bfloat16: the high half of a float32."""
    return cast(x, bfloat16, name=name)


def round_(x: Any, name: str | None = None) -> Tensor:
    """The nearest whole number, halves upward, as the first release has it: floor(x + 0.5)."""
    x = convert_to_tensor(x, name="x")
    return x if x.dtype.is_integer else FLOOR(x + cast(np.float32(0.5), x.dtype), name=name)


def quotient_type(kind: DType) -> DType:
    """The type in which numbers of `kind` are divided: float32 for integers of up to 16 bits, float64 for others."""
    return (float32 if kind.size <= 2 else float64) if kind.is_integer else kind


def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y as Python 3 has it: integers are divided as `quotient_type` says."""
    with op_scope([x, y], name, "truediv") as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, x.dtype.base_dtype if not isinstance(y, Tensor) else None, name="y")
        if x.dtype.base_dtype is not y.dtype.base_dtype:
            raise DTypeError(f"x and y must have the same dtype, got {x.dtype.name} and {y.dtype.name}")
        if x.dtype.is_integer:
            wide = quotient_type(x.dtype)
            x, y = cast(x, wide), cast(y, wide)
        return DIV(x, y, name=scope)


def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x // y as Python has it: rounded down, also below zero."""
    return FLOOR_DIV(x, y, name=name)


def accumulate_n(
    inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None, name: str | None = None
) -> Tensor:
    """The sum of tensors of one shape and type, which `shape` and `tensor_dtype` may state."""
    if not inputs:
        raise ValueError("accumulate_n takes a list with at least one tensor")
    tensors = [convert_to_tensor(t, tensor_dtype) for t in inputs]
    for tensor in tensors if shape is not None else ():
        tensor.set_shape(shape)
    return identity(tensors[0], name=name) if len(tensors) == 1 else ADD_N(tensors, name=name)


def sparse_segment_sum(data: Any, indices: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Sums of the rows data[indices[i]] with equal ids; ids rise from 0."""
    return SPARSE_SEGMENT["Sum"](data, indices, segment_ids, name=name)


def sparse_segment_mean(data: Any, indices: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Means of the rows data[indices[i]] with equal ids; ids rise from 0."""
    return SPARSE_SEGMENT["Mean"](data, indices, segment_ids, name=name)


def edit_distance(hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance") -> Tensor:
    """Levenshtein's distances between the sequences of two SparseTensors, over the length of the true one if asked."""
    return EDIT_DISTANCE(
        hypothesis.indices, hypothesis.values, hypothesis.dense_shape, truth.indices, truth.values, truth.dense_shape,
        normalize=normalize, name=name,
    )  # fmt: skip


# -- clipping ---------------------------------------------------------------------------------------------------


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Tensor:
    """`t` with every element moved into [clip_value_min, clip_value_max]."""
    with op_scope([t, clip_value_min, clip_value_max], name, "clip_by_value") as scope:
        t = convert_to_tensor(t, name="t")
        return MAXIMUM(MINIMUM(t, clip_value_max), clip_value_min, name=scope)


def clip_by_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """`t` scaled down to an L2 norm of `clip_norm` where its norm is larger."""
    with op_scope([t, clip_norm], name, "clip_by_norm") as scope:
        t = convert_to_tensor(t, name="t")
        clip_norm = convert_to_tensor(clip_norm, t.dtype.base_dtype)
        from refflow.ops.elementwise import RSQRT

        inverse = RSQRT(reduce_sum(t * t))
        return identity(t * clip_norm * MINIMUM(inverse, _one(t) / clip_norm), name=scope)


def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """`t` scaled down to an average L2 norm, the norm over the number of elements, of `clip_norm`."""
    with op_scope([t, clip_norm], name, "clip_by_average_norm") as scope:
        from refflow.ops.array import size
        from refflow.ops.elementwise import RSQRT

        t = convert_to_tensor(t, name="t")
        clip_norm = convert_to_tensor(clip_norm, t.dtype.base_dtype)
        count = cast(size(t), t.dtype)
        inverse = RSQRT(reduce_sum(t * t)) * count
        return identity(t * clip_norm * MINIMUM(inverse, _one(t) / clip_norm), name=scope)


def _one(t: Tensor) -> Tensor:
    return cast(np.float32(1), t.dtype.base_dtype)


def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor | None:
    """The L2 norm of all tensors of a list taken together; None entries do not count."""
    if not isinstance(t_list, (list, tuple)):
        raise TypeError(f"t_list should be a sequence, got {t_list!r}")
    present = [t.values if isinstance(t, IndexedSlices) else convert_to_tensor(t) for t in t_list if t is not None]
    if not present:
        return None
    from refflow.ops.elementwise import SQRT
    from refflow.ops.joining import pack

    with op_scope(present, name, "global_norm") as scope:
        each = [reduce_sum(t * t) for t in present]
        for total in each:
            total.set_shape([])
        halves = pack(each)
        return SQRT(reduce_sum(halves), name=scope)


def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Any], Any]:
    """(clipped, norm): all tensors scaled by one factor so that their global norm is at most `clip_norm`."""
    norm = global_norm(t_list) if use_norm is None else use_norm
    if norm is None:
        return list(t_list), None
    with op_scope([t for t in t_list if t is not None], name, "clip_by_global_norm"):
        norm = convert_to_tensor(norm)
        limit = convert_to_tensor(clip_norm, norm.dtype.base_dtype)
        scale = limit * MINIMUM(_one(norm) / norm, _one(norm) / limit)
        return [_scaled(t, scale) for t in t_list], norm


def _scaled(t: Any, scale: Tensor) -> Any:
    if t is None:
        return None
    if isinstance(t, IndexedSlices):
        return IndexedSlices(t.values * scale, t.indices, t.dense_shape)
    return convert_to_tensor(t) * scale


def moments(x: Any, axes: Sequence[int], name: str | None = None) -> tuple[Tensor, Tensor]:
    """(mean, variance) of `x` over `axes`."""
    with op_scope([x, axes], name, "moments"):
        x = convert_to_tensor(x, name="x")
        kept = reduce_mean(x, list(axes), keep_dims=True)
        centred = x - kept
        return reduce_mean(x, list(axes)), reduce_mean(centred * centred, list(axes))
