"""Another backend held against the examples: which it gives, and what is wrong with the others.

    def backend(op_type, inputs, attrs):         inputs and attrs by name: arrays, or lists of them; plain values
        return ...                               an array, or a list of them in the order of the op's outputs

    report = check(backend, ["MatMul", "MaxPool"])
    print(report)                                report.is_right: nothing is wrong

The examples are those of the ops' pages, and more that are drawn from them: the same attributes and shapes with other
numbers, awkward ones for ops that treat each number alone; there the page's kernel says what is expected. A backend
that lacks an op raises NotImplementedError. Where an example is an error, any other exception is right.

Types are named: attrs["T"] is "float32". Backends in other languages read `refflow cases` and write what they find as
lines of JSON, which `judged` reads: {"op": ..., "title": ..., "outputs": {name: TENSOR}}, or "error": "text" in place
of the outputs (conformance/corpus.py has the form of a TENSOR).

Next: cli.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from refflow.conformance.compare import difference
from refflow.conformance.corpus import Example, read_case, read_outputs, write_case
from refflow.core.dtypes import DType
from refflow.core.elementwise import broadcast_all
from refflow.core.errors import NodeError
from refflow.core.opdef import OpDef
from refflow.core.registry import op_def, registered_ops
from refflow.core.shapes import TensorShape

Backend = Callable[[str, dict[str, Any], dict[str, Any]], Any]
RIGHT, WRONG, ABSENT = "right", "wrong", "absent"
_DRAWN = ("exact", "rounded", "transcendental", "dot")  # classes whose results a little change leaves nearly the same
_AWKWARD = (0.5, -0.0, np.nan, 2.5, -1.5, np.inf, 1.0, -np.inf, 3e4, -2.5, 6e-5, 0.0, -7.25)


class Verdict(NamedTuple):
    """What came of one example. text: what is wrong."""

    op_type: str
    title: str
    clause: str
    kind: str
    text: str = ""


@dataclass(frozen=True)
class Report:
    """The verdicts on a backend; as text, a table of what it gives, and every fault."""

    verdicts: list[Verdict]

    @property
    def is_right(self) -> bool:
        """True where nothing is wrong; what is absent is not wrong, but where nothing is there at all."""
        kinds = {v.kind for v in self.verdicts}
        return WRONG not in kinds and RIGHT in kinds

    @property
    def faults(self) -> list[Verdict]:
        return [v for v in self.verdicts if v.kind == WRONG]

    def __str__(self) -> str:
        counts = Counter(v.kind for v in self.verdicts)
        ops = {v.op_type for v in self.verdicts if v.kind != ABSENT}
        lines = [f"{v.op_type}, {v.title} [{v.clause}]: {v.text}" for v in self.faults]
        lines.append(
            f"{counts[RIGHT]} examples of {len(ops)} op types are right, {counts[WRONG]} are wrong, {counts[ABSENT]} "
            "are of what is not there"
        )
        return "\n".join(lines)


def check(backend: Backend, op_types: Sequence[str] | None = None) -> Report:
    """The verdicts on every example of these op types, or of all that need no state beside their inputs."""
    ops = [op_def(name) for name in op_types] if op_types else [op for op in registered_ops() if op.make_state is None]
    return Report([_tried(backend, example) for op in ops for example in examples(op)])


def examples(op: OpDef) -> Iterator[Example]:
    """Those of the op's page, and those that are drawn from them."""
    seen = set()
    for case in op.cases:
        example = read_case(write_case(op, case))
        yield example
        for drawn in _drawn(example):
            key = (drawn.title, str(drawn.attrs), *map(_shapes, drawn.inputs.values()))
            if key not in seen:  # one for each kind of input is enough
                seen.add(key)
                yield drawn


def _shapes(value: Any) -> Any:
    return tuple(map(_shapes, value)) if isinstance(value, list) else value.shape


def _tried(backend: Backend, example: Example) -> Verdict:
    inputs = {name: [v.copy() for v in x] if isinstance(x, list) else x.copy() for name, x in example.inputs.items()}
    try:
        found, error = backend(example.op.name, inputs, {k: _plain(v) for k, v in example.attrs.items()}), None
    except NotImplementedError:
        return _verdict(example, ABSENT)
    except Exception as raised:
        found, error = None, f"{type(raised).__name__}: {raised}"
    if error is not None or example.error is not None:
        return _of_error(example, error)
    places = example.op.places(example.attrs, outputs=True)
    values = [] if found is None else list(found) if isinstance(found, (list, tuple)) else [found]
    count = sum(p.stop - p.start if isinstance(p, slice) else 1 for p in places.values())
    if len(values) != count:
        return _verdict(example, WRONG, f"{len(values)} outputs, expected {count}")
    return _compared(example, {name: values[place] for name, place in places.items()})


def _of_error(example: Example, error: str | None) -> Verdict:
    if error is None:
        return _verdict(example, WRONG, f"it is accepted, expected an error: {example.error}")
    return _verdict(example, RIGHT) if example.error is not None else _verdict(example, WRONG, f"raised {error}")


def _compared(example: Example, found: dict[str, Any]) -> Verdict:
    for name, wanted in example.outputs.items():
        got = found[name]
        pairs = [(name, got, wanted)]
        if isinstance(wanted, list):
            if len(got) != len(wanted):
                return _verdict(example, WRONG, f"{name} has {len(got)} parts, expected {len(wanted)}")
            pairs = [(f"{name}[{i}]", g, w) for i, (g, w) in enumerate(zip(got, wanted, strict=True))]
        for label, value, expected in pairs:
            if text := difference(value, expected, example.accuracy):
                return _verdict(example, WRONG, f"{label}{'' if text[0] == '[' else ' '}{text}")
    return _verdict(example, RIGHT)


def _verdict(example: Example, kind: str, text: str = "") -> Verdict:
    return Verdict(example.op.name, example.title, example.clause, kind, text)


def _plain(value: Any) -> Any:
    """An attribute without types of ours: a type by its name, a shape as a list, or None where it has no rank."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, DType):
        return value.name
    if isinstance(value, TensorShape):
        return None if value.as_tuple is None else list(value.as_tuple)
    return value


# -- drawn examples ------------------------------------------------------------------------------------------------


def _drawn(example: Example) -> Iterator[Example]:
    """The example with other numbers in place of its floats, where the page's kernel can say what is expected."""
    op, arrays = example.op, [v for v in example.inputs.values() if isinstance(v, np.ndarray)]
    floats = [a for a in arrays if a.dtype.kind == "f" and a.size]
    if example.error is not None or op.accuracy not in _DRAWN or op.make_state is not None or not floats:
        return
    alone = op.shape_rule is broadcast_all and len(floats) == len(example.inputs)
    rng = np.random.default_rng(sum(map(ord, op.name)))
    if alone or len(floats) == 1 or (op.accuracy == "dot" and len(floats) == 2):  # others' inputs belong together
        yield from _with(example, "drawn numbers", lambda a: rng.normal(size=a.shape))
    if alone:  # each with each
        axes = iter(np.ix_(*[_AWKWARD] * len(floats)))
        yield from _with(example, "awkward numbers", lambda a: next(axes))


def _with(example: Example, title: str, make: Callable[[np.ndarray], np.ndarray]) -> Iterator[Example]:
    op = example.op
    inputs = {
        name: make(v).astype(v.dtype) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
        for name, v in example.inputs.items()
    }
    kernel = op.kernels["cpu"]
    try:
        with np.errstate(all="ignore"):
            found = op.page_kernel(example.attrs)(*inputs.values(), **kernel.arguments(example.attrs))
    except Exception:  # it takes no such numbers
        return
    values = [np.asarray(v) for v in (found if isinstance(found, (list, tuple)) else [found])]
    places = op.places(example.attrs, outputs=True)
    if not op.ref_inputs and set(example.outputs) == set(places):
        yield example._replace(title=title, inputs=inputs, outputs={n: values[p] for n, p in places.items()})


# -- what others wrote ---------------------------------------------------------------------------------------------


def judged(lines: Iterable[str], op_types: Sequence[str] | None = None) -> Report:
    """The verdicts on what a backend wrote, a line for each example that it has; others of these op types are absent.

    op_types: those that there are lines of, where none are named.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                result = json.loads(line)
                found[result["op"], result["title"]] = result
            except (ValueError, KeyError, TypeError) as error:
                raise NodeError(f"line {number} is no result: {type(error).__name__}: {error}. {line[:80]!r}") from None
    verdicts = []
    for op in [op_def(name) for name in op_types or dict.fromkeys(name for name, _ in found)]:
        for case in op.cases:
            example, result = read_case(write_case(op, case)), found.pop((op.name, case.title), None)
            verdicts.append(_verdict(example, ABSENT) if result is None else _read(example, result))
    left = [key for key in found if not op_types or key[0] in op_types]
    if left:
        name, title = left[0]
        raise NodeError(f"{name} has no example called {title!r}: `refflow cases {name}` has them")
    return Report(verdicts)


def _read(example: Example, result: dict[str, Any]) -> Verdict:
    if "error" in result or example.error is not None:
        return _of_error(example, result.get("error"))
    outputs = read_outputs(result)
    missing = [name for name in example.outputs if name not in outputs]
    if missing:
        return _verdict(example, WRONG, f"output {missing[0]} is not there")
    return _compared(example, outputs)
