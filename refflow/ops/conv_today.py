"""Convolutions under other names: of any rank, and gradients whose shapes come with tensors instead of sizes [W74].

    Conv                          Conv2D or Conv3D by the rank; batch_dims leading axes count as one
    Conv2DBackpropInputV2         as Conv2DBackpropInput, but `input` gives its shape only
    Conv2DBackpropFilterV2        as Conv2DBackpropFilter, but `filter` gives its shape only
    Conv3DBackpropInput, -Filter  so did the first three-dimensional ones

Next: ops/depthwise.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes, work
from refflow.core.dtypes import FLOATS, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops import conv_checks as checks
from refflow.ops.conv import CONV_2D, CONV_3D, PADDINGS, register_with_attrs

CONV = define_op(
    "Conv", "input: T, filter: T -> output: T", T=(*FLOATS, int32), strides=Attr("list(int)"), padding=PADDINGS,
    explicit_paddings=Attr("list(int)", default=[]),
    data_format=Attr("string", default="CHANNELS_LAST", allowed=("CHANNELS_FIRST", "CHANNELS_LAST")),
    dilations=Attr("list(int)", default=[]), batch_dims=1, groups=1, accuracy="dot", source=("W74",),
)  # fmt: skip
CONV.no_gradient_registered()
CONV.work(work.convolution(filter=1, image=None))  # [W19]


def _as_family(attrs: dict[str, Any], rank: int) -> dict[str, Any]:
    """The attributes of Conv2D or Conv3D that say the same."""
    last = attrs["data_format"] == "CHANNELS_LAST"
    layout = {2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}[rank][last]
    found = {"strides": list(attrs["strides"]), "dilations": list(attrs["dilations"]) or [1] * (rank + 2)}
    return found | {
        "padding": attrs["padding"],
        "data_format": layout,
        "explicit_paddings": list(attrs["explicit_paddings"]),
    }


def conv_kernel(input, filter, **attrs):
    rank, lead = filter.ndim - 2, attrs["batch_dims"]
    family = CONV_2D if rank == 2 else CONV_3D
    given = {k: v for k, v in _as_family(attrs, rank).items() if k in family.attr_names}
    y = (
        family.conv.reference(input.reshape(-1, *input.shape[lead:]), filter, use_cudnn_on_gpu=True, **given)
        if (rank == 2)
        else family.conv.reference(input.reshape(-1, *input.shape[lead:]), filter, **given)
    )
    return y.reshape(*input.shape[:lead], *y.shape[1:])


register_with_attrs(
    CONV, conv_kernel, ["strides", "padding", "explicit_paddings", "data_format", "dilations", "batch_dims"]
)


@CONV.shape
def _conv_shape(context: ShapeContext) -> shapes.Shape:
    attrs, x, w = context.attrs, context.dims("input"), context.dims("filter")
    lead = attrs["batch_dims"]
    if lead < 1:
        raise ShapeError(f"Batch dims must be at least 1, got {lead}")
    if w is not None and len(w) not in (4, 5):
        raise ShapeError(f"The filter must be rank 4 or 5 but got {len(w)}")
    if x is None or w is None:
        return None
    rank = len(w) - 2
    if len(x) != rank + 1 + lead:
        raise ShapeError(f"The input must have 2 or 3 spatial dimensions but got {len(x) - 1 - lead}: {shapes.text(x)}")
    if len(attrs["strides"]) != rank + 2:
        raise ShapeError(f"Sliding window strides field must specify {rank + 2} dimensions")
    given = _as_family(attrs, rank)
    checks.check_attrs(given, rank)
    checks.forward((None, *x[lead:]), w, given["data_format"], rank)
    family = CONV_2D if rank == 2 else CONV_3D
    known = {k: v for k, v in given.items() if k in family.attr_names} | {"T": attrs["T"]}
    (found,) = context.of(family.conv, known, [(None, *x[lead:]), w])
    return None if found is None else (*x[:lead], *found[1:])


# -- shapes that come with tensors ------------------------------------------------------------------------------


def _by_tensor(name: str, base: OpDef, names: list[str], place: int, attrs: dict[str, Any]) -> OpDef:
    """`base` whose input number `place` is a tensor of the shape, where it was the sizes."""
    inputs = ["input: T", "filter: T", "out_backprop: T"]
    op_def = define_op(name, f"{', '.join(inputs)} -> output: T", accuracy="dot", source=("W74",), **attrs)

    def kernel(input, filter, out_backprop, **given):
        tensors: list[Any] = [input, filter, out_backprop]
        tensors[place] = np.array(tensors[place].shape, np.int32)
        return base.reference(*tensors, **given)

    register_with_attrs(op_def, kernel, names)

    @op_def.shape
    def rule(context: ShapeContext) -> shapes.Shape:
        x, w, dy = context.inputs
        rank = len(context.attrs["strides"]) - 2
        full = {"data_format": "NDHWC"} | context.attrs
        checks.check_attrs(full, rank, "input" if place == 0 else "filter")
        if shapes.is_known(x) and shapes.is_known(w) and shapes.is_known(dy):
            side = "Input" if place == 0 else "Filter"
            checks.backward(f"Conv2DCustomBackprop{side}" if rank == 2 else f"Conv3DBackprop{side}Op", x, w, dy, full)
        return of_rank(context.inputs[place], rank + 2)

    op_def.no_gradient_registered()
    op_def.work(work.convolution(filter=1, image=2))
    return op_def


def _flat(family: Any) -> dict[str, Any]:
    return {k: family.conv.attrs[k] for k in ("T", *family.attr_names)}


_THREE = {k: v for k, v in _flat(CONV_3D).items() if k != "data_format"}
TO_INPUT_V2 = _by_tensor("Conv2DBackpropInputV2", CONV_2D.to_input, CONV_2D.attr_names, 0, _flat(CONV_2D))
TO_FILTER_V2 = _by_tensor("Conv2DBackpropFilterV2", CONV_2D.to_filter, CONV_2D.attr_names, 1, _flat(CONV_2D))


def _volume(name: str, base: OpDef, place: int) -> OpDef:
    """The three-dimensional form, which knows one data format only."""
    names = [n for n in CONV_3D.attr_names if n != "data_format"]

    class _Last:
        @staticmethod
        def reference(*tensors: Any, **given: Any) -> np.ndarray:
            return base.reference(*tensors, data_format="NDHWC", **given)

    return _by_tensor(name, _Last, names, place, _THREE | {"T": FLOATS})  # type: ignore[arg-type]


VOLUME_TO_INPUT = _volume("Conv3DBackpropInput", CONV_3D.to_input, 0)
VOLUME_TO_FILTER = _volume("Conv3DBackpropFilter", CONV_3D.to_filter, 1)

_IMAGE = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1)
_CROSS = np.array([1, 0, 0, 1], np.float32).reshape(2, 2, 1, 1)
_DY = np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 2, 1)
_STEP: dict[str, Any] = {"strides": [1, 1, 1, 1], "padding": "VALID"}
CONV.case("W74", "each window's diagonal", input=_IMAGE, filter=_CROSS, **_STEP,
          output=np.array([6, 8, 12, 14], np.float32).reshape(1, 2, 2, 1))  # fmt: skip
CONV.case("W74", "two leading axes", input=_IMAGE[None], filter=_CROSS, batch_dims=2, **_STEP,
          output=np.array([6, 8, 12, 14], np.float32).reshape(1, 1, 2, 2, 1))  # fmt: skip
CONV.case("W74", "two or three axes of space", input=_IMAGE, filter=_CROSS[0], **_STEP,
          error="The filter must be rank 4 or 5 but got 3")  # fmt: skip
TO_INPUT_V2.case("W74", "windows give back", input=_IMAGE, filter=_CROSS, out_backprop=_DY, **_STEP,
                 output=np.array([1, 2, 0, 3, 5, 2, 0, 3, 4], np.float32).reshape(1, 3, 3, 1))  # fmt: skip
TO_FILTER_V2.case("W74", "what each place saw", input=_IMAGE, filter=_CROSS, out_backprop=_DY, **_STEP,
                  output=np.array([37, 47, 67, 77], np.float32).reshape(2, 2, 1, 1))  # fmt: skip
TO_FILTER_V2.case("W74", "shapes agree", input=_IMAGE, filter=_CROSS, out_backprop=_IMAGE, **_STEP,
                  error="Size of out_backprop doesn't match computed: actual = 3, computed = 2")  # fmt: skip
_STEP3: dict[str, Any] = {"strides": [1, 1, 1, 1, 1], "padding": "VALID"}
_ONE, _CUBE = np.full((1, 1, 1, 1, 1), 3, np.float32), np.arange(1, 9, dtype=np.float32)
VOLUME_TO_INPUT.case("E07", "the filter, once", input=np.zeros((1, 2, 2, 2, 1), np.float32), out_backprop=_ONE,
                     filter=_CUBE.reshape(2, 2, 2, 1, 1), **_STEP3,
                     output=3 * _CUBE.reshape(1, 2, 2, 2, 1))  # fmt: skip
VOLUME_TO_FILTER.case("E07", "the image, once", input=_CUBE.reshape(1, 2, 2, 2, 1), out_backprop=_ONE,
                      filter=np.zeros((2, 2, 2, 1, 1), np.float32), **_STEP3,
                      output=3 * _CUBE.reshape(2, 2, 2, 1, 1))  # fmt: skip
