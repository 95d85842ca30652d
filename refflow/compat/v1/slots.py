"""Slots: variables of 1.x that go along with others, as a momentum does, named in the scope in force.

    v         v/Adam, v/Adam_1              slots of v that one optimizer calls the same
    a/v       a/a/v/Adam                    where the optimizer is used inside of the scope a
    v/part_1  v/part_1/Adam, kept in files as a part of v/Adam

A slot is a reference or a handle as its variable is, is not trained, and may hold other numbers than it.

Next: compat/v1/optimizers.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.initializers import constant_initializer, zeros_initializer
from refflow.compat.v1.variable import Variable
from refflow.compat.v1.variable_kinds import SaveSliceInfo
from refflow.compat.v1.variable_scope import get_variable, variable_scope
from refflow.core.graph import get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops import variable as first


def filled_slot(primary: Any, name: str, value: float = 0.0, dtype: Any = None) -> Any:
    """A slot of the shape of `primary`, `value` everywhere; the shape may be known in a step alone."""
    kind, dims = dtype or primary.dtype.base_dtype, primary.get_shape()
    if dims.is_fully_defined():
        start: Any = constant_initializer(value) if value else zeros_initializer()
        return made_slot(primary, name, start, dims, kind)
    known = primary.initialized_value() if isinstance(primary, first.Variable) else primary
    number = op_def("Cast")(value, DstT=kind)
    return made_slot(primary, name, op_def("Fill")(op_def("Shape")(known), number))


def made_slot(primary: Any, name: str, start: Any, shape: Any = None, dtype: Any = None) -> Any:
    """A slot that starts as the tensor `start`, or as an initializer makes it of `shape` and `dtype`."""
    known = start.get_shape() if shape is None else TensorShape(shape)
    behind = primary._is_resource if isinstance(primary, Variable) else None
    if behind is None and isinstance(primary, first.Variable):
        behind = False
    graph, called = get_default_graph(), f"{primary.op.name}/{name}"
    with graph.device(None), graph.device(primary.device), variable_scope(None, called) as scope:
        scope._defaults["partitioner"] = None  # a slot is whole, also in a scope that cuts variables
        slot = get_variable("", shape, dtype, start, trainable=False, use_resource=behind,
                            validate_shape=known.is_fully_defined())  # fmt: skip
    _tell_part(primary, slot)
    return slot


def _tell_part(primary: Any, slot: Any) -> None:
    """A slot of a part is a part in files too, if it has axes."""
    whole = getattr(primary, "_save_slice_info", None)
    rank = slot.get_shape().ndims
    if whole is not None and rank != 0:
        own = slot.op.name[len(primary.op.name) + 1 :]
        slot._set_save_slice_info(SaveSliceInfo(
            f"{whole.full_name}/{own}", whole.full_shape[:rank], whole.var_offset[:rank], whole.var_shape[:rank]
        ))  # fmt: skip
