"""Which blocks of a graph are built alike [W59].

    h(op)       of its type, its attributes, and what it reads, in order: h of an op in the block, or "from outside"
    g(op)       of h(op) and of who reads it in the block, at which place
    structure   of all g in the block, sorted, and for each tensor from outside of those that read it

Names, sizes and the values of constants do not count: two layers of different widths are one structure, two layers with
another activation, stride or wiring are not. An edge that goes back, a loop's, counts as one from outside.

Equal blocks have equal structures. The converse is that of the Weisfeiler-Lehman test: what it takes for equal and is
not would have to look alike from every op, up and down, which graphs of named operations do not.

Next: viewer/fold.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from refflow.core.graph import Operation

_NO_STRUCTURE = {"_class", "shape", "value", "shared_name", "container", "seed", "seed2", "frame_name"}


def structure(ops: Iterable[Operation]) -> str:
    """A text that is the same for blocks that are built alike."""
    block = sorted(ops, key=lambda op: op._id)
    downward: dict[Operation, str] = {}
    for op in block:
        downward[op] = _hash(own(op), [_source(t, op, downward) for t in op.inputs], _waits(op, downward))
    upward: dict[Operation, str] = {}
    readers = _readers(block, downward)
    for op in reversed(block):
        upward[op] = _hash(downward[op], sorted((p, i, upward[r]) for p, i, r in readers[op] if r in upward))
    outside: dict[Any, list[tuple[int, str]]] = {}
    for op in block:
        for place, tensor in enumerate(op.inputs):
            if tensor.op not in downward:
                outside.setdefault(tensor, []).append((place, upward[op]))
    return _hash(sorted(upward.values()), sorted(sorted(uses) for uses in outside.values()))


def own(op: Operation) -> list[Any]:
    """What counts of an op by itself."""
    attrs = sorted((k, str(v)) for k, v in op.attrs.items() if k not in _NO_STRUCTURE)
    return [op.type, attrs, len(op.outputs)]


def _source(tensor: Any, reader: Operation, known: Mapping[Operation, str]) -> Any:
    inside = tensor.op in known and tensor.op._id < reader._id
    return (known[tensor.op], tensor.value_index) if inside else tensor.dtype.base_dtype.name


def _waits(op: Operation, known: Mapping[Operation, str]) -> list[str]:
    return sorted(known[c] for c in op.control_inputs if c in known)


def _readers(block: Sequence[Operation], known: Any) -> dict[Operation, list[tuple[int, int, Operation]]]:
    """(port, place, reader) of each op, within the block and without a loop's way back."""
    found: dict[Operation, list[tuple[int, int, Operation]]] = {op: [] for op in block}
    for op in block:
        for place, tensor in enumerate(op.inputs):
            if tensor.op in known and tensor.op._id < op._id:
                found[tensor.op].append((tensor.value_index, place, op))
    return found


def _hash(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
