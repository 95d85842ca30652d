"""The second front end: its graphs are the first one's, node by node, and so are their results [S06]."""

from pathlib import Path

import numpy as np
import pytest

import refflow as tf
from refflow import deck
from refflow.cli import main
from refflow.data import FashionMnist
from refflow.lisp import FrontEnd, LispError
from refflow.server_lines import code_lines

HERE = Path(tf.__file__).parent / "lisp"


@pytest.fixture
def data(rng):
    """A tiny set of the same form."""
    images = rng.integers(0, 256, (60, 28, 28)).astype(np.uint8)
    labels = rng.integers(0, 10, 60).astype(np.uint8)
    return FashionMnist(images[:50], labels[:50], images[50:], labels[50:], "made for a test")


@pytest.fixture
def run(tmp_path):
    """Runs a program's text in a session of its own; gives the front end and the value of the last form."""

    def run(text, **names):
        path = tmp_path / "program.lisp"
        path.write_text(text)
        with tf.Session(graph=tf.Graph()) as session:
            program = FrontEnd(names, session)
            return program, program.load(path)

    return run


def plain(node):
    """All that a node is, as what == compares; arrays with their types and bytes."""
    attrs = {k: (v.dtype, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for k, v in node.attr.items()}
    return node.name, node.op, node.input, node.device, attrs


def lisp_lines(path):
    return sum(1 for line in path.read_text().splitlines() if line.strip() and line.strip()[0] != ";")


def test_the_front_end_takes_less_than_200_lines_with_its_library_and_gradients():  # [S06]
    counted = sum(code_lines(path.read_text()) for path in HERE.glob("*.py")) + lisp_lines(HERE / "library.lisp")
    assert 100 < counted < 200
    assert {path.name for path in HERE.iterdir() if path.is_file()} == {
        "__init__.py", "front_end.py", "library.lisp", "deck.lisp",
    }, "and there is no other file to be counted"  # fmt: skip


def test_the_deck_s_program_has_the_same_nodes_in_the_same_order_and_the_same_transcript(data):  # [S06]
    first, second = [], []
    outcome = deck.run("deck", data=data, num_steps=101, say=lambda *words: first.append(words))
    names = deck.free_names(data, 101, lambda *words: second.append(words)) | {"seed": 1}
    with tf.Session(graph=tf.Graph()) as session:
        program = FrontEnd(names, session)
        program.load(HERE / "deck.lisp")
        weights = session.run(["Variable:0", "Variable_1:0"])
    test_part = outcome.graph.get_operation_by_name("MatMul_1/a")._id - 1  # deck.run() adds the test images' accuracy
    nodes = outcome.graph.as_graph_def().node[:test_part]
    assert [plain(n) for n in program.graph_def().node] == [plain(n) for n in nodes]
    assert len(nodes) == 76
    assert second == first[:-1] and len(second) == 4, "words and numbers, to the bit"
    with tf.Session(graph=outcome.graph, devices=outcome.devices) as session:
        for ours, theirs in zip(weights, session.run([outcome.names["W"], outcome.names["b"]]), strict=True):
            np.testing.assert_array_equal(ours, theirs)


NET = """
(let W (variable (list 6 5) truncated-normal))
(let b (variable (list 5) zeros))
(let V (variable (list 5 5) truncated-normal))
(let h (Relu (+ (MatMul examples W) b)))
(let h (Relu (MatMul h V)))                          ; V is used twice: its slopes are added up
(let logits (MatMul (* h h) V :transpose_b true))
(let loss (reduce-mean (SoftmaxCrossEntropyWithLogits logits labels)))
(let train (minimize 0.05 loss))
(run (initialize-all-variables))
(let losses (list))
(for step 4 (push losses (begin (let (_ l) (run train loss)) l)))
losses
"""
MUL = """
(define (slopes-of-Mul a b product dproduct)
  (let shape-a (Shape a)) (let shape-b (Shape b))
  (let axes (BroadcastGradientArgs shape-a shape-b))
  (list (Reshape (Sum (Mul dproduct b :name "mul") axes) shape-a)
        (Reshape (Sum (Mul a dproduct :name "mul") (out axes 1)) shape-b)))
"""


def net(x, y):
    examples, labels = tf.constant(x), tf.constant(y)
    w, b = tf.Variable(tf.truncated_normal([6, 5])), tf.Variable(tf.zeros([5]))
    v = tf.Variable(tf.truncated_normal([5, 5]))
    h = tf.nn.relu(tf.matmul(tf.nn.relu(tf.matmul(examples, w) + b), v))
    logits = tf.matmul(h * h, v, transpose_b=True)
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits, labels))
    return tf.train.GradientDescentOptimizer(0.05).minimize(loss), loss, tf.initialize_all_variables()


def test_a_net_with_shared_weights_and_a_gradient_rule_of_its_own_is_equal_too(run, rng):  # [S06]
    x, y = rng.normal(size=(20, 6)).astype(np.float32), np.eye(5, dtype=np.float32)[rng.integers(0, 5, 20)]
    program, losses = run(MUL + "(let examples (constant x)) (let labels (constant y))" + NET, x=x, y=y, seed=3)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.set_random_seed(3)
        train, loss, init = net(x, y)
        session.run(init)
        expected = [session.run([train, loss])[1] for _ in range(4)]
        nodes = {n.name: plain(n) for n in graph.as_graph_def().node}
    assert {n.name: plain(n) for n in program.graph_def().node} == nodes and "gradients/AddN" in nodes
    assert losses == expected and expected[-1] < expected[0]


def test_the_session_gets_the_new_nodes_as_a_graph_def_and_names_to_run():  # [S06, W07]
    class Listening:
        def __init__(self):
            self.heard = []

        def extend(self, graph_def):
            self.heard.append([node.name for node in graph_def.node])

        def run(self, fetches):
            self.heard.append(fetches)
            return [None for _ in fetches]

    session = Listening()
    program = FrontEnd({"path": None}, session)
    for number in range(2):
        program.run(program.constant(float(number)), program.node("NoOp"))
    assert session.heard == [["Const", "NoOp"], ["Const:0", "NoOp"], ["Const_1", "NoOp_1"], ["Const_1:0", "NoOp_1"]]


def test_functions_scopes_lists_and_branches(run):
    program, value = run(
        """
        (define (twice f) (define (both x) (f (f x))) both)
        (define (double x) (* 2 x))
        (let (a b) (list 3 "text; with (signs)"))
        (scope "outer" (scope "inner" (constant 1.5)) (constant (list 1 2)))
        (scope "outer" (constant true))
        (let size (if (= (% a 2) 1) ((twice double) a) nil))
        (list size (if nil 1 b) (run (constant -1)))
        """
    )
    assert value == [12, "text; with (signs)", [-1]]
    assert list(program.nodes) == ["outer/inner/Const", "outer/Const", "outer_1/Const", "Const"]
    assert [program.types[name].name for name in program.nodes] == ["float32", "int32", "bool", "int32"]


def test_a_node_waits_for_each_other_once_in_the_order_of_the_graph(run):
    program, _ = run('(let a (constant 1)) (let b (constant 2)) (NoOp :name "last" :after (list (out b 0) a b nil))')
    assert program.nodes["last"].input == ["^Const", "^Const_1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(let a 1)\n(let b (list 1 2)", "program.lisp, line 2: this ( has no partner"),
        ("(let a 1))", "program.lisp, line 1: this ) has no partner"),
        ('(print "no end)', 'program.lisp, line 1: this " has no partner'),
        ("\n(run (MatMull 1 2))", "line 2: (MatMull ...): 'MatMull' is no name of this program and no op type"),
        ("(MatMul (constant 1.0))", "line 1: (MatMul ...): it takes 2 inputs, got 1: a: T, b: T -> product: T"),
        ("(Softmax 1.5 :axis 1)", "line 1: (Softmax ...): it has no attribute axis, but T"),
        ("(Variable :dtype float32)", "attribute shape is a shape, got required"),
        ("(gradients (Exp 1.0) (list))\n(let x (constant 1.0))\n(gradients (Exp x) (list x))",
         "line 3: (gradients ...): 'slopes-of-Exp' is no name of this program and no op type"),
        ("(run (+ (constant 1) 1.5))", "(run ...): node 'add' (Add): y ('add/y:0') is float32, but must be int32"),
        ("(define (f x) (Exp x))\n(f 1.0 2.0)", "line 2: (f ...): zip() argument 2 is longer than argument 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_file_and_line(run, text, message):
    with pytest.raises(LispError) as raised:
        run(text)
    assert message in str(raised.value)


def test_the_command_line_runs_and_explains_a_file(tmp_path, capsys):
    path = tmp_path / "mine.lisp"
    path.write_text('(let y (* (constant 2.0) 21.0))\n(for i num_steps (let (value) (run y)) (print "it is" value))')
    assert main(["run", str(path), "--steps", "2"]) == 0
    assert capsys.readouterr().out == "it is 42.0\nit is 42.0\n"
    assert main(["explain", str(path), "--fetch", "mul:0"]) == 0
    assert "fetch   mul:0" in capsys.readouterr().out
    path.write_text("(let y\n (oops))")
    assert main(["run", str(path)]) == 1
    said = "refflow: mine.lisp, line 2: (oops ...): 'oops' is no name of this program and no op type\n"
    assert capsys.readouterr().err == said
    with pytest.raises(SystemExit):
        main(["run", "nothing"])
    assert "expected deck, or a file NAME.lisp" in capsys.readouterr().err
