"""What tf.contrib.data had that tf.data.experimental has under no name of its own.

Next: compat/shadow/test_util.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from refflow.core.convert import convert_to_tensor
from refflow.core.dtypes import int64

Applied = Callable[[Any], Any]


def batch_and_drop_remainder(batch_size: Any) -> Applied:
    """Batches of one size; what is left over is left out."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(batch_size: Any, padded_shapes: Any, padding_values: Any = None) -> Applied:
    """Padded batches of one size; what is left over is left out."""
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, drop_remainder=True)


def sloppy_interleave(map_func: Callable[..., Any], cycle_length: Any, block_length: Any = 1) -> Applied:
    """The elements of the datasets that map_func gives, in turns."""
    return lambda dataset: dataset.interleave(map_func, cycle_length, block_length)


def reduce_dataset(dataset: Any, reducer: Any) -> Any:
    """What a Reducer leaves of all elements."""
    state = reducer.init_func(convert_to_tensor(0, int64))
    return reducer.finalize_func(dataset.reduce(state, reducer.reduce_func))
