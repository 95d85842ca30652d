"""One node built twice, in TensorFlow and here: the static shapes of its outputs, or what either refuses.

    python -m tests.peers.static_shapes --ops 'Conv.*' --bent        a line for each build that differs

A build starts as a case on the op's page. What is known of its inputs is then taken away piece by piece:

    known     shapes of all inputs; small integer inputs (sizes, axes, paddings) are constants
    holes     each axis of each input is None in turn; then each input's rank alone is known; then nothing of it
    values    small integer inputs are fed, or a vector of them has one element that is not known
    nothing   ranks of all inputs, and no rank of any

A *bent* build is one that TensorFlow may refuse: another rank, another size, another type, numbers out of range.
Two builds are alike where both shapes are the same, where what is known here is more and not otherwise, or where both
refuse with a ValueError, or both with a TypeError.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

import refflow as rf
from refflow.core.bfloat16 import widened
from refflow.core.dtypes import as_dtype
from refflow.core.opdef import OpDef
from refflow.core.registry import registered_ops
from tests.cases import attrs_of, inputs_of
from tests.peers.fuzz import _node

_SMALL = 16  # elements of an integer input that may say sizes or axes
UNKNOWN = "unknown"
DEADLY = {("GatherV2", "batch_dims")}  # of more axes than there are, which ends TensorFlow's process


class Given(NamedTuple):
    """What is known of one input tensor while building."""

    dtype: Any
    dims: Any  # a tuple of sizes and Nones; None where the rank is not known
    value: Any = None  # an array, where it is a constant
    parts: tuple[Any, ...] | None = None  # a vector of numbers, None for one that is fed

    def __str__(self) -> str:
        if self.parts is not None:
            return f"{self.dtype.name} {list(self.parts)}"
        if self.value is not None:
            return f"{self.dtype.name} = {widened(self.value).tolist()}"
        return f"{self.dtype.name}{'<?>' if self.dims is None else list(self.dims)}"


class Build(NamedTuple):
    op: OpDef
    inputs: tuple[Any, ...]  # Given, or a tuple of them for a list
    attrs: dict[str, Any]

    def __str__(self) -> str:
        attrs = {k: v.name if isinstance(v, rf.DType) else v for k, v in self.attrs.items()}
        inputs = ", ".join("(" + ", ".join(map(str, v)) + ")" if _is_list(v) else str(v) for v in self.inputs)
        return f"{self.op.name}({inputs}) {attrs}"


class Difference(NamedTuple):
    kind: str  # "less", "otherwise", "refused here", "accepted here", "class"
    build: str
    there: str
    here: str


def _is_list(given: Any) -> bool:
    return not isinstance(given, Given)


# -- which builds ---------------------------------------------------------------------------------------------


def buildable(pattern: str = "") -> list[OpDef]:
    """The op types with an example, and without functions among their attributes."""
    found = []
    for op in registered_ops():
        functions = any(a.kind in ("func", "list(func)") for a in op.attrs.values())
        if op.inputs and not functions and re.search(pattern, op.name) and next(starts(op), None):
            found.append(op)
    return found


def starts(op: OpDef) -> Iterator[Build]:
    """The op's own examples that are right, with all that is known of them."""
    for case in op.cases or (op.variant_of.cases if op.variant_of else []):
        if case.error is None and set(case.inputs) == {a.name for a in op.inputs}:
            attrs = attrs_of(op, case)
            try:
                inputs = inputs_of(op, case, attrs)
            except (TypeError, ValueError, KeyError):  # a variant's attributes that say its types otherwise
                continue
            yield Build(op, tuple(_given(v) for v in inputs), attrs)


def _given(array: Any) -> Any:
    if isinstance(array, list):
        return tuple(_given(a) for a in array)
    dtype = as_dtype(array.dtype)
    small = array.size <= _SMALL and (dtype.is_integer or dtype.is_bool) and array.ndim <= 2
    return Given(dtype, array.shape, array if small else None)


def _changed(build: Build, change: Any, places: Any = None) -> Build:
    """The build with `change(given)` at some places, or at all."""
    inputs: list[Any] = []
    for i, given in enumerate(build.inputs):
        if _is_list(given):
            inputs.append(tuple(change(g) if places is None or (i, j) in places else g for j, g in enumerate(given)))
        else:
            inputs.append(change(given) if places is None or (i, None) in places else given)
    return Build(build.op, tuple(inputs), build.attrs)


def _each(build: Build) -> list[tuple[tuple[int, int | None], Given]]:
    found: list[Any] = []
    for i, given in enumerate(build.inputs):
        found += [((i, j), g) for j, g in enumerate(given[:3])] if _is_list(given) else [((i, None), given)]
    return found


def fed(given: Given) -> Given:
    return Given(given.dtype, given.dims)


def rank_only(given: Given) -> Given:
    return given if given.value is not None or given.dims is None else Given(given.dtype, (None,) * len(given.dims))


def nothing(given: Given) -> Given:
    return given if given.value is not None else Given(given.dtype, None)


def less_known(build: Build) -> Iterator[Build]:
    """The build, and all in which less is known of it."""
    yield build
    yield _changed(build, fed)
    for change in (rank_only, nothing):
        yield _changed(build, change)
        yield _changed(_changed(build, fed), change)
    for place, given in _each(build):
        yield _changed(build, lambda g: Given(g.dtype, None), {place})
        yield _changed(build, lambda g: Given(g.dtype, (None,) * len(g.dims)), {place})
        if given.value is not None:
            yield _changed(build, fed, {place})
            if len(given.dims) == 1 and given.dtype.name in ("int32", "int64"):
                for hidden in range(given.value.size):
                    numbers = tuple(None if i == hidden else int(v) for i, v in enumerate(given.value))
                    yield _changed(build, lambda g, n=numbers: Given(g.dtype, g.dims, None, n), {place})
        for axis in range(len(given.dims)):
            yield _changed(build, lambda g, a=axis: Given(g.dtype, (*g.dims[:a], None, *g.dims[a + 1 :])), {place})


# -- bent builds ----------------------------------------------------------------------------------------------


def bent(build: Build) -> Iterator[Build]:
    """Builds that are likely wrong: one thing at a time."""
    for place, given in _each(build):
        dims = given.dims
        for other in _ranks_and_sizes(dims):
            yield _changed(build, lambda g, d=other: Given(g.dtype, d), {place})
        for other in _other_types(given.dtype):
            yield _changed(build, lambda g, t=other: Given(t, g.dims), {place})
        if given.value is not None and given.value.size and given.dtype.is_integer:
            for value in _other_values(given.value):
                yield _changed(build, lambda g, v=value: Given(g.dtype, g.dims, v), {place})
    counts = {a.number for a in build.op.inputs + build.op.outputs}
    for name, attr in build.op.attrs.items():
        if (build.op.name, name) in DEADLY or name in counts:
            continue
        for value in _other_attributes(attr, build.attrs.get(name)):
            if name in build.attrs:
                yield Build(build.op, build.inputs, build.attrs | {name: value})


def _ranks_and_sizes(dims: Any) -> Iterator[Any]:
    yield (1, *dims)
    yield (*dims, 2)
    if dims:
        yield dims[1:]
        yield (3,) * 7
    for axis in range(len(dims)):
        for size in {dims[axis] + 1, 0, 1} - {dims[axis]}:
            yield (*dims[:axis], size, *dims[axis + 1 :])


def _other_types(dtype: Any) -> Iterator[Any]:
    for name in ("float32", "int32", "int64", "bool", "string", "complex64", "float64"):
        if name != dtype.name:
            yield as_dtype(name)


def _other_values(value: np.ndarray) -> Iterator[np.ndarray]:
    for number in (-1, -2, -9, 0, 1, 9):
        for place in range(min(value.size, 4)):
            changed = value.copy().reshape(-1)
            if number >= 0 or value.dtype.kind == "i":
                changed[place] = number
                yield changed.reshape(value.shape)


def _other_attributes(attr: Any, value: Any) -> Iterator[Any]:
    if attr.kind == "int":
        yield from (v for v in (-2, -1, 0, 1, 3, 9) if v != value)
    elif attr.kind == "bool":
        yield not value
    elif attr.kind == "float":
        yield from (-1.0, 0.0, 2.0)
    elif attr.kind == "string":
        yield from (v for v in (*attr.allowed, "", "NONSENSE") if v != value)
    elif attr.kind == "list(int)" and value is not None:
        yield []
        yield [*value, 1]
        for place in range(len(value)):
            for number in (-1, 0, 9):
                yield [*value[:place], number, *value[place + 1 :]]
    elif attr.kind == "shape" and value is not None:
        yield from (rf.TensorShape(None), rf.TensorShape([3]), rf.TensorShape([None, 2]))


# -- both libraries -------------------------------------------------------------------------------------------


class Sides:
    """Builds in one graph of each library."""

    def __init__(self) -> None:
        import tensorflow as tf

        self.tf, self.builds = tf, 0

    def differences(self, builds: Iterable[Build]) -> Iterator[Difference]:
        with self.tf.Graph().as_default(), rf.Graph().as_default():
            for build in builds:
                self.builds += 1
                found = self.difference(build)
                if found is not None:
                    yield found

    def difference(self, build: Build) -> Difference | None:
        there, here = _outcome(lambda: self._there(build)), _outcome(lambda: _here(build))
        if isinstance(there, Exception) and re.search("not an op type|not available in GraphDef", str(there)):
            return None
        kind = compared(there, here)
        return kind and Difference(kind, str(build), _text(there), _text(here))

    def _there(self, build: Build) -> list[Any]:
        tf = self.tf

        def hole(given: Given) -> Any:
            dtype = tf.as_dtype(given.dtype.as_datatype_enum)
            if given.parts is not None:
                one = tf.compat.v1.placeholder(dtype, [])
                return tf.stack([one if p is None else tf.constant(p, dtype) for p in given.parts])
            if given.value is not None:
                value = given.value.view(tf.bfloat16.as_numpy_dtype) if given.value.dtype.names else given.value
                return tf.constant(value, dtype)
            return tf.compat.v1.placeholder(dtype, given.dims)

        def attribute(value: Any) -> Any:
            if isinstance(value, list):
                return [attribute(v) for v in value]
            return tf.TensorShape(value.as_tuple) if isinstance(value, rf.TensorShape) else value

        pairs = zip(build.op.inputs, build.inputs, strict=True)
        inputs = {a.name: [hole(g) for g in v] if _is_list(v) else hole(v) for a, v in pairs}
        attrs = {k: attribute(v) for k, v in build.attrs.items()}
        return [None if t.shape.rank is None else tuple(t.shape.as_list()) for t in _node(tf, build.op, inputs, attrs)]


def _here(build: Build) -> list[Any]:
    def hole(given: Given) -> Any:
        if given.parts is not None:
            one = rf.placeholder(given.dtype, [])
            return rf.pack([one if p is None else rf.constant(p, given.dtype) for p in given.parts])
        return rf.constant(given.value) if given.value is not None else rf.placeholder(given.dtype, given.dims)

    arguments = [[hole(g) for g in v] if _is_list(v) else hole(v) for v in build.inputs]
    said = {a.number for a in build.op.inputs} | {a.type for a in build.op.inputs}  # by the inputs themselves
    attrs = {k: v for k, v in build.attrs.items() if k not in said}
    result = build.op(*arguments, **attrs)
    if isinstance(result, rf.Operation):
        return [t.dims for t in result.outputs]
    parts = result if isinstance(result, (tuple, list)) else [result]
    return [t.dims for part in parts for t in (part if isinstance(part, list) else [part])]


def _outcome(make: Any) -> Any:
    """Shapes, or the error."""
    try:
        return make()
    except Exception as error:
        return error


def _text(outcome: Any) -> str:
    if isinstance(outcome, Exception):
        return f"{type(outcome).__name__}: {' '.join(str(outcome).split())[:300]}"
    return str([UNKNOWN if s is None else list(s) for s in outcome])


def compared(there: Any, here: Any) -> str | None:
    """What is not alike, None where nothing is."""
    if isinstance(there, Exception) and isinstance(here, Exception):
        families = [[f for f in (TypeError, ValueError) if isinstance(e, f)] for e in (there, here)]
        return None if set(families[0]) & set(families[1]) else "class"
    if isinstance(there, Exception):
        return "accepted here"
    if isinstance(here, Exception):
        return "refused here"
    for a, b in zip(there, here, strict=True):
        try:
            merged = rf.core.shapes.merge(a, b)
        except ValueError:
            return "otherwise"
        if merged != b:
            return "less"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", default="", help="a regular expression of op types")
    parser.add_argument("--bent", action="store_true", help="builds that are likely wrong")
    parser.add_argument("--each", type=int, default=3, help="lines for each op and kind")
    options = parser.parse_args()
    sides = Sides()
    for op in buildable(options.ops):
        shown: dict[str, int] = {}
        for start in starts(op):
            for found in sides.differences((bent if options.bent else less_known)(start)):
                shown[found.kind] = shown.get(found.kind, 0) + 1
                if shown[found.kind] <= options.each:
                    print(f"{found.kind} | {found.build} | {found.there} | {found.here}", flush=True)
        if shown:
            print(f"{op.name}: {shown}", flush=True)
    print(f"{sides.builds} builds", file=sys.stderr)


if __name__ == "__main__":
    main()
