"""Staging areas: tensors that one step leaves and a later one takes [W45].

    Stage, Unstage          tuples in order of arrival
    MapStage, MapUnstage    tuples by a number, whose parts may come and go one by one
    OrderedMapStage         the same; without a number, the one with the smallest is taken

An area is found by its name: each op of it names the same container and shared name, or the node that it stands for.
A put waits where the area holds `capacity` tuples, or would hold more than `memory_limit` bytes; a take waits for what
it takes.

Next: ops/readers.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import errors, shapes
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.waiting import NOT_YET, Line, then


def _bytes(values: list[Any]) -> int:
    return sum(v.nbytes for v in values if v is not None)


class _Area(ABC):
    """What waits for room, and for values, in one line."""

    what = "Staging Area"

    def __init__(self, capacity: int, memory_limit: int):
        self.capacity, self.limit = capacity, memory_limit
        self.line = Line(in_order=False)

    def serve(self, attempt: Callable[[], Any], wanted: str) -> Any:
        """What `attempt` gives, once it gives something."""
        held = f"{self.what}, which holds {self.count()} tuples"
        return self.line.serve(attempt, lambda: f"{wanted} {held}", f"{wanted} {self.what} was cancelled")

    def has_room(self, values: list[np.ndarray]) -> bool:
        """Whether `values` may come in now; ResourceExhaustedError where they never may."""
        size = _bytes(values)
        if self.limit and size > self.limit:
            raise errors.ResourceExhaustedError(
                None, None,
                f"Attempted to insert tensors with combined size of '{size}' bytes into {self.what} with a memory "
                f"limit of '{self.limit}'.",
            )  # fmt: skip
        full = self.capacity and self.count() >= self.capacity
        return not full and (not self.limit or self.held() + size <= self.limit)

    @abstractmethod
    def count(self) -> int:
        """How many tuples are there."""

    @abstractmethod
    def held(self) -> int:
        """How many bytes they take."""

    @abstractmethod
    def empty(self) -> None:
        """Drops all of them."""

    def clear(self) -> None:
        with self.line.lock:
            self.empty()
            self.line.changed()


class Stage(_Area):
    """Tuples in order of arrival."""

    def __init__(self, capacity: int, memory_limit: int):
        super().__init__(capacity, memory_limit)
        self.rows: list[list[np.ndarray]] = []

    def count(self) -> int:
        return len(self.rows)

    def held(self) -> int:
        return sum(map(_bytes, self.rows))

    def empty(self) -> None:
        self.rows.clear()

    def put(self, values: list[np.ndarray]) -> Any:
        own = [np.array(v, copy=True) for v in values]

        def attempt() -> Any:
            return self.rows.append(own) if self.has_room(own) else NOT_YET

        return self.serve(attempt, "a put waits for room in the")

    def get(self) -> Any:
        return self.serve(lambda: self.rows.pop(0) if self.rows else NOT_YET, "a get waits for a tuple in the")

    def peek(self, index: int) -> Any:
        wanted = f"a peek waits for tuple {index} of the"
        return self.serve(lambda: self.rows[index] if index < len(self.rows) else NOT_YET, wanted)


class MapStage(_Area):
    """Tuples by number: `whole` has those that were completed, `parts` those that are begun."""

    what = "Staging Map"
    ordered = False

    def __init__(self, capacity: int, memory_limit: int, dtypes: list[Any]):
        super().__init__(capacity, memory_limit)
        self.width = len(dtypes)
        self.whole: dict[int, list[Any]] = {}
        self.parts: dict[int, list[Any]] = {}

    def count(self) -> int:
        return len(self.whole)

    def held(self) -> int:
        return sum(_bytes(v) for v in [*self.whole.values(), *self.parts.values()])

    def _check(self, indices: list[int]) -> None:
        for index in indices:
            if not 0 <= index < self.width:
                raise ValueError(f"Index '{index}' for key is out of bounds '{self.width}'.")

    def empty(self) -> None:
        self.whole.clear()
        self.parts.clear()

    def put(self, key: int, indices: list[int], values: list[np.ndarray]) -> Any:
        self._check(indices)
        if len(indices) != len(values):
            raise ValueError(f"MapStage got {len(indices)} indices for {len(values)} values")
        own = [np.array(v, copy=True) for v in values]

        def attempt() -> Any:
            return self._add(key, indices, own) if self.has_room(own) else NOT_YET

        return self.serve(attempt, f"a put of {key} waits for room in the")

    def _add(self, key: int, indices: list[int], values: list[np.ndarray]) -> None:
        row = self.parts.setdefault(key, [None] * self.width)
        for index, value in zip(indices, values, strict=True):
            if row[index] is not None:
                raise ValueError(
                    f"The tensor for index '{index}' for key '{key}' was already initialized '{self.width}'."
                )
            row[index] = value
        if all(v is not None for v in row):
            self.whole.setdefault(key, self.parts.pop(key))  # one that is there stays as it is

    def _read(self, key: int, indices: list[int]) -> list[np.ndarray]:
        self._check(indices)
        row = self.whole[key]
        for index in indices:
            if row[index] is None:
                raise ValueError(f"Tensor at index '{index}' for key '{key}' has already been removed.")
        return [row[index] for index in indices]

    def peek(self, key: int, indices: list[int]) -> Any:
        def attempt() -> Any:
            return self._read(key, indices) if key in self.whole else NOT_YET

        return self.serve(attempt, f"a peek waits for {key} in the")

    def get(self, key: int, indices: list[int]) -> Any:
        def attempt() -> Any:
            return self._taken(key, indices) if key in self.whole else NOT_YET

        return self.serve(attempt, f"a get waits for {key} in the")

    def get_any(self, indices: list[int]) -> Any:
        """The smallest number in an ordered area, else any, and what it has."""

        def attempt() -> Any:
            if not self.whole:
                return NOT_YET
            key = min(self.whole) if self.ordered else next(iter(self.whole))
            return key, self._taken(key, indices)

        return self.serve(attempt, "a get waits for a tuple in the")

    def _taken(self, key: int, indices: list[int]) -> list[np.ndarray]:
        found = self._read(key, indices)
        row = self.whole[key]
        for index in indices:
            row[index] = None
        if all(v is None for v in row):
            del self.whole[key]
        return found


class OrderedMapStage(MapStage):
    ordered = True


_AREA: dict[str, Any] = {
    "capacity": Attr("int", default=0, minimum=0), "memory_limit": Attr("int", default=0, minimum=0), "container": "",
    "shared_name": "", "stateful": True, "source": ("W45",),
}  # fmt: skip
_SOME, _ANY = Attr("list(type)", minimum=1), Attr("list(type)")


def _unknown(context: ShapeContext) -> list[shapes.Shape]:
    return [None] * len(context.attrs["dtypes"])


def _define(name: str, signature: str, make: Any, kernel: Any, waits: bool = False, **attrs: Any) -> None:
    op = define_op(name, signature, **_AREA, **attrs)
    op.state(make)
    op.kernel(kernel)
    op.moves_bits = True
    op.waits = waits
    op.no_gradient_registered()
    if "dtypes" in op.attrs and op.outputs and op.outputs[0].name == "values":
        op.shape(_unknown)


def _makes(kind: Any, name: str) -> Any:
    """What makes an area; all ops of a kind share one space of names."""

    def make(capacity, memory_limit, dtypes):
        return Stage(capacity, memory_limit) if kind is Stage else kind(capacity, memory_limit, dtypes)

    make.kind = name  # type: ignore[attr-defined]
    return make


def _ints(indices: np.ndarray) -> list[int]:
    return [int(i) for i in indices.reshape(-1)]


def _size(state):
    return np.array(state.count(), np.int32)


def _clear(state):
    state.clear()


_STAGE = _makes(Stage, "staging area")
_define("Stage", "values: dtypes ->", _STAGE, lambda values, state: state.put(values), waits=True,
        dtypes=_SOME)  # fmt: skip
_define("Unstage", "-> values: dtypes", _STAGE, lambda state: state.get(), waits=True, dtypes=_SOME)
_define("StagePeek", "index: int32[] -> values: dtypes", _STAGE, lambda index, state: state.peek(int(index)),
        waits=True, dtypes=_SOME)  # fmt: skip
_define("StageSize", "-> size: int32[]", _STAGE, _size, dtypes=_ANY)
_define("StageClear", "->", _STAGE, _clear, dtypes=_ANY)


def _key(key: np.ndarray) -> int:
    if np.shape(key) != ():
        raise ValueError(f"key must be an int64 scalar, got tensor with shape: {shapes.text(np.shape(key))}")
    return int(key)


def _put(key, indices, values, state):
    return state.put(_key(key), _ints(indices), values)


def _get_any(indices, state):
    return then(state.get_any(_ints(indices)), lambda found: [np.array(found[0], np.int64), *found[1]])


def _any_shape(context: ShapeContext) -> list[shapes.Shape]:
    return [(), *_unknown(context)]


for _prefix, _kind in (("", MapStage), ("Ordered", OrderedMapStage)):
    _made = _makes(_kind, f"{_prefix} staging map")
    _define(f"{_prefix}MapStage", "key: int64, indices: int32, values: fake_dtypes ->", _made, _put, waits=True,
            dtypes=_ANY, fake_dtypes=_SOME)  # fmt: skip
    _define(f"{_prefix}MapPeek", "key: int64, indices: int32 -> values: dtypes", _made,
            lambda key, indices, state: state.peek(_key(key), _ints(indices)), waits=True,
            dtypes=_SOME)  # fmt: skip
    _define(f"{_prefix}MapUnstage", "key: int64, indices: int32 -> values: dtypes", _made,
            lambda key, indices, state: state.get(_key(key), _ints(indices)), waits=True,
            dtypes=_SOME)  # fmt: skip
    _define(f"{_prefix}MapUnstageNoKey", "indices: int32 -> key: int64[], values: dtypes", _made, _get_any,
            waits=True, dtypes=_SOME)  # fmt: skip
    _define(f"{_prefix}MapSize", "-> size: int32[]", _made, _size, dtypes=_ANY)
    _define(f"{_prefix}MapIncompleteSize", "-> size: int32[]", _made,
            lambda state: np.array(len(state.parts), np.int32), dtypes=_ANY)  # fmt: skip
    _define(f"{_prefix}MapClear", "->", _made, _clear, dtypes=_ANY)
