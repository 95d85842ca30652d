"""Images in other sizes: the nearest pixel, straight lines, cubics, means of areas.

Along each axis output pixel i looks at place x of the input, with `scale = in / out`, or `(in - 1) / (out - 1)` with
`align_corners`:

    x = i * scale                         half_pixel_centers: (i + 0.5) * scale - 0.5

    nearest     the pixel at floor(x)
    bilinear    (1 - t) * pixel[floor(x)] + t * pixel[ceil(x)],     t = x - floor(x)
    bicubic     four pixels around x, weighted by a cubic in t
    area        all pixels between x and x + scale, by how much of each lies there

Every method is a few *taps* an axis, (place, weight) for each output pixel (ops/taps.py), so gradients carry the same
taps back.

Next: ops/colour.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import bfloat16, float16, float32, float64, int8, int16, int32, int64, uint8, uint16
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_checks import either, need_rank, of_rank
from refflow.core.shape_rules import ShapeContext
from refflow.ops.array import shape
from refflow.ops.slicing import slice_
from refflow.ops.taps import (
    Tap,
    area_taps,
    between,
    cubic_taps,
    gathered,
    in_blocks,
    linear_taps,
    nearest_index,
    scattered,
)

IMAGES = (int8, uint8, int16, uint16, int32, int64, float16, float32, float64, bfloat16)


# -- shapes ---------------------------------------------------------------------------------------------------


def check_pixels(align_corners: bool, half_pixel_centers: bool) -> None:
    if half_pixel_centers and align_corners:
        raise ValueError("If half_pixel_centers is True, align_corners must be False.")


def check_images(images: np.ndarray, size: np.ndarray) -> tuple[int, int]:
    """The wanted height and width; there must be pixels on both sides."""
    if not images.shape[3]:
        raise ValueError("image must have at least one channel")
    if not images.shape[1] or not images.shape[2]:
        raise ValueError("input image must be of non-zero size")
    height, width = (int(v) for v in size)
    if height <= 0 or width <= 0:
        raise ValueError("output dimensions must be positive")
    return height, width


def wanted_size(context: ShapeContext, name: str = "size") -> tuple[int | None, int | None]:
    """Height and width as the vector called `name` gives them."""
    dims = context.dims(name)
    if dims is not None and len(dims) != 1:
        raise ShapeError(f"shape_t must be 1-dimensional{shapes.text(dims)}: {name} has rank {len(dims)}")
    if dims is not None and dims[0] not in (None, 2):
        raise ShapeError(f"shape_t must have two elements{shapes.text(dims)}")
    height, width = of_rank(context.spelled(name), 2)
    return height, width


def resized_shape(context: ShapeContext) -> shapes.Shape:
    images = context.dims(context.op_def.inputs[0].name)
    need_rank(images, 4, "input must be 4-dimensional{0}")
    height, width = wanted_size(context)
    return (None, height, width, None) if images is None else (images[0], height, width, images[3])


def original_shape(context: ShapeContext) -> shapes.Shape:
    """Of a gradient: the sizes of the original image, and batch and channels of either."""
    grads, original = context.dims("grads"), context.dims("original_image")
    for name, dims in (("input_grad", grads), ("original_image", original)):
        if dims is not None and len(dims) != 4:
            raise ShapeError(f"{name} must be 4-dimensional{shapes.text(dims)}")
    grads, original = of_rank(grads, 4), of_rank(original, 4)
    return either(grads[0], original[0]), original[1], original[2], either(grads[3], original[3])


def check_grads(grads: np.ndarray, original: np.ndarray) -> None:
    if not grads.shape[1] or not grads.shape[2]:
        raise ValueError("resized dimensions must be positive")
    if not original.shape[1] or not original.shape[2]:
        raise ValueError("original dimensions must be positive")


# -- the nearest pixel ----------------------------------------------------------------------------------------

NEAREST = define_op(
    "ResizeNearestNeighbor", "images: T, size: int32 -> resized_images: T", T=IMAGES, align_corners=False,
    half_pixel_centers=False, source=("W06",),
)  # fmt: skip
NEAREST_GRAD = define_op(
    "ResizeNearestNeighborGrad", "grads: T, size: int32 -> output: T",
    T=(uint8, int8, int32, float16, float32, float64, bfloat16), align_corners=False, half_pixel_centers=False,
    source=("W06",), accuracy="dot",
)  # fmt: skip
NEAREST.shape(resized_shape)
NEAREST_GRAD.shape(resized_shape)
NEAREST_GRAD.no_gradient_registered()


@NEAREST.kernel
def nearest_kernel(images, size, align_corners, half_pixel_centers):
    check_pixels(align_corners, half_pixel_centers)
    height, width = check_images(images, size)
    rows = nearest_index(images.shape[1], height, align_corners, half_pixel_centers)
    columns = nearest_index(images.shape[2], width, align_corners, half_pixel_centers)
    return images[:, rows[:, None], columns]


@NEAREST_GRAD.kernel
def nearest_grad_kernel(grads, size, align_corners, half_pixel_centers):
    """Each pixel's gradient goes to the pixel it was read from."""
    height, width = (int(v) for v in size)
    if height <= 0 or width <= 0:
        raise ValueError("shape_t's elements must be positive")
    if not grads.size:
        return np.zeros((len(grads), height, width, grads.shape[3]), grads.dtype)
    rows, columns = (
        [Tap(nearest_index(size, out, align_corners, half_pixel_centers), np.ones(out, np.float32))]
        for size, out in zip((height, width), grads.shape[1:3], strict=True)
    )

    def work(some: np.ndarray) -> np.ndarray:
        return scattered(scattered(some, rows, 1, height), columns, 2, width)

    return in_blocks(grads, (height, width, grads.shape[3]), grads.dtype, work)


@NEAREST.gradient
def _nearest_gradient(op, dy):
    images = op.inputs[0]
    dims = images.get_shape()
    known = dims.ndims == 4 and dims[1].value is not None and dims[2].value is not None
    sizes: Any = np.array([dims[1].value, dims[2].value], np.int32) if known else slice_(shape(images), [1], [2])
    flags = {key: op.attrs[key] for key in ("align_corners", "half_pixel_centers")}
    return NEAREST_GRAD(dy, sizes, **flags), None


def _image(*rows: list[float]) -> list[Any]:
    """A picture of one channel, in a batch of one."""
    return [[[[v] for v in row] for row in rows]]


NEAREST.case("W06", "pixels repeat", images=_image([1, 2], [3, 4]), size=[3, 4],
             resized_images=_image([1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]))  # fmt: skip
NEAREST.case("W06", "corners stay corners", images=_image([1, 2, 3]), size=[1, 5], align_corners=True,
             resized_images=_image([1, 2, 2, 3, 3]))  # fmt: skip
NEAREST.case("W06", "pixels have middles", images=_image([1, 2, 3, 4]), size=[1, 2], half_pixel_centers=True,
             resized_images=_image([2, 4]))  # fmt: skip
NEAREST.case("W06", "images are in a batch", images=[[1.0]], size=[1, 1], error="input must be 4-dimensional")
NEAREST_GRAD.case("W06", "who was read twice gets both", grads=_image([1, 2, 4, 8]), size=[1, 2],
                  output=_image([3, 12]))  # fmt: skip

# -- straight lines, cubics -----------------------------------------------------------------------------------


def _resizer(name: str, types: Any) -> tuple[OpDef, OpDef]:
    flags: dict[str, Any] = {"align_corners": False, "half_pixel_centers": False, "accuracy": "composed"}
    resize = define_op(name, "images: T, size: int32 -> resized_images: float32", T=IMAGES, source=("W06",), **flags)
    back = define_op(f"{name}Grad", "grads: float32, original_image: T -> output: T", T=types, source=("W06",), **flags)
    resize.shape(resized_shape)
    back.shape(original_shape)
    taps_of = linear_taps if name == "ResizeBilinear" else cubic_taps

    @resize.kernel
    def kernel(images, size, align_corners, half_pixel_centers):
        check_pixels(align_corners, half_pixel_centers)
        height, width = check_images(images, size)
        rows, columns = (
            taps_of(size, out, align_corners, half_pixel_centers)
            for size, out in zip(images.shape[1:3], (height, width), strict=True)
        )

        def work(some: np.ndarray) -> np.ndarray:
            some = some.astype(np.float32)
            if taps_of is cubic_taps:
                return gathered(gathered(some, rows, 1), columns, 2)
            same = (height, width) == images.shape[1:3]
            return some if same else between(between(some, columns, 2), rows, 1)

        return in_blocks(images, (height, width, images.shape[3]), np.float32, work)

    @back.kernel
    def back_kernel(grads, original_image, align_corners, half_pixel_centers):
        check_pixels(align_corners, half_pixel_centers)
        check_grads(grads, original_image)
        wide = np.float64 if original_image.dtype == np.float64 else np.float32
        height, width = original_image.shape[1:3]
        rows, columns = (
            taps_of(size, out, align_corners, half_pixel_centers)
            for size, out in zip((height, width), grads.shape[1:3], strict=True)
        )

        def work(some: np.ndarray) -> np.ndarray:
            return scattered(scattered(some.astype(wide), rows, 1, height), columns, 2, width)

        return in_blocks(grads, (height, width, grads.shape[3]), original_image.dtype, work)

    @resize.gradient
    def gradient(op, dy):
        if op.inputs[0].dtype.base_dtype not in types:
            return None, None
        chosen = {key: op.attrs[key] for key in ("align_corners", "half_pixel_centers")}
        return back(dy, op.inputs[0], **chosen), None

    return resize, back


BILINEAR, BILINEAR_GRAD = _resizer("ResizeBilinear", (float32, bfloat16, float16, float64))
BICUBIC, BICUBIC_GRAD = _resizer("ResizeBicubic", (float32, float64))
BILINEAR_GRAD.no_gradient()
BICUBIC_GRAD.no_gradient_registered()

BILINEAR.case("W06", "halfway between two pixels", images=_image([1, 3], [5, 7]), size=[2, 4],
              resized_images=_image([1, 2, 3, 3], [5, 6, 7, 7]))  # fmt: skip
BILINEAR.case("W06", "corners stay corners", images=_image([1, 3]), size=[1, 3], align_corners=True,
              resized_images=_image([1, 2, 3]))  # fmt: skip
BILINEAR.case("W06", "pixels have middles", images=_image([0, 8]), size=[1, 4], half_pixel_centers=True,
              resized_images=_image([0, 2, 6, 8]))  # fmt: skip
BILINEAR.case("W06", "two wishes at odds", images=_image([1.0]), size=[1, 1], half_pixel_centers=True,
              align_corners=True, error="If half_pixel_centers is True, align_corners must be False.")  # fmt: skip
BILINEAR.case("W06", "something must be left", images=_image([1.0]), size=[0, 1],
              error="output dimensions must be positive")  # fmt: skip
BILINEAR_GRAD.case("W06", "what lies between is shared", grads=_image([1, 2, 4, 8]), original_image=_image([0, 0]),
                   output=_image([2, 13]))  # fmt: skip
BICUBIC.case("W06", "a step swings over", images=_image([0, 0, 32, 32]), size=[1, 8],
             resized_images=_image([0, -3, 0, 16, 32, 35, 32, 32]))  # fmt: skip
BICUBIC.case("W06", "what is outside counts nothing", images=_image([5, 5]), size=[1, 3], half_pixel_centers=True,
             resized_images=_image([5, 5, 5]))  # fmt: skip
BICUBIC_GRAD.case("W06", "weights of the way there", grads=_image([0, 32, 0, 0]), original_image=_image([0, 0]),
                  output=_image([16, 16]))  # fmt: skip

# -- means of areas -------------------------------------------------------------------------------------------

AREA = define_op("ResizeArea", "images: T, size: int32 -> resized_images: float32", T=IMAGES, align_corners=False,
                 source=("W06",), accuracy="composed")  # fmt: skip
AREA.shape(resized_shape)
AREA.no_gradient_registered()


@AREA.kernel
def area_kernel(images, size, align_corners):
    height, width = check_images(images, size)
    rows, columns = (area_taps(size, out, align_corners)
                     for size, out in zip(images.shape[1:3], (height, width), strict=True))  # fmt: skip

    def work(some: np.ndarray) -> np.ndarray:
        return gathered(gathered(some.astype(np.float32), rows, 1, skip=True), columns, 2, skip=True)

    return in_blocks(images, (height, width, images.shape[3]), np.float32, work)


AREA.case("W06", "means of two pixels", images=_image([1, 3, 5, 9]), size=[1, 2], resized_images=_image([2, 7]))
AREA.case("W06", "a pixel may be split", images=_image([3, 6, 9]), size=[1, 2], resized_images=_image([4, 8]))


def resize_bilinear(images: Any, size: Any, name: str | None = None, align_corners: bool = False) -> Tensor:
    """`images` [N, H, W, C] in height and width `size`, float32, along straight lines between pixels."""
    return BILINEAR(images, size, align_corners=align_corners, name=name)


def resize_nearest_neighbor(images: Any, size: Any, name: str | None = None, align_corners: bool = False) -> Tensor:
    """`images` [N, H, W, C] in height and width `size`, each pixel that of the input nearest to it."""
    return NEAREST(images, size, align_corners=align_corners, name=name)


def resize_nearest_neighbor_grad(grads: Any, size: Any, name: str | None = None) -> Tensor:
    """The gradient of `resize_nearest_neighbor` for images of height and width `size`."""
    return NEAREST_GRAD(grads, size, name=name)


def resize_bicubic(images: Any, size: Any, name: str | None = None, align_corners: bool = False) -> Tensor:
    """`images` [N, H, W, C] in height and width `size`, float32, along cubics through pixels."""
    return BICUBIC(images, size, align_corners=align_corners, name=name)


def resize_area(images: Any, size: Any, name: str | None = None, align_corners: bool = False) -> Tensor:
    """`images` [N, H, W, C] in height and width `size`, float32, each pixel the mean of what it covers."""
    return AREA(images, size, align_corners=align_corners, name=name)
