"""Crops of images at boxes, resized to one size [W06].

A box is (y1, x1, y2, x2), with 0 and 1 the middles of the first and the last row or column. A crop of height h reads

    y = y1 * (H - 1) + i * (y2 - y1) * (H - 1) / (h - 1)        h = 1: the middle of the box

along straight lines between pixels or at the nearest one, and an `extrapolation_value` outside. Gradients go back to
the pixels that were read, and to the corners of the boxes.

Next: ops/random_crop.py.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import float16, float32, float64, int8, int16, int32, int64, uint8, uint16
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import shape

_PIXELS = (uint8, uint16, int8, int16, int32, int64, float16, float32, float64)
_METHODS = Attr("string", default="bilinear", allowed=("bilinear", "nearest"))

CROP_AND_RESIZE = define_op(
    "CropAndResize", "image: T, boxes: float32, box_ind: int32, crop_size: int32 -> crops: float32", T=_PIXELS,
    method=_METHODS, extrapolation_value=0.0, source=("W06",), accuracy="composed",
)  # fmt: skip
CROP_GRAD_IMAGE = define_op(
    "CropAndResizeGradImage", "grads: float32, boxes: float32, box_ind: int32, image_size: int32 -> output: T",
    T=(float32, float16, float64), method=_METHODS, source=("W06",), accuracy="composed",
)  # fmt: skip
CROP_GRAD_BOXES = define_op(
    "CropAndResizeGradBoxes", "grads: float32, image: T, boxes: float32, box_ind: int32 -> output: float32", T=_PIXELS,
    method=Attr("string", default="bilinear", allowed=("bilinear",)), source=("W06",), accuracy="composed",
)  # fmt: skip


class _Line(NamedTuple):
    """Where crops read along one axis: [boxes, size] each."""

    inside: np.ndarray  # bool
    low: np.ndarray  # the pixel before
    high: np.ndarray  # and behind
    lerp: np.ndarray  # how far from one to the other, 0..1
    nearest: np.ndarray


def _line(first: np.ndarray, last: np.ndarray, size: int, out: int) -> _Line:
    reach = np.float32(size - 1)
    if out > 1:
        step = (last - first) * reach / np.float32(out - 1)
        x = (first * reach)[:, None] + np.arange(out, dtype=np.float32) * step[:, None]
    else:
        x = (np.float32(0.5) * (first + last) * reach)[:, None]
    inside = (x >= 0) & (x <= reach)
    x = np.where(inside, x, np.float32(0))
    low = np.floor(x)
    # The nearest is half away from zero, as C's round() has it.
    nearest = np.floor(x + np.float32(0.5)).astype(np.int64)
    return _Line(inside, low.astype(np.int64), np.ceil(x).astype(np.int64), x - low, nearest)


def _lines(boxes: np.ndarray, height: int, width: int, sizes: tuple[int, int]) -> tuple[_Line, _Line]:
    return (_line(boxes[:, 0], boxes[:, 2], height, sizes[0]), _line(boxes[:, 1], boxes[:, 3], width, sizes[1]))


def _check_boxes(boxes: np.ndarray, box_ind: np.ndarray, batch: int) -> None:
    if not np.isfinite(boxes).all():
        raise ValueError("Boxes contains at least one element that is not finite")
    if np.any((box_ind < 0) | (box_ind >= batch)):
        raise errors.OutOfRangeError(None, None, "box_index has values outside [0, batch_size)")


_Taps = list[tuple[np.ndarray, np.ndarray, Any]]  # (row [boxes, h], column [boxes, w], weight [boxes, h, w, 1])


def _corners(y: _Line, x: _Line) -> _Taps:
    """The four pixels around each place."""
    rows, columns = ((y.low, 1 - y.lerp), (y.high, y.lerp)), ((x.low, 1 - x.lerp), (x.high, x.lerp))
    return [(r, c, v[:, :, None, None] * w[:, None, :, None]) for r, v in rows for c, w in columns]


def _nearest(y: _Line, x: _Line) -> _Taps:
    return [(y.nearest, x.nearest, np.float32(1))]


@CROP_AND_RESIZE.kernel
def crop_and_resize_kernel(image, boxes, box_ind, crop_size, method, extrapolation_value):
    height, width, depth = image.shape[1:]
    if not height or not width:
        raise ValueError("image dimensions must be positive")
    h, w = (int(v) for v in crop_size)
    if h <= 0 or w <= 0:
        raise ValueError("crop dimensions must be positive")
    _check_boxes(boxes, box_ind, len(image))
    if not len(boxes):
        return np.zeros((0, h, w, depth), np.float32)
    y, x = _lines(boxes, height, width, (h, w))
    found = np.empty((len(boxes), h, w, depth), np.float32)
    for some in _boxes_together(found):
        rows, columns = _of(some, y, x)
        found[some] = _read(image, box_ind[some], rows, columns, method)
    found[_outside(y, x)] = np.float32(extrapolation_value)
    return found


def _outside(y: _Line, x: _Line) -> np.ndarray:
    """[boxes, h, w]: which pixels of the crops lie outside of the image."""
    return ~(y.inside[:, :, None] & x.inside[:, None, :])


def _read(image: np.ndarray, box_ind: np.ndarray, y: _Line, x: _Line, method: str) -> np.ndarray:
    """What the crops' pixels read of the image."""
    if method == "nearest":
        return _pixels(image, box_ind, y.nearest, x.nearest)
    tl, tr, bl, br = (_pixels(image, box_ind, r, c) for r in (y.low, y.high) for c in (x.low, x.high))
    across, down = x.lerp[:, None, :, None], y.lerp[:, :, None, None]
    top, bottom = _between(tl, tr, across), _between(bl, br, across)
    return _between(top, bottom, down)


def _pixels(image: np.ndarray, box_ind: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """[boxes, h, w, C] of the images' pixels at rows [boxes, h] and columns [boxes, w]."""
    pixels = image.reshape(prod(image.shape[:3]), image.shape[3])
    return np.take(pixels, _places(image.shape, box_ind, rows, columns), axis=0).astype(np.float32, copy=False)


def _places(dims: tuple[int, ...], box_ind: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """[boxes, h, w]: the numbers of those pixels, counted through all images."""
    return ((box_ind[:, None].astype(np.int64) * dims[1] + rows) * dims[2])[:, :, None] + columns[:, None, :]


def _between(a: np.ndarray, b: np.ndarray, how_far: np.ndarray) -> np.ndarray:
    """a + (b - a) * how_far, in b's memory."""
    b -= a
    b *= how_far
    b += a
    return b


_BLOCK = 1 << 15  # of the crops' numbers at a time, in a core's cache


def _boxes_together(crops: np.ndarray) -> list[slice]:
    step = max(1, _BLOCK // max(1, crops[0].size))
    return [slice(i, i + step) for i in range(0, len(crops), step)]


def _of(some: slice, *lines: _Line) -> list[_Line]:
    return [_Line(*(part[some] for part in line)) for line in lines]


@CROP_GRAD_IMAGE.kernel
def crop_and_resize_grad_image_kernel(grads, boxes, box_ind, image_size, T, method):
    dims = tuple(int(v) for v in image_size)
    if dims[1] <= 0 or dims[2] <= 0:
        raise ValueError("image dimensions must be positive")
    if grads.shape[3] != dims[3]:
        raise ValueError("image_size and grads are incompatible")
    _check_grads(grads, boxes)
    wide = np.float64 if T is float64 else np.float32
    total = np.zeros((*dims[:3], grads.shape[3]), wide)
    if len(boxes):
        _check_boxes(boxes, box_ind, dims[0])
        y, x = _lines(boxes, dims[1], dims[2], (grads.shape[1], grads.shape[2]))
        for some in _boxes_together(grads):
            rows, columns = _of(some, y, x)
            given = grads[some].copy()
            given[_outside(rows, columns)] = 0
            for row, column, weight in _nearest(rows, columns) if method == "nearest" else _corners(rows, columns):
                places = _places(dims, box_ind[some], row, column)
                numbers = places[..., None] * dims[3] + np.arange(dims[3])
                np.add.at(total.reshape(-1), numbers.reshape(-1), (given * weight).astype(wide).reshape(-1))
    return total.astype(T.as_numpy_dtype)


@CROP_GRAD_BOXES.kernel
def crop_and_resize_grad_boxes_kernel(grads, image, boxes, box_ind):
    height, width = image.shape[1:3]
    if not height or not width:
        raise ValueError("image dimensions must be positive")
    if image.shape[3] != grads.shape[3]:
        raise ValueError("image, grads depth differ")
    _check_grads(grads, boxes)
    if not len(boxes):
        return np.zeros((0, 4), np.float32)
    _check_boxes(boxes, box_ind, len(image))
    y, x = _lines(boxes, height, width, (grads.shape[1], grads.shape[2]))
    slope_y, slope_x = np.empty(y.low.shape, np.float32), np.empty(x.low.shape, np.float32)
    for some in _boxes_together(grads):
        rows, columns = _of(some, y, x)
        tl, tr, bl, br = (_pixels(image, box_ind[some], r, c) for r, c, _ in _corners(rows, columns))
        across, down = columns.lerp[:, None, :, None], rows.lerp[:, :, None, None]
        given = grads[some].copy()
        given[_outside(rows, columns)] = 0
        slope_y[some] = (((1 - across) * (bl - tl) + across * (br - tr)) * given).sum(axis=(2, 3))  # [boxes, h]
        slope_x[some] = (((1 - down) * (tr - tl) + down * (br - bl)) * given).sum(axis=(1, 3))  # [boxes, w]

    def ends(slope: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """To the two ends of the box, by how far each place is from them."""
        out, reach = slope.shape[1], np.float32(size - 1)
        at = np.arange(out, dtype=np.float32) * (reach / np.float32(out - 1)) if out > 1 else reach / 2
        return (slope * (reach - at)).sum(axis=1), (slope * at).sum(axis=1)

    (y1, y2), (x1, x2) = ends(slope_y, height), ends(slope_x, width)
    return np.stack([y1, x1, y2, x2], axis=1).astype(np.float32)


def _check_grads(grads: np.ndarray, boxes: np.ndarray) -> None:
    if len(grads) != len(boxes):
        raise ValueError("boxes and grads have incompatible shape")
    if not grads.shape[1] or not grads.shape[2]:
        raise ValueError("grads dimensions must be positive")


def _check_crop(context: ShapeContext, image: str) -> int | None:
    """How many boxes there are; ShapeError where what belongs together does not fit."""
    dims, boxes, index = context.dims(image), context.dims("boxes"), context.dims("box_ind")
    if dims is not None and len(dims) != 4:
        raise ShapeError(f"{'input image' if image == 'image' else 'grads image'} must be 4-D{shapes.text(dims)}")
    need_rank(boxes, 2, "boxes must be 2-D, got: {0}")
    if boxes is not None and boxes[1] not in (None, 4):
        raise ShapeError(f"boxes must have 4 columns{shapes.text(boxes)}")
    need_rank(index, 1, "box_index must be 1-D{0}")
    if boxes is None or index is None:
        return (boxes or index or (None,))[0]
    if not shapes.compatible(boxes[:1], index):
        raise ShapeError(f"box_index has incompatible shape: {shapes.text(index)}, boxes have {shapes.text(boxes)}")
    return boxes[0] if index[0] is None else index[0]


@CROP_AND_RESIZE.shape
def _crop_shape(context: ShapeContext) -> shapes.Shape:
    image, size = context.dims("image"), context.dims("crop_size")
    count = _check_crop(context, "image")
    need_rank(size, 1, "crop_size must be 1-D{0}")
    if size is not None and size[0] not in (None, 2):
        raise ShapeError(f"crop_size must have two elements{shapes.text(size)}")
    h, w = of_rank(context.spelled("crop_size"), 2)
    return count, h, w, None if image is None else image[3]


@CROP_GRAD_IMAGE.shape
def _crop_grad_image_shape(context: ShapeContext) -> shapes.Shape:
    _check_crop(context, "grads")
    size = context.dims("image_size")
    need_rank(size, 1, "image_size must be 1-D{0}")
    if size is not None and size[0] not in (None, 4):
        raise ShapeError(f"image_size must have 4 elements{shapes.text(size)}")
    return of_rank(context.spelled("image_size"), 4)


@CROP_GRAD_BOXES.shape
def _crop_grad_boxes_shape(context: ShapeContext) -> shapes.Shape:
    image = context.dims("image")
    need_rank(image, 4, "input image must be 4-D{0}")
    return _check_crop(context, "grads"), 4


@CROP_AND_RESIZE.gradient
def _crop_gradient(op, dy):
    image, boxes, index, _ = op.inputs
    known = image.get_shape()
    dims: Any = np.array(known.as_list(), np.int32) if known.is_fully_defined() else shape(image)
    kind = image.dtype.base_dtype
    d_image = None
    if kind in (float16, float32, float64):
        d_image = CROP_GRAD_IMAGE(dy, boxes, index, dims, T=kind, method=op.attrs["method"])
    return d_image, CROP_GRAD_BOXES(dy, image, boxes, index), None, None


CROP_GRAD_IMAGE.no_gradient_registered()
CROP_GRAD_BOXES.no_gradient_registered()

_SQUARE = [[[[1.0], [2.0]], [[3.0], [4.0]]]]
CROP_AND_RESIZE.case("W06", "the whole image, and upside down", image=_SQUARE, boxes=[[0, 0, 1, 1], [1, 0, 0, 1]],
                     box_ind=[0, 0], crop_size=[2, 2], crops=[_SQUARE[0], _SQUARE[0][::-1]])  # fmt: skip
CROP_AND_RESIZE.case("W06", "the middle", image=_SQUARE, boxes=[[0, 0, 1, 1]], box_ind=[0], crop_size=[1, 1],
                     crops=[[[[2.5]]]])  # fmt: skip
CROP_AND_RESIZE.case("W06", "outside is the value given", image=_SQUARE, boxes=[[0, 0, 2, 0]], box_ind=[0],
                     crop_size=[3, 1], extrapolation_value=9.0, crops=[[[[1]], [[3]], [[9]]]])  # fmt: skip
CROP_AND_RESIZE.case("W06", "boxes are of images that exist", image=_SQUARE, boxes=[[0, 0, 1, 1]], box_ind=[1],
                     crop_size=[1, 1], error="box_index has values outside [0, batch_size)")  # fmt: skip
CROP_GRAD_IMAGE.case("W06", "pixels get what they gave", grads=[[[[4]]]], boxes=[[0, 0, 1, 0.5]], box_ind=[0],
                     image_size=[1, 2, 2, 1], T="float32", output=[[[[1.5], [0.5]], [[1.5], [0.5]]]])  # fmt: skip
CROP_GRAD_BOXES.case("W06", "one step down is worth two", grads=[[[[1]]]], image=_SQUARE, boxes=[[0, 0, 1, 1]],
                     box_ind=[0], output=[[1, 0.5, 1, 0.5]])  # fmt: skip
