"""A computation is a directed graph: operations are its nodes, tensors its edges [W01, S10].

    Graph       operations in creation order and their names
    Scopes      what new nodes get from where they are built: core/graph_scopes.py
    Operation   one use of an op type, and Tensor, one output of it: core/tensor.py

A *control edge* carries no data: its source finishes before its destination starts [W03].
Building never computes anything; `runtime/session.py` runs what has been built.

Invariants: names are unique; ids count from 1 in creation order; an operation's inputs are in the
same graph and, loops apart, older than it.

Next: core/opdef.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from refflow.core import errors, registry
from refflow.core.dtypes import DType
from refflow.core.errors import NodeError
from refflow.core.graph_scopes import GraphScopes
from refflow.core.graphdef import RELEASE, GraphDef, NodeDef, functions_of, parse_input
from refflow.core.scopes import LocalStack
from refflow.core.tensor import Operation, Tensor

if TYPE_CHECKING:
    from refflow.core.opdef import OpDef


class GraphKeys:
    """Names of the collections that the library itself fills."""

    VARIABLES = "variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"


class Graph(GraphScopes):
    """Operations under construction. Building one from several threads needs a lock of the caller's."""

    takes_from_outside = False  # a function's body does
    operation: type[Operation] = Operation  # what its nodes are
    restricts = False  # whether something in it may not be fed or not be fetched
    divides_as_python_3 = False  # the first release's `/` of whole numbers cuts off; graphs of 1.x do not [W77]
    sums_slices_into_tensors = False  # the first release made slices of both; graphs of 1.x do not [W32]
    gradient_rules: Mapping[str, Callable[..., Any] | None] = MappingProxyType({})  # those of op types that differ

    def __init__(self) -> None:
        super().__init__()
        self._nodes: list[Operation] = []
        self._by_name: dict[str, Operation] = {}
        self._python_functions: list[Any] = []  # what py_func nodes call (core/python_functions.py)
        self._collections: dict[Any, list[Any]] = {}
        self._seed: int | None = None
        self._finalized = False

    # -- what is in the graph ---------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Grows with every operation: the id of the newest one."""
        return len(self._nodes)

    @property
    def graph_def_version(self) -> int:
        """The version of the graphs that as_graph_def gives."""
        return RELEASE

    def get_operations(self) -> list[Operation]:
        return list(self._nodes)

    def get_operation_by_name(self, name: str) -> Operation:
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"Operation names are strings (or similar), not {type(name).__name__}.")
        return self.as_graph_element(name, allow_tensor=False)

    def get_tensor_by_name(self, name: str) -> Tensor:
        if not isinstance(name, (str, bytes)):
            raise TypeError(f"Tensor names are strings (or similar), not {type(name).__name__}.")
        return self.as_graph_element(name, allow_operation=False)

    def as_graph_element(self, obj: Any, allow_tensor: bool = True, allow_operation: bool = True) -> Any:
        """The Tensor or Operation that `obj` is, names, or stands for (as a Variable does)."""
        if not allow_tensor and not allow_operation:
            raise ValueError("allow_tensor and allow_operation can't both be False.")
        wanted = " or ".join(w for w, ok in (("Tensor", allow_tensor), ("Operation", allow_operation)) if ok)
        convert = getattr(obj, "_as_graph_element", None)
        if convert is not None:
            obj = convert()
        if isinstance(obj, bytes):
            obj = obj.decode()
        if isinstance(obj, str):
            return self._named_element(obj, wanted, allow_tensor, allow_operation)
        if (isinstance(obj, Tensor) and allow_tensor) or (isinstance(obj, Operation) and allow_operation):
            if obj.graph is not self:
                raise NodeError(
                    f"{type(obj).__name__} {obj!r} is not an element of this graph: it belongs to another graph than "
                    "this one. A session runs one graph: the one that was the default when it was made, or the one "
                    "that it was given as graph="
                )
            return obj
        raise TypeError(f"Can not convert a {type(obj).__name__} into a {wanted}. Got {obj!r}")

    def _named_element(self, text: str, wanted: str, allow_tensor: bool, allow_operation: bool) -> Any:
        if ":" not in text and allow_operation:
            if text in self._by_name:
                return self._by_name[text]
            raise KeyError(f"The name '{text}' refers to an Operation not in the graph.{self._near(text)}")
        form = 'Tensor names must be of the form "<op_name>:<output_index>".'
        if ":" not in text:
            if text in self._by_name:
                first = f" Its output is '{text}:0'"
                raise NodeError(f"The name '{text}' refers to an Operation, not a {wanted}. {form}{first}")
            raise NodeError(
                f"The name '{text}' looks like an (invalid) Operation name, not a {wanted}. {form}{self._near(text)}"
            )
        if not allow_tensor:
            raise NodeError(f"Name '{text}' appears to refer to a Tensor, not a {wanted}.")
        try:
            name, port = parse_input(text)
        except NodeError:
            raise NodeError(f"The name '{text}' looks a like a Tensor name, but is not a valid one. {form}") from None
        if name not in self._by_name:
            raise KeyError(
                f"The name '{text}' refers to a Tensor which does not exist. The operation, '{name}', does not exist "
                f"in the graph.{self._near(name)}"
            )
        outputs = self._by_name[name].outputs
        if port >= len(outputs):
            raise KeyError(
                f"The name '{text}' refers to a Tensor which does not exist. The operation, '{name}', exists but only "
                f"has {len(outputs)} outputs."
            )
        return outputs[port]

    def _near(self, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name, self._by_name, n=3, cutoff=0.6)
        return f" Near it: {', '.join(near)}" if near else ""

    def definition(self, from_version: int | None = None) -> GraphDef:
        """All nodes as plain data, or those that are newer than a version."""
        nodes = [op.definition for op in self._nodes[from_version or 0 :]]
        return GraphDef(nodes, functions_of(nodes))

    def as_graph_def(self, from_version: int | None = None) -> Any:
        """The same in the form that a program is given it in."""
        return self.definition(from_version)

    # -- adding to it -----------------------------------------------------------------------------

    def create_op(
        self,
        op_type: str,
        inputs: Sequence[Tensor],
        dtypes: Sequence[DType],
        input_types: Sequence[DType] | None = None,
        name: str | None = None,
        attrs: dict[str, Any] | None = None,
        op_def: OpDef | None = None,
        compute_shapes: bool = True,
    ) -> Operation:
        """Adds one node and returns it. Calls of an OpDef end here.

        A name that ends in '/' is taken as it is; any other is made unique. Raises ShapeError where
        the op's shape rule finds that the inputs do not fit, and NodeError for a foreign input.
        """
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified: nothing can be added to it any more")
        op_def = op_def or registry.op_def(op_type)
        for i, tensor in enumerate(inputs):
            if tensor.graph is not self:
                inputs = list(inputs)
                inputs[i] = self._from_outside(tensor, f"{op_type} {name or op_type!r}")
        if op_type in self._gradient_overrides:
            attrs = {**(attrs or {}), "_gradient_op_type": self._gradient_overrides[op_type]}
        if self._container and op_def.stateful and "container" in op_def.attrs and not (attrs or {}).get("container"):
            attrs = {**(attrs or {}), "container": self._container}
        if self._more_attrs:
            attrs = {**self._more_attrs, **(attrs or {})}
        if self._colocated:
            attrs = {**(attrs or {}), "_class": self._labels()}
        name = name or op_type
        name = name[:-1] if name.endswith("/") else self.unique_name(name)
        if name in self._by_name:
            raise NodeError(f"there already is an operation named {name!r}: {self._by_name[name]!r}")
        if self._context is not None and self._captures:
            with self.name_scope(f"{name}/"):
                inputs = [self._context.capture(tensor) for tensor in inputs]
        op = self.operation(
            NodeDef(name, op_type, attr=attrs or {}), self, inputs, dtypes, self._control_inputs_for(inputs),
            op_def=op_def, stack=errors.call_stack(2),
        )  # fmt: skip
        op._context = self._context
        if self._context is not None and self._captures:
            self._context.admit(op)
        if compute_shapes:
            for output, shape in zip(op.outputs, op_def.infer_shapes(op), strict=True):
                output._shape = shape
        self._apply_device_functions(op)
        op.original_op = self._default_original_op
        self._add(op)
        return op

    def _from_outside(self, tensor: Tensor, reader: str) -> Tensor:
        """What nodes of this graph read in the place of another graph's tensor (core/function_graph.py)."""
        raise NodeError(
            f"{reader}: input {tensor.name!r} belongs to another graph. "
            "Build both operations inside one `with graph.as_default():`"
        )

    def adopt(self, op: Operation) -> None:
        """Adds an operation that was made elsewhere, under the scopes in force; its name is not in use."""
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified: nothing can be added to it any more")
        if self._control_stack:
            known = set(op.control_inputs)
            op.control_inputs += [c for c in self._control_inputs_for(op.inputs) if c not in known]
        if self._device_stack:
            self._apply_device_functions(op)
        if self._context is not None:
            op._context = self._context
            if not op.inputs:
                self._context.admit(op)
        self._reserve(op.name)
        self._add(op)

    def _add(self, op: Operation) -> None:
        self._nodes.append(op)
        op._id = len(self._nodes)
        self._by_name[op.name] = op
        for tensor in op.inputs:
            if tensor is not None:  # a loop's way back is joined when its end is there
                tensor._consumers.append(op)
        for scope in self._control_stack:
            scope.members.add(op)

    def finalize(self) -> None:
        self._finalized = True

    @property
    def finalized(self) -> bool:
        return self._finalized

    @property
    def seed(self) -> int | None:
        """The graph's random seed; each op without a seed of its own combines it with its place [W72]."""
        return self._seed

    @seed.setter
    def seed(self, seed: int | None) -> None:
        self._seed = seed

    def as_default(self) -> Any:
        """A context in which new nodes go to this graph. Nests, and belongs to one thread [S11]."""
        return _default_graphs.pushed(self)

    AsDefault = as_default  # the spelling of the deck's program [S11]

    # -- collections ------------------------------------------------------------------------------

    def add_to_collection(self, name: Any, value: Any) -> None:
        if self._finalized:
            raise RuntimeError("Graph is finalized and cannot be modified: its collections cannot change any more")
        self._collections.setdefault(name, []).append(value)

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy of the collection's values; `scope` keeps those whose name begins with it."""
        values = self._collections.get(name, [])
        return [v for v in values if scope is None or getattr(v, "name", "").startswith(scope)]

    def get_all_collection_keys(self) -> list[Any]:
        return [key for key in self._collections if isinstance(key, str)]


def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """Graph.colocate_with of the default graph."""
    return get_default_graph().colocate_with(op, ignore_existing)


def device(dev: Any) -> Any:
    """Graph.device of the default graph."""
    return get_default_graph().device(dev)


def container(container_name: str) -> Any:
    """Graph.container of the default graph."""
    return get_default_graph().container(container_name)


def name_scope(name: str | None) -> Any:
    """Graph.name_scope of the default graph."""
    return get_default_graph().name_scope(name)


def control_dependencies(control_inputs: Any) -> Any:
    """Graph.control_dependencies of the default graph; None also leaves every branch and loop."""
    graph = get_default_graph()
    return graph.outside() if control_inputs is None else graph.control_dependencies(control_inputs)


def add_to_collection(name: Any, value: Any) -> None:
    """Graph.add_to_collection of the default graph."""
    get_default_graph().add_to_collection(name, value)


def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """Graph.get_collection of the default graph."""
    return get_default_graph().get_collection(key, scope)


_default_graphs: LocalStack[Graph] = LocalStack(Graph)


def get_default_graph() -> Graph:
    """The graph that new nodes go to: the innermost `as_default()`, else one for the whole program."""
    return _default_graphs.top()


def reset_default_graph() -> None:
    """Forgets the program-wide default graph; the next use makes a new one."""
    _default_graphs.reset()
