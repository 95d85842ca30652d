"""refflow.compat.v1 against NumPy and by its rules: names, scopes, layers, losses, metrics, hooks, files.

tests/peers/test_compat_v1.py compares the same functions with TensorFlow's.
"""

import os

import numpy as np
import pytest

import refflow
import refflow.compat.v1 as tf

X = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], np.float32)


def run(fetches, feeds=None):
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        return session.run(fetches, feeds)


def names(variables):
    return [v.name for v in variables]


# -- arrays and arithmetic -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda: tf.concat([X, X], axis=1), np.hstack([X, X])),
        (lambda: tf.split(X, [1, 2], axis=1)[1], X[:, 1:]),
        (lambda: tf.split(X, 3, 1)[2], X[:, 2:]),
        (lambda: tf.stack([X, 2 * X], axis=-1), np.stack([X, 2 * X], -1)),
        (lambda: tf.unstack(X, axis=1)[0], X[:, 0]),
        (lambda: tf.gather(X, [2, 0], axis=1), X[:, [2, 0]]),
        (lambda: tf.reverse(X, axis=[1]), X[:, ::-1]),
        (lambda: tf.where(X > 0, X, -X), abs(X)),
        (lambda: tf.one_hot([2, 0], 3), np.eye(3)[[2, 0]]),
        (lambda: tf.boolean_mask(X, [False, True]), X[1:]),
        (lambda: tf.sequence_mask([1, 3]), [[True, False, False], [True, True, True]]),
        (lambda: tf.meshgrid([1, 2], [3, 4, 5])[1], np.meshgrid([1, 2], [3, 4, 5])[1]),
        (lambda: tf.argsort([3.0, 1.0, 2.0]), [1, 2, 0]),
        (lambda: tf.multiply(X, X) - tf.subtract(X, 1.0) + tf.negative(X), X * X - (X - 1) - X),
        (lambda: tf.reduce_sum(X, axis=1, keepdims=True), X.sum(1, keepdims=True)),
        (lambda: tf.reduce_logsumexp(X * 1000, axis=1), [3000, 500]),
        (lambda: tf.argmax(X, axis=1), [2, 0]),
        (lambda: tf.cumsum(X, axis=1, reverse=True), X[:, ::-1].cumsum(1)[:, ::-1]),
        (lambda: tf.matmul(np.stack([X, X]), np.stack([X, 2 * X]), transpose_b=True), [X @ X.T, 2 * X @ X.T]),
        (lambda: tf.tensordot(X, X, [[0], [0]]), X.T @ X),
        (lambda: tf.divide(7, 2), 3.5),
        (lambda: tf.confusion_matrix([1, 2, 2], [1, 0, 2]), [[0, 0, 0], [0, 1, 0], [1, 0, 1]]),
        (lambda: tf.constant(X) ** 2 // 2, X**2 // 2),
        (lambda: tf.map_fn(lambda row: row * tf.reduce_sum(row), X), X * X.sum(1, keepdims=True)),
        (lambda: tf.scan(lambda a, row: a + row, X), X.cumsum(0)),
        (lambda: tf.while_loop(lambda i, a: i < 4, lambda i, a: (i + 1, a * 2.0), [0, 1.0])[1], 16),
        (lambda: tf.cond(tf.less(1, 2), lambda: 1, lambda: 2), 1),
    ],
)  # fmt: skip
def test_a_spelling_of_1_x_means_what_numpy_says(build, expected):
    found = run(build())
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="given twice"):
        tf.reduce_sum(X, axis=0, reduction_indices=1)
    with pytest.raises(ValueError, match="Both labels and logits"):
        tf.nn.softmax_cross_entropy_with_logits(X)
    with pytest.raises(ValueError, match="provide a rate"):
        tf.nn.dropout(X)
    with pytest.raises(ValueError, match="both be non-None"):
        tf.where(X > 0, X)


# -- variables -----------------------------------------------------------------------------------------------------


def test_scopes_make_find_and_reuse():
    with tf.variable_scope("a") as scope:
        v = tf.get_variable("v", [2])
        assert (v.name, v.op.name, scope.name, tf.constant(1).name) == ("a/v:0", "a/v", "a", "a/Const:0")
    with pytest.raises(ValueError, match="Variable a/v already exists"), tf.variable_scope("a"):
        tf.get_variable("v", [2])
    with tf.variable_scope(scope, reuse=True):
        assert tf.get_variable("v") is v
    with pytest.raises(ValueError, match="a/w does not exist"), tf.variable_scope("a", reuse=True):
        tf.get_variable("w", [1])
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        assert tf.get_variable("v", [2]) is v and tf.get_variable("w", [1]).name == "a/w:0"
        with tf.variable_scope("b"):
            assert tf.get_variable_scope().reuse == tf.AUTO_REUSE
    assert isinstance(v, tf.Variable) and isinstance(v, refflow.Variable)


def test_default_names_are_unique_and_begin_again_where_a_scope_is_entered_again():
    def layers():
        return [tf.layers.dense(tf.ones([1, 2]), 2) for _ in range(2)]

    layers()
    with tf.variable_scope("g"):
        layers()
    before = names(tf.global_variables())
    assert before[0::2] == ["dense/kernel:0", "dense_1/kernel:0", "g/dense/kernel:0", "g/dense_1/kernel:0"]
    with tf.variable_scope("g", reuse=True):
        layers()
    assert names(tf.global_variables()) == before
    layers()
    assert names(tf.global_variables())[-1] == "dense_3/bias:0"


def test_variables_are_listed_by_kind():
    kept = tf.Variable(1.0, name="kept")
    counted = tf.get_local_variable("counted", [], initializer=tf.ones_initializer())
    frozen = tf.get_variable("frozen", initializer=np.float32([1, 2]), trainable=False)
    assert tf.global_variables() == [kept, frozen] and tf.local_variables() == [counted]
    assert tf.trainable_variables() == [kept] and tf.global_variables("fro") == [frozen]
    with tf.Session() as session:
        assert session.run(tf.report_uninitialized_variables()).tolist() == [b"kept", b"frozen", b"counted"]
        session.run(tf.global_variables_initializer())
        assert session.run(tf.report_uninitialized_variables()).tolist() == [b"counted"]
        assert session.run([tf.is_variable_initialized(v) for v in (kept, counted)]) == [True, False]
        kept.load(5.0, session)
        assert session.run(kept.read_value()) == 5.0


def test_a_variable_made_in_a_loop_is_made_once_and_outside():
    def body(i, total):
        w = tf.get_variable("w", [], initializer=tf.constant_initializer(3.0))
        return i + 1, total + w

    _, total = tf.while_loop(lambda i, _: i < 4, body, [0, 0.0])
    (w,) = tf.global_variables()
    assert run([total, tf.gradients(total, w)[0]]) == [12.0, 4.0]


def test_regularizers_are_collected_once():
    with tf.variable_scope("r", regularizer=tf.nn.l2_loss):
        tf.get_variable("w", initializer=np.float32([3, 4]))
    with tf.variable_scope("r", reuse=True, regularizer=tf.nn.l2_loss):
        tf.get_variable("w", dtype=tf.float32)
    assert len(tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)) == 1
    assert run(tf.losses.get_regularization_loss()) == 12.5


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [(tf.glorot_uniform_initializer, np.sqrt(2 / 500)), (tf.glorot_normal_initializer, np.sqrt(2 / 500)),
     (tf.initializers.he_normal, np.sqrt(2 / 300)), (tf.initializers.he_uniform, np.sqrt(2 / 300)),
     (tf.variance_scaling_initializer, np.sqrt(1 / 300)), (tf.uniform_unit_scaling_initializer, np.sqrt(1 / 300))],
)  # fmt: skip
def test_an_initializer_has_the_variance_it_promises(initializer, deviation):
    value = run(initializer(seed=1)([300, 200]))
    assert value.mean() == pytest.approx(0, abs=deviation / 50) and value.std() == pytest.approx(deviation, rel=0.02)


# -- layers, losses, metrics ---------------------------------------------------------------------------------------


def test_batch_normalisation_learns_averages_and_uses_them():
    x, training = tf.placeholder(tf.float32, [None, 2]), tf.placeholder(tf.bool, [])
    y = tf.layers.batch_normalization(x, momentum=0.9, epsilon=0.0, training=training)
    update = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    mean, variance = (v for v in tf.global_variables() if "moving" in v.name)
    batch = np.float32([[1, 10], [3, 30]])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(y, {x: batch, training: False}).tolist() == batch.tolist()
        found, _ = session.run([y, update], {x: batch, training: True})
        np.testing.assert_allclose(found, [[-1, -1], [1, 1]], rtol=1e-5)
        np.testing.assert_allclose(session.run(mean), [0.2, 2], rtol=1e-5)
        np.testing.assert_allclose(session.run(variance), [0.9 + 0.1, 0.9 + 10], rtol=1e-5)
        session.run(update, {x: batch, training: False})
        np.testing.assert_allclose(session.run(mean), [0.2, 2], rtol=1e-5)
    assert names(tf.trainable_variables()) == ["batch_normalization/gamma:0", "batch_normalization/beta:0"]


def test_dropout_obeys_a_tensor():
    training = tf.placeholder_with_default(False, [])
    y = tf.layers.dropout(tf.ones([1000]), 0.25, training=training, seed=1)
    with tf.Session() as session:
        assert (session.run(y) == 1).all()
        kept = session.run(y, {training: True})
    assert set(np.unique(kept)) == {0, np.float32(4 / 3)} and 200 < (kept == 0).sum() < 300


def test_a_layer_object_keeps_its_variables():
    shared, other = tf.layers.Dense(2, activation=tf.nn.relu), tf.layers.Dense(2)
    with pytest.raises(AttributeError, match="no attribute 'kernel'"):
        _ = shared.kernel
    a, b = shared(tf.constant(X)), shared(tf.constant(-X))
    other(a)
    assert names(tf.global_variables()) == ["dense/kernel:0", "dense/bias:0", "dense_1/kernel:0", "dense_1/bias:0"]
    assert (shared.name, shared.scope_name) == ("dense_1", "dense")
    assert shared.trainable_variables == [shared.kernel, shared.bias]
    kernel, first, second = run([shared.kernel, a, b])
    np.testing.assert_allclose(first, np.maximum(X @ kernel, 0), rtol=1e-5)
    np.testing.assert_allclose(second, np.maximum(-X @ kernel, 0), rtol=1e-5)
    picture = tf.ones([1, 4, 4, 1])
    net = tf.layers.MaxPooling2D(2, 2)(tf.layers.Conv2D(3, 3, padding="same", name="c")(picture))
    net = tf.layers.Flatten()(tf.layers.BatchNormalization()(net, training=True))
    assert tf.layers.Dropout(0.5)(net).get_shape().as_list() == [1, 12]
    assert names(tf.global_variables())[4:6] == ["c/kernel:0", "c/bias:0"]


def test_losses_are_weighted_and_collected():
    squares = tf.losses.mean_squared_error([1.0, 2.0, 3.0], [2.0, 4.0, 3.0], weights=[1.0, 0.5, 0.0])
    total = tf.losses.mean_squared_error([1.0], [3.0], reduction=tf.losses.Reduction.SUM, loss_collection=None)
    assert run([squares, total, tf.losses.get_total_loss()]) == [1.5, 4.0, 1.5]
    assert tf.get_collection(tf.GraphKeys.LOSSES) == [squares]


def test_a_metric_counts_until_it_is_asked():
    labels, guesses = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.int32, [None])
    value, count = tf.metrics.accuracy(labels, guesses)
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        assert session.run(value) == 0
        assert session.run(count, {labels: [1, 2], guesses: [1, 1]}) == 0.5
        assert session.run(count, {labels: [3, 3], guesses: [3, 3]}) == 0.75 == session.run(value)
    assert tf.global_variables() == []


# -- training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "steps"),
    [
        (lambda: tf.train.MomentumOptimizer(0.1, 0.5, use_nesterov=True), "nesterov"),
        (lambda: tf.train.AdadeltaOptimizer(1.0, 0.5, 0.01), "adadelta"),
        (lambda: tf.train.RMSPropOptimizer(0.1), "rmsprop"),
    ],
)
def test_an_optimizer_of_1_x_follows_its_formula(make, steps):
    v = tf.Variable(np.float32(2.0))
    step = make().minimize(0.5 * v * v)
    x, a, b = 2.0, (1.0 if steps == "rmsprop" else 0.0), 0.0
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(3):
            session.run(step)
            g = x
            if steps == "nesterov":
                a = 0.5 * a + g
                x -= 0.1 * (g + 0.5 * a)
            elif steps == "adadelta":
                a = 0.5 * a + 0.5 * g * g
                move = np.sqrt(b + 0.01) / np.sqrt(a + 0.01) * g
                b = 0.5 * b + 0.5 * move * move
                x -= move
            else:
                a = 0.9 * a + 0.1 * g * g
                x -= 0.1 * g / np.sqrt(a + 1e-10)
            assert session.run(v) == pytest.approx(x, rel=1e-5)


def test_rates_change_with_the_step():
    step = tf.placeholder(tf.int32, [])
    rates = [tf.train.polynomial_decay(1.0, step, 10, 0.5), tf.train.inverse_time_decay(1.0, step, 4, 2.0, True),
             tf.train.piecewise_constant(step, [3, 6], [1.0, 0.5, 0.25])]  # fmt: skip
    found = [run(rates, {step: n}) for n in (0, 3, 6, 20)]
    np.testing.assert_allclose(found, [[1, 1, 1], [0.85, 1, 1], [0.7, 1 / 3, 0.5], [0.5, 1 / 11, 0.25]], rtol=1e-5)


def test_a_monitored_session_stops_saves_and_goes_on(tmp_path):
    values = []

    class Seen(tf.train.SessionRunHook):
        def before_run(self, run_context):
            return tf.train.SessionRunArgs(self.step)

        def begin(self):
            self.step = tf.train.get_global_step()

        def after_run(self, run_context, run_values):
            values.append(int(run_values.results))

    def train(last):
        with tf.Graph().as_default():
            step = tf.train.get_or_create_global_step()
            v = tf.get_variable("v", [], initializer=tf.zeros_initializer())
            with tf.control_dependencies([v.assign_add(1.0)]):
                count = step.assign_add(1)
            hooks = [tf.train.StopAtStepHook(last_step=last), Seen()]
            with tf.train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), hooks=hooks,
                                                   save_checkpoint_steps=2) as session:  # fmt: skip
                runs = 0
                while not session.should_stop():
                    session.run(count)
                    runs += 1
            return runs

    assert train(3) == 3
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt-3")
    assert train(5) == 2 and len(values) == 5
    with pytest.raises(RuntimeError, match="Global step should be created"):
        tf.train.StopAtStepHook(last_step=1).begin()


def test_a_monitored_session_ends_quietly_with_its_input():
    number = tf.train.range_input_producer(3, num_epochs=1, shuffle=False).dequeue()
    tf.train.get_or_create_global_step()
    seen = []
    with tf.train.MonitoredTrainingSession() as session:
        while not session.should_stop():
            seen.append(int(session.run(number)))
    assert seen == [0, 1, 2]


def test_a_replica_s_hook_runs_the_chief_and_gathers_by_accumulators():
    step = tf.train.get_or_create_global_step()
    w = tf.get_variable("w", initializer=np.float32([1, 2]))
    optimizer = tf.train.SyncReplicasOptimizer(tf.train.GradientDescentOptimizer(0.5), replicas_to_aggregate=1)
    train = optimizer.minimize(tf.reduce_sum(w * [1.0, 2.0]), global_step=step)
    with tf.train.MonitoredTrainingSession(hooks=[optimizer.make_session_run_hook(True, 0)]) as session:
        for _ in range(3):
            session.run(train)
        assert session.run(step) == 3 and session.run(w).tolist() == [-0.5, -1.0]


def test_accumulators_have_methods():
    dense = tf.ConditionalAccumulator(tf.float32, shape=[2], reduction_type="SUM")
    sparse = tf.SparseConditionalAccumulator(tf.float32, shape=[3, 1])
    give = [dense.apply_grad([1.0, 2.0], 3), sparse.apply_grad([0, 2], [[6.0], [5.0]], [3, 1], 3),
            sparse.apply_indexed_slices_grad(tf.IndexedSlices(tf.constant([[7.0]]), tf.constant([2])), 3)]  # fmt: skip
    counts = [dense.num_accumulated(), sparse.num_accumulated()]
    with tf.Session() as session:
        session.run([dense.set_global_step(2), sparse.set_global_step(2)])
        session.run(give)
        session.run(dense.apply_grad([9.0, 9.0], 1))  # too old
        assert session.run(counts) == [1, 2]
        assert session.run(dense.take_grad(1)).tolist() == [1, 2]
        found = session.run(sparse.take_indexed_slices_grad(2))
    assert [found.indices.tolist(), found.values.tolist()] == [[0, 2], [[6], [6]]]
    assert (dense.dtype, dense.accumulator_ref.op.type) == (tf.float32, "ResourceConditionalAccumulator")


def test_a_saver_leaves_the_graph_beside_the_values(tmp_path):
    pytest.importorskip("google.protobuf", reason="needs protobuf")
    v = tf.get_variable("v", initializer=np.float32([1, 2]))
    tf.identity(v * 2.0, name="twice")
    saver = tf.train.Saver(max_to_keep=1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step in (1, 2):
            path = saver.save(session, str(tmp_path / "m"), global_step=step)
    assert sorted(os.listdir(tmp_path)) == ["checkpoint", "m-2.data-00000-of-00001", "m-2.index", "m-2.meta"]
    with tf.Graph().as_default(), tf.Session() as session:
        found = tf.train.import_meta_graph(path + ".meta")
        found.restore(session, path)
        assert session.run("twice:0").tolist() == [2, 4]


def test_a_coordinator_knows_its_threads():
    import threading

    coord = tf.train.Coordinator()

    def work():
        with coord.stop_on_exception():
            raise ValueError("enough")

    thread = threading.Thread(target=work)
    coord.register_thread(thread)
    thread.start()
    with pytest.raises(ValueError, match="enough"):
        coord.join()
    assert coord.should_stop()


# -- summaries, files, functions -----------------------------------------------------------------------------------


def test_summaries_are_named_by_their_scope(tmp_path):
    with tf.name_scope("train"):
        tf.summary.scalar("loss", 0.5)
    tf.summary.histogram("a b", X)
    tf.summary.image("picture", np.zeros((1, 2, 2, 1), np.float32), max_outputs=1)
    tf.summary.audio("tone", np.zeros((1, 4), np.float32), 8000.0)
    merged = tf.summary.merge_all()
    with tf.summary.FileWriter(str(tmp_path), tf.get_default_graph()) as writer, tf.Session() as session:
        writer.add_summary(session.run(merged), 7)
    assert writer.get_logdir() == str(tmp_path)
    (name,) = os.listdir(tmp_path)
    events = list(tf.train.summary_iterator(str(tmp_path / name)))
    assert [e.step for e in events] == [0, 0, 7] and events[1].graph_def
    assert [v.tag for v in events[2].summary.value] == ["train/loss", "a_b", "picture/image", "tone/audio/0"]
    with tf.Graph().as_default():
        assert tf.summary.merge_all() is None


def test_summaries_may_be_made_by_hand(tmp_path):
    made = tf.Summary(value=[tf.Summary.Value(tag="a", simple_value=0.5)])
    made.value.add(tag="b", simple_value=0.0)
    given = tf.Summary()
    picture = tf.summary.image("p", np.ones((1, 2, 2, 1), np.float32))
    parts = [tf.summary.histogram("h", X), tf.summary.audio("s", X[:1], 8000.0), picture]
    given.ParseFromString(run(tf.summary.merge(parts)))
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_summary(made, 1)
        writer.add_summary(given, 2)
        writer.add_event(tf.Event(wall_time=1.0, step=3, summary=made))
    _, one, two, three = tf.train.summary_iterator(writer.path)
    assert [(v.tag, v.simple_value) for v in one.summary.value] == [("a", 0.5), ("b", 0.0)]
    assert one.summary == three.summary and (three.step, three.wall_time) == (3, 1.0)
    assert [v.tag for v in two.summary.value] == ["h", "s/audio/0", "p/image/0"] and two.summary.value == given.value
    assert two.summary.value[0].histo.num == X.size and tf.Summary.FromString(given.SerializeToString()) == given


def test_files_and_folders(tmp_path):
    folder = str(tmp_path / "a" / "b")
    tf.gfile.MakeDirs(folder)
    tf.gfile.MakeDirs(folder)
    with tf.gfile.Open(folder + "/x.txt", "w") as file:
        file.write("ä")
    with tf.gfile.GFile(folder + "/x.txt") as file:
        assert file.read() == "ä"
    tf.gfile.Copy(folder + "/x.txt", folder + "/y.txt")
    with pytest.raises(tf.errors.AlreadyExistsError):
        tf.gfile.Copy(folder + "/x.txt", folder + "/y.txt")
    tf.gfile.Rename(folder + "/y.txt", folder + "/z.txt")
    assert tf.gfile.ListDirectory(folder) == ["x.txt", "z.txt"]
    assert tf.gfile.Glob(folder + "/z*") == [folder + "/z.txt"]
    assert [files for _, _, files in tf.gfile.Walk(folder)] == [["x.txt", "z.txt"]]
    tf.gfile.Remove(folder + "/z.txt")
    tf.gfile.MkDir(folder + "/c")
    assert tf.gfile.IsDirectory(folder + "/c") and tf.gfile.Exists(folder + "/x.txt")
    tf.gfile.DeleteRecursively(str(tmp_path / "a"))
    assert not tf.gfile.Exists(folder)
    with pytest.raises(tf.errors.NotFoundError):
        tf.gfile.Open(folder).read()
    for call in (tf.gfile.Remove, tf.gfile.ListDirectory, tf.gfile.DeleteRecursively):
        with pytest.raises(tf.errors.NotFoundError):
            call(folder)


def test_a_python_function_is_a_node():
    x = tf.placeholder(tf.float32, [None])
    top, where = tf.py_func(lambda a: (a.max(), np.int64(a.argmax())), [x], [tf.float32, tf.int64])
    text = tf.py_func(lambda a: f"size {a.size}", [x], tf.string, stateful=False)
    assert run([top, where, text], {x: [1, 5, 2]}) == [5.0, 1, b"size 3"]
    assert tf.gradients(top, x) == [None]


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda: 1.5, "InvalidArgumentError", r"0-th value returned by \w+ is double, but expects float\b"),
        (lambda: (1, 2), "InvalidArgumentError", "returns 2 values, but expects to see 1 values"),
        (lambda: next(iter(())), "OutOfRangeError", "StopIteration"),
        (lambda: {}["key"], "UnknownError", "KeyError: 'key'"),
    ],
)
def test_a_python_function_fails_as_its_exception_says(function, error, message):
    with pytest.raises(getattr(tf.errors, error), match=message):
        run(tf.py_func(function, [], tf.float32))


# -- cells ---------------------------------------------------------------------------------------------------------


def test_cells_in_a_loop_and_unrolled_give_the_same(rng):
    x = tf.placeholder(tf.float32, [2, None, 3])
    value = rng.normal(size=(2, 5, 3)).astype(np.float32)
    with tf.variable_scope("net", reuse=tf.AUTO_REUSE, initializer=tf.random_normal_initializer(seed=1)):
        cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.LSTMCell(4), tf.nn.rnn_cell.GRUCell(2)])
        looped, last = tf.nn.dynamic_rnn(cell, x, sequence_length=[5, 2], dtype=tf.float32)
        parts = [tf.constant(v) for v in value.transpose(1, 0, 2)]
        cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.LSTMCell(4), tf.nn.rnn_cell.GRUCell(2)])
        outputs, state = tf.nn.static_rnn(cell, parts, sequence_length=[5, 2], dtype=tf.float32)
    variables = tf.trainable_variables()
    assert len(variables) == 6 and variables[0].name == "net/rnn/multi_rnn_cell/cell_0/lstm_cell/kernel:0"
    slopes = [tf.gradients(tf.reduce_sum(t**2), variables) for t in (looped, tf.stack(outputs, axis=1))]
    found = run([looped, tf.stack(outputs, axis=1), last, state, slopes], {x: value})
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5, atol=1e-6)
    assert not found[0][1, 2:].any() and looped.get_shape().as_list() == [2, None, 2]
    np.testing.assert_allclose(found[2][0].c, found[3][0].c, rtol=1e-5, atol=1e-6)
    for one, other in zip(*found[4], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [tf.bool, tf.string, tf.float64])
def test_zeros_and_ones_take_the_shape_of_one_tensor_and_the_type_of_another(kind):
    x = tf.placeholder(tf.int32, [None, 2])
    zeros = tf.zeros_like(x, kind)
    assert zeros.dtype is kind and zeros.get_shape().as_list() == [None, 2]
    with tf.Session() as session:
        found = session.run(zeros, {x: np.ones((3, 2))})
        assert found.shape == (3, 2) and not found.any()
        if kind is not tf.string:
            assert session.run(tf.ones_like(x, kind), {x: np.zeros((1, 2))}).all()


@pytest.mark.parametrize("axes", [1, [[-1], [0]], [[1, 2], [1, 0]], [2, 0]])
@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 3, 4)])
def test_tensordot_takes_tensors_whose_rank_only_the_step_knows(axes, shape):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=shape).astype(np.float32), rng.normal(size=(4, 3, 5)).astype(np.float32)
    a, b = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    product = tf.tensordot(a, b, axes)
    slopes = tf.gradients(product, [a, b])
    with tf.Session() as session:
        found, *back = session.run([product, *slopes], {a: x, b: y})
    assert np.allclose(found, np.tensordot(x, y, axes), atol=1e-5)
    assert [g.shape for g in back] == [x.shape, y.shape]


def test_a_part_of_a_variable_is_assigned_by_the_function_too():
    v = tf.Variable(tf.zeros([4]))
    changed = tf.assign(ref=v[1:3], value=[5.0, 6.0])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(changed)
        assert session.run(v).tolist() == [0, 5, 6, 0]


def test_an_operation_of_one_branch_stands_for_a_truth_beside_that_of_the_other():
    v, pred = tf.Variable(0.0), tf.placeholder(tf.bool, [])
    found = tf.cond(pred, lambda: tf.group(tf.assign_add(v, 1.0)), lambda: tf.constant(False))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert [bool(session.run(found, {pred: p})) for p in (True, False)] == [True, False]
        assert session.run(v) == 1.0
    with pytest.raises(TypeError, match="one function of cond gives tensors, and the other gives none"):
        tf.cond(pred, tf.no_op, lambda: tf.constant(1.0))
