"""Range: start, start + delta, ... below limit.

Next: ops/dynamic_stitch.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.bfloat16 import rounded, widened
from refflow.core.dtypes import REALS, DType, bfloat16, int32, int64
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

RANGE = define_op(
    "Range",
    "start: Tidx[], limit: Tidx[], delta: Tidx[] -> output: Tidx",
    Tidx=Attr("type", default=int32, allowed=REALS),
    source=("S19",),
)
RANGE.no_gradient()


@RANGE.kernel
def range_kernel(start, limit, delta, Tidx=int32):
    """start + i * delta for each i, so that rounding does not add up."""
    start, limit, delta = (_number(v) for v in (start, limit, delta))
    kind = np.asarray(start).dtype
    places = np.arange(range_size(start, limit, delta, Tidx), dtype=kind)
    with np.errstate(over="ignore"):
        return places * delta + start


RANGE.built_with(start=0, limit=0, delta=0)


@RANGE.shape
def _range_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("start", "limit", "delta"):
        dims = context.dims(name)
        if dims not in (None, (), (1,), (None,)):
            raise ShapeError(f"{name} must be a scalar, not shape {shapes.text(dims)}")
    start, limit, delta = (_number(context.value(name)) for name in ("start", "limit", "delta"))
    if delta is not None and delta == 0:
        raise ShapeError(f"Requires delta != 0: {delta:g}")
    if start is None or limit is None or delta is None:
        return (None,)
    if delta > 0 and not start <= limit:
        raise ShapeError(f"Requires start <= limit when delta > 0: {start:g}/{limit:g}")
    if delta < 0 and not start >= limit:
        raise ShapeError(f"Requires start >= limit when delta < 0: {start:g}/{limit:g}")
    return (range_size(start, limit, delta, context.attrs["Tidx"]),)


def _number(value: Any) -> Any:
    return None if value is None else np.reshape(value, ())[()]


def range_size(start: Any, limit: Any, delta: Any, kind: DType) -> int:
    """How many numbers there are from start by delta before limit; their type's own rounding decides."""
    if not kind.is_floating:
        return max(0, -((int(start) - int(limit)) // int(delta)))
    steps = (limit - start) / delta
    if kind is bfloat16:
        steps = widened(rounded(widened(rounded(limit - start)) / delta))
    if not abs(steps) <= int64.max:
        raise ShapeError(f"Requires ((limit - start) / delta) <= {int64.max}")
    return max(0, int(np.ceil(abs(steps))))


def range_(start: Any, limit: Any = None, delta: Any = 1, name: str = "range") -> Tensor:
    """The numbers from `start` up to but not including `limit`; with one argument, from 0."""
    if limit is None:
        start, limit = 0, start
    return RANGE(start, limit, delta, name=name)


RANGE.case("S19", "the limit is not reached", start=3, limit=18, delta=3, Tidx="int32", output=[3, 6, 9, 12, 15])
RANGE.case("S19", "an empty range", start=2, limit=2, delta=1, Tidx="int32", output=np.zeros(0, np.int32))
RANGE.case("S19", "an end is reached", start=0, limit=np.inf, delta=1, Tidx="float32",
           error="Requires ((limit - start) / delta) <= 9223372036854775807")  # fmt: skip
RANGE.case("S19", "steps go somewhere", start=0, limit=3, delta=0, Tidx="int32", error="Requires delta != 0: 0")
