"""Pools and their gradients: channels last and first, strides with and without overlap, and a volume."""

from tests.kernels.launches.places import Place, run


def launches():
    for dims, k, s, dtype in (((64, 112, 112, 64), 3, 2, "float32"), ((64, 28, 28, 200), 2, 2, "bfloat16")):
        x, y = Place(dims, dtype), Place([64, dims[1] // s, dims[2] // s, dims[3]], dtype)
        attrs = {"ksize": [1, k, k, 1], "strides": [1, s, s, 1], "padding": "SAME", "data_format": "NHWC"}
        label = f"{list(dims)} {k}x{k} {dtype}"
        yield f"MaxPool {label}", run("MaxPool", [x], [y], **attrs)
        yield f"MaxPoolGrad {label}", run("MaxPoolGrad", [x, y, y], [x], **attrs)
        yield f"MaxPoolGradGrad {label}", run("MaxPoolGradGrad", [x, y, x], [y], **attrs)
        yield f"AvgPoolGrad {label}", run("AvgPoolGrad", [dims, y], [x], **attrs)
    x, y = Place([64, 7, 7, 2048]), Place([64, 1, 1, 2048])
    whole = {"ksize": [1, 7, 7, 1], "strides": [1, 1, 1, 1], "padding": "VALID", "data_format": "NHWC"}
    yield "AvgPool of whole images", run("AvgPool", [x], [y], **whole)
    x, y, where = Place([64, 112, 112, 64]), Place([64, 56, 56, 64]), Place([64, 56, 56, 64], "int64")
    named = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "SAME", "include_batch_in_index": False}
    yield "MaxPoolWithArgmax", run("MaxPoolWithArgmax", [x], [y, where], **named)
    x, y = Place([64, 64, 112, 112]), Place([64, 64, 56, 56])
    first = {"ksize": [1, 1, 2, 2], "strides": [1, 1, 2, 2], "padding": "VALID", "data_format": "NCHW"}
    yield "MaxPool channels first", run("MaxPool", [x], [y], **first)
    x, y = Place([8, 16, 56, 56, 64]), Place([8, 8, 28, 28, 64])
    cubes = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "VALID", "data_format": "NDHWC"}
    yield "MaxPool3D", run("MaxPool3D", [x], [y], **cubes)
