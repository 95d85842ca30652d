"""Readers: nodes that take file names from a queue and give out records, one a step [W44].

    names ---> queue ---> ReaderRead ---> key, value
                            ^
                          TextLineReader, TFRecordReader, ...       the state, behind a handle

The first release's handle is a reference to a string, that of later releases (names that end in V2) a resource.

Next: ops/save_restore.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import resource
from refflow.core.errors import ShapeError
from refflow.core.graph import Operation, Tensor
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import OpDef, define_op
from refflow.core.registry import op_def
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import REQUIRED, Attr
from refflow.core.waiting import then
from refflow.ops.reader_states import (
    FixedLengthRecordReaderState,
    IdentityReaderState,
    ReaderState,
    Record,
    TextLineReaderState,
    TFRecordReaderState,
    WholeFileReaderState,
)
from refflow.ops.strings import strings

# -- making readers ----------------------------------------------------------------------------------

_SIZES: dict[str, Any] = {
    "header_bytes": 0, "record_bytes": Attr("int", default=REQUIRED), "footer_bytes": 0, "hop_bytes": 0
}  # fmt: skip
_KINDS: tuple[tuple[type[ReaderState], dict[str, Any], dict[str, Any]], ...] = (
    (TextLineReaderState, {"skip_header_lines": 0}, {}),
    (FixedLengthRecordReaderState, _SIZES, {"encoding": ""}),
    (TFRecordReaderState, {"compression_type": ""}, {}),
    (WholeFileReaderState, {}, {}),
    (IdentityReaderState, {}, {}),
)


def give_reader(state):
    return handle_to(state)


def _scalar(context: ShapeContext) -> shapes.Shape:
    return ()


for _state, _attrs, _new in _KINDS:
    for _suffix, _handle, _more in (("", "Ref(string)", {}), ("V2", "resource", _new)):
        _op = define_op(_state.kind + _suffix, f"-> reader_handle: {_handle}", **_attrs, **_more, container="",
                        shared_name="", stateful=True, source=("W44",))  # fmt: skip
        _op.kernel(give_reader)
        _op.state(_state)
        _op.shape(_scalar)
        if _suffix:
            _op.no_gradient_registered()
        else:
            _op.no_gradient()

# -- using readers -----------------------------------------------------------------------------------


def _user(name: str, inputs: str, outputs: str, kernel: Any, *dims: shapes.Shape) -> None:
    """An op on a reader, in the first release's form and in today's; `dims` are its outputs' shapes."""
    for suffix, handle in (("", "Ref(string)"), ("V2", "resource")):
        signature = f"reader_handle: {handle}{inputs.replace('HANDLE', handle)} -> {outputs}"
        op = define_op(name + suffix, signature, stateful=True, by_handle=True, source=("W44",))
        op.kernel(kernel)
        op.waits = "queue_handle" in inputs
        op.shape(_rule(dims))
        if suffix:
            op.no_gradient_registered()
        else:
            op.no_gradient()


def _rule(outputs: tuple[shapes.Shape, ...]) -> Any:
    def rule(context: ShapeContext) -> list[shapes.Shape]:
        for dims in context.inputs:
            if dims:
                raise ShapeError(f"Shape must be rank 0 but is rank {len(dims)}")
        return list(outputs)

    return rule


def read_kernel(reader_handle, queue_handle):
    return then(state_of(reader_handle).read(state_of(queue_handle)), _one)


def _one(records: list[Record]) -> tuple[np.ndarray, np.ndarray]:
    ((key, value),) = records
    return strings([key], ()), strings([value], ())


def read_up_to_kernel(reader_handle, queue_handle, num_records):
    return then(state_of(reader_handle).read(state_of(queue_handle), int(num_records)), _several)


def _several(records: list[Record]) -> tuple[np.ndarray, np.ndarray]:
    count = (len(records),)
    return strings((key for key, _ in records), count), strings((value for _, value in records), count)


def num_records_produced_kernel(reader_handle):
    return np.array(state_of(reader_handle).produced, np.int64)


def num_work_units_completed_kernel(reader_handle):
    return np.array(state_of(reader_handle).finished, np.int64)


def serialize_kernel(reader_handle):
    return strings([state_of(reader_handle).serialize()], ())


def restore_kernel(reader_handle, state):
    state_of(reader_handle).restore(state.item())
    return []


def reset_kernel(reader_handle):
    state_of(reader_handle).reset()
    return []


_user("ReaderRead", ", queue_handle: HANDLE", "key: string, value: string", read_kernel, (), ())
_user("ReaderReadUpTo", ", queue_handle: HANDLE, num_records: int64", "keys: string, values: string",
      read_up_to_kernel, (None,), (None,))  # fmt: skip
_user("ReaderNumRecordsProduced", "", "records_produced: int64", num_records_produced_kernel, ())
_user("ReaderNumWorkUnitsCompleted", "", "units_completed: int64", num_work_units_completed_kernel, ())
_user("ReaderSerializeState", "", "state: string", serialize_kernel, ())
_user("ReaderRestoreState", ", state: string", "", restore_kernel)
_user("ReaderReset", "", "", reset_kernel)

# -- in Python ---------------------------------------------------------------------------------------


class ReadResult(NamedTuple):
    """What one read gives: two string scalars."""

    key: Tensor
    value: Tensor


class ReaderBase:
    """A reader's handle, and the ops on it [W44].

    reader_ref: the handle. supports_serialize: whether its state can be saved.
    """

    def __init__(self, reader_ref: Tensor, supports_serialize: bool = False):
        self._reader_ref = reader_ref
        self._supports_serialize = supports_serialize

    @property
    def reader_ref(self) -> Tensor:
        """The handle's tensor."""
        return self._reader_ref

    @property
    def supports_serialize(self) -> bool:
        """Whether serialize_state() and restore_state() are for this kind."""
        return self._supports_serialize

    def _op(self, name: str) -> OpDef:
        return op_def(name + ("V2" if self._reader_ref.dtype is resource else ""))

    def read(self, queue: Any, name: str | None = None) -> ReadResult:
        """The next record's key and value, string scalars; files come from `queue`, a queue or its handle.

        OutOfRangeError when the queue is closed and empty.
        """
        handle = queue if isinstance(queue, Tensor) else queue.queue_ref
        return ReadResult(*self._op("ReaderRead")(self._reader_ref, handle, name=name))

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """How many records have been read, int64."""
        return self._op("ReaderNumRecordsProduced")(self._reader_ref, name=name)

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """How many files have been read to their ends, int64."""
        return self._op("ReaderNumWorkUnitsCompleted")(self._reader_ref, name=name)

    def serialize_state(self, name: str | None = None) -> Tensor:
        """The reader's state as a string scalar; UnimplementedError for most kinds."""
        return self._op("ReaderSerializeState")(self._reader_ref, name=name)

    def restore_state(self, state: Any, name: str | None = None) -> Operation:
        """Puts the reader into a state that serialize_state() gave."""
        return self._op("ReaderRestoreState")(self._reader_ref, state, name=name)

    def reset(self, name: str | None = None) -> Operation:
        """Puts the reader into its first state."""
        return self._op("ReaderReset")(self._reader_ref, name=name)


class WholeFileReader(ReaderBase):
    """A record is a file: its name and its contents."""

    def __init__(self, name: str | None = None):
        super().__init__(op_def("WholeFileReader")(name=name), supports_serialize=True)


class IdentityReader(ReaderBase):
    """A record is the queue's string itself, as key and as value."""

    def __init__(self, name: str | None = None):
        super().__init__(op_def("IdentityReader")(name=name), supports_serialize=True)


class TextLineReader(ReaderBase):
    """A record is a line without its end; its key is file:number."""

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None):
        super().__init__(op_def("TextLineReader")(skip_header_lines=skip_header_lines, name=name))


class FixedLengthRecordReader(ReaderBase):
    """A record is `record_bytes` bytes, after a header and before a footer."""

    def __init__(
        self, record_bytes: int, header_bytes: int | None = None, footer_bytes: int | None = None,
        name: str | None = None,
    ):  # fmt: skip
        super().__init__(op_def("FixedLengthRecordReader")(
            record_bytes=record_bytes, header_bytes=header_bytes, footer_bytes=footer_bytes, name=name
        ))  # fmt: skip


class TFRecordReader(ReaderBase):
    """A record is one of a record file, its sums checked; its key is file:offset."""

    def __init__(self, name: str | None = None):
        super().__init__(op_def("TFRecordReader")(name=name))
