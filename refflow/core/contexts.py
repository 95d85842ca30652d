"""Contexts: while a branch or a loop's body is being built, what it reads from outside comes in by a node [W39, W40].

    BranchContext    x from outside becomes the output of a Switch, so that it is dead where the branch is not taken
    LoopContext      x from outside becomes an Enter's output, so that it is there in each iteration

A graph asks the innermost context about every input of a new node. A context asks the one around it first, so that
what comes from far outside passes each border. Nodes that read nothing wait for the context's pivot, a node that runs
when the branch is taken, or in each iteration.

Next: ops/conditionals.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from refflow.core.frames import ENTERS, LoopVariable
from refflow.core.graph import Graph, Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.shapes import Shape


class Context(ABC):
    """What is common to branches and loops: a parent, a pivot, and what has come in already."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.parent: Any = graph._context
        self.control_pivot: Any = None
        self._came_in: dict[Tensor, Tensor] = {}
        self.name = ""

    def holds(self, op: Operation) -> bool:
        """True for nodes that were built in this context, or in one inside it."""
        context = op._context
        while context is not None and context is not self:
            context = context.parent
        return context is self

    def capture(self, tensor: Tensor) -> Tensor:
        """`tensor` as nodes of this context may read it."""
        if tensor.graph is not self.graph:
            tensor = self.graph._from_outside(tensor, "a branch or a loop")
        if self.holds(tensor.op):
            return tensor
        found = self._came_in.get(tensor)
        if found is None:
            outer = tensor if self.parent is None else self.parent.capture(tensor)
            with self.graph.control_dependencies(None):
                found = self._came_in[tensor] = self._bring_in(outer)
        return found

    # -- as 1.x's programs ask it ---------------------------------------------------------------------

    @property
    def outer_context(self) -> Any:
        """The context around this one, or None."""
        return self.parent

    def IsCondContext(self) -> bool:
        """Whether it is one side of a cond."""
        return isinstance(self, BranchContext)

    def IsWhileContext(self) -> bool:
        """Whether it is a loop."""
        return isinstance(self, LoopContext)

    def IsXLAContext(self) -> bool:
        """False: nothing is compiled by XLA."""
        return False

    def GetControlPivot(self) -> Any:
        """What nodes that read nothing wait for."""
        return None if self.control_pivot is None else self.control_pivot.outputs[0]

    def GetWhileContext(self) -> Any:
        """The innermost loop that this is or is in, or None."""
        found = self
        while found is not None and not isinstance(found, LoopContext):
            found = found.parent
        return found

    # -- what comes in --------------------------------------------------------------------------------

    @abstractmethod
    def _bring_in(self, tensor: Tensor) -> Tensor:
        """The node through which `tensor` comes in."""

    def may_wait_for(self, op: Operation) -> bool:
        """True for nodes that a node of this context may have as control inputs."""
        return self.holds(op)

    def admit(self, op: Operation) -> None:
        """Adjusts the control inputs of a new node."""
        op.control_inputs = [c for c in op.control_inputs if self.may_wait_for(c)]
        # A loop's invariants are there in its last iteration too, in which the body does not run.
        from_outside = all(t.op.type in ENTERS and t.op.attrs["is_constant"] for t in op.inputs)
        if from_outside and not any(self.holds(c) for c in op.control_inputs) and self.control_pivot is not None:
            op.control_inputs.append(self.control_pivot)


def _of(tensor: Tensor, kind: str) -> str:
    """The op type of that kind which passes `tensor` on; a reference as a reference."""
    return f"Ref{kind}" if tensor.dtype.is_ref_dtype else kind


class BranchContext(Context):
    """One side of Switches on `pred`; `pivot` is alive where that side is taken."""

    def __init__(self, graph: Graph, pred: Tensor, side: int, pivot: Tensor):
        super().__init__(graph)
        self.pred, self.side, self.control_pivot = pred, side, pivot.op
        self.name = graph.unique_name("cond_text")
        pivot.op._context = self

    def _bring_in(self, tensor: Tensor) -> Tensor:
        with self.graph.inside(self.parent, False):
            return op_def(_of(tensor, "Switch"))(tensor, self.pred, name="Switch")[self.side]

    @property
    def branch(self) -> int:
        """1 for what happens where the predicate is true, else 0."""
        return self.side

    @property
    def pivot(self) -> Tensor:
        """The predicate, alive where the branch is taken."""
        return self.control_pivot.outputs[0]

    def may_wait_for(self, op: Operation) -> bool:
        return self.holds(op) or self.parent is None or self.parent.may_wait_for(op)


class LoopContext(Context):
    """A frame under construction: variables first, then the condition, then the body."""

    swap_memory, back_prop = False, True
    maximum_iterations: Any = None

    def __init__(self, graph: Graph, name: str, parallel: int = 10):
        super().__init__(graph)
        self.name = name
        self.frame: dict[str, Any] = {"frame_name": name, "parallel_iterations": parallel}
        self.variables: list[LoopVariable] = []
        self.condition: Any = None

    def _bring_in(self, tensor: Tensor) -> Tensor:
        with self.graph.inside(self, False):
            return op_def(_of(tensor, "Enter"))(tensor, is_constant=True, **self.frame)

    @property
    def parallel_iterations(self) -> int:
        """How many iterations may be at work at once."""
        return self.frame["parallel_iterations"]

    @property
    def pivot(self) -> Tensor:
        """What decides whether there is another iteration."""
        return self.condition

    @property
    def loop_enters(self) -> list[Tensor]:
        """Where the variables come in."""
        return [v.enter.outputs[0] for v in self.variables]

    @property
    def loop_exits(self) -> list[Tensor]:
        """Where the variables come out."""
        return [v.exit.outputs[0] for v in self.variables if v.exit is not None]

    def add_variable(
        self, start: Tensor, shape: Shape = None, keep_shape: bool = True, by_reference: bool = False
    ) -> LoopVariable:
        """A new loop variable, which begins as `start`, a tensor of the context around the loop.

        by_reference: what goes round is a variable's own buffer, which the body may assign to.
        """
        with self.graph.inside(self, False):
            entered = op_def("RefEnter" if by_reference else "Enter")(start, **self.frame)
            variable = LoopVariable(entered.op)
            # The way back is joined when its end is there.
            variable.merge = op_def(_of(entered, "Merge"))([entered, entered], name="Merge").output.op
            if not keep_shape:
                variable.merge.outputs[0]._shape = shape
            if self.control_pivot is None:
                self.control_pivot = variable.merge
            if self.condition is not None:
                self._switch(variable)
        self.variables.append(variable)
        return variable

    def _switch(self, variable: LoopVariable) -> None:
        merged = variable.merge.outputs[0]
        variable.switch = op_def(_of(merged, "Switch"))(merged, self.condition, name="Switch").output_true.op

    def close_condition(self, test: Tensor) -> None:
        """Decides by `test`, a scalar bool of this context, whether there is another iteration."""
        with self.graph.inside(self, False), self.graph.control_dependencies(None):
            self.condition = op_def("LoopCond")(test)
            for variable in self.variables:
                self._switch(variable)
            first = self.variables[0].inside
            self.control_pivot = op_def(_of(first, "Identity"))(first).op

    def turn(self, variable: LoopVariable, result: Tensor) -> None:
        """`result` is the variable's value in the next iteration."""
        with self.graph.inside(self, False), self.graph.control_dependencies(None):
            result = self.capture(result)
            back = op_def(_of(variable.inside, "NextIteration"))(result)
            self.admit(back.op)  # an invariant that goes round waits for the body, or there is no last iteration
        join(variable.merge, back)

    def leave(self, variable: LoopVariable) -> Tensor:
        """The variable's last value, in the context around the loop."""
        with self.graph.inside(self.parent, False), self.graph.control_dependencies(None):
            ended = variable.switch.outputs[0]
            left = op_def(_of(ended, "Exit"))(ended)
        variable.exit = left.op
        return left


def join(merge: Operation, back: Tensor) -> None:
    """Makes `back` the way back into a loop's Merge."""
    merge._update_input(1, back)
