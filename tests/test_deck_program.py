"""The deck's program: its nodes, its numbers, its transcript."""

from collections import Counter

import numpy as np
import pytest

import refflow as tf
from refflow import deck
from refflow.data import FashionMnist

# The forward part and the update, in order, under the names of the first release.
FORWARD = """
Const Const_1 truncated_normal/shape truncated_normal/mean truncated_normal/stddev
truncated_normal/TruncatedNormal truncated_normal/mul truncated_normal Variable Variable/Assign
zeros Variable_1 Variable_1/Assign MatMul add SoftmaxCrossEntropyWithLogits Rank range/start
range/delta range Mean
""".split()  # noqa: SIM905  (a list to read)
UPDATE = """
GradientDescent/learning_rate GradientDescent/update_Variable/ApplyGradientDescent
GradientDescent/update_Variable_1/ApplyGradientDescent GradientDescent Softmax init
""".split()  # noqa: SIM905  (a list to read)
# The gradient part by scope: how many nodes of each type, constants of the library's own functions aside.
GRADIENT = {
    "": {"Shape": 1, "Const": 1, "Fill": 1, "ZerosLike": 1},
    "Mean_grad": {
        "Shape": 4, "Rank": 3, "Range": 3, "DynamicStitch": 1, "Fill": 1, "Div": 3, "Reshape": 1, "Tile": 1,
        "Prod": 2, "Cast": 1,
    },
    "SoftmaxCrossEntropyWithLogits_grad": {"ExpandDims": 1, "Mul": 1},
    "add_grad": {"Shape": 2, "BroadcastGradientArgs": 1, "Sum": 2, "Reshape": 2, "NoOp": 1, "Identity": 2},
    "MatMul_grad": {"MatMul": 2, "NoOp": 1, "Identity": 2},
}  # fmt: skip


@pytest.fixture
def data(rng):
    """A tiny set of the same form."""
    images = rng.integers(0, 256, (60, 28, 28)).astype(np.uint8)
    labels = rng.integers(0, 10, 60).astype(np.uint8)
    return FashionMnist(images[:50], labels[:50], images[50:], labels[50:], "made for a test")


def transcript(data, spelling="deck", **options):
    lines = []
    outcome = deck.run(spelling, data=data, say=lambda *words: lines.append(" ".join(map(str, words))), **options)
    return lines, outcome


def test_the_graph_has_the_release_s_nodes(data):  # [S12, S13, S14, S15, S20, S21, S24]
    _, outcome = transcript(data, num_steps=0)
    names = [op.name for op in outcome.graph.get_operations()]
    assert names[: len(FORWARD)] == FORWARD
    behind = [n for n in names[len(FORWARD) :] if not n.startswith("gradients/")]
    assert behind[: len(UPDATE)] == UPDATE
    init = outcome.graph.get_operation_by_name("init")
    assert {op.name for op in init.control_inputs} == {"Variable/Assign", "Variable_1/Assign"}


def test_the_gradient_graph_has_the_release_s_nodes(data):  # [S17, S18.3, S19, W29, W31, W80]
    _, outcome = transcript(data, num_steps=0)
    found = {}
    for op in outcome.graph.get_operations():
        if op.name.startswith("gradients/"):
            scope, _, _ = op.name.removeprefix("gradients/").rpartition("/")
            top = scope.split("/")[0]
            if op.type != "Const" or not top:
                found.setdefault(top, Counter())[op.type] += 1
    assert found == GRADIENT
    gates = [op.name for op in outcome.graph.get_operations() if op.name.endswith("group_deps")]
    assert gates == ["gradients/add_grad/tuple/group_deps", "gradients/MatMul_grad/tuple/group_deps"]
    transposed = [op.get_attr("transpose_a") or op.get_attr("transpose_b") for op in outcome.graph.get_operations()
                  if op.name.startswith("gradients/MatMul_grad/MatMul")]  # fmt: skip
    assert transposed == [True, True]


def test_the_small_instance_gives_the_known_losses():  # [S14, S26, S29, W72, W73]
    """Losses of TensorFlow 2.15 with the same seeds, to the last digits that float32 has."""
    source = np.random.RandomState(0)
    x = source.randn(64, 16).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[np.argmax(x @ source.randn(16, 3), 1)]
    wanted = {0: 2.6089354, 100: 0.071105964, 200: 0.03813628, 300: 0.026482264}
    for options in ({}, {"kernels": "reference"}, {"executor": "executor"}):
        assert _losses(x, y, **options) == pytest.approx(wanted, rel=1e-6)


def _losses(x, y, **options):
    graph = tf.Graph()
    graph.seed = 1234
    with graph.as_default():
        examples, labels = tf.constant(x), tf.constant(y)
        weights = tf.Variable(tf.truncated_normal([16, 3]))
        b = tf.Variable(tf.zeros([3]))
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.matmul(examples, weights) + b, labels))
        step = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    assert graph.get_operation_by_name("truncated_normal/TruncatedNormal").get_attr("seed2") == 5
    with tf.Session(graph=graph, **options) as session:
        tf.initialize_all_variables().run()
        losses = [float(session.run([loss, step])[0]) for _ in range(301)]
        return {i: losses[i] for i in range(0, 301, 100)}


def test_both_spellings_print_the_same_to_the_byte(data):  # [S11, S25, S27, S28, E02, E16, E21]
    lines, _ = transcript(data, num_steps=201)
    assert lines == transcript(data, "python3", num_steps=201)[0]
    assert [line.split(" : ")[0] for line in lines[:6:2]] == [f"Loss at step {n}" for n in (0, 100, 200)]
    assert lines[1].startswith("Training accuracy: ") and lines[1].endswith("%")
    assert lines[-1].startswith("Test accuracy: ")


def test_a_seed_repeats_the_run_and_another_does_not(data):  # [S27, W72]
    assert transcript(data, num_steps=1)[0] == transcript(data, num_steps=1)[0]
    assert transcript(data, num_steps=1)[0] != transcript(data, num_steps=1, seed=2)[0]


def test_both_executables_and_both_kernel_sets_learn_alike(data):  # [S29, S30]
    def last_loss(**options):
        return float(transcript(data, num_steps=101, **options)[0][2].split(" : ")[1])

    wanted = last_loss()
    for options in ({"kernels": "reference"}, {"executor": "executor"}, {"executor": "executor", "policy": "lifo"}):
        assert last_loss(**options) == pytest.approx(wanted, rel=1e-4)


def test_a_layer_is_a_few_visible_nodes(graph):  # [S30, S45]
    """Relu(weights * inputs + biases), as in the deck's figures."""
    inputs, weights, biases = tf.zeros([4, 3]), tf.Variable(tf.zeros([3, 2])), tf.Variable(tf.zeros([2]))
    before = graph.version
    tf.nn.relu(tf.matmul(inputs, weights) + biases)
    assert [op.type for op in graph.get_operations()[before:]] == ["MatMul", "Add", "Relu"]


def test_a_step_changes_a_variable_by_rate_times_gradient():  # [S32, S20]
    biases = tf.Variable([1.0, 2.0])
    loss = tf.reduce_sum(tf.constant([3.0, 4.0]) * biases.ref())
    step = tf.train.GradientDescentOptimizer(tf.constant(0.5)).minimize(loss)
    with tf.Session() as session:
        session.run(tf.initialize_all_variables())
        assert session.run(step) is None
        assert session.run(biases).tolist() == [-0.5, 0.0]
