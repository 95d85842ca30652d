"""`tf.contrib.crf`: chains of tags, each step scored by itself and by the tag before it.

    score(y) = sum_t inputs[t, y_t] + sum_t transitions[y_{t-1}, y_t]        over t < length
    log P(y) = score(y) - log Z,     Z = sum over all tag sequences of exp(score)

log Z and the best sequence come from one pass over time: alpha_t[j] = inputs[t, j] + op_i(alpha_{t-1}[i] +
transitions[i, j]) with op = logsumexp for the one, max for the other. Steps past a sequence's end change nothing.

Next: compat/shadow/seq2seq.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from refflow.compat import v1 as tf
from refflow.core.graph import Tensor


def crf_unary_score(tag_indices: Any, sequence_lengths: Any, inputs: Any) -> Tensor:
    """[batch]: the sum of `inputs` [batch, time, tags] at the tags [batch, time]."""
    inputs = tf.convert_to_tensor(inputs)
    chosen = tf.reduce_sum(inputs * tf.one_hot(tag_indices, tf.shape(inputs)[2], dtype=inputs.dtype), -1)
    return tf.reduce_sum(chosen * _inside(sequence_lengths, tf.shape(inputs)[1], inputs.dtype), 1)


def crf_binary_score(tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """[batch]: the sum of `transition_params` [tags, tags] from each tag to the next."""
    tags, moves = tf.convert_to_tensor(tag_indices), tf.convert_to_tensor(transition_params)
    steps = tf.shape(tags)[1] - 1
    flat = tags[:, :-1] * tf.cast(tf.shape(moves)[0], tags.dtype) + tags[:, 1:]
    scores = tf.gather(tf.reshape(moves, [-1]), flat)
    inside = _inside(tf.maximum(tf.cast(sequence_lengths, tf.int32) - 1, 0), steps, moves.dtype)
    return tf.reduce_sum(scores * inside, 1)


def crf_sequence_score(inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """[batch]: the scores of the tags [batch, time]; of an empty sequence 0."""
    unary = crf_unary_score(tag_indices, sequence_lengths, inputs)
    return unary + crf_binary_score(tag_indices, sequence_lengths, transition_params)


def crf_log_norm(inputs: Any, sequence_lengths: Any, transition_params: Any) -> Tensor:
    """[batch]: log Z; of an empty sequence 0."""
    alphas, lengths = _forward(inputs, sequence_lengths, transition_params, lambda x: (tf.reduce_logsumexp(x, 1), None))
    norm = tf.reduce_logsumexp(alphas[0], -1)
    return tf.where(lengths > 0, norm, tf.zeros_like(norm))


def crf_log_likelihood(
    inputs: Any, tag_indices: Any, sequence_lengths: Any, transition_params: Any = None
) -> tuple[Tensor, Any]:
    """(log P of the tags [batch], the transitions): those given, or a variable `transitions` [tags, tags]."""
    inputs = tf.convert_to_tensor(inputs)
    if transition_params is None:
        tags = inputs.get_shape()[2].value
        transition_params = tf.get_variable("transitions", [tags, tags])
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(inputs, sequence_lengths, transition_params), transition_params


def crf_decode(potentials: Any, transition_params: Any, sequence_length: Any) -> tuple[Tensor, Tensor]:
    """(tags int32 [batch, time] of the best sequences, 0 past their ends; their scores [batch])."""

    def best(x: Tensor) -> tuple[Tensor, Tensor]:
        return tf.reduce_max(x, 1), tf.argmax(x, 1, output_type=tf.int32)

    potentials = tf.convert_to_tensor(potentials)
    (scores, from_where), lengths = _forward(potentials, sequence_length, transition_params, best)
    last = tf.argmax(scores, -1, output_type=tf.int32)  # [batch]
    assert from_where is not None

    def before(tag: Tensor, came: Tensor) -> Tensor:
        return tf.reduce_sum(tf.one_hot(tag, tf.shape(came)[1], dtype=tf.int32) * came, 1)

    earlier = tf.scan(before, from_where, last, reverse=True)  # [time - 1, batch]
    tags = tf.transpose(tf.concat([earlier, last[tf.newaxis]], 0))
    inside = _inside(lengths, tf.shape(potentials)[1], tf.int32)
    tags.set_shape(potentials.get_shape()[:2])
    return tags * inside, tf.reduce_max(scores, -1)


def viterbi_decode(score: Any, transition_params: Any) -> tuple[list[int], Any]:
    """(the best tags, their score) of one sequence: arrays [time, tags] and [tags, tags], without a graph."""
    total, came = np.asarray(score[0]), []
    for row in score[1:]:
        every = total[:, None] + transition_params
        came.append(every.argmax(0))
        total = row + every.max(0)
    tags = [int(total.argmax())]
    for step in reversed(came):
        tags.append(int(step[tags[-1]]))
    return tags[::-1], total.max()


def _inside(lengths: Any, steps: Any, dtype: Any) -> Tensor:
    """[batch, time]: 1 before a sequence's end, 0 after."""
    return tf.sequence_mask(tf.cast(lengths, tf.int32), steps, dtype)


def _forward(inputs: Any, lengths: Any, transitions: Any, op: Any) -> tuple[tuple[Tensor, Tensor | None], Tensor]:
    """((alpha after each sequence's last step [batch, tags], what op says beside it in each step), lengths)."""
    inputs, moves = tf.convert_to_tensor(inputs), tf.convert_to_tensor(transitions)
    lengths = tf.maximum(tf.cast(lengths, tf.int32), 0)
    rows = tf.transpose(inputs, [1, 0, 2])  # [time, batch, tags]
    first, steps = rows[0], tf.range(1, tf.shape(rows)[0])
    unmoved = tf.zeros_like(first, tf.int32) + tf.range(tf.shape(first)[1])

    def step(before: Any, now: Any) -> Any:
        row, time = now
        reached, beside = op(before[0][:, :, tf.newaxis] + moves)
        goes_on = time < lengths
        came = unmoved if beside is None else tf.where(goes_on, beside, unmoved)
        return tf.where(goes_on, row + reached, before[0]), came

    alphas, came = tf.scan(step, (rows[1:], steps), (first, unmoved))
    return (tf.concat([first[tf.newaxis], alphas], 0)[-1], came), lengths
