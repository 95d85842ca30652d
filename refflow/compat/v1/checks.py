"""Assertions about values: operations that fail the step where something does not hold.

    with tf.control_dependencies([tf.assert_positive(x)]):
        y = tf.log(x)

What is known while the graph is built is an error there, with the same text.

Next: compat/v1/shape_checks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.numbers import abs
from refflow.core.constants import constant_value
from refflow.core.control import with_dependencies
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.errors import InvalidArgumentError
from refflow.core.graph import Operation, Tensor
from refflow.core.registry import op_def
from refflow.ops.messages import Assert
from refflow.ops.reductions import reduce_all

__all__ = [
    "assert_equal", "assert_greater", "assert_greater_equal", "assert_less", "assert_less_equal", "assert_near",
    "assert_negative", "assert_non_negative", "assert_non_positive", "assert_none_equal", "assert_positive",
    "verify_tensor_all_finite",
]  # fmt: skip


def _compared(called: str, op: str, sign: str, numpy: Callable[[Any, Any], Any]) -> Callable[..., Operation]:
    def function(x: Any, y: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                 name: str | None = None) -> Operation:  # fmt: skip
        with op_scope([], name, called):
            x = convert_to_tensor(x, name="x")
            y = convert_to_tensor(y, x.dtype.base_dtype, name="y")
            holds = op_def(op)(x, y)  # whose shapes must fit
            if data is None:
                data = [f"Condition x {sign} y did not hold element-wise:", f"x ({x.name}) = ", x,
                        f"y ({y.name}) = ", y]  # fmt: skip
                data = [message, *data] if message else data
            _known_to_hold(numpy, (x, y), data)
            return Assert(reduce_all(holds), data, summarize, name="Assert")

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"An operation that fails unless x {sign} y everywhere."
    return function


def _known_to_hold(numpy: Callable[..., Any], tensors: Sequence[Tensor], data: Sequence[Any]) -> None:
    """Raises what the step would, where the tensors are known and it does not hold."""
    known = [constant_value(t) for t in tensors]
    if all(k is not None for k in known) and not np.all(numpy(*known)):
        raise InvalidArgumentError(None, None, "\n".join(map(_shown, data)))


def _shown(part: Any) -> str:
    """A part of a message: the value of a tensor where it is known."""
    known = constant_value(part) if isinstance(part, Tensor) else part
    return str(part if known is None else known)


assert_equal = _compared("assert_equal", "Equal", "==", np.equal)
assert_none_equal = _compared("assert_none_equal", "NotEqual", "!=", np.not_equal)
assert_less = _compared("assert_less", "Less", "<", np.less)
assert_less_equal = _compared("assert_less_equal", "LessEqual", "<=", np.less_equal)
assert_greater = _compared("assert_greater", "Greater", ">", np.greater)
assert_greater_equal = _compared("assert_greater_equal", "GreaterEqual", ">=", np.greater_equal)


def prefixed(message: str | None) -> str:
    """A user's message as the beginning of a longer one."""
    return f"{message}.  " if message else ""


def _against_zero(called: str, compare: Callable[..., Operation], sign: str) -> Callable[..., Operation]:
    def function(x: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                 name: str | None = None) -> Operation:  # fmt: skip
        with op_scope([], name, called):
            x = convert_to_tensor(x, name="x")
            if data is None:
                data = [prefixed(message), f"Condition x {sign} 0 did not hold element-wise:", f"x ({x.name}) = ", x]
            zero = convert_to_tensor(np.zeros((), x.dtype.base_dtype.as_numpy_dtype))
            return compare(x, zero, data, summarize)

    function.__name__ = function.__qualname__ = called
    function.__doc__ = f"An operation that fails unless x {sign} 0 everywhere."
    return function


assert_positive = _against_zero("assert_positive", assert_greater, ">")
assert_negative = _against_zero("assert_negative", assert_less, "<")
assert_non_negative = _against_zero("assert_non_negative", assert_greater_equal, ">=")
assert_non_positive = _against_zero("assert_non_positive", assert_less_equal, "<=")


def assert_near(
    x: Any, y: Any, rtol: Any = None, atol: Any = None, data: Any = None, summarize: int | None = None,
    message: str | None = None, name: str | None = None,
) -> Operation:  # fmt: skip
    """An operation that fails unless |x - y| <= atol + rtol |y|; by default both are ten units of the last place."""
    with op_scope([], name, "assert_near"):
        x = convert_to_tensor(x, name="x")
        kind = x.dtype.base_dtype
        y = convert_to_tensor(y, kind, name="y")
        if not (kind.is_floating or kind.is_complex):
            raise ValueError(f"assert_near compares floats: the type {kind.name} of x is not inexact")
        last = 10 * (2.0**-7 if kind.name == "bfloat16" else np.finfo(kind.as_numpy_dtype).eps)
        real = kind.real_dtype
        rtol = convert_to_tensor(last if rtol is None else rtol, real, name="rtol")
        atol = convert_to_tensor(last if atol is None else atol, real, name="atol")
        if data is None:
            data = [prefixed(message), f"x and y not equal to tolerance rtol = {_shown(rtol)}, atol = {_shown(atol)}",
                    f"x ({x.name}) = ", x, f"y ({y.name}) = ", y]  # fmt: skip
        holds = op_def("LessEqual")(abs(x - y), atol + rtol * abs(y))
        return Assert(reduce_all(holds), data, summarize, name="Assert")


def verify_tensor_all_finite(
    t: Any = None, msg: str | None = None, name: str | None = None, x: Any = None, message: str | None = None
) -> Tensor:
    """`t` again; its run fails with `msg` where an element is infinite or NaN. x, message: their names of later."""
    given, said = (x if t is None else t), (message if msg is None else msg)
    with op_scope([], name, "VerifyFinite"):
        given = convert_to_tensor(given, name="x")
        return with_dependencies([op_def("CheckNumerics")(given, message=said)], given)
