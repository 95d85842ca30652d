"""Matrix products: the deck's, a square one, and half precision."""

from tests.kernels.launches.places import Place, run


def launches():
    x, w, z = Place([10000, 784]), Place([784, 10]), Place([10000, 10])
    large, half = Place([1024, 1024]), Place([1024, 1024], "float16")
    plain, turned = {"transpose_a": False, "transpose_b": False}, {"transpose_a": True, "transpose_b": False}
    yield "MatMul 10000x784x10", run("MatMul", [x, w], [z], **plain)
    yield "MatMul 784x10000x10", run("MatMul", [x, z], [w], **turned)
    yield "MatMul 1024", run("MatMul", [large, large], [large], **plain)
    yield "MatMul 1024 float16", run("MatMul", [half, half], [half], **plain)
