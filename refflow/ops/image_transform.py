"""Images moved: by projective maps, and by scale and shift with a chosen filter.

    projective      output (x, y) reads input ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1
    scale           output pixel i reads input around (i + 1/2 - translation) / scale, all pixels within the filter's
                    radius, weighted by the filter and made to sum to 1; with antialias, a filter as wide as the scale

Next: files/png.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, float32, int32, int64, uint8
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_checks import need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import reshape, shape
from refflow.ops.constant import constant, ones
from refflow.ops.joining import concat, pack
from refflow.ops.linalg import batch_matrix_inverse
from refflow.ops.resize import IMAGES
from refflow.ops.slicing import slice_
from refflow.ops.taps import Tap, gathered, scattered

# -- projective maps --------------------------------------------------------------------------------------------

_TYPES = (uint8, int32, int64, *FLOATS)
PROJECTIVE_V2 = define_op(
    "ImageProjectiveTransformV2",
    "images: dtype, transforms: float32, output_shape: int32 -> transformed_images: dtype",
    dtype=_TYPES, interpolation=Attr("string"), fill_mode="CONSTANT", source=("W06",), accuracy="composed",
)  # fmt: skip
PROJECTIVE_V3 = define_op(
    "ImageProjectiveTransformV3",
    "images: dtype, transforms: float32, output_shape: int32, fill_value: float32 -> transformed_images: dtype",
    dtype=_TYPES, interpolation=Attr("string"), fill_mode="CONSTANT", source=("W06",), accuracy="composed",
)  # fmt: skip
_FAR = 2.0**40  # as far outside as matters


def _reflect(x: np.ndarray, size: int) -> np.ndarray:
    """dcba|abcd|dcba"""
    if size <= 1:
        return np.zeros_like(x)
    period = np.float32(2 * size)
    low = np.where(x < period, period * np.trunc(-x / period) + x, x)
    low = np.where(low < -size, low + period, -low - 1)
    high = x - period * np.trunc(x / period)
    high = np.where(high >= size, period - high - 1, high)
    return np.clip(np.where(x < 0, low, np.where(x > size - 1, high, x)), 0, size - 1)


def _wrap(x: np.ndarray, size: int) -> np.ndarray:
    """abcd|abcd|abcd"""
    if size <= 1:
        return np.zeros_like(x)
    low = x + size * (np.trunc(-x / (size - 1)) + 1)
    high = x - size * np.trunc(x / (size - 1))
    return np.clip(np.where(x < 0, low, np.where(x > size - 1, high, x)), 0, size - 1)


def _nearest(x: np.ndarray, size: int) -> np.ndarray:
    """aaaa|abcd|dddd"""
    return np.clip(x, 0, size - 1)


_FILL: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"REFLECT": _reflect, "WRAP": _wrap, "NEAREST": _nearest}


@PROJECTIVE_V3.kernel
def image_projective_transform_kernel(images, transforms, output_shape, fill_value, interpolation, fill_mode):
    h, w = (int(v) for v in output_shape)
    if h <= 0 or w <= 0:
        raise ValueError("output dimensions must be positive")
    batch, height, width, depth = images.shape
    fill = np.asarray(fill_value).astype(images.dtype)
    if not images.size:
        return np.full((batch, h, w, depth), fill)
    y, x = np.arange(h, dtype=np.float32)[:, None], np.arange(w, dtype=np.float32)
    t = transforms[:, :, None, None]
    under = t[:, 6] * x + t[:, 7] * y + np.float32(1)
    infinite = under == 0
    under = np.where(infinite, np.float32(1), under)
    at_x = np.nan_to_num((t[:, 0] * x + t[:, 1] * y + t[:, 2]) / under, nan=-_FAR)
    at_y = np.nan_to_num((t[:, 3] * x + t[:, 4] * y + t[:, 5]) / under, nan=-_FAR)
    mode = _FILL.get(fill_mode.upper())
    if mode is not None:
        at_x, at_y = mode(at_x, width), mode(at_y, height)
    at_x, at_y = np.clip(at_x, -_FAR, _FAR), np.clip(at_y, -_FAR, _FAR)

    def read(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        i, j = rows.astype(np.int64), columns.astype(np.int64)
        inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
        i, j = np.clip(i, 0, height - 1), np.clip(j, 0, width - 1)
        return np.where(inside[..., None], images[np.arange(batch)[:, None, None], i, j], fill)

    if interpolation.upper() == "BILINEAR":
        low_x, low_y = np.floor(at_x), np.floor(at_y)
        right, down = (at_x - low_x)[..., None], (at_y - low_y)[..., None]
        top = (1 - right) * read(low_y, low_x).astype(np.float32)
        top = top + right * read(low_y, low_x + 1).astype(np.float32)
        bottom = (1 - right) * read(low_y + 1, low_x).astype(np.float32)
        bottom = bottom + right * read(low_y + 1, low_x + 1).astype(np.float32)
        found = ((1 - down) * top + down * bottom).astype(images.dtype)
    else:
        found = read(_rounded(at_y), _rounded(at_x))
    return np.where(infinite[..., None], fill, found)


def _rounded(x: np.ndarray) -> np.ndarray:
    """Halves go away from zero."""
    return np.trunc(x + np.copysign(np.float32(0.5), x))


@PROJECTIVE_V2.kernel
def image_projective_transform_v2_kernel(images, transforms, output_shape, interpolation, fill_mode):
    return image_projective_transform_kernel(images, transforms, output_shape, np.float32(0), interpolation, fill_mode)


def _projective_shape(context: ShapeContext) -> shapes.Shape:
    images, maps, size = (context.dims(n) for n in ("images", "transforms", "output_shape"))
    need_rank(images, 4, "Input images must have rank 4")
    if maps is not None:
        fits = len(maps) == 2 and maps[1] in (None, 8)
        if fits and images is not None and None not in (maps[0], images[0]):
            fits = maps[0] in (1, images[0])
        if not fits:
            raise ShapeError("Input transform should be num_images x 8 or 1 x 8")
    need_rank(size, 1, "output shape must be 1-dimensional{0}")
    if size is not None and size[0] not in (None, 2):
        raise ShapeError(f"output shape must have two elements{shapes.text(size)}")
    if context.op_def is PROJECTIVE_V3:
        need_rank(context.dims("fill_value"), 0, "fill_value must be a scalar{0}")
    h, w = of_rank(context.spelled("output_shape"), 2)
    return (None, h, w, None) if images is None else (images[0], h, w, images[3])


def _inverse(maps: Any) -> Any:
    """The maps the other way: as matrices, whose last number is 1."""
    maps = reshape(maps, [-1, 8])
    last = ones(pack([shape(maps)[0], constant(1)]), float32)
    matrices = batch_matrix_inverse(reshape(concat(1, [maps, last]), [-1, 3, 3]))
    flat = reshape(matrices, [-1, 9])
    flat = flat / slice_(flat, [0, 8], [-1, 1])
    return slice_(flat, [0, 0], [-1, 8])


def _projective_gradient(op, dy):
    """The gradient, moved back by the inverse map: what TensorFlow does, exact where pixels only change places."""
    images, maps = op.inputs[0], op.inputs[1]
    kept = {key: op.attrs[key] for key in ("interpolation", "fill_mode")}
    size = slice_(shape(images), [1], [2])
    if op.type == "ImageProjectiveTransformV2":
        return PROJECTIVE_V2(dy, _inverse(maps), size, **kept), None, None
    return PROJECTIVE_V3(dy, _inverse(maps), size, 0.0, **kept), None, None, None


for _op in (PROJECTIVE_V2, PROJECTIVE_V3):
    _op.shape(_projective_shape)
    _op.gradient(_projective_gradient)

_ROW: Any = [[[[1], [2], [3]]]]
PROJECTIVE_V2.case("W06", "one to the left", images=_ROW, transforms=[[1, 0, 1, 0, 1, 0, 0, 0]], output_shape=[1, 3],
                   interpolation="NEAREST", dtype="int32", transformed_images=[[[[2], [3], [0]]]])  # fmt: skip
PROJECTIVE_V3.case("W06", "half a pixel, and the last one goes on", images=_ROW, output_shape=[1, 3], dtype="int64",
                   transforms=[[1, 0, 1, 0, 1, 0, 0, 0]], fill_value=7, interpolation="BILINEAR", fill_mode="NEAREST",
                   transformed_images=[[[[2], [3], [3]]]])  # fmt: skip
PROJECTIVE_V3.case("W06", "there is one value outside", images=_ROW, output_shape=[1, 3], dtype="int32",
                   transforms=[[1, 0, 1, 0, 1, 0, 0, 0]], fill_value=[7, 8], interpolation="NEAREST",
                   error="fill_value must be a scalar[2]")  # fmt: skip
PROJECTIVE_V3.case("W06", "outside is the value given", images=_ROW, output_shape=[1, 3], dtype="int32",
                   transforms=[[1, 0, 1, 0, 1, 0, 0, 0]], fill_value=7, interpolation="NEAREST",
                   transformed_images=[[[[2], [3], [7]]]])  # fmt: skip
PROJECTIVE_V2.case("W06", "a map has eight numbers", images=_ROW, transforms=[[1, 0, 0]], output_shape=[1, 1],
                   interpolation="NEAREST", dtype="int32",
                   error="Input transform should be num_images x 8 or 1 x 8")  # fmt: skip

# -- scale and shift ----------------------------------------------------------------------------------------------


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    def weight(x: np.ndarray) -> np.ndarray:
        safe = np.where(x <= 1e-3, 1, x)
        wave = radius * np.sin(np.pi * safe) * np.sin(np.pi * safe / radius) / (np.pi**2 * safe * safe)
        return np.where(x > radius, 0, np.where(x <= 1e-3, 1, wave))

    return weight


def _by_parts(near: Any, far: Any) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(x >= 2, 0, np.where(x >= 1, np.polyval(far, x), np.polyval(near, x)))


# name: (radius, weight at a distance)
FILTERS: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "lanczos1": (1, _lanczos(1)),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
    "gaussian": (1.5, lambda x: np.where(x >= 1.5, 0, np.exp(-2 * x * x))),
    "box": (1, lambda x: np.where(x < 0.5, 1, np.where(x == 0.5, 0.5, 0))),
    "triangle": (1, lambda x: np.maximum(1 - x, 0)),
    "keyscubic": (2, _by_parts([1.5, -2.5, 0, 1], [-0.5, 2.5, -4, 2])),
    "mitchellcubic": (2, _by_parts([7 / 6, -2, 0, 8 / 9], [-7 / 18, 2, -10 / 3, 16 / 9])),
}


def filter_taps(size: int, out: int, scale: Any, translation: Any, kernel_type: str, antialias: bool) -> list[Tap]:
    radius, weight_at = FILTERS[kernel_type]
    one = np.float32
    back = one(1) / one(scale)
    wide = np.maximum(back, one(1)) if antialias else one(1)
    x = (np.arange(out, dtype=np.float32) + one(0.5)) * back - back * one(translation)
    inside = (x >= 0) & (x <= size)
    first = np.clip(np.ceil(x - one(radius) * wide - one(0.5)), 0, size - 1).astype(np.int64)
    last = np.clip(np.floor(x + one(radius) * wide - one(0.5)), 0, size - 1).astype(np.int64)
    first, last = np.where(inside, first, 0), np.where(inside, last, -1)
    places = first + np.arange(int((last - first).max(initial=-1)) + 1)[:, None]  # [taps, out]
    weights = weight_at(np.abs((places + one(0.5) - x) / wide)).astype(np.float32)
    weights = np.where(places <= last, weights, one(0))
    total = weights.sum(axis=0)
    safe = np.abs(total) >= 1000 * np.finfo(np.float32).tiny
    weights = np.where(safe, weights / np.where(safe, total, 1), weights)
    return [Tap(np.minimum(p, size - 1), w) for p, w in zip(places, weights, strict=True)]


SCALE = define_op(
    "ScaleAndTranslate", "images: T, size: int32, scale: float32, translation: float32 -> resized_images: float32",
    T=IMAGES, kernel_type="lanczos3", antialias=True, source=("W06",), accuracy="composed",
)  # fmt: skip
SCALE_GRAD = define_op(
    "ScaleAndTranslateGrad", "grads: T, original_image: T, scale: float32, translation: float32 -> output: T",
    T=(float32,), kernel_type="lanczos3", antialias=True, source=("W06",), accuracy="composed",
)  # fmt: skip
SCALE_GRAD.no_gradient_registered()


def _both_axes(images: Any, sizes: Any, outs: Any, scale: Any, shift: Any, attrs: tuple[str, bool]) -> list[list[Tap]]:
    if attrs[0] not in FILTERS:
        raise ValueError(f"Unrecognized kernel type: {attrs[0]}")
    if not np.all(scale > 0):
        raise ValueError("Scale must be greater than zero.")
    return [filter_taps(int(sizes[i]), int(outs[i]), scale[i], shift[i], *attrs) for i in range(2)]


@SCALE.kernel
def scale_and_translate_kernel(images, size, scale, translation, kernel_type, antialias):
    if np.any(size <= 0):
        raise ValueError("output dimensions must be positive")
    if not images.shape[1] or not images.shape[2]:
        raise ValueError("input image must be of non-zero size")
    found = images.astype(np.float32)
    taps = _both_axes(images, images.shape[1:3], size, scale, translation, (kernel_type, antialias))
    for axis, of_axis in enumerate(taps, 1):
        dims = list(found.shape)
        dims[axis] = int(size[axis - 1])
        found = gathered(found, of_axis, axis) if of_axis else np.zeros(dims, np.float32)
    return found


@SCALE_GRAD.kernel
def scale_and_translate_grad_kernel(grads, original_image, scale, translation, kernel_type, antialias):
    sizes = original_image.shape[1:3]
    found = grads
    taps = _both_axes(grads, sizes, grads.shape[1:3], scale, translation, (kernel_type, antialias))
    for axis, of_axis in enumerate(taps, 1):
        found = scattered(found, of_axis, axis, sizes[axis - 1])
    return found


def _check_pairs(context: ShapeContext) -> None:
    for name in ("scale", "translation"):
        dims = context.dims(name)
        need_rank(dims, 1, "t must be 1-dimensional{0}")
        if dims is not None and dims[0] not in (None, 2):
            raise ShapeError(f"t must have two elements{shapes.text(dims)}")


@SCALE.shape
def _scale_shape(context: ShapeContext) -> shapes.Shape:
    images, size = context.dims("images"), context.dims("size")
    need_rank(images, 4, "input must be 4-dimensional{0}")
    need_rank(size, 1, "output_shape_t must be 1-dimensional{0}")
    if size is not None and size[0] not in (None, 2):
        raise ShapeError(f"output_shape_t must have two elements{shapes.text(size)}")
    _check_pairs(context)
    h, w = of_rank(context.spelled("size"), 2)
    return (None, h, w, None) if images is None else (images[0], h, w, images[3])


@SCALE_GRAD.shape
def _scale_grad_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("grads", "original_image"):
        dims = context.dims(name)
        if dims is not None and len(dims) != 4:
            raise ShapeError(f"{name} must be 4-dimensional{shapes.text(dims)}")
    _check_pairs(context)
    grads, image = context.dims("grads"), context.dims("original_image")
    return image if grads is None or image is None else (grads[0], *image[1:3], grads[3])


@SCALE.gradient
def _scale_gradient(op, dy):
    kept = {key: op.attrs[key] for key in ("kernel_type", "antialias")}
    return SCALE_GRAD(dy, op.inputs[0], op.inputs[2], op.inputs[3], **kept), None, None, None


SCALE.case("W06", "twice as wide", images=[[[[1], [3]]]], size=[1, 4], scale=[1, 2], translation=[0, 0],
           kernel_type="triangle", resized_images=[[[[1], [1.5], [2.5], [3]]]])  # fmt: skip
SCALE.case("W06", "what came from outside is black", images=[[[[1], [3]]]], size=[1, 3], scale=[1, 1],
           translation=[0, 1], kernel_type="box", resized_images=[[[[0], [1], [3]]]])  # fmt: skip
SCALE.case("W06", "a filter has a name", images=[[[[1], [3]]]], size=[1, 3], scale=[1, 1], translation=[0, 1],
           kernel_type="sieve", error="Unrecognized kernel type: sieve")  # fmt: skip
SCALE_GRAD.case("W06", "pixels get what they gave", grads=[[[[1], [2], [4], [8]]]], original_image=[[[[0], [0]]]],
                scale=[1, 2], translation=[0, 0], kernel_type="triangle", output=[[[[3.5], [11.5]]]])  # fmt: skip
SCALE_GRAD.case("W06", "of the image only height and width count", grads=[[[[1, 2]]], [[[3, 4]]]], scale=[1, 1],
                original_image=[[[[0]]]], translation=[0, 0], output=[[[[1, 2]]], [[[3, 4]]]])  # fmt: skip
