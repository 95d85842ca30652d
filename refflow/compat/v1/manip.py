"""tf.manip: arrays moved about.

Next: compat/v1/printing.py.
"""

from refflow import reshape, tile
from refflow.compat.v1.arrays import gather_nd, reverse
from refflow.compat.v1.blocks import roll
from refflow.compat.v1.plain import batch_to_space_nd, scatter_nd, space_to_batch_nd

__all__ = [
    "batch_to_space_nd", "gather_nd", "reshape", "reverse", "roll", "scatter_nd", "space_to_batch_nd", "tile",
]  # fmt: skip
