"""`refflow audit finite`: the op that makes a NaN or an infinity is told, with what it was given [W54]."""

import pytest

from refflow.audit import finite
from refflow.cli import main

LOGARITHM = """
    import numpy as np
    import tensorflow as tf
    x = tf.placeholder(tf.float32, [None, 4], name="x")
    w = tf.Variable(tf.ones([4, 2]), name="w")
    p = tf.nn.relu(tf.matmul(x, w), name="p")
    loss = -tf.reduce_mean(tf.log(p), name="loss")
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for i in range(20):
            session.run([train, loss], {x: np.full([3, 4], 5.0 - i)})
    """


def test_the_first_op_is_named_with_its_inputs_and_line(write, capsys):
    path = write("logarithm.py", LOGARITHM)
    assert main(["audit", "finite", path]) == 1
    out = capsys.readouterr().out
    assert out.startswith("run 6 made an infinity: run(Neg:0, GradientDescent)")
    assert "Log 'Log' gave\n  float32[3,2]  6 of 6 infinite\nfrom\n  p  float32[3,2]  0, 6 of 6 zero\n" in out
    assert 'logarithm.py", line 7, in <module>' in out and "zeros and negatives are outside of it" in out
    assert "it reached: Neg:0" in out


def test_a_sound_program_runs_to_its_end(program, capsys):
    assert main(["audit", "finite", program]) == 0
    assert capsys.readouterr().out == "the end\nin 13 runs every value of every node was finite\n"


def test_a_nan_of_infinities_is_made_and_one_of_nans_is_passed_on(write):
    path = write("nan.py", """
        import numpy as np
        import tensorflow as tf
        mask = tf.constant([0.0, -np.inf], name="mask")
        x = tf.placeholder(tf.float32, [2], name="x")
        e = tf.exp(x + mask, name="e")
        d = tf.identity(e - tf.constant([np.inf, 1.0]), name="d")
        y = tf.add(d * 0.0, 1.0, name="y")
        with tf.Session() as session:
            for i in range(3):
                session.run(y, {x: [1.0, np.nan if i > 1 else 2.0]})
        """)  # fmt: skip
    for infinities in (True, False):
        found = finite.first_in(path, infinities=infinities)
        assert (found.runs, [(m.node.type, m.what) for m in found.made]) == (0, [("Mul", "NaN")])
        assert found.spoiled == ["y:0"]


def test_what_was_fed_is_told_and_a_step_that_fails_afterwards(write, capsys):
    path = write("fed.py", """
        import numpy as np
        import tensorflow as tf
        x = tf.placeholder(tf.float32, [2], name="x")
        w = tf.Variable([1.0, 1.0], name="w")
        y = tf.check_numerics(w * x, "the product")
        with tf.Session() as session:
            session.run(w.initializer)
            session.run(w.assign(y), {x: [1.0, np.nan]})
        """)  # fmt: skip
    assert main(["audit", "finite", path]) == 1
    out = capsys.readouterr().out
    assert "gave\n  float32[2]  1, 1 of 2 NaN\n" in out and "the program fed it" in out
    assert "the run ended with: " in out and "the product : Tensor had NaN values" in out


def test_an_iteration_is_told_and_a_mask_may_enter_a_loop(write):
    path = write("loop.py", """
        import numpy as np
        import tensorflow as tf
        def turn(i, x):
            return i + 1, tf.exp(x, name="grows")
        mask = tf.constant(-np.inf)
        least = tf.while_loop(lambda i, x: i < 2, lambda i, x: (i + 1, x + mask), [0, 1.0])
        with tf.Session() as session:
            session.run(least)
            session.run(tf.while_loop(lambda i, x: i < 9, turn, [0, 1.0]))
        """)  # fmt: skip
    (made,) = finite.first_in(path).made
    assert (made.node.name.split("/")[-1], made.what) == ("grows", "an infinity")
    assert made.place.endswith(":3") and made.looks[0][1].high == pytest.approx(3814279.0, rel=1e-5)


def test_a_spoiled_variable_is_named(write):
    path = write("root.py", """
        import tensorflow as tf
        w = tf.Variable(0.0, name="w")
        loss = tf.sqrt(w * w)
        train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
        with tf.Session() as session:
            session.run(w.initializer)
            session.run(train)
        """)  # fmt: skip
    found = finite.first_in(path, infinities=False)
    assert found.made[0].what == "NaN" and found.spoiled == ["GradientDescent/update_w/ApplyGradientDescent"]


def test_a_program_without_a_run_is_no_finite_one(write, capsys):
    assert main(["audit", "finite", write("none.py", "x = 1\n")]) == 1
    assert "none.py runs no step of a session" in capsys.readouterr().err
