"""Graphs while they are built: names, scopes, control edges, collections, and what goes wrong."""

import operator
import threading

import numpy as np
import pytest

import refflow as tf
from refflow.core.graphdef import parse_input


def test_taken_names_are_numbered(graph):  # [W70]
    assert [tf.constant(1.0).op.name for _ in range(3)] == ["Const", "Const_1", "Const_2"]
    assert tf.constant(1.0, name="a").name == "a:0"
    assert tf.constant(1.0, name="a_1").name == "a_1:0"
    assert tf.constant(1.0, name="a").name == "a_2:0"


def test_scopes_prefix_are_numbered_and_can_be_entered_again(graph):  # [W70]
    with graph.name_scope("layer") as scope:
        assert scope == "layer/"
        assert tf.constant(1.0).op.name == "layer/Const"
        with graph.name_scope("inner"):
            assert tf.constant(1.0).op.name == "layer/inner/Const"
        with graph.name_scope(None):
            assert tf.constant(1.0).op.name == "Const"
    with graph.name_scope("layer"):
        assert tf.constant(1.0).op.name == "layer_1/Const"
    with graph.name_scope(scope):
        assert tf.constant(1.0).op.name == "layer/Const_1"


def test_a_composite_function_names_its_last_node_after_its_scope(graph):  # [W71]
    assert tf.truncated_normal([2]).op.name == "truncated_normal"
    assert tf.truncated_normal([2], name="noise").op.name == "noise"
    assert "noise/TruncatedNormal" in {op.name for op in graph.get_operations()}


@pytest.mark.parametrize("name", ["", "1 2", "a:b", "_hidden", "é"])
def test_other_characters_make_no_name(graph, name):  # [W70]
    if name == "":
        assert tf.constant(1.0, name=name).op.name == "Const"
        return
    with pytest.raises(tf.GraphError, match="is not a valid node name"):
        tf.constant(1.0, name=name)


def test_graphs_do_not_share_names_and_do_not_mix():  # [S10, W02]
    first, second = tf.Graph(), tf.Graph()
    with first.as_default():
        a = tf.constant(1.0, name="c")
    with second.as_default():
        b = tf.constant(1.0, name="c")
        assert b.name == "c:0"
        with pytest.raises(ValueError, match="'c:0' must be from the same graph as 'c:0'"):
            tf.add_n([a, b])
        with pytest.raises(ValueError, match="different graphs"):
            a + b


def test_as_default_nests_and_comes_back_after_an_exception():  # [S11]
    outer, inner = tf.Graph(), tf.Graph()
    with outer.as_default():
        with pytest.raises(KeyError), inner.AsDefault():
            assert tf.get_default_graph() is inner
            raise KeyError
        assert tf.get_default_graph() is outer


def test_the_default_graph_belongs_to_one_thread(graph):  # [S11]
    seen = []
    thread = threading.Thread(target=lambda: seen.append(tf.get_default_graph()))
    thread.start()
    thread.join()
    assert seen[0] is not graph


def test_nodes_of_a_control_scope_wait_for_its_sources(graph):  # [W03]
    a, b = tf.constant(1.0), tf.constant(2.0)
    with graph.control_dependencies([a, b.op]):
        c = tf.constant(3.0)
        d = tf.identity(c)
        with graph.control_dependencies(None):
            e = tf.constant(4.0)
    assert c.op.control_inputs == [a.op, b.op]
    assert d.op.control_inputs == []  # c waits already
    assert e.op.control_inputs == []
    assert c.op.node_def.input == ["^Const", "^Const_1"]


def test_an_inner_device_scope_wins_and_none_clears(graph):  # [W37]
    with graph.device("/job:worker/gpu:1"):
        assert tf.constant(1.0).device == "/job:worker/gpu:1"
        with graph.device("/cpu:0"):
            assert tf.constant(1.0).device == "/job:worker/cpu:0"
            with graph.device(None):
                assert tf.constant(1.0).device == ""
    with graph.device(lambda op: "/gpu:0" if op.type == "MatMul" else "/cpu:0"):
        assert tf.constant(1.0).device == "/cpu:0"
    assert graph.get_default_device() == ""


@pytest.mark.parametrize("text", ["gpu:0", "/gpu:x", "/job:a/job:b", "/tpu", "/task:-1"])
def test_a_malformed_device_is_refused_where_it_is_written(graph, text):  # [W14]
    with pytest.raises(ValueError, match="is not a device name"), graph.device(text):
        tf.constant(1.0)


def test_types_are_known_and_checked_while_building(graph):  # [W02, S31]
    x = tf.constant([[1.0]])
    with pytest.raises(TypeError, match=r"b \('Const_1:0'\) is int32, but a has T = float32"):
        tf.matmul(x, tf.constant([[1]]))
    with pytest.raises(TypeError, match="requested dtype float32 for Tensor with dtype float64"):
        x + tf.constant([[1.0]], dtype=tf.float64)


def test_an_error_names_the_op_the_sizes_and_the_signature(graph):
    a, b = tf.zeros([64, 784]), tf.zeros([500, 10])
    with graph.name_scope("layer1"), pytest.raises(tf.GraphError) as caught:
        tf.matmul(a, b)
    text = str(caught.value)
    assert "MatMul 'layer1/MatMul': b has K = 500, but a has K = 784" in text
    assert "a: float32[64,784], b: float32[500,10]" in text


def test_unknown_sizes_agree_with_everything_until_the_step(graph):
    x = tf.placeholder(tf.float32, [None, 784])
    y = tf.matmul(x, tf.zeros([784, 10]))
    assert y.get_shape().as_list() == [None, 10]
    y.set_shape([32, 10])
    assert y.get_shape() == [32, 10]
    with pytest.raises(ValueError, match="must be equal"):
        y.set_shape([33, 10])


def test_shapes_follow_from_values_that_are_known(graph):
    x = tf.placeholder(tf.float32, [6, 4])
    sizes = tf.shape(x) / tf.constant([2, 1])
    assert tf.zeros(sizes).get_shape() == [3, 4]
    assert tf.reshape(x, [3, -1]).get_shape() == [3, 8]
    assert tf.range(0, tf.rank(x)).get_shape() == [2]


def test_a_tensor_has_no_truth_value_no_length_and_is_equal_to_itself_only(graph):  # [W81]
    x, y = tf.constant(1.0), tf.constant(1.0)
    assert x == x and x != y and len({x, y, x}) == 2
    with pytest.raises(TypeError, match="has no truth value"):
        bool(x > y)
    with pytest.raises(TypeError, match="cannot be iterated"):
        list(x)
    with pytest.raises(TypeError, match="has no truth value"):
        if tf.Variable(1.0):
            raise AssertionError


ASKED = {
    "int": (int, "is no number"), "float": (float, "is no number"), "range": (range, "is no number"),
    "index": (lambda x: [1, 2][x], "is no number"), "sin": (np.sin, "is no array: .* tf.sin for np.sin"),
    "sum": (np.sum, "is no array"), "array": (np.array, "is no array"),
    "format": ("{:.2f}".format, "cannot be formatted as '.2f'"),
    "change": (lambda x: operator.setitem(x, 0, 1), "cannot be changed element by element: .* assign"),
}  # fmt: skip


@pytest.mark.parametrize("kind", [tf.constant, tf.Variable])
@pytest.mark.parametrize("ask", ASKED)
def test_who_takes_a_node_for_numbers_is_told_what_to_write(graph, kind, ask):
    function, words = ASKED[ask]
    with pytest.raises(TypeError, match=rf"^'(Const|Variable):0' {words}"):
        function(kind([1.0, 2.0]))


@pytest.mark.parametrize("kind", [tf.constant, tf.Variable])
def test_a_node_has_no_numpy(graph, kind):
    with pytest.raises(AttributeError, match=r"holds no value yet. session.run\('(Const|Variable):0'\) gives a NumPy"):
        kind([1.0, 2.0]).numpy()
    assert not hasattr(kind(1.0), "numpy")


def test_a_node_has_no_length(graph):
    with pytest.raises(TypeError, match=r"len is not well defined for a symbolic Tensor \(c:0\)"):
        len(tf.constant([1.0], name="c"))


def test_arrays_and_texts_still_meet_nodes(graph):
    x = tf.constant([1.0, 2.0], name="x")
    for y in (np.ones(2, np.float32) * x, x * np.ones(2, np.float32)):
        assert isinstance(y, tf.Tensor) and y.op.type == "Mul"
    assert f"{x}" == str(x) == 'Tensor("x:0", shape=(2,), dtype=float32)'


def test_operators_build_nodes_named_after_themselves(graph):  # [S17]
    x = tf.constant([4.0, 2.0], name="x")
    y = x > 1
    logic = [(x % 3).op, (y & y).op, (y | y).op, (y ^ y).op, (~y).op, (True & y).op]
    assert [op.type for op in logic] == ["Mod", "LogicalAnd", "LogicalOr", "LogicalAnd", "LogicalNot", "LogicalAnd"]
    made = [x + 1, 1 - x, x * 2, 1 / x, -x, abs(x), x < 1, x[0], x[0:1]]
    assert [t.op.type for t in made] == ["Add", "Sub", "Mul", "Div", "Neg", "Abs", "Less", "Squeeze", "Slice"]
    assert [t.op.name for t in made[:4]] == ["add", "sub", "mul", "div"]


def test_elements_are_found_by_name_and_near_names_are_told(graph):  # [W34]
    x = tf.constant([1.0], name="weights")
    assert graph.get_tensor_by_name("weights:0") is x
    assert graph.get_operation_by_name("weights") is x.op
    with pytest.raises(KeyError, match="Near it: weights"):
        graph.get_operation_by_name("weight")
    with pytest.raises(KeyError, match="only has 1 outputs"):
        graph.get_tensor_by_name("weights:1")
    with pytest.raises(ValueError, match="refers to an Operation, not a Tensor"):
        graph.get_tensor_by_name("weights")


@pytest.mark.parametrize(
    ("text", "place"), [("bar", ("bar", 0)), ("bar:0", ("bar", 0)), ("a/b:12", ("a/b", 12)), ("^bar", ("bar", -1))]
)
def test_an_input_is_written_node_port_or_with_a_caret(text, place):  # [W34]
    assert parse_input(text) == place


@pytest.mark.parametrize("text", ["", ":0", "a:", "a:b", "a:-1", "a b:0"])
def test_other_texts_name_no_input(text):  # [W34]
    with pytest.raises(ValueError, match="does not name an output"):
        parse_input(text)


def test_a_finalized_graph_takes_nothing_more(graph):
    graph.finalize()
    with pytest.raises(RuntimeError, match="finalized"):
        tf.constant(1.0)


def test_collections_hold_what_is_added(graph):
    v = tf.Variable(1.0, name="layer/v")
    frozen = tf.Variable(1.0, trainable=False)
    assert tf.all_variables() == [v, frozen] and tf.trainable_variables() == [v]
    assert graph.get_collection(tf.GraphKeys.VARIABLES, scope="layer") == [v]


def test_every_operation_knows_the_line_that_built_it(graph):  # [W79]
    x = tf.constant(1.0) + 1.0
    frame = x.op.user_frame
    assert frame.filename == __file__ and frame.function.startswith("test_every_operation")
    assert x.op.traceback[-1].function in ("create_op", "_add", "add_node")


def test_building_thousands_of_nodes_keeps_ids_in_order(graph):
    x = tf.constant(1.0)
    for _ in range(2000):
        x = x + 1.0
    assert graph.version == 4001 and [op._id for op in graph.get_operations()] == list(range(1, 4002))


def test_libraries_may_put_attributes_of_their_own_on_tensors_and_operations():
    x = tf.constant(1.0)
    x.history, x.op.layer = "mine", "first"
    assert (x.history, x.op.layer) == ("mine", "first") and not tf.constant(1.0).__dict__
