"""Values looked at: are all finite, and what are their bits.

Next: ops/messages.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import ALL, FLOATS
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_rules import ShapeContext

CHECK_NUMERICS = define_op("CheckNumerics", "tensor: T[...S] -> output: T[...S]", T=FLOATS, message="", stateful=True,
                           source=("W06",))  # fmt: skip


@CHECK_NUMERICS.kernel
def check_numerics_kernel(tensor, message=""):
    """The tensor again; an error that says whether it has NaN, infinities, or both."""
    nan, inf = bool(np.isnan(tensor).any()), bool(np.isinf(tensor).any())
    if nan or inf:
        what = " and ".join(word for word, there in (("Inf", inf), ("NaN", nan)) if there)
        raise ValueError(f"{message} : Tensor had {what} values")
    return np.array(tensor, copy=True)


@CHECK_NUMERICS.gradient
def _check_numerics_gradient(op, dy):
    """The gradient passes, checked itself."""
    message = f"Not a number (NaN) or infinity (Inf) values detected in gradient. {op.attrs['message']}"
    return CHECK_NUMERICS(dy, message=message)


_FIXED = tuple(t for t in ALL if t.kind in "fiucbq")
BITCAST = define_op("Bitcast", "input: T -> output: type", T=_FIXED, type=_FIXED, view=True, source=("W06",))


@BITCAST.kernel
def bitcast_kernel(input, type):
    """The same bits as elements of another type: of another size, the last axis is joined or split."""
    target = np.dtype(type.as_numpy_dtype)
    raw = np.ascontiguousarray(input)
    if target.itemsize == raw.dtype.itemsize:
        return raw.view(target).reshape(input.shape)
    if target.itemsize < raw.dtype.itemsize:
        return raw.reshape(*input.shape, 1).view(target)
    return raw.view(target).reshape(input.shape[:-1])


@BITCAST.shape
def _bitcast_shape(context: ShapeContext) -> shapes.Shape:
    dims, have, want = context.dims("input"), context.attrs["T"].size, context.attrs["type"].size
    if dims is None or have == want:
        return dims
    if have > want:
        return (*dims, have // want)
    if not dims or dims[-1] not in (None, want // have):
        raise ShapeError(
            f"Cannot bitcast from {int(context.attrs['T'])} to {int(context.attrs['type'])}, "
            f"{context.attrs['T'].name} to {context.attrs['type'].name}: the last axis must have size "
            f"{want // have}, got shape {shapes.text(dims)}"
        )
    return dims[:-1]


BITCAST.no_gradient()

CHECK_NUMERICS.case("W06", "finite values pass", tensor=[1.0, 2.0], T="float32", message="m", output=[1, 2])
CHECK_NUMERICS.case("W06", "others do not", tensor=[1.0, np.nan], T="float32", message="my value",
                    error="my value : Tensor had NaN values")  # fmt: skip
CHECK_NUMERICS_V2 = define_variant("CheckNumericsV2", CHECK_NUMERICS)


@CHECK_NUMERICS_V2.kernel
def check_numerics_v2_kernel(tensor, message=""):
    """As before; the error tells infinities of either sign apart."""
    found = {"-Inf": np.isneginf(tensor), "+Inf": np.isposinf(tensor), "NaN": np.isnan(tensor)}
    words = [word for word, where in found.items() if where.any()]
    if words:
        listed = ", ".join(words[:-1]) + ("," if len(words) > 2 else "") + " and " if len(words) > 1 else ""
        raise ValueError(f"{message} : Tensor had {listed}{words[-1]} values")
    return np.array(tensor, copy=True)


CHECK_NUMERICS_V2.case("W06", "infinities have signs", tensor=[np.inf, -np.inf], T="float32", message="my value",
                       error="my value : Tensor had -Inf and +Inf values")  # fmt: skip
BITCAST.case("W06", "a float's bits", input=[1.0], T="float32", type="int32", output=[0x3F800000])
BITCAST.case("W06", "two halves", input=np.array([0x00010002], np.int32), type="int16", output=[[2, 1]])


def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """`tensor` again; its run fails with `message` where an element is infinite or NaN."""
    return CHECK_NUMERICS(tensor, message=message, name=name)
