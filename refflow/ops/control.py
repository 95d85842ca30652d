"""NoOp, where control edges meet, and the pair that carries values between devices and to the client.

    _Send    puts a tensor into the step's rendezvous under a key
    _Recv    takes it out again, when it is there                                       [W23, W25, W35]

`_HostSend` and `_HostRecv` are the same for values that a kernel on another device wants in host memory. All carry the
names of the two devices and of the tensor; `client_terminated` marks feeds and fetches, whose other end is the
client. No user builds them: prune and partition put them into the step's graph.

Next: runtime/prune.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.opdef import define_op, define_variant
from refflow.core.signature import Attr

NO_OP = define_op("NoOp", "->", source=("W03", "S24"))
NO_OP.no_gradient_registered()


@NO_OP.kernel
def no_op_kernel():
    """Nothing: it is there to be waited for."""
    return ()


NO_OP.case("W03", "nothing comes out")

_ENDS: dict[str, Any] = {
    "tensor_name": Attr("string"),
    "send_device": Attr("string"),
    "send_device_incarnation": Attr("int"),
    "recv_device": Attr("string"),
    "client_terminated": False,
}
SEND = define_op("_Send", "tensor: T ->", T=Attr("type"), stateful=True, source=("W23",), **_ENDS)
RECV = define_op("_Recv", "-> tensor: tensor_type", tensor_type=Attr("type"), stateful=True, source=("W23",), **_ENDS)
HOST_SEND = define_variant("_HostSend", SEND)
HOST_RECV = define_variant("_HostRecv", RECV)
