"""Table 1 of the whitepaper: each operation is there, under its name or the release's."""

import numpy as np
import pytest

import refflow as tf
from refflow.cli import main
from refflow.core.errors import NodeError
from refflow.core.paper_names import FIGURES, OP_TYPES, paper_name
from refflow.core.registry import find_op_def, op_def
from refflow.ops.mutex import CONSUME_LOCK, MUTEX, MUTEX_LOCK

TABLE = {
    "element-wise": ["Add", "Sub", "Mul", "Div", "Exp", "Log", "Greater", "Less", "Equal"],
    "array": ["Concat", "Slice", "Split", "Constant", "Rank", "Shape", "Shuffle"],
    "matrix": ["MatMul", "MatrixInverse", "MatrixDeterminant"],
    "stateful": ["Variable", "Assign", "AssignAdd"],
    "neural-net": ["SoftMax", "Sigmoid", "ReLU", "Convolution2D", "MaxPool"],
    "checkpoint": ["Save", "Restore"],
    "queue": ["Enqueue", "Dequeue", "MutexAcquire", "MutexRelease"],
    "control flow": ["Merge", "Switch", "Enter", "Leave", "NextIteration"],
}
NAMES = [name for names in TABLE.values() for name in names]
IN_THE_RUNTIME = {"Variable", "Merge", "Switch", "Enter", "Exit", "NextIteration"}  # state and flow have no kernel


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_of_the_table_is_there(name):  # [W06, E05]
    known = op_def(OP_TYPES.get(name, name))
    assert known.name == OP_TYPES.get(name, name) and paper_name(known.name) == (name if name in OP_TYPES else None)
    assert known.kernels or known.name in IN_THE_RUNTIME


@pytest.mark.parametrize("name", OP_TYPES)
def test_the_paper_s_own_names_are_no_types_but_are_explained(name):  # [E05, E18]
    assert find_op_def(name) is None and name in NAMES
    with pytest.raises(NodeError, match=f"It is the whitepaper's name for {OP_TYPES[name]}"):
        op_def(name)


def test_leave_is_exit():  # [E18]
    assert OP_TYPES["Leave"] == "Exit" and paper_name("Exit") == "Leave"
    i = tf.while_loop(lambda i: i < 3, lambda i: [i + 1], [0])
    assert (i[0] if isinstance(i, list) else i).op.type == "Exit"


def manual():
    """The module that writes the manual's pages about ops."""
    import importlib.util
    from pathlib import Path

    path = Path(__file__).resolve().parents[1] / "docs" / "_ext" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_manual_gives_the_other_name():  # [E05, E18]
    assert "called Leave in the whitepaper's Table 1" in manual().op_section(op_def("Exit"))
    assert "whitepaper's Table 1" not in manual().op_section(op_def("Enter"))


def net(update):
    """The deck's figure: biases, weights, examples, labels; MatMul, Add, Relu, Xent; and an update of the biases."""
    with tf.Graph().as_default() as graph, tf.Session() as session:
        examples, labels = tf.constant([[1.0, -2.0], [0.5, 3.0]]), tf.constant([[0.0, 1.0], [1.0, 0.0]])
        weights, biases = tf.Variable([[0.3, -0.2], [0.1, 0.7]]), tf.Variable([0.1, 0.4], name="biases")
        hidden = tf.nn.relu(tf.matmul(examples, weights) + biases)
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(hidden, labels))
        step = update(loss, biases)
        session.run(tf.initialize_all_variables())
        for _ in range(3):
            session.run(step)
        return session.run(biases), {op.name: op.type for op in graph.get_operations()}


def test_the_figure_s_update_is_two_nodes_or_one_and_the_same_to_the_bit():  # [E28]
    def drawn(loss, biases):
        return biases.assign_sub(tf.mul(tf.constant(0.1), tf.gradients(loss, biases)[0], name="Mul"))

    def optimized(loss, biases):
        return tf.train.GradientDescentOptimizer(0.1).minimize(loss, var_list=[biases])

    as_drawn, nodes = net(drawn)
    as_released, types = net(optimized)
    np.testing.assert_array_equal(as_drawn, as_released)
    assert {"MatMul", "Add", "Relu"} < set(nodes.values()) and nodes["Mul"] == "Mul"
    assert [FIGURES[t] for t in nodes.values() if t in FIGURES] == ["Xent", "-="]
    assert [FIGURES[t] for t in types.values() if t in FIGURES] == ["Xent", "Mul, -="]
    assert "AssignSub" not in types.values() and types["GradientDescent/update_biases/ApplyGradientDescent"]


def test_explain_and_the_manual_give_the_figure_s_names_beside_the_types(capsys):  # [E28]
    assert main(["explain", "deck"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  Mul, -=   for ApplyGradientDescent GradientDescent/update_Variable/ApplyGradientDescent" in lines
    assert "  Xent      for SoftmaxCrossEntropyWithLogits SoftmaxCrossEntropyWithLogits" in lines
    assert "drawn as Mul, -= in the deck's figures" in manual().op_section(op_def("ApplyGradientDescent"))
    assert all(op_def(name).name == name for name in FIGURES)


def test_a_mutex_lets_one_in_at_a_time():  # [E06]
    """Twenty steps read, wait and write under one lock, four at a time: no count is lost."""
    from concurrent.futures import ThreadPoolExecutor

    total = tf.Variable(0)
    lock = MUTEX_LOCK(MUTEX(shared_name="m"))
    with tf.get_default_graph().control_dependencies([lock]):
        read = total + 0
    with tf.get_default_graph().control_dependencies([tf.py_func(_pause, [read], [tf.int32])[0]]):
        write = total.assign(read + 1)
    with tf.get_default_graph().control_dependencies([write]):
        done = CONSUME_LOCK(lock)
    with tf.Session() as session:
        session.run(total.initializer)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: session.run(done), range(20)))
        assert session.run(total) == 20
    assert all("E06" in op.source for op in (MUTEX, MUTEX_LOCK, CONSUME_LOCK))


def _pause(value):
    import time

    time.sleep(0.001)
    return np.int32(value)
