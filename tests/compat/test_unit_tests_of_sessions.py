"""What unit tests ask of sessions beyond what programs do: options, callables, parts of a step, who may be fetched."""

import types

import numpy as np
import pytest

import refflow.compat.v1 as tf
from refflow.compat import as_tensorflow
from refflow.runtime.config import CallableOptions
from refflow.runtime.signature import is_fetched_in_parts


@pytest.fixture
def session():
    with tf.Session() as found:
        yield found


class Record:
    """As the package attrs makes classes."""

    __attrs_attrs__ = (types.SimpleNamespace(name="left"), types.SimpleNamespace(name="right"))
    __hash__ = None

    def __init__(self, left, right):
        self.left, self.right = left, right


def test_an_object_of_attrs_is_fetched_field_by_field(session):
    a = tf.constant(4)
    for _ in range(2):  # the second run is found by its key
        found = session.run([Record(a, {"k": Record(a, a)})])[0]
    assert (found.left, found.right["k"].right) == (4, 4)


def test_a_callable_feeds_and_fetches_by_names(session):
    x = tf.placeholder(tf.float32, [], name="x")
    tf.multiply(x, 2.0, name="y")
    v = tf.Variable(1.0, name="v")
    asked = CallableOptions(feed=["x:0"], fetch=["y:0"], target=["v/Assign"])
    assert session._make_callable_from_options(asked)(3.0) == [6] and session.run(v) == 1
    asked = CallableOptions(fetch=["y:0"])
    asked.tensor_connection.add(from_tensor="v:0", to_tensor="x:0")
    assert session._make_callable_from_options(asked)() == [2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expected 0 feed tensors, but got 1"):
        session._make_callable_from_options(asked)(1.0)


def test_options_are_merged_and_copied():
    config = tf.ConfigProto(device_count={"CPU": 1})
    config.session_inter_op_thread_pool.add(num_threads=2)
    other = tf.ConfigProto(allow_soft_placement=True, device_count={"GPU": 0})
    other.MergeFrom(config)
    assert other.device_count == {"CPU": 1, "GPU": 0} and other.allow_soft_placement
    assert other.session_inter_op_thread_pool[0].num_threads == 2
    copied = tf.ConfigProto()
    copied.CopyFrom(other)
    assert copied == other and copied.session_inter_op_thread_pool is not other.session_inter_op_thread_pool
    with pytest.raises(TypeError, match="takes another one, got RunOptions"):
        copied.CopyFrom(tf.RunOptions())


@pytest.mark.parametrize("switch", [{"constant_folding": 2}, {"disable_meta_optimizer": True}])
def test_a_session_leaves_a_graph_as_it_is_where_rewrites_are_off(graph, switch):
    tf.identity(tf.constant(1.0))
    config = tf.ConfigProto()
    for name, value in switch.items():
        setattr(config.graph_options.rewrite_options, name, value)
    with tf.Session(config=config) as session:
        assert session.config.optimize is False


def test_a_session_s_graph_has_shapes_where_that_is_asked_for(graph):
    tf.constant([1.0, 2.0])
    config = tf.ConfigProto()
    config.graph_options.infer_shapes = True
    assert "_output_shapes" in tf.Session(config=config).graph_def.node[0].attr
    assert "_output_shapes" not in tf.Session().graph_def.node[0].attr


def test_one_fetch_and_one_feed_need_no_list_in_a_partial_run(session):
    a = tf.placeholder(tf.float32)
    b = a * 2.0
    assert session.partial_run(session.partial_run_setup(b, a), b, {a: 3.0}) == 6
    sparse = tf.sparse_placeholder(tf.float32)
    values = tf.identity(sparse.values)
    handle = session.partial_run_setup(values, [sparse])
    assert session.partial_run(handle, values, {sparse: ([[0]], [5.0], [1])}).tolist() == [5]


def test_what_may_not_be_fed_any_more_is_not(session, graph):
    a = tf.constant(1.0, name="a")
    b = a + 1.0
    for _ in range(2):
        assert session.run(b, {a: 2.0}) == 3
    graph.prevent_feeding(a)
    with pytest.raises(ValueError, match="may not be fed"):
        session.run(b, {a: 2.0})


def test_a_session_of_another_graph_is_told_before_anything_runs(graph):
    a = tf.constant(1.0)
    with tf.Session(graph=tf.Graph()) as other:
        with pytest.raises(ValueError, match="the tensor's graph is different from the session's graph"):
            a.eval()
        with pytest.raises(ValueError, match="Cannot use the given session to execute operation"):
            a.op.run(session=other)


def test_costs_are_told_without_a_trace(graph):
    x = tf.placeholder(tf.float32)
    y = tf.square(x, name="square")
    metadata = tf.RunMetadata()
    with tf.Session(config=tf.ConfigProto(graph_options=tf.GraphOptions(build_cost_model=1))) as session:
        session.run(y, {x: 2.0}, run_metadata=metadata)
    assert "square" in [node.name for node in metadata.cost_graph.node] and not metadata.step_stats.dev_stats


def test_a_kind_is_registered_once():
    with as_tensorflow():
        from tensorflow.python.client import session as client

        class Twice:
            def __init__(self, tensor):
                self.parts = [tensor, tensor * 2.0]

        client.register_session_run_conversion_functions(Twice, lambda t: (t.parts, tuple))
        assert is_fetched_in_parts(Twice) and not is_fetched_in_parts(Record)
        with pytest.raises(ValueError, match="has already been registered"):
            client.register_session_run_conversion_functions(Twice, lambda t: (t.parts, tuple))
    with tf.Session() as session:
        assert session.run(Twice(tf.constant(3.0))) == (3, 6)


# -- operations and graphs --------------------------------------------------------------------------------------------


def test_an_operation_is_described_by_a_message(graph):
    with tf.device("/cpu:1"):
        a = tf.placeholder(tf.float32, [2, None], name="a")
    message = tf.identity(a, name="b").op.node_def
    assert (message.op, list(message.input)) == ("Identity", ["a"]) and a.op.node_def.device == "/device:CPU:1"
    assert [d.size for d in a.op.get_attr("shape").dim] == [2, -1]
    assert tf.make_ndarray(tf.constant([3, 4]).op.get_attr("value")).tolist() == [3, 4]
    assert str(a) == 'Tensor("a:0", shape=(2, ?), dtype=float32, device=/device:CPU:1)' and 'name: "a"' in str(a.op)


def test_an_operation_is_changed_by_who_knows_what_he_does(graph, session):
    a, b = tf.constant(1.0, name="a"), tf.constant(5.0, name="b")
    c = tf.identity(a)
    c.op._update_input(0, b)
    assert a.consumers() == [] and b.consumers() == [c.op] and session.run(c) == 5
    c.op._add_control_inputs([a.op])
    assert a.op._control_outputs == [c.op]
    c.op._remove_all_control_inputs()
    c.op._set_attr("_mine", tf.AttrValue(i=4))
    assert (c.op.control_inputs, c.op.get_attr("_mine")) == ([], 4)
    c.op._clear_attr("_mine")
    with pytest.raises(ValueError, match="has no attr named '_mine'"):
        c.op.get_attr("_mine")


def test_new_nodes_have_the_attributes_and_labels_of_their_scopes(graph):
    with graph._attr_scope({"_a": tf.AttrValue(s=b"x")}), graph._kernel_label_map({"Square": "fast"}):
        made = tf.square(1.0).op
        with graph._attr_scope({"_a": None}):
            assert "_a" not in tf.no_op().node_def.attr
    assert (made.get_attr("_a"), made.get_attr("_kernel")) == (b"x", b"fast")
    with pytest.raises(TypeError, match="AttrValue protos"), graph._attr_scope({"_a": 3}):
        tf.no_op()


def test_what_waits_for_a_variable_behind_a_handle_does_not_read_it(graph):
    v = tf.Variable(1.0, use_resource=True, name="v")
    with tf.control_dependencies([v]):
        assert tf.no_op().control_inputs == [v.handle.op]


def test_converters_are_checked_when_they_are_registered():
    with pytest.raises(TypeError, match="must be a type or a tuple of types"):
        tf.register_tensor_conversion_function("x", lambda *a, **k: None)
    with pytest.raises(TypeError, match="must be callable"):
        tf.register_tensor_conversion_function(Record, 3)


def test_arrays_of_bytes_of_one_width_are_equal_without_their_last_zeros():
    tf.test.TestCase().assertAllEqual(np.array([b"a", b"b\x00"]), np.array([b"a", b"b\x00"], object))


# -- variables --------------------------------------------------------------------------------------------------------


def test_changes_of_a_handle_s_variable_come_one_after_another(session):
    v = tf.Variable([1.0, 1.0], use_resource=True)
    session.run(v.initializer)
    changed = v.assign([10.0, 10.0]).assign_add([5.0, 5.0]).scatter_nd_update([[0]], [1.0]).assign_sub([1.0, 1.0])
    assert session.run(changed).tolist() == session.run(v).tolist() == [0, 14]


def test_an_initializer_of_numbers_with_a_point_refuses_other_types():
    for kind in (tf.random_normal_initializer, tf.orthogonal_initializer, tf.glorot_uniform_initializer):
        with pytest.raises(ValueError, match="expected to be floating point"):
            kind(dtype=tf.string if kind is tf.random_normal_initializer else tf.int32)


def test_a_variable_is_not_converted_to_another_type(graph):
    for use_resource in (False, True):
        v = tf.Variable(1.0, use_resource=use_resource, name="v")
        with pytest.raises(ValueError, match="Incompatible type conversion requested to type 'int32' for variable"):
            tf.convert_to_tensor(v, tf.int32)
    assert v._shared_name == "v_1" and v._graph_element is v._as_graph_element()
    with pytest.raises(NotImplementedError, match="only available when eager execution is enabled"):
        v.numpy()


def test_a_handle_s_variable_is_not_changed_by_a_sign_of_python_s(graph):
    v = tf.Variable(1.0, use_resource=True)
    with pytest.raises(RuntimeError, match=r"Use `variable\.assign_add\(value\)`"):
        v += 1.0
    w = tf.Variable(1.0, use_resource=False)
    w += 1.0
    assert w.op.type == "Add"
