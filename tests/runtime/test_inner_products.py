"""Sums of products along the last axis are products of rows with columns, where that is quicker."""

import numpy as np
import pytest

import refflow as tf
from refflow.runtime.inner_products import multiply_rows


def made(session, fetches):
    step = session.stages(session.signature(fetches, []), []).partitioned
    return sum(n.type == "BatchMatMul" for n in multiply_rows(step).nodes)


def both(fetches, graph):
    """What a plan gives, which is what the executor gives but for rounding."""
    found = []
    for executor in ("plan", "executor"):
        with tf.Session(graph=graph, executor=executor) as session:
            session.run(tf.initialize_all_variables())
            found.append(session.run(fetches))
            if executor == "plan":
                count = made(session, fetches)
    for plan, executed in zip(*found, strict=True):
        assert plan.shape == executed.shape and plan.dtype == executed.dtype
        np.testing.assert_allclose(plan, executed, rtol=1e-4, atol=1e-4)
    return count


def pair(rng, shape, dtype=np.float32):
    """Two values that are in memory anyway."""
    return [tf.reverse(tf.Variable(rng.normal(size=shape).astype(dtype)), [True] + [False] * (len(shape) - 1))
            for _ in range(2)]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(300, 64), (3, 5, 8, 200), (20_000,)])
@pytest.mark.parametrize("keep", [True, False])
def test_each_row_is_multiplied_with_its_column(shape, dtype, keep, rng, graph):
    a, b = pair(rng, shape, dtype)
    fetches = [tf.reduce_sum(a * b, [len(shape) - 1], keep_dims=keep), tf.reduce_sum(a * a, [-1], keep_dims=keep)]
    assert both(fetches, graph) == 2


def test_a_softmax_s_gradient_takes_one(rng, graph):
    x, g = tf.Variable(rng.normal(size=(200, 96)).astype(np.float32)), pair(rng, (200, 96))[0]
    assert both(tf.gradients(tf.nn.softmax(x + 0.0), [x], [g]), graph) == 1


def test_where_it_is_not_quicker_the_sum_stays(rng, graph):
    a, b = pair(rng, (400, 80))
    short, other = pair(rng, (3000, 20))
    product = a * b
    fetches = [
        tf.reduce_sum(short * other, [1]),
        tf.reduce_sum(tf.tanh(a) * b, [1]),  # one chain
        tf.reduce_sum(a * b, [0]),
        tf.reduce_sum(a * tf.ones([80]), [1]),
        tf.reduce_sum(product, [1]),
        product,
    ]
    assert both(fetches, graph) == 0
