"""Convolutions and their two gradients."""

import numpy as np

from tests.kernels.samples.bounds import gamma, normal, reference

CONVOLVED = [  # x, w, strides, padding, layout, dilations
    ((2, 5, 6, 3), (3, 3, 3, 4), (1, 1), "SAME", "NHWC", (1, 1)),
    ((2, 7, 8, 3), (3, 2, 3, 4), (2, 3), "VALID", "NHWC", (1, 1)),
    ((1, 9, 9, 18), (3, 3, 18, 5), (2, 2), "SAME", "NHWC", (1, 1)),
    ((2, 8, 9, 17), (3, 3, 17, 2), (1, 1), "VALID", "NHWC", (2, 3)),
    ((3, 4, 5, 20), (1, 1, 20, 6), (1, 1), "SAME", "NHWC", (1, 1)),
    ((2, 6, 4, 6), (2, 2, 3, 8), (1, 1), "SAME", "NHWC", (1, 1)),  # two groups
    ((2, 5, 6, 4), (3, 3, 2, 6), (1, 2), "SAME", "NCHW", (1, 1)),  # groups, channels first
    ((0, 5, 5, 2), (2, 2, 2, 3), (1, 1), "VALID", "NHWC", (1, 1)),
    ((1, 2, 2, 2), (3, 3, 2, 3), (1, 1), "VALID", "NHWC", (1, 1)),  # no window fits
    ((1, 5, 5, 2), (2, 2, 2, 3), (1, 1), "EXPLICIT", "NHWC", (1, 1)),
    ((12, 9, 9, 16), (5, 5, 16, 24), (1, 1), "SAME", "NHWC", (1, 1)),
    ((1, 70, 40, 40), (5, 5, 40, 3), (1, 1), "SAME", "NHWC", (1, 1)),  # more than a block for one image
    ((2, 5, 6, 40), (3, 2, 40, 48), (1, 1), "SAME", "NHWC", (1, 1)),  # from here: channels in pieces of 16 bytes
    ((1, 6, 8, 48), (3, 3, 48, 40), (2, 2), "SAME", "NHWC", (1, 1)),  # every second cell of an even image
    ((2, 7, 5, 48), (3, 3, 48, 40), (2, 2), "SAME", "NHWC", (1, 1)),  # and of an odd one
    ((2, 6, 6, 48), (1, 1, 48, 40), (2, 2), "VALID", "NHWC", (1, 1)),  # cells that no window sees
    ((1, 8, 9, 40), (3, 2, 40, 36), (2, 3), "SAME", "NHWC", (1, 1)),
    ((1, 9, 11, 40), (3, 3, 40, 40), (1, 1), "VALID", "NHWC", (2, 3)),
    ((1, 9, 11, 3), (3, 3, 3, 5), (2, 3), "SAME", "NHWC", (4, 2)),  # strides and dilations at once
    ((1, 6, 5, 40), (2, 2, 40, 40), (1, 1), "EXPLICIT", "NHWC", (1, 1)),
    ((2, 9, 6, 3), (3, 6, 3, 5), (2, 1), "VALID", "NHWC", (1, 1)),  # windows of whole lines
    ((3, 4, 5, 6), (4, 5, 6, 7), (1, 1), "VALID", "NHWC", (1, 1)),  # and of whole images
    ((2, 1, 13, 5), (1, 3, 5, 4), (1, 1), "SAME", "NHWC", (1, 2)),  # windows along one axis
    ((2, 3, 11, 4), (1, 2, 4, 6), (1, 1), "VALID", "NHWC", (1, 3)),
    ((2, 12, 1, 6), (3, 1, 6, 5), (2, 1), "SAME", "NHWC", (1, 1)),
    ((1, 1, 4, 3), (1, 5, 3, 2), (1, 1), "SAME", "NHWC", (1, 3)),  # some places see padding alone
    ((2, 1, 9, 4), (1, 3, 2, 6), (1, 1), "SAME", "NHWC", (1, 1)),
    ((2, 3, 4, 5, 3), (2, 2, 2, 3, 4), (1, 1, 1), "SAME", "NDHWC", (1, 1, 1)),
    ((2, 5, 4, 6, 17), (3, 2, 3, 17, 2), (2, 1, 2), "VALID", "NDHWC", (1, 1, 1)),
    ((2, 3, 4, 5, 40), (2, 2, 2, 40, 40), (1, 1, 1), "SAME", "NDHWC", (1, 1, 1)),
    ((1, 4, 5, 4, 40), (3, 2, 1, 40, 40), (2, 1, 2), "SAME", "NDHWC", (1, 1, 1)),
]


def convolutions(kind):
    """|error| <= gamma of the number of products, times the same sum of absolute values."""
    rank_of = {"Conv2D": 2, "Conv3D": 3}

    def samples(rng, dtype):
        for x_dims, w_dims, strides, padding, layout, dilations in CONVOLVED:
            if rank_of[kind[:6]] != len(strides) or (kind == "Conv2DBackpropInput" and x_dims[1] < w_dims[0]):
                continue
            nc = layout.startswith("NC")

            def spell(v, nc=nc):
                return [1, 1, *v] if nc else [1, *v, 1]

            attrs = {"strides": spell(strides), "padding": padding, "data_format": layout,
                     "dilations": spell(dilations)}  # fmt: skip
            if len(strides) == 2:
                attrs["explicit_paddings"] = [0, 0, 1, 2, 0, 1, 0, 0] if padding == "EXPLICIT" else []
            x = normal(rng, x_dims, dtype)
            x = np.ascontiguousarray(np.moveaxis(x, -1, 1)) if nc else x
            w = normal(rng, w_dims, dtype)
            y = reference(kind[:6], (x, w), attrs)[0]
            dy = normal(rng, y.shape, dtype)
            inputs = {
                "": (x, w),
                "BackpropInput": (np.array(x.shape, np.int32), w, dy),
                "BackpropFilter": (x, np.array(w.shape, np.int32), dy),
            }[kind[6:].removesuffix("V2")]
            count = w.size if kind.startswith(("Conv2DBackpropI", "Conv3DBackpropI")) else x.size + w.size
            size = reference(kind, [np.abs(i.astype(np.float64)) if i.dtype.kind == "f" else i for i in inputs], attrs)
            yield inputs, attrs, (gamma(count + 2, dtype) * size[0],)

    return samples


SAMPLES = {
    **{f"Conv{r}D": convolutions(f"Conv{r}D") for r in (2, 3)},
    **{
        k: convolutions(k)
        for k in ("Conv2DBackpropInput", "Conv2DBackpropFilter", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2")
    },
}
