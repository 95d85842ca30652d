"""cond, case and loops with 1.x's arguments, results in the structure of what was given, and its words for errors.

    tf.while_loop(cond, body, (i, x))          a tuple, as the loop variables were; of one variable that one
    tf.cond(p, true_fn=f, false_fn=g)          both give tensors, structures of them, or operations

Next: ops/conditionals.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from refflow.compat.v1 import context_messages as context_messages  # contexts write and read messages
from refflow.compat.v1.graph_keys import GraphKeys
from refflow.core.convert import op_scope
from refflow.core.dtypes import bool_
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.ops import conditionals, loops, messages
from refflow.ops.variable import Variable

__all__ = ["Assert", "case", "cond", "switch_case", "while_loop"]


def Assert(condition: Any, data: Any, summarize: int | None = None, name: str | None = None) -> Operation:
    """An operation that fails with the values of `data` (a list of tensors) unless the scalar `condition` is true."""
    with op_scope([condition, *data], name, "Assert"):
        return messages.Assert(condition, data, summarize, "Assert")


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, shape_invariants: Any = None,
    parallel_iterations: int = 10, back_prop: bool = True, swap_memory: bool = False, name: str | None = None,
    maximum_iterations: Any = None, return_same_structure: bool = False,
) -> Any:  # fmt: skip
    """The loop variables after `body` has run while `cond` holds.

    shape_invariants: shapes that hold in each iteration, where those of the start do not. return_same_structure: one
    variable comes back in the list that it was given in, else as itself.
    """
    if not callable(cond):
        raise TypeError("'cond' must be callable.")
    if not callable(body):
        raise TypeError("'body' must be callable.")
    if not isinstance(parallel_iterations, int) or parallel_iterations < 1:
        raise TypeError("'parallel_iterations' must be a positive integer.")
    several = isinstance(loop_vars, (list, tuple))
    given = list(loop_vars) if several else [loop_vars]
    if not given:
        raise ValueError("No loop variables provided.")
    if shape_invariants is not None:
        shape_invariants = list(shape_invariants) if isinstance(shape_invariants, (list, tuple)) else [shape_invariants]
        if len(shape_invariants) != len(given):
            raise ValueError(
                "The two structures don't have the same nested structure: there are "
                f"{len(given)} loop variables, but {len(shape_invariants)} shape invariants"
            )
    contexts: list[Any] = []

    def test(*values: Any) -> Any:
        contexts.append(get_default_graph()._context)
        return cond(*values)

    found = loops.while_loop(test, body, given, shape_invariants, parallel_iterations, back_prop, swap_memory, name,
                             maximum_iterations, return_same_structure=True)  # fmt: skip
    _collect(GraphKeys.WHILE_CONTEXT, contexts)
    if len(found) == 1 and not return_same_structure:
        return found[0]
    if hasattr(loop_vars, "_fields"):
        return type(loop_vars)(*found)
    return tuple(found) if isinstance(loop_vars, tuple) else list(found)


def _collect(key: str, contexts: list[Any]) -> None:
    """Notes the outermost contexts of a graph among them."""
    for context in contexts:
        if context.parent is None:
            context.graph.add_to_collection(key, context)


def _of_two(new: Any, old: Any, new_name: str, old_name: str, contexts: list[Any]) -> Callable[[], Any]:
    """The function that was given, under today's name or under the older one."""
    if old is not None and new is not None:
        raise TypeError(f"cond(): '{old_name}' and '{new_name}' may not be set simultaneously.")
    function = new if old is None else old
    if function is None:
        raise TypeError(f"cond(): '{new_name}' argument required")
    if not callable(function):
        raise TypeError(f"'{new_name}' must be callable.")

    def giving() -> Any:
        contexts.append(get_default_graph()._context)
        found = function()
        if found is None:
            raise ValueError(f"'{new_name}' must have a return value.")
        return found

    return giving


def cond(
    pred: Any, true_fn: Callable[[], Any] | None = None, false_fn: Callable[[], Any] | None = None,
    strict: bool = False, name: str | None = None, fn1: Callable[[], Any] | None = None,
    fn2: Callable[[], Any] | None = None,
) -> Any:  # fmt: skip
    """What `true_fn()` gives where the scalar bool `pred` is true, and what `false_fn()` gives where it is false.

    A list or tuple of one tensor comes back as that tensor, unless `strict`. Where both give operations the result is
    a tensor, which is there once one of them has run.
    """
    contexts: list[Any] = []
    then = _of_two(true_fn, fn1, "true_fn", "fn1", contexts)
    other = _of_two(false_fn, fn2, "false_fn", "fn2", contexts)
    found = conditionals.cond(pred, then, other, name, strict=strict)
    _collect(GraphKeys.COND_CONTEXT, contexts)
    return found.outputs[0] if isinstance(found, Operation) else found


def case(
    pred_fn_pairs: Any, default: Callable[[], Any] | None = None, exclusive: bool = False, strict: bool = False,
    name: str = "case",
) -> Any:  # fmt: skip
    """What the function of the first true predicate gives, or `default()` where none is true."""
    if not isinstance(pred_fn_pairs, (list, tuple, dict)):
        raise TypeError(f"'pred_fn_pairs' must be a list, tuple, or dict. Received: {type(pred_fn_pairs)}")
    for pair in pred_fn_pairs.items() if isinstance(pred_fn_pairs, dict) else pred_fn_pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"Each entry in 'pred_fn_pairs' must be a 2-tuple. Received {pair}.")
        pred, function = pair
        if not isinstance(pred, (Tensor, Variable)):
            raise TypeError(f"pred must be a Tensor, got: {pred}")
        if pred.dtype.base_dtype is not bool_:
            raise TypeError(f"pred must be Tensor of type bool: {pred.name}")
        if not callable(function):
            raise TypeError(f"fn for pred {pred.name} must be callable.")
    if default is not None and not callable(default):
        raise TypeError(f"default must be callable, got {default!r}")
    return conditionals.case(pred_fn_pairs, default, exclusive, strict, name)


def switch_case(
    branch_index: Any, branch_fns: Any, default: Callable[[], Any] | None = None, name: str = "switch_case"
) -> Any:
    """What the function with number `branch_index` gives; the default, or the last one, for any other number."""
    if not isinstance(branch_index, (Tensor, Variable)):
        raise TypeError(f"'branch_index' must be a Tensor, got {type(branch_index)}")
    if not branch_index.dtype.base_dtype.is_integer:
        raise TypeError(f"'branch_index' must be an integer Tensor, got {branch_index.dtype}")
    if not isinstance(branch_fns, (list, tuple, dict)):
        raise TypeError(f"'branch_fns' must be a list, tuple, or dict. Received {type(branch_fns)}")
    if isinstance(branch_fns, Mapping):
        numbered = list(branch_fns.items())
    elif branch_fns and all(callable(f) for f in branch_fns):
        numbered = list(enumerate(branch_fns))
    else:
        numbered = list(branch_fns)
    for pair in numbered:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise TypeError(f"Each entry in 'branch_fns' must be a 2-tuple. Received {pair}.")
        if not isinstance(pair[0], int):
            raise TypeError(f"key must be a Python `int`, got {type(pair[0])}")
        if not callable(pair[1]):
            raise TypeError(f"fn for key {pair[0]} must be callable.")
    if not numbered:
        raise ValueError("Must provide at least one item in 'branch_fns'")
    keys = [number for number, _ in numbered]
    if min(keys) < 0 or max(keys) >= len(keys) or len(set(keys)) != len(keys):
        shown = ",".join(map(str, sorted(keys)))
        raise ValueError(
            f"branch indices (keys) must form contiguous range of [0 to {len(keys)}) but found {{{shown}}}"
        )
    if default is not None and not callable(default):
        raise TypeError(f"default must be callable, got {default!r}")
    return conditionals.switch_case(branch_index, sorted(numbered, key=lambda row: row[0]), default, name)


