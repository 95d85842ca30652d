"""Graphs in the wire format: in and out, under names, joined, cut, frozen."""

import numpy as np
import pytest

import refflow as tf
from refflow import interop
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef
from refflow.core.importer import extend
from refflow.core.signature import Arg
from refflow.interop import protos
from refflow.interop.schema import message

pytest.importorskip("google.protobuf", reason="graphs in the wire format need pip install '.[interop]'")


@pytest.fixture
def wire():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, 2], name="x")
        w = tf.constant(np.array([[1, 2], [3, 4]], np.float32), name="w")
        tf.matmul(x, w, name="y")
        return protos.to_bytes(graph.as_graph_def())


@pytest.mark.parametrize("form", ["bytes", "text", "message", "plain"])
def test_every_form_of_a_graph_is_taken(wire, form):
    plain = protos.as_graph_def(wire)
    given = {"bytes": wire, "text": protos.to_text(plain), "message": protos.write_graph(plain), "plain": plain}[form]
    with tf.Graph().as_default(), tf.Session() as session:
        (y,) = tf.import_graph_def(given, return_elements=["y:0"], name="")
        assert y.get_shape().as_list() == [None, 2]
        assert session.run(y, {"x:0": [[1, 1]]}).tolist() == [[4, 6]]


def test_names_get_a_prefix_that_is_free(wire):
    with tf.Graph().as_default() as graph:
        names = [tf.import_graph_def(wire, return_elements=["y"], name=n)[0].name for n in (None, None, "mine")]
        assert names == ["import/y", "import_1/y", "mine/y"]
        with pytest.raises(tf.GraphError, match="not found in graph_def"):
            tf.import_graph_def(wire, return_elements=["absent"])
        assert graph.unique_name("import/y") == "import/y_1"


def test_a_tensor_may_take_the_place_of_an_input(wire):
    with tf.Graph().as_default(), tf.Session() as session:
        ones = tf.ones([1, 2])
        (y,) = tf.import_graph_def(wire, {"x:0": ones}, ["y:0"])
        assert session.run(y).tolist() == [[4, 6]]
        with pytest.raises(tf.GraphError, match="input_map names y:0, which no node of the graph reads"):
            tf.import_graph_def(wire, {"y:0": ones})


def test_a_session_is_extended_with_nodes_that_read_what_is_there(wire):  # [W07]
    with tf.Graph().as_default(), tf.Session() as session:
        session.extend(protos.as_graph_def(wire))
        assert session.run("y:0", {"x:0": [[1, 1]]}).tolist() == [[4, 6]]
        session.extend(GraphDef([NodeDef("z", "Neg", ["y"], "", {"T": tf.float32})]))
        assert session.run("z:0", {"x:0": [[1, 1]]}).tolist() == [[-4, -6]]
        with pytest.raises(tf.GraphError, match="'z' is in the graph already"):
            session.extend(GraphDef([NodeDef("z", "NoOp", [], "", {})]))


def test_the_same_graph_gives_the_same_bytes(wire):
    assert protos.to_bytes(protos.as_graph_def(wire)) == wire
    assert protos.to_bytes(protos.as_graph_def(protos.to_text(protos.as_graph_def(wire)))) == wire


@pytest.mark.parametrize("array", [
    np.array([1.5, -2], np.float16), np.array([[True, False]]), np.array(7, np.int8), np.zeros((0, 3)),
    np.array([1 + 2j], np.complex64), np.array([b"a", b""], object), np.array([2**63], np.uint64),
], ids=lambda a: str(a.dtype))  # fmt: skip
def test_constants_travel_unchanged(array):
    with tf.Graph().as_default() as graph:
        tf.constant(array, name="c")
        wire = protos.to_bytes(graph.as_graph_def())
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(wire, name="")
        found = np.asarray(session.run("c:0"), array.dtype if array.dtype == object else None)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_a_graph_is_written_and_cut_and_frozen(tmp_path):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        v = tf.Variable([1.0, 2.0], name="v")
        y = tf.mul(v, 3.0, name="y")
        tf.neg(y, name="other")
        session.run(v.initializer)
        cut = interop.extract_sub_graph(graph.as_graph_def(), ["y"])
        assert {n.name for n in cut.node} == {"v", "y", "y/y"}
        frozen = interop.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
        session.run(v.assign([9.0, 9.0]))
        path = interop.write_graph(frozen, str(tmp_path), "graph.txt")
    with tf.Graph().as_default(), tf.Session() as session, open(path, encoding="utf-8") as file:
        tf.import_graph_def(file.read(), name="")
        assert session.run("y:0").tolist() == [3, 6]
    with pytest.raises(tf.GraphError, match="no node 'absent'"):
        interop.extract_sub_graph(frozen, ["absent"])


def test_what_is_no_graph_is_told():
    with tf.Graph().as_default():
        with pytest.raises(tf.GraphError, match="no GraphDef"):
            tf.import_graph_def(b"\x0a\xff", name="")
        with pytest.raises(tf.GraphError, match="this text is no GraphDef"):
            tf.import_graph_def("node {", name="")
        with pytest.raises(TypeError, match="expected a GraphDef"):
            tf.import_graph_def(7, name="")


VALUE_OR_LATER = """
node { name: "v" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "shape" value { shape {} } } }
node { name: "later" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
       attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: 5 } } } }
node { name: "set" op: "Assign" input: "v" input: "later" attr { key: "T" value { type: DT_FLOAT } } }
node { name: "there" op: "IsVariableInitialized" input: "v" attr { key: "dtype" value { type: DT_FLOAT } } }
node { name: "y" op: "StatelessIf" input: "there" input: "v" attr { key: "Tcond" value { type: DT_BOOL } }
       attr { key: "Tin" value { list { type: DT_FLOAT } } } attr { key: "Tout" value { list { type: DT_FLOAT } } }
       attr { key: "then_branch" value { func { name: "read" } } }
       attr { key: "else_branch" value { func { name: "other" } } } }
library {
  function { signature { name: "read" input_arg { name: "x" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
             ret { key: "r" value: "x" } }
  function { signature { name: "other" input_arg { name: "x" type: DT_FLOAT } output_arg { name: "r" type: DT_FLOAT } }
             node_def { name: "minus" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
                        attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape {} float_val: -1 } } } }
             ret { key: "r" value: "minus:output:0" } }
}
"""


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_only_the_branch_that_reads_a_variable_needs_its_value(executor):  # [W11, W39]
    with tf.Graph().as_default(), tf.Session(executor=executor) as session:
        tf.import_graph_def(VALUE_OR_LATER, name="")
        assert session.run("y:0") == -1
        session.run("set")
        assert session.run("y:0") == 5


def powers(shapes):
    """A While of functions: three times a := a x, with x handed on; the importer's operations by their names."""
    args = (Arg("i", "int32", tf.int32), Arg("a", "float32", tf.float32), Arg("x", "float32", tf.float32))
    goes_on = FunctionDef("goes_on", args, (Arg("truth", "bool", tf.bool),), [
        NodeDef("three", "Const", [], attr={"dtype": tf.int32, "value": np.array(3, np.int32)}),
        NodeDef("Less", "Less", ["i", "three:output:0"], attr={"T": tf.int32}),
    ], {"truth": "Less:z:0"})  # fmt: skip
    turn = FunctionDef("turn", args, tuple(Arg(f"next_{a.name}", a.type, a.fixed) for a in args), [
        NodeDef("one", "Const", [], attr={"dtype": tf.int32, "value": np.array(1, np.int32)}),
        NodeDef("step", "AddV2", ["i", "one:output:0"], attr={"T": tf.int32}),
        NodeDef("Mul", "Mul", ["a", "x"], attr={"T": tf.float32}),
    ], {"next_i": "step:z:0", "next_a": "Mul:z:0", "next_x": "x"})  # fmt: skip
    calls = {"cond": FunctionCall("goes_on"), "body": FunctionCall("turn"), "output_shapes": shapes}
    nodes = [
        NodeDef("zero", "Const", [], attr={"dtype": tf.int32, "value": np.array(0, np.int32)}),
        NodeDef("x", "Placeholder", [], attr={"dtype": tf.float32, "shape": tf.TensorShape([])}),
        NodeDef("w", "While", ["zero", "x", "x"], attr={"T": [tf.int32, tf.float32, tf.float32], **calls}),
    ]
    return extend(tf.get_default_graph(), GraphDef(nodes, [goes_on, turn]))


def test_what_goes_round_a_loop_of_functions_unchanged_is_a_constant_of_its_frame(graph):  # [W39, W40]
    made = powers([tf.TensorShape([])] * 3)
    constant = [name for name, op in made.items() if op.type == "Enter" and op.attrs["is_constant"]]
    assert constant == ["w/enter_2"] and "w/merge_2" not in made
    assert made["w/merge_1"].outputs[0].dims == ()
    x, y = made["x"].outputs[0], made["w"].outputs[1]
    slope = tf.gradients(y, x)[0]
    with tf.Session() as session:
        assert session.run([*made["w"].outputs, slope], {x: 2.0}) == [3, 16.0, 2.0, 32.0]


def test_a_loop_of_functions_need_not_say_its_shapes(graph):  # [W39]
    made = powers([])
    with tf.Session() as session:
        assert session.run(made["w"].outputs[1], {made["x"].outputs[0]: 3.0}) == 81.0


def test_an_output_that_a_node_lacks_is_told_as_tensorflow_tells_it(graph):
    nodes = [NodeDef("a", "NoOp"), NodeDef("b", "Identity", ["a"], attr={"T": tf.float32})]
    with pytest.raises(tf.GraphError, match="Connecting to invalid output 0 of source node a which has 0 outputs"):
        extend(tf.get_default_graph(), GraphDef(nodes))


def test_a_function_that_calls_itself_is_refused_by_name():
    """Down a number: if it is above 0, take 1 away and call again. The functions of the branches close the circle."""
    x = (Arg("x", "float32", tf.float32),)
    types = {"Tcond": tf.float32, "Tin": [tf.float32], "Tout": [tf.float32]}
    branches = {"then_branch": FunctionCall("again"), "else_branch": FunctionCall("end")}
    end = FunctionDef("end", x, x, [], {"x": "x"})
    down = FunctionDef("down", x, x, [NodeDef("if", "If", ["x", "x"], "", types | branches)], {"x": "if:output:0"})
    one = NodeDef("one", "Const", [], "", {"dtype": tf.float32, "value": np.array(1, np.float32)})
    less = NodeDef("less", "Sub", ["x", "one:output:0"], "", {"T": tf.float32})
    call = NodeDef("call", "down", ["less:z:0"])
    again = FunctionDef("again", x, x, [one, less, call], {"x": "call:x:0"})
    nodes = [one, NodeDef("y", "down", ["one"])]
    with tf.Graph().as_default(), pytest.raises(tf.errors.NodeError) as caught:
        tf.import_graph_def(GraphDef(nodes, [end, down, again]), name="")
    assert str(caught.value).startswith("node 'y': the function 'down' calls itself by way of 'again', which would")


@pytest.mark.parametrize("executor", ["plan", "executor"])
def test_a_call_does_not_wait_for_what_is_not_run_in_it(executor):  # [W40, W41]
    """A function with an Assert in the branch that is not taken, and its constant under a control input."""
    x, t = (Arg("x", "float32", tf.float32),), {"T": tf.float32}
    text = {"dtype": tf.string, "value": np.array(b"no", object)}
    zero = NodeDef("zero", "Const", [], "", {"dtype": tf.float32, "value": np.array(0, np.float32)})
    checked = FunctionDef("checked", x, x, [
        zero, NodeDef("good", "Greater", ["x", "zero:output:0"], "", t),
        NodeDef("sides", "Switch", ["good:z:0", "good:z:0"], "", {"T": tf.bool}),
        NodeDef("bad", "Identity", ["sides:output_false:0"], "", {"T": tf.bool}),
        NodeDef("fine", "Identity", ["sides:output_true:0"], "", {"T": tf.bool}),
        NodeDef("text", "Const", ["^bad"], "", text),
        NodeDef("told", "Assert", ["bad:output:0", "text:output:0"], "", {"T": [tf.string], "summarize": 3}),
        NodeDef("failed", "Identity", ["bad:output:0", "^told"], "", {"T": tf.bool}),
        NodeDef("over", "Merge", ["fine:output:0", "failed:output:0"], "", {"T": tf.bool, "N": 2}),
        NodeDef("end", "Identity", ["x", "^over"], "", t),
    ], {"x": "end:output:0"})  # fmt: skip
    nodes = [NodeDef("x", "Placeholder", [], "", {"dtype": tf.float32}), NodeDef("y", "checked", ["x"])]
    with tf.Graph().as_default(), tf.Session(executor=executor) as session:
        session.extend(GraphDef(nodes, [checked]))
        assert session.run("y:0", {"x:0": 2.0}) == 2
        with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed: .no."):
            session.run("y:0", {"x:0": -2.0})


def test_a_node_that_cannot_be_built_is_an_error_for_who_runs_it():  # [W82]
    """Others of the same graph run. An If that gives another number of results than it says stands for all such."""
    function = FunctionDef("f", (Arg("x", "float32", tf.float32),), (), [], {})
    one = {"dtype": tf.float32, "value": np.array(1, np.float32)}
    types = {"Tcond": tf.float32, "Tin": [tf.float32], "Tout": [tf.float32]}
    branches = {"then_branch": FunctionCall("f"), "else_branch": FunctionCall("f")}
    nodes = [
        NodeDef("x", "Const", [], "", one), NodeDef("wrong", "If", ["x", "x"], "", types | branches),
        NodeDef("worse", "Neg", ["x"], "", {"T": tf.int32}), NodeDef("after", "Neg", ["worse"], "", {"T": tf.float32}),
        NodeDef("right", "Neg", ["x"], "", {"T": tf.float32}),
    ]  # fmt: skip
    with tf.Graph().as_default(), tf.Session() as session:
        session.extend(GraphDef(nodes, [function]))
        assert session.run("right:0") == -1
        for name, text in (("wrong:0", "Expect to produce 1 tensors"), ("after:0", "but must be int32")):
            with pytest.raises(tf.errors.InvalidArgumentError, match=text):
                session.run(name)


def test_a_run_s_metadata_is_a_message_for_who_has_protobuf(graph):  # [W61]
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True)
    with tf.Session(graph_options=tf.GraphOptions(build_cost_model=1)) as session:
        session.run(tf.constant([1.0, 2.0], name="x"), options=options, run_metadata=metadata)
    found = message("RunMetadata").FromString(metadata.SerializeToString())
    run = next(n for n in found.step_stats.dev_stats[0].node_stats if n.node_name == "x")
    made = run.output[0].tensor_description
    assert (made.dtype, made.shape.dim[0].size, made.allocation_description.requested_bytes) == (1, 2, 8)
    assert "x" in [n.name for n in found.cost_graph.node] and "x" in [n.name for n in found.partition_graphs[0].node]
    assert run.all_start_nanos == metadata.step_stats.dev_stats[0].node_stats[0].all_start_nanos
    with tf.Session() as session:  # and protobuf's message is filled like one of refflow's own
        again = message("RunMetadata")()
        session.run(tf.constant([1.0, 2.0], name="y"), options=options, run_metadata=again)
    assert "y" in [n.node_name for n in again.step_stats.dev_stats[0].node_stats]
