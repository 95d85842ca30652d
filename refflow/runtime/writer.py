"""Writes a plan: a step's source, line by line, and the buffers that its lines use.

For each value the writer knows what it is called; runtime/lifetimes.py tells it whose memory it lies in, and behind
which line a buffer goes back to the arena.

Next: runtime/node_lines.py.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from refflow.core.dtypes import bool_
from refflow.core.handles import handle_to
from refflow.core.values import scalar
from refflow.core.waiting import result_of
from refflow.runtime.card_lines import CardLines
from refflow.runtime.failures import as_op_error
from refflow.runtime.kernels import OpStates, must_hold, variable_state
from refflow.runtime.lifetimes import Arena, Lifetimes, Places
from refflow.runtime.line_functions import truth
from refflow.runtime.nodes import (
    CONTROL_FLOW,
    MERGES,
    NEXTS,
    SAME,
    Node,
    StepGraph,
    changes_variables,
    has_control_flow,
    in_order,
)
from refflow.runtime.rendezvous import key_of
from refflow.runtime.slice_lines import Rooms
from refflow.runtime.stretches import in_stretches
from refflow.runtime.structure import (
    Block,
    Choice,
    Edge,
    Literal,
    Loop,
    Structure,
    Unstructured,
)
from refflow.runtime.turns import Turns
from refflow.runtime.waits import together
from refflow.runtime.watch import Unwatched


class Writer(CardLines):
    """Writes the source of a step and collects what its names are bound to.

    watch: who writes the log's lines. captures: what is done on a card may be captured, if nobody watches.
    """

    def __init__(
        self, step: StepGraph, kernels: str, states: OpStates, watch: type[Unwatched] = Unwatched, captures: bool = True
    ):
        self.step, self.kernels, self.states = step, kernels, states
        self.bindings: dict[str, Any] = {}
        self.arena, self.rooms = Arena(), Rooms()
        self.text: list[str] = ["def step(f, c, log):"]
        self.lines: dict[int, Node] = {}
        self.names: dict[tuple[Node, int], str] = {}  # what a value is called
        self.blocks: dict[tuple[Node, int], np.ndarray] = {}  # arena memory of a value
        self.reads: dict[str, str] = {}
        sends = {key_of(n): n for n in step.nodes if n.sends and not n.attrs["client_terminated"]}
        self.senders = {n: sends[key_of(n)] for n in step.nodes if n.receives and key_of(n) in sends}
        self.sent = {n: sender.inputs[0] for n, sender in self.senders.items()}
        self.order = in_order(step.nodes, {n: [sender] for n, sender in self.senders.items()}, changes_last=True)
        if not has_control_flow(self.order):
            self.order = in_stretches(self.order, self.senders)
        self.indent = 1
        self.watch = watch(self)
        self.structure = self._structure()
        self.may_last = self.structure is not None
        self.levels = self.structure.levels if self.structure else {}
        self.blocks_of_code = self.structure.blocks if self.structure else [Block((), list(self.order))]
        places = Places(self.blocks_of_code)
        self.predicates = self.structure.predicates if self.structure else {}
        self.lifetimes = Lifetimes(step, self.sent, places, self.predicates)
        self.turns = Turns(step, self.blocks_of_code, places, self.lifetimes)
        self._begin_cards(captures and watch is Unwatched)

    def _structure(self) -> Structure | None:
        lone = next((n for n in self.order if n.receives and n not in self.sent and n not in self.step.feeds), None)
        if lone is not None:
            raise Unstructured(f"nobody in it sends what {lone.name!r} waits for")
        if not has_control_flow(self.step.nodes) and not any(n.op_def.waits for n in self.order):
            return None
        structure = Structure(self.order, self.senders)
        for fetch in self.step.fetches:
            if structure.guard(fetch.inputs[0]):
                raise Unstructured(f"{fetch.inputs[0][0].name!r} is fetched, though it may be dead")
        return structure

    # -- writing ------------------------------------------------------------------------------------

    def source(self) -> str:
        self._region(self.blocks_of_code)
        self._find_alone(self._lines_of_the_host)
        results = []
        for i, fetch in enumerate(self.step.fetches):
            self.watch.begin(fetch)
            self._write(fetch.inputs[0][0], f"o{i} = {self._result(fetch)}")
            results.append(f"o{i}")
            self.watch.end(fetch, [f"o{i}"])
        self._write(None, f"return ({', '.join(results)}{',' if len(results) == 1 else ''})")
        self._write_parts()
        self._lay_out_cards()
        return "\n".join(self.text) + "\n"

    def _region(self, blocks: list[Block]) -> None:
        for block in blocks:
            if block.guard:
                self._write(None, f"if {' and '.join(map(self._literal, block.guard))}:")
                self.indent += 1
            before = len(self.text)
            for level, group in itertools.groupby(block.items, lambda item: self.levels.get(item, 0)):
                items: list[Any] = list(group)
                if level % 2 and len(items) > 1:
                    self._together(items)
                else:
                    self._items(items)
            if block.guard:
                if len(self.text) == before:
                    self._write(None, "pass")
                self.indent -= 1

    def _items(self, items: list[Any]) -> None:
        for item in items:
            try:
                self._item(item)
            except MemoryError as error:  # there is no room for a buffer
                raise as_op_error(error, item.merges[0] if isinstance(item, Loop) else item) from error

    def _item(self, item: Node | Loop) -> None:
        if isinstance(item, Loop):
            self._loop(item)
            self.reads.clear()
        else:
            self._node(item)
            self._let_go(item)

    def _together(self, nodes: list[Node]) -> None:
        """Nodes that may have to wait at the same time: all are begun, then waited for."""
        begun = f"g{nodes[0].id}"
        self._write(None, f"with {self._bind('w', together)}() as {begun}:")
        self.reads.clear()  # others may change them meanwhile
        self.indent += 1
        for node in nodes:
            self.watch.begin(node)
            self._begin(node, begun)
        for node in nodes:
            self._take(node, f"{self._bind('w', result_of)}(p{node.id})")
            self.watch.end(node)
            self._let_go(node)
        self.indent -= 1

    def _let_go(self, item: Node | Loop) -> None:
        """Gives back the buffers of values that nobody needs behind this line, and variables' own memory."""
        held = dict.fromkeys(self.names[edge] for edge in self.lifetimes.let_go_at(item) if edge in self.names)
        if held:
            self._write(None, f"{' = '.join(held)} = None")
        for edge in self.lifetimes.ending_at(item):
            if edge in self.blocks:
                self.arena.give_back(self.blocks.pop(edge))
        self._end_spans(self.lifetimes.ending_at(item))
        if isinstance(item, Loop):
            return
        made = [(item, port) for port in range(len(item.types))]
        unread = [edge for edge in made if not self.lifetimes.is_read(self.lifetimes.origin(edge))]
        self._end_spans(unread)
        for edge in unread:  # it still had to be written somewhere
            if edge in self.blocks:
                self.arena.give_back(self.blocks.pop(edge))

    def _node(self, node: Node) -> None:
        if node in self.step.fetches:
            return
        self.watch.begin(node)
        self._lines(node)
        self.watch.end(node)
        if changes_variables(node) or node.op_def.stateful or node.op_def.by_handle or node.op_def.waits:
            self.reads.clear()

    def _lines(self, node: Node) -> None:
        if node.device.type != "cpu" and node.type not in CONTROL_FLOW:
            self._on_card(node)
        elif node.type == "Const":
            self.names[node, 0] = self._bind("c", scalar(node.attrs["value"]))
        elif node in self.sent:
            self._receive(node)
        elif node.receives:
            self.names[node, 0] = f"f[{self.step.feeds.index(node)}]"
            if not self.has_cards:  # for a card, a feed has no line of the host
                self._write(node, f"v{node.id} = {self.names[node, 0]}")
                self.names[node, 0] = f"v{node.id}"
        elif node.op_def.family == "Variable":
            self.names[node, 0] = self._bind("r", variable_state(node))
        elif node.op_def.family == "VarHandleOp":
            self.names[node, 0] = self._bind("h", handle_to(variable_state(node)))
        elif node.type in CONTROL_FLOW or node.type == "LoopCond":
            self._flow(node)
        elif self._is_passed_on(node):
            self.names[node, 0] = self._passed(node, 0)
        elif not node.sends and node.type not in ("NoOp", "ControlTrigger"):
            self._compute(node)
        elif node.sends and not node.attrs["client_terminated"]:
            self._send(node)

    # -- branches and loops ---------------------------------------------------------------------------

    def _flow(self, node: Node) -> None:
        """Nodes that pass a value on have no line of their own; a Merge of branches is a conditional expression."""
        if node.type in MERGES:
            assert self.structure is not None
            choice = self.structure.choices[node]
            values = [self._alternative(node, place) for place in range(len(node.inputs))]
            self._write(node, f"v{node.id} = {self._chosen(choice, values)}")
            if node.types[0].is_ref_dtype:
                self._write(node, f"{self._bind('m', must_hold)}(v{node.id})")
            self.names[node, 0] = f"v{node.id}"
            if self.lifetimes.is_read((node, 1)):
                numbers = [self._bind("c", np.int32(i)) for i in range(len(node.inputs))]
                self._write(node, f"v{node.id}_1 = {self._chosen(choice, numbers)}")
                self.names[node, 1] = f"v{node.id}_1"
        elif node.type in NEXTS:
            self._passed(node, 0)
        else:
            for port in range(len(node.types)):
                self.names[node, port] = self._passed(node, 0)

    def _is_passed_on(self, node: Node) -> bool:
        """True for a node that gives what it gets, which needs no line."""
        if node.type == "ToBool":
            producer, port = node.inputs[0]
            return producer.types[port] is bool_ and producer.shapes[port] == ()
        return node.type in SAME and node.device.type == "cpu"

    def _chosen(self, choice: Choice | int, names: list[str]) -> str:
        if isinstance(choice, int):
            return names[choice]
        then, other = self._chosen(choice.then, names), self._chosen(choice.other, names)
        assert choice.pred is not None
        return f"{then} if {self._truth(choice.pred)} else ({other})"

    def _literal(self, literal: Literal) -> str:
        pred, value = literal
        return self._truth(pred) if value else f"not {self._truth(pred)}"

    def _truth(self, pred: Edge) -> str:
        node, port = pred
        shape = node.shapes[port]
        if node.type == "LoopCond":  # says of its output what a Switch needs, whatever it is given
            source, place = node.inputs[0]
            shape = source.shapes[place]
        name = self.brought_down.get(pred) or self.names[pred]
        return name if shape == () else f"{self._bind('t', truth)}({name})"

    def _passed(self, node: Node, place: int) -> str:
        """The name of an input that is passed on as it is; of a variable, what it holds now."""
        producer, port = node.inputs[place]
        name = self.names[producer, port]
        if not producer.types[port].is_ref_dtype:
            return name
        if node.takes_by_handle(place):
            if not node.op_def.allows_uninitialized:
                self._write(node, f"{self._bind('m', must_hold)}({name})")
            return name
        if node.type in SAME and not self.lifetimes.is_read((node, 0)) and not self.watch.each_node:
            self._write(node, f"if {name}.value is None: {name}.read()")  # all that was asked for is that it can be
            return name
        local = f"{name}_{node.id}"
        self._write(node, f"{local} = {self._bind('d', node.device.private_copy)}({name}.read())")
        return local

    def _alternative(self, merge: Node, place: int) -> str:
        """What a Merge gives where this input is the live one; only then may it be read."""
        producer, port = merge.inputs[place]
        name = self.names[producer, port]
        if not producer.types[port].is_ref_dtype or merge.takes_by_handle(place):
            return name
        return f"{self._bind('d', merge.device.private_copy)}({name}.read())"

    def _loop(self, loop: Loop) -> None:
        for enter in loop.enters:
            self.watch.begin(enter)
            self.names[enter, 0] = self._passed(enter, 0)
            self.watch.end(enter)
        for merge in loop.merges:
            self.names[merge, 0] = f"v{merge.id}"
            self._write(merge, f"v{merge.id} = {self.names[merge.inputs[0]]}")
            buffers = self.turns.start(merge)
            if buffers is not None:
                self._write(merge, f"{buffers[0]} = {self._bind('b', buffers[1])}")
        self.watch.enter(loop)
        self._write(None, "while True:")
        self.indent += 1
        self.watch.turn(loop)
        self._write(loop.cond, "if c and (c.is_off or c.deadline and c.late()): c.check()")
        self._region(loop.test)
        assert loop.cond is not None
        self._write(loop.cond, f"if not {self._truth((loop.cond, 0))}: break")
        self._region(loop.body)
        turned = {f"v{m.id}": self.names[m.inputs[1][0].inputs[0]] for m in loop.merges}
        changed = {v: value for v, value in turned.items() if v != value}
        for merge in loop.merges:
            if merge in self.turns.used:
                changed |= {f"next{merge.id}": f"spare{merge.id}", f"spare{merge.id}": f"next{merge.id}"}
        if changed:
            self._write(loop.merges[0], f"{', '.join(changed)} = {', '.join(changed.values())}")
        self.indent -= 1
        self.watch.leave()
        self._let_go(loop)
