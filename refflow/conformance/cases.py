"""An example on an op's page as arrays: attributes and types spelled out, inputs and expected outputs in order.

Next: conformance/corpus.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.dtypes import as_dtype, float32
from refflow.core.opdef import Case, OpDef
from refflow.core.signature import REQUIRED, Arg


def attrs_of(op: OpDef, case: Case) -> dict[str, Any]:
    """The case's attributes, with types as it leaves them open: those of its arrays, else float32 if allowed."""
    attrs = dict(case.attrs)
    for name, attr in op.attrs.items():
        if attr.kind == "list(type)" and name in attrs:
            attrs[name] = [as_dtype(t) for t in attrs[name]]
        if attr.kind != "type":
            if attr.default is not REQUIRED:
                attrs.setdefault(name, attr.default)
            continue
        if name in attrs:
            attrs[name] = as_dtype(attrs[name])
            continue
        given = [case.inputs[a.name] for a in op.inputs if a.type == name and a.name in case.inputs]
        arrays = [g for g in given if isinstance(g, np.ndarray | np.generic)]
        if arrays:
            attrs[name] = as_dtype(arrays[0].dtype)
        elif attr.default is not REQUIRED:
            attrs[name] = attr.default
        elif any(_first(g) is True or _first(g) is False for g in given):
            attrs[name] = as_dtype(bool)
        else:
            attrs[name] = float32 if not attr.allowed or float32 in attr.allowed else attr.allowed[0]
    return attrs


def _first(value: Any) -> Any:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _array_of(arg: Arg, value: Any, attrs: dict[str, Any]) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    dtype = arg.fixed or attrs[arg.type]
    return np.asarray(value, dtype.as_numpy_dtype)


def inputs_of(op: OpDef, case: Case, attrs: dict[str, Any]) -> list[Any]:
    """Arrays for the op's inputs, a list where an input is a list."""
    found: list[Any] = []
    for arg in op.inputs:
        value = case.inputs[arg.name]
        if arg.number is not None or op.is_type_list(arg):
            found.append([_array_of(arg, v, attrs) for v in value])
        else:
            found.append(_array_of(arg, value, attrs))
    return found


def expected(op: OpDef, case: Case) -> list[Any]:
    """One array for each output that the case names, in order; None for the others."""
    attrs = attrs_of(op, case)
    found: list[Any] = []
    for arg in op.outputs:
        value = case.outputs.get(arg.name)
        if arg.number is not None or op.is_type_list(arg):
            values = [None] * op.length(arg, attrs) if value is None else value
            found += [None if v is None else _array_of(arg, v, attrs) for v in values]
        else:
            found.append(None if value is None else _array_of(arg, value, attrs))
    return found
