"""Running sums, products and log-sums along one axis.

    Cumsum       y[i] = x[0] + ... + x[i]          exclusive: without x[i]; reverse: from the other end
    Cumprod      y[i] = x[0] * ... * x[i]
    CumulativeLogsumexp   y[i] = log(exp(x[0]) + ... + exp(x[i]))

Next: ops/math_functions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import FLOATS, INDICES, NUMBERS, int32
from refflow.core.errors import ShapeError
from refflow.core.opdef import OpDef, define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import wide
from refflow.ops.cast import cast
from refflow.ops.elementwise import EXP, LOG, NEG


def _running(name: str, function: Callable[..., Any], start: float, types: Any, accuracy: str) -> OpDef:
    op_def = define_op(
        name, "x: T, axis: Tidx -> out: T", exclusive=False, reverse=False, T=types,
        Tidx=Attr("type", default=int32, allowed=INDICES), accuracy=accuracy, source=("W06",),
    )  # fmt: skip

    def kernel(x, axis, exclusive=False, reverse=False):
        at = int(axis) % x.ndim
        found = np.flip(x, at) if reverse else x
        found = np.asarray(function(found, at))
        if exclusive:
            first = list(found.shape)
            first[at] = min(1, first[at])
            head = np.full(first, start, found.dtype)
            found = np.concatenate([head, np.delete(found, -1, at)], at) if found.shape[at] else found
        found = np.flip(found, at) if reverse else found
        return np.ascontiguousarray(found).astype(x.dtype, copy=False)

    op_def.kernel(kernel)
    op_def.shape(_same_shape)
    return op_def


def _same_shape(context: ShapeContext) -> shapes.Shape:
    dims, axis = context.dims("x"), context.dims("axis")
    if axis:
        raise ShapeError(f"ScanOp: axis must be a scalar, not {shapes.text(axis)}")
    known = context.ints("axis")
    if dims is not None and known is not None and not -len(dims) <= known[0] < len(dims):
        got = known[0] if known[0] >= 0 else known[0] + len(dims)
        raise ShapeError(f"ScanOp: Expected scan axis in the range [{-len(dims)}, {len(dims)}), but got {got}")
    return dims


def _log_sums(x: Any, axis: int) -> Any:
    """Sums of exponentials, each taken relative to the largest so far."""
    return np.logaddexp.accumulate(wide(x), axis)


CUMSUM = _running("Cumsum", lambda x, axis: np.cumsum(x, axis, dtype=x.dtype), 0, NUMBERS, "dot")
CUMPROD = _running("Cumprod", lambda x, axis: np.cumprod(x, axis, dtype=x.dtype), 1, NUMBERS, "dot")
CUMULATIVE_LOGSUMEXP = _running("CumulativeLogsumexp", _log_sums, -np.inf, FLOATS, "composed")


def from_the_other_end(op: Any) -> dict[str, Any]:
    """The attributes of a running sum the other way."""
    return {"exclusive": op.attrs["exclusive"], "reverse": not op.attrs["reverse"]}


@CUMSUM.gradient
def _cumsum_gradient(op, dy):
    """dx is the running sum of dy from the other end."""
    return CUMSUM(dy, op.inputs[1], **from_the_other_end(op)), None


@CUMPROD.gradient
def _cumprod_gradient(op, dy):
    """dx = the running sum from the other end of y * dy, over x."""
    x, axis = op.inputs
    return CUMSUM(op.outputs[0] * dy, axis, **from_the_other_end(op)) / x, None


@CUMULATIVE_LOGSUMEXP.gradient
def _cumulative_logsumexp_gradient(op, dy):
    """dx = exp(x + log-sums from the other end of log(dy) - y), for positive and negative dy apart."""
    from refflow.ops.constant import ZEROS_LIKE
    from refflow.ops.logic import GREATER, LESS, SELECT

    x, axis = op.inputs
    y = op.outputs[0]
    lowest = ZEROS_LIKE(dy) + cast(np.float64(-np.inf), dy.dtype)

    def part(positive: bool) -> Any:
        here = (GREATER if positive else LESS)(dy, ZEROS_LIKE(dy))
        size = SELECT(here, dy if positive else NEG(dy), ZEROS_LIKE(dy) + cast(np.float32(1), dy.dtype))
        logs = SELECT(here, LOG(size) - y, lowest)
        return EXP(CUMULATIVE_LOGSUMEXP(logs, axis, **from_the_other_end(op)) + x)

    return part(True) - part(False), None


CUMSUM.case("W06", "sums so far", x=[1, 2, 3], axis=0, out=[1, 3, 6])
CUMSUM.case("W06", "without oneself", x=[1, 2, 3], axis=0, exclusive=True, out=[0, 1, 3])
CUMSUM.case("W06", "from the end", x=[1, 2, 3], axis=-1, reverse=True, out=[6, 5, 3])
CUMSUM.case("W06", "from the end without oneself", x=[[1, 2], [3, 4]], axis=0, exclusive=True, reverse=True,
            out=[[3, 4], [0, 0]])  # fmt: skip
CUMSUM.case("W06", "axes exist", x=[1], axis=1, error="Expected scan axis in the range [-1, 1), but got 1")
CUMPROD.case("W06", "products so far", x=[1, 2, 3], axis=0, out=[1, 2, 6])
CUMPROD.case("W06", "without oneself", x=[1, 2, 3], axis=0, exclusive=True, out=[1, 1, 2])
CUMULATIVE_LOGSUMEXP.case("W06", "logarithms of sums so far", x=[0, 0, 0], axis=0,
                          out=np.log([1, 2, 3]).tolist())  # fmt: skip
