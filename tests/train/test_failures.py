"""Training that is cut off, restarted from a checkpoint and replayed ends where an uninterrupted run ends."""

import os

import numpy as np
import pytest

import refflow as tf

STEPS = 30
X = np.random.default_rng(3).normal(size=(STEPS, 4, 3))  # a batch for each step: inputs that can be replayed
Y = X @ [[1.0], [-2.0], [0.5]]


class Task:
    """One life of the program: its graph, its session, its Saver. A failure loses all of it but the files."""

    def __init__(self, folder):
        self.folder, self.session = str(folder), tf.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            self.x, self.y = tf.placeholder(tf.float64, [4, 3]), tf.placeholder(tf.float64, [4, 1])
            self.w = tf.Variable(np.zeros((3, 1)), name="w")
            self.done = tf.Variable(0, trainable=False, name="done")
            loss = tf.reduce_mean(tf.square(tf.matmul(self.x, self.w) - self.y))
            self.step = tf.train.AdamOptimizer(0.1).minimize(loss, global_step=self.done)
            self.saver = tf.train.Saver(max_to_keep=2)
            self.session.run(tf.initialize_all_variables())
        newest = tf.train.latest_checkpoint(self.folder)
        if newest:
            self.saver.restore(self.session, newest)

    def train(self, until, every=4):
        """Steps up to `until`, a checkpoint every so many of them; a failure may come at any one."""
        while (at := int(self.session.run(self.done))) < until:
            self.session.run(self.step, {self.x: X[at], self.y: Y[at]})
            if (at + 1) % every == 0:
                self.saver.save(self.session, os.path.join(self.folder, "model"), global_step=at + 1)
        return self.session.run(self.w)


@pytest.mark.parametrize("seed", range(4))
def test_random_failures_leave_the_final_parameters_as_they_were(seed, tmp_path):  # [W28, O05]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = Task(whole).train(STEPS)
    rng, redone = np.random.default_rng(seed), 0
    for failure in np.sort(rng.integers(1, STEPS, size=5)):
        task = Task(broken)
        redone += int(failure) > int(task.session.run(task.done)) > 0
        task.train(int(failure))
        task.session.close()
    assert redone, "no life began at a checkpoint"
    np.testing.assert_array_equal(Task(broken).train(STEPS), expected)
    assert len([n for n in os.listdir(whole) if n.endswith(".index")]) == 2
    assert np.abs(expected).max() > 0.1


def test_each_variable_leads_to_a_save_and_comes_from_a_restore(tmp_path):  # [W28]
    task = Task(tmp_path)
    operations = task.session.graph.get_operations()
    saved = {t.op for op in operations if op.type == "SaveV2" for t in op.inputs}
    restored = {
        op.inputs[0].op for op in operations
        if op.type == "Assign" and op.inputs[1].op.type in ("RestoreV2", "Identity", "Reshape") and "save/" in op.name
    }  # fmt: skip
    with task.session.graph.as_default():
        variables = {v.op for v in tf.all_variables()}
    assert variables <= saved and variables == restored
