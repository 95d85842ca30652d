"""The bends: in which respects calls are drawn that no page shows.

Next: conformance/windows.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refflow.conformance.corpus import Example
from refflow.conformance.drawn import (
    Bend,
    answered,
    arrays,
    as_type,
    each_alone,
    generator,
    is_float,
    lengthened,
    main_type,
    moves,
    numbers,
    outputs_of,
    refused,
    replaced,
    resized,
    retyped,
    with_numbers,
)  # fmt: skip
from refflow.conformance.nudged import is_steady
from refflow.conformance.windows import windows
from refflow.core.dtypes import DType, as_dtype
from refflow.core.opdef import OpDef
from refflow.core.signature import REQUIRED, Attr

NUMBERS = (
    0.5, -0.0, np.nan, 2.5, -1.5, np.inf, 1.0, -np.inf, 3e4, -2.5, 6e-5, 0.0, -7.25, 1 / 3, -0.1, 5.0, 3e38, -3e38,
)  # fmt: skip
TYPES = ("float64", "bfloat16", "float16", "int32", "int64", "int8", "uint8", "complex64", "bool", "string")
SIZES = ("float64", "float16", "bfloat16", "int64", "uint8", "complex64", "bool", "string")  # what moves any elements
_AXES = {"reduction_indices", "axis", "dim", "split_dim", "concat_dim", "dimension", "dims", "squeeze_dims", "seq_dim"}
_INDICES = {"indices", "segment_ids", "box_ind", "batch_index"}
# Attributes that say how, or under what name, and not what comes out.
_INERT = {
    "use_locking", "container", "shared_name", "validate_indices", "validate_shape", "use_cudnn_on_gpu", "message",
    "first_n", "summarize", "seed", "seed2", "parallel_iterations", "limit", "stable", "N", "fast", "padding",
    "data_format",
}  # fmt: skip


# Whose results have signs, or an order, that are free: a page's example has one that all agree on.
_FREE = {
    "Svd",
    "BatchSvd",
    "Eig",
    "SelfAdjointEig",
    "SelfAdjointEigV2",
    "BatchSelfAdjointEig",
    "BatchSelfAdjointEigV2",
    "Qr",
}


def drawn(op: OpDef, shown: list[Example]) -> Iterator[Example]:
    """What is drawn from these examples of a page, a call for each bend that no page shows."""
    bases = [e for e in shown if e.error is None and e.inputs]
    if op.make_state is not None or op.by_handle or op.accuracy == "random" or not op.outputs or op.name in _FREE:
        return
    told = {name for e in bases for name in e.outputs}
    own = {a.name for a in op.outputs if a.name.startswith("reserve_space") and a.name not in told}
    bases = [b for b in map(answered, bases) if b is not None]
    if not bases:
        return
    long = None if each_alone(op) else longest(bases)  # awkward numbers make long rows of their own
    found, sources = list(shown), ([] if long is None else [long]) + bases
    for bend in bends(op, long):
        if bend.on_pages and any(bend.shows(e) for e in found):
            continue
        for call in (call for base in sources for call in bend.calls(base)):
            example = refused(call) if bend.title.startswith("refused") else answered(call)
            if example is not None and bend.shows(example) and is_steady(example):
                outputs = {k: v for k, v in example.outputs.items() if k not in own}  # what a kernel keeps is its own
                found.append(example._replace(title=bend.title, outputs=outputs))
                yield found[-1]
                break


def longest(bases: list[Example]) -> Example | None:
    """The first that grows in rows and columns, or that which grows the most."""
    best, most = None, 0
    for found in filter(None, map(lengthened, bases)):
        score = is_long(found, -1) + is_long(found, 0)
        if score > most:
            best, most = found, score
        if most == 2:
            break
    return best


def is_long(example: Example, axis: int) -> bool:
    return any(v.ndim > (axis == 0) and v.shape[axis] > 16 for v in outputs_of(example))


def is_right(example: Example) -> bool:
    return example.error is None


def bends(op: OpDef, long: Example | None) -> Iterator[Bend]:
    """All that may be tried with an op, what tells most first."""
    if each_alone(op):
        yield Bend("awkward numbers", awkward, is_right, on_pages=False)
        yield Bend("drawn numbers", lambda e: with_all(next(awkward(e)), "drawn"), is_right, on_pages=False)
    else:
        title = "drawn numbers" if long is None else "drawn numbers in long rows"
        yield Bend(title, lambda e: [*with_all(e, "drawn"), e], is_right, on_pages=False)
        yield Bend("other numbers", lambda e: with_all(e, "other"), is_right, on_pages=False)
    main = main_type(op)
    if main is not None:
        allowed = op.attrs[main].allowed
        for dtype in map(as_dtype, TYPES if allowed else SIZES):
            if not allowed or dtype in allowed:
                yield typed(op, main, dtype)
    yield from flags(op)
    if "padding" in op.attrs and "strides" in op.attrs:
        yield from windows(op)
    yield from axes(op)
    yield from sizes(op)
    if any(a.name in _INDICES for a in op.inputs):
        yield from indices(op)
    elif not each_alone(op) and op.accuracy in ("rounded", "transcendental", "dot"):
        yield Bend("NaN and infinities", special, lambda e: is_right(e) and has_nan(e))
    if any(a.fixed is not None and a.fixed.name == "string" for a in op.inputs):
        yield Bend("strings of all kinds", words, is_right, on_pages=False)
    yield Bend("refused: shapes that do not fit", misshapen, lambda e: not is_right(e))


# -- numbers and types -----------------------------------------------------------------------------------------------


def with_all(example: Example, title: str) -> list[Example]:
    return [with_numbers(example, title, True), with_numbers(example, title)]


def awkward(example: Example) -> Iterator[Example]:
    """Each awkward number with each, along axes that only one input has, in a result of rank 5."""
    places = list(arrays(example))
    if len(places) == 1:
        where, array = places[0]
        line = awkward_numbers(array.dtype, example.op, 0)
        turned = [np.roll(line, i) for i in range(17)]  # each number in each column
        yield replaced(example, {where: np.stack(turned).reshape(17, 1, 1, 1, line.size)})
    else:
        new = {}
        for i, (where, array) in enumerate(places):
            line = awkward_numbers(array.dtype, example.op, i)
            shape = [1] * 5
            shape[(0, 4, 2)[i % 3]] = line.size if i < 2 else 3
            new[where] = line[: shape[(0, 4, 2)[i % 3]]].reshape(shape)
        yield replaced(example, new)
    yield with_numbers(example, "drawn")


def awkward_numbers(kind: np.dtype, op: OpDef, salt: int) -> np.ndarray:
    """A row of awkward numbers of a type, and some drawn ones."""
    if kind.kind in "iu":
        top = int(np.iinfo(kind).max)
        some = [top, 1, 3, 7, 2, 0, top - 1, 5, top // 2 + 1, 100, 6, top // 3, 4, 9]
        some += [-1, -3, -7, -2, -top - 1, -top] if kind.kind == "i" else [11, 13, 17, 31, 64, 8]
        return np.roll(np.array(some, kind), 3 * salt)[:19]
    if is_float(np.empty(0, kind)):
        line = np.concatenate([NUMBERS, generator(op, str(salt)).normal(size=5)])
        with np.errstate(over="ignore"):
            return as_type(line.astype(np.float64 if kind == np.float64 else np.float32), as_dtype(kind))
    return numbers(generator(op, str(salt)), (23,), kind)


def typed(op: OpDef, attr: str, dtype: DType) -> Bend:
    def calls(example: Example) -> Iterator[Example]:
        made = retyped(example, attr, dtype)
        if each_alone(op):
            yield from awkward(made)
        yield from with_all(made, dtype.name)
        yield made

    def shows(example: Example) -> bool:
        return is_right(example) and example.attrs.get(attr) == dtype

    title = f"{'awkward ' if each_alone(op) else ''}numbers of type {dtype.name}"
    return Bend(title, calls, shows, on_pages=False)


def special(example: Example) -> Iterator[Example]:
    """NaN and infinities at a few places of one input after the other."""
    example = with_numbers(example, "special")
    for where, array in arrays(example):
        if array.dtype.kind == "f" and array.size > 3:
            changed = array.copy()
            for i, value in enumerate((np.nan, np.inf, -np.inf)):
                changed.reshape(-1)[i * array.size // 3] = value
            yield replaced(example, {where: changed})


def has_nan(example: Example) -> bool:
    return any(a.dtype.kind == "f" and bool(np.isnan(a).any()) for _, a in arrays(example))


def words(example: Example) -> Iterator[Example]:
    rng = generator(example.op)
    for where, array in arrays(example):
        if array.dtype == object and array.ndim:
            yield replaced(example, {where: numbers(rng, (9, *array.shape[1:]), array.dtype)})


# -- attributes and axes ---------------------------------------------------------------------------------------------


def flags(op: OpDef) -> Iterator[Bend]:
    """Each attribute with another value, where that makes a difference; and two flags at once."""
    counts = {a.number for a in (*op.inputs, *op.outputs)}
    for name, attr in op.attrs.items():
        if name not in _INERT and name not in counts:
            for value in other_values(attr):
                yield flag(name, value, attr.default)
    raised = [k for k, a in op.attrs.items() if a.kind == "bool" and k not in _INERT]
    if len(raised) > 1:
        yield Bend(
            "two flags at once",
            lambda e: (
                replaced(with_numbers(e, "flags"), {}, **{a: True, b: True}) for a in raised for b in raised if a < b
            ),
            lambda e: is_right(e) and sum(bool(e.attrs[k]) for k in raised) > 1,
        )


def flag(name: str, value: Any, default: Any) -> Bend:
    def shows(example: Example) -> bool:
        if not is_right(example) or example.attrs.get(name) != value:
            return False
        again = answered(example)
        if again is None or differs(again, example):  # it depends on the draw of the moment
            return False
        if default is REQUIRED:
            return True
        plain = answered(replaced(example, {}, **{name: default}))
        return plain is None or differs(plain, again)

    def calls(example: Example) -> Iterator[Example]:
        call = replaced(example, {}, **{name: value})
        yield from with_all(call, name)
        yield call

    return Bend(f"{name} = {value!r}", calls, shows)


def other_values(attr: Attr) -> list[Any]:
    if attr.kind == "bool":
        return [v for v in (True, False) if v is not attr.default]
    if attr.kind == "string":
        return [v for v in attr.allowed if v != attr.default]
    if attr.kind == "int":
        return [attr.default + 1 if attr.default is not REQUIRED else 2]
    return [2 * attr.default if attr.default else 0.5] if attr.kind == "float" and attr.default is not REQUIRED else []


def differs(a: Example, b: Example) -> bool:
    pairs = list(zip(outputs_of(a), outputs_of(b), strict=False))
    return any(x.shape != y.shape or x.tobytes() != y.tobytes() for x, y in pairs)


def axes(op: OpDef) -> Iterator[Bend]:
    """Axes counted from the end, in another order, and none, where an input or an attribute names them."""
    names = [a.name for a in op.inputs if a.name in _AXES] + [k for k in op.attrs if k in _AXES]
    if not names or op.name == "Reverse":
        return

    def of(example: Example) -> list[int]:
        found: list[int] = []
        for name in names:
            value = example.inputs.get(name, example.attrs.get(name))
            found += [] if value is None else np.asarray(value, np.int64).reshape(-1).tolist()
        return found

    def put(example: Example, change: Any) -> Iterator[Example]:
        rank = max(a.ndim for _, a in arrays(example))
        for name in names:
            if name in example.inputs:
                array = example.inputs[name]
                value = np.asarray(change(array.astype(np.int64), rank), array.dtype)
                yield with_numbers(replaced(example, {(name, None): value}), "axes")
            elif example.attrs[name] is not None:
                value = change(np.asarray(example.attrs[name], np.int64), rank)
                yield with_numbers(replaced(example, {}, **{name: value.tolist()}), "axes")

    yield Bend(
        "an axis counted from the end",
        lambda e: put(e, lambda v, rank: np.where(v < 0, v, v - rank)),
        lambda e: is_right(e) and any(v < 0 for v in of(e)),
    )
    if op.shape_rule is not None and op.shape_rule.__name__ == "_reduced_shape":
        yield Bend(
            "axes out of order", lambda e: put(e, lambda v, rank: np.array([rank - 1, 0])),
            lambda e: is_right(e) and len(of(e)) > 1 and of(e) != sorted(of(e)),
        )  # fmt: skip
        yield Bend("no axis", lambda e: put(e, lambda v, rank: np.zeros(0)), lambda e: is_right(e) and not of(e))


# -- sizes -----------------------------------------------------------------------------------------------------------


def sizes(op: OpDef) -> Iterator[Bend]:
    """No elements, one without axes, axes that only one input has, and shapes that do not fit."""

    def empty(example: Example) -> Iterator[Example]:
        by_place = dict(arrays(example))
        for move in moves(example, -1):
            new: dict[Any, np.ndarray] = {}
            for where, axis in move:
                new[where] = resized(new.get(where, by_place[where]), axis, 0)
            yield replaced(example, new)

    def scalars(example: Example) -> Iterator[Example]:
        most = max(a.ndim for _, a in arrays(example))
        full = {w: a for w, a in arrays(example) if a.ndim == most and a.size}
        if most:
            yield replaced(example, {w: a.reshape(-1)[:1].reshape(()) for w, a in full.items()})

    def uneven(example: Example) -> Iterator[Example]:
        for k in range(len(example.inputs)):
            new = {}
            for i, (where, a) in enumerate(arrays(example)):
                line = numbers(generator(op, str(i)), (2, 3) if i == k else (3,), a.dtype, False)
                new[where] = line
            yield replaced(example, new)

    yield Bend("no elements", empty, lambda e: is_right(e) and any(not a.size for _, a in arrays(e)))
    yield Bend("a scalar", scalars, lambda e: is_right(e) and next(a.ndim for _, a in arrays(e)) == 0)
    if each_alone(op) and len(op.inputs) > 1:
        yield Bend("ranks that differ", uneven, lambda e: is_right(e) and len({a.ndim for _, a in arrays(e)} - {0}) > 1)


def misshapen(example: Example) -> Iterator[Example]:
    for where, array in arrays(example):
        if array.ndim and array.shape[0]:
            yield replaced(example, {where: np.concatenate([array, array[:1]])})
        yield replaced(example, {where: array[None]})


# -- indices ---------------------------------------------------------------------------------------------------------


def indices(op: OpDef) -> Iterator[Bend]:
    """The same index twice, and indices that are not there."""
    names = [a.name for a in op.inputs if a.name in _INDICES and a.number is None]

    def put(example: Example, place: int, value: Any) -> Iterator[Example]:
        for name in names:
            array = np.array(example.inputs[name])
            rows = array if array.ndim < 2 or "Nd" not in op.name else array.reshape(-1, array.shape[-1])
            flat = rows.reshape(-1) if rows.ndim < 2 or "Nd" not in op.name else rows
            if len(flat) > 1:
                flat[place] = flat[0] if value is None else value
                yield replaced(example, {(name, None): flat.reshape(array.shape)})

    def twice(example: Example) -> bool:
        found = [np.asarray(example.inputs[n]).reshape(-1) for n in names]
        return is_right(example) and any(f.size > len(np.unique(f)) for f in found)

    yield Bend("an index twice", lambda e: put(e, 1, None), twice)
    for title, value in (("an index too large", 999), ("a negative index", -1)):
        yield Bend(
            f"refused: {title}", lambda e, v=value: put(e, 0 if v < 0 else -1, v),  # type: ignore[misc]
            lambda e, v=value: not is_right(e) and any(bool((e.inputs[n] == v).any()) for n in names),  # type: ignore[misc]
        )  # fmt: skip
