"""`tensorflow.python.util.nest` and `tf.nest`: structures as flat lists and back, whole or in part.

    flatten({"b": [2, 3], "a": 1}) = [1, 2, 3]                 flatten_up_to([0, 0], [[1, 2], 3]) = [[1, 2], 3]

Next: compat/shadow/graph_mode.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any


def is_nested(structure: Any) -> bool:
    """Whether it is a list, a tuple or a mapping: not text, not a leaf."""
    return isinstance(structure, (Mapping, list, tuple)) or (
        isinstance(structure, Sequence) and not isinstance(structure, (str, bytes, bytearray, range, memoryview))
    )


is_sequence = is_sequence_or_composite = is_nested


def is_namedtuple(structure: Any) -> bool:
    """Whether its class is a named tuple's."""
    return isinstance(structure, tuple) and hasattr(structure, "_fields")


def _items(structure: Any) -> Iterator[tuple[Any, Any]]:
    """Places and what is there; a mapping's in the order of its keys."""
    if isinstance(structure, Mapping):
        return ((key, structure[key]) for key in sorted(structure))
    return iter(enumerate(structure))


def _like(structure: Any, parts: list[Any]) -> Any:
    """A structure of the same kind with these parts."""
    if isinstance(structure, Mapping):
        new = dict(zip(sorted(structure), parts, strict=True))
        found = {key: new[key] for key in structure}
        made: Any = type(structure)
        return found if made is dict else made(found)
    if is_namedtuple(structure):
        return type(structure)(*parts)
    return type(structure)(parts) if isinstance(structure, (list, tuple)) else parts


def flatten(structure: Any, expand_composites: bool = False) -> list[Any]:
    """The leaves, in order."""
    return [leaf for _, leaf in flatten_with_tuple_paths(structure)]


def flatten_with_tuple_paths(structure: Any, expand_composites: bool = False) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves, each with the places that lead to it."""
    if not is_nested(structure):
        return [((), structure)]
    return [((at, *path), leaf) for at, part in _items(structure) for path, leaf in flatten_with_tuple_paths(part)]


def flatten_with_joined_string_paths(structure: Any, separator: str = "/") -> list[tuple[str, Any]]:
    """The leaves, each with the places that lead to it, as text."""
    return [(separator.join(map(str, path)), leaf) for path, leaf in flatten_with_tuple_paths(structure)]


def pack_sequence_as(structure: Any, flat_sequence: Any, expand_composites: bool = False) -> Any:
    """`structure` with the leaves of `flat_sequence`; a ValueError where there are more or fewer."""
    if not is_nested(flat_sequence):
        raise TypeError(f"flat_sequence must be a sequence, got {flat_sequence!r}")
    leaves = list(flat_sequence)
    count = len(flatten(structure))
    if len(leaves) != count:
        raise ValueError(
            f"Could not pack sequence. Structure had {count} elements, but flat_sequence had {len(leaves)} elements. "
            f"Structure: {structure!r}, flat_sequence: {leaves!r}."
        )
    return _packed(structure, iter(leaves))


def _packed(structure: Any, leaves: Iterator[Any]) -> Any:
    if not is_nested(structure):
        return next(leaves)
    return _like(structure, [_packed(part, leaves) for _, part in _items(structure)])


def assert_same_structure(
    nest1: Any, nest2: Any, check_types: bool = True, expand_composites: bool = False
) -> None:
    """A ValueError where the two have other places, a TypeError where a structure has another class."""
    if is_nested(nest1) != is_nested(nest2):
        raise ValueError(
            f"The two structures don't have the same nested structure. First structure: {nest1!r}, "
            f"second structure: {nest2!r}"
        )
    if not is_nested(nest1):
        return
    mappings = isinstance(nest1, Mapping) and isinstance(nest2, Mapping)
    if check_types and not mappings and type(nest1).__name__ != type(nest2).__name__:
        raise TypeError(
            f"The two structures don't have the same sequence type. First structure has type {type(nest1)}, while "
            f"second structure has type {type(nest2)}."
        )
    _same_places(nest1, nest2)
    for (_, one), (_, other) in zip(_items(nest1), _items(nest2), strict=True):
        assert_same_structure(one, other, check_types)


def _same_places(nest1: Any, nest2: Any) -> None:
    if len(nest1) != len(nest2):
        raise ValueError(
            f"The two structures don't have the same number of elements. First structure ({len(nest1)} elements): "
            f"{nest1!r}, second structure ({len(nest2)} elements): {nest2!r}"
        )
    if isinstance(nest1, Mapping) and set(nest1) != set(nest2):
        raise ValueError(
            f"The two dictionaries don't have the same set of keys. First: {sorted(nest1)}, second: {sorted(nest2)}"
        )


def map_structure(
    func: Callable[..., Any], *structure: Any, check_types: bool = True, expand_composites: bool = False
) -> Any:
    """`func` of the corresponding leaves, in the first structure."""
    if not callable(func):
        raise TypeError(f"func must be callable, got: {func}")
    if not structure:
        raise ValueError("Must provide at least one structure")
    for other in structure[1:]:
        assert_same_structure(structure[0], other, check_types)
    return pack_sequence_as(structure[0], [func(*leaves) for leaves in zip(*map(flatten, structure), strict=True)])


def assert_shallow_structure(shallow_tree: Any, input_tree: Any, check_types: bool = True) -> None:
    """A TypeError or ValueError where `input_tree` is not at least as deep as `shallow_tree`."""
    if not is_nested(shallow_tree):
        return
    if not is_nested(input_tree):
        raise TypeError(
            f"If shallow structure is a sequence, input must also be a sequence. Input has type: {type(input_tree)}."
        )
    if len(input_tree) != len(shallow_tree):
        raise ValueError(
            "The two structures don't have the same sequence length. Input structure has length "
            f"{len(input_tree)}, while shallow structure has length {len(shallow_tree)}."
        )
    for (_, one), (_, other) in zip(_items(shallow_tree), _items(input_tree), strict=True):
        assert_shallow_structure(one, other, check_types)


def flatten_up_to(shallow_tree: Any, input_tree: Any, check_types: bool = True) -> list[Any]:
    """What stands in `input_tree` where `shallow_tree` has leaves."""
    assert_shallow_structure(shallow_tree, input_tree, check_types)
    if not is_nested(shallow_tree):
        return [input_tree]
    pairs = zip(_items(shallow_tree), _items(input_tree), strict=True)
    return [leaf for (_, one), (_, other) in pairs for leaf in flatten_up_to(one, other, check_types)]


def map_structure_up_to(shallow_tree: Any, func: Callable[..., Any], *inputs: Any, **unused: Any) -> Any:
    """`func` of what stands where `shallow_tree` has leaves, in `shallow_tree`."""
    if not inputs:
        raise ValueError("Cannot map over no sequences")
    flat = [flatten_up_to(shallow_tree, tree) for tree in inputs]
    return pack_sequence_as(shallow_tree, [func(*parts) for parts in zip(*flat, strict=True)])


def flatten_dict_items(dictionary: Mapping[Any, Any]) -> dict[Any, Any]:
    """A dictionary whose keys may be structures as one of their leaves."""
    found: dict[Any, Any] = {}
    for keys, values in dictionary.items():
        for key, value in zip(flatten(keys), flatten(values), strict=True):
            if key in found:
                raise ValueError(f"Could not flatten dictionary: key {key!r} is not unique.")
            found[key] = value
    return found


def yield_flat_paths(nest: Any) -> Iterator[tuple[Any, ...]]:
    """The places that lead to each leaf."""
    return (path for path, _ in flatten_with_tuple_paths(nest))
