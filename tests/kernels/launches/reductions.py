"""Reductions over rows, over columns wide and narrow, in the middle, over everything; and chains that they end."""

from refflow_kernels.gpu.reduced_chains import Ending, ReducedChain
from tests.kernels.launches.places import Place, run

SQUARES = ["s0 = (x0 - x1)", "s1 = (s0 * s0)"]
SCALED = ["s0 = (x0 - x1)", "s1 = (s0 * x2)", "s2 = (s1 * x3)"]


def chain(kinds, lines, results, endings, shape, axes, columns, dtype="float32"):
    """A launch of a chain that is reduced."""
    kernel = ReducedChain(kinds, lines, results, endings, shape, axes, columns)
    size = 1
    for d in shape:
        size *= d
    sizes = {"straight": [size // columns, columns], "row": [columns], "column": [size // columns, 1], "single": []}
    kept = [d for axis, d in enumerate(shape) if axis not in axes]
    outs = [Place(shape, dtype)] * len(results) + [Place(kept, dtype)] * len(endings)
    scratch = None if kernel.workspace is None else Place(*kernel.workspace)
    return lambda: kernel([Place(sizes[k], dtype) for k in kinds], outs, scratch)


def twins():
    """Chains that are reduced, and plain reductions of what they would have written: with the same tree."""
    pair, norm = ["straight", "straight"], ["straight", "row", "column", "straight"]
    for name, kinds, lines, shape, axes in [
        ("all", pair, SQUARES, (8192, 1024), [0, 1]), ("rows", norm, SCALED, (8192, 1024), [1]),
        ("columns", norm, SCALED, (100_000, 64), [0]),
    ]:  # fmt: skip
        ending = Ending(f"s{len(lines) - 1}", "sum")
        yield f"twin: {name}", chain(kinds, lines, [], [ending], shape, axes, shape[1])
        kept = [d for axis, d in enumerate(shape) if axis not in axes]
        yield f"twin: {name}, plain", run("Sum", [Place(shape), axes], [Place(kept)], keep_dims=False)


def chains():
    pair = ["straight", "straight"]
    mean, total = [Ending("s1", "sum", True)], [Ending("s2", "sum")]
    yield "loss", chain(pair, SQUARES, [], mean, (8192, 8192), [0, 1], 8192)
    yield "loss bfloat16", chain(pair, SQUARES, [], mean, (8192, 8192), [0, 1], 8192, "bfloat16")
    yield "loss of rows", chain(pair, SQUARES, [], mean, (8192, 1000), [1], 1000)
    yield "loss of an odd number", chain(pair, SQUARES, [], mean, ((1 << 24) - 1,), [0], (1 << 24) - 1)
    yield "loss beside its slope", chain(pair, SQUARES, ["s0"], mean, (8192, 1024), [0, 1], 1024)
    norm = ["straight", "row", "column", "straight"]
    both = [Ending("s1", "sum"), Ending("s2", "sum")]
    yield "two sums of rows", chain(norm, SCALED, [], both, (8192, 1024), [1], 1024)
    yield "two sums of columns", chain(norm, SCALED, [], both, (100_000, 64), [0], 64)
    yield "sum of wide columns", chain(norm, SCALED, [], total, (8192, 8192), [0], 8192)
    yield "sum of narrow columns", chain(norm, SCALED, [], total, (1 << 20, 12), [0], 12)
    yield "sum of 2^32", chain(norm, SCALED, [], total, (1 << 16, 1 << 16), [0, 1], 1 << 16)
    yield "sum of all by rows", chain(norm, SCALED, [], total, (8192, 1024), [0, 1], 1024)


def launches():
    for name, launch in chains():
        yield f"chain: {name}", launch
    yield from twins()
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
    huge = Place([1 << 16, 1 << 16])
    yield "Sum of 2^32 by rows", run("Sum", [huge, [1]], [Place([1 << 16])], keep_dims=False)
    yield "Sum of 2^32 by columns", run("Sum", [huge, [0]], [Place([1 << 16])], keep_dims=False)
    yield "BiasAddGrad", run("BiasAddGrad", [Place([100_000, 64])], [Place([64])], data_format="NHWC")
    yield "Sum of few long rows", run("Sum", [Place([16, 1 << 22]), [1]], [Place([16])], keep_dims=False)
    yield "Sum of many short rows", run("Sum", [Place([1 << 20, 10]), [1]], [Place([1 << 20])], keep_dims=False)
