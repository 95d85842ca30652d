"""Stretches: what a step does on one card between two lines of the host, captured and replayed as one graph.

    first run     the lines run one by one: kernels are compiled, and whatever fails is told by its line
    second run    the same lines are captured, which runs nothing; then the capture is replayed
    from then on  one replay

Everything that a stretch touches lies at addresses that do not change: its arena, its constants, pinned host memory for
what comes and goes. Variables keep theirs while their shapes stay; where one got new memory, the stretch begins anew.
Nothing that changes from run to run is a number in a captured launch: it lies in the card's memory.

    up      pinned memory -> card, for what the host has made
    body    the kernels
    down    card -> pinned memory, for what the host reads

A card keeps the captures used last, `Captured.most` of them; who was dropped is captured again when it runs next.

Next: runtime/card_lines.py.
"""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refflow.core import errors
from refflow.core.locks import rlock
from refflow.runtime.card_checks import Check
from refflow.runtime.resources import VariableState

Lines = Callable[[], Any]


class Captured:
    """The stretches of one card that hold a capture, those used last at the end."""

    def __init__(self, most: int = 64):
        self.most = most
        self._all: OrderedDict[weakref.ref[Stretch], None] = OrderedDict()
        self._lock = rlock()  # a stretch may end while another is added

    def add(self, stretch: Stretch) -> None:
        with self._lock:
            self._all[weakref.ref(stretch, self._gone)] = None
            while len(self._all) > self.most:
                oldest = self._all.popitem(last=False)[0]()
                if oldest is not None:
                    oldest.forget()

    def used(self, stretch: Stretch) -> None:
        with self._lock:
            if weakref.ref(stretch) in self._all:
                self._all.move_to_end(weakref.ref(stretch))

    def drop(self, stretch: Stretch) -> None:
        self._gone(weakref.ref(stretch))

    def _gone(self, reference: weakref.ref[Stretch]) -> None:
        with self._lock:
            self._all.pop(reference, None)

    def __len__(self) -> int:
        return len(self._all)


class Alone(NamedTuple):
    """A step that is nothing but one stretch.

    fed, fetched: what it is fed and what is fetched, in the card's memory, as words; None for a feed that it does not
    use. looks: shapes and types of what is fetched.
    """

    stretch: Stretch
    fed: list[Any]
    fetched: list[Any]
    looks: list[tuple[tuple[int, ...], np.dtype]]


class Stretch:
    """Lines of a plan that run on one card. nodes: the names of their nodes; states: the variables that they touch."""

    def __init__(self, device: Any, name: str):
        self.device, self.name = device, name
        self.nodes: list[str] = []
        self.states: list[VariableState] = []
        self.length = 0  # lines of the body
        self._card = device.card
        self.checks: list[Check] = []  # asked after each run
        self.up = self.body = self.down = _nothing
        self.runs = {"lines": 0, "captures": 0, "replays": 0}
        self._replay: Lines | None = None
        self._is_warm = self._is_refused = False
        self._moves = -1
        self._addresses: list[Any] | None = None

    def bind(self, names: dict[str, Any]) -> None:
        """Takes the functions of the plan's source that are this stretch's."""
        self.up, self.body, self.down = (names.get(f"{self.name}_{part}", _nothing) for part in ("up", "body", "down"))

    def __call__(self) -> None:
        """Runs it, and returns when the card is done."""
        if self._moves != self.device.variables.moves:
            self._look_again()
        if self._replay is None:
            self._begin()
        self.run_by(self._replay)

    def run_by(self, replay: Lines | None) -> None:
        """Runs a capture, or nothing more; waits, and tells what failed on the card."""
        try:
            if replay is not None:
                self.runs["replays"] += 1
                replay()
            self._card.wait()
        except RuntimeError as error:
            raise self._failed(error) from error
        found = [e for check in self.checks if (e := check.found()) is not None]  # a note stays until it is read
        if found:
            raise found[0]

    def lines(self) -> None:
        """All of it, line by line."""
        self.up()
        self.body()
        self.down()
        self.notes_down()

    def notes_down(self) -> None:
        for check in self.checks:
            check.come_down()

    def _begin(self) -> None:
        """Runs the lines, or captures them."""
        if self._is_warm and not self._is_refused:
            self._capture()
        if self._replay is None:
            with self._card.use():
                self.lines()
            self.runs["lines"] += 1
            self._is_warm = True

    def _capture(self) -> None:
        try:
            replay = self._card.capture(self.lines)
        except RuntimeError as error:
            self._is_refused = True
            why = error.__context__ or error  # what came first, if the capture's end failed for that
            warnings.warn(f"{self.device.name} runs {self.about()} line by line: {why}", RuntimeWarning, stacklevel=2)
            return
        self.runs["captures"] += 1
        self._replay = replay
        self.device.captured.add(self)

    def forget(self) -> None:
        """Drops the capture; the next run makes another."""
        self._replay = None

    def _look_again(self) -> None:
        """A variable of the card has got new memory since this was last looked at: perhaps one of ours."""
        self._moves = self.device.variables.moves
        addresses = [state.value for state in self.states]
        before = self._addresses
        if before is None or any(now is not then for now, then in zip(addresses, before, strict=True)):
            self.device.captured.drop(self)
            self.forget()
            self._is_warm = False
        self._addresses = addresses

    def about(self) -> str:
        """Which nodes it runs, in a few words."""
        shown = ", ".join(repr(n) for n in self.nodes[:8])
        more = f" and {len(self.nodes) - 8} more" if len(self.nodes) > 8 else ""
        return f"the step's part with {shown}{more}"

    def _failed(self, error: RuntimeError) -> errors.OpError:
        return errors.InternalError(
            None, None,
            f"{self.device.name} failed in {self.about()}: {error}. tf.Session(capture=False) runs each node by "
            "itself, and names the one that fails",
        )  # fmt: skip


def _nothing() -> None:
    """The part of a stretch that has no lines."""
