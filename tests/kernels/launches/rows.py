"""Softmax and its loss, on short rows, on rows that fit the registers, and on long ones."""

from tests.kernels.launches.places import Place, run


def launches():
    for c in (16, 1024, 50000):
        x, loss = Place([4096, c]), Place([4096])
        yield f"Softmax {c}", run("Softmax", [x], [x])
        yield f"SoftmaxCrossEntropyWithLogits {c}", run("SoftmaxCrossEntropyWithLogits", [x, x], [loss, x])
