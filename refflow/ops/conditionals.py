"""cond and case: only the branch that is taken runs [W39, E12].

    cond(p, f, g)     every x that f or g reads from outside:   x -> Switch(x, p) -> (false, true)
                      every result:                             Merge([result of g, result of f])

Both functions are called while building, each once. What they build is dead where it is not taken; what they use of
what was built before runs in any case. The gradient of a Switch is a Merge and the gradient of a Merge a Switch, so
that a cond's gradient runs the gradient of one branch [W43].

Next: ops/loops.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core import nest
from refflow.core.contexts import BranchContext
from refflow.core.control import no_op
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import bool_, int32, int64
from refflow.core.errors import DTypeError
from refflow.core.graph import Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.ops.array import IDENTITY
from refflow.ops.control_flow import merge
from refflow.ops.logic import EQUAL, LOGICAL_NOT
from refflow.ops.messages import Assert


def cond(
    pred: Any,
    fn1: Callable[[], Any] | None = None,
    fn2: Callable[[], Any] | None = None,
    name: str | None = None,
    *,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    strict: bool = False,
) -> Any:
    """What `fn1()` gives where the scalar bool `pred` is true, and what `fn2()` gives where it is false.

    Both give structures of tensors that are alike. A list or tuple of one tensor comes back as that tensor, unless
    `strict`. Where both give None or an operation, the result is an operation.
    """
    then, other = (true_fn if fn1 is None else fn1), (false_fn if fn2 is None else fn2)
    if not callable(then) or not callable(other):
        raise TypeError(f"cond takes two functions without arguments, got {then!r} and {other!r}")
    if isinstance(pred, (bool, np.bool_)):
        raise TypeError("pred must not be a Python bool: it is decided while the step runs. Use tf.constant, or if")
    with op_scope([pred], name, "cond"):
        pred = convert_to_tensor(pred, bool_, "pred")
        whether_not, whether = op_def("Switch")(pred, pred)
        pivots = IDENTITY(whether, name="switch_t"), IDENTITY(whether_not, name="switch_f")
        pred = IDENTITY(pred, name="pred_id")
        return _merged(_branch(pred, then, 1, pivots[0]), _branch(pred, other, 0, pivots[1]), strict)


class OutputTypesError(DTypeError, ValueError):
    """The functions of cond give tensors of different types."""


class _Branch:
    """What a function gave: its structure, and its leaves as tensors of the branch."""

    def __init__(self, structure: Any, leaves: list[Tensor], is_operation: bool):
        self.structure, self.leaves, self.is_operation = structure, leaves, is_operation


def _branch(pred: Tensor, function: Callable[[], Any], side: int, pivot: Tensor) -> _Branch:
    graph = get_default_graph()
    context = BranchContext(graph, pred, side, pivot)
    with graph.inside(context):
        given = function()
        if given is None or isinstance(given, Operation):
            return _Branch(None, [pivot if given is None else _after(graph, given, pivot)], True)
        leaves = [_leaf(graph, context, leaf) for leaf in nest.flatten(given)]
    return _Branch(given, leaves, False)


def _leaf(graph: Any, context: BranchContext, leaf: Any) -> Tensor:
    if isinstance(leaf, Operation):
        return _after(graph, leaf, context.pivot)
    tensor = convert_to_tensor(leaf)
    if tensor.dtype.is_ref_dtype and not isinstance(leaf, Tensor):  # a Variable is read where its branch runs
        return IDENTITY(tensor)
    return context.capture(tensor)


def _after(graph: Any, operation: Operation, pivot: Tensor) -> Tensor:
    """The pivot, once the operation has run."""
    with graph.control_dependencies([operation]):
        return IDENTITY(pivot, name="control_dependency")


def _merged(then: _Branch, other: _Branch, strict: bool) -> Any:
    mixed = then.is_operation != other.is_operation
    if mixed and [leaf.dtype.base_dtype.name for leaf in (*then.leaves, *other.leaves)] != ["bool", "bool"]:
        raise TypeError("one function of cond gives tensors, and the other gives none")
    if not then.is_operation and not mixed:
        _check_alike(then, other, strict)
        _widen_indices(then, other)
    for a, b in zip(then.leaves, other.leaves, strict=True):
        if a.dtype.base_dtype is not b.dtype.base_dtype:
            raise OutputTypesError(
                "Outputs of 'true_fn' and 'false_fn' must have the same type(s). Received "
                f"{a.dtype.base_dtype.name} from 'true_fn' and {b.dtype.base_dtype.name} from 'false_fn'."
            )
    found = [merge([b, a])[0] for a, b in zip(then.leaves, other.leaves, strict=True)]
    if mixed:  # an operation stands for a truth, as in 1.x
        return found[0]
    if then.is_operation:
        return found[0].op
    return nest.pack(then.structure, found)


def _check_alike(then: _Branch, other: _Branch, strict: bool) -> None:
    """Unless `strict`, a sequence of one is taken as what is in it; indices of slices become alike."""
    if not then.leaves and not other.leaves:
        raise ValueError("'true_fn' and 'false_fn' must return at least one result.")
    if not strict:
        then.structure, other.structure = _unpacked(then.structure), _unpacked(other.structure)
    try:
        nest.assert_same(then.structure, other.structure, "what the functions of cond give", types=True)
    except TypeError as error:
        raise TypeError(f"Incompatible return types of 'true_fn' and 'false_fn': {error}") from None
    except ValueError as error:
        raise ValueError(f"Incompatible return values of 'true_fn' and 'false_fn': {error}") from None


def _widen_indices(then: _Branch, other: _Branch) -> None:
    """Indices of slices that are int32 on one side and int64 on the other are int64 on both."""
    if not any(isinstance(part, IndexedSlices) for part in _sequence(then.structure)):
        return
    for one, two in ((then, other), (other, then)):
        one.leaves = [
            op_def("Cast")(a, DstT=int64) if (a.dtype, b.dtype) == (int32, int64) else a
            for a, b in zip(one.leaves, two.leaves, strict=True)
        ]


def _sequence(structure: Any) -> Sequence[Any]:
    return structure if isinstance(structure, (list, tuple)) else [structure]


def _unpacked(given: Any) -> Any:
    return given[0] if isinstance(given, (list, tuple)) and len(given) == 1 else given


def case(
    pred_fn_pairs: Any,
    default: Callable[[], Any] | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str | None = None,
) -> Any:
    """What the function of the first true predicate gives, or `default()` where none is true.

    pred_fn_pairs: (predicate, function) pairs, or a dictionary. exclusive: at most one predicate may be true, else
    InvalidArgumentError. Without a default, one of the predicates must be true.
    """
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    if not pairs or not all(isinstance(p, (list, tuple)) and len(p) == 2 and callable(p[1]) for p in pairs):
        raise TypeError(f"case takes pairs of a predicate and a function, got {pred_fn_pairs!r}")
    preds = [convert_to_tensor(p, bool_) for p, _ in pairs]
    functions = [f for _, f in pairs]
    graph = get_default_graph()
    with op_scope(preds, name, "case"):
        checks = _checks(preds, exclusive, default is None)
        with graph.control_dependencies(checks):
            if default is None:
                default = functions.pop()
                preds.pop()
            return _chain(preds, functions, default, strict)


def _checks(preds: Sequence[Tensor], exclusive: bool, one_needed: bool) -> list[Operation]:
    from refflow.ops.cast import cast
    from refflow.ops.joining import pack
    from refflow.ops.reductions import reduce_any, reduce_sum

    found: list[Operation] = []
    if not exclusive and not one_needed:
        return found
    together = pack(list(preds))
    names = ", ".join(p.name for p in preds)
    if exclusive:
        count = reduce_sum(cast(together, np.int32))
        text = f"Input error: exclusive=True: more than 1 conditions ({names}) evaluated as True:"
        found.append(Assert(LOGICAL_NOT(count > 1), [text, together]))
    if one_needed:
        found.append(Assert(reduce_any(together), ["Input error: None of conditions evaluated as True:", together]))
    return found


def _chain(preds: list[Tensor], functions: list[Callable[[], Any]], default: Callable[[], Any], strict: bool) -> Any:
    if not preds:
        given = default()
        return given if given is not None else no_op()

    def rest() -> Any:
        return _chain(preds[1:], functions[1:], default, True)

    return cond(preds[0], functions[0], rest, strict=strict or len(preds) > 1)


def switch_case(branch_index: Any, branch_fns: Any, default: Any = None, name: str = "switch_case") -> Any:
    """What the function with number `branch_index` gives; the default, or the last one, for any other number."""
    if isinstance(branch_fns, dict):
        numbered = sorted(branch_fns.items())
    elif all(isinstance(f, tuple) for f in branch_fns):
        numbered = sorted(branch_fns)
    else:
        numbered = list(enumerate(branch_fns))
    if not numbered or not all(callable(f) for _, f in numbered):
        raise TypeError(f"switch_case takes a list of functions, got {branch_fns!r}")
    with op_scope([branch_index], name, "switch_case"):
        index = convert_to_tensor(branch_index, np.int32, "branch_index")
        if default is None:
            default = numbered.pop()[1]
        preds = [EQUAL(index, np.int32(number)) for number, _ in numbered]
        return _chain(preds, [f for _, f in numbered], default, False)
