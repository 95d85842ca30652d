"""Softmax, its logarithm and losses: on short rows, on rows that fit the registers, on long ones; labellings."""

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
    flags = {"preprocess_collapse_repeated": False, "ctc_merge_repeated": True}
    for time, c, longest in ((1000, 29, 200), (150, 5000, 30)):
        x, labels = Place([time, 64, c]), Place([64 * longest], "int32")
        yield f"CTCLoss {time} of {c}", run(
            "CTCLoss", [x, Place([64 * longest, 2], "int64"), labels, Place([64], "int32")], [Place([64]), x],
            ignore_longer_outputs_than_inputs=False, **flags,
        )  # fmt: skip
