"""Examples beside those of a page: what no page shows is drawn from what it does show.

A *bend* makes calls that differ from an example's in one respect: longer rows, another type, a flag that is set, an
axis counted from the end, no elements, an index that is not there. The page's kernel, behind the op's shape rule, says
what comes of a call, a result or an error; a call that it does not take is no example, and the next is tried. So the
bends know nothing of single ops, and each holds for all where it can be bent.

    page's example --bend--> calls --page's kernel--> the first that shows what the bend is for

Next: conformance/nudged.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.conformance.corpus import Example
from refflow.core import shape_rules
from refflow.core.bfloat16 import RECORD, rounded, widened
from refflow.core.dtypes import DType, as_dtype, bfloat16, float32, float64, int64
from refflow.core.elementwise import broadcast_all
from refflow.core.opdef import OpDef
from refflow.core.registry import registered_ops
from refflow.core.signature import REQUIRED

Where = tuple[str, int | None]  # an input, and which of its arrays where it is a list


class Bend(NamedTuple):
    """One respect. calls: to be tried; shows: whether an example, with what comes of it, is what the bend is for."""

    title: str
    calls: Callable[[Example], Iterable[Example]]
    shows: Callable[[Example], bool]
    on_pages: bool = True  # what a page shows need not be drawn


class _Unfit(Exception):
    """A call that is no example, whatever comes of it."""


def arrays(example: Example) -> Iterator[tuple[Where, np.ndarray]]:
    """Every input array, and where it is."""
    for name, value in example.inputs.items():
        if isinstance(value, list):
            yield from (((name, i), v) for i, v in enumerate(value))
        else:
            yield (name, None), value


def replaced(example: Example, new: dict[Where, np.ndarray], **attrs: Any) -> Example:
    """The example with other arrays at these places, and other attributes."""
    inputs = {
        name: [new.get((name, i), v) for i, v in enumerate(value)]
        if isinstance(value, list)
        else new.get((name, None), value)
        for name, value in example.inputs.items()
    }
    return example._replace(inputs=inputs, attrs={**example.attrs, **attrs})


def results(example: Example) -> dict[str, Any]:
    """What the page's kernel gives, by name; any exception where it takes no such call.

    What an update makes of variables beyond its outputs is there too, under their names.
    """
    op, attrs = example.op, example.attrs
    for name, value in attrs.items():
        op.attrs[name].check(name, value)
    flat = [array for _, array in arrays(example)]
    for arg in op.inputs:
        wanted = arg.fixed or attrs[arg.type]
        given = example.inputs[arg.name]
        if not isinstance(given, list) and not isinstance(wanted, list) and given.dtype != wanted.as_numpy_dtype:
            raise _Unfit("it is of another type")
        for places in given if isinstance(given, list) else [given]:
            sparse = arg.name.endswith("indices") and arg.fixed is int64 and places.ndim == 2
            if sparse and len(places) > len({place.tobytes() for place in places}):
                raise _Unfit("a sparse tensor has each place once")
    shapes = shape_rules.infer(op, attrs, [a.shape for a in flat], lambda i: flat[i])
    if any(s is not None and None not in s and prod(s) > 4 * MOST for s in shapes):  # type: ignore[arg-type]
        raise _Unfit("it is too large")
    with np.errstate(all="ignore", invalid="raise" if _gives_integers(op, attrs) else "ignore"):
        found = op.page_kernel(attrs)(*example.inputs.values(), **op.kernels["cpu"].arguments(attrs))
    values = [np.asarray(v) for v in (found if isinstance(found, (list, tuple)) else [] if found is None else [found])]
    outputs = named(op, attrs, values)
    plain = [v for v in values[len(op.ref_inputs) :]] if op.ref_inputs else values
    for value, shape in zip(plain, shapes if not op.ref_inputs else [], strict=False):
        if shape is not None and any(d is not None and d != n for d, n in zip(shape, value.shape, strict=True)):
            raise _Unfit("the page's kernel and its shape rule differ")
    return outputs


def _gives_integers(op: OpDef, attrs: dict[str, Any]) -> bool:
    """Whether what has no value would be cast to whatever integer."""
    return any(t.kind in "iu" for t in op.output_types(attrs))


def named(op: OpDef, attrs: dict[str, Any], values: list[Any]) -> dict[str, Any]:
    """What a kernel gives, by name: the new values of what it updates in order, then its other outputs."""
    if not op.ref_inputs:
        return {name: values[place] for name, place in op.places(attrs, outputs=True).items()}
    names = result_names(op)
    if len(values) != len(names):
        raise ValueError(f"{len(values)} results for {names}")
    return dict(zip(names, values, strict=True))


def result_names(op: OpDef) -> list[str]:
    """The names of an update's results: an output that is a reference is the new value of the first variables."""
    references = [a.name for a in op.outputs if a.is_ref]
    updated = [op.inputs[i].name for i in op.ref_inputs]
    return references + updated[len(references) :] + [a.name for a in op.outputs if not a.is_ref]


def answered(example: Example) -> Example | None:
    """The example with what comes of it, or None where the page's kernel does not take it."""
    try:
        example = fitted(example)
        return example._replace(outputs=results(example), error=None)
    except Exception:  # whatever it is: this is no call for an example
        return None


def refused(example: Example) -> Example | None:
    """The call as an example of an error, or None where the page's kernel takes it."""
    try:
        results(example)
    except (MemoryError, _Unfit):
        return None
    except Exception as error:
        return example._replace(outputs={}, error=str(error) or type(error).__name__)
    return None


_BACKWARD = re.compile(r"(Backprop(Input|Filter)|GradGrad|Grad)(V2|WithArgmax)?$")


@cache
def forward(name: str) -> OpDef | None:
    """The op with windows whose gradient an op is."""
    stem = _BACKWARD.sub("", name)
    if stem == name:
        return None
    found = next((op for op in registered_ops() if op.name == stem), None)
    return found if found is not None and "padding" in found.attrs and "strides" in found.attrs else None


def fitted(example: Example) -> Example:
    """The gradient's example with what belongs to the forward op's results in their shape, or as they are."""
    op = forward(example.op.name)
    if op is None:
        return example
    x = example.inputs
    image = x.get("input", x.get("orig_input"))
    if image is None:
        given = next(v for k, v in x.items() if k in ("input_sizes", "orig_input_shape"))
        image = np.zeros(given.tolist(), example.attrs["T"].as_numpy_dtype)
    weights = np.zeros(x["filter_sizes"].tolist(), image.dtype) if "filter_sizes" in x else x.get("filter")
    given = {op.inputs[0].name: image} | ({} if weights is None else {op.inputs[1].name: weights})
    attrs = {k: a.default for k, a in op.attrs.items() if a.default is not REQUIRED}
    attrs |= {k: v for k, v in example.attrs.items() if k in op.attrs}
    attrs["T"] = as_dtype(image.dtype)
    for name in ("ksize", "strides"):
        if name in x:
            attrs[name] = x[name].tolist()
    axis = 1 if str(example.attrs.get("data_format", "")).startswith("NC") else -1
    if weights is not None and "depthwise" not in op.name.lower() and image.shape[axis] != weights.shape[-2]:
        raise _Unfit("gradients of filters in groups are often not there")
    (result,) = results(Example(op, "", "", op.accuracy, attrs, given, {}, None)).values()
    new: dict[Where, np.ndarray] = {("orig_output", None): result}
    for name in ("out_backprop", "grad"):
        if name in x and "GradGrad" not in example.op.name:
            for axis, size in enumerate(result.shape):
                new[name, None] = resized(new.get((name, None), x[name]), axis, size)
    return replaced(example, {w: a for w, a in new.items() if w[0] in x})


def generator(op: OpDef, title: str = "") -> np.random.Generator:
    """The same numbers each time, others for each op and bend."""
    return np.random.default_rng(sum(map(ord, op.name + title)))


# -- which numbers an input may take ---------------------------------------------------------------------------------


def each_alone(op: OpDef) -> bool:
    """Whether each element of the result is of the elements at its own place, which may be any numbers."""
    return op.shape_rule is broadcast_all


def main_type(op: OpDef) -> str | None:
    """The attribute that is the type of what the op computes with."""
    taken = {a.type for a in op.inputs}
    return next((a.type for a in (*op.outputs, *op.inputs) if a.type in op.attrs and a.type in taken), None)


def free(example: Example) -> list[Where]:
    """The inputs that may take any numbers: others' belong together, as indices or the results of another op do."""
    op, main = example.op, main_type(example.op)
    if op.view or op.moved:
        names = set(op.moved) or {op.inputs[0].name}
        return [where for where, a in arrays(example) if where[0] in names and a.size]
    typed = {a.name for a in op.inputs if a.type == main or a.fixed in (float32, float64)}
    if main and forward(op.name):  # all of them, so that no two cells of a window tie
        typed |= {a.name for a in op.inputs if example.attrs.get(a.type) == example.attrs[main]}
    given = [where for where, a in arrays(example) if a.size and where[0] in typed]
    if each_alone(op) or (op.accuracy == "dot" and len({w[0] for w in given}) <= 2) or forward(op.name):
        return given
    return given if len(given) == 1 and op.accuracy != "composed" else []


def is_float(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" or array.dtype == RECORD


def with_numbers(example: Example, title: str, also_zeros: bool = False) -> Example:
    """Drawn numbers wherever they are free; other floats move a little, so that no bit of them is spare.

    also_zeros: zeros become small numbers, so that it shows who reads them.
    """
    op, rng, places = example.op, generator(example.op, title), free(example)
    wide = each_alone(op) or op.accuracy == "dot" or op.view or bool(op.moved) or not _sizes_follow(example, places)
    new = {}
    for where, array in arrays(example):
        if where in places:
            new[where] = numbers(rng, array.shape, array.dtype, wide)
        elif array.dtype.kind == "f":
            factor = 1 + np.sqrt(np.finfo(array.dtype).eps) * rng.uniform(0, 1, array.shape)
            moved = array * factor + also_zeros * np.where(array == 0, rng.uniform(0.01, 0.1, array.shape), 0)
            new[where] = moved.astype(array.dtype)
    return replaced(example, new)


def _sizes_follow(example: Example, places: list[Where]) -> bool:
    """Whether values at these places may decide about sizes: then they had better be small."""
    order, asked = [where for where, _ in arrays(example)], []
    flat = [array for _, array in arrays(example)]

    def value_of(place: int) -> Any:
        asked.append(order[place])
        return flat[place]

    try:
        shapes = shape_rules.infer(example.op, example.attrs, [a.shape for a in flat], value_of)
    except Exception:  # it is to be told elsewhere
        return True
    return bool(set(asked) & set(places)) or any(s is None or None in s for s in shapes)


def numbers(rng: np.random.Generator, shape: tuple[int, ...], kind: np.dtype, wide: bool = True) -> np.ndarray:
    """Numbers of a type: floats about 0, integers of all sizes or small ones, bits, strings of all kinds."""
    if kind == RECORD:
        return rounded(rng.normal(size=shape))
    if kind.names:
        return rng.integers(0, 99, shape).astype(kind[0]).view(kind)
    if kind.kind == "c":
        return np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        low, high = (limits.min, limits.max) if wide else (max(limits.min, -9), 9)
        return np.asarray(rng.integers(low, high, shape, kind, endpoint=True))
    if kind.kind == "b":
        return np.asarray(rng.integers(0, 2, shape)).astype(bool)
    if kind.hasobject:
        found = np.empty(shape, object)
        first = rng.integers(len(WORDS))
        found.reshape(-1)[:] = [WORDS[(i + first) % len(WORDS)] for i in range(found.size)]
        return found
    return np.asarray(rng.normal(size=shape)).astype(kind)


WORDS = (b"a", b"", b"\xff\xfe", "\u00fc\u4e2d".encode(), b"A b", b"0", b"\0x")


def as_type(array: np.ndarray, dtype: DType) -> np.ndarray:
    """An array's numbers in another type."""
    kind = np.dtype(dtype.as_numpy_dtype)
    if array.dtype.hasobject or kind.hasobject:
        return numbers(np.random.default_rng(0), array.shape, kind)
    array = widened(array)
    with np.errstate(all="ignore"):
        array = array.real if array.dtype.kind == "c" and kind.kind != "c" else array
        return rounded(array) if dtype is bfloat16 else array.astype(kind)


def retyped(example: Example, attr: str, dtype: DType) -> Example:
    """The example with another type for this attribute."""
    names = {a.name for a in example.op.inputs if a.type == attr}
    new = {where: as_type(a, dtype) for where, a in arrays(example) if where[0] in names}
    return replaced(example, new, **{attr: dtype})


# -- sizes -----------------------------------------------------------------------------------------------------------

MOST = 1 << 13  # elements of an array


def resized(array: np.ndarray, axis: int, size: int) -> np.ndarray:
    """The array with another size along an axis: elements stand several times, in order; sorted stays sorted."""
    old = array.shape[axis]
    return np.take(array, np.arange(size) * old // size, axis)


def moves(example: Example, want: int) -> Iterator[list[tuple[Where, int]]]:
    """Sets of axes that may have to grow together; `want`: -1 for last axes, 0 for first ones."""
    places = [(where, axis, a.shape[axis]) for where, a in arrays(example) for axis in range(a.ndim) if a.shape[axis]]
    ends = [p for p in places if p[1] == (0 if want == 0 else _rank(example, p[0]) - 1)]
    others = [p for p in places if p not in ends]
    for where, axis, _ in reversed(ends if len(example.inputs) > 1 else []):  # a filter's axis before the image's
        yield [(where, axis)]
    for size in sorted({p[2] for p in ends}):
        yield [(where, axis) for where, axis, n in ends if n == size]
    for size in sorted({p[2] for p in ends}):
        yield [(where, axis) for where, axis, n in places if n == size]
    for where, axis, _ in ends + others:
        yield [(where, axis)]
    for one in ends:
        for two in places:
            if two[0] != one[0] and two[2] == one[2]:
                yield [one[:2], two[:2]]


def _rank(example: Example, where: Where) -> int:
    value = example.inputs[where[0]]
    return (value if where[1] is None else value[where[1]]).ndim


def grown(example: Example, want: int, least: int) -> Iterator[Example]:
    """Calls whose last, or first, axes are `least` long or a little more; vectors that spell sizes go along."""
    by_place = dict(arrays(example))
    for move in moves(example, want):
        old = by_place[move[0][0]].shape[move[0][1]]
        for size in dict.fromkeys((least, old * -(-least // old))):
            new: dict[Where, np.ndarray] = {}
            for where, axis in move:
                new[where] = resized(new.get(where, by_place[where]), axis, size)
            if max(a.size for a in new.values()) > MOST or any(
                _climbs(by_place[w]) and not _climbs(a) for w, a in new.items()
            ):
                continue
            spelled = {
                w: np.where(a == old, size, a).astype(a.dtype)
                for w, a in by_place.items()
                if _spells(w, a, old) and w not in new
            }
            for where, array in spelled.items():  # before the old length: what lies past it may be left open
                yield replaced(example, {**new, where: array})
            yield replaced(example, new)


def _climbs(array: np.ndarray) -> bool:
    """Whether these are bounds of parts, which repeated would be bounds of nothing."""
    return array.ndim == 1 and array.size > 2 and array.dtype == np.int64 and bool((np.diff(array) > 0).all())


def _spells(where: Where, array: np.ndarray, size: int) -> bool:
    return array.ndim <= 1 and array.dtype.kind == "i" and bool((array == size).any())


def deepened(example: Example, rank: int) -> Example:
    """The example with axes of size 1 in front of all arrays that have the most."""
    most = max((a.ndim for _, a in arrays(example)), default=0)
    new = {w: a.reshape((1,) * (rank - most) + a.shape) for w, a in arrays(example) if a.ndim == most}
    return replaced(example, new) if 0 < most < rank and "data_format" not in example.op.attrs else example


def outputs_of(example: Example) -> list[np.ndarray]:
    return [v for value in example.outputs.values() for v in (value if isinstance(value, list) else [value])]


def lengthened(example: Example) -> Example | None:
    """The example with more than 16 columns and rows in its results, and rank 5 where it may, as far as it goes."""
    current = answered(deepened(example, 5)) or answered(example)
    if current is None:
        return None
    for want, least in ((-1, 17), (0, 19)):
        if _length(current, want) >= least:
            continue
        before = _length(current, want)
        for trial in grown(current, want, least):
            found = answered(trial)
            if (
                found is not None
                and _length(found, want) > max(before, 15)
                and max(v.size for v in outputs_of(found)) <= 4 * MOST
            ):
                current = found
                break
    return current


def _length(example: Example, axis: int) -> int:
    return max((v.shape[axis] for v in outputs_of(example) if v.ndim > (axis == 0)), default=0)
