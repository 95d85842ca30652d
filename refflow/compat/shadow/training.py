"""Names that only `training.moving_averages` and the modules beside it had.

Next: compat/shadow/util.py.
"""

from __future__ import annotations

import re
from typing import Any

from refflow.compat.v1.batches import as_given, in_order
from refflow.compat.v1.initializers import zeros_initializer
from refflow.compat.v1.variables import get_variable, variable_scope
from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.graph import Tensor, colocate_with
from refflow.core.registry import op_def

_as_tensor_list, _as_original_type = in_order, as_given


def assign_moving_average(
    variable: Any, value: Any, decay: Any, zero_debias: bool = False, name: str | None = None
) -> Tensor:
    """The variable after it has gone a part, 1 - decay, of the way to the value.

    zero_debias: as if it had started without an average: what is stored is divided by 1 - decay**steps, whose two
    parts lie in variables beside it.
    """
    with op_scope([], name, "AssignMovingAvg"), colocate_with(variable):
        part = convert_to_tensor(1.0 - decay, variable.dtype.base_dtype, "decay")
        if zero_debias:
            return _without_bias(variable, convert_to_tensor(value), part)
        return variable.assign_sub((variable - value) * part)


def _without_bias(variable: Any, value: Tensor, part: Tensor) -> Tensor:
    with variable_scope(variable.op.name, reuse=False):
        kind, zero = variable.dtype.base_dtype, zeros_initializer()
        biased = get_variable("biased", variable.get_shape(), kind, zero, trainable=False)
        steps = get_variable("local_step", [], kind, zero, trainable=False)
    moved = biased.assign_sub((biased - value) * part)
    count = steps.assign_add(1)
    return variable.assign(moved / (1 - op_def("Pow")(1.0 - part, count)))


def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """The path of the MetaGraph beside a checkpoint, of a part of one too."""
    return f"{re.sub(r'-[0-9?]+-of-[0-9]+$', '', checkpoint_filename)}.{meta_graph_suffix}"
