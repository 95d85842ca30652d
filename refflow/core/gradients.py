"""gradients(ys, xs): nodes that compute d(sum of ys)/dx for each x, added to the same graph [W29, S49].

    1. between    the operations on some path from an x to a y: forward from xs, then backward from ys
    2. pending    for each of them, how many of its uses have not sent a gradient back yet
    3. sweep      take an operation when its count is zero; sum what arrived at each output (AddN) [W32];
                  ask its gradient function for the inputs' gradients [W30]; send them on

Gradients are ordinary nodes, so they can be differentiated, pruned and placed like any others. Inside
the scope `gradients/`, each operation's part has its own scope `<operation>_grad`.

Next: train/optimizer.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from refflow.core.control import tuple_
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int64, resource
from refflow.core.errors import DTypeError, ShapeError
from refflow.core.frames import Frames, Loop
from refflow.core.graph import Graph, Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.loop_gradients import has_slope, loop_gradient
from refflow.core.registry import op_def
from refflow.core.values import as_value

_NAMED: dict[str, Callable[..., Any] | None] = {}


class AggregationMethod:
    """How contributions to one tensor's gradient are summed [W32]."""

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


class RegisterGradient:
    """Decorator: registers a gradient for an op type, or under a new name for gradient_override_map."""

    def __init__(self, op_type: str):
        if not isinstance(op_type, str):
            raise TypeError("op_type must be a string")
        self._op_type = op_type

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _register(self._op_type, function)
        return function


def NoGradient(op_type: str) -> None:
    """States that nothing flows back through ops of this type."""
    _register(op_type, None)


def _register(op_type: str, function: Callable[..., Any] | None) -> None:
    try:
        op = op_def(op_type)
    except ValueError:
        if op_type in _NAMED:
            raise KeyError(f"Registering two gradient with name '{op_type}'! It is registered already") from None
        _NAMED[op_type] = function
        return
    if function is None:
        op.no_gradient()
    else:
        op.gradient(function)


def get_gradient_function(op: Operation) -> Callable[..., Any] | None:
    """The op's gradient function; None where nothing flows back; LookupError if nobody said [W30]."""
    name = op.attrs.get("_gradient_op_type")
    if name is not None:
        if name in _NAMED:
            return _NAMED[name]
        definition = op_def(name)
    else:
        definition = op.op_def
    if definition.name in op.graph.gradient_rules:
        return op.graph.gradient_rules[definition.name]
    if not definition.has_gradient_rule:
        raise LookupError(
            f"No gradient defined for operation {op.name!r} (op type: {op.type}). Register one with "
            f"@RegisterGradient({definition.name!r}), or stop the path there with stop_gradient()"
        )
    return definition.gradient_function


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
) -> list[Any]:
    """One gradient per x, in order: a Tensor, IndexedSlices, or None where no y depends on it [W29].

    grad_ys: the gradients that flow into the ys, ones by default. gate_gradients: no gradient of an
    operation may be used before all of that operation's gradients are there [W80]. stop_gradients: tensors that count
    as given, behind which nothing is asked.
    """
    ys, xs = _as_list(ys), _as_list(xs)
    grad_ys = [None] * len(ys) if grad_ys is None else _as_list(grad_ys)
    if len(grad_ys) != len(ys):
        raise ValueError(f"there are {len(ys)} ys, but {len(grad_ys)} grad_ys")
    with op_scope([*ys, *xs, *(g for g in grad_ys if g is not None)], name, "gradients"):
        ys = [_endpoint(y, "y") for y in ys]
        xs = [_endpoint(x, "x") for x in xs]
        stops = [_endpoint(t, "stop") for t in _as_list([] if stop_gradients is None else stop_gradients)]
        units = _units_around(ys, xs)
        sweep = _Sweep(ys, xs, colocate_gradients_with_ops, gate_gradients, aggregation_method, units)
        sweep.frontier |= {units.of(t.op) for t in stops}
        for y, grad_y in zip(ys, grad_ys, strict=True):
            sweep.send(y, _seed(y, grad_y, sweep))
        sweep.run()
        return [sweep.arrived(x) for x in xs]


def ends_of_the_way(y: Any, xs: Sequence[Any]) -> list[Operation]:
    """The operations between the xs and y through which no gradient flows, those next to the xs alone."""
    y, sources = _endpoint(y, "y"), {_endpoint(x, "x").op for x in xs}
    ways = dict.fromkeys(sources, True)  # whether a gradient would come as far as here
    ends = []
    for op in sorted(_ancestors(y.op), key=lambda op: op._id):
        if op in sources or not any(ways.get(t.op) for t in op.inputs):
            continue
        rule = op.graph.gradient_rules.get(op.op_def.name, op.op_def.gradient_function)
        ways[op] = rule is not None and any(t.dtype.base_dtype.kind in "fc" for t in op.outputs)
        if not ways[op]:
            ends.append(op)
    return ends


def _ancestors(op: Operation) -> set[Operation]:
    found, stack = {op}, [op]
    while stack:
        for tensor in stack.pop().inputs:
            if tensor.op not in found:
                found.add(tensor.op)
                stack.append(tensor.op)
    return found


def _units_around(ys: list[Tensor], xs: list[Tensor]) -> _Units:
    """The units of the frame that the ys are in."""
    graph = (ys or xs)[0].graph if ys or xs else get_default_graph()
    frames = Frames(graph)
    loops = [frames.loop_around(y) for y in ys]
    return _Units(graph, frames, loops[0] if loops else None, through=True)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _endpoint(value: Any, name: str) -> Tensor:
    """The tensor that a y or an x stands for; IndexedSlices by their values."""
    if isinstance(value, IndexedSlices):
        return value.values
    tensor = convert_to_tensor(value, name=name, as_ref=True)
    graph = get_default_graph()  # op_scope has made it that of the ys and xs, or the body of a function around them
    return tensor if tensor.graph is graph else graph._from_outside(tensor, "gradients")


def _seed(y: Tensor, given: Any, sweep: _Sweep) -> Any:
    if given is None:
        if not (y.dtype.base_dtype.is_floating or y.dtype.base_dtype.is_complex):
            raise DTypeError(f"only floats have gradients, but y = {y.name!r} is {y.dtype.base_dtype.name}")
        with sweep.device_of(y.op):
            kind, shape = y.dtype.base_dtype, op_def("Shape")(y)
            return op_def("Fill")(shape, op_def("Const")(value=as_value(1, kind), dtype=kind))
    if isinstance(given, IndexedSlices):
        return given
    given = convert_to_tensor(given, name="grad_y")
    if given.dtype.base_dtype is not y.dtype.base_dtype:
        raise DTypeError(f"y {y.name!r} is {y.dtype.base_dtype.name}, but its grad_y is {given.dtype.base_dtype.name}")
    return given


class _Units:
    """The parts of one frame that a sweep goes through: its operations, and the loops in it, each as one node.

    through: what is the same in each iteration leads on to where it came from, for a gradient that is asked for within
    a body: it is that iteration's.
    """

    def __init__(
        self, graph: Graph, frames: Frames | None = None, loop: Loop | None = None, through: bool = False
    ):
        self.frames = frames or Frames(graph)
        self._loop = loop
        self._around: set[Loop] = set()
        self._ends: set[Any] = set()
        self.turning: list[Any] = []  # the variables of loops around, through whose start no gradient is asked for
        if loop is not None:
            self._ends = {v.switch for v in loop.variables} | (set() if through else set(loop.invariants))
        while loop is not None:
            self._around.add(loop)
            if through:
                self._ends |= {v.enter for v in loop.variables}
                self.turning += loop.variables
            loop = loop.parent

    def of(self, op: Operation) -> Any:
        """The operation itself, or the loop of this frame that it is in."""
        loop = self.frames.loop_of(op)
        if loop is None or loop in self._around:
            return op
        while loop.parent is not self._loop and loop.parent is not None:
            loop = loop.parent
        return loop

    def inputs(self, unit: Any) -> list[Tensor]:
        """What a unit reads in this frame: nothing, where the body begins."""
        return [] if unit in self._ends else unit.inputs


class _Sweep:
    """The state of one reverse sweep."""

    def __init__(
        self, ys: list[Tensor], xs: list[Tensor], colocate: bool, gate: bool, aggregation_method: int | None,
        units: _Units,
    ):  # fmt: skip
        self.colocate, self.gate, self.units = colocate, gate, units
        self.method = AggregationMethod.DEFAULT if aggregation_method is None else aggregation_method
        if self.method not in (0, 1, 2):
            raise ValueError(f"aggregation_method {aggregation_method!r} is none of AggregationMethod's")
        self.pending = _pending_uses(ys, xs, units)
        # An x that no other x leads to ends the walk: nobody asked for what lies behind it [W32].
        ends = {units.of(x.op) for x in xs}
        self.frontier = {u for u in ends if not any(units.of(t.op) in self.pending for t in units.inputs(u))}
        self.received: dict[Tensor, list[Any]] = {}  # the gradients that arrived
        self.summed: dict[Tensor, Any] = {}
        starts = dict.fromkeys(units.of(y.op) for y in ys)
        self.ready = deque(u for u in starts if not self.pending.get(u))

    def send(self, tensor: Tensor, gradient: Any) -> None:
        self.received.setdefault(tensor, []).append(gradient)

    def arrived(self, x: Tensor) -> Any:
        return self.summed.get(x)

    def device_of(self, op: Operation) -> Any:
        return op.graph.device(op.device) if self.colocate and op.device else nullcontext()

    def run(self) -> None:
        while self.ready:
            unit = self.ready.popleft()
            inputs = self.units.inputs(unit)
            if isinstance(unit, Loop):
                self._send_through(unit, inputs)
            else:
                self._visit(unit)
            for tensor in inputs:
                before = self.units.of(tensor.op)
                if before in self.pending:
                    self.pending[before] -= 1
                    if not self.pending[before]:
                        self.ready.append(before)

    def _visit(self, op: Operation) -> None:
        with self.device_of(op):
            output_gradients = [self._sum(t) for t in op.outputs]
            if any(g is not None for g in output_gradients) and op not in self.frontier:
                self._send_back(op, output_gradients)

    def _send_through(self, loop: Loop, inputs: list[Tensor]) -> None:
        """A loop's gradient is a loop."""
        arrived = {t: g for t in loop.outputs if (g := self._sum(t)) is not None}
        if not arrived or loop in self.frontier:
            return
        wanted = {t for t in inputs if self.units.of(t.op) in self.pending}
        for tensor, gradient in loop_gradient(loop, arrived, wanted, self.units.frames, self._inside):
            self.send(tensor, gradient)

    def _inside(self, ys: Any, xs: Any, grad_ys: Any, frames: Frames, loop: Loop) -> list[Any]:
        """One gradient or None for each x of a loop's body."""
        units = _Units(loop.enters[0].graph, frames, loop)
        sweep = _Sweep(ys, xs, self.colocate, self.gate, self.method, units)
        for y, gradient in zip(ys, grad_ys, strict=True):
            sweep.send(y, gradient)
        sweep.run()
        return list(map(sweep.arrived, xs))

    def _sum(self, tensor: Tensor) -> Any:
        arrived = self.received.pop(tensor, None)
        if not arrived:
            return None
        self.summed[tensor] = add_gradients(arrived, self.method, tensor.op.name)
        return self.summed[tensor]

    def _send_back(self, op: Operation, output_gradients: list[Any]) -> None:
        function = get_gradient_function(op)
        if function is None:
            return
        for i, (output, gradient) in enumerate(zip(op.outputs, output_gradients, strict=True)):
            # What the ys do not depend on has gradient zero [W31].
            if gradient is None and has_slope(output.dtype):
                output_gradients[i] = op_def("ZerosLike")(output, name="zeros_like")
        graph = get_default_graph()
        with graph.name_scope(op.name + "_grad"), graph.deriving(op):
            found = function(op, *output_gradients)
            found = list(found) if isinstance(found, (list, tuple)) else [found]
            _verify(op, found)
            if self.gate and sum(g is not None for g in found) > 1:
                found = tuple_(found)
        for tensor, gradient in zip(op.inputs, found, strict=True):
            if gradient is not None:
                self.send(tensor, gradient)


def _pending_uses(ys: list[Tensor], xs: list[Tensor], units: _Units) -> dict[Any, int]:
    """The units between xs and ys, each with the number of its uses by others of them."""
    reached: set[Any] = {units.of(x.op) for x in xs}
    queue: deque[Any] = deque(reached)
    while queue:
        for output in queue.popleft().outputs:
            for user in output._consumers:
                unit = units.of(user)
                if unit not in reached:
                    reached.add(unit)
                    queue.append(unit)
    pending: dict[Any, int] = {units.of(y.op): 0 for y in ys if units.of(y.op) in reached}
    queue = deque(pending)
    while queue:
        for tensor in units.inputs(queue.popleft()):
            unit = units.of(tensor.op)
            if unit in reached:
                if unit not in pending:
                    pending[unit] = 0
                    queue.append(unit)
                pending[unit] += 1
    if any(v.enter in reached and v.switch in pending for v in units.turning):
        raise ValueError(
            f"Cannot compute gradient inside while loop with respect to op '{xs[0].op.name}'. We do not support taking "
            "the gradient wrt or through the initial value of a loop variable. Gradients can be computed through loop "
            "invariants or wrt the input parameters to the loop body."
        )
    return pending


def _verify(op: Operation, found: list[Any]) -> None:
    if len(found) != len(op.inputs):
        raise ValueError(f"the gradient of {op!r} gave {len(found)} results for {len(op.inputs)} inputs")
    for tensor, gradient in zip(op.inputs, found, strict=True):
        if gradient is None:
            continue
        which = f"the gradient of {op!r} for {tensor.name!r}"
        if not isinstance(gradient, (Tensor, IndexedSlices)):
            raise TypeError(f"{which} is a {type(gradient).__name__}, not a Tensor")
        if tensor.dtype is resource:  # a handle stands for the variable behind it: its gradient is the variable's
            continue
        if (have := gradient.dtype.base_dtype.name) != (want := tensor.dtype.base_dtype.name):
            raise DTypeError(f"{which} is {have}, but the input is {want}")
        if isinstance(gradient, Tensor):
            try:
                gradient.set_shape(tensor.get_shape())
            except ShapeError as error:
                raise ShapeError(f"{which} has not the input's shape: {error}") from None


def add_gradients(arrived: Sequence[Any], method: int = AggregationMethod.DEFAULT, owner: str = "") -> Any:
    """The sum of gradients that reached one tensor; slices stay slices, in 1.x only among themselves [W32]."""
    if len(arrived) == 1:
        return arrived[0]
    if get_default_graph().sums_slices_into_tensors and any(isinstance(g, Tensor) for g in arrived):
        arrived = [convert_to_tensor(g) for g in arrived]
    if all(isinstance(g, Tensor) for g in arrived):
        if method == AggregationMethod.DEFAULT:
            return op_def("AddN")(list(arrived))
        with get_default_graph().name_scope(owner + "_gradient_sum"):
            total = arrived[0]
            for gradient in arrived[1:]:
                total = op_def("AddN")([total, gradient])
            return total
    slices = [_as_slices(g) for g in arrived]
    indices = [s.indices for s in slices]
    if len({i.dtype for i in indices}) > 1:  # one that was given with int64, one that counts all rows
        indices = [op_def("Cast")(i, DstT=int64) for i in indices]
    concat = op_def("Concat")
    return IndexedSlices(concat(0, [s.values for s in slices]), concat(0, indices), slices[0].dense_shape)


def _as_slices(gradient: Any) -> IndexedSlices:
    """A dense gradient as slices that cover every row."""
    if isinstance(gradient, IndexedSlices):
        return gradient
    shape = op_def("Shape")(gradient)
    rows = op_def("Squeeze")(op_def("Slice")(shape, [0], [1]), squeeze_dims=[0])
    return IndexedSlices(gradient, op_def("Range")(0, rows, 1), shape)
