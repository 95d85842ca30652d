"""From nothing: importing, and from a process's start to the first trained step of the deck's program.

Each side is a Python of its own that loads the images from a file and takes one step. What it used is told by the
operating system at its end: CPU seconds of all its threads, and the most memory that it held at a time. (It reads both
itself: what a parent is told of the memory begins with the parent's own.) Peers have their bytecode from when they were
installed; refflow's is written to a folder in a first round, which is not counted. The rounds after it take turns.
NumPy's figures are what nobody on NumPy can be below.

Next: refflow/bench/table.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from refflow.bench import table
from refflow.bench.measure import Effort
from refflow.bench.table import Data
from refflow.bench.workload import Bar
from refflow.bench.workloads.perceptron import DeckStep

_GRAPH = """
with tf.Graph().as_default():
    w, b = tf.Variable(w), tf.Variable(b)
    logits = tf.matmul(tf.constant(x), w) + b
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=tf.constant(y), logits=logits))
    train = tf.train.GradientDescentOptimizer(0.5).minimize(loss)
    with tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=N, inter_op_parallelism_threads=N)) as session:
        session.run(tf.global_variables_initializer())
        print(session.run([train, loss])[1])
"""
STEPS = {
    "refflow": "import refflow.compat.v1 as tf" + _GRAPH,
    "tensorflow": "import tensorflow.compat.v1 as tf; tf.disable_v2_behavior()" + _GRAPH,
    "numpy": """
z = x @ w + b
z -= z.max(axis=1, keepdims=True)
p = np.exp(z)
total = p.sum(axis=1, keepdims=True)
print(np.mean(np.log(total[:, 0]) - (y * z).sum(axis=1)))
z = (p / total - y) / len(x)
w -= 0.5 * (x.T @ z)
b -= 0.5 * z.sum(axis=0)
""",
    "torch": """
import torch
torch.set_num_threads(N)
x, y, w, b = map(torch.from_numpy, (x, y, w, b))
w.requires_grad_(), b.requires_grad_()
optimizer = torch.optim.SGD([w, b], lr=0.5)
loss = torch.nn.functional.cross_entropy(x @ w + b, y)
loss.backward()
optimizer.step()
print(loss.item())
""",
    "jax.jit": """
import jax
def loss_of(p):
    return -jax.numpy.mean(jax.numpy.sum(y * jax.nn.log_softmax(x @ p[0] + p[1]), axis=1))
@jax.jit
def step(p):
    loss, d = jax.value_and_grad(loss_of)(p)
    return loss, [a - 0.5 * da for a, da in zip(p, d)]
print(jax.block_until_ready(step([w, b]))[0])
""",
}
IMPORTS = {
    "refflow": "import refflow",
    "tensorflow": "import tensorflow",
    "numpy": "import numpy",
    "torch": "import torch",
    "jax.jit": "import jax.numpy",
}


_LAST = """
import time
print(time.process_time(), [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


class Used(NamedTuple):
    """What a process took until then: CPU seconds, seconds passed, bytes at most; and what it printed."""

    cpu: float
    wall: float
    peak: float
    words: str


def run(code: str, bytecode: str = "") -> Used:
    """Runs Python on `code`, with its bytecode kept in that folder. RuntimeError with its last words if it fails."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code + _LAST], capture_output=True, text=True, env=environment)
    wall = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no words"])[-1])
    words, _, last = done.stdout.strip().rpartition("\n")
    cpu, kilobytes = last.split()
    return Used(float(cpu), wall, 1024 * float(kilobytes), words)


def measure(peers: Sequence[str], threads: int, effort: Effort) -> list[Data]:
    """Three rows: importing; the first trained step; the peak memory of that process."""
    with tempfile.TemporaryDirectory() as folder:
        imports = _row("import", "import of the library", Bar(0.08), *_rounds(IMPORTS, peers, effort.starts, folder))
        for name, array in DeckStep().data(np.random.default_rng(0)).items():
            np.save(Path(folder) / name, array)
        head = f"import numpy as np\nN, folder = {threads}, {folder!r}\n"
        head += "x, y, w, b = (np.load(f'{folder}/{name}.npy') for name in 'xywb')\n"
        used, errors = _rounds({peer: head + step for peer, step in STEPS.items()}, peers, effort.starts, folder)
    loss = float(used["refflow"][0].words) if "refflow" in used else None
    for peer in list(used):
        if loss is not None and not np.isclose(float(used[peer][0].words), loss, rtol=1e-4):
            errors[peer] = f"its loss is {used.pop(peer)[0].words}, refflow's is {loss}"
    found = [imports]
    found.append(_row("first_step", "process start to the deck's first trained step", Bar(0.12), used, errors))
    peaks = {peer: [u._replace(cpu=u.peak, wall=u.peak) for u in us] for peer, us in used.items()}
    found.append(_row("first_step_memory", "peak memory of that process", Bar(0.25), peaks, errors) | {"unit": "bytes"})
    return found


Taken = tuple[dict[str, list[Used]], dict[str, str]]


def _rounds(codes: Mapping[str, str], peers: Sequence[str], rounds: int, folder: str) -> Taken:
    """What each peer's process took, turn by turn, and who failed why."""
    used: dict[str, list[Used]] = {peer: [] for peer in peers if peer in codes}
    errors: dict[str, str] = {}
    for _ in range(1 + rounds):
        for peer in list(used):
            try:
                used[peer].append(run(codes[peer], folder if peer == "refflow" else ""))
            except RuntimeError as error:
                errors[peer] = str(error)[:200]
                del used[peer]
    return {peer: us[1:] for peer, us in used.items()}, errors


def _row(name: str, title: str, bar: Bar, used: dict[str, list[Used]], errors: dict[str, str]) -> Data:
    times = {
        peer: {
            clock: {"median": median(figures), "minimum": min(figures)}
            for clock, figures in (("cpu", [u.cpu for u in us]), ("wall", [u.wall for u in us]))
        } | {"rounds": len(us)}
        for peer, us in used.items()
    }  # fmt: skip
    return table.as_row(name, title, "startup", bar, times, errors)
