"""Piecewise: a gradient that only its variable's update reads is never there as a whole.

    dw = xT dy;  w -= rate dw       one node: for each of two pieces, some rows of the product, and the same rows of w

The product of two wide matrices gives a gradient as large as the weights, which goes out to memory and comes back for
the update. Here a piece of it is made in a buffer that stays in cache, and used at once. A piece is some rows of the
result: where there are few, BLAS would pack the second operand again for too few of them, and pieces of columns, whose
rows lie far apart in the variable, cost the update more than they save.

The update's node takes the product's operands in the place of the gradient, the second one behind all other inputs.
What BLAS adds up it adds in the same order; at the edge of a piece it may round in between, so that this is for fast
kernels only.

    def piece9(n):
        w0, = rooms(1)
        matmul(v3.T[n * 392 : n * 392 + 392], b4, out=w0)         MatMul 'gradients/MatMul_grad/MatMul_1'
        k5(r2_9[n * 392 : n * 392 + 392], c0, w0)                 ApplyGradientDescent 'update_w'
    with r2.lock: each(piece9, 2)

    bytes saved: the gradient written, and read again

Next: runtime/loosen.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from refflow.core.dtypes import float32, float64
from refflow.core.shapes import Shape, is_known
from refflow.runtime.lifetimes import shared_input
from refflow.runtime.nodes import Node, StepGraph, has_control_flow, in_order
from refflow.runtime.products import behind, waits_of
from refflow.runtime.rendezvous import paired

if TYPE_CHECKING:
    from refflow.runtime.node_lines import NodeLines

_LEAST = 1 << 21  # bytes of a gradient that does not stay in cache by itself
_PIECE = 1 << 21  # bytes of a piece
_ROWS = 256  # rows of a piece from which on packing the other operand again costs little
_HELD = 4  # times the gradient's bytes, at most, are its operands, which are now kept until the update


class Piecewise(NamedTuple):
    """How an update goes through its gradient: the product that makes that, and in how many pieces."""

    product: Node
    pieces: int
    place: int  # of the gradient among the update's inputs; now of the product's first operand

    def shape(self) -> tuple[int, int]:
        """Of a piece."""
        rows, columns = _dims(self.product)
        return rows // self.pieces, columns


def update_piecewise(step: StepGraph) -> StepGraph:
    """`step` with such products taken up by their updates. A step with branches or loops stays as it is."""
    if has_control_flow(step.nodes) or not any(_updates(step)):
        return step
    step = step.copy()
    gone: dict[Node, list[Node]] = {}  # what is not computed alone, and what it waited for
    for node, chain, cut in _updates(step):
        node.attrs = node.attrs | {"piecewise": cut}
        (a, b), place = cut.product.inputs, cut.place
        node.inputs = [*node.inputs[:place], a, *node.inputs[place + 1 :], b]
        node.controls += [c for n in chain for c in n.controls]
        gone |= {n: [*n.controls, *(p for p, _ in n.inputs)] for n in chain}
    step.nodes = [n for n in step.nodes if n not in gone]
    for node in step.nodes:
        node.controls = list(dict.fromkeys(waits_of(node.controls, gone)))
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


def _updates(step: StepGraph) -> Iterator[tuple[Node, list[Node], Piecewise]]:
    """Each such update, what leads to it from its product, and how it goes through that."""
    readers: dict[Node, int] = {}
    for node in step.nodes:
        for producer, _ in node.inputs:
            readers[producer] = readers.get(producer, 0) + 1
    for node in step.nodes:
        place = _gradient_place(node)
        if place is None:
            continue
        chain = behind(node.inputs[place][0])
        alone = all(readers[n] == 1 and n not in step.targets for n in chain)
        pieces = _pieces(node, chain[-1]) if alone else 0
        if pieces:
            yield node, chain, Piecewise(chain[-1], pieces, place)


def _gradient_place(node: Node) -> int | None:
    """The place of the gradient where the node is an update that goes element by element, on a CPU."""
    if node.device is None or node.device.type != "cpu" or not node.op_def.ref_inputs or node.op_def.by_element is None:
        return None
    return node.op_def.by_element.arrays(len(node.inputs))[-1]


def _pieces(update: Node, product: Node) -> int:
    """The number of pieces, each of as many rows; 0 where the product had better be whole."""
    if product.type != "MatMul" or product.device is not update.device or product.types[0] not in (float32, float64):
        return 0
    if any(_may_change(edge) for edge in product.inputs):
        return 0
    shapes = [n.shapes[port] for n, port in (*product.inputs, update.inputs[0])]
    if not all(map(is_known, shapes)) or shapes[2] != product.shapes[0]:
        return 0
    first, second, whole = (product.types[0].size * _count(s) for s in shapes)
    if whole < _LEAST or first + second > _HELD * whole:
        return 0
    rows, _ = _dims(product)
    return next((n for n in range(max(2, -(-whole // _PIECE)), rows // _ROWS + 1) if rows % n == 0), 0)


def _may_change(edge: tuple[Node, int]) -> bool:
    """True where the memory may be a variable's, which is not to be read once updates have begun."""
    source, port = edge
    while (place := shared_input(source)) is not None:
        source, port = source.inputs[place]
    return source.types[port].is_ref_dtype or source.op_def.family == "ReadVariableOp"


def _count(shape: Shape) -> int:
    return prod(shape or ())  # type: ignore[arg-type]


def _dims(product: Node) -> tuple[int, ...]:
    return product.shapes[0]  # type: ignore[return-value]


def write_pieces(lines: NodeLines, update: Node, state: str, inputs: list[str]) -> None:
    """The lines of an update with its product. state: the name of the variable; inputs: those of the values."""
    cut: Piecewise = update.attrs["piecewise"]
    *given, b = inputs
    product, shape, a = cut.product, cut.shape(), given[cut.place]
    rows, name = shape[0], f"piece{update.id}"
    part = f"[n * {rows} : n * {rows} + {rows}]"
    operands = [f"{x}.T" if product.attrs[turned] else x for x, turned in ((a, "transpose_a"), (b, "transpose_b"))]
    operands[0] += part
    known = [lines._known(edge) for edge in update.inputs[:-1]]
    for place in update.op_def.by_element.arrays(len(given)):  # type: ignore[union-attr]
        given[place] = "w0" if place == cut.place else given[place] + part
        known[place] = SimpleNamespace(shape=shape)
    change = update.device.in_place(update.op_def, update.attrs, known, [cut.place])
    lines._write(product, f"def {name}(n):")
    lines.indent += 1
    lines._write(product, f"w0, = {lines._bind('k', lines.rooms)}({len(lines.rooms.layouts)})")
    lines.rooms.layouts.append([(shape, product.types[0].name)])
    lines._write(product, f"{lines._bind('k', np.matmul)}({', '.join(operands)}, out=w0)")
    lines._write(update, f"{lines._bind('k', change)}({', '.join(given)})")
    lines.indent -= 1
    each = lines._bind("k", update.device.in_parts())
    lines._write(update, f"with {state}.lock: {each}({name}, {cut.pieces})")
