"""Axes and sizes renamed from one data format to another: NHWC to NCHW and the like [W74].

    DataFormatDimMap      axis i of src_format is axis dst_format.index(src_format[i])
    DataFormatVecPermute  one number, or one pair, for each axis, in the other order

A vector of as many numbers as there are spatial axes leaves batch and channels out of both formats.

Next: ops/conv.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

_ATTRS: dict[str, Any] = {"T": Attr("type", default=int32, allowed=INDICES), "src_format": "NHWC",
                          "dst_format": "NCHW", "source": ("W74",)}  # fmt: skip
DIM_MAP = define_op("DataFormatDimMap", "x: T[...S] -> y: T[...S]", **_ATTRS)
VEC_PERMUTE = define_op("DataFormatVecPermute", "x: T -> y: T", **_ATTRS)
DIM_MAP.no_gradient_registered()
VEC_PERMUTE.no_gradient_registered()


def _checked(src: str, dst: str) -> None:
    for name, attr, text in (("Source", "src_format", src), ("Destination", "dst_format", dst)):
        if len(text) not in (4, 5):
            raise ValueError(f"{name} format must be of length 4 or 5, received {attr} = {text}")
    if sorted(src) != sorted(dst):
        raise ValueError(f"Destination and source format must determine a permutation, got {src} and {dst}")


@DIM_MAP.kernel
def data_format_dim_map_kernel(x, src_format, dst_format):
    _checked(src_format, dst_format)
    places = np.array([dst_format.index(letter) for letter in src_format], x.dtype)
    if x.size and (x.min() < -len(places) or x.max() >= len(places)):
        raise ValueError(f"x must be in [-{len(places)}, {len(places)}), got {int(x.min())} to {int(x.max())}")
    return places[x]


@VEC_PERMUTE.kernel
def data_format_vec_permute_kernel(x, src_format, dst_format):
    _checked(src_format, dst_format)
    if len(x) == len(src_format) - 2:
        src_format, dst_format = ("".join(c for c in f if c not in "NC") for f in (src_format, dst_format))
    if len(x) != len(src_format):
        full = len(src_format)
        raise ValueError(f"1D input must be of size {full - 2} or {full}, but got shape {shapes.text(x.shape)}")
    return x[[src_format.index(letter) for letter in dst_format]]


@VEC_PERMUTE.shape
def _vec_permute_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("x")
    if dims is not None and len(dims) not in (1, 2):
        raise ShapeError(f"input must be a vector or 2D tensor, but got shape {shapes.text(dims)}")
    full = len(context.attrs["src_format"])
    if dims is not None and len(dims) == 2 and dims[0] not in (None, full, full - 2):
        raise ShapeError(
            f"First dimension of 2D input must be of size {full - 2} or {full}, but got shape {shapes.text(dims)}"
        )
    if dims is not None and len(dims) == 2 and dims[1] not in (None, 2):
        raise ShapeError(f"Second dimension of 2D input must be of size 2, but got shape {shapes.text(dims)}")
    return dims


DIM_MAP.case("W74", "channels come second", x=[0, 1, 2, 3, -1], y=[0, 2, 3, 1, 1])
DIM_MAP.case("W74", "as many axes as letters", x=[4], error="x must be in [-4, 4)")
VEC_PERMUTE.case("W74", "one number an axis", x=[7, 4, 9, 3], y=[7, 3, 4, 9])
VEC_PERMUTE.case("W74", "the spatial axes alone", x=[4, 9], src_format="NHWC", dst_format="NWHC", y=[9, 4])
VEC_PERMUTE.case("W74", "a pair for each axis", x=[[0, 0], [1, 2], [3, 4], [5, 6]], y=[[0, 0], [5, 6], [1, 2], [3, 4]])
VEC_PERMUTE.case("W74", "as many numbers as axes", x=[1, 2, 3], error="1D input must be of size 2 or 4")
