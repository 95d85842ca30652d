"""Who stops the executor before a node sees what the manual says: the node, the values, and the state of the step."""

import numpy as np

import refflow as tf
from refflow.runtime.executor import Run


def test_the_state_before_a_node_can_be_printed(graph, monkeypatch):  # [W17]
    x = tf.placeholder(tf.float32, [2, 3], name="x")
    y = tf.matmul(x, tf.constant(np.ones((3, 1)), tf.float32, name="w"), name="y")
    z = tf.neg(y, name="z")
    seen, go_on = {}, Run._run_node

    def stop(self, node, frame, iteration):
        seen[node.name] = str(self), repr(node), repr(iteration), dict(iteration.values), str(self.fixed.step)
        go_on(self, node=node, frame=frame, iteration=iteration)

    monkeypatch.setattr(Run, "_run_node", stop)
    with tf.Session(executor="executor", optimize=False) as session:
        session.run(z, {x: np.eye(2, 3)})
    state, node, iteration, values, step = seen["y"]
    assert state.splitlines() == ["ready: -", "awaited: -", "waiting: z, _send_z_0", "values: w:0, _recv_x_0:0"]
    assert node == "<Node 3 'y' MatMul>" and iteration == "<Iteration 0: 2 values, 1 nodes under way>"
    assert {n.name: v.shape for (n, _), v in values.items()} == {"w": (3, 1), "_recv_x_0": (2, 3)}
    assert "y = MatMul[" in step and "](_recv_x_0, w)" in step
