"""Batch and response normalisation with their gradients, and biases."""

from tests.kernels.launches.places import Place, run


def launches():
    for dims, layout, dtype in (
        ((64, 56, 56, 256), "NHWC", "float32"), ((64, 28, 28, 208), "NHWC", "bfloat16"),
        ((64, 256, 56, 56), "NCHW", "float32"),
    ):  # fmt: skip
        x, vector, one = Place(dims, dtype), Place([dims[1 if layout == "NCHW" else 3]]), Place([])
        label = f"{list(dims)} {layout} {dtype}"
        attrs = {"epsilon": 1e-3, "data_format": layout, "is_training": True}
        forward, back = [x, vector, vector, vector, vector], [x, x, vector, vector, vector, one]
        yield (
            f"FusedBatchNormV3 {label}",
            run(
                "FusedBatchNormV3",
                forward,
                [x, vector, vector, vector, vector, one],
                exponential_avg_factor=0.1,
                **attrs,
            ),
        )
        yield f"FusedBatchNormGradV3 {label}", run("FusedBatchNormGradV3", back, [x, vector, vector, one, one], **attrs)
        bias = Place([vector.shape[0]], dtype)
        yield f"BiasAdd {label}", run("BiasAdd", [x, bias], [x], data_format=layout)
    given = {"variance_epsilon": 1e-3, "scale_after_normalization": True}
    x, v = Place([64, 56, 56, 256]), Place([256])
    yield (
        "BatchNormWithGlobalNormalizationGrad",
        run("BatchNormWithGlobalNormalizationGrad", [x, v, v, v, x], [x, v, v, v, v], **given),
    )
    for dtype, beta in (("float32", 0.75), ("bfloat16", 0.6)):
        x = Place([64, 56, 56, 192], dtype)
        attrs = {"depth_radius": 5, "bias": 1.0, "alpha": 1e-4, "beta": beta}
        yield f"LRN {dtype}", run("LRN", [x], [x], **attrs)
        yield f"LRNGrad {dtype}", run("LRNGrad", [x, x, x], [x], **attrs)
