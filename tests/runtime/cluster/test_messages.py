"""Messages come back as they went, and damaged ones are an error, nothing else."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.dtypes import _TABLE, DType
from refflow.core.graphdef import FunctionCall, GraphDef, NodeDef
from refflow.core.handles import handle_to
from refflow.core.shapes import TensorShape
from refflow.runtime.cluster.messages import decode, encode

VALUES = [
    None, True, False, 0, -1, 2**63 - 1, 2**64 - 1, 1.5, float("inf"), "", "Grüße", b"\x00\xff",
    [], [1, [2, "3"]], (1, (2,)),
    {}, {"a": 1, "b": [None]}, TensorShape(None), TensorShape([]), TensorShape([None, 3]), DType(1), tf.float32.as_ref,
    NodeDef("n", "Add", ["a", "b:1", "^c"], "/cpu:0", {"T": tf.int32, "s": TensorShape([2])}),
    FunctionCall("f", {"T": tf.float32}), GraphDef([NodeDef("a", "NoOp")], producer=9),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:30])
def test_a_value_comes_back_as_it_went(value):
    found = decode(encode(value))
    assert type(found) is type(value)
    if isinstance(value, TensorShape):
        assert (found.ndims, str(found)) == (value.ndims, str(value))
    elif not isinstance(value, NodeDef):
        assert found == value
    else:
        assert (found.name, found.input, found.device) == (value.name, value.input, value.device)
        assert found.attr["T"] is tf.int32 and found.attr["s"].as_list() == [2]


@pytest.mark.parametrize("name", [n for n, row in _TABLE.items() if row[1] is not np.object_])
def test_arrays_keep_their_type_shape_and_bits(name, rng):  # [W26]
    dtype = np.dtype(_TABLE[name][1])
    for shape in [(), (3,), (2, 0, 4), (2, 3)]:
        array = np.frombuffer(rng.bytes(dtype.itemsize * int(np.prod(shape))), np.uint8)
        array = (array & 1).view(dtype).reshape(shape) if name == "bool" else array.view(dtype).reshape(shape)
        found = decode(encode(array))
        assert found.dtype == dtype and found.shape == shape and found.tobytes() == array.tobytes()
        assert found.flags.writeable


def test_strings_may_hold_any_bytes():
    array = np.array([[b"", b"\x00a\x00"], ["é".encode(), b"x" * 1000]], object)
    found = decode(encode(array))
    assert found.shape == (2, 2) and found.tolist() == array.tolist()


def test_a_handle_cannot_leave_its_process():
    with pytest.raises(tf.errors.InvalidArgumentError, match="state stays on its device"):
        encode(handle_to(object()))
    with pytest.raises(tf.errors.InvalidArgumentError, match="a function cannot leave"):
        encode([lambda: 1])


def test_damaged_bytes_are_data_loss_and_nothing_else(rng):
    whole = encode({"nodes": VALUES[-3], "arrays": [np.arange(6.0).reshape(2, 3), np.array([b"a"], object)], "n": 7})
    for cut in range(len(whole)):
        with pytest.raises(tf.errors.DataLossError):
            decode(whole[:cut])
    for _ in range(2000):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        try:
            decode(bytes(damaged))
        except tf.errors.DataLossError:
            continue
