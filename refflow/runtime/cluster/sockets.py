"""Tasks in processes of their own, over TCP [W26].

    frame = length, number of the request, bytes      length and number 8 bytes each, little end first

A reply carries its request's number, so that many calls share one connection. A connection that breaks is the end of
every call on it: who waits learns that no answer will come [W27].

Nobody is asked who they are: an address should be one that only the cluster's own machines can reach.

Next: runtime/cluster/worker.py.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading

from refflow.runtime.cluster.network import Answer, Endpoint, Network

_HEAD = struct.Struct("<QQ")
_PATIENCE = 10.0  # seconds for a connection to come about


class Sockets(Network):
    """Tasks that listen at host:port; port 0 takes one that is free, and the endpoint's address says which."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[str, _Line] = {}
        self._doors: dict[str, socket.socket] = {}

    def endpoint(self, address: str) -> Endpoint:
        host, port = split(address)
        try:
            door = socket.create_server((host, port))
        except OSError as error:
            raise ValueError(f"cannot listen at {address}: {error}. Is another task there already?") from None
        made = Endpoint(self, f"{host}:{door.getsockname()[1]}")
        self._doors[made.address] = door
        for work, name in ((made.serve, "task"), (lambda: self._open(door, made), "door of")):
            threading.Thread(target=work, name=f"refflow {name} {made.address}", daemon=True).start()
        return made

    def _open(self, door: socket.socket, endpoint: Endpoint) -> None:
        guests: list[_Line] = []
        while True:
            try:
                guest, _ = door.accept()
            except OSError:  # closed
                break
            guests.append(_Line(guest, endpoint))
            guests = [line for line in guests if line.is_open]
        for line in guests:
            line.close()

    def carry(self, address: str, method: str, data: bytes, answer: Answer) -> None:
        try:
            line = self._line(address)
        except OSError:
            answer(None)
            return
        line.ask(data, answer)

    def _line(self, address: str) -> _Line:
        with self._lock:
            line = self._lines.get(address)
            if line is None or not line.is_open:
                line = self._lines[address] = _Line(socket.create_connection(split(address), _PATIENCE))
            return line

    def forget(self, endpoint: Endpoint) -> None:
        door = self._doors.pop(endpoint.address, None)
        if door is not None:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            door.close()


class _Line:
    """One connection. A thread reads what comes in: requests for `endpoint`, or where there is none, replies."""

    def __init__(self, connection: socket.socket, endpoint: Endpoint | None = None):
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection, self._endpoint = connection, endpoint
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Answer] = {}
        self._writing, self._lock = threading.Lock(), threading.Lock()
        self.is_open = True
        threading.Thread(target=self._read, name="refflow line", daemon=True).start()

    def ask(self, data: bytes, answer: Answer) -> None:
        number = next(self._numbers)
        with self._lock:
            if self.is_open:
                self._waiting[number] = answer
                answer = _told
        if answer is _told:
            self._write(number, data)
        else:
            answer(None)

    def _end(self, number: int) -> Answer:
        """Whoever waits for that reply and has not had it."""
        with self._lock:
            return self._waiting.pop(number, _told)

    def _write(self, number: int, data: bytes | None) -> None:
        if data is None:  # the task has died: so does the line, which tells everybody
            self.close()
            return
        try:
            with self._writing:
                self._connection.sendall(_HEAD.pack(len(data), number))
                self._connection.sendall(data)
        except OSError:
            self.close()

    def _read(self) -> None:
        while True:
            try:
                size, number = _HEAD.unpack(self._exactly(_HEAD.size))
                data = self._exactly(size)
            except (OSError, EOFError, MemoryError):
                break
            self._take(number, data)
        self.close()
        with self._lock:
            left, self._waiting = list(self._waiting.values()), {}
        for answer in left:
            answer(None)

    def _take(self, number: int, data: bytes) -> None:
        endpoint = self._endpoint
        if endpoint is None:
            self._end(number)(data)
            return
        endpoint.post(lambda: endpoint.accept(data, lambda found: self._write(number, found)))

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._connection.recv(min(size - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def close(self) -> None:
        self.is_open = False
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def _told(data: bytes | None) -> None:
    """In the place of an answer that is kept, or was given."""


def split(address: str) -> tuple[str, int]:
    """Host and port; ValueError for what is no address.

    >>> split("localhost:2222")
    ('localhost', 2222)
    """
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is no address: it has the form host:port, as localhost:2222")
    return host, int(port)
