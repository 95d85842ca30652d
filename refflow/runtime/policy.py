"""Which ready node runs next. The documents leave it open [W17]; whoever studies a program may choose.

    patient      the one that has waited longest, but what changes variables waits until nothing else is ready
    fifo         the one that has waited longest
    lifo         the newest
    random(7)    any, repeatable by the seed
    adversarial  the one most likely to show a missing control edge: writers of state first, then the
                 nodes built last

Next: runtime/executor.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from refflow.runtime.nodes import Node, changes_variables

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


def as_policy(policy: Any) -> Policy:
    """The policy meant by a function, or by "patient", "fifo", "lifo", "random(seed)" or "adversarial"."""
    if callable(policy):
        return policy
    text = str(policy)
    if text.startswith("random(") and text[7:-1].isdecimal() and text.endswith(")"):
        return random(int(text[7:-1]))
    named = {"patient": patient, "fifo": fifo, "lifo": lifo, "adversarial": adversarial}
    if text not in named:
        known = "patient, fifo, lifo, random(seed), adversarial"
        raise ValueError(f"policy {policy!r} is none of {known}, and no function")
    return named[text]
