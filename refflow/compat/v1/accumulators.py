"""Accumulators of 1.x: gradients are gathered until there are enough of them, then taken as their mean or sum.

    acc = tf.ConditionalAccumulator(tf.float32, shape=[2])
    acc.apply_grad(grad, local_step=step)        late ones, from before the accumulator's step, are dropped
    acc.take_grad(num_required=3)                waits for three

Dense ones stand behind resources, sparse ones behind references, as TensorFlow's do.

Next: ops/accumulators.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import as_dtype, int64, resource
from refflow.core.graph import Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape, unknown_shape
from refflow.ops import accumulator_classes as first
from refflow.ops.cast import cast

__all__ = ["ConditionalAccumulator", "ConditionalAccumulatorBase", "SparseConditionalAccumulator"]


class ConditionalAccumulatorBase(first.ConditionalAccumulatorBase):
    """What is known of an accumulator, and its step."""

    def __init__(self, dtype: Any, shape: Any, accumulator_ref: Tensor):
        self._dtype = as_dtype(dtype)
        self._shape = unknown_shape() if shape is None else TensorShape(shape)
        self._ref = accumulator_ref
        self._name = accumulator_ref.op.name.rpartition("/")[2]

    @property
    def name(self) -> str:
        """The accumulator's name without the scopes that it is in."""
        return self._name

    def _op(self, name: str) -> Any:
        return op_def(f"Resource{name}" if self._ref.dtype is resource else name)

    def num_accumulated(self, name: str | None = None) -> Tensor:
        """How many gradients have come since the last take, int32."""
        return self._op("AccumulatorNumAccumulated")(self._ref, name=name or f"{self._name}_NumAccumulated")

    def set_global_step(self, new_global_step: Any, name: str | None = None) -> Operation:
        """Gradients that were computed before this step are not looked at from now on."""
        step = cast(convert_to_tensor(new_global_step), int64)
        return self._op("AccumulatorSetGlobalStep")(self._ref, step, name=name)


def _made(kind: str, dtype: Any, shape: Any, shared_name: str | None, name: str | None, reduction: str) -> Tensor:
    dims = unknown_shape() if shape is None else TensorShape(shape)
    return op_def(kind)(dtype=as_dtype(dtype), shape=dims, shared_name=shared_name or "", reduction_type=reduction,
                        name=name)  # fmt: skip


class ConditionalAccumulator(ConditionalAccumulatorBase):
    """Gathers tensors."""

    def __init__(
        self, dtype: Any, shape: Any = None, shared_name: str | None = None, name: str = "conditional_accumulator",
        reduction_type: str = "MEAN",
    ):  # fmt: skip
        ref = _made("ResourceConditionalAccumulator", dtype, shape, shared_name, name, reduction_type)
        super().__init__(dtype, shape, ref)

    def apply_grad(self, grad: Any, local_step: Any = 0, name: str | None = None) -> Operation:
        """Adds a gradient that was computed at `local_step`."""
        grad = convert_to_tensor(grad, self._dtype)
        grad.get_shape().assert_is_compatible_with(self._shape)
        step = cast(convert_to_tensor(local_step), int64)
        return self._op("AccumulatorApplyGradient")(self._ref, step, grad, name=name)

    def take_grad(self, num_required: Any, name: str | None = None) -> Tensor:
        """Their mean or sum, once `num_required` have come; the accumulator begins anew."""
        found = self._op("AccumulatorTakeGradient")(self._ref, num_required, dtype=self._dtype, name=name)
        found.set_shape(self._shape)
        return found


class SparseConditionalAccumulator(ConditionalAccumulatorBase):
    """Gathers rows by their indices; the mean of a row counts the gradients that had it."""

    def __init__(
        self, dtype: Any, shape: Any = None, shared_name: str | None = None,
        name: str = "sparse_conditional_accumulator", reduction_type: str = "MEAN",
    ):  # fmt: skip
        ref = _made("SparseConditionalAccumulator", dtype, shape, shared_name, name, reduction_type)
        super().__init__(dtype, shape, ref)

    def apply_grad(
        self, grad_indices: Any, grad_values: Any, grad_shape: Any = None, local_step: Any = 0, name: str | None = None
    ) -> Operation:
        """Adds the rows of a gradient that was computed at `local_step`. grad_shape: of the whole, if it is known."""
        known = grad_shape is not None
        step, indices = cast(convert_to_tensor(local_step), int64), cast(convert_to_tensor(grad_indices), int64)
        return op_def("SparseAccumulatorApplyGradient")(
            self._ref, step, indices, convert_to_tensor(grad_values, self._dtype),
            convert_to_tensor(grad_shape if known else [], int64), has_known_shape=known, name=name,
        )  # fmt: skip

    def apply_indexed_slices_grad(self, grad: IndexedSlices, local_step: Any = 0, name: str | None = None) -> Operation:
        """The same of IndexedSlices."""
        whole = None if grad.dense_shape is None else cast(grad.dense_shape, int64)
        return self.apply_grad(grad.indices, grad.values, whole, local_step, name)

    def take_grad(self, num_required: Any, name: str | None = None) -> Any:
        """(indices, values, shape), once `num_required` gradients have come."""
        return op_def("SparseAccumulatorTakeGradient")(self._ref, num_required, dtype=self._dtype, name=name)

    def take_indexed_slices_grad(self, num_required: Any, name: str | None = None) -> IndexedSlices:
        """The same as IndexedSlices."""
        found = self.take_grad(num_required, name)
        return IndexedSlices(found.values, found.indices, found.shape)
