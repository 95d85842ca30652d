"""Groups of nodes go through a batch part by part, with the bits of a plan that does not cut."""

from unittest import mock

import numpy as np
import pytest

import refflow as tf
from refflow.ops.log_softmax import SPARSE_XENT
from refflow.runtime import stages
from refflow.runtime.fuse import fuse
from refflow.runtime.loosen import free_constants
from refflow.runtime.slices import SLICED, cut_in_slices


def groups(session, fetches):
    step = session.stages(session.signature(fetches, []), []).partitioned
    return [n for n in cut_in_slices(fuse(free_constants(step))).nodes if n.op_def is SLICED]


def both(fetches, graph, **options):
    """What the plan gives: the bits of a plan that cuts nothing, and what the executor gives."""
    uncut = tuple(rewrite for rewrite in stages._REWRITES if rewrite is not cut_in_slices)
    found = []
    for executor, rewrites in (("plan", stages._REWRITES), ("plan", uncut), ("executor", ())):
        with (
            tf.Session(graph=graph, executor=executor, **options) as session,
            mock.patch.object(stages, "_REWRITES", rewrites),
        ):
            session.run(tf.initialize_all_variables())
            found.append(session.run(fetches))
    for cut, whole, executed in zip(*found, strict=True):
        assert np.asarray(cut).tobytes() == np.asarray(whole).tobytes()
        # Differences that would be 0 are what rounding leaves of sums of hundreds.
        np.testing.assert_allclose(cut, executed, rtol=1e-3, atol=1e-3 * np.abs(executed).max(initial=1))
    return found[0]


def attention(rng, batch=8, heads=4, places=128, depth=32):
    q, k, v, g = (tf.Variable(rng.normal(size=(batch, heads, places, depth)).astype(np.float32)) for _ in range(4))
    scores = tf.batch_matmul(q * 0.25, k, adj_y=True)
    weights = tf.reshape(tf.nn.softmax(tf.reshape(scores, [batch * heads * places, places])), scores.get_shape())
    y = tf.batch_matmul(weights, v)
    return [y, *tf.gradients(y, [q, k, v], [g])]


def test_attention_and_its_gradient_are_one_node(rng, graph):
    fetches = attention(rng)
    both(fetches, graph)
    with tf.Session(graph=graph) as session:
        (node,) = groups(session, fetches)
        assert node.attrs["count"] == 4 and len(node.types) == 4
        weights = 4 * 8 * 4 * 128 * 128
        plan = session.stages(session.signature(fetches, []), []).executable(tf.ConfigProto(), {})
        assert plan.arena_bytes < weights  # the scores are never there as a whole


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(count, rng, graph):
    both(attention(np.random.default_rng(0)), graph, intra_op_parallelism_threads=count)


def test_what_others_need_of_a_group_is_there_as_a_whole(rng, graph):
    x = tf.Variable(rng.normal(size=(16, 128, 160)).astype(np.float32))
    scores = tf.batch_matmul(x, x, adj_y=True)
    weights = tf.nn.softmax(tf.reshape(scores, [16 * 128, 128]))
    fetches = [tf.reduce_sum(scores, [0]), weights, tf.reshape(weights, [16, 128, 128]), tf.reduce_sum(weights)]
    both(fetches, graph)
    with tf.Session(graph=graph) as session:
        assert len(groups(session, fetches)) == 1


def test_who_needs_the_whole_waits_for_it(rng, graph):
    """Each part of the second product takes a row that is made of all parts."""
    x = tf.Variable(rng.normal(size=(16, 128, 128)).astype(np.float32))
    y = tf.nn.softmax(tf.reshape(tf.batch_matmul(x, x), [16 * 128, 128]))
    row = tf.reduce_sum(y, [0])
    z = tf.nn.softmax(y * row)
    both([z, tf.batch_matmul(tf.reshape(z, [16, 128, 128]), x)], graph)


def test_rows_that_go_together_stay_together(rng, graph):
    """In one part of five there would be 100 rows, of which softmax takes 64 at a time."""
    x = tf.Variable(rng.normal(size=(500, 1024)).astype(np.float32))
    fetches = [tf.nn.softmax(tf.nn.softmax(x * 2.0) + 1.0)]
    both(fetches, graph)
    with tf.Session(graph=graph) as session:
        assert groups(session, fetches) == []


def test_a_variable_that_changes_behind_a_group_is_read_before(rng, graph):
    x = tf.Variable(rng.normal(size=(16, 128, 128)).astype(np.float32))
    y = tf.nn.softmax(tf.reshape(tf.batch_matmul(x, x), [16 * 128, 128]))
    with graph.control_dependencies([y]):
        change = tf.assign(x, tf.ones([16, 128, 128]))
    with graph.control_dependencies([change]):
        z = tf.nn.softmax(tf.reshape(tf.batch_matmul(x, x), [16 * 128, 128]))
    both([y, z], graph)


def words(rng, rows=112, classes=5000, sparse=True, labels=None):
    """The loss of many classes and its gradients, as a language model ends."""
    h, w = (tf.Variable(rng.normal(size=s).astype(np.float32)) for s in [(rows, 16), (16, classes)])
    b = tf.Variable(rng.normal(size=classes).astype(np.float32))
    logits = tf.matmul(h, w) + b
    numbers = rng.integers(0, classes, rows)
    if sparse:
        labels = tf.constant(numbers) if labels is None else labels
        losses = SPARSE_XENT(logits, labels).loss
    else:
        labels = tf.constant(np.eye(classes, dtype=np.float32)[numbers]) if labels is None else labels
        losses = tf.nn.softmax_cross_entropy_with_logits(logits, labels)
    loss = tf.reduce_mean(losses)
    return [loss, *tf.gradients(loss, [h, w, b])], logits


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_scores_their_loss_and_its_slope_are_one_node(count, sparse, rng, graph):
    fetches, _ = words(rng, sparse=sparse)
    both(fetches, graph, intra_op_parallelism_threads=count)
    with tf.Session(graph=graph) as session:
        (node,) = groups(session, fetches)
        kinds = [m.node.type for m in node.attrs["members"]]
        assert kinds[0] == kinds[2] == "_Fused" and kinds[1].endswith("CrossEntropyWithLogits") and len(kinds) == 3


def test_the_slope_lies_where_the_scores_lay(rng, graph):
    fetches, _ = words(rng)
    with tf.Session(graph=graph) as session:
        plan = session.stages(session.signature(fetches, []), []).executable(tf.ConfigProto(), {})
        assert 4 * 112 * 5000 < plan.arena_bytes < 2 * 4 * 112 * 5000


def test_scores_that_others_read_stay_as_they_are(rng, graph):
    (loss, *gradients), logits = words(rng)
    both([loss, logits, tf.reduce_sum(tf.square(logits), [0]), *gradients], graph)


def test_a_slope_that_is_fetched_too_is_memory_of_its_own(rng, graph):
    (loss, *gradients), logits = words(rng)
    (slope,) = tf.gradients(loss, [logits])
    fetches = [loss, slope, *gradients]
    both(fetches, graph)
    with tf.Session(graph=graph) as session:
        session.run(tf.initialize_all_variables())
        first = session.run(fetches)
        kept = [np.array(value) for value in first]
        session.run(fetches)
        for value, copy in zip(first, kept, strict=True):
            np.testing.assert_array_equal(value, copy)


def test_a_class_that_is_none_is_told_with_all_the_others(rng, graph):
    labels = np.arange(112)
    labels[70] = 5000
    fetches, _ = words(rng, labels=tf.reshape(tf.Variable(labels), [112]))
    for executor in ("plan", "executor"):
        with tf.Session(graph=graph, executor=executor) as session:
            session.run(tf.initialize_all_variables())
            with pytest.raises(tf.errors.InvalidArgumentError, match="SparseSoftmax.* value of 5000") as error:
                session.run(fetches)
            assert f"Label values: {' '.join(map(str, labels))}" in error.value.message


def test_one_target_for_all_rows_is_not_cut(rng, graph):
    target = np.eye(5000, dtype=np.float32)[:1]
    fetches, _ = words(rng, sparse=False, labels=tf.constant(target))
    both(fetches, graph)
    with tf.Session(graph=graph) as session:
        assert groups(session, fetches) == []


@pytest.mark.parametrize("seed", range(25))
def test_random_batches_give_the_bits_of_the_whole(seed, graph):
    rng = np.random.default_rng(seed)
    shape = [(8, 128, 256), (12, 96, 256), (6, 2, 64, 256), (16, 256, 100)][seed % 4]
    start = rng.normal(size=shape).astype(np.float32)
    x = tf.Variable(start)
    tensors = [x * 0.5, tf.Variable(start[::-1].copy()) * 1.0]
    square = [*shape[:-1], shape[-2]]
    for _ in range(14):
        a, b = (tensors[i] for i in rng.integers(0, len(tensors), 2))
        kind, size = rng.integers(0, 7), a.get_shape().as_list()
        if kind == 0 and size == b.get_shape().as_list():
            made = tf.batch_matmul(a, b, adj_y=True) * 0.01
        elif kind == 1 and size == square and b.get_shape().as_list() == list(shape):
            made = tf.batch_matmul(a, b, adj_x=bool(rng.integers(0, 2)))
        elif kind == 2:
            made = tf.reshape(tf.nn.softmax(tf.reshape(a, [-1, size[-1]])), size)
        elif kind == 3:
            made = a - tf.reduce_sum(a, [len(size) - 1], keep_dims=True)
        elif kind == 4:
            made = tf.tanh(a) * tf.reduce_sum(a, [0])
        elif size == b.get_shape().as_list():
            made = a * b + tf.nn.relu(a)
        else:
            made = tf.nn.relu(a)
        tensors.append(made)
    gradients = [g for g in tf.gradients(tensors[-1], [x]) if g is not None]
    both(tensors[-3:] + gradients, graph)
