"""AddN: the sum of many tensors of one shape [W32].

    sum = inputs[0] + inputs[1] + ... + inputs[N - 1]        from left to right

It is how the contributions to one tensor's gradient meet (core/gradients.py).

Next: ops/reductions.py.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from refflow.core.dtypes import NUMBERS, variant
from refflow.core.formula import Formula
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.variants import sum_of

ADD_N = define_op("AddN", "inputs: N * T[...S] -> sum: T[...S]", N=1, T=(*NUMBERS, variant),
                  commutative=True, accuracy="dot", source=("W32",))  # fmt: skip


@ADD_N.kernel
def add_n_kernel(inputs):
    """The inputs added from left to right."""
    if inputs[0].dtype == object:
        return sum_of(inputs)
    total = inputs[0].copy()
    for term in inputs[1:]:
        total = total + term
    return total


_FEW = 64  # terms of one expression


@cache
def _sum_of(count: int) -> Formula:
    return Formula(" + ".join(f"x{i}" for i in range(count)))


ADD_N.formula_rule = lambda attrs: _sum_of(attrs["N"]) if attrs["N"] <= _FEW else None


@ADD_N.gradient
def _add_n_gradient(op, dy):
    """Each term gets the whole gradient."""
    return [dy] * len(op.inputs)


ADD_N.case("W32", "terms are added from left to right", inputs=[[1, 2], [10, 20], [100, 200]], N=3, sum=[111, 222])


def add_n(inputs: Any, name: str | None = None) -> Tensor:
    """The sum of tensors of one shape and type."""
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError(f"add_n takes a list with at least one tensor, got {inputs!r}")
    return ADD_N(list(inputs), name=name)
