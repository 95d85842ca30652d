"""Attention: a query asks every place of a memory how well it fits, and reads their mean, weighted by the answers.

    u_t = v . tanh(W h_t + W' s)        h_t the memory at place t, s the query
    a   = softmax(u)                    over the places that are there; the padding behind them gets nothing
    c   = sum_t a_t h_t                 what is read

The scores alone are of use as well: a pointer network answers with their largest (models/pointer.py). The first
release's attention (models/rnn/seq2seq.py) is for lists of one length, one query at a time.

Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", 2014.

Next: models/decoding.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import refflow as tf
from refflow.ops.variable_scope import AUTO_REUSE

FAR_DOWN = np.float32(-1e9)  # the score of padding: its share is exactly 0 in float32


def places_before(lengths: Any, time: Any) -> tf.Tensor:
    """bool [batch, time]: which places lie before the end of their row; lengths int32 [batch], time an int32."""
    return tf.less(tf.expand_dims(tf.range(0, time), 0), tf.expand_dims(lengths, 1))


class Attention:
    """A memory [batch, time, n] of rows of these `lengths`, int32 [batch], to be asked with vectors of `units` numbers.

    Its variables are W, U and v of the present scope, made where they are not yet there. n must be known.
    """

    def __init__(self, memory: tf.Tensor, lengths: tf.Tensor, units: int, scope: str = "Attention"):
        n = memory.get_shape().with_rank(3)[2].value
        if n is None:
            raise ValueError(f"attention must know the third size of its memory, and that of {memory.name!r} is not")
        with tf.variable_scope(scope, reuse=AUTO_REUSE):
            w = tf.get_variable("W", [n, units])
            self._u, self._v = tf.get_variable("U", [units, units]), tf.get_variable("v", [units, 1])
        self._memory, self._lengths = memory, lengths
        self._keys = along_last(memory, w)  # W h_t does not wait for s

    def scores(self, queries: tf.Tensor) -> tf.Tensor:
        """u [batch, q, time] for any number q of queries to each row, [batch, q, units]; -1e9 behind a row's end."""
        asked = tf.expand_dims(along_last(queries, self._u), 2)  # [batch, q, 1, units]
        met = tf.tanh(tf.expand_dims(self._keys, 1) + asked)  # [batch, q, time, units]
        u = tf.squeeze(along_last(met, self._v), [3])
        there = places_before(self._lengths, tf.shape(u)[2])
        return u + tf.expand_dims((1.0 - tf.to_float(there)) * FAR_DOWN, 1)

    def read(self, queries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(c [batch, q, n], a [batch, q, time])."""
        u = self.scores(queries)
        a = tf.reshape(tf.nn.softmax(tf.reshape(u, [-1, tf.shape(u)[2]])), tf.shape(u))
        return tf.batch_matmul(a, self._memory), a

    def answers(self, queries: tf.Tensor, contexts: tf.Tensor, symbols: int) -> tf.Tensor:
        """V tanh(C [s, c]) of queries [batch, q, units] and what they read [batch, q, n]: [batch, q, symbols].

        C and V are variables of the present scope.
        """
        units, n = self._u.get_shape()[0].value, self._memory.get_shape()[2].value
        c, v = tf.get_variable("C", [units + n, units]), tf.get_variable("V", [units, symbols])
        return along_last(tf.tanh(along_last(tf.concat(2, [queries, contexts]), c)), v)


def along_last(x: tf.Tensor, matrix: Any) -> tf.Tensor:
    """[..., m], each row along the last axis of x [..., n] times the same matrix [n, m]: one product."""
    n, m = matrix.get_shape().as_list()
    leading = tf.shape(x)[:-1]
    product = tf.reshape(tf.matmul(tf.reshape(x, [-1, n]), matrix), tf.concat(0, [leading, [m]]))
    product.set_shape([*x.get_shape().as_list()[:-1], m])
    return product
