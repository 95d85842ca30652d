"""Depthwise convolution and its two gradients."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, reference

SHAPES = [  # x, w, strides, padding, layout, dilations
    ((2, 5, 6, 3), (3, 3, 3, 1), (1, 1), "SAME", "NHWC", (1, 1)),
    ((2, 7, 8, 3), (3, 2, 3, 2), (2, 2), "VALID", "NHWC", (1, 1)),
    ((1, 9, 9, 5), (3, 3, 5, 3), (2, 2), "SAME", "NHWC", (1, 1)),
    ((2, 9, 8, 4), (3, 3, 4, 1), (1, 1), "SAME", "NHWC", (2, 3)),
    ((2, 12, 11, 2), (4, 5, 2, 2), (3, 3), "SAME", "NHWC", (2, 2)),  # places of two residues of three
    ((3, 6, 5, 4), (1, 1, 4, 1), (2, 2), "SAME", "NHWC", (1, 1)),  # cells that no window sees
    ((2, 5, 6, 3), (2, 3, 3, 2), (1, 1), "SAME", "NCHW", (1, 1)),
    ((1, 5, 5, 2), (2, 2, 2, 1), (1, 1), "EXPLICIT", "NHWC", (1, 1)),
    ((0, 5, 5, 2), (2, 2, 2, 1), (1, 1), "VALID", "NHWC", (1, 1)),
    ((5, 24, 20, 48), (3, 3, 48, 1), (1, 1), "SAME", "NHWC", (1, 1)),  # more than one block
    ((1, 1, 1, 1), (1, 1, 1, 1), (1, 1), "VALID", "NHWC", (1, 1)),
]  # fmt: skip


def depthwise(kind):
    """|error| <= gamma of the number of products, times the same sum of absolute values."""

    def samples(rng, dtype):
        for x_dims, w_dims, strides, padding, layout, dilations in SHAPES:
            nc = layout.startswith("NC")

            def spell(v, nc=nc):
                return [1, 1, *v] if nc else [1, *v, 1]

            attrs = {"strides": spell(strides), "padding": padding, "data_format": layout,
                     "dilations": spell(dilations)}  # fmt: skip
            attrs["explicit_paddings"] = [0, 0, 1, 2, 0, 1, 0, 0] if padding == "EXPLICIT" else []
            x = normal(rng, x_dims, dtype)
            x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if nc else x
            w = normal(rng, w_dims, dtype)
            dy = normal(rng, reference("DepthwiseConv2dNative", (x, w), attrs)[0].shape, dtype)
            inputs = {
                "": (x, w),
                "BackpropInput": (np.array(x.shape, np.int32), w, dy),
                "BackpropFilter": (x, np.array(w.shape, np.int32), dy),
            }[kind.removeprefix("DepthwiseConv2dNative")]
            count = dy.size if kind.endswith("Filter") else w.size
            size = reference(kind, [np.abs(i.astype(np.float64)) if i.dtype.kind == "f" else i for i in inputs], attrs)
            yield inputs, attrs, (gamma(count + 2, dtype) * size[0],)

    return samples


SAMPLES = {
    kind: depthwise(kind) for kind in (f"DepthwiseConv2dNative{end}" for end in ("", "BackpropInput", "BackpropFilter"))
}
