"""`refflow audit tensors`: the first tensor that leaves its expected error is the op that is another [W54]."""

import numpy as np
import pytest

from refflow.audit import judge, tensors
from refflow.cli import main


def test_both_executables_and_the_pages_agree(program, capsys):
    for against in ("reference", "executor"):
        assert main(["audit", "tensors", program, "--against", against]) == 0
        assert "each within its expected error: 9" in capsys.readouterr().out


def test_the_op_that_is_another_is_found_and_not_those_behind_it(program, write, capsys):
    other = write("elu.py", a=("tf.nn.relu(h", "tf.nn.elu(h"))
    assert main(["audit", "tensors", program, "--against", other, "--fetch", "loss"]) == 1
    out = capsys.readouterr().out
    assert "the first that leaves its expected error, of 1:\n  Relu hidden/relu:0" in out
    assert "there is off the op's definition, given its own inputs" in out
    assert "from hidden/add:0  equal on both sides" in out and 'program.py", line 1' in out


def test_differences_that_were_right_to_grow_are_no_fault(graph):
    """1/x near 0 makes much of little: the op behind it is judged by its own inputs."""
    import refflow as tf

    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.exp(tf.inv(x, name="quotient"), name="y")
    here = tensors.Side([y.op.inputs[0], y], {"x:0": np.float32([0.1, 0.2])})
    here.values = {"quotient:0": np.float32([10, 5]), "y:0": np.exp(np.float32([10, 5]))}
    there = {"quotient:0": np.float32([10.001, 5]), "y:0": np.exp(np.float32([10.001, 5]))}
    first, second = judge.judge(here, there)
    assert "there is off the op's definition" in first.wrong and second.wrong == ""
    assert second.off > 20 and second.grown == pytest.approx(10, rel=0.01)
    there["y:0"] = there["y:0"] + np.float32(1.0)
    assert "[0] is 22026.4" in judge.judge(here, there)[1].wrong
    assert "the first that leaves its expected error, of 2:" in judge.report(here, judge.judge(here, there))


def test_cancellation_is_no_fault(graph, rng):
    """A sum that is nearly nothing may be off by units of its terms."""
    import refflow as tf

    a, b = (tf.placeholder(tf.float32, s, name=n) for s, n in (([1, 64], "a"), ([64, 1], "b")))
    c = tf.matmul(a, b, name="c")
    left = rng.normal(size=(1, 32)).astype("f")
    feeds = {"a:0": np.hstack([left, -left]), "b:0": np.ones((64, 1), "f")}
    here = tensors.Side([c], feeds, values={"c:0": np.zeros((1, 1), "f")})
    assert judge.judge(here, {"c:0": np.full((1, 1), 3e-7, "f")})[0].wrong == ""
    assert judge.judge(here, {"c:0": np.full((1, 1), 3e-4, "f")})[0].wrong


def test_forms_and_what_is_no_number_are_told(graph):
    import refflow as tf

    x = tf.placeholder(tf.float32, [2], name="x")
    y = tf.neg(x, name="y")
    here = tensors.Side([y], {"x:0": np.float32([1, np.nan])}, values={"y:0": np.float32([-1, np.nan])})
    assert judge.judge(here, {"y:0": np.float32([-1, np.nan])})[0].wrong == ""
    assert "nan here, 2.0 there: inf apart" in judge.judge(here, {"y:0": np.float32([-1, 2])})[0].wrong
    assert "is float32[2] here, float32[1] there" in judge.judge(here, {"y:0": np.float32([-1])})[0].wrong


def test_random_numbers_are_the_same_on_both_sides(write, capsys):
    path = write("dropout.py", """
        import numpy as np
        import tensorflow as tf
        x = tf.placeholder(tf.float32, [4, 8], name="x")
        w = tf.Variable(tf.random_normal([8, 3]), name="w")
        loss = tf.reduce_sum(tf.nn.dropout(tf.matmul(x, w), rate=0.5), name="loss")
        train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run([train, loss], {x: np.ones([4, 8])})
        """)  # fmt: skip
    assert main(["audit", "tensors", path]) == 0
    assert main(["audit", "tensors", path, "--against", path]) == 0
    assert capsys.readouterr().out.count("each within its expected error") == 2


def test_arrays_of_a_file_stand_for_another_system(program, write, tmp_path, capsys):
    path = str(tmp_path / "values.npz")
    assert main(["audit", "tensors", program, "--write", path]) == 0
    other = write("seed.py", a=("set_random_seed(1)", "set_random_seed(2)"), b=("RandomState(0)", "RandomState(3)"))
    assert main(["audit", "tensors", other, "--against", path]) == 0  # it begins with what the file has
    foreign = dict(np.load(path))
    np.savez(path, **{"x:0": foreign["x:0"], "hidden/weights:0": foreign["hidden/weights:0"],
                      "first": foreign["hidden/MatMul:0"] + np.float32(0.01)})  # fmt: skip
    capsys.readouterr()
    assert main(["audit", "tensors", program, "--against", path, "--map", "hidden/MatMul:0=first:0"]) == 1
    assert "  MatMul hidden/MatMul:0  [" in capsys.readouterr().out


def test_a_program_that_trains_nothing_is_compared_where_it_fetches(write, capsys):
    path = write("no_variables.py", """
        import tensorflow as tf
        y = tf.while_loop(lambda i: i < 5, lambda i: i + 2, [tf.constant(0)])
        with tf.Session() as session:
            print(session.run(tf.exp(tf.to_float(y))))
        """)  # fmt: skip
    assert main(["audit", "tensors", path]) == 0
    assert main(["audit", "tensors", path, "--against", "nowhere"]) == 1
    assert "--against nowhere: expected reference, executor, tensorflow" in capsys.readouterr().err
    assert main(["audit", "tensors", write("none.py", "x = 1\n")]) == 1
    assert "runs no step that fetches a number" in capsys.readouterr().err
