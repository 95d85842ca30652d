"""Variables behind handles: tf.Variable(use_resource=True) and enable_resource_variables().

    v                               VarHandleOp: the handle, a tensor of type resource
    v/IsInitialized/...             whether it has a value
    v/Assign                        AssignVariableOp of the initial value
    v/Read/ReadVariableOp           what a session fetches

Each use in the graph reads anew (value() is a new ReadVariableOp), so that what was read stays what it was, and control
dependencies say when. A change gives an UnreadVariable, whose value is read after that change.

Next: compat/v1/variable_scope.py.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np

from refflow.compat.v1.variable import Variable
from refflow.compat.v1.variable_kinds import VariableAggregation, VariableSynchronization
from refflow.compat.v1.variable_start import checked, collect, placed, starting
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import DType
from refflow.core.errors import ShapeError
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape


class ResourceVariable(Variable):
    """A variable behind a handle."""

    _is_resource = True
    _cached: Tensor | None = None  # the value on the caching device

    def __init__(
        self, initial_value: Any = None, trainable: bool | None = None, collections: Any = None,
        validate_shape: bool = True, caching_device: Any = None, name: str | None = None, dtype: Any = None,
        variable_def: Any = None, import_scope: str | None = None, constraint: Any = None,
        distribute_strategy: Any = None, synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE, shape: Any = None, expected_shape: Any = None,
    ):  # fmt: skip
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError(
                    "The variable_def and initial_value args to `tf.Variable` are mutually exclusive, but got both"
                )
            self.__dict__.update(vars(Variable.from_proto(variable_def, import_scope)))
            return
        keys = checked(self, initial_value, trainable, collections, constraint, synchronization, aggregation)
        with starting(initial_value, name) as (scope, make):
            self._initial_value = make(dtype)
            dims = self._initial_value.get_shape() if shape is None else TensorShape(shape)
            if validate_shape and not self._initial_value.get_shape().is_fully_defined():
                raise ShapeError(f"initial_value must have a shape specified: {self._initial_value}")
            kind, label = self._initial_value.dtype.base_dtype, scope[:-1]
            if not validate_shape and shape is None:
                dims = TensorShape(None)
            self._variable = op_def("VarHandleOp")(shape=dims, dtype=kind, name=scope, shared_name=label)
            graph = get_default_graph()
            with graph.name_scope("IsInitialized"):
                self._is_there = op_def("VarIsInitializedOp")(self._variable)
            assign = op_def("AssignVariableOp")
            self._initializer = assign(self._variable, self._initial_value, name="Assign")
            with graph.name_scope("Read"), placed(None, self._variable.op):
                self._snapshot = self._read()
                if caching_device is not None:
                    with graph.device(caching_device):
                        self._cached = op_def("Identity")(self._snapshot)
        collect(self, keys)

    # -- what is known of it ------------------------------------------------------------------------------------------

    @property
    def handle(self) -> Tensor:
        """The handle."""
        return self._variable

    @property
    def dtype(self) -> DType:
        return self._variable.op.attrs["dtype"]

    def get_shape(self) -> TensorShape:
        return self._variable.op.attrs["shape"]

    shape = property(get_shape)

    @property
    def initializer(self) -> Operation:
        return self._initializer

    create = initializer

    def set_shape(self, shape: Any) -> None:
        raise NotImplementedError("ResourceVariable does not implement set_shape()")

    def _as_graph_element(self) -> Tensor:
        return self._snapshot

    def numpy(self) -> np.ndarray:
        """NotImplementedError: a graph's variable has its values in sessions."""
        raise NotImplementedError("numpy() is only available when eager execution is enabled. Use eval() in a session")

    @property
    def _graph_element(self) -> Tensor:
        return self._as_graph_element()

    # -- values -------------------------------------------------------------------------------------------------------

    def _read(self) -> Tensor:
        found = op_def("ReadVariableOp")(self._variable, dtype=self.dtype)
        found.set_shape(self.get_shape())  # a handle that came into a loop does not tell it
        return found

    def value(self) -> Tensor:
        """The value at the moment when it is read in the step, a new node; on the caching device, one for all."""
        if self._cached is not None:
            return self._cached
        with get_default_graph().colocate_with(None, ignore_existing=True):
            return self._read()

    def read_value(self) -> Tensor:
        """The value at the moment when it is read in the step, a new node."""
        with get_default_graph().name_scope("Read"):
            value = self._read()
        return op_def("Identity")(value)

    def is_initialized(self, name: str | None = None) -> Tensor:
        return op_def("VarIsInitializedOp")(self._variable, name=name)

    def eval(self, session: Any = None) -> np.ndarray:
        return self._snapshot.eval(session=session)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows that `indices` name; only those are read."""
        with get_default_graph().name_scope(name or "Gather") as scope:
            return op_def("Identity")(op_def("ResourceGather")(self._variable, indices, dtype=self.dtype), name=scope)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements or slices that `indices` name; only those are read."""
        return op_def("ResourceGatherNd")(self._variable, indices, dtype=self.dtype, name=name)

    # -- changes ------------------------------------------------------------------------------------------------------

    def _changed(self, op: Operation, read_value: bool = True) -> Any:
        return UnreadVariable(self, op) if read_value else op

    def _fitting(self, value: Any, what: str) -> Tensor:
        tensor = convert_to_tensor(value, self.dtype.base_dtype)
        if not self.get_shape().is_compatible_with(tensor.get_shape()):
            shown = tuple(None if d is None else int(d) for d in tensor.dims or ())
            raise ShapeError(
                f"Cannot assign value to variable '{self.name}': Shape mismatch. The variable shape "
                f"{tuple(self.get_shape().as_list())}, and the {what} value shape {shown} are incompatible."
            )
        return tensor

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        op = op_def("AssignVariableOp")(self._variable, self._fitting(value, "assigned"), name=name)
        return self._changed(op, read_value)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        delta = convert_to_tensor(delta, self.dtype.base_dtype)
        return self._changed(op_def("AssignAddVariableOp")(self._variable, delta, name=name), read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        delta = convert_to_tensor(delta, self.dtype.base_dtype)
        return self._changed(op_def("AssignSubVariableOp")(self._variable, delta, name=name), read_value)

    def count_up_to(self, limit: int) -> Tensor:
        return op_def("ResourceCountUpTo")(self._variable, limit=limit, T=self.dtype.base_dtype)

    def _scattered(self, op: str, delta: Any, use_locking: bool, name: str | None) -> Any:
        if not isinstance(delta, IndexedSlices):
            raise TypeError(f"Argument `sparse_delta` must be a `tf.IndexedSlices`. Received arg: {delta}")
        values = convert_to_tensor(delta.values, self.dtype.base_dtype)
        return self._changed(op_def(f"Resource{op}")(self._variable, delta.indices, values, name=name))

    def _scattered_nd(self, op: str, indices: Any, updates: Any, name: str | None) -> Any:
        updates = convert_to_tensor(updates, self.dtype.base_dtype)
        return self._changed(op_def(f"Resource{op}")(self._variable, indices, updates, name=name))

    def _strided_assign(self, *args: Any, **kwargs: Any) -> Any:
        return self._changed(op_def("ResourceStridedSliceAssign")(self._variable, *args, **kwargs))


class UnreadVariable(ResourceVariable):
    """A variable after a change: its value is read once that has happened, and its operation is the change.

    A further change, too, comes after it: v.assign(10.0).assign_add(5.0).
    """

    def __init__(self, variable: ResourceVariable, change: Operation):
        self.__dict__.update(vars(variable))
        self._change, self._cached = change, None
        with change.graph.control_dependencies([change]):
            self._snapshot = super()._read()

    @property
    def op(self) -> Operation:
        """The change."""
        return self._change

    @property
    def name(self) -> str:
        return self._variable.name

    def _read(self) -> Tensor:
        with self._change.graph.control_dependencies([self._change]):
            return super()._read()

    def _as_graph_element(self) -> Tensor:
        return self._snapshot


def _after_the_change(name: str) -> Any:
    plain = getattr(ResourceVariable, name)

    @wraps(plain)
    def method(self: UnreadVariable, *args: Any, **kwargs: Any) -> Any:
        with self._change.graph.control_dependencies([self._change]):
            return plain(self, *args, **kwargs)

    return method


for _name in ("assign", "assign_add", "assign_sub", "batch_scatter_update", "_scattered", "_scattered_nd",
              "_strided_assign"):  # fmt: skip
    setattr(UnreadVariable, _name, _after_the_change(_name))


def _refused(sign: str, instead: str) -> Any:
    def method(self: ResourceVariable, value: Any) -> Any:
        raise RuntimeError(
            f"`variable {sign} value` with `tf.Variable`s is not supported. Use `variable.{instead}` to modify the "
            f"variable, or `out = variable {sign[:-1]} value` if you need to get a new output Tensor."
        )

    return method


for _name, _sign, _instead in (
    ("iadd", "+=", "assign_add(value)"), ("isub", "-=", "assign_sub(value)"),
    ("imul", "*=", "assign(variable * value)"), ("itruediv", "/=", "assign(variable / value)"),
    ("ipow", "**=", "assign(variable ** value)"),
):  # fmt: skip
    setattr(ResourceVariable, f"__{_name}__", _refused(_sign, _instead))
