"""Batches: rows that several steps bring at about the same time are computed together, and taken apart again [W45].

    Batch          rows in; the step that came last gets the rows of all, the others get none
    Unbatch        the result of all, from whoever has it, to each the rows that are its own
    UnbatchGrad    gradients of those rows, put together again for the step that had all

    batch_index [K, 3]: a row (id, begin, end) for each of the K steps whose rows are in a batch

A batch is complete when `max_batch_size` rows are there, when the next rows would be too many, or
`batch_timeout_micros` after its first. It is filled up with its first row to one of `allowed_batch_sizes`. TensorFlow
has no gradient of Batch: `grad_timeout_micros` is for one who writes it, with UnbatchGrad.

Next: ops/readers.py.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.waiting import NOT_YET, Line

_MICRO = 1e-6


class _Batch:
    """One batch: the rows of each step that came, with its id."""

    def __init__(self) -> None:
        self.tasks: list[tuple[int, list[np.ndarray]]] = []
        self.closed = False

    @property
    def rows(self) -> int:
        return sum(len(values[0]) for _, values in self.tasks)

    def outputs(self, place: int, sizes: list[int]) -> list[Any]:
        """What the step at `place` gets: the last one everything, the others tensors without rows."""
        number, own = self.tasks[place]
        if place < len(self.tasks) - 1:
            return [*[v[:0] for v in own], np.zeros((0, 3), np.int64), np.array(number, np.int64)]
        padding = next((size for size in sizes if size >= self.rows), self.rows) - self.rows
        columns = list(zip(*[values for _, values in self.tasks], strict=True))
        whole = [np.concatenate([*column, *[column[0][:1]] * padding]) for column in columns]
        ends = np.cumsum([len(values[0]) for _, values in self.tasks])
        index = [[i, e - len(v[0]), e] for (i, v), e in zip(self.tasks, ends, strict=True)]
        return [*whole, np.array(index, np.int64), np.array(number, np.int64)]


class Batcher:
    """The open batch of each queue, and those who wait for one to be complete."""

    def __init__(self, most: int, sizes: list[int], micros: int):
        self.most, self.sizes, self.seconds = most, sizes, micros * _MICRO
        self.open: dict[str, _Batch] = {}
        self.line = Line(in_order=False)

    def bring(self, queue: str, values: list[np.ndarray]) -> Any:
        """Rows for a batch; what this step gets of it, when it is complete."""
        with self.line.lock:
            count = len(values[0])
            batch = self.open.get(queue)
            if batch is not None and batch.rows + count > self.most:
                self._close(queue, batch)
                batch = None
            if batch is None:
                batch = self.open[queue] = _Batch()
                timer = threading.Timer(self.seconds, self._close, (queue, batch))
                timer.daemon = True
                timer.start()
            place = len(batch.tasks)
            batch.tasks.append((random.getrandbits(63), [np.array(v) for v in values]))
            if batch.rows >= self.most:
                self._close(queue, batch)
        return self.line.serve(
            lambda: batch.outputs(place, self.sizes) if batch.closed else NOT_YET,
            lambda: f"a batch of {self.most} rows, which has {batch.rows}, waits for more",
            "the batch was called off",
        )

    def _close(self, queue: str, batch: _Batch) -> None:
        with self.line.lock:
            batch.closed = True
            if self.open.get(queue) is batch:
                del self.open[queue]
            self.line.changed()


class Parts:
    """Rows by the id of the step that is to have them, and those who wait for theirs."""

    def __init__(self) -> None:
        self.found: dict[int, np.ndarray] = {}
        self.line = Line(in_order=False)

    def add(self, parts: dict[int, np.ndarray]) -> None:
        with self.line.lock:
            self.found.update(parts)
            self.line.changed()

    def take(self, number: int, seconds: float) -> Any:
        """The rows of one step; DeadlineExceededError where they do not come in time."""
        deadline = time.monotonic() + seconds

        def attempt() -> Any:
            if number in self.found:
                timer.cancel()
                return self.found.pop(number)
            if time.monotonic() >= deadline:
                raise errors.DeadlineExceededError(None, None, "Batched data did not arrive within timeout window.")
            return NOT_YET

        timer = threading.Timer(seconds, self.line.changed)
        timer.daemon = True
        timer.start()
        return self.line.serve(attempt, lambda: f"the rows of step {number} of a batch", "Unbatch was called off")

    def take_all(self, numbers: list[int]) -> Any:
        """The rows of several steps, one below the other."""

        def attempt() -> Any:
            if not all(number in self.found for number in numbers):
                return NOT_YET
            return np.concatenate([self.found.pop(number) for number in numbers])

        return self.line.serve(attempt, lambda: f"gradients of {len(numbers)} steps", "UnbatchGrad was called off")


BATCH = define_op(
    "Batch", "in_tensors: T -> batched_tensors: T, batch_index: int64, id: int64",
    T=Attr("list(type)", minimum=1), num_batch_threads=Attr("int"), max_batch_size=Attr("int"),
    max_enqueued_batches=10, batch_timeout_micros=Attr("int"), allowed_batch_sizes=Attr("list(int)", default=[]),
    grad_timeout_micros=Attr("int"), container="", shared_name="", batching_queue="", stateful=True, source=("W45",),
)  # fmt: skip
UNBATCH = define_op(
    "Unbatch", "batched_tensor: T, batch_index: int64, id: int64 -> unbatched_tensor: T",
    T=Attr("type"), timeout_micros=Attr("int"), container="", shared_name="", stateful=True, source=("W45",),
)  # fmt: skip
UNBATCH_GRAD = define_op(
    "UnbatchGrad", "original_input: T, batch_index: int64, grad: T, id: int64 -> batched_grad: T",
    T=Attr("type"), container="", shared_name="", stateful=True, source=("W45",),
)  # fmt: skip
for _op in (BATCH, UNBATCH, UNBATCH_GRAD):
    _op.waits = _op.moves_bits = True
    _op.no_gradient_registered()


@BATCH.state
def _make_batcher(max_batch_size, allowed_batch_sizes, batch_timeout_micros):
    return Batcher(max_batch_size, allowed_batch_sizes, batch_timeout_micros)


@UNBATCH.state
@UNBATCH_GRAD.state
def _make_parts():
    return Parts()


@BATCH.kernel
def batch_kernel(in_tensors, batching_queue, max_batch_size, allowed_batch_sizes, state):
    """What a step gets of the batch; one that brings no rows gets none, at once."""
    if allowed_batch_sizes != sorted(set(allowed_batch_sizes)):
        raise ValueError("allowed_batch_sizes entries must be monotonically increasing")
    if allowed_batch_sizes and allowed_batch_sizes[-1] != max_batch_size:
        raise ValueError("final entry in allowed_batch_sizes must equal max_batch_size")
    if any(not v.ndim for v in in_tensors):
        raise ValueError("Batching input tensors must have at least one dimension.")
    count = len(in_tensors[0])
    if any(len(v) != count for v in in_tensors):
        raise ValueError(
            "Batching input tensors supplied in a given op invocation must have equal 0th-dimension size."
        )
    if count > max_batch_size:
        raise ValueError(f"Task size {count} is larger than maximum input batch size {max_batch_size}")
    if not count:
        return [*in_tensors, np.zeros(0, np.int64), np.array(0, np.int64)]
    return state.bring(batching_queue, in_tensors)


@UNBATCH.kernel
def unbatch_kernel(batched_tensor, batch_index, id, timeout_micros, state):
    if batch_index.ndim and len(batch_index) > len(batched_tensor):
        raise ValueError(
            "Wrong shape for index tensor. Expected 0th dimension size to be no greater than "
            f"{len(batched_tensor)}; Got: {len(batch_index)}."
        )
    if batch_index.ndim != 2 or batch_index.shape[1] != 3:
        got = batch_index.shape[1] if batch_index.ndim > 1 else 0
        raise ValueError(f"Wrong shape for index tensor. Expected 1st dimension size to be 3 ; Got: {got}.")
    sizes = [int(end - begin) for _, begin, end in batch_index]
    if sum(sizes) > len(batched_tensor):
        raise ValueError("Sum of split sizes must not exceed dim0-size of input tensor")
    if any(size < 0 for size in sizes):
        raise ValueError(f"a step of a batch cannot have {min(sizes)} rows")
    ends = np.cumsum(sizes)
    state.add({int(row[0]): batched_tensor[end - size : end]
               for row, size, end in zip(batch_index, sizes, ends, strict=True)})  # fmt: skip
    return state.take(int(id), timeout_micros * _MICRO)


@UNBATCH_GRAD.kernel
def unbatch_grad_kernel(original_input, batch_index, grad, id, state):
    """A step that had none of the rows gets none of the gradient; its part of it goes to the one that had all."""
    state.add({int(id): grad})
    if not original_input.size:
        return original_input
    expected = 3 * len(batch_index) if batch_index.ndim else 0
    if batch_index.size != expected:
        raise ValueError(f"batch_index should contain {expected} elements. Received {batch_index.size}")
    return state.take_all([int(row[0]) for row in batch_index])


@BATCH.shape
def _batch_shape(context: ShapeContext) -> list[shapes.Shape]:
    if context.building and () in context.list_dims("in_tensors"):
        raise ShapeError("Out of range dim_index 0 for shape with 0 dimensions: what is batched has rows")
    rows: list[shapes.Shape] = [None if d is None else (None, *d[1:]) for d in context.list_dims("in_tensors")]
    return [*rows, (None, 3), ()]


@UNBATCH.shape
def _unbatch_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("batched_tensor")
    return None if dims is None else (None, *dims[1:])


@UNBATCH_GRAD.shape
def _unbatch_grad_shape(context: ShapeContext) -> shapes.Shape:
    dims = context.dims("original_input")
    if dims is None and context.dims("grad") is not None:
        return (None,) * len(context.dims("grad") or ())
    return None if dims is None else (None, *dims[1:])


_ONE: dict[str, Any] = {"num_batch_threads": 1, "batch_timeout_micros": 1000, "grad_timeout_micros": 0}
_ROWS, _INDEX, _ID = np.array([3.0, 4.0], np.float32), np.array([[5, 0, 2]]), np.array(5)
BATCH.case("W45", "complete at once", in_tensors=[_ROWS], T=["float32"],
           max_batch_size=2, **_ONE, batched_tensors=[_ROWS])  # fmt: skip
BATCH.case("W45", "after a while; filled up with its first row", in_tensors=[_ROWS], T=["float32"], max_batch_size=3,
           **_ONE, allowed_batch_sizes=[3], batched_tensors=[np.array([3, 4, 3], np.float32)])  # fmt: skip
BATCH.case("W45", "more rows than there is room for", in_tensors=[_ROWS], T=["float32"], max_batch_size=1, **_ONE,
           error="Task size 2 is larger than maximum input batch size 1")  # fmt: skip
UNBATCH.case("W45", "a step's own rows", batched_tensor=_ROWS, batch_index=_INDEX, id=_ID, timeout_micros=0,
             unbatched_tensor=_ROWS)  # fmt: skip
UNBATCH.case("W45", "rows that never come", batched_tensor=_ROWS, batch_index=_INDEX, id=np.array(6), timeout_micros=0,
             error="Batched data did not arrive within timeout window")  # fmt: skip
UNBATCH_GRAD.case("W45", "of the only step", original_input=_ROWS, batch_index=_INDEX, grad=_ROWS, id=_ID,
                  batched_grad=_ROWS)  # fmt: skip
UNBATCH_GRAD.case("W45", "an index of pairs", original_input=_ROWS, batch_index=_INDEX[:, :2], grad=_ROWS, id=_ID,
                  error="batch_index should contain 3 elements. Received 2")  # fmt: skip
