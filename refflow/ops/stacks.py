"""Stacks: what a loop pushes, the loop of its gradient pops [W43].

    Stack        a place of its own for each run of its node: steps do not share
    StackPush    gives the value again, so that what uses it comes after the push
    StackPop     the newest value that is still there

The handle is a reference in the first release's ops, and a resource in those that end in V2.

Next: ops/control_flow.py.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

from refflow.core import shapes
from refflow.core.elements import Elements
from refflow.core.handles import handle_to, state_of
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

ANY = Attr("type")


_numbers = itertools.count()


class StackState:
    """Values pushed and not popped yet."""

    def __init__(self, name: str, limit: int):
        self.name, self.limit = f"{name}_{next(_numbers)}", limit
        self.items: list[Any] = []
        self.closed = False
        self.lock = threading.Lock()


_STACK: dict[str, Any] = {"elem_type": ANY, "stack_name": "", "stateful": True, "source": ("W43",)}
STACK = define_op("Stack", "-> handle: Ref(string)", by_handle=True, **_STACK)
STACK_V2 = define_op("StackV2", "max_size: int32[] -> handle: resource[]", **_STACK)


@STACK.kernel
def stack_kernel(stack_name=""):
    return handle_to(StackState(stack_name, -1))


@STACK_V2.kernel
def stack_v2_kernel(max_size, stack_name=""):
    return handle_to(StackState(stack_name, int(max_size)))


@STACK.shape
def _stack_shape(context: ShapeContext) -> shapes.Shape:
    return ()


def _push(handle: Any, elem: Any) -> Any:
    stack = state_of(handle)
    with stack.lock:
        if stack.closed:
            raise ValueError(f"Stack[{stack.name}] has already been closed.")
        if 0 <= stack.limit <= len(stack.items):
            raise ValueError(f"Stack[{stack.name}] overflowed its max_size ({stack.limit})")
        stack.items.append(elem)
    return elem


def _pop(handle: Any) -> Any:
    stack = state_of(handle)
    with stack.lock:
        if stack.closed:
            raise ValueError(f"Stack[{stack.name}] has already been closed.")
        if not stack.items:
            raise ValueError(f"Stack[{stack.name}] is empty when calling Pop().")
        return stack.items.pop()


def _close_stack(handle: Any) -> None:
    stack = state_of(handle)
    stack.items.clear()
    stack.closed = True


for _end, _kind in (("", "Ref(string)"), ("V2", "resource")):
    _more: dict[str, Any] = {"stateful": True, "by_handle": not _end, "source": ("W43",)}
    _pushed = define_op(f"StackPush{_end}", f"handle: {_kind}, elem: T[...S] -> output: T[...S]", T=ANY,
                        swap_memory=False, **_more)  # fmt: skip
    _pushed.kernel(lambda handle, elem: _push(handle, elem))
    _pushed.elements = Elements(put=1)
    _popped = define_op(f"StackPop{_end}", f"handle: {_kind} -> elem: elem_type", elem_type=ANY, **_more)
    _popped.kernel(lambda handle: _pop(handle))
    _popped.elements = Elements(take=0)
    _closed = define_op(f"StackClose{_end}", f"handle: {_kind} ->", **_more)
    _closed.kernel(lambda handle: _close_stack(handle))
    _closed.elements = Elements()
    for _op in (_pushed, _popped, _closed):
        _op.no_gradient()
        _op.moves_bits = True
STACK.elements = STACK_V2.elements = Elements()
STACK.no_gradient()
STACK_V2.no_gradient()
