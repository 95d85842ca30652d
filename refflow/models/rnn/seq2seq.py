"""Sequences from sequences: an encoder reads, a decoder writes, and attention looks back at what was read.

    attention    u_t = v . tanh(W h_t + W' s)       over the encoder's outputs h_t, s the decoder's state
                 a = softmax(u)                     the context is sum_t a_t h_t

Decoders take the right symbols as inputs while they are trained, and their own last output where `feed_previous`
says so; its symbol is the one with the largest score. Inputs are lists over time of tensors [batch, size], or of
symbols, int32 [batch].

Sutskever, Vinyals and Le, "Sequence to sequence learning", 2014; Vinyals et al., "Grammar as a foreign language", 2014.

Next: models/rnn/rnn.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refflow.core.convert import convert_to_tensor, op_scope
from refflow.core.dtypes import float32
from refflow.core.graph import Tensor
from refflow.models.rnn import rnn as unrolled
from refflow.models.rnn import rnn_cell
from refflow.models.rnn.linear import linear
from refflow.nn.functions import conv2d, embedding_lookup, xw_plus_b
from refflow.ops.add_n import add_n
from refflow.ops.array import reshape, shape, stop_gradient
from refflow.ops.cast import cast
from refflow.ops.constant import zeros
from refflow.ops.control_flow import merge, switch
from refflow.ops.elementwise import TANH
from refflow.ops.joining import concat, pack
from refflow.ops.log_softmax import SPARSE_XENT
from refflow.ops.reductions import argmax, reduce_sum
from refflow.ops.softmax import softmax
from refflow.ops.variable_scope import get_variable, get_variable_scope, variable_scope

Steps = Sequence[Tensor]
Loop = Callable[[Tensor, int], Tensor]

# -- decoders ----------------------------------------------------------------------------------------------------


def rnn_decoder(
    decoder_inputs: Steps, initial_state: Tensor, cell: rnn_cell.RNNCell, loop_function: Loop | None = None,
    scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """(outputs, states). loop_function(previous output, step): the input of every step but the first."""
    with variable_scope(scope or "rnn_decoder"):
        outputs: list[Tensor] = []
        states = [initial_state]
        for i, x in enumerate(decoder_inputs):
            x = _input_of_step(x, i, outputs, loop_function)
            output, state = cell(x, states[-1])
            outputs.append(output)
            states.append(state)
        return outputs, states


def _input_of_step(x: Tensor, i: int, outputs: list[Tensor], loop_function: Loop | None) -> Tensor:
    """The input of step `i`; from the second step on the variables are those of the first."""
    if i == 0:
        return x
    get_variable_scope().reuse_variables()
    if loop_function is None:
        return x
    with variable_scope("loop_function", reuse=True):
        return stop_gradient(loop_function(outputs[-1], i))


def attention_decoder(
    decoder_inputs: Steps, initial_state: Tensor, attention_states: Tensor, cell: rnn_cell.RNNCell,
    output_size: int | None = None, num_heads: int = 1, loop_function: Loop | None = None, dtype: Any = float32,
    scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """(outputs, states) of a decoder that looks at `attention_states` [batch, length, size] in every step."""
    if not decoder_inputs:
        raise ValueError("a decoder needs at least one input")
    if num_heads < 1:
        raise ValueError("attention needs at least one head")
    if not attention_states.get_shape()[1:3].is_fully_defined():
        raise ValueError(f"attention_states must have a known length and size: {attention_states.get_shape()}")
    size = cell.output_size if output_size is None else output_size
    with variable_scope(scope or "attention_decoder"):
        look = attention(attention_states, num_heads)
        batch = shape(decoder_inputs[0])[0]
        width = attention_states.get_shape()[2].value
        contexts = [zeros(pack([batch, width]), dtype) for _ in range(num_heads)]
        for context in contexts:
            context.set_shape([None, width])
        outputs: list[Tensor] = []
        states = [initial_state]
        for i, x in enumerate(decoder_inputs):
            x = _input_of_step(x, i, outputs, loop_function)
            output, state = cell(linear([x, *contexts], cell.input_size, True), states[-1])
            contexts = look(state)
            with variable_scope("AttnOutputProjection"):
                outputs.append(linear([output, *contexts], size, True))
            states.append(state)
        return outputs, states


def attention(states: Tensor, num_heads: int) -> Callable[[Any], list[Tensor]]:
    """A function from the decoder's state to one context [batch, size] for each head."""
    size: Any
    _, length, size = states.get_shape().as_list()
    hidden = reshape(states, [-1, length, 1, size])  # a 1 x 1 convolution is W h_t for every t at once
    features, vectors = [], []
    for head in range(num_heads):
        kernel = get_variable(f"AttnW_{head}", [1, 1, size, size])
        features.append(conv2d(hidden, kernel, [1, 1, 1, 1], "SAME"))  # [batch, length, 1, size]
        vectors.append(get_variable(f"AttnV_{head}", [size]))

    def look(state: Any) -> list[Tensor]:
        contexts = []
        for head in range(num_heads):
            with variable_scope(f"Attention_{head}"):
                query = reshape(linear(state, size, True), [-1, 1, 1, size])
                scores = reduce_sum(vectors[head] * TANH(features[head] + query), [2, 3])  # [batch, length]
                shares = reshape(softmax(scores), [-1, length, 1, 1])
                contexts.append(reshape(reduce_sum(shares * hidden, [1, 2]), [-1, size]))
        return contexts

    return look


def _embedded(embedding: Any, output_projection: Any) -> Loop:
    """The row of the symbol with the largest score in the previous output."""

    def row_of_last(previous: Tensor, _: int) -> Tensor:
        scores = previous if output_projection is None else xw_plus_b(previous, *output_projection)
        return embedding_lookup(embedding, argmax(scores, 1))

    return row_of_last


def _check_projection(output_projection: Any, size: int, num_symbols: int) -> None:
    if output_projection is not None:
        weights, biases = (convert_to_tensor(p) for p in output_projection)
        weights.get_shape().assert_is_compatible_with([size, num_symbols])
        biases.get_shape().assert_is_compatible_with([num_symbols])


def embedding_rnn_decoder(
    decoder_inputs: Steps, initial_state: Tensor, cell: rnn_cell.RNNCell, num_symbols: int,
    output_projection: Any = None, feed_previous: bool = False, scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """A decoder of symbols. output_projection: (weights, biases) from outputs to scores of symbols."""
    _check_projection(output_projection, cell.output_size, num_symbols)
    with variable_scope(scope or "embedding_rnn_decoder"):
        embedding = get_variable("embedding", [num_symbols, cell.input_size])
        loop = _embedded(embedding, output_projection) if feed_previous else None
        rows = [embedding_lookup(embedding, i) for i in decoder_inputs]
        return rnn_decoder(rows, initial_state, cell, loop)


def embedding_attention_decoder(
    decoder_inputs: Steps, initial_state: Tensor, attention_states: Tensor, cell: rnn_cell.RNNCell, num_symbols: int,
    num_heads: int = 1, output_size: int | None = None, output_projection: Any = None, feed_previous: bool = False,
    dtype: Any = float32, scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """An attention decoder of symbols."""
    size = cell.output_size if output_size is None else output_size
    _check_projection(output_projection, size, num_symbols)
    with variable_scope(scope or "embedding_attention_decoder"):
        embedding = get_variable("embedding", [num_symbols, cell.input_size])
        loop = _embedded(embedding, output_projection) if feed_previous else None
        rows = [embedding_lookup(embedding, i) for i in decoder_inputs]
        return attention_decoder(rows, initial_state, attention_states, cell, size, num_heads, loop, dtype)


# -- encoder and decoder -----------------------------------------------------------------------------------------


def basic_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: rnn_cell.RNNCell, dtype: Any = float32, scope: Any = None
) -> tuple[list[Tensor], list[Tensor]]:
    """(outputs, states) of a decoder that begins where the encoder, a cell of the same kind, ended."""
    with variable_scope(scope or "basic_rnn_seq2seq"):
        _, states = unrolled.rnn(cell, encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, states[-1], cell)


def tied_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: rnn_cell.RNNCell, loop_function: Loop | None = None,
    dtype: Any = float32, scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """As basic_rnn_seq2seq, with one set of variables for encoder and decoder."""
    with variable_scope("combined_tied_rnn_seq2seq"):
        shared = scope or "tied_rnn_seq2seq"
        _, states = unrolled.rnn(cell, encoder_inputs, dtype=dtype, scope=shared)
        get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, states[-1], cell, loop_function, scope=shared)


def _fed_either_way(feed_previous: Any, decode: Callable[[bool], tuple[list[Tensor], list[Tensor]]]) -> Any:
    """The decoder as `feed_previous` says, which may be a bool tensor: then both are built, and one of them runs."""
    if isinstance(feed_previous, bool):
        return decode(feed_previous)
    pred = convert_to_tensor(feed_previous)
    looped = decode(True)
    get_variable_scope().reuse_variables()
    given = decode(False)
    both = zip([*given[0], *given[1]], [*looped[0], *looped[1]], strict=True)
    chosen = [merge([switch(a, pred)[0], switch(b, pred)[1]])[0] for a, b in both]
    return chosen[: len(given[0])], chosen[len(given[0]) :]


def embedding_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: rnn_cell.RNNCell, num_encoder_symbols: int,
    num_decoder_symbols: int, output_projection: Any = None, feed_previous: Any = False, dtype: Any = float32,
    scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """Symbols to symbols. Outputs are scores [batch, num_decoder_symbols], or the cell's under an output_projection."""
    with variable_scope(scope or "embedding_rnn_seq2seq"):
        _, states = unrolled.rnn(rnn_cell.EmbeddingWrapper(cell, num_encoder_symbols), encoder_inputs, dtype=dtype)
        if output_projection is None:
            cell = rnn_cell.OutputProjectionWrapper(cell, num_decoder_symbols)
        return _fed_either_way(
            feed_previous,
            lambda feed: embedding_rnn_decoder(
                decoder_inputs, states[-1], cell, num_decoder_symbols, output_projection, feed
            ),
        )


def embedding_tied_rnn_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: rnn_cell.RNNCell, num_symbols: int,
    output_projection: Any = None, feed_previous: Any = False, dtype: Any = float32, scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """As embedding_rnn_seq2seq, with one embedding and one cell for both sides."""
    _check_projection(output_projection, cell.output_size, num_symbols)
    with variable_scope(scope or "embedding_tied_rnn_seq2seq"):
        embedding = get_variable("embedding", [num_symbols, cell.input_size])
        encoder_rows = [embedding_lookup(embedding, x) for x in encoder_inputs]
        decoder_rows = [embedding_lookup(embedding, x) for x in decoder_inputs]
        if output_projection is None:
            cell = rnn_cell.OutputProjectionWrapper(cell, num_symbols)
        loop = _embedded(embedding, output_projection)
        return _fed_either_way(
            feed_previous,
            lambda feed: tied_rnn_seq2seq(encoder_rows, decoder_rows, cell, loop if feed else None, dtype),
        )


def embedding_attention_seq2seq(
    encoder_inputs: Steps, decoder_inputs: Steps, cell: rnn_cell.RNNCell, num_encoder_symbols: int,
    num_decoder_symbols: int, num_heads: int = 1, output_projection: Any = None, feed_previous: Any = False,
    dtype: Any = float32, scope: Any = None,
) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
    """Symbols to symbols, with attention to every step of the encoder."""
    with variable_scope(scope or "embedding_attention_seq2seq"):
        encoder = rnn_cell.EmbeddingWrapper(cell, num_encoder_symbols)
        read, states = unrolled.rnn(encoder, encoder_inputs, dtype=dtype)
        attention_states = concat(1, [reshape(e, [-1, 1, cell.output_size]) for e in read])
        size = None
        if output_projection is None:
            cell, size = rnn_cell.OutputProjectionWrapper(cell, num_decoder_symbols), num_decoder_symbols
        return _fed_either_way(
            feed_previous,
            lambda feed: embedding_attention_decoder(
                decoder_inputs, states[-1], attention_states, cell, num_decoder_symbols, num_heads, size,
                output_projection, feed, dtype,
            ),
        )  # fmt: skip


# -- losses ------------------------------------------------------------------------------------------------------


def sequence_loss_by_example(
    logits: Steps, targets: Steps, weights: Steps, num_decoder_symbols: int, average_across_timesteps: bool = True,
    softmax_loss_function: Callable[[Tensor, Tensor], Tensor] | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The cross-entropy of each sequence, weighted by step, [batch]; over the sum of weights if averaged.

    softmax_loss_function(outputs, targets): another loss of one step, as for a sampled softmax.
    """
    if not len(logits) == len(targets) == len(weights):
        raise ValueError(f"{len(logits)} logits, {len(targets)} targets and {len(weights)} weights must be as many")
    with op_scope([*logits, *targets, *weights], name, "sequence_loss_by_example"):
        losses = []
        for scores, target, weight in zip(logits, targets, weights, strict=True):
            if softmax_loss_function is not None:
                loss = softmax_loss_function(scores, target)
            else:
                scores.get_shape().assert_is_compatible_with([None, num_decoder_symbols])
                loss = SPARSE_XENT(scores, target).loss
            losses.append(loss * weight)
        total = add_n(losses)
        if not average_across_timesteps:
            return total
        return total / (add_n(list(weights)) + cast(np.float32(1e-12), total.dtype))  # all weights may be 0


def sequence_loss(
    logits: Steps, targets: Steps, weights: Steps, num_decoder_symbols: int, average_across_timesteps: bool = True,
    average_across_batch: bool = True, softmax_loss_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    name: str | None = None,
) -> Tensor:  # fmt: skip
    """The losses of all sequences in one number, over the batch's size if averaged."""
    with op_scope([*logits, *targets, *weights], name, "sequence_loss"):
        total = reduce_sum(sequence_loss_by_example(
            logits, targets, weights, num_decoder_symbols, average_across_timesteps, softmax_loss_function
        ))  # fmt: skip
        return total / cast(shape(targets[0])[0], total.dtype) if average_across_batch else total


def model_with_buckets(
    encoder_inputs: Steps, decoder_inputs: Steps, targets: Steps, weights: Steps, buckets: Sequence[tuple[int, int]],
    num_decoder_symbols: int, seq2seq: Callable[[Steps, Steps], tuple[list[Tensor], Any]],
    softmax_loss_function: Callable[[Tensor, Tensor], Tensor] | None = None, name: str | None = None,
) -> tuple[list[list[Tensor]], list[Tensor]]:  # fmt: skip
    """(outputs, losses) of one model unrolled to each of the lengths (encoder, decoder) in `buckets`."""
    longest = [max(lengths) for lengths in zip(*buckets, strict=True)]
    for given, needed, what in (
        (encoder_inputs, longest[0], "encoder inputs"),
        (targets, longest[1], "targets"),
        (weights, longest[1], "weights"),
    ):
        if len(given) < needed:
            raise ValueError(f"the largest bucket needs {needed} {what}, but there are {len(given)}")
    outputs, losses = [], []
    with op_scope([*encoder_inputs, *decoder_inputs, *targets, *weights], name, "model_with_buckets"):
        for number, (read, written) in enumerate(buckets):
            if number > 0:
                get_variable_scope().reuse_variables()
            found, _ = seq2seq(encoder_inputs[:read], decoder_inputs[:written])
            outputs.append(found)
            losses.append(sequence_loss(found, targets[:written], weights[:written], num_decoder_symbols,
                                        softmax_loss_function=softmax_loss_function))  # fmt: skip
    return outputs, losses
