"""What a debugger asks of a tensor: how healthy its numbers are, in a few numbers [W80].

    DebugNanCount           how many elements are not a number
    DebugNumericSummary     whether there is one, its size; how many elements are NaN, at most the lower bound,
                            negative, zero, positive, at least the upper bound; least, greatest, mean and variance of
                            the finite ones; its type's number, its rank, its sizes
    DebugNumericSummaryV2   behind the tensor's number, by `tensor_debug_mode`:
        2   whether anything is infinite or NaN         3   size; how many are -inf, inf, NaN
        4   device, type, rank, size; how many are -inf, inf, NaN, negative, zero, positive
        5   type, rank, size, the last six axes         8   -inf, inf and NaN if they are there, without the number

Next: ops/placeholders.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.dtypes import REALS, DType, bool_, float32, float64
from refflow.core.opdef import define_op
from refflow.core.signature import Attr

CURT, CONCISE, FULL, SHAPE, SLOTS = 2, 3, 4, 5, 8
_AXES = 6
_EXACT = 1 << 24  # float32 has every whole number up to here
_NUMBERS = (*REALS, bool_)
_WATCHED: dict[str, Any] = {
    "T": _NUMBERS, "device_name": "", "tensor_name": "", "debug_urls": Attr("list(string)", default=[]),
    "gated_grpc": False, "source": ("W80",),
}  # fmt: skip

NAN_COUNT = define_op("DebugNanCount", "input: T -> output: int64", **_WATCHED)
SUMMARY = define_op("DebugNumericSummary", "input: T -> output: float64", lower_bound=-np.inf, upper_bound=np.inf,
                    mute_if_healthy=False, accuracy="dot", **_WATCHED)  # fmt: skip
SUMMARY_V2 = define_op("DebugNumericSummaryV2", "input: T -> output: output_dtype", T=_NUMBERS,
                       output_dtype=Attr("type", default=float32, allowed=(float32, float64)), tensor_debug_mode=-1,
                       tensor_id=-1, source=("W80",))  # fmt: skip
for _op in (NAN_COUNT, SUMMARY, SUMMARY_V2):
    _op.no_gradient_registered()


def _check_name(name: str) -> None:
    if not name or name.count(":") > 1:
        raise ValueError(f'Failed to parse tensor name: "{name}"')


def _is_shut(urls: list[str], gated: bool) -> bool:
    """Whether the op watches for gRPC streams alone, none of which asks for it."""
    return gated and all(url.startswith("grpc://") for url in urls)


@NAN_COUNT.kernel
def nan_count_kernel(input, tensor_name, debug_urls, gated_grpc):
    _check_name(tensor_name)
    if _is_shut(debug_urls, gated_grpc):
        return np.zeros(0, np.int64)
    return np.array([np.count_nonzero(np.isnan(input))], np.int64)


@SUMMARY.kernel
def summary_kernel(input, T, tensor_name, lower_bound, upper_bound, debug_urls, gated_grpc):
    """An element at both bounds counts as one at the lower."""
    _check_name(tensor_name)
    if _is_shut(debug_urls, gated_grpc):
        return np.zeros(0)
    x = np.asarray(input, np.float64)
    nan, low = np.isnan(x), x <= lower_bound
    high = (x >= upper_bound) & ~low
    rest = x[~(nan | low | high)]
    finite = x[np.isfinite(x)]
    spread = [finite.min(), finite.max(), finite.mean(), finite.var()] if finite.size else [np.inf, -np.inf, np.nan,
                                                                                           np.nan]  # fmt: skip
    counts = [nan.sum(), low.sum(), (rest < 0).sum(), (rest == 0).sum(), (rest > 0).sum(), high.sum()]
    return np.array([1, x.size, *counts, *spread, T.as_datatype_enum, x.ndim, *x.shape], np.float64)


@SUMMARY_V2.kernel
def summary_v2_kernel(input, T, output_dtype, tensor_debug_mode, tensor_id):
    if tensor_id > _EXACT and output_dtype is float32:
        raise ValueError(
            "DebugNumericSummaryV2Op requires tensor_id to be less than or equal to (2^24). Given "
            f"tensor_id:{tensor_id}"
        )
    kind = output_dtype.as_numpy_dtype
    if tensor_debug_mode == SLOTS:
        slots = (-np.inf, np.inf, np.nan)
        return np.array([s if n else 0 for s, n in zip(slots, _odd(input), strict=True)], kind)
    return np.array([tensor_id, *_health(np.asarray(input), T, tensor_debug_mode)], kind)


def _odd(x: np.ndarray) -> list[int]:
    """How many elements are -inf, inf, NaN."""
    return [int(n.sum()) for n in (np.isneginf(x), np.isposinf(x), np.isnan(x))] if x.dtype.kind == "f" else [0, 0, 0]


def _health(x: np.ndarray, dtype: DType, mode: int) -> list[float]:
    number = dtype.as_datatype_enum
    if mode == CURT:
        return [any(_odd(x))]
    if mode == CONCISE:
        return [x.size, *_odd(x)]
    if mode == FULL:
        plain = x[np.isfinite(x)]
        signs = [(plain < 0).sum(), (plain == 0).sum(), (plain > 0).sum()]
        return [-1, number, x.ndim, x.size, *_odd(x), *signs]
    if mode == SHAPE:
        sizes = x.shape[-_AXES:]
        return [number, x.ndim, x.size, *sizes, *[0] * (_AXES - len(sizes))]
    raise errors.UnimplementedError(None, None, f"Unimplemented tensor debug mode: {mode}")


@NAN_COUNT.shape
def _nan_count_shape(context):
    return (None,) if context.attrs["gated_grpc"] else (1,)


@SUMMARY.shape
def _summary_shape(context):
    dims = context.dims("input")
    return (None,) if dims is None or context.attrs["gated_grpc"] else (14 + len(dims),)


@SUMMARY_V2.shape
def _summary_v2_shape(context):
    return ({CURT: 2, CONCISE: 5, FULL: 11, SHAPE: 10, SLOTS: 3}.get(context.attrs["tensor_debug_mode"]),)


_MIXED = np.array([1, -2, 0, np.nan, np.inf, -np.inf, -np.inf, 0], np.float32)
NAN_COUNT.case("W80", "one of eight", input=_MIXED, tensor_name="x:0", output=[1])
NAN_COUNT.case("W80", "a name has one colon at most", input=_MIXED, tensor_name="a:b:c",
               error="Failed to parse tensor name")  # fmt: skip
SUMMARY.case("W80", "every kind of element", input=_MIXED, tensor_name="x:0",
             output=[1, 8, 1, 2, 1, 2, 1, 1, -2, 1, -0.25, 1.1875, 1, 1, 8])  # fmt: skip
SUMMARY.case("W80", "within bounds", input=np.array([1, -2, 0]), tensor_name="x:0", lower_bound=-1.5, upper_bound=1.0,
             output=[1, 3, 0, 1, 0, 1, 0, 1, -2, 1, -1 / 3, 14 / 9, 9, 1, 3])  # fmt: skip
for _mode, _told in (
    (CURT, [7, 1]), (CONCISE, [7, 8, 2, 1, 1]), (FULL, [7, -1, 1, 1, 8, 2, 1, 1, 1, 2, 1]),
    (SHAPE, [7, 1, 1, 8, 8, 0, 0, 0, 0, 0]), (SLOTS, [-np.inf, np.inf, np.nan]),
):  # fmt: skip
    SUMMARY_V2.case("W80", f"mode {_mode}", input=_MIXED, tensor_debug_mode=_mode, tensor_id=7,
                    output=np.array(_told, np.float32))  # fmt: skip
SUMMARY_V2.case("W80", "of many axes the last", input=np.ones((2, 1, 3, 1, 1, 1, 4)), tensor_debug_mode=SHAPE,
                output=np.array([-1, 2, 7, 24, 1, 3, 1, 1, 1, 4], np.float32))  # fmt: skip
SUMMARY_V2.case("W80", "a mode that is none", input=_MIXED, tensor_debug_mode=7,
                error="Unimplemented tensor debug mode")  # fmt: skip
SUMMARY.case("W80", "nobody watches", input=np.array([1.0]), tensor_name="x:0", gated_grpc=True, output=[])
