"""A graph as plain data: what one part of the system tells another.

A `NodeDef` names its inputs by text: `"MatMul:0"` (or `"MatMul"`) is an output, `"^init"` is a control
edge, and control edges come after the data [W03, W34]. A `GraphDef` is a list of them. The client
builds Graphs; everything that leaves the client (a session's Extend, a partition, a file) is this.

Next: core/devices.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from refflow.core.dtypes import DType
from refflow.core.errors import NodeError
from refflow.core.shapes import TensorShape
from refflow.core.signature import Arg

RELEASE = 7  # the graph version of the first release; readers refuse ops that their own version has retired
NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # a node [W70]
LABEL = "loc:@"  # in the attribute _class, before the name of a node to share a device with [W37]
SHAPES = "_output_shapes"  # an attribute: the shapes of a node's outputs, where they are known from elsewhere
SCOPED_NAME = re.compile(r"[A-Za-z0-9_.\\/>-]*")  # inside a scope a part may also begin with _


@dataclass(slots=True)
class NodeDef:
    """One node: name, op type, inputs as text, requested device, attributes as Python values.

    stack: of a function's node, where it was built, as long as it stays in this process.
    """

    name: str
    op: str
    input: list[str] = field(default_factory=list)
    device: str = ""
    attr: dict[str, Any] = field(default_factory=dict)
    stack: Any = field(default=None, compare=False, repr=False)

    def summary(self) -> str:
        """`name = Type[attr=value, ...](input, ...)`, the form of error messages [W82]."""
        attrs = ", ".join(f"{key}={attr_text(value)}" for key, value in sorted(self.attr.items()))
        device = f', _device="{self.device}"' if self.device else ""
        return f"{self.name} = {self.op}[{attrs}{device}]({', '.join(self.input)})"


def labelled_under(prefix: str, attrs: dict[str, Any]) -> dict[str, Any]:
    """`attrs` of a node that goes under `prefix` together with those that its _class names."""
    labels = attrs.get("_class")
    if not prefix or not labels:
        return attrs
    moved = [f"{LABEL}{prefix}{text[len(LABEL) :]}" if text.startswith(LABEL) else text for text in labels]
    return attrs | {"_class": moved}


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """An attribute's value that names a function and fills in its attributes.

    library: the functions among which it is found, for nodes of a graph whose kernels call it.
    """

    name: str
    attr: dict[str, Any] = field(default_factory=dict)
    library: dict[str, FunctionDef] | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class FunctionDef:
    """A graph with named inputs and outputs, for nodes that call it.

    Inside, an input's text is an argument's name, or `node:output_name:number`; `ret` says the same for each output.
    Attributes of nodes may be `Placeholder`s, which the caller's attributes replace.
    """

    name: str
    inputs: tuple[Arg, ...] = ()
    outputs: tuple[Arg, ...] = ()
    node: list[NodeDef] = field(default_factory=list)
    ret: dict[str, str] = field(default_factory=dict)
    control_ret: dict[str, str] = field(default_factory=dict)
    attr: dict[str, Any] = field(default_factory=dict)
    is_stateful: bool = False


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stands for the caller's attribute of that name inside a function."""

    name: str


@dataclass(slots=True)
class GraphDef:
    """Nodes in creation order, the functions that they call, and the version of who wrote them."""

    node: list[NodeDef] = field(default_factory=list)
    library: list[FunctionDef] = field(default_factory=list)
    producer: int = RELEASE
    gradients: dict[str, str] = field(default_factory=dict)  # from a function's name to that of its gradient

    def __iter__(self) -> Iterator[NodeDef]:
        return iter(self.node)

    def __len__(self) -> int:
        return len(self.node)

    def __str__(self) -> str:
        return "\n".join(node.summary() for node in self.node)


def functions_of(nodes: list[NodeDef]) -> list[FunctionDef]:
    """The functions that kernels of these nodes call, with those among which each of them finds its own callees."""
    found: dict[str, FunctionDef] = {}
    for node in nodes:
        for value in node.attr.values():
            if isinstance(value, FunctionCall):
                found |= value.library or {}
    return list(found.values())


def attr_text(value: Any) -> str:
    """An attribute's value in one short line."""
    if isinstance(value, DType):
        return value.enum_name
    if isinstance(value, TensorShape):
        return str(value)
    if isinstance(value, np.ndarray):
        shown = np.array2string(value.ravel()[:3], separator=" ", threshold=4).strip("[]")
        dots = "..." if value.size > 3 else ""
        return f"<{value.dtype} {list(value.shape)}: {shown}{dots}>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return f'"{value.decode("utf-8", "backslashreplace")}"'
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(attr_text(v) for v in value) + "]"
    return str(value)


def parse_input(text: str) -> tuple[str, int]:
    """Node name and port of an input: `"a"` and `"a:0"` are port 0, `"^a"` is a control edge, port -1 [W34].

    >>> parse_input("bar"), parse_input("bar:1"), parse_input("^bar")
    (('bar', 0), ('bar', 1), ('bar', -1))
    """
    is_control = text.startswith("^")
    name, colon, port = text.removeprefix("^").partition(":")
    if not colon:
        port = "0"
    if (not NAME.fullmatch(name) and not SCOPED_NAME.fullmatch(name)) or not name:
        raise NodeError(f"{text!r} does not name an output. Expected node, node:port or ^node")
    if not port.isdecimal() or (is_control and colon):
        raise NodeError(f"{text!r} does not name an output: the part after ':' must be a number")
    return name, -1 if is_control else int(port)
