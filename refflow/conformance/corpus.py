"""Every example of every op as lines of JSON, for backends in any language: `refflow cases`.

    {"op": "MatMul", "title": "...", "clause": "S16", "accuracy": "dot", "attrs": {"transpose_a": false, "T": ...},
     "inputs": {"a": TENSOR, "b": TENSOR}, "outputs": {"product": TENSOR}}       or, for outputs: "error": "text"

    TENSOR     {"dtype": "float32", "shape": [2, 3], "data": [...]}        row after row; a list where an arg is a list
    number     itself, or "nan", "inf", "-inf"; complex: [real, imaginary]; bfloat16 and quantized: their integers' bits
    string     itself where it is UTF-8, else {"base64": "..."}
    attribute  number, bool, string, {"dtype": "int32"}, {"shape": [null, 3]}, a TENSOR, or a list of these

Floats are written so that reading them gives the same bits. An output that an example leaves open is not there.

Next: cli.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from math import isfinite, prod
from typing import Any, NamedTuple

import numpy as np

from refflow.conformance.cases import attrs_of, expected, inputs_of
from refflow.core.dtypes import DType, as_dtype
from refflow.core.errors import NodeError
from refflow.core.opdef import Case, OpDef
from refflow.core.registry import op_def, registered_ops
from refflow.core.shapes import TensorShape


class Example(NamedTuple):
    """A line of the corpus, read."""

    op: OpDef
    title: str
    clause: str
    accuracy: str
    attrs: dict[str, Any]
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    error: str | None


def write_cases(names: list[str] | None = None, drawn: bool = False) -> Iterator[str]:
    """A line for each example of the op types called `names`, or of all. drawn: also of those that are on no page."""
    from refflow.conformance.bends import drawn as drawn_from

    for op in [op_def(n) for n in names] if names else registered_ops():
        shown = [write_case(op, case) for case in op.cases]
        yield from shown
        if drawn:
            yield from map(write_example, drawn_from(op, list(map(read_case, shown))))


def write_case(op: OpDef, case: Case) -> str:
    """One example of a page as a line of JSON."""
    attrs = attrs_of(op, case)
    inputs = dict(zip([a.name for a in op.inputs], inputs_of(op, case, attrs), strict=True))
    outputs: dict[str, Any] = {}
    if case.error is None:
        flat = expected(op, case)
        outputs = {n: flat[p] for n, p in op.places(attrs, outputs=True).items() if n in case.outputs}
    return write_example(Example(op, case.title, case.clause, op.accuracy, attrs, inputs, outputs, case.error))


def write_example(example: Example) -> str:
    """One example as a line of JSON."""
    op, attrs = example.op, example.attrs
    types = {a.name: a.fixed or attrs.get(a.type) for a in (*op.inputs, *op.outputs)}
    line: dict[str, Any] = {"op": op.name, "title": example.title, "clause": example.clause}
    line["accuracy"] = example.accuracy
    line["attrs"] = {key: _attr(value) for key, value in sorted(attrs.items())}
    line["inputs"] = {name: _side(value, types[name]) for name, value in example.inputs.items()}
    if example.error is None:
        line["outputs"] = {name: _side(value, types[name]) for name, value in example.outputs.items()}
    else:
        line["error"] = example.error
    return json.dumps(line, ensure_ascii=False, allow_nan=False)


def _side(value: Any, dtype: Any) -> Any:
    if not isinstance(value, list):
        return _tensor(value, dtype)
    types = dtype if isinstance(dtype, list) else [dtype] * len(value)
    return [_tensor(v, t) for v, t in zip(value, types, strict=True)]


def _tensor(array: np.ndarray, dtype: DType | None = None) -> dict[str, Any]:
    dtype = (dtype or as_dtype(array.dtype)).base_dtype
    array = np.asarray(array, dtype.as_numpy_dtype)
    if array.dtype.names:  # the integers in it
        array = array.view(array.dtype[0])
    return {"dtype": dtype.name, "shape": list(array.shape), "data": [_value(v) for v in array.reshape(-1).tolist()]}


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return [_value(value.real), _value(value.imag)]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def _attr(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_attr(v) for v in value]
    if isinstance(value, DType):
        return {"dtype": value.name}
    if isinstance(value, TensorShape):
        return {"shape": None if value.as_tuple is None else list(value.as_tuple)}
    return _tensor(value) if isinstance(value, np.ndarray) else _value(value)


# -- and back -------------------------------------------------------------------------------------------------


def read_case(line: str) -> Example:
    """What a line of the corpus holds, as arrays and attribute values; NodeError where it is no such line."""
    try:
        found = json.loads(line)
        op = op_def(found["op"])
        return Example(
            op, found["title"], found["clause"], found["accuracy"],
            {key: _read_attr(value, op.attrs[key].kind) for key, value in found["attrs"].items()},
            {key: _read_side(value) for key, value in found["inputs"].items()},
            {key: _read_side(value) for key, value in found.get("outputs", {}).items()}, found.get("error"),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise NodeError(f"no example of an op: {type(error).__name__}: {error}. Line: {line[:80]!r}") from None


def read_outputs(result: dict[str, Any]) -> dict[str, Any]:
    """The outputs by name in what a backend wrote; NodeError where they are not in the form of an example's."""
    try:
        return {key: _read_side(value) for key, value in result["outputs"].items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise NodeError(f"no outputs: {type(error).__name__}: {error}. In {str(result)[:80]!r}") from None


def _read_side(value: Any) -> Any:
    return [_read_tensor(v) for v in value] if isinstance(value, list) else _read_tensor(value)


def _read_tensor(value: dict[str, Any]) -> np.ndarray:
    dtype, shape = np.dtype(as_dtype(value["dtype"]).as_numpy_dtype), value["shape"]
    plain = dtype[0] if dtype.names else dtype
    if len(value["data"]) != prod(shape):
        raise ValueError(f"data has {len(value['data'])} numbers, but shape {shape} takes {prod(shape)}")
    array = np.empty(prod(shape), plain)
    for i, number in enumerate(value["data"]):
        array[i] = _read_value(number, plain.kind)
    return (array.view(dtype) if dtype.names else array).reshape(shape)


def _read_value(value: Any, kind: str) -> Any:
    if kind == "O":
        return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])
    if kind == "c":
        return complex(float(value[0]), float(value[1]))
    return float(value) if kind == "f" else value


def _read_attr(value: Any, kind: str) -> Any:
    if isinstance(value, list):
        return [_read_attr(v, kind) for v in value]
    if not isinstance(value, dict):
        return float(value) if kind in ("float", "list(float)") else value  # "-inf" is one
    if "data" in value:
        return _read_tensor(value)
    if "dtype" in value:
        return as_dtype(value["dtype"])
    return TensorShape(value["shape"]) if "shape" in value else base64.b64decode(value["base64"])
