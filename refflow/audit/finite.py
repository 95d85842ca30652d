"""Which op first makes a NaN or an infinity, and from what: `refflow audit finite PROGRAM` [W54].

    makes       an output is not finite, and the inputs were; or a NaN of inputs among which there was none
    passes on   the inputs had it already: not told

Every run of the program is watched, node by node, as it stands in the graph (runtime/watch.py), until a step makes a
value that is none. Of each tensor only a *look* is kept, its range and how many zeros, negatives and not finite ones
it has: that is what a logarithm, a quotient or an exponential went wrong by, and a plan may have used its memory again.

A constant that is infinite is meant, as in a mask; NaN is not. With `infinities=False` only NaNs count. The program is
none the worse for it: nothing is added to its graph, unlike by add_check_numerics_ops, and the line that built the op
is told.

Next: audit/tensors.py.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from refflow.core.shapes import text as shape_text
from refflow.core.values import scalar
from refflow.program_runs import Enough, run_program
from refflow.runtime.events import EventLog, StepLog
from refflow.runtime.frames import DEAD
from refflow.runtime.nodes import CONTROL_FLOW, Node
from refflow.runtime.resources import VariableState
from refflow.runtime.steps import Step

_FETCH = re.compile(r"^_send_(.*)_(\d+)$")  # the node that hands a tensor to the client
_MEANT = ("Const", "Placeholder")


class Look(NamedTuple):
    """What is kept of a tensor: type and shape, the range of what is finite, and how many are of each kind."""

    form: str
    low: float
    high: float
    size: int
    zeros: int
    negatives: int
    nans: int
    infinities: int

    @classmethod
    def at(cls, value: Any) -> Look | None:
        """None for what holds no floats."""
        held = value.value if isinstance(value, VariableState) else value
        held = held.cpu().numpy() if hasattr(held, "cpu") else held
        if getattr(getattr(held, "dtype", None), "kind", "") not in ("f", "c"):
            return None
        array = np.asarray(held)
        finite = np.isfinite(array)
        real = array.real[finite] if array.dtype.kind == "c" else array[finite]
        low, high = (float(real.min()), float(real.max())) if real.size else (np.nan, np.nan)
        nans = int(np.isnan(array).sum())
        return cls(
            f"{array.dtype.name}{shape_text(array.shape)}", low, high, array.size, int((real == 0).sum()),
            int((real < 0).sum()), nans, int(array.size - finite.sum()) - nans,
        )  # fmt: skip

    def __str__(self) -> str:
        counts = ((self.nans, "NaN"), (self.infinities, "infinite"), (self.zeros, "zero"), (self.negatives, "negative"))
        told = [f"{count:,} of {self.size:,} {word}" for count, word in counts if count]
        if np.isfinite(self.low):
            told.insert(0, f"{self.low:.6g} to {self.high:.6g}" if self.low < self.high else f"{self.low:.6g}")
        return f"{self.form}  {', '.join(told)}"


class Made(NamedTuple):
    """An op that made a value that is none. looks: of its inputs, by name. port: of the output."""

    node: Node
    place: str
    port: int
    look: Look
    looks: list[tuple[str, Look | None]]

    @property
    def what(self) -> str:
        return "NaN" if self.look.nans else "an infinity"


@dataclass
class Found:
    """What a step made, in order. runs: how many went before it; what: the step itself; spoiled: what came to have it.

    error: what the step ended with, if it did.
    """

    runs: int
    what: str = ""
    made: list[Made] = field(default_factory=list)
    spoiled: list[str] = field(default_factory=list)
    error: str = ""


class _Log(EventLog):
    """Looks at the values of one step, and keeps no events."""

    def __init__(self, infinities: bool):
        super().__init__(time.perf_counter)
        self.infinities = infinities
        self.last: dict[tuple[int, int], Look | None] = {}
        self.made: list[Made] = []
        self.spoiled: dict[str, None] = {}

    def begin(self, what: str) -> StepLog:
        return _StepLooks(self)


class _StepLooks(StepLog):
    def __init__(self, log: _Log):
        self._looks, self.step = log, 1

    def finish(self) -> None:
        """Nothing: the looks are there."""

    def note(self, kind: str, node: Node, place: str = "", values: Iterable[Any] = ()) -> None:
        """What else happens has no values to look at."""

    def start(self, node: Node, place: str = "") -> None:
        """Nothing: a node is looked at when it has given its values."""

    def end(self, node: Node, values: Iterable[Any] = (), place: str = "") -> None:
        log = self._looks
        inputs = [log.last.get((n.id, port)) for n, port in node.inputs]
        if node.type in CONTROL_FLOW:
            self._pass_on(node, inputs)
        for port, value in enumerate(values):
            look = None if value is None or value is DEAD else Look.at(value)
            log.last[node.id, port] = look
            if look is None or not look.nans + look.infinities:
                continue
            if node.sends or node.type.startswith(("Assign", "Apply", "ResourceApply")):
                log.spoiled.setdefault(_FETCH.sub(r"\1:\2", node.name))
            if _is_made(node, look, inputs, log.infinities):
                names = [f"{n.name}:{p}" if p else n.name for n, p in node.inputs]
                log.made.append(Made(node, place, port, look, list(zip(names, inputs, strict=True))))

    def _pass_on(self, node: Node, inputs: Sequence[Look | None]) -> None:
        """Of what a plan's Switch and its like give nothing is told: it is what they were given."""
        there = [look for look in inputs if look is not None]
        look = next((look for look in there if look.nans + look.infinities), there[0] if there else None)
        for port in range(len(node.types)):
            self._looks.last[node.id, port] = look


def _is_made(node: Node, look: Look, inputs: Sequence[Look | None], infinities: bool) -> bool:
    """Whether it is this node that made it, and not one before."""
    there = [i for i in inputs if i is not None]
    if look.nans and not any(i.nans for i in there):
        return True
    meant = node.op_def.family in _MEANT or not infinities
    return bool(look.infinities) and not meant and not any(i.nans or i.infinities for i in there)


def first_in(path: str, arguments: Sequence[str] = (), infinities: bool = True) -> Found:
    """Runs a program until a step makes a NaN or an infinity, or to its end: `made` is empty then.

    ValueError for a program that runs no step.
    """
    found = Found(0)

    def around(run: Callable[..., Any], session: Any, *request: Any) -> Any:
        if found.made:  # by another thread
            raise Enough
        fetches, feed_dict, *_ = request
        session._check_open()
        signature, values = session._fed(fetches, {} if feed_dict is None else feed_dict)
        log = _Log(infinities)
        step = session._step(signature, values, _Log.watch)
        if not isinstance(step, Step):  # a cluster's
            return run(session, *request)
        feeds = [scalar(v) for v in values]
        try:
            result = step(feeds, session._seconds, log)
        except Exception as error:
            if not log.made:
                raise
            found.error = str(error).splitlines()[0]
        if log.made:
            found.what, found.made, found.spoiled = signature.what, log.made, list(log.spoiled)
            raise Enough
        found.runs += 1
        return result

    run_program(path, arguments, around)
    if not found.made and not found.runs:
        raise ValueError(f"{path} runs no step of a session: give it with --args what makes it run one")
    return found


def report(found: Found) -> list[str]:
    """The lines to print."""
    if not found.made:
        return [f"in {found.runs} run{'s' * (found.runs > 1)} every value of every node was finite"]
    first, *others = found.made
    lines = [f"run {found.runs} made {first.what}: {found.what}", "", *_told(first)]
    if others:
        lines += ["", f"made in the same run from finite values: {len(others)} more"]
        lines += [f"  {m.node.type} {m.node.name}  {m.look}" for m in others[:8]]
    reached = ", ".join(found.spoiled[:8]) or "nothing that the run fetched or stored"
    lines += ["", f"it reached: {reached}{' ...' if found.spoiled[8:] else ''}"]
    if found.error:
        lines.append(f"the run ended with: {found.error}")
    return lines


def _told(made: Made) -> list[str]:
    node = made.node
    where = f" in {made.place}" if made.place else ""
    lines = [f"{node.type} {node.name!r}{where} gave", f"  {made.look}"]
    if made.looks:
        lines.append("from")
        width = max(len(name) for name, _ in made.looks)
        lines += [f"  {name:{width}}  {'no floats' if look is None else look}" for name, look in made.looks]
    frame = node.origin.user_frame if node.origin is not None else None
    if frame is not None:
        lines.append(f"built at {frame}")
    hint = _hint(node.type, [look for _, look in made.looks if look is not None])
    return [*lines, *([hint] if hint else [])]


def _hint(kind: str, looks: Sequence[Look]) -> str:
    """What such ops go wrong by, where the inputs show it."""
    if kind == "_Recv":
        return "the program fed it"
    first, last = (looks[0], looks[-1]) if looks else (None, None)
    if (
        kind in ("Log", "Log1p", "Rsqrt", "Sqrt", "Reciprocal", "Inv", "Pow")
        and first
        and first.zeros + first.negatives
    ):
        return "zeros and negatives are outside of it: add a small number, or tf.maximum(x, 1e-12) first"
    if kind in ("Div", "RealDiv", "Xdivy", "DivNoNan") and last and last.zeros:
        return "it divides by zero: add a small number to the divisor, or tf.maximum(x, 1e-12) first"
    if kind == "Exp" and first and first.high > 80:
        return "it grows past the type's largest number: subtract the maximum first, or take a fused op of tf.nn"
    return ""
