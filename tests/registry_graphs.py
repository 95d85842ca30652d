"""Random programs (tests/registry_programs.py) as graphs of refflow.compat.v1, and what their steps give.

    built = Built(program)                      tensors by step; feeds by placeholder; slopes
    run(built, fetches, feeds, kernels="fast")  what some runs of one session give, with what is looked after there
    smaller(program, fails)                     the same failure of fewer steps
    shown(program)                              a program as text
"""

import copy
import itertools
import random

import numpy as np

import refflow.compat.v1 as tf
from refflow.core.bfloat16 import widened
from refflow.core.dtypes import as_dtype
from tests.registry_programs import Given, Ref, Step, mapped


class Built:
    def __init__(self, program):
        self.program, self.graph = program, tf.Graph()
        self.tensors, self.feeds, self.slopes, self.last, self.refused, self.depth = {}, {}, [], None, [], 0
        self.random = False  # whether something in it is drawn anew in each step
        with self.graph.as_default():
            self.variables = [tf.Variable(v) for v in program.variables]
            for step in program.steps:
                with self.graph.control_dependencies([self.last] if self.last else []):
                    self.tensors[step.number] = self.step(step, self.tensors)
            self.init = tf.global_variables_initializer()
            if program.slopes:
                self.differentiate()
        plain = (t for ts in self.tensors.values() for t in ts if not t.dtype.is_ref_dtype)
        self.fetches = list(dict.fromkeys([*plain, *self.slopes]))

    def args(self, step, env):
        return mapped(step.args, lambda a: env[a.step][a.port] if isinstance(a, Ref) else self.given(a))

    def given(self, given):
        array, how = given
        if how == "constant" or (self.depth and how == "variable"):
            return tf.constant(array)
        if how == "variable":
            return tf.Variable(array)._ref()
        if how == "random":
            self.random = True
            return tf.random_uniform(array.shape, seed=len(self.tensors))
        shape = array.shape if how == "known" else None if how == "unknown" else [None] * array.ndim
        with tf.control_dependencies(None):
            hole = tf.placeholder(as_dtype(array.dtype), shape)
        self.feeds[hole] = array
        return hole

    def step(self, step, env):
        if step.kind == "update":
            return self.update(step, env)
        args = self.args(step, env)
        if step.kind == "call":
            return _outputs(step.of[0](*args, **step.of[1]))
        self.depth += 1
        if step.kind == "branch":
            found = tf.cond(args[0], *(lambda side=side: self.through(*side, env) for side in step.of))
        else:
            found = self.loop(*step.of, *args, env)
        self.depth -= 1
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def loop(self, parameter, steps, results, trips, *args):
        *start, env = args
        start = [tf.identity(s) for s in start]

        def body(i, *carried):
            made = self.through(steps, results, env | {parameter: list(carried)})
            for new, old in zip(made, start, strict=True):
                new.set_shape(old.get_shape())
            return [i + 1, *made]

        return tf.while_loop(lambda i, *_: i < trips, body, [tf.constant(0), *start])[1:]

    def through(self, steps, results, env):
        env = dict(env)
        for step in steps:
            env[step.number] = self.step(step, env)
        return [tf.identity(env[r.step][r.port]) for r in results]

    def update(self, step, env):
        """It waits for all that is there; what follows waits for it."""
        (op, attrs, numbers), args = step.of, iter(self.args(step, env))
        states = [self.variables[n]._ref() for n in numbers]
        every = [states[op.ref_inputs.index(p)] if p in op.ref_inputs else next(args) for p in range(len(op.inputs))]
        with self.graph.control_dependencies([t.op for ts in self.tensors.values() for t in ts]):
            made = op(*every, **attrs)
        self.last = made if isinstance(made, tf.Operation) else _outputs(made)[0].op
        with self.graph.control_dependencies([self.last]):
            return [tf.identity(s) for s in states]

    def differentiate(self):
        draw = random.Random(self.program.seed + 1)
        ends = [t for ts in self.tensors.values() for t in ts if t.dtype.base_dtype.is_floating]
        starts = [h for h in self.feeds if h.dtype.is_floating] + ends[:4]
        for y in draw.sample(ends, min(3, len(ends))):
            try:
                with tf.control_dependencies([self.last] if self.last else []):
                    found = tf.gradients(y, starts)
            except (LookupError, tf.errors.OpError, NotImplementedError, ValueError) as error:
                self.refused.append(error)
                continue
            self.slopes += [tf.convert_to_tensor(f) for f in found if f is not None]


def _outputs(made):
    if made is None or isinstance(made, tf.Operation):
        return []
    parts = list(made) if isinstance(made, (tuple, list)) else [made]
    return [t for part in parts for t in (part if isinstance(part, list) else [part])]


# -- running --------------------------------------------------------------------------------------------------


class _Array(np.ndarray):
    """A class of a program's own."""


def laid_out(feeds, seed):
    """The fed arrays as clients may have them: turned, spread, of another byte order or class, read-only, twice."""
    draw, found, shared = random.Random(seed), {}, {}
    for hole, array in feeds.items():
        how, array = draw.choice(("", "readonly", "turned", "spread", "swapped", "class", "shared")), np.array(array)
        plain = array.dtype != object and not array.dtype.names and array.ndim
        if how == "readonly":
            array.flags.writeable = False
        elif how == "turned" and plain:
            array = np.asfortranarray(array)
        elif how == "spread" and plain:
            room = np.zeros([2 * n for n in array.shape], array.dtype)[(slice(None, None, 2),) * array.ndim]
            room[...] = array
            array = room
        elif how == "swapped" and plain:
            array = array.astype(array.dtype.newbyteorder(">"))
        elif how == "class" and plain:
            array = array.view(_Array)
        elif how == "shared":
            array = shared.setdefault(bits(array), array)
        found[hole] = array
    return found


def run(built, fetches, feeds, times=2, threads=1, **options):
    """What `times` runs of a session give. What a client gets it writes over: it is its own."""
    found = []
    with tf.Session(graph=built.graph, intra_op_parallelism_threads=threads, **options) as session:
        session.run(built.init, feeds)
        for _ in range(times):
            got = session.run([list(fetches), [built.last] if built.last else []], feeds)[0]
            found.append([g if isinstance(g, bytes) else np.array(g) for g in got])
            arrays = [g for g in got if isinstance(g, np.ndarray) and g.size]
            for one, other in itertools.combinations([*arrays, *feeds.values()], 2):
                if any(one is a for a in arrays):
                    assert not np.shares_memory(one, other), "a result lies in another's memory, or in a feed's"
            for array in arrays:
                array[...] = b"!" if array.dtype == object else np.ones((), array.dtype)
    return found


def bits(value):
    """Equal for values of the same shape, type and bits; every NaN is alike."""
    if isinstance(value, bytes):
        return (), "object", (value,)
    array = np.asarray(value)
    if array.dtype == object:
        return array.shape, "object", tuple(array.reshape(-1).tolist())
    if array.dtype.kind in "fc" and array.dtype.itemsize > 1:
        array = np.array(array)
        parts = array.reshape(-1).view(array.real.dtype)
        parts[np.isnan(parts)] = np.nan
    return array.shape, array.dtype.name, array.tobytes()


def near(value, other, share):
    """Whether numbers are off by no more than that share of themselves, or of 0.01 or a little of the largest."""
    if bits(value) == bits(other):
        return True
    a, b = np.asarray(value), np.asarray(other)
    if a.dtype.name == "bfloat16":
        a, b = (np.asarray(widened(v.view([("bfloat16", "<u2")]))) for v in (a, b))
    if a.shape != b.shape or a.dtype != b.dtype or a.dtype.kind not in "fc":
        return False
    with np.errstate(all="ignore"):
        least = 0.01 * np.abs(b[np.isfinite(b)]).max(initial=1)
        alike = (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= share * np.maximum(np.abs(b), least))
    return bool(alike.all())


# -- making small ---------------------------------------------------------------------------------------------


def smaller(program, fails):
    """The program without the steps that its failure does not need: who read one is fed what it gave."""
    while True:
        for place in reversed(range(len(program.steps))):
            less = _without(program, place)
            if less is not None and fails(less):
                program = less
                break
        else:
            return program


def _without(program, place):
    gone = program.steps[place]
    fed = [Given(v, "known") for v in program.values[gone.number]]

    def replaced(steps):
        found = []
        for step in steps:
            of, blocks = step.of, []
            if step.kind == "loop":
                blocks, of = [of[1:]], (of[0], replaced(of[1]), of[2])
            elif step.kind == "branch":
                blocks, of = of, [(replaced(inside), results) for inside, results in of]
            if any(r.step == gone.number for _, results in blocks for r in results):
                raise LookupError(gone.number)
            args = mapped(step.args, lambda a: fed[a.port] if isinstance(a, Ref) and a.step == gone.number else a)
            found.append(Step(step.number, step.kind, of, args))
        return found

    less = copy.copy(program)
    try:
        less.steps = replaced(program.steps[:place] + program.steps[place + 1 :])
    except LookupError:  # a block hands it on
        return None
    return less


def shown(program):
    """A line for each step."""

    def text(a):
        if isinstance(a, Ref):
            return f"{a.step}.{a.port}"
        return f"{a.how} {as_dtype(a.array.dtype).name}{list(a.array.shape)} {a.array.reshape(-1)[:4].tolist()}"

    def lines(steps, indent):
        for step in steps:
            name = step.of[0].name if step.kind in ("call", "update") else step.kind
            yield f"{indent}{step.number} {name} {mapped(step.args, text)}"
            inside = [step.of[1:]] if step.kind == "loop" else step.of if step.kind == "branch" else []
            for block, results in inside:
                yield from lines(block, indent + "    ")
                yield f"{indent}    = {[text(r) for r in results]}"

    return "\n".join(lines(program.steps, ""))
