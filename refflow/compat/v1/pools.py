"""Pools of tf.nn in 1.x: one to three axes of space, the largest or the mean, of windows even or at random.

    avg_pool_v2, max_pool_v2       the rank of the input says over how many axes

Next: compat/v1/windows.py.
"""

from __future__ import annotations

from typing import Any

from refflow.compat.v1.arrays import _axis
from refflow.compat.v1.derived import derived
from refflow.compat.v1.windows import window
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def

_FORMS = {3: "NWC", 4: "NHWC", 5: "NDHWC"}  # by the input's rank


def _pool(
    op: str, value: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None, name: str | None,
    rank: int = 4,
) -> Tensor:  # fmt: skip
    form = data_format or _FORMS[rank]
    borders = {"padding": padding}
    if padding is not None and not isinstance(padding, str):
        borders = {"padding": "EXPLICIT", "explicit_paddings": [int(n) for pair in padding for n in pair]}
    return op_def(op)(value, ksize=window(ksize, form, rank), strides=window(strides, form, rank), data_format=form,
                      name=name, **borders)  # fmt: skip


def max_pool(
    value: Any, ksize: Any = None, strides: Any = None, padding: Any = None, data_format: str = "NHWC",
    name: str | None = None, input: Any = None,
) -> Tensor:  # fmt: skip
    """The largest of each window."""
    with op_scope([], name, "MaxPool") as scope:
        return _pool("MaxPool", _axis(value, input), ksize, strides, padding, data_format, scope)


def avg_pool(
    value: Any, ksize: Any = None, strides: Any = None, padding: Any = None, data_format: str = "NHWC",
    name: str | None = None, input: Any = None,
) -> Tensor:  # fmt: skip
    """The mean of the real cells of each window."""
    with op_scope([], name, "AvgPool") as scope:
        return _pool("AvgPool", _axis(value, input), ksize, strides, padding, data_format, scope)


avg_pool2d = avg_pool


def max_pool2d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """The largest of each window of images [N, H, W, C]."""
    return _pool("MaxPool", input, ksize, strides, padding, data_format, name or "MaxPool2d")


def _row_pool(op: str, x: Any, ksize: Any, strides: Any, padding: Any, form: str | None, name: str) -> Tensor:
    """A pool of sequences: of images one row high."""
    first = (form or "NWC").startswith("NC")
    with op_scope([], name) as scope:
        sizes = [1, *_middle(ksize, first)], [1, *_middle(strides, first)]
        image = op_def("ExpandDims")(x, 2 if first else 1)
        pads = [*padding[:1], [0, 0], *padding[1:]] if not isinstance(padding, str) and not first else padding
        pads = [*padding[:2], [0, 0], *padding[2:]] if not isinstance(padding, str) and first else pads
        found = _pool(op, image, *sizes, pads, "NCHW" if first else "NHWC", None)
        return op_def("Squeeze")(found, squeeze_dims=[2 if first else 1], name=scope)


def _middle(given: Any, channels_first: bool) -> list[int]:
    return window(given, "NCW" if channels_first else "NWC", 3)[2 if channels_first else 1 :][:1]


def max_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NWC", name: str | None = None
) -> Tensor:
    """The largest of each window of sequences [N, W, C]."""
    return _row_pool("MaxPool", input, ksize, strides, padding, data_format, name or "MaxPool1d")


def avg_pool1d(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str = "NWC", name: str | None = None
) -> Tensor:
    """The mean of the real cells of each window of sequences [N, W, C]."""
    return _row_pool("AvgPool", input, ksize, strides, padding, data_format, name or "AvgPool1D")


def max_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NDHWC", name: str | None = None
) -> Tensor:
    """The largest of each window of volumes [N, D, H, W, C]."""
    return _pool("MaxPool3D", input, ksize, strides, padding, data_format, name or "MaxPool3D", 5)


def avg_pool3d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NDHWC", name: str | None = None
) -> Tensor:
    """The mean of the real cells of each window of volumes [N, D, H, W, C]."""
    return _pool("AvgPool3D", input, ksize, strides, padding, data_format, name or "AvgPool3D", 5)


def _any_rank(x: Any, data_format: str | None) -> int:
    """The rank of what is pooled: the input's, or the data format's where that is not known."""
    rank = convert_to_tensor(x).get_shape().ndims
    rank = len(data_format) if rank is None and data_format else rank
    if rank is None:
        raise ValueError("a pool needs an input of known rank, or a data_format")
    if rank not in _FORMS:
        raise ValueError(f"Input tensor must be of rank 3, 4 or 5 but was {rank}.")
    return rank


def max_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """The largest of each window, over one to three axes of space."""
    one = {3: max_pool1d, 4: max_pool2d, 5: max_pool3d}[_any_rank(input, data_format)]
    return one(input, ksize, strides, padding, data_format, name or "max_pool")  # type: ignore[arg-type]


def avg_pool_v2(
    input: Any, ksize: Any, strides: Any, padding: Any, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """The mean of the real cells of each window, over one to three axes of space."""
    one = {3: avg_pool1d, 4: avg_pool, 5: avg_pool3d}[_any_rank(input, data_format)]
    return one(input, ksize, strides, padding, data_format, name or "AvgPool")  # type: ignore[operator]


def max_pool_with_argmax(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NHWC", Targmax: Any = None,
    name: str | None = None, output_dtype: Any = None, include_batch_in_index: bool = False,
) -> Any:  # fmt: skip
    """(output, argmax): the largest of each window, and its cell's number (y * W + x) * C + c."""
    if data_format != "NHWC":
        raise ValueError(f"Attr 'data_format' of 'MaxPoolWithArgmax' must be NHWC, got {data_format}")
    return op_def("MaxPoolWithArgmax")(
        input, ksize=window(ksize, data_format), strides=window(strides, data_format), padding=padding,
        Targmax=_axis(Targmax, output_dtype) or "int64", include_batch_in_index=include_batch_in_index, name=name,
    )  # fmt: skip


fractional_max_pool = derived("FractionalMaxPool")
fractional_avg_pool = derived("FractionalAvgPool")

