"""Input pipelines: queues between readers and a training step, and threads that keep them filled [S56, W44, W45, W46].

    names = string_input_producer([...])              names of files, shuffled anew in each epoch
    key, value = TextLineReader().read(names)         records
    x, y = decode_csv(value, ...)                     examples
    xs, ys = shuffle_batch([x, y], 32, ...)           batches

Each function adds a queue, a QueueRunner that fills it, and a summary of how full it is. Nothing moves until
`start_queue_runners`; after the last epoch the queues close, and a step that finds nothing left is an OutOfRangeError.

Next: train/queue_runner.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refflow.core.control import with_dependencies
from refflow.core.convert import convert_n_to_tensor, convert_to_tensor, op_scope
from refflow.core.dtypes import DType, float32, int64, string
from refflow.core.graph import Tensor
from refflow.core.shapes import TensorShape
from refflow.ops.cast import cast
from refflow.ops.constant import constant
from refflow.ops.data_flow import FIFOQueue, QueueBase, RandomShuffleQueue
from refflow.ops.elementwise import MAXIMUM
from refflow.ops.gather import gather
from refflow.ops.io_functions import match_filenames_once
from refflow.ops.random import random_shuffle
from refflow.ops.range import range_
from refflow.ops.summary import scalar_summary
from refflow.ops.variable import Variable
from refflow.train.queue_runner import QueueRunner, add_queue_runner

__all__ = [
    "batch", "batch_join", "limit_epochs", "match_filenames_once", "range_input_producer", "shuffle_batch",
    "shuffle_batch_join", "slice_input_producer", "string_input_producer",
]  # fmt: skip

# -- producers: a queue of what to read --------------------------------------------------------------------------


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Tensor:
    """`tensor`, `num_epochs` times; then OutOfRangeError. The count is a variable, which has to be initialized."""
    tensor = convert_to_tensor(tensor)
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    with op_scope([tensor], name, "limit_epochs") as scope:
        epochs = Variable(constant(0, int64), name="epochs", trainable=False)
        return with_dependencies([epochs.count_up_to(num_epochs)], tensor, name=scope)


def _producer(
    values: Tensor, dtype: DType, num_epochs: int | None, shuffle: bool, seed: int | None, capacity: int, scope: str,
    what: str,
) -> FIFOQueue:  # fmt: skip
    """A queue of the rows of `values`, again and again, shuffled anew each time."""
    if shuffle:
        values = random_shuffle(values, seed=seed)
    values = limit_epochs(values, num_epochs)
    queue = FIFOQueue(capacity, [dtype], [values.get_shape()[1:]], name=scope.rstrip("/").rpartition("/")[2])
    add_queue_runner(QueueRunner(queue, [queue.enqueue_many([values])]))
    _say_how_full(queue, f"{what}_of_{capacity}_full", 0, capacity)
    return queue


def _say_how_full(queue: QueueBase, label: str, least: int, most: int) -> None:
    """A summary: the rows beyond `least` as a share of `most`."""
    beyond = cast(MAXIMUM(0, queue.size() - least) if least else queue.size(), float32)
    scalar_summary(f"queue/{queue.name}/{label}", beyond * (1.0 / most))


def string_input_producer(
    string_tensor: Any, num_epochs: int | None = None, shuffle: bool = True, seed: int | None = None,
    capacity: int = 32, name: str | None = None,
) -> FIFOQueue:  # fmt: skip
    """A queue of the strings in `string_tensor`, for a reader to take file names from."""
    if isinstance(string_tensor, (list, tuple)) and not string_tensor:
        raise ValueError("string_input_producer requires a non-null input tensor")
    with op_scope([], name, "input_producer") as scope:
        strings = convert_to_tensor(string_tensor, string)
        return _producer(strings, string, num_epochs, shuffle, seed, capacity, scope, "fraction")


def range_input_producer(
    limit: Any, num_epochs: int | None = None, shuffle: bool = True, seed: int | None = None, capacity: int = 32,
    name: str | None = None,
) -> FIFOQueue:  # fmt: skip
    """A queue of the whole numbers from 0 up to `limit` - 1."""
    with op_scope([], name, "input_producer") as scope:
        numbers = range_(0, limit, 1)
        return _producer(numbers, numbers.dtype, num_epochs, shuffle, seed, capacity, scope, "fraction")


def slice_input_producer(
    tensor_list: Sequence[Any], num_epochs: int | None = None, shuffle: bool = True, seed: int | None = None,
    capacity: int = 32, name: str | None = None,
) -> list[Tensor]:  # fmt: skip
    """One row of each tensor, all of the same place; each step takes the next place from a queue."""
    with op_scope([], name, "input_producer"):
        tensors = convert_n_to_tensor(tensor_list)
        if not tensors:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        rows = tensors[0].get_shape()[0].value
        if rows is None:
            raise ValueError("slice_input_producer must know how many rows the first tensor has")
        places = range_input_producer(rows, num_epochs, shuffle, seed, capacity)
        at = places.dequeue()
        return [gather(t, at) for t in tensors]


# -- batches -----------------------------------------------------------------------------------------------------


def _element_shapes(tensors: Sequence[Sequence[Tensor]], shapes: Any, enqueue_many: bool) -> list[TensorShape]:
    """The shapes of one row: those given, or what all the lists of tensors have in common."""
    if shapes is not None:
        return [TensorShape(s) for s in shapes]
    found = []
    for column in zip(*tensors, strict=True):
        shape = column[0].get_shape()
        for other in column[1:]:
            shape = shape.merge_with(other.get_shape())
        found.append(shape.with_rank_at_least(1)[1:] if enqueue_many else shape)
    if not all(s.is_fully_defined() for s in found):
        given = ", ".join(map(str, found))
        raise ValueError(f"All shapes must be fully defined: {given}. Give shapes, or use set_shape()")
    return found


def _lists(tensor_list_list: Sequence[Sequence[Any]]) -> tuple[list[list[Tensor]], list[DType]]:
    lists = [convert_n_to_tensor(tensors) for tensors in tensor_list_list]
    if not lists or not lists[0]:
        raise ValueError("there must be at least one tensor to batch")
    types = [t.dtype.base_dtype for t in lists[0]]
    for tensors in lists[1:]:
        if [t.dtype.base_dtype for t in tensors] != types:
            raise TypeError(f"all lists must hold the same types, expected {', '.join(t.name for t in types)}")
    return lists, types


def _filled(queue: QueueBase, lists: Sequence[Sequence[Tensor]], threads: int, enqueue_many: bool) -> QueueBase:
    """`queue` with a runner: an enqueue for each list, each run by `threads` threads."""
    add = queue.enqueue_many if enqueue_many else queue.enqueue
    add_queue_runner(QueueRunner(queue, [op for op in map(add, lists) for _ in range(threads)]))
    return queue


def batch(
    tensor_list: Sequence[Any], batch_size: int, num_threads: int = 1, capacity: int = 32, enqueue_many: bool = False,
    shapes: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """`batch_size` examples stacked, in order if one thread fills the queue; what is left of an epoch is dropped.

    tensor_list: the tensors of one example, or of many where enqueue_many says so. Returns a list of tensors, or the
    tensor if it is one.
    """
    return _batched([tensor_list], batch_size, capacity, num_threads, enqueue_many, shapes, name, "batch")


def batch_join(
    tensor_list_list: Sequence[Sequence[Any]], batch_size: int, capacity: int = 32, enqueue_many: bool = False,
    shapes: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `batch`, of examples from several lists of tensors, each with a thread of its own."""
    return _batched(tensor_list_list, batch_size, capacity, 1, enqueue_many, shapes, name, "batch_join")


def _batched(
    lists: Sequence[Sequence[Any]], batch_size: int, capacity: int, threads: int, enqueue_many: bool, shapes: Any,
    name: str | None, default_name: str,
) -> Any:  # fmt: skip
    with op_scope([], name, default_name) as scope:
        tensors, types = _lists(lists)
        queue = FIFOQueue(capacity, types, _element_shapes(tensors, shapes, enqueue_many))
        _filled(queue, tensors, threads, enqueue_many)
        _say_how_full(queue, f"fraction_of_{capacity}_full", 0, capacity)
        return queue.dequeue_many(batch_size, name=scope)


def shuffle_batch(
    tensor_list: Sequence[Any], batch_size: int, capacity: int, min_after_dequeue: int, num_threads: int = 1,
    seed: int | None = None, enqueue_many: bool = False, shapes: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """`batch_size` examples drawn at random from a queue in which more than `min_after_dequeue` stay to choose from."""
    return _shuffled([tensor_list], batch_size, capacity, min_after_dequeue, num_threads, seed, enqueue_many, shapes,
                     name, "shuffle_batch")  # fmt: skip


def shuffle_batch_join(
    tensor_list_list: Sequence[Sequence[Any]], batch_size: int, capacity: int, min_after_dequeue: int,
    seed: int | None = None, enqueue_many: bool = False, shapes: Any = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `shuffle_batch`, of examples from several lists of tensors, each with a thread of its own."""
    return _shuffled(tensor_list_list, batch_size, capacity, min_after_dequeue, 1, seed, enqueue_many, shapes, name,
                     "shuffle_batch_join")  # fmt: skip


def _shuffled(
    lists: Sequence[Sequence[Any]], batch_size: int, capacity: int, least: int, threads: int, seed: int | None,
    enqueue_many: bool, shapes: Any, name: str | None, default_name: str,
) -> Any:  # fmt: skip
    with op_scope([], name, default_name) as scope:
        tensors, types = _lists(lists)
        dims = _element_shapes(tensors, shapes, enqueue_many)
        queue = RandomShuffleQueue(capacity, least, types, dims, seed=seed)
        _filled(queue, tensors, threads, enqueue_many)
        label = f"fraction_over_{least}_of_{capacity - least}_full"
        _say_how_full(queue, label, least, max(capacity - least, 1))
        return queue.dequeue_many(batch_size, name=scope)
