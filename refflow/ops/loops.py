"""While: a body runs as often as a condition holds [W39, W40, E12].

    start -> Enter -> Merge -> Switch(LoopCond(cond)) -> true: body -> NextIteration -> Merge
                                                      -> false: Exit -> result

`cond` and `body` are functions of the loop variables, called while building, each once. What they read from outside
enters the frame unchanged in each iteration. Several iterations may be at work at once, as many as
`parallel_iterations` says, as soon as what they need is there.

The gradient of a loop is a loop (core/loop_gradients.py).

Nothing here knows of neural nets. tutorials/models has loops that end when clusters, ranks or components stand still
[S40], and loops that carry heat and planets through time [S41].

Next: ops/functional_loops.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refflow.core import nest, shapes
from refflow.core.contexts import LoopContext
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import int32
from refflow.core.errors import ConversionError
from refflow.core.graph import Graph, Operation, Tensor, get_default_graph
from refflow.core.indexed_slices import IndexedSlices
from refflow.core.registry import op_def
from refflow.core.shapes import Shape, TensorShape
from refflow.core.sparse_tensor import SparseTensor
from refflow.ops.array import stop_gradient
from refflow.ops.control_flow import TO_BOOL
from refflow.ops.logic import LESS, LOGICAL_AND


def While(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    name: str | None = None,
) -> Any:
    """The loop variables after `body` has run while `cond` holds; a single one comes back as itself.

    loop_vars: a list of tensors, or of what is made of tensors. back_prop: False where no gradient flows back.
    """
    return while_loop(cond, body, loop_vars, None, parallel_iterations, back_prop, name=name)


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """`While` with today's arguments.

    shape_invariants: shapes that hold in each iteration, where those of the start do not. swap_memory is taken for
    the sake of programs that give it. maximum_iterations: the loop ends after so many at the latest.
    """
    if not callable(cond) or not callable(body):
        raise TypeError(f"cond and body are functions, got {cond!r} and {body!r}")
    loop_vars = list(loop_vars) if isinstance(loop_vars, (list, tuple)) and not hasattr(loop_vars, "_fields") else [
        loop_vars]  # fmt: skip
    if not loop_vars:
        raise ValueError("a loop needs at least one variable")
    if parallel_iterations < 1:
        raise ValueError(f"parallel_iterations must be a positive integer, got {parallel_iterations}")
    with op_scope(nest.flatten(loop_vars), name, "while") as scope:
        if maximum_iterations is not None:
            maximum_iterations = convert_to_tensor(maximum_iterations, name="maximum_iterations")
            cond, body, loop_vars, shape_invariants = _counted(
                cond, body, loop_vars, shape_invariants, maximum_iterations
            )
        build = _Build(scope, loop_vars, shape_invariants, parallel_iterations)
        build.context.swap_memory, build.context.back_prop = swap_memory, back_prop
        build.context.maximum_iterations = maximum_iterations
        results = build.run(cond, body)
    if maximum_iterations is not None:
        results = results[1:]
    if not back_prop:
        results = nest.map_structure(stop_gradient, results)
    return results[0] if len(results) == 1 and not return_same_structure else results


def _counted(cond: Any, body: Any, loop_vars: list[Any], invariants: Any, most: Tensor) -> tuple[Any, Any, Any, Any]:
    """The loop with a counter before its variables, which ends it."""
    if most.get_shape().ndims:
        raise ValueError(f"'maximum_iterations' must be a scalar. Received shape: {most.get_shape()}")

    def goes_on(count: Tensor, *rest: Any) -> Tensor:
        return LOGICAL_AND(LESS(count, most), cond(*rest))

    def step(count: Tensor, *rest: Any) -> list[Any]:
        given = body(*rest)
        given = list(given) if isinstance(given, (list, tuple)) and len(rest) != 1 else _one(given, rest)
        return [count + most.dtype.as_numpy_dtype(1), *given]

    zero = convert_to_tensor(most.dtype.as_numpy_dtype(0), most.dtype, "iteration_counter")
    more = None if invariants is None else [TensorShape([]), *invariants]
    return goes_on, step, [zero, *loop_vars], more


def _one(given: Any, rest: Any) -> list[Any]:
    """What a body of one variable gave, as a list of one."""
    if isinstance(given, (list, tuple)) and len(given) == 1 and not isinstance(rest[0], (list, tuple)):
        return list(given)
    return [given]


class _Build:
    """A loop under construction."""

    def __init__(self, scope: str, loop_vars: list[Any], invariants: Any, parallel: int):
        self.graph: Graph = get_default_graph()
        self.start = loop_vars
        given = nest.flatten(loop_vars)
        leaves = [convert_to_tensor(leaf) for leaf in given]
        if self.graph._context is not None:
            leaves = [self.graph._context.capture(leaf) for leaf in leaves]
        self.context = LoopContext(self.graph, f"{scope}while_context", parallel)
        shaped = _invariants(list(loop_vars), None if invariants is None else list(invariants))
        for leaf, begun, shape in zip(leaves, given, shaped, strict=True):
            dims = leaf.dims if shape is _AS_IT_IS else shape
            if not _fits(leaf.dims, dims):
                raise ValueError(
                    f"The shape invariant specified for {leaf.name} is not compatible with the initial shape of the "
                    f"loop variable. It enters the loop with shape {shapes.python_text(leaf.dims)}, but the "
                    f"specified shape invariant is {shapes.python_text(dims)}."
                )
            by_reference = isinstance(begun, Tensor) and begun.dtype.is_ref_dtype  # a Variable is only read
            self.context.add_variable(leaf, dims, shape is _AS_IT_IS, by_reference)

    def _packed(self, leaves: list[Tensor]) -> list[Any]:
        return nest.pack(self.start, leaves)

    def run(self, cond: Callable[..., Any], body: Callable[..., Any]) -> Any:
        context, graph = self.context, self.graph
        with graph.control_dependencies(None):
            with graph.inside(context):
                test = cond(*self._packed([v.merge.outputs[0] for v in context.variables]))
                test = convert_to_tensor(test)
                test = context.capture(test if test.dtype.name == "bool" else TO_BOOL(test))
            context.close_condition(test)
            with graph.inside(context):
                first = context.GetControlPivot()
                given = body(*self._packed([first, *(_identity(v.inside) for v in context.variables[1:])]))
                self._turn(self._results(given))
            return self._packed([context.leave(v) for v in context.variables])

    def _results(self, given: Any) -> list[Any]:
        if given is None or isinstance(given, Operation):
            raise TypeError("the body of a loop gives its variables' next values, but this one gives none")
        single = len(self.start) == 1
        results = list(given) if isinstance(given, (list, tuple)) and not single else _one(given, self.start)
        if len(results) != len(self.start):
            raise ValueError(
                f"The number of inputs and outputs of body must match loop_vars. Got {len(results)}, expected "
                f"{len(self.start)}"
            )
        nest.assert_same(list(self.start), results, "loop_vars and what body gives", types=True)
        return nest.flatten(results)

    def _turn(self, results: list[Any]) -> None:
        for variable, result in zip(self.context.variables, results, strict=True):
            merged = variable.merge.outputs[0]
            kind, start = merged.dtype.base_dtype, variable.enter.inputs[0]
            if isinstance(result, Tensor) and result.dtype.base_dtype is not kind:
                raise ConversionError(
                    f"Loop var {start.op.name} enters the loop with type {kind.name} but has type "
                    f"{result.dtype.base_dtype.name} after 1 iteration. {start.op.name} type should remain constant: "
                    f"begin with that type, or use cast() in the body"
                )
            result = convert_to_tensor(result, kind)
            if not _fits(result.dims, merged.dims):
                raise ValueError(
                    f"Input tensor '{start.name}' enters the loop with shape {shapes.python_text(start.dims)}, but has "
                    f"shape {shapes.python_text(result.dims)} after one iteration. To allow the shape to vary across "
                    "iterations, use the `shape_invariants` argument of tf.while_loop to specify a less-specific "
                    f"shape. (The shape for {merged.name} is not an invariant for the loop.)"
                )
            self.context.turn(variable, result)


def _identity(tensor: Tensor) -> Tensor:
    return op_def("RefIdentity" if tensor.dtype.is_ref_dtype else "Identity")(tensor)


_AS_IT_IS = ("the shape that it enters the loop with",)


def _invariants(variable: Any, given: Any) -> list[Any]:
    """For each leaf of a structure of loop variables the shape that it keeps: the one given, or its own."""
    if isinstance(variable, IndexedSlices):
        return _of_slices(variable, given)
    if isinstance(variable, SparseTensor):
        rank = variable.dense_shape.get_shape()[0].value if given is None else _shape(given).ndims
        return [(None, rank), (None,), (rank,)]
    if hasattr(variable, "_with_parts"):
        return [_AS_IT_IS if given is None or hasattr(variable, "flow") else None] * len(variable._parts())
    if not isinstance(variable, (list, tuple, dict)):
        return [_AS_IT_IS if given is None else _shape(given).as_tuple]
    if given is None:
        return [shape for part in _items(variable) for shape in _invariants(part, None)]
    if not isinstance(given, (list, tuple, dict)) or len(given) != len(variable):
        raise ValueError(
            "The two structures don't have the same nested structure: the loop variables are "
            f"{variable}, but the shape invariants {given}"
        )
    pairs = zip(_items(variable), _items(given), strict=True)
    return [shape for part, its in pairs for shape in _invariants(part, its)]


def _items(structure: Any) -> list[Any]:
    return [structure[key] for key in sorted(structure)] if isinstance(structure, dict) else list(structure)


def _shape(given: Any) -> TensorShape:
    """A shape, of a TensorSpec its own."""
    given = getattr(given, "shape", given)
    try:
        return TensorShape(given)
    except (TypeError, ValueError):
        raise TypeError(f"'shape' must be one of TypeSpec, TensorShape or None. Received: {type(given)}") from None


def _of_slices(variable: IndexedSlices, given: Any) -> list[Any]:
    """The shapes of values, indices and dense_shape, by that of the values."""
    parts = len(nest.flatten(variable))
    if given is None:
        return [_AS_IT_IS] * parts
    values = _shape(given)
    return [values.as_tuple, values[:1].as_tuple, (values.ndims,)][:parts]


def _fits(result: Shape, merged: Shape) -> bool:
    """True where every array of shape `result` has shape `merged` too."""
    if merged is None:
        return True
    if result is None or len(result) != len(merged):
        return False
    return all(m is None or m == r for r, m in zip(result, merged, strict=True))


def fold(fn: Callable[..., Any], elems: Any, elem_shape: Any, name: str | None = None) -> Tensor:
    """fn(... fn(fn(elems[0], elems[1]), elems[2]) ...): the rows of `elems`, of shape `elem_shape`, taken together."""
    from refflow.ops.array import shape
    from refflow.ops.gather import gather

    with op_scope([elems], name, "fold"):
        elems = convert_to_tensor(elems, name="elems")
        count = shape(elems)[0]
        first = gather(elems, np.int32(0))
        first.set_shape(elem_shape)

        def body(i: Tensor, so_far: Tensor) -> list[Any]:
            row = gather(elems, i)
            row.set_shape(elem_shape)
            return [i + 1, fn(so_far, row)]

        one = convert_to_tensor(1, int32)
        return While(lambda i, _: LESS(i, count), body, [one, first])[1]
