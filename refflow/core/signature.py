"""Signatures: the line of text that says what an operation takes and gives.

    "a: T[M, K], b: T[K, N] -> product: T[M, N]"
    "indices: N * int32, data: N * T -> merged: T"
    "ref: Ref(T), value: T -> output_ref: Ref(T)"

An argument's type is a fixed element type, a type attribute (`T`), `N * T` for a list whose length is
the attribute N, or the name of a list(type) attribute for a list of mixed types [W04]. Brackets name
the dimensions: equal names must have equal sizes, a number is itself, `...S` is any number of them.
No brackets: the op's own shape rule says what fits.

Next: core/shape_rules.py.
"""

from __future__ import annotations

import operator
import re
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from refflow.core import dtypes
from refflow.core.dtypes import DType, as_dtype
from refflow.core.errors import DTypeError, NodeError
from refflow.core.shapes import TensorShape, as_shape

_ARGUMENT = re.compile(
    r"\s*(?P<name>\w+)\s*:\s*(?P<ref>Ref\()?\s*(?:(?P<number>\w+)\s*\*\s*)?(?P<type>\w+)\s*(?(ref)\))"
    r"\s*(?P<dims>\[[^\]]*\])?\s*(?:,|$)"
)
REQUIRED: Any = type("_Required", (), {"__repr__": lambda self: "required"})()


class Arg(NamedTuple):
    """One input or output of a signature."""

    name: str
    type: str  # the type attribute, or the fixed type's name
    fixed: DType | None = None
    number: str | None = None  # the int attribute that counts a list of equal types
    is_ref: bool = False
    dims: tuple[str, ...] | None = None

    def __str__(self) -> str:
        text = f"{self.number} * {self.type}" if self.number else self.type
        text = f"Ref({text})" if self.is_ref else text
        return f"{self.name}: {text}" + ("" if self.dims is None else f"[{', '.join(self.dims)}]")


def parse_signature(text: str) -> tuple[tuple[Arg, ...], tuple[Arg, ...]]:
    """The inputs and the outputs of a signature.

    >>> inputs, outputs = parse_signature("a: T[M, K], b: T[K, N] -> product: T[M, N]")
    >>> [str(arg) for arg in inputs], outputs[0].dims
    (['a: T[M, K]', 'b: T[K, N]'], ('M', 'N'))
    """
    left, arrow, right = text.partition("->")
    if not arrow:
        raise NodeError(f"signature {text!r} has no '->'")
    try:
        return _arguments(left), _arguments(right)
    except ValueError as error:
        raise NodeError(f"signature {text!r}: cannot read {str(error)!r}. Expected name: Type[dims]") from None


@cache  # most sides stand in several signatures
def _arguments(side: str) -> tuple[Arg, ...]:
    """The arguments of one side; a ValueError with what cannot be read."""
    found, at = [], 0
    while side[at:].strip():
        match = _ARGUMENT.match(side, at)
        if match is None:
            raise ValueError(side[at:].strip())
        name, ref, number, kind, dims = match.groups()
        fixed = as_dtype(kind) if kind in _FIXED else None
        names = None if dims is None else tuple(d.strip() for d in dims[1:-1].split(",") if d.strip())
        found.append(Arg(name, kind, fixed, number, bool(ref), names))
        at = match.end()
    return tuple(found)


_FIXED = {dtype.name for dtype in dtypes.ALL} | {"float", "double", "half"}


class Attr(NamedTuple):
    """An attribute: its kind, its default, and what values are allowed [W04].

    Kinds: type, int, float, bool, string, shape, tensor, func, and "list(kind)" of each.
    """

    kind: str
    default: Any = REQUIRED
    allowed: tuple[Any, ...] = ()
    minimum: int | None = None

    def check(self, name: str, value: Any) -> Any:
        """`value` as this attribute stores it; an error that says what was expected."""
        try:
            if self.kind.startswith("list("):
                if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
                    raise TypeError("a list is needed")
                checked: Any = [_AS[self.kind[5:-1]](item) for item in value]
            else:
                checked = _AS[self.kind](value)
        except (TypeError, ValueError) as error:
            raise DTypeError(f"attribute {name} is a {self.kind}, got {value!r} ({error})") from None
        items = checked if isinstance(checked, list) else [checked]
        for item in items:
            if self.allowed and item not in self.allowed:
                raise self._not_allowed(name, item)
        if self.minimum is not None:
            size = len(checked) if isinstance(checked, list) else checked
            if size < self.minimum:
                raise NodeError(f"attribute {name} must be at least {self.minimum}, got {size}")
        return checked

    def _not_allowed(self, name: str, item: Any) -> Exception:
        shown = ", ".join(a.name if isinstance(a, DType) else repr(a) for a in self.allowed)
        got = item.name if isinstance(item, DType) else repr(item)
        kind = DTypeError if isinstance(item, DType) else NodeError
        return kind(f"attribute {name} = {got} is not allowed. Allowed: {shown}")

    def __str__(self) -> str:
        allowed = ""
        if self.allowed:
            allowed = " in {" + ", ".join(a.name if isinstance(a, DType) else repr(a) for a in self.allowed) + "}"
        minimum = f" >= {self.minimum}" if self.minimum is not None else ""
        default = "" if self.default is REQUIRED else f" = {self.default!r}"
        return f"{self.kind}{allowed}{minimum}{default}"


def _as_bool(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError("True or False is needed")
    return bool(value)


def _as_string(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError("a string is needed")
    return value


def _as_int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError("an int is needed, not a bool")
    return operator.index(getattr(value, "value", value) if type(value).__name__ == "Dimension" else value)


def _as_array(value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise TypeError("a NumPy array is needed")
    return value


_AS: dict[str, Any] = {
    "type": lambda value: as_dtype(value).base_dtype,
    "int": _as_int,
    "float": float,
    "bool": _as_bool,
    "string": _as_string,
    "shape": as_shape,
    "tensor": _as_array,
    "func": lambda value: value,
}


def as_attr(name: str, given: Any) -> Attr:
    """An Attr from the short form of `define_op`: a default value, or a tuple of allowed types.

    >>> as_attr("transpose_a", False)
    Attr(kind='bool', default=False, allowed=(), minimum=None)
    """
    if isinstance(given, Attr):
        return given
    if isinstance(given, tuple) and given and all(isinstance(item, DType) for item in given):
        return Attr("type", allowed=given)
    for kind, python_type in (("bool", bool), ("int", int), ("float", float), ("string", str)):
        if isinstance(given, python_type):
            return Attr(kind, default=given)
    if isinstance(given, DType):
        return Attr("type", default=given)
    if isinstance(given, TensorShape):
        return Attr("shape", default=given)
    raise NodeError(
        f"attribute {name}: {given!r} is no default and no set of types, as (float32, float64) is, without quotes; use "
        "Attr(kind, ...) for others"
    )
