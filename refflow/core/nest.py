"""Structures of tensors: lists, tuples, dictionaries and what else is made of tensors, as flat lists and back.

    flatten({"a": [x, y], "b": z}) = [x, y, z]          pack(structure, [1, 2, 3]) = {"a": [1, 2], "b": 3}

IndexedSlices, SparseTensors, and anything with `_parts()` and `_with_parts(parts)` count as structures.

Next: ops/conditionals.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from refflow.core.indexed_slices import IndexedSlices
from refflow.core.sparse_tensor import SparseTensor


def flatten(structure: Any) -> list[Any]:
    """The leaves, in order; dictionaries by their sorted keys."""
    parts = _parts(structure)
    return [structure] if parts is None else [leaf for part in parts for leaf in flatten(part)]


def pack(structure: Any, flat: Sequence[Any]) -> Any:
    """`structure` with the leaves replaced by those of `flat`."""
    leaves = iter(flat)
    packed = _packed(structure, leaves)
    if next(leaves, _END) is not _END:
        raise ValueError(f"there are {len(flat)} values, more than the structure {structure!r} has leaves")
    return packed


def map_structure(function: Callable[..., Any], *structures: Any) -> Any:
    """`function` of the corresponding leaves, in the first structure."""
    return pack(structures[0], [function(*leaves) for leaves in zip(*map(flatten, structures), strict=True)])


def assert_same(a: Any, b: Any, what: str, types: bool = False) -> None:
    """A ValueError where two structures differ in more than their leaves.

    types: a TypeError where one has a list, and the other a tuple, or tuples of other names.
    """
    pa, pb = _parts(a), _parts(b)
    if types and pa is not None and pb is not None and _kind(a) != _kind(b):
        raise TypeError(
            "The two structures don't have the same nested structure: The two structures don't have the same "
            f"sequence type. First structure has type {type(a).__name__}, while second structure has type "
            f"{type(b).__name__} ({what}: {_shown(a)} and {_shown(b)})"
        )
    if (pa is None) != (pb is None) or len(pa or ()) != len(pb or ()):
        raise ValueError(
            f"The two structures don't have the same nested structure: {what} do not have the same structure: "
            f"{_shown(a)} and {_shown(b)}"
        )
    if isinstance(a, dict) and sorted(a) != sorted(b):
        raise ValueError(
            f"The two structures don't have the same nested structure: {what} do not have the same keys: {sorted(a)} "
            f"and {sorted(b)}"
        )
    for x, y in zip(pa or (), pb or (), strict=True):
        assert_same(x, y, what, types)


_END = object()


def _parts(structure: Any) -> list[Any] | None:
    if isinstance(structure, dict):
        return [structure[key] for key in sorted(structure)]
    if isinstance(structure, (list, tuple)):
        return list(structure)
    if isinstance(structure, IndexedSlices):
        return [p for p in (structure.values, structure.indices, structure.dense_shape) if p is not None]
    if isinstance(structure, SparseTensor):
        return [structure.indices, structure.values, structure.dense_shape]
    return structure._parts() if hasattr(structure, "_with_parts") else None


def _kind(structure: Any) -> Any:
    """What has to be equal for two sequences to be of one type: of tuples with names, their class's name and those."""
    if hasattr(structure, "_fields"):
        return type(structure).__name__, structure._fields
    kinds = (dict, list, tuple, IndexedSlices, SparseTensor)
    return next((kind for kind in kinds if isinstance(structure, kind)), None)


def _packed(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        made = {key: _packed(structure[key], leaves) for key in sorted(structure)}
        return {key: made[key] for key in structure}
    parts = _parts(structure)
    if parts is None:
        leaf = next(leaves, _END)
        if leaf is _END:
            raise ValueError("there are fewer values than the structure has leaves")
        return leaf
    found = [_packed(part, leaves) for part in parts]
    if isinstance(structure, (IndexedSlices, SparseTensor)):
        return type(structure)(*found)
    if hasattr(structure, "_with_parts"):
        return structure._with_parts(found)
    return type(structure)(*found) if hasattr(structure, "_fields") else type(structure)(found)


def _shown(structure: Any) -> str:
    parts = _parts(structure)
    return "*" if parts is None else f"{type(structure).__name__}({', '.join(map(_shown, parts))})"
