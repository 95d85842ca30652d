"""The parts of a graph: tensors are its edges, operations its nodes [W02, S38].

    Operation   one use of an op type: name, inputs, attributes, requested device. Computes when run.
    Tensor      one output of an operation: an element type and a static shape, but no value.

Next: core/graph.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from refflow.core import errors, registry, shapes
from refflow.core.dtypes import DType
from refflow.core.graphdef import LABEL, NodeDef
from refflow.core.no_numbers import NoNumbers
from refflow.core.scopes import LocalStack
from refflow.core.shapes import TensorShape

if TYPE_CHECKING:
    from refflow.core.graph import Graph
    from refflow.core.opdef import OpDef

default_sessions: LocalStack[Any] = LocalStack(None)


def default_session(session: Any, what: str, graph: Graph | None = None) -> Any:
    """`session`, or the innermost default one; ValueError where it runs another graph than the one that is given."""
    found = session if session is not None else default_sessions.top()
    if found is None:
        raise ValueError(
            f"Cannot {what}: No default session is registered. Use `with sess.as_default()` or pass session=, an "
            "explicit session"
        )
    if graph is not None and getattr(found, "graph", graph) is not graph:
        which, kind = "default" if session is None else "given", "operation" if "operation" in what else "tensor"
        raise ValueError(
            f"Cannot use the {which} session to {what.partition(' using')[0]}: the {kind}'s graph is different from "
            "the session's graph. It is not an element of this graph; pass the session of its own graph as session="
        )
    return found


def get_default_session() -> Any:
    """The innermost session in force, or None."""
    return default_sessions.top()


class Tensor(NoNumbers):
    """A symbolic handle to one output of an operation. Session.run gives it a value."""

    OVERLOADABLE_OPERATORS: frozenset[str]  # the names of Python's operators on tensors: ops/operators.py

    # "__dict__", for what libraries on top put on tensors; it takes memory once they do
    __slots__ = (
        "__dict__", "__weakref__", "_consumers", "_dtype", "_op", "_shape", "_value_index", "assign", "constant",
    )  # fmt: skip

    def __len__(self) -> int:
        raise TypeError(
            f"len is not well defined for a symbolic Tensor ({self.name}): use get_shape(), or shape() inside the graph"
        )

    def __init__(self, op: Operation, value_index: int, dtype: DType):
        self._op = op
        self._value_index = value_index
        self._dtype = dtype
        self._shape: shapes.Shape = None
        self._consumers: list[Operation] = []
        self.constant: Any = None  # the value, once somebody found that it is known before the run
        # `assign` is there for parts of variables alone (compat/v1/variable.py).

    @property
    def op(self) -> Operation:
        return self._op

    @property
    def value_index(self) -> int:
        return self._value_index

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def graph(self) -> Graph:
        return self._op.graph

    @property
    def name(self) -> str:
        return f"{self._op.name}:{self._value_index}"

    @property
    def device(self) -> str:
        return self._op.device

    @property
    def dims(self) -> shapes.Shape:
        """The static shape as a plain tuple, None where the rank is unknown."""
        return self._shape

    def get_shape(self) -> TensorShape:
        return TensorShape._of(self._shape)

    @property
    def shape(self) -> TensorShape:
        """What get_shape() gives."""
        return self.get_shape()

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows of the shape; ShapeError if it contradicts."""
        try:
            self._shape = shapes.merge(self._shape, TensorShape(shape).as_tuple)
        except errors.ShapeError as error:
            raise errors.ShapeError(f"set_shape on {self.name!r}: {error}") from None

    @property
    def ndim(self) -> int | None:
        """The number of axes, None where it is not known."""
        return None if self._shape is None else len(self._shape)

    def consumers(self) -> list[Operation]:
        return list(self._consumers)

    def eval(self, feed_dict: Any = None, session: Any = None) -> Any:
        """The value, computed in `session` or in the default one."""
        return default_session(session, "evaluate tensor using `eval()`", self.graph).run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Tensor {self.name!r} shape={shapes.python_text(self._shape)} dtype={self._dtype.name}>"

    def __str__(self) -> str:
        shape = "" if self._shape is None else f", shape={shapes.python_text(self._shape)}"
        where = f", device={self.device}" if self.device else ""
        return f'Tensor("{self.name}"{shape}, dtype={self._dtype.name}{where})'

    if TYPE_CHECKING:  # ops/operators.py gives these their meaning; the core knows no operation

        def _operator(self, other: Any = None) -> Any: ...

        __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = _operator
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _operator
        __mod__ = __rmod__ = __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _operator
        __matmul__ = __rmatmul__ = __lt__ = __le__ = __gt__ = __ge__ = __getitem__ = _operator

        def __invert__(self) -> Any: ...

        def __neg__(self) -> Any: ...

        def __abs__(self) -> Any: ...


class Ports(list):
    """An operation's inputs or outputs: by position, or by the name that the signature gives them."""

    def __init__(self, tensors: Sequence[Tensor], op: Operation, outputs: bool):
        super().__init__(tensors)
        self._op, self._outputs = op, outputs

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            places = self._op.op_def.places(self._op.attrs, outputs=self._outputs)
            place = places[key]
            return list.__getitem__(self, place)
        return list.__getitem__(self, key)


class Operation:
    """A node: one use of an op type. Hashable by identity."""

    __slots__ = (
        "__dict__", "__weakref__", "_context", "_device", "_id", "_name", "_stack", "attrs", "control_inputs",
        "graph", "inputs", "op_def", "original_op", "outputs",
    )  # fmt: skip

    def __init__(
        self,
        node_def: NodeDef,
        g: Graph,
        inputs: Sequence[Tensor] | None = None,
        output_types: Sequence[DType] | None = None,
        control_inputs: Sequence[Operation] | None = None,
        input_types: Sequence[DType] | None = None,
        original_op: Operation | None = None,
        op_def: OpDef | None = None,
        stack: tuple[Any, ...] | None = None,
    ):
        """Takes name, op type, attributes and device from `node_def`; Graph.create_op also enters it in the graph.

        input_types: taken for the release's sake; inputs know their types.
        """
        if op_def is None:
            op_def = registry.op_def(node_def.op)
        types = op_def.output_types(node_def.attr) if output_types is None else output_types
        self.graph = g
        self.op_def = op_def
        self.attrs = node_def.attr
        self.inputs = Ports(inputs or (), self, outputs=False)
        self.outputs = Ports([Tensor(self, i, t) for i, t in enumerate(types)], self, outputs=True)
        self.control_inputs = list(control_inputs or ())
        self.original_op = original_op
        self._context: Any = None  # the branch or loop that it was built in (core/contexts.py)
        self._id = 0
        self._name = node_def.name
        self._device = node_def.device
        self._stack = errors.call_stack(2) if stack is None else stack

    @property
    def name(self) -> str:
        return self._name

    @property
    def type(self) -> str:
        return self.op_def.name

    @property
    def device(self) -> str:
        """The requested device, possibly a partial name."""
        return self._device

    def colocation_groups(self) -> list[bytes]:
        """Labels of the nodes that this one shares a device with: those of its attribute _class, or its own."""
        return [label.encode() for label in self.attrs.get("_class") or [LABEL + self._name]]

    def _set_device(self, device: Any) -> None:
        self._device = str(device or "")

    def _add_control_input(self, op: Operation) -> None:
        self._add_control_inputs([op])

    def _add_control_inputs(self, ops: Sequence[Operation]) -> None:
        """This operation waits for these too."""
        self.control_inputs += [op for op in dict.fromkeys(ops) if op not in self.control_inputs]

    def _update_input(self, index: int, tensor: Tensor) -> None:
        """Reads `tensor` instead of what it read at this place: so a loop's way back is joined."""
        if not 0 <= index < len(self.inputs):
            raise IndexError(f"Operation {self.name!r} has {len(self.inputs)} inputs; there is no input {index}")
        before = self.inputs[index]
        if before is not None and before.dtype.base_dtype is not tensor.dtype.base_dtype:
            raise TypeError(
                f"Input {index} of operation {self.name!r} is {before.dtype.name}, but {tensor.name!r} is "
                f"{tensor.dtype.name}"
            )
        if before is not None:
            before._consumers.remove(self)
        list.__setitem__(self.inputs, index, tensor)
        tensor._consumers.append(self)

    def _get_control_flow_context(self) -> Any:
        """The branch or loop that it was built in, or None."""
        return self._context

    def _set_control_flow_context(self, context: Any) -> None:
        self._context = context

    @property
    def node_def(self) -> Any:
        """The operation as data, in the form that a program is given it in."""
        return self.definition

    @property
    def definition(self) -> NodeDef:
        """The operation as plain data."""
        data = [t.name if t.value_index else t.op.name for t in self.inputs]
        control = [f"^{op.name}" for op in self.control_inputs]
        return NodeDef(self._name, self.type, data + control, self._device, self.attrs)

    def get_attr(self, name: str) -> Any:
        """The attribute's value; texts as bytes."""
        if name not in self.attrs:
            raise ValueError(f"Operation '{self._name}' has no attr named '{name}'. It has: {', '.join(self.attrs)}")
        value = self.attrs[name]
        if isinstance(value, str):
            return value.encode()
        return [v.encode() if isinstance(v, str) else v for v in value] if isinstance(value, list) else value

    def values(self) -> tuple[Tensor, ...]:
        return tuple(self.outputs)

    @property
    def traceback(self) -> list[errors.Frame]:
        """The Python call stack that built this node, outermost first."""
        return errors.frames(self._stack)

    @property
    def user_frame(self) -> errors.Frame | None:
        """The line of the user's program that built this node."""
        return errors.user_frame(self._stack)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Runs this operation in `session` or in the default one."""
        default_session(session, "execute operation using `run()`", self.graph).run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation {self._name!r} type={self.type}>"
