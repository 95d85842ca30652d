"""`refflow show-kernels`: what computes each node of a step on a card, and the Triton sources of its chains.

A chain that a product's kernel does before it writes is an epilogue: a function that this kernel is given.

No card is needed: kernels are written for one that is not there, and nothing is compiled.

Next: docs/reading.rst.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core.shapes import text as shape_text
from refflow.programs import step_of
from refflow.runtime.card_handles import by_reference
from refflow.runtime.device import Device
from refflow.runtime.endings import ENDED, end_chains
from refflow.runtime.fuse import FUSED, fuse
from refflow.runtime.gpu import planning_device
from refflow.runtime.gpu_kernels import Ended, Joined, described
from refflow.runtime.joins import JOINED, join_products
from refflow.runtime.loosen import free_constants, skip_identities
from refflow.runtime.nodes import Node
from refflow.runtime.session import Session


def show_kernels(program: str, fetches: list[str] | None = None, say: Callable[[str], Any] = print) -> None:
    """Says it for the step of a program, as `refflow profile` knows them. RuntimeError without Triton."""
    graph, wanted, feeds, _ = step_of(program, fetches)
    with Session(graph=graph, devices=[Device(0), planning_device()], allow_soft_placement=True) as session:
        stages = session.stages(session.signature(wanted, list(feeds)))
    step = skip_identities(free_constants(by_reference(stages.partitioned)))
    step = end_chains(join_products(fuse(step)))
    chains = _chains(step.nodes)
    rows = [(n.name, n.type, n.device.type, _kernel(n, chains)) for n in step.nodes]
    rows = [("node", "op", "on", "kernel"), *(r for r in rows if r[3] != "no kernel")]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        say("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    for source, number in chains.items():
        kind = "epilogue" if "def epilogue(" in source else "chain"
        say(f"\n# {kind} {number}: {', '.join(_names(step.nodes, source))}\n{source}")


def _source(node: Node) -> str:
    chain: Any = {JOINED: Joined, ENDED: Ended}.get(node.op_def)
    return (chain(node.attrs) if chain else node.device.blocks(*node.attrs["blocks"])).source


def _is_chain(node: Node) -> bool:
    return node.op_def in (FUSED, JOINED, ENDED) and node.device.type == "gpu"


def _chains(nodes: list[Node]) -> dict[str, int]:
    """The sources of the chains on a card, numbered from 1; equal ones are one kernel."""
    sources = dict.fromkeys(_source(n) for n in nodes if _is_chain(n))
    return {source: number for number, source in enumerate(sources, 1)}


def _names(nodes: list[Node], source: str) -> list[str]:
    """The nodes that a chain's kernel computes, by their last ones, and their shapes."""
    return [f"{n.name} {shape_text(n.shapes[0])}" for n in nodes if _is_chain(n) and _source(n) == source]


def _kernel(node: Node, chains: dict[str, int]) -> str:
    if node.op_def is JOINED:
        product, (steps, *_) = node.attrs["product"], node.attrs["epilogue"]
        return f"{described(product.op_def, product.attrs)}, epilogue {chains[_source(node)]}: {len(steps)} steps"
    if _is_chain(node):
        ends = node.attrs["members"][-len(node.attrs["ends"].values) :] if node.op_def is ENDED else []
        steps = f"chain {chains[_source(node)]}: {len(node.attrs['blocks'][0])} steps"
        return ", ".join([steps, *(end.type for end in ends)])
    if node.device.type == "cpu":
        steers = node.op_def.family in ("_Send", "_Recv", "Const", "NoOp")
        return "no kernel" if steers else "the CPU's kernel"
    return described(node.op_def, node.attrs)
