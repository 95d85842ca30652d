"""L-BFGS: long steps along directions that remember the last few, each found by a search of the client [S48, E07].

All vectors are variables of the graph and stay where they are: the point x and the slope g that a search starts
from, the direction d, and the last M pairs, newest first (s[i], a step, and y[i], the change of the slope along it).
The client runs small operations and sees numbers only: losses, slopes along d, a norm.

    aim       d := -(inverse curvature) g        ops/lbfgs.py        gives g . d
    move      variables := x + t d               t is fed            gives the loss there and its slope along d
    accept    pair 0 := (variables - x, new g - g), x := variables, g := new g

The search is for weak Wolfe conditions, by doubling t until an end is known, and halving the interval from then on:

    loss(t) <= loss(0) + 1e-4 t g . d        far enough down
    slope(t) >= 0.9 g . d                    far enough along; so s . y > 0, and d goes down next time too

Near the end losses differ by rounding only. There the slope, which is still exact, stands in for the first
condition: slope(t) <= (1 - 2e-4) |g . d| says the same of a parabola.

The deck names L-BFGS; the first release had none, so this class is an addition: deck only [E07].

Nocedal and Wright, "Numerical Optimization", chapters 3 and 7. Lewis and Overton, "Nonsmooth optimization via
quasi-Newton methods", Mathematical Programming 141, 2013 (the search). Hager and Zhang, "A new conjugate gradient
method with guaranteed descent and an efficient line search", SIAM Journal on Optimization 16, 2005 (the stand-in).

Next: runtime/session.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from refflow.core.control import group
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import DType, float32, float64, int32
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.tensor import get_default_session
from refflow.ops.array import identity, reshape
from refflow.ops.cast import cast
from refflow.ops.constant import constant, placeholder, zeros
from refflow.ops.elementwise import SQRT, SQUARE
from refflow.ops.joining import concat
from refflow.ops.lbfgs import LBFGS_DIRECTION
from refflow.ops.reductions import reduce_sum
from refflow.ops.slicing import slice_
from refflow.ops.variable import Variable
from refflow.train.optimizer import Optimizer

_DOWN, _ALONG = 1e-4, 0.9
_TRIALS = 60  # of one search: enough to halve an interval down to the last bit of a float64


class LBFGSResult(NamedTuple):
    """How a minimization ended. `converged` says that the gradient's norm came down to the tolerance."""

    steps: int
    loss: float
    gradient_norm: float
    converged: bool


class _Trial(NamedTuple):
    """What the client knows of a point on the line."""

    loss: float
    slope: float


class LBFGSOptimizer:
    """Minimizes a smooth loss that does not change from run to run: whole data, no random operations.

    history: how many pairs are kept. Unlike other optimizers this one runs the steps itself. Deck only [E07].
    """

    def __init__(self, history: int = 10, name: str = "LBFGS"):
        if history < 1:
            raise ValueError(f"history must be at least 1 pair, got {history}")
        if not name:
            raise ValueError("an optimizer needs a name for its nodes")
        self._history, self._name = history, name
        self._built: dict[tuple[Any, ...], _Nodes] = {}

    def minimize(
        self,
        loss: Tensor,
        var_list: Iterable[Variable] | None = None,
        session: Any = None,
        max_steps: int = 100,
        tolerance: float = 1e-6,
        feed_dict: dict[Any, Any] | None = None,
    ) -> LBFGSResult:
        """Changes the variables of `var_list` (all trainable ones by default) until the gradient's norm is small.

        session: where the variables live and are initialized; the default session otherwise. feed_dict goes into
        every run. Raises ValueError where there is nothing to minimize, or the loss is not finite at the start.
        """
        session = get_default_session() if session is None else session
        if session is None:
            raise ValueError("minimize() runs steps, so it needs session=, or a `with Session():` around it")
        nodes = self._nodes(loss, var_list)
        return _Descent(nodes, session, dict(feed_dict or {}), self._history).run(max_steps, tolerance)

    def _nodes(self, loss: Tensor, var_list: Iterable[Variable] | None) -> _Nodes:
        """The operations for this loss, made when first asked for."""
        chosen = None if var_list is None else list(var_list)
        loss = convert_to_tensor(loss, name="loss")
        _check_scalar(loss)
        key = (loss, None if chosen is None else tuple(chosen))
        if key not in self._built:
            with loss.graph.as_default():
                pairs = Optimizer(False, self._name).compute_gradients(loss, chosen)
                self._built[key] = _Nodes(loss, pairs, self._history, self._name)
        return self._built[key]


def _check_scalar(loss: Tensor) -> None:
    shape = loss.get_shape()
    if shape.ndims not in (0, None):
        raise ShapeError(
            f"the loss {loss.name!r} has shape {shape}, but L-BFGS minimizes one number. Reduce it, as by reduce_mean()"
        )


class _Nodes:
    """The variables and operations of one minimization; the module says what each does."""

    def __init__(self, loss: Tensor, pairs: list[tuple[Any, Variable]], history: int, name: str):
        if all(gradient is None for gradient, _ in pairs):
            names = ", ".join(v.name for _, v in pairs)
            raise ValueError(f"no path leads from {loss.name!r} back to any variable of: {names}")
        variables = [v for _, v in pairs]
        kind = float64 if any(v.dtype.base_dtype is float64 for v in variables) else float32
        sizes = [_size(v) for v in variables]
        total = sum(sizes)  # P
        self.loss = loss
        with op_scope([loss], None, name):
            self.point, self.slope, self.direction = (
                _state(part, [total], kind) for part in ("point", "slope", "direction")
            )
            self.steps, self.changes = (_state(part, [history, total], kind) for part in ("steps", "changes"))
            self.start = group(*(v.initializer for v in self._states()), name="start")
            self.count, self.rate = placeholder(int32, [], "count"), placeholder(kind, [], "rate")
            here = _flat(variables, kind)  # [P]
            gradient = _flat([_dense(g, v) for g, v in pairs], kind)  # [P]
            self.norm = SQRT(reduce_sum(SQUARE(gradient)), name="norm")
            self.slope_along = reduce_sum(gradient * self.direction, name="slope_along")
            self._aim(kind)
            self._move(variables, sizes)
            self._accept(here, gradient, loss)

    def _states(self) -> list[Variable]:
        return [self.point, self.slope, self.direction, self.steps, self.changes]

    def _aim(self, kind: DType) -> None:
        towards = LBFGS_DIRECTION(self.slope, self.steps, self.changes, self.count)
        self.aim = self.direction.assign(towards).op
        self.aimed_slope = reduce_sum(self.slope * towards, name="aimed_slope")

    def _move(self, variables: list[Variable], sizes: list[int]) -> None:
        target = self.point + self.rate * self.direction
        moves, begin = [], 0
        for variable, size in zip(variables, sizes, strict=True):
            part = reshape(slice_(target, [begin], [size]), variable.get_shape().as_list())
            moves.append(variable.assign(_as(part, variable.dtype.base_dtype)).op)
            begin += size
        self.move = group(*moves, name="move")

    def _accept(self, here: Tensor, gradient: Tensor, loss: Tensor) -> None:
        """`begin` takes x and g from where the variables are; `remember` keeps the pair first."""
        with loss.graph.control_dependencies([here, gradient]):
            self.begin = group(self.point.assign(here).op, self.slope.assign(gradient).op, name="begin")
        step, change = here - self.point, gradient - self.slope
        self.curvature = reduce_sum(step * change, name="curvature")
        kept = [_shifted(row, rows).op for row, rows in ((step, self.steps), (change, self.changes))]
        with loss.graph.control_dependencies(kept):  # the differences are read before x and g change
            self.remember = group(self.point.assign(here).op, self.slope.assign(gradient).op, name="remember")


def _size(variable: Variable) -> int:
    size = variable.get_shape().num_elements()
    if size is None:
        shape = variable.get_shape()
        raise ShapeError(f"{variable.name!r} has shape {shape}, but L-BFGS takes variables whose size is known")
    return size


def _state(name: str, shape: list[int], kind: DType) -> Variable:
    """A variable of the search alone: in no collection, so that neither trainers nor Savers see it."""
    return Variable(zeros(shape, kind), trainable=False, collections=[], name=name)


def _as(tensor: Tensor, kind: DType) -> Tensor:
    return tensor if tensor.dtype.base_dtype is kind else cast(tensor, kind)


def _dense(gradient: Any, variable: Variable) -> Any:
    """The gradient as a tensor; zeros where the loss does not depend on the variable."""
    if gradient is None:
        return constant(0.0, variable.dtype.base_dtype, variable.get_shape())
    return convert_to_tensor(gradient)


def _flat(parts: list[Any], kind: DType) -> Tensor:
    """All numbers of `parts` as one vector."""
    return identity(concat(0, [_as(reshape(part, [-1]), kind) for part in parts]))


def _shifted(row: Tensor, rows: Variable) -> Tensor:
    """`row` becomes row 0 of `rows`, and the oldest leaves."""
    history = rows.get_shape()[0].value or 0
    kept = slice_(rows, [0, 0], [history - 1, -1])
    return rows.assign(concat(0, [reshape(row, [1, -1]), kept]))


class _Descent:
    """The client's part: which operation runs next."""

    def __init__(self, nodes: _Nodes, session: Any, feeds: dict[Any, Any], history: int):
        self._nodes, self._session, self._feeds, self._history = nodes, session, feeds, history
        self._count = 0  # pairs that are known
        self._epsilon = float(np.finfo(nodes.loss.dtype.base_dtype.as_numpy_dtype).eps)

    def run(self, max_steps: int, tolerance: float) -> LBFGSResult:
        nodes = self._nodes
        self._run([nodes.start])
        loss, norm, _ = self._run([nodes.loss, nodes.norm, nodes.begin])
        self._check_start(loss, norm)
        steps = 0
        while norm > tolerance and steps < max_steps:
            slope = self._aim()
            first = 1.0 if self._count else min(1.0, 1.0 / norm)  # without a pair nothing is known of the scale
            found = self._search(loss, slope, first)
            if found is None and not self._count:
                break  # not even along the gradient is there a lower loss that can be told apart
            if found is None:
                self._count = 0
                continue
            loss, steps = found, steps + 1
            norm = self._accept()
        return LBFGSResult(steps, float(loss), float(norm), bool(norm <= tolerance))

    def _check_start(self, loss: Any, norm: Any) -> None:
        name = self._nodes.loss.name
        if np.ndim(loss):
            raise ShapeError(f"the loss {name!r} has shape {list(np.shape(loss))}, but L-BFGS minimizes one number")
        if not (np.isfinite(loss) and np.isfinite(norm)):
            raise ValueError(
                f"the loss {name!r} is {loss} and its gradient has norm {norm} at the start, but both must be finite. "
                "Start from other values"
            )

    def _aim(self) -> float:
        """The slope along a new direction; without pairs where rounding made the direction go up."""
        nodes = self._nodes
        slope, _ = self._run([nodes.aimed_slope, nodes.aim], {nodes.count: self._count})
        if not slope < 0 and self._count:
            self._count = 0
            return self._aim()
        return float(slope)

    def _search(self, loss: float, slope: float, rate: float) -> float | None:
        """The loss at the point that the variables are moved to; None, and they are moved back, if none is lower."""
        low, high = 0.0, math.inf
        best: tuple[float, float | None] = (0.0, None)  # a rate that is down, though not far enough along
        for _ in range(_TRIALS):
            trial = self._try(rate)
            if not self._is_down(trial, loss, rate, slope):
                high = rate
            elif trial.slope >= _ALONG * slope:
                return trial.loss
            else:
                low = rate
                best = (rate, trial.loss) if trial.loss < loss else best
            rate = 2 * low if math.isinf(high) else (low + high) / 2
        self._try(best[0])
        return best[1]

    def _is_down(self, trial: _Trial, loss: float, rate: float, slope: float) -> bool:
        """The first condition; never where the loss or its slope is not finite."""
        if not (math.isfinite(trial.slope) and math.isfinite(trial.loss)):
            return False
        same = trial.loss <= loss + 4 * self._epsilon * abs(loss)
        return trial.loss <= loss + _DOWN * rate * slope or (same and trial.slope <= (2 * _DOWN - 1) * slope)

    def _try(self, rate: float) -> _Trial:
        nodes = self._nodes
        self._run([nodes.move], {nodes.rate: rate})
        loss, slope = self._run([nodes.loss, nodes.slope_along])
        return _Trial(float(loss), float(slope))

    def _accept(self) -> float:
        """The gradient's norm at the new point, whose pair is kept if it has curvature."""
        nodes = self._nodes
        if self._run([nodes.curvature])[0] > 0:
            norm, _ = self._run([nodes.norm, nodes.remember])
            self._count = min(self._count + 1, self._history)
        else:
            norm, _ = self._run([nodes.norm, nodes.begin])
        return float(norm)

    def _run(self, fetches: list[Any], feeds: dict[Any, Any] | None = None) -> list[Any]:
        return self._session.run(fetches, {**self._feeds, **(feeds or {})})
