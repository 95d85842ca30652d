"""A gradient in the graph against differences of values: two Jacobians, which should be one.

    J[i, j] = d y[j] / d x[i]        from tf.gradients, one run for each j
                                     from (y(x + delta e_i) - y(x - delta e_i)) / 2 delta, two runs for each i

Next: test/case.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor
from refflow.core.gradients import gradients
from refflow.core.graph import Operation, Tensor
from refflow.core.tensor import default_session
from refflow.ops.constant import placeholder

_ALLOWED = ("float32", "float64", "complex64", "complex128")


def compute_gradient(
    x: Tensor, x_shape: Sequence[int], y: Tensor, y_shape: Sequence[int], x_init_value: Any = None, delta: float = 1e-3,
    init_targets: Sequence[Operation] | None = None, extra_feed_dict: Mapping[Any, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(theoretical, numerical): the Jacobian of `y` by `x`, [size of x, size of y], by the graph and by differences.

    Runs in the default session. x_init_value: where; random in [0, 1) by default. delta: the step of the differences.
    init_targets: operations to run first. Complex numbers count as pairs of real ones.
    """
    for tensor in (x, y):
        if tensor.dtype.base_dtype.name not in _ALLOWED:
            raise TypeError(f"{tensor.name!r} is {tensor.dtype.name}, but gradients are of: {', '.join(_ALLOWED)}")
    session = default_session(None, "compute a gradient")
    for target in init_targets or ():
        session.run(target)
    kind = np.dtype(x.dtype.base_dtype.as_numpy_dtype)
    if x_init_value is None:
        x_init_value = np.random.default_rng(0).random(tuple(x_shape))
    start = np.ascontiguousarray(np.asarray(x_init_value, kind).reshape(tuple(x_shape)))
    extra = dict(extra_feed_dict or {})
    return (_by_the_graph(session, x, start, y, tuple(y_shape), extra),
            _by_differences(session, x, start, y, tuple(y_shape), delta, extra))  # fmt: skip


def _reals(array: np.ndarray) -> np.ndarray:
    """A vector of real numbers that shares the array's memory where it is contiguous: re, im, re, im, ..."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


def _by_the_graph(
    session: Any, x: Tensor, start: np.ndarray, y: Tensor, y_shape: tuple[int, ...], extra: dict[Any, Any]
) -> np.ndarray:
    weights = placeholder(y.dtype.base_dtype, y_shape)
    (dx,) = gradients(y, x, grad_ys=weights)
    one = np.zeros(y_shape, y.dtype.base_dtype.as_numpy_dtype)
    jacobian = np.zeros((_reals(start).size, _reals(one).size), _reals(start).dtype)
    if dx is None:
        return jacobian
    dx = convert_to_tensor(dx)
    for j in range(jacobian.shape[1]):
        one = np.zeros_like(one)
        _reals(one)[j] = 1
        jacobian[:, j] = _reals(session.run(dx, {x: start, weights: one, **extra}))
    return jacobian


def _by_differences(
    session: Any, x: Tensor, start: np.ndarray, y: Tensor, y_shape: tuple[int, ...], delta: float, extra: dict[Any, Any]
) -> np.ndarray:
    size = _reals(np.zeros(y_shape, y.dtype.base_dtype.as_numpy_dtype)).size
    jacobian = np.zeros((_reals(start).size, size), _reals(start).dtype)
    for i in range(jacobian.shape[0]):
        values = []
        for step in (delta, -delta):
            moved = start.copy()
            _reals(moved)[i] += step
            values.append(_reals(np.asarray(session.run(y, {x: moved, **extra}))))
        jacobian[i] = (values[0] - values[1]) / (2 * delta)
    return jacobian


def compute_gradient_error(
    x: Tensor, x_shape: Sequence[int], y: Tensor, y_shape: Sequence[int], x_init_value: Any = None, delta: float = 1e-3,
    init_targets: Sequence[Operation] | None = None, extra_feed_dict: Mapping[Any, Any] | None = None,
) -> float:  # fmt: skip
    """The largest difference between the two Jacobians of `compute_gradient`; 0 where there is nothing to compare."""
    ours, seen = compute_gradient(x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    return float(np.abs(ours - seen).max()) if ours.size else 0.0
