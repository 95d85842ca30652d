"""A number for each channel."""

from tests.kernels.samples.bounds import normal

BIASED = [((3, 5), "NHWC"), ((2, 3, 4, 10), "NHWC"), ((2, 3, 4, 5), "NCHW"), ((40, 70), "NHWC"), ((2, 5, 300), "NCHW"),
          ((0, 3), "NHWC"), ((2, 6, 2, 3, 2), "NCHW")]  # fmt: skip


def added(rng, dtype):
    """One sum, rounded once: equal to the bit."""
    for shape, layout in BIASED:
        value = normal(rng, shape, dtype)
        bias = normal(rng, shape[1] if layout == "NCHW" else shape[-1], dtype)
        yield (value, bias), {"data_format": layout}, (0.0,)


SAMPLES = {"BiasAdd": added}
