"""Another backend held against the examples: which it gives, and what is wrong with the others.

    def backend(op_type, inputs, attrs):         inputs and attrs by name: arrays, or lists of them; plain values
        return ...                               an array, or a list of them in the order of the op's outputs

    report = check(backend, ["MatMul", "MaxPool"])
    print(report)                                report.is_right: nothing is wrong

The examples are those of the ops' pages, and more that are drawn from them (conformance/bends.py): there the page's
kernel says what is expected. A backend that lacks an op, or a type, raises NotImplementedError; where another type is
drawn, a TypeError is taken for that. Where an example is an error, any other exception is right. Inputs and what was
given before are to stay as they are.

Types are named: attrs["T"] is "float32". Backends in other languages read `refflow cases` and write what they find as
lines of JSON, which `judged` reads: {"op": ..., "title": ..., "outputs": {name: TENSOR}}, or "error": "text" in place
of the outputs (conformance/corpus.py has the form of a TENSOR).

Next: cli.py.
"""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from refflow.conformance.bends import drawn
from refflow.conformance.compare import difference
from refflow.conformance.corpus import Example, read_case, read_outputs, write_case, write_cases
from refflow.conformance.drawn import result_names
from refflow.conformance.nudged import slack
from refflow.core.dtypes import DType, as_dtype
from refflow.core.errors import NodeError
from refflow.core.opdef import OpDef
from refflow.core.registry import op_def, registered_ops
from refflow.core.shapes import TensorShape

Backend = Callable[[str, dict[str, Any], dict[str, Any]], Any]
RIGHT, WRONG, ABSENT = "right", "wrong", "absent"
_FEW = 6  # elements of an array that are told


class Verdict(NamedTuple):
    """What came of one example, which is the call and what was expected of it. text: what is wrong."""

    op_type: str
    title: str
    clause: str
    kind: str
    text: str
    example: Example


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
        lines = []
        for v in self.faults:
            lines += [f"{v.op_type}, {v.title} [{v.clause}]: {v.text}", f"  in {call_text(v.example)}"]
        lines.append(
            f"{counts[RIGHT]} examples of {len(ops)} op types are right, {counts[WRONG]} are wrong, {counts[ABSENT]} "
            "are of what is not there"
        )
        if counts[ABSENT]:
            lines.append(f"not there: {self._absent(ops)}")
        if counts[WRONG]:
            first = self.faults[0].op_type
            lines.append(f"`refflow cases --drawn {first}` has all numbers of these calls of {first}")
        return "\n".join(lines)

    def _absent(self, there: set[str]) -> str:
        """What is not there, the first few: op types, or what of those that are there."""
        absent = [v for v in self.verdicts if v.kind == ABSENT]
        named = list(dict.fromkeys(f"{v.op_type}, {v.title}" if v.op_type in there else v.op_type for v in absent))
        more = f"; and {len(named) - 6} more" if len(named) > 6 else ""
        return "; ".join(named[:6]) + more


def call_text(example: Example) -> str:
    """A call in short: its inputs by type and shape, the values of small ones, and attributes that are set."""
    op, parts = example.op, []
    for name, value in example.inputs.items():
        arrays = [(f"{name}[{i}]", v) for i, v in enumerate(value)] if isinstance(value, list) else [(name, value)]
        parts += [f"{label}: {_array_text(array)}" for label, array in arrays]
    for key, value in example.attrs.items():
        if not isinstance(value, DType) and value != op.attrs[key].default:
            parts.append(f"{key}={_plain(value)}")
    return f"{op.name}({', '.join(parts)})"


def _array_text(array: np.ndarray) -> str:
    kind = f"{as_dtype(array.dtype).name}[{','.join(map(str, array.shape))}]"
    return kind if array.size > _FEW or array.dtype.names else f"{kind} {array.tolist()}"


def check(backend: Backend, op_types: Sequence[str] | None = None, quick: bool = False) -> Report:
    """The verdicts on every example of these op types, or of all that need no state beside their inputs.

    quick: beside the pages' own examples one that is drawn for each op, that of the most numbers.
    TypeError for what cannot be called as a backend is.
    """
    _check_callable(backend)
    ops = [op_def(name) for name in op_types] if op_types else [op for op in registered_ops() if op.make_state is None]
    runs = ((Run(backend), op) for op in ops)
    return Report([run.tried(example) for run, op in runs for example in examples(op, quick)])


def _check_callable(backend: Backend) -> None:
    """Otherwise every example would tell it, and those of errors would be right."""
    name = getattr(backend, "__name__", str(backend))
    if not callable(backend):
        raise TypeError(f"{name} is no function: expected one of (op_type, inputs, attrs)")
    try:
        taken = inspect.signature(backend)
    except (TypeError, ValueError):  # of a function in C, which says nothing of its arguments
        return
    try:
        taken.bind("op_type", {}, {})
    except TypeError as error:
        raise TypeError(f"{name}{taken} cannot be called with (op_type, inputs, attrs): {error}") from None


def examples(op: OpDef, quick: bool = False) -> Iterator[Example]:
    """Those of the op's page, and those that are drawn from them, or of these but the first."""
    shown = [read_case(write_case(op, case)) for case in op.cases]
    yield from shown
    yield from islice(drawn(op, shown), 1 if quick else None)


class Run:
    """A backend at work: what it gave is looked at again after each later call."""

    def __init__(self, backend: Backend):
        self._backend = backend
        self._given: list[tuple[Example, list[np.ndarray], list[np.ndarray]]] = []

    def tried(self, example: Example) -> Verdict:
        """The verdict on one example."""
        inputs = _copied(example.inputs)
        try:
            with np.errstate(all="ignore"):  # overflows and NaNs are what some examples are for
                found = self._backend(example.op.name, inputs, {k: _plain(v) for k, v in example.attrs.items()})
            error = None
        except NotImplementedError:
            return _verdict(example, ABSENT)
        except Exception as raised:
            if isinstance(raised, TypeError) and " of type " in example.title:
                return _verdict(example, ABSENT)  # a type that it does not know
            found, error = None, f"{type(raised).__name__}: {raised}"
        changed = "" if example.op.ref_inputs else _changed(inputs, example.inputs)
        if changed:
            return _verdict(example, WRONG, f"input {changed} is overwritten")
        if error is not None or example.error is not None:
            return _of_error(example, error)
        values = [] if found is None else list(found) if isinstance(found, (list, tuple)) else [found]
        verdict = _judged(example, values)
        late = self._changed_late()
        if verdict.kind == RIGHT and late is not None:
            return _verdict(example, WRONG, f"it overwrites what {late.title!r} gave")
        kept = [v for v in values if isinstance(v, np.ndarray)]
        self._given.append((example, kept, [v.copy() for v in kept]))
        return verdict

    def _changed_late(self) -> Example | None:
        """An earlier example whose results are no longer what they were."""
        for i, (example, values, copies) in enumerate(self._given):
            if not all(map(_same, values, copies)):
                del self._given[i]
                return example
        return None


def _copied(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: [v.copy() for v in x] if isinstance(x, list) else x.copy() for name, x in inputs.items()}


def _changed(inputs: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The name of an input that is no longer what it was, or nothing."""
    for name, value in wanted.items():
        pairs = zip(inputs[name], value, strict=True) if isinstance(value, list) else [(inputs[name], value)]
        if not all(_same(a, b) for a, b in pairs):
            return name
    return ""


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a is b or a.tobytes() == b.tobytes()


def _judged(example: Example, values: list[Any]) -> Verdict:
    """The verdict on what a backend gave, where no error is expected."""
    op = example.op
    if op.ref_inputs:
        names = result_names(op)
        if len(values) != len(names):
            what = f"the new values of what it updates, then what it gives: {', '.join(names)}"
            return _verdict(example, WRONG, f"{len(values)} outputs, expected {len(names)}: {what}")
        return _compared(example, dict(zip(names, values, strict=True)))
    places = op.places(example.attrs, outputs=True)
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
            text = difference(value, expected, example.accuracy)
            if text and example.accuracy == "special":
                text = difference(value, expected, example.accuracy, slack(example)[name])
            if text:
                return _verdict(example, WRONG, f"{label}{'' if text[0] == '[' else ' '}{text}")
    return _verdict(example, RIGHT)


def _verdict(example: Example, kind: str, text: str = "") -> Verdict:
    return Verdict(example.op.name, example.title, example.clause, kind, text, example)


def _plain(value: Any) -> Any:
    """An attribute without types of ours: a type by its name, a shape as a list, or None where it has no rank."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, DType):
        return value.name
    if isinstance(value, TensorShape):
        return None if value.as_tuple is None else list(value.as_tuple)
    return value


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
                raise NodeError(
                    f"line {number} is no result: {type(error).__name__}: {error}. Expected a JSON object with op, "
                    f"title, and outputs or error; got {line[:80]!r}"
                ) from None
    verdicts = []
    for op in [op_def(name) for name in op_types or dict.fromkeys(name for name, _ in found)]:
        shown = {case.title for case in op.cases}
        has_drawn = any(name == op.name and title not in shown for name, title in found)
        for example in examples(op) if has_drawn else map(read_case, write_cases([op.name])):
            result = found.pop((op.name, example.title), None)
            verdicts.append(_verdict(example, ABSENT) if result is None else _read(example, result))
    left = [key for key in found if not op_types or key[0] in op_types]
    if left:
        name, title = left[0]
        raise NodeError(f"{name} has no example called {title!r}: `refflow cases --drawn {name}` has them")
    return Report(verdicts)


def _read(example: Example, result: dict[str, Any]) -> Verdict:
    if "error" in result or example.error is not None:
        return _of_error(example, result.get("error"))
    outputs = read_outputs(result)
    missing = [name for name in example.outputs if name not in outputs]
    if missing:
        return _verdict(example, WRONG, f"output {missing[0]} is not there")
    return _compared(example, outputs)
