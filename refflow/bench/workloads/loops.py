"""A loop inside the graph: x := x w + b, 1,000 times, and its gradient.

Memory: the gradient keeps every x, 16 KB each. What is reported is the time of one iteration.
Next: refflow/bench/workloads/queues.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.bench.workload import Arrays, Bar, Workload, normal

_SIDE = 64


class Loop(Workload):
    """The last x. w shrinks little enough that nothing becomes denormal."""

    name, title, group = "while_loop", "while_loop of x w + b, 64 x 64, per iteration", "loops"
    bar = Bar(1.0)
    fed = ("x",)
    constants = ("w", "b")
    compiles = False
    tolerance = 1e-4

    def __init__(self, turns: int = 1000):
        self.turns = self.per = turns

    def data(self, rng: np.random.Generator) -> Arrays:
        turn, _ = np.linalg.qr(rng.standard_normal((_SIDE, _SIDE)))
        return {"x": normal(rng, _SIDE, _SIDE), "w": (0.99 * turn).astype(np.float32), "b": normal(rng, _SIDE)}

    def looped(self, tf: Any, x: Any, w: Any, b: Any) -> Any:
        return tf.while_loop(lambda i, a: i < self.turns, lambda i, a: [i + 1, tf.matmul(a, w) + b], [0, x])[1]

    def graph(self, tf: Any, x: Any, w: Any, b: Any) -> list[Any]:
        return [self.looped(tf, x, w, b)]

    def numpy(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> Any:
        a, product = np.empty_like(x), np.empty_like(x)

        def step() -> list[np.ndarray]:
            np.copyto(a, x)
            for _ in range(self.turns):
                np.matmul(a, w, out=product)
                np.add(product, b, out=a)
            return [a]

        return step

    def torch(self, pt: Any, x: Any, w: Any, b: Any) -> Any:
        def step() -> list[Any]:
            a = x
            for _ in range(self.turns):
                a = pt.torch.addmm(b, a, w)
            return [a]

        return step

    def jax(self, jax: Any, x: Any, w: Any, b: Any) -> list[Any]:
        return [jax.lax.fori_loop(0, self.turns, lambda i, a: a @ w + b, x)]


class LoopGradient(Loop):
    """The slopes of the last x's sum by x, w and b."""

    name, title = "while_loop_gradient", "its gradient by x, w and b, per iteration"

    def graph(self, tf: Any, x: Any, w: Any, b: Any) -> list[Any]:
        return tf.gradients(tf.reduce_sum(self.looped(tf, x, w, b)), [x, w, b])

    def numpy(self, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> Any:
        kept = np.empty((self.turns, *x.shape), x.dtype)
        product, ones = np.empty_like(x), np.ones(len(x), x.dtype)

        def step() -> list[np.ndarray]:
            a = x.copy()
            for i in range(self.turns):
                np.copyto(kept[i], a)
                np.matmul(a, w, out=product)
                np.add(product, b, out=a)
            da, dw, db = np.ones_like(x), np.zeros_like(w), np.zeros_like(b)
            for i in range(self.turns - 1, -1, -1):
                db += ones @ da
                np.matmul(kept[i].T, da, out=product)
                np.add(dw, product, out=dw)
                da = da @ w.T
            return [da, dw, db]

        return step

    def torch(self, pt: Any, x: Any, w: Any, b: Any) -> Any:
        leaves = [value.detach().requires_grad_() for value in (x, w, b)]

        def step() -> list[Any]:
            a, weights, bias = leaves
            for _ in range(self.turns):
                a = pt.torch.addmm(bias, a, weights)
            return list(pt.torch.autograd.grad(a.sum(), leaves))

        return step

    def jax(self, jax: Any, x: Any, w: Any, b: Any) -> list[Any]:
        def loss(x: Any, w: Any, b: Any) -> Any:
            return jax.lax.scan(lambda a, _: (a @ w + b, None), x, None, self.turns)[0].sum()

        return list(jax.grad(loss, (0, 1, 2))(x, w, b))


class _OfFunctions:
    """The loop as today's graphs have it: a While, whose condition and body are functions. refflow gets it written out,
    since its own `while_loop` makes frames; TensorFlow makes one of its `while_loop`, and another of its gradient."""

    turns: int

    def looped(self, tf: Any, x: Any, w: Any, b: Any) -> Any:
        if tf.__name__.startswith("refflow"):
            return _written_out(self.turns, x, w, b)
        return Loop.looped(self, tf, x, w, b)  # type: ignore[arg-type]

    def graph(self, tf: Any, x: Any, w: Any, b: Any) -> list[Any]:
        if tf.__name__.startswith("refflow"):
            return super().graph(tf, x, w, b)  # type: ignore[misc]
        tf.enable_control_flow_v2()
        try:
            return super().graph(tf, x, w, b)  # type: ignore[misc]
        finally:
            tf.disable_control_flow_v2()


def _written_out(turns: int, x: Any, w: Any, b: Any) -> Any:
    from refflow import bool as bool_
    from refflow import constant, float32, int32
    from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef
    from refflow.core.importer import extend
    from refflow.core.signature import Arg

    types = [int32, float32, float32, float32]
    inputs = tuple(Arg(name, t.name, t) for name, t in zip("iawb", types, strict=True))
    number = {"dtype": int32, "value": np.array(turns, np.int32)}
    goes_on = FunctionDef("goes_on", inputs, (Arg("truth", "bool", bool_),), [
        NodeDef("turns", "Const", [], attr=number), NodeDef("Less", "Less", ["i", "turns:output:0"], attr={"T": int32})
    ], {"truth": "Less:z:0"})  # fmt: skip
    turn = FunctionDef("turn", inputs, tuple(Arg(f"next_{a.name}", a.type, a.fixed) for a in inputs), [
        NodeDef("one", "Const", [], attr={"dtype": int32, "value": np.array(1, np.int32)}),
        NodeDef("step", "AddV2", ["i", "one:output:0"], attr={"T": int32}),
        NodeDef("MatMul", "MatMul", ["a", "w"], attr={"T": float32}),
        NodeDef("sum", "AddV2", ["MatMul:product:0", "b"], attr={"T": float32}),
    ], {"next_i": "step:z:0", "next_a": "sum:z:0", "next_w": "w", "next_b": "b"})  # fmt: skip
    names = [t.name for t in (constant(0), x, w, b)]
    calls = {"cond": FunctionCall("goes_on"), "body": FunctionCall("turn")}
    attrs = {"T": types, **calls, "output_shapes": [t.get_shape() for t in (constant(0), x, w, b)]}
    node = NodeDef("While", "StatelessWhile", names, attr=attrs | {"_lower_using_switch_merge": True})
    return extend(x.graph, GraphDef([node], [goes_on, turn]), joins=True)["While"].outputs[1]


class FunctionLoop(_OfFunctions, Loop):
    """The same loop as a While of functions."""

    name, title = "while_of_functions", "the same loop as a While of functions, per iteration"


class FunctionLoopGradient(_OfFunctions, LoopGradient):
    """The slopes of that."""

    name, title = "while_of_functions_gradient", "its gradient by x, w and b, per iteration"


WORKLOADS: list[Workload] = [Loop(), LoopGradient(), FunctionLoop(), FunctionLoopGradient()]
