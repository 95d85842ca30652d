"""A language model's step: LSTM of 200 cells, 20 steps of 20 texts, 10,000 words, gradient descent.

    i, f, j, o = [x(t), h(t-1)] w + b     c(t) = s(f) c(t-1) + s(i) tanh(j)     h(t) = s(o) tanh(c(t))
    loss = the mean cross-entropy of h w_out + b_out, over all steps

The product with the 10,000 words is five sixths of the operations. NumPy's side multiplies the inputs of all steps at
once, takes s(z) as (tanh(z / 2) + 1) / 2 so that a step is one tanh of four gates, and keeps the embedding's gradient
sparse. Next: refflow/bench/workloads/matmul.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, labels_of, normal
from refflow.bench.workloads.perceptron import descent


class Lstm(Workload):
    name, title, group = "lstm", "LSTM 200, 20 steps of batch 20, vocabulary 10,000", "training"
    bar = Bar(0.75, 0.85)
    fed = ("words", "targets")
    state = ("embedding", "w", "b", "w_out", "b_out")
    rate = 0.5

    def __init__(self, cells: int = 200, steps: int = 20, batch: int = 20, vocabulary: int = 10_000):
        self.cells, self.steps, self.batch, self.vocabulary = cells, steps, batch, vocabulary
        self.rows = steps * batch

    def data(self, rng: np.random.Generator) -> Arrays:
        h, v = self.cells, self.vocabulary
        return {
            "words": labels_of(rng, self.rows, v),  # step by step, each of the whole batch
            "targets": labels_of(rng, self.rows, v),
            "embedding": normal(rng, v, h, scale=0.1),
            "w": normal(rng, 2 * h, 4 * h, scale=(2 * h) ** -0.5),
            "b": np.zeros(4 * h, np.float32),
            "w_out": normal(rng, h, v, scale=h**-0.5),
            "b_out": np.zeros(v, np.float32),
        }

    def graph(self, tf: Any, words: Any, targets: Any, embedding: Any, w: Any, b: Any, w_out: Any,
              b_out: Any) -> list[Any]:  # fmt: skip
        inputs = tf.split(tf.nn.embedding_lookup(embedding, words), self.steps, axis=0)
        h = c = tf.zeros([self.batch, self.cells])
        outputs = []
        for x in inputs:
            i, f, j, o = tf.split(tf.matmul(tf.concat([x, h], axis=1), w) + b, 4, axis=1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j)
            h = tf.sigmoid(o) * tf.tanh(c)
            outputs.append(h)
        logits = tf.matmul(tf.concat(outputs, axis=0), w_out) + b_out
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits))
        return [tf.train.GradientDescentOptimizer(self.rate).minimize(loss), loss]

    def numpy(self, words: Any, targets: Any, embedding: Any, w: Any, b: Any, w_out: Any, b_out: Any) -> Any:
        n, h, steps, kind = self.batch, self.cells, self.steps, embedding.dtype
        order = np.arange(self.rows)
        half = np.full(4 * h, 0.5, kind)  # tanh(z / 2) of i, f and o, tanh(z) of j
        half[2 * h : 3 * h] = 1
        x, hs = np.empty((self.rows, h), kind), np.zeros((steps + 1, n, h), kind)
        cs, gates = np.zeros((steps + 1, n, h), kind), np.empty((steps, n, 4 * h), kind)
        tanh_c, dgates = np.empty((steps, n, h), kind), np.empty((steps, n, 4 * h), kind)
        z, dw, dw_out = np.empty((self.rows, self.vocabulary), kind), np.empty_like(w), np.empty_like(w_out)
        ones = np.ones(self.rows, kind)

        def forward() -> None:
            np.take(embedding, words, axis=0, out=x, mode="clip")
            np.matmul(x, w[:h], out=gates.reshape(self.rows, -1))
            np.add(gates, b, out=gates)
            for t in range(steps):
                a = gates[t]
                a += hs[t] @ w[h:]
                a *= half
                np.tanh(a, out=a)
                a *= half
                a += 1 - half
                i, f, j, o = (a[:, k * h : (k + 1) * h] for k in range(4))
                np.multiply(f, cs[t], out=cs[t + 1])
                cs[t + 1] += i * j
                np.tanh(cs[t + 1], out=tanh_c[t])
                np.multiply(o, tanh_c[t], out=hs[t + 1])

        def words_out(outputs: np.ndarray) -> Any:
            np.matmul(outputs, w_out, out=z)
            np.add(z, b_out, out=z)
            loss = 0.0
            for start in range(0, self.rows, 25):  # 1 MB at a time
                rows = slice(start, start + 25)
                part = z[rows]
                part -= part.max(axis=1, keepdims=True)
                score = part[order[: len(part)], targets[rows]]
                np.exp(part, out=part)
                total = part.sum(axis=1, keepdims=True)
                loss += np.sum(np.log(total[:, 0]) - score)
                part *= 1 / (total * self.rows)
            z[order, targets] -= kind.type(1 / self.rows)
            return loss / self.rows

        def backward(dhs: np.ndarray) -> None:
            i, f, j, o = (gates[:, :, k * h : (k + 1) * h] for k in range(4))
            back_c = o * (1 - tanh_c**2)
            slopes = (j * i * (1 - i), cs[:-1] * f * (1 - f), i * (1 - j**2), tanh_c * o * (1 - o))
            dh, dc = np.zeros((n, h), kind), np.zeros((n, h), kind)
            for t in reversed(range(steps)):
                dh += dhs[t]
                dc += dh * back_c[t]
                for k, above in enumerate((dc, dc, dc, dh)):
                    np.multiply(above, slopes[k][t], out=dgates[t, :, k * h : (k + 1) * h])
                dc *= f[t]
                dh = dgates[t] @ w[h:].T

        def step() -> list[Any]:
            forward()
            outputs = hs[1:].reshape(self.rows, h)
            loss = words_out(outputs)
            backward((z @ w_out.T).reshape(steps, n, h))
            flat = dgates.reshape(self.rows, 4 * h)
            dx = flat @ w[:h].T
            np.matmul(x.T, flat, out=dw[:h])
            np.matmul(hs[:-1].reshape(self.rows, h).T, flat, out=dw[h:])
            np.matmul(outputs.T, z, out=dw_out)
            descent(self.rate, [w, b, w_out, b_out], [dw, ones @ flat, dw_out, ones @ z])
            np.subtract.at(embedding, words, dx * kind.type(self.rate))
            return [loss]

        return step

    def torch(self, pt: Any, words: Any, targets: Any, embedding: Any, w: Any, b: Any, w_out: Any,
              b_out: Any) -> Any:  # fmt: skip
        torch, h = pt.torch, self.cells
        words, targets = words.long(), targets.long()
        lstm = torch.nn.LSTM(h, h, device=words.device)  # i, f, j, o; the second of its two biases stays zero
        with torch.no_grad():
            for parameter, given in zip(lstm.parameters(), (w[:h].T, w[h:].T, b, 0 * b), strict=True):
                parameter.copy_(given)
        lstm.bias_hh_l0.requires_grad_(False)
        pt.read["w"] = lambda: torch.cat([lstm.weight_ih_l0.T, lstm.weight_hh_l0.T])
        pt.read["b"] = lambda: lstm.bias_ih_l0

        def loss_of() -> Any:
            x = torch.nn.functional.embedding(words, embedding, sparse=True)
            outputs, _ = lstm(x.reshape(self.steps, self.batch, h))
            logits = torch.addmm(b_out, outputs.reshape(self.rows, h), w_out)
            return torch.nn.functional.cross_entropy(logits, targets)

        dense = [*list(lstm.parameters())[:3], w_out, b_out]
        optimizers = torch.optim.SGD(dense, lr=self.rate, fused=True), torch.optim.SGD([embedding], lr=self.rate)
        return pt.training(pt.compiled(loss_of), *optimizers)

    def jax(self, jax: Any, state: Any, slots: Any, words: Any, targets: Any) -> Any:
        jnp, nn, shape = jax.numpy, jax.nn, (self.batch, self.cells)

        def cell(carried: Any, x: Any, p: Any) -> Any:
            h, c = carried
            i, f, j, o = jnp.split(jnp.concatenate([x, h], axis=1) @ p["w"] + p["b"], 4, axis=1)
            c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(j)
            h = nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        def loss_of(p: Any, x: Any) -> Any:
            zero = jnp.zeros(shape)
            _, outputs = jax.lax.scan(lambda carried, x: cell(carried, x, p), (zero, zero), x)
            logits = nn.log_softmax(outputs.reshape(self.rows, self.cells) @ p["w_out"] + p["b_out"])
            return -jnp.mean(jnp.take_along_axis(logits, targets[:, None], axis=1))

        dense = {name: p for name, p in state.items() if name != "embedding"}
        x = state["embedding"][words].reshape(self.steps, *shape)
        loss, (gradients, dx) = jax.value_and_grad(loss_of, argnums=(0, 1))(dense, x)
        updated = jax.tree.map(lambda p, dp: p - self.rate * dp, dense, gradients)
        embedding = state["embedding"].at[words].add(-self.rate * dx.reshape(self.rows, self.cells))
        return [loss], updated | {"embedding": embedding}, slots


WORKLOADS: list[Workload] = [Lstm()]
