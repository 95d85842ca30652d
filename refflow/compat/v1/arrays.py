"""Arrays as TensorFlow 1.x spells them: the axis last and by name, `stack` for `pack`, `where` with two branches.

    first release            1.x
    concat(axis, values)     concat(values, axis)
    split(axis, n, value)    split(value, n, axis), or sizes in n's place
    pack, unpack             stack(values, axis), unstack(value, num, axis)
    reverse(x, [True])       reverse(x, axis=[0])

Next: compat/v1/math.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import nest
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, bool_, float32, int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import array, joining
from refflow.ops import transpose as axes
from refflow.ops.cast import cast
from refflow.ops.placeholders import placeholder_with_default
from refflow.ops.unique import where as coordinates

__all__ = [
    "boolean_mask", "broadcast_to", "concat", "expand_dims", "gather", "gather_nd", "matrix_band_part", "meshgrid",
    "one_hot", "pad", "placeholder_with_default", "reverse", "reverse_v2", "sequence_mask", "shape", "size", "split",
    "squeeze", "stack", "strided_slice", "unstack", "where",
]  # fmt: skip


def _axis(axis: Any, old: Any, default: Any = None) -> Any:
    """`axis`, or what was given under its name of before."""
    if axis is not None and old is not None:
        raise ValueError(f"an axis is given twice, as {axis!r} and as {old!r}")
    found = old if axis is None else axis
    return default if found is None else found


def concat(values: Any, axis: Any, name: str = "concat") -> Tensor:
    """`values` end to end along `axis`."""
    if not isinstance(values, (list, tuple)):
        values = [values]
    if not values:
        raise ValueError("List argument 'values' to 'ConcatV2' Op with length 0 shorter than minimum length 2.")
    if len(values) == 1:
        if isinstance(axis, (list, tuple)):
            raise ValueError(f"axis must be a number, got {axis!r}: concat(values, axis) takes the values first")
        return array.identity(values[0], name=name)
    return op_def("ConcatV2")(list(values), axis, name=name)


def split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None, name: str = "split") -> Any:
    """`value` cut along `axis` into so many equal parts, or into parts of the sizes listed."""
    if isinstance(num_or_size_splits, (int, np.integer)):
        return joining.split(axis, int(num_or_size_splits), value, name=name)
    sizes = convert_to_tensor(num_or_size_splits)
    count = sizes.get_shape()[0].value if num is None else num
    if count is None:
        raise ValueError("split needs num where the sizes are not known before the step runs")
    return op_def("SplitV")(value, sizes, axis, num_split=count, name=name)


def stack(values: Any, axis: int = 0, name: str = "stack") -> Tensor:
    """Tensors of one shape laid side by side along a new axis; what holds no tensor is a constant."""
    if axis == 0 and not any(hasattr(v, "graph") for v in nest.flatten(list(values))):
        try:
            return convert_to_tensor(values, name=name)
        except (TypeError, ValueError):
            pass  # arrays of several types or shapes, which the operation tells better
    return op_def("Pack")(list(values), axis=axis, name=name)


def unstack(value: Any, num: int | None = None, axis: int = 0, name: str = "unstack") -> list[Tensor]:
    """`value` taken apart along `axis`, which goes."""
    value = convert_to_tensor(value)
    rank = value.get_shape().ndims
    if rank is not None and not -rank <= axis < rank:
        raise ValueError(f"Argument `axis` = {axis} not in range [{-rank}, {rank})")
    count = value.get_shape()[axis].value if num is None else num
    if count is None:
        raise ValueError(f"Cannot infer num from shape {value.get_shape()}")
    return op_def("Unpack")(value, num=count, axis=axis, name=name)


def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Tensor:
    """`input` with a new axis of size 1."""
    return array.expand_dims(input, _axis(axis, dim), name=name)


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Tensor:
    """`input` without its axes of size 1, or without those listed."""
    axis = _axis(axis, squeeze_dims)
    return array.squeeze(input, [axis] if isinstance(axis, int) else axis, name=name)


def shape(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """The sizes of `input` when the step runs."""
    return op_def("Shape")(input, out_type=as_dtype(out_type or int32), name=name)


def size(input: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """How many elements `input` has."""
    return op_def("Size")(input, out_type=as_dtype(out_type or int32), name=name)


def gather(
    params: Any, indices: Any, validate_indices: Any = None, name: str | None = None, axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:  # fmt: skip
    """What `indices` name along `axis`; by default that of the first axis after the batch's."""
    axis = batch_dims if axis is None else axis
    return op_def("GatherV2")(params, indices, axis, batch_dims=batch_dims, name=name)


def gather_nd(
    params: Any, indices: Any, name: str | None = None, batch_dims: int = 0, bad_indices_policy: str = ""
) -> Tensor:
    """The elements or slices whose places are rows of `indices`; in each batch of the first `batch_dims` axes apart."""
    if not batch_dims:
        return op_def("GatherNd")(params, indices, bad_indices_policy=bad_indices_policy, name=name)
    with op_scope([], name, "GatherNd"):
        params, indices = convert_to_tensor(params), convert_to_tensor(indices)
        sizes, kind = indices.get_shape(), indices.dtype.base_dtype
        if sizes.ndims is None or not 0 < batch_dims < sizes.ndims:
            raise ValueError(f"batch_dims = {batch_dims} must be less than rank(indices), whose shape is {sizes}")
        outer = cast(shape(indices)[:-1], kind)
        places = [op_def("Range")(op_def("ZerosLike")(outer[i]), outer[i], cast(1, kind)) for i in range(batch_dims)]
        forms = [[-1 if j == i else 1 for j in range(sizes.ndims)] for i in range(batch_dims)]
        whole = op_def("ConcatV2")([outer, np.ones(1, kind.as_numpy_dtype)], 0)
        batch = [broadcast_to(array.reshape(p, f), whole) for p, f in zip(places, forms, strict=True)]
        return op_def("GatherNd")(params, concat([*batch, indices], -1), bad_indices_policy=bad_indices_policy)


def reverse_v2(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """`tensor` backwards along the axes listed."""
    return op_def("ReverseV2")(tensor, axis, name=name)


reverse = reverse_v2


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """`tensor` in a frame of `constant_values`, or of its own mirror image (REFLECT, SYMMETRIC)."""
    if mode.upper() != "CONSTANT":
        return op_def("MirrorPad")(tensor, paddings, mode=mode.upper(), name=name)
    return op_def("PadV2")(tensor, paddings, constant_values, name=name)


def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """`input` stretched to `shape`."""
    return op_def("BroadcastTo")(input, shape, name=name)


def strided_slice(
    input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0, var: Any = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """What Python writes as input_[begin:end:strides], a number for each axis."""
    if strides is None:
        strides = op_def("OnesLike")(convert_to_tensor(begin))
    return op_def("StridedSlice")(
        input_, begin, end, strides, begin_mask=begin_mask, end_mask=end_mask, ellipsis_mask=ellipsis_mask,
        new_axis_mask=new_axis_mask, shrink_axis_mask=shrink_axis_mask, name=name,
    )  # fmt: skip


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """`x` where the condition holds and `y` elsewhere; without them, the coordinates of what holds."""
    if x is None and y is None:
        return coordinates(condition, name=name)
    if x is None or y is None:
        raise ValueError("x and y must both be non-None or both be None.")
    return op_def("Select")(condition, x, y, name=name)


def one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: int | None = None, dtype: Any = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """A new axis of size `depth` with `on_value` (1) at each index and `off_value` (0) elsewhere."""
    given = [convert_to_tensor(v, dtype).dtype for v in (on_value, off_value) if v is not None]
    kind = as_dtype(dtype) if dtype is not None else (given or [float32])[0].base_dtype
    if len({t.base_dtype for t in given}) > 1:
        raise TypeError(f"dtype {given[0]} of on_value does not match dtype {given[1]} of off_value")
    on, off = (convert_to_tensor(v, kind) if v is not None else cast(np.float32(d), kind)
               for v, d in ((on_value, 1), (off_value, 0)))  # fmt: skip
    return op_def("OneHot")(indices, depth, on, off, axis=-1 if axis is None else axis, name=name)


def boolean_mask(tensor: Any, mask: Any, name: str = "boolean_mask", axis: int | None = None) -> Tensor:
    """The elements of `tensor` where `mask`, over its first axes or those from `axis` on, is true."""
    with op_scope([], name, "boolean_mask"):
        tensor, mask = convert_to_tensor(tensor), convert_to_tensor(mask)
        at, rank = axis or 0, mask.get_shape().ndims
        if not rank:
            raise ValueError(f"mask must have a known rank of 1 or more, got shape {mask.get_shape()}")
        dims = tensor.get_shape()
        dims[at : at + rank].assert_is_compatible_with(mask.get_shape())
        sizes = shape(tensor)
        flat = array.reshape(tensor, concat([sizes[:at], [-1], sizes[at + rank :]], 0))
        if dims.ndims is not None:
            flat.set_shape([*dims.as_list()[:at], None, *dims.as_list()[at + rank :]])
        places = squeeze(coordinates(array.reshape(mask, [-1])), [1])
        return gather(flat, places, axis=at)


def sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = bool_, name: str | None = None) -> Tensor:
    """[..., maxlen]: true for the first lengths[...] places."""
    from refflow.ops.logic import LESS
    from refflow.ops.range import range_
    from refflow.ops.reductions import reduce_max

    with op_scope([], name, "SequenceMask"):
        lengths = convert_to_tensor(lengths)
        longest = op_def("Maximum")(reduce_max(lengths), 0) if maxlen is None else convert_to_tensor(maxlen)
        if maxlen is not None and longest.get_shape().ndims not in (0, None):
            raise ValueError(f"Argument `maxlen` must be scalar for sequence_mask, received `maxlen` = {maxlen}")
        kind = longest.dtype.base_dtype
        found = LESS(range_(cast(0, kind), longest, cast(1, kind)), cast(expand_dims(lengths, -1), kind))
        return found if as_dtype(dtype) is bool_ else cast(found, dtype)


def matrix_band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Tensor:
    """The matrices with all but so many diagonals below and above the main one set to 0; -1 keeps all."""
    kind = "int64"
    return op_def("MatrixBandPart")(
        input, convert_to_tensor(num_lower, kind), convert_to_tensor(num_upper, kind), name=name
    )


def meshgrid(*args: Any, indexing: str = "xy", name: str = "meshgrid") -> list[Tensor]:
    """Coordinates of a grid, one tensor for each vector."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Argument `indexing` must be one of: 'xy', 'ij'")
    with op_scope([], name, "meshgrid"):
        vectors = [array.reshape(v, [-1]) for v in args]
        sizes = stack([array.size(v) for v in vectors]) if vectors else None
        found = []
        for place, vector in enumerate(vectors):
            form = [-1 if i == place else 1 for i in range(len(vectors))]
            found.append(broadcast_to(array.reshape(vector, form), sizes))
        if indexing == "xy" and len(vectors) > 1:
            order = [1, 0, *range(2, len(vectors))]
            found = [axes.transpose(f, order) for f in found]
        return found

