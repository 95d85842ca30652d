"""Gradients of TensorArrayV3's ops: a second array beside the first, to which what is read sends its slope [W43].

    Read       writes at that place of the gradient's array;     Write      reads there
    Gather     scatters;                                         Scatter    gathers
    Concat     splits by the lengths of the parts;               Split      concatenates

Writes to a gradient's array add up. Each call of gradients() has arrays of its own, by the name of its scope: the
attribute `source`. The slope of a flow carries no number; it says which of these comes before which.

Next: ops/variable.py.
"""

from __future__ import annotations

from refflow.core.graph import Operation, Tensor, control_dependencies, get_default_graph
from refflow.core.registry import op_def
from refflow.ops.tensor_array import CONCAT, GATHER, READ, SCATTER, SPLIT, WRITE


def _source() -> str:
    """The scope of the call of gradients() that is at work: it begins with `gradients`."""
    scopes = get_default_graph()._name_stack.split("/")
    places = [i for i, scope in enumerate(scopes) if scope.startswith("gradients")]
    if not places:
        raise ValueError(
            "Expected op/tensor name to start with gradients (excluding scope), got: "
            f"{'/'.join(scopes)}. A gradient that goes through a TensorArray needs a name that starts with "
            "'gradients', which tells the arrays of several gradients apart: gradients(..., name='gradients_of_x')"
        )
    return "/".join(scopes[: places[-1] + 1])


def _array(op: Operation, flow: Tensor) -> tuple[Tensor, Tensor]:
    """(handle, flow) of the array of gradients beside the one of `op`, which is there once `flow` is."""
    handle = op_def("TensorArrayGradV3")(op.inputs[0], flow, source=_source()).grad_handle
    with control_dependencies([handle]):
        return handle, op_def("Identity")(flow, name="gradient_flow")


def _after(op: Operation, dflow: Tensor) -> Tensor:
    """The slope of the flow, not before the array was written to."""
    with control_dependencies([op_def("Identity")(op.outputs[0], name="flow_out")]):
        return op_def("Identity")(dflow, name="write_barrier")


@READ.gradient
def _read_gradient(op, dvalue):
    handle, flow = _array(op, op.inputs[2])
    return None, None, WRITE(handle, op.inputs[1], dvalue, flow)


@WRITE.gradient
def _write_gradient(op, dflow):
    _, index, value, _ = op.inputs
    barrier = _after(op, dflow)
    handle, flow = _array(op, barrier)
    dvalue = READ(handle, index, flow, dtype=value.dtype.base_dtype)
    dvalue.set_shape(value.get_shape())
    return None, None, dvalue, barrier


@GATHER.gradient
def _gather_gradient(op, dvalue):
    handle, flow = _array(op, op.inputs[2])
    return None, None, SCATTER(handle, op.inputs[1], dvalue, flow)


@SCATTER.gradient
def _scatter_gradient(op, dflow):
    _, indices, value, _ = op.inputs
    barrier = _after(op, dflow)
    handle, flow = _array(op, barrier)
    dvalue = GATHER(handle, indices, flow, dtype=value.dtype.base_dtype, element_shape=value.get_shape()[1:])
    dvalue.set_shape(value.get_shape())
    return None, None, dvalue, barrier


@CONCAT.gradient
def _concat_gradient(op, dvalue, _):
    handle, flow = _array(op, op.inputs[1])
    return None, SPLIT(handle, dvalue, op.outputs[1], flow)


@SPLIT.gradient
def _split_gradient(op, dflow):
    value = op.inputs[1]
    barrier = _after(op, dflow)
    handle, flow = _array(op, barrier)
    dvalue = CONCAT(handle, flow, dtype=value.dtype.base_dtype, element_shape_except0=value.get_shape()[1:]).value
    dvalue.set_shape(value.get_shape())
    return None, dvalue, None, barrier
