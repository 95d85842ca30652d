"""Python's operators on tensors: each builds one node, named after the operator [S17].

The other operand takes the type of the tensor it meets. `==` stays identity, so that tensors can be
dictionary keys [W81].

Next: core/gradients.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, graph_of, op_scope
from refflow.core.errors import DTypeError, ShapeError
from refflow.core.graph import Tensor
from refflow.core.registry import op_def
from refflow.ops import arithmetic, elementwise, logic
from refflow.ops.array import identity, squeeze
from refflow.ops.cast import cast
from refflow.ops.joining import pack
from refflow.ops.matmul import matmul
from refflow.ops.slicing import slice_
from refflow.ops.variable import Variable

_INTS = (int, np.integer)

_BINARY: dict[str, Callable[..., Any]] = {
    "add": elementwise.ADD,
    "sub": elementwise.SUB,
    "mul": elementwise.MUL,
    "truediv": elementwise.DIV,
    "mod": elementwise.MOD,
    "floordiv": arithmetic.FLOOR_DIV,
    "pow": arithmetic.POW,
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
    "lt": "Less", "le": "LessEqual", "gt": "Greater", "ge": "GreaterEqual",
}  # fmt: skip


class PlaceError(ShapeError, IndexError):
    """An index beyond what a tensor is known to have."""


def _binary(name: str, op_def: Any) -> Callable[[Any, Any], Any]:
    def operator(x: Any, y: Any) -> Any:
        if hasattr(y, "_elementwise"):
            return NotImplemented  # a tensor of rows knows how it meets others
        called, build = _meaning(name, op_def, [x, y])
        with op_scope([x, y], None, called) as scope:
            x = convert_to_tensor(x, name="x")
            return build(x, _like(y, x, "y"), name=scope)

    return operator


def _reflected(name: str, op_def: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def operator(y: Any, x: Any) -> Any:
        called, build = _meaning(name, op_def, [x, y])
        with op_scope([x, y], None, called) as scope:
            y = convert_to_tensor(y, name="y")
            return build(_like(x, y, "x"), y, name=scope)

    return operator


def _meaning(name: str, op_def: Any, operands: list[Any]) -> tuple[str, Any]:
    """What an operator is called in its graph, and what it builds: / and % differ where Python 3's are meant.

    The first release's graphs do not: there 7 / 2 is 3, and -7 % 3 is -1 [W77]. Nor do the library's own pages mean
    them, whose gradients and shapes are the same in all graphs.
    """
    if name in _OF_PYTHON_3 and graph_of(operands).divides_as_python_3 and not _by_the_library():
        return name, _OF_PYTHON_3[name]
    return _NODE_NAMES.get(name, name), op_def


def _by_the_library() -> bool:
    """Whether a page of the library has the line with the operator; those of compat write as 1.x's programs do."""
    page = sys._getframe(3).f_globals.get("__name__", "")  # behind _meaning and the operator
    return page.startswith("refflow.") and not page.startswith("refflow.compat.")


def _quotient(x: Tensor, y: Tensor, name: str) -> Tensor:
    """x / y; of whole numbers as floats, of up to 16 bits as float32."""
    if x.dtype.is_integer:
        wide = np.float32 if x.dtype.size <= 2 else np.float64
        x, y = cast(x, wide), cast(y, wide)
    return arithmetic.REAL_DIV(x, y, name=name)


_OF_PYTHON_3: dict[str, Callable[..., Any]] = {"truediv": _quotient, "mod": arithmetic.FLOOR_MOD}


def _like(value: Any, tensor: Tensor, name: str) -> Tensor:
    """`value` as a tensor of the type of the tensor that it meets."""
    wanted = tensor.dtype.base_dtype
    try:
        return convert_to_tensor(value, wanted, name)
    except TypeError as error:
        advice = "" if "use cast()" in str(error) else ". Write it in that type, or use cast()"
        raise DTypeError(
            f"{tensor.name!r} is {wanted.name}, and what it is combined with cannot be: {error}{advice}"
        ) from None


def _matmul(x: Any, y: Any) -> Tensor:
    return matmul(x, y)


def _rmatmul(y: Any, x: Any) -> Tensor:
    return matmul(x, y)


def _getitem(tensor: Any, key: Any) -> Tensor:
    """Ints and slices of step 1: a Slice, then a Squeeze of the axes that an int chose. Anything else: strided_slice.

    The first release had the first form only.
    """
    keys: Any = key if isinstance(key, tuple) else (key,)
    with op_scope([tensor], None, "Slice") as scope:
        tensor = convert_to_tensor(tensor)
        if not all(_is_plain(k) for k in keys) or tensor.dims is None:
            return strided(tensor, keys)
        keys = _spell_out(keys, len(tensor.dims), tensor.name)
        if any(_asks_for_the_size(k) and size is None for k, size in zip(keys, tensor.dims, strict=True)):
            return strided(tensor, keys)
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


def _is_plain(key: Any) -> bool:
    if isinstance(key, slice):
        return key.step in (None, 1) and all(b is None or isinstance(b, _INTS) for b in (key.start, key.stop))
    return key is Ellipsis or (isinstance(key, _INTS) and not isinstance(key, bool))


def _asks_for_the_size(key: Any) -> bool:
    """Whether it counts from the end, or has a bound that may lie behind the end."""
    return bool(key.start or key.stop is not None) if isinstance(key, slice) else key < 0


def _is_list(key: Any) -> bool:
    """True for a tensor that is certainly no single number."""
    return isinstance(key, (Tensor, Variable)) and bool(key.get_shape().ndims)


def strided(tensor: Tensor, keys: tuple[Any, ...]) -> Tensor:
    """A StridedSlice of what stands between brackets: steps, None for a new axis, and bounds that are tensors."""
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks: dict[str, Any] = dict.fromkeys(names, 0)
    rows: list[tuple[Any, Any, int]] = []
    for place, key in enumerate(keys):
        begin: Any = 0
        end: Any = 0
        step = 1
        if key is Ellipsis:
            masks["ellipsis_mask"] |= 1 << place
        elif key is None:
            masks["new_axis_mask"] |= 1 << place
        elif isinstance(key, slice):
            step = 1 if key.step is None else key.step
            for mask, bound in (("begin_mask", key.start), ("end_mask", key.stop)):
                masks[mask] |= (bound is None) << place
            begin, end = (0 if b is None else b for b in (key.start, key.stop))
        elif isinstance(key, (*_INTS, Tensor, Variable)) and not isinstance(key, bool) and not _is_list(key):
            masks["shrink_axis_mask"] |= 1 << place
            begin = key
            end = begin + 1
        else:
            raise DTypeError(
                f"{tensor.name!r} takes ints, slices, ..., None and single int tensors as indices, got {key!r}. Rows "
                "by a list of numbers are gather(), also those that where() finds"
            )
        rows.append((begin, end, step))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    return op_def("StridedSlice")(tensor, *(_vector(column) for column in columns), **masks)


def _vector(items: list[Any]) -> Any:
    if any(isinstance(i, (Tensor, Variable)) for i in items):
        return pack(items)
    return np.array(items, np.int32)


def _spell_out(keys: tuple[Any, ...], rank: int, name: str) -> list[Any]:
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(keys) - len(dots) > rank:
        raise PlaceError(
            f"Index out of range using input dim {rank}; input has only {rank} dims: {name!r} has rank {rank}, but "
            f"{len(keys)} indices are given"
        )
    if len(dots) > 1:
        raise PlaceError("only one ... may stand in an index")
    fill = [slice(None)] * (rank - len(keys) + len(dots))
    at = dots[0] if dots else len(keys)
    return [*keys[:at], *fill, *keys[at + 1 :]]


def _extent(key: Any, length: int | None, name: str) -> tuple[int, int]:
    """Where a key begins, and how many it takes; -1 is everything that follows."""
    if not isinstance(key, slice):
        start = int(key)
        if length is not None and not -length <= start < length:
            raise PlaceError(f"slice index {start} is out of bounds: it is not within {name!r}'s size {length}")
        return (start if start >= 0 or length is None else start + length), 1
    if length is not None:
        start, stop, _ = key.indices(length)
        return start, max(0, stop - start)
    start = key.start or 0
    return start, -1 if key.stop is None else max(0, key.stop - start)


def _operators() -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {"matmul": _matmul, "rmatmul": _rmatmul, "getitem": _getitem}
    for name, build in (_BINARY | _COMPARE).items():
        found[name] = _binary(name, build)
        if name in _BINARY:
            found["r" + name] = _reflected(name, build)
    found["neg"] = lambda x: elementwise.NEG(convert_to_tensor(x))
    found["invert"] = lambda x: logic.LOGICAL_NOT(convert_to_tensor(x))
    found["abs"] = lambda x: elementwise.ABS(convert_to_tensor(x))
    return found


for _name, _function in _operators().items():
    for _owner in (Tensor, Variable):
        setattr(_owner, f"__{_name}__", _function)
_IN_PYTHON_2 = {"div": "truediv", "rdiv": "rtruediv", "nonzero": "bool"}  # libraries that ran on both ask for them
for _name, _today in _IN_PYTHON_2.items():
    for _owner in (Tensor, Variable):
        setattr(_owner, f"__{_name}__", getattr(_owner, f"__{_today}__"))
Tensor.OVERLOADABLE_OPERATORS = frozenset(f"__{_name}__" for _name in _operators())  # for those who wrap tensors
