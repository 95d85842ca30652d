"""The gradient of a loop: a loop that runs as often, the other way [W43].

    forward     x_k+1 = f(x_k, c)              k = 0 .. n-1
    backward    dx_k  = df/dx (x_k, c)^T dx_k+1,      dc = sum over k of  df/dc (x_k, c)^T dx_k+1

The gradient nodes of f stand in the body of the backward loop. What they read of the forward iteration k has been
kept: a list of tensors is added to the forward loop, to which each iteration adds one, and from which the backward loop
takes the last. (The first release keeps a stack beside the graph. A list is a value, so that the backward loop is made
of nothing but nodes with gradients, and can itself be differentiated.) The iterations are counted in the same way.

A value inside a branch is not there in every iteration; then a zero is kept in its place, and read only where the same
branch is taken again.

Next: core/gradients.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.constants import constant_value
from refflow.core.contexts import LoopContext, join
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType, int32, int64, resource, variant
from refflow.core.errors import NodeError
from refflow.core.frames import ENTERS, SWITCHES, Condition, Frames, Loop, LoopVariable, unnamed
from refflow.core.graph import Graph, Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def

Gradients = Callable[..., list[Any]]  # (ys, xs, grad_ys, frames, loop) -> one gradient or None per x


def has_slope(dtype: DType) -> bool:
    """True for types through which gradients flow; a list has one where its elements have."""
    return dtype.is_floating or dtype.is_complex or dtype.base_dtype is variant


def loop_gradient(
    loop: Loop, arrived: dict[Tensor, Any], wanted: set[Tensor], frames: Frames, gradients: Gradients
) -> list[tuple[Tensor, Tensor]]:
    """The gradients of a loop's inputs, each with its input; an input may come more than once.

    arrived: gradients of the loop's outputs, where there are any. wanted: those of its inputs that lead to an x.
    gradients: differentiates what is inside one frame.
    """
    graph = loop.enters[0].graph
    active = _active(loop, arrived, wanted)
    if not active.variables:
        return []
    turns = _count(graph, loop)
    name = graph.unique_name(f"{loop.name}_grad")
    back = _Backward(graph, name, loop, frames)
    with graph.inside(back.parent):
        left = back.add_variable(_captured(graph, turns))
        starts = [_start(graph, loop, v, arrived) for v in active.variables]
        slopes = [
            back.add_variable(_captured(graph, s), v.merge.outputs[0].dims, False)
            for s, v in zip(starts, active.variables, strict=True)
        ]
    with graph.inside(back), graph.control_dependencies(None):
        test = op_def("Greater")(left.merge.outputs[0], np.int32(0))
    back.close_condition(test)
    with graph.inside(back), graph.control_dependencies(None):
        back.turn(left, op_def("Sub")(left.inside, np.int32(1)))
        ys, xs = [v.result for v in active.variables], [v.inside for v in active.variables]
        ends = [e.outputs[0] for e in active.invariants]
        found = gradients(ys, [*xs, *ends], [s.inside for s in slopes], frames, loop)
        for variable, slope, x in zip(slopes, found, xs, strict=False):
            back.turn(variable, op_def("ZerosLike")(x) if slope is None else convert_to_tensor(slope))
        sums = [back.sum_of(slope, e) for slope, e in zip(found[len(xs) :], active.invariants, strict=True)]
    left_with = [(v.enter.inputs[0], back.leave(s)) for v, s in zip(active.variables, slopes, strict=True)]
    return left_with + [(e.inputs[0], back.total(s)) for e, s in zip(active.invariants, sums, strict=True)]


def _variable_type(enter: Operation) -> DType | None:
    """The type of the variable whose handle comes into the loop here, where the body reads one."""
    reads = [op for op in enter.outputs[0].consumers() if op.type in ("ReadVariableOp", "ResourceGather")]
    return reads[0].attrs["dtype"] if reads else None


def _value(enter: Operation) -> Tensor:
    """What comes into the loop here; of a variable's handle its value."""
    kind = _variable_type(enter)
    return enter.inputs[0] if kind is None else op_def("ReadVariableOp")(enter.inputs[0], dtype=kind)


def _captured(graph: Graph, tensor: Tensor) -> Tensor:
    return tensor if graph._context is None else graph._context.capture(tensor)


def _start(graph: Graph, loop: Loop, variable: LoopVariable, arrived: dict[Tensor, Any]) -> Tensor:
    """The gradient with which the backward loop begins."""
    if variable.exit is None:
        with graph.inside(_Addition(graph, loop).around, False), graph.control_dependencies(None):
            variable.exit = op_def("Exit")(variable.switch.outputs[0]).op
    out = variable.exit.outputs[0]
    gradient = arrived.get(out)
    return op_def("ZerosLike")(out) if gradient is None else convert_to_tensor(gradient)


# -- which variables take part ------------------------------------------------------------------------------------


class _Active:
    """The variables and invariants between what is wanted and what has arrived."""

    def __init__(self, variables: list[LoopVariable], invariants: list[Operation]):
        self.variables, self.invariants = variables, invariants


def _active(loop: Loop, arrived: dict[Tensor, Any], wanted: set[Tensor]) -> _Active:
    whole = [v for v in loop.variables if has_slope(v.enter.outputs[0].dtype)]
    needs = {v: _needs(loop, v.result) for v in whole}
    fixed = [e for e in loop.invariants if e.inputs[0] in wanted]
    fixed = [e for e in fixed if has_slope(e.outputs[0].dtype) or _variable_type(e) is not None]
    reached = [v for v in whole if v.enter.inputs[0] in wanted or any(e in needs[v] for e in fixed)]
    more = list(reached)
    while more:
        more = [v for v in whole if v not in reached and any(r.switch in needs[v] for r in more)]
        reached += more
    used = [v for v in whole if v.exit is not None and arrived.get(v.exit.outputs[0]) is not None]
    more = list(used)
    while more:
        more = [v for v in whole if v not in used and any(v.switch in needs[u] for u in more)]
        used += more
    variables = [v for v in whole if v in reached and v in used]
    return _Active(variables, [e for e in fixed if any(e in needs[v] for v in variables)])


def _needs(loop: Loop, result: Tensor) -> set[Operation]:
    """The Switches of variables and the Enters of invariants that a result of the body depends on."""
    ends = {v.switch for v in loop.variables} | set(loop.invariants)
    found: set[Operation] = set()
    seen: set[Operation] = set()
    stack = [result.op]
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        if op in ends:
            found.add(op)
        else:
            stack += [t.op for t in op.inputs]
    return found


# -- what is added to the forward loop ----------------------------------------------------------------------------


class _Addition:
    """A further variable of a loop that is built already, made of nodes that nobody captures."""

    def __init__(self, graph: Graph, loop: Loop):
        self.graph, self.loop = graph, loop
        first = loop.variables[0]
        outside = next((v.exit for v in loop.variables if v.exit is not None), first.enter.inputs[0].op)
        self.around, self.within = outside._context, first.merge._context
        self.frame = {"frame_name": first.enter.attrs["frame_name"], "parallel_iterations": loop.parallel}

    def constants(self, at: Tensor, *values: Any) -> list[Tensor]:
        """Constants that are live where `at` is."""
        anchor = op_def("Identity")(at)
        with self.graph.control_dependencies([anchor]):
            return [_constant(value) for value in values]

    def make(self, start: Callable[[], Tensor], step: Callable[[Tensor], Tensor]) -> Tensor:
        """The last value of what begins as `start()` and becomes `step(value)` in each iteration."""
        graph, loop = self.graph, self.loop
        with graph.control_dependencies(None):
            with graph.inside(self.around, False):
                begin = start()
            with graph.inside(self.within, False):
                enter = op_def("Enter")(begin, **self.frame)
                merge = op_def("Merge")([enter, enter]).output
                switch = op_def("Switch")(merge, loop.condition.outputs[0])
                back = op_def("NextIteration")(step(switch.output_true))
            join(merge.op, back)
            with graph.inside(self.around, False):
                return op_def("Exit")(switch.output_false)


def _empty_list(dtype: DType) -> Tensor:
    return op_def("EmptyTensorList")(_constant(-1), _constant(-1), element_dtype=dtype)


def _constant(value: Any) -> Tensor:
    return op_def("Const")(value=np.asarray(value, np.int32), dtype=int32)


def _count(graph: Graph, loop: Loop) -> Tensor:
    """How often the body has run."""
    if loop.count is None:
        add = _Addition(graph, loop)

        def start() -> Tensor:
            return add.constants(loop.inputs[0], 0)[0]

        def step(value: Tensor) -> Tensor:
            return op_def("Add")(value, add.constants(loop.variables[0].inside, 1)[0])

        loop.count = add.make(start, step)
    return loop.count


def _kept(graph: Graph, loop: Loop, tensor: Tensor, conditions: tuple[Condition, ...]) -> Tensor:
    """A list with the values that `tensor` had in the loop's iterations."""
    add = _Addition(graph, loop)

    def start() -> Tensor:
        shape, most = add.constants(loop.inputs[0], -1, -1)
        return op_def("EmptyTensorList")(shape, most, element_dtype=tensor.dtype.base_dtype)

    def step(value: Tensor) -> Tensor:
        live = tensor
        for pred, side in reversed(conditions):
            both = op_def("Switch")(_zero(add, pred, tensor.dtype.base_dtype), pred)
            live = op_def("Merge")([live, both[1 - side]]).output
        return op_def("TensorListPushBack")(value, live)

    return add.make(start, step)


def _zero(add: _Addition, at: Tensor, dtype: DType) -> Tensor:
    """A scalar that stands for a value that is not there."""
    anchor = op_def("Identity")(at)
    with add.graph.control_dependencies([anchor]):
        if dtype is variant:
            return op_def("OptionalNone")()
        zero = np.zeros((), dtype.as_numpy_dtype)
        return op_def("Const")(value=np.array(b"", object) if zero.dtype == object else zero, dtype=dtype)


class _Backward(LoopContext):
    """The backward loop under construction: it reads the forward loop's values out of lists."""

    def __init__(self, graph: Graph, name: str, forward: Loop, frames: Frames):
        super().__init__(graph, name, forward.parallel)
        self.forward, self.frames = forward, frames

    def capture(self, tensor: Tensor) -> Tensor:
        if self.holds(tensor.op) or self.frames.loop_around(tensor) is not self.forward:
            return super().capture(tensor)
        tensor = unnamed(tensor)  # what is kept once is popped once
        if tensor.dtype.base_dtype is resource and tensor.op.type in (*SWITCHES, "Identity"):
            return self.capture(tensor.op.inputs[0])  # the same handle, before a branch took it in
        found = self._came_in.get(tensor)
        if found is None:
            if tensor.op.type in ENTERS and tensor.op.attrs["is_constant"]:
                return super().capture(tensor.op.inputs[0])
            with self.graph.inside(self), self.graph.control_dependencies(None):
                found = self._came_in[tensor] = self._again(tensor)
        return found

    def _again(self, tensor: Tensor) -> Tensor:
        """The forward value of the iteration that is being gone back through."""
        conditions = self.frames.conditions(tensor)
        value = constant_value(tensor)
        if value is not None:
            again = op_def("Const")(value=np.asarray(value), dtype=tensor.dtype.base_dtype)
        elif tensor.dtype.base_dtype is resource:
            raise NodeError(
                f"the gradient of loop {self.forward.name!r} needs {tensor.name!r}, a resource made anew in each "
                "iteration. Make it before the loop"
            )
        else:
            again = self._popped(_kept(self.graph, self.forward, tensor, conditions), tensor)
        for pred, side in conditions:
            again = op_def("Switch")(again, pred)[side]
        again._shape = tensor.dims
        return again

    # -- the slopes of what is the same in each iteration ----------------------------------------------------------

    def _adding_up(self, start: Callable[[], Tensor], step: Callable[[Tensor], Tensor]) -> LoopVariable:
        """A variable that begins as `start()`, outside, and becomes `step(value)` in each iteration."""
        with self.graph.inside(self.parent), self.graph.control_dependencies(None):
            begin = _captured(self.graph, start())
        variable = self.add_variable(begin, begin.dims, False)
        self.turn(variable, step(variable.inside))
        return variable

    def sum_of(self, slope: Any, enter: Operation) -> Any:
        """What adds up an invariant's slopes: tensors are summed, of slices two lists are made."""
        if not isinstance(slope, IndexedSlices):
            return self._adding_up(
                lambda: op_def("ZerosLike")(_value(enter)),
                lambda so_far: so_far if slope is None else op_def("AddN")([so_far, slope]),
            )
        return [self._listed(slope.values), self._listed(slope.indices)], slope, enter

    def _listed(self, part: Tensor) -> LoopVariable:
        """A list of what `part` is in each iteration."""
        return self._adding_up(
            lambda: _empty_list(part.dtype.base_dtype), lambda so_far: op_def("TensorListPushBack")(so_far, part)
        )

    def total(self, summed: Any) -> Any:
        """The slope after the last iteration; slices of all iterations end to end."""
        if isinstance(summed, LoopVariable):
            return self.leave(summed)
        lists, slope, enter = summed
        ended = [self.leave(variable) for variable in lists]
        with self.graph.inside(self.parent), self.graph.control_dependencies(None):
            shape = op_def("Shape")(_value(enter))
            rest = op_def("ConcatV2")([np.array([-1], np.int32), op_def("Slice")(shape, [1], [-1])], 0)
            no_lengths = op_def("Const")(value=np.zeros(0, np.int64), dtype=int64)
            values, indices = (
                op_def("TensorListConcatV2")(end, element, no_lengths, element_dtype=part.dtype.base_dtype).tensor
                for end, element, part in zip(ended, (rest, np.array([-1], np.int32)), (slope.values, slope.indices),
                                              strict=True)
            )  # fmt: skip
        values._shape = None if slope.values.dims is None else (None, *slope.values.dims[1:])
        return IndexedSlices(values, indices, None if slope.dense_shape is None else shape)

    # -- what the forward loop has kept ----------------------------------------------------------------------------

    def _popped(self, kept: Tensor, tensor: Tensor) -> Tensor:
        outer = kept if self.parent is None else self.parent.capture(kept)
        variable = self.add_variable(outer)
        shape = [-1] if tensor.dims is None else [-1 if d is None else d for d in tensor.dims]
        known = np.array(-1, np.int32) if tensor.dims is None or -1 in shape else np.array(shape, np.int32)
        element = op_def("Const")(value=known, dtype=int32)
        popped = op_def("TensorListPopBack")(variable.inside, element, element_dtype=tensor.dtype.base_dtype)
        self.turn(variable, popped.output_handle)
        return popped.tensor
