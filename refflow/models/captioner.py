"""A captioner: a convolutional net sees a picture, and an LSTM writes what is there.

    m_1 ... m_P     what three convolutions and two pools leave at each of P places of the picture
    s_0 = tanh(W [m_1 ... m_P])         [c, h]: the LSTM begins with the whole picture
    s_i = LSTM(E y_(i-1), s_(i-1))
    c_i = attention of h_i to m_1 ... m_P                   each word looks at some place again
    p(y_i | y_1 ... y_(i-1), picture) = softmax(V tanh(C [h_i, c_i]))                       [S50g]

Two nets of different kinds are one graph with one loss: the gradient of a word's surprise goes through all steps of the
LSTM into the windows of the convolutions. Attention makes a shape the same thing wherever it lies; without it, the
first state has to know every shape at every place.

Vinyals, Toshev, Bengio and Erhan, "Show and tell: a neural image caption generator", 2015; Xu et al., "Show, attend and
tell", 2015. The deck prints the BLEU of the former, between the best before and people's (reported there, not
reproduced here) [S84]:

    COCO none, 67, 69       Flickr 49, 63, 68       PASCAL 25, 59, 68       SBU 11, 27, none

Next: models/bleu.py.
"""

from __future__ import annotations

import math

import refflow as tf
from refflow.models.attention import Attention
from refflow.models.decoding import Decoder
from refflow.models.layers import convolution, dense
from refflow.models.rnn.rnn_cell import BasicLSTMCell
from refflow.ops.variable_scope import AUTO_REUSE


class Captioner:
    """symbols: how many words there are. units: the size of their embedding and of the LSTM, whose state is [c, h]."""

    def __init__(self, symbols: int, units: int, name: str = "captioner"):
        self._symbols, self._units, self._name = symbols, units, name

    def see(self, pictures: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(places [batch, P, 64], first state [batch, 2 units]) of pictures [batch, height, width, colours].

        ValueError where the pictures' height, width or colours are not known.
        """
        if not pictures.get_shape().with_rank(4)[1:].is_fully_defined():
            raise ValueError(f"a captioner must know its pictures' size, and that of {pictures.name!r} is not known")
        with tf.variable_scope(self._name, reuse=AUTO_REUSE):
            x = pictures
            for channels in (16, 32):
                x = convolution(x, channels, 3, scope=f"conv{channels}")
                x = tf.nn.max_pool(x, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
            x = convolution(x, 64, 3, scope="conv64")
            count = math.prod(size for size in x.get_shape().as_list()[1:3] if size)
            start = dense(tf.reshape(x, [-1, count * 64]), 2 * self._units, tf.tanh, scope="seen")
            return tf.reshape(x, [-1, count, 64]), start

    def decoder(self, places: tf.Tensor) -> Decoder:
        """The decoder of words that looks at `places`."""
        units, symbols = self._units, self._symbols
        everywhere = tf.fill(tf.shape(places)[:1], places.get_shape()[1].value)
        with tf.variable_scope(self._name, reuse=AUTO_REUSE):
            attention = Attention(places, everywhere, units)

        def advance(words: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
            with tf.variable_scope(self._name, reuse=AUTO_REUSE):
                embedding = tf.get_variable("embedding", [symbols, units])
                return BasicLSTMCell(units)(tf.nn.embedding_lookup(embedding, words), state)[1]

        def scores(states: tf.Tensor) -> tf.Tensor:
            h = states[:, :, units:]
            contexts, _ = attention.read(h)
            with tf.variable_scope(self._name, reuse=AUTO_REUSE):
                return attention.answers(h, contexts, symbols)

        return Decoder(advance, scores)
