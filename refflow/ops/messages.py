"""Nodes for whoever watches a run: stop with a message, or say what a value is.

    Assert     InvalidArgument with the values of `data` unless `condition` is true            [W79]
    Print      passes its input on and writes a line to standard error

Next: ops/control_flow.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from refflow.core import errors
from refflow.core.convert import convert_to_tensor
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.opdef import define_op
from refflow.core.signature import Attr

ANY = Attr("type")
TYPES = Attr("list(type)", minimum=1)

ASSERT = define_op("Assert", "condition: bool[], data: T ->", T=TYPES, summarize=3, stateful=True, source=("W79",))
PRINT = define_op(
    "Print", "input: T[...S], data: U -> output: T[...S]", T=ANY, U=Attr("list(type)"), message="", first_n=-1,
    summarize=3, stateful=True, source=("W79",),
)  # fmt: skip
PRINT_V2 = define_op("PrintV2", "input: string ->", output_stream="stderr", end="\n", stateful=True, source=("W79",))
PRINT_V2.built_with(input=0)
TIMESTAMP = define_op("Timestamp", "-> ts: float64[]", stateful=True, accuracy="random", source=("W79",))
ASSERT.no_gradient()
TIMESTAMP.no_gradient_registered()
PRINT_V2.no_gradient()


def summarized(value: Any, count: int) -> str:
    """The first elements of a tensor, rows in brackets; all of them for a negative count.

    >>> summarized(np.arange(6).reshape(2, 3), 4), summarized(np.array(7), 3)
    ('[0 1 2][3...]...', '7')
    """
    array = np.asarray(value)
    limit = array.size if count < 0 else count
    leaves = [_element(x) for x in array.reshape(-1)[:limit]]
    text = _rows(iter(leaves), array.shape, 0, len(leaves)) if array.ndim else "".join(leaves)
    return text + "..." * (array.size > limit)


def _rows(leaves: Iterator[str], dims: tuple[int, ...], start: int, stop: int, inner: bool = False) -> str:
    """The elements `start` to `stop` of a row, as far as the leaves go; what is missing of an inner one is dots."""
    if len(dims) == 1:
        shown = [next(leaves) for _ in range(min(dims[0], stop - start))]
        return " ".join(shown) + "..." * (inner and len(shown) < dims[0])
    each = int(np.prod(dims[1:], dtype=np.int64))
    begins = [start + i * each for i in range(dims[0])]
    return "".join(f"[{_rows(leaves, dims[1:], b, stop, True)}]" for b in begins if b < stop)


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "'": "\\'", "\\": "\\\\"}


def _element(value: Any) -> str:
    if isinstance(value, bytes):
        return "".join(_ESCAPES.get(c, c) for c in value.decode("utf-8", "backslashreplace"))
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (np.complexfloating, complex)):
        return "?"
    if isinstance(value, (np.floating, float)):
        kind, few, many = (np.float64, 15, 17) if isinstance(value, (np.float64, float)) else (np.float32, 6, 9)
        short = f"{float(value):.{few}g}"
        return short if kind(short) == kind(value) or np.isnan(value) else f"{float(value):.{many}g}"
    return str(value)


@ASSERT.kernel
def assert_kernel(condition, data, summarize=3):
    if not bool(np.reshape(condition, ())):
        shown = " ".join(f"[{summarized(d, summarize)}]" for d in data)
        raise errors.InvalidArgumentError(None, None, f"assertion failed: {shown}")


@TIMESTAMP.kernel
def timestamp_kernel():
    """Seconds since 1970."""
    return np.float64(time.time())


@PRINT.state
def _count():
    return [0]


@PRINT.kernel
def print_kernel(input, data, message="", first_n=-1, summarize=3, state=None):
    if first_n < 0 or state[0] < first_n:
        state[0] += 1
        values = "".join(f"[{summarized(d, summarize)}]" for d in data)
        print(f"{message}{values}", file=sys.stderr)
    return input


@PRINT.gradient
def _print_gradient(op, dy):
    """The value passes, and so does its gradient."""
    return [dy] + [None] * (len(op.inputs) - 1)


@PRINT_V2.kernel
def print_v2_kernel(input, output_stream="stderr", end="\n"):
    text = np.asarray(input, object).item().decode("utf-8", "backslashreplace")
    if output_stream.startswith("file://"):
        with open(output_stream[7:], "a", encoding="utf-8") as file:
            file.write(text + end)
        return
    stream = sys.stdout if output_stream == "stdout" else sys.stderr
    stream.write(text + end)
    stream.flush()


ASSERT.case("W79", "what is true passes", condition=True, data=[np.array([1.0], np.float32)], T=["float32"])
ASSERT.case("W79", "else the values are told", condition=False, data=[np.array([1.0, 2.5], np.float32)], T=["float32"],
            error="assertion failed: [1 2.5]")  # fmt: skip
PRINT.case("W79", "the value again", input=[1.0, 2.0], data=[], U=[], output=[1.0, 2.0])
PRINT_V2.case("W79", "a line of text", input=np.array(b"text", object))


def Assert(condition: Any, data: Any, summarize: int | None = None, name: str | None = None) -> Operation:
    """An operation that fails with the values of `data` (a list of tensors) unless the scalar `condition` is true."""
    return ASSERT(condition, list(data), summarize=summarize, name=name)


def Print(
    input_: Any, data: Any, message: str | None = None, first_n: int | None = None, summarize: int | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """`input_` again; each of the first `first_n` runs writes `message` and the first elements of each of `data`."""
    return PRINT(input_, list(data), message=message, first_n=first_n, summarize=summarize, name=name)


def add_check_numerics_ops() -> Operation:
    """One operation that fails if any float tensor of the default graph is infinite or NaN when it runs."""
    from refflow.core.control import group
    from refflow.core.registry import op_def

    graph = get_default_graph()
    checks: list[Any] = []
    for op in graph.get_operations():
        for output in op.outputs:
            if output.dtype.base_dtype.name in ("float16", "float32", "float64"):
                with graph.control_dependencies(checks[-1:]):
                    checks.append(op_def("CheckNumerics")(output, message=output.name))
    return group(*checks)


def verify_tensor_all_finite(t: Any, msg: str, name: str | None = None) -> Tensor:
    """`t` again; its run fails with `msg` where an element is infinite or NaN."""
    from refflow.core.control import with_dependencies
    from refflow.core.registry import op_def

    t = convert_to_tensor(t, name="t")
    return with_dependencies([op_def("CheckNumerics")(t, message=msg, name=name)], t)
