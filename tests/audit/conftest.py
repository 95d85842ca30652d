"""A program as somebody would write it: data by feeds, two layers, Adam."""

import textwrap

import pytest

PROGRAM = """
    import sys
    import numpy as np
    import tensorflow as tf

    def main():
        tf.set_random_seed(1)
        x = tf.placeholder(tf.float32, [None, 8], name="x")
        y = tf.placeholder(tf.float32, [None, 3], name="y")
        h = x
        for name, size in (("hidden", 16), ("out", 3)):
            with tf.variable_scope(name):
                w = tf.get_variable("weights", [h.shape[1], size])
                b = tf.get_variable("biases", [size], initializer=tf.zeros_initializer())
                h = tf.matmul(h, w) + b
                h = tf.nn.relu(h, name="relu") if name == "hidden" else h
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=h, labels=y), name="loss")
        train = tf.train.AdamOptimizer(0.1).minimize(loss, global_step=tf.train.get_or_create_global_step())
        saver = tf.train.Saver()
        rng = np.random.RandomState(0)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for i in range(12):
                batch = {x: rng.normal(size=(5, 8)), y: np.eye(3)[rng.randint(0, 3, 5)]}
                session.run([train, loss], batch)
            print("the end")
            if sys.argv[1:]:
                saver.save(session, sys.argv[1])

    if __name__ == "__main__":
        main()
    """


@pytest.fixture
def write(tmp_path):
    """A function that writes a program's file, with some of its text replaced, and gives the name."""

    def write(name="program.py", text=PROGRAM, **replaced):
        text = textwrap.dedent(text)
        for old, new in replaced.values():
            assert old in text
            text = text.replace(old, new)
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.fixture
def program(write):
    return write()
