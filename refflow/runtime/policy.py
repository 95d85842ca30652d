"""Which ready node runs next. The documents leave it open [W17]; whoever studies a program may choose.

    fifo         the one that has waited longest
    lifo         the newest
    random(7)    any, repeatable by the seed
    adversarial  the one most likely to show a missing control edge: writers of state first, then the
                 nodes built last

Next: runtime/executor.py.
"""

from __future__ import annotations

import random as _random
from collections.abc import Callable, Sequence
from typing import Any

from refflow.runtime.nodes import Node

Policy = Callable[[Sequence[Node]], int]  # the place of the chosen node in the ready queue


def fifo(ready: Sequence[Node]) -> int:
    return 0


def lifo(ready: Sequence[Node]) -> int:
    return len(ready) - 1


def random(seed: int) -> Policy:
    """A policy that draws; the same seed draws the same."""
    draw = _random.Random(seed)
    return lambda ready: draw.randrange(len(ready))


def adversarial(ready: Sequence[Node]) -> int:
    return max(range(len(ready)), key=lambda i: (bool(ready[i].op_def.ref_inputs), ready[i].id))


def as_policy(policy: Any) -> Policy:
    """The policy meant by a function, or by "fifo", "lifo", "random(seed)" or "adversarial"."""
    if callable(policy):
        return policy
    text = str(policy)
    if text.startswith("random(") and text[7:-1].isdecimal() and text.endswith(")"):
        return random(int(text[7:-1]))
    named = {"fifo": fifo, "lifo": lifo, "adversarial": adversarial}
    if text not in named:
        raise ValueError(f"policy {policy!r} is none of fifo, lifo, random(seed), adversarial, and no function")
    return named[text]
