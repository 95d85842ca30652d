"""Joins: a chain of elementwise nodes that reads a product is done by the product's kernel, before it writes.

    MatMul -> add bias -> Relu          one _Joined node: the product's tile goes through the chain in registers

That is for cards, behind fuse, which has made the chains; a single node behind a product is one there too. A product
goes into the chain of the same shape that reads it, if the chain waits for it in no other way: otherwise the product
would have to wait for itself. Of several products that a chain reads, the last goes into it. Who else reads the product
gets it as a further result: to write it twice costs less than to read it again.

What the products' kernels make of a chain is refflow_kernels/gpu/epilogues.py. The bits are those of product and chain.

Next: runtime/endings.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core.dtypes import bfloat16, float16, float32
from refflow.core.opdef import OpDef
from refflow.core.signature import Attr
from refflow.runtime.fuse import FUSED, Edge, replace, run_together
from refflow.runtime.line_functions import may_not_fit
from refflow.runtime.nodes import Node, StepGraph, is_back_edge
from refflow.runtime.rendezvous import paired

JOINED = OpDef(
    "_Joined", "inputs: Tin -> outputs: Tout", {"Tin": Attr("list(type)"), "Tout": Attr("list(type)")}, (), False,
    False, "dot", False, False,
)  # fmt: skip
JOINED.shape(lambda context: [context.attrs["dims"]] * len(context.attrs["Tout"]))
PRODUCT = "product"  # how a chain reads the product that it goes with
_WRITTEN = (float32, float16, bfloat16)  # types in which a product's kernel writes


class _Users:
    """Who waits for whom, while nodes become one."""

    def __init__(self, nodes: list[Node], senders: dict[Node, list[Node]]):
        self._users: dict[Node, set[Node]] = {n: set() for n in nodes}
        self._became: dict[Node, Node] = {}
        for node in nodes:
            before = [n for n, _ in node.inputs if not is_back_edge(n, node)]
            for other in (*before, *node.controls, *senders.get(node, ())):
                self._users[other].add(node)

    def another_way(self, product: Node, chain: Node) -> bool:
        """Whether the chain waits for the product by others too."""
        seen = {product, chain}
        todo = [n for n in self._users[product] if self._now(n) is not chain]
        while todo:
            node = self._now(todo.pop())
            if node is chain:
                return True
            if node not in seen:
                seen.add(node)
                todo += self._users[node]
        return False

    def join(self, product: Node, chain: Node) -> None:
        self._became[chain] = product
        self._users[product] |= self._users.pop(chain)

    def _now(self, node: Node) -> Node:
        return self._became.get(node, node)


def join_products(step: StepGraph) -> StepGraph:
    """`step` with products and the chains behind them as single nodes."""
    if not any(map(_is_chain, step.nodes)):
        return step
    step = step.copy()
    senders = paired(step.nodes)
    place_of, users = run_together(step.nodes, senders), _Users(step.nodes, senders)
    order = {node: number for number, node in enumerate(step.nodes)}
    readers: dict[Node, set[Node]] = {}
    for node in step.nodes:
        for producer, _ in node.inputs:
            readers.setdefault(producer, set()).add(node)

    def origin(edge: Edge) -> Edge:
        while edge[0] in senders:
            edge = senders[edge[0]][0].inputs[0]
        return edge

    made: list[tuple[set[Node], list[Edge], Node]] = []
    gone: set[Node] = set()
    for chain in filter(_is_chain, step.nodes):
        for product in sorted({n for n, _ in chain.inputs}, key=order.__getitem__, reverse=True):
            fits = product not in gone and place_of(product) == place_of(chain) and _fits(product, chain, origin)
            if not fits or users.another_way(product, chain):
                continue
            wanted = [(chain, port) for port in range(len(chain.types))]
            wanted += [(product, 0)] if readers[product] != {chain} else []
            made.append(({product, chain}, wanted, _joined(product, chain, wanted)))
            users.join(product, chain)
            gone.add(product)
            break
    replace(step, made)
    return step


def _is_chain(node: Node) -> bool:
    return node.op_def is FUSED and node.device.type != "cpu"


def _fits(product: Node, chain: Node, origin: Callable[[Edge], Edge]) -> bool:
    """Whether the product's kernel can do the chain."""
    _, kinds, _, _, columns, _ = chain.attrs["blocks"]
    dims = chain.attrs["dims"]
    if product.device is not chain.device or not dims or 0 in dims or product.shapes[0] != dims:
        return False
    if any(kind != "whole" for kind, edge in zip(kinds, chain.inputs, strict=True) if edge[0] is product):
        return False
    if {"row", "column"} & set(kinds) and columns % dims[-1]:
        return False
    shorter = chain.types[0].size < product.types[0].size and dims[-1] % 8  # it might not be written as the product is
    if any(t not in _WRITTEN for t in (chain.types[0], product.types[0])) or shorter:
        return False
    return product.device.joins(product) and not may_not_fit(product, origin)


def _joined(product: Node, chain: Node, wanted: list[Edge]) -> Node:
    """The node of both: the product's inputs first, then the chain's, without the product."""
    steps, kinds, outputs, _, columns, _ = chain.attrs["blocks"]
    reads = [PRODUCT if edge[0] is product else kind for kind, edge in zip(kinds, chain.inputs, strict=True)]
    inputs = [*product.inputs, *(edge for edge in chain.inputs if edge[0] is not product)]
    results = [("step", number) for number in outputs]
    results += [("in", reads.index(PRODUCT))] if wanted[-1][0] is product else []
    dims, types = chain.attrs["dims"], [n.types[port] for n, port in wanted]
    attrs: dict[str, Any] = {
        "Tin": [n.types[p] for n, p in inputs], "Tout": types, "dims": dims, "product": product,
        "members": [product, *chain.attrs["members"]], "epilogue": (steps, reads, results, columns),
    }  # fmt: skip
    controls = list(dict.fromkeys([*product.controls, *chain.controls]))
    node = Node(chain.id, chain.name, JOINED, attrs, inputs, controls, types, [dims] * len(types), chain.request,
                chain.origin)  # fmt: skip
    node.device = chain.device
    return node
