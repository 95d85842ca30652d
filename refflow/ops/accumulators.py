"""Accumulators: gradients are gathered until there are enough, then taken as their mean or sum [O06].

    apply    adds a gradient, unless it was computed too long ago: its local step is before the accumulator's
    take     waits for `num_required` gradients, gives their mean or sum, and counts the accumulator's step up

A sparse accumulator gathers rows with their indices; the mean of a row counts only the gradients that had it.

    row i = (sum of rows with index i) / (how many gradients had one)

The handle is a reference, or a resource in the ops that begin with Resource.

Next: ops/barriers.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import NUMBERS, DType
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.waiting import NOT_YET, Line


class Accumulator:
    """The sum of gradients that have come since the last take, and how many they are."""

    def __init__(self, dtype: DType, dims: shapes.Shape, mean: bool):
        self.dtype, self.dims, self.mean = dtype, dims, mean
        self.step, self.count = 0, 0
        self.line = Line()  # of those who take
        self.total: Any = None

    def apply(self, local_step: int, *gradient: Any) -> None:
        """Adds a gradient that is not too old."""
        with self.line.lock:
            if local_step < self.step:
                return
            self.check(*gradient)
            self.add(*gradient)
            self.count += 1
            self.line.changed()

    def take(self, required: int) -> Any:
        """Their mean or sum, once `required` have come."""
        if required <= 0:
            raise ValueError(f"Argument num_required must be positive, but was {required}")

        def attempt() -> Any:
            if self.count < required:
                return NOT_YET
            found = self.result()
            self.count, self.total = 0, None
            self.step += 1
            return found

        def why() -> str:
            return f"a take waits for {required} gradients of an accumulator, which has {self.count}"

        return self.line.serve(attempt, why, "TakeGrad operation was cancelled")

    # -- what a kind of accumulator decides ------------------------------------------------------------------

    def check(self, *parts: Any) -> None:
        (gradient,) = parts
        known = self.dims if self.total is None else self.total.shape
        if not shapes.compatible(known, gradient.shape):
            raise ValueError(f"Shape mismatch: expected {shapes.text(known)}, got {shapes.text(gradient.shape)}")

    def add(self, *parts: Any) -> None:
        (gradient,) = parts
        self.total = gradient.copy() if self.total is None else self.total + gradient

    def result(self) -> Any:
        return _shared(self.total, self.count) if self.mean else self.total


def _shared(total: np.ndarray, count: Any) -> np.ndarray:
    return (total / np.asarray(count, total.dtype)).astype(total.dtype)


class _Row(NamedTuple):
    """What has come for one index."""

    place: int
    total: np.ndarray
    times: int


class SparseAccumulator(Accumulator):
    """Rows by index; `total` has for each index its row's sum and the number of gradients that had it.

    Gradients come with their indices in order, and are merged as two sorted lists are. The first stays as it came.
    """

    row: tuple[int, ...] = ()  # the shape of a slice

    def check(self, *parts: Any) -> None:
        indices, values, shape, has_shape = parts
        if indices.ndim != 1:
            raise ValueError(f"Input indices should be vector but received shape: {shapes.text(indices.shape)}")
        if values.ndim == 0:
            raise ValueError("Values cannot be 0-dimensional.")
        if len(values) != len(indices):
            raise ValueError(f"Expected {len(indices)} non-empty input values, got {len(values)}")
        known = () if self.dims is None else self.dims
        if has_shape:
            self._check_shape(known, shape.tolist())
        if known and known[0] not in (None, -1):
            self._check_indices(indices.tolist(), known[0])
        self._check_rows(known, values.shape)

    def _check_shape(self, known: tuple[Any, ...], shape: list[int]) -> None:
        """The shape that is said of the whole: it may have more axes than what the accumulator knows."""
        if len(known) > len(shape):
            raise ValueError(f"Shape mismatch: expected shape rank at least {len(known)}, got {len(shape)}")
        for i, (size, given) in enumerate(zip(known, shape, strict=False)):
            if size not in (None, -1, given):
                raise ValueError(f"Shape mismatch: expected shape dim {i} to be {size}, got {given}")

    def _check_indices(self, indices: list[int], size: int) -> None:
        for i, index in enumerate(indices):
            if index >= size:
                raise ValueError(
                    f"Shape mismatch: index of slice {i} exceeded limits of shape; index is {index} exceeded {size}"
                )

    def _check_rows(self, known: tuple[Any, ...], given: tuple[int, ...]) -> None:
        """The slices themselves: as those that have come, or as what the accumulator knows."""
        wanted, exactly = known, bool(self.total)
        if exactly:
            wanted = (None, *self.total[0].total.shape)
        if len(wanted) > len(given) or (exactly and len(wanted) != len(given)):
            least = "" if exactly else "at least "
            raise ValueError(f"Shape mismatch: expected values rank {least}{len(wanted)}, got {len(given)}")
        for i, (size, have) in enumerate(zip(wanted[1:], given[1:], strict=False), 1):
            if size not in (None, -1, have):
                raise ValueError(f"Shape mismatch: expected values dim {i} to be {size}, got {have}")

    def add(self, *parts: Any) -> None:
        indices, values, _, _ = parts
        self.row = values.shape[1:]
        new = [_Row(i, np.array(row, values.dtype), 1) for i, row in zip(indices.tolist(), values, strict=True)]
        self.total = new if self.total is None else _merged(self.total, new)

    def result(self) -> Any:
        rows = [_shared(row.total, row.times) if self.mean else row.total for row in self.total]
        values = np.array(rows, self.dtype.as_numpy_dtype).reshape(len(rows), *self.row)
        first = self.dims[0] if self.dims else None  # others are as those of the slices, whatever was said of them
        shape = np.array([-1 if first is None else first, *self.row], np.int64)
        return np.array([row.place for row in self.total], np.int64), values, shape


def _merged(a: list[_Row], b: list[_Row]) -> list[_Row]:
    """Two lists in the order of their indices as one, where rows of one index are added up."""
    found, a, b = [], a[::-1], b[::-1]
    while a and b:
        if a[-1].place == b[-1].place:
            place, total, times = a.pop()
            found.append(_Row(place, total + b.pop().total, times + 1))
        else:
            found.append((a if a[-1].place < b[-1].place else b).pop())
    return found + a[::-1] + b[::-1]


_TYPE = Attr("type", allowed=NUMBERS)
_MADE: dict[str, Any] = {
    "dtype": _TYPE, "shape": Attr("shape"), "container": "", "shared_name": "", "stateful": True, "source": ("O06",),
    "reduction_type": Attr("string", default="MEAN", allowed=("MEAN", "SUM")),
}  # fmt: skip


def _makes(kind: type[Accumulator]) -> Any:
    def make(dtype, shape, reduction_type):
        return kind(dtype, shape.as_tuple, reduction_type == "MEAN")

    return make


def _scalar(context: ShapeContext) -> shapes.Shape:
    return ()


for _name, _kind, _handle in (
    ("ConditionalAccumulator", Accumulator, "Ref(string)"),
    ("SparseConditionalAccumulator", SparseAccumulator, "Ref(string)"),
    ("ResourceConditionalAccumulator", Accumulator, "resource"),
):
    _op = define_op(_name, f"-> handle: {_handle}", by_handle=_handle != "resource", **_MADE)
    _op.state(_makes(_kind))
    _op.kernel(lambda state: handle_to(state))
    _op.shape(_scalar)
    _op.no_gradient_registered()


def apply_kernel(handle, local_step, gradient):
    state_of(handle).apply(int(local_step), np.asarray(gradient))


def take_kernel(handle, num_required):
    return state_of(handle).take(int(num_required))


def count_kernel(handle):
    return np.array(state_of(handle).count, np.int32)


def set_step_kernel(handle, new_global_step):
    state_of(handle).step = int(new_global_step)


def sparse_apply_kernel(handle, local_step, gradient_indices, gradient_values, gradient_shape, has_known_shape):
    state_of(handle).apply(int(local_step), gradient_indices, gradient_values, gradient_shape, has_known_shape)


for _prefix, _handle in (("", "Ref(string)"), ("Resource", "resource")):
    _more: dict[str, Any] = {"stateful": True, "by_handle": not _prefix, "source": ("O06",)}
    _input = f"handle: {_handle}"
    _parts: tuple[tuple[str, str, Any, dict[str, Any]], ...] = (
        ("ApplyGradient", ", local_step: int64[], gradient: dtype ->", apply_kernel, {"dtype": _TYPE}),
        ("TakeGradient", ", num_required: int32[] -> average: dtype", take_kernel, {"dtype": _TYPE}),
        ("NumAccumulated", " -> num_accumulated: int32[]", count_kernel, {}),
        ("SetGlobalStep", ", new_global_step: int64[] ->", set_step_kernel, {}),
    )
    for _end, _rest, _kernel, _attrs in _parts:
        _op = define_op(f"{_prefix}Accumulator{_end}", _input + _rest, **_attrs, **_more)
        _op.kernel(_kernel)
        _op.waits = _kernel is take_kernel
        _op.no_gradient_registered()

_BY_REFERENCE: dict[str, Any] = {"stateful": True, "by_handle": True, "source": ("O06",), "dtype": _TYPE}
SPARSE_APPLY = define_op(
    "SparseAccumulatorApplyGradient",
    "handle: Ref(string), local_step: int64[], gradient_indices: int64, gradient_values: dtype, "
    "gradient_shape: int64 ->",
    has_known_shape=Attr("bool"), **_BY_REFERENCE,
)  # fmt: skip
SPARSE_TAKE = define_op("SparseAccumulatorTakeGradient", "handle: Ref(string), num_required: int32[] -> "
                        "indices: int64[N], values: dtype, shape: int64[R]", **_BY_REFERENCE)  # fmt: skip
SPARSE_APPLY.kernel(sparse_apply_kernel)
SPARSE_TAKE.kernel(take_kernel)
SPARSE_TAKE.waits = True
SPARSE_APPLY.no_gradient_registered()
SPARSE_TAKE.no_gradient_registered()
