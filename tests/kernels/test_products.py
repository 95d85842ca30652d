"""What is special to matrix products on a card: boxes, pieces, and batches."""

import numpy as np
import pytest

from refflow_kernels.gpu import batch_matmul, matmul, matmul_boxes
from refflow_kernels.interpreter import Memory
from tests.kernels.samples import assert_within, reference
from tests.kernels.samples.bounds import gamma, normal
from tests.kernels.test_interpreted import launch


@pytest.fixture
def few_processors(monkeypatch):
    """Three of them, and small tiles, so that each takes several tiles of a small product."""
    monkeypatch.setattr(matmul_boxes, "PROCESSORS", 3)
    monkeypatch.setattr(matmul_boxes, "_tiles_for", lambda bits: matmul_boxes._Tiles(16, 32, 16, 4, 2))


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_boxes_give_the_product_and_stay_inside(turned, dtype, rng, few_processors):  # [S16, W51]
    M, N, K = 40, 72, 56
    a = normal(rng, (K, M) if turned[0] else (M, K), dtype)
    b = normal(rng, (N, K) if turned[1] else (K, N), dtype)
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    wanted = reference("MatMul", (a, b), attrs)
    size = reference("MatMul", (np.abs(a).astype(np.float64), np.abs(b).astype(np.float64)), attrs)[0]
    memory = [Memory.of(a), Memory.of(b), Memory.empty((M, N), dtype)]
    assert matmul_boxes.matmul(*memory, (M, N, K), turned, "tf32x3")
    assert all(m.guard_is_whole() for m in memory)
    assert_within([memory[2].array], wanted, (gamma(K + 2, dtype) * size,), dtype)


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_odd_rows_of_a_large_product_are_copied_to_where_boxes_can_begin(
    turned, dtype, rng, few_processors, monkeypatch
):
    monkeypatch.setattr(matmul_boxes, "_LARGE", 1)
    M, N, K = 41, 67, 53
    a = normal(rng, (K, M) if turned[0] else (M, K), dtype)
    b = normal(rng, (N, K) if turned[1] else (K, N), dtype)
    attrs = {"transpose_a": turned[0], "transpose_b": turned[1]}
    wanted = reference("MatMul", (a, b), attrs)
    size = reference("MatMul", (np.abs(a).astype(np.float64), np.abs(b).astype(np.float64)), attrs)[0]
    (room,), _ = matmul.matmul_workspace((a, b), **attrs)
    assert room == sum(len(x) * -(-x.shape[1] // 8) * 8 for x in (a, b, wanted[0]))
    assert_within(launch("MatMul", (a, b), attrs, wanted), wanted, (gamma(K + 2, dtype) * size,), dtype)


@pytest.mark.parametrize("sizes", [(40, 72, 55), (40, 71, 56), (8, 8, 16)])
def test_rows_off_16_bytes_and_few_tiles_are_not_for_boxes(sizes, few_processors):
    M, N, K = sizes
    memory = [Memory.empty(s, np.float32) for s in ((M, K), (K, N), (M, N))]
    assert not matmul_boxes.matmul(*memory, sizes, (False, False), "tf32x3")


def test_a_batch_s_axes_are_merged_where_both_operands_go_on_alike():
    assert batch_matmul.batch_axes([4, 2, 3], [4, 2, 3]) == ([(24, 1, 1)], (4, 2, 3))
    assert batch_matmul.batch_axes([4, 2, 3], [2, 3]) == ([(4, 6, 0), (6, 1, 1)], (4, 2, 3))
    assert batch_matmul.batch_axes([4, 2], [1, 1]) == ([(8, 1, 0)], (4, 2))
    with pytest.raises(ValueError, match=r"x has batches \[2\], and y \[3\]: these do not broadcast"):
        batch_matmul.batch_axes([2], [3])


def test_a_batch_of_deep_products_is_cut_and_added_in_order(rng):
    x, y = rng.normal(size=(2, 20, 1100)).astype(np.float32), rng.normal(size=(2, 1100, 10)).astype(np.float32)
    attrs = {"adj_x": False, "adj_y": False}
    shape, _ = batch_matmul.batch_matmul_workspace((x, y), **attrs)
    assert shape == (3, 1, 2, 20, 10)
    wanted = reference("BatchMatMul", (x, y), attrs)
    first = launch("BatchMatMul", (x, y), attrs, wanted)
    assert_within(first, wanted, (gamma(1102, "float32") * (np.abs(x) @ np.abs(y)),), "float32")
    assert first[0].tobytes() == launch("BatchMatMul", (x, y), attrs, wanted)[0].tobytes()


def test_a_deep_product_of_odd_rows_is_cut_and_not_copied():
    a, b = (np.broadcast_to(np.float32(0), shape) for shape in ((63, 1 << 22), (1 << 22, 63)))
    shape, _ = matmul.matmul_workspace((a, b))
    assert shape[0] > 200 and shape[1:] == (1, 1, 63, 63)
