"""Convolutions and their gradients: by boxes, in half precision, in float32 and at stride 2; by pointers; depthwise."""

from tests.kernels.launches.places import Place, run


def launches():
    def conv2d(op_type, x, w, stride, dtype, **more):
        attrs = {"strides": [1, stride, stride, 1], "padding": "SAME", "data_format": "NHWC", **more}
        image, filters = Place(x, dtype), Place(w, dtype)
        slopes = Place([x[0], -(-x[1] // stride), -(-x[2] // stride), w[-1]], dtype)
        inputs, out = {
            "Conv2D": ([image, filters], slopes),
            "Conv2DBackpropInput": ([x, filters, slopes], image),
            "Conv2DBackpropFilter": ([image, w, slopes], filters),
        }[op_type]
        return run(op_type, inputs, [out], **attrs)

    middle, cross = [64, 56, 56, 128], [3, 3, 128, 128]
    for dtype in ("bfloat16", "float32"):
        yield f"Conv2D 3x3 {dtype}", conv2d("Conv2D", middle, cross, 1, dtype)
        yield f"Conv2DBackpropInput 3x3 {dtype}", conv2d("Conv2DBackpropInput", middle, cross, 1, dtype)
        yield f"Conv2DBackpropFilter 3x3 {dtype}", conv2d("Conv2DBackpropFilter", middle, cross, 1, dtype)
    yield "Conv2D 3x3 tf32", conv2d("Conv2D", middle, cross, 1, "float32", precision="tf32")
    yield "Conv2D 3x3 stride 2", conv2d("Conv2D", middle, cross, 2, "float16")
    yield "Conv2DBackpropFilter 1x1 stride 2", conv2d("Conv2DBackpropFilter", middle, [1, 1, 128, 128], 2, "float16")
    yield "Conv2D one image", conv2d("Conv2D", [1, 14, 14, 256], [3, 3, 256, 256], 1, "bfloat16")
    stem, sevens = [64, 224, 224, 3], [7, 7, 3, 64]
    yield "Conv2D stem", conv2d("Conv2D", stem, sevens, 2, "bfloat16")
    yield "Conv2DBackpropFilter stem", conv2d("Conv2DBackpropFilter", stem, sevens, 2, "float32")
    yield "Conv2D 16 to 32", conv2d("Conv2D", [64, 28, 28, 16], [5, 5, 16, 32], 1, "float32")
    yield "Conv2D 17 to 19", conv2d("Conv2D", [3, 35, 35, 17], [3, 3, 17, 19], 1, "float32")
    volume, cube = Place([8, 16, 56, 56, 64], "bfloat16"), Place([3, 3, 3, 64, 128], "bfloat16")
    attrs = {"strides": [1] * 5, "padding": "SAME", "data_format": "NDHWC"}
    yield "Conv3D", run("Conv3D", [volume, cube], [Place([8, 16, 56, 56, 128], "bfloat16")], **attrs)
    wide, own = Place([64, 56, 56, 144], "bfloat16"), Place([3, 3, 144, 1], "bfloat16")
    attrs = {"strides": [1] * 4, "padding": "SAME", "data_format": "NHWC"}
    depthwise = "DepthwiseConv2dNative"
    yield depthwise, run(depthwise, [wide, own], [wide], **attrs)
    yield f"{depthwise}BackpropInput", run(f"{depthwise}BackpropInput", [wide.shape, own, wide], [wide], **attrs)
    yield f"{depthwise}BackpropFilter", run(f"{depthwise}BackpropFilter", [wide, own.shape, wide], [own], **attrs)
