"""Elements: structures of values, and the flat lists of plain tensors as which nodes hand them on.

    {"x": tensor, "y": (sparse, dataset)}      structures are tuples, named tuples and dictionaries; a list is a tensor
    spec_of_element(value)                     the same structure of specs (compat/v1/type_specs.py)
    components(spec, value) = [t1, t2, t3]     one plain tensor for each leaf, dictionaries by their sorted keys
    values(spec, [t1, t2, t3]) = value

Next: compat/v1/data/functions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from refflow.compat.v1.sparse_tensor import SparseTensor, is_sparse
from refflow.compat.v1.type_specs import SparseTensorSpec, TensorSpec, TypeSpec, spec_of
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype, int64
from refflow.core.shapes import TensorShape
from refflow.core.tensor import Tensor

# -- structures ----------------------------------------------------------------------------------------------------


def is_structure(value: Any) -> bool:
    """True for what has parts: a list is a value, and so are the named tuples that stand for one."""
    return isinstance(value, (tuple, Mapping)) and not (is_sparse(value) or isinstance(value, TensorShape))


def parts(structure: Any) -> list[Any]:
    return [structure[key] for key in sorted(structure)] if isinstance(structure, Mapping) else list(structure)


def rebuilt(structure: Any, found: Sequence[Any]) -> Any:
    """A structure with other parts."""
    if isinstance(structure, Mapping):
        by_key, kind = dict(zip(sorted(structure), found, strict=True)), cast(Any, type(structure))
        return kind((key, by_key[key]) for key in structure)
    return type(structure)(*found) if hasattr(structure, "_fields") else type(structure)(found)


def flatten(structure: Any) -> list[Any]:
    return [leaf for part in parts(structure) for leaf in flatten(part)] if is_structure(structure) else [structure]


def pack(structure: Any, flat: Sequence[Any]) -> Any:
    """`structure` with the leaves of `flat`, of which there are as many as it has."""
    leaves = iter(flat)

    def filled(part: Any) -> Any:
        return rebuilt(part, [filled(p) for p in parts(part)]) if is_structure(part) else next(leaves)

    return filled(structure)


def map_structure(function: Callable[..., Any], *structures: Any) -> Any:
    """`function` of corresponding leaves, in the first structure; structures have been found to be alike."""
    return pack(structures[0], [function(*leaves) for leaves in zip(*map(flatten, structures), strict=True)])


def assert_alike(a: Any, b: Any) -> None:
    """A ValueError or TypeError where two structures differ in more than their leaves."""
    if is_structure(a) != is_structure(b):
        raise ValueError(
            "The two structures don't have the same nested structure.\n\nFirst structure: "
            f"type={type(a).__name__} str={a}\n\nSecond structure: type={type(b).__name__} str={b}"
        )
    if not is_structure(a):
        return
    if isinstance(a, Mapping) != isinstance(b, Mapping):
        raise TypeError(
            "The two structures don't have the same sequence type. First structure has type "
            f"{type(a)}, while second structure has type {type(b)}."
        )
    if isinstance(a, Mapping) and set(a) != set(b):
        raise ValueError(
            f"The two dictionaries don't have the same set of keys. First structure has keys {list(a)}, while second "
            f"structure has keys {list(b)}."
        )
    if len(a) != len(b):
        raise ValueError(
            "The two structures don't have the same number of elements. First structure: "
            f"{a}. Second structure: {b}."
        )
    for x, y in zip(parts(a), parts(b), strict=True):
        assert_alike(x, y)


def flat_up_to(shallow: Any, deep: Any) -> Iterator[Any]:
    """The parts of `deep` where `shallow` has leaves."""
    if not is_structure(shallow):
        yield deep
        return
    if not is_structure(deep):
        raise TypeError(
            f"If shallow structure is a sequence, input must also be a sequence. Input has type: {type(deep)}."
        )
    if isinstance(shallow, Mapping) and not (isinstance(deep, Mapping) and set(shallow) == set(deep)):
        raise ValueError(f"The two structures don't have the same keys: {list(shallow)} and {deep}.")
    if len(shallow) != len(deep):
        raise ValueError(
            f"The two structures don't have the same sequence length. Input structure has length {len(deep)}, while "
            f"shallow structure has length {len(shallow)}."
        )
    for x, y in zip(parts(shallow), parts(deep), strict=True):
        yield from flat_up_to(x, y)


# -- values and their specs ------------------------------------------------------------------------------------------


def normalized(element: Any, name: str = "normalize_element") -> tuple[Any, Any]:
    """(value, spec): every leaf a tensor, a sparse tensor or what has a spec of its own."""
    with op_scope([], name):
        leaves = [_leaf(value, i) for i, value in enumerate(flatten(element))]
    value = pack(element, leaves)
    return value, map_structure(spec_of, value)


def _leaf(value: Any, place: int) -> Any:
    if is_sparse(value):
        return SparseTensor.from_value(value)
    if getattr(value, "_type_spec", None) is not None:
        return value
    return convert_to_tensor(value, name=f"component_{place}")


def components(spec: Any, value: Any) -> list[Tensor]:
    """The plain tensors that stand for an element."""
    return [s._component(v) for s, v in zip(flatten(spec), flatten(value), strict=True)]


def rows(spec: Any, value: Any) -> list[Tensor]:
    """The same for a batch of elements, so that row i of each component is element i."""
    return [s._rows(v) for s, v in zip(flatten(spec), flatten(value), strict=True)]


def values(spec: Any, found: Sequence[Tensor]) -> Any:
    """The element that plain tensors stand for."""
    return pack(spec, [s._value(t) for s, t in zip(flatten(spec), found, strict=True)])


def kinds(spec: Any) -> list[tuple[Any, TensorShape]]:
    """Each component's type and shape."""
    return [s._kind for s in flatten(spec)]


def attributes(spec: Any) -> dict[str, Any]:
    """What nodes say of their elements."""
    found = kinds(spec)
    return {"output_types": [t for t, _ in found], "output_shapes": [s for _, s in found]}


class Described:
    """Whoever gives elements, a dataset or an iterator, and says what they are."""

    _spec: Any

    @property
    def element_spec(self) -> Any:
        """The structure of an element, with a spec for each leaf."""
        return self._spec

    output_classes = property(lambda self: legacy(self._spec, 0), doc="The classes of an element's leaves.")
    output_types = property(lambda self: legacy(self._spec, 1), doc="Their types.")
    output_shapes = property(lambda self: legacy(self._spec, 2), doc="Their static shapes.")


# -- classes, types and shapes ---------------------------------------------------------------------------------------


def legacy(spec: Any, which: int) -> Any:
    """The structure of classes (0), types (1) or shapes (2)."""
    return map_structure(lambda s: s._legacy[which], spec)


def of_legacy(types: Any, shapes: Any, classes: Any) -> Any:
    """The spec that structures of types, shapes and classes describe: without shapes unknown ones, else tensors."""
    types = map_structure(lambda t: t if isinstance(t, TypeSpec) else as_dtype(t), types)
    count = len(flatten(types))
    all_shapes = [None] * count if shapes is None else list(flat_up_to(types, shapes))
    all_classes = [Tensor] * count if classes is None else list(flat_up_to(types, classes))
    made = [
        t if isinstance(t, TypeSpec) else SparseTensorSpec(s, t) if c is SparseTensor else TensorSpec(s, t)
        for t, s, c in zip(flatten(types), all_shapes, all_classes, strict=True)
    ]
    return pack(types, made)


# -- shapes that programs give ---------------------------------------------------------------------------------------


def dims_of(shape: Any) -> Tensor:
    """A shape, with None or -1 for what is open, as a vector of int64; a tensor of that kind is itself."""
    if isinstance(shape, Tensor):
        if shape.get_shape().ndims not in (None, 1):
            raise ValueError(
                f"Padded shape {shape} must be a `tf.int64` vector tensor, but its shape was {shape.get_shape()}."
            )
        if shape.dtype.base_dtype is not int64:
            raise TypeError(
                f"Padded shape {shape} must be a `tf.int64` vector tensor, but its element type was "
                f"{shape.dtype.name}."
            )
        return shape
    dims = shape.as_list() if isinstance(shape, TensorShape) else TensorShape(
        [None if isinstance(d, (int, np.integer)) and d < 0 else d for d in np.atleast_1d(np.asarray(shape, object))]
    ).as_list()  # fmt: skip
    return convert_to_tensor(np.array([-1 if d is None else d for d in dims], np.int64))
