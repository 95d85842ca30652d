"""Accumulators as a program sees them: objects with methods that add nodes [O06].

Next: train/sync_replicas.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, int64
from refflow.core.graph import Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape
from refflow.ops.cast import cast


class ConditionalAccumulatorBase:
    """Gradients of type `dtype` that are gathered until there are enough of them."""

    kind = ""  # of its op types

    def __init__(
        self, dtype: Any, shape: Any = None, shared_name: str | None = None, name: str | None = None,
        reduction_type: str = "MEAN",
    ):  # fmt: skip
        self._dtype, self._shape = as_dtype(dtype), TensorShape(shape)
        self._ref = op_def(f"{self.kind}ConditionalAccumulator")(
            dtype=self._dtype, shape=self._shape, shared_name=shared_name or "", reduction_type=reduction_type,
            name=name or f"{self.kind.lower()}_conditional_accumulator".lstrip("_"),
        )  # fmt: skip

    @property
    def accumulator_ref(self) -> Tensor:
        return self._ref

    @property
    def name(self) -> str:
        return self._ref.op.name

    @property
    def dtype(self) -> Any:
        return self._dtype

    def num_accumulated(self, name: str | None = None) -> Tensor:
        """How many gradients have come since the last take, int32."""
        return op_def("AccumulatorNumAccumulated")(self._ref, name=name)

    def set_global_step(self, new_global_step: Any, name: str | None = None) -> Operation:
        """Gradients that were computed before this step are not looked at from now on."""
        return op_def("AccumulatorSetGlobalStep")(self._ref, _step(new_global_step), name=name)


class ConditionalAccumulator(ConditionalAccumulatorBase):
    """Gathers tensors."""

    def apply_grad(self, grad: Any, local_step: Any = 0, name: str | None = None) -> Operation:
        """Adds a gradient that was computed at `local_step`."""
        grad = convert_to_tensor(grad, self._dtype)
        return op_def("AccumulatorApplyGradient")(self._ref, _step(local_step), grad, name=name)

    def take_grad(self, num_required: Any, name: str | None = None) -> Tensor:
        """Their mean or sum, once `num_required` have come; the accumulator begins anew."""
        found = op_def("AccumulatorTakeGradient")(self._ref, num_required, dtype=self._dtype, name=name)
        found.set_shape(self._shape)
        return found


class SparseConditionalAccumulator(ConditionalAccumulatorBase):
    """Gathers rows by their indices; the mean of a row counts the gradients that had it."""

    kind = "Sparse"

    def apply_grad(
        self, grad_indices: Any, grad_values: Any, grad_shape: Any = None, local_step: Any = 0, name: str | None = None
    ) -> Operation:
        """Adds the rows of a gradient that was computed at `local_step`. grad_shape: of the whole, if it is known."""
        known = grad_shape is not None
        return op_def("SparseAccumulatorApplyGradient")(
            self._ref, _step(local_step), cast(convert_to_tensor(grad_indices), int64),
            convert_to_tensor(grad_values, self._dtype), convert_to_tensor(grad_shape if known else [], int64),
            has_known_shape=known, name=name,
        )  # fmt: skip

    def apply_indexed_slices_grad(self, grad: IndexedSlices, local_step: Any = 0, name: str | None = None) -> Operation:
        whole = None if grad.dense_shape is None else cast(grad.dense_shape, int64)
        return self.apply_grad(grad.indices, grad.values, whole, local_step, name)

    def take_grad(self, num_required: Any, name: str | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Indices, rows and the whole's shape, once `num_required` gradients have come."""
        return tuple(op_def("SparseAccumulatorTakeGradient")(self._ref, num_required, dtype=self._dtype, name=name))

    def take_indexed_slices_grad(self, num_required: Any, name: str | None = None) -> IndexedSlices:
        indices, values, shape = self.take_grad(num_required, name)
        return IndexedSlices(values, indices, shape)


def _step(value: Any) -> Tensor:
    tensor = convert_to_tensor(value)
    return tensor if tensor.dtype is int64 else cast(tensor, int64)
