"""Networks: how the tasks of a cluster reach each other [W26].

    Threads      tasks of one process, each in a thread of its own; here
    Sockets      processes, over TCP; sockets.py
    Simulated    tasks of one process in virtual time, with latency, bandwidth and failures; simulated.py

A task is an Endpoint: an address, and a handler of requests, handler(method, message, reply). Everything that happens
to a task, requests, replies to its own, timers, happens in one thread, one after the other, so that it needs no locks.
Nothing in a handler waits: whoever has to wait keeps `reply` and calls it later.

On every network a message travels as bytes, so that tasks share nothing, wherever they are. To whoever is not there, or
dies before it has answered, a call ends with UnavailableError [W27].

Next: runtime/cluster/simulated.py.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Any

from refflow.core import errors
from refflow.core.waiting import InFlight
from refflow.runtime.cluster.messages import decode, encode

Reply = Callable[[Any, BaseException | None], None]  # a value, or an error
Handler = Callable[[str, Any, Reply], None]
Answer = Callable[[bytes | None], None]  # a reply's bytes, or None where none will come
Cancel = Callable[[], None]


class Endpoint:
    """One task's place on a network."""

    def __init__(self, network: Network, address: str):
        self.network, self.address = network, address
        self.handler: Handler = _nobody
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.is_open = True
        self._owed: dict[int, Answer] = {}
        self._requests = 0

    def post(self, job: Callable[[], None]) -> None:
        """`job` is done soon, in this task's thread."""
        self._jobs.put(job)

    def call(self, address: str, method: str, message: Any, reply: Reply) -> None:
        """Asks another task; `reply` is called once, in this task's thread."""
        self.network.request(address, method, message, lambda data: self.post(lambda: reply(*_read(data, address))))

    def after(self, seconds: float, job: Callable[[], None]) -> Cancel:
        """`job` is done in so many seconds, unless the function that is returned is called before."""
        timer = threading.Timer(seconds, lambda: self.post(job))
        timer.daemon = True
        timer.start()
        return timer.cancel

    def accept(self, data: bytes, answer: Answer) -> None:
        """A request has come in. If this task stops before it replies, the answer is None."""
        self._requests += 1
        number = self._requests
        self._owed[number] = answer

        def reply(value: Any, error: BaseException | None) -> None:
            once = self._owed.pop(number, None)
            if once is not None:
                once(_written(value, error))

        try:
            method, message = decode(data)
            self.handler(method, message, reply)
        except Exception as error:
            reply(None, error)

    def stop(self) -> None:
        """The end, as when a process dies: whoever waits for an answer learns that none will come."""
        self.is_open = False
        self.network.forget(self)
        owed, self._owed = self._owed, {}
        for answer in owed.values():
            answer(None)
        self._jobs.put(None)

    def serve(self) -> None:
        """Does the jobs, one after the other, until the end."""
        while True:
            job = self._jobs.get()
            if job is None or not self.is_open:
                return
            job()


class Network(ABC):
    """What all networks have. messages: how many requests of each method were sent."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self._lock = threading.Lock()

    @abstractmethod
    def endpoint(self, address: str) -> Endpoint:
        """A task at that address. ValueError where there is one already."""

    @abstractmethod
    def carry(self, address: str, method: str, data: bytes, answer: Answer) -> None:
        """Brings a request to its address, and later calls `answer`, in whichever thread."""

    @abstractmethod
    def forget(self, endpoint: Endpoint) -> None:
        """The endpoint is not there any more."""

    def request(self, address: str, method: str, message: Any, answer: Answer) -> None:
        """Encodes and counts a request, and sends it off."""
        try:
            data = encode([method, message])
        except errors.OpError as error:
            answer(_written(None, error))
            return
        with self._lock:
            self.messages[method] += 1
        self.carry(address, method, data, answer)

    def ask(self, address: str, method: str, message: Any, flight: InFlight | None = None) -> Any:
        """Asks a task, for whoever is none, and waits for the reply, at most as long as `flight` lasts."""
        flight, found = flight or InFlight(f"{method} at {address}"), list[bytes | None]()

        def answer(data: bytes | None) -> None:
            found.append(data)
            flight.ring()

        self.request(address, method, message, answer)
        self.wait(lambda: bool(found), flight, f"{address} has not answered {method!r}")
        if not found:
            flight.check()
        value, error = _read(found[0], address)
        if error is not None:
            raise error
        return value

    def pause(self, seconds: float) -> None:
        """Lets time pass."""
        time.sleep(seconds)

    def wait(self, over: Callable[[], bool], flight: InFlight, why: str) -> None:
        """Returns when over() is true, or `flight` is called off."""
        flight.wait(over, lambda: why)


class Threads(Network):
    """Tasks of one process, each in a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._endpoints: dict[str, Endpoint] = {}

    def endpoint(self, address: str) -> Endpoint:
        with self._lock:
            if address in self._endpoints:
                raise ValueError(f"there is a task at {address} already")
            made = self._endpoints[address] = Endpoint(self, address)
        threading.Thread(target=made.serve, name=f"refflow task {address}", daemon=True).start()
        return made

    def carry(self, address: str, method: str, data: bytes, answer: Answer) -> None:
        endpoint = self._endpoints.get(address)
        if endpoint is None:
            answer(None)
        else:
            endpoint.post(lambda: endpoint.accept(data, answer))

    def forget(self, endpoint: Endpoint) -> None:
        self._endpoints.pop(endpoint.address, None)


def _nobody(method: str, message: Any, reply: Reply) -> None:
    reply(None, errors.UnavailableError(None, None, "nobody works here yet"))


def _written(value: Any, error: BaseException | None) -> bytes:
    if error is None:
        try:
            return encode(["ok", value])
        except errors.OpError as found:
            error = found
    if not isinstance(error, errors.OpError):
        kind = errors.InvalidArgumentError if isinstance(error, errors.GraphError) else errors.InternalError
        error = kind(None, None, f"{type(error).__name__}: {error}")
    return encode(["error", error.error_code, error.message, error.node_def, error.place])


def _read(data: bytes | None, address: str) -> tuple[Any, BaseException | None]:
    """A reply: its value, or its error, which knows its node and no operation."""
    if data is None:
        text = f"{address} does not answer: there is no task of refflow, or it has died"
        return None, errors.UnavailableError(None, None, text)
    try:
        outcome, *rest = decode(data)
        if outcome == "ok":
            return rest[0], None
        code, text, node, place = rest
        kind = errors.STATUS_CLASSES.get(code, errors.UnknownError)
        error = kind(node, None, text)
        error.error_code, error.place = code, place
        return None, error
    except (ValueError, TypeError) as error:
        return None, errors.DataLossError(None, None, f"{address} gave no reply of refflow: {error}")
