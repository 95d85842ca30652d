"""Rows with one id become one, whether ids come once or often, in order or not; and which values there are."""

import numpy as np
import pytest

from refflow.core.dtypes import int32
from refflow.ops.unique import unique_kernel
from refflow_kernels.cpu import segments

IDS = {
    "none": np.zeros(0, np.int32),
    "one": np.array([3], np.int32),
    "each once, in order": np.arange(0, 40, 3),
    "each once, in no order": np.random.default_rng(1).permutation(40).astype(np.int32),
    "once and more": np.random.default_rng(2).integers(0, 40, 37),
    "many of one": np.repeat([7, 2], [90, 5]),
}


def one_by_one(combine, start, data, ids):
    found = start.astype(np.float64)
    for row, i in zip(data, ids, strict=True):
        found[i] = combine(found[i], row)
    return found


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
@pytest.mark.parametrize("columns", [(), (1,), (5,), (3, 4), (2000,)])
def test_segments_and_scatters_are_those_of_a_loop(ids, columns, rng):
    data = rng.normal(size=(len(ids), *columns)).astype(np.float32)
    ref = rng.normal(size=(40, *columns)).astype(np.float32)
    for found, wanted in (
        (segments.unsorted_segment_sum(data, ids, 40), one_by_one(np.add, 0 * ref, data, ids)),
        (segments.scatter_add(ref, ids, data), one_by_one(np.add, ref, data, ids)),
        (segments.scatter_sub(ref, ids, data), one_by_one(np.subtract, ref, data, ids)),
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_negative_id_leaves_its_row_out_and_one_number_goes_to_all_rows(rng):
    data, ids = rng.normal(size=(3, 4)).astype(np.float32), np.array([1, -1, 0])
    np.testing.assert_array_equal(segments.unsorted_segment_sum(data, ids, 2), data[[2, 0]])
    added = segments.scatter_add(np.zeros((3, 2), np.float32), np.array([2, 0]), np.float32(7))
    assert added.tolist() == [[7, 7], [0, 0], [7, 7]]


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int32"])
def test_few_values_are_told_apart_as_many_are(dtype, rng):
    x = rng.integers(0, 100, 2000).astype(dtype)
    for size in (0, 1, 50, 600, 601, 2000):
        values, places = unique_kernel(x[:size], int32)
        wanted = list(dict.fromkeys(x[:size].tolist()))
        assert values.dtype == dtype and values.tolist() == wanted
        assert places.dtype == np.int32 and values[places].tolist() == x[:size].tolist()
