"""Placeholders as later releases write them: one whose value may be left out [W10].

Next: ops/joining_today.py.
"""

from __future__ import annotations

from typing import Any

from refflow.core import shapes
from refflow.core.convert import convert_to_tensor
from refflow.core.errors import ShapeError
from refflow.core.graph import Tensor
from refflow.core.opdef import define_op, define_variant
from refflow.core.shape_rules import ShapeContext
from refflow.core.signature import Attr
from refflow.ops.array import ANY
from refflow.ops.constant import PLACEHOLDER

PLACEHOLDER_V2 = define_variant("PlaceholderV2", PLACEHOLDER)
PLACEHOLDER_WITH_DEFAULT = define_op("PlaceholderWithDefault", "input: dtype -> output: dtype", dtype=ANY,
                                     shape=Attr("shape"), stateful=True, source=("W10",))  # fmt: skip


@PLACEHOLDER_WITH_DEFAULT.kernel
def placeholder_with_default_kernel(input):
    return input


@PLACEHOLDER_WITH_DEFAULT.shape
def _placeholder_with_default_shape(context: ShapeContext) -> shapes.Shape:
    """What is declared is for who builds on it: a value of another shape, once the step runs, is passed on."""
    wanted = context.attrs["shape"].as_tuple
    if context.building and not shapes.compatible(context.dims("input"), wanted):
        shapes.merge(context.dims("input"), wanted)  # says what does not fit
    return wanted


@PLACEHOLDER_WITH_DEFAULT.gradient
def _placeholder_with_default_gradient(op, dy):
    """The gradient passes."""
    return dy


PLACEHOLDER_WITH_DEFAULT.case("W10", "what stands there unless it is fed", input=[1.0, 2.0], dtype="float32", shape=[2],
                              output=[1.0, 2.0])  # fmt: skip


def placeholder_with_default(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """`input` unless a run feeds another value of that shape; ShapeError where `input` cannot have it."""
    value, declared = convert_to_tensor(input), shapes.as_shape(shape)
    if not value.get_shape().is_compatible_with(declared):
        raise ShapeError(f"input has shape {value.get_shape()}, but shape = {declared}")
    return PLACEHOLDER_WITH_DEFAULT(value, shape=declared, name=name)
