"""A card's memory: where a plan's values lie on it, and where variables do [W16].

    Span        bytes of a plan's arena, in use from one line of the plan to another
    Arena       all spans of a plan on one card, given offsets so that no two in use at one time overlap
    Variables   one block for all variables of a type that a step brings, one after the other

A plan asks for spans while it is written, and only its last line shows when each is in use. Then the largest span gets
the lowest offset that is free for all its time, then the next: one allocation, before anything runs, so that addresses
may be captured. A variable keeps its address for as long as its shape stays; `Variables.moves` counts those that got
new memory or lost their value, so that who has captured an address knows when to look again.

Next: runtime/capture.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core import errors, shapes
from refflow.core.dtypes import DType
from refflow.core.shapes import is_known
from refflow.runtime.resources import VariableState

ALIGNMENT = 256  # bytes: what CUDA aligns its own allocations to, and more than any load or descriptor asks for
FOREVER = 1 << 60  # a line behind all lines


def aligned(nbytes: int) -> int:
    """`nbytes`, at least one, rounded up.

    >>> aligned(0), aligned(256), aligned(257)
    (256, 256, 512)
    """
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


class Span:
    """Bytes of an arena. what: whose they are, for the message when memory is full."""

    __slots__ = ("begin", "end", "nbytes", "offset", "what")

    def __init__(self, nbytes: int, begin: int, what: str):
        self.nbytes, self.begin, self.end, self.what = nbytes, begin, FOREVER, what
        self.offset = -1

    def meets(self, other: Span) -> bool:
        """Whether both are in use at one time."""
        return self.begin < other.end and other.begin < self.end


class Place(NamedTuple):
    """An array in a span, which becomes a card's array once the arena is laid out."""

    span: Span
    shape: tuple[int, ...]
    dtype: DType


class Arena:
    """The spans of one plan on one card."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.total = 0

    def take(self, shape: tuple[int, ...], dtype: DType, line: int, what: str) -> Place:
        """An array that is in use from this line on, until its span's end is set."""
        span = Span(prod(shape) * dtype.size, line, f"{what}  {dtype.name}{shapes.text(shape)}")
        self.spans.append(span)
        return Place(span, shape, dtype)

    def lay_out(self) -> int:
        """Gives every span its offset; returns how many bytes are needed."""
        order = sorted(self.spans, key=lambda s: (-s.nbytes, s.begin))
        begins, ends, starts, stops = (np.empty(len(order), np.int64) for _ in range(4))
        for i, span in enumerate(order):
            met = (begins[:i] < span.end) & (span.begin < ends[:i])
            span.offset = _lowest_gap(starts[:i][met], stops[:i][met], aligned(span.nbytes))
            begins[i], ends[i] = span.begin, span.end
            starts[i], stops[i] = span.offset, span.offset + aligned(span.nbytes)
            self.total = max(self.total, int(stops[i]))
        return self.total

    def at_the_fullest(self) -> list[Row]:
        """What is in use when most bytes are."""
        in_use = [[s for s in self.spans if s.begin <= m < s.end] for m in {s.begin for s in self.spans}]
        fullest = max(in_use, key=lambda spans: sum(s.nbytes for s in spans), default=[])
        return [(s.nbytes, s.what) for s in fullest]


def _lowest_gap(starts: np.ndarray, stops: np.ndarray, nbytes: int) -> int:
    """The lowest offset with room for `nbytes` between the ranges in use."""
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(np.concatenate([[0], stops[order]]))
    room = np.concatenate([starts[order], [FOREVER]]) - reached
    return int(reached[int(np.argmax(room >= nbytes))])


Row = tuple[int, str]  # bytes, and whose


def full(error: BaseException, what: str, rows: Iterable[Row], most: int = 12) -> errors.OpError:
    """What a user reads when memory cannot be had: what was to lie there at once, the largest first."""
    listed = sorted(rows, key=lambda row: -row[0])
    lines = [f"{nbytes:>15,}  {name}" for nbytes, name in listed[:most]]
    if len(listed) > most:
        lines.append(f"{'':>17}and {len(listed) - most} smaller ones")
    head = f"there is no room for {what}: {error}. These were to be there at once:"
    advice = "A smaller batch needs less; a session's recompute= and swap= may help"
    return errors.ResourceExhaustedError(None, None, "\n".join([head, *lines, advice]))


class Variables:
    """Where the variables of one card lie."""

    def __init__(self, card: Any):
        self._card = card
        self.moves = 0

    def lay_out(self, states: Iterable[VariableState]) -> None:
        """Memory for those that have none yet, so that variables of one type lie one after the other."""
        by_type: dict[DType, list[VariableState]] = {}
        for state in states:
            if state.value is None and state.place is None and is_known(state.shape):
                by_type.setdefault(state.dtype, []).append(state)
        for dtype, group in by_type.items():
            sizes = [prod(state.shape) * dtype.size for state in group]  # type: ignore[arg-type]
            try:
                block, offset = self._card.block(sum(map(aligned, sizes))), 0
            except MemoryError as error:
                whose = [f"{state.name}  {dtype.name}{shapes.text(state.shape)}" for state in group]
                raise full(error, f"the {dtype.name} variables", zip(sizes, whose, strict=True)) from None
            for state, size in zip(group, sizes, strict=True):
                state.place = self._card.array(block, offset, state.shape, dtype)
                offset += aligned(size)

    def upload(self, state: VariableState, value: Any) -> Any:
        """A first value, or one of another shape than before, as an array that is the variable's own."""
        self.moves += 1
        place = state.place if state.value is None else None
        if place is None or tuple(place.shape) != tuple(value.shape):
            place = self._card.array(self._card.block(_nbytes(value, state.dtype)), 0, tuple(value.shape), state.dtype)
        self.write(place, value)
        return place

    def drop(self) -> None:
        """A variable has no value any more, which who has captured its address must say."""
        self.moves += 1

    def write(self, place: Any, value: Any) -> None:
        """Copies a value, from the host or from the card, to where a variable lies."""
        if isinstance(value, (np.ndarray, np.generic)):
            self._card.put(place, np.asarray(value))
        else:
            self._card.copy(place, value)


def _nbytes(value: Any, dtype: DType) -> int:
    return prod(value.shape) * dtype.size
