"""A graph folded by name scope: the data of the page [W59].

    Block       a scope with the ops and blocks in it, a series of siblings that are built alike, or one op
    kind        blocks with the same structure have the same number; -1 where there is no other like it
    aside       why a block is not drawn among the others, "" for most

         constants        they are inputs of one op each, and would be half of the picture
         bookkeeping      what initializes, saves, restores, counts steps or summarizes
         high degree      it touches most of its siblings, as `gradients` does: its edges would cover the rest

A block that is aside stands beside the others, and whoever touches it has its name as a tag. A *series* holds siblings
that differ in the number at the end of their names and in nothing else: a recurrent net that is unrolled over a hundred
steps is one box, to be opened.

Next: viewer/page.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from refflow.core.graph import Graph, Operation
from refflow.core.shapes import text as shape_text
from refflow.viewer.structure import own, structure

SERIES = 9  # so many siblings that are alike are folded into one
_SMALLEST = 3  # ops of a block that is compared with others
_TOUCHES = 8  # siblings that a block of high degree touches at least
_BOOKS = re.compile(
    r"^(NoOp|Assert|Save.*|Restore.*|MergeV2Checkpoints|ShardedFilename|.*Summary|Assign|AssignVariableOp|IsVariable.*|"
    r"VarIsInitializedOp|ReportUninitialized.*)$"
)
_NUMBERED = re.compile(r"^(.*?)_?(\d+)$")
_STEP = re.compile(r"^global_?step(/.*)?$")


@dataclass
class Block:
    """What is one box. name: whole; label: as it is shown; op: of a box that is one op."""

    name: str
    label: str
    op: Operation | None = None
    children: list[Block] = field(default_factory=list)
    is_series: bool = False
    kind: int = -1
    aside: str = ""
    form: str = ""  # its structure

    @property
    def is_constants(self) -> bool:
        return self.name.endswith("constants*")

    def ops(self) -> Iterator[Operation]:
        """Every op in it, in no order that counts."""
        stack = [self]
        while stack:
            block = stack.pop()
            stack += block.children
            if block.op is not None:
                yield block.op

    def blocks(self) -> Iterator[Block]:
        """Itself and every block in it, outer ones first."""
        stack = [self]
        while stack:
            block = stack.pop()
            stack += reversed(block.children)
            yield block


def fold(graph: Graph) -> Block:
    """The whole graph as one block."""
    root = _by_scope(graph.get_operations())
    for block in list(root.blocks())[::-1]:  # inner ones first
        if block.op is None:
            _fold_constants(block)
            block.children = _in_series(block)
        block.form = _form(block)
    _number(root)
    _move_aside(root)
    return root


def _by_scope(ops: Sequence[Operation]) -> Block:
    """Scopes as they are in the names. An op that is called as a scope is lies in it."""
    root = Block("", "the graph")
    scopes = {"": root}
    for op in ops:
        parts = op.name.split("/")
        for depth in range(1, len(parts)):
            name = "/".join(parts[:depth])
            if name not in scopes:
                scopes[name] = Block(name, parts[depth - 1])
                scopes["/".join(parts[: depth - 1])].children.append(scopes[name])
    for op in ops:
        above, _, label = op.name.rpartition("/")
        inside = op.name in scopes
        scopes[op.name if inside else above].children.append(Block(op.name, f"({label})" if inside else label, op))
    return root


def _fold_constants(block: Block) -> None:
    constants = [c for c in block.children if c.op is not None and c.op.type == "Const"]
    if len(constants) > 1:
        rest = [c for c in block.children if c not in constants]
        name = f"{block.name}/" if block.name else ""
        block.children = [*rest, Block(f"{name}constants*", f"{len(constants)} constants", None, constants)]


def _in_series(block: Block) -> list[Block]:
    """The children; of those that are alike but for a number, if they are many, a series in the place of the first."""
    if block.is_constants:
        return block.children
    groups: dict[tuple[str, str], list[Block]] = {}
    for child in block.children:
        found = _NUMBERED.match(child.label)
        groups.setdefault((found[1] if found else child.label, child.form), []).append(child)
    result, done = [], set()
    for child in block.children:
        found = _NUMBERED.match(child.label)
        key = (found[1] if found else child.label, child.form)
        if len(groups[key]) < SERIES:
            result.append(child)
        elif key not in done:
            done.add(key)
            members = groups[key]
            above = f"{block.name}/" if block.name else ""
            name = f"{above}{key[0]}*{len(done)}"
            result.append(Block(name, f"{key[0] or 'ops'} x {len(members)}", None, members, is_series=True))
    return result


def _form(block: Block) -> str:
    if block.op is not None:
        return repr(own(block.op))
    if block.is_series:
        return f"{len(block.children)} of {block.children[0].form}"
    return structure(block.ops())


def _number(root: Block) -> None:
    """Equal structures get equal numbers, the largest blocks the first. What only holds another block is that one."""
    groups: dict[str, list[Block]] = {}
    for block in root.blocks():
        whole = len(block.children) == 1 and block.children[0].op is None  # what is in it is what counts
        is_scope = block.op is None and not block.is_series and not block.is_constants and block is not root
        if is_scope and not whole:
            groups.setdefault(block.form, []).append(block)
    sizes = {form: sum(1 for _ in group[0].ops()) for form, group in groups.items() if len(group) > 1}
    order = sorted((f for f, size in sizes.items() if size >= _SMALLEST), key=lambda f: -sizes[f])
    for number, form in enumerate(order):
        for block in groups[form]:
            block.kind = number


def _move_aside(root: Block) -> None:
    for block in list(root.blocks())[::-1]:
        if block.op is not None:
            block.aside = "constants" if block.op.type == "Const" else _books(block.op)
        elif block.children and all(c.aside for c in block.children):
            reasons = {c.aside for c in block.children}
            block.aside = "constants" if reasons == {"constants"} else "bookkeeping"
        elif block is not root and _is_mostly_books(block):
            block.aside = "bookkeeping"
        if block.children and block is not root and block.aside:
            continue
        degrees = _degrees(block)
        usual = median(degrees.values()) if degrees else 0
        for child in block.children:
            if not child.aside and degrees[child.name] >= max(_TOUCHES, 2 * usual):
                child.aside = "high degree"


def _books(op: Operation) -> str:
    return "bookkeeping" if _BOOKS.match(op.type) or _STEP.match(op.name) else ""


def _is_mostly_books(block: Block) -> bool:
    """Whether three quarters of its children, but for constants, are bookkeeping, as in the scope of a saver."""
    reasons = [c.aside for c in block.children if c.aside != "constants"]
    return 4 * reasons.count("bookkeeping") >= 3 * len(reasons)


def _degrees(block: Block) -> dict[str, int]:
    """How many siblings each child has an edge with; those that are aside already do not count."""
    owner = {op: child.name for child in block.children if not child.aside for op in child.ops()}
    touched: dict[str, set[str]] = {child.name: set() for child in block.children}
    for op, name in owner.items():
        for before in (*(t.op for t in op.inputs), *op.control_inputs):
            other = owner.get(before, name)
            if other != name:
                touched[name].add(other)
                touched[other].add(name)
    return {name: len(others) for name, others in touched.items()}


def data(graph: Graph) -> dict[str, Any]:
    """The page's data, plain enough for JSON: blocks outer ones first, and the edges between ops.

    blocks: name, label, number of the block around it, kind, aside, then of an op its type, device, shapes and
    attributes. edges: numbers of both ops, and of the edge's form: its type and shape, or "waits".
    """
    root = fold(graph)
    numbers: dict[int, int] = {}
    places: dict[Operation, int] = {}
    rows: list[dict[str, Any]] = []
    for block in root.blocks():
        number = numbers[id(block)] = len(rows)
        row: dict[str, Any] = {"name": block.name, "label": block.label, "kind": block.kind, "aside": block.aside}
        if block.op is not None:
            places[block.op] = number
            row |= {"type": block.op.type, "device": block.op.device, "outputs": [_edge(t) for t in block.op.outputs]}
            row["attrs"] = [f"{k} = {_short(v)}" for k, v in sorted(block.op.attrs.items()) if not k.startswith("_")]
        if block.is_series or block.is_constants:
            row["series"] = 1
        rows.append(row)
    for block in root.blocks():
        for child in block.children:
            rows[numbers[id(child)]]["parent"] = numbers[id(block)]
    forms: dict[str, int] = {}
    edges = []
    for op, number in places.items():
        edges += [[places[t.op], number, forms.setdefault(_edge(t), len(forms))] for t in op.inputs]
        edges += [[places[c], number, forms.setdefault("waits", len(forms))] for c in op.control_inputs]
    return {"blocks": rows, "edges": edges, "forms": list(forms)}


def _edge(tensor: Any) -> str:
    return f"{tensor.dtype.base_dtype.name}{shape_text(tensor.dims)}"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
