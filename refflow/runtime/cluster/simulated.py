"""A network in virtual time: what happens is a list of events, and a second passes in no time [W26, W27].

    a message of b bytes arrives     latency + b / bandwidth     after the line into its task is free

Everything runs in the thread that waits for a reply, in an order that depends on nothing but the program: two runs
are alike, and what fails can be repeated. Tasks can be killed (Endpoint.stop), or cut off, so that messages to them and
from them are lost and nobody is told. `watch` sees each message as it is sent and after it has been taken in.

Next: runtime/cluster/sockets.py.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import Any

from refflow.core import errors
from refflow.core.waiting import InFlight
from refflow.runtime.cluster.network import Answer, Cancel, Endpoint, Network

Watch = Callable[[str, str, str, float], None]  # "sent" or "arrived", the address, the method, when it arrives


class Simulated(Network):
    """Tasks in virtual time. latency: seconds. bandwidth: bytes a second. now: seconds since the beginning."""

    def __init__(self, latency: float = 1e-4, bandwidth: float = 1e9):
        super().__init__()
        self.latency, self.bandwidth = latency, bandwidth
        self.now = 0.0
        self.watch: Watch | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._endpoints: dict[str, _Virtual] = {}
        self._free: dict[str, float] = {}  # when the line into a task is
        self._cut: set[str] = set()

    def endpoint(self, address: str) -> Endpoint:
        if address in self._endpoints:
            raise ValueError(f"there is a task at {address} already")
        made = self._endpoints[address] = _Virtual(self, address)
        return made

    def at(self, time: float, job: Callable[[], None]) -> None:
        """`job` is done at that time."""
        heapq.heappush(self._events, (time, next(self._numbers), job))

    def cut(self, address: str) -> None:
        """From now on messages to a task, and its replies, are lost."""
        self._cut.add(address)

    def mend(self, address: str) -> None:
        self._cut.discard(address)

    def carry(self, address: str, method: str, data: bytes, answer: Answer) -> None:
        arrives = self._line(address, len(data))

        def arrive() -> None:
            endpoint = self._endpoints.get(address)
            if address in self._cut:
                return
            if endpoint is None:
                self.at(self.now + self.latency, lambda: answer(None))
                return
            endpoint.accept(data, lambda reply: self._back(address, reply, answer))
            self._tell("arrived", address, method, arrives)

        self.at(arrives, arrive)
        self._tell("sent", address, method, arrives)

    def _line(self, address: str, size: int) -> float:
        self._free[address] = max(self.now, self._free.get(address, 0.0)) + size / self.bandwidth
        return self._free[address] + self.latency

    def _back(self, address: str, reply: bytes | None, answer: Answer) -> None:
        if address not in self._cut:
            self.at(self._line(f"from {address}", len(reply or b"")), lambda: answer(reply))

    def _tell(self, what: str, address: str, method: str, arrives: float) -> None:
        if self.watch is not None:
            self.watch(what, address, method, arrives)

    def forget(self, endpoint: Endpoint) -> None:
        self._endpoints.pop(endpoint.address, None)

    def wait(self, over: Callable[[], bool], flight: InFlight, why: str) -> None:
        """Lets things happen until over(). DeadlineExceededError after the flight's seconds, in virtual time."""
        end = None if flight.seconds is None else self.now + flight.seconds
        while not over() and not flight.is_off:
            if not self._events:
                raise errors.FailedPreconditionError(None, None, f"nothing is left to happen, and {why}")
            if end is not None and self._events[0][0] > end:
                self.now = end
                text = f"Timed out after {1000 * (flight.seconds or 0):.0f} ms of virtual time: {why}"
                flight.call_off(errors.DeadlineExceededError(None, None, text))
                return
            self.step()

    def pause(self, seconds: float) -> None:
        self.run_until(self.now + seconds)

    def step(self) -> None:
        """The next event happens."""
        time, _, job = heapq.heappop(self._events)
        self.now = max(self.now, time)
        job()

    def run_until(self, time: float) -> None:
        """All that happens up to then."""
        while self._events and self._events[0][0] <= time:
            self.step()
        self.now = max(self.now, time)


class _Virtual(Endpoint):
    """A task whose jobs are events."""

    network: Any

    def post(self, job: Callable[[], None]) -> None:
        self.network.at(self.network.now, lambda: job() if self.is_open else None)

    def after(self, seconds: float, job: Callable[[], None]) -> Cancel:
        wanted = [job]
        self.network.at(self.network.now + seconds, lambda: [j() for j in wanted] if self.is_open else None)
        return wanted.clear
