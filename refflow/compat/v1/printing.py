"""tf.print: a line of text each time its operation runs, with the values that tensors have then.

    op = tf.print("loss:", loss, "of", {"batch": batch}, output_stream=sys.stdout)
    with tf.control_dependencies([op]):
        step = optimizer.minimize(loss)

Next: compat/v1/python_functions.py.
"""

from __future__ import annotations

import sys
from typing import Any

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import string
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.variable import Variable

__all__ = ["print"]

_MARK = "{}"
_LEVELS = ("debug", "info", "warning", "error", "critical")


def print(
    *inputs: Any, output_stream: Any = None, summarize: int | None = None, sep: str = " ", end: str | None = "\n",
    name: str | None = None,
) -> Operation:  # fmt: skip
    """An operation that writes its inputs, `sep` between them: tensors by value, also those in structures.

    output_stream: sys.stderr (the default), sys.stdout, or "file://PATH".
    summarize: so many elements at either end of each axis.
    """
    with op_scope([], name, "print"):
        tensors: list[Tensor] = []
        mark = _mark(inputs)
        text = sep.join(_written(item, tensors, mark, outermost=True) for item in inputs)
        if len(inputs) == 1 and isinstance(inputs[0], Tensor) and _is_text(inputs[0]):
            line = inputs[0]
        elif tensors:
            line = op_def("StringFormat")(tensors, template=text, placeholder=mark,
                                          summarize=3 if summarize is None else summarize)  # fmt: skip
        else:
            line = convert_to_tensor(text)
        return op_def("PrintV2")(line, output_stream=_stream(output_stream), end="" if end is None else end,
                                 name="PrintV2")  # fmt: skip


def _is_text(tensor: Tensor) -> bool:
    return tensor.dtype.base_dtype is string and tensor.get_shape().ndims == 0


def _mark(inputs: Any) -> str:
    """What stands for a tensor in the text: nothing that the text itself has."""
    said, mark = repr(inputs), _MARK
    while mark in said:
        mark = f"{{{mark}}}"
    return mark


def _stream(given: Any) -> str:
    if given is None or given is sys.stdout or given is sys.stderr:
        return "stdout" if given is sys.stdout else "stderr"
    if isinstance(given, str) and given.startswith("file://"):
        return given
    level = getattr(given, "__name__", "")
    if level in (*_LEVELS, "warn") and callable(given):
        return "stderr"  # where messages of tf.logging go
    raise ValueError(
        f"Unsupported output stream, logging level, or file.{given}. Supported streams are sys.stdout, sys.stderr, "
        'tf.logging\'s functions, and "file://PATH"'
    )


def _written(item: Any, tensors: list[Tensor], mark: str, outermost: bool = False) -> str:
    """One input as text; its tensors go into the list, a mark in their places."""
    if isinstance(item, Variable):
        item = convert_to_tensor(item)
    if isinstance(item, Tensor):
        tensors.append(item)
        return mark
    if isinstance(item, SparseTensor):
        tensors += [item.indices, item.values, item.shape]
        return f"'SparseTensor(indices={mark}, values={mark}, shape={mark})'"
    if isinstance(item, dict):
        pairs = [f"{_written(k, tensors, mark)}: {_written(v, tensors, mark)}" for k, v in item.items()]
        return "{" + ", ".join(pairs) + "}"
    if isinstance(item, (list, tuple)):
        parts = [_written(part, tensors, mark) for part in item]
        if hasattr(item, "_fields"):
            named = ", ".join(f"{field}={part}" for field, part in zip(item._fields, parts, strict=True))
            return f"{type(item).__name__}({named})"
        if isinstance(item, list):
            return "[" + ", ".join(parts) + "]"
        return "(" + ", ".join(parts) + ("," if len(parts) == 1 else "") + ")"
    return str(item) if outermost else repr(item)
