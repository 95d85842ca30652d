"""Means, variances and what is normalised by them.

    mean = sum(w x) / sum(w)         variance = sum(w (x - mean)^2) / sum(w)
    from sums about a shift s:       mean = s + m1 / n,  variance = m2 / n - (m1 / n)^2

Next: compat/v1/nn.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.arrays import _axis, squeeze
from refflow.compat.v1.math import reduce_mean, reduce_sum
from refflow.compat.v1.numbers import abs
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.arithmetic import DIV_NO_NAN
from refflow.ops.cast import cast


def _axes(axes: Any) -> list[int]:
    return [int(a) for a in np.atleast_1d(np.asarray(axes))]


def moments(
    x: Any, axes: Sequence[int], shift: Any = None, name: str | None = None, keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(mean, variance) of `x` over `axes`; float16 is summed in float32."""
    keep = bool(_axis(keepdims, keep_dims, False))
    over = _axes(axes)
    with op_scope([], name, "moments"):
        given = convert_to_tensor(x, name="x")
        half = given.dtype.base_dtype.name in ("float16", "bfloat16")
        x = cast(given, "float32") if half else given
        mean = reduce_mean(x, over, True, name="mean")
        away = op_def("SquaredDifference")(x, op_def("StopGradient")(mean))
        found = [mean, reduce_mean(away, over, True, name="variance")]
        found = found if keep else [squeeze(t, over) for t in found]
        found = [cast(t, given.dtype) for t in found] if half else found
        return found[0], found[1]


def sufficient_statistics(
    x: Any, axes: Sequence[int], shift: Any = None, keep_dims: bool | None = None, name: str | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Tensor, Tensor, Any]:  # fmt: skip
    """(how many, sum, sum of squares, shift) of `x`, less `shift` where one is given, over `axes`."""
    keep, over = bool(_axis(keepdims, keep_dims, False)), _axes(axes)
    with op_scope([], name, "sufficient_statistics"):
        x = convert_to_tensor(x, name="x")
        known = x.get_shape().as_list() if x.get_shape().ndims is not None else None
        if known is not None and all(known[a] is not None for a in over):
            number = np.prod([known[a] for a in over])
            count = convert_to_tensor(number.astype(x.dtype.base_dtype.as_numpy_dtype), name="count")
        else:
            sizes = op_def("Gather")(op_def("Shape")(x), np.array(over, np.int32))
            count = cast(op_def("Prod")(sizes, [0]), x.dtype)
        if shift is None:
            values, squares = x, op_def("Square")(x)
        else:
            shift = convert_to_tensor(shift, name="shift")
            values, squares = x - shift, op_def("SquaredDifference")(x, shift)
        return count, reduce_sum(values, over, keep, "mean_ss"), reduce_sum(squares, over, keep, "var_ss"), shift


def normalize_moments(
    counts: Any, mean_ss: Any, variance_ss: Any, shift: Any, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """(mean, variance) from sufficient statistics."""
    with op_scope([], name, "normalize"):
        share = op_def("Reciprocal")(convert_to_tensor(counts), name="divisor")
        away = convert_to_tensor(mean_ss) * share
        mean = away if shift is None else away + shift
        return mean, op_def("Sub")(convert_to_tensor(variance_ss) * share, op_def("Square")(away), name="variance")


def weighted_moments(
    x: Any, axes: Sequence[int], frequency_weights: Any, name: str | None = None, keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(mean, variance) of `x` over `axes`, where each element counts as often as its weight says."""
    keep, over = bool(_axis(keepdims, keep_dims, False)), _axes(axes)
    with op_scope([], name, "weighted_moments"):
        given = convert_to_tensor(x, name="x")
        half = given.dtype.base_dtype.name == "float16"
        x = cast(given, "float32") if half else given
        weights = convert_to_tensor(frequency_weights, name="frequency_weights")
        weights = weights if weights.dtype.base_dtype is x.dtype.base_dtype else cast(weights, x.dtype)
        weights = weights + op_def("ZerosLike")(x)  # one for each element
        total = reduce_sum(weights, over, True)
        mean = DIV_NO_NAN(reduce_sum(weights * x, over, True), total)  # 0 where nothing counts
        spread = reduce_sum(weights * op_def("SquaredDifference")(x, mean), over, True)
        variance = DIV_NO_NAN(spread, total)
        found = [t if keep else squeeze(t, over) for t in (mean, variance)]
        found = [cast(t, given.dtype) for t in found] if half else found
        return found[0], found[1]


def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float, name: str | None = None
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset; the last two may be None."""
    with op_scope([], name, "batchnorm"):
        x = convert_to_tensor(x)
        factor = op_def("Rsqrt")(convert_to_tensor(variance) + variance_epsilon)
        factor = factor if scale is None else factor * scale
        return x * factor + (-mean * factor if offset is None else offset - mean * factor)


def batch_norm_with_global_normalization(
    t: Any = None, m: Any = None, v: Any = None, beta: Any = None, gamma: Any = None, variance_epsilon: Any = None,
    scale_after_normalization: Any = None, name: str | None = None, input: Any = None, mean: Any = None,
    variance: Any = None,
) -> Tensor:  # fmt: skip
    """batch_normalization with `gamma` as the scale where scale_after_normalization says so."""
    return batch_normalization(_axis(t, input), _axis(m, mean), _axis(v, variance), beta,
                               gamma if scale_after_normalization else None, variance_epsilon, name)  # fmt: skip


def fused_batch_norm(
    x: Any, scale: Any, offset: Any, mean: Any = None, variance: Any = None, epsilon: float = 0.001,
    data_format: str = "NHWC", is_training: bool = True, name: str | None = None, exponential_avg_factor: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """(y, mean, variance): normalised by the moments of the batch, or by those given where it is not training.

    exponential_avg_factor f: in training mean and variance are (1 - f) times those given plus f times the batch's.
    """
    if (not is_training or exponential_avg_factor != 1.0) and (mean is None or variance is None):
        raise ValueError(
            "Both `mean` and `variance` must be a 1D tensor when `is_training` is False or "
            f"`exponential_avg_factor` != 1.0. Received: `mean` {mean!r} and `variance` {variance!r}"
        )
    empty = np.zeros(0, np.float32)
    found = op_def("FusedBatchNormV3")(
        x, scale, offset, empty if mean is None else mean, empty if variance is None else variance,
        epsilon=max(epsilon, 1.001e-5), data_format=data_format, is_training=is_training,
        exponential_avg_factor=exponential_avg_factor, name=name,
    )  # fmt: skip
    return found.y, found.batch_mean, found.batch_variance


def l2_normalize(
    x: Any, axis: Any = None, epsilon: float = 1e-12, name: str | None = None, dim: Any = None
) -> Tensor:
    """`x` over its L2 norm along `axis`."""
    with op_scope([], name, "l2_normalize") as scope:
        x = convert_to_tensor(x, name="x")
        size = op_def("Square")(abs(x) if x.dtype.is_complex else x)
        share = op_def("Rsqrt")(op_def("Maximum")(reduce_sum(size, _axis(axis, dim), True), epsilon))
        return op_def("Mul")(x, cast(share, x.dtype) if x.dtype.is_complex else share, name=scope)
