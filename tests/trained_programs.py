"""Random nets with loops and branches, and an optimizer that trains them: what plans rewrite most.

    net = random_net(seed)
    trained(net, tf)       the losses and variables after some steps, by any library with TensorFlow 1.x's names
                           and in any float type

A state is a list of tensors [ROWS, width]. A statement is a tuple:

    ("dense", at, sources, activation, weight, bias)    act(concat(sources) @ w + b), weights by number: some are shared
    ("cell", hidden, memory, weight)                    an LSTM's turn: one product, four parts
    ("input", at, weight)                               adds x[i] @ w, of a sequence
    ("mix", at, other, operation)                       two of one width, elementwise
    ("row", at, weight)                                 a product of one row, which all rows get
    ("norm", at)                                        over the root of the mean square
    ("if", at, then, otherwise)                         by the sign of a sum
    ("loop", times, body, writes)                       with what is written turn by turn, if that is asked for
"""

import random

import numpy as np

ROWS, TIME, INPUTS = 3, 4, 5
ACTIVATIONS = ("tanh", "sigmoid", "softplus", "identity")
OPERATIONS = ("add", "multiply", "maximum", "gate")
RULES = ("GradientDescent", "Momentum", "Adam", "Adagrad", "RMSProp")


class Net:
    """What a seed says: the program, the widths of its state, and how it is trained."""

    def __init__(self, seed):
        draw = random.Random(seed)
        self.seed, self.draw = seed, draw
        self.widths = [draw.choice((4, 6, 20, 40)) for _ in range(draw.randint(2, 3))]
        self.shapes = []  # of weights
        self.body = self._block(2, draw.randint(2, 4))
        if not any(s[0] == "loop" for s in self.body):
            self.body.append(("loop", draw.choice((1, 3, 20)), self._block(1, 3), None))
        self.rule, self.gate = draw.choice(RULES), draw.choice((0, 1, 1, 2))
        self.clips, self.decays, self.fed_times = (draw.random() < 0.4 for _ in range(3))
        self.swaps, self.parallel = draw.random() < 0.3, draw.choice((1, 10, 32))

    def _weight(self, shape):
        known = [i for i, s in enumerate(self.shapes) if s == shape]
        if known and self.draw.random() < 0.5:
            return self.draw.choice(known)
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _block(self, depth, count):
        return [self._statement(depth) for _ in range(count)]

    def _statement(self, depth):
        draw, widths = self.draw, self.widths
        at, kind = draw.randrange(len(widths)), draw.random()
        width = widths[at]
        if depth and kind < 0.2:
            times = draw.choice((0, 1, 2, 5, 30) if depth == 2 else (0, 1, 3))
            return ("loop", times, self._block(depth - 1, draw.randint(1, 3)), draw.choice((None, at)))
        if depth and kind < 0.3:
            return ("if", at, *(self._block(depth - 1, draw.randint(1, 2)) for _ in range(2)))
        if kind < 0.6:
            sources = draw.sample(range(len(widths)), draw.randint(1, len(widths)))
            weight = self._weight((sum(widths[s] for s in sources), width))
            bias = self._weight((width,)) if draw.random() < 0.8 else None
            return ("dense", at, sources, draw.choice(ACTIVATIONS), weight, (bias, draw.random() < 0.5))
        twin = next((i for i, w in enumerate(widths) if w == width and i != at), None)
        if kind < 0.7 and twin is not None:
            return ("cell", at, twin, (self._weight((2 * width, 4 * width)), self._weight((4 * width,))))
        if kind < 0.75 and twin is not None:
            return ("mix", at, twin, draw.choice(OPERATIONS))
        if kind < 0.85:
            return ("input", at, self._weight((INPUTS, width)))
        if kind < 0.93:
            return ("row", at, self._weight((width, width)))
        return ("norm", at)


def trained(net, tf, steps=3, dtype=np.float64, **session):
    """[losses, variables] of a session with the given arguments after `steps` steps."""
    rng = np.random.default_rng(net.seed)
    with tf.Graph().as_default():
        x = tf.placeholder(dtype, [TIME, ROWS, INPUTS])
        times = tf.placeholder(tf.int32, [])
        first = [rng.normal(size=s, scale=0.5 / s[0] ** 0.5 if s[1:] else 0.1) for s in net.shapes]
        weights = [tf.get_variable(f"w{i}", initializer=w.astype(dtype)) for i, w in enumerate(first)]
        start = [tf.constant(rng.normal(size=(ROWS, w)).astype(dtype)) for w in net.widths]
        built = Built(net, tf, x, times, weights)
        state = built.block(net.body, start, tf.constant(0))
        loss = tf.add_n([tf.reduce_mean(tf.square(s - 0.3)) for s in (*state, *built.written)])
        if net.decays:
            loss += tf.add_n([tf.nn.l2_loss(w) for w in weights]) * 0.01
        rate = {"Adam": 0.01, "RMSProp": 0.01}.get(net.rule, 0.05)
        given = (rate, 0.9) if net.rule == "Momentum" else (rate,)
        optimizer = getattr(tf.train, f"{net.rule}Optimizer")(*given)
        pairs = [(g, v) for g, v in optimizer.compute_gradients(loss, weights, net.gate) if g is not None]
        if net.clips and pairs:
            clipped, _ = tf.clip_by_global_norm([g for g, _ in pairs], 0.5)
            pairs = list(zip(clipped, [v for _, v in pairs], strict=True))
        train = optimizer.apply_gradients(pairs) if pairs else tf.no_op()
        with tf.Session(**session) as running:
            running.run(tf.global_variables_initializer())
            feeds = {x: rng.normal(size=x.get_shape().as_list()), times: 6}
            losses = [running.run([loss, train], feeds)[0] for _ in range(steps)]
            return [np.array(losses), *running.run(weights)]


class Built:
    """A net as a graph."""

    def __init__(self, net, tf, x, times, weights):
        self.net, self.tf, self.x, self.times, self.weights = net, tf, x, times, weights
        self.written = []  # stacks of what loops outside of all others wrote
        self.depth = 0

    def block(self, statements, state, turn):
        for statement in statements:
            state = getattr(self, statement[0] + "_")(list(state), turn, *statement[1:])
        return state

    def dense_(self, state, turn, at, sources, activation, weight, bias):
        tf = self.tf
        joined = tf.concat([state[s] for s in sources], 1) if len(sources) > 1 else state[sources[0]]
        z = tf.matmul(joined, self.weights[weight])
        if bias[0] is not None:
            b = self.weights[bias[0]]
            z = tf.nn.bias_add(z, b) if bias[1] else z + b
        state[at] = getattr(tf.nn if activation == "softplus" else tf, activation)(z)
        return state

    def cell_(self, state, turn, hidden, memory, weights):
        tf = self.tf
        w, b = (self.weights[i] for i in weights)
        z = tf.matmul(tf.concat([state[hidden], state[memory]], 1), w) + b
        new, keep, add, out = tf.split(z, 4, 1)
        state[memory] = tf.sigmoid(keep) * state[memory] + tf.sigmoid(add) * tf.tanh(new)
        state[hidden] = tf.sigmoid(out) * tf.tanh(state[memory])
        return state

    def input_(self, state, turn, at, weight):
        state[at] = state[at] * 0.5 + self.tf.matmul(self.x[turn % TIME], self.weights[weight])
        return state

    def mix_(self, state, turn, at, other, operation):
        tf = self.tf
        a, b = state[at], state[other]
        gated = tf.sigmoid(a) * b + (1 - tf.sigmoid(a)) * a
        state[at] = gated if operation == "gate" else getattr(tf, operation)(a, b) * 0.7
        return state

    def row_(self, state, turn, at, weight):
        tf = self.tf
        row = tf.reduce_mean(state[at], 0, keepdims=True)
        state[at] = state[at] * 0.8 + tf.tanh(tf.matmul(row, self.weights[weight]))
        return state

    def norm_(self, state, turn, at):
        tf = self.tf
        state[at] = state[at] / tf.sqrt(1.0 + tf.reduce_mean(tf.square(state[at]), 1, keepdims=True))
        return state

    def if_(self, state, turn, at, then, otherwise):
        sides = [lambda part=part: self.block(part, list(state), turn) for part in (then, otherwise)]
        self.depth += 1
        state = self.tf.cond(self.tf.reduce_sum(state[at]) > 0, *sides)
        self.depth -= 1
        return state

    def loop_(self, state, turn, times, body, writes):
        tf, net = self.tf, self.net
        writes = writes if not self.depth else None
        limit = self.times if net.fed_times and times == 5 else times
        arrays = [] if writes is None else [tf.TensorArray(state[0].dtype, limit)]

        def one(i, *carried):
            states, lists = list(carried[: len(state)]), carried[len(state) :]
            states = self.block(body, states, i + turn)
            return [i + 1, *states, *(a.write(i, states[writes] * 0.5) for a in lists)]

        self.depth += 1
        found = tf.while_loop(lambda i, *_: i < limit, one, [tf.constant(0), *state, *arrays],
                              parallel_iterations=net.parallel, swap_memory=net.swaps)  # fmt: skip
        self.depth -= 1
        if arrays and times:
            self.written.append(found[-1].stack())
        return list(found[1 : 1 + len(state)])


def random_net(seed):
    return Net(seed)
