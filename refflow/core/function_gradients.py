"""The gradient of a function: another function, made of gradient nodes [W29].

    f: x1 .. xn -> y1 .. ym          becomes          x1 .. xn, dy1 .. dym -> dx1 .. dxn

The function is called once in a graph of its own; what `gradients` adds there is the new function's body. Where no y
depends on an x, or no gradient comes back, its dx is zeros.

Next: core/importer.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core.dtypes import DType
from refflow.core.graph import Graph, Tensor
from refflow.core.graphdef import FunctionCall, FunctionDef, GraphDef, NodeDef
from refflow.core.registry import op_def
from refflow.core.shapes import unknown_shape
from refflow.core.signature import Arg

_CALL = "function"


def gradient_of(
    call: FunctionCall, inputs: list[DType], outputs: list[DType], library: dict[str, FunctionDef]
) -> FunctionDef:
    """The gradient of the function that `call` names, for arguments and results of these types."""
    from refflow.core.gradients import gradients

    xs = [f"x_{i}" for i in range(len(inputs))]
    dys = [f"dy_{i}" for i in range(len(outputs))]
    holes = [
        NodeDef(name, "Placeholder", [], "", {"dtype": t, "shape": unknown_shape()})
        for name, t in zip(xs + dys, inputs + outputs, strict=True)
    ]
    node = NodeDef(_CALL, "PartitionedCall", list(xs), "", {"f": call, "Tin": inputs, "Tout": outputs})
    graph = Graph()
    with graph.as_default():
        from refflow.core.importer import extend

        made = extend(graph, GraphDef([*holes, node], list(library.values())))
        ys = list(made[_CALL].outputs)
        smooth = [i for i, y in enumerate(ys) if y.dtype.is_floating or y.dtype.is_complex]
        starts = [made[x].outputs[0] for x in xs]
        given = [made[dys[i]].outputs[0] for i in smooth]
        found = gradients([ys[i] for i in smooth], starts, given) if smooth else [None] * len(starts)
        ends = [_dense(dx, x) for dx, x in zip(found, starts, strict=True)]
    body = [n for n in graph.definition() if n.op != "Placeholder" or n.name not in {*xs, *dys}]
    return FunctionDef(
        f"{call.name}_gradient",
        tuple(Arg(name, t.name, t) for name, t in zip(xs + dys, inputs + outputs, strict=True)),
        tuple(Arg(f"dx_{i}", t.name, t) for i, t in enumerate(inputs)),
        body,
        {f"dx_{i}": end.name for i, end in enumerate(ends)},
    )


def _dense(gradient: Any, x: Tensor) -> Tensor:
    from refflow.core.convert import convert_to_tensor

    return op_def("ZerosLike")(x) if gradient is None else op_def("Identity")(convert_to_tensor(gradient))
