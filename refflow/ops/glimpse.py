"""Glimpses: windows of images around points, with noise where they reach outside [W06].

Next: ops/non_max_suppression.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import OpDef, define_op, define_variant
from refflow.core.shape_checks import either, need_rank, of_rank, size_at
from refflow.core.shape_rules import ShapeContext

GLIMPSE = define_op(
    "ExtractGlimpse", "input: float32, size: int32, offsets: float32 -> glimpse: float32", centered=True,
    normalized=True, uniform_noise=True, noise="uniform", source=("W06",), accuracy="composed",
)  # fmt: skip


def _noise(image: np.ndarray, dims: tuple[int, ...], noise: str) -> np.ndarray:
    """What stands outside of an image: nothing, or noise like what is inside."""
    if noise == "zero" or not image.size:
        return np.zeros(dims, np.float32)
    rng = np.random.default_rng()
    if noise == "gaussian":
        return (rng.standard_normal(dims) * image.std() + image.mean()).astype(np.float32)
    return (rng.random(dims) * (image.max() - image.min()) + image.min()).astype(np.float32)


def _glimpses(images: np.ndarray, size: Any, corner: np.ndarray, noise: str) -> np.ndarray:
    """Windows whose first pixel is `corner` [N, 2], cut toward zero to whole pixels."""
    h, w = (int(v) for v in size)
    height, width = images.shape[1:3]
    found = np.empty((len(images), h, w, images.shape[3]), np.float32)
    for image, window, (y, x) in zip(images, found, np.trunc(corner).astype(np.int64).tolist(), strict=True):
        top, left, bottom, right = max(y, 0), max(x, 0), min(y + h, height), min(x + w, width)
        if (top, left, bottom, right) != (y, x, y + h, x + w):
            window[...] = _noise(image, window.shape, noise)
        if top < bottom and left < right:
            window[top - y : bottom - y, left - x : right - x] = image[top:bottom, left:right]
    return found


def _check_glimpse(size: Any, uniform_noise: bool, noise: str) -> None:
    if noise not in ("uniform", "gaussian", "zero"):
        raise ValueError(f"The noise could only be uniform, gaussian, or zero, got {noise}")
    if uniform_noise and noise != "uniform":
        raise ValueError("The uniform_noise and noise could not be specified at the same time")
    for value in size:
        if value < 0:
            raise ValueError(f"Expected a non-negative size, got {value}")


@GLIMPSE.kernel
def extract_glimpse_kernel(input, size, offsets, centered, normalized, uniform_noise, noise):
    """Offsets of the window's middle: from the image's own with `centered`, in image sizes with `normalized`."""
    _check_glimpse(size, uniform_noise, noise)
    dims, window = np.array(input.shape[1:3], np.float32), size.astype(np.float32)
    at = offsets * dims if normalized else offsets
    at = at / 2 + dims / 2 if centered else at
    return _glimpses(input, size, at - window / 2, noise)


@GLIMPSE.shape
def _glimpse_shape(context: ShapeContext) -> shapes.Shape:
    image, size, offsets = (context.dims(n) for n in ("input", "size", "offsets"))
    need_rank(image, 4, "input must be 4-dimensional (batch_size, height, width, depth){0}")
    if size is not None and (len(size) != 1 or size[0] not in (None, 2)):
        raise ShapeError(f"input must be a vector of size 2 (height, width){shapes.text(size)}")
    need_rank(offsets, 2, "input must be a matrix{0} (batch_size, 2)")
    if offsets is not None and image is not None and not shapes.compatible(offsets[:1], image[:1]):
        raise ShapeError(f"first dimension should be batch{shapes.text(offsets)}")
    if offsets is not None and offsets[1] not in (None, 2):
        raise ShapeError(f"second dimension should be of size 2 (y,x){shapes.text(offsets)}")
    h, w = of_rank(context.spelled("size"), 2)
    return either(size_at(image, 0), size_at(offsets, 0)), h, w, size_at(image, 3)


GLIMPSE.no_gradient()
GLIMPSE.case("W06", "the middle of a row", input=[[[[1], [2], [3], [4]]]], size=[1, 2], offsets=[[0, 0]],
             glimpse=[[[[2], [3]]]])  # fmt: skip
GLIMPSE.case("W06", "nothing is outside", input=[[[[1], [2], [3], [4]]]], size=[1, 2], offsets=[[0, 1]],
             uniform_noise=False, noise="zero", glimpse=[[[[4], [0]]]])  # fmt: skip
GLIMPSE.case("W06", "a point for each image", input=[[[[1]]]], size=[1, 1], offsets=[[0, 0], [0, 0]],
             error="first dimension should be batch")  # fmt: skip
GLIMPSE_V2: OpDef = define_variant("ExtractGlimpseV2", GLIMPSE)
GLIMPSE_V2.lacks_gradient, GLIMPSE_V2.has_gradient_rule = True, False


@GLIMPSE_V2.kernel
def extract_glimpse_v2_kernel(input, size, offsets, centered, normalized, uniform_noise, noise):
    """Offsets of the window's first pixel, and of its middle where they are both centered and normalized."""
    if centered and normalized:
        return extract_glimpse_kernel(input, size, offsets, True, True, uniform_noise, noise)
    _check_glimpse(size, uniform_noise, noise)
    dims = np.array(input.shape[1:3], np.float32)
    at = offsets * dims if normalized else offsets
    return _glimpses(input, size, at + dims / 2 if centered else at, noise)


def extract_glimpse(
    input: Any, size: Any, offsets: Any, centered: bool | None = None, normalized: bool | None = None,
    uniform_noise: bool | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """Windows [N, h, w, C] of images [N, H, W, C] around offsets [N, 2], one each; noise outside."""
    return GLIMPSE(input, size, offsets, centered=centered, normalized=normalized, uniform_noise=uniform_noise,
                   noise="gaussian" if uniform_noise is False else None, name=name)  # fmt: skip
