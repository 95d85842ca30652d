"""Data formats: where N, H, W and C stand, from one order of letters to another.

    DataFormatDimMap        axis numbers: y = dst_format.index(src_format[x])          NHWC 3 -> NCHW 1
    DataFormatVecPermute    a vector by axes, or pairs of numbers by axes, reordered    [1, 2, 3, 4] -> [1, 4, 2, 3]

A vector of two numbers is for H and W, and three for D, H and W: the other letters are left out of both formats.

Next: ops/spaces.py.
"""

from __future__ import annotations

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import INDICES, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

_T = Attr("type", default=int32, allowed=INDICES)
DIM_MAP = define_op("DataFormatDimMap", "x: T[...S] -> y: T[...S]", T=_T, src_format="NHWC", dst_format="NCHW",
                    source=("W06",))  # fmt: skip
VEC_PERMUTE = define_op("DataFormatVecPermute", "x: T -> y: T", T=_T, src_format="NHWC", dst_format="NCHW",
                        source=("W06",))  # fmt: skip


def _check_formats(source: str, target: str, lengths: tuple[int, ...]) -> None:
    for role, text in (("Source", source), ("Destination", target)):
        if len(text) not in lengths:
            raise ShapeError(
                f"{role} format must be of length {' or '.join(map(str, lengths))}, received "
                f"{'src_format' if role == 'Source' else 'dst_format'} = {text}"
            )
    if sorted(source) != sorted(target):
        raise ShapeError(f"Destination and source format must determine a permutation, got {source} and {target}")


@DIM_MAP.kernel
def data_format_dim_map_kernel(x, src_format="NHWC", dst_format="NCHW"):
    _check_formats(src_format, dst_format, (4, 5))
    places = np.array([dst_format.index(letter) for letter in src_format], x.dtype)
    return np.asarray(places[x % len(src_format)])


@VEC_PERMUTE.kernel
def data_format_vec_permute_kernel(x, src_format="NHWC", dst_format="NCHW"):
    if len(x) != len(src_format):  # for the axes of space alone
        if len(x) == 2 and not {*"HW"} <= {*src_format} & {*dst_format}:
            raise ValueError("Format specifier must contain H and W for 2D case")
        space = "HW" if len(src_format) == 4 else "DHW"
        src_format, dst_format = ("".join(c for c in text if c in space) for text in (src_format, dst_format))
    if len(x) != len(src_format) or sorted(src_format) != sorted(dst_format):
        raise ValueError(
            f"Destination and source format must determine a permutation, got {src_format} and {dst_format}"
        )
    return np.array(x[[src_format.index(letter) for letter in dst_format]], copy=True)


@VEC_PERMUTE.shape
def _vec_permute_shape(context: ShapeContext) -> shapes.Shape:
    dims, source, target = context.dims("x"), context.attrs["src_format"], context.attrs["dst_format"]
    _check_formats(source, target, (4, 5))
    if dims is None:
        return None
    if len(dims) not in (1, 2):
        raise ShapeError(f"input must be a vector or 2D tensor, but got shape {shapes.text(dims)}")
    full = len(source)
    if dims[0] not in (None, full, full - 2):
        kind = "1D" if len(dims) == 1 else "First dimension of 2D"
        raise ShapeError(f"{kind} input must be of size {full - 2} or {full}, but got shape {shapes.text(dims)}")
    if len(dims) == 2 and dims[1] not in (None, 2):
        raise ShapeError(f"Second dimension of 2D input must be of size 2, but got shape {shapes.text(dims)}")
    return dims


for _op in (DIM_MAP, VEC_PERMUTE):
    _op.no_gradient_registered()

DIM_MAP.case("W06", "channels come second", x=[0, 1, 2, 3, -1], T="int32", y=[0, 2, 3, 1, 1])
DIM_MAP.case("W06", "axes count modulo the rank", x=[5], T="int32", y=[2])
DIM_MAP.case("W06", "formats of the same letters", x=[0], T="int32", dst_format="NCDW",
             error="Destination and source format must determine a permutation")  # fmt: skip
VEC_PERMUTE.case("W06", "sizes", x=[7, 4, 9, 3], T="int32", y=[7, 3, 4, 9])
VEC_PERMUTE.case("W06", "paddings", x=[[1, 2], [3, 4], [5, 6], [7, 8]], T="int32", src_format="NCHW",
                 dst_format="NHWC", y=[[1, 2], [5, 6], [7, 8], [3, 4]])  # fmt: skip
VEC_PERMUTE.case("W06", "height and width alone", x=[4, 9], T="int32", src_format="NHWC", dst_format="HWCN", y=[4, 9])
VEC_PERMUTE.case("W06", "a number for each axis", x=[1, 2, 3], T="int32", error="1D input must be of size 2 or 4")
VEC_PERMUTE.case("W06", "the same letters", x=[1, 2, 3, 4], T="int32", dst_format="ABCD",
                 error="must determine a permutation")  # fmt: skip
