"""Range: start, start + delta, ... below limit.

Next: ops/dynamic_stitch.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.bfloat16 import widened
from refflow.core.dtypes import REALS, int32
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
def range_kernel(start, limit, delta):
    return np.arange(start, limit, delta, dtype=np.asarray(start).dtype)


@RANGE.shape
def _range_shape(context: ShapeContext) -> shapes.Shape:
    for name in ("start", "limit", "delta"):
        context.match(name)
    start, limit, delta = (widened(context.value(name)) for name in ("start", "limit", "delta"))
    if delta is not None and delta == 0:
        raise ShapeError("delta = 0: the range would never end")
    if start is None or limit is None or delta is None:
        return (None,)
    if (limit - start) * np.sign(delta) < 0:
        raise ShapeError(f"from start = {start} a delta of {delta} never reaches limit = {limit}")
    return (max(0, int(np.ceil((limit - start) / delta))),)


def range_(start: Any, limit: Any = None, delta: Any = 1, name: str = "range") -> Tensor:
    """The numbers from `start` up to but not including `limit`; with one argument, from 0."""
    if limit is None:
        start, limit = 0, start
    return RANGE(start, limit, delta, name=name)


RANGE.case("S19", "the limit is not reached", start=3, limit=18, delta=3, Tidx="int32", output=[3, 6, 9, 12, 15])
RANGE.case("S19", "an empty range", start=2, limit=2, delta=1, Tidx="int32", output=np.zeros(0, np.int32))
RANGE.case("S19", "steps go somewhere", start=0, limit=3, delta=0, Tidx="int32", error="delta = 0")
