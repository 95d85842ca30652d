"""Names that only `ops.data_flow_ops` had: barriers, record inputs, and a queue that a GPU might hold.

    barrier = Barrier((tf.string, tf.int32), shapes=((), ()))
    barrier.insert_many(0, keys=["k1", "k2"], values=["a", "b"])
    indices, keys, (words, numbers) = barrier.take_many(2)

Next: compat/shadow/staging.py.
"""

from __future__ import annotations

from typing import Any, NoReturn

from refflow.compat.shadow.staging import BaseStagingArea, MapStagingArea, StagingArea
from refflow.compat.v1.queue import FIFOQueue, as_shapes, as_types
from refflow.compat.v1.records import TFRecordOptions
from refflow.core.constants import constant_value
from refflow.core.convert import op_scope
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape, unknown_shape

__all__ = [
    "Barrier", "BaseStagingArea", "GPUCompatibleFIFOQueue", "MapStagingArea", "RecordInput", "StagingArea",
]  # fmt: skip


class GPUCompatibleFIFOQueue(FIFOQueue):
    """A FIFOQueue of one row at a time."""

    def enqueue_many(self, vals: Any, name: str | None = None) -> NoReturn:
        raise NotImplementedError(
            "GPUCompatibleFIFOQueue does not support enqueue_many or dequeue_many, only enqueue and dequeue."
        )

    def dequeue_many(self, n: Any, name: str | None = None) -> NoReturn:
        self.enqueue_many(n, name)


class Barrier:
    """Rows by key, whose components of `types` and `shapes` come at different times [W45]."""

    def __init__(self, types: Any, shapes: Any = None, shared_name: str | None = None, name: str = "barrier"):
        self._types = as_types(types)
        self._shapes = as_shapes(shapes) or [unknown_shape()] * len(self._types)
        for i, shape in enumerate(self._shapes):
            if 0 in (shape.as_tuple or ()):
                raise ValueError(f"Empty tensors are not supported, but received shape '{shape}' at index {i}")
        self._barrier_ref = op_def("Barrier")(component_types=self._types, shapes=self._shapes,
                                              shared_name=shared_name or "", name=name)  # fmt: skip
        self._name = self._barrier_ref.op.name.rpartition("/")[2]

    @property
    def barrier_ref(self) -> Tensor:
        return self._barrier_ref

    @property
    def name(self) -> str:
        return self._barrier_ref.op.name

    def _op(self, kind: str, name: str | None, *inputs: Any, **attrs: Any) -> Any:
        return op_def(kind)(self._barrier_ref, *inputs, name=name or f"{self._name}_{kind}", **attrs)

    def insert_many(self, component_index: int, keys: Any, values: Any, name: str | None = None) -> Operation:
        """Gives each of `keys` its value of one component. A key has each component once."""
        return self._op("BarrierInsertMany", name, keys, values, component_index=component_index)

    def take_many(
        self, num_elements: Any, allow_small_batch: bool = False, timeout: int | None = None, name: str | None = None
    ) -> Any:
        """Indices, keys and values of `num_elements` complete rows; waits for them.

        allow_small_batch: once the barrier is closed, fewer rows suffice. An index is the number of the insert that
        began the row, from -2**63 on.
        """
        found = self._op("BarrierTakeMany", name, num_elements, component_types=self._types,
                         allow_small_batch=allow_small_batch, timeout_ms=-1 if timeout is None else timeout)
        op = found[0].op
        known = None if allow_small_batch else constant_value(op.inputs[1])
        rows = TensorShape([None if known is None else int(known)])
        for tensor, shape in zip(op.outputs, [TensorShape([]), TensorShape([]), *self._shapes], strict=True):
            tensor.set_shape(rows.concatenate(shape))
        return found

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> Operation:
        """No new keys; those that are begun may be completed, unless they are cancelled too."""
        return self._op("BarrierClose", name, cancel_pending_enqueues=cancel_pending_enqueues)

    def ready_size(self, name: str | None = None) -> Tensor:
        """How many rows are complete, int32."""
        return self._op("BarrierReadySize", name)

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many rows are begun, int32."""
        return self._op("BarrierIncompleteSize", name)


class RecordInput:
    """Batches of records of all files that match a pattern, mixed.

    batches: how many batches of `batch_size` to give at once, each a list of scalars; None for one tensor.
    """

    def __init__(
        self, file_pattern: str, batch_size: int = 1, buffer_size: int = 1, parallelism: int = 1,
        shift_ratio: float = 0, seed: int = 0, name: str | None = None, batches: int | None = None,
        compression_type: Any = None,
    ):  # fmt: skip
        self._name, self._batches = name, batches
        self._batch_size = batch_size * (1 if batches is None else batches)
        self._attrs = {
            "file_pattern": file_pattern, "file_buffer_size": buffer_size, "file_parallelism": parallelism,
            "file_shuffle_shift_ratio": shift_ratio, "batch_size": self._batch_size, "file_random_seed": seed,
            "compression_type": TFRecordOptions.get_compression_type_string(TFRecordOptions(compression_type)),
        }  # fmt: skip

    def get_yield_op(self) -> Any:
        """A tensor of records, or a list for each of the batches: a new set at each run."""
        records = op_def("RecordInput")(name=self._name, **self._attrs)
        if self._batches is None:
            return records
        with op_scope([], self._name, "record_input"):
            each = op_def("Split")(0, records, num_split=self._batch_size)
            scalars = [op_def("Reshape")(record, []) for record in each]
        return [scalars[i :: self._batches] for i in range(self._batches)]
