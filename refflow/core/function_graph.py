"""Functions by tracing: a Python function is called once, and the nodes that it adds become a FunctionDef.

    FunctionGraph      the graph that it adds them to: Placeholders for its arguments, and for what it takes from around
    traced(...)        (call, captured): what an attribute holds to name the function, and the inputs it needs besides

A tensor of a graph around the function comes in as one more argument, at the end. The reference of a variable, or of
another state that has a name, does not travel: the body gets a node of its own that finds the state by that name, so
that a kernel which calls the function later sees the value of then. Where the body takes the place of a call, in the
same graph, references come in as arguments too.

Next: core/functions.py.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from refflow.core.constants import constant_value
from refflow.core.dtypes import DType
from refflow.core.graph import Graph, GraphKeys, get_default_graph
from refflow.core.graphdef import FunctionCall, FunctionDef, NodeDef
from refflow.core.shapes import Shape, TensorShape
from refflow.core.signature import Arg
from refflow.core.tensor import Operation, Tensor

_numbers = itertools.count()
# What is entered in these from inside a function is entered for the graph around it.
_SHARED = (GraphKeys.VARIABLES, GraphKeys.TRAINABLE_VARIABLES, "local_variables", "__variable_store")


class FunctionGraph(Graph):
    """A function's body under construction, inside `around`.

    arguments: its Placeholders. captured: from tensors of the graphs around to the Placeholders for them.
    by_name: states that have a name are found by it; else their references are captured like tensors.
    """

    takes_from_outside = True

    def __init__(self, around: Graph, by_name: bool = True):
        super().__init__()
        self.around, self.by_name = around, by_name
        self.arguments: list[Tensor] = []
        self.captured: dict[Tensor, Tensor] = {}
        self.awaited: list[Operation] = []  # of the graphs around, what the body's nodes would wait for
        self._named: dict[Tensor, Tensor] = {}
        self._seed = around.seed
        self.divides_as_python_3 = around.divides_as_python_3
        self.gradient_rules = around.gradient_rules
        self.sums_slices_into_tensors = around.sums_slices_into_tensors
        self._python_functions = around._python_functions  # they live as long as the nodes that call them
        for key, values in list(around._collections.items()):
            self._collections[key] = list(values)
        for key in _SHARED:
            self._collections[key] = around._collections.setdefault(key, [])

    # -- what comes in ------------------------------------------------------------------------------------

    def add_argument(self, dtype: DType, shape: Shape, name: str) -> Tensor:
        tensor = self._placeholder(dtype, name)
        tensor._shape = shape
        self.arguments.append(tensor)
        return tensor

    def _placeholder(self, dtype: DType, name: str) -> Tensor:
        attrs = {"dtype": dtype.base_dtype, "shape": TensorShape(None)}
        with super().outside():
            return super().create_op("Placeholder", [], [dtype], None, name, attrs).outputs[0]

    def _from_outside(self, tensor: Tensor, reader: str) -> Tensor:
        found = self.captured.get(tensor)
        found = self._named.get(tensor) if found is None else found
        if found is not None:
            return found
        if not self._is_around(tensor.graph):
            return super()._from_outside(tensor, reader)
        op = tensor.op
        if tensor.dtype.is_ref_dtype and self.by_name and "shared_name" in op.attrs and not op.inputs:
            attrs = {**op.attrs, "shared_name": op.attrs["shared_name"] or op.name}
            types = [t.dtype for t in op.outputs]
            with super().outside():
                twin = super().create_op(op.type, [], types, None, op.name, attrs, op.op_def)
            found = self._named[tensor] = twin.outputs[tensor.value_index]
            return found
        found = self._placeholder(tensor.dtype if not self.by_name else tensor.dtype.base_dtype, "captured")
        found._shape, found.constant = tensor.dims, constant_value(tensor)
        self.captured[tensor] = found
        return found

    def _is_around(self, graph: Graph) -> bool:
        outer: Any = self.around
        while outer is not graph and isinstance(outer, FunctionGraph):
            outer = outer.around
        return outer is graph

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        element = getattr(obj, "_as_graph_element", lambda: obj)()
        if isinstance(element, Tensor) and allow_tensor and element.graph is not self:
            return self._from_outside(element, "the function")
        return super().as_graph_element(element, allow_tensor, allow_operation)

    # -- where nodes of it stand ----------------------------------------------------------------------------

    @contextmanager
    def control_dependencies(self, control_inputs: Any) -> Iterator[None]:
        """What is outside the function has run before it is called: the call waits for it."""
        here = control_inputs
        if control_inputs is not None:
            here = []
            for item in control_inputs:
                element = getattr(item, "_as_graph_element", lambda item=item: item)()
                op = element.op if isinstance(element, Tensor) else element
                if isinstance(op, Operation) and op.graph is not self and self._is_around(op.graph):
                    self.awaited.append(op)
                else:
                    here.append(item)
        with super().control_dependencies(here):
            yield

    @contextmanager
    def outside(self) -> Iterator[None]:
        """New nodes go to the graph around the function: a variable that is made here is made there."""
        with self.around.as_default(), self.around.outside():
            yield

    # -- what it becomes --------------------------------------------------------------------------------------

    def call(self, name: str, results: Sequence[Tensor]) -> FunctionCall:
        """The body as a function of the arguments and then of what was captured."""
        return _function(name, self.get_operations(), [*self.arguments, *self.captured.values()], results)


def _function(
    name: str, body: Sequence[Operation], holes: Sequence[Tensor], results: Sequence[Tensor]
) -> FunctionCall:
    """The nodes of `body` as a function whose arguments are `holes`, together with the functions that they call."""
    names = {t.op: _legal(t.op.name) for t in holes}
    kept = [op for op in body if op not in names]
    library: dict[str, FunctionDef] = {}
    there = {*kept, *names}
    nodes = []
    for op in kept:
        attrs = {key: _alone(value, library) for key, value in op.attrs.items()}
        nodes.append(NodeDef(op.name, op.type, _inputs(op, names, there), op.device, attrs, op._stack))
    outputs = _args([f"output_{i}" for i in range(len(results))], results)
    made = FunctionDef(
        f"{_legal(name)}_{next(_numbers)}", _args(list(names.values()), holes), outputs, nodes,
        {out.name: _text(t, names) for out, t in zip(outputs, results, strict=True)},
        is_stateful=any(op.op_def.stateful for op in kept),
    )  # fmt: skip
    library[made.name] = made
    return FunctionCall(made.name, {}, library)


def _args(names: Sequence[str], tensors: Sequence[Tensor]) -> tuple[Arg, ...]:
    kinds = [t.dtype.base_dtype for t in tensors]
    return tuple(Arg(name, kind.name, kind) for name, kind in zip(names, kinds, strict=True))


def _legal(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _inputs(op: Operation, names: dict[Operation, str], there: set[Operation]) -> list[str]:
    waits = [f"^{names.get(c, c.name)}" for c in op.control_inputs if c in there]
    return [_text(t, names) for t in op.inputs] + waits


def _text(tensor: Tensor, names: dict[Operation, str]) -> str:
    """How a body names an output: `argument`, or `node:output_name:number`."""
    op, place = tensor.op, tensor.value_index
    if op in names:
        return names[op]
    for name, at in op.op_def.places(op.attrs, outputs=True).items():
        start, stop = (at.start, at.stop) if isinstance(at, slice) else (at, at + 1)
        if start <= place < stop:
            return f"{op.name}:{name}:{place - start}"
    return f"{op.name}:{place}"


def _alone(value: Any, library: dict[str, FunctionDef]) -> Any:
    """An attribute without the functions that it takes along, which go to `library`."""
    if isinstance(value, list):
        return [_alone(v, library) for v in value]
    if not isinstance(value, FunctionCall):
        return value
    library |= value.library or {}
    return replace(value, library=None)


def traced(
    function: Callable[..., Sequence[Any]],
    types: Sequence[tuple[DType, Shape]],
    name: str,
    argument_names: Sequence[str] | None = None,
    by_name: bool = True,
) -> tuple[FunctionCall, FunctionGraph]:
    """`function(*tensors)`, which gives tensors, as a call for an attribute; the graph says what it has captured."""
    body = FunctionGraph(get_default_graph(), by_name)
    names = argument_names or [f"args_{i}" for i in range(len(types))]
    with body.as_default():
        arguments = [body.add_argument(t, s, n) for (t, s), n in zip(types, names, strict=True)]
        results = [body.as_graph_element(t) for t in function(*arguments)]
    call = body.call(name, results)
    body.finalize()
    return call, body


def of_nodes(result: Tensor, refused: Callable[[Operation], str], name: str) -> FunctionCall:
    """A function without arguments whose body is all that `result` is computed from; what it waits for stays outside.

    refused: why a node cannot be in it, or "".
    """
    needed: set[Operation] = set()
    waiting = [result.op]
    while waiting:
        op = waiting.pop()
        why = refused(op)
        if why:
            raise ValueError(why)
        if op not in needed:
            needed.add(op)
            waiting += [t.op for t in op.inputs]
    return _function(name, sorted(needed, key=lambda op: op._id), [], [result])
