"""L-BFGS as a list of commands: the numbers are the coordinator's, all vectors stay where they lie [D12].

The shards hold x (the parameters) and g (the gradient there), the direction d, the point that is tried and the gradient
there, and the last M pairs: s, a step, and y, how the gradient changed along it. A step is

    direction   d := -H g                H: inverse curvature as the pairs know it, by two loops
    search      trial := x + t d         for rates t until loss and slope are low enough; each trial is a whole batch
    accept      s := trial - x           y := gradient at trial - g         x := trial         g := gradient at trial

The two loops, with curvature c = s . y of each pair and q = g at first:

    from the newest pair to the oldest     a := (s . q) / c        q := q - a y
    q := (c / (y . y)) q                                           of the newest pair
    from the oldest to the newest          b := (y . q) / c        q := q + (a - b) s

so M pairs take 4 M + 2 dot products at most. The search doubles t until an end is known and halves the interval from
then on, for loss(t) <= loss(0) + 1e-4 t slope(0) and slope(t) >= 0.9 slope(0), as train/lbfgs.py does in a graph.

Nocedal and Wright, "Numerical Optimization", algorithms 7.4 and 7.5.

Next: distbelief/portions.py.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, NamedTuple

from refflow.distbelief.commands import Add, Command, Dot, Evaluate, Program, Scale
from refflow.distbelief.errors import ScheduleError
from refflow.distbelief.server import PARAMETERS

GRADIENT, DIRECTION, TRIAL, THERE, TEMPORARY = "gradient", "direction", "trial", "gradient at trial", "temporary"
_DOWN, _ALONG = 1e-4, 0.9
_TRIALS = 60  # of one search: enough to halve an interval down to the last bit of a float64


class Pair(NamedTuple):
    """The names of a step and of its change of the gradient, and s . y, which is above 0."""

    s: str
    y: str
    curvature: float


class Outcome(NamedTuple):
    """How a minimization ended. losses: at the start and after each step. evaluations: batches that it took."""

    steps: int
    losses: list[float]
    gradient_norm: float
    converged: bool
    evaluations: int


def plus(z: str, x: str, a: float, y: str) -> Generator[Command, Any, None]:
    """z := x + a y."""
    yield Scale(TEMPORARY, a, y)
    yield Add(z, x, TEMPORARY)


def direction(pairs: list[Pair]) -> Generator[Command, Any, None]:
    """d := -H g, from pairs whose first is the newest; -g where there are none."""
    yield Scale(DIRECTION, 1.0, GRADIENT)
    along = []
    for pair in pairs:
        along.append((yield Dot(pair.s, DIRECTION)) / pair.curvature)
        yield from plus(DIRECTION, DIRECTION, -along[-1], pair.y)
    if pairs:
        newest = pairs[0]
        yield Scale(DIRECTION, newest.curvature / (yield Dot(newest.y, newest.y)), DIRECTION)
    for pair, a in zip(reversed(pairs), reversed(along), strict=True):
        b = (yield Dot(pair.y, DIRECTION)) / pair.curvature
        yield from plus(DIRECTION, DIRECTION, a - b, pair.s)
    yield Scale(DIRECTION, -1.0, DIRECTION)


def minimize(max_steps: int = 100, tolerance: float = 1e-6, history: int = 10, epsilon: float = 2.0**-52) -> Program:
    """The program: changes the parameters until the gradient's norm is small. Returns an Outcome.

    history: how many pairs are kept. epsilon: of the numbers that the loss is made of.
    ScheduleError if the loss is not finite where it begins.
    """
    if history < 1:
        raise ScheduleError(f"history = {history} pairs, but L-BFGS keeps at least 1")
    return _Descent(history, epsilon).run(max_steps, tolerance)


class _Descent:
    """What the coordinator keeps: names and numbers."""

    def __init__(self, history: int, epsilon: float):
        self.epsilon = epsilon
        self.pairs: list[Pair] = []
        self.names = [(f"s{i}", f"y{i}") for i in range(history + 1)]  # one more, to write before the oldest goes
        self.history = history
        self.evaluations = 0

    def run(self, max_steps: int, tolerance: float) -> Program:
        yield Scale(TRIAL, 1.0, PARAMETERS)
        losses = [(yield from self._evaluate())]
        yield Scale(GRADIENT, 1.0, THERE)
        norm = math.sqrt((yield Dot(GRADIENT, GRADIENT)))
        if not (math.isfinite(losses[0]) and math.isfinite(norm)):
            raise ScheduleError(
                f"the loss is {losses[0]} and its gradient has norm {norm} at the start, but both must be finite. "
                "Start from other parameters"
            )
        while norm > tolerance and len(losses) <= max_steps:
            slope = yield from self._aim()
            first = 1.0 if self.pairs else min(1.0, 1.0 / norm)  # without a pair nothing is known of the scale
            found = yield from self._search(losses[-1], slope, first)
            if found is None and not self.pairs:
                break  # not even along the gradient is there a lower loss that can be told apart
            if found is None:
                self.pairs = []
                continue
            losses.append(found)
            norm = yield from self._accept()
        return Outcome(len(losses) - 1, losses, norm, norm <= tolerance, self.evaluations)

    def _evaluate(self) -> Generator[Any, Any, float]:
        self.evaluations += 1
        return (yield Evaluate(TRIAL, THERE))

    def _aim(self) -> Generator[Any, Any, float]:
        """The slope along a new direction; without pairs where rounding made the direction go up."""
        yield from direction(self.pairs)
        slope = yield Dot(GRADIENT, DIRECTION)
        if not slope < 0 and self.pairs:
            self.pairs = []
            return (yield from self._aim())
        return slope

    def _try(self, rate: float) -> Generator[Any, Any, tuple[float, float]]:
        yield from plus(TRIAL, PARAMETERS, rate, DIRECTION)
        loss = yield from self._evaluate()
        return loss, (yield Dot(THERE, DIRECTION))

    def _search(self, loss: float, slope: float, rate: float) -> Generator[Any, Any, float | None]:
        """The loss at the trial point, which is lower; None if no lower one was found."""
        low, high = 0.0, math.inf
        best: tuple[float, float | None] = (0.0, None)  # a rate that is down, though not far enough along
        for _ in range(_TRIALS):
            there, along = yield from self._try(rate)
            if not self._is_down(there, along, loss, rate, slope):
                high = rate
            elif along >= _ALONG * slope:
                return there
            else:
                low = rate
                best = (rate, there) if there < loss else best
            rate = 2 * low if math.isinf(high) else (low + high) / 2
        if best[1] is not None:
            yield from self._try(best[0])
        return best[1]

    def _is_down(self, there: float, along: float, loss: float, rate: float, slope: float) -> bool:
        """The first condition. Where losses differ by rounding only, the slope, which is still exact, stands in."""
        if not (math.isfinite(there) and math.isfinite(along)):
            return False
        same = there <= loss + 4 * self.epsilon * abs(loss)
        return there <= loss + _DOWN * rate * slope or (same and along <= (2 * _DOWN - 1) * slope)

    def _accept(self) -> Generator[Any, Any, float]:
        """The gradient's norm at the trial point, which becomes x; the pair is kept if it has curvature."""
        s, y = next(names for names in self.names if names not in [(pair.s, pair.y) for pair in self.pairs])
        yield from plus(s, TRIAL, -1.0, PARAMETERS)
        yield from plus(y, THERE, -1.0, GRADIENT)
        curvature = yield Dot(s, y)
        if curvature > 0:
            self.pairs = [Pair(s, y, curvature), *self.pairs[: self.history - 1]]
        yield Scale(PARAMETERS, 1.0, TRIAL)
        yield Scale(GRADIENT, 1.0, THERE)
        return math.sqrt((yield Dot(GRADIENT, GRADIENT)))
