"""tf.nest: structures of lists, tuples and mappings as flat lists, and back; composite tensors whole, or in parts.

Next: compat/shadow/nest.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from refflow.core import nest
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.sparse_tensor import SparseTensor

__all__ = ["assert_same_structure", "flatten", "is_nested", "map_structure", "pack_sequence_as"]


def is_nested(seq: Any) -> bool:
    """Whether it is a list, a tuple or a mapping."""
    return isinstance(seq, (Mapping, list, tuple))


def _is_composite(value: Any) -> bool:
    return isinstance(value, (IndexedSlices, SparseTensor)) or hasattr(value, "_with_parts")


def _parts(structure: Any, expand: bool) -> list[Any] | None:
    """What is in it, in order; None for a leaf."""
    if isinstance(structure, Mapping):
        return [structure[key] for key in sorted(structure)]
    if isinstance(structure, (list, tuple)):
        return list(structure)
    return nest.flatten(structure) if expand and _is_composite(structure) else None


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves, a mapping's in the order of its keys; with `expand_composites` a SparseTensor is three of them."""
    parts = _parts(structure, expand_composites)
    return [structure] if parts is None else [leaf for part in parts for leaf in flatten(part, expand_composites)]


def pack_sequence_as(structure: Any, flat_sequence: Sequence[Any], expand_composites: bool = False) -> Any:
    """`structure` with these leaves."""
    if not is_nested(flat_sequence):
        raise TypeError(f"Attempted to pack value:\n  {flat_sequence}\ninto a structure, but found incompatible type "
                        f"`{type(flat_sequence).__name__}` instead.")  # fmt: skip
    flat = list(flat_sequence)
    wanted = len(flatten(structure, expand_composites))
    if len(flat) != wanted:
        if _parts(structure, expand_composites) is None:
            raise ValueError(f"The target structure is of type `{type(structure).__name__}`\n  {structure}\nHowever "
                             f"the input is a sequence ({type(flat_sequence).__name__}) of length {len(flat)}.\n  "
                             f"{flat}")  # fmt: skip
        raise ValueError(f"Could not pack sequence. Structure had {wanted} atoms, but flat_sequence had {len(flat)} "
                         f"items.  Structure: {structure}, flat_sequence: {flat_sequence}.")  # fmt: skip
    return _packed(structure, iter(flat), expand_composites)


def _packed(structure: Any, leaves: Any, expand: bool) -> Any:
    parts = _parts(structure, expand)
    if parts is None:
        return next(leaves)
    if _is_composite(structure):
        return nest.pack(structure, [next(leaves) for _ in parts])
    made = [_packed(part, leaves, expand) for part in parts]
    if isinstance(structure, Mapping):
        found = dict(zip(sorted(structure), made, strict=True))
        kept: Any = {key: found[key] for key in structure}
        kind: Any = type(structure)
        made = [structure.default_factory, kept] if hasattr(structure, "default_factory") else [kept]
        return kind(*made)
    return type(structure)(*made) if hasattr(structure, "_fields") else type(structure)(made)


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False) -> None:
    """ValueError where they differ in more than leaves, TypeError where their kinds of sequences do."""
    try:
        _compare(nest1, nest2, check_types, expand_composites)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{error}\nEntire first structure:\n{nest1}\nEntire second structure:\n{nest2}") from None


def _compare(a: Any, b: Any, check_types: bool, expand: bool) -> None:
    first, second = _parts(a, expand), _parts(b, expand)
    if (first is None) != (second is None):
        which = ("Substructure", "is a sequence, while substructure", "is not")
        raise ValueError(f"The two structures don't have the same nested structure. {which[0]} "
                         f"{'first' if first is not None else 'second'} {which[1]} "
                         f"{'second' if first is not None else 'first'} {which[2]}: {a}, {b}")  # fmt: skip
    if first is None or second is None:
        return
    if check_types and not _same_kind(a, b):
        raise TypeError("The two structures don't have the same sequence type. First structure has type "
                        f"{type(a).__name__}, while second structure has type {type(b).__name__}.")  # fmt: skip
    if isinstance(a, Mapping) and isinstance(b, Mapping) and set(a) != set(b):
        raise ValueError(f"The two dictionaries don't have the same set of keys. First structure has keys {list(a)}, "
                         f"while second structure has keys {list(b)}.")  # fmt: skip
    if len(first) != len(second):
        raise ValueError("The two structures don't have the same number of elements. First structure: "
                         f"{len(first)}, second: {len(second)}.")  # fmt: skip
    for x, y in zip(first, second, strict=True):
        _compare(x, y, check_types, expand)


def _same_kind(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping):
        return isinstance(b, Mapping)
    if hasattr(a, "_fields") and hasattr(b, "_fields"):
        return type(a).__name__ == type(b).__name__ and a._fields == b._fields
    return type(a) is type(b)


def map_structure(func: Callable[..., Any], *structure: Any, **kwargs: Any) -> Any:
    """`func` of the corresponding leaves, in the first structure. check_types, expand_composites: by name."""
    if not callable(func):
        raise TypeError(f"Argument `func` must be callable, got: {func}")
    if not structure:
        raise ValueError("Must provide at least one structure")
    check_types, expand = kwargs.pop("check_types", True), kwargs.pop("expand_composites", False)
    if kwargs:
        raise ValueError(f"Only valid keyword arguments are `check_types` and `expand_composites`, not: "
                         f"`{'`, `'.join(kwargs)}`")  # fmt: skip
    for other in structure[1:]:
        assert_same_structure(structure[0], other, check_types, expand)
    leaves = zip(*(flatten(one, expand) for one in structure), strict=True)
    return pack_sequence_as(structure[0], [func(*each) for each in leaves], expand)
