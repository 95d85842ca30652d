"""refflow.compat.v1.nn: recurrent cells, what is around them, and how they are unrolled; initializers as objects."""

import numpy as np
import pytest

import refflow.compat.v1 as tf

cells = tf.nn.rnn_cell
X = np.array([[1.0, -2.0], [0.5, 0.0]], np.float32)
TIMES = np.arange(12, dtype=np.float32).reshape(2, 3, 2)  # [batch, time, size]
ONES = tf.ones_initializer()


class Adding(cells.RNNCell):
    """state' = state + sum of inputs, scaled by a variable of `call`."""

    state_size, output_size = 1, 1

    def call(self, inputs, state):
        scale = tf.get_variable("scale", [], initializer=ONES)
        total = state + scale * tf.reduce_sum(inputs, 1, keepdims=True)
        return total, total


def run(fetches):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def test_rows_that_have_ended_give_zeros_and_keep_their_state():
    outputs, state = run(tf.nn.dynamic_rnn(Adding(), TIMES, [2, 3], dtype=tf.float32))
    assert outputs[..., 0].tolist() == [[1, 6, 0], [13, 30, 51]]
    assert state.tolist() == [[6], [51]]
    assert [v.name for v in tf.trainable_variables()] == ["rnn/adding/scale:0"]


def test_a_cell_s_get_variable_finds_what_it_made():
    cell = Adding(name="mine")
    first, state = cell(X, cell.zero_state(2, tf.float32))
    second, _ = cell(X, state)
    assert run([first, second])[1].ravel().tolist() == [-2, 1]
    assert [v.name for v in cell.trainable_variables] == ["mine/scale:0"]


def test_reading_from_both_ends():
    forward, backward = run(tf.nn.bidirectional_dynamic_rnn(Adding(), Adding(), TIMES, [2, 3], dtype=tf.float32)[0])
    assert forward[..., 0].tolist() == [[1, 6, 0], [13, 30, 51]]
    assert backward[..., 0].tolist() == [[6, 5, 0], [51, 38, 21]]
    names = [v.name for v in tf.global_variables()]
    assert names == ["bidirectional_rnn/fw/adding/scale:0", "bidirectional_rnn/bw/adding/scale:0"]
    steps = [tf.constant(TIMES[:, i]) for i in range(3)]
    both, last, first = tf.nn.static_bidirectional_rnn(Adding(), Adding(), steps, dtype=tf.float32, scope="again")
    assert run(both[0]).tolist() == [[1, 15], [13, 51]]
    assert run([last, first])[0].tolist() == [[15], [51]]


def test_a_raw_loop_decides_what_goes_in_and_what_comes_out():
    cell = Adding()

    def loop_fn(time, output, state, loop_state):
        state = cell.zero_state(2, tf.float32) if output is None else state
        seen = tf.constant(0.0) if loop_state is None else loop_state + 1.0
        return time >= tf.constant([1, 3]), tf.fill([2, 2], 1.0), state, output, seen

    emitted, state, seen = tf.nn.raw_rnn(cell, loop_fn)
    outputs, last, count = run([emitted.stack(), state, seen])
    assert outputs[..., 0].tolist() == [[2, 2], [0, 4], [0, 6]]  # [time, batch]
    assert last.tolist() == [[2], [6]] and count == 3


def test_a_saver_keeps_the_state_between_batches():
    kept = tf.get_variable("kept", [2, 1], initializer=tf.zeros_initializer(), trainable=False)

    class Saver:
        def state(self, name):
            return kept.read_value()

        def save_state(self, name, value):
            return kept.assign(value)

    outputs, _ = tf.nn.static_state_saving_rnn(Adding(), [tf.constant(X)], Saver(), "s")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert [session.run(outputs[-1]).ravel().tolist() for _ in range(2)] == [[-1, 0.5], [-2, 1]]
    with pytest.raises(ValueError, match="state_name should be the same type and structure"):
        tf.nn.static_state_saving_rnn(Adding(), [tf.constant(X)], Saver(), ("a", "b"))


def test_an_lstm_s_names_are_those_of_checkpoints():
    cell = cells.LSTMCell(4, use_peepholes=True, num_proj=2, num_unit_shards=2)
    tf.nn.dynamic_rnn(cells.MultiRNNCell([cell, cells.GRUCell(3)]), TIMES, dtype=tf.float32)
    lstm, gru = "rnn/multi_rnn_cell/cell_0/lstm_cell/", "rnn/multi_rnn_cell/cell_1/gru_cell/"
    assert [v.name.removesuffix(":0") for v in tf.global_variables()] == [
        *(lstm + n for n in ("kernel/part_0", "kernel/part_1", "bias", "w_f_diag", "w_i_diag", "w_o_diag",
                             "projection/kernel")),
        *(gru + n for n in ("gates/kernel", "gates/bias", "candidate/kernel", "candidate/bias")),
    ]  # fmt: skip


def test_states_side_by_side_are_one_tensor():
    stacked = cells.MultiRNNCell([cells.BasicRNNCell(2), cells.GRUCell(3)], state_is_tuple=False)
    assert stacked.state_size == 5 and stacked.output_size == 3
    _, state = stacked(X, stacked.zero_state(2, tf.float32))
    assert state.get_shape().as_list() == [2, 5]


def test_a_dropped_memory_stays_and_the_same_places_are_dropped_at_every_step():
    cell = cells.DropoutWrapper(Adding(), output_keep_prob=0.5, variational_recurrent=True, dtype=tf.float32, seed=1)
    steps, _ = tf.nn.static_rnn(cell, [tf.ones([1, 2])] * 6, dtype=tf.float32)
    found = np.ravel(run(steps))
    assert found.tolist() in ([4, 8, 12, 16, 20, 24], [0] * 6)
    lstm = cells.LSTMCell(50, initializer=ONES)
    _, state = cells.DropoutWrapper(lstm, state_keep_prob=0.5, seed=2)(X, lstm.zero_state(2, tf.float32))
    c, h = run(state)
    assert (c != 0).all() and 0.2 < (h == 0).mean() < 0.8


def test_an_input_is_added_or_what_one_says():
    x = tf.constant(X[:, :1])
    state = Adding().zero_state(2, tf.float32)
    residual = cells.ResidualWrapper(Adding())(x, state)[0]
    product = cells.ResidualWrapper(Adding(name="other"), lambda i, o: i * o)(x, state)[0]
    assert run([residual, product])[0].tolist() == [[2], [1]]
    with tf.Graph().as_default() as graph:
        cells.DeviceWrapper(cells.GRUCell(2), "/cpu:1")(X, tf.zeros([2, 2]))
        devices = {op.device.lower().replace("device:", "") for op in graph.get_operations() if op.type == "MatMul"}
        assert devices == {"/cpu:1"}


@pytest.mark.parametrize(
    ("build", "kind", "text"),
    [
        (lambda: tf.nn.dynamic_rnn(Adding(), TIMES), ValueError, "you must give a dtype"),
        (lambda: tf.nn.dynamic_rnn(Adding, TIMES, dtype=tf.float32), TypeError, "is not an RNNCell"),
        (lambda: tf.nn.dynamic_rnn(Adding(), TIMES, [[1, 2]], dtype=tf.float32), ValueError, "must be a vector"),
        (lambda: tf.nn.static_rnn(Adding(), [], dtype=tf.float32), ValueError, "inputs must not be empty"),
        (lambda: tf.nn.static_rnn(Adding(), X, dtype=tf.float32), TypeError, "inputs must be a sequence"),
        (lambda: cells.MultiRNNCell([]), ValueError, "Must specify at least one cell"),
        (lambda: cells.MultiRNNCell([cells.LSTMCell(2)], False), ValueError, "state_is_tuple is not set"),
        (lambda: cells.DropoutWrapper(Adding(), 1.5), ValueError, "must be between 0 and 1"),
        (lambda: cells.DropoutWrapper(Adding(), variational_recurrent=True), ValueError, "dtype must be provided"),
        (lambda: cells.DropoutWrapper(3), TypeError, "is not an RNNCell"),
    ],
)
def test_what_is_no_cell_or_no_sequence_is_told(build, kind, text):
    with pytest.raises(kind, match=text):
        build()


def test_a_step_with_another_number_of_lengths_fails():
    lengths = tf.placeholder(tf.int32, [None])
    outputs, _ = tf.nn.dynamic_rnn(Adding(), TIMES, lengths, dtype=tf.float32)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match="sequence_length"):
            session.run(outputs, {lengths: [1, 2, 3]})


def test_initializers_say_what_they_are_made_of():
    start = tf.initializers.random_normal(1.0, 2.0, seed=3)
    assert start.get_config() == {"mean": 1.0, "stddev": 2.0, "seed": 3, "dtype": "float32"}
    again = tf.initializers.random_normal.from_config(start.get_config())
    np.testing.assert_array_equal(*run([start([3]), again([3])]))
    rotation = run(tf.initializers.orthogonal(seed=1)([3, 3]))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-5)
    wide = run(tf.orthogonal_initializer(2.0)([2, 5]))
    np.testing.assert_allclose(wide @ wide.T, 4 * np.eye(2), atol=1e-4)
    assert run(tf.initializers.identity(2.0)([2, 3])).tolist() == [[2, 0, 0], [0, 2, 0]]
    halves = tf.fixed_size_partitioner(2)
    parts = tf.get_variable("v", [4, 4], initializer=tf.initializers.identity(), partitioner=halves)
    assert run(parts.as_tensor()).tolist() == np.eye(4).tolist()
    with pytest.raises(ValueError, match="at least two-dimensional"):
        tf.initializers.orthogonal()([3])
    with pytest.raises(TypeError, match="Expected Tensor's shape"):
        tf.initializers.constant([1, 2], verify_shape=True)([3])


def test_cells_in_loops_take_either_kind_of_variables():
    found = []
    for resources in (False, True):
        with tf.variable_scope(f"kind_{resources}", use_resource=resources):
            cell = cells.LSTMCell(2, use_peepholes=True, num_proj=1, num_unit_shards=2, initializer=ONES)
            outputs, _ = tf.nn.dynamic_rnn(cell, TIMES, dtype=tf.float32)
            table = tf.get_variable("table", [3, 2], initializer=ONES)
            looked = tf.while_loop(lambda i, a: i < 3, lambda i, a, t=table: (i + 1, a * tf.gather(t, i)),
                                   [0, tf.ones([2])])  # fmt: skip
        slopes = tf.gradients([outputs, looked[1]], [*cell.trainable_variables, table])
        assert isinstance(slopes[-1], tf.IndexedSlices)
        slopes[-1] = tf.convert_to_tensor(slopes[-1])
        assert outputs.get_shape().as_list() == [2, 3, 1]
        found.append(run([outputs, *slopes]))
    for plain, behind_handle in zip(*found, strict=True):
        np.testing.assert_allclose(plain, behind_handle, rtol=1e-5)
    assert np.abs(found[0][0]).min() > 0.1


def test_states_begin_at_zero_for_batches_of_any_form():
    cell = cells.GRUCell(3)
    for size in (2, [2], tf.constant(2), tf.constant([2])):
        state = cell.zero_state(size, tf.float32)
        assert state.shape.as_list() == [2, 3] and run(state).tolist() == [[0] * 3] * 2
    assert cell.zero_state(tf.placeholder(tf.int32, []), tf.float32).shape.as_list() == [None, 3]


def test_cells_are_built_by_sizes_and_say_what_they_cannot_take():
    cell = cells.BasicRNNCell(3)
    cell.build([2, 4])
    assert [v.shape.as_list() for v in cell.weights] == [[7, 3], [3]]
    with pytest.raises(ValueError, match="Unknown activation function: 'nonsense'"):
        cells.GRUCell(3, activation="nonsense")
    with pytest.raises(ValueError, match="only supports floating point inputs"):
        cells.GRUCell(3)(tf.constant([[1]]), tf.constant([[1, 2, 3]]))
