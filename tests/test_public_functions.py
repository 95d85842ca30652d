"""The first release's functions under their public names, each against a value worked by hand or by NumPy.

The ops behind them have their own cases; here it is what the function adds: its arguments, their order, what it builds.
"""

import numpy as np
import pytest

import refflow as tf

A = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)
SQUARE = np.array([[4.0, 2.0], [2.0, 3.0]])
PAIR = np.stack([SQUARE, 2 * SQUARE])
INTS = np.array([7, -7, 6], np.int32)
NAN, INF = float("nan"), float("inf")
IMAGE = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
ONES = np.ones((2, 2, 1, 1), np.float32)
EIGEN = np.linalg.eigvalsh(SQUARE)


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        return session.run(fetches, feeds)


def sparse(rows):
    """A SparseTensor of int64 of ragged rows."""
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    values = [v for row in rows for v in row]
    shape = [len(rows), max(map(len, rows))]
    return tf.SparseTensor(*(tf.constant(np.array(a, np.int64)) for a in (places, values, shape)))


VALUES = [
    # arrays
    (lambda: tf.expand_dims(A, -1), A[..., None]),
    (lambda: tf.pad(A, [[1, 0], [0, 2]]), np.pad(A, [[1, 0], [0, 2]])),
    (lambda: tf.tile(A, [2, 1]), np.tile(A, [2, 1])),
    (lambda: tf.reverse_sequence(A, np.int64([2, 3]), 1), [[-2, 1, 3], [-1, 4, 0.5]]),
    (lambda: tf.dynamic_partition(A, [1, 0], 2)[1], A[:1]),
    (lambda: tf.cast(tf.to_bfloat16(np.float32(1.005)), tf.float32), 1.0),
    (lambda: tf.to_double(A), A.astype(np.float64)),
    (lambda: tf.to_int32(A), A.astype(np.int32)),
    (lambda: tf.to_int64(A), A.astype(np.int64)),
    (lambda: tf.invert_permutation([2, 0, 1]), [1, 2, 0]),
    (lambda: tf.listdiff([1, 2, 3, 4], [2, 4]).idx, [0, 2]),
    (lambda: tf.sparse_to_dense([1, 3], [5], [9, 8], -1), [-1, 9, -1, 8, -1]),
    # comparisons and choices
    (lambda: tf.greater(A, 0.5), A > 0.5),
    (lambda: tf.greater_equal(A, 0.5), A >= 0.5),
    (lambda: tf.less_equal(A, 0.5), A <= 0.5),
    (lambda: tf.not_equal(A, 0.5), A != 0.5),
    (lambda: tf.logical_and([True, True, False], [True, False, False]), [True, False, False]),
    (lambda: tf.logical_or([True, True, False], [True, False, False]), [True, True, False]),
    (lambda: tf.logical_xor([True, True, False], [True, False, False]), [False, True, False]),
    (lambda: tf.logical_not([True, False]), [False, True]),
    (lambda: tf.select(A > 0, A, -A), abs(A)),
    (lambda: tf.is_finite([1.0, INF, NAN]), [True, False, False]),
    (lambda: tf.is_inf([1.0, INF, NAN]), [False, True, False]),
    (lambda: tf.is_nan([1.0, INF, NAN]), [False, False, True]),
    (lambda: tf.check_numerics(A, "fine"), A),
    (lambda: tf.verify_tensor_all_finite(A, "fine"), A),
    (lambda: tf.control_flow_ops.with_dependencies([tf.no_op()], tf.constant(A)), A),
    # arithmetic
    (lambda: tf.accumulate_n([tf.constant(A), tf.constant(A)]), 2 * A),
    (lambda: tf.ceil([1.2, -1.2]), [2, -1]),
    (lambda: tf.floor([1.2, -1.2]), [1, -2]),
    (lambda: tf.round([0.5, 1.5, -0.4]), [1, 2, 0]),
    (lambda: tf.cos([0.0, np.pi]), [1, -1]),
    (lambda: tf.inv([2.0, -4.0]), [0.5, -0.25]),
    (lambda: tf.rsqrt([4.0, 0.25]), [0.5, 2]),
    (lambda: tf.mod([7.5, -7.5], [2.0, 2.0]), [1.5, -1.5]),
    (lambda: tf.div(INTS, 2), [3, -3, 3]),
    (lambda: tf.floordiv(INTS, 2), [3, -4, 3]),
    (lambda: tf.truediv(INTS, 2), [3.5, -3.5, 3]),
    (lambda: tf.complex_abs(np.complex64([3 + 4j])), [5]),
    (lambda: tf.conj(np.complex64([3 + 4j])), np.complex64([3 - 4j])),
    (lambda: tf.argmin(A, 1), [1, 2]),
    (lambda: tf.reduce_min(A, [1], True), [[-2], [-1]]),
    (lambda: tf.reduce_prod(A, 0), [0.5, -8, -3]),
    (lambda: tf.reduce_all([[True, False], [True, True]], 1), [False, True]),
    (lambda: tf.reduce_any([[True, False], [False, False]], 1), [True, False]),
    (lambda: tf.segment_sum(A, [0, 0]), [A.sum(0)]),
    (lambda: tf.segment_mean(A, [0, 0]), [A.mean(0)]),
    (lambda: tf.segment_max(A, [0, 0]), [A.max(0)]),
    (lambda: tf.segment_min(A, [0, 0]), [A.min(0)]),
    (lambda: tf.segment_prod(A, [0, 0]), [A.prod(0)]),
    (lambda: tf.unsorted_segment_sum(A, [1, 1], 3), [[0, 0, 0], A.sum(0), [0, 0, 0]]),
    (lambda: tf.sparse_segment_sum(A, [1, 1], [0, 1]), [A[1], A[1]]),
    (lambda: tf.sparse_segment_mean(A, [0, 1], [0, 0]), [A.mean(0)]),
    (lambda: tf.clip_by_norm([3.0, 4.0], 1.0), [0.6, 0.8]),
    (lambda: tf.clip_by_average_norm([3.0, 4.0], 1.25), [1.5, 2]),
    (lambda: tf.global_norm([tf.constant([3.0]), tf.constant([4.0])]), 5),
    (lambda: tf.edit_distance(sparse([[1, 2], [1]]), sparse([[1, 3], [1]]), normalize=False), [1, 0]),
    # linear algebra
    (lambda: tf.matrix_determinant(SQUARE), 8),
    (lambda: tf.matrix_inverse(SQUARE), np.linalg.inv(SQUARE)),
    (lambda: tf.cholesky(SQUARE), np.linalg.cholesky(SQUARE)),
    (lambda: tf.self_adjoint_eig(SQUARE), np.vstack([EIGEN, np.linalg.eigh(SQUARE)[1]])),
    (lambda: tf.batch_matmul(PAIR, PAIR, adj_x=True), PAIR.transpose(0, 2, 1) @ PAIR),
    (lambda: tf.batch_matrix_determinant(PAIR), [8, 32]),
    (lambda: tf.batch_matrix_inverse(PAIR), np.linalg.inv(PAIR)),
    (lambda: tf.batch_cholesky(PAIR), np.linalg.cholesky(PAIR)),
    (lambda: tf.batch_self_adjoint_eig(PAIR)[:, 0], [EIGEN, 2 * EIGEN]),
    # nets
    (lambda: tf.nn.relu6([-1.0, 3.0, 9.0]), [0, 3, 6]),
    (lambda: tf.nn.elu([-1.0, 2.0]), [np.exp(-1) - 1, 2]),
    (lambda: tf.nn.softsign([-1.0, 3.0]), [-0.5, 0.75]),
    (lambda: tf.nn.bias_add(A, [1.0, 2.0, 3.0]), A + np.array([1, 2, 3])),
    (lambda: tf.nn.l2_normalize([[3.0, 4.0]], 1), [[0.6, 0.8]]),
    (lambda: tf.nn.moments(A, [0]), [A.mean(0), A.var(0)]),
    (lambda: tf.nn.top_k(A, 2).indices, [[2, 0], [1, 0]]),
    (lambda: tf.nn.in_top_k(A, [1, 0], 2), [False, True]),
    (lambda: tf.nn.zero_fraction([0.0, 1.0, 2.0, 0.0]), 0.5),
    (lambda: tf.nn.xw_plus_b(A, A.T.copy(), [1.0, 2.0]), A @ A.T + np.array([1, 2])),
    (lambda: tf.nn.relu_layer(A, A.T.copy(), [-20.0, 9.0]), np.maximum(A @ A.T + np.array([-20, 9]), 0)),
    (lambda: tf.nn.avg_pool(IMAGE, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]]),
    (lambda: tf.nn.max_pool_with_argmax(IMAGE, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")[1][0, :, :, 0], [[5, 7], [13, 15]]),
    (lambda: tf.nn.depthwise_conv2d(IMAGE, ONES, [1, 2, 2, 1], "VALID")[0, :, :, 0], [[10, 18], [42, 50]]),
    (lambda: tf.nn.separable_conv2d(IMAGE, ONES, 2 * ONES[:1, :1], [1, 2, 2, 1], "VALID")[0, :, :, 0],
     [[20, 36], [84, 100]]),
    (lambda: tf.nn.deconv2d(IMAGE[:, :2, :2], ONES, [1, 4, 4, 1], [1, 2, 2, 1])[0, :, :, 0],
     np.kron([[0, 1], [4, 5]], np.ones((2, 2)))),
    (lambda: tf.nn.lrn(2 * np.ones((1, 1, 1, 3), np.float32), 1, 1.0, 0.25, 0.5)[0, 0, 0], 2 / np.sqrt([3, 4, 3])),
    (lambda: tf.nn.local_response_normalization(IMAGE, bias=1.0, alpha=0.0), IMAGE),
    (lambda: tf.nn.compute_accidental_hits(np.int64([[1], [3]]), np.int64([3, 5, 1]), 1).ids, [2, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("build", "expected"), VALUES)
def test_a_function_gives_what_was_worked_out(build, expected):
    found = run(build())
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_rows_are_shuffled_and_none_is_lost():
    found = run(tf.random_shuffle(np.arange(20), seed=1))
    assert sorted(found) == list(range(20)) != found.tolist()


# -- checks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [tf.check_numerics, tf.verify_tensor_all_finite])
def test_numbers_that_are_none_are_found(check):
    x = tf.placeholder(tf.float32, [1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="told"):
        run(check(x, "told"), {x: [NAN]})


def test_every_float_of_a_graph_can_be_checked():
    x = tf.placeholder(tf.float32, [])
    y = tf.log(x)
    check = tf.add_check_numerics_ops()
    with tf.Session() as session:
        assert session.run([y, check], {x: 1.0}) == [0.0, None]
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run([y, check], {x: -1.0})


# -- variables -----------------------------------------------------------------------------------------------------


def test_variables_change_by_rows_and_count():
    table = tf.Variable([[1.0], [2.0], [3.0]])
    slices = tf.IndexedSlices(tf.constant([[1.0], [1.0]]), tf.constant([0, 0]))
    counter = tf.Variable(0)
    with tf.Session() as session:
        session.run(tf.initialize_variables([table]))
        assert session.run(table.scatter_sub(slices)).ravel().tolist() == [-1, 2, 3]
        assert session.run(tf.scatter_sub(table.ref(), [1], [[5.0]])).ravel().tolist() == [-1, -3, 3]
        assert session.run(tf.scatter_update(table.ref(), [2], [[7.0]])).ravel().tolist() == [-1, -3, 7]
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(tf.assert_variables_initialized([counter]))
        session.run(counter.initializer)
        session.run(tf.assert_variables_initialized())
        assert [session.run(counter.count_up_to(2)), session.run(tf.count_up_to(counter.ref(), 2))] == [0, 1]
        with pytest.raises(tf.errors.OutOfRangeError):
            session.run(counter.count_up_to(2))


def test_a_scope_for_operations_with_a_default_name():
    def layer(x, name=None):
        with tf.variable_op_scope([x], name, "layer"):
            return tf.get_variable("w", [1000], initializer=tf.truncated_normal_initializer(1.0, 0.5, seed=1))

    first, second, named = layer(tf.zeros([1])), layer(tf.zeros([1])), layer(tf.zeros([1]), "mine")
    assert [v.op.name for v in (first, second, named)] == ["layer/w", "layer_1/w", "mine/w"]
    value = run(first)
    assert value.mean() == pytest.approx(1, abs=0.1) and abs(value - 1).max() < 1


def test_slices_may_be_masked():
    slices = tf.IndexedSlices(tf.constant([[1.0], [2.0], [3.0]]), tf.constant([4, 5, 6]))
    found = run(tf.sparse_mask(slices, [5]))
    assert found.indices.tolist() == [4, 6] and found.values.ravel().tolist() == [1, 3]
    assert tf.convert_to_tensor_or_indexed_slices(slices) is slices
    with pytest.raises(TypeError, match="requested dtype float64"):
        tf.convert_to_tensor_or_indexed_slices(slices, tf.float64)


# -- queues and threads --------------------------------------------------------------------------------------------


def test_a_queue_may_be_chosen_when_the_step_runs():
    queues = [tf.FIFOQueue(3, [tf.int32], [[]], name="q") for _ in range(2)]
    which = tf.placeholder(tf.int32, [])
    chosen = tf.QueueBase.from_list(which, queues)
    assert isinstance(queues[0], tf.QueueBase) and queues[0].queue_ref.dtype is tf.string.as_ref
    with tf.Session() as session:
        for i, queue in enumerate(queues):
            session.run(queue.enqueue([10 * i]))
            session.run(queue.enqueue([10 * i + 1]))
        assert session.run(chosen.dequeue(), {which: 1}) == 10
        assert session.run(queues[0].dequeue_many(2)).tolist() == [0, 1]
    with pytest.raises(TypeError, match="matching component dtypes"):
        tf.QueueBase.from_list(which, [queues[0], tf.RandomShuffleQueue(2, 0, [tf.float32])])


def test_a_runner_s_failure_is_kept_where_nobody_coordinates():
    queue = tf.FIFOQueue(2, [tf.float32])
    hole = tf.placeholder(tf.float32)
    runner = tf.train.QueueRunner(queue, [queue.enqueue([hole])])
    tf.train.add_queue_runner(runner)
    with tf.Session() as session:
        (thread,) = runner.create_threads(session)
        thread.run = lambda run=thread.run: _quietly(run)
        thread.start()
        thread.join(5)
    assert [type(e) for e in runner.exceptions_raised] == [tf.errors.InvalidArgumentError]
    assert tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS) == [runner]


def _quietly(run):
    with pytest.raises(tf.errors.InvalidArgumentError):
        run()


# -- graphs, shapes, types, errors ---------------------------------------------------------------------------------


def test_sessions_and_scopes_in_force():
    assert tf.get_default_session() is None
    with tf.Session() as session:
        assert tf.get_default_session() is session
    with tf.op_scope([tf.constant(1.0)], None, "inner") as scope:
        assert (scope, tf.constant(2.0).name) == ("inner/", "inner/Const:0")
    graph = tf.get_default_graph()
    assert graph.as_graph_element("inner/Const").outputs[0] is graph.as_graph_element("inner/Const:0")
    with pytest.raises(KeyError, match="not in the graph"):
        graph.as_graph_element("outer/Const")


def test_seeds_come_in_pairs():
    assert tf.get_seed(None) == (0, 0) and tf.get_seed(5) == (87654321, 5)
    tf.set_random_seed(3)
    assert tf.get_seed(5) == (3, 5)
    tf.constant(1)
    assert tf.get_seed(None) == (3, 1)


def test_gradients_and_shapes_may_be_declared():
    tf.define_op("TestOnlyDouble", "x: T -> y: T", T=(tf.float32,)).kernel(lambda x: 2 * x)
    tf.NoGradient("TestOnlyDouble")
    tf.RegisterShape("TestOnlyDouble")(lambda op: [op.inputs[0].get_shape()])
    x = tf.placeholder(tf.float32, [2])
    from refflow.core.registry import op_def

    y = op_def("TestOnlyDouble")(x)
    assert y.get_shape().as_list() == [2] and tf.gradients(y, x) == [None]
    assert run(y, {x: [1, 2]}).tolist() == [2, 4]


@pytest.mark.parametrize("method", ["ADD_N", "EXPERIMENTAL_TREE", "EXPERIMENTAL_ACCUMULATE_N"])
def test_terms_of_a_gradient_are_summed_in_several_ways(method):
    x = tf.constant([1.0, 2.0])
    y = x * x + 3.0 * x + tf.exp(x)
    (slope,) = tf.gradients(y, x, aggregation_method=getattr(tf.AggregationMethod, method))
    np.testing.assert_allclose(run(slope), 2 * np.array([1, 2]) + 3 + np.exp([1, 2]), rtol=1e-5)


def test_shapes_answer():
    known, half, unknown = tf.TensorShape([2, 3]), tf.TensorShape([None, 3]), tf.TensorShape(None)
    assert (known.ndims, known.num_elements(), half.num_elements(), unknown.ndims) == (2, 6, None, None)
    assert known.is_fully_defined() and not half.is_fully_defined()
    assert half.merge_with(known).as_list() == [2, 3] == known.with_rank(2).as_list()
    assert unknown.with_rank(2).as_list() == [None, None] and known.with_rank_at_least(1) is not None
    assert [d.value for d in known.as_dimension_list()] == [2, 3]
    assert tf.Dimension(None).merge_with(tf.Dimension(4)).value == 4
    for wrong in (
        lambda: known.assert_has_rank(3), lambda: known.assert_same_rank([1]), lambda: half.assert_is_fully_defined(),
        lambda: known.assert_is_compatible_with([2, 4]), lambda: known.merge_with([3, 3]), lambda: known.with_rank(1),
        lambda: known.with_rank_at_least(3), lambda: known.with_rank_at_most(1),
        lambda: tf.Dimension(3).assert_is_compatible_with(tf.Dimension(4)),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            wrong()


def test_types_answer():
    assert isinstance(tf.qint8, tf.DType) and tf.qint8.is_quantized and not tf.qint8.is_integer
    assert tf.uint8.is_unsigned and tf.uint8.is_integer and not tf.float32.is_unsigned
    assert tf.DType(1) is tf.float32 and tf.as_dtype(np.int64) is tf.int64


@pytest.mark.parametrize(
    ("name", "code"),
    [("UnavailableError", 14), ("DeadlineExceededError", 4), ("PermissionDeniedError", 7),
     ("UnauthenticatedError", 16)],
)  # fmt: skip
def test_errors_have_their_codes(name, code):
    error = getattr(tf.errors, name)(None, None, "said")
    assert isinstance(error, tf.OpError) and (error.error_code, error.message) == (code, "said")


def test_readers_share_a_base():
    reader = tf.IdentityReader()
    assert isinstance(reader, tf.ReaderBase) and reader.supports_serialize


# -- logs and books ------------------------------------------------------------------------------------------------


def test_summaries_merge_and_a_writer_takes_graphs(tmp_path):
    both = tf.merge_summary([tf.scalar_summary("a", 1.0), tf.scalar_summary(["b", "c"], [2.0, 3.0])])
    writer = tf.train.SummaryWriter(str(tmp_path))
    writer.add_graph(tf.get_default_graph().as_graph_def(), 1)
    writer.add_summary(run(both), 2)
    writer.close()
    events = list(tf.train.summary_iterator(writer.path))
    assert [e.step for e in events] == [0, 1, 2] and b"ScalarSummary" in events[1].graph_def
    assert [(v.tag, v.simple_value) for v in events[2].summary.value] == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


def test_the_book_of_checkpoints_may_be_written_by_hand(tmp_path):
    both = [str(tmp_path / "m-1"), str(tmp_path / "m-2")]
    tf.train.update_checkpoint_state(str(tmp_path), both[1], both)
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert state.model_checkpoint_path == str(tmp_path / "m-2") and len(state.all_model_checkpoint_paths) == 2
