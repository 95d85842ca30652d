"""Sums of operators: of diagonals one diagonal, of triangles one triangle, of others one matrix.

Next: compat/v1/distributions/distribution.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from refflow.compat.v1.linear_operators.operator import LinearOperator
from refflow.compat.v1.linear_operators.plain import (
    LinearOperatorDiag,
    LinearOperatorFullMatrix,
    LinearOperatorLowerTriangular,
    _OfDiagonal,
)


def add_operators(
    operators: Sequence[LinearOperator], operator_name: str | None = None, name: str | None = None
) -> list[LinearOperator]:
    """The sum, as a list of one operator, of the simplest class that holds it."""
    if not operators:
        raise ValueError(f"Argument `operators` must contain at least one operator. Found: {operators}")
    kinds = {op.dtype.name for op in operators}
    sides = {tuple(side.value for side in op.shape[-2:]) for op in operators if op.shape.ndims is not None}
    if len(kinds) != 1 or len({side for side in sides if None not in side}) > 1:
        raise TypeError(f"add_operators takes operators of one type and of one size, got {sorted(kinds)} and {sides}")
    if len(operators) == 1:
        return [operators[0]]
    positive = all(op.is_positive_definite for op in operators) or None
    called = operator_name or "Add/" + "__".join(op.name.rstrip("/") for op in operators) + "/"
    if all(isinstance(op, _OfDiagonal) for op in operators):
        total = sum((op.diag_part() for op in operators[1:]), operators[0].diag_part())
        return [LinearOperatorDiag(total, is_positive_definite=positive, name=called)]
    total = operators[0].to_dense()
    for op in operators[1:]:
        total = op.add_to_tensor(total)
    if all(isinstance(op, (_OfDiagonal, LinearOperatorLowerTriangular)) for op in operators):
        return [LinearOperatorLowerTriangular(total, is_positive_definite=positive, name=called)]
    self_adjoint = all(op.is_self_adjoint for op in operators) or None
    return [LinearOperatorFullMatrix(total, is_self_adjoint=self_adjoint, is_positive_definite=positive, name=called)]
