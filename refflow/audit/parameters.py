"""The parameters of a program, one a line, and beside those of another: `refflow audit parameters PROGRAM` [W54].

    name            type     shape        elements      bytes
    conv1/weights   float32  [7,7,3,64]      9,408     37,632  trainable
    conv1/weights/m float32  [7,7,3,64]      9,408     37,632  m of conv1/weights

A lost bias, a layer with one unit too many, or a table that two layers were to share show here before any step runs.
A *slot* is what an optimizer keeps beside a variable: the other references that its update takes, by the names that the
update's op gives them, and what else is called as if it were in the variable's scope. Who trains what is the graph's
collection; files of graphs and checkpoints do not say it.

The table is of the first graph with variables that a program runs a step of, as it is then; the program ends there.

Next: audit/losses.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from math import prod
from typing import NamedTuple

from refflow.core.errors import DataLossError
from refflow.core.graph import Graph, GraphKeys, Tensor
from refflow.core.shapes import text as shape_text
from refflow.program_runs import graph_of

_EXPECTED = (
    "Expected: NAME.py, a graph in a .pb or .pbtxt file, a checkpoint as Saver.save returned it, a folder of "
    "checkpoints, or deck"
)


class Parameter(NamedTuple):
    """One variable. shape: None where it is not known before it runs. trainable: None where nobody says it.

    role: "trainable", "not trainable", "m of w" for a slot, or "" where nobody says it. size: bytes of an element.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None
    size: int
    role: str = ""

    @property
    def elements(self) -> int:
        """Its elements; 0 where the shape does not say it."""
        return 0 if self.shape is None or None in self.shape else prod(d for d in self.shape if d is not None)

    @property
    def nbytes(self) -> int:
        return self.elements * self.size

    @property
    def is_trained(self) -> bool:
        return self.role in ("", "trainable")

    @property
    def form(self) -> str:
        return f"{self.dtype}{shape_text(self.shape)}"


# -- where they come from -----------------------------------------------------------------------------------


def of_graph(graph: Graph) -> list[Parameter]:
    """Every variable of a graph, in the order of its nodes."""
    trained = {v.op.name for v in graph.get_collection(GraphKeys.TRAINABLE_VARIABLES) if hasattr(v, "op")}
    says_it = GraphKeys.TRAINABLE_VARIABLES in graph.get_all_collection_keys()
    roles = _slots(graph)
    found = []
    for op in graph.get_operations():
        if op.op_def.family == "Variable":
            dtype, shape = op.outputs[0].dtype.base_dtype, op.outputs[0].dims
        elif op.type == "VarHandleOp":
            dtype, shape = op.attrs["dtype"], op.attrs["shape"].dims
        else:
            continue
        known = "trainable" if op.name in trained else "not trainable" if says_it else ""
        above = op.name.rpartition("/")[0]
        if known == "not trainable" and above in trained:  # kept by an update of several nodes, as of rows
            known = f"slot of {above}"
        known_shape = None if shape is None else tuple(None if d is None else int(d) for d in shape)
        found.append(Parameter(op.name, dtype.name, known_shape, dtype.size, roles.get(op.name, known)))
    return found


def _slots(graph: Graph) -> dict[str, str]:
    """From a slot to "m of w": what updates take beside the variable that they change. Several may share one."""
    owners: dict[str, list[tuple[str, str]]] = {}
    for op in graph.get_operations():
        names = [a.name for a in op.op_def.inputs]
        if names[:1] != ["var"] or not op.type.startswith(("Apply", "Resource", "Sparse")):
            continue
        for name, given in zip(names[1:], op.inputs[1:], strict=False):
            tensor = _read_from(given)
            if tensor.dtype.is_ref_dtype or tensor.dtype.name == "resource":
                owners.setdefault(tensor.op.name, []).append((name, op.inputs[0].op.name))
    return {
        slot: f"{pairs[0][0]} of {pairs[0][1] if len(pairs) == 1 else f'{len(pairs)} variables'}"
        for slot, pairs in owners.items()
    }


def _read_from(tensor: Tensor) -> Tensor:
    """What a setting is read from, as it is or as another type."""
    while tensor.op.type in ("Identity", "Cast", "ReadVariableOp"):
        tensor = tensor.op.inputs[0]
    return tensor


def of_program(source: str, arguments: Sequence[str] = ()) -> list[Parameter]:
    """The parameters of a Python program, a graph in a .pb or .pbtxt file, a checkpoint, or the deck's program.

    FileNotFoundError or ValueError for what is none of these, and where a program has no variables.
    """
    if source != "deck" and not source.endswith((".py", ".pb", ".pbtxt", ".lisp")):
        return _of_checkpoint(source)
    graph = graph_of(source, arguments)
    found = of_graph(graph)
    if not found:
        raise ValueError(f"{source} has no variables in any graph that it runs a step of")
    return found


def _of_checkpoint(path: str) -> list[Parameter]:
    from refflow.compat.v1.checkpoints import load_checkpoint

    if not os.path.isdir(path) and not any(os.path.exists(path + end) for end in ("", ".index")):
        raise FileNotFoundError(f"there is no {path!r}. {_EXPECTED}")
    try:
        reader = load_checkpoint(path)
    except DataLossError as error:
        raise ValueError(f"{path!r} is no checkpoint: {error}. {_EXPECTED}") from error
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    return [Parameter(n, types[n].name, tuple(shapes[n]), types[n].size) for n in sorted(shapes)]


# -- beside something else ----------------------------------------------------------------------------------


def trained(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Those that are trained, and where nobody says it all of them."""
    return [p for p in parameters if p.is_trained]


def both_trained(
    here: Sequence[Parameter], there: Sequence[Parameter], renamed: Sequence[str] = ()
) -> tuple[list[Parameter], list[Parameter]]:
    """Both tables without what is not trained.

    Of a side that does not say it, that is what the other side knows as such, and whatever is called as if it were in
    another variable's scope: so slots are.
    """
    mine = [p._replace(name=renaming(p.name, renamed)) for p in here]
    both = []
    for side, other, kept in ((mine, there, here), (there, mine, there)):
        untrained = {p.name for p in other if not p.is_trained}
        names = {p.name for p in side}
        is_slot = {p.name for p in side if p.name.rpartition("/")[0] in names}
        both.append([k for p, k in zip(side, kept, strict=True) if p.is_trained
                     and (p.role or p.name not in untrained | is_slot)])  # fmt: skip
    return both[0], both[1]


def beside_count(parameters: Sequence[Parameter], expected: int) -> list[str]:
    """What is wrong with the number of trained elements; nothing where it is as expected."""
    found = sum(p.elements for p in trained(parameters))
    if found == expected:
        return []
    off = abs(found - expected)
    scopes = totals(trained(parameters), 1)
    sizes = [(p.name, p.elements) for p in trained(parameters)] + [
        (f"{scope}/", count) for scope, (_, count, _) in scopes
    ]
    same = [name for name, count in sizes if count == off]
    hint = f"; as many as {' or '.join(same[:4])} has" if same else ""
    word = "many" if found > expected else "few"
    return [f"{found:,} elements are trained, expected {expected:,}: {off:,} too {word}{hint}"]


def beside(here: Sequence[Parameter], there: Sequence[Parameter], renamed: Sequence[str] = ()) -> list[str]:
    """What differs between two tables, a line each. renamed: "OLD=NEW", regular expressions over the names of here."""
    ours = {renaming(p.name, renamed): p for p in here}
    theirs = {p.name: p for p in there}
    lines = [
        f"{_called(p, name)} is {p.form} here, {theirs[name].form} there"
        for name, p in ours.items() if name in theirs and p.form != theirs[name].form
    ]  # fmt: skip
    only_here, only_there = (
        sorted((p for name, p in mine.items() if name not in other), key=lambda p: p.name)
        for mine, other in ((ours, theirs), (theirs, ours))
    )
    lines += [f"{p.name} {p.form} is only here" for p in only_here]
    lines += [f"{p.name} {p.form} is only there" for p in only_there]
    if only_here and [p.form for p in only_here] == [p.form for p in only_there]:
        lines.append(
            "those that are only on one side have the same types and shapes, by name in the same order: name them "
            f"alike with --map, as in --map '^{only_here[0].name}$={only_there[0].name}'"
        )
    return lines


def renaming(name: str, renamed: Sequence[str]) -> str:
    """A name under "OLD=NEW" rules, one after the other. ValueError for what is no rule."""
    for rule in renamed:
        old, equals, new = rule.partition("=")
        if not equals or not old:
            raise ValueError(f"--map {rule!r}: expected OLD=NEW, where OLD is a regular expression")
        try:
            name = re.sub(old, new, name)
        except re.error as error:
            raise ValueError(f"--map {rule!r}: {error}") from error
    return name


def _called(parameter: Parameter, name: str) -> str:
    return name if name == parameter.name else f"{parameter.name}, there {name},"


# -- words --------------------------------------------------------------------------------------------------


def totals(parameters: Sequence[Parameter], depth: int) -> list[tuple[str, tuple[int, int, int]]]:
    """(scope, (variables, elements, bytes)) of scopes so deep that hold more than one variable, in their order."""
    groups: dict[str, list[Parameter]] = {}
    for p in parameters:
        for level in range(1, depth + 1):
            parts = p.name.split("/")
            if len(parts) > level:
                groups.setdefault("/".join(parts[:level]), []).append(p)
    return [
        (s, (len(g), sum(p.elements for p in g), sum(p.nbytes for p in g))) for s, g in groups.items() if len(g) > 1
    ]


def table(parameters: Sequence[Parameter], depth: int = 1) -> str:
    """The parameters, then sums by scope and over all."""
    rows = [("name", "type", "shape", "elements", "bytes", "")]
    rows += [(p.name, p.dtype, shape_text(p.shape), f"{p.elements:,}", f"{p.nbytes:,}", p.role) for p in parameters]
    sums = [("scope", "variables", "", "elements", "bytes", "")] if totals(trained(parameters), depth) else []
    for scope, (many, count, nbytes) in totals(trained(parameters), depth):
        sums.append((f"{scope}/", str(many), "", f"{count:,}", f"{nbytes:,}", "trained" if _says(parameters) else ""))
    if not _says(parameters):
        whole = [("all", parameters)]
    else:
        rest = [p for p in parameters if not p.is_trained]
        slots = [p for p in rest if " of " in p.role]
        whole = [("trainable", trained(parameters)), ("slots", slots), ("others", [p for p in rest if p not in slots])]
    ends = [
        (name, str(len(group)), "", f"{sum(p.elements for p in group):,}", f"{sum(p.nbytes for p in group):,}", "")
        for name, group in whole if group
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in [*rows, *sums, *ends]) for i in range(5)]
    blocks = [block for block in (rows, sums, ends) if block]
    return "\n\n".join("\n".join(_row(row, widths) for row in block) for block in blocks)


def _says(parameters: Sequence[Parameter]) -> bool:
    return any(p.role for p in parameters)


def _row(row: tuple[str, ...], widths: Sequence[int]) -> str:
    cells = [f"{cell:{'>' if i > 2 else '<'}{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=False))]
    return "  ".join([*cells, row[-1]]).rstrip()
