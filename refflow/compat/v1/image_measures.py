"""How images differ, and what changes within them: signal to noise, structural similarity, edges.

    PSNR = 10 log10(max^2 / mean squared error)
    SSIM = luminance * contrast:  (2 mx my + c1) / (mx^2 + my^2 + c1)  *  (2 sxy + c2) / (sx^2 + sy^2 + c2)
           of means, variances and covariance under a Gaussian window, the mean over all windows

Wang et al., "Image quality assessment", 2004, and "Multiscale structural similarity", 2003.

Next: compat/v1/image.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import pad, stack
from refflow.compat.v1.math import reduce_mean, reduce_prod, reduce_sum
from refflow.compat.v1.pools import avg_pool
from refflow.compat.v1.windows import depthwise_conv2d
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.image import convert_image_dtype
from refflow.ops.array import reshape, shape
from refflow.ops.joining import concat


def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sum of |differences| of neighbours, of each image [N, H, W, C] or of the one [H, W, C]."""
    with op_scope([], name, "total_variation"):
        x = convert_to_tensor(images)
        rank = x.get_shape().ndims
        if rank not in (3, 4):
            raise ValueError("'images' must be either 3 or 4-dimensional.")
        down = x[..., 1:, :, :] - x[..., :-1, :, :]
        right = x[..., :, 1:, :] - x[..., :, :-1, :]
        axes = None if rank == 3 else [1, 2, 3]
        size = op_def("Abs")
        return reduce_sum(size(down), axes) + reduce_sum(size(right), axes)


def image_gradients(image: Any) -> tuple[Tensor, Tensor]:
    """(what the next row has more, what the next column has more) of images [N, H, W, C], 0 at the end."""
    x = convert_to_tensor(image)
    if x.get_shape().ndims != 4:
        raise ValueError(f"image_gradients expects a 4D tensor [batch_size, h, w, d], not {x.get_shape()}.")
    down = pad(x[:, 1:] - x[:, :-1], [[0, 0], [0, 1], [0, 0], [0, 0]])
    right = pad(x[:, :, 1:] - x[:, :, :-1], [[0, 0], [0, 0], [0, 1], [0, 0]])
    return down, right


def sobel_edges(image: Any) -> Tensor:
    """Sobel's slopes [N, H, W, C, 2], down and to the right, of images [N, H, W, C]."""
    x = convert_to_tensor(image)
    channels = x.get_shape().with_rank(4)[3].value
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)
    both = np.stack([down, down.T], -1)[:, :, None, :]  # [3, 3, 1, 2]
    kernel = np.tile(both, (1, 1, channels, 1)).astype(x.dtype.base_dtype.as_numpy_dtype)
    found = depthwise_conv2d(pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), kernel, [1, 1, 1, 1], "VALID")
    found = reshape(found, concat(0, [shape(x), [2]]))
    found.set_shape(x.get_shape().concatenate(2))
    return found


def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Tensor:
    """The peak signal to noise ratio in decibels of images [..., H, W, C] whose values go up to `max_val`."""
    with op_scope([], name, "PSNR"):
        x, y, most = _as_floats(a, b, max_val)
        error = reduce_mean(op_def("SquaredDifference")(x, y), [-3, -2, -1])
        log = op_def("Log")
        return 20 / math.log(10) * log(most) - 10 / math.log(10) * log(error)


def _as_floats(a: Any, b: Any, max_val: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Both images and the largest value as float32, scaled alike."""
    x, y = convert_to_tensor(a), convert_to_tensor(b)
    most = convert_to_tensor(max_val)
    most = most if most.dtype.base_dtype is x.dtype.base_dtype else op_def("Cast")(most, DstT=x.dtype.base_dtype)
    for i in (1, 2, 3):
        if x.get_shape().ndims and not x.get_shape()[-i].is_compatible_with(y.get_shape()[-i]):
            raise ValueError(f"Shapes {x.get_shape()} and {y.get_shape()} are incompatible")
    return tuple(convert_image_dtype(t, "float32") for t in (x, y, most))  # type: ignore[return-value]


def _window(size: int, sigma: float) -> np.ndarray:
    """A Gaussian [size, size] whose sum is 1."""
    away = np.arange(size, dtype=np.float64) - (size - 1) / 2
    line = np.exp(-0.5 * away**2 / sigma**2)
    square = np.outer(line, line)
    return (square / square.sum()).astype(np.float32)


def _similarity(x: Tensor, y: Tensor, most: Tensor, size: int, sigma: float, k1: float, k2: float) -> tuple[Any, Any]:
    """(similarity, contrast) at each window and channel."""
    channels = x.get_shape()[-1].value or 1
    kernel = np.tile(_window(size, sigma)[:, :, None, None], (1, 1, channels, 1))

    def mean(t: Tensor) -> Tensor:
        dims = shape(t)
        flat = reshape(t, concat(0, [[-1], dims[-3:]]))
        found = depthwise_conv2d(flat, kernel, [1, 1, 1, 1], "VALID")
        return reshape(found, concat(0, [dims[:-3], shape(found)[1:]]))

    c1, c2 = (k1 * most) * (k1 * most), (k2 * most) * (k2 * most)
    mx, my = mean(x), mean(y)
    both, squares = mx * my * 2.0, mx * mx + my * my
    luminance = (both + c1) / (squares + c1)
    contrast = (mean(x * y) * 2.0 - both + c2) / (mean(x * x + y * y) - squares + c2)
    return luminance * contrast, contrast


def ssim(
    img1: Any, img2: Any, max_val: Any, filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01,
    k2: float = 0.03, return_index_map: bool = False,
) -> Tensor:  # fmt: skip
    """The structural similarity of images [..., H, W, C], one number each, or one for each window."""
    with op_scope([], None, "SSIM"):
        x, y, most = _as_floats(img1, img2, max_val)
        found = _similarity(x, y, most, filter_size, filter_sigma, k1, k2)[0]
        return reduce_mean(found, [-1]) if return_index_map else reduce_mean(found, [-3, -2, -1])


def ssim_multiscale(
    img1: Any, img2: Any, max_val: Any, power_factors: Sequence[float] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333),
    filter_size: int = 11, filter_sigma: float = 1.5, k1: float = 0.01, k2: float = 0.03,
) -> Tensor:  # fmt: skip
    """The product over scales, each half as large, of contrasts to their powers, with similarity at the last."""
    with op_scope([], None, "MS-SSIM"):
        x, y, most = _as_floats(img1, img2, max_val)
        parts = []
        for scale in range(len(power_factors)):
            if scale:
                x, y = _halved(x), _halved(y)
            found, contrast = _similarity(x, y, most, filter_size, filter_sigma, k1, k2)
            parts.append(contrast if scale < len(power_factors) - 1 else found)
        means = stack([op_def("Relu")(reduce_mean(p, [-3, -2])) for p in parts], -1)
        powers = op_def("Pow")(means, np.array(power_factors, np.float32))
        return reduce_mean(reduce_prod(powers, [-1]), [-1])


def _halved(x: Tensor) -> Tensor:
    """Means of squares of four; an odd side is first made even by its own last cells."""
    rank = x.get_shape().ndims or 4
    height, width = x.get_shape().as_list()[-3:-1]
    if height is None or width is None:
        raise ValueError(f"ssim_multiscale needs images of known size, got {x.get_shape()}")
    more = [[0, 0]] * (rank - 3) + [[0, height % 2], [0, width % 2], [0, 0]]
    x = pad(x, more, "SYMMETRIC") if height % 2 or width % 2 else x
    dims = shape(x)
    found = avg_pool(reshape(x, concat(0, [[-1], dims[-3:]])), 2, 2, "VALID")
    channels = x.get_shape()[-1].value
    found.set_shape([None, (height + 1) // 2, (width + 1) // 2, channels])
    if rank == 4:
        return found
    found = reshape(found, concat(0, [dims[:-3], shape(found)[1:]]))
    found.set_shape([None] * (rank - 3) + [(height + 1) // 2, (width + 1) // 2, channels])
    return found
