"""A classifier of 784 pixels: one layer, as the deck's program is, or two, 784 - 1024 - 10.

The step is forward, backward and update. Of the deck's, both products read the 31 MB of images once and have ten
columns: memory's speed is the limit. The two-layer net's products are square enough to reach the processor's.
Next: refflow/bench/workloads/lenet.py.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, labels_of, normal


def cross_entropy(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The mean loss of scores `z` under one-hot `y`; `z` becomes the gradient of that mean."""
    rows = len(z)
    z -= z.max(axis=1, keepdims=True)
    score = np.einsum("nc,nc->n", y, z)
    np.exp(z, out=z)
    total = z.sum(axis=1, keepdims=True)
    loss = np.mean(np.log(total[:, 0]) - score)
    np.divide(z, total, out=z)
    z -= y
    z *= z.dtype.type(1 / rows)
    return loss


def descent(rate: float, params: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> None:
    """p -= rate dp; overwrites the gradients."""
    for p, dp in zip(params, gradients, strict=True):
        dp *= p.dtype.type(rate)
        p -= dp


class Momentum:
    """m = momentum m + dp;  p -= rate m."""

    def __init__(self, rate: float, momentum: float, params: Sequence[np.ndarray]):
        self.rate, self.momentum, self.params = rate, momentum, params
        self.slots = [np.zeros_like(p) for p in params]

    def __call__(self, gradients: Sequence[np.ndarray]) -> None:
        for p, m, dp in zip(self.params, self.slots, gradients, strict=True):
            m *= p.dtype.type(self.momentum)
            m += dp
            np.multiply(m, p.dtype.type(self.rate), out=dp)
            p -= dp


EPSILON = 1e-12  # of Adam: PyTorch adds it elsewhere than TensorFlow; so small, it does not matter where


class Adam:
    """m, v: running means of dp and dp^2;  p -= rate_t m / (sqrt v + epsilon)."""

    def __init__(self, rate: float, params: Sequence[np.ndarray], b1: float = 0.9, b2: float = 0.999):
        self.rate, self.b1, self.b2, self.params, self.steps = rate, b1, b2, params, 0
        self.slots = [(np.zeros_like(p), np.zeros_like(p), np.empty_like(p)) for p in params]

    def __call__(self, gradients: Sequence[np.ndarray]) -> None:
        self.steps += 1
        rate = self.rate * (1 - self.b2**self.steps) ** 0.5 / (1 - self.b1**self.steps)
        for p, (m, v, room), dp in zip(self.params, self.slots, gradients, strict=True):
            kind = p.dtype.type
            np.multiply(dp, kind(1 - self.b1), out=room)
            m *= kind(self.b1)
            m += room
            dp *= dp
            dp *= kind(1 - self.b2)
            v *= kind(self.b2)
            v += dp
            np.sqrt(v, out=room)
            room += kind(EPSILON)
            np.divide(m, room, out=room)
            room *= kind(rate)
            p -= room


def jax_adam(jnp: Any, rate: float) -> Callable[..., tuple[Any, Any]]:
    """(params, slots, gradients) -> params, slots, as TensorFlow places epsilon."""

    def update(params: Any, slots: Any, gradients: Any) -> tuple[Any, Any]:
        steps = slots["steps"] + 1
        scale = rate * jnp.sqrt(1 - 0.999**steps) / (1 - 0.9**steps)
        m = {n: 0.9 * slots["m"][n] + 0.1 * gradients[n] for n in params}
        v = {n: 0.999 * slots["v"][n] + 0.001 * gradients[n] ** 2 for n in params}
        params = {n: params[n] - scale * m[n] / (jnp.sqrt(v[n]) + EPSILON) for n in params}
        return params, {"m": m, "v": v, "steps": steps}

    return update


class DeckStep(Workload):
    """Softmax regression on all 10,000 images at once, in the graph as constants are [S29]."""

    name, title, group = "deck_step", "the deck's step, 10,000 x 784 x 10", "training"
    bar = Bar(0.92, 1.0)
    constants = ("x", "y")
    state = ("w", "b")
    rate = 0.5

    def __init__(self, rows: int = 10_000):
        self.rows = rows

    def data(self, rng: np.random.Generator) -> Arrays:
        x = rng.uniform(-0.5, 0.5, (self.rows, 784)).astype(np.float32)
        y = np.eye(10, dtype=np.float32)[labels_of(rng, self.rows, 10)]
        return {"x": x, "y": y, "w": normal(rng, 784, 10, scale=0.1), "b": np.zeros(10, np.float32)}

    def graph(self, tf: Any, x: Any, y: Any, w: Any, b: Any) -> list[Any]:
        logits = tf.matmul(x, w) + b
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=logits))
        return [tf.train.GradientDescentOptimizer(self.rate).minimize(loss), loss]

    def numpy(self, x: np.ndarray, y: np.ndarray, w: np.ndarray, b: np.ndarray) -> Any:
        z, dw, ones = np.empty((self.rows, 10), x.dtype), np.empty_like(w), np.ones(self.rows, x.dtype)

        def step() -> list[Any]:
            np.matmul(x, w, out=z)
            np.add(z, b, out=z)
            loss = cross_entropy(z, y)
            np.matmul(x.T, z, out=dw)
            descent(self.rate, [w, b], [dw, ones @ z])
            return [loss]

        return step

    def torch(self, pt: Any, x: Any, y: Any, w: Any, b: Any) -> Any:
        loss_of = pt.compiled(lambda: pt.torch.nn.functional.cross_entropy(pt.torch.addmm(b, x, w), y))
        return pt.training(loss_of, pt.torch.optim.SGD([w, b], lr=self.rate, fused=True))

    def jax(self, jax: Any, state: Any, slots: Any, x: Any, y: Any) -> Any:
        def loss_of(p: Any) -> Any:
            return -jax.numpy.mean(jax.numpy.sum(y * jax.nn.log_softmax(x @ p["w"] + p["b"]), axis=1))

        loss, gradients = jax.value_and_grad(loss_of)(state)
        return [loss], jax.tree.map(lambda p, dp: p - self.rate * dp, state, gradients), slots


class Perceptron(Workload):
    """784 - 1024 - 10 with rectifiers, batches of 128 fed."""

    group = "training"
    fed = ("x", "y")
    state = ("w1", "b1", "w2", "b2")

    def __init__(self, rows: int = 128, inputs: int = 784, hidden: int = 1024):
        self.rows, self.inputs, self.hidden = rows, inputs, hidden

    def data(self, rng: np.random.Generator) -> Arrays:
        return {
            "x": rng.uniform(-0.5, 0.5, (self.rows, self.inputs)).astype(np.float32),
            "y": np.eye(10, dtype=np.float32)[labels_of(rng, self.rows, 10)],
            "w1": normal(rng, self.inputs, self.hidden, scale=self.inputs**-0.5),
            "b1": np.zeros(self.hidden, np.float32),
            "w2": normal(rng, self.hidden, 10, scale=self.hidden**-0.5),
            "b2": np.zeros(10, np.float32),
        }

    @abstractmethod
    def optimizer(self, train: Any) -> Any:
        """The graph's optimizer."""

    def graph(self, tf: Any, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> list[Any]:
        hidden = tf.nn.relu(tf.matmul(x, w1) + b1)
        logits = tf.matmul(hidden, w2) + b2
        loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=y, logits=logits))
        return [self.optimizer(tf.train).minimize(loss), loss]

    @abstractmethod
    def numpy_update(self, params: list[np.ndarray]) -> Callable[[list[np.ndarray]], None]:
        """A function that changes `params` by their gradients."""

    def numpy(self, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        update = self.numpy_update([w1, b1, w2, b2])
        h, dh = np.empty((self.rows, self.hidden), x.dtype), np.empty((self.rows, self.hidden), x.dtype)
        z, ones = np.empty((self.rows, 10), x.dtype), np.ones(self.rows, x.dtype)
        dw1, dw2 = np.empty_like(w1), np.empty_like(w2)

        def step() -> list[Any]:
            np.matmul(x, w1, out=h)
            np.add(h, b1, out=h)
            np.maximum(h, 0, out=h)
            np.matmul(h, w2, out=z)
            np.add(z, b2, out=z)
            loss = cross_entropy(z, y)
            np.matmul(h.T, z, out=dw2)
            np.matmul(z, w2.T, out=dh)
            np.multiply(dh, h > 0, out=dh)
            np.matmul(x.T, dh, out=dw1)
            update([dw1, ones @ dh, dw2, ones @ z])
            return [loss]

        return step

    @abstractmethod
    def torch_optimizer(self, optim: Any, params: list[Any]) -> Any:
        """The same optimizer of PyTorch."""

    def torch(self, pt: Any, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        F, addmm = pt.torch.nn.functional, pt.torch.addmm
        loss_of = pt.compiled(lambda: F.cross_entropy(addmm(b2, F.relu(addmm(b1, x, w1)), w2), y))
        return pt.training(loss_of, self.torch_optimizer(pt.torch.optim, [w1, b1, w2, b2]))

    @abstractmethod
    def jax_update(self, jax: Any) -> Callable[..., tuple[Any, Any]]:
        """A function of parameters, slots and gradients that gives the new parameters and slots."""

    def jax(self, jax: Any, state: Any, slots: Any, x: Any, y: Any) -> Any:
        def loss_of(p: Any) -> Any:
            logits = jax.nn.relu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
            return -jax.numpy.mean(jax.numpy.sum(y * jax.nn.log_softmax(logits), axis=1))

        loss, gradients = jax.value_and_grad(loss_of)(state)
        return [loss], *self.jax_update(jax)(state, slots, gradients)


class PerceptronDescent(Perceptron):
    name, title = "mlp_sgd", "MLP 784-1024-10, batch 128, gradient descent"
    bar = Bar(0.75, 0.9)

    def optimizer(self, train: Any) -> Any:
        return train.GradientDescentOptimizer(0.1)

    def numpy_update(self, params: list[np.ndarray]) -> Callable[[list[np.ndarray]], None]:
        return lambda gradients: descent(0.1, params, gradients)

    def torch_optimizer(self, optim: Any, params: list[Any]) -> Any:
        return optim.SGD(params, lr=0.1, fused=True)

    def jax_update(self, jax: Any) -> Callable[..., tuple[Any, Any]]:
        return lambda params, slots, d: (jax.tree.map(lambda p, dp: p - 0.1 * dp, params, d), slots)


class PerceptronAdam(Perceptron):
    name, title = "mlp_adam", "MLP 784-1024-10, batch 128, Adam"
    bar = Bar(0.85, 1.0)

    def optimizer(self, train: Any) -> Any:
        return train.AdamOptimizer(1e-3, epsilon=EPSILON)

    def numpy_update(self, params: list[np.ndarray]) -> Callable[[list[np.ndarray]], None]:
        return Adam(1e-3, params)

    def torch_optimizer(self, optim: Any, params: list[Any]) -> Any:
        return optim.Adam(params, lr=1e-3, eps=EPSILON, fused=True)

    def jax_slots(self, jax: Any, state: Any) -> Any:
        zeros = {name: jax.numpy.zeros_like(p) for name, p in state.items()}
        return {"m": zeros, "v": jax.tree.map(jax.numpy.copy, zeros), "steps": jax.numpy.float32(0)}

    def jax_update(self, jax: Any) -> Callable[..., tuple[Any, Any]]:
        return jax_adam(jax.numpy, 1e-3)


WORKLOADS: list[Workload] = [DeckStep(), PerceptronDescent(), PerceptronAdam()]
