"""Ragged tensors as elements of variant tensors, so that loops and lists can hold rows of different lengths [W06].

    RaggedTensorToVariant     a whole ragged tensor in one element, or with `batched_input` a vector of its rows
    RaggedTensorFromVariant   elements put together: the axes of the variant tensor become levels of splits

An element is the nested splits and the values of one ragged tensor.

Next: ops/ragged_to_tensor.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.dtypes import DType, bfloat16, int64
from refflow.core.errors import ShapeError
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.ragged import SPLITS
from refflow.ops.sparse import ANY

TO_VARIANT = define_op(
    "RaggedTensorToVariant", "rt_nested_splits: RAGGED_RANK * Tsplits, rt_dense_values: Tvalues -> encoded_ragged: "
    "variant", RAGGED_RANK=Attr("int", minimum=0), Tvalues=ANY, Tsplits=SPLITS, batched_input=Attr("bool"),
    source=("W06",),
)  # fmt: skip
FROM_VARIANT = define_op(
    "RaggedTensorFromVariant", "encoded_ragged: variant -> output_nested_splits: output_ragged_rank * Tsplits, "
    "output_dense_values: Tvalues", input_ragged_rank=Attr("int", minimum=-1),
    output_ragged_rank=Attr("int", minimum=0), Tvalues=ANY, Tsplits=SPLITS, source=("W06",),
)  # fmt: skip
TO_VARIANT_GRAD = define_op(
    "RaggedTensorToVariantGradient", "encoded_ragged_grad: variant, row_splits: Tsplits, dense_values_shape: int32 "
    "-> dense_values_grad: Tvalues", Tvalues=ANY, Tsplits=SPLITS, source=("W30",),
)  # fmt: skip
for _op in (TO_VARIANT, FROM_VARIANT, TO_VARIANT_GRAD):
    _op.no_gradient_registered()


@dataclass(frozen=True, eq=False)
class Ragged:
    """One ragged tensor, or a dense one if there are no splits."""

    splits: tuple[np.ndarray, ...]
    values: np.ndarray
    dtype: DType

    def __len__(self) -> int:
        return len(self.splits[0]) - 1 if self.splits else len(self.values)

    def __add__(self, other: Ragged) -> Ragged:
        """The sum of two gradients, which have the same rows."""
        return Ragged(self.splits, self.values + other.values, self.dtype)

    def zeros_like(self) -> Ragged:
        return Ragged(self.splits, np.zeros_like(self.values), self.dtype)

    def rows(self) -> list[Ragged]:
        """Each row with one level less."""
        found = []
        ends = self.splits[0].tolist() if self.splits else range(len(self) + 1)
        for a, b in itertools.pairwise(ends):
            inner = []
            for splits in self.splits[1:]:
                part = splits[a : b + 1]
                inner.append(part - part[0])
                a, b = int(part[0]), int(part[-1])
            values = self.values[a:b] if self.splits else self.values[a]
            found.append(Ragged(tuple(inner), values, self.dtype))
        return found


def _elements(parts: Sequence[Any], dims: tuple[int, ...]) -> np.ndarray:
    found = np.empty(len(parts), object)
    for i, part in enumerate(parts):
        found[i] = part
    return found.reshape(dims)


def _must_fit(splits: np.ndarray, count: int) -> None:
    """Splits begin at 0, do not fall, and end with the number of what they split."""
    if splits.ndim != 1:
        raise ValueError(f"Invalid ragged splits: ragged splits must be rank 1 but is rank {splits.ndim}")
    if not len(splits):
        raise ValueError("Invalid ragged splits: ragged splits must have at least one splits, but is empty")
    if splits[0] != 0:
        raise ValueError(f"Invalid ragged splits: first element of ragged splits  must be 0 but is {splits[0]}")
    falls = np.flatnonzero(np.diff(splits) < 0)
    if len(falls):
        i = int(falls[0])
        raise ValueError(
            "Invalid ragged splits: ragged splits must be monotonically increasing, but "
            f"ragged_splits[{i + 1}]={splits[i + 1]} is smaller than row_splits[{i}]={splits[i]}"
        )
    if splits[-1] != count:
        raise ValueError(
            "Invalid ragged splits: last element of ragged splits must be the number of ragged "
            f"values({count}) but is {splits[-1]}"
        )


@TO_VARIANT.kernel
def to_variant_kernel(rt_nested_splits, rt_dense_values, batched_input, Tvalues):
    counts = [*(len(s) - 1 for s in rt_nested_splits[1:]), len(rt_dense_values)]
    for splits, count in zip(rt_nested_splits, counts, strict=False):
        _must_fit(splits, count)
    whole = Ragged(tuple(np.array(s) for s in rt_nested_splits), np.array(rt_dense_values), Tvalues)
    if not batched_input:
        return _elements([whole], ())
    rows = whole.rows()
    return _elements(rows, (len(rows),))


@TO_VARIANT.shape
def _to_variant_shape(context: ShapeContext) -> shapes.Shape:
    values, splits = context.dims("rt_dense_values"), context.list_dims("rt_nested_splits")
    if values == ():
        raise ShapeError("Shape must be at least rank 1 but is rank 0")
    if not context.attrs["batched_input"]:
        return ()
    if not splits:
        return (None if values is None else values[0],)
    rows = splits[0]
    return (None if not rows or rows[0] is None else rows[0] - 1,)


def _checked(element: Any, rank: int, dtype: DType) -> Ragged:
    if not isinstance(element, Ragged):
        raise ValueError("Input Variant element could not be retrieved as a ragged tensor")
    if len(element.splits) != rank:
        raise ValueError(
            f"Encoded input RaggedTensorVariant has ragged_rank={len(element.splits)}.  Expected ragged_rank={rank}."
        )
    if element.dtype is not dtype:
        raise ValueError(f"Expected values Tensor dtype: {_called(dtype)}, found: {_called(element.dtype)}")
    return element


def _called(dtype: DType) -> str:
    return {"float32": "float", "float64": "double", "float16": "half"}.get(dtype.name, dtype.name)


def _plain(dtype: DType) -> Any:
    return np.float32 if dtype is bfloat16 else dtype.as_numpy_dtype


def _alike(parts: Sequence[Ragged], start: int) -> None:
    """Values have one shape, from the axis `start` on."""
    for i, part in enumerate(parts):
        if part.values.shape[start:] != parts[0].values.shape[start:]:
            raise ValueError(
                "All flat_values must have compatible shapes.  Shape at index 0: "
                f"{shapes.text(parts[0].values.shape)}.  Shape at index {i}: {shapes.text(part.values.shape)}.  If you "
                "are using tf.map_fn, then you may need to specify an explicit fn_output_signature."
            )


def _stacked(parts: Sequence[Ragged], dims: tuple[int, ...], dtype: DType) -> list[np.ndarray]:
    """Dense elements as one dense tensor."""
    _alike(parts, 0)
    inner = parts[0].values.shape if parts else ()
    values = np.stack([p.values for p in parts]) if parts else np.zeros(0, _plain(dtype))
    return [values.reshape((*dims, *inner))]


@FROM_VARIANT.kernel
def from_variant_kernel(encoded_ragged, input_ragged_rank, output_ragged_rank, Tvalues, Tsplits=int64):
    """Splits for the axes of the variant tensor but the last, for its elements, and theirs joined."""
    axes = encoded_ragged.ndim
    rank = input_ragged_rank if input_ragged_rank >= 0 else output_ragged_rank - axes
    if not output_ragged_rank and input_ragged_rank < 0:
        return _stacked([_checked(e, 0, Tvalues) for e in encoded_ragged.reshape(-1).tolist()], encoded_ragged.shape,
                        Tvalues)  # fmt: skip
    if rank < 0:
        raise ValueError(
            f"Inferred input_ragged_rank (output_ragged_rank - encoded_variant.dims()) must be >= 0, found "
            f"output_ragged_rank: {output_ragged_rank}, encoded_variant.dims(): {axes}, inferred input_ragged_rank: "
            f"{rank}"
        )
    if output_ragged_rank != axes + rank:
        raise ValueError(
            f"output_ragged_rank must be equal to input_ragged_rank + encoded_ragged.dims(); output_ragged_rank: "
            f"{output_ragged_rank}, input_ragged_rank: {rank}, encoded_variant.dims(): {axes}."
        )
    parts = [_checked(e, rank, Tvalues) for e in encoded_ragged.reshape(-1).tolist()]
    if not axes:
        return [*(s.astype(Tsplits.as_numpy_dtype) for s in parts[0].splits), parts[0].values]
    outer = [
        np.arange(int(np.prod(encoded_ragged.shape[:axis], dtype=np.int64)) + 1) * encoded_ragged.shape[axis]
        for axis in range(1, axes)
    ]
    outer.append(np.cumsum([0, *map(len, parts)]))
    for level in range(rank):
        ends = np.cumsum([0, *(p.splits[level][-1] for p in parts)])
        outer.append(np.concatenate([[0], *(p.splits[level][1:] + at for p, at in zip(parts, ends, strict=False))]))
    _alike(parts, 1)
    values = np.concatenate([p.values for p in parts]) if parts else np.zeros(0, _plain(Tvalues))
    return [*(s.astype(Tsplits.as_numpy_dtype) for s in outer), values]


@FROM_VARIANT.shape
def _from_variant_shape(context: ShapeContext) -> list[shapes.Shape]:
    dims, rank, count = (context.dims("encoded_ragged"), context.attrs["input_ragged_rank"],
                         context.attrs["output_ragged_rank"])  # fmt: skip
    if dims is not None and rank >= 0 and len(dims) != count - rank:
        raise ShapeError(f"Shape must be rank {count - rank} but is rank {len(dims)}")
    return [(None,)] * count + [None]


@TO_VARIANT_GRAD.kernel
def to_variant_gradient_kernel(encoded_ragged_grad, row_splits, dense_values_shape, Tvalues):
    """The rows' gradients one after the other; a row for which there is none gets zeros."""
    if not encoded_ragged_grad.ndim:
        return encoded_ragged_grad.item().values
    sizes = [int(d) for d in dense_values_shape]
    found = np.zeros(sizes, np.float32 if Tvalues is bfloat16 else Tvalues.as_numpy_dtype)
    ends = row_splits.tolist() if len(row_splits) else range(len(encoded_ragged_grad) + 1)
    for element, (a, b) in zip(encoded_ragged_grad.tolist(), itertools.pairwise(ends), strict=True):
        if isinstance(element, Ragged):
            found[a:b] = element.values
    return found


@TO_VARIANT_GRAD.shape
def _to_variant_gradient_shape(context: ShapeContext) -> shapes.Shape:
    from refflow.ops.constant import shape_from

    return shape_from(context, "dense_values_shape")
