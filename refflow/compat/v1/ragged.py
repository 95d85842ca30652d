"""tf.ragged: functions of ragged tensors.

Next: compat/v1/ragged_tensor.py.
"""

from refflow.compat.v1.ragged_functions import (
    boolean_mask,
    constant,
    constant_value,
    cross,
    cross_hashed,
    map_flat_values,
    placeholder,
    row_splits_to_segment_ids,
    segment_ids_to_row_splits,
    stack,
    stack_dynamic_partitions,
)
from refflow.compat.v1.ragged_functions import ragged_range as range
from refflow.compat.v1.ragged_value import RaggedTensorValue

__all__ = [
    "RaggedTensorValue", "boolean_mask", "constant", "constant_value", "cross", "cross_hashed", "map_flat_values",
    "placeholder", "range", "row_splits_to_segment_ids", "segment_ids_to_row_splits", "stack",
    "stack_dynamic_partitions",
]  # fmt: skip
