"""The lines of nodes on a card: in stretches with fixed addresses, or one by one.

    def step(f, c, log):
        h3[...] = f[0]              what is fed, into pinned memory
        s0()                        the stretch: up, body and down below, soon one replay
        o0 = own(a7[()])            what came down

    def s0_up():    upload(b4, p3)
    def s0_body():  k5(b4, r2.value, False, False, out=b6)
    def s0_down():  download(p7, b6)

A node goes into a stretch where every address it touches is known before the run: shapes are known, what it reads on
the host is constant, and it stands in no branch and no loop. A line of the host ends a stretch, so that the order is
kept; feeds and what else the host sends up do not, for they have pinned memory of their own. All other nodes of a card
run as the executor's do, in memory that is asked for at each run.

runtime/card_stretches.py keeps what is being written, card_launches.py writes kernels, card_crossings.py what goes up
and comes down. Next: runtime/watch.py.
"""

from __future__ import annotations

from refflow.core.handles import handle_to
from refflow.core.shapes import is_known
from refflow.runtime.card_crossings import CardCrossings
from refflow.runtime.card_launches import CardLaunches
from refflow.runtime.card_lists import is_list_op
from refflow.runtime.fuse import FUSED
from refflow.runtime.gpu_kernels import SIZES
from refflow.runtime.kernels import prepare, variable_state
from refflow.runtime.line_functions import may_not_fit
from refflow.runtime.nodes import Node


class CardLines(CardLaunches, CardCrossings):
    """What a Writer does with nodes on a card."""

    def _on_card(self, node: Node) -> None:
        self._moment += 1
        if node.type == "Const":
            self._constant(node, node.attrs["value"])
        elif node.op_def.family == "Variable":
            self.names[node, 0] = self._bind("r", variable_state(node))
            if node not in self.unsettled:
                self.steady[node, 0] = None
        elif node.type == "RefIdentity":
            self.names[node, 0] = self.names[node.inputs[0]]
            if node.inputs[0] in self.steady:
                self.steady[node, 0] = None
        elif node.op_def.family == "VarHandleOp":  # of ops that no card runs: the others have its reference
            self.names[node, 0] = self._bind("h", handle_to(variable_state(node)))
        elif node.receives:
            self._arrive(node)
        elif node.sends:
            self._depart(node)
        elif node.type not in ("NoOp", "ControlTrigger"):
            self._in_stretch(node) if self._is_steady(node) else self._by_itself(node)
            self._bring_predicates_down(node)
        self._moment += 1

    def _is_steady(self, node: Node) -> bool:
        """Whether all that the node touches has its place before the run."""
        if not self._is_top() or not all(is_known(s) for s in node.shapes):
            return False
        if node.op_def.waits or node.op_def.by_handle or node.type in SIZES or is_list_op(node.op_def, node.attrs):
            return False
        if node.op_def is not FUSED and not node.device.supports(node.op_def, node.attrs):
            return False
        on_host = node.device.host_inputs(node.op_def, node.attrs)
        for place, edge in enumerate(node.inputs):
            known = self._origin_of(edge)[0].type == "Const" if place in on_host else edge in self.steady
            if not known:
                return False
        return node.op_def is FUSED or not may_not_fit(node, self._origin_of)

    def _by_itself(self, node: Node) -> None:
        """A line that asks for memory and checks shapes when it runs."""
        if self._waiting.get(node.device):
            self._stretch(node.device)
        keeps = node.op_def.keeps  # what a list has from this step's memory stays there: it is not used again
        is_settled = keeps is not None and self.lifetimes.is_settled(node.inputs[keeps])
        run = self._bind("k", prepare(node, self.kernels, self.states, is_settled))
        inputs = ", ".join(self.names[edge] for edge in node.inputs)
        results = []
        for port, dtype in enumerate(node.types):
            if dtype.is_ref_dtype:
                self.names[node, port] = self.names[node.inputs[node.op_def.ref_inputs[0]]]
                results.append("_")
            else:
                self.names[node, port] = f"v{node.id}_{port}"
                results.append(f"v{node.id}_{port}")
        self._write(node, f"{', '.join(results)}{',' if results else ''} = {run}([{inputs}])".removeprefix(" = "))
        if not self.captures:  # so that a failure is told by its own line
            self._write(node, f"{self._bind('w', node.device.card.wait)}()")
