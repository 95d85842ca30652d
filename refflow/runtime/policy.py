"""Which ready node runs next. The documents leave it open [W17]; whoever studies a program may choose.

    patient      the one that has waited longest, but what changes variables waits until nothing else is ready
    fifo         the one that has waited longest
    lifo         the newest
    random(7)    any, repeatable by the seed
    adversarial  the one most likely to show a missing control edge: writers of state first, then the
                 nodes built last
    Replay(log)  the order that an event log has recorded, step by step [S37]

Next: runtime/executor.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from refflow.core import errors
from refflow.runtime.nodes import Node, changes_variables

if TYPE_CHECKING:
    from refflow.runtime.events import EventLog
    from refflow.runtime.executor import Run

Policy = Callable[[Sequence[Node]], int]  # the place of the chosen node in the ready queue


def patient(ready: Sequence[Node]) -> int:
    """What may read a variable before a change of it does; a plan is in the same order."""
    return next((i for i, node in enumerate(ready) if not changes_variables(node)), 0)


def fifo(ready: Sequence[Node]) -> int:
    return 0


def lifo(ready: Sequence[Node]) -> int:
    return len(ready) - 1


def random(seed: int) -> Policy:
    """A policy that draws; the same seed draws the same."""
    from random import Random

    draw = Random(seed)
    return lambda ready: draw.randrange(len(ready))


def adversarial(ready: Sequence[Node]) -> int:
    return max(range(len(ready)), key=lambda i: (bool(ready[i].op_def.ref_inputs), ready[i].id))


class Replay:
    """The steps of an event log once more, one for each run, every node in its turn and in its iteration [S37].

    log: of sessions with an executor; of whatever order, and by whatever policy. A step that is not the recorded one is
    a FailedPreconditionError where they part.
    """

    def __init__(self, log: EventLog):
        steps: dict[int, list[tuple[str, str]]] = {}
        for event in log.events:
            if event.kind == "start":
                steps.setdefault(event.step, []).append((event.node, event.place))
        self._steps = deque(steps.values())

    def during(self, run: Run) -> Policy:
        """The policy for one run: the next step of the log."""
        if not self._steps:
            raise errors.FailedPreconditionError(None, None, "every step of the recorded log has been replayed")
        order = deque(self._steps.popleft())

        def policy(ready: Sequence[Node]) -> int:
            there = [(node.name, run.place_of(i)) for i, node in enumerate(ready)]
            if not order or order[0] not in there:
                wanted = "nothing more" if not order else repr(" in iteration ".join(filter(None, order[0])))
                raise errors.FailedPreconditionError(
                    None, None, f"the recorded step runs {wanted} next, but what is ready is "
                    f"{', '.join(sorted({name for name, _ in there}))}: this is a step of another graph or of other "
                    "fetches, or was recorded under other options",
                )  # fmt: skip
            return there.index(order.popleft())

        return policy


def as_policy(policy: Any) -> Policy | Replay:
    """The policy meant by a function, a Replay, or "patient", "fifo", "lifo", "random(seed)" or "adversarial"."""
    if callable(policy) or isinstance(policy, Replay):
        return policy
    text = str(policy)
    if text.startswith("random(") and text[7:-1].isdecimal() and text.endswith(")"):
        return random(int(text[7:-1]))
    named = {"patient": patient, "fifo": fifo, "lifo": lifo, "adversarial": adversarial}
    if text not in named:
        known = "patient, fifo, lifo, random(seed), adversarial"
        raise ValueError(f"policy {policy!r} is none of {known}, and no function or Replay")
    return named[text]
