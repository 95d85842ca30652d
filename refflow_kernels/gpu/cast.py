"""Casts, choices and fills: elementwise kernels of which no formula is all.

    Cast      the same number in another type: floats lose their fraction toward zero, a bfloat16 is cut off [E14]
    Select    t where the condition holds, else e; a vector of conditions chooses whole rows
    Fill, ZerosLike, OnesLike        one number everywhere
    BroadcastTo                      the same numbers along other axes

    bytes: each operand and the result once        operations: 1

A float that is too large for an integer becomes the largest one, where NumPy leaves open what comes.

Next: refflow_kernels/gpu/copies.py.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from refflow_kernels.gpu.arrays import ceil_div, check_out, check_packed
from refflow_kernels.gpu.elementwise import BLOCK, build
from refflow_kernels.gpu.functions import cut
from refflow_kernels.kernel import Kernel

NUMBERS = ("float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_WHERE = build("Select", ("condition", "t", "e"), ("s0 = tl.where(condition, t, e)",), ("s0",))
_COPY = build("Fill", ("value",), (), ("value",))
_ZEROS = build("ZerosLike", (), (), ("0",))
_ONES = build("OnesLike", (), (), ("1",))


@triton.jit
def _cast(x_at, y_at, size, CUT: tl.constexpr, BLOCK: tl.constexpr):
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = i < size
    x = tl.load(x_at + i, mask=real, other=0)
    if x.dtype == tl.float16 or x.dtype == tl.bfloat16:
        x = x.to(tl.float32)
    if CUT:
        x = cut(x.to(tl.float32))
    tl.store(y_at + i, x.to(y_at.dtype.element_ty), mask=real)


def cast(x: Any, DstT: Any = None, Truncate: bool = True, out: Any = None) -> Any:
    """x in the type of `out`."""
    check_out(out, x.shape)
    check_packed(x=x)
    size = x.numel()
    if size:
        high = Truncate and str(out.dtype).endswith("bfloat16") and not str(x.dtype).endswith("bfloat16")
        _cast[(ceil_div(size, BLOCK),)](x, out, size, CUT=high, BLOCK=BLOCK, num_warps=4, enable_fp_fusion=True)
    return out


def select(condition: Any, t: Any, e: Any, out: Any = None) -> Any:
    """t where the condition holds, else e."""
    shape, chosen = tuple(t.shape), tuple(condition.shape)
    if len(chosen) == 1 and len(shape) > 1:
        chosen += (1,) * (len(shape) - 1)
    _WHERE.launch((condition, t, e), (out,), shape, (chosen, shape, shape))
    return out


def fill(dims: Any, value: Any, out: Any = None) -> Any:
    """The value everywhere."""
    _COPY.launch((value,), (out,), tuple(out.shape), ((),))
    return out


def broadcast_to(input: Any, shape: Any, out: Any = None) -> Any:
    """input, stretched to the shape of `out`."""
    _COPY.launch((input,), (out,), tuple(out.shape), (tuple(input.shape),))
    return out


def zeros_like(x: Any, out: Any = None) -> Any:
    """Zeros of x's shape."""
    return _ZEROS(out=out)


def ones_like(x: Any, out: Any = None) -> Any:
    """Ones of x's shape."""
    return _ONES(out=out)


KERNELS = {
    "Cast": Kernel(cast, NUMBERS, type_attr="SrcT", takes=lambda attrs: attrs["DstT"].name in NUMBERS),
    "Select": Kernel(select, NUMBERS),
    "Fill": Kernel(fill, NUMBERS, host_inputs=(0,)),
    "BroadcastTo": Kernel(broadcast_to, NUMBERS, host_inputs=(1,)),
    "ZerosLike": Kernel(zeros_like, NUMBERS),
    "OnesLike": Kernel(ones_like, NUMBERS),
}
