"""Writing a sequence symbol by symbol: its loss while the right symbols are given, and greedily without them.

    s_i    = advance(y_(i-1), s_(i-1))                      y_0 stands for "begin"
    p(y_i | y_1 ... y_(i-1)) = softmax(scores(s_i))
    loss   = - sum log p / number of symbols                over all sequences of a batch; padding counts for nothing
    greedy   y_i = argmax scores(s_i)                       until every sequence has written "end"

`advance` waits for the step before it, so that it runs in a loop of the graph. `scores` does not: while the symbols are
given it is asked for all steps at once. What a decoder conditions on, a sentence that was read or a picture, it knows
from outside; its symbols may be words, or places of its input (models/pointer.py).

Next: models/beam_search.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import refflow as tf
from refflow.models.attention import places_before
from refflow.ops.log_softmax import LOG_SOFTMAX, SPARSE_XENT


class Decoder(NamedTuple):
    """advance(symbols int32 [batch], state [batch, n]) -> state; scores(states [batch, time, n]) -> [..., symbols]."""

    advance: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    scores: Callable[[tf.Tensor], tf.Tensor]

    def step(self, symbols: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """(scores [batch, symbols] of what comes after `symbols`, next state)."""
        state = self.advance(symbols, state)
        return tf.squeeze(self.scores(tf.expand_dims(state, 1)), [1]), state

    def log_step(self, symbols: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As `step`, with log p of each symbol for its score: what a beam adds up."""
        scores, state = self.step(symbols, state)
        return LOG_SOFTMAX(scores), state


def loss(decoder: Decoder, start: tf.Tensor, target: tf.Tensor, lengths: tf.Tensor, begin: int) -> tf.Tensor:
    """The mean cross-entropy per symbol, in nats. target int32 [batch, time]; lengths int32 [batch], "end" included."""
    batch, time = tf.shape(target)[0], tf.shape(target)[1]
    before = tf.concat(1, [tf.fill(tf.pack([batch, 1]), np.int32(begin)), target])[:, :-1]
    states = tf.scan(lambda state, y: decoder.advance(y, state), tf.transpose(before, [1, 0]), start)
    scores = decoder.scores(tf.transpose(states, [1, 0, 2]))  # [batch, time, symbols]
    each = SPARSE_XENT(tf.reshape(scores, [-1, tf.shape(scores)[2]]), tf.reshape(target, [-1])).loss
    there = tf.to_float(places_before(lengths, time))
    return tf.reduce_sum(each * tf.reshape(there, [-1])) / tf.reduce_sum(there)


def greedy(decoder: Decoder, start: tf.Tensor, begin: int, end: int, most: int) -> tf.Tensor:
    """int32 [batch, time]: what is written, `most` symbols at the longest; what follows a row's "end" means nothing."""

    def goes_on(i: tf.Tensor, symbols: tf.Tensor, state: tf.Tensor, ended: tf.Tensor, written: tf.Tensor) -> tf.Tensor:
        return tf.logical_and(tf.less(i, most), tf.logical_not(tf.reduce_all(ended)))

    def turn(i: tf.Tensor, symbols: tf.Tensor, state: tf.Tensor, ended: tf.Tensor, written: tf.TensorArray) -> list:
        scores, state = decoder.step(symbols, state)
        symbols = tf.cast(tf.argmax(scores, 1), tf.int32)
        return [i + 1, symbols, state, tf.logical_or(ended, tf.equal(symbols, end)), written.write(i, symbols)]

    first = tf.fill(tf.shape(start)[:1], np.int32(begin))
    nobody = tf.not_equal(first, first)
    loop = [0, first, start, nobody, tf.TensorArray(tf.int32, 0, dynamic_size=True)]
    return tf.transpose(tf.while_loop(goes_on, turn, loop, back_prop=False)[-1].stack(), [1, 0])
