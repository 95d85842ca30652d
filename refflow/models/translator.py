"""From sentences to sentences: an encoder and a decoder with their words, their training and two ways to write.

One graph holds it all, and a step is what is fetched of it [S50c, S75, S78]:

    train         the loss of a batch, its gradients, clipped together, and one update by Adam
    loss          the same batch alone
    greedy        the encoder, and the decoder on its own words
    one word      the decoder alone: what the encoder gave is fed in its place, so that nothing of it runs

Sentences come padded, with their lengths; so short and long ones share a batch, all batches have one shape, and the
padding counts for nothing.

Next: models/encoder_decoder.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import refflow as tf
from refflow.models import decoding
from refflow.models.beam_search import Hypothesis, beam_search
from refflow.models.encoder_decoder import EncoderDecoder
from refflow.models.training import clipped_adam
from refflow.models.words import BEGIN, END, Vocabulary, padded

Pairs = Sequence[tuple[str, str]]


class Translator:
    """A model of these pairs of sentences: it knows their words, and learns by `train`.

    units: the size of its states. longest: how many words it writes at most. seed: of its start.
    """

    def __init__(self, pairs: Pairs, units: int = 64, longest: int = 40, seed: int = 1):
        if not pairs:
            raise ValueError("a Translator gets its words from pairs of sentences, and there are none")
        self.source_words, self.target_words = Vocabulary(s for s, _ in pairs), Vocabulary(t for _, t in pairs)
        self.longest = longest
        self._most = [max(len(pair[side].split()) for pair in pairs) + 1 for side in (0, 1)]
        with tf.Graph().as_default() as self.graph:
            tf.set_random_seed(seed)
            self._build(EncoderDecoder(len(self.source_words), len(self.target_words), units))
            self.session = tf.Session()
            self.session.run(tf.initialize_all_variables())

    def _build(self, model: EncoderDecoder) -> None:
        self.source, self.source_lengths = tf.placeholder(tf.int32, [None, None]), tf.placeholder(tf.int32, [None])
        self.target, self.target_lengths = tf.placeholder(tf.int32, [None, None]), tf.placeholder(tf.int32, [None])
        self.memory, self.start = model.encoder(self.source, self.source_lengths)
        attention = model.attention(self.memory, self.source_lengths)
        decoder = model.decoder(attention)
        self.loss = decoding.loss(decoder, self.start, self.target, self.target_lengths, BEGIN)
        self.update, self.rate = clipped_adam(self.loss)
        self.written = decoding.greedy(decoder, self.start, BEGIN, END, self.longest)
        self.symbols, self.state = tf.placeholder(tf.int32, [None]), tf.placeholder(tf.float32, self.start.get_shape())
        self.log_p, self.next_state = decoder.log_step(self.symbols, self.state)
        self.shares = attention.read(tf.expand_dims(self.next_state, 1))[1]

    def _read(self, sentences: Sequence[str]) -> dict[Any, Any]:
        if isinstance(sentences, str):
            raise TypeError(f"a Translator takes a list of sentences: write [{sentences!r}]")
        rows, lengths = padded([self.source_words.numbers(s) for s in sentences], self._most[0])
        return {self.source: rows, self.source_lengths: lengths}

    def _pairs(self, pairs: Pairs) -> dict[Any, Any]:
        rows, lengths = padded([self.target_words.numbers(t) for _, t in pairs], self._most[1])
        return {**self._read([s for s, _ in pairs]), self.target: rows, self.target_lengths: lengths}

    def train(
        self, pairs: Pairs, steps: int, batch: int = 32, rate: float = 0.01, seed: int = 1, say: Any = None
    ) -> None:
        """`steps` batches drawn from `pairs`; Adam's rate falls evenly to 0. `say` is told the loss ten times."""
        if not pairs:
            raise ValueError("there are no pairs of sentences to draw batches from")
        rng, losses = np.random.default_rng(seed), []
        for i in range(1, steps + 1):
            drawn = [pairs[k] for k in rng.integers(0, len(pairs), batch)]
            feeds = {**self._pairs(drawn), self.rate: rate * (1 - (i - 1) / steps)}
            losses.append(self.session.run([self.loss, self.update], feeds)[0])
            if say and i % max(1, steps // 10) == 0:
                say(f"step {i}: loss {np.mean(losses):.4f}")
                losses.clear()

    def mean_loss(self, pairs: Pairs) -> float:
        """The loss per word of these pairs, in nats."""
        return float(self.session.run(self.loss, self._pairs(pairs)))

    def translate(self, sentences: Sequence[str]) -> list[str]:
        """What the model writes, greedily."""
        return [self.target_words.sentence(row) for row in self.session.run(self.written, self._read(sentences))]

    def best(self, sentence: str, width: int = 4) -> list[tuple[str, float]]:
        """The likeliest sentences that a beam of this width finds, each with log p, the likeliest first."""
        feeds = self._read([sentence])
        lengths = feeds[self.source_lengths]
        memory, start = self.session.run([self.memory, self.start], feeds)

        def step(symbols: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            k = len(symbols)
            known = {self.memory: np.repeat(memory, k, 0), self.source_lengths: np.repeat(lengths, k)}
            return self.session.run([self.log_p, self.next_state], {**known, self.symbols: symbols, self.state: state})

        found: list[Hypothesis] = beam_search(step, start[0], width, BEGIN, END, self.longest)
        return [(self.target_words.sentence(h.symbols), h.log_p) for h in found]

    def looks(self, sentence: str) -> tuple[list[str], np.ndarray]:
        """The words written for a sentence and END, and for each the shares of the words that were looked at."""
        feeds = self._read([sentence])
        memory, state = self.session.run([self.memory, self.start], feeds)
        known = {self.memory: memory, self.source_lengths: feeds[self.source_lengths]}
        symbol = BEGIN
        words: list[str] = []
        shares: list[np.ndarray] = []
        while symbol != END and len(words) < self.longest:
            log_p, state, share = self.session.run(
                [self.log_p, self.next_state, self.shares], {**known, self.symbols: [symbol], self.state: state}
            )
            symbol = int(log_p[0].argmax())
            words.append(self.target_words.words[symbol])
            shares.append(share[0, 0])
        return words, np.array(shares)
