"""Many steps in one go: `session.repeat(fetches, steps, feeds)`.

    for i in range(steps):
        results[i] = session.run(fetches, {x: feeds[x][i % len(feeds[x])]})

Where all of a step is one stretch on a card, the feeds go there once, and a capture holds `_unrolled` steps: each picks
its rows by a counter in the card's memory, runs, and keeps what is fetched. The host then has nothing to do for a step,
and the results are those of the loop, bit for bit.

Next: runtime/capture.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from refflow.core.dtypes import int32, int64, uint8
from refflow.runtime.capture import Alone
from refflow.runtime.gpu_kernels import repeats
from refflow.runtime.plan import Plan

if TYPE_CHECKING:
    from refflow.runtime.session import Session
    from refflow.runtime.signature import Signature

_MOST_STEPS = 32  # in one capture: the host's 10 us a replay are then a third of one a step
_MOST_LINES = 2000  # in one capture, which takes time and memory for each


def repeat(session: Session, signature: Signature, steps: int, feeds: Mapping[Any, Any]) -> Any:
    """The fetched values of all steps, each on a new first axis, in the structure that was asked for."""
    if steps < 1:
        raise ValueError(f"steps is {steps}, but there must be one at least")
    data = [_rows(feed, value) for feed, value in zip(signature.feeds, feeds.values(), strict=True)]
    wanted = [*signature.tensors, *signature.targets]
    count = len(signature.tensors)

    def run(step: int) -> list[Any]:
        rows = {f.tensor: d[step % len(d)] for f, d in zip(signature.feeds, data, strict=True)}
        return session.run(wanted, rows)[:count]

    found = [run(0)]
    plan = _plan(session, wanted, [f.tensor for f in signature.feeds], data)
    if plan is None or steps < 2:
        found += [run(step) for step in range(1, steps)]
        return signature.assemble([np.stack(values) for values in zip(*found, strict=True)])
    rest = plan.alone_by(lambda alone: _OnCard(alone, data, steps).run(1, steps - 1))
    firsts = [np.asarray(v)[None] for v in found[0]]
    return signature.assemble([np.concatenate(pair) for pair in zip(firsts, rest, strict=True)])


def _rows(feed: Any, value: Any) -> np.ndarray:
    """What is fed, step by step along the first axis, checked by its first row."""
    array = np.asarray(value)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"{feed.tensor.name!r} is fed a row of {array.shape!r} in each step, but there is none")
    feed(array[0])
    return array.astype(feed.numpy_type, copy=False) if array.dtype.kind != "O" else array


def _plan(session: Session, wanted: list[Any], feeds: list[Any], data: Sequence[np.ndarray]) -> Plan | None:
    """The step's plan, where it is nothing but one stretch on a card."""
    found = session._quick.find(wanted, {t: d[0] for t, d in zip(feeds, data, strict=True)})
    plan = getattr(found[0], "_executable", None) if found is not None else None
    return plan if isinstance(plan, Plan) and plan.alone is not None else None


class _OnCard:
    """Steps of one stretch, fed from the card's memory."""

    def __init__(self, alone: Alone, data: Sequence[np.ndarray], steps: int):
        self._alone, self._stretch = alone, alone.stretch
        self._card = alone.stretch.device.card
        self._counter = self._card.array(self._card.block(16), 0, (2,), int64)
        self._data = [self._words(len(d), d.nbytes // len(d)) for d in data]
        for place, rows in zip(self._data, data, strict=True):
            self._card.put(place, np.ascontiguousarray(rows).reshape(-1).view(np.uint8))
        self._unrolled = max(1, min(_MOST_STEPS, steps, _MOST_LINES // max(1, alone.stretch.length)))
        sizes = [int(np.prod(shape, dtype=np.int64)) * dtype.itemsize for shape, dtype in alone.looks]
        self._results = [self._words(self._unrolled, size) for size in sizes]
        self._pinned = [self._card.pinned(self._unrolled * size) for size in sizes]

    def _words(self, rows: int, nbytes: int) -> Any:
        """Rows of that many bytes, as words of four where that comes out even."""
        wide = nbytes % 4 == 0
        shape = (rows, nbytes // 4 if wide else nbytes)
        return self._card.array(self._card.block(max(1, rows * nbytes)), 0, shape, int32 if wide else uint8)

    def run(self, first: int, steps: int) -> list[np.ndarray]:
        """The results of that many steps from the `first` on."""
        self._card.put(self._counter, np.array([0, 0], np.int64))
        with self._card.use():
            for unrolled in (1, self._unrolled):  # compiles what is launched between the steps
                self._steps(unrolled, lambda: None)
        self._card.wait()
        self._card.put(self._counter, np.array([first, 0], np.int64))
        found: list[list[np.ndarray]] = []
        for unrolled, times in ((self._unrolled, steps // self._unrolled), (1, steps % self._unrolled)):
            if times:
                replay = self._card.capture(lambda unrolled=unrolled: self._steps(unrolled, self._stretch.body))
                found += [self._replayed(replay, unrolled) for _ in range(times)]
        return [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def _steps(self, unrolled: int, body: Any) -> None:
        kernels = repeats()
        for _ in range(unrolled):
            for data, place in zip(self._data, self._alone.fed, strict=True):
                if place is not None:
                    kernels.pick_row(data, self._counter, place)
            body()
            for value, results in zip(self._alone.fetched, self._results, strict=True):
                kernels.keep_row(value, self._counter, results)
            kernels.advance(self._counter, unrolled)
        for (pinned, _), results in zip(self._pinned, self._results, strict=True):
            self._card.download(pinned, results)
        self._stretch.notes_down()

    def _replayed(self, replay: Any, unrolled: int) -> list[np.ndarray]:
        self._stretch.run_by(replay)
        return [
            whole.view(dtype).reshape(self._unrolled, *shape)[:unrolled].copy()
            for (_, whole), (shape, dtype) in zip(self._pinned, self._alone.looks, strict=True)
        ]
