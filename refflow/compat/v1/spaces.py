"""Windows with holes, by space turned into batches, and convolutions and pools over any number of axes of space.

    with_space_to_batch(x, rate, padding, op)       every rate-th cell becomes a batch of its own; op runs on each

so that op, which knows no rates, sees neighbours where there were cells `rate` apart.

Next: compat/v1/windows.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1 import pools, windows
from refflow.compat.v1.arrays import _axis, stack
from refflow.core.constants import constant_value
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.array import shape

_CONVOLUTIONS = {1: windows.conv1d, 2: windows.conv2d, 3: windows.conv3d}
_FORMS = {1: "NWC", 2: "NHWC", 3: "NDHWC"}


def with_space_to_batch(
    input: Any, dilation_rate: Any, padding: str, op: Callable[..., Any], filter_shape: Any = None,
    spatial_dims: Sequence[int] | None = None, data_format: str | None = None,
) -> Tensor:  # fmt: skip
    """op(x, number of axes of space, padding) of `input`, with holes of `dilation_rate` in each axis of space.

    padding "SAME" needs `filter_shape`, the windows' sizes.
    """
    x = convert_to_tensor(input, name="input")
    rate = constant_value(convert_to_tensor(dilation_rate, "int32", "dilation_rate"))
    if rate is None or rate.ndim != 1:
        raise ValueError("with_space_to_batch: dilation_rate must be a list of numbers that are known")
    if np.any(rate < 1):
        raise ValueError("dilation_rate must be positive")
    if np.all(rate == 1):
        return op(x, len(rate), padding)
    first = 2 if (data_format or "").startswith("NC") else 1
    axes = sorted(spatial_dims or range(first, first + len(rate)))
    if len(set(axes)) < len(axes) or axes[0] < 1:
        raise ValueError(f"spatial_dims must be a monotonically increasing sequence of positive integers, got {axes}")
    if len(axes) != len(rate):
        raise ValueError("dilation_rate and spatial_dims must have the same length")
    borders = np.zeros((len(rate), 2), np.int64)
    if padding == "SAME":
        if filter_shape is None:
            raise ValueError("filter_shape must be specified for SAME padding")
        extra = (_sizes(filter_shape)[: len(rate)] - 1) * rate
        borders = np.stack([extra // 2, extra - extra // 2], 1)
    elif padding != "VALID":
        raise ValueError(f"Invalid padding method {padding!r}: it is SAME or VALID")
    block, paddings, crops = _spread(x, axes, rate, borders)
    found = op(op_def("SpaceToBatchND")(x, block, paddings), len(rate), "VALID")
    return op_def("BatchToSpaceND")(found, block, crops)


def _sizes(given: Any) -> np.ndarray:
    """The numbers of a shape that must be known."""
    found = constant_value(convert_to_tensor(given, name="filter_shape"))
    if found is None:
        raise ValueError("filter_shape must be known for SAME padding with a dilation_rate")
    return np.asarray(found, np.int64)


def _spread(x: Tensor, axes: list[int], rate: np.ndarray, borders: np.ndarray) -> tuple[np.ndarray, Any, Any]:
    """(blocks, paddings, crops) of all axes from 1 to the last of space; those between have blocks of 1."""
    last = axes[-1]
    block, pads = np.ones(last, np.int32), np.zeros((last, 2), np.int32)
    for axis, r, border in zip(axes, rate, borders, strict=True):
        block[axis - 1], pads[axis - 1] = r, border
    known = x.get_shape().with_rank_at_least(last + 1).as_list()[1 : last + 1]
    if None not in known:
        odd = (-(np.array(known) + pads.sum(1))) % block  # cells that lack in the last block
        cut = np.stack([0 * odd, odd], 1).astype(np.int32)
        return block, pads + cut, cut
    full = shape(x)[1 : last + 1] + pads.sum(1).astype(np.int32)
    odd = op_def("FloorMod")(block - op_def("FloorMod")(full, block), block)
    crops = stack([op_def("ZerosLike")(odd), odd], 1)
    return block, crops + pads, crops


def _space(given: Any, count: int, what: str) -> list[int]:
    sizes = [1] * count if given is None else [given] * count if isinstance(given, int) else [int(n) for n in given]
    if len(sizes) == 1:
        sizes = sizes * count
    if len(sizes) != count:
        raise ValueError(f"len({what})={len(sizes)} but should be {count}")
    if min(sizes) < 1:
        raise ValueError(f"all values of {what} must be positive, got {sizes}")
    return sizes


def _both(strides: Any, rates: Any, count: int) -> tuple[list[int], list[int]]:
    """(strides, rates) for each axis of space; not both of them more than 1."""
    steps, gaps = _space(strides, count, "strides"), _space(rates, count, "dilation_rate")
    if max(steps) > 1 and max(gaps) > 1:
        raise ValueError(f"strides > 1 not supported in conjunction with dilation_rate > 1, got {steps} and {gaps}")
    return steps, gaps


def convolution(
    input: Any, filter: Any, padding: Any, strides: Any = None, dilation_rate: Any = None, name: str | None = None,
    data_format: str | None = None, filters: Any = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """Windows of `input` times `filter` over one to three axes of space, as many as the filter has."""
    kernel = convert_to_tensor(_axis(filter, filters), name="filter")
    with op_scope([], name, "convolution"):
        x = convert_to_tensor(input, name="input")
        rank = x.get_shape().ndims or kernel.get_shape().ndims
        if rank is None:
            raise ValueError("rank of input must be known")
        count = (kernel.get_shape().ndims or rank) - 2
        if count not in _CONVOLUTIONS:
            raise ValueError(f"num_spatial_dims must be one of 1, 2 or 3, got {count}")
        steps, gaps = _both(strides, _axis(dilation_rate, dilations), count)
        form = data_format or _FORMS[count]
        if count == 1:
            return windows.conv1d(x, kernel, steps, padding, data_format=form, dilations=gaps)
        if count == 2:
            return windows.conv2d(x, kernel, steps, padding, data_format=form, dilations=gaps)
        return windows.conv3d(x, kernel, steps, padding, form, gaps)


def pool(
    input: Any, window_shape: Any, pooling_type: str, padding: str, dilation_rate: Any = None, strides: Any = None,
    name: str | None = None, data_format: str | None = None, dilations: Any = None,
) -> Tensor:  # fmt: skip
    """The largest (MAX) or the mean (AVG) of each window, over one to three axes of space, also with holes."""
    sizes = [int(n) for n in window_shape]
    count = len(sizes)
    if pooling_type not in ("MAX", "AVG"):
        raise ValueError(f"pooling_type must be 'MAX' or 'AVG', got {pooling_type!r}")
    if count not in _FORMS:
        raise ValueError(f"len(window_shape) must be 1, 2 or 3, got {count}")
    one = pools.max_pool_v2 if pooling_type == "MAX" else pools.avg_pool_v2
    with op_scope([], name, f"{pooling_type.lower()}_pool"):
        x = convert_to_tensor(input, name="input")
        x.get_shape().with_rank(count + 2)
        steps, gaps = _both(strides, _axis(dilation_rate, dilations), count)
        if any(s > w for s, w in zip(steps, sizes, strict=True)):
            raise ValueError("strides > window_shape not supported due to inconsistency between CPU and GPU")
        form = data_format or _FORMS[count]
        return with_space_to_batch(x, gaps, padding, lambda x, _, pads: one(x, sizes, steps, pads, form), sizes,
                                   data_format=form)  # fmt: skip


def atrous_conv2d(value: Any, filters: Any, rate: int, padding: str, name: str | None = None) -> Tensor:
    """conv2d with windows whose cells lie `rate` apart."""
    return convolution(value, filters, padding, dilation_rate=[rate, rate], name=name)


def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """The gradient of atrous_conv2d for its input, of shape `output_shape`; `filters` is [kh, kw, outputs, inputs]."""
    with op_scope([], name, "atrous_conv2d_transpose"):
        x, kernel = convert_to_tensor(value, name="value"), convert_to_tensor(filters, name="filters")
        if not x.get_shape()[3].is_compatible_with(kernel.get_shape()[3]):
            raise ValueError(f"value channels must match filters channels, got {x.get_shape()[3]} and "
                             f"{kernel.get_shape()[3]}")  # fmt: skip
        if rate < 1:
            raise ValueError(f"rate cannot be less than one, got {rate}")
        return windows.conv2d_transpose(x, kernel, output_shape, 1, padding, dilations=rate)
