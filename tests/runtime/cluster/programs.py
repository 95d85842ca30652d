"""A program over a cluster of one parameter server and two workers, and the clusters that it runs on."""

import numpy as np

import refflow as tf

SPEC = {"ps": ["ps:1"], "worker": ["worker:1", "worker:2"]}
X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def servers(network, **options):
    """A task for each address of SPEC, by its name; the last one's master is the clients'."""
    tasks = [("ps", 0), ("worker", 1), ("worker", 0)]
    return {f"{job}{n}": tf.train.Server(SPEC, job, n, network=network, **options) for job, n in tasks}


class Program:
    """Two layers, the weights on the parameter server, the layers on different workers."""

    def __init__(self, here=False):
        """here: all on one device, without a cluster's names."""

        def on(name):
            return tf.device("/cpu:0" if here else name)

        self.graph = tf.Graph()
        with self.graph.as_default():
            self.x = tf.placeholder(tf.float32, [4, 3], name="x")
            with on("/job:ps"):
                self.w = tf.Variable(tf.random_normal([3, 5], seed=1), name="w")
                self.v = tf.Variable(tf.random_normal([5, 2], seed=2), name="v")
            with on("/job:worker/task:0"):
                hidden = tf.nn.relu(tf.matmul(self.x, self.w))
            with on("/job:worker/task:1"):
                self.loss = tf.reduce_mean(tf.square(tf.matmul(hidden, self.v)))
            self.train = tf.train.GradientDescentOptimizer(0.1).minimize(self.loss)
            self.init = tf.initialize_all_variables()
            self.saver = tf.train.Saver()

    def session(self, target="", **options):
        return tf.Session(target, graph=self.graph, allow_soft_placement=True, executor="executor", **options)

    def losses(self, target="", steps=3):
        with self.session(target) as session:
            session.run(self.init)
            return [session.run([self.train, self.loss], {self.x: X})[1] for _ in range(steps)]
