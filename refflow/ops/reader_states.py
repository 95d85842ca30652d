"""What a reader remembers: the file it is in, how far it has come, and what it has counted [W44].

    read(queue):   no file open        ask the queue for the next name
                   a record            count it and give it out
                   the file's end      count the file and go on

A reader whose records are whole files is done with a file as soon as it gives it out. A file that cannot be opened is
left for the next one; one that breaks off stays, and says so at each read. Reads have their turns one after
the other; none holds a thread while it waits for its turn or for a name [W50].

Next: ops/readers.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from refflow.core.errors import InvalidArgumentError, NotFoundError, OutOfRangeError, UnimplementedError
from refflow.core.waiting import Pending, then
from refflow.files import records, wire
from refflow.ops.mutex import Held, Mutex

Record = tuple[bytes, bytes]  # key, value


class _Broken:
    """The rest of a file that cannot be read."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        raise self.error


class ReaderState(ABC):
    """One reader. Kinds say what the records of a piece of work are."""

    kind = "Reader"
    one_record = False  # a piece of work is one record
    serializable = False

    def __init__(self, node_name: str = "") -> None:
        self.name = node_name or self.kind
        self._turns = Mutex()
        self.reset()

    def reset(self) -> None:
        """As it was in the beginning."""
        self.work = b""
        self.started = self.finished = self.produced = 0
        self._open: Iterator[Record] | None = None

    @abstractmethod
    def records(self, work: bytes) -> Iterator[Record]:
        """The records of one piece of work."""

    def read(self, queue: Any, count: int = 1) -> Any:
        """At least one record and at most `count`, all from one file; a Pending while there is none.

        The queue's OutOfRangeError when there are no more files.
        """
        return then(self._turns.acquire(), lambda turn: self._go_on(turn, queue, count, []))

    def _go_on(self, turn: Held, queue: Any, count: int, found: list[Record], name: Any = None) -> Any:
        """Reads until there is enough. name: of the next file, a row of the queue."""
        try:
            while len(found) < count and not (found and self._open is None):
                if self._open is None:
                    name = name or queue.dequeue()
                    if isinstance(name, Pending):
                        return self._later(turn, queue, count, found, name)
                    self._begin(name)
                    name = None
                found += self._next()
        except BaseException:
            turn.release()
            raise
        turn.release()
        return found

    def _later(self, turn: Held, queue: Any, count: int, found: list[Record], name: Pending) -> Pending:
        name.then(lambda: turn.release() if name.error is not None else None)
        return name.mapped(lambda row: self._go_on(turn, queue, count, found, row))

    def _begin(self, name: Any) -> None:
        self.work = _work(name[0])
        self.started += 1
        self._open = self.records(self.work)

    def _next(self) -> list[Record]:
        """One record, or none at the file's end."""
        assert self._open is not None
        try:
            record = next(self._open, None)
        except BaseException as error:
            unopened = not self.one_record and isinstance(error, (NotFoundError, OutOfRangeError))
            self._open = None if unopened else _Broken(error)
            self.started -= unopened
            raise
        if record is None or self.one_record:
            self._close()
        if record is None:
            return []
        self.produced += 1
        return [record]

    def _close(self) -> None:
        self.finished, self._open = self.started, None

    def serialize(self) -> bytes:
        if not self.serializable:
            raise UnimplementedError(None, None, "Reader SerializeState")
        counts = (self.started, self.finished, self.produced)
        return b"".join(wire.number(i + 1, n) for i, n in enumerate(counts)) + wire.block(4, self.work)

    def restore(self, state: bytes) -> None:
        if not self.serializable:
            raise UnimplementedError(None, None, "Reader RestoreState")
        try:
            pairs = list(wire.fields(state))
        except ValueError:
            pairs = [(0, 0)]
        if any(field < 1 for field, _ in pairs):
            shown = "".join(map(_shown, state))
            raise InvalidArgumentError(None, None, f"Could not parse state for {self.kind} '{self.name}': {shown}")
        found: dict[int, Any] = dict(pairs)
        self.reset()
        self.work = found.get(4, b"")
        self.started, self.finished, self.produced = (wire.signed(found.get(i, 0)) for i in (1, 2, 3))


def _work(row: Sequence[np.ndarray]) -> bytes:
    """The piece of work that a row of the queue is."""
    if len(row) != 1:
        raise InvalidArgumentError(None, None, "Expected single component queue")
    if row[0].dtype != object:
        raise InvalidArgumentError(None, None, "Expected queue with single string component")
    if row[0].size != 1:
        raise InvalidArgumentError(None, None, "Expected to dequeue a one-element string tensor")
    return row[0].item()


def _shown(byte: int) -> str:
    """A byte as C would have it within quotes."""
    if byte in _ESCAPES:
        return _ESCAPES[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


_ESCAPES = {ord("\t"): "\\t", ord("\n"): "\\n", ord("\r"): "\\r", ord('"'): '\\"', ord("'"): "\\'", ord("\\"): "\\\\"}


class IdentityReaderState(ReaderState):
    kind, one_record, serializable = "IdentityReader", True, True

    def records(self, work: bytes) -> Iterator[Record]:
        yield work, work


class WholeFileReaderState(ReaderState):
    kind, one_record, serializable = "WholeFileReader", True, True

    def records(self, work: bytes) -> Iterator[Record]:
        yield work, records.read_file(work.decode())


class TextLineReaderState(ReaderState):
    """Lines without their ends, and without carriage returns; keys count lines from 1, the skipped ones too."""

    kind = "TextLineReader"

    def __init__(self, skip_header_lines: int):
        self.skip = skip_header_lines
        super().__init__()

    def records(self, work: bytes) -> Iterator[Record]:
        lines = records.read_file(work.decode()).split(b"\n")
        if not lines[-1]:  # what follows the last line end is no line
            lines.pop()
        for i, line in enumerate(lines[self.skip :], self.skip + 1):
            yield b"%s:%d" % (work, i), line.replace(b"\r", b"")


class FixedLengthRecordReaderState(ReaderState):
    """`record_bytes` at every hop between a header and a footer; what is left at the end is dropped."""

    kind = "FixedLengthRecordReader"

    def __init__(self, header_bytes: int, record_bytes: int, footer_bytes: int, hop_bytes: int = 0, encoding: str = ""):
        for name, size in (("header_bytes", header_bytes), ("footer_bytes", footer_bytes), ("hop_bytes", hop_bytes)):
            if size < 0:
                raise InvalidArgumentError(None, None, f"{name} must be >= 0 not {size}")
        if record_bytes < 0:
            raise InvalidArgumentError(None, None, f"record_bytes must be >= 0 not {record_bytes}")
        self.header, self.size, self.footer = header_bytes, record_bytes, footer_bytes
        self.hop, self.encoding = hop_bytes or record_bytes, encoding
        super().__init__()

    def records(self, work: bytes) -> Iterator[Record]:
        data = records.unpacked(records.read_file(work.decode()), self.encoding)
        if self.header > len(data):
            raise OutOfRangeError(None, None, "reached end of file")
        at, i = self.header, 0
        while at + self.size <= len(data) - self.footer:
            yield b"%s:%d" % (work, i), data[at : at + self.size]
            at, i = at + self.hop, i + 1


class TFRecordReaderState(ReaderState):
    """Records of files/records.py; keys are where they begin."""

    kind = "TFRecordReader"

    def __init__(self, compression_type: str = ""):
        self.compression = compression_type
        super().__init__()

    def records(self, work: bytes) -> Iterator[Record]:
        data = records.unpacked(records.read_file(work.decode()), self.compression)
        for offset, record in records.records(data):
            yield b"%s:%d" % (work, offset), record
