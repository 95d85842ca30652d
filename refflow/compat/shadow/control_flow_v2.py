"""Names of `ops.while_v2`, `ops.cond_v2` and `control_flow_util_v2`: branches and loops asked for as functions.

They are Switches, Merges and frames like any others; what differs is the order of the arguments, and that a structure
of one comes back as such.

Next: compat/shadow/list_ops.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from refflow.compat.v1 import control_flow
from refflow.compat.v1.functional_ops import _truth
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int32
from refflow.core.graph import Operation, get_default_graph
from refflow.ops import conditionals


def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, shape_invariants: Any = None,
    parallel_iterations: int = 10, maximum_iterations: Any = None, name: str | None = None,
    return_same_structure: bool = True, back_prop: bool = True,
) -> Any:  # fmt: skip
    """The loop variables after `body` has run while `cond` holds."""
    return control_flow.while_loop(cond, body, loop_vars, shape_invariants, parallel_iterations, back_prop, False, name,
                                   maximum_iterations, return_same_structure)  # fmt: skip


def cond_v2(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any], name: str | None = "cond") -> Any:
    """What one of two functions gives; a number for `pred` is true where it is not zero."""
    if isinstance(pred, bool):
        raise TypeError("pred must not be a Python bool", pred)
    try:
        found = conditionals.cond(_truth(pred), true_fn, false_fn, name or "cond", strict=True)
    except (TypeError, ValueError) as error:
        if "'true_fn' and 'false_fn'" not in str(error):
            raise
        raise TypeError(
            "true_fn and false_fn arguments to tf.cond must have the same number, type, and overall structure of "
            f"return values. {error}"
        ) from None
    return found


fast_cond_v2 = cond_v2


def indexed_case(
    branch_index: Any, branch_fns: Sequence[Callable[[], Any]], name: str = "indexed_case",
    lower_using_switch_merge: bool | None = None,
) -> Any:  # fmt: skip
    """What the function of that number gives; the last one's for a number out of range."""
    if isinstance(branch_index, int):
        raise TypeError("branch_index must not be a Python int", branch_index)
    return conditionals.switch_case(convert_to_tensor(branch_index, int32), list(branch_fns), None, name)


def in_defun() -> bool:
    """Whether what is built is the body of a function."""
    return bool(get_default_graph().takes_from_outside)


@contextmanager
def clear_control_inputs() -> Iterator[Any]:
    """A block whose nodes wait for nothing; gives what they would have waited for."""
    graph = get_default_graph()
    waited_for: list[Operation] = graph._control_inputs_for([])
    with graph.control_dependencies(None):
        yield waited_for


def output_all_intermediates() -> bool:
    """False: a loop keeps what its gradient reads, once that is asked for."""
    return False
