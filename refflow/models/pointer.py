"""A pointer network: it answers with places of its input, however many there are.

    h_t = GRU(x_t, h_(t-1))                             reads the elements x_1 ... x_T of one input
    s_i = GRU(x_(C_(i-1)), s_(i-1)),  s_0 = h_T         is told the element that it pointed at last
    u_t = v . tanh(W h_t + W' s_i)
    p(C_i = t | C_1 ... C_(i-1), x) = softmax(u)_t      attention's shares are the answer                        [S79]

A softmax over symbols has as many outputs as there are symbols; this one has as many as the input has places, so that
one set of weights sorts five numbers or fifty. Place 0 stands before the elements and means the end of the answer.

Vinyals, Fortunato and Jaitly, "Pointer networks", 2015.

Next: models/decoding.py.
"""

from __future__ import annotations

import refflow as tf
from refflow.models.attention import Attention
from refflow.models.decoding import Decoder
from refflow.models.encoder_decoder import encode
from refflow.models.rnn.rnn_cell import GRUCell
from refflow.ops.variable_scope import AUTO_REUSE

END = 0  # the place that ends an answer, and that is given before its first place


def with_end(elements: tf.Tensor) -> tf.Tensor:
    """[batch, 1 + time, n + 1] of elements [batch, time, n]: place 0 is zeros and a 1, the others get a 0 behind."""
    batch, n = tf.shape(elements)[0], elements.get_shape().with_rank(3)[2].value
    if n is None:
        raise ValueError(f"a pointer network must know the third size of its elements, {elements.name!r}")
    end = tf.tile(tf.constant([[[0.0] * n + [1.0]]]), tf.pack([batch, 1, 1]))
    places = tf.concat(1, [end, tf.pad(elements, [[0, 0], [0, 0], [0, 1]])])
    places.set_shape([None, None, n + 1])
    return places


class PointerNetwork:
    """Its variables are those of a scope, `name`. units: the size of its states."""

    def __init__(self, units: int, name: str = "pointer_network"):
        self._units, self._name = units, name

    def read(self, elements: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, Decoder]:
        """(first state, decoder of places) for elements [batch, time, n], of which `lengths`, int32 [batch], are there.

        Answers are int32: places from 1 on, and END. They are decoded with begin = end = END.
        """
        places, counts = with_end(elements), lengths + 1
        with tf.variable_scope(self._name, reuse=AUTO_REUSE):
            with tf.variable_scope("encoder"):
                memory, start = encode(places, counts, GRUCell(self._units))
            attention = Attention(memory, counts, self._units)
        width = places.get_shape()[2].value
        rows = tf.reshape(places, [-1, width])
        begins = tf.range(0, tf.shape(places)[0]) * tf.shape(places)[1]  # where each row's place 0 is among `rows`

        def advance(pointed: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
            with tf.variable_scope(self._name, reuse=AUTO_REUSE), tf.variable_scope("decoder"):
                return GRUCell(self._units)(tf.gather(rows, begins + pointed), state)[1]

        return start, Decoder(advance, attention.scores)
