"""The documents' names for operations that the release calls otherwise [W06, E05, E28].

Table 1 of the whitepaper lists operations by names of its own; the op types are the release's. An error about a type
that is not there, and the manual, give the other name too.

The deck's figures draw a graph of Add, MatMul, Relu, Xent and an update of Mul and -=. The first three are op types.
The optimizer's update is one node for the two, ApplyGradientDescent; who writes w.assign_sub(rate * gradient) gets a
Mul and an AssignSub, as drawn, and the same bits. `refflow explain` gives both names.

Next: core/opdef.py.
"""

from __future__ import annotations

# Name in the paper -> op type.
OP_TYPES = {
    "Constant": "Const",
    "Convolution2D": "Conv2D",
    "Dequeue": "QueueDequeue",
    "Enqueue": "QueueEnqueue",
    "Leave": "Exit",  # [E18]
    "MutexAcquire": "MutexLock",  # this and the next one were not released then [E06]
    "MutexRelease": "ConsumeMutexLock",
    "ReLU": "Relu",
    "Shuffle": "RandomShuffle",
    "SoftMax": "Softmax",
}

# Op type -> what the deck's figures draw for it, where that is called otherwise [E28].
FIGURES = {
    "ApplyGradientDescent": "Mul, -=",
    "AssignSub": "-=",
    "SoftmaxCrossEntropyWithLogits": "Xent",
}


def paper_name(op_type: str) -> str | None:
    """What the whitepaper's table calls an op type, where that differs.

    >>> paper_name("Exit"), paper_name("Add")
    ('Leave', None)
    """
    return next((name for name, known in OP_TYPES.items() if known == op_type), None)
