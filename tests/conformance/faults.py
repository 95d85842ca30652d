"""Faults planted in the pages' own kernels: what `refflow check` is able to find.

    python -m tests.conformance.faults                 a table: kinds of faults, of how many op types each is found
    python -m tests.conformance.faults MatMul Sum      of these op types, with the faults that pass

A kind is a function that makes, for an op type, a backend that is right but for one thing, or None where the kind says
nothing about the op. A fault that passes may make no difference (no
result of ExtractJpegShape has 16 columns), or may be left free, as signs of zeros are.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable

import numpy as np

from refflow.conformance import examples
from refflow.conformance.check import Backend, Run
from refflow.core import shape_rules
from refflow.core.bfloat16 import RECORD, rounded, widened
from refflow.core.dtypes import as_dtype
from refflow.core.opdef import OpDef
from refflow.core.registry import op_def, registered_ops
from refflow.core.shapes import TensorShape

KINDS: dict[str, Callable[[OpDef], Backend | None]] = {}
NUMBERS = ("rounded", "transcendental", "special", "dot")
INDICES = ("indices", "segment_ids")
HOW = ("use_locking", "use_cudnn_on_gpu", "validate_indices", "validate_shape", "fast")  # not what comes out
AXES = ("reduction_indices", "axis", "dim", "split_dim", "concat_dim", "dimension")
_READ = {"type": as_dtype, "shape": TensorShape}


def right(op_type, inputs, attrs):
    """The page's kernel behind the op's shape rule, as a backend."""
    op, typed = op_def(op_type), {}
    for name, value in attrs.items():
        kind = op.attrs[name].kind
        read = _READ.get(kind.removeprefix("list(").removesuffix(")"), lambda v: v)
        typed[name] = [read(v) for v in value] if kind.startswith("list(") and value is not None else read(value)
    flat = arrays(inputs)
    shape_rules.infer(op, typed, [np.shape(a) for a in flat], lambda i: flat[i])
    found = op.page_kernel(typed)(*inputs.values(), **op.kernels["cpu"].arguments(typed))
    return [np.asarray(v) for v in (found if isinstance(found, (list, tuple)) else [] if found is None else [found])]


def arrays(inputs):
    return [a for value in inputs.values() for a in (value if isinstance(value, list) else [value])]


def each(change, inputs):
    return {k: [change(a) for a in v] if isinstance(v, list) else change(v) for k, v in inputs.items()}


def bent(array):
    """The array with another value everywhere, and the same type."""
    array = np.asarray(array)
    if array.dtype.names:
        return array.view(array.dtype[0]) + np.ones((), array.dtype[0]).astype(array.dtype[0])
    if array.dtype == object:
        return np.frompyfunc(lambda s: s + b"x", 1, 1)(array) if array.size else array
    if array.dtype.kind == "b":
        return ~array
    if array.dtype.kind in "iu":
        return array ^ array.dtype.type(1)
    return np.where(np.isfinite(array), array * 1.25 + 0.5, 7).astype(array.dtype)


def kind(text):
    return lambda function: KINDS.setdefault(text, function)


def when(holds):
    """A backend whose results are wrong for calls where `holds(inputs, attrs)`."""

    def backend(op_type, inputs, attrs):
        wrong = holds(inputs, attrs)
        found = right(op_type, inputs, attrs)
        return [bent(v).view(v.dtype) if v.dtype.names else bent(v) for v in found] if wrong else found

    return backend


def where(place):
    """A backend whose results are wrong at some places."""

    def backend(op_type, inputs, attrs):
        found = right(op_type, inputs, attrs)
        for i, value in enumerate(found):
            wrong = place(value)
            if wrong is not None and value.dtype.kind != "V":
                found[i] = np.where(wrong, bent(value), value).astype(value.dtype)
        return found

    return backend


def on_floats(change):
    """A backend that takes other floats than it is given."""
    some = lambda a: change(a) if a.dtype.kind == "f" else a  # noqa: E731
    return lambda op_type, inputs, attrs: right(op_type, each(some, inputs), attrs)


def main_type(op):
    taken = {a.type for a in op.inputs}
    return next((a.type for a in (*op.outputs, *op.inputs) if a.type in op.attrs and a.type in taken), None)


def takes(op, name):
    main = main_type(op)
    return main is not None and (not op.attrs[main].allowed or as_dtype(name) in op.attrs[main].allowed)


def gives_arrays(op):
    return op.inputs and any(a.dims is None or a.dims for a in op.outputs)


def alone(op):
    return op.shape_rule is not None and op.shape_rule.__name__ == "broadcast_all"


def windows(op):
    return "padding" in op.attrs and "strides" in op.attrs


# -- places and shapes -----------------------------------------------------------------------------------------------


@kind("the last of 16 columns is wrong")
def _columns(op):
    return gives_arrays(op) and where(lambda v: np.arange(v.shape[-1]) % 16 == 15 if v.ndim else None)


@kind("what is left of blocks of 8 is wrong")
def _rest(op):
    return gives_arrays(op) and where(
        lambda v: (np.arange(v.size) >= v.size // 8 * 8).reshape(v.shape) if v.size > 8 else None
    )


@kind("the last of 16 rows is wrong")
def _rows(op):
    return gives_arrays(op) and where(
        lambda v: (np.arange(len(v)) % 16 == 15).reshape(-1, *[1] * (v.ndim - 1)) if v.ndim > 1 else None
    )


@kind("rank 5 is wrong")
def _deep(op):
    return alone(op) and when(lambda x, a: any(v.ndim > 4 for v in arrays(x)))


@kind("a scalar is wrong")
def _scalar(op):
    return alone(op) and when(lambda x, a: arrays(x)[0].ndim == 0)


@kind("no elements are refused")
def _nothing(op):
    def backend(op_type, inputs, attrs):
        if any(not v.size and not (v.ndim == 1 and v.dtype.kind == "i") for v in arrays(inputs)):
            raise ValueError("there is nothing")
        return right(op_type, inputs, attrs)

    return gives_arrays(op) and backend


@kind("the first operand is not stretched")
def _first(op):
    return (
        alone(op)
        and len(op.inputs) > 1
        and when(lambda x, a: arrays(x)[0].shape != np.broadcast_shapes(*[v.shape for v in arrays(x)]))
    )


@kind("the last operand is not stretched")
def _last(op):
    return (
        alone(op)
        and len(op.inputs) > 1
        and when(lambda x, a: arrays(x)[-1].shape != np.broadcast_shapes(*[v.shape for v in arrays(x)]))
    )


@kind("operands of two ranks are aligned at the left")
def _left(op):
    return alone(op) and len(op.inputs) > 1 and when(lambda x, a: len({v.ndim for v in arrays(x)} - {0}) > 1)


@kind("an axis counted from the end is wrong")
def _negative(op):
    return any(a.name in AXES for a in op.inputs) and when(
        lambda x, a: any((np.asarray(x[n]) < 0).any() for n in AXES if n in x)
    )


@kind("wrong shapes are accepted")
def _accepts(op):
    def backend(op_type, inputs, attrs):
        try:
            return right(op_type, inputs, attrs)
        except Exception:
            return [np.zeros(3)] * max(1, len(op.outputs))

    return any(a.dims for a in op.inputs) and backend


# -- numbers ---------------------------------------------------------------------------------------------------------


def floats(op):
    return op.accuracy in NUMBERS and takes(op, "float32")


@kind("NaN is taken as 0")
def _nan(op):
    by_index = any(a.name in INDICES for a in op.inputs)  # where the order decides what NaN does to a maximum
    return floats(op) and not by_index and on_floats(lambda a: np.where(np.isnan(a), 0, a).astype(a.dtype))


@kind("float64 is computed in float32")
def _double(op):
    def backend(op_type, inputs, attrs):
        found = right(op_type, each(narrow, inputs), attrs)
        return [narrow(v) for v in found]

    def narrow(a):
        return a.astype(np.float32).astype(a.dtype) if a.dtype == np.float64 else a

    return op.accuracy in NUMBERS and takes(op, "float64") and backend


def cut(name, shorten):
    def make(op):
        def backend(op_type, inputs, attrs):
            found = right(op_type, inputs, attrs)
            if name not in attrs.values():
                return found
            wide = each(
                lambda a: widened(a) if a.dtype == RECORD else a.astype("f4") if a.dtype == np.float16 else a, inputs
            )
            full = right(op_type, wide, {k: "float32" if v == name else v for k, v in attrs.items()})
            return [
                shorten(w) if w.dtype == np.float32 and v.dtype != w.dtype else v
                for v, w in zip(found, full, strict=True)
            ]

        return op.accuracy in NUMBERS and not op.ref_inputs and takes(op, name) and backend

    return make


def shorter_half(a):
    near = a.astype(np.float16)
    return np.where(abs(near) > abs(a), np.nextafter(near, np.float16(0)), near)


KINDS["float16 is cut, not rounded"] = cut("float16", shorter_half)
KINDS["bfloat16 is cut, not rounded"] = cut(
    "bfloat16",
    lambda a: (np.ascontiguousarray(a).view(np.uint32) >> 16).astype(np.uint16).view(RECORD).reshape(a.shape),
)


@kind("operands have the mantissa of bfloat16")
def _narrow(op):
    return (
        op.accuracy == "dot"
        and takes(op, "float32")
        and on_floats(lambda a: widened(rounded(a)) if a.dtype == np.float32 else a)
    )


@kind("64-bit integers go through float64")
def _through(op):
    through = lambda a: a.astype("f8").astype("i8") if a.dtype == np.int64 else a  # noqa: E731
    return alone(op) and takes(op, "int64") and (lambda name, x, a: right(name, each(through, x), a))


# -- attributes, windows, memory -------------------------------------------------------------------------------------


@kind("flags are not read")
def _flags(op):
    names = [k for k, a in op.attrs.items() if a.kind == "bool" and k in op.kernels["cpu"].attrs and k not in HOW]
    return names and (lambda op_type, x, a: right(op_type, x, {**a, **{k: op.attrs[k].default is True for k in names}}))


@kind("windows: strides of two sizes are one")
def _strides(op):
    return windows(op) and when(lambda x, a: len({*_middle(a.get("strides") or x["strides"].tolist(), a)}) > 1)


@kind("windows: strides beyond the window are wrong")
def _beyond(op):
    return windows(op) and when(lambda x, a: min(_middle(a.get("strides") or x["strides"].tolist(), a)) > 2)


@kind("windows: gaps are not read")
def _gaps(op):
    return windows(op) and "dilations" in op.attrs and when(lambda x, a: max(a["dilations"], default=1) > 1)


def _middle(line, attrs):
    return line[2:] if str(attrs.get("data_format", "")).startswith("NC") else line[1:-1]


@kind("an index that occurs twice counts once")
def _twice(op):
    names = [a.name for a in op.inputs if a.name in INDICES]
    return names and when(lambda x, a: any(x[n].size > len(np.unique(x[n])) for n in names))


@kind("inputs are overwritten")
def _overwrites(op):
    def backend(op_type, inputs, attrs):
        found = [v.copy() for v in right(op_type, inputs, attrs)]
        for a in arrays(inputs):
            a[...] = bent(a).view(a.dtype) if a.dtype.names else bent(a)
        return found

    return not op.ref_inputs and gives_arrays(op) and backend


@kind("all results are in one buffer")
def _buffer(op):
    buffers = {}

    def backend(op_type, inputs, attrs):
        found = []
        for i, v in enumerate(right(op_type, inputs, attrs)):
            kept = buffers.setdefault((i, v.dtype, v.shape), np.empty_like(v))
            kept[...] = v
            found.append(kept)
        return found

    return gives_arrays(op) and backend


@kind("the first answer for a shape is given again")
def _again(op):
    known = {}

    def backend(op_type, inputs, attrs):
        key = str((attrs, [(a.dtype, a.shape) for a in arrays(inputs)]))
        return known.setdefault(key, right(op_type, inputs, attrs))

    return gives_arrays(op) and backend


@kind("slots of an update keep their values")
def _slots(op):
    def backend(op_type, inputs, attrs):
        found = right(op_type, inputs, attrs)
        found[op.ref_inputs[1]] = list(inputs.values())[op.ref_inputs[1]]
        return found

    return len(op.ref_inputs) > 1 and backend


# -- the sweep -------------------------------------------------------------------------------------------------------


def subjects(names: Iterable[str] = ()) -> list[OpDef]:
    """The op types with examples that need no state beside their inputs."""
    apart = {"CountUpTo", "DebugNumericSummary", "MergeSummary"}  # whose kernels need more than arrays
    known = [op_def(n) for n in names] if names else registered_ops()
    return [op for op in known if op.cases and op.make_state is None and not op.by_handle and op.name not in apart]


def sweep(ops: Iterable[OpDef], kinds: Iterable[str] = ()) -> dict[str, dict[str, bool]]:
    """For each kind, the op types that it says something about: whether the fault is found."""
    found: dict[str, dict[str, bool]] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for op in ops:
            known = list(examples(op))
            for name in kinds or KINDS:
                backend = KINDS[name](op)
                if backend:
                    run = Run(backend)
                    found.setdefault(name, {})[op.name] = any(run.tried(e).kind == "wrong" for e in known)
    return found


def main(names: list[str]) -> None:
    found = sweep(subjects(names))
    for name, by_op in found.items():
        print(f"{name:<52}{sum(by_op.values()):>5} of {len(by_op):>4}")
        if names and not all(by_op.values()):
            print("    passes:", ", ".join(n for n, is_found in by_op.items() if not is_found))


if __name__ == "__main__":
    main(sys.argv[1:])
