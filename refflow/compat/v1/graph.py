"""Graph of 1.x: graphs that are written as protobuf messages, and what else 1.x asks of a graph.

    graph.as_graph_def()      a GraphDef message, with add_shapes its nodes' shapes too
    names                     a name differs from another in more than upper and lower case
    devices                   written as 1.x does, /device:CPU:0
    threads                   each has name scopes, control dependencies, branches and loops of its own; with
                              switch_to_thread_local() devices and colocation too

The default graph is one of these from the import of refflow.compat.v1 on.

Next: compat/v1/variable.py.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from refflow.compat.v1 import operation
from refflow.compat.v1.gradient_rules import RULES
from refflow.core import graph as first
from refflow.core.convert import operation_of
from refflow.core.errors import NodeError
from refflow.core.graph import Operation, Tensor
from refflow.core.graphdef import RELEASE, SHAPES
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.interop import protos
from refflow.interop.schema import message

_ROOT = r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$"
_SCOPE = r"^[A-Za-z0-9_.\\/>-]*$"
_KIND = re.compile(r"/(?:device:)?(cpu|gpu)(:\d+|:\*)?$", re.IGNORECASE)


def written_device(name: str) -> str:
    """A device's name as 1.x writes it.

    >>> written_device("/job:ps/gpu:1"), written_device("/cpu:0")
    ('/job:ps/device:GPU:1', '/device:CPU:0')
    """
    return _KIND.sub(lambda m: f"/device:{m[1].upper()}{m[2] or ':*'}", name)


def _of_thread(name: str, start: Callable[[], Any], always: bool) -> property:
    """A part of a graph's state that each thread has for itself; else only once the graph was switched."""

    def holder(graph: Any) -> Any:
        if always or graph.__dict__.get("_is_thread_local"):
            return graph.__dict__.setdefault("_of_threads", threading.local()).__dict__
        return graph.__dict__

    def get(graph: Any) -> Any:
        held = holder(graph)
        if name not in held:
            held[name] = start()
        return held[name]

    def put(graph: Any, value: Any) -> None:
        holder(graph)[name] = value

    return property(get, put)


class Graph(first.Graph):
    """The first release's, with the methods of 1.x."""

    operation = operation.Operation
    divides_as_python_3 = sums_slices_into_tensors = True
    gradient_rules = RULES
    _name_stack = _of_thread("name stack", str, True)
    _control_stack = _of_thread("control stack", list, True)
    _context = _of_thread("context", lambda: None, True)
    _captures = _of_thread("captures", lambda: True, True)
    _device_stack = _of_thread("device stack", list, False)
    _colocated = _of_thread("colocated", list, False)

    def __init__(self) -> None:
        super().__init__()
        self._unfeedable: set[Tensor] = set()
        self._unfetchable: set[Any] = set()
        self._kernel_labels: dict[str, str] = {}

    # -- what it is ---------------------------------------------------------------------------------------------------

    def as_graph_def(self, from_version: int | None = None, add_shapes: bool = False) -> Any:
        """A GraphDef message of all nodes, or of those after `from_version`."""
        plain = self.definition(from_version if from_version is None or from_version >= 0 else 0)
        if add_shapes:
            nodes = self._nodes[from_version or 0 :]
            for node, op in zip(plain.node, nodes, strict=True):
                node.attr = {**node.attr, SHAPES: [t.get_shape() for t in op.outputs]}
        return protos.write_graph(plain)

    @property
    def graph_def_versions(self) -> Any:
        """The version of what as_graph_def gives, a VersionDef."""
        found = message("VersionDef")()
        found.producer = RELEASE
        return found

    @property
    def building_function(self) -> bool:
        """False: functions are put in the place of their calls."""
        return False

    def get_name_scope(self) -> str:
        """The name scope in force, without its last '/'."""
        return self._name_stack

    @staticmethod
    def _name_key(name: str) -> str:
        return name.lower()

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        if name:
            _check_scope(name, bool(self._name_stack))
        with super().name_scope(name) as scope:
            yield scope

    def variable_of(self, variable_def: Any, import_scope: str | None) -> Any:
        """The variable that a VariableDef of an imported graph means."""
        from refflow.compat.v1.variable import Variable

        with self.as_default():
            return Variable.from_proto(variable_def, import_scope)

    # -- what may be fed and fetched ----------------------------------------------------------------------------------

    def prevent_feeding(self, tensor: Tensor) -> None:
        """From here on the tensor cannot be fed."""
        self._unfeedable.add(tensor)
        self.restricts = True

    def is_feedable(self, tensor: Any) -> bool:
        """Whether the tensor may be fed: one of a branch or a loop may not."""
        return tensor not in self._unfeedable and getattr(tensor, "op", tensor)._context is None

    def prevent_fetching(self, op: Operation) -> None:
        """From here on the operation cannot be fetched."""
        self._unfetchable.add(op)
        self.restricts = True

    def is_fetchable(self, tensor_or_op: Any) -> bool:
        """Whether the tensor or operation may be fetched: one of a branch or a loop may not."""
        owner = tensor_or_op.op if isinstance(tensor_or_op, Tensor) else tensor_or_op
        return owner._context is None and owner not in self._unfetchable and tensor_or_op not in self._unfetchable

    # -- collections --------------------------------------------------------------------------------------------------

    @property
    def collections(self) -> list[Any]:
        """The names of the collections."""
        return self.get_all_collection_keys()

    def add_to_collections(self, names: Any, value: Any) -> None:
        """Enters a value into several collections, once each."""
        for name in [names] if isinstance(names, str) else dict.fromkeys(names):
            self.add_to_collection(name, value)

    def get_collection_ref(self, name: Any) -> list[Any]:
        """The collection itself, not a copy: what is added to it is in it."""
        return self._collections.setdefault(name, [])

    def get_collection(self, name: Any, scope: str | None = None) -> list[Any]:
        """A copy of a collection; `scope` is matched with the beginnings of its values' names."""
        values = self._collections.get(name, [])
        if scope is None:
            return list(values)
        pattern = re.compile(scope)
        return [v for v in values if hasattr(v, "name") and pattern.match(v.name)]

    def clear_collection(self, name: Any) -> None:
        """Forgets a collection."""
        self._collections.pop(name, None)

    # -- scopes -------------------------------------------------------------------------------------------------------

    def switch_to_thread_local(self) -> None:
        """From here on each thread has devices and colocation of its own."""
        self._is_thread_local = True

    def device(self, device_name_or_function: Any) -> Any:
        request = device_name_or_function
        if isinstance(request, str) and request and request[0] not in "/@":
            request = f"/{request}"
        elif request is not None and not callable(request) and not isinstance(request, str):
            request = request.to_string()
        return super().device(request)

    def create_op(self, op_type: str, inputs: Sequence[Tensor], *args: Any, **kwargs: Any) -> Operation:
        """One more node. What changes a variable through its reference is with that variable."""
        if not all(isinstance(t, Tensor) for t in inputs):
            place, strange = next((i, t) for i, t in enumerate(inputs) if not isinstance(t, Tensor))
            raise TypeError(f"Input #{place} is not a tensor: {strange}")
        label = self._kernel_labels.get(op_type) if self._kernel_labels else None
        if label:
            with super()._attr_scope({"_kernel": label}):
                return self._created(op_type, inputs, *args, **kwargs)
        return self._created(op_type, inputs, *args, **kwargs)

    def _created(self, op_type: str, inputs: Sequence[Tensor], *args: Any, **kwargs: Any) -> Operation:
        if not any(t.dtype.is_ref_dtype for t in inputs):
            return super().create_op(op_type, inputs, *args, **kwargs)
        takes = op_def(op_type).inputs
        with ExitStack() as stack:
            for tensor, arg in zip(inputs, takes, strict=False):
                if arg.is_ref and tensor.dtype.is_ref_dtype:
                    stack.enter_context(self.colocate_with(tensor.op, ignore_existing=tensor is inputs[0]))
            return super().create_op(op_type, inputs, *args, **kwargs)

    def _apply_device_functions(self, op: Operation) -> None:
        super()._apply_device_functions(op)
        op._device = written_device(op._device)

    def control_dependencies(self, control_inputs: Any) -> Any:
        if isinstance(control_inputs, (list, tuple)):
            control_inputs = [_waited_for(x) for x in control_inputs]
        return super().control_dependencies(control_inputs)

    @contextmanager
    def _kernel_label_map(self, op_to_kernel_label_map: dict[str, str]) -> Iterator[None]:
        """New nodes of the given types have a label of a kernel, `_kernel`; an empty one takes it away."""
        if not _are_texts(op_to_kernel_label_map):
            raise TypeError("op_to_kernel_label_map must be a dictionary mapping strings to strings")
        saved, self._kernel_labels = self._kernel_labels, {**self._kernel_labels, **op_to_kernel_label_map}
        try:
            yield
        finally:
            self._kernel_labels = saved

    def _attr_scope(self, attr_map: dict[str, Any]) -> Any:
        """New nodes have these attributes too: plain values or AttrValue messages; None takes one away again."""
        read = {}
        for key, value in attr_map.items():
            known = value is None or isinstance(value, list) or hasattr(value, "WhichOneof")
            if not isinstance(key, str) or not known:
                raise TypeError(
                    f"attr_map must be a dictionary mapping strings to AttrValue protos or None, got {key!r}: {value!r}"
                )
            read[key] = protos.read_attr(value) if hasattr(value, "WhichOneof") else value
        return super()._attr_scope(read)

    def _original_op(self, op: Any) -> Any:
        """New nodes are built on behalf of `op`."""
        return self.deriving(op)

    def _unsafe_unfinalize(self) -> None:
        """Takes finalize() back."""
        self._finalized = False

    def gradient_override_map(self, op_type_map: dict[str, str]) -> Any:
        if not _are_texts(op_type_map):
            raise TypeError("op_type_map must be a dictionary mapping strings to strings")
        return super().gradient_override_map(op_type_map)


def _waited_for(item: Any) -> Any:
    """What a node waits for: of a variable behind a handle the handle or the change, not a value that is read."""
    if isinstance(item, IndexedSlices):
        return operation_of(item)
    return item.op if getattr(item, "_is_resource", False) else item


def _are_texts(given: Any) -> bool:
    return isinstance(given, dict) and all(isinstance(x, str) for row in given.items() for x in row)


def _check_scope(name: Any, within: bool) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name for name_scope must be a string, got {type(name).__name__}: {name!r}")
    pattern, called = (_SCOPE, "scope name. A scope") if within else (_ROOT, "root scope name. A root scope")
    if not re.match(pattern, name):
        raise NodeError(f"'{name}' is not a valid {called} name has to match the following pattern: {pattern}")




first._default_graphs._make_bottom = Graph
