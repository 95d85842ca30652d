"""`tf.contrib.seq2seq`: decoders that run as loops, and what they read in each step.

    helper = TrainingHelper(inputs, lengths)                            the next input is given
    helper = GreedyEmbeddingHelper(embedding, starts, end)              ... or the likeliest symbol's row
    outputs, state, lengths = dynamic_decode(BasicDecoder(cell, helper, initial_state, output_layer))

A decoder has a step: (time, inputs, state) -> (outputs, next state, next inputs, finished). What is written for rows
that have finished is zeros. compat/shadow/attention.py has cells that look at a memory.

Next: compat/shadow/attention.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from refflow.compat import v1 as tf
from refflow.compat.shadow import attention
from refflow.core.graph import Tensor
from refflow.core.nest import flatten, map_structure, pack

AttentionWrapper, AttentionWrapperState = attention.AttentionWrapper, attention.AttentionWrapperState
BahdanauAttention, LuongAttention = attention.BahdanauAttention, attention.LuongAttention


def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Each row `multiplier` times, one after the other."""

    def tiled(x: Any) -> Tensor:
        x = tf.convert_to_tensor(x)
        rest = x.get_shape().as_list()[1:]
        repeated = tf.tile(tf.expand_dims(x, 1), [1, multiplier, *[1] * len(rest)])
        return tf.reshape(repeated, [-1, *rest])

    return map_structure(tiled, t)


def sequence_loss(
    logits: Any, targets: Any, weights: Any, average_across_timesteps: bool = True, average_across_batch: bool = True,
    softmax_loss_function: Callable[..., Tensor] | None = None, name: str | None = None,
) -> Tensor:  # fmt: skip
    """The weighted cross-entropy of [batch, time, classes] for targets [batch, time], averaged over what is asked."""
    for given, rank, what in (
        (logits, 3, "Logits must be a [batch_size x sequence_length x logits] tensor"),
        (targets, 2, "Targets must be a [batch_size x sequence_length] tensor"),
        (weights, 2, "Weights must be a [batch_size x sequence_length] tensor"),
    ):
        if tf.convert_to_tensor(given).get_shape().ndims not in (rank, None):
            raise ValueError(what)
    with tf.name_scope(name, "sequence_loss", [logits, targets, weights]):
        rows = tf.reshape(logits, [-1, tf.shape(logits)[2]])
        labels, shares = tf.reshape(targets, [-1]), tf.reshape(weights, [-1])
        of_rows = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
        losses = of_rows(labels=labels, logits=rows) * shares
        if average_across_timesteps and average_across_batch:
            return tf.reduce_sum(losses) / (tf.reduce_sum(shares) + 1e-12)
        losses = tf.reshape(losses, tf.shape(logits)[:2])
        losses.set_shape(tf.convert_to_tensor(targets).get_shape())
        for axis, averaged in ((1, average_across_timesteps), (0, average_across_batch)):
            if averaged:
                losses = tf.reduce_sum(losses, [axis]) / (tf.reduce_sum(weights, [axis]) + 1e-12)
        return losses


# -- what a decoder reads ----------------------------------------------------------------------------------------------


class TrainingHelper:
    """The next input is the next of `inputs` [batch, time, ...], as long as the row's sequence lasts."""

    def __init__(self, inputs: Any, sequence_length: Any, time_major: bool = False, name: str | None = None):
        if time_major:
            inputs = map_structure(lambda x: tf.transpose(x, [1, 0, *range(2, x.get_shape().ndims)]), inputs)
        self._inputs = map_structure(tf.convert_to_tensor, inputs)
        self._lengths = tf.convert_to_tensor(sequence_length)
        if self._lengths.get_shape().ndims != 1:
            shape = self._lengths.get_shape()
            raise ValueError(f"Expected sequence_length to be a vector, but received shape: {shape}")

    @property
    def batch_size(self) -> Any:
        return tf.size(self._lengths)

    def initialize(self, name: str | None = None) -> tuple[Tensor, Any]:
        """(which rows have nothing to read, the first inputs)."""
        return tf.equal(0, self._lengths), map_structure(lambda x: x[:, 0], self._inputs)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """The symbol of the largest score."""
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any = None, name: Any = None) -> Any:
        """(finished, next inputs, state)."""
        after = time + 1
        last = tf.shape(flatten(self._inputs)[0])[1] - 1
        found = map_structure(lambda x: tf.gather(x, tf.minimum(after, last), axis=1), self._inputs)
        return after >= self._lengths, found, state


class GreedyEmbeddingHelper:
    """The next input is the row of the symbol with the largest score; a row ends with `end_token`."""

    def __init__(self, embedding: Any, start_tokens: Any, end_token: Any):
        self._rows = embedding if callable(embedding) else lambda ids: tf.nn.embedding_lookup(embedding, ids)
        self._starts = tf.convert_to_tensor(start_tokens, tf.int32)
        self._end = tf.convert_to_tensor(end_token, tf.int32)
        if self._starts.get_shape().ndims != 1:
            raise ValueError("start_tokens must be a vector")
        if self._end.get_shape().ndims != 0:
            raise ValueError("end_token must be a scalar")

    @property
    def batch_size(self) -> Any:
        return tf.size(self._starts)

    def initialize(self, name: str | None = None) -> tuple[Tensor, Any]:
        """(no row has finished, the rows of the first symbols)."""
        return tf.zeros_like(self._starts, tf.bool), self._rows(self._starts)

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """The symbol of the largest score."""
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time: Any, outputs: Any, state: Any, sample_ids: Any, name: Any = None) -> Any:
        """(finished, next inputs, state)."""
        return tf.equal(sample_ids, self._end), self._rows(sample_ids), state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """As GreedyEmbeddingHelper, with symbols that are drawn by their scores."""

    def __init__(
        self, embedding: Any, start_tokens: Any, end_token: Any, softmax_temperature: Any = None,
        seed: int | None = None,
    ):  # fmt: skip
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Any, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """A symbol drawn for each row."""
        scores = outputs if self._temperature is None else outputs / self._temperature
        return tf.squeeze(tf.multinomial(scores, 1, seed=self._seed, output_dtype=tf.int32), [1])


# -- decoders ----------------------------------------------------------------------------------------------------------


class BasicDecoderOutput(NamedTuple):
    """A cell's output, or what the output layer makes of it, and the symbol that was taken."""

    rnn_output: Any
    sample_id: Any


class BasicDecoder:
    """A cell that reads what a helper gives."""

    def __init__(self, cell: Any, helper: Any, initial_state: Any, output_layer: Any = None):
        self._cell, self._helper, self._initial_state, self._layer = cell, helper, initial_state, output_layer

    @property
    def batch_size(self) -> Any:
        return self._helper.batch_size

    def initialize(self, name: str | None = None) -> tuple[Any, Any, Any]:
        """(finished, first inputs, initial state)."""
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Any, inputs: Any, state: Any, name: str | None = None) -> tuple[Any, Any, Any, Any]:
        """(outputs, next state, next inputs, finished)."""
        output, new = self._cell(inputs, state)
        output = output if self._layer is None else self._layer(output)
        taken = self._helper.sample(time=time, outputs=output, state=new)
        finished, following, new = self._helper.next_inputs(time=time, outputs=output, state=new, sample_ids=taken)
        return BasicDecoderOutput(output, taken), new, following, finished


def dynamic_decode(
    decoder: Any, output_time_major: bool = False, impute_finished: bool = False, maximum_iterations: Any = None,
    parallel_iterations: int = 32, swap_memory: bool = False, scope: Any = None,
) -> tuple[Any, Any, Tensor]:  # fmt: skip
    """(outputs, last state, lengths): steps until every row has finished, or there were so many."""
    with tf.variable_scope(scope, "decoder"):
        finished, inputs, state = decoder.initialize()
        if maximum_iterations is not None:
            finished = tf.logical_or(finished, tf.convert_to_tensor(maximum_iterations) <= 0)
        shape_of: list[Any] = []  # the structure of a step's outputs, known once the first was built

        def step(time: Any, arrays: Any, state: Any, inputs: Any, finished: Any, lengths: Any) -> Any:
            outputs, new, following, ended = decoder.step(time, inputs, state)
            ended = tf.logical_or(ended, finished)
            if maximum_iterations is not None:
                ended = tf.logical_or(ended, time + 1 >= maximum_iterations)
            if impute_finished:
                outputs = map_structure(lambda x: tf.where(finished, tf.zeros_like(x), x), outputs)
                new = map_structure(lambda n, o: _held(finished, o, n), new, state)
            shape_of[:] = [outputs]
            arrays = [a.write(time, x) for a, x in zip(arrays, flatten(outputs), strict=True)]
            ends_now = tf.logical_and(ended, tf.logical_not(finished))
            lengths = tf.where(ends_now, tf.fill(tf.shape(lengths), time + 1), lengths)
            return time + 1, arrays, new, following, ended, lengths

        arrays = [tf.TensorArray(kind, 0, dynamic_size=True) for kind in _types(decoder, inputs)]
        start = (tf.constant(0), arrays, state, inputs, finished, tf.zeros_like(finished, tf.int32))
        _, arrays, state, _, _, lengths = tf.while_loop(
            lambda time, a, s, i, finished, n: tf.logical_not(tf.reduce_all(finished)), step, start,
            parallel_iterations=parallel_iterations,
        )  # fmt: skip
        outputs = pack(shape_of[0], [a.stack() for a in arrays])
        if not output_time_major:
            outputs = map_structure(_batch_first, outputs)
        return outputs, state, lengths


def _types(decoder: Any, inputs: Any) -> list[Any]:
    """The types of a step's outputs: what a decoder says, or a cell's output and a symbol."""
    kinds = getattr(decoder, "output_dtype", None)
    if kinds is not None:
        return flatten(kinds)
    return [flatten(inputs)[0].dtype.base_dtype, tf.int32]


def _held(finished: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """The old state of rows that have finished; a number for all rows goes on."""
    return new if new.get_shape().ndims == 0 else tf.where(finished, old, new)


def _batch_first(x: Tensor) -> Tensor:
    return tf.transpose(x, [1, 0, *range(2, x.get_shape().ndims or 2)])
