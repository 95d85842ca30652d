"""In which order a plan may wait: so that nothing is held back that could go on [W17, W50].

The executor waits for everything at once. A plan is one line of Python: it begins what has to be waited for, and then
waits. To all others that is the same as long as nothing is held up meanwhile that they may be waiting for, as an
enqueue or a change of a variable. So the nodes of a step that wait have to come in layers:

    layer 1       what depends on none of them: begun together, then waited for
    layer 2       what depends on all of layer 1, and on no more;  and so on

What others may wait for comes before a layer, or depends on all of it. Where an enqueue depends on one dequeue and not
on another there are no layers, and the step is the executor's.

Next: core/waiting.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

from refflow.core.waiting import Pending
from refflow.runtime.nodes import Node, changes_variables

T = TypeVar("T")


def is_seen(node: Node) -> bool:
    """True for what others may wait for: it waits itself, changes a variable, or is run for nothing but its effect."""
    effect = node.op_def.stateful and not node.types and not node.sends
    return node.op_def.waits or changes_variables(node) or effect


def levels(
    before: Mapping[T, Iterable[T]], waits: Callable[[T], bool], seen: Callable[[T], bool]
) -> dict[T, int] | None:
    """A number for each item: 2 k + 1 for those that wait in layer k, 2 k for others behind k layers.

    None where there are no layers. before: for each item those that it comes after.

    >>> def always(item): return True
    >>> levels({"dequeue": [], "enqueue": ["dequeue"]}, always, always)
    {'dequeue': 1, 'enqueue': 3}
    >>> levels({"dequeue": [], "other": [], "enqueue": ["dequeue"]}, lambda i: i == "dequeue", always)
    {'dequeue': 1, 'other': 0, 'enqueue': 2}
    >>> levels({"dequeue": [], "other": [], "enqueue": ["dequeue"]}, always, always)
    """
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError:
        return None
    bit = {item: 1 << i for i, item in enumerate(item for item in before if waits(item))}
    reached: dict[T, int] = {}  # the waiting items that an item depends on, as bits
    layers: dict[int, int] = {}  # the waiting items that depend on these
    for item in order:
        mask = 0
        for other in before[item]:
            mask |= reached[other] | bit.get(other, 0)
        reached[item] = mask
        if item in bit:
            layers[mask] = layers.get(mask, 0) | bit[item]
    done = [0]
    for mask in sorted(layers, key=int.bit_count):
        if mask != done[-1]:
            return None
        done.append(mask | layers[mask])
    if any(reached[item] not in done for item in before if seen(item)):
        return None
    behind = {item: next(k for k, mask in enumerate(done) if not reached[item] & ~mask) for item in before}
    return {item: 2 * k + (item in bit) for item, k in behind.items()}


@contextmanager
def together() -> Iterator[Callable[[Any], Any]]:
    """A function to be told of each of several that are begun; if the block fails, none of them waits any longer."""
    begun: list[Any] = []

    def begin(found: Any) -> Any:
        begun.append(found)
        return found

    try:
        yield begin
    except BaseException:
        for found in begun:
            if isinstance(found, Pending):
                found.cancel()
        raise
