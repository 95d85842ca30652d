"""Reductions over rows, over columns wide and narrow, in the middle, and over everything."""

from tests.kernels.launches.places import Place, run


def launches():
    for op_type in ("Sum", "Mean", "Max", "Min", "Prod"):
        yield f"{op_type} rows", run(op_type, [Place([4096, 1024]), [1]], [Place([4096])], keep_dims=False)
    for dtype in ("bfloat16", "int64"):
        x, y = Place([4096, 1000], dtype), Place([4096], dtype)
        yield f"Sum rows {dtype}", run("Sum", [x, [1]], [y], keep_dims=False)
    yield "Max columns", run("Max", [Place([4096, 1000]), [0]], [Place([1000])], keep_dims=False)
    yield "Sum columns", run("Sum", [Place([8192, 8192]), [0]], [Place([8192])], keep_dims=False)
    yield "Sum narrow columns", run("Sum", [Place([1 << 20, 12]), [0]], [Place([12])], keep_dims=False)
    yield "Sum of images' pixels", run("Sum", [Place([64, 7, 7, 2048]), [1, 2]], [Place([64, 2048])], keep_dims=False)
    yield "Sum of an odd number", run("Sum", [Place([(1 << 26) - 1]), [0]], [Place([])], keep_dims=False)
    yield "Any all", run("Any", [Place([1 << 24], "int1"), [0]], [Place([], "int1")], keep_dims=False)
    yield "L2Loss", run("L2Loss", [Place([1 << 24], "bfloat16")], [Place([], "bfloat16")])
