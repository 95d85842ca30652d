"""Pictures in other colours: what chooses and what computes is the same as on the page."""

import numpy as np

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
SAMPLES = RESIZES | {"AdjustHue": recoloured([0.3, -1.7, 0]), "AdjustSaturation": recoloured([0.5, 3, 0])}
