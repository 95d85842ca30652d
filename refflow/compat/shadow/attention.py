"""Cells that look at a memory [batch, length, size] in each step: `tf.contrib.seq2seq.AttentionWrapper`.

    Bahdanau     score[t] = v . tanh(W_q query + W_m memory[t])
    Luong        score[t] = query . W_m memory[t]                       times g where scaled
    context      sum over t of softmax(score)[t] memory[t]
    attention    W_a [output, context], or the context itself

Next: compat/shadow/hparams.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from refflow.compat import v1 as tf
from refflow.core.graph import Tensor
from refflow.core.nest import map_structure


class AttentionMechanism:
    """Scores of a memory's places for a query, as shares that sum to one; places behind a sequence's end get none."""

    scope = "attention"

    def __init__(
        self, num_units: int, memory: Any, memory_sequence_length: Any,
        probability_fn: Callable[[Tensor], Tensor] | None, score_mask_value: float | None, name: str,
    ):  # fmt: skip
        self._units, self._probability, self._name = num_units, probability_fn or tf.nn.softmax, name
        self._masked = -float("inf") if score_mask_value is None else score_mask_value
        memory = tf.convert_to_tensor(memory)
        self._lengths = memory_sequence_length
        if memory_sequence_length is not None:
            here = tf.expand_dims(tf.sequence_mask(memory_sequence_length, tf.shape(memory)[1], memory.dtype), 2)
            memory = memory * here
        self.values = memory
        self.keys = tf.layers.Dense(num_units, use_bias=False, name="memory_layer")(memory)
        self._query_layer = tf.layers.Dense(num_units, use_bias=False, name="query_layer")
        self._made: dict[str, Any] = {}

    @property
    def alignments_size(self) -> Any:
        size = self.values.get_shape()[1].value
        return tf.shape(self.values)[1] if size is None else size

    @property
    def batch_size(self) -> Any:
        size = self.values.get_shape()[0].value
        return tf.shape(self.values)[0] if size is None else size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Tensor:
        """No share for any place."""
        return tf.zeros_like(self.values[:, :, 0], dtype)

    def __call__(self, query: Tensor, state: Any = None) -> tuple[Tensor, Tensor]:
        """(shares, next state): the shares [batch, length] are the state, too."""
        with tf.variable_scope(None, self._name, [query]):
            score = self.score(query)
            if self._lengths is not None:
                here = tf.sequence_mask(self._lengths, tf.shape(score)[1])
                score = tf.where(here, score, self._masked * tf.ones_like(score))
            shares = self._probability(score)
        return shares, shares

    def _variable(self, name: str, *how: Any) -> Any:
        """The mechanism's variable of that name, made when it first looks."""
        if name not in self._made:
            self._made[name] = tf.get_variable(name, *how)
        return self._made[name]

    def score(self, query: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not say how a query meets a key")


class BahdanauAttention(AttentionMechanism):
    """Additive: both go through a layer, and their tanh through a vector."""

    def __init__(
        self, num_units: int, memory: Any, memory_sequence_length: Any = None, normalize: bool = False,
        probability_fn: Any = None, score_mask_value: float | None = None, dtype: Any = None,
        name: str = "BahdanauAttention",
    ):  # fmt: skip
        super().__init__(num_units, memory, memory_sequence_length, probability_fn, score_mask_value, name)
        self._normalize = normalize

    def score(self, query: Tensor) -> Tensor:
        kind = query.dtype.base_dtype
        asked = tf.expand_dims(self._query_layer(query), 1)
        vector = self._variable("attention_v", [self._units], kind)
        if not self._normalize:
            return tf.reduce_sum(vector * tf.tanh(self.keys + asked), [2])
        gain = self._variable("attention_g", [], kind, tf.constant_initializer((1.0 / self._units) ** 0.5))
        bias = self._variable("attention_b", [self._units], kind, tf.zeros_initializer())
        unit = gain * vector * tf.rsqrt(tf.reduce_sum(tf.square(vector)))
        return tf.reduce_sum(unit * tf.tanh(self.keys + asked + bias), [2])


class LuongAttention(AttentionMechanism):
    """Multiplicative: the query's product with each key."""

    def __init__(
        self, num_units: int, memory: Any, memory_sequence_length: Any = None, scale: bool = False,
        probability_fn: Any = None, score_mask_value: float | None = None, dtype: Any = None,
        name: str = "LuongAttention",
    ):  # fmt: skip
        super().__init__(num_units, memory, memory_sequence_length, probability_fn, score_mask_value, name)
        self._scale = scale

    def score(self, query: Tensor) -> Tensor:
        depth = query.get_shape()[-1].value
        if depth != self._units:
            raise ValueError(
                f"Incompatible or unknown inner dimensions between query and keys. Query ({query.name}) has units: "
                f"{depth}. Keys have units: {self._units}. Perhaps you need to set num_units to the query's units."
            )
        found = tf.squeeze(tf.matmul(tf.expand_dims(query, 1), self.keys, transpose_b=True), [1])
        if self._scale:
            found *= self._variable("attention_g", [], query.dtype.base_dtype, tf.ones_initializer())
        return found


class AttentionWrapperState(NamedTuple):
    """What the cell keeps, what it saw last, and the shares of the last step."""

    cell_state: Any
    attention: Any
    time: Any
    alignments: Any
    alignment_history: Any
    attention_state: Any

    def clone(self, **changed: Any) -> AttentionWrapperState:
        """The same but for what is given."""
        return self._replace(**changed)


class AttentionWrapper(tf.nn.rnn_cell.RNNCell):
    """A cell that reads its input beside what it saw last, and looks at a memory with its output."""

    base_name = "attention_wrapper"

    def __init__(
        self, cell: Any, attention_mechanism: AttentionMechanism, attention_layer_size: int | None = None,
        alignment_history: bool = False, cell_input_fn: Callable[[Tensor, Tensor], Tensor] | None = None,
        output_attention: bool = True, initial_cell_state: Any = None, name: str | None = None,
    ):  # fmt: skip
        if isinstance(attention_mechanism, (list, tuple)) or alignment_history:
            raise ValueError("AttentionWrapper takes one attention_mechanism, and keeps no alignment_history here")
        super().__init__(name=name)
        self._cell, self._mechanism, self._size = cell, attention_mechanism, attention_layer_size
        self._join = cell_input_fn or (lambda inputs, attention: tf.concat([inputs, attention], -1))
        self._output_attention, self._initial = output_attention, initial_cell_state
        self._layer_of_both = tf.layers.Dense(self._attention_size, use_bias=False, name="attention_layer")

    @property
    def _attention_size(self) -> int:
        return self._size or int(self._mechanism.values.get_shape()[-1].value)

    @property
    def output_size(self) -> int:
        return self._attention_size if self._output_attention else int(self._cell.output_size)

    @property
    def state_size(self) -> AttentionWrapperState:
        places = self._mechanism.alignments_size
        return AttentionWrapperState(self._cell.state_size, self._attention_size, [], places, (), places)

    def zero_state(self, batch_size: Any, dtype: Any = tf.float32) -> AttentionWrapperState:
        """Zeros, around the cell's initial state where one was given."""
        inner = self._cell.zero_state(batch_size, dtype) if self._initial is None else self._initial
        attention = tf.zeros(tf.stack([batch_size, self._attention_size]), dtype)
        attention.set_shape([None, self._attention_size])
        shares = self._mechanism.initial_alignments(batch_size, dtype)
        return AttentionWrapperState(map_structure(tf.identity, inner), attention, tf.zeros([], tf.int32), shares, (),
                                     shares)  # fmt: skip

    def call(self, inputs: Tensor, state: AttentionWrapperState) -> tuple[Tensor, AttentionWrapperState]:
        output, inner = self._cell(self._join(inputs, state.attention), state.cell_state)
        shares, after = self._mechanism(output, state.attention_state)
        context = tf.squeeze(tf.matmul(tf.expand_dims(shares, 1), self._mechanism.values), [1])
        if self._size is not None:
            context = self._layer_of_both(tf.concat([output, context], 1))
        new = AttentionWrapperState(inner, context, state.time + 1, shares, (), after)
        return context if self._output_attention else output, new
