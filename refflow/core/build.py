"""From a call to a node: convert the inputs, find the attributes, check every type, name it, add it.

Attributes that name types or counts are inferred from the inputs [W04]. Tensors speak before plain
Python values, so that `ADD(1, x)` takes its type from x. Plain values become Const nodes inside the
new node's name scope, named after the argument: `range/start`.

Next: core/gradients.py.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from refflow.core.convert import convert_to_tensor, graph_of, held_tensor
from refflow.core.dtypes import DType
from refflow.core.errors import DTypeError, NodeError
from refflow.core.graph import Graph, Operation, Tensor
from refflow.core.handle_forms import by_handle, is_handle
from refflow.core.signature import REQUIRED, Arg

if TYPE_CHECKING:
    from refflow.core.opdef import OpDef

_RESULT_TYPES: dict[str, Any] = {}


def add_node(op_def: OpDef, args: Sequence[Any], kwargs: dict[str, Any], name: str | None) -> Any:
    """Builds one node of `op_def`; see OpDef.__call__."""
    if args and op_def.inputs and op_def.inputs[0].is_ref and is_handle(args[0]):
        return by_handle(op_def, args, kwargs, name)
    values, given = _split(op_def, args, kwargs)
    flat = [v for arg, v in zip(op_def.inputs, values, strict=True) for v in (v if _is_list(op_def, arg, v) else [v])]
    graph = graph_of(flat)
    default = op_def.name.lstrip("_")  # a name does not begin with what marks the runtime's own op types
    where = f"{op_def.name} {name or default!r}"
    try:
        if all(isinstance(v, Tensor) for v in flat):
            return _result(op_def, _add(op_def, graph, values, given, name or default))
        for value in flat:
            if hasattr(type(value), "_elementwise") and _is_elementwise(op_def):
                return value._elementwise(lambda *parts: op_def(*parts, name=name, **given), values)
        # Only a call that makes constants needs a scope for their names.
        with graph.as_default(), graph.name_scope(name or default) as scope:
            return _result(op_def, _add(op_def, graph, values, given, scope))
    except DTypeError as error:
        if str(error).startswith(op_def.name + " "):
            raise
        raise DTypeError(f"{where}: {error}") from None


def _is_elementwise(op_def: OpDef) -> bool:
    """Whether each element of the result comes from the elements in one place: a tensor of rows can go through it."""
    spread = all(arg.dims == ("...S",) for arg in (*op_def.inputs[:1], *op_def.outputs))
    return spread or op_def.formula is not None or op_def.formula_rule is not None


def _split(op_def: OpDef, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The inputs in the signature's order, and the attributes that were given."""
    if len(args) > len(op_def.inputs):
        raise TypeError(f"{op_def.name} takes {len(op_def.inputs)} inputs, got {len(args)}. Attributes go by name")
    values = list(args)
    given = dict(kwargs)
    for arg in op_def.inputs[len(args) :]:
        if arg.name not in given:
            raise TypeError(f"{op_def.name} needs {arg.name}: {op_def.signature}")
        values.append(given.pop(arg.name))
    unknown = [key for key in given if key not in op_def.attrs]
    if unknown:
        raise TypeError(
            f"{op_def.name} has no attribute {unknown[0]!r}. Inputs: {', '.join(a.name for a in op_def.inputs)}; "
            f"attributes: {', '.join(op_def.attrs)}"
        )
    return values, given


def _is_list(op_def: OpDef, arg: Arg, value: Any) -> bool:
    if arg.number is None and not op_def.is_type_list(arg):
        return False
    if isinstance(value, (list, tuple)):
        return True
    raise TypeError(f"{op_def.name}: {arg.name} is a list of tensors, got {type(value).__name__}")


def _add(op_def: OpDef, graph: Graph, values: list[Any], given: dict[str, Any], name: str | None) -> Operation:
    try:
        attrs = {key: op_def.attrs[key].check(key, value) for key, value in given.items() if value is not None}
    except NodeError as error:
        raise NodeError(f"{op_def.name} {_plain(name, op_def)!r}: {error}") from None
    said: dict[str, str] = dict.fromkeys(attrs, "given")  # attribute -> who decided it, for the messages
    for arg, value in zip(op_def.inputs, values, strict=True):
        for item in value if isinstance(value, (list, tuple)) and _is_list(op_def, arg, value) else [value]:
            if isinstance(item, Tensor) and arg.fixed is None and not op_def.is_type_list(arg):
                attrs.setdefault(arg.type, item.dtype.base_dtype)
                said.setdefault(arg.type, arg.name)
    inputs: list[Tensor] = []
    for arg, value in zip(op_def.inputs, values, strict=True):
        inputs += _convert(op_def, arg, value, attrs, said)
    for key, attr in op_def.attrs.items():
        if key not in attrs:
            if attr.default is REQUIRED:
                raise TypeError(f"{op_def.name} needs the attribute {key}: {attr}")
            attrs[key] = attr.default
    for key, who in said.items():
        if who != "given":
            try:
                attrs[key] = op_def.attrs[key].check(key, attrs[key])
            except (DTypeError, NodeError) as error:
                raise type(error)(f"{op_def.name} {_plain(name, op_def)!r}: {_why(who, attrs[key], error)}") from None
    return graph.create_op(op_def.name, inputs, op_def.output_types(attrs), None, name, attrs, op_def)


def _why(who: str, value: Any, error: Exception) -> str:
    """An attribute that an input decides, and that the op does not have: what to do about the input."""
    if isinstance(value, DType):
        return f"{who} is {value.name}, and no such type is taken: {error} (from {who}). Use cast() on {who}"
    return f"{error} (from {who})"


def _convert(op_def: OpDef, arg: Arg, value: Any, attrs: dict[str, Any], said: dict[str, str]) -> list[Tensor]:
    if op_def.is_type_list(arg):
        types = attrs.get(arg.type) or [None] * len(value)
        if len(types) != len(value):
            raise DTypeError(f"{arg.name} has {len(value)} tensors, but {arg.type} lists {len(types)} types")
        tensors = [_tensor(op_def, arg, v, t, said, i) for i, (v, t) in enumerate(zip(value, types, strict=True))]
        attrs[arg.type] = [t.dtype.base_dtype for t in tensors]
        return tensors
    if arg.number is not None:
        least = op_def.attrs[arg.number].minimum or 0
        if len(value) < least:
            raise NodeError(f"List argument '{arg.name}' to '{op_def.name}' Op with length {len(value)} shorter than "
                            f"minimum length {least}.")  # fmt: skip
        count = attrs.setdefault(arg.number, len(value))
        said.setdefault(arg.number, arg.name)
        if count != len(value):
            raise NodeError(
                f"{op_def.name}: {arg.name} has {len(value)} tensors, but {said[arg.number]} has {arg.number} = {count}"
            )
        return [_one(op_def, arg, v, attrs, said, i) for i, v in enumerate(value)]
    return [_one(op_def, arg, value, attrs, said, None)]


def _one(op_def: OpDef, arg: Arg, value: Any, attrs: dict[str, Any], said: dict[str, str], i: int | None) -> Tensor:
    wanted = arg.fixed or attrs.get(arg.type)
    if wanted is None and held_tensor(value) is None:  # what holds a tensor has that one's type
        wanted = op_def.attrs[arg.type].default
        wanted = None if wanted is REQUIRED else wanted
    tensor = _tensor(op_def, arg, value, wanted, said, i)
    if arg.fixed is None:
        attrs.setdefault(arg.type, tensor.dtype.base_dtype)
        said.setdefault(arg.type, arg.name)
    return tensor


def _tensor(
    op_def: OpDef, arg: Arg, value: Any, wanted: DType | None, said: dict[str, str], place: int | None
) -> Tensor:
    label = arg.name if place is None else f"{arg.name}[{place}]"
    if not isinstance(value, Tensor):
        # A tensor argument called `values` gives constants `values_0`, `values_1` as the release does.
        const = arg.name if place is None else f"{arg.name}_{place}"
        try:
            value = convert_to_tensor(value, wanted, const, as_ref=arg.is_ref)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{op_def.name}: {label}: {error}") from None
    if wanted is not None and value.dtype.base_dtype is not wanted:
        if arg.fixed is not None:
            why = f"{label} must be {wanted.name}"
        else:
            why = f"{said.get(arg.type, arg.type)} has {arg.type} = {wanted.name}"
        raise DTypeError(
            f"{label} ({value.name!r}) is {value.dtype.base_dtype.name}, but {why}. "
            "Nothing is converted silently: use cast()"
        )
    if arg.is_ref and not value.dtype.is_ref_dtype:
        raise DTypeError(
            f"{label} must be a variable's reference, but {value.name!r} is a plain {value.dtype.name}"
        )
    return value


def _plain(name: str | None, op_def: OpDef) -> str:
    return (name or op_def.name).rstrip("/")


def _result(op_def: OpDef, op: Operation) -> Any:
    if len(op_def.outputs) == 1:
        arg = op_def.outputs[0]
        if arg.number is None and not op_def.is_type_list(arg):
            return op.outputs[0]
        return list(op.outputs)
    if not op_def.outputs:
        return op
    if op_def.name not in _RESULT_TYPES:
        _RESULT_TYPES[op_def.name] = namedtuple(op_def.name.lstrip("_"), [a.name for a in op_def.outputs])
    return _RESULT_TYPES[op_def.name](*(op.outputs[a.name] for a in op_def.outputs))
