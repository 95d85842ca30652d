"""The direction of L-BFGS: minus the inverse curvature times the gradient, from the last few steps [S48, E07].

The curvature is known by pairs only: a step s[i] and the change y[i] of the gradient along it, pair 0 the newest.
With rho[i] = 1 / (y[i] . s[i]), two loops apply the inverse without ever forming a matrix of P by P:

    q = gradient
    from the newest to the oldest     a[i] = rho[i] s[i] . q       q -= a[i] y[i]
    q *= (s[0] . y[0]) / (y[0] . y[0])                             the newest pair's scale, for want of better
    from the oldest to the newest     q += (a[i] - rho[i] y[i] . q) s[i]
    direction = -q                                                  4 M P multiply-adds for M pairs

The deck names L-BFGS; the first release had none, so this type is an addition: deck only [E07].

Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35, 1980.

Next: train/lbfgs.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import float32, float64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext

LBFGS_DIRECTION = define_op(
    "LbfgsDirection", "gradient: T[P], steps: T[M, P], changes: T[M, P], count: int32[] -> direction: T[P]",
    T=(float32, float64), accuracy="composed", source=("S48", "E07"),
)  # fmt: skip
LBFGS_DIRECTION.no_gradient()


@LBFGS_DIRECTION.kernel
def lbfgs_direction_kernel(gradient, steps, changes, count):
    q = gradient.copy()  # [P]
    curvatures = [np.dot(s, y) for s, y in zip(steps[:count], changes[:count], strict=True)]
    for i, curvature in enumerate(curvatures):
        if not curvature > 0:
            raise ValueError(f"pair {i} has steps . changes = {curvature}, but curvature must be positive")
    along = []
    for s, y, curvature in zip(steps, changes, curvatures, strict=False):  # the newest first
        along.append(np.dot(s, q) / curvature)
        q -= along[-1] * y
    if curvatures:
        q *= curvatures[0] / np.dot(changes[0], changes[0])
    for i in reversed(range(len(curvatures))):
        q += (along[i] - np.dot(changes[i], q) / curvatures[i]) * steps[i]
    return -q


@LBFGS_DIRECTION.shape
def _lbfgs_direction_shape(context: ShapeContext) -> list[shapes.Shape]:
    found = context.by_signature()
    count, pairs = context.ints("count"), context.shape("M")
    most = None if pairs is None else pairs[0]
    if count is not None and (count[0] < 0 or (most is not None and count[0] > most)):
        raise ShapeError(f"count is {count[0]}, but must be from 0 to the number of pairs, M = {most}")
    return found


# Pair 0 says that the slope grows by 2 along the first axis: its inverse is 1/2 everywhere, for want of better.
_PAIR: dict[str, Any] = {"steps": [[1.0, 0.0]], "changes": [[2.0, 0.0]]}
LBFGS_DIRECTION.case("S48", "without a pair, minus the gradient", gradient=[3.0, -4.0], **_PAIR, count=0,
                     direction=[-3.0, 4.0])  # fmt: skip
LBFGS_DIRECTION.case("S48", "one pair gives Newton's step along it", gradient=[3.0, -4.0], **_PAIR, count=1,
                     direction=[-1.5, 2.0])  # fmt: skip
# By hand: rho = 1/2, a = 3, q = (3, 1) - 3 (1, 1) = (0, -2), scale 2/2, rho y . q = -1, q + (3 + 1) (2, 0) = (8, -2).
LBFGS_DIRECTION.case("S48", "a pair that is not along the axes", gradient=np.array([3.0, 1.0]), count=1,
                     steps=np.array([[2.0, 0.0], [0.0, 0.0]]), changes=np.array([[1.0, 1.0], [0.0, 0.0]]),
                     direction=np.array([-8.0, 2.0]))  # fmt: skip
LBFGS_DIRECTION.case("S48", "steps of another length", gradient=[1.0, 2.0], steps=[[1.0]], changes=[[1.0]], count=0,
                     error="steps has P = 1, but gradient has P = 2")  # fmt: skip
LBFGS_DIRECTION.case("S48", "a step without its change", gradient=[1.0], steps=[[1.0], [2.0]], changes=[[1.0]],
                     count=0, error="changes has M = 1, but steps has M = 2")  # fmt: skip
LBFGS_DIRECTION.case("S48", "more pairs than there are", gradient=[1.0], steps=[[1.0]], changes=[[1.0]], count=2,
                     error="count is 2, but must be from 0 to the number of pairs, M = 1")  # fmt: skip
LBFGS_DIRECTION.case("S48", "a pair without curvature", gradient=[1.0], steps=[[1.0]], changes=[[0.0]], count=1,
                     error="pair 0 has steps . changes = 0.0, but curvature must be positive")  # fmt: skip
