"""Queues of 1.x: behind resources, with names for their components, and rows that may be asked for in part.

    q = tf.FIFOQueue(10, [tf.int32, tf.float32], names=["i", "x"])
    q.enqueue({"i": 1, "x": 0.5})                 q.dequeue() is {"i": ..., "x": ...}

The first release's (ops/data_flow.py) stand behind references; the ops here are those whose names end in V2. A queue
that `from_list` chose among references has reference ops again.

Next: ops/queue_states.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype, int64, resource
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape, unknown_shape
from refflow.ops import data_flow as first
from refflow.ops.random import get_seed

__all__ = ["FIFOQueue", "PaddingFIFOQueue", "PriorityQueue", "QueueBase", "RandomShuffleQueue"]

# -- what a queue holds ------------------------------------------------------------------------------------------


def as_types(dtypes: Any) -> list[DType]:
    """A list of types, also of one that was given without a list."""
    return [as_dtype(d) for d in (dtypes if isinstance(dtypes, (list, tuple)) else [dtypes])]


def as_shapes(shapes: Any, partial: bool = False) -> list[TensorShape] | None:
    """A list of shapes, also of one that was given alone; only where they may be `partial` they need not be known."""
    if partial and (not isinstance(shapes, Sequence) or not shapes or any(_is_size(s) for s in shapes)):
        raise ValueError(f"When providing partial shapes, a list of shapes must be provided. Got {shapes!r}")
    if shapes is None:
        return None
    if isinstance(shapes, TensorShape):
        shapes = [shapes]
    if not isinstance(shapes, (list, tuple)):
        raise TypeError(f"Shapes must be a TensorShape or a list or tuple of TensorShapes, got {type(shapes)} instead.")
    if all(_is_size(s) for s in shapes):
        shapes = [shapes]
    found = [TensorShape(s) for s in shapes]
    if not partial and not all(s.is_fully_defined() for s in found):
        raise ValueError(f"All shapes must be fully defined: {found}")
    if any(s.ndims is None for s in found):
        raise ValueError(f"All shapes must have a defined rank: {found}")
    return found


def _is_size(value: Any) -> bool:
    return value is None or isinstance(value, int)


def _names(names: Any, dtypes: list[DType]) -> list[str] | None:
    if names is None:
        return None
    found = list(names) if isinstance(names, (list, tuple)) else [names]
    if len(found) != len(dtypes):
        raise ValueError(
            "List of names must have the same length as the list of dtypes, received "
            f"len(names)={len(found)},len(dtypes)={len(dtypes)}"
        )
    return found


def _in_common(shapes: Sequence[TensorShape]) -> TensorShape:
    """The shape that says only what all of `shapes` say."""
    dims = [s.as_list() if s.ndims is not None else None for s in shapes]
    if any(d is None or len(d) != len(dims[0] or []) for d in dims):
        return unknown_shape()
    return TensorShape([column[0] if len(set(column)) == 1 else None for column in zip(*dims, strict=True)])


# -- a queue -----------------------------------------------------------------------------------------------------


class QueueBase(first.QueueBase):
    """Rows of tensors of `dtypes`, of `shapes` where they are given, each under one of `names` where there are such."""

    def __init__(self, dtypes: Sequence[Any], shapes: Any, names: Any, queue_ref: Tensor):
        if shapes is not None and len(shapes) != len(dtypes):
            raise ValueError(
                f"Queue shapes must have the same length as dtypes, received len(shapes)={len(shapes)}, "
                f"len(dtypes)={len(dtypes)}"
            )
        if names is not None and len(names) != len(dtypes):
            raise ValueError(
                f"Queue names must have the same length as dtypes,received len(names)={len(names)},"
                f"len {len(dtypes)}"
            )
        super().__init__(dtypes, shapes, queue_ref)
        self._names = names
        self._end = "V2" if queue_ref.dtype is resource else ""

    @staticmethod
    def from_list(index: Any, queues: Any) -> QueueBase:
        """The queue of the list whose number `index` is when the step runs; all hold the same types."""
        if not queues or not isinstance(queues, list) or not all(isinstance(q, first.QueueBase) for q in queues):
            raise TypeError("A list of queues expected")
        if any(q.dtypes != queues[0].dtypes for q in queues):
            raise TypeError("Queues do not have matching component dtypes.")
        names = getattr(queues[0], "names", None)
        if any(getattr(q, "names", None) != names for q in queues):
            raise TypeError("Queues do not have matching component names.")
        shapes = [_in_common(column) for column in zip(*(q._shapes for q in queues), strict=True)]
        refs = [q.queue_ref for q in queues]
        if all(r.dtype is resource for r in refs):
            chosen = op_def("GatherV2")(op_def("Pack")(refs, name="stack"), index, 0)
        else:
            chosen = op_def("RefSelect")(index, refs)
        return QueueBase(queues[0].dtypes, shapes, names, chosen)

    @property
    def shapes(self) -> list[TensorShape]:
        return list(self._shapes)

    @property
    def names(self) -> Any:
        return self._names

    def _op(self, name: str) -> Any:
        return op_def(name + self._end)

    def _in_order(self, vals: Any) -> list[Any]:
        """The values for a row in the order of the components."""
        if isinstance(vals, Mapping):
            if not self._names:
                raise ValueError("Queue must have names to enqueue a dictionary")
            if sorted(self._names, key=str) != sorted(vals, key=str):
                raise ValueError(
                    "Keys in dictionary to enqueue do not match names of Queue.  Dictionary: "
                    f"{sorted(vals, key=str)},Queue: {sorted(self._names, key=str)}"
                )
            return [vals[name] for name in self._names]
        if self._names:
            raise ValueError("You must enqueue a dictionary in a Queue with names")
        return list(vals) if isinstance(vals, (list, tuple)) else [vals]

    def _converted(self, vals: Any) -> list[Tensor]:
        return [convert_to_tensor(value, dtype, f"component_{i}")
                for i, (value, dtype) in enumerate(zip(self._in_order(vals), self._dtypes, strict=False))]  # fmt: skip

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """Adds one row; waits while the queue is full."""
        with op_scope([self._queue_ref], name, f"{self._name}_enqueue") as scope:
            tensors = self._converted(vals)
            for tensor, shape in zip(tensors, self._shapes, strict=False):
                tensor.get_shape().assert_is_compatible_with(shape)
            return self._op("QueueEnqueue")(self._queue_ref, tensors, name=scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """Adds each row of tensors that have one more axis in front."""
        with op_scope([self._queue_ref], name, f"{self._name}_EnqueueMany") as scope:
            tensors = self._converted(vals)
            rows = tensors[0].get_shape().with_rank_at_least(1)[:1]
            for tensor, shape in zip(tensors, self._shapes, strict=False):
                whole = tensor.get_shape().with_rank_at_least(1)
                rows = rows.merge_with(whole[:1])
                whole[1:].assert_is_compatible_with(shape)
            return self._op("QueueEnqueueMany")(self._queue_ref, tensors, name=scope)

    def _returned(self, found: list[Tensor], shapes: Sequence[TensorShape]) -> Any:
        for tensor, shape in zip(found, shapes, strict=True):
            tensor.set_shape(shape)
        if self._names:
            return dict(zip(self._names, found, strict=True))
        return found[0] if len(found) == 1 else found

    def dequeue(self, name: str | None = None) -> Any:
        """One row, a tensor or a list or dictionary of them; waits while the queue is empty."""
        found = self._op("QueueDequeue")(self._queue_ref, component_types=self._dtypes,
                                         name=name or f"{self._name}_Dequeue")  # fmt: skip
        return self._returned(found, self._shapes)

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """`n` rows laid together; waits until there are so many."""
        found = self._op("QueueDequeueMany")(self._queue_ref, n, component_types=self._dtypes,
                                             name=name or f"{self._name}_DequeueMany")  # fmt: skip
        known = constant_value(found[0].op.inputs[1])
        rows = TensorShape([None if known is None else int(known)])
        return self._returned(found, [rows.concatenate(s) for s in self._shapes])

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """As `dequeue_many`; once the queue is closed fewer rows than `n` suffice."""
        found = self._op("QueueDequeueUpTo")(self._queue_ref, n, component_types=self._dtypes,
                                             name=name or f"{self._name}_DequeueUpTo")  # fmt: skip
        return self._returned(found, [TensorShape([None]).concatenate(s) for s in self._shapes])

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """No more rows may be added; those that are there may still be taken."""
        return self._op("QueueClose")(self._queue_ref, cancel_pending_enqueues=cancel_pending_enqueues,
                                      name=name or f"{self._name}_Close")  # fmt: skip

    def is_closed(self, name: str | None = None) -> Tensor:
        """Whether the queue was closed."""
        return self._op("QueueIsClosed")(self._queue_ref, name=name or f"{self._name}_Is_Closed")

    def size(self, name: str | None = None) -> Tensor:
        """How many rows there are."""
        return self._op("QueueSize")(self._queue_ref, name=name or f"{self._name}_Size")


# -- kinds -------------------------------------------------------------------------------------------------------


def _made(kind: str, types: list[DType], shapes: list[TensorShape] | None, shared_name: str | None, name: str,
          **more: Any) -> Tensor:  # fmt: skip
    return op_def(kind)(component_types=types, shapes=shapes or [], shared_name=shared_name or "", name=name, **more)


class FIFOQueue(QueueBase):
    """First in, first out. `capacity` rows at most; `shared_name` makes it the same queue for several nodes."""

    def __init__(
        self, capacity: int, dtypes: Any, shapes: Any = None, names: Any = None, shared_name: str | None = None,
        name: str = "fifo_queue",
    ):  # fmt: skip
        types, dims = as_types(dtypes), as_shapes(shapes)
        labels = _names(names, types)
        with get_default_graph().device("/device:CPU:*"):
            ref = _made("FIFOQueueV2", types, dims, shared_name, name, capacity=capacity)
        super().__init__(types, dims, labels, ref)


class PaddingFIFOQueue(QueueBase):
    """Rows of sizes that may differ where `shapes` have None; those taken together are padded with zeros."""

    def __init__(
        self, capacity: int, dtypes: Any, shapes: Any, names: Any = None, shared_name: str | None = None,
        name: str = "padding_fifo_queue",
    ):  # fmt: skip
        types, dims = as_types(dtypes), as_shapes(shapes, partial=True) or []
        labels = _names(names, types)
        if len(types) != len(dims):
            raise ValueError(
                f"Shapes must be provided for all components, but received {len(types)} dtypes and {len(dims)} shapes."
            )
        ref = _made("PaddingFIFOQueueV2", types, dims, shared_name, name, capacity=capacity)
        super().__init__(types, dims, labels, ref)


class PriorityQueue(QueueBase):
    """Gives the row of the smallest first component, an int64 scalar that `types` and `shapes` do not mention."""

    def __init__(
        self, capacity: int, types: Any, shapes: Any = None, names: Any = None, shared_name: str | None = None,
        name: str = "priority_queue",
    ):  # fmt: skip
        kinds, dims = as_types(types), as_shapes(shapes)
        if dims is None:
            raise TypeError("Expected list for 'shapes' argument to 'priority_queue_v2' Op, not None.")
        ref = _made("PriorityQueueV2", kinds, dims, shared_name, name, capacity=capacity)
        whole = None if dims is None else [TensorShape([]), *dims]
        super().__init__([int64, *kinds], whole, names, ref)


class RandomShuffleQueue(QueueBase):
    """Rows come out in random order; `min_after_dequeue` of them stay, so that there is something to choose from."""

    def __init__(
        self, capacity: int, min_after_dequeue: int, dtypes: Any, shapes: Any = None, names: Any = None,
        seed: int | None = None, shared_name: str | None = None, name: str = "random_shuffle_queue",
    ):  # fmt: skip
        types, dims = as_types(dtypes), as_shapes(shapes)
        labels = _names(names, types)
        first_seed, second = get_seed(seed)
        if seed is None and shared_name is not None and (first_seed, second) != (0, 0):
            # One queue for several graphs draws by what they have in common, which is its name.
            digest = hashlib.md5(f"{first_seed}{shared_name}".encode(), usedforsecurity=False).hexdigest()
            second = int(digest[:8], 16) & 0x7FFFFFFF
        ref = _made("RandomShuffleQueueV2", types, dims, shared_name, name, capacity=capacity,
                    min_after_dequeue=min_after_dequeue, seed=first_seed, seed2=second)  # fmt: skip
        super().__init__(types, dims, labels, ref)
