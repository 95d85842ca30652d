"""A differential fuzzer: calls of every op, bent at random, on TensorFlow's runtime and on refflow's.

    python -m tests.peers.fuzz --ops 'Sparse.*' --seed 1 --calls 40        a report by op

A call starts as a case on the op's page. Then some of this happens to it, by dice that the seed and the op's name set:

    types       each type attribute takes any of its allowed types
    values      some elements become nan, inf, -0.0, extremes, zeros, duplicates
    shapes      an axis goes, comes, empties, shrinks to one, doubles
    attributes  flags flip, numbers move, words change for other allowed ones

Most inputs are fed through placeholders of unknown shape, so that kernels and not shape functions judge them; some
through placeholders of known shape, and some are constants, which either side may fold. Compared are
types, shapes, values and the class of an error; texts of errors are noted apart. TensorFlow can abort on what nobody
tried before: a worker process does the work, and a call that kills it is left out.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import resource
import signal
import sys
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import refflow as rf
from refflow.core.dtypes import ALL
from refflow.core.opdef import Case, OpDef
from refflow.core.registry import registered_ops
from refflow.interop import protos
from tests.cases import attrs_of, inputs_of
from tests.peers.stand_in import said, unlikeness

_MEMORY = 12 << 30  # address space of a worker: a shape of 2**40 is an error, not the end of the machine
_PATIENCE = 20  # seconds for one call
RTOL = {"float16": 1e-2, "bfloat16": 3e-2, "float32": 2e-4, "complex64": 2e-4}
# Whose results are not a function of their inputs, or which touch what is outside of the process.
_OUTSIDE = re.compile(
    r"Random|Truncated|Multinomial|Sampler|Reader|File|Restore|Save|Print|Timestamp|Queue|Variable|Stack(V2|Push|Pop|Cl)|"
    r"TensorArray|Mutex|Checkpoint|Placeholder|_Send|_Recv|Const$|Merge|Switch|Enter|Exit|NextIteration|ApproxTopK|"
    r"Shard|TemporaryV|Assert|Summary$|AudioSummary|Empty$|Stateless|HostConst"
)


class Call(NamedTuple):
    """One call of an op: arrays (a list of them for a list input) and attributes."""

    inputs: list[Any]
    attrs: dict[str, Any]
    given: str = "unknown"  # how inputs come: placeholders of "unknown" or "known" shape, or a "constant"

    def text(self) -> str:
        arrays = [[_brief(a) for a in v] if isinstance(v, list) else _brief(v) for v in self.inputs]
        attrs = {k: v.name if isinstance(v, rf.DType) else v for k, v in self.attrs.items()}
        return f"{arrays} {attrs}" + ("" if self.given == "unknown" else f" {self.given}")


class Finding(NamedTuple):
    kind: str  # "differs", "text"
    op: str
    call: str
    there: str
    here: str


def _brief(array: Any) -> str:
    a = np.asarray(array)
    kind = "bfloat16" if a.dtype.names else a.dtype.name
    body = np.array2string(a.reshape(-1) if a.size > 12 else a, threshold=12, precision=5, separator=" ")
    return f"{kind}{list(a.shape)} " + " ".join(body.split())[:120]


# -- which ops, which calls -----------------------------------------------------------------------------------


def ops_to_fuzz(pattern: str = "") -> list[OpDef]:
    """The op types whose results depend on their inputs alone, and whose inputs can be fed."""
    found = []
    for op in registered_ops():
        handles = any(a.is_ref or (a.fixed is not None and a.fixed.kind == "r") for a in op.inputs + op.outputs)
        plain = not (op.by_handle or op.ref_inputs or handles or op.make_state or op.stateful)
        if plain and op.inputs and not _OUTSIDE.search(op.name) and re.search(pattern, op.name):
            found.append(op)
    return found


def seeds_of(op: OpDef) -> list[Call]:
    cases: list[Case] = list(op.cases) or (list(op.variant_of.cases) if op.variant_of else [])
    calls = []
    for case in cases:
        if set(case.inputs) == {a.name for a in op.inputs}:
            attrs = attrs_of(op, case)
            calls.append(Call([_copied(v) for v in inputs_of(op, case, attrs)], attrs))
    return calls


def _copied(value: Any) -> Any:
    return [np.array(v) for v in value] if isinstance(value, list) else np.array(value)


def calls_of(op: OpDef, seed: int, count: int) -> Iterator[Call]:
    """The cases themselves, then `count` bent ones."""
    dice = np.random.default_rng([zlib.crc32(op.name.encode()), seed])
    seeds = seeds_of(op)
    yield from seeds
    for _ in range(count if seeds else 0):
        base = seeds[dice.integers(len(seeds))]
        call = Call([_copied(v) for v in base.inputs], dict(base.attrs))
        for _ in range(dice.integers(1, 4)):
            bend = (_types, _values, _values, _shapes, _attributes)[dice.integers(5)]
            call = bend(op, call, dice)
        yield Call(call.inputs, call.attrs, ("unknown", "unknown", "unknown", "known", "constant")[dice.integers(5)])


# -- bending --------------------------------------------------------------------------------------------------


def _types(op: OpDef, call: Call, dice: Any) -> Call:
    names = [k for k, a in op.attrs.items() if a.kind == "type"]
    if not names:
        return call
    name = names[dice.integers(len(names))]
    allowed = [t for t in op.attrs[name].allowed or _USUAL if t.kind in "fiucb"]
    if not allowed or call.attrs[name].kind not in "fiucb":
        return call
    chosen = allowed[dice.integers(len(allowed))]
    inputs = []
    for arg, value in zip(op.inputs, call.inputs, strict=True):
        if arg.type == name and arg.fixed is None:
            value = [_as(v, chosen) for v in value] if isinstance(value, list) else _as(value, chosen)
        inputs.append(value)
    return Call(inputs, call.attrs | {name: chosen})


_USUAL = tuple(t for t in ALL if t.kind in "fiucb")


def _as(array: np.ndarray, dtype: Any) -> np.ndarray:
    from refflow.core.bfloat16 import rounded, widened

    with np.errstate(all="ignore"):
        array = np.asarray(widened(array))
        if array.dtype.kind == "c" and dtype.kind != "c":
            array = array.real
        return rounded(array) if dtype.name == "bfloat16" else array.astype(dtype.as_numpy_dtype)


def _special(dtype: np.dtype, dice: Any) -> Any:
    if dtype.kind == "f":
        top = np.finfo(dtype)
        choice = [np.nan, np.inf, -np.inf, -0.0, 0.0, top.max, top.min, top.tiny, 1.0, -1.0, 0.5, 1e-3, 3.7, -2.5, 99.0]
    elif dtype.kind == "c":
        choice = [complex(np.nan, 1), complex(np.inf, 0), -0.0, 1j, 1 - 2j, complex(0, -0.0), -3]
    elif dtype.kind in "iu":
        top = np.iinfo(dtype)
        choice = [top.max, top.min, 0, 1, 2, 3, 5, max(-1, top.min), max(-2, top.min)]
    elif dtype.kind == "b":
        choice = [True, False]
    elif dtype.kind == "O":
        choice = [b"", b" ", b"a", b"\xff\xfe", "é漢".encode(), b"1.5", b"-3", b"nan", b"a b  c", b"\x00z", b"a,b"]
    else:
        return None
    return choice[dice.integers(len(choice))]


def _pick(call: Call, dice: Any) -> tuple[int, int | None, np.ndarray] | None:
    """One array of the call, and where it stands."""
    places: list[tuple[int, int | None]] = []
    for i, value in enumerate(call.inputs):
        places += [(i, j) for j in range(len(value))] if isinstance(value, list) else [(i, None)]
    if not places:
        return None
    i, j = places[dice.integers(len(places))]
    return i, j, call.inputs[i] if j is None else call.inputs[i][j]


def _put(call: Call, i: int, j: int | None, array: np.ndarray) -> Call:
    inputs = [list(v) if isinstance(v, list) else v for v in call.inputs]
    if j is None:
        inputs[i] = array
    else:
        inputs[i][j] = array
    return Call(inputs, call.attrs)


def _values(op: OpDef, call: Call, dice: Any) -> Call:
    found = _pick(call, dice)
    if found is None or found[2].size == 0 or found[2].dtype.names:
        return call
    i, j, array = found
    flat = array.copy().reshape(-1)
    for _ in range(dice.integers(1, 3)):
        place = dice.integers(flat.size)
        if dice.integers(4) == 0:  # a duplicate of another one
            flat[place] = flat[dice.integers(flat.size)]
        else:
            with np.errstate(all="ignore"):
                flat[place] = _special(flat.dtype, dice)
    return _put(call, i, j, flat.reshape(array.shape))


def _shapes(op: OpDef, call: Call, dice: Any) -> Call:
    found = _pick(call, dice)
    if found is None:
        return call
    i, j, array = found
    how, changed = dice.integers(6), []
    axis = dice.integers(array.ndim) if array.ndim else 0
    alike = dice.integers(2) == 0  # every input of that shape, or this one
    for k, value in enumerate(call.inputs):
        if isinstance(value, list):
            changed.append([_bent(v, how, axis) if (alike and v.shape == array.shape) or (k, m) == (i, j) else v
                            for m, v in enumerate(value)])  # fmt: skip
        else:
            here = (alike and value.shape == array.shape and value.ndim) or (k == i and j is None)
            changed.append(_bent(value, how, axis) if here else value)
    return Call(changed, call.attrs)


def _bent(array: np.ndarray, how: int, axis: int) -> np.ndarray:
    if array.ndim <= axis:
        return array[None] if how % 2 else array
    if how == 0:
        return array[(slice(None),) * axis + (slice(0, 0),)]
    if how == 1:
        return array[None]
    if how == 2 and array.shape[axis]:
        return np.take(array, [0], axis).reshape(array.shape[:axis] + array.shape[axis + 1 :])
    if how == 3:
        return array[(slice(None),) * axis + (slice(0, 1),)]
    if how == 4 and array.size < 1000:
        return np.concatenate([array, array], axis)
    return array[..., None]


def _attributes(op: OpDef, call: Call, dice: Any) -> Call:
    counts = {a.number for a in op.inputs + op.outputs} | {a.type for a in op.inputs + op.outputs}
    names = [k for k, a in op.attrs.items() if k not in counts and a.kind not in ("tensor", "func", "shape")]
    if not names:
        return call
    name = names[dice.integers(len(names))]
    attr, value = op.attrs[name], call.attrs.get(name)
    if attr.kind == "type":
        allowed = [t for t in attr.allowed or _USUAL if t.kind in "fiucb"]
        value = allowed[dice.integers(len(allowed))] if allowed else value
    elif attr.kind == "bool":
        value = not value
    elif attr.kind == "int":
        value = int(value) + int(dice.integers(-2, 3))
    elif attr.kind == "float":
        value = float([0.0, 1.0, -1.0, 0.5, 2.0, float(value) * 2][dice.integers(6)])
    elif attr.kind == "string":
        choice = attr.allowed or ("", "a", str(value))
        value = choice[dice.integers(len(choice))]
    elif attr.kind == "list(int)" and value:
        value = list(value)
        value[dice.integers(len(value))] += int(dice.integers(-1, 3))
    return Call(call.inputs, call.attrs | {name: value})


# -- both runtimes --------------------------------------------------------------------------------------------


def compare(op: OpDef, call: Call) -> Finding | None:
    """What TensorFlow gives and refflow does not; None where they agree, or where TensorFlow cannot build the call."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        try:
            feeds, fetches = _build(tf, op, call)
        except Exception:  # TensorFlow's front end says in many ways that it builds no such node
            return None
        theirs = _outcome(lambda: tf.compat.v1.Session(graph=graph).run(fetches, feeds), tf.errors.OpError)
        graph_def = graph.as_graph_def().SerializeToString()
    ours = _outcome(lambda: _here(graph_def, [t.name for t in fetches], feeds), Exception)
    if theirs[0] == "UnimplementedError" and "OpKernel" in theirs[1]:
        return None  # a type that no kernel of TensorFlow is registered for
    unlike = ""
    if (theirs[0] or ours[0]) and theirs[0] != ours[0]:
        unlike = "error"
    elif not theirs[0]:
        for a, b in zip(theirs[2], ours[2], strict=True):
            unlike = unlike or unlikeness(a, b, RTOL.get(np.asarray(a).dtype.name, 1e-6), 1e-6)
    if unlike:
        said = [f"{e}: {m}" if e else str([_brief(v) for v in values]) for e, m, values in (theirs, ours)]
        return Finding("differs", op.name, call.text(), said[0][:300], said[1][:300])
    if theirs[0] and theirs[1] not in ours[1]:
        return Finding("text", op.name, call.text(), theirs[1][:300], ours[1][:300])
    return None


def _build(tf: Any, op: OpDef, call: Call) -> tuple[dict[Any, Any], list[Any]]:
    feeds: dict[Any, Any] = {}

    def hole(array: np.ndarray) -> Any:
        if array.dtype.names:
            array = array.view(tf.bfloat16.as_numpy_dtype)
        dtype = tf.as_dtype(array.dtype) if array.dtype != object else tf.string
        if call.given == "constant":
            return tf.constant(array, dtype)
        placeholder = tf.compat.v1.placeholder(dtype, array.shape if call.given == "known" else None)
        feeds[placeholder] = array
        return placeholder

    inputs = {}
    for arg, value in zip(op.inputs, call.inputs, strict=True):
        inputs[arg.name] = [hole(v) for v in value] if isinstance(value, list) else hole(value)
    result = _node(tf, op, inputs, call.attrs)
    return feeds, result


def _node(tf: Any, op: OpDef, inputs: dict[str, Any], attrs: dict[str, Any]) -> list[Any]:
    """The op's outputs, by way of its registered definition: names of arguments as GraphDefs have them."""
    from tensorflow.python.framework import op_def_library

    known = tf.raw_ops.__dict__.get(op.name)
    if known is None:
        raise ValueError("not an op type of today's TensorFlow")
    proto = _definition(op.name)
    renamed = dict(zip(inputs, [a.name for a in proto.input_arg], strict=True))
    arguments = {renamed[k]: v for k, v in inputs.items()}
    there = {a.name for a in proto.attr}
    inferred = {a.type_attr or a.number_attr or a.type_list_attr for a in proto.input_arg}
    inferred |= {a.number_attr for a in proto.input_arg}
    for key, value in attrs.items():
        if key in there and key not in inferred and key not in arguments:
            arguments[key] = [_there(v) for v in value] if isinstance(value, list) else _there(value)
    made = op_def_library._apply_op_helper(op.name, **arguments)[2]
    return list(made.outputs)


def _there(value: Any) -> Any:
    return value.as_datatype_enum if isinstance(value, rf.DType) else value


def _definition(name: str) -> Any:
    from tensorflow.python.framework import op_def_registry

    found = op_def_registry.get(name)
    if found is None:
        raise ValueError("not an op type of today's TensorFlow")
    return found


def _here(graph_def: bytes, fetches: list[str], feeds: dict[Any, Any]) -> list[Any]:
    with rf.Session(graph=rf.Graph()) as session:
        session.extend(protos.as_graph_def(graph_def))
        return session.run(fetches, {k.name: v for k, v in feeds.items()})


def _outcome(run: Any, errors: Any) -> tuple[str, str, list[Any]]:
    """The class and text of an error, or empty strings and values."""
    try:
        return "", "", run()
    except errors as error:
        code = getattr(error, "error_code", None)
        name = type(error).__name__
        if code is None and isinstance(error, (rf.GraphError, ValueError, TypeError)):
            name = "InvalidArgumentError"  # found while the graph is taken in
        return name, said(str(getattr(error, "message", None) or error)), []


# -- the worker -----------------------------------------------------------------------------------------------


def _work(pipe: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # no patience: the process ends
    while True:
        name, seed, count, behind = pipe.recv()
        op = next(o for o in registered_ops() if o.name == name)
        for number, call in enumerate(calls_of(op, seed, count)):
            if number <= behind:
                continue
            pipe.send(("at", number))
            signal.alarm(_PATIENCE)
            try:
                found = compare(op, call)
            except MemoryError:
                found = None
            signal.alarm(0)
            if found is not None:
                pipe.send(("found", tuple(found)))
        pipe.send(("done", None))


class Fuzzer:
    """Runs calls in a worker that may die."""

    def __init__(self) -> None:
        self.worker: Any = None
        self.calls, self.crashed = 0, 0

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.worker = context.Process(target=_work, args=(other,), daemon=True)
        self.worker.start()
        other.close()

    def run(self, op: OpDef, seed: int, count: int) -> list[Finding]:
        found: list[Finding] = []
        at = -1
        while True:
            if self.worker is None or not self.worker.is_alive():
                self._start()
            self.pipe.send((op.name, seed, count, at))
            before = at
            try:
                while True:
                    kind, what = self.pipe.recv()
                    if kind == "at":
                        at = what
                        self.calls += 1
                    elif kind == "found":
                        found.append(Finding(*what))
                    else:
                        return found
            except (EOFError, ConnectionError):  # it died of call `at`; go on behind it
                self.worker.join()
                self.crashed += 1
                if at == before:
                    raise RuntimeError(f"the fuzzer's own error at {op.name}") from None

    def close(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", default="", help="a regular expression of op types")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--texts", action="store_true", help="also errors that agree in class but not in text")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    fuzzer = Fuzzer()
    for op in ops_to_fuzz(options.ops):
        for finding in fuzzer.run(op, options.seed, options.calls):
            if finding.kind == "differs" or options.texts:
                line = json.dumps(finding._asdict()) if options.json else " | ".join(finding)
                print(line, flush=True)
    print(f"{fuzzer.calls} calls, {fuzzer.crashed} ended the worker", file=sys.stderr)
    fuzzer.close()


if __name__ == "__main__":
    main()
