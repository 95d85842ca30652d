"""Names that only `training.moving_averages` and the modules beside it had.

Next: compat/shadow/util.py.
"""

from __future__ import annotations

import re

from refflow.compat.v1.averages import assign_moving_average
from refflow.compat.v1.batches import as_given, in_order

__all__ = ["_as_original_type", "_as_tensor_list", "assign_moving_average", "meta_graph_filename"]

_as_tensor_list, _as_original_type = in_order, as_given


def meta_graph_filename(checkpoint_filename: str, meta_graph_suffix: str = "meta") -> str:
    """The path of the MetaGraph beside a checkpoint, of a part of one too."""
    return f"{re.sub(r'-[0-9?]+-of-[0-9]+$', '', checkpoint_filename)}.{meta_graph_suffix}"
