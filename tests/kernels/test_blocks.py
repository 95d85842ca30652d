"""Chains of elementwise steps in blocks give the bits of the same steps done as a whole."""

import numpy as np
import pytest

from refflow_kernels.cpu import threads
from refflow_kernels.cpu.blocks import Blocks
from refflow_kernels.cpu.updates import in_blocks

X, R, C, ONE = ("in", 0), ("in", 1), ("in", 2), ("in", 3)
STEPS = [
    ("add", X, R), ("maximum", ("step", 0), 0), ("multiply", ("step", 1), C), ("greater", X, 0),
    ("where", ("step", 3), ("step", 2), 0), ("subtract", ("step", 4), ONE), ("where", ("step", 3), X, ("step", 5)),
    ("divide", 1, ("step", 6)),
]  # fmt: skip


def as_a_whole(x, r, c, one):
    chosen = np.where(x > 0, np.maximum(x + r, 0) * c, 0)
    second = np.where(x > 0, x, chosen - one)
    return chosen, 1 / second


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (700, 33), (5, 40_000), (3000, 300), (9000, 20), (2, 0)])
@pytest.mark.parametrize(("count", "own"), [(1, ()), (3, ()), (1, (0, 1)), (3, (1,))])
def test_rows_columns_and_numbers(rows, columns, dtype, count, own, rng):
    inputs = [rng.normal(size=s).astype(dtype) for s in [(rows, columns), (columns,), (rows, 1), (1, 1)]]
    inputs[0].reshape(-1)[: rows * columns // 7] = np.inf
    blocks = Blocks(STEPS, ["whole", "row", "column", "one"], [4, 7], rows, columns, dtype, own=own)
    outs = [np.full((rows, columns), 7, dtype) for _ in range(2)]
    before = threads.use(count)
    try:
        with np.errstate(all="ignore"):
            blocks(inputs, outs)
            wanted = as_a_whole(*inputs)
    finally:
        threads.use(before)
    for out, want in zip(outs, wanted, strict=True):
        assert out.dtype == dtype and out.tobytes() == want.tobytes()


def test_without_rows_and_columns_elements_are_cut(rng):
    x, y = rng.normal(size=(2, 100_003)).astype(np.float32)
    blocks = Blocks([("add", X, R), ("multiply", ("step", 0), ("step", 0))], ["whole", "whole"], [1], 100_003, 1, "f4")
    out = np.empty(100_003, np.float32)
    blocks([x, y], [out])
    np.testing.assert_array_equal(out, (x + y) * (x + y))


def test_operands_may_lie_anyhow(rng):
    x = rng.normal(size=(40, 30)).astype(np.float32)
    blocks = Blocks([("add", X, R)], ["whole", "row"], [0], 30, 40, "f4")
    out = np.empty((30, 40), np.float32)
    blocks([x.T, x[:, 3]], [out])
    np.testing.assert_array_equal(out, x.T + x[:, 3])


@pytest.mark.parametrize("form", [(4, 3, 5), (60,), (1, 60), (3, 0, 2), (), (1,), (8, 64, 64), (40_000, 1)])
def test_a_block_may_keep_its_form(form, rng):
    steps = [("add", X, R), ("maximum", ("step", 0), 0), ("multiply", ("step", 1), 0.3), ("greater", R, 0.1),
             ("where", ("step", 3), ("step", 2), 0), ("subtract", ("step", 4), ("in", 2))]  # fmt: skip
    x, y = (np.array(v) for v in rng.normal(size=(2, *form)).astype(np.float32))
    chain = Blocks(steps, ["whole", "whole", "one"], [5], x.size, 1, np.float32, form=form)
    out, flat = np.empty(form, np.float32), np.empty(x.size, np.float32)
    wanted = np.where(y > 0.1, np.maximum(x + y, 0) * np.float32(0.3), 0) - np.float32(0.7)
    chain([x, y, np.float32(0.7)], [out])
    chain([x.reshape(-1), y, np.full((1, 1), 0.7, np.float32)], [flat])
    assert out.tobytes() == flat.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [0, 7, 5000, 70_001])
def test_signs_have_numpy_s_bits(dtype, size, rng):
    limits = np.finfo(dtype)
    rare = [0, -0.0, np.nan, -np.nan, np.inf, -np.inf, limits.smallest_subnormal, -limits.smallest_subnormal,
            limits.tiny, -limits.tiny, limits.max, limits.min]  # fmt: skip
    x = np.where(rng.random(size) < 0.5, rng.normal(size=size), rng.choice(rare, size)).astype(dtype)
    wanted = np.sign(x)
    with np.errstate(all="ignore"):
        Blocks([("sign", X)], ["whole"], [0], size, 1, dtype)([x], [x])
    assert x.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("place", [0, 1])
def test_a_result_may_lie_where_the_last_step_reads(place, rng):
    inputs = [rng.normal(size=(40, 300)).astype(np.float32) for _ in range(2)]
    wanted = np.where(inputs[0] > 0, inputs[1], 0)
    slope = [("greater", X, 0), ("where", ("step", 0), R, 0)]
    Blocks(slope, ["whole", "whole"], [1], 40, 300, "f4")(inputs, [inputs[place]])
    assert inputs[place].tobytes() == wanted.tobytes()


def test_an_update_in_blocks_gives_the_bits_of_the_whole(rng):
    def rule(var, slot, rate, grad):
        slot = slot * 0.5 + grad * grad
        return var - rate * grad / np.sqrt(slot), slot

    for shape in [(3,), (70, 1000), (600, 1000)]:
        var, grad = rng.normal(size=(2, *shape)).astype(np.float32)
        slot, rate = np.abs(grad) + 1, np.float32(0.1)
        wanted = rule(var, slot, rate, grad)
        in_blocks(rule, 2, var, slot, rate, grad)
        assert var.tobytes() == wanted[0].tobytes() and slot.tobytes() == wanted[1].tobytes()


@pytest.mark.parametrize("size", [5, 100_000])
def test_what_is_spent_is_scratch_and_changes_no_result(size, rng):
    x, y = (rng.normal(size=size).astype(np.float32) for _ in range(2))
    steps = [("square", ("in", 0)), ("add", ("step", 0), ("in", 1)), ("multiply", ("step", 1), ("step", 0)),
             ("subtract", ("step", 2), ("in", 1))]  # fmt: skip
    wanted = (np.square(x) + y) * np.square(x) - y
    kept, out = y.copy(), np.empty(size, np.float32)
    chain = Blocks(steps, ["whole", "whole"], [3], size, 1, np.float32, spent=[0])
    chain([x, y], [out])
    assert out.tobytes() == wanted.tobytes() and y.tobytes() == kept.tobytes()
    assert "square(xi0, xi0)" in chain.source


@pytest.mark.parametrize("size", [5, 100_003])
def test_where_a_result_lies_is_scratch_from_the_last_reading_on(size, rng):
    steps = [("add", X, R), ("multiply", ("step", 0), R), ("subtract", ("step", 1), ("step", 0))]
    chain = Blocks(steps, ["whole", "whole"], [2], size, 1, np.float32, held={0: 0})
    assert "add(xi0, xi1, xi0)" in chain.source
    x, y = rng.normal(size=(2, size)).astype(np.float32)
    wanted = (x + y) * y - (x + y)
    chain([x, y], [x])
    np.testing.assert_array_equal(x, wanted)
