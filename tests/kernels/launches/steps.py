"""What runs between a step's kernels: batches picked, results kept, the counter, indices looked at."""

from refflow_kernels.gpu.ranges import first_outside, programs
from refflow_kernels.gpu.repeats import advance, keep_row, pick_row
from tests.kernels.launches.places import Place


def launches():
    counter, batch = Place([2], "int64"), Place([128 * 784], "int32")
    yield "pick_row", lambda: pick_row(Place([100, 128 * 784], "int32"), counter, batch)
    yield "keep_row", lambda: keep_row(batch, counter, Place([32, 128 * 784], "int32"))
    yield "pick_row of bytes", lambda: pick_row(Place([100, 999], "uint8"), counter, Place([999], "uint8"))
    for rows in (1, 32):
        yield f"advance round {rows}", lambda rows=rows: advance(counter, rows)
    for size in (1000, 1 << 20):
        words = Place([2, programs(size)], "int64")
        yield f"first_outside of {size}", lambda size=size, w=words: first_outside(Place([size], "int32"), 0, (50,), w)
