"""A variable that is read through an Identity is read by who uses it, at that moment [W12].

    v -> read -> add        becomes        v -> add

TensorFlow's Identity hands out the variable's own memory, so that a user of `read` sees what the variable holds when
the user runs: after an assignment that it waits for, also where `read` itself ran before. An Identity that waits for
something is itself such a user, and gives what the variable held then. On several devices it is the same: a reference
is sent when its user would read it, so that k devices give the numbers of one [S33].

A session with `variable_reads="snapshot"` leaves this page out: what an Identity gives is what it read.

Next: runtime/unroll.py.
"""

from __future__ import annotations

from refflow.runtime.nodes import CONTROL_FLOW, Node, StepGraph
from refflow.runtime.optimise import keep_needed


def read_at_use(step: StepGraph) -> StepGraph:
    """`step` with the Identities of variables taken out of the way of their users."""
    if not any(map(_only_reads, step.nodes)):
        return step
    step = step.copy()
    for node in step.nodes:
        if node.type in CONTROL_FLOW or node.type.startswith("_") or node.op_def.by_handle:
            continue
        for place, (producer, _) in enumerate(node.inputs):
            if _only_reads(producer):
                node.inputs[place] = producer.inputs[0]
    keep_needed(step)
    return step


def _only_reads(node: Node) -> bool:
    """Whether a node is an Identity of a variable that waits for nothing."""
    if node.type != "Identity" or node.controls:
        return False
    variable, port = node.inputs[0]
    return variable.op_def.family == "Variable" and variable.types[port].is_ref_dtype
