"""Bends of ops that move windows over images: padding, strides, dilation, the order of axes.

An image is N, then one or more axes along which windows move, then C; of the gradients' inputs those that have the
results' shape follow from the others (`drawn.fitted`).

Next: conformance/check.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refflow.conformance.corpus import Example
from refflow.conformance.drawn import Bend, Where, arrays, replaced, resized, with_numbers
from refflow.core.opdef import OpDef

_SIZES = {"input_sizes", "orig_input_shape"}
_IMAGES = {"input", "orig_input", "images"}


def windows(op: OpDef) -> Iterator[Bend]:
    """Windows of two sizes, with strides of two sizes or larger than they are, apart, padded at uneven ends."""
    dilation = next((k for k in ("dilations", "rates") if k in op.attrs), None)
    plain: dict[str, int] = {} if dilation is None else {dilation: 1}
    for padding in ("SAME", "VALID"):
        yield _bend(f"{padding}, strides that differ",
                    lambda e, p=padding: _with(e, (2, 3, 2), (1, 2, 1), p, plain), op,
                    lambda e, p=padding: e.attrs["padding"] == p and len(set(strides(e))) > 1)  # fmt: skip
        yield _bend(f"{padding}, strides beyond the windows",
                    lambda e, p=padding: _with(e, (2, 2, 2), (3, 3, 3), p, plain), op,
                    lambda e, p=padding: e.attrs["padding"] == p and min(strides(e), default=0) > 2)  # fmt: skip
    yield _bend("SAME, windows that differ and padding that cannot be split",
                lambda e: _with(e, (2, 4, 2), (1, 1, 1), "SAME", plain), op,
                uneven)  # fmt: skip
    if dilation is not None:
        yield _bend("windows with gaps", lambda e: _with(e, (2, 3, 2), (1, 1, 1), "VALID", {dilation: 2}), op,
                    lambda e: max(e.attrs[dilation], default=1) > 1)  # fmt: skip
    if "data_format" in op.attrs:
        yield Bend("channels first", first, lambda e: e.error is None and e.attrs["data_format"].startswith("NC"))


def _bend(title: str, calls: Any, op: OpDef, shows: Any) -> Bend:
    return Bend(title, calls, lambda e: e.error is None and bool(shows(e)))


def strides(example: Example) -> list[int]:
    given = example.inputs["strides"].tolist() if "strides" in example.inputs else list(example.attrs["strides"])
    return given[2:] if first_channels(example) else given[1:-1]


def first_channels(example: Example) -> bool:
    return str(example.attrs.get("data_format", "")).startswith("NC")


def uneven(example: Example) -> bool:
    return (
        example.attrs["padding"] == "SAME"
        and set(strides(example)) == {1}
        and len(set(_sizes(example))) > 1
        and all(size % 2 == 0 for size in _sizes(example))
    )


def _sizes(example: Example) -> list[int]:
    for name in ("ksize", "ksizes"):
        value = example.inputs.get(name, example.attrs.get(name))
        if value is not None:
            return [int(v) for v in (value[2:] if first_channels(example) else value[1:-1])]
    count = len(strides(example))
    if "filter" in example.inputs:
        return list(example.inputs["filter"].shape[:count])
    return [int(v) for v in example.inputs["filter_sizes"][:count]] if "filter_sizes" in example.inputs else [0]


def _with(
    example: Example, size: tuple[int, ...], step: tuple[int, ...], padding: str, gaps: dict[str, int]
) -> Iterator[Example]:
    """Images with room for these windows."""
    if first_channels(example):
        return
    example = roomy(example)
    count = len(strides(example))
    new: dict[Where, np.ndarray] = {}
    attrs: dict[str, Any] = {"padding": padding}
    for name, values in (
        ("ksize", size),
        ("ksizes", size),
        ("strides", step),
        *((k, (v,) * 3) for k, v in gaps.items()),
    ):
        line = [1, *values[:count], 1]
        if name in example.inputs:
            new[name, None] = np.array(line, example.inputs[name].dtype)
        elif name in example.attrs:
            attrs[name] = line
    for name in ("filter", "filter_sizes"):
        if name in example.inputs:
            array = example.inputs[name]
            if name == "filter":
                for axis in range(count):
                    array = resized(array, axis, size[axis])
            else:
                array = np.array([*size[:count], *array[count:]], array.dtype)
            new[name, None] = array
    yield with_numbers(replaced(example, new, **attrs), padding)


def roomy(example: Example) -> Example:
    """The image with 9, 8 and 7 places along its axes, few channels and pictures."""
    count = len(strides(example))
    new: dict[Where, np.ndarray] = {}
    room = (2, 9, 8, 7)[: count + 1]
    for where, array in arrays(example):
        if where[0] in _IMAGES and array.ndim == count + 2:
            for axis, size in enumerate(room):
                array = resized(array, axis, size)
            new[where] = array
        elif where[0] in _SIZES:
            new[where] = np.array([*room, *array[count + 1 :]], array.dtype)
    return replaced(example, new)


def first(example: Example) -> Iterator[Example]:
    """The same call with C before the axes of the image."""
    count = len(strides(example))
    if first_channels(example):
        return
    order = [0, count + 1, *range(1, count + 1)]
    new: dict[Where, np.ndarray] = {}
    attrs: dict[str, Any] = {"data_format": "NCHW" if count == 2 else "NCDHW"}
    for where, array in arrays(example):
        if where[0] in _SIZES | {"ksize", "strides"}:
            new[where] = array[order]
        elif array.ndim == count + 2 and where[0] != "filter":
            new[where] = np.ascontiguousarray(array.transpose(order))
    for name in ("ksize", "ksizes", "strides", "dilations", "rates"):
        if example.attrs.get(name):
            attrs[name] = [example.attrs[name][i] for i in order]
    yield with_numbers(replaced(example, new, **attrs), "first")
