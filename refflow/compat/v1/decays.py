"""Rates of 1.x that change while a program trains: each is a tensor, a function of the step.

    t = step / decay_steps, at most 1 where a decay ends; with staircase the whole steps of it

    exponential_decay      rate * decay_rate ** t            natural_exp_decay    rate * exp(-decay_rate) ** t
    inverse_time_decay     rate / (1 + decay_rate * t)       polynomial_decay     (rate - end) * (1 - t) ** power + end
    cosine_decay           rate * ((1 - alpha) * c + alpha),                      c = (1 + cos(pi * t)) / 2
    linear_cosine_decay    rate * ((alpha + 1 - t) * c + beta),                   c = (1 + cos(2 pi * periods * t)) / 2

Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017; Bello et al., "Neural optimizer
search", 2017.

Next: train/schedules.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops.cast import cast
from refflow.ops.random import random_normal
from refflow.train import schedules as first

__all__ = [
    "cosine_decay", "cosine_decay_restarts", "exponential_decay", "inverse_time_decay", "linear_cosine_decay",
    "natural_exp_decay", "noisy_linear_cosine_decay", "piecewise_constant", "piecewise_constant_decay",
    "polynomial_decay",
]  # fmt: skip


def _needs_step(step: Any, who: str) -> None:
    if step is None:
        raise ValueError(f"global_step is required for {who}.")


def _numbers(learning_rate: Any, *others: Any) -> list[Tensor]:
    """The rate as a tensor, and the others in its type."""
    rate = convert_to_tensor(learning_rate, name="learning_rate")
    return [rate, *(cast(convert_to_tensor(value), rate.dtype.base_dtype) for value in others)]


def _staircase(steps: Tensor, staircase: bool) -> Tensor:
    return op_def("Floor")(steps) if staircase else steps


def exponential_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """`learning_rate` times `decay_rate` every `decay_steps` steps; in whole steps with `staircase`."""
    _needs_step(global_step, "exponential_decay")
    return first.exponential_decay(learning_rate, global_step, decay_steps, decay_rate, staircase, name)


def natural_exp_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """learning_rate * exp(-decay_rate * step / decay_steps), as an exponential decay by exp(-decay_rate)."""
    _needs_step(global_step, "natural_exp_decay")
    with op_scope([], name, "NaturalExpDecay") as scope:
        base = op_def("Exp")(-convert_to_tensor(decay_rate))
        return first.exponential_decay(learning_rate, global_step, decay_steps, base, staircase, scope)


def inverse_time_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, decay_rate: Any, staircase: bool = False,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """learning_rate / (1 + decay_rate * step / decay_steps)."""
    _needs_step(global_step, "inverse_time_decay")
    with op_scope([], name, "InverseTimeDecay"):
        rate, step, steps, slope = _numbers(learning_rate, global_step, decay_steps, decay_rate)
        return rate / (1 + slope * _staircase(step / steps, staircase))


def polynomial_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, end_learning_rate: Any = 0.0001, power: Any = 1.0,
    cycle: bool = False, name: str | None = None,
) -> Tensor:  # fmt: skip
    """From learning_rate to end_learning_rate in decay_steps along (1 - step / decay_steps) ** power.

    cycle: at the end it begins anew, for as many steps as have been made until then and `decay_steps` more.
    """
    _needs_step(global_step, "polynomial_decay")
    with op_scope([], name, "PolynomialDecay"):
        rate, step, steps, end, power = _numbers(learning_rate, global_step, decay_steps, end_learning_rate, power)
        if cycle:
            times = op_def("Maximum")(op_def("Ceil")(step / steps), 1)  # at step 0 the first turn has begun
            steps = steps * times
        else:
            step = op_def("Minimum")(step, steps)
        return (rate - end) * op_def("Pow")(1 - step / steps, power) + end


def piecewise_constant(x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None) -> Tensor:
    """values[i] for x above boundaries[i - 1] and up to boundaries[i]."""
    if len(boundaries) != len(values) - 1:
        raise ValueError("The length of boundaries should be 1 less than the length of values")
    with op_scope([], name, "PiecewiseConstant"):
        x = convert_to_tensor(x)
        kinds = {convert_to_tensor(v).dtype.base_dtype.name for v in values}
        if len(kinds) > 1:
            raise ValueError(f"Values must have elements all with the same dtype ({' vs '.join(sorted(kinds))}).")
        limits = [convert_to_tensor(b) for b in boundaries]
        for limit in limits:
            if limit.dtype.base_dtype is not x.dtype.base_dtype and not _fits(limit, x):
                raise ValueError(f"Boundaries ({limit.dtype.base_dtype}) must have the same dtype as x ({x.dtype}).")
        whole = [cast(limit, x.dtype.base_dtype) for limit in limits]
        if not whole:
            return convert_to_tensor(values[0])
        place = op_def("Sum")(cast(op_def("Greater")(x, op_def("Pack")(whole)), "int32"), 0)
        return op_def("GatherV2")(op_def("Pack")([convert_to_tensor(v) for v in values]), place, 0)


def _fits(limit: Tensor, x: Tensor) -> bool:
    """Whether a limit of another type is told from x without a loss: int32 beside int64."""
    return limit.dtype.base_dtype.name == "int32" and x.dtype.base_dtype.name == "int64"


piecewise_constant_decay = piecewise_constant

# -- waves -------------------------------------------------------------------------------------------------------


def _wave(turns: Any) -> Tensor:
    """From 1 down to 0 in one turn, and up again in the next."""
    return 0.5 * (1 + op_def("Cos")(turns * math.pi))


def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: float = 0.0, name: str | None = None
) -> Tensor:
    """Down half a wave in `decay_steps`, to `alpha` of the rate."""
    _needs_step(global_step, "cosine decay")
    with op_scope([], name, "CosineDecay"):
        rate, step, steps = _numbers(learning_rate, global_step, decay_steps)
        return rate * ((1 - alpha) * _wave(op_def("Minimum")(step, steps) / steps) + alpha)


def cosine_decay_restarts(
    learning_rate: Any, global_step: Any, first_decay_steps: Any, t_mul: float = 2.0, m_mul: float = 1.0,
    alpha: float = 0.0, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The same again and again: each time `t_mul` times as long, from `m_mul` times as high."""
    _needs_step(global_step, "cosine decay restarts")
    with op_scope([], name, "SGDRDecay"):
        rate, step, steps, longer, higher = _numbers(learning_rate, global_step, first_decay_steps, t_mul, m_mul)
        done = step / steps  # in lengths of the first time
        if t_mul == 1.0:
            turns = op_def("Floor")(done)
            share = done - turns
        else:
            # The first i times take (1 - t_mul**i) / (1 - t_mul) together; i is how many are over.
            turns = op_def("Floor")(op_def("Log")(1 - done * (1 - longer)) / op_def("Log")(longer))
            power = op_def("Pow")(longer, turns)
            share = (done - (1 - power) / (1 - longer)) / power
        return rate * ((1 - alpha) * op_def("Pow")(higher, turns) * _wave(share) + alpha)


def linear_cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, num_periods: float = 0.5, alpha: float = 0.0,
    beta: float = 0.001, name: str | None = None,
) -> Tensor:  # fmt: skip
    """A wave of `num_periods` on a line that falls."""
    _needs_step(global_step, "linear cosine decay")
    with op_scope([], name, "LinearCosineDecay"):
        rate, step, steps = _numbers(learning_rate, global_step, decay_steps)
        done = op_def("Minimum")(step, steps) / steps
        return rate * ((alpha + (1 - done)) * _wave(2 * num_periods * done) + beta)


def noisy_linear_cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, initial_variance: float = 1.0,
    variance_decay: float = 0.55, num_periods: float = 0.5, alpha: float = 0.0, beta: float = 0.001,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The same with noise on the line, whose variance is initial_variance / (1 + step) ** variance_decay."""
    _needs_step(global_step, "noisy linear cosine decay")
    with op_scope([], name, "NoisyLinearCosineDecay"):
        rate, step, steps = _numbers(learning_rate, global_step, decay_steps)
        step = op_def("Minimum")(step, steps)
        done = step / steps
        spread = op_def("Sqrt")(initial_variance / op_def("Pow")(1 + step, np.float64(variance_decay).item()))
        noise = random_normal([], dtype=rate.dtype.base_dtype) * spread
        return rate * ((alpha + (1 - done) + noise) * _wave(2 * num_periods * done) + beta)
