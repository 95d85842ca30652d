"""Names that `tf.contrib.rnn` had for cells and their unrolling, beside those of tf.nn.

Next: compat/shadow/hparams.py.
"""

from __future__ import annotations

from refflow.compat.v1 import rnn_cell as cells

LSTMBlockCell = LSTMBlockFusedCell = cells.LSTMCell
GRUBlockCell = GRUBlockCellV2 = cells.GRUCell
