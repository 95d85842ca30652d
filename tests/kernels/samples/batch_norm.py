"""Batch normalisation and its gradients."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, reference, unit

SHAPES = [(2, 3, 4, 5), (1, 1, 1, 1), (1, 1, 1, 7), (0, 2, 2, 3), (3, 8, 9, 2), (4, 17, 16, 70), (2, 40, 41, 30),
          (1, 100, 90, 2)]  # fmt: skip
VOLUME = (2, 3, 2, 4, 3)


def _images(rng, dtype, volumes=True):
    """x and the layout: channels last, channels first, and volumes."""
    for dims in SHAPES:
        yield normal(rng, dims, dtype) + np.dtype(dtype).type(1), "NHWC"
    others = [(SHAPES[0], "NCHW"), ((2, 50, 50, 3), "NCHW"), (VOLUME, "NDHWC"), (VOLUME, "NCDHW")]
    for dims, layout in others if volumes else []:
        x = normal(rng, dims, dtype)
        yield (np.ascontiguousarray(np.moveaxis(x, -1, 1)) if layout.startswith("NC") else x), layout


def _vectors(rng, channels, dtype="float32"):
    """scale, offset, mean, variance."""
    a = normal(rng, (4, channels), dtype)
    return a[0] + np.dtype(dtype).type(2), a[1], a[2], np.abs(a[3]) + np.dtype(dtype).type(0.5)


def _wide(x, layout):
    """|x| as [rows, C], float64."""
    x = np.moveaxis(x, 1, -1) if layout.startswith("NC") else x
    return np.abs(x.astype(np.float64)).reshape(-1, x.shape[-1])


def _as_image(bound, x, layout):
    """A bound [rows, C] as x lies."""
    if not layout.startswith("NC"):
        return bound.reshape(x.shape)
    last = np.moveaxis(x, 1, -1).shape
    return np.moveaxis(bound.reshape(last), -1, 1)


def batch_norm(version):
    """A mean's error is gamma of the count; the variance's follows from it, and y's from both."""

    def samples(rng, dtype):
        for x, layout in _images(rng, dtype):
            channels = x.shape[1 if layout.startswith("NC") else -1]
            scale, offset, mean, variance = _vectors(rng, channels)
            for training, factor in ((True, 1.0), (True, 0.75), (False, 1.0)):
                attrs = {"epsilon": 1e-3, "exponential_avg_factor": factor, "data_format": layout,
                         "is_training": training}  # fmt: skip
                inputs = (x, scale, offset, mean, variance)
                found = reference(name("FusedBatchNorm", version), inputs, attrs)
                size, u = _wide(x, layout), unit("float32")
                count = max(1, len(size))
                m, v = np.abs(found[3].astype(np.float64)), found[4].astype(np.float64)
                dm = gamma(count + 4, "float32") * size.mean(0) if len(size) else 0 * m
                dv = gamma(count + 8, "float32") * (v + 4 * (size.mean(0) + m) ** 2) if len(size) else 0 * v
                if not training:
                    dm, dv = 0 * m, 0 * v
                slope = np.abs(scale) / np.sqrt(v + 1e-3)
                off = slope * (size + m)  # what offset is added to, at most
                y = slope * (dm + u * (size + m)) + off * (dv / (2 * (v + 1e-3)) + 8 * u) + u * np.abs(offset)
                y = _as_image(y + (unit(dtype) * (off + np.abs(offset))), x, layout)
                bounds = [y, dm + u * np.abs(mean), 2 * dv + 4 * u * variance, dm, dv]
                yield inputs, attrs, (*bounds, 0.0)[: len(found)]

    return samples


def batch_norm_grad(version):
    """Sums by gamma of their count; dx has both sums' errors in it, and its own roundings."""

    def samples(rng, dtype):
        for x, layout in _images(rng, dtype):
            channels = x.shape[1 if layout.startswith("NC") else -1]
            scale, _, mean, variance = _vectors(rng, channels)
            dy = normal(rng, x.shape, dtype)
            third = (np.zeros((), np.float32),) if version == 3 else ()
            for training in (True, False):
                attrs = {"epsilon": 1e-3, "data_format": layout, "is_training": training}
                inputs = (dy, x, scale, mean, variance, *third)
                size, slopes = _wide(x, layout) + np.abs(mean), _wide(dy, layout)
                count, inverse = max(1, len(size)), 1 / np.sqrt(variance.astype(np.float64) + 1e-3)
                g, u = gamma(count + 12, "float32"), unit("float32")
                doffset, dscale = g * slopes.sum(0), g * (slopes * size).sum(0) * inverse
                inner = slopes + slopes.mean(0) + size * (slopes * size).mean(0) * inverse**2 if len(size) else slopes
                dx = (g + 12 * u) * inner * np.abs(scale) * inverse + unit(dtype) * inner * np.abs(scale) * inverse
                yield inputs, attrs, (_as_image(dx, x, layout), dscale, doffset, 0.0, 0.0)

    return samples


def given_statistics(rng, dtype):
    u = unit(dtype)
    for x, _ in _images(rng, dtype, volumes=False):
        scale, offset, mean, variance = _vectors(rng, x.shape[-1], dtype)
        for scaled in (True, False):
            attrs = {"variance_epsilon": 1e-3, "scale_after_normalization": scaled}
            slope = (np.abs(scale.astype(np.float64)) + (not scaled)) / np.sqrt(variance + 1e-3)
            bound = 8 * u * ((np.abs(x) + np.abs(mean)) * slope + np.abs(offset))
            yield (x, mean, variance, offset, scale), attrs, (bound,)


def given_statistics_grad(rng, dtype):
    u = unit(dtype)
    for x, _ in _images(rng, dtype, volumes=False):
        scale, _, mean, variance = _vectors(rng, x.shape[-1], dtype)
        dy = normal(rng, x.shape, dtype)
        for scaled in (True, False):
            attrs = {"variance_epsilon": 1e-3, "scale_after_normalization": scaled}
            inverse = 1 / np.sqrt(variance.astype(np.float64) + 1e-3)
            factor = np.abs(scale) if scaled else np.ones_like(scale)
            slopes, size = _wide(dy, "NHWC"), _wide(x, "NHWC") + np.abs(mean)
            g = gamma(len(slopes) + 12, dtype)
            sums, along = g * slopes.sum(0), g * (slopes * size).sum(0)
            dx = 8 * u * np.abs(dy) * factor * inverse
            bounds = (dx, sums * inverse * factor, along * factor * inverse**3, sums, along * inverse)
            yield (x, mean, variance, scale, dy), attrs, bounds


def name(kind, version):
    return kind if version == 1 else f"{kind}V{version}"


SAMPLES = {
    **{name("FusedBatchNorm", v): batch_norm(v) for v in (1, 2, 3)},
    **{name("FusedBatchNormGrad", v): batch_norm_grad(v) for v in (1, 2, 3)},
    "BatchNormWithGlobalNormalization": given_statistics,
    "BatchNormWithGlobalNormalizationGrad": given_statistics_grad,
}
