"""Batches of 1.x: examples go into a queue one by one, or many at a time, and come out stacked.

    xs, ys = tf.train.shuffle_batch([x, y], 32, capacity=1000, min_after_dequeue=500)
    found = tf.train.batch({"x": x, "words": sparse}, 32, dynamic_pad=True)

    batch            in order            of one list of tensors, by `num_threads` threads
    shuffle_batch    at random           of which more than min_after_dequeue stay
    ..._join         from several lists, each with a thread of its own
    maybe_...        only where `keep_input` says so: a bool, or one for each row with enqueue_many

Tensors come as a list or by names, and so do their batches. Sparse tensors are kept aside, and handles to them queued.

Next: compat/v1/sparse_batches.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from refflow.compat.v1.input import say_how_full
from refflow.compat.v1.queue import FIFOQueue, PaddingFIFOQueue, QueueBase, RandomShuffleQueue
from refflow.compat.v1.queue_runner import QueueRunner, add_queue_runner
from refflow.compat.v1.sparse_batches import restore, store
from refflow.compat.v1.sparse_tensor import as_sparse, is_sparse
from refflow.core.constants import constant_value
from refflow.core.control import no_op
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, bool_, int32
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.cast import cast
from refflow.ops.conditionals import cond

__all__ = [
    "batch", "batch_join", "maybe_batch", "maybe_batch_join", "maybe_shuffle_batch", "maybe_shuffle_batch_join",
    "shuffle_batch", "shuffle_batch_join",
]  # fmt: skip

# -- what comes in -----------------------------------------------------------------------------------------------


def in_order(tensors: Any) -> list[Any]:
    """The values of a dictionary by the names in their order; or a list as it is."""
    return [tensors[key] for key in sorted(tensors, key=str)] if isinstance(tensors, Mapping) else list(tensors)


def _lists(given: Sequence[Any], who: str) -> list[list[Any]]:
    """Each list as tensors, dense or sparse."""
    if not given:
        raise ValueError("Expected at least one set of tensors")
    if isinstance(given[0], Mapping) and any(set(each) != set(given[0]) for each in given):
        raise ValueError("All dictionaries in tensors_list must have the same keys")
    found = [[_tensor(t) for t in in_order(each)] for each in given]
    if not found[0]:
        raise ValueError(f"Expected at least one tensor in {who.removeprefix('shuffle_')}().")
    if len({len(each) for each in found}) > 1:
        raise ValueError(f"All lists of {who}() must hold as many tensors")
    return found


def _tensor(value: Any) -> Any:
    return as_sparse(value) if is_sparse(value) else convert_to_tensor(value)


def _keep(keep_input: Any, enqueue_many: bool) -> Tensor:
    keep = convert_to_tensor(keep_input, bool_)
    rank = keep.get_shape().ndims
    if rank is None:
        raise ValueError("`keep_input` dimensions must be known at graph construction.")
    if not enqueue_many and rank == 1:
        raise ValueError("`keep_input` cannot be a vector when `enqueue_many=False`.")
    if rank > 1:
        raise ValueError("`keep_input` must be 0 or 1 dimensions.")
    return keep


def _types(lists: list[list[Tensor]]) -> list[DType]:
    """The types of all lists, which are the same."""
    types = [[t.dtype.base_dtype for t in each] for each in lists]
    for other in types[1:]:
        if other != types[0]:
            raise TypeError(
                "Expected types to be consistent: " + " vs. ".join(", ".join(t.name for t in each) for each in types)
            )
    return types[0]


def _shapes(lists: list[list[Tensor]], shapes: Any, enqueue_many: bool) -> list[TensorShape]:
    """The shapes of one row: those given, or what all lists agree on."""
    if shapes is not None:
        return list(shapes)
    found = []
    for column in zip(*lists, strict=True):
        for tensor in column:
            if tensor.get_shape().ndims is None:
                raise ValueError(f"Cannot infer Tensor's rank: {tensor}")
        dims = [t.get_shape().with_rank_at_least(1)[1:] if enqueue_many else t.get_shape() for t in column]
        merged = dims[0]
        for other in dims[1:]:
            merged = merged.merge_with(other)
        found.append(merged)
    return found


# -- filling the queue -------------------------------------------------------------------------------------------


def _enqueue(queue: QueueBase, tensors: list[Tensor], enqueue_many: bool, keep: Tensor) -> Any:
    """What puts one list of tensors into the queue, where `keep` says so."""
    put = queue.enqueue_many if enqueue_many else queue.enqueue
    if keep.get_shape().ndims == 1:
        side = cast(keep, int32)
        return put([op_def("DynamicPartition")(t, side, num_partitions=2)[1] for t in tensors])
    known = constant_value(keep)
    if known is not None:
        return put(tensors) if known else no_op()
    return cond(keep, lambda: put(tensors), no_op)


def _piped(
    given: Sequence[Any], keep_input: Any, batch_size: Any, threads: int, make: Any, many: bool, shapes: Any,
    small: bool, name: str | None, who: str, least: int | None = None, capacity: int = 0,
) -> Any:  # fmt: skip
    """The pipeline: what is given, a queue that `make` makes of types and shapes, its runner, batches of its rows."""
    with op_scope([], name, who) as scope:
        lists = _lists(given, who)
        keep = _keep(keep_input, many)
        dense, kept = store(lists, many, keep)
        queue = make(_types(dense), _shapes(dense, shapes, many))
        fills = [_enqueue(queue, tensors, many, keep) for tensors in dense]
        add_queue_runner(QueueRunner(queue, fills * threads))
        if least is None:
            say_how_full(queue.size(), f"fraction_of_{capacity}_full", capacity)
        else:
            beyond = op_def("Maximum")(0, queue.size() - least)
            say_how_full(beyond, f"fraction_over_{least}_of_{capacity - least}_full", capacity - least)
        found = queue.dequeue_up_to(batch_size, name=scope) if small else queue.dequeue_many(batch_size, name=scope)
        return as_given(given[0], restore(found if isinstance(found, list) else [found], kept))


def as_given(given: Any, found: list[Any]) -> Any:
    """Values in a dictionary where such a one was given; one that is alone as it is."""
    if isinstance(given, Mapping):
        return dict(zip(sorted(given, key=str), found, strict=True))
    return found[0] if len(found) == 1 else found


def _fifo(capacity: int, dynamic_pad: bool, shared_name: str | None) -> Any:
    kind: Any = PaddingFIFOQueue if dynamic_pad else FIFOQueue
    return lambda types, dims: kind(capacity, types, dims, shared_name=shared_name)


def _random(capacity: int, least: int, seed: int | None, shared_name: str | None) -> Any:
    if capacity <= least:
        raise ValueError(f"capacity {capacity} must be bigger than min_after_dequeue {least}.")
    return lambda types, dims: RandomShuffleQueue(capacity, least, types, dims, seed=seed, shared_name=shared_name)


# -- the functions -----------------------------------------------------------------------------------------------


def maybe_batch(
    tensors: Any, keep_input: Any, batch_size: Any, num_threads: int = 1, capacity: int = 32,
    enqueue_many: bool = False, shapes: Any = None, dynamic_pad: bool = False, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `batch`, of those examples for which `keep_input` is true."""
    return _piped([tensors], keep_input, batch_size, num_threads, _fifo(capacity, dynamic_pad, shared_name),
                  enqueue_many, shapes, allow_smaller_final_batch, name, "batch", capacity=capacity)  # fmt: skip


def batch(
    tensors: Any, batch_size: Any, num_threads: int = 1, capacity: int = 32, enqueue_many: bool = False,
    shapes: Any = None, dynamic_pad: bool = False, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """`batch_size` examples stacked, in order if one thread fills the queue.

    enqueue_many: each tensor holds many examples. dynamic_pad: sizes may differ, and are padded. What is left of an
    epoch is dropped, unless allow_smaller_final_batch.
    """
    return maybe_batch(tensors, True, batch_size, num_threads, capacity, enqueue_many, shapes, dynamic_pad,
                       allow_smaller_final_batch, shared_name, name)  # fmt: skip


def maybe_batch_join(
    tensors_list: Sequence[Any], keep_input: Any, batch_size: Any, capacity: int = 32, enqueue_many: bool = False,
    shapes: Any = None, dynamic_pad: bool = False, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `batch_join`, of those examples for which `keep_input` is true."""
    return _piped(tensors_list, keep_input, batch_size, 1, _fifo(capacity, dynamic_pad, shared_name), enqueue_many,
                  shapes, allow_smaller_final_batch, name, "batch_join", capacity=capacity)  # fmt: skip


def batch_join(
    tensors_list: Sequence[Any], batch_size: Any, capacity: int = 32, enqueue_many: bool = False, shapes: Any = None,
    dynamic_pad: bool = False, allow_smaller_final_batch: bool = False, shared_name: str | None = None,
    name: str | None = None,
) -> Any:  # fmt: skip
    """As `batch`, of examples from several lists of tensors, each with a thread of its own."""
    return maybe_batch_join(tensors_list, True, batch_size, capacity, enqueue_many, shapes, dynamic_pad,
                            allow_smaller_final_batch, shared_name, name)  # fmt: skip


def maybe_shuffle_batch(
    tensors: Any, batch_size: Any, capacity: int, min_after_dequeue: int, keep_input: Any, num_threads: int = 1,
    seed: int | None = None, enqueue_many: bool = False, shapes: Any = None, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `shuffle_batch`, of those examples for which `keep_input` is true."""
    return _piped([tensors], keep_input, batch_size, num_threads,
                  _random(capacity, min_after_dequeue, seed, shared_name), enqueue_many, shapes,
                  allow_smaller_final_batch, name, "shuffle_batch", min_after_dequeue, capacity)  # fmt: skip


def shuffle_batch(
    tensors: Any, batch_size: Any, capacity: int, min_after_dequeue: int, num_threads: int = 1,
    seed: int | None = None, enqueue_many: bool = False, shapes: Any = None, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """`batch_size` examples drawn at random from a queue in which more than `min_after_dequeue` stay to choose from."""
    return maybe_shuffle_batch(tensors, batch_size, capacity, min_after_dequeue, True, num_threads, seed, enqueue_many,
                               shapes, allow_smaller_final_batch, shared_name, name)  # fmt: skip


def maybe_shuffle_batch_join(
    tensors_list: Sequence[Any], batch_size: Any, capacity: int, min_after_dequeue: int, keep_input: Any,
    seed: int | None = None, enqueue_many: bool = False, shapes: Any = None, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `shuffle_batch_join`, of those examples for which `keep_input` is true."""
    return _piped(tensors_list, keep_input, batch_size, 1, _random(capacity, min_after_dequeue, seed, shared_name),
                  enqueue_many, shapes, allow_smaller_final_batch, name, "shuffle_batch_join", min_after_dequeue,
                  capacity)  # fmt: skip


def shuffle_batch_join(
    tensors_list: Sequence[Any], batch_size: Any, capacity: int, min_after_dequeue: int, seed: int | None = None,
    enqueue_many: bool = False, shapes: Any = None, allow_smaller_final_batch: bool = False,
    shared_name: str | None = None, name: str | None = None,
) -> Any:  # fmt: skip
    """As `shuffle_batch`, of examples from several lists of tensors, each with a thread of its own."""
    return maybe_shuffle_batch_join(tensors_list, batch_size, capacity, min_after_dequeue, True, seed, enqueue_many,
                                    shapes, allow_smaller_final_batch, shared_name, name)  # fmt: skip
