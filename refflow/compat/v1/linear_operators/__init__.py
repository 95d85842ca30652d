"""tf.linalg's linear operators: objects that stand for matrices, many without holding them.

    LinearOperatorDiag([2., 3.]).matmul(x)        2 and 3 times the rows of x: no matrix is made
    LinearOperatorLowRankUpdate(L, u)             L + u u^T, solved by Woodbury's identity

Next: compat/v1/linear_operators/operator.py.
"""

from refflow.compat.v1.linear_operators.addition import add_operators
from refflow.compat.v1.linear_operators.composed import (
    LinearOperatorAdjoint,
    LinearOperatorBlockDiag,
    LinearOperatorComposition,
    LinearOperatorInversion,
    LinearOperatorKronecker,
    LinearOperatorLowRankUpdate,
)
from refflow.compat.v1.linear_operators.operator import LinearOperator
from refflow.compat.v1.linear_operators.plain import (
    LinearOperatorDiag,
    LinearOperatorFullMatrix,
    LinearOperatorHouseholder,
    LinearOperatorIdentity,
    LinearOperatorLowerTriangular,
    LinearOperatorScaledIdentity,
    LinearOperatorZeros,
)

__all__ = [
    "LinearOperator", "LinearOperatorAdjoint", "LinearOperatorBlockDiag", "LinearOperatorComposition",
    "LinearOperatorDiag", "LinearOperatorFullMatrix", "LinearOperatorHouseholder", "LinearOperatorIdentity",
    "LinearOperatorInversion", "LinearOperatorKronecker", "LinearOperatorLowRankUpdate",
    "LinearOperatorLowerTriangular", "LinearOperatorScaledIdentity", "LinearOperatorZeros", "add_operators",
]  # fmt: skip
