"""Pictures in other colours: what chooses and what computes is the same as on the page."""

import numpy as np

from refflow.core.dtypes import as_dtype
from tests.kernels.samples.bounds import gamma, normal, reference, unit


def recoloured(changes):
    """Colours with equal channels and grey ones, and pixels that are no numbers."""

    def samples(rng, dtype):
        for shape in [(3,), (5, 4, 3), (0, 2, 3), (2, 30, 40, 3), (200, 210, 3)]:
            x = np.round(4 * normal(rng, shape, dtype)) / 4
            if x.size > 100:
                x.reshape(-1)[rng.integers(0, x.size, 6)] = [np.nan, np.inf, -np.inf] * 2
            finite = np.where(np.isfinite(x), x, 0).astype(np.float64)
            bound = 20 * unit(dtype) * np.abs(finite).max(initial=0)
            for change in changes:
                yield (x, np.asarray(change, np.float32)), {}, (bound,)

    return samples


WAYS = [{"align_corners": aligned, "half_pixel_centers": half} for aligned, half in ((0, 0), (1, 0), (0, 1))]
RESIZED = [((2, 3, 4, 2), (6, 8)), ((1, 7, 5, 3), (3, 11)), ((1, 2, 2, 1), (2, 2)), ((1, 1, 3, 5), (2, 1)),
           ((0, 2, 2, 1), (3, 3)), ((1, 9, 2, 130), (4, 5))]  # fmt: skip


def resized(rng, dtype):
    """Larger and smaller ones, one pixel, none; sums of four pixels at most."""
    for shape, size in RESIZED:
        x = normal(rng, shape, dtype)
        for flags in WAYS:
            yield (x, np.array(size, np.int32)), {k: bool(v) for k, v in flags.items()}, (64 * unit(np.float32),)


def by_cubics(rng, dtype):
    """Few, for each pixel asks for four along each axis."""
    for inputs, flags, bound in resized(rng, dtype):
        few = inputs[0].shape in ((1, 7, 5, 3), (1, 1, 3, 5), (0, 2, 2, 1))
        if few and (dtype == "float32" or any(flags.values())):
            yield inputs, flags, bound


def nearest(rng, dtype):
    for inputs, flags, _ in resized(rng, dtype):
        yield inputs, flags, (0.0,)


def given_back(op_type):
    """dy of each size; how much a pixel may get follows from slopes that are all positive."""

    def samples(rng, dtype):
        for (x, size), flags, _ in (by_cubics if "Bicubic" in op_type else resized)(rng, dtype):
            if x.size > 100:
                continue
            slopes = normal(rng, (len(x), *size, x.shape[3]), dtype if "Nearest" in op_type else np.float32)
            told = np.array(x.shape[1:3], np.int32) if "Nearest" in op_type else x
            size = reference(op_type, (np.abs(slopes), told), flags)[0].astype(np.float64)
            count = 4 * slopes[0, ..., 0].size if slopes.size else 1
            rounded = np.finfo(dtype).eps * count if dtype == "float16" else 0
            yield (slopes, told), flags, ((gamma(count, dtype) + rounded) * size,)

    return samples


RESIZES = {
    "ResizeNearestNeighbor": nearest, "ResizeBilinear": resized, "ResizeBicubic": by_cubics,
    **{name: given_back(name) for name in (
        "ResizeNearestNeighborGrad", "ResizeBilinearGrad", "ResizeBicubicGrad")},
}  # fmt: skip
# [N, H, W, C], the boxes' images and the crops' size: boxes that reach outside, of one place, turned round.
BOXES = np.float32([[0, 0, 1, 1], [0.2, 0.1, 0.7, 1.4], [1, 0.8, 0.1, 0], [0.5, 0.5, 0.5, 0.5], [-0.3, 0.2, 0.4, 0.9]])
CROPPED = [((2, 5, 4, 3), [1, 0, 0, 1, 1], (3, 2)), ((1, 3, 3, 1), [0, 0], (1, 1)), ((2, 3, 18, 2), [1], (2, 3)),
           ((1, 2, 2, 3), [], (2, 2)), ((1, 2, 2, 130), [0], (2, 1))]  # fmt: skip


def _cropped(rng, dtype):
    for shape, owners, size in CROPPED:
        x = rng.integers(0, 200, shape).astype(dtype) if dtype == "uint8" else normal(rng, shape, dtype)
        yield x, BOXES[: len(owners)], np.array(owners, np.int32), size


def crops(rng, dtype):
    """Places and lines between pixels in the page's own steps."""
    for x, boxes, owners, size in _cropped(rng, dtype):
        for method in ("bilinear", "nearest")[: 1 + (len(boxes) > 1)]:
            attrs = {"method": method, "extrapolation_value": -2.5}
            yield (x, boxes, owners, np.array(size, np.int32)), attrs, (0.0,)


def crops_back(rng, dtype):
    """What a pixel may get follows from slopes that are all positive."""
    for x, boxes, owners, size in _cropped(rng, dtype):
        slopes = normal(rng, (len(boxes), *size, x.shape[3]), np.float32)
        for method in ("bilinear", "nearest")[: 1 + (len(boxes) > 1)]:
            attrs = {"T": as_dtype(dtype), "method": method}
            given = boxes, owners, np.array(x.shape, np.int32)
            most = reference("CropAndResizeGradImage", (np.abs(slopes), *given), attrs)[0].astype(np.float64)
            yield (slopes, *given), attrs, (gamma(4 * len(boxes) * 6 + 4, dtype) * most,)


def edges_back(rng, dtype):
    for x, boxes, owners, size in _cropped(rng, dtype):
        slopes = normal(rng, (len(boxes), *size, x.shape[3]), np.float32)
        most = np.abs(x.astype(np.float64)).max() * max(x.shape[1:3]) * np.abs(slopes).sum((1, 2, 3), initial=0)
        yield (slopes, x, boxes, owners), {}, (gamma(8, np.float32) * most[:, None],)


CROPS = {"CropAndResize": crops, "CropAndResizeGradImage": crops_back, "CropAndResizeGradBoxes": edges_back}
SAMPLES = RESIZES | CROPS | {"AdjustHue": recoloured([0.3, -1.7, 0]), "AdjustSaturation": recoloured([0.5, 3, 0])}
