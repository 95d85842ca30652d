"""Where input pipelines of 1.x begin: queues of names, numbers or rows, again and again, shuffled anew in each epoch.

    names = tf.train.string_input_producer([...], num_epochs=3)
    row, label = tf.train.slice_input_producer([rows, labels])

A limit of epochs is a local variable: run tf.local_variables_initializer(). After the last epoch the queue closes.

Next: compat/v1/batches.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from refflow.compat.v1 import summary
from refflow.compat.v1.queue import FIFOQueue
from refflow.compat.v1.queue_runner import QueueRunner, add_queue_runner
from refflow.compat.v1.variables import GraphKeys, Variable
from refflow.core.constants import constant_value
from refflow.core.control import with_dependencies
from refflow.core.convert import convert_n_to_tensor, convert_to_tensor, op_scope
from refflow.core.dtypes import float32, int64, string
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.cast import cast
from refflow.ops.constant import constant
from refflow.ops.messages import Assert
from refflow.ops.random import random_shuffle

__all__ = [
    "input_producer", "limit_epochs", "match_filenames_once", "range_input_producer", "slice_input_producer",
    "string_input_producer",
]  # fmt: skip


def match_filenames_once(pattern: Any, name: str | None = None) -> Variable:
    """A local variable of the names of the files that fit `pattern` when it is initialized."""
    with op_scope([], name, "matching_filenames") as scope:
        found = op_def("MatchingFiles")(convert_to_tensor(pattern, string))
        return Variable(found, trainable=False, validate_shape=False, collections=[GraphKeys.LOCAL_VARIABLES],
                        name=scope)  # fmt: skip


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: str | None = None) -> Any:
    """`tensor`, `num_epochs` times; then OutOfRangeError. The count is a local variable."""
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    with op_scope([], name, "limit_epochs") as scope:
        start = constant(0, int64)
        epochs = Variable(start, name="epochs", trainable=False, collections=[GraphKeys.LOCAL_VARIABLES])
        return with_dependencies([epochs.count_up_to(num_epochs)], convert_to_tensor(tensor), name=scope)


def input_producer(
    input_tensor: Any, element_shape: Any = None, num_epochs: int | None = None, shuffle: bool = True,
    seed: int | None = None, capacity: int = 32, shared_name: str | None = None, summary_name: str | None = None,
    name: str | None = None, cancel_op: Any = None,
) -> FIFOQueue:  # fmt: skip
    """A queue of the rows of `input_tensor`, and the thread that fills it.

    element_shape: of a row, where the tensor does not tell. summary_name: of a summary of how full the queue is.
    """
    with op_scope([], name, "input_producer"):
        rows = convert_to_tensor(input_tensor, name="input_tensor")
        shape = rows.get_shape()[1:] if rows.get_shape().ndims else rows.get_shape()
        shape = shape.merge_with(TensorShape(element_shape))
        if not shape.is_fully_defined():
            raise ValueError(
                "Either `input_tensor` must have a fully defined shape or `element_shape` must be specified"
            )
        if shuffle:
            rows = random_shuffle(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(capacity, [rows.dtype.base_dtype], [shape], shared_name=shared_name,
                          name=name or "FIFOQueueV2")  # fmt: skip
        add_queue_runner(QueueRunner(queue, [queue.enqueue_many([rows])], cancel_op=cancel_op))
        if summary_name is not None:
            say_how_full(queue.size(), summary_name, capacity)
        return queue


def say_how_full(size: Tensor, name: str, most: int) -> None:
    """A summary: `size` as a share of `most`."""
    share = cast(size, float32) * (1.0 / most)
    summary.scalar(name, share)


@contextmanager
def _scope(name: str | None) -> Any:
    """The scope of a producer, in whose place its queue stands."""
    with get_default_graph().name_scope("input_producer" if name is None else name) as full:
        yield full


def string_input_producer(
    string_tensor: Any, num_epochs: int | None = None, shuffle: bool = True, seed: int | None = None,
    capacity: int = 32, shared_name: str | None = None, name: str | None = None, cancel_op: Any = None,
) -> FIFOQueue:  # fmt: skip
    """A queue of the strings in `string_tensor`, for a reader to take file names from."""
    why = "string_input_producer requires a non-null input tensor"
    if not isinstance(string_tensor, (Tensor, Variable)) and not len(string_tensor):
        raise ValueError(why)
    with _scope(name) as scope:
        strings = convert_to_tensor(string_tensor, string)
        count = op_def("Size")(strings) if constant_value(strings) is None else constant(
            strings.get_shape().num_elements(), name="Size")  # fmt: skip
        with get_default_graph().control_dependencies([Assert(op_def("Greater")(count, 0), [why])]):
            strings = op_def("Identity")(strings)
        return input_producer(strings, [], num_epochs, shuffle, seed, capacity, shared_name,
                              f"fraction_of_{capacity}_full", scope, cancel_op)  # fmt: skip


def range_input_producer(
    limit: Any, num_epochs: int | None = None, shuffle: bool = True, seed: int | None = None, capacity: int = 32,
    shared_name: str | None = None, name: str | None = None,
) -> FIFOQueue:  # fmt: skip
    """A queue of the whole numbers from 0 up to `limit` - 1."""
    with _scope(name) as scope:
        numbers = op_def("Range")(0, limit, 1, name="range")
        return input_producer(numbers, [], num_epochs, shuffle, seed, capacity, shared_name,
                              f"fraction_of_{capacity}_full", scope)  # fmt: skip


def slice_input_producer(
    tensor_list: Sequence[Any], num_epochs: int | None = None, shuffle: bool = True, seed: int | None = None,
    capacity: int = 32, shared_name: str | None = None, name: str | None = None,
) -> list[Tensor]:  # fmt: skip
    """One row of each tensor, all of the same place; each step takes the next place from a queue."""
    with op_scope([], name, "input_producer"):
        tensors = convert_n_to_tensor(tensor_list)
        if not tensors:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        shape = op_def("Shape")(tensors[0])
        count = op_def("StridedSlice")(shape, [0], [1], [1], shrink_axis_mask=1)
        at = range_input_producer(count, num_epochs, shuffle, seed, capacity, shared_name).dequeue()
        return [op_def("GatherV2")(t, at, 0) for t in tensors]
