"""One node, ready to run: its kernel, its state, and the checks before and after.

    prepare(node, ...)(inputs) -> outputs          values in, values out, or a Pending where the node has to wait

References arrive as VariableState and are read here, at the moment the node runs [W12]. The op's shape
rule is asked again with the shapes that came, so that a kernel never sees what does not fit. What the
kernel returns for its references is stored.

Next: runtime/executor.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import errors, shape_rules, shapes
from refflow.core.dtypes import as_dtype
from refflow.core.handles import handle_to
from refflow.core.shapes import is_known
from refflow.core.waiting import Pending
from refflow.runtime.device import BoundKernel, Device
from refflow.runtime.nodes import Node
from refflow.runtime.resources import VariableState
from refflow.runtime.tensor_store import TensorStore

_MANY = 3  # results: from so many on, their owners are looked up and not compared one with another
_MANY_SHAPES = 64  # that one node's check remembers
_LONG = 128  # bytes of a value that decides a shape
OpStates = dict[str, Any]  # a session's state of random ops and their like, by node name


def variable_state(node: Node) -> VariableState:
    """The state behind a Variable node, made on its device when first asked for [W47]."""
    device: Device = node.device
    attrs = node.attrs
    name = attrs.get("shared_name") or attrs.get("var_name") or node.name
    container = attrs.get("container", "")
    state = device.resources.lookup_or_create(
        container,
        attrs.get("kind", node.op_def.family),
        name,
        lambda: device.new_variable(name, attrs["dtype"], attrs["shape"].as_tuple, container),
    )
    if node.type == "TemporaryVariable" and state.value is None and is_known(state.shape):
        state.store(state.blank())  # memory is all that it promises
    return state


def kept_tensors(states: OpStates) -> TensorStore:
    """The session's store of tensors, kept among its other states under a name that no node has."""
    found = states.get("kept tensors")
    return states.setdefault("kept tensors", TensorStore()) if found is None else found


def op_state(node: Node, states: OpStates) -> dict[str, Any]:
    """The `state` argument of a stateful kernel, kept for the session."""
    make = node.op_def.make_state
    if make is None:
        return {}
    names = inspect.signature(make).parameters

    known = node.attrs | {"node_name": node.name, "device": node.device.name, "tensors": kept_tensors(states)}

    def made() -> Any:
        return make(**{k: known[k] for k in names if k in known})

    if "shared_name" in node.attrs:  # a resource: found again by its name, also from other nodes [W47]
        name = node.attrs["shared_name"] or node.name
        kind = getattr(make, "kind", node.op_def.family)
        found = node.device.resources.lookup_or_create(node.attrs["container"], kind, name, made)
        check = getattr(make, "check", None)  # whether what is there is what this node would have made
        if check is not None:
            check(found, known)
        return {"state": found}
    name = node.attrs.get("_state_of", node.name)  # the turns of a loop draw from one stream
    if name not in states:
        states[name] = made()
    return {"state": states[name]}


class ShapeCheck:
    """Asks a node's shape rule with the shapes that came; remembers those that fitted, with the values that decided."""

    def __init__(self, node: Node):
        self._node = node
        self._fitted: dict[Any, list[shapes.Shape]] = {}
        self._asked: tuple[int, ...] = ()  # places whose values the rule has asked for, and that may change
        self._constant = {place for place, (producer, _) in enumerate(node.inputs) if producer.type == "Const"}

    def __call__(self, arrays: Sequence[Any]) -> list[shapes.Shape]:
        """The outputs' shapes for these inputs; ShapeError where they do not fit."""
        known = tuple([a.shape for a in arrays])
        found = self._fitted.get(self._key(known, arrays) if self._asked else known)
        if found is not None:
            return found
        asked = set(self._asked)

        def value_of(place: int) -> np.ndarray:
            asked.add(place)
            return np.asarray(self._node.device.to_host(arrays[place]))

        found = shape_rules.infer(self._node.op_def, self._node.attrs, known, value_of)
        asked -= self._constant
        if len(asked) > len(self._asked):
            self._fitted.clear()
            self._asked = tuple(sorted(asked))
        key = self._key(known, arrays)
        if key is not None and len(self._fitted) < _MANY_SHAPES:
            self._fitted[key] = found
        return found

    def _key(self, known: tuple[shapes.Shape, ...], arrays: Sequence[Any]) -> Any:
        """What a result is remembered by; None where a value is too long for that, or none of numbers."""
        if not self._asked:
            return known
        values = [arrays[place] for place in self._asked]
        for v in values:
            if not isinstance(v, (np.ndarray, np.generic)) or v.dtype.kind not in "iub" or v.nbytes > _LONG:
                return None
        return (known, *[v.tobytes() for v in values])


def prepare(node: Node, kernels: str, states: OpStates, is_settled: bool = False) -> Callable[[list[Any]], Any]:
    """A function from the node's input values to its output values, which may be pending.

    is_settled: nobody changes what the node keeps, so that it need not be copied.
    """
    if node.op_def.family == "Variable":
        state = variable_state(node)
        return lambda inputs: [state]
    if node.op_def.family == "VarHandleOp":
        handle = handle_to(variable_state(node))
        return lambda inputs: [handle]
    device: Device = node.device
    bound = device.kernel(node.op_def, node.attrs, kernels)
    arguments = bound.arguments | op_state(node, states)
    check, keeps = ShapeCheck(node), None if is_settled else node.op_def.keeps
    on_host = device.host_inputs(node.op_def, node.attrs)
    is_made_for_shapes = "blocks" in node.attrs or "epilogue" in node.attrs

    def run(inputs: list[Any]) -> Any:
        references = [inputs[i] for i in node.op_def.ref_inputs]
        if not references:
            return compute(inputs, references)
        with references[0].lock:  # nobody changes a variable between what is read of it and what is stored
            return compute(inputs, references)

    def compute(inputs: list[Any], references: list[Any]) -> Any:
        arrays = [read_input(node, value, i) for i, value in enumerate(inputs)]
        for place in on_host:  # what has no kernel here was done on the host, and is back by now
            arrays[place] = device.to_host(arrays[place])
        if bound.takes_out and device.type != "cpu":  # shapes and numbers of lists are on the host
            arrays = [a if i in on_host or not isinstance(a, np.ndarray) else device.from_host(a)
                      for i, a in enumerate(arrays)]  # fmt: skip
        if is_made_for_shapes:
            for value, array, (producer, port) in zip(inputs, arrays, node.inputs, strict=True):
                if tuple(array.shape) != producer.shapes[port] and isinstance(value, VariableState):
                    refuse_value(producer.shapes[port], None, value)
        found = check(arrays)
        if keeps is not None:
            arrays[keeps] = device.private_copy(arrays[keeps])
        results = _call(node, bound, arguments, arrays, found)
        if isinstance(results, Pending):
            return results.mapped(lambda values: finish(values, references, found))
        return finish(results, references, found)

    def finish(results: list[Any], references: list[Any], found: list[shapes.Shape]) -> list[Any]:
        for state, value in zip(references, results, strict=False):
            state.store(value)
        plain = results[len(references) :]
        outputs = [references[0] if t.is_ref_dtype and references else plain.pop(0) for t in node.types]
        _check_outputs(node, outputs, found)
        return outputs

    return run


def read_input(node: Node, value: Any, place: int) -> Any:
    """An input's value; a reference is read now."""
    if not isinstance(value, VariableState):
        return value
    if node.takes_by_handle(place):
        if not node.op_def.allows_uninitialized:
            must_hold(value)
        return value
    if node.op_def.allows_uninitialized and value.value is None:
        return value.blank()
    if value.value is None and (says_so := unset(node, place)) is not None:
        says_so()
    # An op that passes its input on would hand out the variable's own memory.
    return node.device.private_copy(value.read()) if node.op_def.view else value.read()


def must_hold(value: Any) -> None:
    """A reference is refused that is to a variable without a value; one to a queue is its name alone."""
    if isinstance(value, VariableState) and value.value is None:
        value.read()  # says that there is nothing


def refuse_value(shape: shapes.Shape, unset: Callable[[], Any] | None, state: Any) -> None:
    """Says what is wrong with a variable's value: there is none, or it has not this shape. unset: says the former."""
    if state.value is None:
        (unset or state.read)()
    found = shapes.text(tuple(state.value.shape))
    raise errors.InvalidArgumentError(
        None, None,
        f"variable {state.name} has shape {found} now, but the step was built for {shapes.text(shape)}, as declared. "
        "Declare a variable that changes its shape with validate_shape=False, so that its shape is not known",
    )  # fmt: skip


def changes_shape(node: Node) -> bool:
    """Whether a node gives a variable a value that need not have the shape that is declared."""
    if node.type != "Assign" or node.attrs["validate_shape"]:
        return False
    known, given = (n.shapes[port] for n, port in node.inputs)
    return known != given or not is_known(known)


def unset(node: Node, place: int) -> Callable[[], Any] | None:
    """Of an input that is a handle's variable, a function that raises what is said of one without a value."""
    own = place == 0 or place in node.op_def.ref_inputs
    found = node.attrs.get("unset") if own else None
    return found or node.inputs[place][0].attrs.get("unset")


def _call(node: Node, bound: BoundKernel, arguments: dict[str, Any], arrays: list[Any], found: Any) -> Any:
    grouped = node.op_def.group(arrays, node.attrs)
    if bound.takes_out and node.device.type != "cpu":
        places = [(arrays[i].shape, node.inputs[i][0].types[node.inputs[i][1]]) for i in node.op_def.ref_inputs]
        places += [(s, t) for s, t in zip(found, node.types, strict=True) if not (places and t.is_ref_dtype)]
        if bound.check is not None:
            bound.check(arrays)
        out = tuple(node.device.empty(tuple(s), t.base_dtype) for s, t in places)
        need = bound.workspace(grouped, **bound.arguments) if bound.workspace is not None else None
        if need is not None:
            arguments = arguments | {"workspace": node.device.empty(need[0], as_dtype(need[1]))}
        bound.function(*grouped, **arguments, out=out if len(out) > 1 else out[0])
        return list(out)
    with np.errstate(all="ignore"):
        result = bound.function(*grouped, **arguments)
    if isinstance(result, Pending):
        return result.mapped(lambda value: _listed(node, value, grouped))
    return _listed(node, result, grouped)


def _listed(node: Node, result: Any, grouped: Sequence[Any]) -> list[Any]:
    values = list(result) if isinstance(result, (tuple, list)) else [result]
    values = values if node.op_def.view else all_apart(values, grouped)
    return [v if isinstance(v, VariableState) or hasattr(v, "data_ptr") else np.asarray(v) for v in values]


def apart(value: Any, arguments: Sequence[Any]) -> Any:
    """`value`, or a copy of it where a kernel handed back the memory of an argument, which others may change.

    Only ops that say `view` may share: what lives how long is reckoned with that.
    """
    if type(value) is not np.ndarray:
        return value
    if value.base is None:  # in memory of its own, unless it is an argument itself
        for argument in arguments:
            if argument is value or (type(argument) is list and any(array is value for array in argument)):
                return value.copy()
        return value
    for argument in arguments:
        for array in argument if type(argument) is list else (argument,):
            if value is array or (type(array) is np.ndarray and np.may_share_memory(value, array)):
                return value.copy()
    return value


def all_apart(values: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    """Several values, each as `apart` has it."""
    if len(values) < _MANY:
        return [apart(value, arguments) for value in values]
    given = [a for argument in arguments for a in (argument if type(argument) is list else (argument,))]
    owners = {_owner(array) for array in given if type(array) is np.ndarray}
    everybody = None in owners  # one that may lie in anybody's memory
    owners.add(None)
    return [apart(v, arguments) if type(v) is np.ndarray and (everybody or _owner(v) in owners) else v for v in values]


def _owner(array: np.ndarray) -> int | None:
    """Which array owns the memory that this one lies in, as a number; None where that is not to be told."""
    base = array.base
    if base is None:
        return id(array)
    return id(base) if type(base) is np.ndarray and base.base is None else None


def _check_outputs(node: Node, outputs: list[Any], found: list[shapes.Shape]) -> None:
    """A kernel that breaks its own OpDef's promise is a bug of ours, not of the user's graph."""
    for i, (value, dtype, shape) in enumerate(zip(outputs, node.types, found, strict=True)):
        if not isinstance(value, np.ndarray):
            continue
        if value.dtype != np.dtype(dtype.base_dtype.as_numpy_dtype) or not shapes.compatible(shape, value.shape):
            raise errors.BugError(
                f"{node.type}'s kernel gave output {i} as {value.dtype}{list(value.shape)}, but its OpDef says "
                f"{dtype.base_dtype.name}{shapes.text(shape)}"
            )
