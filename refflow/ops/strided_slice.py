"""StridedSlice: what Python writes in brackets, with begin, end and step for each axis.

    x[1:, ..., None, 3, ::-1]

One entry of `begin`, `end` and `strides` for each part of the brackets. Bit i of a mask says of part i: begin_mask,
end_mask: that side is open; ellipsis_mask: it is `...`; new_axis_mask: it is a new axis of size 1;
shrink_axis_mask: it is one index, and its axis goes.

Next: ops/nd.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int16
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import size_at
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import blank
from refflow.ops.array import shape

_MASKS: dict[str, Any] = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": 0}
_INDEX = Attr("type", allowed=(int16, *INDICES))

STRIDED_SLICE = define_op(
    "StridedSlice", "input: T, begin: Index, end: Index, strides: Index -> output: T", T=Attr("type"), Index=_INDEX,
    source=("W06",), **_MASKS,
)  # fmt: skip
STRIDED_SLICE.moves("input")
STRIDED_SLICE_GRAD = define_op(
    "StridedSliceGrad", "shape: Index, begin: Index, end: Index, strides: Index, dy: T -> output: T", T=Attr("type"),
    Index=_INDEX, source=("W30",), **_MASKS,
)  # fmt: skip
STRIDED_SLICE_ASSIGN = define_op(
    "StridedSliceAssign", "ref: Ref(T), begin: Index, end: Index, strides: Index, value: T -> output_ref: Ref(T)",
    T=Attr("type"), Index=_INDEX, source=("W11",), **_MASKS,
)  # fmt: skip
TENSOR_STRIDED_SLICE_UPDATE = define_op(
    "TensorStridedSliceUpdate", "input: T, begin: Index, end: Index, strides: Index, value: T -> output: T",
    T=Attr("type"), Index=_INDEX, source=("W06",), **_MASKS,
)  # fmt: skip


_MOST_PARTS = 32


class Part(NamedTuple):
    """One axis of the input, or a new one: what is taken of it."""

    axis: int | None  # of the input; None is a new axis
    begin: int | None
    end: int | None
    step: int
    shrinks: bool = False
    known: bool = False  # step and bounds are known, or the bounds are open


def parts(count: int, rank: int, begin: Any, end: Any, strides: Any, masks: dict[str, int]) -> list[Part]:
    """Every part of the brackets spelled out over all axes; values are None where they are not known."""
    open_begin, open_end = masks["begin_mask"], masks["end_mask"]
    dots, new, shrink = masks["ellipsis_mask"], masks["new_axis_mask"], masks["shrink_axis_mask"]
    if count > _MOST_PARTS:
        raise ShapeError(f"the masks have a bit for each of {_MOST_PARTS} parts, but the slice has {count}")
    if dots & (dots - 1):
        raise ShapeError("Multiple ellipses in slice spec not allowed")
    asked = count - sum(1 for i in range(count) if (new | dots) >> i & 1)
    if not rank and asked:
        raise ShapeError("Attempting to slice scalar input.")
    if asked > rank:
        raise ShapeError(f"Index out of range using input dim {rank}; input has only {rank} dims")
    at_dots = next((i for i in range(count) if dots >> i & 1), count)
    after = sum(1 for i in range(at_dots + 1, count) if not new >> i & 1)
    found: list[Part] = []
    axis = 0
    for i in range(count + (at_dots == count)):
        if i == at_dots:
            stop = max(rank - after, axis)
            found += [Part(a, None, None, 1, known=True) for a in range(axis, stop)]
            axis = stop
        elif new >> i & 1:
            found.append(Part(None, None, None, 1))
        else:
            step = 1 if strides is None else int(strides[i])
            if step == 0:
                raise ShapeError(f"strides[{i}] must be non-zero")
            shrinks = bool(shrink >> i & 1)
            if shrinks and step < 0:
                raise ShapeError("only stride 1 allowed on non-range indexing.")
            first = None if begin is None or begin[i] is None else int(begin[i])
            last = None if end is None or end[i] is None else int(end[i])
            first = None if open_begin >> i & 1 and not shrinks else first
            last = None if open_end >> i & 1 and not shrinks else last
            bounds = zip((first, last), (open_begin, open_end), strict=True)
            known = strides is not None and all(open_ >> i & 1 or bound is not None for bound, open_ in bounds)
            found.append(Part(axis, first, last, step, shrinks, known))
            axis += 1
    return found


def indices(dims: tuple[int, ...], begin: Any, end: Any, strides: Any, masks: dict[str, int]) -> tuple[Any, ...]:
    """The parts as an index that NumPy takes."""
    found: list[Any] = []
    for part in parts(len(begin), len(dims), begin, end, strides, masks):
        if part.axis is None:
            found.append(None)
        elif part.shrinks:
            size = dims[part.axis]
            place = part.begin + size if part.begin < 0 else part.begin  # type: ignore[operator]
            if not 0 <= place < size:  # type: ignore[operator]
                raise IndexError(f"slice index {place} of dimension {part.axis} out of bounds.")
            found.append(place)
        else:
            found.append(slice(part.begin, part.end, part.step))
    return tuple(found)


@STRIDED_SLICE.kernel
def strided_slice_kernel(
    input, begin, end, strides, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0
):
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}  # fmt: skip
    found = np.asarray(input)[indices(np.shape(input), begin, end, strides, masks)]
    if isinstance(found, np.ndarray):
        return np.array(found, copy=True, order="C")
    scalar = np.empty((), np.asarray(input).dtype)
    scalar[()] = found
    return scalar


def _attrs(context_attrs: dict[str, Any]) -> dict[str, Any]:
    return {name: context_attrs[name] for name in _MASKS}


@STRIDED_SLICE.shape
def _strided_slice_shape(context: ShapeContext) -> shapes.Shape:
    return _sliced(context, "input")


def _check_vectors(context: ShapeContext) -> None:
    given = [context.dims(n) for n in ("begin", "end", "strides")]
    known = [d for d in given if d is not None]
    if any(len(d) != 1 for d in known) or len({d[0] for d in known} - {None}) > 1:
        each = ", ".join(shapes.text(d) for d in given[:2])
        raise ShapeError(
            f"Expected begin, end, and strides to be 1D equal size tensors, but got shapes {each}, and "
            f"{shapes.text(given[2])} instead."
        )


def _sliced(context: ShapeContext, name: str) -> shapes.Shape:
    dims, strides = context.dims(name), context.ints("strides")
    begin, end = (context.sizes(n) if context.ints(n) is None else context.ints(n) for n in ("begin", "end"))
    _check_vectors(context)
    counts = [size_at(context.dims(n), 0) for n in ("begin", "end", "strides")]
    count = next((n for n in counts if n is not None), None)
    if count is None or dims is None:
        return None
    found: list[int | None] = []
    for part in parts(count, len(dims), begin, end, strides, _attrs(context.attrs)):
        if part.axis is None:
            found.append(1)
            continue
        size = dims[part.axis]
        if part.shrinks:
            if size is not None and part.begin is not None and not -size <= part.begin < size:
                place = part.begin + size if part.begin < 0 else part.begin
                raise ShapeError(f"slice index {place} of dimension {part.axis} out of bounds.")
            continue
        sliced = slice(part.begin, part.end, part.step)
        found.append(len(range(*sliced.indices(size))) if size is not None and part.known else None)
    return tuple(found)


@STRIDED_SLICE.gradient
def _strided_slice_gradient(op, dy):
    """dx = dy where it was cut out, zero around it."""
    x, begin, end, strides = op.inputs
    sizes = shape(x)
    if begin.dtype.base_dtype is not sizes.dtype:
        from refflow.ops.cast import cast

        sizes = cast(sizes, begin.dtype)
    return STRIDED_SLICE_GRAD(sizes, begin, end, strides, dy, **_attrs(op.attrs)), None, None, None


@STRIDED_SLICE_GRAD.kernel
def strided_slice_grad_kernel(
    shape, begin, end, strides, dy, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0
):
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}  # fmt: skip
    found = blank(tuple(int(s) for s in shape), np.asarray(dy).dtype)
    where = indices(found.shape, begin, end, strides, masks)
    wanted = np.shape(found[where])
    if np.shape(dy) != wanted:
        raise ShapeError(f"shape of dy was {shapes.text(np.shape(dy))} instead of {shapes.text(wanted)}")
    found[where] = dy
    return found


@STRIDED_SLICE_GRAD.shape
def _strided_slice_grad_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    if len(context.dims("shape") or (1,)) != 1 or context.dims("shape") == ():
        raise ShapeError(f"shape must be 1-D, got shape.shape = {shapes.text(context.dims('shape'))}")
    _check_vectors(context)
    return shape_from(context, "shape")


@STRIDED_SLICE_GRAD.gradient
def _strided_slice_grad_gradient(op, dz):
    """What is cut out of dz goes to dy."""
    _, begin, end, strides, _ = op.inputs
    return None, None, None, None, STRIDED_SLICE(dz, begin, end, strides, **_attrs(op.attrs))


def _updated(x, begin, end, strides, value, masks):
    found = np.array(x, copy=True)
    places = indices(found.shape, begin, end, strides, masks)
    target = found[places]
    if not np.size(target):  # nothing is asked of what goes nowhere
        return found
    if np.shape(value) != np.shape(target):
        try:
            least = min(np.ndim(value) - np.ndim(target), next((i for i, n in enumerate(value.shape) if n != 1), 99))
            value = np.broadcast_to(value.reshape(value.shape[max(least, 0) :]), np.shape(target))
        except ValueError:
            raise ShapeError(
                f"Cannot broadcast input shape {shapes.text(np.shape(value))} into final shape "
                f"{shapes.text(np.shape(target))}, that of the slice"
            ) from None
    found[places] = value
    return found


@STRIDED_SLICE_ASSIGN.kernel
def strided_slice_assign_kernel(
    ref, begin, end, strides, value, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0
):
    masks = {"begin_mask": begin_mask, "end_mask": end_mask, "ellipsis_mask": ellipsis_mask,
             "new_axis_mask": new_axis_mask, "shrink_axis_mask": shrink_axis_mask}  # fmt: skip
    return _updated(ref, begin, end, strides, value, masks)


@TENSOR_STRIDED_SLICE_UPDATE.kernel
def tensor_strided_slice_update_kernel(
    input, begin, end, strides, value, begin_mask=0, end_mask=0, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=0
):
    return strided_slice_assign_kernel(
        input, begin, end, strides, value, begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
    )


@STRIDED_SLICE_ASSIGN.shape
def _assign_shape(context: ShapeContext) -> shapes.Shape:
    _check_vectors(context)
    return context.dims("ref")


@TENSOR_STRIDED_SLICE_UPDATE.shape
def _update_shape(context: ShapeContext) -> shapes.Shape:
    _check_vectors(context)
    return context.dims("input")


STRIDED_SLICE_ASSIGN.no_gradient_registered()


@TENSOR_STRIDED_SLICE_UPDATE.gradient
def _update_gradient(op, dy):
    """Outside the slice dy goes to the input, inside to the value."""
    from refflow.ops.constant import ZEROS_LIKE

    _, begin, end, strides, value = op.inputs
    masks = _attrs(op.attrs)
    outside = TENSOR_STRIDED_SLICE_UPDATE(dy, begin, end, strides, ZEROS_LIKE(value), **masks)
    return outside, None, None, None, STRIDED_SLICE(dy, begin, end, strides, **masks)


_X = [[1, 2, 3], [4, 5, 6]]
STRIDED_SLICE.case("W06", "x[0:1, ::2]", Index="int32", input=_X, begin=[0, 0], end=[1, 0], strides=[1, 2],
                   begin_mask=2, end_mask=2, output=[[1, 3]])  # fmt: skip
STRIDED_SLICE.case("W06", "x[..., 1]", Index="int32", input=_X, begin=[0, 1], end=[0, 2], strides=[1, 1],
                   ellipsis_mask=1, shrink_axis_mask=2, output=[2, 5])  # fmt: skip
STRIDED_SLICE.case("W06", "x[None, ::-1, 1:]", Index="int32", input=_X, begin=[0, 0, 1], end=[0, 0, 0],
                   strides=[1, -1, 1], new_axis_mask=1, begin_mask=2, end_mask=6,
                   output=[[[5, 6], [2, 3]]])  # fmt: skip
STRIDED_SLICE.case("W06", "an index within bounds", Index="int32", input=_X, begin=[2], end=[3], strides=[1],
                   shrink_axis_mask=1, error="slice index 2 of dimension 0 out of bounds")  # fmt: skip
STRIDED_SLICE.case("W06", "a step goes somewhere", Index="int32", input=_X, begin=[0], end=[1], strides=[0],
                   error="strides[0] must be non-zero")  # fmt: skip
STRIDED_SLICE_GRAD.case("W30", "zero around the slice", Index="int32", shape=[2, 3], begin=[0, 1], end=[2, 2],
                        strides=[1, 1], dy=[[7.0], [8.0]], output=[[0, 7, 0], [0, 8, 0]])  # fmt: skip
STRIDED_SLICE_ASSIGN.case("W11", "a part of a variable", Index="int32", ref=[1, 2, 3], begin=[1], end=[3], strides=[1],
                          value=[8, 9], output_ref=[1, 8, 9])  # fmt: skip
TENSOR_STRIDED_SLICE_UPDATE.case("W06", "a changed copy", Index="int32", input=[1, 2, 3], begin=[1], end=[3],
                                 strides=[1], value=[8, 9], output=[1, 8, 9])  # fmt: skip
