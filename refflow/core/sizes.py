"""Shapes whose values are known in part: of the vector [batch, 12, 32] all but the first, where that is a tensor.

A program builds such vectors by Pack and Concat out of numbers, elements of Shape, and slices of them. What reads
them as a shape (Reshape, Fill, a transposed convolution) then knows its result's sizes but for those.

Next: core/convert.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from refflow.core.constants import constant_value

if TYPE_CHECKING:
    from refflow.core.graph import Tensor

_DEEPEST = 16  # nodes in a row
_PICKS = ("StridedSlice", "Unpack", "Squeeze", "Identity", "Cast")
Sizes = tuple[int | None, ...]


def known_sizes(tensor: Tensor, depth: int = 0) -> Sizes | None:
    """The elements of a vector of sizes, or of a matrix of them row by row; None where nothing is known.

    An element that is not known, or negative, is None.
    """
    value = constant_value(tensor)
    if value is not None:
        return tuple(None if size < 0 else int(size) for size in value.reshape(-1))
    rule = _RULES.get(tensor.op.type)
    found = rule(tensor.op, depth + 1) if rule is not None and depth < _DEEPEST else None
    if found is not None:
        return found
    dims = tensor.dims
    return (None,) * dims[0] if dims is not None and len(dims) == 1 and dims[0] is not None else None


def _of_shape(op: Any, depth: int) -> Sizes | None:
    return op.inputs[0].dims


def _passed_on(op: Any, depth: int) -> Sizes | None:
    return known_sizes(op.inputs[0], depth)


def _of_numbers(op: Any, depth: int) -> Sizes | None:
    if op.inputs[0].dims != ():  # rows of a matrix, such as paddings
        return _one_after_the_other(op, depth)
    return tuple(_number(t, depth) for t in op.inputs)


def _number(tensor: Tensor, depth: int) -> int | None:
    """A number that is known, or an element of a vector where that one is."""
    value = constant_value(tensor)
    if value is not None:
        return None if value < 0 else int(value)
    found = element_of(tensor, depth)
    return None if found is None or found < 0 else found


def element_of(tensor: Tensor, depth: int = 0) -> int | None:
    """The number that is cut out of a vector of sizes, or of one that is unpacked, where it is known."""
    op = tensor.op
    if op.type not in _PICKS or depth >= _DEEPEST or tensor.dims != () or not op.inputs[0].dtype.is_integer:
        return None
    if op.type in ("Identity", "Cast"):
        return _number(op.inputs[0], depth + 1)
    sizes = known_sizes(op.inputs[0], depth + 1) if op.inputs[0].dims and len(op.inputs[0].dims) == 1 else None
    if sizes is None:
        return None
    if op.type == "Squeeze":
        return sizes[0]
    if op.type == "Unpack":
        return sizes[tensor.value_index] if tensor.value_index < len(sizes) else None
    begin = constant_value(op.inputs[1])
    if begin is None or begin.size != 1 or op.attrs.get("shrink_axis_mask", 0) != 1:
        return None
    at = int(begin.reshape(-1)[0])
    return sizes[at] if -len(sizes) <= at < len(sizes) else None


def _one_after_the_other(op: Any, depth: int) -> Sizes | None:
    vectors = {"ConcatV2": op.inputs[:-1], "Concat": op.inputs[1:]}.get(op.type, op.inputs)
    parts = [known_sizes(t, depth) for t in vectors]
    return None if None in parts else tuple(size for part in parts for size in part)  # type: ignore[union-attr]


def _part(op: Any, depth: int) -> Sizes | None:
    whole, begin, size = known_sizes(op.inputs[0], depth), *(constant_value(t) for t in op.inputs[1:])
    if whole is None or begin is None or size is None or op.inputs[0].dims is None or len(op.inputs[0].dims) != 1:
        return None
    first, count = int(begin.reshape(-1)[0]), int(size.reshape(-1)[0])
    return whole[first:] if count < 0 else whole[first : first + count]


def _part_in_strides(op: Any, depth: int) -> Sizes | None:
    whole, *bounds = known_sizes(op.inputs[0], depth), *(constant_value(t) for t in op.inputs[1:])
    masks = [op.attrs.get(f"{name}_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")]
    if whole is None or any(b is None or b.size != 1 for b in bounds) or any(masks[2:]):
        return None
    begin, end, stride = (int(b.reshape(-1)[0]) for b in bounds)
    return whole[slice(None if masks[0] & 1 else begin, None if masks[1] & 1 else end, stride)]


_RULES = {
    "Shape": _of_shape, "Identity": _passed_on, "Cast": _passed_on, "Pack": _of_numbers, "Concat": _one_after_the_other,
    "ConcatV2": _one_after_the_other, "Slice": _part, "StridedSlice": _part_in_strides,
}  # fmt: skip
