"""What new nodes get from where they are built: a name, a device, what they wait for, the branch or loop they are in.

    with graph.name_scope("layer1"):               names begin with layer1/              [W70]
    with graph.device("/gpu:0"):                   a request for each node               [W37]
    with graph.colocate_with(op):                  the device of another node            [W37]
    with graph.control_dependencies([init]):       a control edge to each node           [W03]
    with graph.inside(branch):                     a branch or loop (core/contexts.py)   [W39]
    with graph.gradient_override_map({...}):       another gradient for a type of node

Invariant: a scope that is left, by an exception too, leaves what was in force before.

Next: core/graph.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from refflow.core.devices import DeviceSpec
from refflow.core.errors import NodeError
from refflow.core.graphdef import LABEL, NAME, SCOPED_NAME
from refflow.core.tensor import Operation, Tensor


class _ControlScope:
    """One `with control_dependencies(...)`: what new nodes wait for, and which nodes already do."""

    __slots__ = ("members", "sources")

    def __init__(self, sources: list[Operation]):
        self.sources = sources
        self.members: set[Operation] = set()


class GraphScopes:
    """The scopes of one graph. core/graph.py adds what they are for: the nodes."""

    as_graph_element: Callable[..., Any]

    def __init__(self) -> None:
        self._names_in_use: dict[str, int] = {}
        self._name_stack = ""
        self._device_stack: list[Callable[[Operation], Any] | None] = []
        self._colocated: list[Operation] = []
        self._control_stack: list[_ControlScope] = []
        self._context: Any = None  # the branch or loop that is being built
        self._captures = True
        self._container = ""
        self._gradient_overrides: dict[str, str] = {}
        self._default_original_op: Operation | None = None
        self._more_attrs: dict[str, Any] = {}

    # -- names ------------------------------------------------------------------------------------

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """`name` inside the current scope, with _1, _2, ... if it is taken [W70]."""
        legal = SCOPED_NAME if self._name_stack else NAME
        if not legal.fullmatch(name):
            raise NodeError(
                f"'{name}' is not a valid node name. Names begin with a letter, a digit or '.', "
                "and go on with those or any of _ - / . > \\"
            )
        if self._name_stack:
            name = f"{self._name_stack}/{name}"
        key = self._name_key(name)
        count = self._names_in_use.get(key, 0)
        if mark_as_used:
            self._names_in_use[key] = count + 1
        if count == 0:
            return name
        base, base_key = name, key
        while key in self._names_in_use:
            name = f"{base}_{count}"
            key = self._name_key(name)
            count += 1
        if mark_as_used:
            self._names_in_use[base_key] = count
            self._names_in_use[key] = 1
        return name

    @staticmethod
    def _name_key(name: str) -> str:
        """What two names must differ in."""
        return name

    @contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Prefixes the names of new nodes; yields the scope with its '/', which re-enters it exactly [W70]."""
        old = self._name_stack
        if not name:
            self._name_stack = ""
        elif name.endswith("/"):
            self._name_stack = name[:-1]
        else:
            self._name_stack = self.unique_name(name)
        try:
            yield self._name_stack + "/" if self._name_stack else ""
        finally:
            self._name_stack = old

    def _reserve(self, name: str) -> None:
        """Marks a name, and the scopes that it lies in, as taken."""
        while (key := self._name_key(name)) not in self._names_in_use:
            self._names_in_use[key] = 1
            name, _, _ = name.rpartition("/")
            if not name:
                return

    # -- devices, and what to wait for --------------------------------------------------------------

    @contextmanager
    def device(self, device_name_or_function: Any) -> Iterator[None]:
        """Requests a device for new nodes: a name, a function of the operation, or None to clear [W37]."""
        request = device_name_or_function
        if request is None or callable(request):
            function = request
        else:
            spec = DeviceSpec.parse(str(request)) if not str(request).startswith("@") else None
            # Applied from the inside out: what an inner scope has set is kept.
            function = _requesting(spec, str(request))
        self._device_stack.append(function)
        try:
            yield
        finally:
            self._device_stack.pop()

    @contextmanager
    def colocate_with(self, op: Any, ignore_existing: bool = False) -> Iterator[None]:
        """New nodes share the device of `op`, an operation or a tensor; they ask for what it asks for [W37].

        What device scopes around ask for does not hold inside.
        ignore_existing: only with `op`, whatever the scopes around say; then `op` may be None, for no other.
        """
        if op is None and not ignore_existing:
            raise ValueError("Trying to reset colocation (op is None) but ignore_existing is not True")
        element = None if op is None else self.as_graph_element(op)
        other = element.op if isinstance(element, Tensor) else element
        saved = self._colocated, self._device_stack
        self._colocated, self._device_stack = [] if ignore_existing else self._colocated, []
        if other is not None:
            self._colocated = [*self._colocated, other]
        try:
            yield
        finally:
            self._colocated, self._device_stack = saved

    @contextmanager
    def container(self, container_name: str) -> Iterator[str]:
        """State that new nodes make lives in the container of this name, unless they name one themselves [W47]."""
        saved, self._container = self._container, container_name
        try:
            yield container_name
        finally:
            self._container = saved

    def _labels(self) -> list[str]:
        """The attribute _class of a node that is to be with all that the scopes name."""
        found = [label for op in self._colocated for label in op.attrs.get("_class", [LABEL + op.name])]
        return sorted(dict.fromkeys(found))

    def _apply_device_functions(self, op: Operation) -> None:
        for function in reversed(self._device_stack):
            if function is None:
                break
            op._set_device(function(op))
        for other in self._colocated:
            if other.device:
                op._set_device(other.device)

    def get_default_device(self) -> str:
        """The device that a new node would request."""
        probe = Operation.__new__(Operation)
        probe._device = ""
        self._apply_device_functions(probe)
        return probe._device

    @contextmanager
    def control_dependencies(self, control_inputs: Any) -> Iterator[None]:
        """New nodes start only after `control_inputs` have finished; None clears the outer scopes [W03]."""
        if control_inputs is None:
            saved, self._control_stack = self._control_stack, []
            try:
                yield
            finally:
                self._control_stack = saved
            return
        if not isinstance(control_inputs, Iterable):
            raise TypeError(f"control_dependencies takes a list of operations or tensors, got {control_inputs!r}")
        sources = []
        for item in control_inputs:
            element = self.as_graph_element(item)
            op = element.op if isinstance(element, Tensor) else element
            if op not in sources:
                sources.append(op)
        self._control_stack.append(_ControlScope(sources))
        try:
            yield
        finally:
            self._control_stack.pop()

    def _control_inputs_for(self, inputs: Sequence[Tensor]) -> list[Operation]:
        if not self._control_stack:
            return []
        sources = {tensor.op for tensor in inputs}
        found: list[Operation] = []
        for scope in self._control_stack:
            # A node of the same scope already waits for the scope's sources: so does its user.
            if sources.isdisjoint(scope.members):
                found += [op for op in scope.sources if op not in sources and op not in found]
        return found

    @contextmanager
    def _attr_scope(self, attr_map: dict[str, Any]) -> Iterator[None]:
        """New nodes have these attributes too, unless they are given their own; None takes one away again."""
        saved = self._more_attrs
        self._more_attrs = {key: value for key, value in {**saved, **attr_map}.items() if value is not None}
        try:
            yield
        finally:
            self._more_attrs = saved

    # -- branches, loops and gradients --------------------------------------------------------------

    @contextmanager
    def inside(self, context: Any, captures: bool = True) -> Iterator[None]:
        """New nodes belong to `context`, a branch or loop; with `captures` it sees to what they read from outside."""
        saved = self._context, self._captures
        self._context, self._captures = context, captures
        try:
            yield
        finally:
            self._context, self._captures = saved

    @contextmanager
    def outside(self) -> Iterator[None]:
        """New nodes wait for nothing and are in no branch or loop: they may run before all that is around them."""
        with self.inside(None), self.control_dependencies(None):
            yield

    @contextmanager
    def gradient_override_map(self, op_type_map: dict[str, str]) -> Iterator[None]:
        """New nodes of the given types use the gradient registered under another name."""
        saved = self._gradient_overrides
        self._gradient_overrides = {**saved, **op_type_map}
        try:
            yield
        finally:
            self._gradient_overrides = saved

    @contextmanager
    def deriving(self, op: Operation) -> Iterator[None]:
        """Marks new nodes as built on behalf of `op`, as a gradient is."""
        saved, self._default_original_op = self._default_original_op, op
        try:
            yield
        finally:
            self._default_original_op = saved


def _requesting(spec: DeviceSpec | None, text: str) -> Callable[[Operation], str]:
    if spec is None:
        return lambda op: op.device or text  # "@node": colocation replaces nothing that is set
    return lambda op: op.device if op.device.startswith("@") else spec.merge(DeviceSpec.parse(op.device)).to_string()
