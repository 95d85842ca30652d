"""Staging areas as objects: tensors that one step leaves and a later one takes, by order or by number.

    area = StagingArea([tf.float32, tf.int32], shapes=[[2], []], names=["x", "y"], capacity=3)
    put, found = area.put({"x": x, "y": y}), area.get()

    by_number = MapStagingArea([tf.float32, tf.int32], names=["x", "y"])
    put, (key, found) = by_number.put(key, {"x": x}), by_number.get(key, ["x"])

An area is its shared name, by default the class's: nodes find it by that.

Next: ops/staging.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from refflow.core.control import no_op
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import as_dtype
from refflow.core.graph import Operation, Tensor, colocate_with, get_default_graph
from refflow.core.registry import op_def
from refflow.core.shapes import TensorShape, unknown_shape

__all__ = ["BaseStagingArea", "MapStagingArea", "StagingArea"]


class BaseStagingArea:
    """What both kinds know: types, shapes and names of a tuple's parts; how many tuples, and bytes, there may be."""

    def __init__(
        self, dtypes: Sequence[Any], shapes: Any = None, names: Sequence[str] | None = None,
        shared_name: str | None = None, capacity: int = 0, memory_limit: int = 0,
    ):  # fmt: skip
        if shared_name is not None and not isinstance(shared_name, str):
            raise ValueError(f"shared_name must be a string, got {shared_name}")
        for what, given in (("shapes", shapes), ("names", names)):
            if given is not None and len(given) != len(dtypes):
                raise ValueError(f"StagingArea {what} must be the same length as dtypes")
        self._name = get_default_graph().unique_name(type(self).__name__) if shared_name is None else shared_name
        self._dtypes = [as_dtype(d) for d in dtypes]
        self._shapes = [TensorShape(s) for s in shapes] if shapes is not None else [unknown_shape()] * len(dtypes)
        self._names = names
        self._capacity, self._memory_limit = capacity, memory_limit
        with op_scope([], f"{self._name}_root"):
            self._home = no_op()  # every put and get is where this is

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtypes(self) -> list[Any]:
        return self._dtypes

    @property
    def shapes(self) -> list[TensorShape]:
        return self._shapes

    @property
    def names(self) -> Any:
        return self._names

    @property
    def capacity(self) -> int:
        """How many tuples there may be; 0 for any number."""
        return self._capacity

    @property
    def memory_limit(self) -> int:
        """How many bytes they may take together; 0 for any number."""
        return self._memory_limit

    def _op(self, kind: str, name: str, *inputs: Any, **attrs: Any) -> Any:
        given = {"dtypes": self._dtypes, "shared_name": self._name, **attrs}
        return op_def(kind)(*inputs, capacity=self._capacity, memory_limit=self._memory_limit, name=name, **given)

    def _checked(self, vals: Any, indices: Any = None) -> tuple[list[Tensor], list[int]]:
        """The parts of a tuple as tensors, and which parts they are."""
        if isinstance(vals, Mapping):
            vals, indices = self._by_name(vals)
        elif self._names:
            raise ValueError("You must enqueue a dictionary in a staging area with names")
        elif indices is None:
            raise ValueError("Indices must be supplied when inserting a list of tensors")
        elif len(indices) != len(vals):
            raise ValueError(f"Number of indices {len(indices)} doesn't match number of values {len(vals)}")
        if len(vals) > len(self._dtypes):
            raise ValueError(f"Unexpected number of inputs {len(vals)} vs {len(self._dtypes)}")
        return [self._part(value, i) for value, i in zip(vals, indices, strict=True)], list(indices)

    def _by_name(self, vals: Mapping[str, Any]) -> tuple[list[Any], list[int]]:
        if not self._names:
            raise ValueError("Staging areas must have names to enqueue a dictionary")
        if not set(vals) <= set(self._names):
            raise ValueError(
                f"Keys in dictionary to put do not match names of staging area. Dictionary: {sorted(vals)}"
                f"Queue: {sorted(self._names)}"
            )
        there = [(i, name) for i, name in enumerate(self._names) if name in vals]
        return [vals[name] for _, name in there], [i for i, _ in there]

    def _part(self, value: Any, i: int) -> Tensor:
        if value.dtype != self._dtypes[i]:
            raise ValueError(f"Datatypes do not match. Received val.dtype {value.dtype} and dtype {self._dtypes[i]}")
        value.get_shape().assert_is_compatible_with(self._shapes[i])
        return convert_to_tensor(value, self._dtypes[i], f"component_{i}")

    def _returned(self, tensors: Sequence[Tensor], indices: Sequence[int]) -> Any:
        """The tensors with their shapes; by name where there are names."""
        for tensor, i in zip(tensors, indices, strict=True):
            tensor.set_shape(self._shapes[i])
        if self._names:
            return {self._names[i]: t for t, i in zip(tensors, indices, strict=True)}
        return list(tensors)


class StagingArea(BaseStagingArea):
    """Tuples in order of arrival."""

    def put(self, values: Any, name: str | None = None) -> Operation:
        """Leaves a tuple: a tensor, a list of them, or a dictionary; waits while the area is full."""
        with op_scope([], name, f"{self._name}_put") as scope:
            whole = values if isinstance(values, (list, tuple, Mapping)) else [values]
            parts, _ = self._checked(whole, range(len(whole)))
            with colocate_with(self._home):
                return op_def("Stage")(parts, shared_name=self._name, capacity=self._capacity,
                                       memory_limit=self._memory_limit, name=scope)  # fmt: skip

    def get(self, name: str | None = None) -> Any:
        """Takes the first tuple; waits while there is none."""
        with colocate_with(self._home):
            found = self._op("Unstage", name or f"{self._name}_get")
        return self._returned(found, range(len(found)))

    def peek(self, index: Any, name: str | None = None) -> Any:
        """The tuple at that place, which stays; waits until there are so many."""
        with colocate_with(self._home):
            found = self._op("StagePeek", name or f"{self._name}_peek", index)
        return self._returned(found, range(len(found)))

    def size(self, name: str | None = None) -> Tensor:
        """How many tuples there are, int32."""
        return self._op("StageSize", name or f"{self._name}_size")

    def clear(self, name: str | None = None) -> Operation:
        """Drops all tuples."""
        return self._op("StageClear", name or f"{self._name}_clear")


class MapStagingArea(BaseStagingArea):
    """Tuples by a number, int64, whose parts may come and go one by one.

    ordered: a get without a number takes the one with the smallest.
    """

    def __init__(
        self, dtypes: Sequence[Any], shapes: Any = None, names: Sequence[str] | None = None,
        shared_name: str | None = None, ordered: bool = False, capacity: int = 0, memory_limit: int = 0,
    ):  # fmt: skip
        super().__init__(dtypes, shapes, names, shared_name, capacity, memory_limit)
        self._kind = "OrderedMap" if ordered else "Map"

    def put(self, key: Any, vals: Any, indices: Any = None, name: str | None = None) -> Operation:
        """Leaves parts of the tuple of that number: by name, or a list and which parts they are."""
        with op_scope([], name, f"{self._name}_put") as scope:
            parts, places = self._checked(vals, indices)
            with colocate_with(self._home):
                return self._op(f"{self._kind}Stage", scope, key, places, parts)

    def peek(self, key: Any, indices: Any = None, name: str | None = None) -> Any:
        """All parts, or some by place or name, which stay; waits while there is no such tuple."""
        return self._found("Peek", name or f"{self._name}_pop", indices, key)

    def get(self, key: Any = None, indices: Any = None, name: str | None = None) -> tuple[Any, Any]:
        """The number and the parts, which are taken; without a number, of any tuple."""
        if key is not None:
            return key, self._found("Unstage", name or f"{self._name}_get", indices, key)
        places = self._places(indices)
        with colocate_with(self._home):
            key, found = self._op(f"{self._kind}UnstageNoKey", name or f"{self._name}_get_nokey", places,
                                  dtypes=[self._dtypes[i] for i in places])  # fmt: skip
        return key, self._returned(found, places)

    def _found(self, kind: str, name: str, indices: Any, key: Any) -> Any:
        places = self._places(indices)
        with colocate_with(self._home):
            found = self._op(f"{self._kind}{kind}", name, key, places, dtypes=[self._dtypes[i] for i in places])
        return self._returned(found, places)

    def _places(self, indices: Any) -> list[int]:
        """Which parts are meant: all, or those at places or with names."""
        if indices is None:
            return list(range(len(self._dtypes)))
        if not isinstance(indices, (tuple, list)):
            raise TypeError(f"Invalid indices type {type(indices)}")
        if not indices:
            raise ValueError("Empty indices")
        if all(isinstance(i, int) for i in indices):
            return list(indices)
        if not all(isinstance(i, str) for i in indices):
            raise TypeError(f"Mixed types in indices {indices}. May only be str or int")
        if self._names is None:
            raise ValueError(f"String indices provided {indices}, but this Staging Area was not created with names.")
        if not set(indices) <= set(self._names):
            raise ValueError(f"Named index not in Staging Area names {self._names}")
        return [list(self._names).index(name) for name in indices]

    def size(self, name: str | None = None) -> Tensor:
        """How many whole tuples there are, int32."""
        return self._op(f"{self._kind}Size", name or f"{self._name}_size")

    def incomplete_size(self, name: str | None = None) -> Tensor:
        """How many tuples are begun, int32."""
        return self._op(f"{self._kind}IncompleteSize", name or f"{self._name}_incomplete_size")

    def clear(self, name: str | None = None) -> Operation:
        """Drops all tuples."""
        return self._op(f"{self._kind}Clear", name or f"{self._name}_clear")
