"""Functions of the first release that take more in 1.x: preferred types, conjugates, axes, layouts, old and new names.

`layout`, of tensors that are spread over devices, changes nothing here; so does `optimize`.

Next: compat/v1/freer.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import refflow as first
from refflow.compat.v1 import freer
from refflow.compat.v1.arrays import _axis, expand_dims, one_hot
from refflow.compat.v1.math import reduce_sum
from refflow.core.convert import convert_to_tensor as first_convert
from refflow.core.convert import convert_to_tensor_or_indexed_slices as first_or_slices
from refflow.core.convert import op_scope
from refflow.core.dtypes import as_dtype, int32, int64
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.values import as_value
from refflow.ops import constant as filling
from refflow.ops.cast import cast
from refflow.ops.transpose import transpose as first_transpose

__all__ = [
    "clip_by_global_norm", "clip_by_norm", "clip_by_value", "constant", "convert_to_tensor",
    "convert_to_tensor_or_indexed_slices", "count_nonzero",
    "fill", "is_symbolic_tensor", "lin_space", "linspace", "map_fn", "ones",
    "reverse_sequence", "transpose", "unique", "zeros",
]  # fmt: skip

# -- values and constants ----------------------------------------------------------------------------------------


def convert_to_tensor(
    value: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None, dtype_hint: Any = None
) -> Tensor:
    """`value` as a Tensor; an array of numbers is cast to `dtype`.

    preferred_dtype, dtype_hint: a type to take where the value can have it and none is said.
    """
    hint = _axis(dtype_hint, preferred_dtype)
    if dtype is None and hint is not None and not isinstance(value, Tensor):
        try:
            return first_convert(_array_of(hint, value), hint, name)
        except (TypeError, ValueError):
            pass  # it cannot: then what it is by itself
    return first_convert(_array_of(dtype, value), dtype, name)


def _array_of(dtype: Any, value: Any) -> Any:
    """An array of numbers in a type of numbers; anything else as it is."""
    if dtype is None or not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in "iufc":
        return value
    wanted = as_dtype(dtype)
    return value.astype(wanted.as_numpy_dtype) if wanted.is_integer or wanted.is_floating else value


def convert_to_tensor_or_indexed_slices(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`value` as a Tensor, or itself where it is IndexedSlices of that type."""
    return first_or_slices(value, dtype, name)


def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str = "Const", verify_shape: bool = False
) -> Tensor:
    """A constant; the last value stands for what `shape` has beyond them, unless `verify_shape` forbids it."""
    if verify_shape and shape is not None and list(np.shape(value)) != list(shape):
        raise TypeError(f"Expected Tensor's shape: {tuple(shape)}, but got {np.shape(value)}.")
    return filling.constant(value, dtype, shape, name)


def zeros(shape: Any, dtype: Any = first.float32, name: str | None = None, layout: Any = None) -> Tensor:
    """Zeros, or what that is as a truth or as text."""
    return freer.zeros(shape, dtype, name)


def ones(shape: Any, dtype: Any = first.float32, name: str | None = None, layout: Any = None) -> Tensor:
    """Ones, or what that is as a truth."""
    return freer.ones(shape, dtype, name)


def fill(dims: Any, value: Any, name: str | None = None, layout: Any = None) -> Tensor:
    """A tensor of shape `dims` with `value` everywhere."""
    return op_def("Fill")(dims, value, name=name)


def linspace(start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0) -> Tensor:
    """`num` numbers at equal distances from `start` to `stop`; of tensors along a new axis."""
    low = first_convert(start)
    high = first_convert(stop, low.dtype.base_dtype)
    with op_scope([], name, "linspace"):
        kind = low.dtype.base_dtype if low.dtype.is_floating else as_dtype("float64")
        low, high = cast(low, kind), cast(high, kind)
        last = cast(op_def("Maximum")(first_convert(num, int32) - 1, 1), kind)
        rank = low.get_shape().ndims
        axes = (op_def("Rank")(low) if rank is None else rank) + 1
        at = axis % axes
        places = cast(op_def("Range")(0, num, 1), kind) / last
        form = 1 - 2 * one_hot(at, axes, dtype=int32) if rank is None else [1 - 2 * (i == at) for i in range(axes)]
        places = op_def("Reshape")(places, form)
        low, high = expand_dims(low, at), expand_dims(high, at)
        return op_def("SelectV2")(op_def("Equal")(places, as_value(1, kind)), high,
                                  low + (high - low) * places)  # fmt: skip


lin_space = linspace


def is_symbolic_tensor(tensor: Any) -> bool:
    """Whether it is a tensor of a graph: every tensor here is."""
    return isinstance(tensor, Tensor)


# -- arrays ------------------------------------------------------------------------------------------------------


def transpose(a: Any, perm: Any = None, name: str = "transpose", conjugate: bool = False) -> Tensor:
    """`a` with its axes in the order `perm`, or reversed; `conjugate`: and its numbers conjugated."""
    if not conjugate or not first_convert(a).dtype.is_complex:
        return first_transpose(a, perm, name)
    with op_scope([], name, "transpose"):
        a = first_convert(a)
        if perm is None:
            count = op_def("Rank")(a)
            perm = (count - 1) - op_def("Range")(0, count, 1)
        return op_def("ConjugateTranspose")(a, perm)


def reverse_sequence(
    input: Any, seq_lengths: Any, seq_axis: int | None = None, batch_axis: int | None = None, name: str | None = None,
    seq_dim: int | None = None, batch_dim: int | None = None,
) -> Tensor:  # fmt: skip
    """The first seq_lengths[n] places along `seq_axis` turned around in each row n along `batch_axis`."""
    along = _axis(seq_axis, seq_dim)
    if along is None:
        raise ValueError("reverse_sequence needs seq_axis: the axis along which places are turned around")
    return op_def("ReverseSequence")(input, seq_lengths, seq_dim=along, batch_dim=_axis(batch_axis, batch_dim, 0),
                                     name=name)  # fmt: skip


def unique(x: Any, out_idx: Any = int32, name: str | None = None) -> Any:
    """(y, idx): the distinct elements in order of appearance, and for each element where it went."""
    return op_def("Unique")(x, out_idx=as_dtype(out_idx), name=name)


def count_nonzero(
    input_tensor: Any = None, axis: Any = None, keepdims: bool | None = None, dtype: Any = int64,
    name: str | None = None, reduction_indices: Any = None, keep_dims: bool | None = None, input: Any = None,
) -> Tensor:  # fmt: skip
    """How many elements are not 0, or not the empty text."""
    with op_scope([], name, "count_nonzero"):
        x = first_convert(input if input_tensor is None else input_tensor)
        zero: Any = "" if x.dtype.base_dtype is first.string else np.zeros((), x.dtype.base_dtype.as_numpy_dtype)
        full = cast(op_def("NotEqual")(x, zero), int64)
        return cast(reduce_sum(full, _axis(axis, reduction_indices), _axis(keepdims, keep_dims)), dtype)


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None) -> Any:
    """`t` with every element moved into [clip_value_min, clip_value_max]; of IndexedSlices each row by itself."""
    if isinstance(t, first.IndexedSlices):
        kept = first.clip_by_value(t.values, clip_value_min, clip_value_max, name)
        return first.IndexedSlices(kept, t.indices, t.dense_shape)
    return first.clip_by_value(t, clip_value_min, clip_value_max, name)


def clip_by_global_norm(
    t_list: Any, clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Any], Any]:
    """(clipped, norm), as in the first release; a norm that is not finite makes NaN of all, so that it shows."""
    norm = first.global_norm(t_list) if use_norm is None else first_convert(use_norm)
    if norm is None:
        return list(t_list), None
    with op_scope([], name, "clip_by_global_norm"):
        kept = first.clip_by_global_norm(t_list, clip_norm, norm + (norm - norm))[0]
    return kept, norm


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: str | None = None) -> Any:
    """`t` scaled down to an L2 norm of `clip_norm`, over `axes` or over everything, where its norm is larger."""
    if isinstance(t, first.IndexedSlices):
        return first.IndexedSlices(clip_by_norm(t.values, clip_norm, axes, name), t.indices, t.dense_shape)
    with op_scope([], name, "clip_by_norm") as scope:
        t = first_convert(t, name="t")
        squares = reduce_sum(t * t, axes, True)
        some = op_def("Greater")(squares, np.zeros((), t.dtype.base_dtype.as_numpy_dtype))
        safe = op_def("SelectV2")(some, squares, op_def("OnesLike")(squares))  # the root of 0 has no slope
        length = op_def("SelectV2")(some, op_def("Sqrt")(safe), squares)
        limit = first_convert(clip_norm, t.dtype.base_dtype)
        scaled = t * limit
        scaled.get_shape().assert_is_compatible_with(t.get_shape())
        return op_def("Identity")(scaled / op_def("Maximum")(length, limit), name=scope)


# -- flow --------------------------------------------------------------------------------------------------------


def map_fn(
    fn: Callable[[Any], Any], elems: Any, dtype: Any = None, parallel_iterations: int | None = None,
    back_prop: bool = True, swap_memory: bool = False, infer_shape: bool = True, name: str | None = None,
    fn_output_signature: Any = None,
) -> Any:  # fmt: skip
    """`fn` of each element along the first axis, laid one after the other; fn_output_signature: dtype's later name."""
    return first.map_fn(fn, elems, _axis(dtype, fn_output_signature), parallel_iterations or 10, back_prop,
                        swap_memory, infer_shape, name)  # fmt: skip
