"""Control flow: nodes whose meaning is which of their outputs live, and in which iteration [W39, W40, W41].

    Switch         data goes to output_true or output_false, the other output is dead
    Merge          the first live input, and its number
    Enter          data enters a frame, iteration 0;  Exit leaves it;  NextIteration goes to the next iteration
    LoopCond       the condition that a loop's Switches obey

What is dead, and in which frame and iteration a value belongs, is the executor's business: see runtime/executor.py.
Here are the types and shapes. The kernels tell what a node gives when it is live.

Next: ops/variable.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.core import shapes
from refflow.core.contexts import BranchContext
from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int32
from refflow.core.errors import AbortedError, InternalError
from refflow.core.frames import SWITCHES
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op
from refflow.core.registry import op_def
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.core.values import blank

ANY = Attr("type")
_FRAME: dict[str, Any] = {"frame_name": Attr("string"), "is_constant": False, "parallel_iterations": 10}

SWITCH = define_op("Switch", "data: T, pred: bool[] -> output_false: T, output_true: T", T=ANY,
                   source=("W39",))  # fmt: skip
MERGE = define_op("Merge", "inputs: N * T -> output: T, value_index: int32[]", T=ANY, N=Attr("int", minimum=1),
                  source=("W39", "E24"))  # fmt: skip
ENTER = define_op("Enter", "data: T[...S] -> output: T[...S]", T=ANY, source=("W39", "W40"), **_FRAME)
EXIT = define_op("Exit", "data: T[...S] -> output: T[...S]", T=ANY, source=("W39", "E18"))
NEXT_ITERATION = define_op("NextIteration", "data: T[...S] -> output: T[...S]", T=ANY, source=("W39",))
LOOP_COND = define_op("LoopCond", "input: bool[] -> output: bool[]", source=("W39",))
TO_BOOL = define_op("ToBool", "input: T -> output: bool[]", T=ANY, source=("W39",))
FOR_STEPS = define_op("_ForSteps", "start: int32, limit: int32, delta: int32 -> steps: int32[]", source=("W39",))
FOR_STEPS.no_gradient_registered()
CONTROL_TRIGGER = define_op("ControlTrigger", "->", source=("W41",))
REF_SWITCH = define_op("RefSwitch", "data: Ref(T), pred: bool[] -> output_false: Ref(T), output_true: Ref(T)", T=ANY,
                       by_handle=True, allows_uninitialized=True, source=("W39",))  # fmt: skip
REF_MERGE = define_op("RefMerge", "inputs: Ref(N * T) -> output: Ref(T), value_index: int32[]", T=ANY, by_handle=True,
                      N=Attr("int", minimum=1), source=("W39",))  # fmt: skip
REF_ENTER = define_op("RefEnter", "data: Ref(T)[...S] -> output: Ref(T)[...S]", T=ANY, by_handle=True,
                      source=("W39", "W40"), **_FRAME)  # fmt: skip
REF_EXIT = define_op("RefExit", "data: Ref(T)[...S] -> output: Ref(T)[...S]", T=ANY, by_handle=True, source=("W39",))
REF_NEXT_ITERATION = define_op("RefNextIteration", "data: Ref(T)[...S] -> output: Ref(T)[...S]", T=ANY, by_handle=True,
                               source=("W39",))  # fmt: skip
REF_SELECT = define_op("RefSelect", "index: int32[], inputs: Ref(N * T) -> output: Ref(T)", T=ANY, by_handle=True,
                       N=Attr("int", minimum=1), source=("W39",))  # fmt: skip
REF_IDENTITY = define_op("RefIdentity", "input: Ref(T)[...S] -> output: Ref(T)[...S]", T=ANY, by_handle=True,
                         allows_uninitialized=True, source=("W12",))  # fmt: skip

FAKE_PARAM = define_op("FakeParam", "-> output: dtype", dtype=ANY, shape=Attr("shape"), source=("W41",))
ABORT = define_op("Abort", "->", error_msg="", exit_without_error=False, stateful=True, source=("W39",))

PASSING = (ENTER, EXIT, NEXT_ITERATION, LOOP_COND, REF_ENTER, REF_EXIT, REF_NEXT_ITERATION, REF_IDENTITY)


def _passed_on(value: Any) -> Any:
    return value


for _op in PASSING:
    _op.kernel(_passed_on)


@TO_BOOL.kernel
def to_bool_kernel(input):
    """A scalar's truth; of another tensor, whether it has elements."""
    value = np.asarray(input)
    if value.shape == () and (value.dtype.kind == "c" or (value.dtype.kind == "u" and value.dtype.itemsize > 1)):
        raise ValueError(f"{value.dtype.name} cannot be converted to a boolean")
    return np.array(bool(value[()]) if value.shape == () else value.size > 0)


TO_BOOL.case("W39", "a number that is not zero", input=3, output=True)
TO_BOOL.case("W39", "a tensor with elements", input=[0], output=True)


@FOR_STEPS.kernel
def for_steps_kernel(start, limit, delta):
    """How often a For runs its body: ceil((limit - start) / delta) times."""
    for name, value in (("start", start), ("limit", limit), ("delta", delta)):
        if np.shape(value) != ():
            raise ValueError(f"{name} must be a scalar, but {shapes.text(np.shape(value))}")
    start, limit, delta = int(start), int(limit), int(delta)
    if (limit - start) * delta < 0 or (limit != start and not delta):
        raise ValueError(f"Invalid start/limit/delta: {start} {limit} {delta}")
    return np.array(-((start - limit) // delta) if delta else 0, np.int32)


FOR_STEPS.case("W39", "0, 3, 6 and 9", start=0, limit=10, delta=3, steps=4)
FOR_STEPS.case("W39", "downwards", start=10, limit=0, delta=-5, steps=2)
FOR_STEPS.case("W39", "the limit must be ahead", start=5, limit=3, delta=1,
               error="Invalid start/limit/delta: 5 3 1")  # fmt: skip


@CONTROL_TRIGGER.kernel
def control_trigger_kernel():
    """Finishes once all that it waits for has, dead or not."""


@FAKE_PARAM.kernel
def fake_param_kernel(dtype, shape):
    """A value that nobody reads, in the place of what a branch does not give."""
    return blank(tuple(d or 0 for d in shape.as_tuple or ()), dtype.as_numpy_dtype)


@FAKE_PARAM.shape
def _fake_param_shape(context: ShapeContext) -> shapes.Shape:
    return context.attrs["shape"].as_tuple


FAKE_PARAM.case("W41", "zeros of the shape", dtype=int32, shape=shapes.TensorShape([2]), output=[0, 0])


@ABORT.kernel
def abort_kernel(error_msg="", exit_without_error=False):
    """Ends the step. A library does not end the process that uses it."""
    raise AbortedError(None, None, error_msg or "an Abort was run")


ABORT.case("W39", "the step ends", error_msg="enough", error="enough")


@SWITCH.kernel
def switch_kernel(data, pred):
    """The value for the output that lives, and None for the dead one."""
    return (None, data) if bool(np.reshape(pred, ())) else (data, None)


@REF_SWITCH.kernel
def ref_switch_kernel(data, pred):
    return switch_kernel(data, pred)


MERGE.foldable = False  # two known values do not say which one comes: in a loop the one does, and then the other


@MERGE.kernel
def merge_kernel(inputs):
    """The one of `inputs` that is not None, and its place [E24]."""
    live = [place for place, value in enumerate(inputs) if value is not None]
    if len(live) > 1:
        raise InternalError(None, None, "Merge can not have more than one valid input.")
    if not live:
        raise ValueError("a Merge ran without a live input")
    return inputs[live[0]], np.array(live[0], np.int32)


@REF_MERGE.kernel
def ref_merge_kernel(inputs):
    return merge_kernel(inputs)


@REF_SELECT.kernel
def ref_select_kernel(index, inputs):
    """The reference whose number is `index`."""
    if not 0 <= int(index) < len(inputs):
        raise IndexError(f"Index must be in the range [0, {len(inputs)}) but got {int(index)}")
    return inputs[int(index)]


def _both(context: ShapeContext) -> list[shapes.Shape]:
    context.match("pred")
    return [context.dims("data"), context.dims("data")]


SWITCH.shape(_both)
REF_SWITCH.shape(_both)


def _common(parts: list[shapes.Shape]) -> shapes.Shape:
    """What the shapes of several have in common: the sizes that are equal in all."""
    first = parts[0]
    if first is None or any(p is None or len(p) != len(first) for p in parts):
        return None
    columns = zip(*(p for p in parts if p is not None), strict=True)
    return tuple(column[0] if len(set(column)) == 1 else None for column in columns)


def _merged(context: ShapeContext) -> list[shapes.Shape]:
    return [_common(context.list_dims("inputs")), ()]


MERGE.shape(_merged)
REF_MERGE.shape(_merged)


@REF_SELECT.shape
def _ref_select_shape(context: ShapeContext) -> shapes.Shape:
    """Known where all shapes are, and are equal."""
    context.match("index")
    given = context.list_dims("inputs")
    return given[0] if shapes.is_known(given[0]) and all(dims == given[0] for dims in given) else None


for _op in (FAKE_PARAM, ABORT, CONTROL_TRIGGER, LOOP_COND, TO_BOOL, REF_SELECT):
    _op.no_gradient()


@REF_IDENTITY.gradient
def _ref_identity_gradient(op, dy):
    """The same reference, the same slope."""
    return dy


@NEXT_ITERATION.gradient
def _next_iteration_gradient(op, dy):
    """Gradients pass through unchanged; the loop of gradients runs the other way [W43]."""
    return dy


@ENTER.gradient
def _enter_gradient(op, dy):
    """Of what is the same in each iteration, for a gradient asked for within the body: this iteration's [W43]."""
    return dy if op.attrs["is_constant"] else None


for _op in (EXIT, REF_ENTER, REF_EXIT, REF_NEXT_ITERATION, REF_MERGE):
    _op.no_gradient_registered()


@SWITCH.gradient
def _switch_gradient(op, dfalse, dtrue):
    """The gradient of whichever output lived comes back: a Merge [W43]."""
    if dfalse is None:
        dfalse = _zeros_of(op.outputs[0], dtrue)
    if dtrue is None:
        dtrue = _zeros_of(op.outputs[1], dfalse)
    return merge([dfalse, dtrue], name="cond_grad")[0], None


def _zeros_of(handle: Tensor, like: Any) -> Tensor:
    """Zeros as the variable of a handle, which has no slope itself, is on the side where that handle is alive."""
    dims = op_def("VariableShape")(handle, out_type=int32)
    return op_def("Fill")(dims, like.dtype.base_dtype.as_numpy_dtype(0))


@REF_SWITCH.gradient
def _ref_switch_gradient(op, dfalse, dtrue):
    return _switch_gradient(op, dfalse, dtrue)


@MERGE.gradient
def _merge_gradient(op, dy, _):
    """The gradient goes to the input that was taken: a Switch on what decided, or one for each input but the last.

    A cond's Merge is decided by the cond's predicate [W43]; what decided another one, only its `value_index` tells.
    """
    sides = [_side(t) for t in op.inputs]
    if len(sides) == 2 and sides[0] is not None and sides[0][1] == 0 and sides[1] == (sides[0][0], 1):
        return switch(dy, sides[0][0])
    found = []
    rest = dy
    for place in range(len(op.inputs) - 1):
        rest, here = switch(rest, op_def("Equal")(op.outputs["value_index"], np.int32(place)))
        found.append(here)
    return [*found, rest]


def _side(tensor: Tensor) -> tuple[Tensor, int] | None:
    """The predicate of the innermost branch that a tensor is in, and its side."""
    op, context = tensor.op, tensor.op._context
    if op.type in SWITCHES and op.inputs[1].op.type != "LoopCond":
        return op.inputs[1], tensor.value_index
    return (context.pred, context.side) if isinstance(context, BranchContext) else None


def switch(data: Any, pred: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """(output_false, output_true): `data` comes out of the one that the scalar bool `pred` names."""
    result = SWITCH(data, pred, name=name)
    return result.output_false, result.output_true


def merge(inputs: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    """(output, value_index): the first of `inputs` that is live, and its number. Of references, a reference."""
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError(f"merge takes a list with at least one tensor, got {inputs!r}")
    if any(i is None for i in inputs):
        raise ValueError("merge takes tensors; at least one of its inputs is None")
    tensors = [convert_to_tensor(i) for i in inputs]
    result = (REF_MERGE if all(t.dtype.is_ref_dtype for t in tensors) else MERGE)(tensors, name=name or "Merge")
    return result.output, result.value_index


def exit(data: Any, name: str | None = None) -> Tensor:
    """`data` made available to the frame around the present one."""
    return EXIT(data, name=name)
