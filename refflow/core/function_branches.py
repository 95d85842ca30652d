"""Branches and loops of functions as the nodes that run them: Switch and Merge, and the frames of loops [W39].

Next: core/functions.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core.dtypes import bool_, int32
from refflow.core.errors import NodeError
from refflow.core.function_calls import Caller
from refflow.core.graphdef import SHAPES, NodeDef, parse_input


def _branches(caller: Caller, preds: list[str], calls: list[Any], data: list[str], types: list[Any]) -> list[NodeDef]:
    """The first branch whose predicate holds, or the last: a chain of Switches leads to it, Merges lead out of it.

    What a branch did though nobody reads it has been done when the last node, the caller's, runs.
    """
    results: list[list[str]] = []
    done = []
    kinds = ["RefSwitch" if caller.gives_reference(x) else "Switch" for x in data]
    here, rest = preds[0], list(data)
    for k, call in enumerate(calls):
        inputs = rest
        if k < len(preds):
            pivot = caller.add(f"pivot_{k}", "Switch", [here, preds[k], *caller.control], T=bool_)
            switches = [
                caller.add(f"switch_{k}_{i}", kind, [x, preds[k]], T=t)
                for i, (kind, x, t) in enumerate(zip(kinds, rest, types, strict=True))
            ]
            here, inputs, rest = f"{pivot}:1", [f"{x}:1" for x in switches], [f"{x}:0" for x in switches]
        live = caller.add(f"taken_{k}", "Identity", [here], T=bool_)
        for i, t in enumerate(types):
            if kinds[i] == "RefSwitch":  # read in the branch alone: in others there may be nothing to read
                inputs[i] = caller.add(f"read_{k}_{i}", "Identity", [inputs[i]], T=t)
        found, after, _ = caller.inline(call, f"{caller.name}/branch_{k}", inputs, [f"^{live}"])
        results.append(found)
        done.append(caller.add(f"ran_{k}", "Identity", [live, *after], T=bool_))
        here = f"{pivot}:0"
    out = caller.node.attr.get("Tout", [])
    if any(len(r) != len(out) for r in results):
        raise NodeError(
            f"node {caller.name!r}: Expect to produce {len(out)} tensors, but its branches give "
            f"{' and '.join(str(len(r)) for r in results)}"
        )
    merged = [
        caller.add(f"merge_{j}", "Merge", [r[j] for r in results], T=t, N=len(results)) for j, t in enumerate(out)
    ]
    ran = caller.add("ran", "Merge", done, T=bool_, N=len(done))
    return caller.gather(merged, out, [f"^{ran}", *caller.control])


def _truth(caller: Caller, name: str, value: str, dtype: Any, after: list[str]) -> str:
    """`value` as a scalar bool: numbers are true where they are not zero, other tensors where they have elements.

    Where TensorFlow itself would put Switches and Merges in the node's place, a bool is used as it is.
    """
    as_it_is = dtype is bool_ and caller.node.attr.get("_lower_using_switch_merge")
    return caller.add(name, "Identity" if as_it_is else "ToBool", [value, *after], T=dtype)


def if_nodes(caller: Caller) -> list[NodeDef]:
    """The then branch where the first input is true, else the other; the rest are their arguments."""
    then = _truth(caller, "pred", caller.data[0], caller.attr("Tcond"), caller.control)
    calls = [caller.attr("then_branch"), caller.attr("else_branch")]
    return _branches(caller, [then], calls, caller.data[1:], caller.attr("Tin"))


def case_nodes(caller: Caller) -> list[NodeDef]:
    """The branch of that number; the last one for a number out of range."""
    calls = caller.attr("branches")
    index = caller.data[0]
    after = ["^" + parse_input(index)[0]]  # a number belongs to the frame of what it is compared with
    preds = []
    for k in range(len(calls) - 1):
        number = caller.add(f"number_{k}", "Const", after, dtype=int32, value=np.array(k, np.int32))
        preds.append(caller.add(f"is_{k}", "Equal", [index, number], T=int32))
    if not preds:
        results, ran, _ = caller.inline(calls[0], f"{caller.name}/branch_0", caller.data[1:], caller.control)
        return caller.gather(results, caller.node.attr.get("Tout", []), [*ran, *caller.control])
    return _branches(caller, preds, calls, caller.data[1:], caller.attr("Tin"))


def while_nodes(caller: Caller) -> list[NodeDef]:
    """The body again and again while the condition holds of what it gave."""
    types = caller.attr("T")
    if not types or len(types) != len(caller.data):
        raise NodeError(f"node {caller.name!r} ({caller.node.op}) has {len(caller.data)} inputs for {len(types)} types")
    return _loop(caller, caller.data, types, lambda merged, start: _tested(caller, merged, start), caller.attr("body"))


def _tested(caller: Caller, merged: list[str], start: str) -> str:
    """The condition's truth in this iteration."""
    test, tested, kinds = caller.inline(caller.attr("cond"), f"{caller.name}/cond", merged, [start])
    if len(test) != 1:
        raise NodeError(
            f"node {caller.name!r}: Expected a single scalar return value from WhileOp cond, got {len(test)} tensors."
        )
    return _truth(caller, "truth", test[0], kinds[0], tested)


def for_nodes(caller: Caller) -> list[NodeDef]:
    """The body for i = start, start + delta, ... while that is short of limit; i comes before what goes round."""
    if len(caller.data) != 3 + len(caller.attr("T")):
        raise NodeError(
            f"node {caller.name!r} (For) has {len(caller.data)} inputs, expected {3 + len(caller.attr('T'))}"
        )
    start, limit, delta, *rest = caller.data
    # Counting is by whole steps, so that it ends for either sign of delta.
    zero = caller.add("zero", "Const", [], dtype=int32, value=np.array(0, np.int32))
    steps = caller.add("steps", "_ForSteps", [start, limit, delta])

    def goes_on(merged: list[str], _: str) -> str:
        return caller.add("truth", "Less", [merged[0], merged[1]], T=int32)

    def body(inside: list[str], after: list[str]) -> tuple[list[str], list[str]]:
        count, steps, first, by, *values = inside
        done = caller.add("done", "Mul", [count, by], T=int32)
        number = caller.add("number", "Add", [first, done], T=int32)
        results, acted, _ = caller.inline(caller.attr("body"), f"{caller.name}/body", [number, *values], after)
        one = caller.add("one", "Const", after, dtype=int32, value=np.array(1, np.int32))
        return [caller.add("step", "Add", [count, one], T=int32), steps, first, by, *results], acted

    types = [int32] * 4 + caller.attr("T")
    return _loop(caller, [zero, steps, start, delta, *rest], types, goes_on, body, hidden=4)


def _loop(
    caller: Caller, data: list[str], types: list[Any], condition: Any, body: Any, hidden: int = 0
) -> list[NodeDef]:
    """Frames around a body, a function's name or what makes its nodes. The first `hidden` variables are not results.

    A variable that the body gives back as it got it does not go round: it is a constant of the frame.
    """
    frame = {"frame_name": caller.name, "parallel_iterations": int(caller.node.attr.get("parallel_iterations", 10))}
    fixed = set() if callable(body) else _given_back(caller, body, len(types))
    turning = [i for i in range(len(types)) if i not in fixed]
    merged = [
        caller.add(f"enter_{i}", "Enter", [x, *caller.control], T=t, is_constant=i in fixed, **frame)
        for i, (x, t) in enumerate(zip(data, types, strict=True))
    ]
    shapes = caller.node.attr.get("output_shapes") or []  # what the variables' shapes are in every iteration
    for i in turning:
        said = {SHAPES: [shapes[i]]} if len(shapes) == len(types) else {}
        ends = [merged[i], f"{caller.name}/next_{i}"]
        merged[i] = caller.add(f"merge_{i}", "Merge", ends, T=types[i], N=2, **said)
    goes_on = caller.add("loop_cond", "LoopCond", [condition(merged, f"^{merged[turning[0]]}")])
    inside, left = list(merged), list(data)
    for i in turning:
        switched = caller.add(f"switch_{i}", "Switch", [merged[i], goes_on], T=types[i])
        inside[i] = caller.add(f"inside_{i}", "Identity", [f"{switched}:1"], T=types[i])
        left[i] = caller.add(f"exit_{i}", "Exit", [switched], T=types[i])
    begun = [f"^{inside[turning[0]]}"]
    if callable(body):
        results, after = body(inside, begun)
    else:
        results, after, _ = caller.inline(body, f"{caller.name}/body", inside, begun)
    if len(results) != len(types):
        raise NodeError(
            f"node {caller.name!r}: While loop body returned {len(results) - hidden} arguments. Expected: "
            f"{len(types) - hidden}"
        )
    for i in turning:
        caller.add(f"next_{i}", "NextIteration", [results[i], *after], T=types[i])
    return caller.gather(left[hidden:], types[hidden:], [*caller.control, f"^{left[turning[0]]}"])


def _given_back(caller: Caller, body: Any, count: int) -> set[int]:
    """The places of the body's arguments that are its results there, too; not all, for something has to turn."""
    function = caller.function(body)
    if len(function.inputs) != count or len(function.outputs) != count:
        return set()
    pairs = enumerate(zip(function.inputs, function.outputs, strict=True))
    same = {i for i, (given, back) in pairs if function.ret.get(back.name) in (given.name, f"{given.name}:0")}
    return same if len(same) < count else set()
