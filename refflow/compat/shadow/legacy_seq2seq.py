"""`tf.contrib.legacy_seq2seq`: sequences made from sequences, over lists of steps, with 1.x's cells and results.

    embedding_attention_seq2seq(encoder_inputs, decoder_inputs, cell, ...) -> outputs, last state

The first release's (refflow/models/rnn/seq2seq.py) gives back every state, and its cells know their inputs' size; here
the embedding's size is an argument, and encoder and decoder are two copies of a cell.

Next: compat/shadow/seq2seq.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from refflow.compat.shadow.contrib_rnn import EmbeddingWrapper, OutputProjectionWrapper, linear
from refflow.compat.v1 import nn
from refflow.compat.v1.arrays import concat
from refflow.compat.v1.math import argmax, reduce_sum
from refflow.compat.v1.variables import get_variable, get_variable_scope, variable_scope
from refflow.core.convert import op_scope
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor
from refflow.core.nest import flatten, pack
from refflow.models.rnn import seq2seq as first
from refflow.ops.add_n import add_n
from refflow.ops.array import reshape, shape, stop_gradient
from refflow.ops.cast import cast
from refflow.ops.conditionals import cond
from refflow.ops.constant import zeros
from refflow.ops.joining import pack as stack

Steps = Sequence[Any]
Loop = Callable[[Tensor, int], Tensor]
Decoded = tuple[list[Tensor], Any]

# -- decoders ----------------------------------------------------------------------------------------------------------


def rnn_decoder(
    decoder_inputs: Steps, initial_state: Any, cell: Any, loop_function: Loop | None = None, scope: Any = None
) -> Decoded:
    """(outputs, last state). loop_function(previous output, step): the input of every step but the first."""
    outputs, states = first.rnn_decoder(decoder_inputs, initial_state, cell, loop_function, scope or "rnn_decoder")
    return outputs, states[-1]


def attention_decoder(
    decoder_inputs: Steps, initial_state: Any, attention_states: Tensor, cell: Any, output_size: int | None = None,
    num_heads: int = 1, loop_function: Loop | None = None, dtype: Any = None, scope: Any = None,
    initial_state_attention: bool = False,
) -> Decoded:  # fmt: skip
    """(outputs, last state) of a decoder that looks at `attention_states` [batch, length, size] in every step.

    initial_state_attention: also before the first, as where decoding goes on from a state that was kept.
    """
    if not decoder_inputs:
        raise ValueError("Must provide at least 1 input to attention decoder.")
    if num_heads < 1:
        raise ValueError("With less than 1 heads, use a non-attention decoder.")
    if attention_states.get_shape()[2].value is None:
        raise ValueError(f"Shape[2] of attention_states must be known: {attention_states.get_shape()}")
    with variable_scope(scope or "attention_decoder"):
        look = first.attention(attention_states, num_heads)
        state, outputs = initial_state, list[Tensor]()
        contexts = _no_contexts(decoder_inputs[0], attention_states, num_heads)
        if initial_state_attention:
            contexts = look(flatten(state))
        for i, x in enumerate(decoder_inputs):
            if i > 0:
                get_variable_scope().reuse_variables()
                x = _looped(loop_function, x, outputs[-1], i)
            output, state = cell(linear([x, *contexts], x.get_shape()[1].value), state)
            with variable_scope(get_variable_scope(), reuse=True if i == 0 and initial_state_attention else None):
                contexts = look(flatten(state))
            with variable_scope("AttnOutputProjection"):
                outputs.append(linear([output, *contexts], output_size or cell.output_size))
        return outputs, state


def _looped(loop_function: Loop | None, x: Any, previous: Tensor, i: int) -> Any:
    if loop_function is None:
        return x
    with variable_scope("loop_function", reuse=True):
        return loop_function(previous, i)


def _no_contexts(x: Tensor, attention_states: Tensor, num_heads: int) -> list[Tensor]:
    """What the heads saw before they looked: zeros."""
    width = attention_states.get_shape()[2].value
    contexts = [zeros(stack([shape(x)[0], width]), attention_states.dtype) for _ in range(num_heads)]
    for context in contexts:
        context.set_shape([None, width])
    return contexts


def _embedded(embedding: Any, output_projection: Any, update_embedding: bool = True) -> Loop:
    """The row of the symbol with the largest score in the previous output."""

    def row_of_last(previous: Tensor, _: int) -> Tensor:
        scores = previous if output_projection is None else nn.xw_plus_b(previous, *output_projection)
        row = nn.embedding_lookup(embedding, argmax(scores, 1))
        return row if update_embedding else stop_gradient(row)

    return row_of_last


def embedding_rnn_decoder(
    decoder_inputs: Steps, initial_state: Any, cell: Any, num_symbols: int, embedding_size: int,
    output_projection: Any = None, feed_previous: bool = False, update_embedding_for_previous: bool = True,
    scope: Any = None,
) -> Decoded:  # fmt: skip
    """A decoder of symbols. output_projection: (weights, biases) from outputs to scores of symbols."""
    with variable_scope(scope or "embedding_rnn_decoder"):
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop = _embedded(embedding, output_projection, update_embedding_for_previous) if feed_previous else None
        rows = [nn.embedding_lookup(embedding, i) for i in decoder_inputs]
        return rnn_decoder(rows, initial_state, cell, loop)


def embedding_attention_decoder(
    decoder_inputs: Steps, initial_state: Any, attention_states: Tensor, cell: Any, num_symbols: int,
    embedding_size: int, num_heads: int = 1, output_size: int | None = None, output_projection: Any = None,
    feed_previous: bool = False, update_embedding_for_previous: bool = True, dtype: Any = None, scope: Any = None,
    initial_state_attention: bool = False,
) -> Decoded:  # fmt: skip
    """An attention decoder of symbols."""
    with variable_scope(scope or "embedding_attention_decoder"):
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        loop = _embedded(embedding, output_projection, update_embedding_for_previous) if feed_previous else None
        rows = [nn.embedding_lookup(embedding, i) for i in decoder_inputs]
        return attention_decoder(rows, initial_state, attention_states, cell, output_size, num_heads, loop,
                                 initial_state_attention=initial_state_attention)  # fmt: skip


# -- encoder and decoder -----------------------------------------------------------------------------------------------


def basic_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: Any, dtype: Any = float32, scope: Any = None
) -> Decoded:
    """(outputs, last state) of a decoder that begins where the encoder, a cell of the same kind, ended."""
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = nn.static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: Any, loop_function: Loop | None = None, dtype: Any = float32,
    scope: Any = None,
) -> Decoded:  # fmt: skip
    """As basic_rnn_seq2seq, with one set of variables for encoder and decoder."""
    with variable_scope("combined_tied_rnn_seq2seq"):
        shared = scope or "tied_rnn_seq2seq"
        _, state = nn.static_rnn(cell, encoder_inputs, dtype=dtype, scope=shared)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, scope=shared)


def _fed_either_way(feed_previous: Any, decode: Callable[[bool], Decoded]) -> Decoded:
    """The decoder as `feed_previous` says, which may be a bool tensor: then both are built, and one of them runs."""
    if isinstance(feed_previous, bool):
        return decode(feed_previous)
    structure: list[Any] = []

    def branch(feed: bool) -> list[Tensor]:
        with variable_scope(get_variable_scope(), reuse=None if feed else True):
            outputs, state = decode(feed)
            structure[:] = [outputs, state]
            return flatten(structure)

    chosen = cond(feed_previous, lambda: branch(True), lambda: branch(False))
    outputs, state = pack(structure, chosen)
    return outputs, state


def embedding_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: Any, num_encoder_symbols: int, num_decoder_symbols: int,
    embedding_size: int, output_projection: Any = None, feed_previous: Any = False, dtype: Any = None,
    scope: Any = None,
) -> Decoded:  # fmt: skip
    """Symbols to symbols. Outputs are scores [batch, num_decoder_symbols], or the cell's under an output_projection."""
    with variable_scope(scope or "embedding_rnn_seq2seq"):
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        _, state = nn.static_rnn(encoder, encoder_inputs, dtype=dtype or float32)
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols)
        return _fed_either_way(
            feed_previous,
            lambda feed: embedding_rnn_decoder(
                decoder_inputs, state, cell, num_decoder_symbols, embedding_size, output_projection, feed
            ),
        )


def embedding_tied_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: Any, num_symbols: int, embedding_size: int,
    num_decoder_symbols: int | None = None, output_projection: Any = None, feed_previous: Any = False,
    dtype: Any = None, scope: Any = None,
) -> Decoded:  # fmt: skip
    """As embedding_rnn_seq2seq, with one embedding and one cell for both sides."""
    with variable_scope(scope or "embedding_tied_rnn_seq2seq"):
        embedding = get_variable("embedding", [num_symbols, embedding_size])
        encoder_rows, decoder_rows = (
            [nn.embedding_lookup(embedding, x) for x in steps] for steps in (encoder_inputs, decoder_inputs)
        )
        if output_projection is None:
            cell = OutputProjectionWrapper(cell, num_decoder_symbols or num_symbols)
        loop, kind = _embedded(embedding, output_projection), dtype or float32
        return _fed_either_way(
            feed_previous,
            lambda feed: tied_rnn_seq2seq(encoder_rows, decoder_rows, cell, loop if feed else None, kind),
        )


def embedding_attention_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: Any, num_encoder_symbols: int, num_decoder_symbols: int,
    embedding_size: int, num_heads: int = 1, output_projection: Any = None, feed_previous: Any = False,
    dtype: Any = None, scope: Any = None, initial_state_attention: bool = False,
) -> Decoded:  # fmt: skip
    """Symbols to symbols, with attention to every step of the encoder."""
    with variable_scope(scope or "embedding_attention_seq2seq"):
        encoder = EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        read, state = nn.static_rnn(encoder, encoder_inputs, dtype=dtype or float32)
        attention_states = concat([reshape(e, [-1, 1, cell.output_size]) for e in read], 1)
        size = None
        if output_projection is None:
            cell, size = OutputProjectionWrapper(cell, num_decoder_symbols), num_decoder_symbols
        return _fed_either_way(
            feed_previous,
            lambda feed: embedding_attention_decoder(
                decoder_inputs, state, attention_states, cell, num_decoder_symbols, embedding_size, num_heads, size,
                output_projection, feed, initial_state_attention=initial_state_attention,
            ),
        )  # fmt: skip


# -- losses ------------------------------------------------------------------------------------------------------------


def sequence_loss_by_example(
    logits: Steps, targets: Steps, weights: Steps, average_across_timesteps: bool = True,
    softmax_loss_function: Callable[..., Tensor] | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each sequence, weighted by step, [batch]; over the sum of weights if averaged.

    softmax_loss_function(labels=, logits=): another loss of one step, as for a sampled softmax.
    """
    if not len(logits) == len(targets) == len(weights):
        raise ValueError(
            f"Lengths of logits, weights, and targets must be the same {len(logits)}, {len(weights)}, {len(targets)}."
        )
    of_step = softmax_loss_function or nn.sparse_softmax_cross_entropy_with_logits
    with op_scope([*logits, *targets, *weights], name, "sequence_loss_by_example"):
        losses = []
        for scores, target, weight in zip(logits, targets, weights, strict=True):
            labels = target if softmax_loss_function is not None else reshape(target, [-1])
            losses.append(of_step(labels=labels, logits=scores) * weight)
        total = add_n(losses)
        return total / (add_n(list(weights)) + 1e-12) if average_across_timesteps else total  # weights may be all 0


def sequence_loss(
    logits: Steps, targets: Steps, weights: Steps, average_across_timesteps: bool = True,
    average_across_batch: bool = True, softmax_loss_function: Callable[..., Tensor] | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The losses of all sequences in one number, over the batch's size if averaged."""
    with op_scope([*logits, *targets, *weights], name, "sequence_loss"):
        total = reduce_sum(sequence_loss_by_example(
            logits, targets, weights, average_across_timesteps, softmax_loss_function
        ))  # fmt: skip
        return total / cast(shape(targets[0])[0], total.dtype) if average_across_batch else total


def model_with_buckets(
    encoder_inputs: Steps, decoder_inputs: Steps, targets: Steps, weights: Steps, buckets: Sequence[tuple[int, int]],
    seq2seq: Callable[[Steps, Steps], Decoded], softmax_loss_function: Callable[..., Tensor] | None = None,
    per_example_loss: bool = False, name: str | None = None,
) -> tuple[list[list[Tensor]], list[Tensor]]:  # fmt: skip
    """(outputs, losses) of one model unrolled to each of the lengths (encoder, decoder) in `buckets`."""
    longest = [max(lengths) for lengths in zip(*buckets, strict=True)]
    for given, needed, what in (
        (encoder_inputs, longest[0], "encoder_inputs"),
        (targets, longest[1], "targets"),
        (weights, longest[1], "weights"),
    ):
        if len(given) < needed:
            raise ValueError(f"Length of {what} ({len(given)}) must be at least that of last bucket ({needed}).")
    loss_of = sequence_loss_by_example if per_example_loss else sequence_loss
    outputs, losses = [], []
    with op_scope([*encoder_inputs, *decoder_inputs, *targets, *weights], name, "model_with_buckets"):
        for number, (read, written) in enumerate(buckets):
            with variable_scope(get_variable_scope(), reuse=True if number else None):
                found, _ = seq2seq(encoder_inputs[:read], decoder_inputs[:written])
                outputs.append(found)
                losses.append(loss_of(found, targets[:written], weights[:written],
                                      softmax_loss_function=softmax_loss_function))  # fmt: skip
    return outputs, losses
