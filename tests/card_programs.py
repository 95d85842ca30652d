"""Random programs of views, state, branches, and parts that only the host can do, run several times in other ways.

    run_all(seed, tf, **session)      [what each run fetched ..., variables], by any library with TensorFlow 1.x's names

A graph grows by one op at a time, whose operands are drawn from all values so far. All that changes a variable waits
for what has read it, so that every order gives the same. Each run fetches some of the values and changes, feeds other
numbers, in a batch of another size, and sometimes a value in the middle of the graph. Some devices are named.
"""

import random

import numpy as np

UNARY = ("tanh", "sigmoid", "abs", "negative", "identity", "stop_gradient", "sin")
DEVICES = (None, None, "/gpu:0", "/gpu:1", "/cpu:0")
TYPES = ("float32",) * 6 + ("float16", "float64", "int32", "bool")


class Value:
    """A tensor and its sizes; None is the batch's."""

    def __init__(self, tensor, shape, dtype="float32"):
        self.tensor, self.shape, self.dtype = tensor, list(shape), dtype

    def is_known(self):
        return None not in self.shape


class Variable(Value):
    """readers: what has read it since `changed`, which every later reader waits for."""

    def __init__(self, tensor, shape, dtype, changed):
        super().__init__(tensor, shape, dtype)
        self.changed, self.readers = changed, []


class Grown:
    """A graph that a seed says."""

    def __init__(self, seed, tf):
        self.tf, self.draw, self.rng = tf, random.Random(seed), np.random.default_rng(seed)
        tf.set_random_seed(seed)
        draw = self.draw
        self.batch, width = draw.choice((None, 1, 3)), draw.choice((1, 3, 4))
        self.x = tf.placeholder(tf.float32, [self.batch, width])
        self.y = tf.placeholder(tf.float32, [2, 3, 4])
        self.times, self.turn = tf.placeholder(tf.int32, []), tf.placeholder(tf.bool, [])
        first = tf.square(tf.reduce_sum(self.y) * 0.1)
        constant = tf.constant(self.numbers([2, 6]))
        self.values = [Value(self.x, [self.batch, width]), Value(self.y, [2, 3, 4]), Value(first, []),
                       Value(constant, [2, 6])]  # fmt: skip
        self.given, self.changes = len(self.values), []
        self.variables = [self.variable(f"v{i}", first, width) for i in range(draw.randint(1, 3))]
        often = [self.view, self.on_host, self.change, self.read, self.binary, self.product]
        kinds = [*often, *often, self.unary, self.reduced, self.branch, self.loop, self.slope]
        for _ in range(draw.randint(4, 16)):
            with self.somewhere():
                self.values += draw.choice(kinds)() or []

    def somewhere(self):
        return self.tf.device(self.draw.choice(DEVICES))

    def numbers(self, shape, dtype="float32"):
        found = np.asarray(self.rng.normal(size=shape))
        return found > 0 if dtype == "bool" else (found * 4 if dtype == "int32" else found).astype(dtype)

    def variable(self, name, first, width):
        dtype = self.draw.choice(TYPES)
        shape = self.draw.choice(([], [width], [2, 3], [3, width], [0, 2], [6]))
        by_handle = self.draw.random() < 0.5
        made = self.tf.get_variable(name, initializer=self.numbers(shape, dtype), use_resource=by_handle)
        return Variable(made, shape, dtype, first)

    def any(self, fits=lambda value: True):
        fitting = [v for v in self.values if v.dtype == "float32" and fits(v)]
        return fitting[int(len(fitting) * self.draw.random() ** 0.6)] if fitting else None

    # -- arithmetic ---------------------------------------------------------------------------------------

    def unary(self):
        x, kind = self.any(), self.draw.choice(UNARY)
        return [Value(getattr(self.tf, kind)(x.tensor), x.shape)]

    def binary(self):
        x = self.any()
        y = self.any(lambda v: v.shape in (x.shape, [], x.shape[-1:]))
        kind = self.draw.choice(("add", "subtract", "multiply", "maximum", "squared_difference"))
        return [Value(self.tf.tanh(getattr(self.tf, kind)(x.tensor, y.tensor)), x.shape)]

    def reduced(self):
        x = self.any(lambda v: v.is_known() and 0 not in v.shape and v.shape)
        if x is None:
            return None
        axis, keep = self.draw.randrange(len(x.shape)), self.draw.random() < 0.5
        kind = self.draw.choice(("sum", "mean", "max", "logsumexp"))
        found = getattr(self.tf, f"reduce_{kind}")(x.tensor, [axis], keepdims=keep)
        return [Value(self.tf.tanh(found), x.shape[:axis] + [1] * keep + x.shape[axis + 1 :])]

    def product(self):
        x = self.any(lambda v: len(v.shape) == 2 and v.shape[1] is not None)
        w = self.tf.constant(self.numbers([x.shape[1], self.draw.choice((1, 2, 5))]))
        found = self.tf.matmul(x.tensor, w)
        return [Value(self.tf.tanh(found), [x.shape[0], w.shape[1]]), Value(found, [x.shape[0], w.shape[1]])]

    # -- the same numbers, or some of them ----------------------------------------------------------------

    def view(self):
        tf, draw, x = self.tf, self.draw, self.any()
        rank, t, shape = len(x.shape), x.tensor, x.shape
        at = draw.choice([i for i, s in enumerate(shape) if s] or [None])
        of_parts = () if at is None else ("slice", "pick", "split", "unstack", "none")
        kind = draw.choice(("reshape", "expand", "turn", *of_parts))
        if kind == "reshape":
            total = int(np.prod([s for s in shape if s is not None]))
            if x.is_known():
                sizes = draw.choice([[total], [1, total], [total, 1], *([[2, total // 2]] if total % 2 == 0 else [])])
                return [Value(tf.reshape(t, sizes), sizes)]
            return [Value(tf.reshape(t, [-1, total]), [None, total])] if total else None
        if kind == "expand":
            place = draw.randint(0, rank)
            return [Value(tf.expand_dims(t, place), [*shape[:place], 1, *shape[place:]])]
        if kind == "turn":
            order = draw.sample(range(rank), rank)
            return [Value(tf.transpose(t, order), [shape[i] for i in order])]
        before, size, behind = shape[:at], shape[at], shape[at + 1 :]
        if kind == "slice":
            begin = draw.randrange(size)
            begins, sizes = np.zeros(rank, np.int32), np.full(rank, -1, np.int32)
            begins[at] = begin
            return [Value(tf.slice(t, begins, sizes), [*before, size - begin, *behind])]
        if kind == "pick":
            return [Value(tf.gather(t, [0, size - 1, 0], axis=at), [*before, 3, *behind])]
        if kind == "split":
            parts = [draw.randint(0, size)]
            parts.append(size - parts[0])
            return [Value(p, [*before, s, *behind]) for p, s in zip(tf.split(t, parts, at), parts, strict=True)]
        if kind == "unstack":
            return [Value(part, before + behind) for part in tf.unstack(t, axis=at)[:3]]
        return [Value(t[(slice(None),) * at + (slice(0, 0),)], [*before, 0, *behind])]

    # -- the host's ---------------------------------------------------------------------------------------

    def on_host(self):
        tf, x = self.tf, self.any(Value.is_known)
        t, kind = x.tensor, self.draw.randrange(10)
        if kind == 0:
            with tf.device("/cpu:0"):
                t = tf.tanh(tf.identity(t)) * 0.5
        elif kind == 1:
            t = tf.py_func(lambda a: np.asarray(a * np.float32(0.5)), [t], tf.float32)
            t.set_shape(x.shape)
        elif kind == 2:
            t = tf.string_to_number(tf.as_string(tf.cast(tf.round(t * 8), tf.int32)), tf.float32) * 0.125
        elif kind == 3:
            with tf.control_dependencies([tf.Assert(tf.reduce_all(t < 1e9), [t])]):
                t = tf.identity(t)
        elif kind == 4:
            t = tf.check_numerics(t, "not a number")
        elif kind == 5:
            t = tf.cast(tf.tanh(tf.cast(t, tf.float64)), tf.float32)
        elif kind == 6:
            queue = tf.FIFOQueue(9, [tf.float32], [x.shape])
            with tf.control_dependencies([queue.enqueue([t])]):
                t = queue.dequeue()
        elif kind == 7:
            table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.5, -0.5]), 0.25)
            t = t * table.lookup(tf.where(tf.reduce_sum(t) > 0.017, "a", "c"))
        elif kind == 8:
            t = t * 0.5 + tf.random_uniform(x.shape, seed=self.draw.randrange(99))
        else:
            t = tf.reduce_sum(tf.boolean_mask(t, t > 0.1)) * 0.1 if x.shape else tf.tanh(t)
            return [Value(tf.tanh(t), [])]
        return [Value(t, x.shape)]

    # -- state --------------------------------------------------------------------------------------------

    def read(self):
        tf, v = self.tf, self.draw.choice(self.variables)
        with tf.control_dependencies([v.changed]):
            kind = self.draw.randrange(3)
            if kind == 0 and v.dtype != "bool":
                found = Value(tf.reshape(v.tensor, [-1]), [int(np.prod(v.shape))], v.dtype)
            elif kind == 1 and v.dtype == "float32":
                found = Value(tf.tanh(v.tensor), v.shape)
            else:
                found = Value(tf.identity(v.tensor), v.shape, v.dtype)
        v.readers.append(found.tensor)
        return [found, *self.as_float(found)]

    def as_float(self, value):
        return [] if value.dtype == "float32" else [Value(self.tf.cast(value.tensor, self.tf.float32), value.shape)]

    def change(self):
        tf, draw, v = self.tf, self.draw, self.draw.choice(self.variables)
        given = self.fitting(v)
        with tf.control_dependencies([*v.readers, v.changed]):
            kind = draw.choice(("assign", "assign", "add", "rows", "own", "step"))
            if v.dtype == "bool" or kind == "assign":
                changed = tf.assign(v.tensor, given)
            elif kind == "rows" and v.shape and v.shape[0] > 1:
                changed = draw.choice((tf.scatter_update, tf.scatter_add))(v.tensor, [1, 0], given[:2])
            elif kind == "own":
                changed = tf.assign(v.tensor, v.tensor - given)
            elif kind == "step" and v.dtype == "float32" and 0 not in v.shape:
                rule = draw.choice((tf.train.GradientDescentOptimizer, tf.train.AdamOptimizer))(0.1)
                changed = rule.apply_gradients([(tf.tanh(given), v.tensor)], name=f"step{len(self.changes)}")
            else:
                changed = tf.assign_add(v.tensor, given)
        v.changed, v.readers = changed, []
        self.changes.append(getattr(changed, "op", changed))
        return None

    def fitting(self, v):
        """A value of a variable's shape and type, of one with as many elements."""
        tf, total = self.tf, int(np.prod(v.shape))
        x = self.any(lambda value: value.is_known() and int(np.prod(value.shape)) == total)
        t = tf.zeros(v.shape) + self.values[2].tensor if x is None else tf.reshape(x.tensor, np.int32(v.shape))
        return t > 0 if v.dtype == "bool" else tf.cast(tf.round(t * 4) if v.dtype == "int32" else tf.tanh(t), v.dtype)

    # -- control flow and slopes --------------------------------------------------------------------------

    def branch(self):
        tf, draw, x = self.tf, self.draw, self.any()
        turned = draw.choice((self.turn, tf.logical_not(self.turn), tf.reduce_sum(x.tensor) > 0.017))
        sides = [lambda t: t, tf.tanh, tf.zeros_like, self.turns, self.turned]
        one, other = draw.choice(sides), draw.choice(sides)
        found = tf.cond(turned, lambda: one(x.tensor), lambda: other(x.tensor))
        found.set_shape(x.shape)
        return [Value(tf.tanh(found), x.shape)]

    def turned(self, t):
        return self.tf.cond(self.turn, lambda: t * 2, lambda: t)

    def turns(self, t):
        tf = self.tf
        return tf.while_loop(lambda i, a: i < self.times, lambda i, a: (i + 1, tf.tanh(a * 1.1)), [0, t])[1]

    def loop(self):
        tf, x = self.tf, self.any(Value.is_known)
        kept = tf.TensorArray(tf.float32, self.times, element_shape=x.shape)

        def body(i, a, kept):
            a = tf.cond(tf.reduce_sum(a) > 0.113, lambda: tf.tanh(a), lambda: a + 0.3)
            return i + 1, a, kept.write(i, a)

        _, last, kept = tf.while_loop(lambda i, *_: i < self.times, body, [0, x.tensor, kept])
        last.set_shape(x.shape)
        return [Value(last, x.shape), Value(tf.tanh(tf.reduce_sum(kept.stack(), 0)), x.shape)]

    def slope(self):
        x, y = self.any(), self.any()
        found = self.tf.gradients(y.tensor, x.tensor)[0]
        if found is None:
            return None
        return [Value(self.tf.clip_by_value(found, -2.0, 2.0), x.shape)]

    # -- runs ---------------------------------------------------------------------------------------------

    def feeds(self):
        draw = self.draw
        rows = draw.choice((0, 1, 2, 2, 5)) if self.batch is None else self.batch
        return {self.x: self.numbers([rows, self.x.shape[1].value]), self.y: self.numbers([2, 3, 4]),
                self.times: draw.randrange(4), self.turn: draw.random() < 0.5}  # fmt: skip

    def runs(self, count):
        """Of each run what is fetched and what is fed."""
        draw, made = self.draw, [v.tensor for v in self.values[self.given - 1 :]]
        asked = []
        for _ in range(3):
            fetches = [*draw.choices(made, k=draw.randint(1, 5)), *draw.sample(self.changes, len(self.changes) // 2)]
            middle = self.any(lambda v, fetches=fetches: v.is_known() and v.tensor not in (*fetches, self.y))
            asked += [(fetches, None), (fetches, middle)]
        asked.append(([v.tensor for v in self.variables], None))
        for k in range(count):
            fetches, middle = draw.choice(asked) if k > 2 else asked[0]
            feeds = self.feeds()
            if middle is not None and middle.tensor is not self.x:
                feeds[middle.tensor] = self.numbers(middle.shape)
            yield fetches, feeds


def run_all(seed, tf, runs=9, **session):
    """What each of the runs fetched, one after the other, and then the variables."""
    with tf.Graph().as_default():
        grown, found = Grown(seed, tf), []
        with tf.Session(**session) as running:
            running.run([tf.global_variables_initializer(), tf.tables_initializer()])
            for fetches, feeds in grown.runs(runs):
                found += [x for x in running.run(fetches, feeds) if x is not None]
            copies = [np.array(x) for x in found]
            last = running.run([v.tensor for v in grown.variables])
            assert all(np.array_equal(x, y, equal_nan=True) for x, y in zip(found, copies, strict=True))
        return [np.asarray(x) for x in [*found, *last]]
