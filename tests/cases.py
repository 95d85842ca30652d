"""Turns the cases on the ops' pages into graphs. Used by the generic tests."""

import refflow as tf
from refflow.conformance.cases import attrs_of, expected, inputs_of
from refflow.core.dtypes import as_dtype
from refflow.core.registry import registered_ops

__all__ = ["CASES", "IDS", "attrs_of", "build", "expected", "inputs_of"]

CASES = [(op, case) for op in registered_ops() for case in op.cases]
IDS = [f"{op.name}: {case.title}" for op, case in CASES]


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
