"""Tensors that stay in a session under handles: made, read, fed, dropped."""

import numpy as np
import pytest

import refflow as tf
from refflow.core.registry import find_op_def

KEEP, READ, DROP = (find_op_def(n) for n in ("GetSessionHandle", "GetSessionTensor", "DeleteSessionTensor"))


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_kept_tensor_is_there_in_later_runs_until_it_is_dropped(executor):  # [W10]
    x = tf.placeholder(tf.float32)
    handle, hole = KEEP(x * 2.0), tf.placeholder(tf.string, [])
    value, drop = READ(hole, dtype=tf.float32), DROP(hole)
    with tf.Session(executor=executor) as session, tf.Session(executor=executor) as other:
        first, second = (session.run(handle, {x: [n, n]}) for n in (1.0, 5.0))
        assert first != second
        assert session.run(value, {hole: first}).tolist() == [2, 2]
        assert session.run(value, {hole: second}).tolist() == [10, 10]
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not in the session store"):
            other.run(value, {hole: first})
        session.run(drop, {hole: first})
        with pytest.raises(tf.errors.InvalidArgumentError, match="is not in the session store"):
            session.run(value, {hole: first})
        assert session.run(value, {hole: second}).tolist() == [10, 10]


def test_a_handle_may_be_fed_for_the_tensor_itself():  # [W10]
    x = tf.placeholder(tf.float32)
    handle, y = KEEP(x + 1.0), x * 10.0
    with tf.Session() as session:
        name = session.run(handle, {x: [1.0]})
        proto = b"\x12\x0cTensorHandle\x1a" + bytes([len(name)]) + name
        fed = np.frombuffer(proto, np.dtype([("resource", np.ubyte)]))
        assert session.run(y, {x: fed}).tolist() == [20]
