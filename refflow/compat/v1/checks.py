"""Assertions in the graph: operations that fail the step where something does not hold.

    with tf.control_dependencies([tf.assert_positive(x)]):
        y = tf.log(x)

What is known while the graph is built is an error there.

Next: ops/messages.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Operation
from refflow.core.registry import op_def
from refflow.ops.messages import Assert
from refflow.ops.reductions import reduce_all

__all__ = [
    "assert_equal", "assert_greater", "assert_greater_equal", "assert_less", "assert_less_equal", "assert_negative",
    "assert_non_negative", "assert_none_equal", "assert_positive", "assert_rank", "assert_rank_at_least",
]  # fmt: skip


def _compared(called: str, op: str, sign: str, numpy: Callable[[Any, Any], Any]) -> Callable[..., Operation]:
    def function(x: Any, y: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                 name: str | None = None) -> Operation:  # fmt: skip
        with op_scope([], name, called):
            x = convert_to_tensor(x, name="x")
            y = convert_to_tensor(y, x.dtype.base_dtype, name="y")
            text = f"{message or ''} Condition x {sign} y did not hold element-wise:".strip()
            known = constant_value(x), constant_value(y)
            if known[0] is not None and known[1] is not None and not np.all(numpy(*known)):
                raise InvalidArgumentError(None, None, f"{text} x = {known[0]}, y = {known[1]}")
            return Assert(reduce_all(op_def(op)(x, y)), data or [text, x, y], summarize)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"An operation that fails unless x {sign} y everywhere."
    return function


assert_equal = _compared("assert_equal", "Equal", "==", np.equal)
assert_none_equal = _compared("assert_none_equal", "NotEqual", "!=", np.not_equal)
assert_less = _compared("assert_less", "Less", "<", np.less)
assert_less_equal = _compared("assert_less_equal", "LessEqual", "<=", np.less_equal)
assert_greater = _compared("assert_greater", "Greater", ">", np.greater)
assert_greater_equal = _compared("assert_greater_equal", "GreaterEqual", ">=", np.greater_equal)


def _against_zero(called: str, compare: Callable[..., Operation], what: str) -> Callable[..., Operation]:
    def function(x: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                 name: str | None = None) -> Operation:  # fmt: skip
        x = convert_to_tensor(x)
        zero = np.zeros((), x.dtype.base_dtype.as_numpy_dtype)
        return compare(x, zero, data, summarize, message, name or called)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"An operation that fails unless every element of x is {what}."
    return function


assert_positive = _against_zero("assert_positive", assert_greater, "above 0")
assert_negative = _against_zero("assert_negative", assert_less, "below 0")
assert_non_negative = _against_zero("assert_non_negative", assert_greater_equal, "0 or above")


def assert_rank(x: Any, rank: int, data: Any = None, summarize: int | None = None, message: str | None = None,
                name: str | None = None) -> Operation:  # fmt: skip
    """An operation that fails unless x has so many axes; ValueError where that is known."""
    return _ranked(x, rank, "Equal", data, summarize, message, name or "assert_rank")


def assert_rank_at_least(x: Any, rank: int, data: Any = None, summarize: int | None = None,
                         message: str | None = None, name: str | None = None) -> Operation:  # fmt: skip
    """An operation that fails unless x has so many axes or more; ValueError where that is known."""
    return _ranked(x, rank, "GreaterEqual", data, summarize, message, name or "assert_rank_at_least")


def _ranked(x: Any, rank: int, op: str, data: Any, summarize: Any, message: str | None, name: str) -> Operation:
    x = convert_to_tensor(x)
    have = x.get_shape().ndims
    if have is not None and (have < rank or (op == "Equal" and have != rank)):
        raise ValueError(f"{message or ''} {x.name} must have rank {rank}, and has shape {x.get_shape()}".strip())
    with op_scope([x], name, name):
        text = f"{message or ''} Tensor {x.name} must have rank {rank}".strip()
        return Assert(op_def(op)(op_def("Rank")(x), rank), data or [text, op_def("Shape")(x)], summarize)
