"""Queues: rows of tensors that one part of a program leaves for another, which may run at its own pace [W45, W46].

    FIFOQueue              in order of arrival
    RandomShuffleQueue     any of those that are there, as long as more than `min_after_dequeue` stay
    PaddingFIFOQueue       elements of different sizes, padded with zeros to a common one when many are taken
    PriorityQueue          smallest first component first

An Enqueue waits for room and a Dequeue for elements: what they give is pending until then (core/waiting.py). After a
close, enqueues fail and dequeues take what is left. The handle is a reference in the first release's ops, and a
resource in those that end in V2.

Next: ops/readers.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import DType
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.waiting import then
from refflow.ops.queue_kinds import PaddingQueue, PriorityQueue, ShuffleQueue, check_shared
from refflow.ops.queue_states import Queue

# -- making them ----------------------------------------------------------------------------------------------

_COMMON: dict[str, Any] = {
    "component_types": Attr("list(type)", minimum=1), "shapes": Attr("list(shape)", default=[]), "capacity": -1,
    "container": "", "shared_name": "",
}  # fmt: skip
_SHUFFLE: dict[str, Any] = {"min_after_dequeue": 0, "seed": 0, "seed2": 0}


def _both(name: str, make: Callable[..., Any], more: dict[str, Any] | None = None) -> None:
    """A kind of queue, with either kind of handle. Queues of all kinds share one space of names."""

    def check(queue: Queue, known: dict[str, Any]) -> None:
        shuffled = {key: known[key] for key in _SHUFFLE if key in known}
        types, dims = known["component_types"], known["shapes"]
        check_shared(queue, name, types, dims, known["capacity"], **shuffled)

    make.kind, make.check = "queue", check  # type: ignore[attr-defined]
    for end, kind in (("", "Ref(string)"), ("V2", "resource")):
        op_def = define_op(name + end, f"-> handle: {kind}", stateful=True, by_handle=not end, source=("W45",),
                           **_COMMON | (more or {}))  # fmt: skip
        op_def.state(make)
        op_def.kernel(lambda state: handle_to(state))
        op_def.no_gradient()

        @op_def.shape
        def rule(context: ShapeContext) -> shapes.Shape:
            return ()


_numbers = itertools.count()


def named(shared_name: str, node_name: str) -> str:
    """What messages call a queue: one that is not shared has a number before its node's name."""
    return shared_name or f"_{next(_numbers)}_{node_name}"


def _fifo(component_types, shapes, capacity, shared_name, node_name):
    return Queue(named(shared_name, node_name), component_types, shapes, capacity)


def _shuffle(component_types, shapes, capacity, shared_name, node_name, min_after_dequeue, seed, seed2):
    if min_after_dequeue < 0:
        raise errors.InvalidArgumentError(None, None, f"min_after_dequeue {min_after_dequeue} must be >= 0")
    if 0 <= capacity <= min_after_dequeue:
        raise errors.InvalidArgumentError(
            None, None, f"min_after_dequeue {min_after_dequeue} must be < capacity {capacity}"
        )
    name = named(shared_name, node_name)
    return ShuffleQueue(name, component_types, shapes, capacity, min_after_dequeue, seed, seed2)


def _padding(component_types, shapes, capacity, shared_name, node_name):
    return PaddingQueue(named(shared_name, node_name), component_types, shapes, capacity)


def _priority(component_types, shapes, capacity, shared_name, node_name):
    return PriorityQueue(named(shared_name, node_name), component_types, shapes, capacity)


_both("FIFOQueue", _fifo)
_both("RandomShuffleQueue", _shuffle, _SHUFFLE)
_both("PaddingFIFOQueue", _padding)
_both("PriorityQueue", _priority, {"component_types": Attr("list(type)", default=[]), "shapes": Attr("list(shape)")})

# -- using them -----------------------------------------------------------------------------------------------

_TYPES = Attr("list(type)", minimum=1)


def _user(
    name: str, inputs: str, outputs: str, kernel: Callable[[str], Any], waits: bool = True, **attrs: Any
) -> list[OpDef]:
    """The op for both kinds of handles: `name` for references, `nameV2` for resources."""
    found = []
    for end, kind in (("", "Ref(string)"), ("V2", "resource")):
        op_def = define_op(name + end, f"handle: {kind}{inputs} -> {outputs}", stateful=True, by_handle=not end,
                           source=("W45", "W46"), **attrs)  # fmt: skip
        op_def.kernel(kernel(end))
        op_def.moves_bits = True
        op_def.waits = waits
        op_def.no_gradient()
        found.append(op_def)
    return found


def _agree(queue: Queue, end: str, types: Sequence[DType], gives: str | None = None) -> None:
    """Refuses a node that takes components of other types than the queue's; `gives`: that gives them, beside a handle
    and what is said there."""
    if list(types) == list(queue.types):
        return

    def text(components: Sequence[DType]) -> str:
        inputs, names = ["resource" if end else "string_ref"], [t.c_name for t in components]
        if gives is None:
            return ", ".join(inputs + names) + "->"
        return ", ".join(inputs + [gives] * bool(gives)) + "->" + ", ".join(names)

    raise ValueError(f"Signature mismatch, have: {text(types)} expected: {text(queue.types)}")


def _enqueue(end: str) -> Callable[..., Any]:
    # The first release calls a late enqueue aborted, later ones cancelled.
    late = errors.CancelledError if end else errors.AbortedError

    def enqueue(handle, components, Tcomponents):
        queue = state_of(handle)
        _agree(queue, end, Tcomponents)
        queue.check(tuple(components))
        return queue.enqueue(tuple(components), late)

    return enqueue


def _enqueue_many(end: str) -> Callable[..., Any]:
    late = errors.CancelledError if end else errors.AbortedError

    def enqueue_many(handle, components, Tcomponents):
        queue = state_of(handle)
        _agree(queue, end, Tcomponents)
        queue.check_many(tuple(components))
        rows = [tuple(np.asarray(v, c.dtype) for v, c in zip(row, components, strict=True))
                for row in zip(*components, strict=True)]  # fmt: skip
        return queue.enqueue_many(rows, late)

    return enqueue_many


def _count(n: Any, who: str) -> int:
    count = int(np.reshape(n, -1)[0])
    if count < 0:
        raise ValueError(f"{who} requested {count} < 0 elements")
    return count


def _dequeue(end: str) -> Callable[..., Any]:
    def dequeue(handle, component_types):
        queue = state_of(handle)
        _agree(queue, end, component_types, gives="")
        return then(queue.dequeue(), lambda rows: list(rows[0]))

    return dequeue


def _dequeue_several(who: str, least: int | None) -> Callable[[str], Callable[..., Any]]:
    def kernel(end: str) -> Callable[..., Any]:
        def dequeue_several(handle, n, component_types):
            queue, count = state_of(handle), _count(n, who)
            _agree(queue, end, component_types, gives="int32")
            queue.needs_shapes()
            return then(queue.dequeue(count, least=least), queue.batch) if count else queue.empty_batch()

        return dequeue_several

    return kernel


def close(handle, cancel_pending_enqueues=False):
    return state_of(handle).close(cancel_pending_enqueues)


def size(handle):
    return np.array(len(state_of(handle).rows), np.int32)


def is_closed(handle):
    return np.array(state_of(handle).closed)


def _same(kernel: Callable[..., Any]) -> Callable[[str], Callable[..., Any]]:
    """The kernel for either kind of handle."""
    return lambda end: kernel


_user("QueueEnqueue", ", components: Tcomponents", "", _enqueue, Tcomponents=_TYPES, timeout_ms=-1)
_user("QueueEnqueueMany", ", components: Tcomponents", "", _enqueue_many, Tcomponents=_TYPES, timeout_ms=-1)
_user("QueueDequeue", "", "components: component_types", _dequeue, component_types=_TYPES, timeout_ms=-1)
_user("QueueDequeueMany", ", n: int32", "components: component_types", _dequeue_several("DequeueManyOp", None),
      component_types=_TYPES, timeout_ms=-1)  # fmt: skip
_user("QueueDequeueUpTo", ", n: int32", "components: component_types", _dequeue_several("DequeueUpToOp", 1),
      component_types=_TYPES, timeout_ms=-1)  # fmt: skip
_user("QueueClose", "", "", _same(close), cancel_pending_enqueues=False)
_user("QueueSize", "", "size: int32[]", _same(size), waits=False)
_user("QueueIsClosed", "", "is_closed: bool[]", _same(is_closed), waits=False)
