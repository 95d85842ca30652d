"""Softmax, its logarithm and its losses: on short rows, on rows that fit the registers, and on long ones."""

from tests.kernels.launches.places import Place, run


def launches():
    short = Place([1 << 18, 64])
    yield "Softmax 64 float32", run("Softmax", [short], [short])
    for c, dtype in ((1000, "float32"), (16384, "float32"), (12672, "bfloat16"), (50000, "float32")):
        x = Place([4096, c], dtype)
        yield f"Softmax {c} {dtype}", run("Softmax", [x], [x])
    x = Place([4096, 1000], "bfloat16")
    yield "LogSoftmax 1000 bfloat16", run("LogSoftmax", [x], [x])
    x = Place([64, 1 << 20])
    yield "LogSoftmax 64 rows of 2^20", run("LogSoftmax", [x], [x])
    for c, dtype in ((1000, "bfloat16"), (8192, "float32"), (50000, "float32")):
        x, loss = Place([4096, c], dtype), Place([4096], dtype)
        dense = "SoftmaxCrossEntropyWithLogits"
        yield f"{dense} {c} {dtype}", run(dense, [x, x], [loss, x])
    for c, dtype in ((1000, "float32"), (16384, "bfloat16"), (32000, "bfloat16")):
        x, loss, labels = Place([4096, c], dtype), Place([4096], dtype), Place([4096], "int64")
        sparse = "SparseSoftmaxCrossEntropyWithLogits"
        yield f"{sparse} {c} {dtype}", run(sparse, [x, labels], [loss, x])
