"""Reductions over rows, over columns, and over everything."""

from tests.kernels.launches.places import Place, run


def launches():
    for op_type in ("Sum", "Mean", "Max", "Min", "Prod"):
        yield f"{op_type} rows", run(op_type, [Place([4096, 1024]), [1]], [Place([4096])], keep_dims=False)
    yield "Sum columns", run("Sum", [Place([4096, 1024]), [0]], [Place([1024])], keep_dims=False)
    yield "Sum all", run("Sum", [Place([1 << 24]), [0]], [Place([])], keep_dims=False)
