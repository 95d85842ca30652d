"""Running sums, places of the largest, and transposed axes."""

from tests.kernels.launches.places import Place, run


def launches():
    flags = {"exclusive": False, "reverse": False}
    for shape, axis in (((4096, 1024), 1), ((4096, 1024), 0), ((1 << 26,), 0)):
        x = Place(shape)
        yield f"Cumsum {list(shape)} along {axis}", run("Cumsum", [x, axis], [x], **flags)
    x = Place([4096, 1000], "bfloat16")
    yield "Cumsum reverse exclusive", run("Cumsum", [x, 1], [x], exclusive=True, reverse=True)
    yield "Cumprod rows", run("Cumprod", [Place([4096, 1024]), 1], [Place([4096, 1024])], **flags)
    yield "ArgMax rows", run("ArgMax", [Place([4096, 1000]), 1], [Place([4096], "int64")])
    yield "ArgMin columns", run("ArgMin", [Place([8192, 8192]), 0], [Place([8192], "int64")])
    for shape, perm, dtype in (
        ((8192, 8192), (1, 0), "float32"), ((4096, 1000), (1, 0), "bfloat16"),
        ((64, 512, 8, 64), (0, 2, 1, 3), "float32"), ((64, 56, 56, 256), (0, 3, 1, 2), "float32"),
        ((64, 3, 224, 224), (0, 2, 3, 1), "float32"),
    ):  # fmt: skip
        out = Place([shape[p] for p in perm], dtype)
        yield f"Transpose {list(shape)} {dtype}", run("Transpose", [Place(shape, dtype), perm], [out])
