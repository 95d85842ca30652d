"""Turns the cases on the ops' pages into arrays and graphs. Used by the generic tests."""

import numpy as np

import refflow as tf
from refflow.core.dtypes import as_dtype, float32
from refflow.core.opdef import registered_ops
from refflow.core.signature import REQUIRED

CASES = [(op, case) for op in registered_ops() for case in op.cases]
IDS = [f"{op.name}: {case.title}" for op, case in CASES]


def attrs_of(op, case):
    """The case's attributes, with types as it leaves them open: those of its arrays, else float32 if allowed."""
    attrs = dict(case.attrs)
    for name, attr in op.attrs.items():
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


def _first(value):
    while isinstance(value, list) and value:
        value = value[0]
    return value


def array_of(op, arg, value, attrs):
    if isinstance(value, np.ndarray):
        return value
    dtype = arg.fixed or attrs[arg.type]
    return np.asarray(value, dtype.as_numpy_dtype)


def inputs_of(op, case, attrs):
    """Arrays for the op's inputs, a list where an input is a list."""
    found = []
    for arg in op.inputs:
        value = case.inputs[arg.name]
        if arg.number is not None or op.is_type_list(arg):
            found.append([array_of(op, arg, v, attrs) for v in value])
        else:
            found.append(array_of(op, arg, value, attrs))
    return found


def build(op, case, constants):
    """The op's node over constants, or over placeholders of unknown shape; and what to feed those."""
    attrs = attrs_of(op, case)
    feeds, arguments, initializers = {}, [], []

    def tensor(arg, array):
        if arg.is_ref:
            variable = tf.Variable(array)
            initializers.append(variable.initializer)
            return variable.ref()
        if constants:
            return tf.constant(array)
        hole = tf.placeholder(as_dtype(array.dtype))
        feeds[hole] = array
        return hole

    for arg, value in zip(op.inputs, inputs_of(op, case, attrs), strict=True):
        arguments.append([tensor(arg, v) for v in value] if isinstance(value, list) else tensor(arg, value))
    result = op(*arguments, **attrs)
    parts = list(result) if isinstance(result, tuple | list) else [result]
    outputs = [t for part in parts for t in (part if isinstance(part, list) else [part])]
    return outputs, feeds, initializers


def expected(op, case):
    """One array for each output that the case names, in order; None for the others."""
    attrs = attrs_of(op, case)
    found = []
    for arg in op.outputs:
        value = case.outputs.get(arg.name)
        if arg.number is not None or op.is_type_list(arg):
            values = [None] * op.length(arg, attrs) if value is None else value
            found += [None if v is None else array_of(op, arg, v, attrs) for v in values]
        else:
            found.append(None if value is None else array_of(op, arg, value, attrs))
    return found
