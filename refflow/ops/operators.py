"""Python's operators on tensors: each builds one node, named after the operator [S17].

The other operand takes the type of the tensor it meets. `==` stays identity, so that tensors can be
dictionary keys [W81].

Next: core/gradients.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.errors import DTypeError
from refflow.core.graph import Tensor
from refflow.ops import elementwise, logic
from refflow.ops.array import identity, squeeze
from refflow.ops.joining import slice_
from refflow.ops.matmul import matmul
from refflow.ops.variable import Variable

_BINARY: dict[str, Callable[..., Any]] = {
    "add": elementwise.ADD,
    "sub": elementwise.SUB,
    "mul": elementwise.MUL,
    "truediv": elementwise.DIV,
    "mod": elementwise.MOD,
    "and": logic.LOGICAL_AND,
    "or": logic.LOGICAL_OR,
    "xor": logic.logical_xor,
}
_COMPARE = {
    "lt": logic.LESS,
    "le": logic.LESS_EQUAL,
    "gt": logic.GREATER,
    "ge": logic.GREATER_EQUAL,
}
_NODE_NAMES = {
    "truediv": "div", "and": "and_", "or": "or_",
    "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
}  # fmt: skip


def _binary(name: str, op_def: Any) -> Callable[[Any, Any], Any]:
    def operator(x: Any, y: Any) -> Any:
        with op_scope([x, y], None, name) as scope:
            x = convert_to_tensor(x, name="x")
            return op_def(x, _like(y, x, "y"), name=scope)

    return operator


def _reflected(name: str, op_def: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def operator(y: Any, x: Any) -> Any:
        with op_scope([x, y], None, name) as scope:
            y = convert_to_tensor(y, name="y")
            return op_def(_like(x, y, "x"), y, name=scope)

    return operator


def _like(value: Any, tensor: Tensor, name: str) -> Tensor:
    """`value` as a tensor of the type of the tensor that it meets."""
    wanted = tensor.dtype.base_dtype
    try:
        return convert_to_tensor(value, wanted, name)
    except TypeError as error:
        raise DTypeError(
            f"{tensor.name!r} is {wanted.name}, and what it is combined with cannot be: {error}. Write the other "
            "operand in that type, or use cast()"
        ) from None


def _matmul(x: Any, y: Any) -> Tensor:
    return matmul(x, y)


def _rmatmul(y: Any, x: Any) -> Tensor:
    return matmul(x, y)


def _getitem(tensor: Any, key: Any) -> Tensor:
    """Ints and slices of step 1: a Slice, then a Squeeze of the axes that an int chose."""
    keys: Any = key if isinstance(key, tuple) else (key,)
    with op_scope([tensor], None, "Slice") as scope:
        tensor = convert_to_tensor(tensor)
        if tensor.dims is None:
            raise ValueError(f"{tensor.name!r} has unknown rank, so it cannot be indexed; use set_shape() or slice()")
        keys = _spell_out(keys, len(tensor.dims), tensor.name)
        begin, size, drop = [], [], []
        for axis, k in enumerate(keys):
            start, length = _extent(k, tensor.dims[axis], tensor.name)
            begin.append(start)
            size.append(length)
            if not isinstance(k, slice):
                drop.append(axis)
        if not begin:
            return identity(tensor, name=scope)
        cut = slice_(tensor, begin, size, name=scope)
        return squeeze(cut, drop) if drop else cut


def _spell_out(keys: tuple[Any, ...], rank: int, name: str) -> list[Any]:
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(keys) - len(dots) > rank:
        raise IndexError(f"{name!r} has rank {rank}, but {len(keys)} indices are given")
    if len(dots) > 1:
        raise IndexError("only one ... may stand in an index")
    fill = [slice(None)] * (rank - len(keys) + len(dots))
    at = dots[0] if dots else len(keys)
    return [*keys[:at], *fill, *keys[at + 1 :]]


def _extent(key: Any, length: int | None, name: str) -> tuple[int, int]:
    """Where a key begins, and how many it takes; -1 is everything that follows."""
    if isinstance(key, (int, np.integer)):
        start = int(key)
        if start < 0 or (length is not None and start >= length):
            if length is None or not -length <= start < length:
                raise IndexError(f"index {start} is not within {name!r}'s size {length}")
            start += length
        return start, 1
    if not isinstance(key, slice):
        raise DTypeError(f"{name!r} takes ints and slices as indices, got {key!r}")
    if key.step not in (None, 1):
        raise DTypeError(f"{name!r} takes slices of step 1, got step {key.step}; use reverse() or gather()")
    if length is not None:
        start, stop, _ = key.indices(length)
        return start, max(0, stop - start)
    start = key.start or 0
    if start < 0 or (key.stop is not None and key.stop < 0):
        raise IndexError(f"{name!r} has an unknown size there, so nothing can be counted from its end")
    return start, -1 if key.stop is None else max(0, key.stop - start)


def _operators() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {"matmul": _matmul, "rmatmul": _rmatmul, "getitem": _getitem}
    for name, op_def in (_BINARY | _COMPARE).items():
        node = _NODE_NAMES.get(name, name)
        found[name] = _binary(node, op_def)
        if name in _BINARY:
            found["r" + name] = _reflected(node, op_def)
    found["neg"] = lambda x: elementwise.NEG(convert_to_tensor(x))
    found["invert"] = lambda x: logic.LOGICAL_NOT(convert_to_tensor(x))
    found["abs"] = lambda x: elementwise.ABS(convert_to_tensor(x))
    return found


for _name, _function in _operators().items():
    for _owner in (Tensor, Variable):
        setattr(_owner, f"__{_name}__", _function)
