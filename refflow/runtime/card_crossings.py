"""What goes between the host and a card, in a plan.

    up      the host writes into pinned memory before the stretch begins; the stretch copies it to its place
    down    the stretch copies into pinned memory when it ends; the host reads it behind the stretch

Next: runtime/rendezvous.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.shapes import is_known
from refflow.runtime.card_stretches import CardStretches
from refflow.runtime.gpu_memory import Place
from refflow.runtime.kernels import variable_state
from refflow.runtime.node_lines import NodeLines
from refflow.runtime.nodes import Node, has_control_flow


class CardCrossings(CardStretches):
    """The sends and receives of cards."""

    def _arrive(self, node: Node) -> None:
        """What another device has made: up through pinned memory, or as it comes."""
        producer = self._origin_of(self.sent[node])[0]
        shape, dtype = node.shapes[0], node.types[0]
        if node.attrs.get("_host_memory") or dtype.kind in "sr":
            self.names[node, 0] = self._on_host(node)
        elif producer.type == "Const":
            self._constant(node, producer.attrs["value"])
        elif self._is_top() and is_known(shape):
            self._upload(node)
        else:
            name = self._on_host(node)
            self.names[node, 0] = f"v{node.id}"
            self._write(node, f"v{node.id} = {self._bind('d', node.device.from_host)}({name})")

    def _upload(self, node: Node) -> None:
        source = self.sent[node][0].device
        if self._open is not None and self._open.device is source:
            self._close()  # what it sends is there when it is done
        given = self._on_host(node)
        if self._open is not None and given.partition("[")[0] in self._open.landing:
            self._close()  # it went down in this stretch, and comes back
        shape, dtype = node.shapes[0], node.types[0]
        begin = self._moment if self._open is None else self._open.begin
        place = self._room(node, shape, dtype, begin)
        self._went_up[self.sent[node][0]] = place
        name = self._keep_place(node, 0, place)
        pinned, array = self._pinned(node, shape, dtype)
        # In front of the stretch: the memory is this value's alone.
        NodeLines._write(self, node, f"{array}[...] = {given}")
        line = (node, f"{self._bind('d', node.device.card.upload)}({name}, {pinned})")
        if self._open is not None and self._open.device is node.device:
            self._open.up.append(line)
        else:
            self._waiting.setdefault(node.device, []).append(line)
            if has_control_flow(self.order):  # whoever needs it may stand in a branch
                self._stretch(node.device)

    def _on_host(self, node: Node) -> str:
        """What a receive takes, as the host has it."""
        edge = self.sent[node]
        sender = self.senders[node]
        if sender in self.landed:
            return self.landed[sender]
        if edge in self.brought_down:
            return self.brought_down[edge]
        name = self.names.get((sender, 0)) or self.names[edge]
        producer, _ = self._origin_of(edge)
        if edge[0].device.type == "cpu":
            return name
        if producer.type == "Const":
            return self._bind("c", producer.attrs["value"])
        return f"{self._bind('d', edge[0].device.to_host)}({name})"

    def _depart(self, node: Node) -> None:
        """What another device is to get: down into pinned memory when the stretch ends, or as it is."""
        edge = node.inputs[0]
        producer, port = edge
        is_ref = producer.types[port].is_ref_dtype
        if self._origin_of(edge)[0].type == "Const":
            return
        shape, dtype = producer.shapes[port], producer.types[port].base_dtype
        if not self._is_top() or not is_known(shape) or edge not in self.steady:
            self._send(node)
            return
        if edge in self.brought_down:
            self.landed[node], self._came_down[node] = self.brought_down[edge], self.steady[edge]
            return
        stretch = self._stretch(node.device)
        stretch.nodes[producer.name] = None
        place, name = self.steady[edge], self.names[edge]
        if is_ref:  # read now
            self._write_updates()
            state = variable_state(producer) if producer.op_def.family == "Variable" else self.bindings[name]
            stretch.states[state] = None
            place = self._room(node, shape, dtype)
            name = self._bind("b", place)
            stretch.body.append((node, self._is_there(self.names[edge], edge)))
            copy = self._bind("d", node.device.card.copy)
            stretch.body.append((node, f"{copy}({name}, {self.names[edge]}.value)"))
        if place is not None and is_ref:
            place.span.end = self._moment
        self.landed[node] = self._download(node, name, place, shape, dtype)
        self._came_down[node] = place

    def _download(self, node: Node, name: str, place: Place | None, shape: Any, dtype: Any) -> str:
        """Copies down when the stretch ends; what the host calls it from then on."""
        stretch = self._stretch(node.device)
        if place is not None:
            stretch.held.append(place.span)
        pinned, array = self._pinned(node, shape, dtype)
        stretch.down.append((node, f"{self._bind('d', node.device.card.download)}({pinned}, {name})"))
        stretch.landing.add(array)
        return f"{array}[()]" if shape == () else array

    def _bring_predicates_down(self, node: Node) -> None:
        """What decides branches comes down once, however many blocks stand under it."""
        for port, (shape, dtype) in enumerate(zip(node.shapes, node.types, strict=True)):
            edge = node, port
            if edge not in self.predicates:
                continue
            if edge in self.steady:
                self.brought_down[edge] = self._download(node, self.names[edge], self.steady[edge], shape, dtype)
            else:
                self.brought_down[edge] = f"t{node.id}_{port}"
                self._write(node, f"t{node.id}_{port} = {self._bind('d', node.device.to_host)}({self.names[edge]})[()]")

    def _receive(self, node: Node) -> None:
        """On the host, what came from a card has no line; a copy where somebody keeps it beyond the step."""
        if self.sent[node][0].device.type == "cpu":
            super()._receive(node)
        elif self.senders[node] in self.landed or self._origin_of(self.sent[node])[0].type == "Const":
            name = self._on_host(node)
            self.names[node, 0] = f"{name}.copy()" if node in self._kept_beyond else name
        else:
            self.names[node, 0] = f"v{node.id}"
            self._write(node, f"v{node.id} = {self._on_host(node)}")
