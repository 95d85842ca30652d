"""Sessions: what run() gives for what it is asked, what it costs, and what it says when it cannot."""

import re
import threading

import numpy as np
import pytest

import refflow as tf
from refflow.core.bfloat16 import rounded, widened
from refflow.core.registry import op_def
from refflow.runtime.device import local_devices
from tests.graphs import assert_same_bits


@pytest.fixture(params=["plan", "executor"])
def session(request, graph):
    with tf.Session(executor=request.param) as session:
        yield session


def test_results_have_the_structure_of_the_request(session):  # [W10, S26]
    x, y = tf.constant(1.0, name="x"), tf.constant([2, 3])
    assert session.run(x) == 1.0 and isinstance(session.run(x), np.float32)
    assert session.run([x]) == [1.0]
    assert session.run((x, x.op)) == (1.0, None)
    got = session.run({"a": [x, "x:0"], "b": y})
    assert got["a"] == [1.0, 1.0] and got["b"].tolist() == [2, 3]
    assert session.run("x:0") == 1.0 and session.run("x") is None


def test_indexed_slices_come_back_as_arrays(session):  # [W10]
    slices = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([2]))
    got = session.run(slices)
    assert (got.values.tolist(), got.indices.tolist(), got.dense_shape) == ([[1]], [2], None)


def test_a_tensor_that_is_fetched_twice_is_computed_once(graph):  # [W10]
    noise = tf.random_uniform([3])
    with tf.Session() as session:
        a, b = session.run([noise, noise])
        assert a.tolist() == b.tolist()


def test_any_tensor_may_be_fed_and_values_are_converted(session):  # [W10, W35]
    x = tf.constant(2.0)
    y = x * 3.0
    z = y + 1.0
    assert session.run(z, {y: 10}) == 11.0
    assert session.run(z, {"mul:0": np.int64(4)}) == 5.0
    hole = tf.placeholder(tf.float32, [None, 2])
    assert session.run(hole * 2.0, {hole: [[1, 2]]}).tolist() == [[2, 4]]


def test_only_what_is_needed_runs():  # [W08, W36]
    """The whitepaper's figure: of a, b, c, d, e, f, feeding b and fetching f leaves a and its like out."""
    a = tf.constant(1.0, name="a")
    b = tf.identity(a, name="b")
    c = tf.identity(b, name="c")
    tf.identity(a, name="d")
    f = tf.add_n([c, tf.constant(2.0, name="e")], name="f")
    with tf.Session(executor="executor", log=True) as session:
        session.run(f, {b: 5.0})
        names = {e.node for e in session.log.of_kind("end")} | {e.node for e in session.log.of_kind("recv")}
        assert names == {"_recv_b_0", "c", "e", "f", "_send_f_0"}


def test_a_control_edge_from_a_fed_placeholder_moves_to_its_feed(session, graph):  # [W35]
    hole = tf.placeholder(tf.float32, [])
    with graph.control_dependencies([hole]):
        late = tf.constant(1.0)
    assert session.run(late + 1.0, {hole: 0.0}) == 2.0


def test_a_second_run_of_a_request_does_no_graph_work(session):  # [W09]
    x = tf.placeholder(tf.float32, [None])
    y = x + 1.0
    for i in range(3):
        session.run(y, {x: [i]})
        session.run([y], {x: [i]})
    assert session.counters["steps_built"] == 2 and session.counters["runs"] == 6


def test_a_session_sees_nodes_that_are_added_later(session):  # [W07, W09, S24]
    x = tf.constant(1.0)
    session.run(x)
    seen = session.counters["operations_seen"]
    assert session.run(x + 1.0) == 2.0
    assert session.counters["operations_seen"] > seen


def test_many_shapes_of_one_feed_do_not_build_steps_without_end():  # [W09]
    x = tf.placeholder(tf.float32, [None])
    total = tf.reduce_sum(x)
    with tf.Session() as session:
        for n in range(100):
            assert session.run(total, {x: np.ones(n)}) == n
        assert session.counters["steps_built"] < 25


def test_state_outlives_the_run_and_ends_with_the_session(graph):  # [S14, W11, W47]
    v = tf.Variable(1.0, name="v")
    more = v.assign_add(2.0)
    with tf.Session() as session:
        session.run(v.initializer)
        assert [float(session.run(more)) for _ in range(3)] == [3.0, 5.0, 7.0]
        with tf.Session() as other, pytest.raises(tf.errors.FailedPreconditionError):
            other.run(v)
        assert session.run(v) == 7.0


def test_sessions_on_the_same_devices_share_their_variables(graph):  # [W47]
    v = tf.Variable(1.0)
    devices = local_devices()
    with tf.Session(devices=devices) as session:
        session.run(v.initializer)
        session.run(v.assign(5.0))
    with tf.Session(devices=devices) as session:
        assert session.run(v) == 5.0
    devices[0].resources.clear("")
    with tf.Session(devices=devices) as session, pytest.raises(tf.errors.FailedPreconditionError):
        session.run(v)


def test_a_variable_is_read_at_the_moment_its_reader_runs(session, graph):  # [W12, E13]
    v = tf.Variable(1.0)
    session.run(v.initializer)
    before = tf.identity(v)
    with graph.control_dependencies([before]):
        change = v.assign_add(10.0)
    with graph.control_dependencies([change]):
        after = v + 0.0
    assert session.run([before, after]) == [1.0, 11.0]


def test_what_was_fetched_never_changes_afterwards(session):
    v = tf.Variable([1.0, 2.0])
    x = tf.placeholder(tf.float32, [2])
    session.run(v.initializer)
    fed = np.array([5, 6], np.float32)
    fetched = session.run([v, tf.identity(v), tf.reshape(v, [1, 2]), tf.identity(x), tf.constant([1.0])], {x: fed})
    kept = [f.copy() for f in fetched]
    fed[:] = 0
    session.run(v.assign([7.0, 7.0]))
    for array, copy in zip(fetched, kept, strict=True):
        assert array.tolist() == copy.tolist()
        array[...] = -1  # the caller's own: writing into it must not reach the session
    assert session.run(v).tolist() == [7, 7] and session.run(tf.constant([1.0]) + 0.0).tolist() == [1]


def test_two_fetches_of_one_array_are_two_arrays():
    x = tf.placeholder(tf.float32, [2])
    y = x + 1.0
    with tf.Session() as session:
        a, b = session.run([y, tf.reshape(y, [1, 2])], {x: [1, 2]})
        a[:] = 0
        assert b.tolist() == [[2, 3]]


def test_several_threads_run_one_step_at_once(graph):
    x = tf.placeholder(tf.float32, [256])
    y = x
    for _ in range(20):
        y = tf.nn.relu(y * 1.0 + 1.0)
    with tf.Session() as session:
        wrong = []

        def work(k):
            for _ in range(30):
                if not (session.run(y, {x: np.full(256, k)}) == k + 20).all():
                    wrong.append(k)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert wrong == []


def test_numpys_error_state_is_left_as_it_was(session):
    with np.errstate(all="raise"):
        x = tf.placeholder(tf.float32, [])
        assert np.isinf(session.run(1.0 / x, {x: 0.0}))
        assert np.geterr()["divide"] == "raise"


def test_a_with_block_makes_graph_and_session_the_defaults_and_closes():  # [S23]
    graph = tf.Graph()
    with graph.as_default():
        x = tf.constant(3.0)
    with tf.Session(graph=graph) as session:
        assert tf.get_default_graph() is graph
        assert x.eval() == 3.0 and tf.constant(1.0).op.run() is None
    with pytest.raises(RuntimeError, match="Attempted to use a closed Session"):
        session.run(x)
    with pytest.raises(ValueError, match="No default session is registered"):
        x.eval()


def test_an_interactive_session_is_the_default_until_it_is_closed(graph):
    x = tf.constant(3.0)
    session = tf.InteractiveSession()
    assert x.eval() == 3.0
    session.close()
    with pytest.raises(ValueError, match="No default session is registered"):
        x.eval()


def test_strings_travel_as_bytes(session):
    x = tf.placeholder(tf.string, [None])
    assert session.run(tf.identity(x), {x: ["a", "é"]}).tolist() == [b"a", "é".encode()]
    assert session.run(tf.constant("hi")) == b"hi"


# -- what it says when it cannot -----------------------------------------------------------------------


def test_a_variable_without_a_value_is_named(session):  # [S14]
    v = tf.Variable(1.0, name="weights")
    with pytest.raises(tf.errors.FailedPreconditionError) as caught:
        session.run(v + 1.0)
    assert "Attempting to use uninitialized value weights" in str(caught.value)
    assert "initialize_all_variables" in str(caught.value)


def test_a_failing_node_is_shown_with_its_inputs_and_the_user_s_line(session):  # [W79, W82]
    table, places = tf.constant([1.0, 2.0]), tf.placeholder(tf.int32, [None])
    picked = tf.gather(table, places, name="pick")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        session.run(picked, {places: [0, 7]})
    text = str(caught.value)
    assert "Gather 'pick': indices[1] = 7 is not in [0, 2)" in text
    assert "[[Node: pick = Gather[" in text
    assert f'Built here: File "{__file__}"' in text and "test_a_failing_node" in text
    assert caught.value.op is picked.op and caught.value.error_code == 3 and caught.value.node_def.name == "pick"


def test_sizes_that_turn_out_wrong_in_the_step_are_told_in_the_op_s_words(session):
    a, b = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="b has K = 2, but a has K = 3"):
        session.run(tf.matmul(a, b), {a: np.ones((1, 3)), b: np.ones((2, 1))})


def test_a_fed_value_of_the_wrong_shape_type_or_kind_is_refused(session):  # [W10]
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    y = x + 1.0
    with pytest.raises(ValueError, match=r"value of shape \(10,\) for Tensor x:0, which has shape \(\?, 784\)"):
        session.run(y, {x: np.ones(10)})
    with pytest.raises(TypeError, match="only values can be fed, no nodes"):
        session.run(y, {x: y})
    with pytest.raises((TypeError, ValueError), match="cannot feed 'text' for 'x:0', which is float32"):
        session.run(y, {x: "text"})
    whole = tf.placeholder(tf.int32, [])
    with pytest.raises(TypeError, match="do not become int32 without loss"):
        session.run(whole + 1, {whole: 1.5})


def test_what_is_fed_cannot_be_fetched(session):  # [W10]
    x = tf.placeholder(tf.float32, [], name="x")
    with pytest.raises(tf.errors.InvalidArgumentError, match="'x:0' is both fed and fetched"):
        session.run(x, {x: 1.0})


def test_a_missing_name_is_answered_with_near_ones(session):
    tf.constant(1.0, name="loss")
    with pytest.raises(ValueError, match="Fetch argument 'los:0' cannot be interpreted as a Tensor. .* Near it: loss"):
        session.run("los:0")
    with pytest.raises(TypeError, match="Cannot interpret feed_dict key as Tensor: .* 'nothing:0'"):
        session.run("loss:0", {"nothing:0": 1.0})
    with pytest.raises(TypeError, match="Fetch argument 3 has invalid type"):
        session.run(3)


def test_a_tensor_of_another_graph_is_refused(session):
    with tf.Graph().as_default():
        foreign = tf.constant(1.0)
    with pytest.raises(ValueError, match="belongs to another graph .* A session runs one graph"):
        session.run(foreign)


def test_two_fetches_without_a_list_are_told_apart_from_feeds(session):
    a, b = tf.constant(1.0), tf.placeholder(tf.float32)
    for _ in range(2):  # also where a run with these names is known
        with pytest.raises(TypeError, match=r"feed_dict must be a dict.*Several .* are a list: run\(\[a, b\]"):
            session.run(a, b)
        with pytest.raises(TypeError, match="feed_dict must be a dictionary from tensors to values, got "):
            session.run(b + 1.0, [b])
        assert session.run(b + 1.0, {b: 1.0}) == 2
        assert session.run(a, []) == session.run(a, None) == session.run(a, {}) == 1


def test_text_is_not_fed_for_a_number(session):
    x = tf.placeholder(tf.float32, name="x")
    with pytest.raises(TypeError, match="cannot feed 'a' for 'x:0', which is float32: text does not become float32"):
        session.run(x + 1.0, {x: "a"})


def test_a_result_that_took_its_node_s_name_is_told_apart(session):
    y = tf.constant([1.0])
    y = session.run(y)
    with pytest.raises(TypeError, match="did a run's result take the name of its node?"):
        session.run(y)


def test_none_is_told_where_it_comes_from(session):
    step = tf.train.GradientDescentOptimizer(0.1).minimize(tf.square(tf.Variable(1.0)))
    session.run(tf.initialize_all_variables())
    for none in (session.run(step), tf.gradients(tf.constant(1.0), tf.constant(2.0))[0]):
        with pytest.raises(TypeError, match="A gradient is None where .* a run gives None for an operation"):
            session.run(none)


def test_none_and_nodes_cannot_be_fed(session):
    x = tf.placeholder(tf.float32, name="x")
    with pytest.raises(TypeError, match="cannot feed None for 'x:0', which is float32: it is no value"):
        session.run(x * 2.0, {x: None})
    with pytest.raises(TypeError, match="only values can be fed, no nodes"):
        session.run(x * 2.0, {x: tf.constant(1.0)})


def test_a_placeholder_that_is_not_fed_says_so(session):
    x = tf.placeholder(tf.float32, [2], name="x")
    wanted = "You must feed a value for placeholder tensor 'x' with dtype float and shape [2]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(wanted)):
        session.run(x + 1.0)


def test_options_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="executor must be plan or executor, got 'fast'"):
        tf.Session(executor="fast")
    with pytest.raises(ValueError, match="policy 'best' is none of patient, fifo"):
        tf.Session(policy="best")
    with pytest.raises(ValueError, match="target 'grpc://x'"):
        tf.Session("grpc://x")
    with pytest.raises(TypeError, match="graph must be a Graph"):
        tf.Session(graph=3)
    with pytest.raises(ValueError, match="there are CPU and GPU"):
        tf.Session(device_count={"TPU": 1})


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_what_may_read_a_variable_before_a_change_does(executor):
    """The documents leave the order open where no edge gives it; TensorFlow's clients count on this one."""
    v = tf.Variable(1.0)
    change = v.assign_add(tf.constant(2.0) * tf.constant(3.0))
    handle = tf.core.registry.find_op_def("VarHandleOp")(dtype=tf.float32, shape=[])
    start = tf.core.registry.find_op_def("AssignVariableOp")(handle, 1.0)
    grow = tf.core.registry.find_op_def("AssignAddVariableOp")(handle, 6.0)
    late = tf.identity(tf.identity(v.ref())) + 0.0
    seen = tf.core.registry.find_op_def("ReadVariableOp")(handle, dtype=tf.float32) * 1.0
    with tf.Session(executor=executor) as session:
        session.run([v.initializer, start])
        assert session.run([change.op, late, grow, seen])[1::2] == [1, 1]
        assert session.run([late, seen]) == [7, 7]


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_what_a_shape_rule_leaves_to_the_run_names_its_operation(graph, executor):  # [W79]
    """No kernel has strides over examples; shapes are asked again once it is known what is fed."""
    x, w = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    y = op_def("Conv2D")(x, w, strides=[2, 1, 1, 1], padding="SAME")
    fed = {x: np.ones((2, 3, 3, 1)), w: np.ones((2, 2, 1, 1))}
    with tf.Session(executor=executor) as session, pytest.raises(tf.errors.UnimplementedError) as told:
        session.run(y, fed)
    assert told.value.op is y.op


def test_a_bfloat16_without_axes_is_the_callers_own(session):  # [S65]
    """A record of NumPy's is no number: it looks into an array, and whoever has it could change a constant."""
    fed = np.asarray(rounded(np.float32(2.5)))
    hole, pred = tf.placeholder(tf.bfloat16, []), tf.placeholder(tf.bool, [])
    held = tf.constant(np.asarray(rounded(np.float32(1.5))))
    both = [tf.identity(held), tf.cond(pred, lambda: held, lambda: held), tf.identity(hole)]
    for _ in range(2):
        got = session.run(both, {hole: fed, pred: True})
        assert [float(widened(g)) for g in got] == [1.5, 1.5, 2.5]
        for value in got:
            value[... if isinstance(value, np.ndarray) else value.dtype.names[0]] = 77


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_how_a_fed_array_lies_in_memory_changes_no_bit(kernels, graph, rng):  # [S65]
    x = rng.normal(size=(19, 2, 2, 19)).astype(np.float32)
    spread = np.zeros((38, 4, 2, 38), np.float32)[::2, ::2, :, ::2]
    spread[...] = x
    hole = tf.placeholder(tf.float32, x.shape)
    values = [tf.nn.softmax(tf.reshape(hole, [-1, 19])), tf.reduce_sum(hole, [0, 3]), tf.reduce_mean(hole)]
    with tf.Session(kernels=kernels) as session:
        wanted = session.run(values, {hole: x})
        for other in (np.asfortranarray(x), spread, x.astype(">f4"), x[::-1][::-1]):
            for _ in range(2):
                assert_same_bits([session.run(values, {hole: other})], [wanted])
