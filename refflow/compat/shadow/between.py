"""Names of the releases between the first and 1.0, which a program of 2016 may use beside the first's.

    tf.nn.rnn_cell, tf.nn.rnn, tf.nn.seq2seq      they came out of tensorflow.models.rnn
    tf.train.Saver                                it writes the graph, too, into PATH.meta

Next: compat/shadow/nest.py.
"""

from __future__ import annotations

from types import SimpleNamespace

from refflow.compat.shadow import contrib_rnn
from refflow.compat.v1 import nn as later
from refflow.compat.v1 import train as later_train
from refflow.models.rnn import seq2seq

nn = SimpleNamespace(
    rnn_cell=later.rnn_cell, rnn=later.static_rnn, bidirectional_rnn=contrib_rnn.bidirectional_rnn, seq2seq=seq2seq,
    dynamic_rnn=later.dynamic_rnn,
)  # fmt: skip
train = SimpleNamespace(Saver=later_train.Saver, import_meta_graph=later_train.import_meta_graph)
