"""An encoder and a decoder: one recurrent net reads a sequence, another writes one and looks back at what was read.

    h_t = GRU(E x_t, h_(t-1))           the encoder; a row that is past its end keeps its state
    s_0 = h_T                           the decoder begins with what the encoder knows at the end
    s_i = GRU(E' y_(i-1), s_(i-1))
    c_i = attention of s_i to h_1 ... h_T
    p(y_i | y_1 ... y_(i-1), x) = softmax(V tanh(C [s_i, c_i]))                            [S50c, S75, S78]

Nothing here knows what the sequences mean: translations, trees written as brackets and copies differ in data alone.

Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks", 2014; Luong, Pham and Manning,
"Effective approaches to attention-based neural machine translation", 2015 (attention after the cell).

Next: models/attention.py.
"""

from __future__ import annotations

from typing import Any

import refflow as tf
from refflow.models.attention import Attention, places_before
from refflow.models.decoding import Decoder
from refflow.models.rnn.rnn_cell import GRUCell, RNNCell
from refflow.ops.variable_scope import AUTO_REUSE


def encode(inputs: tf.Tensor, lengths: tf.Tensor, cell: RNNCell) -> tuple[tf.Tensor, tf.Tensor]:
    """(outputs [batch, time, units], last state) of a cell whose output is its state, over inputs [batch, time, n].

    As models/rnn/looped.py, for rows of several lengths.
    """
    there = tf.transpose(places_before(lengths, tf.shape(inputs)[1]), [1, 0])

    def turn(state: tf.Tensor, row: Any) -> tf.Tensor:
        x, goes_on = row
        return tf.select(goes_on, cell(x, state)[1], state)

    start = cell.zero_state(tf.shape(inputs)[0])
    states = tf.scan(turn, [tf.transpose(inputs, [1, 0, 2]), there], start)
    return tf.transpose(states, [1, 0, 2]), states[-1]


class EncoderDecoder:
    """The model; its variables are those of a scope, `name`, whichever of its functions is called how often.

    source_symbols, target_symbols: how many there are of each. units: the size of states and embeddings.
    """

    def __init__(self, source_symbols: int, target_symbols: int, units: int, name: str = "encoder_decoder"):
        self._sizes, self._units, self._name = (source_symbols, target_symbols), units, name

    def encoder(self, source: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(memory [batch, time, units], last state [batch, units]) of source, int32 [batch, time]."""
        with tf.variable_scope(self._name, reuse=AUTO_REUSE), tf.variable_scope("encoder"):
            embedding = tf.get_variable("embedding", [self._sizes[0], self._units])
            return encode(tf.nn.embedding_lookup(embedding, source), lengths, GRUCell(self._units))

    def attention(self, memory: tf.Tensor, lengths: tf.Tensor) -> Attention:
        """The decoder's attention to a memory [batch, time, units]."""
        with tf.variable_scope(self._name, reuse=AUTO_REUSE), tf.variable_scope("decoder"):
            return Attention(memory, lengths, self._units)

    def decoder(self, attention: Attention) -> Decoder:
        """The decoder of symbols that looks back by this attention."""

        def advance(symbols: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
            with tf.variable_scope(self._name, reuse=AUTO_REUSE), tf.variable_scope("decoder"):
                embedding = tf.get_variable("embedding", [self._sizes[1], self._units])
                return GRUCell(self._units)(tf.nn.embedding_lookup(embedding, symbols), state)[1]

        def scores(states: tf.Tensor) -> tf.Tensor:
            contexts, _ = attention.read(states)
            with tf.variable_scope(self._name, reuse=AUTO_REUSE), tf.variable_scope("decoder"):
                return attention.answers(states, contexts, self._sizes[1])

        return Decoder(advance, scores)
