"""CriticalSection: parts of steps of which only one runs at a time.

    section = tf.CriticalSection(name="count")
    section.execute(lambda: v.assign_add(1))

Each execution takes the section's mutex, runs what the function built, and lets go when all of it has run.

Next: compat/v1/variables.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from refflow.compat.v1.names import name_scope
from refflow.core import nest
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.registry import op_def

__all__ = ["CriticalSection"]
_SECTIONS = "critical_sections"
_EXECUTIONS = "critical_section_executions"


class Execution(NamedTuple):
    """One execution: the section's handle, the operation that took the lock, and whether others may run beside it."""

    handle: Any
    op: Operation
    exclusive_resource_access: bool


class CriticalSection:
    """A mutex by name; sections with the same shared_name are one."""

    def __init__(
        self, name: str | None = None, shared_name: str | None = None, critical_section_def: Any = None,
        import_scope: str | None = None,
    ):  # fmt: skip
        if critical_section_def is not None:
            raise ValueError("critical_section_def: a section is made anew, by its shared_name")
        with name_scope(name, "CriticalSection") as scope, get_default_graph().outside():
            label = shared_name or scope.rstrip("/")
            self._handle = op_def("MutexV2")(shared_name=label, name="Mutex")
        get_default_graph().add_to_collection(_SECTIONS, self)

    @property
    def name(self) -> str:
        return self._handle.op.name

    def execute(self, fn: Callable[[], Any], exclusive_resource_access: bool = True, name: str | None = None) -> Any:
        """What `fn()` gives, all of it built so that no other execution of this section runs at the same time.

        exclusive_resource_access: no other section may use the resources that `fn` uses; ValueError where one does.
        """
        graph = get_default_graph()
        with name_scope(name, "critical_section_execute"):
            with graph.control_dependencies(None):
                lock = op_def("MutexLock")(self._handle)
            before = set(graph.get_operations())
            with graph.control_dependencies([lock]):
                given = fn()
            made = [op for op in graph.get_operations() if op not in before]
            if any(op.type == "MutexLock" and op.inputs[0] is self._handle for op in made):
                raise ValueError(
                    f"Attempting to lock a CriticalSection (signature={self.name}) in which we are already running. "
                    "This is illegal and may cause deadlocks."
                )
            self._check_resources(graph, made, exclusive_resource_access)
            graph.add_to_collection(_EXECUTIONS, Execution(self._handle, lock.op, exclusive_resource_access))
            return self._after(graph, lock, given, made)

    def _check_resources(self, graph: Any, made: list[Operation], exclusive: bool) -> None:
        used = {t for op in made for t in op.inputs if t.dtype.name == "resource" and t is not self._handle}
        held = graph._collections.setdefault(("__critical_resources",), [{}])[0]
        for resource in used:
            for handle, other in held.get(resource, []):
                if handle is not self._handle and (exclusive or other):
                    raise ValueError(
                        f"This execution requested exclusive access to resources: {[t.name for t in used]} but one or "
                        f"more of them are used by another critical section: {handle.op.name}"
                    )
            held.setdefault(resource, []).append((self._handle, exclusive))

    def _after(self, graph: Any, lock: Tensor, given: Any, made: list[Operation]) -> Any:
        """The results, which are there once everything has run and the lock is gone."""
        leaves: list[Any] = []
        for x in nest.flatten(given):
            leaves.append(x if x is None or isinstance(x, Operation) else convert_to_tensor(x))
        there = [x if isinstance(x, Operation) else x.op for x in leaves if x is not None] or made
        with graph.control_dependencies(there):
            kept = [op_def("Identity")(x) if isinstance(x, Tensor) else x for x in leaves]
        with graph.control_dependencies([*there, *(x for x in kept if isinstance(x, Tensor))]):
            done = op_def("ConsumeMutexLock")(lock)
        with graph.control_dependencies([done]):
            found = [op_def("Identity")(x) if isinstance(x, Tensor) else x and op_def("NoOp")() for x in kept]
        return nest.pack(given, found)
