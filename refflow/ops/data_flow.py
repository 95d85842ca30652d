"""Queues as a program sees them: an object with methods that add nodes [W45].

Next: train/queue_runner.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, as_dtype
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape, unknown_shape
from refflow.ops.random import get_seed


class QueueBase:
    """Rows of tensors of types `dtypes`, and of `shapes` where they are given."""

    def __init__(self, dtypes: Sequence[Any], shapes: Sequence[Any] | None, queue_ref: Tensor):
        self._dtypes = [as_dtype(d) for d in dtypes]
        if shapes is not None and len(shapes) != len(self._dtypes):
            raise ValueError(f"shapes has {len(shapes)} entries for {len(self._dtypes)} types")
        self._shapes = [unknown_shape()] * len(self._dtypes) if shapes is None else [TensorShape(s) for s in shapes]
        self._given = shapes is not None
        self._queue_ref = queue_ref
        self._name = queue_ref.op.name.rpartition("/")[2]  # without the scopes, which its nodes are in anyway

    @staticmethod
    def from_list(index: Any, queues: Sequence[QueueBase]) -> QueueBase:
        """The queue of the list whose number `index` is when the step runs; all hold the same types."""
        if not queues or not isinstance(queues, (list, tuple)) or not all(isinstance(q, QueueBase) for q in queues):
            raise TypeError(f"A list of queues expected, got {queues!r}")
        if any(q.dtypes != queues[0].dtypes for q in queues):
            raise TypeError("Queues do not have matching component dtypes.")
        return QueueBase(queues[0].dtypes, None, op_def("RefSelect")(index, [q.queue_ref for q in queues]))

    @property
    def queue_ref(self) -> Tensor:
        return self._queue_ref

    @property
    def name(self) -> str:
        return self._queue_ref.op.name

    @property
    def dtypes(self) -> list[DType]:
        return list(self._dtypes)

    def _components(self, vals: Any, many: bool) -> list[Tensor]:
        given = list(vals) if isinstance(vals, (list, tuple)) else [vals]
        if len(given) != len(self._dtypes):
            raise ValueError(f"{self._name} takes {len(self._dtypes)} tensors, got {len(given)}")
        tensors = []
        for i, (value, dtype, shape) in enumerate(zip(given, self._dtypes, self._shapes, strict=True)):
            tensor = convert_to_tensor(value, dtype, f"component_{i}")
            have = tensor.get_shape()
            if many and have.ndims == 0:
                raise ValueError(f"{self._name}: component {i} has no rows")
            row = (
                TensorShape(have.as_list()[1:])
                if many and have.ndims is not None
                else unknown_shape()
                if many
                else have
            )
            row.assert_is_compatible_with(shape)
            tensors.append(tensor)
        return tensors

    def enqueue(self, vals: Any, name: str | None = None) -> Operation:
        """Adds one row; waits while the queue is full."""
        with op_scope([self._queue_ref], name, f"{self._name}_enqueue") as scope:
            return op_def("QueueEnqueue")(self._queue_ref, self._components(vals, False), name=scope)

    def enqueue_many(self, vals: Any, name: str | None = None) -> Operation:
        """Adds each row of tensors that have one more axis in front."""
        with op_scope([self._queue_ref], name, f"{self._name}_EnqueueMany") as scope:
            return op_def("QueueEnqueueMany")(self._queue_ref, self._components(vals, True), name=scope)

    def _results(self, found: list[Tensor], count: int | None = None, rows: bool = False) -> Any:
        for tensor, shape in zip(found, self._shapes, strict=True):
            dims = shape.as_tuple
            if dims is not None:
                tensor.set_shape([count, *dims] if rows else list(dims))
        return found[0] if len(found) == 1 else found

    def dequeue(self, name: str | None = None) -> Any:
        """One row, a tensor or a list of them; waits while the queue is empty."""
        found = op_def("QueueDequeue")(
            self._queue_ref, component_types=self._dtypes, name=name or f"{self._name}_Dequeue"
        )
        return self._results(found)

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """`n` rows laid together; waits until there are so many."""
        from refflow.core.constants import constant_value

        name = name or f"{self._name}_DequeueMany"
        found = op_def("QueueDequeueMany")(self._queue_ref, n, component_types=self._dtypes, name=name)
        known = constant_value(found[0].op.inputs[1])
        return self._results(found, None if known is None else int(known), rows=True)

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """No more rows may be added; those that are there may still be taken."""
        return op_def("QueueClose")(self._queue_ref, cancel_pending_enqueues=cancel_pending_enqueues,
                                    name=name or f"{self._name}_Close")  # fmt: skip

    def size(self, name: str | None = None) -> Tensor:
        """How many rows there are."""
        return op_def("QueueSize")(self._queue_ref, name=name or f"{self._name}_Size")


def _listed(dtypes: Any, shapes: Any) -> tuple[list[DType], Any]:
    """Lists of types and of shapes; one of each may be given without a list around it."""
    types = [as_dtype(d) for d in dtypes] if isinstance(dtypes, (list, tuple)) else [as_dtype(dtypes)]
    if shapes is None:
        return types, None
    is_one = isinstance(shapes, TensorShape) or all(isinstance(s, int) for s in shapes)
    return types, [shapes] if is_one else list(shapes)


class FIFOQueue(QueueBase):
    """First in, first out. `capacity` rows at most; `shared_name` makes it the same queue for several nodes."""

    def __init__(
        self, capacity: int, dtypes: Any, shapes: Any = None, shared_name: str | None = None, name: str = "fifo_queue"
    ):
        types, dims = _listed(dtypes, shapes)
        ref = op_def("FIFOQueue")(
            component_types=types, shapes=[TensorShape(s) for s in dims or []], capacity=capacity,
            shared_name=shared_name or "", name=name,
        )  # fmt: skip
        super().__init__(types, dims, ref)


class RandomShuffleQueue(QueueBase):
    """Rows come out in random order; `min_after_dequeue` of them stay, so that there is something to choose from."""

    def __init__(
        self, capacity: int, min_after_dequeue: int, dtypes: Any, shapes: Any = None, seed: int | None = None,
        shared_name: str | None = None, name: str = "random_shuffle_queue",
    ):  # fmt: skip
        types, dims = _listed(dtypes, shapes)
        first, second = get_seed(seed)
        ref = op_def("RandomShuffleQueue")(
            component_types=types, shapes=[TensorShape(s) for s in dims or []], capacity=capacity,
            min_after_dequeue=min_after_dequeue, seed=first, seed2=second, shared_name=shared_name or "", name=name,
        )  # fmt: skip
        super().__init__(types, dims, ref)
