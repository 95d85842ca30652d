"""A workload as each system runs it: what is timed, and what it must come to.

    Side.step()      one run, complete when it returns
    Side.answers()   the results of a first run, or of three where a step changes its state, and that state

Peers are imported only when asked for, with their thread counts given before.

Next: refflow/bench/measure.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from refflow.bench.workload import Arrays, Workload

PEERS = {  # name: the module it needs, and the method of a workload that it runs
    "refflow": ("refflow", "graph"),
    "tensorflow": ("tensorflow", "graph"),
    "numpy": ("numpy", "numpy"),
    "torch": ("torch", "torch"),
    "torch channels_last": ("torch", "torch"),
    "torch.compile": ("torch", "torch"),
    "jax.jit": ("jax", "jax"),
}


class Side(NamedTuple):
    """One system, set up to run one workload."""

    step: Callable[[], Any]
    answers: Callable[[], list[np.ndarray]]


def installed(peer: str) -> bool:
    return importlib.util.find_spec(PEERS[peer][0]) is not None


def runs(workload: Workload, peer: str) -> bool:
    """Whether the workload has a text for that peer."""
    needs = {"torch channels_last": workload.images, "torch.compile": workload.compiles}
    if peer in workload.untimed or not needs.get(peer, True):
        return False
    return hasattr(workload, PEERS[peer][1])


def make(workload: Workload, peer: str, data: Arrays, threads: int) -> Side:
    """The workload on that peer, over copies of `data`."""
    own = {name: array.copy() for name, array in data.items()}
    if peer == "refflow":
        return graph_side(importlib.import_module("refflow.compat.v1"), workload, own, threads)
    if peer == "tensorflow":
        tf = importlib.import_module("tensorflow.compat.v1")
        tf.disable_v2_behavior()
        return graph_side(tf, workload, own, threads)
    if peer == "numpy":
        return numpy_side(workload, own)
    if peer == "jax.jit":
        return jax_side(workload, own)
    return torch_side(workload, peer, own, threads)


def _answers(workload: Workload, outputs: Callable[[], Any], state: Callable[[], Any]) -> list[np.ndarray]:
    """What came out at first, what came out after all steps, and the state then."""
    found = [np.array(value) for value in outputs()]
    if workload.state:
        outputs()
        found += [np.array(value) for value in outputs()]
    return found + [np.array(value) for value in state()]


# -- graphs: refflow and TensorFlow -----------------------------------------------------------------------------------


def session(tf: Any, graph: Any, threads: int, rewriting: bool = True) -> Any:
    """A session with `threads` threads, within ops and between them. rewriting: TensorFlow's graph rewriter."""
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
    if not rewriting and tf.__name__.startswith("tensorflow"):
        off = importlib.import_module("tensorflow.core.protobuf.rewriter_config_pb2").RewriterConfig
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        config.graph_options.rewrite_options.constant_folding = off.OFF
    return tf.Session(graph=graph, config=config)


def _tensor(tf: Any, workload: Any, name: str, array: np.ndarray) -> Any:
    if name in workload.fed:
        return tf.placeholder(array.dtype, array.shape)
    if name in workload.constants:
        return tf.constant(array)
    return tf.Variable(array, trainable=name in workload.state)


class Built(NamedTuple):
    """A workload as a graph: what a step fetches and is fed, its state, and what initialises that."""

    graph: Any
    results: list[Any]
    feeds: dict[Any, Any]
    state: list[Any]
    ready: Any


def build(tf: Any, workload: Any, data: Arrays) -> Built:
    graph = tf.Graph()
    with graph.as_default():
        tensors = {name: _tensor(tf, workload, name, array) for name, array in data.items()}
        results = list(workload.graph(tf, **tensors))
        ready = tf.global_variables_initializer()
    feeds = {tensors[name]: data[name] for name in workload.fed}
    return Built(graph, results, feeds, [tensors[name] for name in workload.state], ready)


def graph_side(tf: Any, workload: Any, data: Arrays, threads: int) -> Side:
    graph, results, feeds, state, ready = build(tf, workload, data)
    run = session(tf, graph, threads, **workload.graph_options).run
    run(ready)

    def outputs() -> list[Any]:
        return [value for value in step() if value is not None]  # an operation gives None

    def step() -> list[Any]:
        return workload.drive(run, results, feeds)

    return Side(step, lambda: _answers(workload, outputs, lambda: run(state)))


# -- NumPy ------------------------------------------------------------------------------------------------------------


def numpy_side(workload: Any, data: Arrays) -> Side:
    step = workload.numpy(**data)
    return Side(step, lambda: _answers(workload, step, lambda: [data[name] for name in workload.state]))


def judged(workload: Any, data: Arrays) -> list[np.ndarray]:
    """The answers in float64."""
    wide = {name: a.astype(np.float64) if a.dtype == np.float32 else a.copy() for name, a in data.items()}
    return numpy_side(workload, wide).answers()


# -- PyTorch ----------------------------------------------------------------------------------------------------------


class Torch:
    """What a workload's text for PyTorch needs."""

    def __init__(self, torch: Any, compiled: Callable[[Any], Any], layout: Any):
        self.torch = torch
        self.compiled = compiled  # torch.compile, or nothing
        self.layout = layout  # of images
        self.read: dict[str, Callable[[], Any]] = {}  # where state is that the text keeps in a form of its own

    def image(self, nhwc: Any) -> Any:
        """As PyTorch numbers its axes, in the layout that is timed."""
        return nhwc.permute(0, 3, 1, 2).contiguous(memory_format=self.layout)

    def filter(self, hwio: Any) -> Any:
        return hwio.permute(3, 2, 0, 1).contiguous(memory_format=self.layout)

    def trained_filter(self, name: str, hwio: Any) -> Any:
        kept = self.filter(hwio.detach()).requires_grad_()
        self.read[name] = lambda: self.as_filter(kept)
        return kept

    def as_image(self, nchw: Any) -> Any:
        """As the answers number them: a view."""
        return nchw.permute(0, 2, 3, 1)

    def as_filter(self, oihw: Any) -> Any:
        return oihw.permute(2, 3, 1, 0)

    def training(self, loss_of: Callable[[], Any], *optimizers: Any) -> Callable[[], list[Any]]:
        """A step: gradients of the loss, and the update."""

        def step() -> list[Any]:
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            return [loss]

        return step

    def with_gradients(self, function: Any, *inputs: Any, upstream: Any = None) -> Callable[[], list[Any]]:
        """A step: the function's value, and its gradients by its inputs."""
        leaves = [x.detach().requires_grad_() for x in inputs]

        def step() -> list[Any]:
            y = function(*leaves)
            return [y, *self.torch.autograd.grad(y, leaves, upstream)]

        return step


def torch_side(workload: Any, peer: str, data: Arrays, threads: int, where: str = "cpu") -> Side:
    """where: the device; refflow's own dry run has Triton loaded, which TensorFlow's process must not."""
    if where == "cpu" and "triton" not in sys.modules:  # its LLVM and TensorFlow's cannot share a process
        sys.modules["triton"] = None  # type: ignore[assignment]
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    tensors = {name: torch.from_numpy(array).to(where) for name, array in data.items()}
    for name in workload.state:
        tensors[name].requires_grad_()
    layout = torch.channels_last if peer == "torch channels_last" else torch.contiguous_format
    compiled = {"torch.compile": torch.compile, "torch.compile graphs": partial(torch.compile, mode="reduce-overhead")}
    pt = Torch(torch, compiled.get(peer, lambda function: function), layout)
    step = workload.torch(pt, **tensors)

    def outputs() -> list[Any]:
        return [value.detach().cpu().numpy() for value in step()]

    def state() -> list[Any]:
        kept = [pt.read.get(name, lambda name=name: tensors[name])() for name in workload.state]
        return [value.detach().cpu().numpy() for value in kept]

    return Side(step, lambda: _answers(workload, outputs, state))


# -- JAX --------------------------------------------------------------------------------------------------------------


def jax_side(workload: Any, data: Arrays, wait: Callable[[Any], Any] | None = None) -> Side:
    """wait: what makes a step complete, JAX's own by default."""
    jax = importlib.import_module("jax")
    wait = wait or jax.block_until_ready
    arrays = {name: jax.numpy.asarray(array) for name, array in data.items()}
    if not workload.state:
        function = jax.jit(lambda arrays: workload.jax(jax, **arrays))

        def step() -> Any:
            return wait(function(arrays))

        return Side(step, lambda: _answers(workload, step, list))
    given = {name: arrays[name] for name in data if name not in workload.state}
    state = {name: arrays[name] for name in workload.state}
    slots = workload.jax_slots(jax, state) if hasattr(workload, "jax_slots") else None
    update = jax.jit(lambda state, slots, given: workload.jax(jax, state, slots, **given), donate_argnums=(0, 1))

    def train() -> Any:
        nonlocal state, slots
        outputs, state, slots = wait(update(state, slots, given))
        return outputs

    return Side(train, lambda: _answers(workload, train, lambda: [state[name] for name in workload.state]))
