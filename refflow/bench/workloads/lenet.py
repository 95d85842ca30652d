"""LeNet as models/image/mnist/convolutional.py of the first release had it, batch 64, momentum.

    conv 5x5, 32 - relu - pool 2x2 - conv 5x5, 64 - relu - pool 2x2 - 512 - relu - 10

The second convolution and its gradients are three quarters of the operations.
Next: refflow/bench/workloads/inception.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, labels_of, normal
from refflow.bench.workloads.convolution import Convolution
from refflow.bench.workloads.perceptron import Momentum, cross_entropy
from refflow.bench.workloads.pooling import Pool


class LeNet(Workload):
    name, title, group = "lenet", "LeNet, batch 64, momentum", "training"
    bar = Bar(0.85, 1.1)
    fed = ("x", "y")
    state = ("w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4")
    images = True
    batch = 64
    rate, momentum = 0.01, 0.9
    tolerance = 1e-3  # equal largest ones in a pool may part by a rounding

    def data(self, rng: np.random.Generator) -> Arrays:
        shapes = {"1": (5, 5, 1, 32), "2": (5, 5, 32, 64), "3": (3136, 512), "4": (512, 10)}
        arrays = {"x": normal(rng, self.batch, 28, 28, 1), "y": labels_of(rng, self.batch, 10)}
        for number, shape in shapes.items():
            arrays["w" + number] = normal(rng, *shape, scale=float(np.prod(shape[:-1])) ** -0.5)
            arrays["b" + number] = np.full(shape[-1], 0.1, np.float32)
        return arrays

    def graph(self, tf: Any, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, w4: Any,
              b4: Any) -> list[Any]:  # fmt: skip
        for w, b in ((w1, b1), (w2, b2)):
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, [1, 1, 1, 1], "SAME"), b))
            x = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        hidden = tf.nn.relu(tf.matmul(tf.reshape(x, [self.batch, 3136]), w3) + b3)
        logits = tf.matmul(hidden, w4) + b4
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
        return [tf.train.MomentumOptimizer(self.rate, self.momentum).minimize(loss), loss]

    def numpy(self, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any, w4: Any, b4: Any) -> Any:
        n = self.batch
        hot = np.eye(10, dtype=x.dtype)[y]
        update = Momentum(self.rate, self.momentum, [w1, b1, w2, b2, w3, b3, w4, b4])
        conv1 = Convolution(x, w1, 1, 2)
        pool1 = Pool(conv1.shape, 2, 2, 0, 0.0, x.dtype)
        conv2 = Convolution(pool1.y, w2, 1, 2)
        pool2 = Pool(conv2.shape, 2, 2, 0, 0.0, x.dtype)

        def relu(z: np.ndarray, b: np.ndarray) -> np.ndarray:
            np.add(z, b, out=z)
            return np.maximum(z, 0, out=z)

        def step() -> list[Any]:
            y1 = relu(conv1.forward(), b1)
            pool1.forward(y1)  # where conv2 reads
            y2 = relu(conv2.forward(), b2)
            flat = pool2.forward(y2).reshape(n, 3136)
            hidden = relu(flat @ w3, b3)
            z = hidden @ w4 + b4
            loss = cross_entropy(z, hot)
            dw4, dhidden = hidden.T @ z, (z @ w4.T) * (hidden > 0)
            dw3, dflat = flat.T @ dhidden, dhidden @ w3.T
            dy2 = pool2.gradient(dflat.reshape(pool2.y.shape))
            dy2 *= y2 > 0
            dw2 = conv2.filter_gradient(dy2)
            dy1 = pool1.gradient(conv2.input_gradient(dy2))
            dy1 *= y1 > 0
            dw1 = conv1.filter_gradient(dy1)
            update([dw1, dy1.sum((0, 1, 2)), dw2, dy2.sum((0, 1, 2)), dw3, dhidden.sum(0), dw4, z.sum(0)])
            return [loss]

        return step

    def torch(self, pt: Any, x: Any, y: Any, **state: Any) -> Any:
        F, addmm = pt.torch.nn.functional, pt.torch.addmm
        x, y = pt.image(x), y.long()
        state |= {name: pt.trained_filter(name, state[name]) for name in ("w1", "w2")}
        w1, b1, w2, b2, w3, b3, w4, b4 = (state[name] for name in self.state)

        def loss_of() -> Any:
            h = F.max_pool2d(F.relu(F.conv2d(x, w1, b1, padding=2)), 2)
            h = F.max_pool2d(F.relu(F.conv2d(h, w2, b2, padding=2)), 2)
            flat = pt.as_image(h).reshape(self.batch, 3136)
            return F.cross_entropy(addmm(b4, F.relu(addmm(b3, flat, w3)), w4), y)

        optimizer = pt.torch.optim.SGD(list(state.values()), lr=self.rate, momentum=self.momentum, fused=True)
        return pt.training(pt.compiled(loss_of), optimizer)

    def jax_slots(self, jax: Any, state: Any) -> Any:
        return jax.tree.map(jax.numpy.zeros_like, state)

    def jax(self, jax: Any, state: Any, slots: Any, x: Any, y: Any) -> Any:
        def conv(x: Any, w: Any) -> Any:
            return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

        def pool(x: Any) -> Any:
            return jax.lax.reduce_window(x, -jax.numpy.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        def loss_of(p: Any) -> Any:
            h = pool(jax.nn.relu(conv(x, p["w1"]) + p["b1"]))
            h = pool(jax.nn.relu(conv(h, p["w2"]) + p["b2"])).reshape(self.batch, 3136)
            logits = jax.nn.relu(h @ p["w3"] + p["b3"]) @ p["w4"] + p["b4"]
            return -jax.numpy.mean(jax.numpy.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1))

        loss, gradients = jax.value_and_grad(loss_of)(state)
        slots = jax.tree.map(lambda m, dp: self.momentum * m + dp, slots, gradients)
        return [loss], jax.tree.map(lambda p, m: p - self.rate * m, state, slots), slots


WORKLOADS: list[Workload] = [LeNet()]
