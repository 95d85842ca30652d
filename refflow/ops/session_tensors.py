"""Tensors that stay in the session from one run to the next, so that they need not travel [W10].

    GetSessionHandle       keeps the value; gives its handle "name;number;device", the device as today's names are
    GetSessionHandleV2     the same, the handle as a resource
    GetSessionTensor       the value that a handle stands for
    DeleteSessionTensor    lets go of it

The session has the store (runtime/tensor_store.py), and hands it to these kernels as their state.

Next: ops/queues.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from refflow.core import shapes
from refflow.core.handles import handle_to
from refflow.core.opdef import define_op
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr

TYPE = Attr("type")
GET_HANDLE = define_op("GetSessionHandle", "value: T -> handle: string[]", T=TYPE, stateful=True, source=("W10",))
GET_HANDLE_V2 = define_op("GetSessionHandleV2", "value: T -> handle: resource[]", T=TYPE, stateful=True,
                          source=("W10",))  # fmt: skip
GET_TENSOR = define_op("GetSessionTensor", "handle: string[] -> value: dtype", dtype=TYPE, stateful=True,
                       source=("W10",))  # fmt: skip
DELETE_TENSOR = define_op("DeleteSessionTensor", "handle: string[] ->", stateful=True, source=("W10",))


class _Keeper(NamedTuple):
    """What a node of these types needs to know: who and where it is, and the session's store."""

    node_name: str
    device: str
    tensors: Any

    def hold(self, value: Any) -> str:
        place, kind, number = self.device.rsplit("/", 1)[0], *self.device.rsplit("/", 1)[1].split(":")
        return self.tensors.hold(value, self.node_name, f"{place}/device:{kind.upper()}:{number}")


@GET_HANDLE.kernel
def get_session_handle_kernel(value, state):
    return np.array(state.hold(value).encode(), object)


@GET_HANDLE_V2.kernel
def get_session_handle_v2_kernel(value, state):
    return handle_to(state.hold(value))


@GET_TENSOR.kernel
def get_session_tensor_kernel(handle, state):
    return state.tensors.get(handle.item().decode())


@DELETE_TENSOR.kernel
def delete_session_tensor_kernel(handle, state):
    state.tensors.drop(handle.item().decode())


@GET_TENSOR.shape
def _tensor_shape(context: ShapeContext) -> shapes.Shape:
    context.match("handle")
    return None


for _op in (GET_HANDLE, GET_HANDLE_V2, GET_TENSOR, DELETE_TENSOR):
    _op.state(_Keeper)
    _op.no_gradient()

GET_HANDLE.case("W10", "a name for a tensor", value=[1, 2],
                handle=b"GetSessionHandle;0;/job:localhost/replica:0/task:0/device:CPU:0")  # fmt: skip
GET_TENSOR.case("W10", "what was kept", dtype="float32", handle=b"a;1;/cpu:0",
                error="The tensor with handle 'a;1;/cpu:0' is not in the session store.")  # fmt: skip
DELETE_TENSOR.case("W10", "what was kept", handle=b"a;1;/cpu:0",
                   error="The tensor with handle 'a;1;/cpu:0' is not in the session store.")  # fmt: skip
