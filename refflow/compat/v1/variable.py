"""tf.Variable of 1.x: a reference, or with use_resource a handle.

    tf.Variable(...)    one of the two classes, as compat/v1/variable_creators.py has it
    v/initial_value     v     v/Assign     v/read          the nodes of a RefVariable; v/read stands for its value
    v/Initializer/...   v     v/Assign     v/read          where the initial value is a function

Next: compat/v1/variable_creators.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.compat.v1.variable_creators import ARGUMENTS, created
from refflow.compat.v1.variable_kinds import SaveSliceInfo as Part
from refflow.compat.v1.variable_kinds import VariableAggregation, VariableSynchronization
from refflow.compat.v1.variable_start import checked, collect, guarded, placed, starting
from refflow.core.convert import convert_to_tensor, op_scope, register_tensor_conversion_function
from refflow.core.dtypes import DType
from refflow.core.errors import DTypeError, ShapeError
from refflow.core.graph import Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.core.tensor import default_sessions
from refflow.interop.schema import message
from refflow.ops import variable as first
from refflow.ops.operators import strided


class _Made(type):
    """Variable(...) asks the creators; RefVariable(...) and ResourceVariable(...) are made as they are."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is not Variable:
            return super().__call__(*args, **kwargs)
        given = dict(zip(ARGUMENTS, args, strict=False)) | kwargs
        unknown = [key for key in given if key not in ARGUMENTS]
        if unknown or len(args) > len(ARGUMENTS):
            raise TypeError(f"Variable() got an unexpected keyword argument {(unknown or args)[-1]!r}")
        return created(**{name: given.get(name, default) for name, default in ARGUMENTS.items()})


class Variable(first.Variable, metaclass=_Made):
    """A value that outlives the run, with the arguments and methods of 1.x."""

    SaveSliceInfo = Part
    _save_slice_info: Part | None = None
    _trainable = True
    _constraint: Callable[[Any], Any] | None = None
    _synchronization = VariableSynchronization.AUTO
    _aggregation = VariableAggregation.NONE
    _snapshot: Tensor

    # -- what is known of it ------------------------------------------------------------------------------------------

    @property
    def trainable(self) -> bool:
        """Whether optimizers change it unless they are told what to change."""
        return self._trainable

    @property
    def constraint(self) -> Callable[[Any], Any] | None:
        """The function that an update's result is to go through, or None."""
        return self._constraint

    @property
    def synchronization(self) -> VariableSynchronization:
        return self._synchronization

    @property
    def aggregation(self) -> VariableAggregation:
        return self._aggregation

    def _set_save_slice_info(self, save_slice_info: Part | None) -> None:
        self._save_slice_info = save_slice_info

    def _get_save_slice_info(self) -> Part | None:
        return self._save_slice_info

    @property
    def _shared_name(self) -> str:
        return self.name.partition(":")[0]

    def _ref(self) -> Tensor:
        return self._variable

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows of the shape."""
        self._variable.set_shape(shape)
        self.value().set_shape(shape)

    def __repr__(self) -> str:
        dims = self.get_shape()
        shape = "<unknown>" if dims.ndims is None else str(tuple(dims.as_list()))
        return f"<tf.Variable '{self.name}' shape={shape} dtype={self.dtype.name}>"

    def __iter__(self) -> Any:
        raise TypeError("'Variable' object is not iterable.")

    __str__ = __repr__

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self) -> Tensor:
        """What stands for the value in the graph: the last value that was given."""
        return self._snapshot

    def read_value(self) -> Tensor:
        """The value at the moment when it is read in the step, a new node."""
        return op_def("Identity")(self._variable, name="read")

    def initialized_value(self) -> Tensor:
        """The value, or the initial value where there is none yet."""
        from refflow.ops.conditionals import cond

        with self.graph.as_default(), self.graph.outside():
            return cond(self.is_initialized(), self.read_value, lambda: self.initial_value)

    def is_initialized(self, name: str | None = None) -> Tensor:
        """Whether it has a value yet."""
        return op_def("IsVariableInitialized")(self._variable, name=name)

    def eval(self, session: Any = None) -> np.ndarray:
        """The value in a session."""
        return self._variable.eval(session=session)

    def load(self, value: Any, session: Any = None) -> None:
        """Sets it in a session, without a new node."""
        session = session or default_sessions.top()
        if session is None:
            raise ValueError("Either session argument should be provided or default session should be established")
        session.run(self.initializer, {self.initializer.inputs[1]: value})

    # -- changes: each gives the reference after the change, or with read_value=False the operation -------------------

    def assign(self, value: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True) -> Any:
        """Sets it."""
        return _result(first.assign(self._variable, value, use_locking=use_locking, name=name), read_value)

    def assign_add(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Adds to it."""
        return _result(first.assign_add(self._variable, delta, use_locking=use_locking, name=name), read_value)

    def assign_sub(
        self, delta: Any, use_locking: bool = False, name: str | None = None, read_value: bool = True
    ) -> Any:
        """Subtracts from it."""
        return _result(first.assign_sub(self._variable, delta, use_locking=use_locking, name=name), read_value)

    def _scattered(self, op: str, delta: Any, use_locking: bool, name: str | None) -> Any:
        if not isinstance(delta, IndexedSlices):
            raise TypeError(f"sparse_delta is not IndexedSlices: {delta}")
        return op_def(op)(self._variable, delta.indices, delta.values, use_locking=use_locking, name=name)

    def batch_scatter_update(self, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        """Sets rows within each batch: indices [..., i] name rows of the axis that they end at."""
        from refflow.compat.v1.state import batch_scatter_update

        return batch_scatter_update(self, sparse_delta.indices, sparse_delta.values, use_locking, name)

    def scatter_nd_update(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Sets the elements or slices that `indices` name."""
        return self._scattered_nd("ScatterNdUpdate", indices, updates, name)

    def scatter_nd_add(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Adds to the elements or slices that `indices` name."""
        return self._scattered_nd("ScatterNdAdd", indices, updates, name)

    def scatter_nd_sub(self, indices: Any, updates: Any, name: str | None = None) -> Any:
        """Subtracts from the elements or slices that `indices` name."""
        return self._scattered_nd("ScatterNdSub", indices, updates, name)

    def _scattered_nd(self, op: str, indices: Any, updates: Any, name: str | None) -> Any:
        updates = convert_to_tensor(updates, self.dtype.base_dtype)
        return op_def(op)(self._variable, indices, updates, use_locking=True, name=name)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows that `indices` name."""
        return op_def("Gather")(self.value(), indices, name=name)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The elements or slices that `indices` name."""
        return op_def("GatherNd")(self.value(), indices, name=name)

    def __getitem__(self, key: Any) -> Tensor:
        """A part of the value, which also has `assign`: v[1:3].assign(x) sets that part."""
        keys = key if isinstance(key, tuple) else (key,)
        with op_scope([self], None, "strided_slice"):
            found = strided(self.value(), keys)
        found.assign = lambda value, name=None: self._assign_part(found, value, name)  # type: ignore[attr-defined]
        return found

    def _assign_part(self, part: Tensor, value: Any, name: str | None) -> Any:
        masks = {key: part.op.attrs[key] for key in part.op.attrs if key.endswith("_mask")}
        value = convert_to_tensor(value, self.dtype.base_dtype)
        return self._strided_assign(*part.op.inputs[1:], value, name=name, **masks)

    def _strided_assign(self, *args: Any, **kwargs: Any) -> Any:
        return op_def("StridedSliceAssign")(self._variable, *args, **kwargs)

    # -- in files -----------------------------------------------------------------------------------------------------

    def to_proto(self, export_scope: str | None = None) -> Any:
        """As a VariableDef, which names its nodes; None where it is outside of `export_scope`."""
        prefix = f"{export_scope}/" if export_scope else ""
        if not self._variable.name.startswith(prefix):
            return None
        proto = message("VariableDef")()
        names = {"variable_name": self._variable.name, "snapshot_name": self._snapshot.name,
                 "initializer_name": self.initializer.name}  # fmt: skip
        if self._initial_value is not None:
            names["initial_value_name"] = self._initial_value.name
        for field, text in names.items():
            setattr(proto, field, text.removeprefix(prefix))
        proto.trainable, proto.is_resource = self._trainable, self._is_resource
        proto.synchronization, proto.aggregation = self._synchronization.value, self._aggregation.value
        if self._save_slice_info is not None:
            proto.save_slice_info_def.MergeFrom(self._save_slice_info.to_proto(export_scope))
        return proto

    _is_resource = False

    @staticmethod
    def from_proto(variable_def: Any, import_scope: str | None = None) -> Variable:
        """The variable whose nodes a VariableDef names, in the default graph; it is entered in no collection."""
        proto = message("VariableDef")()
        proto.ParseFromString(variable_def.SerializeToString())
        graph, prefix = get_default_graph(), f"{import_scope}/" if import_scope else ""

        def named(name: str) -> Any:
            return graph.as_graph_element(prefix + name) if name else None

        kind: Any = RefVariable
        if proto.is_resource:
            from refflow.compat.v1.resource_variable import ResourceVariable as kind
        found = kind.__new__(kind)
        found._variable, found._initializer = named(proto.variable_name), named(proto.initializer_name)
        found._initial_value = named(proto.initial_value_name)
        found._snapshot = named(proto.snapshot_name) if proto.snapshot_name else found._variable
        found._trainable = proto.trainable
        found._synchronization = VariableSynchronization(proto.synchronization)
        found._aggregation = VariableAggregation(proto.aggregation)
        if proto.HasField("save_slice_info_def"):
            info = Part(save_slice_info_def=proto.save_slice_info_def, import_scope=import_scope)
            found._save_slice_info = info
        return found


def _result(reference: Tensor, read_value: bool) -> Any:
    return reference if read_value else reference.op


def _scatter_method(verb: str, meaning: str) -> Any:
    def method(self: Variable, sparse_delta: Any, use_locking: bool = False, name: str | None = None) -> Any:
        return self._scattered(f"Scatter{verb.capitalize()}", sparse_delta, use_locking, name)

    method.__name__, method.__qualname__ = f"scatter_{verb}", f"Variable.scatter_{verb}"
    method.__doc__ = f"{meaning} the rows of IndexedSlices, each at its place."
    return method


for _verb, _meaning in {
    "add": "Adds", "sub": "Subtracts", "mul": "Multiplies by", "div": "Divides by", "max": "Takes the larger of",
    "min": "Takes the smaller of", "update": "Sets",
}.items():  # fmt: skip
    setattr(Variable, f"scatter_{_verb}", _scatter_method(_verb, _meaning))


class RefVariable(Variable):
    """A variable behind a reference."""

    def __bool__(self) -> bool:
        """True, as of any Python object: `if bias:` asks in 1.x whether there is one."""
        return True

    def _ref(self) -> Tensor:
        """The reference."""
        return self._variable

    def __init__(
        self, initial_value: Any = None, trainable: bool | None = None, collections: Any = None,
        validate_shape: bool = True, caching_device: Any = None, name: str | None = None, variable_def: Any = None,
        dtype: Any = None, expected_shape: Any = None, import_scope: str | None = None, constraint: Any = None,
        use_resource: bool | None = None, synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE, shape: Any = None,
    ):  # fmt: skip
        if variable_def is not None:
            if initial_value is not None:
                raise ValueError("variable_def and initial_value are mutually exclusive.")
            self.__dict__.update(vars(Variable.from_proto(variable_def, import_scope)))
            return
        keys = checked(self, initial_value, trainable, collections, constraint, synchronization, aggregation)
        dims = None if shape is None else TensorShape(shape)
        with starting(initial_value, name) as (scope, make):
            self._initial_value = make(dtype)
            if dims is None:
                dims = self._initial_value.get_shape() if validate_shape else TensorShape(None)
            if validate_shape and not self._initial_value.get_shape().is_fully_defined():
                raise ShapeError(f"initial_value must have a shape specified: {self._initial_value}")
            kind = self._initial_value.dtype.base_dtype
            self._variable = op_def("VariableV2")(shape=dims, dtype=kind, name=scope)
            start = guarded(self._initial_value)
            self._initializer = first.assign(self._variable, start, validate_shape, name="Assign").op
            with placed(caching_device, self._variable.op):
                self._snapshot = op_def("Identity")(self._variable, name="read")
        collect(self, keys)


# -- as tensors -------------------------------------------------------------------------------------------------------


class _OtherTypeError(DTypeError, ValueError):
    """1.x has a ValueError where a variable is asked for as another type."""


def _convert(value: Variable, dtype: DType | None, name: str | None, as_ref: bool) -> Tensor:
    if dtype is not None and not dtype.is_compatible_with(value.dtype):
        raise _OtherTypeError(
            f"Incompatible type conversion requested to type '{dtype.name}' for variable of type '{value.dtype.name}'"
        )
    return value._variable if as_ref else value.value()


register_tensor_conversion_function(Variable, _convert, 5)
