"""Random programs whose values have several readers: chains, reductions, products, windows, and a step of training.

    run_all(seed, tf)      [what each step fetched ..., variables], by any library with TensorFlow 1.x's names

A graph begins with three values that are fed, and grows by one op at a time, whose operands are drawn from all values
so far: so a value has many readers, or none. Two losses are reductions of reductions. Fetched are both, a few values in
between, the slopes of one loss by what is fed, and a step that moves the variables along those of the other.
"""

import random

import numpy as np

UNARY = ("tanh", "sigmoid", "square", "abs", "negative", "exp")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum", "divide", "squared_difference")
REDUCTIONS = ("sum", "mean", "max", "min", "logsumexp")
MOST = 700  # elements of a value: kernels are interpreted


class Grown:
    """A graph that a seed says. values: float32, each of size about 1, of 0 to 4 axes."""

    def __init__(self, seed, tf):
        self.draw, self.tf, rng = random.Random(seed), tf, np.random.default_rng(seed)
        draw = self.draw
        rows, width = draw.choice((1, 2, 5, 17)), draw.choice((1, 3, 8, 19))
        shapes = [[rows, width], [2, 5, 4, 3], [draw.choice((2, rows)), 3, width]]
        self.fed = {tf.placeholder(tf.float32, s): rng.normal(size=s).astype(np.float32) for s in shapes}
        self.labels = tf.placeholder(tf.int32, [rows])
        self.classes = draw.choice((3, 6, 18))
        self.fed[self.labels] = rng.integers(0, self.classes, rows).astype(np.int32)
        self.rng, self.variables = rng, []
        self.values = list(self.fed)[:3]
        kinds = [self.unary, self.binary, self.binary, self.reduced, self.reduced, self.product, self.product, self.row,
                 self.softmax, self.conv, self.pool, self.norm, self.moved, self.looked_up, self.cross,
                 self.joined]  # fmt: skip
        for _ in range(draw.randint(5, 14)):
            found = draw.choice(kinds)()
            if found is not None and np.prod(self.shape(found)) <= MOST:
                self.values.append(found)

    def shape(self, x):
        return x.get_shape().as_list()

    def weight(self, *shape):
        first = self.rng.normal(size=shape, scale=0.5).astype(np.float32)
        self.variables.append(self.tf.get_variable(f"w{len(self.variables)}", initializer=first))
        return self.variables[-1]

    def any(self, rank=None):
        """A value, the later the likelier, of this many axes."""
        fitting = [v for v in self.values if rank in (None, len(self.shape(v)))]
        return fitting[int(len(fitting) * self.draw.random() ** 0.6)] if fitting else None

    def unary(self):
        kind, x = self.draw.choice(UNARY), self.any()
        return self.tf.exp(-self.tf.abs(x)) if kind == "exp" else getattr(self.tf, kind)(x)

    def binary(self):
        """Two values that broadcast, or a value and a number."""
        tf, x, kind = self.tf, self.any(), self.draw.choice(BINARY)
        others = [v for v in self.values if broadcast(self.shape(x), self.shape(v)) is not None]
        y = self.draw.choice([*others, tf.constant(np.float32(0.7))])
        if kind == "divide":
            return x / (1.0 + tf.square(y))
        return getattr(tf, kind)(*((x, y) if self.draw.random() < 0.5 else (y, x)))

    def reduced(self):
        x = self.any()
        rank = len(self.shape(x))
        axes = self.draw.choice((None, self.draw.sample(range(rank), self.draw.randint(0, rank)), [-1] if rank else []))
        reduce = getattr(self.tf, f"reduce_{self.draw.choice(REDUCTIONS)}")
        return reduce(x, axes, keepdims=self.draw.random() < 0.5)

    def product(self):
        """By a variable or another value, straight or turned, and often more behind it."""
        tf, draw, x = self.tf, self.draw, self.any(2)
        rows, width = self.shape(x)
        turned = draw.random() < 0.3
        inner, outer = (rows, width) if turned else (width, rows)
        others = [v for v in self.values if len(self.shape(v)) == 2 and self.shape(v)[0] == inner]
        w = draw.choice(others) if others and draw.random() < 0.3 else self.weight(inner, draw.choice((1, 4, 18)))
        z = tf.matmul(x, w, transpose_a=turned) * (1 / np.float32(inner) ** 0.5)
        self.values.append(z)
        if draw.random() < 0.6:
            bias = self.weight(self.shape(z)[1])
            z = tf.nn.bias_add(z, bias) if draw.random() < 0.5 else z + bias
        if draw.random() < 0.4:
            z = z * self.weight(outer, 1)
        return getattr(tf, draw.choice(("tanh", "sigmoid", "identity")))(z)

    def row(self):
        x = self.any()
        width = self.shape(x)[-1:]
        return x * self.weight(*width) + self.weight(*width)

    def softmax(self):
        x = self.any(self.draw.choice((2, 3)))
        return getattr(self.tf.nn, self.draw.choice(("softmax", "log_softmax")))(x)

    def conv(self):
        x = self.any(4)
        size, step = self.draw.choice((1, 3)), self.draw.choice((1, 2))
        if min(self.shape(x)[1:3]) < 3:
            return None
        w = self.weight(size, size, self.shape(x)[3], self.draw.choice((2, 5)))
        return self.tf.nn.conv2d(x, w, [1, step, step, 1], self.draw.choice(("SAME", "VALID"))) * 0.4

    def pool(self):
        x = self.any(4)
        pool = self.draw.choice((self.tf.nn.max_pool, self.tf.nn.avg_pool))
        return pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")

    def norm(self):
        """Batch norm by its parts, over all axes but the last, or by its op."""
        tf, x = self.tf, self.any(self.draw.choice((2, 4)))
        size = self.shape(x)
        scale, offset = self.weight(size[-1]), self.weight(size[-1])
        if len(size) == 4 and self.draw.random() < 0.5:
            return tf.nn.fused_batch_norm(x, scale, offset, epsilon=0.1)[0]
        mean, variance = tf.nn.moments(x, list(range(len(size) - 1)))
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, 0.1)

    def moved(self):
        x = self.any()
        order = list(range(len(self.shape(x))))
        self.draw.shuffle(order)
        moved = self.tf.transpose(x, order)
        return self.tf.reshape(moved, [self.shape(moved)[0], -1]) if len(order) > 1 else moved

    def looked_up(self):
        return self.tf.nn.embedding_lookup(self.weight(self.classes, self.draw.choice((1, 4, 18))), self.labels)

    def cross(self):
        rows = self.shape(self.labels)[0]
        x = self.draw.choice([v for v in self.values if len(self.shape(v)) == 2 and self.shape(v)[0] == rows])
        logits = self.tf.matmul(x, self.weight(self.shape(x)[1], self.classes))
        return self.tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self.labels, logits=logits)

    def joined(self):
        x = self.any(self.draw.choice((2, 3, 4)))
        if x is None:
            return None
        axis = self.draw.randrange(len(self.shape(x)))
        if self.draw.random() < 0.5:
            return self.tf.concat([x, self.tf.tanh(x)], axis)
        first = self.tf.split(x, [1, self.shape(x)[axis] - 1], axis) if self.shape(x)[axis] > 1 else [x, x]
        return first[self.draw.randrange(2)]


def broadcast(a, b):
    """The shape of both, or None where they have none or it would be large."""
    try:
        shape = np.broadcast_shapes(a, b)
    except ValueError:
        return None
    return shape if np.prod(shape) <= MOST else None


def program(seed, tf):
    """A graph's feeds, fetches and variables, in the default graph."""
    grown = Grown(seed, tf)
    draw, made = grown.draw, grown.values[3:]
    ends = [grown.values[0], *made[-draw.randint(1, 4) :]]
    losses = [tf.add_n([tf.reduce_mean(tf.square(v)) for v in ends]) * 0.1]
    losses += [tf.reduce_sum(tf.reduce_mean(v, -1)) * 0.01 for v in made[:1] if grown.shape(v)]
    fetches = [*losses, *draw.sample(made, min(len(made), draw.randint(0, 4)))]
    fetches += [g for g in tf.gradients(losses[-1], list(grown.fed)[:3]) if g is not None]
    slopes = zip(tf.gradients(losses[0], grown.variables), grown.variables, strict=True)
    pairs = [(g, v) for g, v in slopes if g is not None]
    optimizer = draw.choice((tf.train.GradientDescentOptimizer(0.05), tf.train.AdagradOptimizer(0.02)))
    if pairs:
        with tf.control_dependencies(fetches):  # what is fetched is of before the step
            # Clipped, since steps that diverge make much of what rounding left of a slope that is 0
            slopes, _ = tf.clip_by_global_norm([g for g, _ in pairs], 0.5)
            fetches.append(optimizer.apply_gradients(list(zip(slopes, [v for _, v in pairs], strict=True))))
    return grown.fed, fetches, grown.variables


def run_all(seed, tf, steps=3, **session):
    """What each of `steps` steps fetched, one after the other, and then the variables."""
    with tf.Graph().as_default():
        feeds, fetches, variables = program(seed, tf)
        with tf.Session(**session) as running:
            running.run(tf.global_variables_initializer())
            found = [running.run(fetches, feeds) for _ in range(steps)]
            return [np.asarray(x) for step in found for x in step if x is not None] + running.run(variables)
