"""Which loop each node of a graph belongs to, and what decides whether it runs [W39, W40].

    Loop          the nodes with which values enter, go round and leave one frame
    conditions    of a tensor: the predicates, each with the side that has to be taken, that make it live

Both are read off the nodes: an Enter leads into the frame that it names, an Exit out of it, a Switch adds a condition,
and of a Merge's conditions those stay that all its inputs have. So it does not matter who has built the loop.

Next: core/contexts.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.graph import Graph, Operation, Tensor

ENTERS = frozenset(("Enter", "RefEnter"))
MERGES = frozenset(("Merge", "RefMerge"))
SWITCHES = frozenset(("Switch", "RefSwitch"))
NEXTS = frozenset(("NextIteration", "RefNextIteration"))
EXITS = frozenset(("Exit", "RefExit"))

Condition = tuple[Tensor, int]  # a Switch's predicate, and the output that lives: 0 if it is false, 1 if true


class LoopVariable:
    """What goes round: Enter -> Merge -> Switch -> (body) -> NextIteration -> Merge, and out by the Exit."""

    __slots__ = ("enter", "exit", "merge", "switch")

    def __init__(self, enter: Operation):
        self.enter = enter
        self.merge: Any = None
        self.switch: Any = None
        self.exit: Any = None

    @property
    def inside(self) -> Tensor:
        """The value with which the body begins."""
        return self.switch.outputs[1]

    @property
    def result(self) -> Tensor:
        """The value that the body gives for the next iteration."""
        return self.merge.inputs[1].op.inputs[0]


class Loop:
    """One frame of a graph. For who looks from outside it is like one node, with `inputs` and `outputs`."""

    def __init__(self, name: str, parent: Loop | None):
        self.name, self.parent = name, parent
        self.variables: list[LoopVariable] = []
        self.invariants: list[Operation] = []  # Enters that give the same value to each iteration
        self.condition: Any = None  # the LoopCond
        self.count: Any = None  # how often the body has run, once a gradient has asked for it

    @property
    def enters(self) -> list[Operation]:
        return [v.enter for v in self.variables] + self.invariants

    @property
    def inputs(self) -> list[Tensor]:
        return [e.inputs[0] for e in self.enters]

    @property
    def outputs(self) -> list[Tensor]:
        return [v.exit.outputs[0] for v in self.variables if v.exit is not None]

    @property
    def parallel(self) -> int:
        return self.enters[0].attrs["parallel_iterations"]

    def __repr__(self) -> str:
        return f"<Loop {self.name!r} of {len(self.variables)} variables>"


class Frames:
    """The loops of a graph. Nodes that are added later are taken in when they are asked for."""

    def __init__(self, graph: Graph):
        self._graph = graph
        self._seen = 0
        self._loop: dict[Operation, Loop | None] = {}
        self._by_key: dict[tuple[Loop | None, str], Loop] = {}
        self._variables: dict[Operation, LoopVariable] = {}  # by its Enter, Merge or Switch
        self._conditions: dict[Operation, tuple[Condition, ...]] = {}

    def loop_of(self, op: Operation) -> Loop | None:
        """The loop whose frame `op` runs in."""
        self._catch_up()
        return self._loop.get(op)

    def loop_around(self, tensor: Tensor) -> Loop | None:
        """The loop in whose frame `tensor` is read: an Exit's output is outside."""
        loop = self.loop_of(tensor.op)
        return loop.parent if loop is not None and tensor.op.type in EXITS else loop

    def conditions(self, tensor: Tensor) -> tuple[Condition, ...]:
        """What must hold for `tensor` to be live in its iteration, the outermost condition first."""
        self._catch_up()
        return self._of_tensor(tensor)

    def _catch_up(self) -> None:
        new = self._graph._nodes[self._seen :]
        self._seen = len(self._graph._nodes)
        for op in new:
            self._enter(op)

    def _enter(self, op: Operation) -> None:
        loop = self._around(op)
        if op.type in ENTERS:
            key = (loop, op.attrs["frame_name"])
            loop = self._by_key.setdefault(key, Loop(key[1], key[0]))
            if op.attrs["is_constant"]:
                loop.invariants.append(op)
            else:
                self._variables[op] = LoopVariable(op)
                loop.variables.append(self._variables[op])
        if loop is not None:
            self._note(op, loop)
        self._loop[op] = loop
        self._conditions[op] = self._of_op(op)

    def _around(self, op: Operation) -> Loop | None:
        """The frame that the values of `op` come from."""
        for tensor in op.inputs:
            loop = self._loop.get(tensor.op)
            if tensor.op.type in EXITS:
                return None if loop is None else loop.parent
            return loop
        for source in op.control_inputs:
            loop = self._loop.get(source)
            if loop is not None:
                return loop.parent if source.type in EXITS else loop
        return None

    def _note(self, op: Operation, loop: Loop) -> None:
        """Finds the place of a loop's own nodes."""
        if op.type == "LoopCond":
            loop.condition = op
            return
        variable = self._variables.get(op.inputs[0].op) if op.inputs else None
        if variable is None:
            return
        if op.type in MERGES:
            variable.merge = op
        elif op.type in SWITCHES and op.inputs[1].op.type == "LoopCond":
            variable.switch = op
        elif op.type in EXITS:
            variable.exit = op
            return
        else:
            return
        self._variables[op] = variable

    def _of_tensor(self, tensor: Tensor) -> tuple[Condition, ...]:
        op = tensor.op
        found = self._conditions.get(op, ())
        if op.type in SWITCHES and op.inputs[1].op.type != "LoopCond":
            return (*found, (unnamed(op.inputs[1]), tensor.value_index))
        return found

    def _of_op(self, op: Operation) -> tuple[Condition, ...]:
        if op.type in ENTERS:
            return ()
        if op.type in EXITS:
            loop = self._loop[op]
            return self._of_tensor(loop.variables[0].enter.inputs[0]) if loop is not None else ()
        if op.type in MERGES:
            return () if op in self._variables else self._common([self._of_tensor(t) for t in op.inputs])
        found: dict[Condition, None] = {}
        for tensor in op.inputs:
            found |= dict.fromkeys(self._of_tensor(tensor))
        for source in op.control_inputs:
            found |= dict.fromkeys(self._conditions.get(source, ()))
        return tuple(found)

    @staticmethod
    def _common(parts: list[tuple[Condition, ...]]) -> tuple[Condition, ...]:
        return tuple(c for c in parts[0] if all(c in part for part in parts[1:]))


def unnamed(tensor: Tensor) -> Tensor:
    """The tensor that this one is an identity of: a cond's pivots know its predicate by another name than Switches."""
    while tensor.op.type == "Identity" and not tensor.op.inputs[0].dtype.is_ref_dtype:
        tensor = tensor.op.inputs[0]
    return tensor
