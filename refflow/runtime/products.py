"""Products: a sum of many small products becomes one product.

    AddN(a1.T @ b1, a2.T @ b2, ...)   ->   concat(a1, a2, ...).T @ concat(b1, b2, ...)

This is how a weight that was used at every step of a recurrent net gets its gradient: each step's product has few rows
and writes a matrix as large as the weight, which the sum then reads again. One product writes it once. The sums are the
same, added in another order; so it is for fast kernels only.

Next: runtime/shared_factors.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from refflow.core.dtypes import float32, float64, int32
from refflow.core.registry import op_def
from refflow.core.shapes import is_known
from refflow.runtime.nodes import SAME, Node, StepGraph, has_control_flow, in_order
from refflow.runtime.rendezvous import paired

_TRANSPOSED: dict[tuple[bool, bool], tuple[int, int]] = {  # the axes of a and b along which the sums run
    (True, False): (0, 0), (False, False): (1, 0), (False, True): (1, 1), (True, True): (0, 1),
}  # fmt: skip


def gather_products(step: StepGraph) -> StepGraph:
    """`step` with such sums as single products."""
    if has_control_flow(step.nodes) or not any(_sums(step)):
        return step
    step = step.copy()
    gone: dict[Node, list[Node]] = {}  # products that are not computed alone, and what they waited for
    for node, chains in _sums(step):
        node.controls += [c for chain in chains for n in chain for c in n.controls]
        gone |= {n: [*n.controls, *(p for p, _ in n.inputs)] for chain in chains for n in chain}
        _gather(step, node, [chain[-1] for chain in chains])
    step.nodes = [n for n in step.nodes if n not in gone]
    for node in step.nodes:
        node.controls = list(dict.fromkeys(waits_of(node.controls, gone)))
    step.nodes = in_order(step.nodes, paired(step.nodes))
    return step


def _sums(step: StepGraph) -> Iterator[tuple[Node, list[list[Node]]]]:
    """Each such sum, and what leads to it from each product; one may become a product that the next one adds."""
    readers: dict[Node, int] = {}
    for node in step.nodes:
        for producer, _ in node.inputs:
            readers[producer] = readers.get(producer, 0) + 1
    for node in list(step.nodes):
        if node.type == "AddN" and len(node.inputs) > 1:
            chains = [behind(n) for n, _ in node.inputs]
            alone = all(readers[n] == 1 and n not in step.targets for chain in chains for n in chain)
            if alone and _is_worth_it(node, [chain[-1] for chain in chains]):
                yield node, chains


def behind(node: Node) -> list[Node]:
    """The nodes that pass a value on, from `node` to the one that computes it."""
    found = [node]
    while found[-1].type in SAME:
        found.append(found[-1].inputs[0][0])
    return found


def waits_of(controls: list[Node], gone: dict[Node, list[Node]]) -> list[Node]:
    """`controls`, with what a node that is gone waited for in its place."""
    found, left = [], list(reversed(controls))
    seen: set[Node] = set()
    while left:
        node = left.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in gone:
            left += gone[node]
        else:
            found.append(node)
    return found


def _is_worth_it(node: Node, products: list[Node]) -> bool:
    """True where copying the factors is less than writing the products."""
    first = products[0]
    if any(n.type != "MatMul" or n.device is not node.device or n.device.type != "cpu" for n in products):
        return False
    ways = {(n.attrs["transpose_a"], n.attrs["transpose_b"]) for n in products}
    shapes = [p.shapes[port] for n in products for p, port in n.inputs]
    references = any(p.types[port].is_ref_dtype for n in products for p, port in n.inputs)
    if len(ways) > 1 or node.types[0] not in (float32, float64) or references or not all(map(is_known, shapes)):
        return False
    m, n = first.shapes[0] or (0, 0)
    axis = _TRANSPOSED[ways.pop()][0]
    depth = sum((s or ())[axis] for s in shapes[::2])  # type: ignore[misc]
    return depth * (m + n) < len(products) * m * n  # type: ignore[operator]


def _gather(step: StepGraph, node: Node, products: list[Node]) -> None:
    first = products[0]
    axes = _TRANSPOSED[first.attrs["transpose_a"], first.attrs["transpose_b"]]
    factors = [
        joined(step, node, f"{node.name}/{'ab'[side]}", [n.inputs[side] for n in products], axis)
        for side, axis in enumerate(axes)
    ]
    node.op_def, node.attrs, node.inputs = first.op_def, dict(first.attrs), [(f, 0) for f in factors]


def joined(step: StepGraph, like: Node, name: str, parts: list[tuple[Node, int]], axis: int) -> Node:
    """A node of that name that joins `parts` along an axis, on the device of `like`."""
    dtype = parts[0][0].types[parts[0][1]]
    sizes = [list(n.shapes[port] or ()) for n, port in parts]
    shape = list(sizes[0])
    shape[axis] = sum(s[axis] for s in sizes)  # type: ignore[misc]
    place = constant(step, like, f"{name}/axis", axis)
    attrs = {"N": len(parts), "T": dtype}
    return step.add(name, op_def("Concat"), attrs, [place, *parts], [dtype], [tuple(shape)], like)


def constant(step: StepGraph, like: Node, name: str, value: Any) -> tuple[Node, int]:
    """A constant of int32, as a new node's axis or shape."""
    value = np.array(value, np.int32)
    return step.add(name, op_def("Const"), {"value": value, "dtype": int32}, [], [int32], [value.shape], like), 0
