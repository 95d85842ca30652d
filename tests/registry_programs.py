"""Random programs over the whole registry: any op on any other's results, with feeds and states of every kind.

    program = Program(seed)      Steps, whose arguments are what earlier ones gave, or arrays of their own
    built = Built(program)       the same as a graph of refflow.compat.v1, with slopes (tests/registry_graphs.py)

A call starts as an example of an op, from its page or bent (refflow/conformance); then values of the program take the
places of its arrays: of the same type, and mostly of the same shape. The pages' kernels run while a program grows, so
each step is known to be possible, and what it gives is known without any graph. Loops and branches are Steps that hold
Steps; updates change variables in an order that is certain.

Large arrays among the first values lie on both sides of where chains, parts and threads begin (runtime/fuse.py,
slices.py and handed_back.py, refflow_kernels/cpu/blocks.py). tests/registry_graphs.py makes a failing program small.
"""

import itertools
import random
import warnings
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from refflow.conformance.check import examples
from refflow.conformance.drawn import main_type, retyped
from refflow.core import shape_rules
from refflow.core.bfloat16 import rounded
from refflow.core.dtypes import as_dtype
from refflow.core.registry import op_def, registered_ops

SMALL = ((), (1,), (3,), (2, 3), (1, 3), (2, 1), (0, 3), (2, 0), (2, 2, 2), (1, 4, 4, 2), (3, 3))
LARGE = ((1023,), (1024,), (32, 33), (33, 32), (257, 129), (1 << 15,), ((1 << 15) + 1,), (3, 64, 90), (1, 1, 2000),
         (700, 380), (2, 1 << 18))  # fmt: skip
KINDS = ("float32",) * 5 + ("float64",) * 3 + (
    "float16", "bfloat16", "int32", "int64", "bool", "uint8", "complex64", "string",
)  # fmt: skip
HOW = ("constant", "constant", "known", "known", "unknown", "partial", "variable")
MOST = 3000  # elements that are given to an op that does much for each
LARGEST = 1 << 20  # elements of a result
_ELSEWHERE = {"NoOp", "Const", "EmptyTensorList", "PyFuncStateless", "DebugIdentity", "Fact", "CountUpTo",
              "DestroyTemporaryVariable"}  # fmt: skip
_SPREADS = {"LRN", "LRNGrad", "DepthwiseConv2dNativeBackpropInput", "SoftmaxCrossEntropyWithLogits"}  # NaN, by 0 * NaN
COMMON = """
    Abs Add AddN AddV2 All Any ArgMax AvgPool BatchMatMul BiasAdd BroadcastTo Cast Concat ConcatV2 Conv2D Cumsum Div Elu
    Equal Exp ExpandDims Fill Floor FloorDiv FloorMod FusedBatchNorm Gather GatherV2 Greater Identity L2Loss Less Log
    LogicalAnd LogSoftmax MatMul Max Maximum MaxPool Mean Minimum Mul Neg OnesLike Pack Pad Pow Prod RealDiv Relu Relu6
    ReluGrad Reshape Reverse ReverseV2 Rsqrt Select Shape Sigmoid SigmoidGrad Sign Slice Softmax
    SoftmaxCrossEntropyWithLogits Softplus SparseSoftmaxCrossEntropyWithLogits Split Sqrt Square SquaredDifference
    Squeeze StopGradient StridedSlice Sub Sum Tanh TanhGrad Tile Transpose Unpack UnsortedSegmentSum Where Xdivy
    ZerosLike
"""


class Ref(NamedTuple):
    step: int
    port: int


class Given(NamedTuple):
    """An array of the program's own. how: it gets into the graph; what is "random" there is drawn anew in each step."""

    array: Any
    how: str


class Step(NamedTuple):
    """kind: "call", "update", "loop" or "branch".

    of: a call's op and attributes; an update's, and its variables' numbers; a loop's (number of what it carries, Steps,
    results); for each side of a branch (Steps, results).
    """

    number: int
    kind: str
    of: Any
    args: list


def mapped(args, function):
    """args with each Ref and Given replaced; lists stay lists."""
    return [[function(a) for a in arg] if isinstance(arg, list) else function(arg) for arg in args]


def flat(args):
    return [a for arg in args for a in (arg if isinstance(arg, list) else [arg])]


# -- what may be called ---------------------------------------------------------------------------------------


@cache
def callable_ops():
    """The op types whose results are functions of inputs that can be fed."""
    found = []
    for op in registered_ops():
        held = any(a.is_ref or (a.fixed is not None and a.fixed.kind == "r") for a in (*op.inputs, *op.outputs))
        state = op.stateful or op.ref_inputs or op.by_handle or op.make_state or held or not op.foldable
        if op.cases and op.inputs and not state and op.accuracy != "random" and op.name not in _ELSEWHERE:
            found.append(op)
    return found


@cache
def common_ops():
    """What programs are mostly made of."""
    return [op for op in callable_ops() if op.name in COMMON.split()]


@cache
def updating_ops():
    return [op for op in registered_ops() if op.ref_inputs and op.cases and op.name not in _ELSEWHERE
            and all(a.is_ref or a.fixed is None or a.fixed.kind != "r" for a in op.inputs)]  # fmt: skip


@cache
def samples(op, deep):
    """The page's examples, and if deep those that are drawn from them."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [e for e in examples(op, quick=not deep) if e.error is None and _is_plain(e)]


def _is_plain(example):
    return all(as_dtype(v.dtype).kind in "fiucbns" and v.size < 20000 for v in flat(example.inputs.values()))


def computed(op, attrs, arrays):
    """What the page's kernel gives, or None where it refuses."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            every = flat(arrays)
            shapes = shape_rules.infer(op, attrs, [a.shape for a in every], lambda i: every[i], lambda i: None)
            if any(s is not None and None not in s and np.prod(s, dtype=float) > LARGEST for s in shapes):
                return None
            for name, value in attrs.items():
                op.attrs[name].check(name, value)
            found = op.page_kernel(attrs)(*arrays, **op.kernels["cpu"].arguments(attrs))
        except Exception:  # whatever it is: it is no call
            return None
    found = [np.asarray(v) for v in (found if isinstance(found, (tuple, list)) else [] if found is None else [found])]
    if all(a.size for a in every) and not all(v.size for v in found):
        return None  # a window that is too large, which a graph does not take
    return found


# -- growing --------------------------------------------------------------------------------------------------


class Program:
    """steps, and by the number of each what the pages' kernels give; variables: their first values."""

    def __init__(self, seed, deep=False):
        self.seed, self.draw, self.rng, self.deep = seed, random.Random(seed), np.random.default_rng(seed), deep
        self.steps, self.values, self.pool, self.numbers = [], {}, [], itertools.count()
        self.variables, self.now = [], []  # their first values, and what they hold
        self.block, draw = self.steps, self.draw
        self.large, self.flow, self.updates, self.slopes = (draw.random() < p for p in (0.4, 0.35, 0.35, 0.5))
        for _ in range(draw.randint(2, 5)):
            self.source()
        for _ in range(draw.randint(4, 22)):
            self.grow(2)

    def value(self, a):
        return self.values[a.step][a.port] if isinstance(a, Ref) else a.array

    # -- what a step gives

    def run(self, step, values):
        args = mapped(step.args, lambda a: values[a.step][a.port] if isinstance(a, Ref) else a.array)
        if step.kind == "call":
            return computed(*step.of, args)
        if step.kind == "branch":
            return self.through(*step.of[0 if bool(args[0]) else 1], values)
        carried, (parameter, steps, results) = args[1:], step.of
        for _ in range(args[0]):
            carried = self.through(steps, results, values | {parameter: carried})
            if carried is None or not all(map(_alike, carried, args[1:])):
                return None
        return [np.asarray(c) for c in carried]

    def through(self, steps, results, values):
        values = dict(values)
        for step in steps:
            found = self.run(step, values)
            if found is None:
                return None
            values[step.number] = found
        return [values[r.step][r.port] for r in results]

    def add(self, kind, of, args):
        step = Step(next(self.numbers), kind, of, args)
        found = self.run(step, self.values)
        if found is not None:
            self.there(step, found)
        return found is not None

    def there(self, step, found):
        self.block.append(step)
        self.values[step.number] = found
        self.pool += [Ref(step.number, port) for port in range(len(found))]

    # -- kinds of steps; each says whether it is possible

    def source(self):
        """An array that goes through an Identity, so that others can read it."""
        draw = self.draw
        shape = draw.choice(LARGE if self.large and draw.random() < 0.6 else SMALL)
        kind = draw.choice(KINDS)
        how = "random" if kind == "float32" and draw.random() < 0.15 else draw.choice(HOW)
        given = Given(self.array(shape, kind), how)
        self.add("call", (op_def("Identity"), {"T": as_dtype(kind)}), [given])

    def array(self, shape, kind):
        rng = self.rng
        if kind == "string":
            found = np.empty(shape, object)
            found[...] = np.array([b"a", b"", b"b\0", b"0", b"\xff"], object)[rng.integers(0, 5, shape)]
            return found
        if kind in ("int32", "int64", "uint8"):
            return np.asarray(rng.integers(0, 4, shape), kind)
        values = np.asarray(rng.normal(size=shape) * rng.choice([0.5, 1, 3]))
        if kind == "bool":
            return values > 0
        if rng.random() < 0.25 and values.size:
            odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0]
            values.reshape(-1)[rng.integers(0, values.size, 2)] = rng.choice(odd, 2)
        if kind == "bfloat16":
            return np.asarray(rounded(values.astype(np.float32)))
        return (values + 1j * rng.normal(size=shape) if kind == "complex64" else values).astype(kind)

    def grow(self, depth):
        draw, die = self.draw, self.draw.random()
        for _ in range(30):
            if depth and self.flow and die < 0.25:
                made = (self.loop if draw.random() < 0.6 else self.branch)(depth - 1)
            elif self.updates and depth == 2 and die > 0.8:
                made = self.update()
            else:
                made = self.again() if die < 0.33 else self.call()
            if made:
                return

    def call(self):
        draw = self.draw
        op = draw.choice(common_ops() if draw.random() < 0.45 else callable_ops())
        shown = samples(op, self.deep)
        if not shown:
            return False
        example = draw.choice(shown)
        if draw.random() < 0.6:
            example = self.retyped(example)
        args = mapped(example.inputs.values(), self.one)
        arrays = [self.value(a) for a in flat(args)]
        fits = sum(map(np.size, arrays)) <= MOST or op.formula is not None or op in common_ops()
        fits &= op.name not in _SPREADS or all(np.isfinite(v).all() for v in arrays if v.dtype.kind == "f")
        return fits and self.add("call", (op, dict(example.attrs)), args)

    def retyped(self, example):
        """The example with numbers of a type that the program has."""
        attr, dtypes = main_type(example.op), [as_dtype(self.value(r).dtype) for r in self.pool[-8:]]
        if attr is None or not dtypes or example.op.attrs[attr].kind != "type":
            return example
        dtype, allowed = self.draw.choice(dtypes), example.op.attrs[attr].allowed
        if (allowed and dtype not in allowed) or dtype.kind == "s" or example.attrs[attr].kind not in "fiuc":
            return example
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return retyped(example, attr, dtype)

    def one(self, array):
        """A value of the program's of the same type, or the array itself."""
        draw, dtype = self.draw, as_dtype(array.dtype)
        same = [r for r in self.pool if as_dtype(self.value(r).dtype) == dtype]
        number = dtype.kind in "fc"
        if same and draw.random() < (0.9 if number else 0.35):
            ways = [lambda v: v.shape == array.shape, lambda v: v.ndim == array.ndim and v.size, lambda v: True]
            fits = draw.choice(ways[:1] * 3 + ways[1:2] * (2 if number else 1) + ways[2:] * number)
            found = [r for r in same if fits(self.value(r))]
            if found:
                return draw.choice(found[-6:] if draw.random() < 0.6 else found)
        return Given(array, draw.choice(HOW))

    def again(self):
        """A call that is there, once more: as it was, or a little different."""
        draw, calls = self.draw, [s for s in self.block if s.kind == "call" and s.of[0].name != "Identity"]
        if not calls:
            return self.call()
        (op, attrs), args = (step := draw.choice(calls)).of, list(step.args)
        place = draw.randrange(len(args))
        if draw.random() < 0.5 and isinstance(args[place], Given):
            array = np.array(args[place].array)
            if array.dtype.kind == "f" and array.size:
                at = draw.randrange(array.size)
                array.reshape(-1)[at] = draw.choice([0.0, -0.0, -array.reshape(-1)[at], np.nan])
            args[place] = Given(array, args[place].how)
        elif draw.random() < 0.5 and isinstance(args[place], Ref):
            args[place] = self.one(self.value(args[place]))
        flags = [k for k, a in op.attrs.items() if a.kind == "bool" and isinstance(attrs.get(k), bool)]
        if flags and draw.random() < 0.5:
            attrs = attrs | {(flag := draw.choice(flags)): not attrs[flag]}
        return self.add("call", (op, attrs), args)

    def inside(self, depth, count, carried=()):
        """Steps of a block, and the pool and values at its end. carried: a number, and what stands under it."""
        kept = self.block, self.pool, self.values
        self.block, self.pool, self.values = [], list(self.pool), dict(self.values)
        for number, arrays in carried:
            self.values[number] = arrays
            self.pool += [Ref(number, port) for port in range(len(arrays))] * 3
        for _ in range(count):
            self.grow(depth)
        found = self.block, self.pool, self.values
        self.block, self.pool, self.values = kept
        return found

    def loop(self, depth):
        draw = self.draw
        starts = [draw.choice(self.pool) for _ in range(draw.randint(1, 3))]
        arrays, parameter = [self.value(r) for r in starts], next(self.numbers)
        steps, pool, values = self.inside(depth, draw.randint(1, 4), [(parameter, arrays)])
        results = []
        for i, array in enumerate(arrays):
            own = [r for r in pool if _alike(values[r.step][r.port], array)]
            made = [r for r in own if r.step > parameter]
            late = made and draw.random() < 0.8
            results.append(draw.choice(made) if late else draw.choice([Ref(parameter, i), draw.choice(own)]))
        trips = Given(np.int32(draw.choice((0, 1, 2, 3, 3, 7))), draw.choice(("constant", "known", "variable")))
        return self.add("loop", (parameter, steps, results), [trips, *starts])

    def branch(self, depth):
        draw = self.draw
        sides, results = [self.inside(depth, draw.randint(0, 3)) for _ in range(2)], ([], [])
        for _ in range(draw.randint(1, 3)):
            one = draw.choice(sides[0][1][-8:])
            wanted = sides[0][2][one.step][one.port]
            others = [r for r in sides[1][1] if _alike(sides[1][2][r.step][r.port], wanted)]
            if others:
                results[0].append(one)
                results[1].append(draw.choice(others[-3:]))
        preds = [r for r in self.pool if self.value(r).dtype == bool and self.value(r).shape == ()]
        own = Given(np.array(draw.random() < 0.5), draw.choice(HOW))
        pred = draw.choice(preds) if preds and draw.random() < 0.5 else own
        of = [(s[0], r) for s, r in zip(sides, results, strict=True)]
        return bool(results[0]) and self.add("branch", of, [pred])

    def update(self):
        """A change of variables that were there or come for it; what they hold then is there for others."""
        draw, op = self.draw, self.draw.choice(updating_ops())
        shown = samples(op, False)
        if not shown:
            return False
        example, numbers, args, every = draw.choice(shown), [], [], []
        for place, array in enumerate(example.inputs.values()):
            if place in op.ref_inputs:
                same = [i for i, v in enumerate(self.now) if _alike(v, array) and i not in numbers]
                if not same or draw.random() < 0.3:
                    same = [len(self.now)]
                    self.variables.append(array)
                    self.now.append(array)
                numbers.append(draw.choice(same))
                every.append(self.now[numbers[-1]].copy())
            else:
                args.append(mapped([array], self.one)[0])
                every.append(mapped([args[-1]], self.value)[0])
        found = computed(op, example.attrs, every)
        if found is None or not all(map(_alike, found, [self.now[i] for i in numbers])):
            return False
        for i, new in zip(numbers, found, strict=False):
            self.now[i] = new
        self.there(Step(next(self.numbers), "update", (op, dict(example.attrs), numbers), args), found[: len(numbers)])
        return True


def _alike(a, b):
    return a.shape == b.shape and a.dtype == b.dtype

