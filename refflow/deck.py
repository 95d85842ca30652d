"""The program printed on the deck's slides, run as it stands there [S29].

The text is kept byte for byte in spec/deck_program.txt. It names things that the slide does not define:

    train_dataset, train_labels     float32 [N, 784] in [-0.5, 0.5], and one-hot float32 [N, 10]
    image_size, num_labels          28 and 10
    num_steps                       801
    accuracy(predictions, labels)   per cent of rows in which both have their largest value at one place

`labels` is the graph's tensor there, not an array, so `accuracy` evaluates it in the default session [E02].
The spelling is Python 2: `print` is a statement, and `xrange` is range [S25, S27]; the graph's own older
spelling, AsDefault, is still a method of Graph [S11].

Next: docs/reading.rst.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import refflow
from refflow import ledger
from refflow.core import graph as graphs
from refflow.core.graph import Tensor
from refflow.data import as_examples, fashion_mnist, one_hot
from refflow.reach import Cluster, Small, Workstation, values_of
from refflow.runtime.device import local_devices
from refflow.runtime.session import Session

IMAGE_SIZE = 28
NUM_LABELS = 10
NUM_STEPS = 801
SPELLINGS = {"deck": "deck_program.txt", "python3": "deck_program_python3.txt"}


class Outcome(NamedTuple):
    """What a run leaves behind."""

    graph: graphs.Graph
    devices: list[Any]
    names: dict[str, Any]  # the program's own variables
    test_accuracy: float


def program_text(spelling: str = "deck") -> str:
    """The program: "deck" as on the slide, or "python3", the same in today's spelling."""
    if spelling not in SPELLINGS:
        raise ValueError(f"spelling {spelling!r} is none of {', '.join(SPELLINGS)}")
    return (ledger.spec_dir() / SPELLINGS[spelling]).read_text(encoding="utf-8")


def to_python3(text: str) -> str:
    """Python 2's print statements as calls; everything else stays.

    >>> to_python3("    print 'Loss', 3 % 2")
    "    print('Loss', 3 % 2)"
    """
    return re.sub(r"^([ \t]*)print[ \t]+(?!\()(.+?)[ \t]*$", r"\1print(\2)", text, flags=re.MULTILINE)


def accuracy(predictions: Any, labels: Any) -> float:
    """Per cent of rows whose largest prediction is at the place of the largest label [S28]."""
    labels = labels.eval() if isinstance(labels, Tensor) else labels  # [E02]
    return 100.0 * float(np.mean(np.argmax(predictions, 1) == np.argmax(labels, 1)))


class _Tf:
    """What the program calls `tf`: refflow, with seeded graphs and sessions of the kind that was asked for."""

    def __init__(self, seed: int | None, profile: Any):
        self._seed, self._profile = seed, profile

    def __getattr__(self, name: str) -> Any:
        return getattr(refflow, name)

    def Graph(self) -> graphs.Graph:
        graph = graphs.Graph()
        graph.seed = self._seed
        return graph

    def Session(self, graph: graphs.Graph | None = None) -> Session:
        return self._profile.session(graph)


def free_names(data: Any, num_steps: int, say: Callable[..., None]) -> dict[str, Any]:
    """The names that the slide uses and does not define."""
    return {
        "train_dataset": as_examples(data.train_images),
        "train_labels": one_hot(data.train_labels, NUM_LABELS),
        "image_size": IMAGE_SIZE,
        "num_labels": NUM_LABELS,
        "num_steps": num_steps,
        "accuracy": accuracy,
        "xrange": range,
        "print": say,
    }


def run(
    spelling: str = "deck",
    *,
    seed: int | None = 1,
    num_steps: int = NUM_STEPS,
    data: Any = None,
    gpu: bool = False,
    profile: Any = None,
    say: Callable[..., None] = print,
    **options: Any,
) -> Outcome:
    """Runs the program and says what it prints, then the accuracy on the test images.

    data: a FashionMnist, by default the embedded subset. profile: of refflow/reach.py, by default a Workstation, with
    a card if `gpu` [S34]. options: of the workstation's sessions, as kernels="reference".
    """
    data = data or fashion_mnist(size="small")
    if profile is None:
        profile = Workstation(local_devices({"GPU": 1} if gpu else None), allow_soft_placement=gpu, **options)
    tf = _Tf(seed, profile)
    names = free_names(data, num_steps, say) | {"tf": tf}
    text = program_text(spelling)
    exec(compile(to_python3(text) if spelling == "deck" else text, SPELLINGS[spelling], "exec"), names)
    reached = _test_accuracy(names, data, profile)
    say(f"Test accuracy: {reached:.1f}%")
    return Outcome(names["graph"], profile.devices, names, reached)


def run_on(
    profile: str, spelling: str = "deck", *, seed: int | None = 1, num_steps: int = NUM_STEPS, data: Any = None,
    say: Callable[..., None] = print, gpu: bool = False, **options: Any,
) -> Outcome:  # fmt: skip
    """`run` under the profile of that name, "workstation", "small" or "cluster", and what can be told of it [S34].

    Under "small" a workstation trains first, in silence; then the program runs once more with what that has found.
    """
    data = data or fashion_mnist(size="small")
    if profile == "workstation":
        return run(spelling, seed=seed, num_steps=num_steps, data=data, gpu=gpu, say=say, **options)
    if gpu:
        raise ValueError(f"a profile {profile!r} has no card: leave --device gpu out, or --profile")
    if profile == "cluster":
        cluster = Cluster(kernels=options.get("kernels", "fast"))
        outcome = run(spelling, seed=seed, num_steps=num_steps, data=data, profile=cluster, say=say)
        say(f"{len(cluster.devices)} devices, {cluster.seconds:.3f} s of virtual time on the network")
        return outcome
    trained = run(spelling, seed=seed, num_steps=num_steps, data=data, say=lambda *words: None, **options)
    with Workstation(trained.devices).session(trained.graph) as session:
        small = Small(values_of(session), **options)
    outcome = run(spelling, seed=seed, num_steps=1, data=data, profile=small, say=say)
    frozen = small.session(outcome.graph)
    needed = frozen.bytes_needed([outcome.names["loss"], outcome.names["prediction"]])
    frozen.close()
    limit = small.devices[0].memory_limit
    say(f"A step needs {needed / 2**20:.1f} MiB of {limit / 2**20:.0f}; not run: {', '.join(sorted(small.left_out))}")
    return outcome


def _test_accuracy(names: dict[str, Any], data: Any, profile: Any) -> float:
    """The variables outlive the program's session, because they live on the devices [W47]."""
    with profile.session(names["graph"]) as session:
        logits = refflow.matmul(as_examples(data.test_images), names["W"]) + names["b"]
        predictions = session.run(refflow.nn.softmax(logits))
    return accuracy(predictions, one_hot(data.test_labels, NUM_LABELS))
