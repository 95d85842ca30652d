"""How many bytes lie on each device while a step runs, and at most, as its event log tells [W15].

    a value      lies on its device from the end of its node until the end of the last node that reads it
    sent         a value stays with the sender until it has been received; what is fetched stays until the step ends
    a view       lies in the memory of its input; variables, constants and feeds belong to others
    in a loop    a value lies where it is delivered: an Enter's in the frame that it opens, an Exit's outside, a
                 NextIteration's in the next iteration; what is constant in a loop stays until the step ends

runtime/simulate.py reckons the same before a step runs.

Next: runtime/metadata.py.
"""

from __future__ import annotations

from collections.abc import Iterable

from refflow.runtime.events import Event
from refflow.runtime.nodes import ENTERS, EXITS, NEXTS, Node
from refflow.runtime.rendezvous import key_of
from refflow.runtime.simulate import is_counted, is_reference

Key = tuple[str, int]  # a device and a memory on it


def peaks(events: Iterable[Event], nodes: Iterable[Node]) -> dict[str, int]:
    """The most bytes of one step's values on each device at one time, by its name. nodes: those of the step."""
    run = _Run({n.id: n for n in nodes})
    for event in events:
        if event.node_id in run.nodes:
            run.take(event)
    return dict(sorted(run.most.items()))


class _Run:
    def __init__(self, nodes: dict[int, Node]):
        self.nodes = nodes
        self.most: dict[str, int] = {n.device.name: 0 for n in nodes.values()}
        self._now = dict(self.most)
        self._holders: dict[Key, int] = {}
        self._sizes: dict[Key, int] = {}
        self._values: dict[tuple[Node, int, str], tuple[Key, int]] = {}  # by place: the memory, and readers to come
        self._sent: dict[str, Key] = {}
        self._readers: dict[tuple[Node, int], int] = {}
        for node in nodes.values():
            for edge in node.inputs:
                self._readers[edge] = self._readers.get(edge, 0) + 1

    def take(self, event: Event) -> None:
        node = self.nodes[event.node_id]
        if event.kind == "send":
            for made in event.made:
                key = (event.device, made.memory)
                self._hold(key, made.nbytes)
                self._sent[self._meeting(node, event.place)] = key
        elif event.kind in ("end", "recv"):
            self._keep(node, event)
            self._let_go_of_inputs(node, event.place)
            if node.receives:
                sent = self._sent.pop(self._meeting(node, event.place), None)
                if sent is not None:
                    self._release(sent)

    def _keep(self, node: Node, event: Event) -> None:
        """Outputs are there from now on; for a moment, if nobody reads them."""
        if node.sends:
            return
        place = _delivered(node, event.place)
        for made in event.made:
            edge = (node, made.port)
            if not is_counted(edge):
                continue
            key = (event.device, made.memory)
            if node.op_def.view or node.type in ENTERS | EXITS | NEXTS:
                source = self._values.get((*node.inputs[0], event.place))
                if source is None or is_reference(node.inputs[0]):
                    continue  # of what is not counted
                key = source[0]
            self._hold(key, made.nbytes)
            readers = self._readers.get(edge, 0)
            if readers:
                forever = node.type in ENTERS and node.attrs["is_constant"]
                self._values[node, made.port, place] = (key, -1 if forever else readers)
            else:
                self._release(key)

    def _let_go_of_inputs(self, node: Node, place: str) -> None:
        for edge in node.inputs:
            found = self._values.get((*edge, place))
            if found is None or found[1] < 0:
                continue
            key, readers = found
            if readers > 1:
                self._values[(*edge, place)] = (key, readers - 1)
            else:
                del self._values[(*edge, place)]
                self._release(key)

    def _hold(self, key: Key, nbytes: int) -> None:
        self._holders[key] = self._holders.get(key, 0) + 1
        if self._holders[key] == 1:
            self._sizes[key] = nbytes
            device = key[0]
            self._now[device] += nbytes
            self.most[device] = max(self.most[device], self._now[device])

    def _release(self, key: Key) -> None:
        self._holders[key] -= 1
        if not self._holders[key]:
            self._now[key[0]] -= self._sizes[key]

    def _meeting(self, node: Node, place: str) -> str:
        path, _, iteration = place.rpartition(":")
        return key_of(node, path, int(iteration or 0))


def _delivered(node: Node, place: str) -> str:
    """Where the outputs of a node that ran in one place are read.

    Places are written `0/outer;3/inner:7`: iteration 7 of a frame that iteration 3 of another opened; empty outside.
    """
    path, _, iteration = place.rpartition(":")
    if node.type in ENTERS:
        return f"{path}{';' if path else ''}{iteration or 0}/{node.attrs['frame_name']}:0"
    if node.type in EXITS:
        outer, _, last = path.rpartition(";")
        return f"{outer}:{last.partition('/')[0]}" if outer else ""
    return f"{path}:{int(iteration) + 1}" if node.type in NEXTS else place
