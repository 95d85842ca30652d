"""Stacks in loops: a list that one loop fills and another empties is a list of Python's [W16, W43].

    EmptyTensorList -> loop: TensorListPushBack -> Exit -> Enter -> loop: TensorListPopBack
    stack = []                stack.append(x)                             x = stack.pop()

So a loop's gradient keeps what it needs of each turn. A tensor list is a value: each push gives another list, though
they share memory, and checks what is put. Where nobody reads any list between the first and the last, which list it is
makes no difference, and where the shapes are known there is nothing to check. What is popped is let go, too.

`Blocks` is a stack that copies its elements one behind the other, for who wants several at once.

Next: runtime/loop_products.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import variant
from refflow.core.elements import Elements
from refflow.core.opdef import OpDef
from refflow.core.shapes import compatible, is_known
from refflow.core.signature import Attr
from refflow.runtime.nodes import ENTERS, EXITS, MERGES, SAME, SWITCHES, Node, Readers, StepGraph, is_back_edge

_EMPTY = "Trying to pop from an empty list."
Edge = tuple[Node, int]


def _internal(name: str, signature: str, elements: Elements | None, **attrs: Any) -> OpDef:
    op = OpDef(name, signature, {"T": Attr("type"), **attrs}, (), False, False, "exact", False, False)
    op.elements, op.moves_bits = elements, True
    return op


# number: of the stack in its step, which its three nodes have in common.
_NUMBER = {"number": Attr("int")}
BEGIN = _internal("_Stack", "-> stack: variant[]", Elements(recounts=True), **_NUMBER)
PUSH = _internal("_Push", "stack: variant[], x: T -> stack: variant[]", Elements(put=1, recounts=True), **_NUMBER)
POP = _internal("_Pop", "stack: variant[] -> stack: variant[], x: T", Elements(take=1, recounts=True), **_NUMBER)


@BEGIN.kernel
def begin_kernel():
    return []


@PUSH.kernel
def push_kernel(stack, x):
    stack.append(x)
    return stack


@POP.kernel
def pop_kernel(stack):
    try:
        return stack, stack.pop()
    except IndexError:
        raise ValueError(_EMPTY) from None


class Blocks:
    """A stack of arrays of one shape, `each` of them one behind the other in each block of memory.

    block: the one that the element lies in which was popped last. place: which element of it that is; -1 after a push.
    """

    def __init__(self, each: int, shape: tuple[int, ...], dtype: Any):
        self._each, self._shape, self._dtype = each, (each, *shape), dtype
        self._blocks: list[np.ndarray] = []
        self._count = 0
        self.block: Any = None
        self.place = -1

    def push(self, x: Any) -> None:
        block, place = divmod(self._count, self._each)
        if block == len(self._blocks):
            self._blocks.append(np.empty(self._shape, self._dtype))
        self._blocks[block][place] = x
        self._count += 1
        self.place = -1

    def pop(self) -> np.ndarray:
        if not self._count:
            raise ValueError(_EMPTY)
        if not self.place:  # the last of the block was popped
            del self._blocks[-1]
        self._count -= 1
        self.block, self.place = self._blocks[-1], self._count % self._each
        return self.block[self.place]


BEGIN_BLOCKS = _internal("_StackOfBlocks", "-> stack: variant[]", None, each=Attr("int"), shape=Attr("shape"),
                         **_NUMBER)  # fmt: skip
PUSH_COPY = _internal("_PushCopy", "stack: variant[], x: T -> stack: variant[]", None, **_NUMBER)
PUSH_COPY.view = True


@BEGIN_BLOCKS.kernel
def begin_blocks_kernel(each, shape, T):
    return Blocks(each, shape, T.as_numpy_dtype)


@PUSH_COPY.kernel
def push_copy_kernel(stack, x):
    stack.push(x)
    return stack


class _Stack(NamedTuple):
    """An empty list, the one node that puts elements, and the one that takes them."""

    empty: Node
    push: Node
    pop: Node


def stacks_in_loops(step: StepGraph) -> StepGraph:
    """`step` with such lists as stacks."""
    if not any(_stacks(step)):
        return step
    step = step.copy()
    for found in _stacks(step):
        attrs = {"T": found.empty.attrs["element_dtype"], "number": found.empty.id}
        for old, op_def, inputs in ((found.empty, BEGIN, 0), (found.push, PUSH, 2), (found.pop, POP, 1)):
            old.op_def, old.attrs, old.inputs = op_def, attrs, old.inputs[:inputs]
    return step


def _stacks(step: StepGraph) -> Iterator[_Stack]:
    """Each such list."""
    empty = [n for n in step.nodes if n.type == "EmptyTensorList"]
    readers = step.readers() if empty else {}
    for found in (_stack_of(node, readers) for node in empty):
        if found is not None and _needs_no_checks(found):
            yield found


def use_blocks(step: StepGraph, pop: Node, each: int) -> None:
    """Makes the stack that `pop` pops from one of blocks of `each` elements."""
    turned = {BEGIN: BEGIN_BLOCKS, PUSH: PUSH_COPY}
    for node in step.nodes:
        if node.op_def in turned and node.attrs["number"] == pop.attrs["number"]:
            if node.op_def is BEGIN:
                node.attrs = node.attrs | {"each": each, "shape": pop.shapes[1]}
            node.op_def = turned[node.op_def]


# -- which lists --------------------------------------------------------------------------------------------------


def _stack_of(empty: Node, readers: Readers) -> _Stack | None:
    """The list's way through a loop that pushes, and then through one that pops, if nobody else looks at it."""
    filled = _through_loop((empty, 0), "TensorListPushBack", readers)
    emptied = filled and _through_loop(filled[1], "TensorListPopBack", readers)
    if not filled or not emptied or emptied[1] in readers:
        return None
    return _Stack(empty, filled[0], emptied[0])


def _through_loop(edge: Edge, change: str, readers: Readers) -> tuple[Node, Edge] | None:
    """The one node that changes a list in a loop, of type `change`, and the list behind the loop."""
    enter = _reader(edge, readers)
    merge = _reader((enter, 0), readers) if enter is not None and enter.type in ENTERS else None
    if merge is None or merge.type not in MERGES or (merge, 1) in readers:
        return None
    back = next((n for n, _ in merge.inputs if is_back_edge(n, merge)), None)
    switch = _reader((merge, 0), readers)
    changed = _reader((switch, 1), readers) if switch is not None and switch.type in SWITCHES else None
    if switch is None or changed is None or changed.type != change or _reader((changed, 0), readers) is not back:
        return None
    if (switch, 0) not in readers:
        return changed, (switch, 0)
    exit_ = _reader((switch, 0), readers)
    return (changed, (exit_, 0)) if exit_ is not None and exit_.type in EXITS else None


def _reader(edge: Edge, readers: Readers) -> Node | None:
    """The node that alone reads a list, behind those that alone pass it on; it does not put it into another list."""
    while True:
        found = readers.get(edge, [])
        if len(found) != 1:
            return None
        node, place = found[0]
        if node.type not in SAME:
            return node if place == 0 or node.type in MERGES else None
        edge = (node, 0)


def _needs_no_checks(stack: _Stack) -> bool:
    """True where what is pushed certainly fits, and lies where a plan's own lists lie."""
    (dims, _), (most, _) = stack.empty.inputs
    value, port = stack.push.inputs[1]
    shape, dtype = value.shapes[port], value.types[port]
    if any(n.device.type != "cpu" or n.attrs["element_dtype"] is not dtype for n in stack) or dtype is variant:
        return False
    if dims.type != "Const" or most.type != "Const" or not is_known(shape) or most.attrs["value"] != -1:
        return False
    wanted = dims.attrs["value"]
    return compatible(None if wanted.ndim == 0 else tuple(None if d < 0 else int(d) for d in wanted), shape)
