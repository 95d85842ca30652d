"""Checkpoints on disk: what is written is read back, damage is told, and nobody who dies leaves half of one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import refflow as tf
from refflow.core.dtypes import ALL
from refflow.files.bundle import Bundle, Tensor, data_path, merge_bundles, write_bundle
from refflow.files.checkpoint_v1 import TableCheckpoint, write_table_checkpoint
from refflow.files.crc32c import crc32c, masked, unmasked
from refflow.files.slices import Slice, parse_shape_and_slice
from refflow.files.table import Table, uncompress, write_table

STRINGS = np.array([b"", b"x", b"long" * 100], object)
ARRAYS = {
    "scalar": np.float32(1.5).reshape(()),
    "matrix": np.arange(6, dtype=np.float64).reshape(2, 3),
    "ints/of/a/scope": np.arange(-3, 3, dtype=np.int8),
    "nothing": np.zeros((0, 4), np.int64),
    "truth": np.array([True, False]),
    "complex": np.array([1 + 2j], np.complex64),
    "text": STRINGS,
}


def save(prefix, arrays):
    write_bundle(str(prefix), [Tensor(k, v, tf.as_dtype(v.dtype)) for k, v in arrays.items()])


def test_the_sum_is_castagnoli_s():  # RFC 3720, B.4
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA and crc32c(b"\xff" * 32) == 0x62A8AB43
    assert unmasked(masked(0xE3069283)) == 0xE3069283


@pytest.mark.parametrize("size", [0, 1, 39, 40, 41, 511, 512, 513, 1063, 2047, 2048, 2049, 5000, 65536, 70001])
def test_the_sum_of_many_rows_is_that_of_one_byte_after_the_other(size, rng):
    data = rng.bytes(size)
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    assert crc32c(data) == state ^ 0xFFFFFFFF


def test_a_table_finds_every_key():
    rows = [(b"k%05d" % i, b"v" * (i % 300)) for i in range(3000)]
    table = Table(write_table(rows), "t")
    assert table.items() == rows
    assert table.get(b"k00299") == b"v" * 299 and table.get(b"k") is None and table.get(b"z") is None


def test_compressed_blocks_are_read():  # Snappy's format description, 2.1 and 2.2
    assert uncompress(bytes([9, 8]) + b"abc" + bytes([0b00001001, 3])) == b"abcabcabc"
    assert uncompress(bytes([6, 0]) + b"a" + bytes([(5 - 1) << 2 | 2, 1, 0])) == b"aaaaaa"
    with pytest.raises(ValueError, match="before the beginning"):
        uncompress(bytes([4, 1, 9]))


@pytest.mark.parametrize("name", ARRAYS)
def test_a_tensor_comes_back(tmp_path, name):
    save(tmp_path / "m", ARRAYS)
    found = Bundle(str(tmp_path / "m")).read(name)
    assert found.dtype == ARRAYS[name].dtype
    np.testing.assert_array_equal(found, ARRAYS[name])


def test_parts_make_a_whole_and_a_missing_part_is_told(tmp_path):
    whole = np.arange(20, dtype=np.float32).reshape(4, 5)
    shape, top = parse_shape_and_slice("4 5 0,3:-")
    prefix = str(tmp_path / "m")
    write_bundle(prefix, [Tensor("w", whole[:3], tf.float32, shape, top)])
    saved = Bundle(prefix)
    np.testing.assert_array_equal(saved.read("w", Slice(((1, 2), (2, 3)))), whole[1:3, 2:])
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not hold all of tensor 'w'"):
        saved.read("w")
    write_bundle(prefix, [Tensor("w", whole[:3], tf.float32, shape, top),
                          Tensor("w", whole[3:], tf.float32, shape, Slice(((3, 1), (0, None))))])  # fmt: skip
    np.testing.assert_array_equal(Bundle(prefix).read("w"), whole)


def test_a_part_is_named_in_words_that_fit():
    with pytest.raises(tf.errors.InvalidArgumentError, match="names no part of a tensor"):
        parse_shape_and_slice("4 5 3,1")
    with pytest.raises(tf.errors.InternalError, match="Extent in dimension 0 out of bounds: shape = "):
        parse_shape_and_slice("4 5 3,2:-")
    with pytest.raises(tf.errors.InvalidArgumentError, match="Need least two elements"):
        parse_shape_and_slice("4")


TYPES = [t for t in ALL if t.kind in "fiucbs" and t is not tf.bfloat16]


def test_the_first_releases_format_comes_back_as_it_went(tmp_path, rng):
    path = str(tmp_path / "old")
    whole = rng.normal(size=(4, 5)).astype(np.float32)
    parts = [Slice(((0, 3), (0, None))), Slice(((3, 1), (0, None)))]
    rows = [Tensor(f"w{i}", _some(t, rng), t) for i, t in enumerate(TYPES)]
    rows += [Tensor("cut", whole[p.places(whole.shape)], tf.float32, whole.shape, p) for p in parts]
    rows += [Tensor("one", np.array(-7, np.int64), tf.int64), Tensor("none", np.zeros((0, 2)), tf.float64)]
    write_table_checkpoint(path, rows)
    saved = TableCheckpoint(path)
    for row in rows:
        if row.part is None:
            found = saved.read(row.name)
            assert found.dtype == row.array.dtype
            np.testing.assert_array_equal(found, row.array)
    np.testing.assert_array_equal(saved.read("cut"), whole)
    np.testing.assert_array_equal(saved.read("cut", Slice(((2, 2), (1, 2)))), whole[2:, 1:3])


def _some(dtype, rng):
    if dtype is tf.string:
        return np.array([b"", b"a\0b", b"\xff" * 300], object)
    numbers = rng.uniform(0, 100, (2, 3)) * (1j if dtype.kind == "c" else 1)
    limits = [] if dtype.kind in "fcb" else [[dtype.min, dtype.max, 0]]
    return np.array([*numbers.astype(dtype.as_numpy_dtype), *limits], dtype.as_numpy_dtype)


@pytest.mark.parametrize("which", ["data", "index"])
def test_a_flipped_bit_is_data_loss_that_names_file_and_tensor(tmp_path, which, rng):
    prefix = str(tmp_path / "m")
    save(prefix, {"w": rng.normal(size=(20, 20)), "text": STRINGS})
    path = data_path(prefix, 0, 1) if which == "data" else prefix + ".index"
    good = Path(path).read_bytes()
    for place in rng.choice(len(good) - (0 if which == "data" else 48), 60, replace=False):
        bad = bytearray(good)
        bad[place] ^= 1 << rng.integers(8)
        with open(path, "wb") as file:
            file.write(bad)
        with pytest.raises(tf.errors.DataLossError) as caught:
            bundle = Bundle(prefix)
            for name in bundle.tensors():
                bundle.read(name)
        assert path in str(caught.value) and (which == "index" or "tensor '" in str(caught.value))


def test_a_cut_file_is_data_loss(tmp_path):
    prefix = str(tmp_path / "m")
    save(prefix, ARRAYS)
    for path in (data_path(prefix, 0, 1), prefix + ".index"):
        good = Path(path).read_bytes()
        with open(path, "wb") as file:
            file.write(good[: len(good) // 2])
        with pytest.raises(tf.errors.DataLossError):
            for name in ARRAYS:
                Bundle(prefix).read(name)
        with open(path, "wb") as file:
            file.write(good)


def test_several_become_one(tmp_path):
    a, b, whole = (str(tmp_path / n) for n in ("a", "b", "whole"))
    save(a, {"x": np.ones(3)})
    save(b, {"y": np.zeros(2)})
    merge_bundles([a, b], whole)
    found = Bundle(whole)
    assert found.read("x").tolist() == [1, 1, 1] and found.read("y").tolist() == [0, 0]
    assert sorted(os.listdir(tmp_path)) == ["whole.data-00000-of-00002", "whole.data-00001-of-00002", "whole.index"]


WRITER = """
import sys, itertools, numpy as np
from refflow.core.dtypes import float64
from refflow.files.bundle import Tensor, write_bundle
print("begun", flush=True)
for i in itertools.count():
    write_bundle(sys.argv[1], [Tensor("n", np.full(20000, i, float), float64), Tensor("m", np.full(10, i,
    float), float64)])
"""


def test_whoever_is_killed_leaves_the_old_checkpoint_or_the_new_one(tmp_path, rng):
    prefix = str(tmp_path / "m")
    save(prefix, {"n": np.full(20000, -1.0), "m": np.full(10, -1.0)})
    for _ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, prefix], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        bundle = Bundle(prefix)
        n, m = bundle.read("n"), bundle.read("m")
        assert (n == n[0]).all() and (m == n[0]).all()
