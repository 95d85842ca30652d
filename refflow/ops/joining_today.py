"""Joining, splitting and gathering as later releases write them: the axis last, sizes that differ, batches.

    ConcatV2(values, axis)      SplitV(value, sizes, dim)      GatherV2(params, indices, axis; batch_dims)

Next: ops/nd.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import INDICES, int8, int16, int32, int64
from refflow.core.errors import FIRST_INPUT, ShapeError
from refflow.core.graph import Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_rules import ShapeContext
from refflow.core.shapes import TensorShape
from refflow.core.signature import Attr
from refflow.core.values import blank
from refflow.ops import gather as rows
from refflow.ops.array import ANY, INDEX, reshape, shape
from refflow.ops.constant import PLACEHOLDER
from refflow.ops.joining import SLICE, concat, concat_shape, split_axis, transpose

COUNT = Attr("int", minimum=1)

CONCAT_V2 = define_op("ConcatV2", "values: N * T, axis: Tidx[] -> output: T", N=Attr("int", minimum=2), T=ANY,
                      Tidx=INDEX, source=("W06", "E22"))  # fmt: skip
CONCAT_OFFSET = define_op("ConcatOffset", "concat_dim: int32[], shape: N * shape_type[R] -> offset: N * shape_type[R]",
                          N=Attr("int", minimum=2), shape_type=INDEX, source=("W06",))  # fmt: skip
SPLIT_V = define_op("SplitV", "value: T, size_splits: Tlen[K], split_dim: int32[] -> output: num_split * T",
                    num_split=COUNT, T=ANY, Tlen=Attr("type", default=int64, allowed=(int8, *INDICES)),
                    source=("W06",))  # fmt: skip
GATHER_V2 = define_op(
    "GatherV2", "params: Tparams, indices: Tindices, axis: Taxis[] -> output: Tparams", batch_dims=0, Tparams=ANY,
    Tindices=Attr("type", allowed=(int16, *INDICES)), Taxis=Attr("type", allowed=INDICES), source=("W06",),
)  # fmt: skip
IDENTITY_N = define_op("IdentityN", "input: T -> output: T", T=Attr("list(type)", minimum=1), source=("W80",))
SHAPE_N = define_op("ShapeN", "input: N * T -> output: N * out_type", N=COUNT, T=ANY, out_type=INDEX, source=("W06",))
PLACEHOLDER_V2 = define_variant("PlaceholderV2", PLACEHOLDER)
PLACEHOLDER_WITH_DEFAULT = define_op("PlaceholderWithDefault", "input: dtype -> output: dtype", dtype=ANY,
                                     shape=Attr("shape"), stateful=True, source=("W10",))  # fmt: skip
PREVENT_GRADIENT = define_op("PreventGradient", "input: T[...S] -> output: T[...S]", T=ANY, message="", view=True,
                             source=("W30",))  # fmt: skip
SNAPSHOT = define_op("Snapshot", "input: T[...S] -> output: T[...S]", T=ANY, source=("W80",))
DEEP_COPY = define_op("DeepCopy", "x: T[...S] -> y: T[...S]", T=ANY, stateful=True, source=("W80",))
DEBUG_IDENTITY = define_op("DebugGradientIdentity", "input: T[...S] -> output: T[...S]", T=ANY, view=True,
                           source=("W80",))  # fmt: skip
PARALLEL_CONCAT = define_op("ParallelConcat", "values: N * T -> output: T", N=COUNT, T=ANY, shape=Attr("shape"),
                            source=("W06",))  # fmt: skip
EMPTY = define_op("Empty", "shape: int32[R] -> output: dtype", dtype=ANY, init=False, stateful=True, source=("W06",))
ENSURE_SHAPE = define_op("EnsureShape", "input: T -> output: T", shape=Attr("shape"), T=ANY, source=("W06",))


@CONCAT_V2.kernel
def concat_v2_kernel(values, axis):
    return np.concatenate(values, axis=int(np.reshape(axis, ())))


@CONCAT_V2.shape
def _concat_v2_shape(context: ShapeContext) -> shapes.Shape:
    return concat_shape(context.list_dims("values"), context.ints("axis"), "axis")


@CONCAT_V2.gradient
def _concat_v2_gradient(op, dy):
    """Each part gets its piece of dy."""
    parts, axis = list(op.inputs["values"]), op.inputs["axis"]
    sizes = SHAPE_N(parts)
    begins = CONCAT_OFFSET(_as_int32(axis), sizes)
    return [SLICE(dy, b, s) for b, s in zip(begins, sizes, strict=True)] + [None]


def _as_int32(x: Tensor) -> Tensor:
    from refflow.ops.elementwise import cast

    return cast(x, int32)


def _spaced(sizes: np.ndarray) -> str:
    return f"[{' '.join(map(str, sizes))}]"


@CONCAT_OFFSET.shape
def _concat_offset_shape(context: ShapeContext) -> list[shapes.Shape]:
    if context.dims("concat_dim"):
        raise ShapeError(
            f"Concat dim tensor should be a scalar integer, but got shape {shapes.text(context.dims('concat_dim'))}"
        )
    found = context.list_dims("shape")
    for i, dims in enumerate(found):
        if dims is not None and len(dims) != 1:
            raise ShapeError(f"input {i} should be a vector, but got shape {shapes.text(dims)}")
        if dims and found[0] and None not in (dims[0], found[0][0]) and dims[0] != found[0][0]:
            raise ShapeError(f"input {i} should contain {found[0][0]} elements, but got {dims[0]}")
    return found


@CONCAT_OFFSET.kernel
def concat_offset_kernel(concat_dim, shape):
    """Where each part begins: the sum of the sizes before it, along the one axis."""
    axis = int(concat_dim)
    if not -len(shape[0]) <= axis < len(shape[0]):
        raise ValueError(f"Concat dim is out of range: {axis} vs. {len(shape[0])}")
    found, at = [], 0
    for i, sizes in enumerate(shape):
        others = [j for j in range(len(sizes)) if j != axis % len(sizes) and sizes[j] != shape[0][j]]
        if others:
            raise ValueError(
                f"All dimensions except {axis} must match. Input {i} has shape {_spaced(sizes)} and doesn't match "
                f"input 0 with shape {_spaced(shape[0])}."
            )
        begin = np.zeros_like(sizes)
        begin[axis] = at
        at += int(sizes[axis])
        found.append(begin)
    return found


CONCAT_OFFSET.no_gradient()


@SPLIT_V.kernel
def split_v_kernel(value, size_splits, split_dim):
    axis = int(np.reshape(split_dim, ()))
    sizes = _spelled(size_splits.tolist(), value.shape[axis])
    parts = np.split(value, np.cumsum(sizes)[:-1], axis)
    return [np.array(p, copy=True, order="C") for p in parts]


def _spelled(sizes: list[int], whole: int | None) -> list[Any]:
    """The sizes with the one -1 found; ShapeError where they do not add up."""
    if sizes.count(-1) > 1:
        raise ShapeError("There can only be one -1 in the input.")
    known = sum(s for s in sizes if s >= 0)
    if any(s < -1 for s in sizes):
        raise ShapeError(f"Split size at index {[s < -1 for s in sizes].index(True)} must be >= 0. Got: {min(sizes)}")
    if whole is None:
        return [None if s == -1 else s for s in sizes]
    if -1 in sizes and known <= whole:
        return [whole - known if s == -1 else s for s in sizes]
    if known != whole:
        raise ShapeError(
            "Determined shape must either match input shape along split_dim exactly if fully specified, or be less "
            f"than the size of the input along split_dim if not fully specified.  Got: {known}, not {whole}"
        )
    return sizes


@SPLIT_V.shape
def _split_v_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, axis, sizes = context.dims("value"), context.ints("split_dim"), context.ints("size_splits")
    count, given = context.attrs["num_split"], context.dims("size_splits")
    if context.dims("split_dim") not in (None, (), (1,), (None,)):
        raise ShapeError(f"split_dim must be a scalar but has rank {len(context.dims('split_dim') or ())}")
    if given is not None and (len(given) != 1 or given[0] not in (None, count)):
        raise ShapeError(
            f"size of the split_tensor must be 1-D and have the same elements as outputs got {len(given)} -D and "
            f"{prod(d or 1 for d in given)} elements"
        )
    if dims is None or axis is None:
        return [None if dims is None else (None,) * len(dims)] * count
    at = split_axis(axis[0], len(dims))
    each = [None] * count if sizes is None else _spelled(sizes, dims[at])
    return [(*dims[:at], size, *dims[at + 1 :]) for size in each]


@SPLIT_V.gradient
def _split_v_gradient(op, *dys):
    """dx = the parts' gradients joined again."""
    return CONCAT_V2(list(dys), op.inputs[2]) if len(dys) > 1 else dys[0], None, None


@GATHER_V2.kernel
def gather_v2_kernel(params, indices, axis, batch_dims=0):
    at = int(axis) % max(params.ndim, 1)
    if prod(params.shape[:at] + params.shape[at + 1 :]):
        rows.check_rows(indices, params.shape[at], "indices")
    else:  # of nothing, anything may be asked for
        return np.empty(_gathered(params.shape, indices.shape, at, batch_dims), params.dtype)
    batch = batch_dims + indices.ndim if batch_dims < 0 else batch_dims
    if not batch:
        return params[(*(slice(None),) * at, indices, ...)]  # the dots keep one string an array
    lead = prod(params.shape[:batch])
    flat = params.reshape(lead, *params.shape[batch:])
    places = indices.reshape(lead, -1)
    picked = np.moveaxis(flat, at - batch + 1, 1)[np.arange(lead)[:, None], places]  # [lead, n, rest...]
    picked = np.moveaxis(picked, 1, at - batch + 1)
    return np.ascontiguousarray(picked).reshape(
        *params.shape[:at], *indices.shape[batch:], *params.shape[at + 1 :]
    )


def _batch(batch: int, width: int, rank: int, axis: int) -> int:
    """How many leading axes params and indices share; a negative number counts from the end of the indices' axes."""
    if not -width <= batch <= width:
        raise ShapeError(f"Expected batch_dims in the range [{-width}, {width}], but got {batch}")
    batch += width if batch < 0 else 0
    if batch >= rank:
        raise ShapeError(f"batch_dims ({batch}) must be less than rank(params) ({rank}).")
    if batch > axis:
        raise ShapeError(f"batch_dims ({batch}) must be less than or equal to axis ({axis}).")
    return batch


@GATHER_V2.shape
def _gather_v2_shape(context: ShapeContext) -> shapes.Shape:
    if context.dims("axis") not in (None, ()):
        raise ShapeError(f"axis must be scalar, got shape {shapes.text(context.dims('axis'))}")
    params, indices, axis = context.dims("params"), context.dims("indices"), context.ints("axis")
    if params is not None and not params:
        raise ShapeError("params must be at least 1 dimensional")
    if params is None or indices is None or axis is None:
        return None
    if not -len(params) <= axis[0] < len(params):
        least = axis[0] + 1 if axis[0] >= 0 else -axis[0]
        raise ShapeError(f"Shape must be at least rank {least} but is rank {len(params)}, for axis = {axis[0]}")
    at = axis[0] % len(params)
    batch = _batch(context.attrs["batch_dims"], len(indices), len(params), at)
    for i, (size, count) in enumerate(zip(params[:batch], indices[:batch], strict=True)):
        if None not in (size, count) and size != count:
            raise ShapeError(f"params.shape[{i}]: {size} should be equal to indices.shape[{i}]: {count}")
    return _gathered(params, indices, at, batch)


def _gathered(params: shapes.Dims, indices: shapes.Dims, at: int, batch: int) -> shapes.Dims:
    """The shape of what `indices` pick along axis `at`."""
    batch += len(indices) if batch < 0 else 0
    return (*params[:at], *indices[batch:], *params[at + 1 :])


@GATHER_V2.gradient
def _gather_v2_gradient(op, dy):
    """Rows along the first axis stay IndexedSlices; along another axis the gradient is dense."""
    from refflow.core.constants import constant_value
    from refflow.ops.gather import UNSORTED_SEGMENT_SUM

    params, indices, axis = op.inputs
    if op.get_attr("batch_dims"):
        raise LookupError("the gradient of GatherV2 with batch_dims is not defined here; use gather_nd")
    known = constant_value(axis)
    with op.graph.device(params.op.device):
        sizes = shape(params)
    if known is not None and int(known) == 0:
        flat = reshape(indices, [-1])
        tail = SLICE(sizes, [1], [-1])
        return IndexedSlices(reshape(dy, concat(0, [np.array([-1], np.int32), tail])), flat, sizes), None, None
    if known is None or params.dims is None or indices.dims is None:
        raise ValueError("the gradient of GatherV2 along a later axis needs a known axis and known ranks")
    at, rank, width = int(known) % len(params.dims), len(params.dims), len(indices.dims)
    front = list(range(at, at + width)) + [i for i in range(rank - 1 + width) if not at <= i < at + width]
    moved = transpose(dy, front)  # the picked axes come first
    others = [i for i in range(rank) if i != at]
    summed = UNSORTED_SEGMENT_SUM(moved, indices, reshape(SLICE(sizes, [at], [1]), []))
    order = np.argsort([at, *others]).tolist()
    return transpose(summed, order), None, None


@IDENTITY_N.kernel
def identity_n_kernel(input):
    return list(input)


@IDENTITY_N.shape
def _identity_n_shape(context: ShapeContext) -> list[shapes.Shape]:
    return list(context.inputs)


@IDENTITY_N.gradient
def _identity_n_gradient(op, *dys):
    """Each gradient passes."""
    return list(dys)


@SHAPE_N.kernel
def shape_n_kernel(input, out_type=int32):
    return [np.array(np.shape(x), out_type.as_numpy_dtype) for x in input]


@SHAPE_N.shape
def _shape_n_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [(None,) if dims is None else (len(dims),) for dims in context.inputs]


SHAPE_N.no_gradient()


@PLACEHOLDER_WITH_DEFAULT.kernel
def placeholder_with_default_kernel(input):
    return input


@PLACEHOLDER_WITH_DEFAULT.shape
def _placeholder_with_default_shape(context: ShapeContext) -> shapes.Shape:
    declared = context.attrs["shape"].as_tuple
    if not shapes.compatible(context.dims("input"), declared):
        raise ShapeError(f"input has shape {shapes.text(context.dims('input'))}, but shape = {shapes.text(declared)}")
    return declared


@PREVENT_GRADIENT.kernel
def prevent_gradient_kernel(input):
    return input


@PREVENT_GRADIENT.gradient
def _prevent_gradient_gradient(op, dy):
    """Whoever asks is told why there is none."""
    raise LookupError(f"Gradient explicitly disabled. Reason: {op.get_attr('message')!r}")


@SNAPSHOT.kernel
def snapshot_kernel(input):
    return np.array(input, copy=True)


@DEEP_COPY.kernel
def deep_copy_kernel(x):
    return np.array(x, copy=True)


@DEBUG_IDENTITY.kernel
def debug_identity_kernel(input):
    return input


for _op in (SNAPSHOT, DEBUG_IDENTITY, PLACEHOLDER_WITH_DEFAULT):
    _op.gradient(lambda op, dy: dy)
for _op in (DEEP_COPY, EMPTY):
    _op.no_gradient_registered()


@PARALLEL_CONCAT.kernel
def parallel_concat_kernel(values):
    return np.concatenate(values, 0)


@PARALLEL_CONCAT.shape
def _parallel_concat_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["shape"].as_tuple


PARALLEL_CONCAT.no_gradient_registered()


@EMPTY.kernel
def empty_kernel(shape, dtype):
    dims = tuple(int(s) for s in shape)
    return blank(dims, dtype.as_numpy_dtype)


@EMPTY.shape
def _empty_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    given = context.dims("shape")
    if given is not None and len(given) != 1:
        raise ShapeError(f"shape must be a vector of int32, got shape {shapes.text(given)}")

    return shape_from(context, "shape")


@ENSURE_SHAPE.kernel
def ensure_shape_kernel(input, shape):
    if not shapes.compatible(shape.as_tuple, input.shape):
        raise ValueError(
            f"Shape of tensor {FIRST_INPUT} {shapes.text(input.shape)} is not compatible with expected shape "
            f"{shapes.text(shape.as_tuple)}."
        )
    return input


@ENSURE_SHAPE.shape
def _ensure_shape_shape(context: ShapeContext) -> shapes.Shape:
    dims, wanted = context.dims("input"), context.attrs["shape"].as_tuple
    return shapes.merge(dims, wanted) if shapes.compatible(dims, wanted) else wanted


@ENSURE_SHAPE.gradient
def _ensure_shape_gradient(op, dy):
    """The gradient passes."""
    return dy


_V = [[1, 2, 3], [4, 5, 6]]
CONCAT_V2.case("W06", "the axis comes last", values=[[[1], [2]], [[3], [4]]], N=2, axis=1, output=[[1, 3], [2, 4]])
CONCAT_OFFSET.case("W06", "where each begins", concat_dim=1, shape=[[2, 3], [2, 1], [2, 4]], N=3,
                   offset=[[0, 0], [0, 3], [0, 4]])  # fmt: skip
SPLIT_V.case("W06", "parts of several sizes", Tlen="int32", value=[1, 2, 3, 4], size_splits=[1, -1], split_dim=0,
             num_split=2, output=[[1], [2, 3, 4]])  # fmt: skip
SPLIT_V.case("W06", "sizes add up", Tlen="int32", value=[1, 2], size_splits=[2, 2], split_dim=0, num_split=2,
             error="Determined shape must either match")  # fmt: skip
GATHER_V2.case("W06", "columns", Tindices="int32", Taxis="int32", params=np.array(_V), indices=[2, 0], axis=1,
               output=np.array([[3, 1], [6, 4]]))  # fmt: skip
GATHER_V2.case("W06", "one for each row", Tindices="int32", Taxis="int32", params=np.array(_V), indices=[[2], [0]],
               axis=1, batch_dims=1, output=np.array([[3], [4]]))  # fmt: skip
GATHER_V2.case("W06", "rows exist", Tindices="int32", Taxis="int32", params=_V, indices=[2], axis=0,
               error="indices[0] = 2 is not in [0, 2)")  # fmt: skip
IDENTITY_N.case("W80", "the values again", input=[np.array([1.0], np.float32)], T=["float32"],
                output=[np.array([1.0], np.float32)])  # fmt: skip
SHAPE_N.case("W06", "each shape", input=[[1, 2], [[3]]], N=2, output=[[2], [1, 1]])
PLACEHOLDER_WITH_DEFAULT.case("W10", "what stands there unless it is fed", input=[1.0, 2.0], dtype="float32", shape=[2],
                              output=[1.0, 2.0])  # fmt: skip
PREVENT_GRADIENT.case("W30", "the value again", input=np.array([1]), output=np.array([1]))
SNAPSHOT.case("W80", "the value again", input=[1], output=[1])
DEEP_COPY.case("W80", "the value again", x=[1], y=[1])
DEBUG_IDENTITY.case("W80", "the value again", input=[1], output=[1])
PARALLEL_CONCAT.case("W06", "rows together", values=[[[1, 2]], [[3, 4]]], N=2, shape=[2, 2], output=[[1, 2], [3, 4]])
EMPTY.case("W06", "room for two", shape=[2], dtype="float32", init=True, output=[0, 0])
ENSURE_SHAPE.case("W06", "the value again", input=[1.0, 2.0], shape=TensorShape([None]), T="float32", output=[1.0, 2.0])
ENSURE_SHAPE.case("W06", "a shape that fits", input=[1.0, 2.0], shape=TensorShape([3]), T="float32",
                  error="is not compatible with expected shape")  # fmt: skip


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """`input` unless a run feeds another value of that shape."""
    return PLACEHOLDER_WITH_DEFAULT(convert_to_tensor(input), shape=shape, name=name)

