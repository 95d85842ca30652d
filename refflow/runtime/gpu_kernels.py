"""Which ops run on a card, and how.

    a view          the same bytes in another shape: nothing to compute
    a list's        elements are passed on as they are (runtime/card_lists.py)            [W43]
    by its formula  an elementwise op; its Triton text is generated                        [S43]
    by its rule     an optimizer's update; its Triton text too (runtime/gpu_updates.py)     [S32]
    by the table    refflow_kernels.gpu.KERNELS, for the types and attributes that the kernel takes

Everything else runs on a CPU, with a transfer on either side [W22], and `lacking` says why.

Next: runtime/gpu_memory.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from refflow.core.dtypes import resource, variant
from refflow.core.formula import ONLY_FLOATS, Formula, triton_line, triton_name
from refflow.core.opdef import OpDef
from refflow.core.shapes import is_known
from refflow.runtime import card_lists
from refflow.runtime.card_formulas import on_card
from refflow.runtime.card_handles import twin_of
from refflow.runtime.device import BoundKernel
from refflow.runtime.gpu_updates import text_of, update_of

# Views by what they do with their first input; what says how lies in host memory.
VIEWS: dict[str, Callable[..., Any]] = {
    "Identity": lambda input: input,
    "StopGradient": lambda input: input,
    "PreventGradient": lambda input: input,
    "Reshape": lambda tensor, shape: tensor.reshape(_sizes(tensor.shape, shape)),
    "ExpandDims": lambda input, dim: input.reshape(_with_one(tuple(input.shape), int(np.reshape(dim, ())))),
    "Squeeze": lambda input, squeeze_dims: input.reshape(_without_ones(tuple(input.shape), squeeze_dims)),
}
_VIEW_ARGUMENTS = {"Squeeze": ("squeeze_dims",)}
_HOST_INPUTS = {"Reshape": (1,), "ExpandDims": (1,), "Switch": (1,)}
SIZES = frozenset(("Shape", "Rank", "Size"))  # which are the host's, and known without a look at the memory
FLOW = frozenset(("Switch", "Merge", "Enter", "Exit", "NextIteration"))  # which pass on what lies on the card
REFERENCES = frozenset(("RefSwitch", "RefMerge", "RefEnter", "RefExit", "RefNextIteration", "RefIdentity"))
# Ops that ask after a variable: on the host, but where it lies does not depend on who asks.
_ASKING = frozenset(("VarIsInitializedOp", "IsVariableInitialized", "VariableShape", "DestroyResourceOp",
                     "DisableCopyOnRead"))  # fmt: skip
_KEPT = ("Const", "Variable", "VariableV2", "VarHandleOp")
HELD = frozenset(("float16", "bfloat16", "float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64"))
_WORD = (1 << 64) - 1
_FLOATS, _INTEGERS = ("float32", "float16", "bfloat16"), ("int32", "int64")  # of generated kernels
_OF_TRUTHS = frozenset(("logical_and", "logical_or", "logical_not", "equal", "not_equal", "where"))


def lacking(op_def: OpDef, attrs: dict[str, Any]) -> str | None:
    """What keeps a node like this off a card, "" where there is just no kernel; None where it can run there."""
    if op_def.family in ("_Send", "_Recv", "_Fused", "_Joined", "_Ended"):
        return None
    if op_def.name in _KEPT:
        is_data = attrs["dtype"].is_floating and attrs["dtype"].name in HELD
        return None if is_data else "integers stay on the host, where they steer ops"
    if op_def.name in _ASKING or (op_def.name == "Identity" and attrs["T"] in (resource, variant)):
        return None
    twin = twin_of(op_def, attrs)
    if twin is not None:
        return lacking(*twin)
    if op_def.name in VIEWS or op_def.name in SIZES or op_def.name == "Assign":
        return None if attrs["T"].is_floating and attrs["T"].name in HELD else f"not of {attrs['T'].name}"
    if card_lists.is_list_op(op_def, attrs):
        return card_lists.lacking(attrs)
    if op_def.name in FLOW | REFERENCES:
        is_data = attrs["T"] in (resource, variant) or (attrs["T"].is_floating and attrs["T"].name in HELD)
        return None if is_data else "what steers loops stays on the host"
    formula = on_card(op_def, attrs)
    if formula is not None and formula.steps:
        return _not_by_formula(formula, op_def, attrs)
    if text_of(op_def, attrs) is not None:
        return None
    kernel = table().get(op_def.name)
    if kernel is None:
        return ""  # there is none
    given: Any = attrs[kernel.type_attr] if kernel.type_attr else op_def.inputs[0].fixed
    dtype = given.name
    if dtype not in kernel.dtypes:
        return f"it takes {', '.join(kernel.dtypes)}, not {dtype}"
    if kernel.takes is not None and not kernel.takes(attrs):
        told = ", ".join(f"{name}={attrs[name]!r}" for name in op_def.kernels["cpu"].attrs)
        return f"it does not take {told}"
    return None


def _not_by_formula(formula: Formula, op_def: OpDef, attrs: dict[str, Any]) -> str | None:
    """Integers do without quotients and functions: one that is divided by 0 is an error, which no card raises."""
    functions = {step[0] for step in formula.steps}
    takes = _FLOATS if functions & ONLY_FLOATS else (*_FLOATS, *_INTEGERS)
    if functions <= _OF_TRUTHS:
        takes = (*takes, "bool")
    for arg in op_def.inputs:
        dtype = (arg.fixed or attrs[arg.type]).name
        if dtype not in takes:
            return f"it takes {', '.join(takes)}, not {dtype}"
    return None


def formula_of(op_def: OpDef, attrs: dict[str, Any]) -> Formula | None:
    """The formula of which the node's kernel is generated, or None where it has another, or none."""
    formula = on_card(op_def, attrs)
    generated = formula is not None and formula.steps and _not_by_formula(formula, op_def, attrs) is None
    return formula if generated else None


def host_inputs(op_def: OpDef, attrs: dict[str, Any]) -> tuple[int, ...]:
    """Places of inputs that are read in host memory."""
    if op_def.name == "_Joined":
        return host_inputs(attrs["product"].op_def, attrs["product"].attrs)
    if op_def.name in _HOST_INPUTS:
        return _HOST_INPUTS[op_def.name]
    if card_lists.is_list_op(op_def, attrs):
        return card_lists.host_inputs(op_def, attrs)
    kernel = table().get(op_def.name)
    if kernel is None or not kernel.host_inputs:
        return ()
    places = list(op_def.places(attrs, outputs=False).values())
    found: list[int] = []
    for argument in kernel.host_inputs:  # a list is one argument
        place = places[argument]
        found += range(place.start, place.stop) if isinstance(place, slice) else [place]
    return tuple(found)


def bound(op_def: OpDef, attrs: dict[str, Any], upload: Callable[[Any], Any]) -> BoundKernel | None:
    """The kernel for a node, or None where there is none."""
    if op_def.name == "Const":
        kept = upload(attrs["value"])
        return BoundKernel(lambda: kept, {})
    if op_def.name == "Assign":
        return BoundKernel(lambda ref, value: value, {})
    if op_def.name in SIZES and lacking(op_def, attrs) is None:
        return BoundKernel(op_def.reference, op_def.kernels["cpu"].arguments(attrs))
    if op_def.name in FLOW | REFERENCES and lacking(op_def, attrs) is None:
        return BoundKernel(lambda data: data, {})
    if op_def.name in VIEWS:
        return BoundKernel(VIEWS[op_def.name], {n: attrs[n] for n in _VIEW_ARGUMENTS.get(op_def.name, ())})
    if op_def.name == "_Fused":
        run = chain(*attrs["blocks"])
        return BoundKernel(lambda inputs, out: run(inputs, out if isinstance(out, tuple) else (out,)), {}, True)
    if op_def.name == "_Joined":
        joined = Joined(attrs, upload)
        return BoundKernel(joined, {}, True, joined.workspace)
    if op_def.name == "_Ended":
        ended = Ended(attrs)
        return BoundKernel(ended, {}, True, ended.workspace)
    if lacking(op_def, attrs) is not None or op_def.name in _ASKING or twin_of(op_def, attrs) is not None:
        return None
    formula = formula_of(op_def, attrs)
    if formula is not None:
        from refflow_kernels.gpu.elementwise import of_formula

        return BoundKernel(of_formula(op_def.name, formula, op_def.inputs[0].number is not None), {}, takes_out=True)
    update = update_of(op_def, attrs)
    if update is not None:
        return BoundKernel(update, {}, takes_out=True, workspace=getattr(update, "workspace", None))
    kernel = table()[op_def.name]
    arguments = {name: attrs[name] for name in op_def.kernels["cpu"].attrs}
    if op_def.make_state is not None:
        return BoundKernel(partial(_draw, kernel, upload), arguments, True)
    return BoundKernel(kernel.function, arguments, True, kernel.workspace)


def _draw(kernel: Any, upload: Callable[[Any], Any], *inputs: Any, state: Any, out: Any, **more: Any) -> Any:
    """Random numbers. state: the stream, or the place in it, in device memory."""
    place = state if hasattr(state, "data_ptr") else upload(place_of(state, kernel.reserves(tuple(out.shape))))
    return kernel.function(*inputs, state=place, out=out, **more)


def place_of(stream: Any, count: int) -> np.ndarray:
    """Where the stream's next run of `count` numbers begins: key, low and high half of the counter, as int64 [3]."""
    region = stream.region(count)
    words = [region.key, region.counter & _WORD, region.counter >> 64]
    return np.array(words, np.uint64).view(np.int64)


class Chain:
    """A chain of elementwise steps (runtime/fuse.py) as one kernel; `source` is its text."""

    def __init__(self, steps: Any, kinds: Sequence[str], outputs: Sequence[int], rows: int, columns: int):
        from refflow_kernels.gpu.elementwise import build

        shapes = {"whole": (rows, columns), "row": (columns,), "column": (rows, 1), "one": ()}
        self._shape, self._shapes = (rows, columns), tuple(shapes[kind] for kind in kinds)
        lines = tuple(triton_line(number, step) for number, step in enumerate(steps))
        results = tuple(triton_name(("step", number)) for number in outputs)
        self._kernel = build("Chain", tuple(f"x{i}" for i in range(len(kinds))), lines, results)
        self.source = self._kernel.source_of(self._shape, self._shapes)

    def __call__(self, inputs: Sequence[Any], outs: Sequence[Any]) -> None:
        """Computes into `outs`, packed arrays of the results' shape."""
        self._kernel.launch(inputs, outs, self._shape, self._shapes)


def chain(steps: Any, kinds: Sequence[str], outputs: Sequence[int], rows: int, columns: int, dtype: Any) -> Chain:
    """The kernel of a chain, of whatever types its inputs and results are."""
    return Chain(steps, kinds, outputs, rows, columns)


class Ended:
    """A chain that reductions end (runtime/endings.py); `source` is the text of the first stage's kernel."""

    def __init__(self, attrs: dict[str, Any]):
        from refflow_kernels.gpu import reduced_chains

        (steps, kinds, outputs, _, columns, _), (shape, axes, values) = attrs["blocks"], attrs["ends"]
        how = {"whole": "straight", "row": "row", "column": "column", "one": "single"}
        self._run = reduced_chains.build(
            tuple(how[kind] for kind in kinds), tuple(triton_line(number, step) for number, step in enumerate(steps)),
            tuple(triton_name(("step", number)) for number in outputs),
            tuple(reduced_chains.Ending(triton_name(("step", number)), *kind) for number, *kind in values),
            shape, axes, columns,
        )  # fmt: skip
        self.source = self._run.source

    def workspace(self, inputs: Any) -> Any:
        return self._run.workspace

    def __call__(self, inputs: Sequence[Any], out: Any, workspace: Any = None) -> None:
        self._run(inputs, out if isinstance(out, tuple) else (out,), workspace)


class Joined:
    """A product's kernel that does a chain before it writes (runtime/joins.py); `source` is the chain's text."""

    def __init__(self, attrs: dict[str, Any], upload: Callable[[Any], Any] = lambda value: value):
        from refflow_kernels.gpu import epilogues

        self._node = attrs["product"]
        found = bound(self._node.op_def, self._node.attrs, upload)
        assert found is not None
        self._bound, self._count = found, len(self._node.inputs)
        steps, reads, outputs, columns = attrs["epilogue"]
        lines = [triton_line(number, step) for number, step in enumerate(steps)]
        dims, dtype = attrs["dims"], self._node.types[0].name
        many, wide = max(1, columns // dims[-1]), prod(dims) >= 1 << 31
        self.source = epilogues.source(reads, lines, [triton_name(o) for o in outputs], dtype, many, wide)
        self._function, self._with = epilogues.function_of(self.source), epilogues.Epilogue

    def workspace(self, arguments: Sequence[Any]) -> Any:
        """What the product's kernel asks for. arguments: all inputs, as one."""
        (inputs,) = arguments
        return self._bound.workspace and self._bound.workspace(self._own(inputs), **self._bound.arguments)

    def __call__(self, inputs: Sequence[Any], out: Any, **workspace: Any) -> None:
        """inputs: the product's, then the chain's others; out: packed arrays of the product's shape."""
        first, *others = out if isinstance(out, tuple) else (out,)
        epilogue = self._with(self._function, (*inputs[self._count :], *others))
        self._bound.function(*self._own(inputs), **self._bound.arguments, **workspace, out=first, epilogue=epilogue)

    def _own(self, inputs: Sequence[Any]) -> list[Any]:
        return self._node.op_def.group(inputs[: self._count], self._node.attrs)


def joins(node: Any) -> bool:
    """Whether a node's kernel can do a chain before it writes."""
    kernel = table().get(node.type)
    shapes = [producer.shapes[port] for producer, port in node.inputs]
    if kernel is None or kernel.joins is None or not all(map(is_known, shapes)) or lacking(node.op_def, node.attrs):
        return False
    arguments = {name: node.attrs[name] for name in node.op_def.kernels["cpu"].attrs}
    return kernel.joins([_Shaped(shape) for shape in shapes], **arguments)


class _Shaped(NamedTuple):
    shape: Any


def described(op_def: OpDef, attrs: dict[str, Any]) -> str:
    """What computes a node, in words."""
    why = lacking(op_def, attrs)
    if why is not None:
        return f"the CPU's kernel: {why}"
    passes = op_def.name in {*VIEWS, *_ASKING, *_KEPT, *SIZES, "Assign"} or card_lists.is_list_op(op_def, attrs)
    if passes or op_def.family in ("_Send", "_Recv"):
        return "no kernel"
    formula = formula_of(op_def, attrs)
    if formula is not None:
        return f"generated: {formula.text}"
    if text_of(op_def, attrs) is not None:
        return "generated from the optimizer's rule"
    function = table()[op_def.name].function
    function = getattr(function, "func", function)  # of a page with several ops
    return f"{function.__module__}.{function.__name__}"


def table() -> dict[str, Any]:
    from refflow_kernels.gpu import KERNELS

    return KERNELS


def reserved(op_type: str, shape: tuple[int, ...]) -> int:
    """How many numbers of its stream a random op counts for a result of this shape."""
    return table()[op_type].reserves(shape)


def repeats() -> Any:
    """The kernels between steps that feed themselves."""
    from refflow_kernels.gpu import repeats

    return repeats


def ranges() -> Any:
    """The kernel that looks whether indices are in range."""
    from refflow_kernels.gpu import ranges

    return ranges


def _sizes(shape: Any, wanted: Any) -> tuple[int, ...]:
    """The sizes that a Reshape asks for; -1 stands for what is left."""
    sizes = [int(s) for s in np.ravel(wanted)]
    if -1 in sizes:
        known = int(np.prod([s for s in sizes if s != -1], dtype=np.int64))
        sizes[sizes.index(-1)] = int(np.prod(tuple(shape), dtype=np.int64)) // max(known, 1)
    return tuple(sizes)


def _with_one(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """
    >>> _with_one((2, 3), 1), _with_one((2, 3), -1)
    ((2, 1, 3), (2, 3, 1))
    """
    axis += (len(shape) + 1) * (axis < 0)
    return (*shape[:axis], 1, *shape[axis:])


def _without_ones(shape: tuple[int, ...], axes: Any) -> tuple[int, ...]:
    """
    >>> _without_ones((1, 2, 1), []), _without_ones((1, 2, 1), [-1])
    ((2,), (1, 2))
    """
    gone = {int(a) % len(shape) for a in axes} or {i for i, size in enumerate(shape) if size == 1}
    return tuple(size for i, size in enumerate(shape) if i not in gone)
