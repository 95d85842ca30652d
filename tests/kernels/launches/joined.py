"""Products and convolutions with chains as epilogues: bias and Relu, residuals, slopes, casts; by each road."""

from refflow.core.formula import triton_line
from refflow_kernels.gpu import KERNELS, epilogues
from tests.kernels.launches.places import Place

RELU = ([("add", ("in", 0), ("in", 1)), ("maximum", ("step", 0), 0)], ["product", "row"])
RESIDUAL = ([("add", ("in", 0), ("in", 1)), ("add", ("step", 0), ("in", 2)), ("maximum", ("step", 1), 0)],
            ["product", "row", "whole"])  # fmt: skip
SLOPE = ([("greater", ("in", 0), 0), ("where", ("step", 0), ("in", 1), 0)], ["whole", "product"])
TANH = ([("add", ("in", 0), ("in", 1)), ("tanh", ("step", 0))], ["product", "row"])


def launches():
    def joined(op_type, inputs, out, chain, dtype, written="", **attrs):
        steps, kinds = chain
        lines = [triton_line(number, step) for number, step in enumerate(steps)]
        text = epilogues.source(kinds, lines, [f"s{len(steps) - 1}"], dtype)
        memory = tuple(Place([out[-1]] if k == "row" else out, dtype) for k in kinds if k != "product")
        epilogue = epilogues.Epilogue(epilogues.function_of(text), memory)
        kernel = KERNELS[op_type]
        need = kernel.workspace(inputs, **attrs)
        more = {"workspace": Place(*need)} if need else {}
        return lambda: kernel.function(*inputs, **attrs, **more, out=Place(out, written or dtype), epilogue=epilogue)

    def product(M, N, K, dtype, chain, written=""):
        inputs = [Place([M, K], dtype), Place([K, N], dtype)]
        return joined("MatMul", inputs, [M, N], chain, dtype, written, transpose_a=False, transpose_b=False)

    def conv2d(op_type, x, w, dtype, chain, written="", stride=1):
        attrs = {"strides": [1, stride, stride, 1], "padding": "SAME", "data_format": "NHWC"}
        y = [x[0], -(-x[1] // stride), -(-x[2] // stride), w[-1]]
        inputs = [Place(x, dtype), Place(w, dtype)] if op_type == "Conv2D" else [x, Place(w, dtype), Place(y, dtype)]
        return joined(op_type, inputs, y if op_type == "Conv2D" else x, chain, dtype, written, **attrs)

    yield "MatMul 128x784x512 relu", product(128, 512, 784, "float32", RELU)
    yield "MatMul 128x512x10 relu", product(128, 10, 512, "float32", RELU)
    yield "MatMul 2048x2048x1000 residual", product(2048, 1000, 2048, "bfloat16", RESIDUAL)
    yield "MatMul 16384x2048x1000 residual", product(16384, 1000, 2048, "bfloat16", RESIDUAL)
    yield "MatMul 16x4096x4096 relu", product(16, 4096, 4096, "bfloat16", RELU)
    for dtype in ("bfloat16", "float32"):
        yield f"MatMul 8192 {dtype} residual", product(8192, 8192, 8192, dtype, RESIDUAL)
        yield f"MatMul 1024 {dtype} tanh", product(1024, 1024, 1024, dtype, TANH)
    yield "MatMul 8192 float32 slope", product(8192, 8192, 8192, "float32", SLOPE)
    yield "MatMul 8192 residual, as float32", product(8192, 8192, 8192, "bfloat16", RESIDUAL, "float32")
    middle, cross = [64, 56, 56, 128], [3, 3, 128, 128]
    for dtype in ("bfloat16", "float32"):
        yield f"Conv2D 3x3 {dtype} residual", conv2d("Conv2D", middle, cross, dtype, RESIDUAL)
        yield f"Conv2DBackpropInput 3x3 {dtype} slope", conv2d("Conv2DBackpropInput", middle, cross, dtype, SLOPE)
    yield "Conv2D 3x3 residual, as float32", conv2d("Conv2D", middle, cross, "bfloat16", RESIDUAL, "float32")
    yield "Conv2D one image relu", conv2d("Conv2D", [1, 14, 14, 256], [3, 3, 256, 256], "bfloat16", RELU)
    yield "Conv2D stem relu", conv2d("Conv2D", [64, 224, 224, 3], [7, 7, 3, 64], "bfloat16", RELU, stride=2)
