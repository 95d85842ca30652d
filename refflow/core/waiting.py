"""Waiting: how a kernel waits for what others do, and how a step that waits is ended [W18, W25].

    Pending     what a kernel gives that cannot finish yet: its value comes later, or its error
    Line        those who wait for one resource; after every change each of them gets another chance
    InFlight    one step under way: its deadline, what called it off, and the bell that wakes its thread

No kernel blocks a thread [W50]. The executor goes on with other nodes while values are pending; a plan, which has
nothing else to do, asks for the `result`. Either waits in the thread that runs the step, in one place,
`InFlight.wait`, which ends in four ways: the value is there, the deadline has passed, the step was called off, or every
thread of the process waits like this, so that nobody is left who could help.

Next: ops/queue_states.py.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from refflow.core import errors, locks

NOT_YET: Any = type("_NotYet", (), {"__repr__": lambda self: "not yet"})()  # what an attempt gives that has to wait
_FIRST_LOOK, _LAST_LOOK = 0.05, 2.0  # seconds after which a waiting thread looks whether anybody is left

Why = Callable[[], str]  # who waits for what, in words; asked only when somebody has to be told

_current = threading.local()
_short_lock = locks.lock()  # of all Pendings: nobody holds it for longer than a few assignments
_waits: dict[int, _Wait] = {}  # by thread
_open: WeakSet[Pending] = WeakSet()  # those that somebody waits for
bystanders: WeakSet[threading.Thread] = WeakSet()  # threads that never run a step, and so help nobody


class _Wait:
    __slots__ = ("flight", "over", "why")

    def __init__(self, flight: InFlight, over: Callable[[], bool], why: Why):
        self.flight, self.over, self.why = flight, over, why


class Pending:
    """A value that is to come. why: says what it waits for. give_up: takes its owner out of the line."""

    over = False
    error: BaseException | None = None
    _value: Any = None
    _calls: tuple[Callable[[], None], ...] = ()
    _steps: tuple[Callable[[Any], Any], ...] = ()

    def __init__(self, why: Why, give_up: Callable[[Pending], None]):
        self._why = why
        self._give_up = give_up

    def why(self) -> str:
        return self._why()

    def finish(self, value: Any = None, error: BaseException | None = None) -> None:
        """The value is here, or it will never come. Only the first word counts."""
        with _short_lock:
            if self.over:
                return
            self._value, self.error, self.over = value, error, True
            calls, self._calls = self._calls, ()
        if calls:
            _open.discard(self)
        for call in calls:
            call()

    def then(self, call: Callable[[], None]) -> None:
        """Calls `call` once it is over, in whichever thread ends it; now if it is."""
        with _short_lock:
            if not self.over:
                self._calls += (call,)
                _open.add(self)
                return
        call()

    def mapped(self, function: Callable[[Any], Any]) -> Pending:
        """This, with `function` of its value in the value's place. It runs in the thread that takes the value, and may
        have to wait in its turn."""
        self._steps += (function,)
        return self

    def cancel(self) -> None:
        """Ends the wait; nothing is given or taken any more."""
        if not self.over:
            self._give_up(self)

    def take(self) -> Any:
        """The value, or its error raised; another Pending where what is made of it has to wait. It is over."""
        if self.error is not None:
            raise self.error
        value = self._value
        for i, function in enumerate(self._steps):
            value = function(value)
            if isinstance(value, Pending):
                value._steps += self._steps[i + 1 :]
                break
        return value

    def result(self) -> Any:
        """The value, once it is there; this thread waits, as part of the step that it runs."""
        flight = in_flight() or InFlight("a call outside of every step")
        self.then(flight.ring)
        try:
            flight.wait(lambda: self.over, self.why)
        except BaseException:
            self.cancel()
            raise
        if flight.is_off and not self.over:
            self.cancel()
            if flight.error is not None:
                raise flight.error
        return result_of(self.take())


def result_of(found: Any) -> Any:
    """What a kernel gave, waited for if it is pending."""
    return found.result() if isinstance(found, Pending) else found


def then(found: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of what somebody gave, now or when it is there."""
    return found.mapped(function) if isinstance(found, Pending) else function(found)


class Line:
    """Those who wait for one resource, and its lock. Whoever came first gets the first chance.

    in_order: whoever came later has to wait for those before, though there may be enough for less.
    """

    def __init__(self, in_order: bool = True) -> None:
        self.lock = locks.rlock()
        self._in_order = in_order
        self._waiting: list[tuple[Callable[[], Any], Pending]] = []

    def serve(self, attempt: Callable[[], Any], why: Why, cancelled: str) -> Any:
        """What `attempt()` gives, or a Pending while it gives NOT_YET. It is called under the lock.

        cancelled: the text of the CancelledError for whoever gives up.
        """

        def give_up(pending: Pending) -> None:
            with self.lock:
                self._waiting = [each for each in self._waiting if each[1] is not pending]
            pending.finish(error=errors.CancelledError(None, None, cancelled))

        with self.lock:
            value = NOT_YET if self._in_order and self._waiting else attempt()
            if value is NOT_YET:
                pending = Pending(why, give_up)
                self._waiting.append((attempt, pending))
                return pending
            self.changed()
            return value

    def changed(self) -> None:
        """Gives everybody another chance, for as long as somebody can be served."""
        with self.lock:
            moved = True
            while moved and self._waiting:
                moved = False
                for each in list(self._waiting):
                    attempt, pending = each
                    try:
                        value, error = attempt(), None
                    except Exception as raised:
                        value, error = None, raised
                    if value is not NOT_YET:
                        self._waiting.remove(each)
                        pending.finish(value, error)
                        moved = True
                    elif self._in_order:
                        break


class InFlight:
    """One step under way. what: for messages. seconds: until its deadline, or None.

    is_off     it is to end: every wait in it does, and whoever runs it asks `check` from time to time
    error      why, where the step's own error says so: the first one stays
    """

    def __init__(self, what: str | Why = "", seconds: float | None = None):
        self._what = what
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.seconds = seconds
        self.is_off = False
        self.error: BaseException | None = None
        self._inner: InFlight | None = None  # the step that a Python function of this one runs
        self._outer: InFlight | None = None
        self._bell: threading.Condition | None = None  # made by the thread that waits

    @property
    def what(self) -> str:
        return self._what if isinstance(self._what, str) else self._what()

    def __enter__(self) -> InFlight:
        """Kernels that are called in this thread belong to this step now; what ends an outer one ends it too."""
        outer = self._outer = in_flight()
        if outer is not None:
            outer._inner = self
            deadlines = [d for d in (self.deadline, outer.deadline) if d is not None]
            self.deadline = min(deadlines, default=None)
            if outer.is_off:
                self.call_off(outer.error)
        _current.flight = self
        return self

    def __exit__(self, *error: Any) -> None:
        _current.flight = self._outer
        if self._outer is not None:
            self._outer._inner = None

    def ring(self) -> None:
        """Wakes the step's thread: something has come."""
        bell = self._bell
        if bell is not None:
            with bell:
                bell.notify_all()

    def call_off(self, error: BaseException | None = None) -> None:
        """Ends the step; any thread may. error: what its client is to see, else the error of whoever was waiting."""
        with _short_lock:
            if not self.is_off:
                self.error, self.is_off = error, True
        self.ring()
        inner = self._inner
        if inner is not None:
            inner.call_off(error)

    def late(self) -> bool:
        """True when the deadline has passed."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    def check(self) -> None:
        """Raises what ended the step, if something did."""
        if self.late():
            self._run_out("")
        if self.is_off and self.error is not None:
            raise self.error
        if self.is_off:
            raise errors.CancelledError(None, None, "Run call was cancelled")

    def _run_out(self, waiting: str) -> None:
        after = "" if self.seconds is None else f" after {1000 * self.seconds:.0f} ms"
        self.call_off(
            errors.DeadlineExceededError(None, None, f"Timed out waiting for notification{after}{waiting}")
        )

    def wait(self, over: Callable[[], bool], why: Why) -> None:
        """Returns once over() is true or the step is off.

        FailedPreconditionError where all threads of the process wait, so that none could ever make it so.
        """
        me = threading.get_ident()
        outer = _waits.get(me)
        look = _FIRST_LOOK
        if self._bell is None:
            self._bell = threading.Condition()
        with self._bell:
            _waits[me] = _Wait(self, over, why)
            try:
                while not over() and not self.is_off:
                    if self.late():
                        self._run_out(f": {why()}")
                    elif self.deadline is not None:
                        self._bell.wait(max(0.0, self.deadline - time.monotonic()))
                    elif not self._bell.wait(look):
                        _look_for_help(why)
                        look = min(2 * look, _LAST_LOOK)
            finally:
                if outer is None:
                    del _waits[me]
                else:
                    _waits[me] = outer


def in_flight() -> InFlight | None:
    """The step that this thread runs, if it has to be known."""
    return getattr(_current, "flight", None)


def _look_for_help(why: Why) -> None:
    """Raises where every thread that could run a step waits for another one, and for no time."""
    waits = dict(_waits)
    if any(w.over() or w.flight.is_off or w.flight.deadline is not None for w in waits.values()):
        return
    idle = {thread.ident for thread in list(bystanders)}
    with locks.uncollected():  # Python up to 3.12.3 may stand still for ever where this call sets off a search
        threads = sys._current_frames().keys()
    if threads - waits.keys() - idle:
        return
    others = [w for ident, w in waits.items() if ident != threading.get_ident()]
    told = "".join(f"\n  {w.flight.what}: {w.why()}" for w in others)
    more = f" All other threads wait too:{told}\n" if told else " "
    raise errors.FailedPreconditionError(
        None, None,
        f"this wait can never end: {why()}, and no thread is left that could help.{more}Start what helps before it, "
        "as a thread of its own (tf.train.start_queue_runners), or give the run a timeout",
    )  # fmt: skip


@locks.after_fork
def _forget_others() -> None:
    """In a child process: the threads that waited are not there any more, and shall get nothing."""
    _waits.clear()
    for pending in list(_open):
        pending.cancel()
