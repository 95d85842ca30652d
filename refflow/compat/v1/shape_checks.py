"""Assertions about ranks, shapes, types and kinds: told while the graph is built where they are known then.

    assert_shapes([(x, ("N", 28, 28)), (labels, ("N",))])     one size for each name

Next: compat/v1/debugging.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from refflow.compat.v1.checks import prefixed
from refflow.core.constants import constant_value
from refflow.core.control import group
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import NUMBERS, DType, as_dtype, float32
from refflow.core.errors import DTypeError
from refflow.core.graph import Operation, Tensor
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.shapes import Dimension, TensorShape
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.messages import Assert
from refflow.ops.variable import Variable

__all__ = [
    "assert_integer", "assert_proper_iterable", "assert_rank", "assert_rank_at_least", "assert_rank_in",
    "assert_same_float_dtype", "assert_scalar", "assert_type", "is_numeric_tensor", "is_tensor",
]  # fmt: skip

# -- ranks -------------------------------------------------------------------------------------------------------


def assert_rank(x: Any, rank: Any, data: Any = None, summarize: int | None = None, message: str | None = None,
                name: str | None = None) -> Operation:  # fmt: skip
    """An operation that fails unless x has so many axes; ValueError where that is known."""
    return _ranked(x, [rank], "Equal", "", data, summarize, message, name or "assert_rank")


def assert_rank_at_least(x: Any, rank: Any, data: Any = None, summarize: int | None = None,
                         message: str | None = None, name: str | None = None) -> Operation:  # fmt: skip
    """An operation that fails unless x has so many axes or more; ValueError where that is known."""
    return _ranked(x, [rank], "GreaterEqual", " at least", data, summarize, message, name or "assert_rank_at_least")


def assert_rank_in(x: Any, ranks: Iterable[Any], data: Any = None, summarize: int | None = None,
                   message: str | None = None, name: str | None = None) -> Operation:  # fmt: skip
    """An operation that fails unless the number of x's axes is one of `ranks`; ValueError where that is known."""
    return _ranked(x, list(ranks), "Equal", " in", data, summarize, message, name or "assert_rank_in")


def _ranked(
    x: Any, ranks: Sequence[Any], op: str, how: str, data: Any, summarize: Any, message: str | None, name: str
) -> Operation:
    with op_scope([], name, name):
        x = convert_to_tensor(x, name="x")
        wanted = [_rank(r) for r in ranks]
        have, known = x.get_shape().ndims, [constant_value(r) for r in wanted]
        start = f"Tensor {x.name} must have rank{how}"
        if have is not None and all(k is not None for k in known):
            least, numbers = op == "GreaterEqual", [int(k) for k in known]
            if not any(have == n or (least and have > n) for n in numbers):
                shown = tuple(numbers) if how == " in" else numbers[0]
                raise ValueError(
                    f"{prefixed(message)}{start} {shown}.  Received rank {have}, shape {_as_tuple(x.get_shape())}"
                )
            return op_def("NoOp")(name="static_checks_determined_all_ok")
        holds = [op_def(op)(op_def("Rank")(x), r) for r in wanted]
        any_holds = holds[0] if len(holds) == 1 else op_def("Any")(op_def("Pack")(holds), [0])
        if data is None:
            data = [prefixed(message), start, *wanted, "Received shape: ", op_def("Shape")(x)]
        return Assert(any_holds, data, summarize, name="Assert")


def _rank(given: Any) -> Tensor:
    """A rank as a scalar int32."""
    rank = convert_to_tensor(given, name="rank")
    if rank.dtype.base_dtype.name != "int32":
        raise DTypeError(f"{rank.name} must be of type tf.int32; got {rank.dtype!r}")
    if rank.get_shape().ndims not in (0, None):
        raise ValueError("Rank must be a scalar.")
    return rank


def _as_tuple(shape: Any) -> str:
    return "<unknown>" if shape.ndims is None else str(tuple(shape.as_list()))


# -- shapes ------------------------------------------------------------------------------------------------------


def assert_scalar(tensor: Any, name: str | None = None, message: str | None = None) -> Tensor:
    """`tensor`, which must be known to be a scalar."""
    with op_scope([], name, "assert_scalar") as scope:
        tensor = convert_to_tensor(tensor, name=scope)
        if tensor.get_shape().ndims != 0:
            shape = _as_tuple(tensor.get_shape())
            raise ValueError(f"{prefixed(message)}Expected scalar shape for {tensor.name}, saw shape: {shape}.")
        return tensor


def assert_shapes(
    shapes: Any, data: Any = None, summarize: int | None = None, message: str | None = None, name: str | None = None
) -> Operation:
    """An operation that fails unless each tensor fits its shape: numbers, None or "." for any size, and names.

    shapes: pairs of a tensor and a shape, or a dictionary. Equal names are equal sizes. "..." or "*" as the first entry
    stands for any number of axes. A ValueError where it is known not to hold.
    """
    with op_scope([], name, "assert_shapes"):
        pairs = list(shapes.items()) if isinstance(shapes, dict) else list(shapes)
        sizes: dict[Any, tuple[Any, str]] = {}
        checks: list[Any] = []
        for tensor, wanted in pairs:
            x = tensor.values if isinstance(tensor, SparseTensor) else convert_to_tensor(tensor)
            checks += _shape_checks(x, _entries(x, wanted), sizes, data, summarize, message)
        return group(*[c for c in checks if c is not None], name="group_deps")


def _entries(x: Tensor, wanted: Any) -> list[Any]:
    """A shape as its entries; `...` only at the beginning."""
    wanted = wanted.as_list() if isinstance(wanted, TensorShape) else wanted
    entries = list(wanted) if isinstance(wanted, Iterable) else [wanted]
    for i, entry in enumerate(entries):
        if entry in (..., "*") and i:
            raise ValueError(
                f"Tensor {x.name} specified shape index {i}.  Symbol `...` or `*` for a variable number of "
                "unspecified dimensions is only allowed as the first entry"
            )
    return entries


def _shape_checks(
    x: Tensor, entries: list[Any], sizes: dict[Any, tuple[Any, str]], data: Any, summarize: Any, message: str | None
) -> list[Any]:
    """The operations that hold one tensor's shape; `sizes`: those that names have so far, and who said so."""
    free = bool(entries) and entries[0] in (..., "*")
    entries = entries[1:] if free else entries
    rank = len(entries)
    if free:
        checks: list[Any] = [assert_rank_at_least(x, rank, data, summarize, message)]
    elif rank == 1:  # a scalar passes for a vector of one
        checks = [assert_rank_in(x, [0, 1], data, summarize, message)]
    else:
        checks = [assert_rank(x, rank, data, summarize, message)]
    known = TensorShape([1]) if x.get_shape().ndims == 0 else x.get_shape()
    for i, entry in enumerate(entries):
        at = i - rank if free else i
        if entry is None or entry == "." or (isinstance(entry, Dimension) and entry.value is None):
            continue
        have = known[at].value if known.ndims else None
        padded = op_def("ConcatV2")([[1], op_def("Shape")(x)], 0) if have is None else None  # a scalar's size is 1
        size = have if padded is None else padded[i - rank]
        if isinstance(entry, str):
            if entry not in sizes:
                sizes[entry] = size, f"Specified by tensor {x.name} dimension {i}"
                continue
            wanted, who = sizes[entry]
        else:
            wanted, who = int(entry), "Specified explicitly"
        checks.append(_size_check(x, i, size, wanted, who, data, summarize, message))
    return checks


def _size_check(x: Tensor, i: int, size: Any, wanted: Any, who: str, data: Any, summarize: Any, message: Any) -> Any:
    """An operation that fails unless one size is the one wanted; None where it is known to be."""
    if isinstance(size, int) and isinstance(wanted, int):
        if size != wanted:
            raise ValueError(
                f"{prefixed(message)}{who}.  Tensor {x.name} dimension {i} must have size {wanted}.  "
                f"Received size {size}, shape {_as_tuple(x.get_shape())}"
            )
        return None
    said = data or [prefixed(message), who, f"Tensor {x.name} dimension", i, "must have size", wanted,
                    "Received shape: ", op_def("Shape")(x)]  # fmt: skip
    return Assert(op_def("Equal")(convert_to_tensor(size), wanted), said, summarize, name="Assert")


# -- types and kinds ---------------------------------------------------------------------------------------------


def assert_type(tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Does nothing; a TypeError where the tensor's type is another."""
    with op_scope([], name, "assert_type"):
        tensor = tensor if isinstance(tensor, SparseTensor) else convert_to_tensor(tensor, name="tensor")
        if tensor.dtype.base_dtype is not as_dtype(tf_type).base_dtype:
            called = getattr(tensor, "name", "")
            raise DTypeError(f"{prefixed(message)}{called} must be of type {as_dtype(tf_type)!r}; got {tensor.dtype!r}")
        return op_def("NoOp")(name="statically_determined_correct_type")


def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Does nothing; a TypeError where x holds no whole numbers."""
    with op_scope([], name, "assert_integer"):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_integer:
            said = f'Expected "x" to be integer type.  Found: {x.name} of dtype {x.dtype.base_dtype}'
            raise TypeError(prefixed(message) + said)
        return op_def("NoOp")(name="statically_determined_was_integer")


def assert_same_float_dtype(tensors: Sequence[Any] | None = None, dtype: Any = None) -> DType:
    """The float type of all `tensors`, which must be `dtype` where that is said; float32 where nothing is."""
    wanted = None if dtype is None else as_dtype(dtype).base_dtype
    first = None
    for tensor in tensors or ():
        have = as_dtype(tensor.dtype).base_dtype
        if wanted is None:
            wanted, first = have, tensor
        elif have is not wanted:
            why = f" as {first.name}" if first is not None else ""
            raise ValueError(f"{tensor.name}, type={have}, must be of the same type ({wanted}){why}.")
    wanted = wanted or float32
    if not wanted.is_floating:
        raise ValueError(f"Expected floating point type, got {wanted}.")
    return wanted


def assert_proper_iterable(values: Any) -> None:
    """A TypeError for what holds no tensors one after the other, or is itself one value."""
    if isinstance(values, (Tensor, SparseTensor, IndexedSlices, np.ndarray, bytes, str)):
        raise TypeError(f'Expected argument "values" to be a "proper" iterable.  Found: {type(values)}')
    if not hasattr(values, "__iter__"):
        raise TypeError(f'Expected argument "values" to be iterable.  Found: {type(values)}')


def is_tensor(x: Any) -> bool:
    """Whether x is a tensor, a variable, slices or a sparse tensor; an array is none."""
    return isinstance(x, (Tensor, Variable, SparseTensor, IndexedSlices)) or hasattr(x, "row_splits")


def is_numeric_tensor(tensor: Any) -> bool:
    """Whether it is a tensor of numbers."""
    return isinstance(tensor, Tensor) and (tensor.dtype.base_dtype in NUMBERS or tensor.dtype.is_quantized)
